"""Read a table as its archive publishes it: FITS (binary or ASCII), VOTable or CSV, each also compressed with gzip."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.votable.exceptions import VOWarning
from astropy.table import MaskedColumn, Table
from astropy.units import Unit, UnitsWarning
from astropy.utils.exceptions import AstropyUserWarning

_EXPECTED = "a FITS table, a VOTable or comma-separated values, plain or in gzip"


class CatalogueError(ValueError):
    """A catalogue cannot be used; the message names file, column, row, what was expected and what was found."""


class EmptyCatalogueError(CatalogueError):
    """A catalogue is whole, and holds nothing that can be used."""


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
        raise EmptyCatalogueError(f"{path}: expected rows, got an empty table")
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
    """Read the first table of a FITS file."""
    if len(content) % 2880:
        raise CatalogueError(f"expected whole blocks of 2880 bytes, got {len(content)} bytes: the file is truncated")
    for name, number in re.findall(rb"(NAXIS|TFIELDS) *= *(\d+)", content):
        if int(number[:9]) > 999:  # above what the FITS standard allows; astropy would count them all, for hours
            raise CatalogueError(f"expected at most 999 in {name.decode()}, got {number.decode()}: the file is damaged")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)  # archives spell units in their own ways
        warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
        with fits.open(io.BytesIO(content), memmap=False) as units:
            tables = (i for i, unit in enumerate(units) if isinstance(unit, fits.BinTableHDU | fits.TableHDU))
            first = next(tables, None)
            if first is None:
                raise CatalogueError(f"expected {_EXPECTED}, got FITS without a table, or a truncated one")
            if isinstance(units[first], fits.TableHDU):
                return _ascii_table(units[first])
            return Table.read(units, format="fits", hdu=first)


def _ascii_table(unit: fits.TableHDU) -> Table:
    """Return an ASCII table with its blanks masked; astropy makes them 0 in integers, and cannot read most TNULL."""
    raw = unit.data.view(np.ndarray)
    table = Table()
    for column in unit.columns:
        texts = np.strings.strip(raw[column.name])
        hidden = (texts == b"") | (texts == str(column.null or "").strip().encode())
        spelled = Unit(column.unit, format="fits", parse_strict="silent") if column.unit else None
        values = np.asarray(unit.data[column.name])
        values = np.strings.rstrip(values) if values.dtype.kind in "SU" else values
        table[column.name] = MaskedColumn(values, mask=hidden, unit=spelled)
    return table


def _read_votable(content: bytes) -> Table:
    """Read the first table of a VOTable."""
    if re.search(rb"<(\w+:)?STREAM\b[^>]*\bhref", content):
        raise CatalogueError("expected a VOTable with its data inside, got one that points elsewhere (STREAM href)")
    if not re.search(rb"<(\w+:)?TABLE\b", content):
        raise CatalogueError("expected a VOTable with a table, got one without: an error message, or it is truncated")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VOWarning)
        warnings.simplefilter("ignore", UnitsWarning)
        return Table.read(io.BytesIO(content), format="votable", table_id=0, use_names_over_ids=True)


def _read_csv(content: bytes) -> Table:
    """Read comma-separated values, one row a line; lines that start with '#' are comments, as SkyServer writes."""
    lines = re.split(r"\r\n|\r|\n", content.decode("utf-8-sig"))
    rows: list[list[str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            rows.append([text.strip() for text in next(csv.reader([line], strict=True))])
        except csv.Error as error:
            raise CatalogueError(f"line {number}: expected comma-separated values on one line: {error}") from None
        if len(rows[0]) < 2:
            raise CatalogueError(f"expected {_EXPECTED}, got text without commas: {line[:60]!r}")
        if len(rows[-1]) != len(rows[0]):
            raise CatalogueError(
                f"line {number}: expected {len(rows[0])} values as in the header, got {len(rows[-1])}: "
                "the file is truncated?"
            )
    header = rows[0] if rows else []
    if len(set(header)) < len(header):
        raise CatalogueError(f"expected each column name once, got {', '.join(header)}")
    values = zip(*rows[1:], strict=True) if len(rows) > 1 else ([] for _ in header)
    return Table({name: _typed(list(texts)) for name, texts in zip(header, values, strict=True)})


def _typed(texts: list[str]) -> MaskedColumn:
    """Return numbers where all texts but the blank ones are numbers, else the texts; no digit of an integer is lost."""
    blank = np.array([text.lower() in ("", "nan", "null", "none", "--") for text in texts], dtype=bool)
    filled = [text for text, hidden in zip(texts, blank, strict=True) if not hidden]
    kind: type = str
    if filled and all(re.fullmatch(r"[+-]?[0-9]+", text) for text in filled):
        kind = int if all(re.fullmatch(r"[+-]?(0|[1-9][0-9]{0,17})", text) for text in filled) else str
        if kind is str and all(re.fullmatch(r"[+-]?[1-9][0-9]{,18}|0", text) for text in filled):
            kind = int if all(abs(int(text)) < 2**63 for text in filled) else str
    elif all(text.isascii() and "_" not in text and _is_number(text) for text in filled):
        kind = float
    if kind is str:
        return MaskedColumn(np.array(texts, dtype=str), mask=np.array([text == "" for text in texts], dtype=bool))
    numbers = [kind(0) if hidden else kind(text) for text, hidden in zip(texts, blank, strict=True)]
    return MaskedColumn(np.array(numbers, dtype=np.int64 if kind is int else np.float64), mask=blank)


def _is_number(text: str) -> bool:
    """Return whether a text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
