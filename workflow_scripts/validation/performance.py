"""Time and memory of the embedded universe's rules, from Snakemake's benchmarks (rule validation_performance)."""

from pathlib import Path

import pandas as pd

from clustermass import runtime, style
from clustermass.validation.performance import performance

with runtime.logged(snakemake):
    # parameters, not inputs: Snakemake writes them beside the jobs and does not count them among the outputs
    root = Path(snakemake.log[0]).parents[3]  # not here where another workflow imports this one with a prefix
    paths = {job: root / path for job, path in snakemake.params.benchmarks.items() if (root / path).is_file()}
    absent = [path for job, path in snakemake.params.benchmarks.items() if job not in paths]
    print(f"no benchmark: {', '.join(absent)}" if absent else "all benchmarks found")
    table = performance({job: pd.read_csv(path, sep="\t") for job, path in paths.items()})
    caption = (
        "Wall-clock time and peak memory of the rules of the embedded universe, on the machine and with the number of"
        f" cores that this run had; {len(paths)} of {len(snakemake.params.benchmarks)} jobs left a benchmark."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, "simulated", caption)
    print(table.to_string())
