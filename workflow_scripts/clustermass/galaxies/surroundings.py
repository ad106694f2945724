"""Particles of a snapshot as galaxies need them: those around its halos, and the field outside all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage

from clustermass.config.base import Cosmology
from clustermass.galaxies.background import mean_concentration, omega_m, v200
from clustermass.galaxies.particles import Particles
from clustermass.galaxies.structure import satellite_limit
from clustermass.galaxies.unresolved import Field
from clustermass.halofinder.members import Members, members
from clustermass.nbody.cpu import CpuMesh
from clustermass.nbody.mesh import Float32s

REACH = 1.7
"""Radius out to which satellites may be [R200c]: R180m of halos of low concentration is at 1.7 R200c."""
LOCAL_MPC_H, LARGE_MPC_H = 6.0, 25.0  # Gaussian smoothing of the densities that place unresolved halos, see `Field`
_CELL_MPC_H = 3.0  # of the mesh of those densities


def surroundings(
    halos: pd.DataFrame,
    positions: Float32s,
    velocities: Float32s,
    box: float,
    redshift: float,
    cosmology: Cosmology,
    smallest: float,
    *,
    around: bool,
    threads: int = 1,
) -> tuple[Particles | None, Field]:
    """Return the particles around halos, and the field outside all halos.

    Parameters
    ----------
    halos : pandas.DataFrame
        Contract `SNAPSHOT_HALOS`.
    positions, velocities : array of float32, shape (n, 3)
        All particles, or a fair sample: comoving, in [0, box) [Mpc/h]; peculiar [km/s].
    box : float
        Side of the periodic box [Mpc/h].
    smallest : float
        Smallest M200c of `halos` [Msun/h]; halos below it are to be placed on the field.
    around : bool
        Whether particles around halos are wanted.

    Returns
    -------
    particles : Particles or None
    field : Field
    """
    centres = halos[["x", "y", "z"]].to_numpy(float)
    radii = halos["r200c"].to_numpy(float)
    near = members(positions, centres, radii, REACH, box)
    host = np.repeat(np.arange(len(halos)), np.diff(near.offsets))
    concentration = mean_concentration(halos["m200c"].to_numpy(float), redshift, cosmology)
    limit = satellite_limit(concentration, omega_m(redshift, cosmology))
    outside = np.ones(len(positions), bool)
    outside[near.particles[near.distance < limit[host]]] = False
    local, large = smoothed_overdensities(positions, box, threads)
    field = Field(
        positions[outside],
        velocities[outside],
        local[outside],
        large[outside],
        float(large.mean(dtype=float)),
        smallest,
    )
    return (_around(halos, near, positions, velocities, box, redshift, cosmology) if around else None), field


def _around(
    halos: pd.DataFrame,
    near: Members,
    positions: Float32s,
    velocities: Float32s,
    box: float,
    redshift: float,
    cosmology: Cosmology,
) -> Particles:
    """Return particles relative to their halos, in units of R200c and V200."""
    host = np.repeat(np.arange(len(halos)), np.diff(near.offsets))
    offset = positions[near.particles].astype(float) - halos[["x", "y", "z"]].to_numpy(float)[host]
    offset -= box * np.round(offset / box)
    motion = velocities[near.particles].astype(float) - halos[["vx", "vy", "vz"]].to_numpy(float)[host]
    offset /= halos["r200c"].to_numpy(float)[host][:, None]
    motion /= v200(halos["m200c"].to_numpy(float), redshift, cosmology)[host][:, None]
    return Particles(near.offsets, offset, motion)


def smoothed_overdensities(positions: Float32s, box: float, threads: int = 1) -> tuple[Float32s, Float32s]:
    """Return the matter overdensity at particles, smoothed by Gaussians of 6 and of 25 Mpc/h, shapes (n,).

    Parameters
    ----------
    positions : array of float32, shape (n, 3)
        Comoving, in [0, box) [Mpc/h].
    """
    cells = max(2 * round(box / _CELL_MPC_H / 2), 4)
    mesh = CpuMesh(cells, box, threads)
    density = mesh.deposit(positions) - np.float32(1)

    def at_particles(scale: float) -> Float32s:
        smooth = ndimage.gaussian_filter(density, min(scale, box / 8) * cells / box, mode="wrap")
        return mesh.readout(smooth, positions)

    return at_particles(LOCAL_MPC_H), at_particles(LARGE_MPC_H)
