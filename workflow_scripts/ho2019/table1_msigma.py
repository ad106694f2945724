"""Ho et al. (2019) Table 1: parameters of both M-sigma relations beside the published (rule ho2019_table1)."""

import pandas as pd

from clustermass import contracts, runtime, style
from clustermass.comparison import LOOKS, headline_relation, jackknife_errors
from clustermass.msigma import RELATIONS
from clustermass.published import published

UNITS = {"sigma15": "km/s", "alpha": "", "scatter": "dex"}

with runtime.logged(snakemake):
    rows = []
    for catalogue in ("pure", "contaminated"):
        fits = contracts.read_table(snakemake.input[catalogue], RELATIONS)
        relation, errors = headline_relation(fits), jackknife_errors(fits)
        for quantity, unit in UNITS.items():
            value, error = getattr(relation, quantity), errors[quantity]
            about = {"model": LOOKS[f"msigma_{catalogue}"].title, "quantity": quantity, "unit": unit}
            about["published"] = published("ho2019", "table1", f"{catalogue}_{quantity}", snakemake.input.published)
            rows.append(about | {"regenerated": value, "low": value - error, "high": value + error})
        rows.append(
            {"model": about["model"], "quantity": "clusters fitted", "unit": "", "regenerated": relation.clusters}
        )
    table = pd.DataFrame(rows)
    caption = (
        "Best-fit M-sigma relations (Ho et al. 2019, Table 1) above the mass cut, in the boxes that are not"
        " held out; low and high: 1 sigma by a jackknife over the folds."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
