"""Join the tables of all jobs of mosaics (rule mosaics_table)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.frames.contracts import MOSAICS

with runtime.logged(snakemake):
    parts = [contracts.read_table(path, MOSAICS) for path in snakemake.input]
    table = pd.concat(parts, ignore_index=True)
    aside = table[table["reason"] != ""].drop_duplicates("cluster")
    print(f"{table['cluster'].nunique()} clusters, {len(aside)} of them set aside")
    print("\n".join(f"{row.cluster}: {row.reason}" for row in aside.itertuples()))
    print(table.groupby("band", sort=False)[["frames", "coverage", "depth", "noise"]].median().to_string())
    contracts.write_table(table, MOSAICS, snakemake.output[0], {"provenance": provenance.record(snakemake)})
