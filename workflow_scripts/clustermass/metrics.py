"""Statistics of samples: running medians and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd


def running_median(frame: pd.DataFrame, x: str, y: str, group: str, width: float, fewest: int) -> pd.DataFrame:
    """Return medians of `y` in bins of `x`, for each group on its own.

    Parameters
    ----------
    frame : pandas.DataFrame
    x, y, group : str
        Columns.
    width : float
        Width of the bins, which start at zero; a row on an edge belongs to the bin above.
    fewest : int
        Bins with fewer rows give no median.

    Returns
    -------
    pandas.DataFrame
        Columns `group`, `bin` (its number, from 0), x (centre of the bin), y (median), `count`; groups in order of
        first appearance.
    """
    bins = np.floor(frame[x] / width + 1e-9).astype(int)  # 0.03 / 0.01 is a little below 3
    grouped = frame.groupby([frame[group], bins.rename("bin")], sort=True, observed=True)[y]
    result = grouped.agg(["median", "size"]).reset_index()
    result = result[result["size"] >= fewest]
    order = {name: place for place, name in enumerate(dict.fromkeys(frame[group]))}
    result = result.sort_values("bin").sort_values(group, key=lambda names: names.map(order), kind="stable")
    columns = {group: result[group], "bin": result["bin"], x: (result["bin"] + 0.5) * width, y: result["median"]}
    columns["count"] = result["size"]
    return pd.DataFrame(columns).reset_index(drop=True)


def stack(parts: Iterable[pd.DataFrame | dict[str, Any]]) -> pd.DataFrame:
    """Return tables of different columns below each other, as a figure's CSV holds them."""
    return pd.concat([pd.DataFrame([p]) if isinstance(p, dict) else p for p in parts], ignore_index=True)


def count_table(
    metadata: dict[str, dict[str, Any]],
    titles: dict[str, str],
    parent: str,
    clusters: int,
    matches: dict[str, pd.DataFrame],
    chance: pd.DataFrame,
    published: Callable[[str], float | None],
) -> pd.DataFrame:
    """Return how many rows, matches and labels there are, beside the published numbers.

    Parameters
    ----------
    metadata : dict of dict
        Metadata of each catalogue's table: available, reason, rows.
    titles : dict of str
        How the table calls each catalogue.
    parent : str
        The catalogue among them that is the parent sample.
    clusters : int
        Number of clusters that have a label, strong or weak.
    matches : dict of pandas.DataFrame
        Contract `MATCHES`, by reading of the 500 kpc; 'configured' is what the labels follow.
    chance : pandas.DataFrame
        Matches expected by chance; rows: catalogues, columns: readings.
    published : callable
        Returns the published number of a quantity, or None.

    Returns
    -------
    pandas.DataFrame
        Columns catalogue, quantity, published, regenerated (as configured), chance (expected among them), one for each
        reading of the 500 kpc, note.
    """
    rows: list[dict[str, Any]] = []
    for name, about in metadata.items():
        counts = about.get("rows", {})
        note = "" if about["available"] else f"left out: {about['reason']}"
        rows.append(_row(titles[name], "rows read", published(f"{name}_rows"), counts.get("read"), note))
        rows.append(_row(titles[name], "rows with redshift", None, counts.get("with_redshift")))
        rows.append(_row(titles[name], "rows used", None, counts.get("used")))
    for name, about in metadata.items():
        if name != parent:
            row = _row(titles[name], "matched", published(name), None, "left out: see rows read")
            rows.append({**row, **_match_counts(name, matches, chance)} if about["available"] else row)
    strong = {reading: float(len(pairs)) for reading, pairs in matches.items()}
    for kind, counts in (("strong", strong), ("weak", {reading: clusters - n for reading, n in strong.items()})):
        rows.append({**_row("all", f"{kind} labels", published(kind), counts["configured"]), **counts})
    readings = [reading for reading in matches if reading != "configured"]
    return pd.DataFrame(
        rows, columns=["catalogue", "quantity", "published", "regenerated", "chance", *readings, "note"]
    )


def _match_counts(name: str, matches: dict[str, pd.DataFrame], chance: pd.DataFrame) -> dict[str, Any]:
    """Return how many matches one catalogue has under each reading, and how many are expected by chance."""
    found: dict[str, Any] = {r: float((pairs["catalogue"] == name).sum()) for r, pairs in matches.items()}
    expected = chance.loc[name]
    by_chance = ", ".join(f"{reading} {expected[reading]:.1f}" for reading in matches if reading != "configured")
    own = {"regenerated": found["configured"], "chance": expected["configured"], "note": f"by chance: {by_chance}"}
    return {**found, **own}


def _row(
    title: str, quantity: str, reference: float | None, regenerated: float | None, note: str = ""
) -> dict[str, Any]:
    """Return one line of the count table; what is not known is missing, never zero."""
    values = {"published": reference, "regenerated": regenerated}
    numbers = {key: np.nan if value is None else float(value) for key, value in values.items()}
    return {"catalogue": title, "quantity": quantity, **numbers, "note": note}
