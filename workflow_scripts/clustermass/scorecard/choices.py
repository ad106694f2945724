"""Open choices of the papers: which option takes them, and what each is worth where a run measures both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from clustermass.scorecard.counterparts import look_up, select

FILE = Path(__file__).with_suffix(".yaml")
WITHOUT = {
    "both": "no option: both readings stand in the tables",
    "fixed": "no option: the reading that gives the printed numbers, or the only one that makes sense",
    "leak": "no option: it would let the test set leak",
    "no_effect": "no option: it cancels",
    "printed": "no option: two printed numbers that contradict each other",
}
"""Why a choice has no option, by name."""
COLUMNS = ("paper", "point", "text", "other", "option", "default", "this_run", "what", "worth", "low", "high", "unit",
           "measured", "data")  # fmt: skip


class Worth(BaseModel):
    """What a table says of a choice.

    Attributes
    ----------
    file : str
        Below results/{source}/.
    rows : dict
        Columns and the text that they hold in the row.
    less : dict
        The row that is subtracted; empty: none.
    value : str
        Column.
    less_value : str
        Column that is subtracted, of the same row.
    low, high, plus, minus : str, optional
        Columns of an interval, or of the distances to its ends.
    ends_sigma : float
        How many standard deviations the ends are away: 1 for 16-84 %, 1.96 for 2.5-97.5 %.
    take : {'one', 'max'}
        Of several rows.
    unit, what : str
        What the number is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str
    rows: dict[str, str]
    less: dict[str, str] = Field(default_factory=dict)
    value: str
    less_value: str = ""
    low: str | None = None
    high: str | None = None
    plus: str | None = None
    minus: str | None = None
    ends_sigma: float = Field(1.0, gt=0)
    take: Literal["one", "max"] = "one"
    unit: str
    what: str


class Choice(BaseModel):
    """One choice that a paper leaves open.

    Attributes
    ----------
    paper, point : str
    text, other : str
        What the paper says, and the other reading.
    option : str
        Path of the setting; '': none, see `without`.
    set_to : str, number or bool
        Value of the setting that is not the default.
    without : str
        Of `WITHOUT`.
    worth : Worth, optional
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    paper: str
    point: str
    text: str
    other: str
    option: str = ""
    set_to: str | bool | int | float | None = None
    without: str = ""
    worth: Worth | None = None

    @model_validator(mode="after")
    def _has_an_option_or_a_reason(self) -> Choice:
        if bool(self.option) == bool(self.without) or self.without not in ("", *WITHOUT):
            expected = f"either an option or one of {', '.join(WITHOUT)}"
            raise ValueError(f"{self.paper}, {self.point}: expected {expected}, got {self.option!r}, {self.without!r}")
        if self.option and self.set_to is None:
            raise ValueError(f"{self.paper}, {self.point}: expected a value to set {self.option} to, got none")
        return self


def load_choices(file: str | Path = FILE) -> list[Choice]:
    """Return the choices that a file declares."""
    return [Choice(**entry) for entry in yaml.safe_load(Path(file).read_text())]


def discrepancies(
    choices: Sequence[Choice],
    tables: Mapping[str, pd.DataFrame],
    defaults: Mapping[str, Any],
    settings: Mapping[str, Any],
    made_on: str,
) -> pd.DataFrame:
    """Return every choice with its option, and what it is worth where the run measures it.

    Parameters
    ----------
    tables : dict of pandas.DataFrame
        As `card.read_texts`, by their names in the choices; those that a run does not make are left out.
    defaults, settings : dict
        As `counterparts.settings_at`, of the default configuration and of the run.
    made_on : str
        What the run was made on, of tables that do not say so.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`. Worth: the number with the other reading less that with the default's, or as `what` says; low
        and high: one standard deviation about it, that of a difference of two rows in quadrature, as if they were
        independent, which is too wide where they are of the same clusters.

    Raises
    ------
    ValueError
        An option that the configuration does not have, or a table without a column or with too many rows.
    """
    rows = []
    for choice in choices:
        row: dict[str, Any] = {"paper": choice.paper, "point": choice.point, "text": choice.text, "other": choice.other}
        row |= {"option": choice.option or "none", "default": "", "this_run": ""}
        if choice.option:
            try:
                values = {"default": look_up(defaults, choice.option), "this_run": look_up(settings, choice.option)}
            except KeyError:
                raise ValueError(f"{choice.paper}, {choice.point}: no option {choice.option}") from None
            row |= {name: _shown(value) for name, value in values.items()}
        rows.append(row | _measured(choice, tables, made_on))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _shown(value: Any) -> str:
    return "off" if value is None else str(value)


def _measured(choice: Choice, tables: Mapping[str, pd.DataFrame], made_on: str) -> dict[str, Any]:
    """Return what a choice is worth, or what to do to measure it."""
    worth = choice.worth
    nothing = {"what": "", "worth": np.nan, "low": np.nan, "high": np.nan, "unit": "", "data": ""}
    undone = WITHOUT[choice.without] if choice.without else f"not measured: set {choice.option}: {choice.set_to}"
    if worth is None:
        return nothing | {"measured": undone}
    missing = f"not made: {worth.file}"
    if worth.file not in tables:
        return nothing | {"measured": missing}
    table = tables[worth.file]
    found = _number(table, worth, worth.rows, worth.value)
    if found is None:
        return nothing | {"measured": f"{missing}, in this configuration"}
    value, error = found
    if worth.less or worth.less_value:
        other = _number(table, worth, worth.less or worth.rows, worth.less_value or worth.value)
        if other is None:
            return nothing | {"measured": f"{missing}, in this configuration"}
        value, error = value - other[0], math.hypot(error, other[1])
    ends = {"low": value - error, "high": value + error}
    row = select(table, worth.rows, {}, worth.file).iloc[0]
    about = {"what": worth.what, "worth": value, "unit": worth.unit, "data": row.get("data", made_on)}
    return about | ends | {"measured": worth.file}


def _number(table: pd.DataFrame, worth: Worth, wanted: Mapping[str, str], column: str) -> tuple[float, float] | None:
    """Return a number with its standard error, NaN where there is none; None where the table does not have it."""
    rows = select(table, wanted, {}, worth.file)
    if column not in rows:
        raise ValueError(f"{worth.file}: expected a column {column}, got {', '.join(map(str, rows))}")
    rows = rows[rows[column] != ""]
    if rows.empty:
        return None
    if worth.take == "one" and len(rows) > 1:
        raise ValueError(f"{worth.file}: expected one row with {dict(wanted)}, got {len(rows)}")
    value = float(rows[column].astype(float).max())
    first = rows.iloc[0]
    if worth.low and worth.high:
        return value, _half(first, worth.low, worth.high, -1.0) / worth.ends_sigma
    if worth.plus and worth.minus:
        return value, _half(first, worth.minus, worth.plus, 1.0) / worth.ends_sigma
    return value, math.nan


def _half(row: pd.Series, low: str, high: str, sign: float) -> float:
    """Return half of high less low (sign -1), or of their sum (sign 1)."""
    if row[low] == "" or row[high] == "":
        return math.nan
    return abs(float(row[high]) + sign * float(row[low])) / 2
