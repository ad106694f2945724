"""Count the matches that chance alone would give, under every reading of the 500 kpc (rule crossmatch_chance)."""

import pandas as pd

from clustermass import contracts, crossmatch, runtime
from clustermass.config.base import Cosmology
from clustermass.config.crossmatch import Crossmatch
from clustermass.cosmology import flat
from clustermass.files import replacing

with runtime.logged(snakemake):
    clusters = contracts.read_table(snakemake.input.clusters, contracts.CLUSTERS)
    catalogues = contracts.read_tables(snakemake.params.priority, snakemake.input.catalogues, contracts.LABEL_SOURCES)
    limits = Crossmatch(**snakemake.params.limits, chance_shifts=snakemake.params.shifts)
    cosmology = flat(Cosmology(**snakemake.params.cosmology))
    rows = []
    for name, readings in snakemake.params.readings.items():
        counts = crossmatch.chance_matches(clusters, catalogues, limits, readings, cosmology)
        rows += [{"reading": name, "catalogue": catalogue, "matches": mean} for catalogue, mean in counts.items()]
        print(f"{name}: {counts}")
    with replacing(snakemake.output[0]) as aside:
        pd.DataFrame(rows).to_csv(aside, index=False)
