"""Lin et al. (2022) Table 2: errors of models of masses, and which are better (rule lin2022_table2)."""

from clustermass import contracts, runtime, style
from clustermass.config.interpretation import Interpretation
from clustermass.published import published
from clustermass.transfer.comparison import made_from, standings
from clustermass.transfer.contracts import MASS_PREDICTIONS

with runtime.logged(snakemake):
    params = snakemake.params
    tables = {name: contracts.read_joined(snakemake.input[name], MASS_PREDICTIONS) for name in params.models}
    table = standings(
        tables,
        lambda: runtime.job_generator(snakemake),
        Interpretation(**params.interpretation).bootstrap_draws,
        lambda quantity: published("lin2022", "table2", quantity, snakemake.input.published),
    )
    made = made_from(int(table["clusters"].max()), **params.made)
    caption = (
        "Mean absolute error of masses log10 M500c from images, by cross-validation [dex] (Lin et al. 2022, Table 2),"
        " and of masses from richness, of the median of the labels that train, and what the labels' own errors leave"
        " to a perfect model. Low and high: 16th to 84th percentile of a bootstrap over halos. fold_std and trial_std:"
        " standard deviations over folds and over trainings; sigma and bias: of predicted less label. Rows of two"
        " models: difference of their errors on the same clusters, with its 2.5th to 97.5th percentile; undecided"
        " where that holds zero. Intervals hold the chance of the clusters, not that of a training: with one trial a"
        f" verdict can be luck of its seed. {made}."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
