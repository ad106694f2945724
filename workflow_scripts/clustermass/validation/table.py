"""The table of everything that is measured on one box at one redshift, a number a row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.contracts import Column, Contract
from clustermass.galaxies.background import Floats, Ints

STATISTICS = Contract(
    "universe_statistics",
    "statistics of a simulated universe in bins, beside what theory or observation expects",
    (
        Column("statistic", "text", "", "what is measured"),
        Column("sample", "text", "", "of what, or against what"),
        Column("group", "text", "", "bin of mass of a profile", missing=True),
        Column("low", "float", "", "lower edge of the bin, in the unit of x"),
        Column("high", "float", "", "upper edge of the bin, in the unit of x"),
        Column("x", "float", "", "where in the bin, in x_unit"),
        Column("x_unit", "text", "", "unit of x", missing=True),
        Column("value", "float", "", "what was measured, in unit"),
        Column("error", "float", "", "its 1 sigma error inside one box, in unit", 0, missing=True),
        Column("expected", "float", "", "what theory or observation expects, in unit", missing=True),
        Column("unit", "text", "", "unit of value, error and expected", missing=True),
        Column("count", "int", "", "halos, galaxies, pairs or modes in the bin", 0),
    ),
)


def rows(
    statistic: str,
    sample: str,
    units: tuple[str, str],
    edges: Floats | list[float],
    x: Floats,
    value: Floats,
    count: Ints | Floats,
    *,
    error: Floats | float = np.nan,
    expected: Floats | float = np.nan,
    group: str = "",
    fewest: int = 0,
) -> pd.DataFrame:
    """Return rows of the contract `STATISTICS`, one for every bin that holds enough and has a value.

    Parameters
    ----------
    units : tuple of str
        Of x, and of value, error and expected.
    edges : array, shape (n + 1,)
    x, value, count : array, shape (n,)
    error, expected : array, shape (n,), or float
    fewest : int
        Bins of a smaller count are left out.
    """
    edges = np.asarray(edges, float)
    columns = {
        "statistic": statistic,
        "sample": sample,
        "group": group,
        "low": edges[:-1],
        "high": edges[1:],
        "x": np.asarray(x, float),
        "x_unit": units[0],
        "value": np.asarray(value, float),
        "error": np.broadcast_to(np.asarray(error, float), len(edges) - 1),
        "expected": np.broadcast_to(np.asarray(expected, float), len(edges) - 1),
        "unit": units[1],
        "count": np.asarray(count).round().astype(np.int64),
    }
    frame = pd.DataFrame(columns)
    kept = (frame["count"] >= fewest) & np.isfinite(frame["value"]) & np.isfinite(frame["x"])
    result: pd.DataFrame = frame[kept].reset_index(drop=True)
    return result


def bin_of(values: Floats, edges: Floats | list[float]) -> NDArray[np.int64]:
    """Return the bin of every value, shape (n,): lower edges belong to a bin; -1 outside all."""
    edges = np.asarray(edges, float)
    place = np.searchsorted(edges, values, side="right") - 1
    return np.where((place >= 0) & (place < len(edges) - 1), place, -1)


def bin_means(place: NDArray[np.int64], values: Floats | Ints, bins: int) -> tuple[Ints, Floats, Floats]:
    """Return number, mean and standard error of the mean of values in bins (-1: left out); NaN where undefined."""
    inside = place >= 0
    place, numbers = place[inside], np.asarray(values, float)[inside]
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(place, numbers, minlength=bins) / count
        square = np.bincount(place, (numbers - mean[place]) ** 2, minlength=bins)
        return count, mean, np.sqrt(square / (count - 1) / count)


def ratio_of_sums(above: Floats, below: Floats) -> tuple[Floats, Floats]:
    """Return sums over the first axis divided, and their standard error, for rows that are independent.

    Notes
    -----
    Source: the ratio estimator (Cochran 1977, Sampling Techniques, Eq. 6.13), without finite population.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        total = below.sum(axis=0)
        ratio = above.sum(axis=0) / total
        square = ((above - ratio * below) ** 2).sum(axis=0)
        return np.asarray(ratio), np.asarray(np.sqrt(square * len(above) / max(len(above) - 1, 1)) / total)
