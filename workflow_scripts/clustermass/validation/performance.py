"""What the embedded universe costs: time and memory of its rules, from the benchmarks that Snakemake writes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd


def performance(benchmarks: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return time and peak memory by rule, and what all jobs took together.

    Parameters
    ----------
    benchmarks : dict of pandas.DataFrame
        Snakemake's benchmark of each job; its name begins with the rule's, up to a colon. Columns s [s] and max_rss
        [MB], a row a run.

    Returns
    -------
    pandas.DataFrame
        Columns rule, jobs, seconds (mean of a job), longest job [s], all jobs [s], peak memory [MB]; the last line is
        for all rules, one job after another.

    Raises
    ------
    ValueError
        No benchmarks, or one that is none.
    """
    if not benchmarks:
        raise ValueError("benchmarks: expected at least one")
    lines = []
    for job, runs in benchmarks.items():
        absent = {"s", "max_rss"} - set(runs)
        if absent or not len(runs):
            raise ValueError(f"{job}: expected a benchmark with columns s and max_rss, got {', '.join(map(str, runs))}")
        memory = pd.to_numeric(runs["max_rss"], errors="coerce")  # '-' or NA: the job was too short to be seen
        lines.append((job.split(":")[0], float(runs["s"].mean()), float(memory.max())))
    frame = pd.DataFrame(lines, columns=["rule", "seconds", "memory"])
    grouped = frame.groupby("rule", sort=False)
    table = grouped.agg(jobs=("seconds", "size"), mean=("seconds", "mean"), longest=("seconds", "max"),
                        total=("seconds", "sum"), memory=("memory", "max")).reset_index()  # fmt: skip
    whole = {
        "rule": "all rules",
        "jobs": len(frame),
        "mean": frame["seconds"].mean(),
        "longest": frame["seconds"].max(),
    }
    whole |= {"total": frame["seconds"].sum(), "memory": frame["memory"].max()}
    table = pd.concat([table, pd.DataFrame([whole])], ignore_index=True)
    names = {
        "mean": "mean job [s]",
        "longest": "longest job [s]",
        "total": "all jobs [s]",
        "memory": "peak memory [MB]",
    }
    table[list(names)] = np.round(table[list(names)], 1)
    return table.rename(columns=names)
