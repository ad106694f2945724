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
    parent: str,
    labels: pd.DataFrame,
    matches: dict[str, pd.DataFrame],
    chance: dict[str, dict[str, float]],
    published: Callable[[str], float | None],
) -> pd.DataFrame:
    """Return how many rows, matches and labels there are, beside the published numbers.

    Parameters
    ----------
    metadata : dict of dict
        Metadata of each catalogue's table: title, available, reason, rows.
    parent : str
        The catalogue among them that is the parent sample.
    labels : pandas.DataFrame
        Contract `LABELS`.
    matches : dict of pandas.DataFrame
        Contract `MATCHES`, by reading of the 500 kpc; 'configured' is what the labels follow.
    chance : dict of dict
        Matches expected by chance, by reading and catalogue.
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
        title, counts = about["title"], about.get("rows", {})
        note = "" if about["available"] else f"left out: {about['reason']}"
        rows.append(_row(title, "rows read", published(f"{name}_rows"), counts.get("read"), note))
        rows.append(_row(title, "rows with redshift", None, counts.get("with_redshift")))
        rows.append(_row(title, "rows used", None, counts.get("used")))
    rows += [
        _match_row(name, about, matches, chance, published(name)) for name, about in metadata.items() if name != parent
    ]
    rows += [
        {
            **_row("all", f"{kind} labels", published(kind), None),
            **count,
            "regenerated": count.get("configured", np.nan),
        }
        for kind, count in (
            ("strong", {reading: float(len(pairs)) for reading, pairs in matches.items()}),
            ("weak", {reading: float(len(labels) - len(pairs)) for reading, pairs in matches.items()}),
        )
    ]
    readings = [reading for reading in matches if reading != "configured"]
    return pd.DataFrame(
        rows, columns=["catalogue", "quantity", "published", "regenerated", "chance", *readings, "note"]
    )


def _match_row(
    name: str,
    about: dict[str, Any],
    matches: dict[str, pd.DataFrame],
    chance: dict[str, dict[str, float]],
    reference: float | None,
) -> dict[str, Any]:
    """Return the line of the count table on one label catalogue's matches."""
    if not about["available"]:
        return _row(about["title"], "matched", reference, None, "left out: see rows read")
    found = {reading: float((pairs["catalogue"] == name).sum()) for reading, pairs in matches.items()}
    by_chance = ", ".join(f"{r} {c[name]:.1f}" for r, c in chance.items() if r != "configured")
    row = _row(about["title"], "matched", reference, found["configured"], f"by chance: {by_chance}")
    return {**row, **found, "chance": chance["configured"][name]}


def _row(
    title: str, quantity: str, reference: float | None, regenerated: float | None, note: str = ""
) -> dict[str, Any]:
    """Return one line of the count table; what is not known is missing, never zero."""
    values = {"published": reference, "regenerated": regenerated}
    numbers = {key: np.nan if value is None else float(value) for key, value in values.items()}
    return {"catalogue": title, "quantity": quantity, **numbers, "note": note}
