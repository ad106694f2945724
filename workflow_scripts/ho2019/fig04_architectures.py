"""Ho et al. (2019) Fig. 4: layers of CNN1D and CNN2D, read off the built networks (rule ho2019_fig04)."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.patches import Rectangle

from clustermass import provenance, runtime, style
from clustermass.comparison import LOOKS
from clustermass.config.networks import Networks
from clustermass.networks import build
from clustermass.networks.describe import describe_layers
from clustermass.networks.panels import draw_own

KINDS = {  # kind of layer: name, colour
    "VelocityConvolution": ("conv", style.SKY),
    "VelocityPooling": ("max pool", style.ORANGE),
    "Dropout": ("dropout", style.GREY),
    "Flatten": ("flatten", style.GREY),
    "Dense": ("dense", style.GREEN),
}
UNIT, TALLEST = 0.024, 64  # height of one value of a layer's output; values of the tallest block
PITCH = 0.875  # distance of layers


def name_of(layer, settings):
    """Return what is written below a layer: what it does, on how much."""
    name = KINDS[layer["kind"]][0]
    if layer["kind"] == "VelocityConvolution":
        maps, depth, width = layer["weights"].split(" x ")
        return f"{name} {width} × {depth}\n{maps} maps"
    if layer["kind"] == "VelocityPooling":
        return f"{name}\n1 × {settings.pool}"
    if layer["kind"] == "Dropout":
        return f"{name}\n{settings.dropout:g}"
    return name


def draw_block(axes, x, shape, colour, depth=0.012):
    """Draw the output of a layer, as high and as wide as it has values; return its top."""
    rows, maps = (*shape, 1)[:2]
    height, width = 0.08 + UNIT * min(rows, TALLEST), min(0.07 + depth * maps, 0.62)
    axes.add_patch(Rectangle((x - width / 2, -height / 2), width, height, fc=colour, ec="0.2", lw=0.6, alpha=0.75))
    return height / 2


def draw_network(axes, layers, settings, letter, label, shape):
    """Draw one network from its input on the left to its output on the right."""
    axes.set(xlim=(-0.55, 7.62), ylim=(-1.32, 1.18), aspect="equal")
    axes.axis("off")
    top = draw_block(axes, 0, shape, "white")
    axes.text(0, -top - 0.07, "input", ha="center", va="top", fontsize=7)
    axes.text(0, top + 0.05, " × ".join(map(str, shape)), ha="center", va="bottom", fontsize=7)
    x = 0.0
    for layer in layers.to_dict("records"):
        if layer["kind"] == "ReLU":
            axes.text(x + PITCH / 2, 0.05, "ReLU", ha="center", va="bottom", fontsize=7, color="0.3")
            continue
        axes.annotate("", (x + 0.66 * PITCH, 0), (x + 0.36 * PITCH, 0), arrowprops={"arrowstyle": "->", "lw": 0.7})
        x += PITCH
        size = tuple(int(number) for number in layer["shape"].split(" x "))
        top = draw_block(axes, x, size, KINDS[layer["kind"]][1])
        text = name_of(layer, settings)
        count = f"\n{layer['parameters']:,}" if layer["parameters"] else ""
        axes.text(x, -top - 0.07, text + count, ha="center", va="top", fontsize=7, linespacing=1.15)
        axes.text(x, top + 0.05, " × ".join(map(str, size)), ha="center", va="bottom", fontsize=7)
    axes.text(x + 0.16, 0, "$y$", va="center", fontsize=8)
    total = f"({letter}) {label}: {layers['parameters'].sum():,} weights and biases"
    axes.set_title(total, loc="left", fontsize=8, pad=2)


with runtime.logged(snakemake), style.paper_style():
    networks = Networks(**snakemake.params.networks)
    figure, rows = plt.subplots(2, 1, figsize=(style.PAGE_INCH, 4.6), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.97))
    tables = []
    for axes, letter, model in zip(rows, "ab", ("cnn1d", "cnn2d"), strict=True):
        settings = getattr(networks, model)
        bins = (settings.velocity_bins, settings.radius_bins)
        shape = bins if bins[1] > 1 else bins[:1]
        layers = describe_layers(build(settings), shape)
        if settings.own:
            draw_own(axes, layers, shape, f"({letter}) {LOOKS[model].label}")
        else:
            draw_network(axes, layers, settings, letter, LOOKS[model].label, shape)
        tables.append(layers.assign(model=model))
    style.write_numbers(pd.concat(tables), snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 4", provenance.commit())
