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
    limits = Crossmatch(**snakemake.params.crossmatch)
    cosmology = flat(Cosmology(**snakemake.params.cosmology))
    matches = crossmatch.match(clusters, catalogues, limits, snakemake.params.readings, cosmology)
    chance = crossmatch.chance_matches(clusters, catalogues, limits, snakemake.params.readings, cosmology)
    print(matches["catalogue"].value_counts().to_string(), f"\nexpected by chance: {chance}")
    metadata = {"provenance": provenance.record(snakemake), "chance_matches": chance}
    contracts.write_table(matches, contracts.MATCHES, snakemake.output[0], metadata)
