"""Statistics of residuals of all estimators, with intervals (rule interpretation_residuals)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.interpretation import Interpretation
from clustermass.interpretation import MEASURED, residual_table
from clustermass.predictions import PREDICTIONS

with runtime.logged(snakemake):
    predictions = contracts.read_tables(snakemake.params.models, list(snakemake.input), PREDICTIONS)
    settings = Interpretation(**snakemake.params.interpretation)
    table = residual_table(predictions, settings, lambda: runtime.job_generator(snakemake))
    print(table.to_string())
    contracts.write_table(table, MEASURED, snakemake.output[0], {"provenance": provenance.record(snakemake)})
