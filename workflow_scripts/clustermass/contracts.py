"""Tables on disk: every column with its type, unit, meaning and bounds, checked on writing and on reading.

Tables are Parquet files (docs/decisions/0001-tables.md). Units and meanings stand in the file beside the columns, and
the provenance of the table in its metadata; ``pandas.read_parquet``, ``astropy.table.Table.read`` and TOPCAT read them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clustermass.files import replacing

Kind = Literal["text", "float", "int", "bool"]
_ARROW = {"text": pa.string(), "float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}


class ContractError(ValueError):
    """A table breaks its contract; the message names file, column, row, what was expected and what was found."""


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    Attributes
    ----------
    name : str
    kind : {'text', 'float', 'int', 'bool'}
    unit : str
        Unit in astropy's notation; '' for numbers without one.
    meaning : str
    low, high : float, optional
        Bounds, both inclusive.
    missing : bool
        Whether values may be missing: NaN in floats, '' in texts.
    unique : bool
        Whether every value stands once.
    choices : tuple of str
        The allowed texts; empty: any.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    low: float | None = None
    high: float | None = None
    missing: bool = False
    unique: bool = False
    choices: tuple[str, ...] = ()

    def fault(self, values: pd.Series) -> tuple[int, str] | None:
        """Return the first row that breaks the contract and what was expected there, or None."""
        empty = values.isna().to_numpy()
        checks: list[tuple[np.ndarray, str]] = []
        if self.kind == "text":
            checks.append((~empty & ~values.map(lambda value: isinstance(value, str)).to_numpy(bool), "a text"))
            empty = empty | (values.astype(str) == "").to_numpy(bool)
        if not self.missing or self.kind in ("int", "bool"):
            checks.append((empty, "a value"))
        if self.kind in ("float", "int"):
            numbers = values.to_numpy(np.float64, na_value=np.nan)
            checks.append((np.isinf(numbers), "a finite number"))
            if self.low is not None:
                checks.append((numbers < self.low, f"at least {self.low} {self.unit}".strip()))
            if self.high is not None:
                checks.append((numbers > self.high, f"at most {self.high} {self.unit}".strip()))
        if self.choices:
            checks.append(((~values.isin(self.choices)).to_numpy() & ~empty, f"one of {', '.join(self.choices)}"))
        if self.unique:
            checks.append((values.duplicated().to_numpy() & ~empty, "no value twice"))
        for wrong, expected in checks:
            if wrong.any():
                return int(np.flatnonzero(wrong)[0]), expected
        return None


@dataclass(frozen=True)
class Contract:
    """A table's columns, in order."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema with unit and meaning of every column."""
        return pa.schema(
            pa.field(c.name, _ARROW[c.kind], metadata={"unit": c.unit, "meaning": c.meaning}) for c in self.columns
        )

    def empty(self) -> pd.DataFrame:
        """Return a table of this contract without rows."""
        frame: pd.DataFrame = self.schema.empty_table().to_pandas()
        return frame

    def validate(self, frame: pd.DataFrame, file: str | Path) -> pd.DataFrame:
        """Return the contract's columns in order, or raise.

        Raises
        ------
        ContractError
            Missing or unknown columns, wrong types, values out of bounds.
        """
        names = [str(name) for name in frame]
        if len(set(names)) < len(names):
            raise ContractError(f"{file}: expected each column once, got {', '.join(names)}")
        absent = [name for name in self.names if name not in frame]
        extra = [name for name in names if name not in self.names]
        if absent or extra:
            raise ContractError(
                f"{file}: contract '{self.name}' expects columns {', '.join(self.names)}"
                + (f"; missing: {', '.join(absent)}" if absent else "")
                + (f"; not in the contract: {', '.join(extra)}" if extra else "")
            )
        for column in self.columns:
            self._check(column, frame[column.name], file)
        return frame[self.names].reset_index(drop=True)

    def _check(self, column: Column, values: pd.Series, file: str | Path) -> None:
        right_kind = {
            "text": pd.api.types.is_string_dtype(values) or pd.api.types.is_object_dtype(values),
            "float": pd.api.types.is_float_dtype(values),
            "int": pd.api.types.is_integer_dtype(values),
            "bool": pd.api.types.is_bool_dtype(values),
        }[column.kind]
        if len(values) and not right_kind:
            raise ContractError(f"{file}: column {column.name}: expected {column.kind} values, got {values.dtype}")
        fault = column.fault(values) if len(values) else None
        if fault:
            row, expected = fault
            raise ContractError(
                f"{file}: column {column.name}, row {row + 1}: expected {expected}, got {values.iloc[row]!r}"
            )


def write_table(frame: pd.DataFrame, contract: Contract, path: str | Path, metadata: dict[str, Any]) -> None:
    """Validate a table and write it with its metadata, whole or not at all.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns as in the contract; their order does not matter.
    metadata : dict
        What `json.dumps` can write: provenance, conversions made, reasons for absence.

    Raises
    ------
    ContractError
    """
    frame = contract.validate(frame, path)
    arrays = [
        pa.array(frame[c.name].fillna("") if c.kind == "text" else frame[c.name], type=_ARROW[c.kind], from_pandas=True)
        for c in contract.columns
    ]
    schema = contract.schema.with_metadata(
        {"contract": contract.name, "metadata": json.dumps(metadata, sort_keys=True)}
    )
    with replacing(path) as aside:
        table = pa.Table.from_arrays(arrays, schema=schema)
        pq.write_table(table, aside, compression="zstd", write_page_checksum=True)


def read_table(path: str | Path, contract: Contract) -> pd.DataFrame:
    """Read a table and check that it keeps its contract.

    Raises
    ------
    ContractError
        Also where the file is not a Parquet table, or was written under another contract.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        written = (table.schema.metadata or {}).get(b"contract", b"none").decode()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ContractError(f"{path}: expected a Parquet table of contract '{contract.name}': {error}") from None
    if written != contract.name:
        raise ContractError(f"{path}: expected contract '{contract.name}', the file was written as '{written}'")
    frame = pd.DataFrame({name: table[name].to_pandas() for name in table.column_names})
    for column in contract.columns:
        if column.kind == "float" and column.name in frame:
            frame[column.name] = frame[column.name].astype(float)  # an empty column comes back without a type
    return contract.validate(frame, path)


def read_tables(names: list[str], paths: list[str], contract: Contract) -> dict[str, pd.DataFrame]:
    """Read several tables of one contract, by name."""
    return {name: read_table(path, contract) for name, path in zip(names, paths, strict=True)}


def read_joined(paths: Sequence[str], contract: Contract) -> pd.DataFrame:
    """Read several tables of one contract as one; one at least."""
    return pd.concat([read_table(path, contract) for path in paths], ignore_index=True)


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return the metadata that a table was written with.

    Raises
    ------
    ContractError
        The file is not a Parquet table, or its metadata are damaged.
    """
    try:
        stored = pq.read_schema(path).metadata or {}
        result: dict[str, Any] = json.loads(stored.get(b"metadata", b"{}"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ContractError(f"{path}: expected a Parquet table with metadata: {error}") from None
    return result


_POSITION = (
    Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
    Column("dec", "float", "deg", "declination, ICRS", -90, 90),
    Column("redshift", "float", "", "cluster redshift, spectroscopic where there is one", 0, 20),
    Column(
        "redshift_kind",
        "text",
        "",
        "how the redshift was measured, as far as the catalogue says",
        choices=("spectroscopic", "photometric", "unstated"),
    ),
)
_ID = Column("id", "text", "", "name in its catalogue", unique=True)

CLUSTERS = Contract(
    "clusters",
    "parent sample: optically selected clusters",
    (
        _ID,
        *_POSITION,
        Column("redshift_err", "float", "", "1 sigma error of the redshift", 0, missing=True),
        Column("richness", "float", "", "richness lambda, selected by configuration", 0),
        Column("richness_err", "float", "", "1 sigma error of the richness", 0, missing=True),
        Column("group", "text", "", "object that splits keep together: parent halo if simulated, else the cluster"),
    ),
)
LABEL_SOURCES = Contract(
    "label_sources",
    "clusters whose mass was measured from the intracluster medium",
    (
        _ID,
        *_POSITION,
        Column("m500c", "float", "Msun", "M500c; cosmology as in the metadata", 1e11, 1e17),
        Column("m500c_err_low", "float", "Msun", "lower 1 sigma error", 0, missing=True),
        Column("m500c_err_up", "float", "Msun", "upper 1 sigma error", 0, missing=True),
    ),
)
REJECTED = Contract(
    "rejected",
    "rows of a catalogue that were set aside, and why",
    (
        Column("row", "int", "", "row in the catalogue's file, from 1", 1),
        Column("id", "text", "", "name in its catalogue", missing=True),
        Column("column", "text", "", "column of the file that decided"),
        Column("value", "text", "", "what it held", missing=True),
        Column("reason", "text", "", "why the row was set aside"),
    ),
)
MATCHES = Contract(
    "matches",
    "pairs of a cluster and the label source that gives its mass; each cluster and each source stands once",
    (
        Column("cluster", "text", "", "id in the parent sample", unique=True),
        Column("catalogue", "text", "", "label catalogue"),
        Column("source", "text", "", "id in the label catalogue"),
        Column("arcmin", "float", "arcmin", "angular separation", 0),
        Column("kpc", "float", "kpc", "projected proper separation at the cluster's redshift", 0),
        Column("dz", "float", "", "redshift of the source less that of the cluster"),
        Column("nearest", "bool", "", "whether the source had no nearer cluster within the limits, used or not"),
    ),
)
LABELS = Contract(
    "labels",
    "one mass for every cluster: strong (intracluster medium) or weak (richness)",
    (
        Column("cluster", "text", "", "id in the parent sample", unique=True),
        *_POSITION,
        Column("richness", "float", "", "richness lambda", 0),
        Column(
            "label", "text", "", "strong: from the intracluster medium; weak: from richness", choices=("strong", "weak")
        ),
        Column("catalogue", "text", "", "label catalogue of a strong label, or the parent sample of a weak one"),
        Column("log10_m500c", "float", "log10(Msun)", "log10 of M500c", 11, 17),
        Column("log10_m500c_err_low", "float", "dex", "lower 1 sigma error", 0, missing=True),
        Column("log10_m500c_err_up", "float", "dex", "upper 1 sigma error", 0, missing=True),
        Column(
            "log10_m500c_richness", "float", "log10(Msun)", "log10 of M500c from richness, for every cluster", 5, 20
        ),
        Column("group", "text", "", "object that splits keep together"),
    ),
)
SPLITS = Contract(
    "splits",
    "which part every cluster plays; no group stands on both sides of a split",
    (
        Column("cluster", "text", "", "id in the parent sample", unique=True),
        Column("group", "text", "", "object that splits keep together"),
        Column("label", "text", "", "strong or weak", choices=("strong", "weak")),
        Column("fold", "int", "", "fold in which the cluster tests; it validates in the fold before", 0),
        Column("band", "text", "", "part in the band classification", choices=("train", "validation", "test")),
    ),
)
