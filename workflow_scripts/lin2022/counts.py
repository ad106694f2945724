"""Lin et al. (2022) section 2.3 as a table: rows, matches and labels beside the published (rule lin2022_counts)."""

import pandas as pd

from clustermass import contracts, runtime, style
from clustermass.metrics import count_table
from clustermass.published import published

with runtime.logged(snakemake):
    readings = dict(zip(snakemake.params.readings, snakemake.input.matches, strict=True))
    catalogues = dict(zip(snakemake.params.catalogues, snakemake.input.catalogues, strict=True))
    chance = pd.read_csv(snakemake.input.chance).pivot(index="catalogue", columns="reading", values="matches")
    table = count_table(
        {name: contracts.read_metadata(path) for name, path in catalogues.items()},
        snakemake.params.titles,
        snakemake.params.parent,
        len(contracts.read_table(snakemake.input.labels, contracts.LABELS)),
        contracts.read_tables(list(readings), list(readings.values()), contracts.MATCHES),
        chance,
        lambda quantity: published("lin2022", "counts", quantity, snakemake.input.published),
    )
    style.write_paper_table(
        table,
        {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex},
        snakemake.wildcards.source,
        "Catalogue rows, matches and labels (Lin et al. 2022, section 2.3), with every reading of the 500 kpc.",
    )
    print(table.to_string())
