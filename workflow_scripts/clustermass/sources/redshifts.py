"""Read a table of redshifts as its authors publish it, in the columns that the workflow knows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Column, Table
from numpy.typing import NDArray

from clustermass.config.observed import RedshiftSurvey
from clustermass.observed.contracts import REDSHIFTS
from clustermass.sources.catalogues import parse_unit, split_column
from clustermass.sources.tables import CatalogueError, read_catalogue

Floats = NDArray[np.float64]


def read_redshifts(path: str | Path, survey: RedshiftSurvey) -> pd.DataFrame:
    """Return a table of redshifts with the columns of `REDSHIFTS`, one row for each of the file.

    What is no number is missing; nothing is left out here, see `observed.redshifts.usable_redshifts`.

    Parameters
    ----------
    path : str or Path
        CSV (as SkyServer's too), FITS or VOTable; white space between columns where `survey.header` names them.
    survey : RedshiftSurvey
        Names and units of the columns.

    Raises
    ------
    CatalogueError
        The file cannot be read, lacks a column, or its right ascensions are no degrees.
    """
    return survey_rows(_read_plain(Path(path), survey.header) if survey.header else read_catalogue(path), survey, path)


def survey_rows(table: Table, survey: RedshiftSurvey, path: str | Path) -> pd.DataFrame:
    """Return the rows of a table that was read, with the columns of `REDSHIFTS`; `path` is for messages.

    Raises
    ------
    CatalogueError
        As `read_redshifts`.
    """
    wanted = {name: getattr(survey, name) for name in REDSHIFTS.names}
    stated = {name: split_column(text) for name, text in wanted.items() if text is not None}
    absent = [column for column, _ in stated.values() if column not in table.colnames]
    if absent:
        raise CatalogueError(
            f"{path}: expected the columns of {survey.title}, {', '.join(absent)} not among {', '.join(table.colnames)}"
        )
    columns = {name: _numbers(table[stated[name][0]]) for name in stated if name != "id"}
    if parse_unit(stated["ra"][1] or "deg") == parse_unit("hourangle"):
        columns["ra"] = columns["ra"] * 15
    else:
        _refuse_hours(columns["ra"], columns["dec"], f"{path}: column {stated['ra'][0]}")
    frame = pd.DataFrame(columns).reindex(columns=REDSHIFTS.names)
    names = _texts(table[stated["id"][0]]) if "id" in stated else [f"{row}" for row in range(1, len(table) + 1)]
    return frame.assign(id=names).astype({name: float for name in REDSHIFTS.names if name != "id"})


def _read_plain(path: Path, header: list[str]) -> Table:
    """Return a table without a header, of columns between white space; lines that begin with '#' are comments."""
    if not path.is_file():
        raise CatalogueError(f"{path}: no such file")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != len(header):
            raise CatalogueError(
                f"{path}: line {number}: expected {len(header)} values ({', '.join(header)}), got {len(words)}: "
                f"{line.strip()[:60]!r}"
            )
        rows.append(words)
    if not rows:
        raise CatalogueError(f"{path}: expected rows of {', '.join(header)}, got an empty table")
    return Table({name: list(values) for name, values in zip(header, zip(*rows, strict=True), strict=True)})


def _numbers(column: Column) -> Floats:
    """Return a column as numbers, NaN where there is none."""
    if column.dtype.kind in "iufb":
        values = np.array(np.ma.getdata(column), dtype=np.float64)
        values[np.ma.getmaskarray(np.ma.asarray(column)) | ~np.isfinite(values)] = np.nan
        return values
    numbers = np.array(pd.to_numeric(pd.Series(_texts(column)), errors="coerce"), dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _texts(column: Column) -> list[str]:
    """Return a column as texts, '' where there is none."""
    hidden = np.ma.getmaskarray(np.ma.asarray(column))
    values = (v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in np.ma.getdata(column).tolist())
    return ["" if masked else re.sub(r"\s+", " ", value.strip()) for value, masked in zip(values, hidden, strict=True)]


def _refuse_hours(ra: Floats, dec: Floats, what: str) -> None:
    """Raise where right ascensions fill 0 to 24 while declinations spread: they are hours, not degrees."""
    if np.isfinite(ra).sum() >= 10 and np.nanmax(ra) <= 24 and np.ptp(ra[np.isfinite(ra)]) > 12:
        spread = float(np.ptp(dec[np.isfinite(dec)]))
        if spread > 20:
            raise CatalogueError(
                f"{what}: expected degrees, all are below 24, which looks like hours: state [hourangle]"
            )
