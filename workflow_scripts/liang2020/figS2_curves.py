"""Liang et al. (2020) Fig. S2: errors of Base and Ours against the share of training data (rule liang2020_figS2)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.published import published
from clustermass.transfer.comparison import begun_from
from clustermass.transfer.contracts import RICHNESS_PREDICTIONS
from clustermass.transfer.fractions import METRICS, MODELS, compare_fractions
from clustermass.transfer.scores import dex_to_ln

COLOURS = {"base": style.ORANGE, "ours": style.BLUE}
LABELS = {"mae": "MAE of richness  [dex]", "sigma": "Sigma of richness  [dex]"}


def number(quantity):
    """Return a published number."""
    return published("liang2020", "table1", quantity, snakemake.input.published)


def printed(percents):
    """Return the published numbers: metric, model, percent, published."""
    rows = [(m, n, float(p), number(f"{m}_{n}_{p:g}")) for m in METRICS for n in MODELS for p in percents]
    return pd.DataFrame(rows, columns=["metric", "model", "percent", "published"])


def draw(fractions, constants, published_numbers, begun):
    """Return the figure: MAE on the left, Sigma on the right; means, and standard deviations over trials."""
    figure, row = plt.subplots(1, 2, figsize=(style.PAGE_INCH, 3.0), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.955))
    for axes, metric in zip(row, METRICS, strict=True):
        for model, title in MODELS.items():
            part = fractions.query("metric == @metric and model == @model")
            look = {"color": COLOURS[model]}
            axes.fill_between(part["percent"], part["low"], part["high"], alpha=0.18, lw=0, **look)
            axes.errorbar(
                part["percent"],
                part["value"],
                part["trials_std"],
                marker="o",
                ms=3.5,
                capsize=2,
                label=title,
                **look,
            )
            known = published_numbers.query("metric == @metric and model == @model")
            label = f"{title}, published, if in ln"
            axes.plot(
                known["percent"], known["published"] / np.log(10), ls=":", lw=0.8, marker="x", ms=3, label=label, **look
            )
        axes.axhline(constants[metric], color=style.GREY, lw=0.8, ls="--", label="best constant")
        right = axes.secondary_yaxis("right", functions=(dex_to_ln, lambda ln: np.asarray(ln) / np.log(10)))
        right.set_ylabel("[natural log]")
        axes.tick_params(right=False, which="both")
        axes.set(xlabel="share of the training data  [%]", ylabel=LABELS[metric], xlim=(0, 104), ylim=(0, None))
    row[0].legend(loc="lower left", ncols=2)
    first = fractions.iloc[0]
    words = f"{first['clusters']} tested clusters, means over {first['trials']} trials; {begun}"
    figure.text(0.01, 0.988, words, va="top", fontsize=7)
    return figure


with runtime.logged(snakemake), style.paper_style():
    predictions = {model: contracts.read_joined(snakemake.input[model], RICHNESS_PREDICTIONS) for model in MODELS}
    rng = runtime.generator(snakemake.params.seed, "liang2020_fractions", {})  # as in Table 1
    found = compare_fractions(predictions, rng, snakemake.params.draws, number)
    shown = printed([percent for percent in number("percents") if percent >= number("figS2_least_percent")])
    numbers = found.fractions.merge(shown, how="outer")
    constants = found.headlines.query("quantity == 'best constant'").set_index("metric")["value"]
    numbers["constant"] = numbers["metric"].map(constants)
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    drawn = found.fractions[found.fractions["percent"] >= shown["percent"].min()]
    figure = draw(drawn, constants, shown, begun_from(snakemake.params.weights))
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Liang et al. (2020) Fig. S2", provenance.commit())
