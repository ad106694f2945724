"""Real against simulated fields: numbers, tolerances, verdicts (rule realism_table)."""

import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.realism import Realism
from clustermass.realism.contracts import FIELD_STATISTICS, RED_COUNTS, VERDICTS
from clustermass.realism.red_sequence import rank_correlation
from clustermass.realism.verdict import compare, correlation_row

CAPTION = (
    "Simulated against real frames: medians over fields, or means over objects, with the range over fields; targets are"
    " medians of nine real SDSS fields measured in the same way, and what is allowed about them."
)

with runtime.logged(snakemake):
    settings = Realism(**snakemake.params.realism)
    real, simulated = (contracts.read_table(snakemake.input[kind], FIELD_STATISTICS) for kind in ("real", "simulated"))
    counts = contracts.read_table(snakemake.input.counts, RED_COUNTS)
    red, rng = settings.red_sequence, runtime.job_generator(snakemake)
    correlation = rank_correlation(counts["count"].to_numpy(), counts["richness"].to_numpy(), red.bootstraps, rng)
    row = correlation_row(correlation, int(counts["count"].notna().sum()), red.least_correlation)
    verdicts = pd.concat([compare(real, simulated, settings), row], ignore_index=True)
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(verdicts, VERDICTS, snakemake.output.verdicts, metadata)
    outputs = {kind: snakemake.output[kind] for kind in ("csv", "md", "tex")}
    style.write_paper_table(verdicts, outputs, "simulated", CAPTION)
