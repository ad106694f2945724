"""Read files in chunks, in the columns that are used: CSV by blocks of a stream, arrays by slices of a memory map."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from clustermass.sources.simulations.sieve import NO_ID, VELOCITY, XYZ
from clustermass.sources.tables import CatalogueError

Names = dict[str, tuple[str, ...]]

CHUNK_ROWS = 50_000  # 10 MB of CSV; pyarrow reads up to 32 such blocks ahead
_NULLS = ["", "NULL", "null", "\\N", "nan", "NaN", "NAN", "None", "-nan"]
_INTEGERS = ("id", "pid", "upid", "host", "type", "flags", "snapnum")  # keys of `Names`
_UNIVERSE_FLOATS = (
    *("vmp", "lvmp", "mp", "m", "v", "r", "rank1", "rank2", "ra", "rarank", "A_UV"),
    *("sm", "icl", "sfr", "obs_sm", "obs_sfr", "obs_uv", "empty"),
)
_UNIVERSE_BINARY = np.dtype(
    [("id", "<i8"), ("descid", "<i8"), ("upid", "<i8"), ("flags", "<i4"), ("uparent_dist", "<f4"), ("pos", "<f4", (6,))]
    + [(name, "<f4") for name in _UNIVERSE_FLOATS]
)


def _locate(path: Path, have: list[str], needed: Names, more: Names) -> dict[str, str]:
    """Return which column of a file each key is, by the first of its names that exists."""
    lower = {name.strip().lower(): name for name in have}
    if len(lower) < len(have):
        raise CatalogueError(f"{path}: expected each column name once, got {', '.join(have)}")
    found = {k: lower[n] for k, names in {**needed, **more}.items() for n in reversed(names) if n in lower}
    missing = ["/".join(names) for key, names in needed.items() if key not in found]
    if missing:
        raise CatalogueError(f"{path}: expected columns {', '.join(missing)}; the file has {', '.join(have)}")
    return found


def csv_reader(needed: Names, more: Names, chunk_rows: int) -> Callable[[Path], Iterator[pd.DataFrame]]:
    """Return a reader of CSV files for `Sieve.frames`."""
    return lambda path: _csv_frames(path, needed, more, chunk_rows)


def _csv_frames(path: Path, needed: Names, more: Names, rows: int) -> Iterator[pd.DataFrame]:
    """Yield blocks of about `rows` rows of a CSV file, plain or in gzip; lines before the header may start with '#'."""
    header: list[str] = []
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            lines = stream.read(1 << 16).decode("utf-8-sig", errors="replace").splitlines()
        skip = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
        if skip == len(lines) or lines[skip].startswith("<") or "\0" in lines[skip]:
            raise CatalogueError(f"{path}: expected comma-separated values, got {lines[0][:60] if lines else ''!r}")
        header = next(csv.reader([lines[skip]]))
        found = _locate(path, header, needed, more)
        kinds = {name: pa.int64() if key in _INTEGERS else pa.float64() for key, name in found.items()}
        options = {
            "read_options": pacsv.ReadOptions(
                use_threads=False, block_size=max(200 * rows, 1000), skip_rows=skip + 1, column_names=header
            ),
            "convert_options": pacsv.ConvertOptions(
                column_types=kinds, include_columns=list(kinds), null_values=_NULLS
            ),
        }
        with pa.input_stream(str(path), compression="detect") as stream:
            for batch in pacsv.open_csv(stream, **options):
                blank = {name: batch[name].fill_null(NO_ID) for name, kind in kinds.items() if kind == pa.int64()}
                columns = {k: blank.get(name, batch[name]).to_numpy(zero_copy_only=False) for k, name in found.items()}
                yield pd.DataFrame(columns)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise CatalogueError(f"{path}: {_csv_error(str(error), header)}") from None


def _csv_error(message: str, header: list[str]) -> str:
    """Return what pyarrow says of a bad CSV file with the name of the column."""
    value = re.search(
        r"CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to (\w+): invalid value '(.*)'", message
    )
    if value:
        kind = "a whole number" if value[3] == "int64" else "a number"
        return f"column {header[int(value[1])]}, line {value[2]}: expected {kind}, got {value[4]!r}"
    if "Empty CSV" in message:
        return "expected rows, got none but the header"
    return f"expected whole rows of comma-separated values, the file is truncated or damaged: {message[:200]}"


def array_frames(path: Path, needed: Names, more: Names, rows: int) -> Iterator[pd.DataFrame]:
    """Yield slices of a structured array: .npy, or UniverseMachine's .bin; only the pages of a slice are read."""
    try:
        binary = path.suffix == ".bin"
        array = np.memmap(path, _UNIVERSE_BINARY, "r") if binary else np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CatalogueError(
            f"{path}: expected a whole structured array, it is truncated or damaged: {error}"
        ) from None
    if not isinstance(array, np.ndarray) or array.dtype.names is None or array.ndim != 1:
        raise CatalogueError(f"{path}: expected a structured array with one row an object, got {type(array).__name__}")
    axes = (*XYZ, *VELOCITY) if "pos" in array.dtype.names else ()
    found = _locate(path, [*array.dtype.names, *axes], needed, more)
    for key, name in found.items():
        if key in _INTEGERS and array.dtype[name].kind not in "iu":
            raise CatalogueError(f"{path}: column {name}: expected whole numbers, got {array.dtype[name]}")
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        values = {k: part["pos"][:, axes.index(n)] if n in axes else part[n] for k, n in found.items()}
        yield pd.DataFrame({k: v.astype(np.int64 if k in _INTEGERS else float) for k, v in values.items()})


def positional_frames(path: Path, names: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    """Yield a table of numbers without a header, whole: text with blanks between them, or a .npy array."""
    try:
        values = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, ndmin=2)
    except (ValueError, OSError, EOFError) as error:
        raise CatalogueError(f"{path}: expected {', '.join(names)} in every row; it is damaged: {error}") from None
    if values.ndim != 2 or values.shape[1] != len(names):
        raise CatalogueError(f"{path}: expected columns {', '.join(names)}, got an array of shape {values.shape}")
    if len(values):
        yield pd.DataFrame(values.astype(float), columns=list(names))
