"""Pictures of clusters: colour composites, what is marked on them, and which clusters stand where on a sheet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.path import Path
from numpy.typing import NDArray

from clustermass import style
from clustermass.frames.contracts import BANDS
from clustermass.images.composites import Colours
from clustermass.images.resize import Pixels, resize

Floats = NDArray[np.float64]
CROSS = Path(
    [(a * s, b * s) for a, b in ((-1, -1), (-1, 1), (1, -1), (1, 1)) for s in (0.45, 1)],
    [Path.MOVETO, Path.LINETO] * 4,
)
"""Marker: a cross that is open in the middle, where the star is."""
_ARCMIN = (0.5, 1, 2, 5, 10, 20, 50)  # lengths that a scale bar may have
_MPC = (0.1, 0.25, 0.5, 1, 2, 5)


def sheet_cells(clusters: pd.DataFrame, rows: int, columns: int) -> tuple[pd.DataFrame, Floats, Floats]:
    """Return which cluster stands in which cell of a contact sheet, and the edges of its rows and columns.

    Bins hold equal numbers of clusters; of those in a cell the one nearest to its middle stands there, by ranks. Where
    clusters are fewer than cells there are fewer bins.

    Parameters
    ----------
    clusters : pandas.DataFrame
        Columns id, redshift and log10_m500c [log10(Msun)].
    rows, columns : int
        Bins of mass and of redshift, at most.

    Returns
    -------
    cells : pandas.DataFrame
        Rows of `clusters` with columns `row` and `column`, counted from the least mass and the least redshift; cells
        without clusters have none.
    masses, redshifts : array, shape (rows + 1,) and (columns + 1,), of the bins there are
    """
    while rows * columns > max(len(clusters), 1):
        rows, columns = (rows - 1, columns) if rows > columns else (rows, columns - 1)
    mass, redshift = (clusters[name].to_numpy(float) for name in ("log10_m500c", "redshift"))
    ranks = [
        (values.argsort(kind="stable").argsort(kind="stable") + 0.5) / max(len(values), 1)
        for values in (mass, redshift)
    ]
    row, column = ranks[0] * rows, ranks[1] * columns
    far = np.maximum(np.abs(row % 1 - 0.5), np.abs(column % 1 - 0.5))
    cells = clusters.assign(row=row.astype(int), column=column.astype(int), far=far).sort_values("far", kind="stable")
    cells = cells.drop_duplicates(["row", "column"]).sort_values(["row", "column"]).drop(columns="far")
    return cells, _edges(mass, rows), _edges(redshift, columns)


def _edges(values: Floats, bins: int) -> Floats:
    edges: Floats = np.quantile(values, np.linspace(0, 1, bins + 1)) if len(values) else np.full(bins + 1, np.nan)
    return edges


def spread_clusters(clusters: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return so many clusters at equal steps along the order of mass, the heaviest first and always among them."""
    ordered = clusters.sort_values(["log10_m500c", "id"], ascending=[False, True])
    return ordered.iloc[np.unique(np.linspace(0, len(ordered) - 1, min(number, len(ordered))).round().astype(int))]


def nearest_richness(clusters: pd.DataFrame, richness: float) -> pd.Series:
    """Return the cluster with the richness nearest to a given one, the ratio counting.

    Raises
    ------
    ValueError
        There is no cluster.
    """
    if not len(clusters):
        raise ValueError("expected clusters with images, got none")
    ratio = np.abs(np.log(np.maximum(clusters["richness"].to_numpy(float), 1e-3) / richness))
    return clusters.iloc[int(np.argmin(ratio))]


def grey_levels(images: Pixels, noises: float) -> pd.DataFrame:
    """Return how the bands of one cluster are drawn in grey, each by its own noise.

    Parameters
    ----------
    images : array of float32, shape (5, h, w)
        Surface brightness [nanomaggy/arcsec2]; NaN where nothing was observed.
    noises : float
        Where grey turns from linear to logarithmic, in noises of a pixel.

    Returns
    -------
    pandas.DataFrame
        Columns band, `noise` (1.4826 times the median deviation), `black` (two noises below the sky), `linear`, and
        `white` (brighter than 99.8 % of pixels) [nanomaggy/arcsec2].
    """
    values = images.reshape(len(images), -1).astype(np.float64)
    sky = np.nanmedian(values, axis=1)
    noise = 1.4826 * np.nanmedian(np.abs(values - sky[:, None]), axis=1)
    white = np.maximum(np.nanquantile(values, 0.998, axis=1), sky + 3 * noise)
    levels = {"noise": noise, "black": sky - 2 * noise, "linear": noises * noise, "white": white}
    return pd.DataFrame({"band": list(BANDS), **levels})


def show(axes: Axes, image: Pixels | Colours, side_arcsec: float, **look: Any) -> AxesImage:
    """Draw an image, north up and east to the left, over axes in arcsec (or another unit) without ticks.

    Parameters
    ----------
    image : array, shape (h, w) or (h, w, 3)
        Its first row is the southern one.
    side_arcsec : float
        Width of the image.
    look : optional
        For `Axes.imshow`.
    """
    half, tall = side_arcsec / 2, side_arcsec / 2 * image.shape[0] / image.shape[1]
    shown = axes.imshow(image, origin="lower", extent=(half, -half, -tall, tall), interpolation="none", **look)
    axes.set(xticks=[], yticks=[], xlim=(half, -half), ylim=(-tall, tall))
    return shown


def mark(axes: Axes, members: tuple[Floats, Floats], stars: tuple[Floats, Floats]) -> None:
    """Mark member galaxies with circles and stars with crosses that are open in the middle.

    Parameters
    ----------
    members, stars : pair of arrays
        East and north of the centre [arcsec], as `offsets` gives them.
    """
    for places, marker, size, colour in ((members, "o", 7, style.SKY), (stars, CROSS, 9, style.ORANGE)):
        for edge, width in (("black", 1.7), (colour, 0.8)):
            axes.plot(*places, ls="", marker=marker, ms=size, mfc="none", mec=edge, mew=width)


def draw_scales(axes: Axes, arcsec_per_mpc: float) -> None:
    """Draw bars of a round number of Mpc and of arcmin, about a quarter of the width, and arrows to north and east."""
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    width, height = left - right, high - low
    for start, stop, top in ((left, left - 0.48 * width, 0.13), (right + 0.2 * width, right, 0.15)):
        axes.fill_between([start, stop], low, low + top * height, color="black", alpha=0.55, lw=0, zorder=3)
    for unit, lengths, name, up in ((arcsec_per_mpc, _MPC, "Mpc", 0.09), (60.0, _ARCMIN, "arcmin", 0.04)):
        length = min(lengths, key=lambda each: abs(np.log(each * unit / (0.25 * width))))
        ends = left - 0.04 * width - np.array([0, length * unit])
        axes.plot(ends, np.full(2, low + up * height), color="white", lw=1.4, solid_capstyle="butt", zorder=4)
        words = f"{length:g} {name}"
        axes.text(ends[1] - 0.015 * width, low + up * height, words, va="center", color="white", fontsize=7, zorder=4)
    for tip, word in (((0.95, 0.108), "N"), ((0.862, 0.025), "E")):
        arrow = {"arrowstyle": "<-", "color": "white", "lw": 0.9, "shrinkA": 3, "shrinkB": 0}
        axes.annotate(word, (0.95, 0.025), tip, "axes fraction", "axes fraction", arrowprops=arrow, zorder=4,
                      ha="center", va="center", color="white", fontsize=7)  # fmt: skip


def printed(images: Pixels, inches: float, dots: float = 200.0) -> Pixels:
    """Return images with no more pixels than their square is printed with."""
    side = min(images.shape[-2:])
    return resize(images, min(side, round(inches * dots)), float(side))
