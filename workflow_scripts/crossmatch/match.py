"""Match the parent sample with the label catalogues, under one reading of the 500 kpc (rule crossmatch_match)."""

from clustermass import contracts, crossmatch, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.crossmatch import Crossmatch
from clustermass.cosmology import flat

with runtime.logged(snakemake):
    clusters = contracts.read_table(snakemake.input.clusters, contracts.CLUSTERS)
    names = snakemake.params.crossmatch["priority"]
    catalogues = {
        name: contracts.read_table(path, contracts.LABEL_SOURCES)
        for name, path in zip(names, snakemake.input.catalogues, strict=True)
    }
    matches = crossmatch.match(
        clusters,
        catalogues,
        Crossmatch(**snakemake.params.crossmatch),
        snakemake.params.readings,
        flat(Cosmology(**snakemake.params.cosmology)),
    )
    print(matches["catalogue"].value_counts().to_string())
    contracts.write_table(
        matches, contracts.MATCHES, snakemake.output[0], {"provenance": provenance.record(snakemake)}
    )
