"""Panels of the validation page: the box that is held out with its errors, the other boxes thin, what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from clustermass import style


def select(table: pd.DataFrame, statistic: str, sample: str, group: str = "") -> pd.DataFrame:
    """Return the rows of one line of a panel, by rising x."""
    mine = (table["statistic"] == statistic) & (table["sample"] == sample) & (table["group"].fillna("") == group)
    return table[mine].sort_values("x")


def draw_boxes(
    axes: Axes,
    tables: Mapping[str, pd.DataFrame],
    held_out: str,
    line: tuple[str, str, str],
    *,
    colour: str,
    marker: str,
    label: str = "",
    ratio: bool = False,
    sign: float = 1.0,
) -> None:
    """Draw one statistic: markers with errors for the box that is held out, thin lines for the others.

    Parameters
    ----------
    tables : dict of pandas.DataFrame
        Contract `STATISTICS` of each box.
    line : tuple of str
        Statistic, sample and group.
    ratio : bool
        Draw values over what is expected.
    sign : float
        What values are multiplied with.
    """
    for name, table in tables.items():
        rows = select(table, *line)
        scale = sign / rows["expected"].to_numpy(float) if ratio else np.full(len(rows), sign)
        if name == held_out:
            look: dict[str, Any] = {"marker": marker, "ms": 3.2, "color": colour, "elinewidth": 0.8, "zorder": 4}
            error = (rows["error"] * np.abs(scale)).fillna(0)
            axes.errorbar(rows["x"], rows["value"] * scale, error, ls="", label=label or None, **look)
        else:
            axes.plot(rows["x"], rows["value"] * scale, lw=0.7, color=colour, alpha=0.5, zorder=3)


def draw_expected(
    axes: Axes, table: pd.DataFrame, line: tuple[str, str, str], sign: float = 1.0, **look: Any
) -> pd.DataFrame:
    """Draw what is expected of one statistic of one box, and return its rows."""
    rows = select(table, *line)
    drawn: dict[str, Any] = {"color": style.BLACK, "lw": 1.0, "zorder": 2} | look
    axes.plot(rows["x"], rows["expected"] * sign, **drawn)
    return rows


def check_of(verdicts: pd.DataFrame, statistic: str, sample: str) -> pd.Series:
    """Return the verdict on one statistic of one sample."""
    return verdicts[(verdicts["statistic"] == statistic) & (verdicts["sample"] == sample)].iloc[0]


def describe(row: pd.Series, name: str = "") -> str:
    """Return one line on a check: its number on the box that is held out, tolerance or scatter of boxes, verdict."""
    if row["verdict"] == "not measured":
        return f"{name}: not measured".lstrip(": ")
    value = row["held_out"]
    number = f"{100 * value:.0f} %" if row["measure"].endswith("value") else f"{100 * value:+.1f} %"
    kind = {"largest deviation": "largest ", "mean deviation": "mean ", "mean value": "mean "}[row["measure"]]
    text = f"{name}: " if name else ""
    text += f"{kind}{number.replace('-', '−')}"
    if row["tolerance"] == row["tolerance"]:
        text += f" (tolerance {100 * row['tolerance']:.0f} %): {row['verdict']}"
    elif row["spread"] == row["spread"]:
        text += f" (boxes: ±{100 * row['spread']:.1f} %)"
    return text


def title(axes: Axes, letter: str, text: str, nature: str) -> None:
    """Write a panel's letter and title, and whether it is put in or predicted."""
    axes.set_title(f"({letter}) {text}", loc="left", fontsize=8, pad=3)
    axes.set_title(nature, loc="right", fontsize=7, style="italic", pad=3,
                   color=style.BLUE if nature == "predicted" else style.VERMILION)  # fmt: skip


def notes(
    axes: Axes, verdicts: pd.DataFrame, lines: list[tuple[str, str, str, str]], place: str = "lower left"
) -> None:
    """Write one line for each check into a corner of a panel.

    Parameters
    ----------
    lines : list of tuple
        Statistic, sample, name in the panel ('': none) and colour.
    place : str
        'lower left', 'upper left', 'lower right' or 'upper right'.
    """
    vertical, horizontal = place.split()
    x = 0.03 if horizontal == "left" else 0.97
    for at, (statistic, sample, name, colour) in enumerate(lines if vertical == "upper" else lines[::-1]):
        y = 0.03 + 0.065 * at
        axes.annotate(
            describe(check_of(verdicts, statistic, sample), name),
            (x, y if vertical == "lower" else 1 - y),
            xycoords="axes fraction",
            ha=horizontal,
            va="bottom" if vertical == "lower" else "top",
            fontsize=6,
            color=colour,
            zorder=6,
        )


def band(axes: Axes, low: float, high: float, centre: float, tolerance: float) -> None:
    """Shade a tolerance about a value over a range of x."""
    axes.fill_between([low, high], centre * (1 - tolerance), centre * (1 + tolerance), color="0.9", lw=0, zorder=0)


def leave_room(figure: Figure) -> None:
    """Keep the top of a figure of constrained layout free, where its stamp stands."""
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, 0, 1, 1 - 0.15 / figure.get_figheight()))
