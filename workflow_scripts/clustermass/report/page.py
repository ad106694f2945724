"""One self-contained page of HTML: the papers' results side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, StrictUndefined

from clustermass.contracts import read_metadata
from clustermass.report.artefacts import Artefact, Cells, read_cells, short
from clustermass.scorecard.card import KINDS
from clustermass.scorecard.verdict import VERDICTS

PAPERS = {
    "ho2019": "Ho et al. (2019)",
    "liang2020": "Liang et al. (2020)",
    "kodiramanah2021": "Kodi Ramanah et al. (2021)",
    "lin2022": "Lin et al. (2022)",
}
"""Categories of the report that are papers, by the names that published numbers have; in the order of the page."""
LATER = ("Across the papers", "Beyond the papers", "Images of clusters", "Embedded universe")
"""Categories that follow, in this order where they are there; any other comes last."""
_OWN = ("results", "figures", "workflow_scripts", "rules")
_SCORES = [
    "quantity",
    "kind",
    "unit",
    "published",
    "regenerated",
    "uncertainty",
    "difference_in_sigma",
    "verdict",
    "reason",
]


@dataclass(frozen=True)
class Section:
    """Artefacts of one category, and the published numbers that no figure or table of it shows.

    Attributes
    ----------
    anchor, title : str
    artefacts : list of Artefact
    others : list of dict
        Rows of the scorecard.
    verdicts : dict of dict of int
        How many published numbers of each kind have each verdict; kinds that the paper has.
    """

    anchor: str
    title: str
    artefacts: list[Artefact]
    others: list[dict[str, str]]
    verdicts: dict[str, dict[str, int]]

    @property
    def made(self) -> int:
        """How many of its artefacts there are."""
        return sum(artefact.made for artefact in self.artefacts)


def read_scores(path: str | Path | None) -> pd.DataFrame:
    """Return the scorecard with all cells as text, or an empty one where none was made."""
    columns = ["paper", "artefact", *_SCORES]
    if path is None or not Path(path).is_file():
        return pd.DataFrame(columns=columns, dtype=str)
    return pd.read_csv(path, dtype=str, keep_default_na=False)[columns]


def scores_of(scores: pd.DataFrame, artefact: Artefact) -> list[dict[str, str]]:
    """Return the published numbers of a figure or table beside the regenerated ones."""
    own = scores[(scores["paper"] == artefact.paper) & (scores["artefact"] == artefact.name)]
    return [{str(key): str(value) for key, value in row.items()} for row in own.to_dict("records")]


def sections(artefacts: Sequence[Artefact], scores: pd.DataFrame) -> list[Section]:
    """Return what the page shows, papers first; other categories follow in the order of the rules."""
    there = [one.category for one in artefacts]
    titles = [*PAPERS.values(), *(title for title in LATER if title in there), *there]
    found = []
    for title in dict.fromkeys(titles):
        paper = next((key for key, name in PAPERS.items() if name == title), None)
        own = sorted((one for one in artefacts if one.category == title), key=_order)
        rows = scores[scores["paper"] == paper]
        others = rows[~rows["artefact"].isin({one.name for one in own})].to_dict("records")
        counts = {
            kind: {verdict: int((of_kind == verdict).sum()) for verdict in VERDICTS}
            for kind in KINDS
            if len(of_kind := rows.loc[rows["kind"] == kind, "verdict"])
        }
        anchor = paper or "-".join(title.lower().split())
        found.append(Section(anchor, title, own, [{str(k): str(v) for k, v in row.items()} for row in others], counts))
    return found


def _order(artefact: Artefact) -> tuple[int, str]:
    """Return the place of an artefact in its paper: figures, tables, supplements, others."""
    kinds = ("fig0", "fig1", "table", "fig", "tables")
    return next(
        (number for number, kind in enumerate(kinds) if artefact.name.startswith(kind)), len(kinds)
    ), artefact.name


def _shown(row: Mapping[str, str], artefacts: Sequence[Artefact]) -> bool:
    """Return whether a row of the scorecard belongs to a figure or table."""
    return any((one.paper, one.name) == (row["paper"], row["artefact"]) for one in artefacts)


def natures(path: str | Path | None) -> dict[str, Cells]:
    """Return the checks of the embedded universe by what they are: put in, or predicted; {} where none were made.

    Parameters
    ----------
    path : path, optional
        Summary of the validation, a column of which is `nature`.
    """
    if path is None or not Path(path).is_file():
        return {}
    whole = read_cells(path)
    at = whole.columns.index("nature")
    columns = [name for name in whole.columns if name != "nature"]
    kinds = list(dict.fromkeys(row[at] for row in whole.rows))
    return {
        kind: Cells(columns, [[*row[:at], *row[at + 1 :]] for row in whole.rows if row[at] == kind], 0)
        for kind in kinds
    }


def outside_inputs(paths: Iterable[str]) -> dict[str, str]:
    """Return the files from outside of a run that its tables rest on, with their SHA-256.

    Parameters
    ----------
    paths : iterable of str
        Files of the run: tables (Parquet) say what they were made from, and these tables in turn.
    """
    waiting, seen, found = list(paths), set[str](), dict[str, str]()
    while waiting:
        path = waiting.pop()
        if path in seen or Path(path).suffix != ".parquet" or not Path(path).is_file():
            continue
        seen.add(path)
        metadata = read_metadata(path)
        made_from = metadata.get("provenance", {}).get("inputs", {})
        waiting += made_from
        outside = {name: digest for name, digest in made_from.items() if Path(name).parts[0] not in _OWN}
        found |= {Path(name).name: digest for name, digest in outside.items()}
        origin = metadata.get("origin", {})
        if "sha256" in origin and not made_from:  # downloaded
            found[str(origin.get("url") or origin.get("file") or path)] = origin["sha256"]
    return dict(sorted(found.items()))


def changed(config: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a configuration that are not the default's, in their sections."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        usual = default.get(name)
        if isinstance(value, Mapping) and isinstance(usual, Mapping):
            value = changed(value, usual)
            if value:
                found[name] = value
        elif value != usual:
            found[name] = value
    return found


def render_page(
    template: str,
    artefacts: Sequence[Artefact],
    scores: pd.DataFrame,
    universe: Mapping[str, Cells],
    about: Mapping[str, Any],
) -> str:
    """Return the page.

    Parameters
    ----------
    template : str
        Of jinja; everything that is filled in is escaped.
    artefacts : sequence of Artefact
    scores : pandas.DataFrame
        As `read_scores`.
    universe : mapping of Cells
        As `natures`.
    about : mapping
        source, stamp, commit, seed, changed (settings), software, inputs (raw data with checksums).

    Raises
    ------
    jinja2.UndefinedError
        The template asks for something that is not there.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["short"] = short
    environment.filters["yaml"] = lambda value: yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    shown = sections(artefacts, scores)
    return environment.from_string(template).render(
        sections=shown,
        papers=[one for one in shown if one.title in PAPERS.values()],
        scores_of=lambda artefact: scores_of(scores, artefact),
        anchor_of=lambda row: f"{row['paper']}_{row['artefact']}" if _shown(row, artefacts) else row["paper"],
        scored=bool(len(scores)),
        verdicts=VERDICTS,
        differing=scores[scores["verdict"] == "differs"].to_dict("records"),
        missing=[one for one in artefacts if not one.made],
        universe=universe,
        about=about,
    )
