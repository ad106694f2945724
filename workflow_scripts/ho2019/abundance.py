"""Ho et al. (2019) section 5.2, Eq. 10: systematics of a cluster count beside the published (rule ho2019_abundance)."""

from clustermass import contracts, runtime, style
from clustermass.comparison import beside
from clustermass.interpretation import MEASURED
from clustermass.published import published

with runtime.logged(snakemake):
    measured = contracts.read_table(snakemake.input.abundance, MEASURED)
    table = beside(measured, lambda model, name: published("ho2019", name, model, snakemake.input.published))
    caption = (
        "Change of a cluster count by residuals that are not lognormal (Ho et al. 2019, section 5.2, Eq. 10) [percent];"
        " the scatter is that of ln M, which alone gives the published values; the paper prints that of M-sigma, pure,"
        " without its sign, which is negative; low and high: 16th to 84th percentile of a bootstrap over halos."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
