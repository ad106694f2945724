"""Cells of the sky by which everything on it is made: HEALPix, nested, 47 square arcminutes."""

from __future__ import annotations

import numpy as np
from astropy import units as u
from astropy_healpix import HEALPix
from numpy.typing import NDArray

from clustermass.galaxies.background import Floats, Ints
from clustermass.sky import unit_vectors

_GRID = HEALPix(nside=512, order="nested")
CELL_STERADIAN = float(_GRID.pixel_area.to_value(u.sr))
CELL_DEG = float(np.degrees(np.sqrt(CELL_STERADIAN)))
_RADIUS = 1.1 * CELL_DEG  # from the centre of a cell to its farthest corner at most


def cells_of(ra: Floats, dec: Floats) -> Ints:
    """Return the cells that positions [deg] lie in, shape as `ra`."""
    return np.asarray(_GRID.lonlat_to_healpix(ra * u.deg, dec * u.deg), np.int64)


def cells_near(ra: Floats, dec: Floats, radius_deg: Floats | float) -> Ints:
    """Return the cells that discs on the sky may touch, ascending.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        Centres of the discs [deg].
    radius_deg : array, shape (n,), or float
    """
    radii = np.broadcast_to(radius_deg, np.shape(ra)) + _RADIUS
    found = [_GRID.cone_search_lonlat(a * u.deg, d * u.deg, r * u.deg) for a, d, r in zip(ra, dec, radii, strict=True)]
    return np.unique(np.concatenate([np.empty(0, np.int64), *found]).astype(np.int64))


def centres(cells: Ints) -> tuple[Floats, Floats]:
    """Return right ascension and declination of the centres of cells [deg]."""
    return places(cells, np.full((len(cells), 2), 0.5))


def places(cells: Ints, chance: Floats) -> tuple[Floats, Floats]:
    """Return right ascension and declination [deg] of places in cells, even on the sky for even numbers.

    Parameters
    ----------
    cells : array of int, shape (n,)
    chance : array, shape (n, 2)
        Place along the two sides of the cell, 0 to 1.
    """
    lon, lat = _GRID.healpix_to_lonlat(cells, dx=chance[:, 0], dy=chance[:, 1])
    return np.asarray(lon.to_value(u.deg) % 360), np.asarray(lat.to_value(u.deg))


def near_cells(ra: Floats, dec: Floats, reach_deg: Floats, cells: Ints) -> NDArray[np.bool_]:
    """Return whether discs on the sky may touch any of some cells, shape as `ra`; `reach_deg` are their radii."""
    from scipy.spatial import cKDTree

    if not len(cells):
        return np.zeros(len(ra), bool)
    distance, _ = cKDTree(unit_vectors(*centres(cells))).query(unit_vectors(ra, dec))
    angle = 2 * np.arcsin(np.minimum(distance / 2, 1))
    return np.asarray(angle < np.radians(reach_deg + _RADIUS))
