"""Friends-of-friends groups, and their centres."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from clustermass.halofinder import kernels
from clustermass.halofinder.grid import Floats, ParticleGrid

SHRINK = 0.95  # factor from one sphere to the next
# The last sphere holds at least that many particles, and that part of the group. With 1 % instead of 20 % the centres
# of NFW halos are no better; those of halos with cores smoothed by a particle mesh are worse, and M200c is 10 % lower.
STOP_NUMBER, STOP_FRACTION = 10, 0.2


def linking_length(n: int, box: float, b: float) -> float:
    """Return b times the mean spacing of n particles in a box: b box / n^(1/3) [Mpc/h]."""
    return float(b * box / n ** (1 / 3)) if n else 0.0


def friends_of_friends(grid: ParticleGrid, length: float, min_particles: int) -> NDArray[np.int32]:
    """Return the group of every particle: particles are friends where they are no farther apart than a length.

    Parameters
    ----------
    grid : ParticleGrid
        Its cells may not be smaller than `length`.
    length : float
        Linking length, comoving [Mpc/h].
    min_particles : int
        Smallest group kept.

    Returns
    -------
    array of int32, shape (n,)
        For every particle in its old order: number of its group, from 0, or -1. Groups are numbered by falling size;
        those of one size by their member that comes first by x, then y, then z. So neither the order of the particles
        nor the number of threads matters.

    Raises
    ------
    ValueError
        The length is not positive, above half the box, or above the side of a cell.

    Notes
    -----
    Source: Davis et al. (1985, ApJ 292, 371), section II. Found by joining the trees of all pairs in neighbouring
    cells (union-find), slabs of cells side by side.
    """
    side = grid.box / grid.cells
    if not 0 < length <= min(side, grid.box / 2):
        raise ValueError(
            f"length: expected above 0 and at most the side of a cell ({side:.4g} Mpc/h) and half the box, got {length}"
        )
    slabs = min(
        numba.get_num_threads() * 4, grid.cells // 2 or 1
    )  # more slabs than threads: clustered ones take longer
    root = kernels.link(grid.positions, grid.start, grid.cells, grid.box, length, slabs)
    return _numbered(grid, root, min_particles)


def _numbered(grid: ParticleGrid, root: NDArray[np.int32], min_particles: int) -> NDArray[np.int32]:
    """Return numbers of groups by falling size in the particles' old order, from their roots in cell order."""
    sizes = np.bincount(root, minlength=len(root))
    kept = np.flatnonzero(sizes >= max(min_particles, 1))
    number = np.full(len(root), -1, np.int32)
    number[kept] = np.arange(len(kept))
    group, sizes = number[root], sizes[kept]
    del number  # as large as the snapshot, and no longer needed
    lowest = kernels.lowest_members(grid.positions, group, len(kept))
    ranked = np.lexsort((lowest[:, 2], lowest[:, 1], lowest[:, 0], -sizes))
    rank = np.full(len(kept) + 1, -1, np.int32)  # the last for particles of no group, whose number is -1
    rank[ranked] = np.arange(len(kept))
    labels = np.empty(len(root), np.int32)
    labels[grid.order] = rank[group]
    return labels


def group_centres(grid: ParticleGrid, labels: NDArray[np.int32]) -> Floats:
    """Return the centre of every group: the last of a series of shrinking spheres.

    Parameters
    ----------
    grid : ParticleGrid
    labels : array of int32, shape (n,)
        Group of every particle in its old order, from 0, or -1.

    Returns
    -------
    array, shape (groups, 3)
        Comoving, inside the box [Mpc/h].

    Notes
    -----
    Source: Power et al. (2003, MNRAS 338, 14), section 2.5: from the centre of mass, the sphere moves to the centre of
    mass of the members inside and shrinks, until few are left. Theirs shrinks by 2.5 % and stops at 1 % of the
    particles or 1000. Groups are assumed to be smaller than half the box.
    """
    groups = int(labels.max()) + 1 if len(labels) else 0
    particles, offsets = kernels.collect(labels[grid.order], groups)
    return np.asarray(
        kernels.shrinking_spheres(grid.positions, particles, offsets, grid.box, SHRINK, STOP_NUMBER, STOP_FRACTION)
    )
