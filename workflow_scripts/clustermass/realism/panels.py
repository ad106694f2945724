"""Panels of the realism page: statistics of real and simulated fields against the tolerances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from clustermass import style
from clustermass.config.realism import Realism
from clustermass.realism.field import COLOURS, usable_colour

LOOKS = {"real": (style.BLACK, "o", -0.15), "simulated": (style.VERMILION, "s", 0.15)}  # colour, marker, place in a bin


def draw_bins(axes: Axes, verdicts: pd.DataFrame, fields: Mapping[str, pd.DataFrame], statistic: str) -> list[str]:
    """Draw one statistic over bands or bins: every field a dot, all of a kind a marker, what is allowed a grey box.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        Contract `VERDICTS`.
    fields : dict of pandas.DataFrame
        Contract `FIELD_STATISTICS`, under 'real' and 'simulated'.
    statistic : str

    Returns
    -------
    list of str
        The bins, in the order drawn.
    """
    rows = verdicts[verdicts["statistic"] == statistic].reset_index(drop=True)
    x = np.arange(len(rows), dtype=float)
    limits = rows[["allowed_low", "allowed_high"]].to_numpy(float)
    closed = np.isfinite(limits).all(axis=1)
    axes.bar(x[closed], limits[closed, 1] - limits[closed, 0], 0.8, limits[closed, 0], color="0.88", lw=0, zorder=0)
    axes.plot(x, rows["target"], ls="", marker="_", ms=11, mew=1.0, color="0.45", zorder=1)
    for kind, (colour, marker, shift) in LOOKS.items():
        axes.plot(x + shift, rows[kind], ls="", marker=marker, ms=3.6, color=colour, zorder=4)
        for at, name in enumerate(rows["bin"]):
            mine = fields[kind][(fields[kind]["statistic"] == statistic) & (fields[kind]["bin"] == name)]["value"]
            axes.plot(np.full(len(mine), at + 1.9 * shift), mine, ".", ms=2, color=colour, alpha=0.5, zorder=3)
    axes.set_xticks(x, rows["bin"])
    axes.minorticks_off()
    measured = rows[rows["simulated_verdict"] != "not measured"]
    inside = int((measured["simulated_verdict"] == "inside").sum())
    axes.set_title(statistic, loc="left", fontsize=8, pad=3)
    axes.set_title(f"{inside} of {len(measured)} inside", loc="right", fontsize=6, pad=3)
    axes.set_ylabel(rows["unit"].iloc[0] if len(rows) else "", fontsize=7)
    return list(rows["bin"])


def draw_colours(axes: Axes, objects: Mapping[str, pd.DataFrame], stars: bool, settings: Realism) -> pd.DataFrame:
    """Draw g - r against r - i of stars or galaxies, and return what was drawn.

    Parameters
    ----------
    objects : dict of pandas.DataFrame
        Contract `OBJECTS`, under 'real' and 'simulated'.
    stars : bool
        Stars, or galaxies.
    """
    parts = []
    for kind, (colour, marker, _) in LOOKS.items():
        mine = objects[kind][objects[kind]["star"] == stars]
        values = {name: usable_colour(mine, *bands, settings) for name, bands in COLOURS.items()}
        kept = np.logical_and.reduce([good for _, good in values.values()])
        part = pd.DataFrame({name: value[kept] for name, (value, _) in values.items()})
        axes.plot(
            part["g-r"], part["r-i"], ls="", marker=marker, ms=1.2, mew=0, color=colour, alpha=0.6, rasterized=True
        )
        parts.append(part.assign(data_of=kind, star=stars))
    axes.set(xlim=(-0.5, 2.2), ylim=(-0.4, 1.8), xlabel="g − r", ylabel="r − i")
    axes.set_title("stars" if stars else "galaxies", loc="left", fontsize=8, pad=3)
    return pd.concat(parts, ignore_index=True)


def draw_sizes(axes: Axes, objects: Mapping[str, pd.DataFrame], settings: Realism) -> None:
    """Draw half-light radii against r: real objects under simulated ones.

    Parameters
    ----------
    objects : dict of pandas.DataFrame
        Contract `OBJECTS`, under 'real' and 'simulated'.
    """
    for kind, (colour, marker, _) in LOOKS.items():
        mine = objects[kind]
        axes.plot(
            mine["r"], mine["radius"], ls="", marker=marker, ms=0.9, mew=0, color=colour, alpha=0.4, rasterized=True
        )
    edges = settings.magnitude_edges
    axes.set(
        xlim=(edges[0] - 1, edges[-1]), ylim=(0.3, 6), yscale="log", xlabel="r", ylabel="half-light radius, arcsec"
    )
    axes.set_yticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
    axes.minorticks_off()
    axes.set_title("sizes, stars and galaxies", loc="left", fontsize=8, pad=3)


def draw_richness(axes: Axes, counts: pd.DataFrame, correlation: tuple[float, float, float], least: float) -> None:
    """Draw red-sequence counts from frames against richness, with their rank correlation.

    Parameters
    ----------
    counts : pandas.DataFrame
        Contract `RED_COUNTS`.
    correlation : tuple of float
        As `rank_correlation`.
    least : float
        Least correlation that is asked for.
    """
    axes.errorbar(counts["richness"], counts["count"], counts["error"], ls="", marker="o", ms=2, elinewidth=0.4,
                  color=style.VERMILION, alpha=0.8)  # fmt: skip
    rho, low, high = correlation
    words = f"Spearman {rho:.2f} [{low:.2f}, {high:.2f}]"
    axes.set(xscale="log", xlabel="richness of the catalogue", ylabel="red-sequence counts")
    ticks = [20, 30, 50, 100, 200]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.9 * counts["richness"].min(), 1.1 * counts["richness"].max())
    axes.set_title("red sequence", loc="left", fontsize=8, pad=3)
    axes.annotate(f"{words}\nleast {least:g}: {'inside' if rho >= least else 'outside'}", (0.04, 0.96),
                  xycoords="axes fraction", va="top", fontsize=6)  # fmt: skip


def draw_key(axes: Axes, fields: Mapping[str, int]) -> None:
    """Say what markers and boxes are.

    Parameters
    ----------
    fields : dict of int
        Number of fields, under 'real' and 'simulated'.
    """
    axes.axis("off")
    for kind, (colour, marker, _) in LOOKS.items():
        axes.plot([], [], ls="", marker=marker, ms=3.6, color=colour, label=f"{kind}, {fields[kind]} fields")
    axes.plot([], [], ls="", marker=".", ms=2, color="0.3", label="each field")
    axes.plot([], [], ls="", marker="_", ms=11, color="0.45", label="target: nine real fields")
    axes.bar([0], [0], color="0.88", label="allowed")
    axes.legend(loc="center left", fontsize=6)
