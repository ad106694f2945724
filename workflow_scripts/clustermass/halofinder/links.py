"""Which halos of two snapshots are the same object: a halo becomes the one that most of its particles end in."""

from __future__ import annotations

import numpy as np

from clustermass.halofinder.grid import Floats, Integers, Reals
from clustermass.halofinder.members import Members, members


def halo_particles(positions: Reals, centres: Floats, radii: Floats, box: float) -> Members:
    """Return the particles within the radius of every halo.

    Parameters
    ----------
    positions : array, shape (n, 3)
        All particles, comoving, 0 <= x < box [Mpc/h].
    centres, radii : array, shape (halos, 3) and (halos,)
        Comoving [Mpc/h].
    """
    return members(positions, centres, radii, 1.0, box)


def descendants(early: Members, late: Members, particles: int) -> Integers:
    """Return the later halo that most of the particles of each earlier one are in.

    Parameters
    ----------
    early, late : Members
        Particles of the halos of two snapshots; a row is the same particle in both.
    particles : int
        In the box.

    Returns
    -------
    array of int, shape (earlier halos,)
        -1: none of its particles is in any halo. Of equals, the first.
    """
    where = np.full(particles, -1)
    where[late.particles] = np.repeat(np.arange(len(late.offsets) - 1), np.diff(late.offsets))
    owner = np.repeat(np.arange(len(early.offsets) - 1), np.diff(early.offsets))
    ends = where[early.particles]
    pairs, counts = np.unique(np.column_stack([owner, ends])[ends >= 0], axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], -counts, pairs[:, 0]))
    halo, first = np.unique(pairs[order, 0], return_index=True)
    result = np.full(len(early.offsets) - 1, -1)
    result[halo] = pairs[order][first, 1]
    return result


def groups(descendant: Integers, first_free: int) -> Integers:
    """Return a number for the object that every halo is: its descendant, or from `first_free` on one of its own."""
    alone = descendant < 0
    numbers = descendant.copy()
    numbers[alone] = first_free + np.arange(alone.sum())
    return numbers
