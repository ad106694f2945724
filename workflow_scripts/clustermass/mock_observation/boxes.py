"""Snapshots brought into the shape that the mock observation works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.mock_observation import MockObservation
from clustermass.halofinder.grid import ParticleGrid, particle_grid
from clustermass.halofinder.kernels import collect
from clustermass.halofinder.members import members as particles_inside
from clustermass.mock_observation.ragged import Floats, Ints
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

_XYZ, _VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]


@dataclass(frozen=True, eq=False)
class Halos:
    """Halos of a box, shape (halos,) each: id, group that splits keep together, log10 M200c [Msun/h], phase space.

    `r200c` and `position` [Mpc/h, comoving], `velocity` [km/s, peculiar]; the last two have the shape (halos, 3).
    """

    halo: Ints
    group: Ints
    log10_m200c: Floats
    r200c: Floats
    position: Floats
    velocity: Floats


@dataclass(frozen=True, eq=False)
class SnapshotBox:
    """One periodic box of a snapshot, with the galaxies that pass the cuts in cell order.

    Attributes
    ----------
    name : str
    side : float
        [Mpc/h, comoving]
    halos : Halos
        Cluster candidates.
    grid : ParticleGrid
        Positions of the galaxies.
    velocity : array, shape (galaxies, 3)
        Peculiar [km/s].
    galaxy : array of int, shape (galaxies,)
        Ids.
    host : array of int, shape (galaxies,)
        Candidate that a galaxy is a true member of, as a row of `halos`; -1: of none.
    members, offsets : array of int
        Galaxies of candidate i in cell order: `members[offsets[i] : offsets[i + 1]]`.
    """

    name: str
    side: float
    halos: Halos
    grid: ParticleGrid
    velocity: Floats
    galaxy: Ints
    host: Ints
    members: Ints
    offsets: Ints

    @property
    def true_richness(self) -> Ints:
        """Number of true members of every candidate."""
        return np.diff(self.offsets)

    @property
    def fastest(self) -> float:
        """Largest speed of a galaxy and of a candidate, added [km/s]."""
        return sum(float(np.sqrt(np.sum(v**2, 1).max(initial=0))) for v in (self.velocity, self.halos.velocity))

    @property
    def radii(self) -> Floats:
        """Distances of the true members from their candidates [Mpc/h, comoving], shape (members,)."""
        away = self.grid.positions[self.members] - np.repeat(self.halos.position, self.true_richness, axis=0)
        away -= self.side * np.round(away / self.side)
        return np.asarray(np.sqrt(np.sum(away**2, 1)))

    @property
    def members_r200c(self) -> Ints:
        """Number of true members of every candidate within its R200c, in three dimensions."""
        inside = self.radii <= np.repeat(self.halos.r200c, self.true_richness)
        row = np.repeat(np.arange(len(self.offsets) - 1), self.true_richness)
        return np.bincount(row[inside], minlength=len(self.offsets) - 1)


def prepare_box(
    name: str,
    halos: pd.DataFrame,
    galaxies: pd.DataFrame,
    side: float,
    options: MockObservation,
    cell: float = 0.0,
) -> SnapshotBox:
    """Return a box with the galaxies and the cluster candidates that pass the cuts.

    Parameters
    ----------
    name : str
        Name of the box; ids are unique within it.
    halos : pandas.DataFrame
        Contract `SNAPSHOT_HALOS`.
    galaxies : pandas.DataFrame
        Contract `SNAPSHOT_GALAXIES`.
    side : float
        Side of the periodic box [Mpc/h, comoving].
    options : MockObservation
    cell : float
        Smallest side of the cells that galaxies are sorted into [Mpc/h]; wide windows are cut faster from larger ones.

    Raises
    ------
    ContractError
        A table breaks its contract.
    ValueError
        Halos or galaxies outside the box, galaxies of halos that are not in the table, a cut on a mass that galaxies
        do not have, or nothing left after the cuts.
    """
    halos = SNAPSHOT_HALOS.validate(halos, f"halos of {name}")
    galaxies = SNAPSHOT_GALAXIES.validate(galaxies, f"galaxies of {name}")
    _check_hosts(name, halos, galaxies)
    galaxies = galaxies[_passes(name, galaxies, options)]
    log10_m200c = np.log10(halos["m200c"].to_numpy(float))
    candidate = np.flatnonzero(log10_m200c >= options.min_log10_m200c)
    if not len(galaxies) or not len(candidate):
        raise ValueError(f"{name}: {len(galaxies)} galaxies and {len(candidate)} halos are left after the cuts")
    position = halos[_XYZ].to_numpy(float)
    outside = ~np.all((position >= 0) & (position < side), axis=1)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise ValueError(f"{name}: halo {row}: expected 0 <= x, y, z < {side} Mpc/h, got {position[row].tolist()}")
    try:
        grid = particle_grid(galaxies[_XYZ].to_numpy(float), side, cell)
    except ValueError as error:
        raise ValueError(f"galaxies of {name}: {error}") from None
    if options.membership == "halo":
        host = _row_of(halos["halo"].to_numpy(), candidate, galaxies["halo"].to_numpy())[grid.order]
    else:
        host = _inside_r200c(grid, position, halos["r200c"].to_numpy(float), candidate)
    members, offsets = collect(host, len(candidate))
    return SnapshotBox(
        name,
        float(side),
        Halos(
            halos["halo"].to_numpy(np.int64)[candidate],
            halos["group"].to_numpy(np.int64)[candidate],
            log10_m200c[candidate],
            halos["r200c"].to_numpy(float)[candidate],
            position[candidate],
            halos[_VELOCITY].to_numpy(float)[candidate],
        ),
        grid,
        galaxies[_VELOCITY].to_numpy(float)[grid.order],
        galaxies["galaxy"].to_numpy(np.int64)[grid.order],
        host,
        members,
        offsets,
    )


def check_names(boxes: Sequence[SnapshotBox], heldout: Sequence[str]) -> None:
    """Refuse repeated names, unknown names of held-out boxes, and that all boxes are held out."""
    names = [box.name for box in boxes]
    if len(set(names)) < len(names):
        raise ValueError(f"boxes: expected each name once, got {', '.join(names)}")
    if unknown := [name for name in heldout if name not in names]:
        raise ValueError(f"heldout: {', '.join(unknown)} is not among the boxes {', '.join(names)}")
    if set(names) <= set(heldout):
        raise ValueError(f"heldout: no box is left to train on among {', '.join(names) or 'none'}")


def check_size(box: SnapshotBox, reach: float, radius: float) -> None:
    """Refuse a box in which a cylinder [Mpc/h, comoving] could hold one galaxy twice."""
    if box.side**2 <= (2 * reach) ** 2 + (2 * radius) ** 2:
        raise ValueError(
            f"{box.name}: a cylinder reaches {reach:.1f} Mpc/h to both sides, which needs a box of more than"
            f" {2 * reach:.1f} Mpc/h, got {box.side}"
        )


def halo_table(box: SnapshotBox) -> pd.DataFrame:
    """Return the candidates of a box: box, row (in the box), halo, group (unique over boxes), log10_m200c."""
    halos = box.halos
    columns: dict[str, Any] = {"box": box.name, "row": np.arange(len(halos.halo)), "halo": halos.halo}
    columns |= {"group": [f"{box.name}-{group}" for group in halos.group], "log10_m200c": halos.log10_m200c}
    return pd.DataFrame(columns)


def _check_hosts(name: str, halos: pd.DataFrame, galaxies: pd.DataFrame) -> None:
    """Refuse galaxies of halos that are not in the table."""
    orphan = ~(galaxies["halo"].isin(halos["halo"]) | (galaxies["halo"] == -1)).to_numpy()
    if orphan.any():
        row = galaxies[orphan].iloc[0]
        raise ValueError(
            f"{name}: galaxy {row['galaxy']}: expected a halo of the table of halos, or -1, got {row['halo']}"
            f" ({orphan.sum()} such galaxies)"
        )


def _passes(name: str, galaxies: pd.DataFrame, options: MockObservation) -> NDArray[np.bool_]:
    """Return which galaxies pass the cuts on mass and kind, shape (galaxies,)."""
    passes = np.ones(len(galaxies), bool) if options.centrals else ~galaxies["central"].to_numpy(bool)
    for column, cut, option in (
        ("log10_mstar", options.min_log10_mstar, "min_log10_mstar"),
        ("m_acc", options.min_macc_msun_h, "min_macc_msun_h"),
    ):
        if cut is None:
            continue
        values = galaxies[column].to_numpy(float)
        missing = passes & np.isnan(values)
        if missing.any():
            raise ValueError(
                f"{name}: column {column}: expected a value for every galaxy, as {option} is {cut},"
                f" got none for {missing.sum()} of {len(galaxies)}; {option}: null makes no cut"
            )
        passes &= values >= cut
    return passes


def _row_of(halo: Ints, candidate: Ints, wanted: Ints) -> Ints:
    """Return which candidate each wanted id is, -1 where it is none, shape (wanted,)."""
    return pd.Index(halo[candidate]).get_indexer(pd.Index(wanted)).astype(np.int64)


def _inside_r200c(grid: ParticleGrid, position: Floats, r200c: Floats, candidate: Ints) -> Ints:
    """Return the candidate inside whose R200c each galaxy is, in cell order; where spheres meet, the deepest counts."""
    inside = particles_inside(grid.positions, position, r200c, 1.0, grid.box)
    host = np.full(len(grid.positions), -1, np.int64)
    row = np.full(len(position), -1, np.int64)
    row[candidate] = np.arange(len(candidate))
    host[inside.particles] = np.repeat(row, np.diff(inside.offsets))
    return host
