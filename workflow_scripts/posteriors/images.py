"""Posteriors of masses from images, of an ensemble of networks, and their calibration (rule posteriors_images).

Clusters that test in one fold are given posteriors from residuals, or pairs of prediction and label, of other folds.
"""

from clustermass import contracts, provenance, runtime
from clustermass.config.image_results import ImagePosterior
from clustermass.transfer.contracts import MASS_PREDICTIONS
from clustermass.transfer.ensemble import (
    COVERAGE,
    ENSEMBLE,
    IMAGE_CALIBRATION,
    IMAGE_POSTERIORS,
    calibration_table,
    coverage,
    ensemble,
    mass_posteriors,
    posterior_table,
)

with runtime.logged(snakemake):
    settings = ImagePosterior(**snakemake.params.posterior)
    table = ensemble(contracts.read_joined(snakemake.input.predictions, MASS_PREDICTIONS))
    made = mass_posteriors(table, settings)
    posteriors = posterior_table(table, made)
    shares = coverage(posteriors)
    if "ensemble" not in made:
        print("one trial: no ensemble whose networks could disagree")
    print(shares.to_string(index=False, float_format="%.3f"))
    calibration = calibration_table(table, made, settings, runtime.job_generator(snakemake))
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(table, ENSEMBLE, snakemake.output.ensemble, metadata)
    contracts.write_table(posteriors, IMAGE_POSTERIORS, snakemake.output.posteriors, metadata)
    contracts.write_table(calibration, IMAGE_CALIBRATION, snakemake.output.calibration, metadata)
    contracts.write_table(shares, COVERAGE, snakemake.output.coverage, metadata)
