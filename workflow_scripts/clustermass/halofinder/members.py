"""Particles in and around halos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermass.halofinder import kernels
from clustermass.halofinder.grid import Floats, Integers, Reals, particle_grid


@dataclass(frozen=True)
class Members:
    """Particles of halos, one halo after the other.

    Attributes
    ----------
    particles : array of int, shape (members,)
        Rows of the particles, rising within each halo; none stands twice.
    offsets : array of int, shape (halos + 1,)
        Those of halo i are `particles[offsets[i] : offsets[i + 1]]`.
    distance : array, shape (members,)
        Distance from the halo's centre in its radii, r/R.
    """

    particles: Integers
    offsets: Integers
    distance: Floats


def members(positions: Reals, centres: Floats, radii: Floats, factor: float, box: float) -> Members:
    """Return the particles within a factor of the halos' radii, each with the halo that it is deepest in.

    Parameters
    ----------
    positions : array, shape (n, 3)
        Particles, comoving, 0 <= x < box [Mpc/h].
    centres : array, shape (halos, 3)
        Comoving [Mpc/h].
    radii : array, shape (halos,)
        Above 0, comoving, e.g. R200c [Mpc/h].
    factor : float
        Largest r/R, inclusive.
    box : float
        Side of the periodic box [Mpc/h].

    Returns
    -------
    Members
        A particle within reach of several halos belongs to the one of least r/R; of equals, to the first.

    Raises
    ------
    ValueError
        Positions outside the box, radii that are not above 0, or a factor that is negative.
    """
    centres, radii = np.asarray(centres, np.float64).reshape(-1, 3), np.asarray(radii, np.float64)
    if radii.shape != (len(centres),) or not np.all((radii > 0) & np.isfinite(radii)):
        raise ValueError(f"radii: expected {len(centres)} finite numbers above 0 Mpc/h, got {radii}")
    if not (np.isfinite(factor) and factor >= 0):
        raise ValueError(f"factor: expected a finite number of at least 0, got {factor}")
    grid = particle_grid(positions, box)
    search = (grid.positions, grid.order, grid.start, grid.cells, grid.box)
    halo, distance = kernels.nearest_halos(*search, centres, radii, float(factor))
    particles, offsets = kernels.collect(halo, len(centres))
    return Members(particles, offsets, distance[particles])
