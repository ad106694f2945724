"""Match the parent sample with the label catalogues, under one reading of the 500 kpc (rule crossmatch_match)."""

from clustermass import contracts, crossmatch, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.crossmatch import Crossmatch
from clustermass.cosmology import flat

with runtime.logged(snakemake):
    clusters = contracts.read_table(snakemake.input.clusters, contracts.CLUSTERS)
    catalogues = contracts.read_tables(snakemake.params.priority, snakemake.input.catalogues, contracts.LABEL_SOURCES)
    limits, cosmology = Crossmatch(**snakemake.params.limits), flat(Cosmology(**snakemake.params.cosmology))
    matches = crossmatch.match(clusters, catalogues, limits, snakemake.params.readings, cosmology)
    print(matches["catalogue"].value_counts().to_string())
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(matches, contracts.MATCHES, snakemake.output[0], metadata)
