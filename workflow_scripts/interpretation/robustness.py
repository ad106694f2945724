"""How predictions of all estimators drift as galaxies are left out (rule interpretation_robustness)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.interpretation import Interpretation
from clustermass.interpretation import DRIFTS, MEASURED, robustness_tables
from clustermass.predictions import PREDICTIONS, SUBSAMPLED

with runtime.logged(snakemake):
    models = snakemake.params.models
    subsampled = contracts.read_tables(models, list(snakemake.input.subsampled), SUBSAMPLED)
    predictions = contracts.read_tables(models, list(snakemake.input.predictions), PREDICTIONS)
    settings = Interpretation(**snakemake.params.interpretation)
    generators = lambda: runtime.job_generator(snakemake)  # noqa: E731
    measured, drifts = robustness_tables(subsampled, predictions, settings, generators)
    print(measured.to_string())
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(measured, MEASURED, snakemake.output.measured, metadata)
    contracts.write_table(drifts, DRIFTS, snakemake.output.drifts, metadata)
