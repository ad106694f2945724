"""Real and simulated fields beside each other, and whether they are within the tolerances."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clustermass.config.realism import Realism, Target
from clustermass.realism.contracts import FIELD_STATISTICS, VERDICTS

KEY = ["statistic", "bin"]
CORRELATION = "red-sequence counts with richness"
_BY_BAND = {"noise", "noise correlation", "sky residual", "detections", "bright area", "FWHM", "Moffat beta",
            "offset x", "offset y", "counts"}  # fmt: skip


def summarise(statistics: pd.DataFrame) -> pd.DataFrame:
    """Return fields of one kind in one number a statistic.

    What is measured on whole frames, and counts, are medians over fields; sizes, shares of stars and colours are means
    over fields weighted by the number of their objects, because a field has few. The scatter of noise is that of fields
    over their mean.

    Parameters
    ----------
    statistics : pandas.DataFrame
        Contract `FIELD_STATISTICS`.

    Returns
    -------
    pandas.DataFrame
        Columns statistic, bin, unit, value, low, high (over fields) and fields.
    """
    measured = statistics[statistics["value"].notna()]
    rows = []
    for (statistic, bin_name), part in measured.groupby(KEY, sort=False):
        values, weights = part["value"].to_numpy(float), part["count"].to_numpy(float)
        value = np.median(values) if statistic in _BY_BAND else np.average(values, weights=weights)
        common = {"bin": bin_name, "fields": part["field"].nunique()}
        spread = {"value": value, "low": values.min(), "high": values.max(), "unit": part["unit"].iloc[0]}
        rows.append({"statistic": statistic, **spread, **common})
        if statistic == "noise" and len(values) > 2:
            scatter = values.std(ddof=1) / values.mean()
            spread = {"value": scatter, "low": scatter, "high": scatter, "unit": "share of the noise"}
            rows.append({"statistic": "noise scatter", **spread, **common})
    return pd.DataFrame(rows, columns=[*KEY, "unit", "value", "low", "high", "fields"])


def allowed(target: Target, bin_name: str) -> tuple[float, float]:
    """Return the ends of what a target allows in one bin: inside the range and inside the tolerance; NaN: no end."""
    low, high = target.low.get(bin_name, -np.inf), target.high.get(bin_name, np.inf)
    if target.tolerance is not None and bin_name in target.value:
        centre = target.value[bin_name]
        width = target.tolerance * (abs(centre) if target.relative else 1)
        low, high = max(low, centre - width), min(high, centre + width)
    return (low if np.isfinite(low) else np.nan), (high if np.isfinite(high) else np.nan)


def verdict(value: float, low: float, high: float) -> str:
    """Return 'inside', 'outside' or 'not measured'; a NaN end allows everything."""
    if np.isnan(value):
        return "not measured"
    return "outside" if value < low or value > high else "inside"


def compare(real: pd.DataFrame, simulated: pd.DataFrame, settings: Realism) -> pd.DataFrame:
    """Return real and simulated fields against the targets: contract `VERDICTS`.

    Parameters
    ----------
    real, simulated : pandas.DataFrame
        Contract `FIELD_STATISTICS`; without rows where there are no such fields.
    """
    wanted = pd.DataFrame(
        [
            {"statistic": statistic, "bin": name, "unit": target.unit, "target": target.value.get(name, np.nan)}
            | dict(zip(("allowed_low", "allowed_high"), allowed(target, name), strict=True))
            for statistic, target in settings.targets.items()
            for name in target.bins
        ],
        columns=[*KEY, "unit", "target", "allowed_low", "allowed_high"],
    )
    for kind, statistics in (("real", real), ("simulated", simulated)):
        found = summarise(statistics[FIELD_STATISTICS.names]).drop(columns="unit")
        names = {"value": kind, "low": f"{kind}_low", "high": f"{kind}_high", "fields": f"{kind}_fields"}
        wanted = wanted.merge(found.rename(columns=names), on=KEY, how="left")
        wanted[list(names.values())[:3]] = wanted[list(names.values())[:3]].astype(float)
        wanted[f"{kind}_fields"] = wanted[f"{kind}_fields"].fillna(0).astype(np.int64)
        ends = wanted[[kind, "allowed_low", "allowed_high"]].to_numpy(float)
        wanted[f"{kind}_verdict"] = [verdict(*row) for row in ends]
    return wanted[VERDICTS.names]


def correlation_row(correlation: tuple[float, float, float], clusters: int, least: float) -> pd.DataFrame:
    """Return the verdict on how well red-sequence counts tell richness: one row of `VERDICTS`.

    Parameters
    ----------
    correlation : tuple of float
        As `clustermass.realism.red_sequence.rank_correlation`.
    clusters : int
        Clusters counted; stands in the place of fields.
    least : float
    """
    row = {name: np.nan for name in VERDICTS.names} | {"statistic": CORRELATION, "bin": "Spearman", "unit": ""}
    row |= dict(zip(("simulated", "simulated_low", "simulated_high"), correlation, strict=True))
    row |= {"real_fields": 0, "simulated_fields": clusters, "allowed_low": least, "real_verdict": "not measured"}
    return pd.DataFrame([row | {"simulated_verdict": verdict(correlation[0], least, np.nan)}])[VERDICTS.names]
