"""Where the regenerated counterpart of every published number comes from, as counterparts.yaml declares it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

from clustermass.published import Number
from clustermass.scorecard.verdict import PROBLEMS

FILE = Path(__file__).with_suffix(".yaml")
READINGS: dict[str, Callable[[float], float]] = {
    "as_is": lambda x: x,
    "hundredth": lambda x: x / 100,  # of H0: h
    "complement": lambda x: 1 - x,  # of a share, or of Om0 in a flat universe
    "log10": math.log10,
    "power10": lambda x: 10**x,
    "rest_of_folds": lambda x: x - 2,  # one fold tests, one validates
    "one_fold": lambda _: 1.0,
    "parts": lambda x: 1 / x - 1,  # of a share 1/5: four parts to one
}
"""How what stands in a table or in the configuration becomes the published quantity."""
Text = str | list[str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Size(_Strict):
    """A setting that decides how large a run is.

    Attributes
    ----------
    setting : str
        Its path in the configuration.
    published : float or str
        The paper's; text: what the paper used, where that is no size.
    """

    setting: str
    published: float | str


class Counterpart(_Strict):
    """Where the counterparts of some published numbers come from.

    Texts may hold the names of groups of `numbers`, as {model}; `words` says what a table calls them.

    Attributes
    ----------
    numbers : str
        Regular expression that their whole keys match, 'paper.artefact.quantity'.
    unit : str
    data : {'simulation', 'observation', 'none'}
        What the paper measured them on.
    own_data : bool
        Whether they compare on such data alone: counts of real catalogues, masses of real clusters.
    sizes : str
        Settings, by their name in `sizes` of the file, that make this run smaller than the paper.
    file : str, optional
        Table, below results/{source}/.
    rows : dict
        Columns and the text that they hold in the row; of several texts the first that there is.
    words : dict
        By group: its values and what a table calls them.
    value : str or list of str
        Column of the number; of several the first that is not empty.
    low, high : str, optional
        Columns of an interval of one standard deviation to both sides; {column} is the one of the value.
    low_rows, high_rows : dict
        What differs in `rows` for them, where they stand in rows of their own.
    plus, minus : str, optional
        Columns of the distances to the ends of such an interval.
    deviation_of : str, optional
        The number is a standard deviation of this many: a column, or a path in the configuration.
    trainings : str, optional
        Column of the standard deviation of the number over trainings that differ in their seed.
    spread : list of str
        Columns of the same number on other clusters and from other trainings; their scatter counts as uncertainty.
    take : {'one', 'sum', 'max', 'min'}
        What is done with several rows.
    setting : str or list of str, optional
        Path in the configuration, of a number that is a setting.
    member : bool
        Whether the setting is a list of which the number is one.
    reading : str
        Of `READINGS`.
    meaning : dict
        Words for values of the setting.
    why : str
        Why a setting differs that no configuration has as published.
    published_errors : list of str
        Quantities of the same artefact that are its published error; their mean counts.
    published_folds : int
        Folds, where that error is a standard deviation over folds and the number their mean.
    rounding : float, optional
        Half of the last digit that is printed, where the value in published.yaml does not show it.
    scale : float or str, optional
        What its uncertainty is held against: a number, or a quantity of the same artefact; the published value.
    exact : bool
        Whether it has no uncertainty.
    never : str, optional
        Of `PROBLEMS`: why it cannot be compared, ever.
    unless : dict
        Columns and texts that a comparable row holds; else it is `otherwise`.
    otherwise : str
        Of `PROBLEMS`.
    """

    numbers: str
    unit: str = ""
    data: Literal["simulation", "observation", "none"] = "none"
    own_data: bool = False
    sizes: str = ""
    file: str | None = None
    rows: dict[str, Text] = Field(default_factory=dict)
    words: dict[str, dict[str, str]] = Field(default_factory=dict)
    value: Text = "value"
    low: str | None = None
    high: str | None = None
    low_rows: dict[str, Text] = Field(default_factory=dict)
    high_rows: dict[str, Text] = Field(default_factory=dict)
    plus: str | None = None
    minus: str | None = None
    deviation_of: str | None = None
    trainings: str | None = None
    spread: list[str] = Field(default_factory=list)
    take: Literal["one", "sum", "max", "min"] = "one"
    setting: Text | None = None
    member: bool = False
    reading: Literal[
        "as_is", "hundredth", "complement", "log10", "power10", "rest_of_folds", "one_fold", "parts"
    ] = "as_is"  # fmt: skip
    meaning: dict[str, str] = Field(default_factory=dict)
    why: str = ""
    published_errors: list[str] = Field(default_factory=list)
    published_folds: int = 1
    rounding: float | None = None
    scale: float | str | None = None
    exact: bool = False
    never: str | None = None
    unless: dict[str, str] = Field(default_factory=dict)
    otherwise: str = "substitute"

    @field_validator("never", "otherwise")
    @classmethod
    def _is_a_problem(cls, name: str | None) -> str | None:
        if name is not None and name not in PROBLEMS:
            raise ValueError(f"expected one of {', '.join(PROBLEMS)}, got {name}")
        return name

    def paths(self, number: Number) -> list[str]:
        """Return the paths of the setting for a number."""
        several = [self.setting] if isinstance(self.setting, str) else self.setting or []
        return [path.format(**self.named(number)) for path in several]

    def named(self, number: Number) -> dict[str, str]:
        """Return the groups of the expression for a number, in the words of the table."""
        groups = self.groups(number) or {}
        return {name: self.words.get(name, {}).get(text, text) for name, text in groups.items()}

    def groups(self, number: Number) -> dict[str, str] | None:
        """Return the groups of the expression for a number, or None where it does not match."""
        match = re.fullmatch(self.numbers, number.key)
        return None if match is None else {name: text or "" for name, text in match.groupdict().items()}


class Counterparts(_Strict):
    """All counterparts, and the sizes of runs."""

    sizes: dict[str, list[Size]]
    numbers: list[Counterpart]

    def of(self, number: Number) -> Counterpart:
        """Return the counterpart of a number.

        Raises
        ------
        ValueError
            None, or several.
        """
        found = [each for each in self.numbers if each.groups(number) is not None]
        if len(found) != 1:
            raise ValueError(f"counterparts.yaml: expected one entry for {number.key}, got {len(found)}")
        return found[0]

    @property
    def files(self) -> list[str]:
        """Tables that are read, each once."""
        return list(dict.fromkeys(each.file for each in self.numbers if each.file is not None))

    @property
    def settings(self) -> list[str]:
        """Paths of the configuration that are read, each once; some may hold groups of the numbers' names."""
        paths: list[str] = []
        for each in self.numbers:
            paths += [each.setting] if isinstance(each.setting, str) else each.setting or []
            paths += [each.deviation_of] if each.deviation_of and "." in each.deviation_of else []
        paths += [size.setting for group in self.sizes.values() for size in group]
        return list(dict.fromkeys(paths))


def load_counterparts(file: str | Path = FILE) -> Counterparts:
    """Return the counterparts that a file declares."""
    return Counterparts(**yaml.safe_load(Path(file).read_text()))


class Found(BaseModel):
    """What a run has of a published number.

    Attributes
    ----------
    value : float or str, optional
    error : float, optional
        Standard error; None: it has none.
    uncertainty : str
        What the error holds.
    data : str
        What it was made on.
    problem : str
        Of `PROBLEMS`; '': none.
    """

    value: float | str | None = None
    error: float | None = None
    uncertainty: str = ""
    data: str = ""
    problem: str = ""


def setting_of(config: Mapping[str, Any], path: str) -> Any:
    """Return a setting by its path, keys and places in lists joined by dots.

    Raises
    ------
    KeyError
        The configuration has none.
    """
    value: Any = config
    for key in path.split("."):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (IndexError, TypeError, ValueError):
            raise KeyError(path) from None
    return value


def settings_at(config: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return the settings at paths that the configuration has; a path with a name in braces gives all below it."""
    found = {}
    for path in paths:
        known = path if "{" not in path else path.split("{")[0].rpartition(".")[0]
        try:
            found[known] = setting_of(config, known)
        except KeyError:
            continue
    return found


def look_up(settings: Mapping[str, Any], path: str) -> Any:
    """Return a setting from what `settings_at` gave; the path may lead into one of them.

    Raises
    ------
    KeyError
        There is none.
    """
    for known in (path, *(path[:place] for place in range(len(path), 0, -1) if path[place : place + 1] == ".")):
        if known in settings:
            rest = path[len(known) + 1 :]
            return setting_of({"here": settings[known]}, f"here.{rest}" if rest else "here")
    raise KeyError(path)


def find(number: Number, part: Counterpart, tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Found:
    """Return what a run has of a published number.

    Parameters
    ----------
    tables : dict of pandas.DataFrame
        By file, all cells as text; files that a run does not make are left out.
    settings : dict
        As `settings_at`.

    Raises
    ------
    ValueError
        A table has no column of that name, or several rows where one is asked for.
    """
    if part.setting is not None:
        return _from_settings(number, part, settings)
    if part.file is None:
        return Found(problem=part.never or "absent")
    if part.file not in tables:
        return Found(problem="not_made")
    table, words = tables[part.file], part.named(number)
    rows = select(table, part.rows, words, part.file)
    if rows.empty:
        return Found(problem="no_row")
    if part.take == "one" and len(rows) > 1:
        raise ValueError(f"{part.file}: expected one row for {number.key}, got {len(rows)}")
    found = _value(table, rows, part, words, settings)
    data = str(rows["data"].iloc[0]) if "data" in rows else ""
    other = any(str(rows[column].iloc[0]) != text for column, text in part.unless.items())
    problem = (part.otherwise if other else "") or found.problem or part.never or ""
    return found.model_copy(update={"data": data, "problem": problem})


def _from_settings(number: Number, part: Counterpart, settings: Mapping[str, Any]) -> Found:
    """Return the setting that is a published number."""
    for path in part.paths(number):
        try:
            value = look_up(settings, path)
        except KeyError:
            continue
        if part.member:
            value = number.value if number.value in value else None
            return Found(value=value, data="configuration", problem="" if value is not None else "not_among")
        value = part.meaning.get(str(value), value)
        if value is None or isinstance(value, str | bool):
            return Found(value="off" if value is None else str(value), data="configuration")
        return Found(value=READINGS[part.reading](float(value)), data="configuration")
    return Found(problem="no_option")


def select(table: pd.DataFrame, rows: Mapping[str, Text], words: dict[str, str], file: str) -> pd.DataFrame:
    """Return the rows of a table that hold some texts.

    Parameters
    ----------
    rows : dict
        Columns and texts; of several the first that there is. They may hold names of `words` in braces.

    Raises
    ------
    ValueError
        A column is missing.
    """
    for column, texts in rows.items():
        if column not in table:
            raise ValueError(f"{file}: expected a column {column}, got {', '.join(map(str, table))}")
        wanted = [text.format(**words) for text in ([texts] if isinstance(texts, str) else texts)]
        there = next((text for text in wanted if (table[column] == text).any()), wanted[0])
        table = table[table[column] == there]
    return table


def _value(
    table: pd.DataFrame, rows: pd.DataFrame, part: Counterpart, words: dict[str, str], settings: Mapping[str, Any]
) -> Found:
    """Return the number in some rows with its error."""
    names = [text.format(**words) for text in ([part.value] if isinstance(part.value, str) else part.value)]
    if missing := [name for name in names if name not in rows]:
        raise ValueError(f"{part.file}: expected a column {missing[0]}, got {', '.join(map(str, rows))}")
    column = next((name for name in names if (rows[name] != "").any()), "")
    if not column:
        return Found(problem="empty")
    words = {**words, "column": column}
    cells = pd.to_numeric(rows[column], errors="coerce")
    if cells.isna().all():
        return Found(value=str(rows[column].iloc[0]))
    value = READINGS[part.reading](
        float({"one": cells.sum, "sum": cells.sum, "max": cells.max, "min": cells.min}[part.take]())
    )
    if part.exact or part.never:
        return Found(value=value)
    errors = _errors(table, rows, part, words, value, settings)
    others = [number for name in part.spread if name != column and (number := _cell(rows, name)) is not None]
    if part.trainings is not None and (deviation := _cell(rows, part.trainings)) is not None:
        errors["trainings"] = deviation
    if others:
        errors["other clusters and trainings"] = float(np.std([value, *others], ddof=1))
    if not errors:
        declared = part.low or part.plus or part.deviation_of or part.spread
        return Found(value=value, problem="no_error") if declared else Found(value=value)
    total = math.sqrt(sum(error**2 for error in errors.values()))
    return Found(value=value, error=total, uncertainty="; ".join(errors))


def _errors(
    table: pd.DataFrame, rows: pd.DataFrame, part: Counterpart, words: dict[str, str], value: float,
    settings: Mapping[str, Any],
) -> dict[str, float]:  # fmt: skip
    """Return the standard error that a table gives a number, by what it holds; none where cells are empty."""
    if part.low is not None and part.high is not None:
        ends = []
        for name, instead in ((part.low, part.low_rows), (part.high, part.high_rows)):
            chosen = select(table, {**part.rows, **instead}, words, part.file or "") if instead else rows
            ends.append(_cell(chosen, name.format(**words)))
        low, high = ends
        return {} if low is None or high is None else {"sample": abs(high - low) / 2}
    if part.plus is not None and part.minus is not None:
        plus, minus = (_cell(rows, name.format(**words)) for name in (part.plus, part.minus))
        return {} if plus is None or minus is None else {"posterior": (abs(plus) + abs(minus)) / 2}
    if part.deviation_of is not None:
        number = (
            float(look_up(settings, part.deviation_of)) if "." in part.deviation_of else _cell(rows, part.deviation_of)
        )
        if number is not None and number > 1:
            return {"sample": value / math.sqrt(2 * (number - 1))}
    return {}


def _cell(rows: pd.DataFrame, column: str) -> float | None:
    """Return the number in the first row, or None where there is none."""
    if column not in rows or rows.empty or rows[column].iloc[0] == "":
        return None
    return float(rows[column].iloc[0])
