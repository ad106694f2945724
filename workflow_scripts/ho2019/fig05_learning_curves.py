"""Ho et al. (2019) Fig. 5: training and validation losses of CNN1D and CNN2D (rule ho2019_fig05)."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from clustermass import contracts, provenance, runtime, style
from clustermass.comparison import LOOKS
from clustermass.config.figures import Figures
from clustermass.training.trainer import LEARNING_CURVES

LOSSES = {"train_loss": ("training, with dropout", "-"), "validation_loss": ("validation", "--")}


def draw(curves, fold):
    """Return the figure: one fold thick, the others thin."""
    figure, axes = plt.subplots(figsize=(style.COLUMN_INCH, 2.8), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.95))
    for model, table in curves.items():
        for loss, (_name, line) in LOSSES.items():
            for number, part in table.groupby("fold"):
                look = {"lw": 1.4} if number == fold else {"lw": 0.4, "alpha": 0.35}
                axes.plot(part["epoch"], part[loss], color=LOOKS[model].colour, ls=line, **look)
    for model in curves:
        axes.plot([], [], color=LOOKS[model].colour, label=LOOKS[model].label)
    for name, line in LOSSES.values():
        axes.plot([], [], color="0.3", ls=line, label=name)
    axes.plot([], [], color="0.3", lw=0.4, label="other folds")
    axes.set(xlabel="epoch", ylabel="mean squared error of $y$", yscale="log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper right")
    return figure


with runtime.logged(snakemake), style.paper_style():
    fold = Figures(**snakemake.params.figures).ho2019_fold
    models = ["cnn1d", "cnn2d"]
    curves = contracts.read_tables(models, [snakemake.input[model] for model in models], LEARNING_CURVES)
    numbers = pd.concat(
        [table.assign(model=model, drawn_thick=table["fold"] == fold) for model, table in curves.items()]
    )
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    figure = draw(curves, fold)
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 5", provenance.commit())
