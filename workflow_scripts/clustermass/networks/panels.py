"""Drawings of image networks: blocks from left to right, read off the built modules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from clustermass import style
from clustermass.frames.contracts import BANDS

HEIGHT = 0.9  # of a map of 1024 pixels; all lengths are in units of the usual distance of blocks
_BAR, _SHEETS = 0.1, np.array([0.026, 0.018])  # width of a vector; how far a sheet stands behind the one before it
_COLOURS = {"convolution": style.SKY, "pooling": style.ORANGE, "fully connected": style.GREEN, "input": "white"}
_JOINED = re.compile(
    "BatchNorm|LayerNorm|.*LU$|Identity|Dropout|Flatten|Sequential"
)  # layers that are told with the one before


LAYER_NAMES = {
    r"extractor\.backbone\.conv1": "conv {kernel}",
    r"extractor\.backbone\.maxpool": "max pool",
    r"extractor\.backbone\.layer(\d)": r"residual\nblocks \1",
    r"extractor\.backbone\.(\w+)": r"\1",  # of backbones other than ResNets
    r"extractor\.pointwise": "conv {kernel}",
    r"extractor\.pooling": "average\npool",
    r"convolutions\.\d+": "2D conv\n{kernel}",
    r"redshift": "1D conv {kernel}",
    r"hidden\.\d+|output": "fully\nconnected",
}
"""What stands below the blocks of image networks, for `boxes`."""


@dataclass(frozen=True)
class Box:
    """One block: what stands below it, what leaves it, and what it is.

    Attributes
    ----------
    name : str
    shape : str
        Of its output for one image or cluster, channels first: '64 x 32 x 32', or '512'.
    weights : int
        Number of its weights and biases; 0 is not written.
    kind : {'input', 'convolution', 'pooling', 'fully connected'}
    """

    name: str
    shape: str
    weights: int
    kind: str


def boxes(layers: pd.DataFrame, names: Mapping[str, str]) -> list[Box]:
    r"""Return the layers of a network as blocks, in order.

    Parameters
    ----------
    layers : pandas.DataFrame
        Contract `clustermass.networks.describe.NETWORK_LAYERS`.
    names : dict of str to str
        What stands below a block, by a regular expression that the names of its layers begin with, the first that
        fits. Neighbours whose matches are the same text are one block. The name may hold groups of the match ('\1')
        and '{kernel}', the size of the first kernel ('3 × 3'). A layer that none fits is a block under its own name.

    Returns
    -------
    list of Box
        Normalisation, activation and dropout belong to the block before them.
    """
    found: list[Box] = []
    last = ""
    for layer, kind, shape, weights, parameters in layers[
        ["layer", "kind", "shape", "weights", "parameters"]
    ].itertuples(index=False):
        match = next((m for m in (re.match(pattern, layer) for pattern in names) if m), None)
        block = match[0] if match else layer
        if found and (block == last or _JOINED.match(kind)):
            found[-1] = replace(found[-1], shape=shape, weights=found[-1].weights + parameters)
            continue
        kernel = " × ".join(str(weights or "").split(" x ")[2:])
        name = match.expand(names[match.re.pattern]).format(kernel=kernel) if match else layer
        what = "convolution" if "Conv" in kind else "pooling" if "Pool" in kind else "fully connected"
        found.append(Box(name, shape, parameters, what))
        last = block
    return found


def draw_boxes(axes: Axes, row: Sequence[Box], x: float, y: float, pitch: float = 1.0) -> float:
    """Draw blocks at height y, the first one's centre at x, and arrows between them; return the last one's centre.

    Maps are sheets whose sides, and whose number, grow with the logarithm of their pixels and of their channels;
    vectors are bars.

    Parameters
    ----------
    pitch : float
        Distance of their centres.
    """
    lowest = y - max(_extent(box)[1] for box in row) / 2
    for place, box in enumerate(row):
        centre = x + place * pitch
        wide, high, depth = _extent(box)
        _draw_sheets(axes, box, centre, y)
        if place:
            before = sum(_extent(row[place - 1])[::2])
            connect(axes, [(centre - pitch + before / 2 + 0.05, y), (centre - (wide + depth) / 2 - 0.05, y)])
        text = f"{box.name}\n{box.weights:,}" if box.weights else box.name
        axes.text(centre, y + high / 2 + depth * _SHEETS[1] / _SHEETS[0] + 0.04, _shape_text(box.shape), ha="center",
                  va="bottom", fontsize=6)  # fmt: skip
        axes.text(centre, lowest - 0.06, text, ha="center", va="top", fontsize=6, linespacing=1.15)
    return x + (len(row) - 1) * pitch


def count_words(layers: pd.DataFrame) -> str:
    """Return the number of weights of layers in words."""
    return f"{layers['parameters'].sum():,} weights"


def draw_classifier(axes: Axes, layers: pd.DataFrame, pixels: int, extractor: str = "extractor") -> tuple[int, float]:
    """Draw a band classifier with its first block, a band's image, at the origin.

    Parameters
    ----------
    layers : pandas.DataFrame
        Contract `NETWORK_LAYERS` of a `BandClassifier`.
    pixels : int
        Along a side of the image.
    extractor : str
        What stands over the extractor.

    Returns
    -------
    int, float
        Where the centres of the pooled features and of the last layer are.
    """
    own = layers["layer"].str.startswith("extractor.")
    below, head = boxes(layers[own], LAYER_NAMES), boxes(layers[~own], LAYER_NAMES)
    image = Box("one band,\n3 times", f"3 x {pixels} x {pixels}", 0, "input")
    end, pooled = draw_boxes(axes, [image, *below, *head], 0, 0), len(below)
    bracket(axes, 1, pooled, 0.85, f"{extractor}, {count_words(layers[own])}")
    bracket(axes, pooled + 1, end, 0.85, f"band head, {count_words(layers[~own])}")
    axes.text(end + 0.2, 0, "".join(BANDS), va="center", fontsize=7.5, style="italic")
    return pooled, end


def draw_own(axes: Axes, layers: pd.DataFrame, shape: Sequence[int], label: str) -> None:
    """Draw the layers of any network, from an input of this shape.

    Parameters
    ----------
    layers : pandas.DataFrame
        Contract `NETWORK_LAYERS`.
    label : str
        Network that it stands in for.
    """
    end = draw_boxes(axes, [Box("input", " x ".join(map(str, shape)), 0, "input"), *boxes(layers, {})], 0, 0)
    finish(axes, -0.6, end + 0.6, -1.05, 1.05)
    axes.set_title(f"{label}: a network of one's own, {count_words(layers)}", loc="left", fontsize=8)


def connect(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Draw a line through points, with an arrow's head at the last."""
    if len(points) > 2:
        axes.plot(*zip(*points[:-1], strict=True), color=style.BLACK, lw=0.6, solid_joinstyle="round")
    axes.annotate("", points[-1], points[-2], arrowprops={"arrowstyle": "->", "lw": 0.6, "shrinkA": 0, "shrinkB": 0})


def bracket(axes: Axes, left: float, right: float, y: float, text: str) -> None:
    """Draw a bracket over the blocks between two centres, and over it what they are."""
    ends = (left - 0.4, right + 0.4)
    axes.plot((ends[0], ends[0], ends[1], ends[1]), (y - 0.06, y, y, y - 0.06), color="0.4", lw=0.6)
    axes.text(sum(ends) / 2, y + 0.04, text, ha="center", va="bottom", fontsize=6.5)


def finish(axes: Axes, left: float, right: float, low: float, high: float) -> None:
    """Fit the axes to what was drawn between these limits, as wide as long, without a frame."""
    axes.set(xlim=(left, right), ylim=(low, high), aspect="equal")
    axes.axis("off")


def _sizes(shape: str) -> tuple[int, ...]:
    return tuple(int(size) for size in shape.split(" x "))


def _shape_text(shape: str) -> str:
    """Return the shape as it is written: '64 × 32²', '16 × 510 × 3', '512'."""
    sizes = _sizes(shape)
    square = len(sizes) == 3 and sizes[1] == sizes[2]
    return "\u200a×\u200a".join([str(sizes[0]), f"{sizes[1]}²"] if square else map(str, sizes))


def _sheets(box: Box) -> int:
    sizes = _sizes(box.shape)
    return 1 + round(np.log2(sizes[0])) if len(sizes) == 3 else 1


def _extent(box: Box) -> tuple[float, float, float]:
    """Return width and height of a block's first sheet, and how far to the right the others stand behind it."""
    sizes = _sizes(box.shape)
    high, wide = ((1 + np.log2(size)) / 11 * HEIGHT for size in (sizes[-2:] if len(sizes) == 3 else (max(sizes),) * 2))
    return float(wide if len(sizes) == 3 else _BAR), float(high), float(_SHEETS[0] * (_sheets(box) - 1))


def _draw_sheets(axes: Axes, box: Box, x: float, y: float) -> None:
    """Draw what leaves a block, centred."""
    wide, high, depth = _extent(box)
    corner = np.array([x - (wide + depth) / 2, y - high / 2])
    for sheet in reversed(range(_sheets(box))):
        left, bottom = corner + sheet * _SHEETS
        axes.add_patch(Rectangle((left, bottom), wide, high, fc=_COLOURS[box.kind], ec="0.15", lw=0.5))
