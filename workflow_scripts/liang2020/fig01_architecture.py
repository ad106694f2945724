"""Liang et al. (2020) Fig. 1: both branches and the extractor that they share, as built (rule liang2020_fig01)."""

import matplotlib.pyplot as plt
import pandas as pd

from clustermass import provenance, runtime, style
from clustermass.config.image_networks import BandNetwork, RegressorNetwork
from clustermass.networks import build
from clustermass.networks.describe import describe_layers
from clustermass.networks.panels import (
    LAYER_NAMES,
    Box,
    boxes,
    bracket,
    connect,
    count_words,
    draw_boxes,
    draw_classifier,
    finish,
)

LOWER, WIDER = -2.45, 1.3  # height of the richness branch, and distance of its blocks
DASHED = {"color": style.BLUE, "lw": 0.9, "ls": (0, (3, 2))}


def dash_arrows(axes, first):
    """Let the arrows that were drawn from this place on be those of the richness branch."""
    for arrow in (text.arrow_patch for text in axes.texts[first:] if getattr(text, "arrow_patch", None)):
        arrow.set(color=style.BLUE, linewidth=DASHED["lw"], linestyle=DASHED["ls"])


def draw_richness(axes, layers, inputs, pooled):
    """Draw the richness branch, which begins at the pooled features of all bands; return where it ends."""
    bands, features = inputs[0]
    first = Box("features of\nall bands", f"1 x {features} x {bands}", 0, "input")
    before, left, turn, below = len(axes.texts), 0.4, -1.22, -0.07
    end = draw_boxes(axes, [first, *boxes(layers, LAYER_NAMES)], left, LOWER, WIDER)
    bracket(axes, left + WIDER, end, LOWER + 0.85, f"richness branch, {count_words(layers)}")
    corner = pooled + 0.45
    path = [(0.3, below), (corner, below), (corner, turn), (-0.5, turn), (-0.5, LOWER), (left - 0.28, LOWER)]
    axes.plot(*zip(*path, strict=True), zorder=0.5, **DASHED)  # behind the blocks that it passes through
    connect(axes, [path[-1], (left - 0.2, LOWER)])
    dash_arrows(axes, before)
    text = f"richness: {bands} bands pass the extractor one by one"
    axes.text((corner - 0.5) / 2, turn + 0.04, text, color=style.BLUE, fontsize=6.5, ha="center", va="bottom")
    axes.text(end + 0.2, LOWER, r"$\log \lambda$", va="center", fontsize=7.5)
    return end


def draw(classifier, regressor, inputs, pixels):
    """Return the figure: above the feature learning branch, below the richness branch."""
    figure, axes = plt.subplots(figsize=(style.PAGE_INCH, 3.0))
    figure.subplots_adjust(0.005, 0, 0.995, 0.97)
    pooled, right = draw_classifier(axes, classifier, pixels, "shared feature extractor")
    right = max(right, draw_richness(axes, regressor, inputs, pooled))
    finish(axes, -0.6, right + 0.75, LOWER - 1.05, 1.12)
    return figure


with runtime.logged(snakemake), style.paper_style():
    params = snakemake.params
    network, heads = BandNetwork(**params.bands), RegressorNetwork(**params.regressor)
    classifier = describe_layers(build(network), (3, params.pixels, params.pixels))
    inputs = [(heads.bands, heads.features), *([()] if heads.redshift else [])]
    regressor = describe_layers(build(heads), *inputs)
    numbers = pd.concat([classifier.assign(branch="bands"), regressor.assign(branch="richness")])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    figure = draw(classifier, regressor, inputs, params.pixels)
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Liang et al. (2020) Fig. 1", provenance.commit())
