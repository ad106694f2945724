"""Give every cluster its strong or weak label, and deal the clusters out to splits (rule crossmatch_labels)."""

from clustermass import contracts, crossmatch, provenance, runtime
from clustermass.config.crossmatch import Labels

with runtime.logged(snakemake):
    settings = Labels(**snakemake.params.labels)
    rng = runtime.job_generator(snakemake)
    catalogues = contracts.read_tables(snakemake.params.priority, snakemake.input.catalogues, contracts.LABEL_SOURCES)
    labels = crossmatch.label(
        contracts.read_table(snakemake.input.clusters, contracts.CLUSTERS),
        catalogues,
        contracts.read_table(snakemake.input.matches, contracts.MATCHES),
        snakemake.params.parent,
        settings,
    )
    splits = crossmatch.split(labels, settings, rng)
    metadata = {
        "provenance": provenance.record(snakemake),
        "weak_mass": "power law in richness (Lin et al. 2022, Eq. 1; Jimeno et al. 2018), as published",
    }
    contracts.write_table(labels, contracts.LABELS, snakemake.output.labels, metadata)
    contracts.write_table(splits, contracts.SPLITS, snakemake.output.splits, metadata)
