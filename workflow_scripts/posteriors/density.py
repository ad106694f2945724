"""Posteriors of clusters that an estimator has predicted, and their calibration (rule posteriors_density).

Predictions of role `test` calibrate, those of role `heldout` are given posteriors and judge them. Posteriors that an
estimator gives by itself come as an input `own`; then nothing is left to be fitted.
"""

import numpy as np

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.posterior import Posterior
from clustermass.exchange import write_exchange
from clustermass.posterior.calibration import calibrate
from clustermass.posterior.contracts import CALIBRATION, POSTERIOR_SUMMARIES
from clustermass.posterior.inference import infer, own_posteriors
from clustermass.posterior.prior import importance
from clustermass.posterior.store import load_posteriors, save_inference
from clustermass.posterior.summaries import summary_table
from clustermass.predictions import PREDICTIONS

with runtime.logged(snakemake):
    settings, cosmology = Posterior(**snakemake.params.posterior), Cosmology(**snakemake.params.cosmology)
    fits, draws = runtime.job_generator(snakemake).spawn(2)
    predictions = contracts.read_table(snakemake.input.predictions, PREDICTIONS)
    pairs, judged = (predictions[predictions["role"] == role].reset_index(drop=True) for role in ("test", "heldout"))
    if snakemake.input.get("own"):
        own, cluster, prior = load_posteriors(snakemake.input.own)
        inference = infer(pairs, "kde", settings, snakemake.params.redshift, cosmology, fits, own.log10_mass)
        slices = own_posteriors(inference, judged, own, cluster, prior)
    else:
        density = snakemake.wildcards.density
        inference = infer(pairs, density, settings, snakemake.params.redshift, cosmology, fits)
        slices = inference.posteriors(judged["log10_predicted"].to_numpy())
    table = summary_table(judged, slices, settings.limits)
    mass = judged["log10_m200c"].to_numpy()
    weight = None if inference.target is inference.prior else importance(mass, inference.prior, inference.target)
    calibration = calibrate(slices.posteriors, mass, judged["group"], inference.settings, draws, weight)
    about = calibration.drop_duplicates(["statistic", "bins", "bin"])
    print(about[["statistic", "bins", "bin", "deviation", "band", "clusters", "halos"]].to_string(index=False))
    print(f"{len(pairs)} pairs; {table['extrapolated'].sum()} of {len(table)} posteriors are extrapolated")
    metadata = {"provenance": provenance.record(snakemake)}
    seen = predictions["log10_predicted"]
    save_inference(snakemake.output.joint, inference, np.linspace(seen.min(), seen.max(), 400), metadata)
    contracts.write_table(table, POSTERIOR_SUMMARIES, snakemake.output.posteriors, metadata)
    names = "{model} on {mock}, {density}, {source} data".format(**snakemake.wildcards)
    write_exchange(table, POSTERIOR_SUMMARIES, dict(snakemake.output.items()), [names])
    contracts.write_table(calibration, CALIBRATION, snakemake.output.calibration, metadata)
