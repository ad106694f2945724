"""Ho et al. (2019) Table 3: dependence of residuals on mass and richness beside the published (rule ho2019_table3)."""

import numpy as np
import pandas as pd

from clustermass import contracts, runtime, style
from clustermass.comparison import CNNS, TITLES
from clustermass.interpretation import CHAINS, POSTERIORS
from clustermass.predictions import ROLES
from clustermass.published import published

ABOUT = {  # column of the chains: how the table calls it
    "median_log10_m200c": "median log10 M200c",
    "median_richness": "median true richness",
    "clusters": "clusters",
    "left_out": "clusters without true members",
    "autocorrelation": "longest autocorrelation [steps]",
    "kept": "steps kept",
    "converged": "converged (1: yes)",
}


def row_of(model, name, values):
    """Return a line: published number and interval, then the posteriors' of each role."""
    row = {"model": TITLES[model], "parameter": name}
    for part in ("", "plus", "minus"):
        key = f"{model}_{name}_{part}".rstrip("_").replace(", ", "_").replace(" ", "_")
        row[f"published {part}".rstrip()] = published("ho2019", "table3", key, snakemake.input.published)
    for role, words in ROLES.items():
        found = values.get(role, {})
        row |= {f"{words} {part}".rstrip(): found.get(part or "median", np.nan) for part in ("", "plus", "minus")}
    return row


with runtime.logged(snakemake):
    posteriors = contracts.read_table(snakemake.input.posteriors, POSTERIORS)
    chains = contracts.read_table(snakemake.input.chains, CHAINS)
    rows = []
    for model in CNNS:
        mine = posteriors[posteriors["model"] == model]
        for name in mine["parameter"].unique():
            part = mine[mine["parameter"] == name].set_index("role")
            rows.append(row_of(model, name, part[["median", "plus", "minus"]].to_dict("index")))
        about = chains[chains["model"] == model].set_index("role")
        for column, name in ABOUT.items():
            rows.append(row_of(model, name, {role: {"median": float(about[column][role])} for role in about.index}))
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")
    caption = (
        "Dependence of the CNNs' residuals on mass and richness (Ho et al. 2019, Table 3, Eqs. 11-13): medians of the"
        " posteriors with distances to the 84th (plus) and the 16th percentile (minus), the share of the scatter that"
        " is intrinsic in two readings, and the convergence of the chains."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
