"""Systematics of cluster counts of all estimators, with intervals (rule interpretation_abundance)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.interpretation import Interpretation
from clustermass.interpretation import MEASURED, abundances
from clustermass.predictions import PREDICTIONS

with runtime.logged(snakemake):
    predictions = contracts.read_tables(snakemake.params.models, list(snakemake.input), PREDICTIONS)
    settings = Interpretation(**snakemake.params.interpretation)
    table = abundances(predictions, settings, lambda: runtime.job_generator(snakemake))
    print(table.to_string())
    contracts.write_table(table, MEASURED, snakemake.output[0], {"provenance": provenance.record(snakemake)})
