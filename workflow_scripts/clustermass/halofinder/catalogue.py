"""The halo catalogue of one snapshot of an N-body simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.config.base import Cosmology
from clustermass.contracts import Column, Contract
from clustermass.halofinder import kernels
from clustermass.halofinder.grid import Floats, ParticleGrid, Reals, finite_velocities, particle_grid
from clustermass.halofinder.groups import friends_of_friends, group_centres, linking_length
from clustermass.halofinder.overdensity import FIRST, spherical_overdensity

HALOS_SNAPSHOT = Contract(
    "halos_snapshot",
    "halos of one snapshot of an N-body simulation, the most massive first; comoving lengths",
    (
        Column("halo_id", "int", "", "number of the halo, from 0, by falling M200c", 0, unique=True),
        Column("group", "int", "", "object that splits keep together: the halo that it is in, or becomes, at last", 0),
        Column("x", "float", "Mpc/h", "centre", 0),
        Column("y", "float", "Mpc/h", "centre", 0),
        Column("z", "float", "Mpc/h", "centre", 0),
        Column("vx", "float", "km/s", "mean peculiar velocity inside R200c"),
        Column("vy", "float", "km/s", "mean peculiar velocity inside R200c"),
        Column("vz", "float", "km/s", "mean peculiar velocity inside R200c"),
        Column("m200c", "float", "Msun/h", "M200c", 0),
        Column("m500c", "float", "Msun/h", "M500c; missing: the centre is not that dense", 0, missing=True),
        Column("m200m", "float", "Msun/h", "M200m; missing: not reached within half the box", 0, missing=True),
        Column("mvir", "float", "Msun/h", "mass of Bryan & Norman (1998); missing as M200m", 0, missing=True),
        Column("r200c", "float", "Mpc/h", "R200c, comoving", 0),
        Column("particles", "int", "", "particles inside R200c", FIRST),
        Column("sigma_v", "float", "km/s", "velocity dispersion along one axis inside R200c, mean of three", 0),
        Column("sigma_3d", "float", "km/s", "velocity dispersion in space inside R200c", 0),
        Column("vx_core", "float", "km/s", "mean peculiar velocity of the core; missing: too few", missing=True),
        Column("vy_core", "float", "km/s", "mean peculiar velocity of the core; missing: too few", missing=True),
        Column("vz_core", "float", "km/s", "mean peculiar velocity of the core; missing: too few", missing=True),
        Column("particles_core", "int", "", "particles inside the core", 0),
        Column("particles_fof", "int", "", "particles of the friends-of-friends group; 0: of a larger halo", 0),
    ),
)
DEFINITIONS = ("200c", "500c", "200m", "vir")


def find_halos(
    positions: Reals,
    velocities: Reals,
    box: float,
    particle_mass: float,
    redshift: float,
    cosmology: Cosmology,
    *,
    b: float = 0.2,
    finer: tuple[float, ...] = (0.1,),
    min_particles: int = 20,
    core: float = 0.2,
) -> pd.DataFrame:
    """Return the halos of a snapshot: contract `HALOS_SNAPSHOT`.

    Friends-of-friends groups give the centres, all particles around them the masses; halos inside larger ones are
    dropped.

    Parameters
    ----------
    positions : array of float32, shape (n, 3)
        Comoving, 0 <= x < box [Mpc/h].
    velocities : array of float32, shape (n, 3)
        Peculiar [km/s].
    box : float
        Side of the periodic box [Mpc/h].
    particle_mass : float
        [Msun/h]
    redshift : float
    cosmology : Cosmology
    b : float
        Linking length in mean spacings, at most 0.5.
    finer : tuple of float
        Shorter linking lengths, whose groups give centres too: they part what a bridge of particles joins.
    min_particles : int
        Smallest friends-of-friends group.
    core : float
        Radius of the core in R200c. Its mean velocity is given where it holds ten particles.

    Returns
    -------
    pandas.DataFrame
        One row a halo, by falling M200c; without rows where there is none.

    Raises
    ------
    ValueError
        Positions that are not numbers or lie outside the box, velocities that are not finite or too few, numbers out
        of range.

    Notes
    -----
    A halo that a bridge of particles joins to a larger one is found by the finer groups only. Velocities leave out the
    Hubble flow (100 km/s at 1 Mpc/h, comoving, z = 0).
    """
    _check(particle_mass, b, finer, min_particles, core)
    length = linking_length(len(positions), box, b)
    grid = particle_grid(positions, box, least_side=length)
    velocities = finite_velocities(velocities, len(grid.order))
    if not len(grid.order):
        return HALOS_SNAPSHOT.empty()
    labels = friends_of_friends(grid, length, min_particles)
    groups = [_groups(grid, labels, labels)]
    for short in finer:
        groups.append(_groups(grid, friends_of_friends(grid, length * short / b, min_particles), labels))
    centres, sizes, linked = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    guess = np.asarray(sizes * particle_mass, np.float64)
    inside = spherical_overdensity(grid, centres, particle_mass, DEFINITIONS, redshift, cosmology, guess)
    rows = hosts(centres, inside.mass[:, 0], inside.radius[:, 0], box)
    frame = {
        "halo_id": np.arange(len(rows)),
        "group": np.arange(len(rows)),
        **dict(zip("xyz", centres[rows].T, strict=True)),
        **{f"m{name}": inside.mass[rows, column] for column, name in enumerate(DEFINITIONS)},
        "r200c": inside.radius[rows, 0],
        "particles": inside.particles[rows, 0],
        "particles_fof": _sizes_of_first(linked[rows], groups[0][1]),
        **_kinematics(grid, velocities, centres[rows], inside.radius[rows, 0], core),
    }
    return HALOS_SNAPSHOT.validate(pd.DataFrame(frame)[HALOS_SNAPSHOT.names], "halos of the snapshot")


def _groups(
    grid: ParticleGrid, labels: NDArray[np.int32], coarse: NDArray[np.int32]
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Return the centres and sizes of friends-of-friends groups, and the coarser group that each is part of."""
    inside = labels >= 0
    part_of = np.empty(labels.max(initial=-1) + 1, np.int64)
    part_of[labels[inside]] = coarse[inside]
    return group_centres(grid, labels), np.bincount(labels[inside]), part_of


def _sizes_of_first(groups: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the size of every halo's group for the first halo in it, and 0 for the others."""
    result = np.zeros(len(groups), np.int64)
    first = np.unique(groups, return_index=True)[1]
    result[first] = sizes[groups[first]]
    return result


def hosts(centres: Floats, mass: Floats, radius: Floats, box: float) -> NDArray[np.int64]:
    """Return the rows of halos whose centres lie in no larger halo, the most massive first.

    Parameters
    ----------
    centres : array, shape (n, 3)
        Comoving, 0 <= x < box [Mpc/h].
    mass : array, shape (n,)
        NaN: no halo.
    radius : array, shape (n,)
        Comoving [Mpc/h].
    box : float
        Side of the periodic box [Mpc/h].

    Returns
    -------
    array of int, shape (hosts,)
        Of equal masses, the one first in x, y, z is taken as larger.

    Notes
    -----
    As Tinker et al. (2008, ApJ 688, 709), section 2.2: halos are taken by falling mass, and one that was dropped
    drops none.
    """
    found = np.flatnonzero(np.isfinite(mass))
    x, y, z = centres[found].T
    falling = found[np.lexsort((z, y, x, -mass[found]))]
    if not len(falling):
        return falling
    tree = cKDTree(centres[falling], boxsize=np.full(3, box))
    kept = np.ones(len(falling), dtype=bool)
    for rank, near in enumerate(tree.query_ball_point(centres[falling], radius[falling])):
        if kept[rank] and len(near) > 1:
            smaller = np.asarray(near)
            kept[smaller[smaller > rank]] = False
    return falling[kept]


def _kinematics(
    grid: ParticleGrid, velocities: Reals, centres: Floats, radii: Floats, core: float
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Return the columns of velocities and their dispersions [km/s]."""
    search = (grid.positions, grid.order, grid.start, grid.cells, grid.box, velocities, centres)
    _, mean, variance = kernels.motions(*search, radii)
    number_core, mean_core, _ = kernels.motions(*search, core * radii)
    mean_core[number_core < FIRST] = np.nan
    return {
        **{f"v{axis}": mean[:, i] for i, axis in enumerate("xyz")},
        "sigma_v": np.sqrt(variance.mean(axis=1)),
        "sigma_3d": np.sqrt(variance.sum(axis=1)),
        **{f"v{axis}_core": mean_core[:, i] for i, axis in enumerate("xyz")},
        "particles_core": number_core,
    }


def _check(particle_mass: float, b: float, finer: tuple[float, ...], min_particles: int, core: float) -> None:
    """Raise ValueError for numbers out of range."""
    if not (np.isfinite(particle_mass) and particle_mass > 0):
        raise ValueError(f"particle_mass: expected above 0 Msun/h, got {particle_mass}")
    if not 0 < b <= 0.5:
        raise ValueError(f"b: expected a linking length above 0 and at most 0.5 mean spacings, got {b}")
    if not all(0 < length < b for length in finer):
        raise ValueError(f"finer: expected linking lengths between 0 and {b} mean spacings, got {finer}")
    if min_particles < 2:
        raise ValueError(f"min_particles: expected at least 2, got {min_particles}")
    if not 0 < core <= 1:
        raise ValueError(f"core: expected above 0 and at most 1 R200c, got {core}")
