"""Posteriors of how residuals depend on mass and richness, and their chains (rule interpretation_wojtak)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.interpretation import Interpretation
from clustermass.interpretation import CHAINS, POSTERIORS, chain_row, posterior_rows, samples
from clustermass.mock_observation.contracts import CLUSTERS_MOCK
from clustermass.predictions import PREDICTIONS
from clustermass.wojtak import sample_posterior

with runtime.logged(snakemake):
    settings = Interpretation(**snakemake.params.interpretation)
    predictions = contracts.read_tables(snakemake.params.models, list(snakemake.input.predictions), PREDICTIONS)
    clusters = contracts.read_table(snakemake.input.clusters, CLUSTERS_MOCK).set_index("cluster")
    rng, rows, chains = runtime.job_generator(snakemake), [], []
    for model, role, table in samples(predictions):
        richness = clusters.loc[table["cluster"], "true_richness"].to_numpy()
        known = richness > 0
        used = table[known]
        columns = used["log10_m200c"].to_numpy(), used["residual"].to_numpy(), richness[known]
        posterior = sample_posterior(*columns, settings, rng)
        rows.append(posterior_rows(posterior, model, role, settings.share_richness))
        chains.append(chain_row(posterior, columns[0], columns[2], len(table)) | {"model": model, "role": role})
        print(rows[-1].to_string(), "\n", chains[-1])
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(pd.concat(rows), POSTERIORS, snakemake.output.posteriors, metadata)
    contracts.write_table(pd.DataFrame(chains), CHAINS, snakemake.output.chains, metadata)
