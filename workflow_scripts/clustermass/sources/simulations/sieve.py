"""Sort the rows of a table, chunk by chunk, into kept, rejected (recorded) and cut (counted)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.snapshot import Snapshot
from clustermass.contracts import REJECTED, Contract
from clustermass.sources.tables import CatalogueError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NO_ID = -(2**63)
_MAX_REJECTED = 1_000_000  # their list must not fill the memory
_MARGIN = 0.01  # of the box: halo finders leave the periodic box by a little
XYZ, VELOCITY = ("x", "y", "z"), ("vx", "vy", "vz")


@dataclass
class SnapshotTables:
    """A snapshot in the workflow's contracts.

    Attributes
    ----------
    halos : pandas.DataFrame
        Contract `SNAPSHOT_HALOS` (of the published mock: `MOCK_CLUSTERS`).
    galaxies : pandas.DataFrame or None
        Contract `SNAPSHOT_GALAXIES` (of the published mock: `MOCK_GALAXIES`); None where no galaxy passes the cuts.
    rejected : pandas.DataFrame
        Contract `REJECTED`; the reason begins with the file's name.
    notes : dict
        For `json.dumps`: rows read, kept, rejected and cut, warnings, conversions.
    """

    halos: pd.DataFrame
    galaxies: pd.DataFrame | None
    rejected: pd.DataFrame
    notes: dict[str, Any]


@dataclass
class Sieve:
    """Sorts the rows of one table, chunk by chunk, into kept, rejected and cut."""

    snapshot: Snapshot
    paths: list[Path]
    kept: pd.DataFrame = field(default_factory=pd.DataFrame)
    parts: list[pd.DataFrame] = field(default_factory=list)
    links: list[Ints] = field(default_factory=list)
    rejected: list[pd.DataFrame] = field(default_factory=list)
    cuts: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    farthest: float = 0.0
    first_snapnum: int = 0

    def frames(self, reader: Callable[[Path], Iterator[pd.DataFrame]]) -> Iterator[pd.DataFrame]:
        """Yield the chunks of all pieces, with the file and the row that every row comes from."""
        for number, path in enumerate(self.paths):
            if not path.is_file() or not path.stat().st_size:
                raise CatalogueError(f"{path}: {'got an empty file' if path.is_file() else 'no such file'}")
            start = 1
            for frame in filter(len, reader(path)):
                yield frame.assign(file=number, row=np.arange(start, start + len(frame)))
                start += len(frame)
                self.counts["read"] += len(frame)
            if start == 1:
                raise CatalogueError(f"{path}: expected rows, got none")
            with path.open("rb") as file:
                file.seek(-1, 2)
                if path.suffix not in (".gz", ".npy", ".bin") and file.read() != b"\n":
                    self.warnings.append(f"{path.name}: the last row has no line end: it may be truncated")

    def drop(self, frame: pd.DataFrame, rows: Bools, why: str) -> pd.DataFrame:
        """Return the frame without the rows that a cut removes."""
        self.cuts[why] += int(rows.sum())
        return frame[~rows]

    def reject(self, frame: pd.DataFrame, rows: Bools, column: str, reason: str) -> pd.DataFrame:
        """Return the frame without the rows that are set aside."""
        if rows.any():
            bad = frame[rows]
            ids, values = (["" if v == NO_ID else str(v) for v in bad[c]] for c in ("id", column))
            reasons = [f"{self.paths[i].name}: {reason}" for i in bad["file"]]
            record = {"row": bad["row"], "id": ids, "column": column, "value": values, "reason": reasons}
            self.rejected.append(pd.DataFrame(record))
            self.counts["rejected"] += len(bad)
        return frame[~rows]

    def bound(self, frame: pd.DataFrame, contract: Contract, names: tuple[str, ...], among: str = "") -> pd.DataFrame:
        """Set rows aside whose values the contract does not allow; `among`: a column that says which rows to judge."""
        for column in (column for column in contract.columns if column.name in names):
            low, high = (-np.inf if column.low is None else column.low), column.high or np.inf
            values = frame[column.name].to_numpy(float)
            wrong = ~(np.isfinite(values) & (values >= low) & (values <= high))
            wrong &= frame[among].to_numpy(bool) if among else True
            expected = f"expected a number from {low:g} to {high:g} {column.unit}".rstrip()
            frame = self.reject(frame, wrong, column.name, expected)
        return frame

    def place(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Set rows outside the box aside, and bring those at its very edge into it."""
        box = self.snapshot.box_mpc_h
        for name in XYZ:
            frame = self.reject(frame, ~np.isfinite(frame[name].to_numpy(float)), name, "expected a finite position")
        for name in XYZ:
            values = frame[name].to_numpy(float)
            outside = (values < -_MARGIN * box) | (values > (1 + _MARGIN) * box)
            self.farthest = max(self.farthest, float(np.abs(values).max(initial=0)))
            self.counts["outside"] += int(outside.sum())
            frame = self.reject(frame, outside, name, f"outside the box: expected 0 to {box:g} Mpc/h")
        xyz = frame[list(XYZ)].to_numpy(float)
        self.counts["wrapped"] += int(((xyz < 0) | (xyz >= box)).any(axis=1).sum())
        inside = np.mod(xyz, box)
        inside[inside >= box] = 0  # the remainder of -1e-20 is rounded to the box
        return frame.assign(**dict(zip(XYZ, inside.T, strict=True)))

    def check(self, least: int = 0) -> None:
        """Raise where more than half of the rows that no cut removes had to be rejected: a unit or column is wrong."""
        bad, judged = self.counts["rejected"], self.counts["read"] - sum(self.cuts.values())
        if bad <= _MAX_REJECTED and (judged <= least or bad <= judged / 2):
            return
        common = pd.concat(self.rejected)["reason"].value_counts().head(3)
        first, box = self.rejected[0].iloc[0], self.snapshot.box_mpc_h
        ratio = self.farthest / box if self.counts["outside"] > bad / 2 else 1.0
        hint = "; kpc/h in place of Mpc/h?" if ratio > 300 else ""
        hint = "; Mpc in place of Mpc/h?" if abs(ratio * self.snapshot.h - 1) < 0.03 else hint
        raise CatalogueError(
            f"{self.paths[0]}: column {first['column']}, row {first['row']}: got {first['value']!r}; {bad} of {judged} "
            f"rows are not as expected: {'; '.join(f'{n} x {reason}' for reason, n in common.items())}"
            + (f"; positions reach {self.farthest:g}, the box {box:g} Mpc/h{hint}" if self.farthest else "")
        )

    def finish(self, *unique: tuple[str, str]) -> None:
        """Join the chunks; values of the first column of a pair stand once among the rows that the second one marks."""
        self.check()
        frame = pd.concat(self.parts, ignore_index=True)
        for name, among in unique:
            marked = np.flatnonzero(frame[among])
            twice = np.zeros(len(frame), dtype=bool)
            twice[marked] = frame[name].iloc[marked].duplicated()
            frame = self.reject(frame, twice, name, "stands in an earlier row").reset_index(drop=True)
        self.check()
        reach = float(frame[list(XYZ)].to_numpy().max()) if len(frame) >= 100 and "z" in frame else np.inf
        if reach < 0.9 * self.snapshot.box_mpc_h:
            box = self.snapshot.box_mpc_h
            self.warnings.append(f"positions reach {reach:g} of {box:g} Mpc/h only: is the unit or the box wrong?")
        self.kept, self.parts = frame, []

    def summary(self) -> dict[str, Any]:
        """Return the counts of rows for the notes."""
        cuts = {why: n for why, n in self.cuts.items() if n}
        counts = {key: self.counts[key] for key in ("read", "rejected", "wrapped")}
        return {"kept": len(self.kept), **counts, "cut": sum(cuts.values()), "cuts": cuts}


def rejected_rows(*sieves: Sieve | None) -> pd.DataFrame:
    """Return the rejected rows of several tables in their contract."""
    tables = [table for sieve in sieves if sieve for table in sieve.rejected]
    return REJECTED.validate(pd.concat(tables) if tables else REJECTED.empty(), "rejected rows")
