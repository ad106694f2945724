"""The numbers that the papers print, from published.yaml."""

from __future__ import annotations

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
    entry: dict[str, Any] = yaml.safe_load(Path(file).read_text())[paper][artefact].get(quantity, {})
    return entry.get("value")
