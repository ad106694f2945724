"""Galaxies in the cylinders of clusters, as a survey would take them for members; rows of `STATISTICS`."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from clustermass.config.base import Cosmology
from clustermass.galaxies.background import Floats, Ints, efunc
from clustermass.validation.halos import MASS
from clustermass.validation.table import bin_means, bin_of, rows

_XYZ, _VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]


def count_in_cylinders(
    galaxies: tuple[Floats, Floats, Ints],
    clusters: tuple[Floats, Floats, Ints],
    box: float,
    flow: float,
    aperture: float,
    velocity_cut: float,
) -> tuple[Ints, Ints]:
    """Return how many galaxies are seen in the cylinder of each cluster along each axis, and how many are members.

    Parameters
    ----------
    galaxies, clusters : tuple
        Positions [comoving Mpc/h] and peculiar velocities [km/s], shape (n, 3), and the halo that each lives in or is.
    box : float
        Side of the periodic box [Mpc/h].
    flow : float
        Velocity of the Hubble flow across 1 comoving Mpc/h [km/s].
    aperture : float
        Projected radius [Mpc/h].
    velocity_cut : float
        Largest difference of velocities along the line of sight [km/s].

    Returns
    -------
    seen, members : array of int, shape (clusters, 3)

    Notes
    -----
    Source: Ho et al. (2019), section 2.2, for an observer far away: the line-of-sight velocity is the peculiar one and
    the Hubble flow along the axis, to the nearest periodic image.
    """
    seen, members = np.zeros((2, len(clusters[0]), 3), np.int64)
    for axis in range(3):
        across = [other for other in range(3) if other != axis]
        tree = cKDTree(galaxies[0][:, across], boxsize=np.full(2, box))
        lists = cast(list[list[int]], tree.query_ball_point(clusters[0][:, across], aperture))
        size = np.array([len(near) for near in lists], np.int64)
        cluster = np.repeat(np.arange(len(size)), size)
        galaxy = np.concatenate([np.asarray(near, np.int64) for near in lists] or [cluster])
        depth = galaxies[0][galaxy, axis] - clusters[0][cluster, axis]
        depth -= box * np.round(depth / box)
        moving = galaxies[1][galaxy, axis] - clusters[1][cluster, axis] + flow * depth
        inside = np.abs(moving) <= velocity_cut
        own = inside & (galaxies[2][galaxy] == clusters[2][cluster])
        seen[:, axis] = np.bincount(cluster[inside], minlength=len(size))
        members[:, axis] = np.bincount(cluster[own], minlength=len(size))
    return seen, members


def interloper_rows(
    galaxies: pd.DataFrame,
    halos: pd.DataFrame,
    box: float,
    redshift: float,
    cosmology: Cosmology,
    aperture: float,
    velocity_cut: float,
    min_richness: int,
    edges: list[float],
    fewest: int = 2,
) -> pd.DataFrame:
    """Return the mean share of interlopers in the cylinder of clusters in bins of mass, over three sight-lines.

    Parameters
    ----------
    galaxies : pandas.DataFrame
        Contract `SNAPSHOT_GALAXIES`; above the stellar mass.
    halos : pandas.DataFrame
        Contract `SNAPSHOT_HALOS`; the clusters.
    min_richness : int
        Sight-lines with fewer galaxies are left out.

    Notes
    -----
    An interloper is a galaxy of any other halo, or of none. Sample 'uniform': the share if galaxies that are no members
    were spread evenly over the box, which shows how much of the rest is clustering.
    """
    bins, flow = len(edges) - 1, 100 * efunc(redshift, cosmology) / (1 + redshift)
    stars = (galaxies[_XYZ].to_numpy(), galaxies[_VELOCITY].to_numpy(), galaxies["halo"].to_numpy())
    centres = (halos[_XYZ].to_numpy(), halos[_VELOCITY].to_numpy(), halos["halo"].to_numpy())
    seen, members = count_in_cylinders(stars, centres, box, flow, aperture, velocity_cut)
    density = len(galaxies) / box**3
    spread = density * np.pi * aperture**2 * 2 * velocity_cut / flow
    rich = seen >= min_richness
    usable = rich.any(axis=1)
    sightlines = np.maximum(rich.sum(axis=1), 1)
    logm = np.log10(halos["m200c"].to_numpy())
    place = np.where(usable, bin_of(logm, edges), -1)
    _, mean, _ = bin_means(place, logm, bins)
    parts = []
    for sample, share in (
        ("cylinder", 1 - members / np.maximum(seen, 1)),
        ("uniform", spread / (spread + members)),
    ):
        count, value, error = bin_means(place, np.where(rich, share, 0).sum(axis=1) / sightlines, bins)
        parts.append(rows("interlopers", sample, (MASS, ""), edges, mean, value, count, error=error, fewest=fewest))
    return pd.concat(parts, ignore_index=True)
