"""Statistics of samples: running medians and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd


def running_median(
    frame: pd.DataFrame, x: str, y: str, group: str, width: float, fewest: int
) -> pd.DataFrame:
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
        Columns `group`, x (centre of the bin), y (median), `count`; groups in order of first appearance.
    """
    bins = np.floor(frame[x] / width + 1e-9).astype(int)  # 0.03 / 0.01 is a little below 3
    grouped = frame.groupby([frame[group], bins.rename("bin")], sort=True, observed=True)[y]
    result = grouped.agg(["median", "size"]).reset_index()
    result = result[result["size"] >= fewest]
    order = {name: place for place, name in enumerate(dict.fromkeys(frame[group]))}
    result = result.sort_values("bin").sort_values(group, key=lambda names: names.map(order), kind="stable")
    columns = {group: result[group], x: (result["bin"] + 0.5) * width, y: result["median"], "count": result["size"]}
    return pd.DataFrame(columns).reset_index(drop=True)


def stack(parts: Iterable[pd.DataFrame | dict[str, Any]]) -> pd.DataFrame:
    """Return tables of different columns below each other, as a figure's CSV holds them."""
    return pd.concat([pd.DataFrame([p]) if isinstance(p, dict) else p for p in parts], ignore_index=True)


def count_table(
    metadata: dict[str, dict[str, Any]],
    parent: str,
    labels: pd.DataFrame,
    matches: dict[str, pd.DataFrame],
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
        Contract `MATCHES`, by reading of the 500 kpc.
    published : callable
        Returns the published number of a quantity, or None.

    Returns
    -------
    pandas.DataFrame
        Columns catalogue, quantity, published, regenerated, one for each reading, note.
    """
    rows: list[dict[str, Any]] = []
    for name, about in metadata.items():
        title, counts = about["title"], about.get("rows", {})
        note = "" if about["available"] else f"left out: {about['reason']}"
        rows.append(_row(title, "rows read", published(f"{name}_rows"), counts.get("read"), note))
        rows.append(_row(title, "rows with redshift", None, counts.get("with_redshift")))
        rows.append(_row(title, "rows used", None, counts.get("used")))
    strong = labels[labels["label"] == "strong"]["catalogue"]
    for name, about in metadata.items():
        if name != parent:
            found = {reading: float((pairs["catalogue"] == name).sum()) for reading, pairs in matches.items()}
            have = about["available"]
            row = _row(about["title"], "matched", published(name), float((strong == name).sum()) if have else None)
            rows.append({**row, **(found if have else {}), "note": "" if have else "left out: see rows read"})
    total = {reading: float(len(pairs)) for reading, pairs in matches.items()}
    rows.append({**_row("all", "strong labels", published("strong"), float(len(strong))), **total})
    rest = {reading: len(labels) - count for reading, count in total.items()}
    rows.append({**_row("all", "weak labels", published("weak"), float(len(labels) - len(strong))), **rest})
    return pd.DataFrame(rows, columns=["catalogue", "quantity", "published", "regenerated", *matches, "note"])


def _row(title: str, quantity: str, reference: float | None, regenerated: float | None, note: str = "") -> dict[str, Any]:
    """Return one line of the count table; what is not known is missing, never zero."""
    values = {"published": reference, "regenerated": regenerated}
    numbers = {key: np.nan if value is None else float(value) for key, value in values.items()}
    return {"catalogue": title, "quantity": quantity, **numbers, "note": note}
