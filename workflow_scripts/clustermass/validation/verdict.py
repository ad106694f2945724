"""What was put in, what is predicted, and whether the box that nothing was chosen on meets its tolerances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from clustermass.config.validation import Validation
from clustermass.galaxies.background import Floats

Nature = Literal["put in", "predicted"]
KEY = ["statistic", "sample", "group", "low", "high"]


@dataclass(frozen=True)
class Check:
    """One line of the table: a statistic, where it is looked at, and against what.

    Attributes
    ----------
    statistic, sample : str
        As in the contract `STATISTICS`.
    quantity : str
        How the table calls it.
    low, high : float
        Range of x; bins that stick out are left out.
    measure : {'largest', 'mean'}
        Largest deviation of a bin, or the mean of all, weighted by their errors. Without an expectation: mean value.
    nature : {'put in', 'predicted'}
    reference : str
    tolerance : str
        Name of the setting in `Validation`; '': none was set.
    if_low, if_high : str
        What a deviation of either sign comes from.
    """

    statistic: str
    sample: str
    quantity: str
    low: float
    high: float
    measure: Literal["largest", "mean"]
    nature: Nature
    reference: str
    tolerance: str = ""
    if_low: str = ""
    if_high: str = ""


_SMOOTH = "The force is smoothed over about two cells of the mesh, so that less mass lies inside R200c."
_TINKER08, _TINKER10, _EVRARD = "Tinker et al. (2008)", "Tinker et al. (2010)", "Evrard et al. (2008)"
_RARE = "Where halos are too light, those above a mass are rarer and more biased than the relation's."
_MOVED = "Halos were given the masses of other ranks: some of a mass bin belong to lighter or heavier ones."

CHECKS = (
    Check(
        "mass function", "raw", "n(M), M200c before matching", 13.5, 14.8, "largest", "predicted", _TINKER08,
        "mass_function_tolerance", _SMOOTH, "More mass lies inside R200c than in the simulations of the fit.",
    ),
    Check(
        "mass function", "friends of friends", "n(M), friends of friends", 13.5, 14.8, "largest", "predicted",
        "Warren et al. (2006)",
    ),
    Check("mass function", "matched", "n(M), M200c after matching", 13.5, 14.8, "largest", "put in", _TINKER08),
    Check(
        "power", "realised", "P(k) / linear P(k) of the same initial modes", 0.0, 0.15, "largest", "predicted",
        "linear theory, Eisenstein & Hu (1998)", "power_tolerance",
        "Steps in time or the mesh lose growth, or modes were transferred to smaller scales, as perturbation theory has"
        " it below 0.1 h/Mpc.",
        "Non-linear growth, which linear theory leaves out: see the line below.",
    ),
    Check(
        "power", "halofit", "P(k) / linear P(k), against its non-linear growth", 0.0, 0.15, "largest", "predicted",
        "Takahashi et al. (2012)", "power_tolerance", "Steps in time or the mesh lose growth.",
        "More growth than that of the fit, which itself is good to 5 %.",
    ),
    Check("power", "linear", "P(k) / mean linear P(k)", 0.0, 0.15, "mean", "predicted", "linear theory"),
    Check(
        "bias", "matched", "b(M) of halos, matched mass", 13.5, 14.8, "mean", "predicted", _TINKER10, "bias_tolerance",
        _MOVED, _MOVED,
    ),
    Check("bias", "raw", "b(M) of halos, raw mass", 13.5, 14.8, "mean", "predicted", _TINKER10, "", _RARE, _RARE),
    Check("infall", "halos", "v12(r) of halos", 20.0, 50.0, "mean", "predicted", "linear theory, Sheth et al. (2001)"),
    Check(
        "velocity dispersion", "matter, raw mass", "sigma(M) of matter, raw", 13.5, 14.8, "mean", "predicted", _EVRARD
    ),
    Check(
        "velocity dispersion", "matter, matched mass", "sigma(M) of matter, matched", 13.5, 14.8, "mean", "predicted",
        _EVRARD,
    ),
    Check("velocity dispersion", "galaxies", "sigma(M) of galaxies", 13.5, 14.8, "mean", "put in", _EVRARD),
    Check("occupation", "galaxies", "N(M) of galaxies", 13.5, 14.8, "mean", "put in", "Yang et al. (2009)"),
    Check("surface density", "satellites", "projected density", 0.1, 1.0, "mean", "put in", "Budzynski et al. (2012)"),
    Check(
        "line-of-sight dispersion", "satellites", "dispersion on the sky", 0.1, 1.0, "mean", "put in",
        "Jeans equation, Mamon & Lokas (2005)",
    ),
    Check(
        "luminosity function", "galaxies", "luminosity function", -22.0, -18.0, "largest", "put in",
        "Blanton et al. (2003)",
    ),
    Check(
        "stellar mass function", "galaxies", "stellar mass function", 9.5, 11.0, "largest", "put in",
        "Baldry et al. (2012)",
    ),
    Check("interlopers", "cylinder", "share of interlopers", 13.9, 14.5, "mean", "predicted", "none published"),
)  # fmt: skip
"""Put in: follows from published relations that the galaxies or masses were made with. Predicted: from gravity."""


def pool(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return means over boxes: contract `STATISTICS` with a column `boxes`.

    Parameters
    ----------
    tables : dict of pandas.DataFrame
        Statistics of each box; every box counts the same, in bins that it has.
    """
    stacked = pd.concat([table.fillna({"group": ""}) for table in tables.values()], ignore_index=True)
    grouped = stacked.assign(square=stacked["error"] ** 2, boxes=1).groupby(KEY, sort=False)
    parts = [grouped[["x", "value", "expected"]].mean(), grouped[["x_unit", "unit"]].first()]
    pooled = pd.concat([*parts, grouped[["count", "boxes"]].sum()], axis=1)
    pooled["error"] = np.sqrt(grouped["square"].sum(min_count=1)) / pooled["boxes"]
    return pooled.reset_index()


def rows_of(table: pd.DataFrame, check: Check) -> pd.DataFrame:
    """Return the rows that a check looks at, with columns `deviation` and `noise`: of the expectation, or values."""
    mine = table[(table["statistic"] == check.statistic) & (table["sample"] == check.sample)]
    mine = mine[(mine["low"] >= check.low - 1e-9) & (mine["high"] <= check.high + 1e-9)]
    compared = mine["expected"].notna().to_numpy()
    scale = np.where(compared, mine["expected"].abs(), 1.0)
    # infall is negative: a deviation above 0 means more of it
    ratio = mine["value"].to_numpy() / np.where(compared, mine["expected"], 1.0)
    result: pd.DataFrame = mine.assign(deviation=ratio - compared, noise=mine["error"].to_numpy() / scale)
    return result


def summarise(rows: pd.DataFrame, measure: Literal["largest", "mean"]) -> tuple[float, float]:
    """Return the deviation of some rows, and its noise; NaN without rows.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns deviation and noise.
    """
    deviation, noise = rows["deviation"].to_numpy(float), rows["noise"].to_numpy(float)
    if not len(rows):
        return np.nan, np.nan
    if measure == "largest":
        worst = int(np.argmax(np.abs(deviation)))
        return float(deviation[worst]), float(noise[worst])
    known = np.isfinite(noise) & (noise > 0)
    if not known.all():
        return float(deviation.mean()), np.nan
    weight = noise**-2
    return float(np.sum(weight * deviation) / weight.sum()), float(weight.sum() ** -0.5)


def spread_of(tables: Mapping[str, pd.DataFrame], held_out: str, check: Check) -> float:
    """Return the standard deviation between boxes of what a check measures; NaN of fewer than two boxes.

    For the largest deviation it is taken in the bin where the box that is held out has its largest.
    """
    rows = {name: rows_of(table, check) for name, table in tables.items()}
    if check.measure == "largest" and len(rows[held_out]):
        worst = rows[held_out].iloc[int(np.argmax(np.abs(rows[held_out]["deviation"])))]
        rows = {name: part[np.isclose(part["low"], worst["low"])] for name, part in rows.items()}
    values = np.array([summarise(part, check.measure)[0] for part in rows.values()])
    values = values[np.isfinite(values)]
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def verdicts(tables: Mapping[str, pd.DataFrame], held_out: str, settings: Validation) -> pd.DataFrame:
    """Return every check on the box that is held out, with the other boxes beside.

    Parameters
    ----------
    tables : dict of pandas.DataFrame
        Contract `STATISTICS` of each box.
    held_out : str
        The box on which nothing was chosen.

    Returns
    -------
    pandas.DataFrame
        Columns statistic, sample, quantity, low, high, x_unit, measure, held_out, noise, others, spread, tolerance,
        verdict, nature, reference, reason. Numbers are fractions of the expectation, or values where there is none.

    Raises
    ------
    ValueError
        The box that is held out is not among the tables.
    """
    if held_out not in tables:
        raise ValueError(f"held_out: expected one of {', '.join(tables)}, got {held_out}")
    others = {name: table for name, table in tables.items() if name != held_out}
    mean_of_others = pool(others) if others else tables[held_out].iloc[:0]
    lines = []
    for check in CHECKS:
        rows = rows_of(tables[held_out], check)
        value, noise = summarise(rows, check.measure)
        beside, _ = summarise(rows_of(mean_of_others, check), check.measure)
        spread = spread_of(tables, held_out, check)
        tolerance = float(getattr(settings, check.tolerance)) if check.tolerance else np.nan
        compared = bool(rows["expected"].notna().any())
        lines.append(
            {
                "statistic": check.statistic, "sample": check.sample, "quantity": check.quantity,
                "low": check.low, "high": check.high, "x_unit": rows["x_unit"].iloc[0] if len(rows) else "",
                "measure": f"{check.measure} {'deviation' if compared or not len(rows) else 'value'}",
                "held_out": value, "noise": noise, "others": beside, "spread": spread, "tolerance": tolerance,
                "verdict": verdict(value, tolerance), "nature": check.nature, "reference": check.reference,
                "reason": reason(check, value, noise, beside, spread, tolerance),
            }
        )  # fmt: skip
    return pd.DataFrame(lines)


def verdict(value: float, tolerance: float) -> str:
    """Return 'met' or 'not met', or why neither can be said."""
    if not np.isfinite(value):
        return "not measured"
    if not np.isfinite(tolerance):
        return "no tolerance set"
    return "met" if abs(value) <= tolerance else "not met"


def reason(check: Check, value: float, noise: float, others: float, spread: float, tolerance: float) -> str:
    """Return why a tolerance is not met, as far as the measurement tells; '' where it is met or none was set.

    The other boxes decide between sample variance and a bias: that they deviate alike, by more than they scatter, is
    none of the phases' doing.
    """
    if not np.isfinite(value):
        return "No bin of the range holds enough halos or galaxies."
    if verdict(value, tolerance) != "not met":
        return ""
    cause = check.if_low if value < 0 else check.if_high
    scatter = np.nanmax([noise, spread, 0])
    alike = np.isfinite(others) and np.sign(others) == np.sign(value) and abs(others) > tolerance
    if alike and abs(value) > 3 * scatter:
        text = "The other boxes deviate alike, beyond the tolerance and their scatter: a bias, not sample variance."
    elif abs(value) - tolerance <= 2 * scatter:
        return "Beyond the tolerance by less than twice the scatter of one box: sample variance would do."
    else:
        text = "The other boxes do not deviate alike, but this is more than their scatter explains."
    return f"{text} {cause}".strip()


def printed(table: pd.DataFrame, redshift: float) -> pd.DataFrame:
    """Return verdicts as the page prints them, numbers in per cent.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `verdicts`.
    redshift : float
        Of the snapshot.
    """

    def per_cent(column: str) -> Floats:
        return np.asarray((100 * table[column]).round(1), float)

    ranges = [f"{row.low:g} to {row.high:g} {row.x_unit}".strip() for row in table.itertuples()]
    columns = {
        "redshift": redshift, "quantity": table["quantity"], "range": ranges, "measure": table["measure"],
        "held-out box [%]": per_cent("held_out"), "noise of a box [%]": per_cent("noise"),
        "other boxes [%]": per_cent("others"), "spread of boxes [%]": per_cent("spread"),
        "tolerance [%]": per_cent("tolerance"), "verdict": table["verdict"], "nature": table["nature"],
        "held against": table["reference"], "reason": table["reason"],
    }  # fmt: skip
    return pd.DataFrame(columns)
