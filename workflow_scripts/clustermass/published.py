"""The numbers that the papers print, from published.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Number:
    """One published number.

    Attributes
    ----------
    paper, artefact, quantity : str
        Where it stands in published.yaml; a number of a list has its place there after the quantity: 'voxels.0'.
    value : float or str
        As printed; text where the paper prints a word or a shape.
    printed : str
        Its characters: 0.300 is known to a thousandth, 0.3 to a tenth.
    where : str
        Section, table or figure of the paper.
    """

    paper: str
    artefact: str
    quantity: str
    value: float | str
    printed: str
    where: str

    @property
    def key(self) -> str:
        """Name of the number among all: 'paper.artefact.quantity'."""
        return f"{self.paper}.{self.artefact}.{self.quantity}"


def published(paper: str, artefact: str, quantity: str, file: str | Path = FILE) -> float | None:
    """Return a published number, or None where the paper prints none.

    Parameters
    ----------
    paper, artefact, quantity : str
        E.g. 'lin2022', 'counts', 'planck'.
    """
    entry: dict[str, Any] = _numbers(Path(file))[paper][artefact].get(quantity, {})
    return entry.get("value")


def every_number(file: str | Path = FILE) -> list[Number]:
    """Return all published numbers, those of lists one by one."""
    found, texts = [], _numbers(Path(file), yaml.BaseLoader)
    for paper, artefacts in _numbers(Path(file)).items():
        for artefact, quantities in artefacts.items():
            for quantity, entry in quantities.items():
                value, printed = entry["value"], texts[paper][artefact][quantity]["value"]
                one = not isinstance(value, list)
                names = [quantity] if one else [f"{quantity}.{place}" for place in range(len(value))]
                values = zip(names, [value] if one else value, [printed] if one else printed, strict=True)
                found += [Number(paper, artefact, *each, entry["where"]) for each in values]
    return found


@cache
def _numbers(file: Path, loader: type = yaml.SafeLoader) -> dict[str, Any]:
    """Return all numbers of a file, read once; as text by a loader that converts nothing."""
    numbers: dict[str, Any] = yaml.load(file.read_text(), loader)
    return numbers
