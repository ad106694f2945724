"""Ho et al. (2019) Table 4: statistics of the subsampled mass deviation beside the published (rule ho2019_table4)."""

import pandas as pd

from clustermass import contracts, runtime, style
from clustermass.comparison import beside
from clustermass.interpretation import MEANS, MEASURED
from clustermass.published import published

with runtime.logged(snakemake):
    measured = contracts.read_table(snakemake.input.robustness, MEASURED)

    def number(model, name):
        """Return the published number of a model."""
        return published("ho2019", "table4", f"{model}_{name}", snakemake.input.published)

    readings = {mean: measured[measured["reading"] == mean] for mean in MEANS}
    table = pd.concat([beside(part, number).assign(**{"mean of": mean}) for mean, part in readings.items()])
    table = table.dropna(axis="columns", how="all")
    caption = (
        "Subsampled mass deviation for sampling rates of 0.6 to 0.8 (Ho et al. 2019, Table 4) [dex], and the range from"
        " its 16th to its 84th percentile in percent of the prediction from all galaxies: as a decimal logarithm, and"
        " linear, as the paper has it. Mean of: whether the predictions of a rate's draws are averaged or their"
        " logarithms; low and high: 16th to 84th percentile of a bootstrap over halos."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
