"""Lin et al. (2022) Fig. 2: extractor, band head and regressor, read off the networks (rule lin2022_fig02)."""

import matplotlib.pyplot as plt
import pandas as pd
import torch

from clustermass import provenance, runtime, style
from clustermass.config.image_networks import BandNetwork, RegressorNetwork
from clustermass.frames.contracts import BANDS
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

LOWER, REDSHIFT = -2.5, -3.75  # heights of the regressor and of the redshift's branch
WIDER = 1.28  # distance of the regressor's blocks


def draw_regressor(axes, layers, inputs, pooled):
    """Draw the regressor below the classifier, from whose pooled features it begins; return where it ends."""
    bands, features = inputs[0]
    redshift, maps = (layers["layer"].str.startswith(name) for name in ("redshift", "convolutions"))
    row = [Box("features of\nall bands", f"1 x {features} x {bands}", 0, "input"), *boxes(layers[maps], LAYER_NAMES)]
    dense = boxes(layers[~redshift & ~maps], LAYER_NAMES)
    if redshift.any():
        end = draw_joined(axes, row, dense, [Box("redshift", "1", 0, "input"), *boxes(layers[redshift], LAYER_NAMES)])
    else:
        end = draw_boxes(axes, [*row, *dense], 0, LOWER, WIDER)
    connect(axes, [(pooled, -0.95), (pooled, -1.2), (-0.5, -1.2), (-0.5, LOWER), (-0.25, LOWER)])
    bracket(axes, WIDER, end, LOWER + 0.85, f"regressor, {count_words(layers)}")
    axes.text(end + 0.2, LOWER, r"$\log M_{500\mathrm{c}}$", va="center", fontsize=7.5)
    return end


def draw_joined(axes, row, dense, branch):
    """Draw the convolutions, below them the redshift's branch, and the dense layers to which both pass."""
    last = draw_boxes(axes, row, 0, LOWER, WIDER)
    join = last + WIDER
    sign = {"boxstyle": "circle,pad=0.08", "fc": "white", "lw": 0.6}
    axes.text(join, LOWER, "+", ha="center", va="center", fontsize=8, bbox=sign)
    draw_boxes(axes, branch, last - WIDER, REDSHIFT, WIDER)
    connect(axes, [(last + 0.25, LOWER), (join - 0.17, LOWER)])
    connect(axes, [(last + 0.1, REDSHIFT), (join, REDSHIFT), (join, LOWER - 0.19)])
    connect(axes, [(join + 0.17, LOWER), (join + WIDER - 0.1, LOWER)])
    return draw_boxes(axes, dense, join + WIDER, LOWER, WIDER)


def draw(classifier, regressor, inputs, pixels):
    """Return the figure: above bands are told apart, below masses are measured."""
    figure, axes = plt.subplots(figsize=(style.PAGE_INCH, 3.6))
    figure.subplots_adjust(0.005, 0, 0.995, 0.97)
    pooled, right = draw_classifier(axes, classifier, pixels)
    right = max(right, draw_regressor(axes, regressor, inputs, pooled))
    finish(axes, -0.6, right + 0.75, REDSHIFT - 0.42, 1.12)
    return figure


with runtime.logged(snakemake), style.paper_style():
    params = snakemake.params
    with torch.device("meta"):  # shapes alone: no memory for the weights
        module = build(BandNetwork(**params.bands))
        features = {"features": module.extractor.features, "bands": len(BANDS)}
        heads = RegressorNetwork(**{**params.regressor, **features})
        classifier = describe_layers(module, (3, params.pixels, params.pixels))
        inputs = [(heads.bands, heads.features), *([()] if heads.redshift else [])]
        regressor = describe_layers(build(heads), *inputs)
    numbers = pd.concat([classifier.assign(network="classifier"), regressor.assign(network="regressor")])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    figure = draw(classifier, regressor, inputs, params.pixels)
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Lin et al. (2022) Fig. 2", provenance.commit())
