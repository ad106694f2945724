"""Where on the sky a survey has looked, seen from its own galaxies: occupied cells of equal area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.observed.phase_space import offset_position
from clustermass.sky import unit_vectors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """The sky in rings of equal height in the sine of declination, and every ring in cells of equal width.

    All cells have nearly the same area: a ring has as many cells as makes them about as wide as they are high.

    Attributes
    ----------
    rings : int
        Rings from pole to pole.
    start : array of int, shape (rings + 1,)
        First cell of every ring.
    """

    rings: int
    start: Ints

    def cells(self, ra: Floats, dec: Floats) -> Ints:
        """Return the cell of every position [deg], shape as `ra`."""
        ring = np.minimum((np.sin(np.radians(dec)) + 1) / 2 * self.rings, self.rings - 1).astype(np.int64)
        width = self.start[ring + 1] - self.start[ring]
        return np.asarray(self.start[ring] + np.minimum(np.mod(ra, 360) / 360 * width, width - 1).astype(np.int64))

    def places(self, cells: Ints) -> tuple[Floats, Floats]:
        """Return right ascension and declination [deg] of the centres of cells."""
        ring = np.searchsorted(self.start, cells, side="right") - 1
        width = self.start[ring + 1] - self.start[ring]
        ra = (cells - self.start[ring] + 0.5) / width * 360
        return ra, np.degrees(np.arcsin((ring + 0.5) / self.rings * 2 - 1))

    def areas(self, cells: Ints) -> Floats:
        """Return the areas of cells [deg2]."""
        ring = np.searchsorted(self.start, cells, side="right") - 1
        whole = 4 * np.pi * np.degrees(1) ** 2
        return np.asarray(whole / self.rings / (self.start[ring + 1] - self.start[ring]))


def build_grid(side_deg: float) -> Grid:
    """Return a grid whose cells have about the area of a square of this side [deg]."""
    rings = max(round(180 / side_deg), 2)
    edges = np.arcsin(np.linspace(-1, 1, rings + 1))
    height = np.diff(edges)
    middle = np.cos((edges[1:] + edges[:-1]) / 2)
    side = np.radians(side_deg)
    per_ring = np.maximum(np.round(2 * np.pi * middle * height / side**2), 1).astype(np.int64)
    return Grid(rings, np.concatenate([[0], np.cumsum(per_ring)]))


@dataclass(frozen=True)
class Footprint:
    """The cells that a survey has looked at, ascending."""

    grid: Grid
    occupied: Ints

    @property
    def area_deg2(self) -> float:
        """Area [deg2]; cells that the edge runs through count whole."""
        return float(self.grid.areas(self.occupied).sum())

    def contains(self, ra: Floats, dec: Floats) -> Bools:
        """Return whether positions [deg] are in the footprint, shape as `ra`."""
        cells = self.grid.cells(np.asarray(ra, float), np.asarray(dec, float))
        if not len(self.occupied):
            return np.zeros(cells.shape, bool)
        place = np.minimum(np.searchsorted(self.occupied, cells), len(self.occupied) - 1)
        return np.asarray(self.occupied[place] == cells)


def measure_footprint(ra: Floats, dec: Floats, side_deg: float, closing_cells: float) -> Footprint:
    """Return the footprint that galaxies of a survey show.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        All objects of the survey with a redshift, at any distance [deg].
    side_deg : float
        Side of the cells [deg].
    closing_cells : float
        Holes and bays are closed by a disk of this radius, in cells (a morphological closing): first everything within
        it of an occupied cell is added, then everything within it of what is left empty is taken away again.

    Notes
    -----
    A cell that the survey looked at is empty by chance with probability exp(-n) for n galaxies a cell, more for
    clustered ones; closing hides that, and real holes of the same size with it.
    """
    grid = build_grid(side_deg)
    occupied = np.unique(grid.cells(np.asarray(ra, float), np.asarray(dec, float)))
    if closing_cells > 0 and len(occupied):
        reach = 2 * np.sin(np.radians(closing_cells * side_deg) / 2)
        near = _within(grid, occupied, 2.5 * reach)
        grown = near[_distance(grid, near, occupied) <= reach]
        empty = np.setdiff1d(near, grown)
        lonely = _distance(grid, grown, empty) > reach if len(empty) else np.ones(len(grown), bool)
        occupied = np.union1d(occupied, grown[lonely])
    return Footprint(grid, occupied)


def _within(grid: Grid, cells: Ints, chord: float) -> Ints:
    """Return all cells whose centres are within a chord of the centre of one of some cells."""
    every = np.arange(grid.start[-1])
    _, dec = grid.places(cells)
    band = np.degrees(2 * np.arcsin(chord / 2)) + 1
    _, all_dec = grid.places(every)
    every = every[(all_dec > dec.min() - band) & (all_dec < dec.max() + band)]
    return np.asarray(every[_distance(grid, every, cells, chord) <= chord])


def _distance(grid: Grid, cells: Ints, others: Ints, limit: float = np.inf) -> Floats:
    """Return the chord from the centre of every cell to that of the nearest of others."""
    tree = cKDTree(unit_vectors(*grid.places(others)))
    found, _ = tree.query(unit_vectors(*grid.places(cells)), distance_upper_bound=limit * (1 + 1e-9))
    return np.asarray(found)


def window_covered(
    footprint: Footprint, ra: Floats, dec: Floats, half_side_rad: Floats, points: int = 15
) -> tuple[Floats, Bools]:
    """Return the share of square windows on the sky that is inside a footprint, and whether their centres are.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        Centres [deg].
    half_side_rad : array, shape (n,)
        Half-sides of the windows [rad].
    points : int
        Points along each side that are looked at.
    """
    steps = (np.arange(points) + 0.5) / points * 2 - 1
    east, north = (part.ravel() for part in np.meshgrid(steps, steps))
    half = np.asarray(half_side_rad, float)[:, None]
    looked = offset_position(np.asarray(ra)[:, None], np.asarray(dec)[:, None], east * half, north * half)
    return footprint.contains(*looked).mean(axis=1), footprint.contains(ra, dec)


def usable_area(footprint: Footprint, half_side_rad: float, least: float, sampled: int = 2000) -> float:
    """Return the area where a cluster's window would be covered well enough [deg2].

    Parameters
    ----------
    footprint : Footprint
    half_side_rad : float
        Half-side of the windows [rad].
    least : float
        Smallest share of a window inside the footprint.
    sampled : int
        Cells that are looked at, evenly over the footprint, at most.
    """
    cells = footprint.occupied[
        np.linspace(0, len(footprint.occupied) - 1, min(sampled, len(footprint.occupied))).astype(int)
    ]
    ra, dec = footprint.grid.places(cells)
    share, _ = window_covered(footprint, ra, dec, np.full(len(cells), half_side_rad))
    return footprint.area_deg2 * float((share >= least).mean())
