"""Ho et al. (2019) Table 2: statistics of the residuals beside the published (rule ho2019_table2)."""

from clustermass import contracts, runtime, style
from clustermass.comparison import beside
from clustermass.interpretation import MEASURED
from clustermass.published import published

with runtime.logged(snakemake):
    measured = contracts.read_table(snakemake.input.statistics, MEASURED)
    measured = measured[measured["statistic"] != "width"]
    table = beside(
        measured, lambda model, name: published("ho2019", "table2", f"{model}_{name}", snakemake.input.published)
    )
    caption = (
        "Residuals log10(predicted / true mass) of six estimators (Ho et al. 2019, Table 2): median, distance of"
        " the 84th (plus) and of the 16th percentile (minus), standard deviation sigma [dex], skewness, excess"
        " kurtosis, and how much smaller one sigma is than another [percent]; low and high: 16th to 84th"
        " percentile of a bootstrap over halos. Headline: the held-out box. The rows of the CNNs trained on as few"
        " clusters as the SDM have no published counterpart."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
