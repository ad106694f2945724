"""Heavier clusters in the window of a cluster, and how far from it they are in projected phase space."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.constants import CRITICAL_DENSITY, G
from clustermass.halofinder.grid import particle_grid
from clustermass.mock_observation import kernels
from clustermass.mock_observation.ragged import Floats, Ints, offsets
from clustermass.mock_observation.sightlines import Flow


def phase_space_distance(
    x: Floats,
    y: Floats,
    v_los: Floats,
    m200c: Floats,
    other_m200c: Floats,
    redshift: float,
    cosmology: Cosmology,
) -> Floats:
    """Return the distance of two clusters in projected phase space, in units of their mean R200c and v200c.

    Parameters
    ----------
    x, y : array, shape (n,)
        Separation on the sky [Mpc/h, proper].
    v_los : array, shape (n,)
        Difference of the line-of-sight velocities [km/s].
    m200c, other_m200c : array, shape (n,)
        M200c of the two [Msun/h].
    redshift : float
        Of the critical density.
    cosmology : Cosmology

    Returns
    -------
    array, shape (n,)

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), Eq. 6; R200c is proper, as the positions are.
    """
    expansion = cosmology.Om0 * (1 + redshift) ** 3 + 1 - cosmology.Om0  # (H / H0)^2
    density = 200 * CRITICAL_DENSITY * expansion  # h^2 Msun / Mpc^3
    radii = [np.cbrt(3 * np.asarray(mass) / (4 * np.pi * density)) for mass in (m200c, other_m200c)]
    speeds = [np.sqrt(G * mass / radius) for mass, radius in zip((m200c, other_m200c), radii, strict=True)]
    return np.asarray(np.sqrt((x**2 + y**2) / np.mean(radii, axis=0) ** 2 + v_los**2 / np.mean(speeds, axis=0) ** 2))


def heavier_halos(
    position: Floats,
    velocity: Floats,
    log10_m200c: Floats,
    side: float,
    row: Ints,
    los: Floats,
    radius: float,
    cut: float,
    flow: Flow,
) -> pd.DataFrame:
    """Return the halos of a box that are heavier than a cluster and inside the cylinder around it.

    Parameters
    ----------
    position, velocity : array, shape (halos, 3)
        [Mpc/h, comoving], 0 <= x < side, and peculiar [km/s].
    log10_m200c : array, shape (halos,)
    side : float
        Of the periodic box [Mpc/h].
    row : array of int, shape (views,)
        Halo that each view is of.
    los : array, shape (views, 3)
        Unit vectors away from the observer.
    radius : float
        [Mpc/h, comoving], inclusive.
    cut : float
        Largest line-of-sight velocity from the cluster's [km/s], inclusive.
    flow : Flow

    Returns
    -------
    pandas.DataFrame
        One row a view and halo: view, row (of the halo), x, y [Mpc/h, comoving], v_los [km/s].
    """
    grid = particle_grid(position, side)
    cylinders = (
        *(grid.positions, grid.start, velocity[grid.order], float(side)),
        *(position[row], velocity[row], los, radius, float(np.arctanh(cut / kernels.SPEED_OF_LIGHT))),
        *(flow.table, flow.reach),
    )
    nothing, nowhere = np.empty(0), np.empty(0, np.int64)
    number = kernels.cut_cylinders(*cylinders, np.zeros(len(row) + 1, np.int64), nothing, nothing, nothing, nowhere)
    room = offsets(number)
    x, y, v, place = np.empty(room[-1]), np.empty(room[-1]), np.empty(room[-1]), np.empty(room[-1], np.int64)
    kernels.cut_cylinders(*cylinders, room, x, y, v, place)
    view, other = np.repeat(np.arange(len(row)), number), grid.order[place].astype(np.int64)
    table = pd.DataFrame({"view": view, "row": other, "x": x, "y": y, "v_los": v})
    return table[log10_m200c[other] > log10_m200c[row[view]]].reset_index(drop=True)
