"""Ho et al. (2019) section 5.5: times of training and evaluation beside the published (rule ho2019_timing)."""

import pandas as pd

from clustermass import contracts, runtime, style
from clustermass.comparison import LOOKS
from clustermass.predictions import TIMING
from clustermass.published import published

EACH, ALL = "microseconds each", "seconds"


def line(model, step, about):
    """Return a line of the table: the published times and those of this run."""
    key = f"{model}_{step}".replace(" ", "_")
    names = {f"published {unit}": f"{key}_{unit.replace(' ', '_')}" for unit in (EACH, ALL)}
    numbers = {column: published("ho2019", "timing", name, snakemake.input.published) for column, name in names.items()}
    return {"model": LOOKS[model].title, "step": step, **numbers, **about}


with runtime.logged(snakemake):
    rows = []
    for model in LOOKS:
        steps = contracts.read_table(snakemake.input[model], TIMING)
        for step, part in steps.groupby("step", sort=False):
            seconds, number = part["seconds"].sum(), part["number"].sum()
            about = {EACH: 1e6 * seconds / number, ALL: seconds, "number": number, "threads": part["threads"].max()}
            rows.append(line(model, step, about))
        rows.append(line(model, "all steps", {ALL: steps["seconds"].sum()}))
    columns = ["model", "step", f"published {EACH}", EACH, f"published {ALL}", ALL, "number", "threads"]
    table = pd.DataFrame(rows, columns=columns)
    caption = (
        "Wall-clock times (Ho et al. 2019, sections 3.3, 4.2, 5.5), theirs on 28 cores with all ten folds, here on the"
        f" machine of this run. The SDM learns from at most {snakemake.params.sdm['training_clusters']} clusters"
        f"{'' if snakemake.params.sdm['cross_validation'] else ', for the held-out box alone'}."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
