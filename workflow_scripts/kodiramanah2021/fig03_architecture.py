"""Kodi Ramanah et al. (2021) Fig. 3: layers of CNN3D, read off the built network (rule kodiramanah2021_fig03)."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Polygon, Rectangle

from clustermass import provenance, runtime, style
from clustermass.config.networks import CubeNetwork
from clustermass.networks import build
from clustermass.networks.describe import describe_layers
from clustermass.networks.panels import draw_own

KINDS = {  # kind of layer: name, colour
    "CubeConvolution": ("conv", style.SKY),
    "CubePooling": ("max pool", style.ORANGE),
    "Flatten": ("flatten", style.GREY),
    "Dropout": ("dropout", style.GREY),
    "Dense": ("dense", style.GREEN),
}
SIDE, DEPTH = 1.05, 0.32  # side of the input's cube; how far a cube goes back, in its sides
SHEETS = 0.035  # distance of the feature maps of one layer
GAP, WIDE = 0.42, 0.68  # before cubes, before vectors
BAR = (0.09, 1.0)  # width and largest height of a vector


def draw_cube(axes, x, side, colour):
    """Draw a cube whose front's lower left corner is at x."""
    back = DEPTH * side
    low, high = -side / 2, side / 2
    front = [(x, low), (x + side, low), (x + side, high), (x, high)]
    top = [(x, high), (x + side, high), (x + side + back, high + back), (x + back, high + back)]
    right = [(x + side, low), (x + side + back, low + back), (x + side + back, high + back), (x + side, high)]
    for face, shade in ((front, 1.0), (top, 0.8), (right, 0.6)):
        tint = shade * np.array(plt.matplotlib.colors.to_rgb(colour)) + (1 - shade) * 0.25
        axes.add_patch(Polygon(face, fc=tint, ec="0.2", lw=0.5))


def draw_maps(axes, x, shape, voxels, colour):
    """Draw the cubes of a layer, one behind the other; return where they end and how high they are."""
    length, maps = shape[0], shape[3]
    side = SIDE * length / voxels
    for place in reversed(range(maps)):
        draw_cube(axes, x + SHEETS * place, side, colour)
    return x + side * (1 + DEPTH) + SHEETS * (maps - 1), side / 2 + DEPTH * side


def draw_vector(axes, x, length, longest, colour):
    """Draw a vector; return where it ends and how high it is."""
    height = BAR[1] * max(length / longest, 0.06)
    axes.add_patch(Rectangle((x, -height / 2), BAR[0], height, fc=colour, ec="0.2", lw=0.5))
    return x + BAR[0], height / 2


def name_of(layer):
    """Return what is written below a layer."""
    name = KINDS[layer["kind"]][0]
    if layer["kind"] == "CubeConvolution":
        return f"{name} {layer['weights'].split(' x ')[-1]}³\n{layer['parameters']:,}"
    if layer["kind"] == "CubePooling":
        return f"{name}\n2³"
    return f"{name}\n{layer['parameters']:,}" if layer["parameters"] else name


def draw(layers, voxels, own):
    """Return the figure: the signal passes from left to right."""
    figure = plt.figure(figsize=(style.PAGE_INCH, 1.95))
    axes = figure.add_axes([0.01, 0.0, 0.98, 0.9])
    if own:
        draw_own(axes, layers, (voxels,) * 3, "CNN3D")
        return figure
    draw_cube(axes, 0, SIDE, "white")
    axes.text(SIDE / 2, -0.66, "input\nv, x, y", ha="center", va="top", fontsize=6.5)
    axes.text(SIDE * 0.6, 0.92, f"{voxels}³", ha="center", va="bottom", fontsize=6.5)
    x, longest = SIDE * (1 + DEPTH), max(int(s) for s in layers["shape"] if s.isdigit())
    for layer in layers.to_dict("records"):
        if layer["kind"] == "ReLU":
            axes.text(x + GAP / 2, 0.07, "ReLU", ha="center", va="bottom", fontsize=5.5, color="0.3")
            continue
        size, colour = [int(number) for number in layer["shape"].split(" x ")], KINDS[layer["kind"]][1]
        begin = x + (GAP if len(size) == 4 else WIDE)
        axes.annotate("", (begin - 0.05, 0), (x + 0.05, 0), arrowprops={"arrowstyle": "->", "lw": 0.6})
        if len(size) == 4:
            x, top = draw_maps(axes, begin, size, voxels, colour)
            text = f"{size[0]}³ × {size[3]}"
        else:
            x, top = draw_vector(axes, begin, size[0], longest, colour)
            text = str(size[0])
        axes.text((begin + x) / 2, max(top, 0.2) + 0.06, text, ha="center", va="bottom", fontsize=6.5)
        axes.text((begin + x) / 2, -0.66, name_of(layer), ha="center", va="top", fontsize=6.5, linespacing=1.2)
    axes.text(x + 0.08, 0, "$y$", va="center", fontsize=8)
    axes.set(xlim=(-0.1, x + 0.35), ylim=(-1.05, 1.1), aspect="equal")
    axes.axis("off")
    figure.suptitle(f"CNN3D: {layers['parameters'].sum():,} weights and biases", x=0.01, y=0.98, ha="left", fontsize=8)
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings = CubeNetwork(**snakemake.params.network)
    layers = describe_layers(build(settings), (settings.voxels,) * 3)
    style.write_numbers(layers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 3"
    figure = draw(layers, settings.voxels, settings.own)
    style.save_figure(figure, outputs, snakemake.wildcards.source, title, provenance.commit())
