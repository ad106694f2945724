"""The numbers that the papers print, from published.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_suffix(".yaml")


def published(paper: str, artefact: str, quantity: str, file: str | Path = FILE) -> float | None:
    """Return a published number, or None where the paper prints none.

    Parameters
    ----------
    paper, artefact, quantity : str
        E.g. 'lin2022', 'counts', 'planck'.
    """
    entry: dict[str, Any] = _numbers(Path(file))[paper][artefact].get(quantity, {})
    return entry.get("value")


@cache
def _numbers(file: Path) -> dict[str, Any]:
    """Return all numbers of a file, read once."""
    numbers: dict[str, Any] = yaml.safe_load(file.read_text())
    return numbers
