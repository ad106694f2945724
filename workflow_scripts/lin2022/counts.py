"""Lin et al. (2022) section 2.3 as a table: rows, matches and labels beside the published (rule lin2022_counts)."""

from clustermass import contracts, runtime, style
from clustermass.metrics import count_table
from clustermass.published import published

with runtime.logged(snakemake):
    readings = dict(zip(snakemake.params.readings, snakemake.input.matches, strict=True))
    catalogues = dict(zip(snakemake.params.catalogues, snakemake.input.catalogues, strict=True))
    table = count_table(
        {name: contracts.read_metadata(path) for name, path in catalogues.items()},
        snakemake.params.parent,
        contracts.read_table(snakemake.input.labels, contracts.LABELS),
        {reading: contracts.read_table(path, contracts.MATCHES) for reading, path in readings.items()},
        {reading: contracts.read_metadata(path)["chance_matches"] for reading, path in readings.items()},
        lambda quantity: published("lin2022", "counts", quantity, snakemake.input.published),
    )
    style.write_paper_table(
        table,
        {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex},
        snakemake.wildcards.source,
        "Catalogue rows, matches and labels (Lin et al. 2022, section 2.3), with every reading of the 500 kpc.",
    )
    print(table.to_string())
