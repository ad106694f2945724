"""Read a table as its archive publishes it: FITS (binary or ASCII), VOTable or CSV, each also compressed with gzip."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
import zlib
from pathlib import Path

import numpy as np
from astropy.io.votable.exceptions import VOWarning
from astropy.table import MaskedColumn, Table
from astropy.units import UnitsWarning
from astropy.utils.exceptions import AstropyUserWarning

_EXPECTED = "a FITS table, a VOTable or comma-separated values, plain or in gzip"


class CatalogueError(ValueError):
    """A catalogue cannot be used; the message names file, column, row, what was expected and what was found."""


def read_catalogue(path: str | Path) -> Table:
    """Return the first table of a file, with all its columns; the format is told by the content, not by the name.

    Raises
    ------
    CatalogueError
        The file is missing, empty, truncated, a web page, or none of the formats.
    """
    path = Path(path)
    content = _content(path)
    start = content[:4096].lstrip().lower()
    try:
        if start.startswith(b"simple"):
            table = _read_fits(content)
        elif b"<votable" in start or b":votable" in start:
            table = _read_votable(content)
        elif start.startswith((b"<!doctype", b"<html", b"<?xml")) or b"<html" in start:
            raise CatalogueError(f"{path}: expected {_EXPECTED}, got a web page: the download was an error page")
        elif b"\0" in start:
            raise CatalogueError(f"{path}: expected {_EXPECTED}, got other binary data")
        else:
            table = _read_csv(content)
    except CatalogueError as error:
        raise error if str(path) in str(error) else CatalogueError(f"{path}: {error}") from None
    except Exception as error:  # the readers raise many kinds; all mean that this file is not whole
        raise CatalogueError(f"{path}: expected {_EXPECTED}; it is truncated or damaged: {error}") from error
    if len(table) == 0:
        raise CatalogueError(f"{path}: expected rows, got an empty table")
    return table


def _content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked."""
    if not path.is_file():
        raise CatalogueError(f"{path}: no such file")
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise CatalogueError(f"{path}: expected a readable file, it is truncated or damaged: {error}") from error
    if not content.strip():
        raise CatalogueError(f"{path}: expected {_EXPECTED}, got an empty file")
    return content


def _read_fits(content: bytes) -> Table:
    if len(content) % 2880:
        raise CatalogueError(f"expected whole blocks of 2880 bytes, got {len(content)} bytes: the file is truncated")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)  # archives spell units in their own ways
        warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
        return Table.read(io.BytesIO(content), format="fits", hdu=1)


def _read_votable(content: bytes) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VOWarning)
        warnings.simplefilter("ignore", UnitsWarning)
        table = Table.read(io.BytesIO(content), format="votable", table_id=0, use_names_over_ids=True)
    return table


def _read_csv(content: bytes) -> Table:
    """Read comma-separated values; lines that start with '#' are comments, as in SkyServer's answers."""
    lines = content.decode("utf-8-sig").splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    rows = list(csv.reader(line for _, line in numbered))
    header = [name.strip() for name in rows[0]] if rows else []
    if len(header) < 2:
        raise CatalogueError(f"expected {_EXPECTED}, got text without commas: {lines[0][:60]!r}")
    if len(set(header)) < len(header):
        raise CatalogueError(f"expected each column name once, got {', '.join(header)}")
    for (number, _), row in zip(numbered, rows, strict=False):
        if len(row) != len(header):
            raise CatalogueError(
                f"line {number}: expected {len(header)} values as in the header, got {len(row)}: the file is truncated?"
            )
    values = zip(*rows[1:], strict=True) if len(rows) > 1 else ([] for _ in header)
    return Table({name: _typed([text.strip() for text in texts]) for name, texts in zip(header, values, strict=True)})


def _typed(texts: list[str]) -> MaskedColumn:
    """Return numbers where all texts but the blank ones are numbers, else the texts."""
    blank = np.array([text.lower() in ("", "nan", "null", "none", "--") for text in texts], dtype=bool)
    try:
        numbers = [0.0 if empty else float(text) for text, empty in zip(texts, blank, strict=True)]
    except ValueError:
        return MaskedColumn(np.array(texts, dtype=str), mask=np.array([text == "" for text in texts], dtype=bool))
    integral = all("." not in text and "e" not in text.lower() for text in texts)
    return MaskedColumn(np.array(numbers, dtype=np.int64 if integral and not blank.any() else float), mask=blank)
