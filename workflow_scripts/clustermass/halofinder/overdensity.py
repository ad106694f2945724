"""Masses and radii of spherical overdensity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import astropy.units as u
import numpy as np

from clustermass.config.base import Cosmology
from clustermass.cosmology import flat
from clustermass.halofinder import kernels
from clustermass.halofinder.grid import Floats, Integers, ParticleGrid

FIRST = 10  # particles inside the sphere at which the scan begins: fewer are no density


def threshold(definition: str, redshift: float, cosmology: Cosmology) -> float:
    """Return the mean comoving density inside a halo's radius [(Msun/h) / (Mpc/h)^3].

    Parameters
    ----------
    definition : str
        '200c', '500c', ... (critical densities at `redshift`), '200m', ... (mean matter densities) or 'vir'.
    redshift : float
    cosmology : Cosmology
        Flat LambdaCDM.

    Raises
    ------
    ValueError
        The definition is none of these, or the redshift is not above -1.

    Notes
    -----
    Comoving volumes are (1 + z)^3 times the proper ones, so that the comoving critical density is rho_c(z) / (1 + z)^3
    and the comoving mean matter density is constant. 'vir': Bryan & Norman (1998, ApJ 495, 80), Eq. 6, in critical
    densities.
    """
    if not (np.isfinite(redshift) and redshift > -1):
        raise ValueError(f"redshift: expected a number above -1, got {redshift}")
    background = flat(cosmology)
    h = background.H0.value / 100
    critical = background.critical_density(redshift).to_value(u.Msun / u.Mpc**3) / h**2 / (1 + redshift) ** 3
    matter = float(background.Om(redshift))
    if definition == "vir":
        x = matter - 1
        return float((18 * np.pi**2 + 82 * x - 39 * x**2) * critical)
    known = re.fullmatch(r"([1-9]\d*)([cm])", definition)
    if not known:
        raise ValueError(f"definition: expected '200c', '200m' or the like, or 'vir', got {definition!r}")
    return float(int(known[1]) * critical * (matter if known[2] == "m" else 1))


@dataclass(frozen=True)
class Overdensity:
    """What lies inside the overdensity radii of halos, by definition; each array has shape (halos, definitions).

    Attributes
    ----------
    mass : array
        [Msun/h]; NaN where the radius is not defined.
    radius : array
        Comoving [Mpc/h]; NaN where it is not defined.
    particles : array of int
        Number inside the radius; 0 where it is not defined.
    """

    mass: Floats
    radius: Floats
    particles: Integers


def spherical_overdensity(
    grid: ParticleGrid,
    centres: Floats,
    particle_mass: float,
    definitions: Sequence[str],
    redshift: float,
    cosmology: Cosmology,
    guess: Floats | None = None,
) -> Overdensity:
    """Return masses and radii of halos from all particles around their centres.

    Parameters
    ----------
    grid : ParticleGrid
        All particles, members of groups or not.
    centres : array, shape (halos, 3)
        Comoving [Mpc/h].
    particle_mass : float
        [Msun/h]
    definitions : sequence of str
        As in `threshold`.
    redshift : float
    cosmology : Cosmology
    guess : array, shape (halos,), optional
        Masses [Msun/h] that tell how far to search first; they change the time taken, not the result.

    Returns
    -------
    Overdensity
        Undefined (NaN, 0) where the sphere of the first ten particles is not dense enough, or where the density does
        not fall to the threshold within half the box.

    Notes
    -----
    The scan goes outwards and stops at the first radius where the mean density falls through the threshold. That radius
    does not depend on how far one looks, and the radius of a higher threshold is never larger; a scan inwards finds the
    last crossing, and with it adds to a halo the neighbours that lift the mean density above the threshold again.
    There are no bins: between one particle and the next the mean density is k m / (4/3 pi r^3) with k constant, so that
    the crossing is exact, M = 4/3 pi R^3 threshold, and M is a whole number of particles. Noise brings the first
    crossing forward by less than a particle, as the count that the threshold needs grows several times as fast as the
    halo's.
    """
    centres = np.asarray(centres, np.float64).reshape(-1, 3)
    densities = np.array([threshold(definition, redshift, cosmology) for definition in definitions], np.float64)
    cubes = 3 * particle_mass / (4 * np.pi * densities)
    if guess is None:
        guess = np.full(len(centres), 100 * particle_mass)
    # A little beyond the widest radius, for halos that are more massive than their guess.
    first_search = 1.2 * np.cbrt(np.asarray(guess, np.float64) / particle_mass * np.max(cubes, initial=0.0))
    particles = kernels.crossings(*grid.search, centres, np.maximum(first_search, 1e-3 * grid.box), cubes, FIRST)
    defined = particles > 0
    return Overdensity(
        mass=np.where(defined, particles * particle_mass, np.nan),
        radius=np.where(defined, np.cbrt(particles * cubes), np.nan),
        particles=particles,
    )
