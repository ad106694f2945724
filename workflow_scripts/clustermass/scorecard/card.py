"""The scorecard: every published number beside the regenerated one, with a verdict and its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clustermass.config.scorecard import Scorecard
from clustermass.published import Number
from clustermass.scorecard.counterparts import Counterpart, Counterparts, Found, find, look_up
from clustermass.scorecard.verdict import (
    DIFFERS,
    NOT_COMPARABLE,
    PROBLEMS,
    REPRODUCED,
    VERDICTS,
    Verdict,
    half_digit,
    judge,
    judge_exact,
    judge_text,
)

COLUMNS = ("paper", "artefact", "quantity", "kind", "unit", "published", "regenerated", "uncertainty",
           "difference_in_sigma", "verdict", "reason", "data", "config_scale", "where", "uncertainty_holds",
           "regenerated_from")  # fmt: skip
OTHER_DATA = {
    "observation": "simulated sky in place of the real surveys",
    "simulation": "another simulation than the published one",
    "none": "",
}
"""Why numbers differ that were measured on other data, by what the paper measured them on."""
KINDS = ("setting", "measurement", "size")
"""Settings of the configuration; what was measured, with an uncertainty; counts, layers and shapes, which have none."""
UNEXPLAINED = "neither data nor sizes tell why"


def read_texts(path: str | Path) -> pd.DataFrame:
    """Return a table with all cells as text, missing ones ''."""
    path = Path(path)
    if path.suffix == ".csv":
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    frame = pd.read_parquet(path)
    return frame.map(lambda cell: "" if cell is None or cell != cell else str(cell)).astype(object)


def scorecard(
    numbers: Sequence[Number],
    counterparts: Counterparts,
    tables: Mapping[str, pd.DataFrame],
    settings: Mapping[str, Any],
    full_settings: Mapping[str, Any],
    rule: Scorecard,
    published_data: Mapping[str, bool],
) -> pd.DataFrame:
    """Return every published number beside what a run has of it.

    Parameters
    ----------
    numbers : sequence of Number
    tables : dict of pandas.DataFrame
        As `read_texts`, by their names in the counterparts; those that a run does not make are left out.
    settings, full_settings : dict
        As `counterparts.settings_at`, of the run, and of the configuration with the papers' own sizes.
    published_data : dict of bool
        Whether the run reads what the papers measured on: 'observation', 'simulation'.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, a row a number, in the order of `numbers`.

    Raises
    ------
    ValueError
        A number without a counterpart, or with several.
    """
    values = {number.key: number.value for number in numbers}
    rows = []
    for number in numbers:
        part = counterparts.of(number)
        found = find(number, part, tables, settings)
        if not found.problem and part.own_data and not published_data[part.data]:
            found = found.model_copy(update={"problem": "catalogue"})
        verdict = _judge(number, part, found, values, rule)
        sizes = _sizes(counterparts, part, settings)
        scale = [words for several in sizes.values() for words in several]
        other = part.setting is None and not published_data.get(part.data, True)
        rows.append(
            {
                "paper": number.paper,
                "artefact": number.artefact,
                "quantity": number.quantity,
                "kind": _kind(number, part),
                "unit": part.unit,
                "published": number.printed,
                "regenerated": _told(found.value),
                "uncertainty": verdict.uncertainty,
                "difference_in_sigma": verdict.sigmas,
                "verdict": verdict.verdict,
                "reason": _reason(part, found, verdict, sizes, other, full_settings, number),
                "data": found.data,
                "config_scale": "; ".join(scale) if scale else "as published" if part.sizes else "",
                "where": number.where,
                "uncertainty_holds": found.uncertainty,
                "regenerated_from": part.file or ", ".join(part.paths(number)),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def verdict_counts(card: pd.DataFrame) -> pd.DataFrame:
    """Return how many numbers of each paper have which verdict, those of each of `KINDS` apart, and all together.

    Returns
    -------
    pandas.DataFrame
        Columns paper, kind, numbers and a column a verdict.
    """
    parts = []
    for frame in (card, card.assign(paper="all")):
        counts = frame.groupby(["paper", "kind"], sort=False)["verdict"].value_counts().unstack(fill_value=0)
        parts.append(counts.reindex(columns=list(VERDICTS), fill_value=0).reset_index())
    table = pd.concat(parts, ignore_index=True)
    table.insert(2, "numbers", table[list(VERDICTS)].sum(axis=1))
    table.columns.name = None
    return table


def _kind(number: Number, part: Counterpart) -> str:
    """Return which of `KINDS` a number is."""
    setting, measurement, size = KINDS
    if part.setting is not None:
        return setting
    return size if part.exact or isinstance(number.value, str) else measurement


def _told(value: float | str | None) -> float | int | str:
    """Return a value as the table tells it: six digits, whole numbers without a point."""
    if value is None:
        return math.nan
    if isinstance(value, str):
        return value
    return int(value) if float(value).is_integer() else float(f"{value:.6g}")


def _judge(
    number: Number, part: Counterpart, found: Found, values: Mapping[str, float | str], rule: Scorecard
) -> Verdict:
    """Return the verdict on one number."""
    if found.problem:
        return Verdict(NOT_COMPARABLE)
    if isinstance(number.value, str) or isinstance(found.value, str) or found.value is None:
        return judge_text(str(number.value), str(found.value))
    published = float(number.value)
    rounding = half_digit(number.printed) if part.rounding is None else part.rounding
    if found.error is None:
        as_set = part.setting is not None and part.reading == "as_is"
        return judge_exact(published, found.value, 0.0 if as_set else rounding)
    words, place = part.groups(number) or {}, f"{number.paper}.{number.artefact}"
    printed = [float(values[f"{place}.{name.format(**words)}"]) for name in part.published_errors
               if f"{place}.{name.format(**words)}" in values]  # fmt: skip
    error = float(np.mean(printed)) / math.sqrt(part.published_folds) if printed else 0.0
    scale = values[f"{place}.{part.scale.format(**words)}"] if isinstance(part.scale, str) else part.scale
    return judge(published, found.value, found.error, rounding, error, abs(float(scale or published)), rule)


def _sizes(counterparts: Counterparts, part: Counterpart, settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return in words which settings make this run smaller than the paper, and which are set otherwise."""
    words: dict[str, list[str]] = {"smaller": [], "set otherwise": []}
    for size in counterparts.sizes[part.sizes] if part.sizes else []:
        try:
            mine = look_up(settings, size.setting)
        except KeyError:
            continue
        if isinstance(size.published, str):
            if str(mine) != size.published:
                words["set otherwise"].append(f"{size.setting} {mine}, published {size.published}")
        elif mine is not None and float(mine) < size.published:
            words["smaller"].append(f"{size.setting} {mine} of {size.published:g}")
    return words


def _reason(
    part: Counterpart, found: Found, verdict: Verdict, sizes: dict[str, list[str]], other_data: bool,
    full_settings: Mapping[str, Any], number: Number,
) -> str:  # fmt: skip
    """Return why a number differs or is not comparable, by rule."""
    paths = ", ".join(part.paths(number))
    if problem := found.problem or verdict.problem:
        return PROBLEMS[problem].format(file=part.file or paths, share=verdict.share)
    if verdict.verdict != DIFFERS:
        return ""
    if part.setting is not None:
        full = find(number, part, {}, full_settings).value
        same = full is not None and _judge(number, part, Found(value=full), {}, Scorecard()).verdict == REPRODUCED
        return f"{paths}: configs/paper.yaml has the published one" if same else part.why or f"{paths} is an option"
    words = [OTHER_DATA[part.data]] if other_data else []
    words += [f"{word}: {', '.join(settings)}" for word, settings in sizes.items() if settings]
    return "; ".join(words) or UNEXPLAINED
