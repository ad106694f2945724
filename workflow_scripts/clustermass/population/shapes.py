"""Sizes and shapes of galaxies: half-light radii by luminosity and colour, discs and bulges, axis ratios.

Each galaxy is an exponential disc and a de Vaucouleurs bulge with one centre and one position angle. Left out: bars,
arms, colour gradients, the envelopes of brightest cluster galaxies beyond a de Vaucouleurs profile, dust.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, ndtri

from clustermass.galaxies.background import Bools, Floats
from clustermass.galaxies.occupation import REFERENCE_REDSHIFT

# Shen et al. (2003, MNRAS 343, 978), half-light radii [kpc] and M_r (z = 0.1) with h = 0.7: Eqs. 14 to 16. Values as in
# the example of the public package SkyPy, which gives them as the paper's.
LATE_ALPHA, LATE_BETA, LATE_GAMMA, LATE_M0 = 0.21, 0.53, -1.31, -20.52
EARLY_A, EARLY_B = 0.60, -4.63
# Those are Petrosian radii: of a de Vaucouleurs profile, 0.71 of the true one (Graham et al. 2005, AJ 130, 1535, from
# memory); true ones are then those of van der Wel et al. (2014) at z = 0.25, 4.0 kpc along the major axis at 5e10 Msun.
PETROSIAN_SHARE = 0.71
SIGMA_FAINT, SIGMA_BRIGHT = 0.48, 0.25  # of ln R
EARLY_FAINTEST = -19.5  # faint red galaxies are as large as one another: Shen et al. (2003), abstract; limit by eye
SHEN_H = 0.7
# Red centrals brighter than this (M_r - 5 log10 h), ours, are bulges alone, R going as L^0.88: brightest galaxies of
# clusters, Bernardi et al. (2007, AJ 133, 1741; slope from memory). They join the other early types there.
BCG_FAINTEST, BCG_SLOPE = -21.5, 0.88
# R at fixed stellar mass goes as (1 + z)^slope: van der Wel et al. (2014, ApJ 788, 28), abstract.
LATE_EVOLUTION, EARLY_EVOLUTION = -0.75, -1.48
# Flattening of spirals, c / a: Padilla & Strauss (2008, MNRAS 388, 1321), abstract. Of bulges and red galaxies: ours.
DISC_THICKNESS, DISC_THICKNESS_WIDTH = 0.21, 0.05
BULGE_THICKNESS = 0.6
# Share of the bulge in the light: means at M_r - 5 log10 h = -20, change a magnitude, scatter; ours, after Simard et
# al. (2011, ApJS 196, 11): blue galaxies have small bulges, and a third of the red ones are discs too (Skibba et al.
# 2009, MNRAS 399, 966), fewer where they are bright.
RED_BULGE, BLUE_BULGE, BULGE_SLOPE, BULGE_WIDTH = 0.55, 0.10, (-0.10, -0.05), (0.25, 0.15)
EARLY_BULGE = 0.5  # from which on a galaxy is as large as early types; those of Shen et al. are concentrated, not red
SMALLEST_RATIO = 0.05
CHANCES = 5
"""Random numbers that the shape of one galaxy takes."""

_DEVAUCOULEURS, _EXPONENTIAL = 7.66925, 1.67835  # of radii in units of the half-light radius


def shapes(
    abs_mag_r: Floats, red: Bools, central: Bools, redshift: Floats, kpc_per_arcsec: Floats, chance: Floats
) -> dict[str, Floats]:
    """Return the columns of `SKY_GALAXIES` that say what galaxies look like, each of shape (n,).

    Parameters
    ----------
    abs_mag_r : array, shape (n,)
        M_r - 5 log10 h that the galaxies have at z = 0.1.
    red : array of bool, shape (n,)
        Of the red sequence: most have large bulges.
    central : array of bool, shape (n,)
        The central galaxy of its halo.
    redshift : array, shape (n,)
    kpc_per_arcsec : array, shape (n,)
        Proper [kpc/arcsec].
    chance : array, shape (n, 5)
        Uniform random numbers in (0, 1).
    """
    size, bulge, tilt, thickness, angle = chance.T
    brightest = red & central & (abs_mag_r < BCG_FAINTEST)
    fraction = np.where(brightest, 1.0, bulge_fraction(abs_mag_r, red, bulge))
    thin = np.clip(DISC_THICKNESS + DISC_THICKNESS_WIDTH * ndtri(thickness), 0.1, 0.4)
    disc_ratio, bulge_ratio = apparent_ratio(tilt, thin), apparent_ratio(tilt, np.full(len(tilt), BULGE_THICKNESS))
    radius = half_light_radius(abs_mag_r, fraction > EARLY_BULGE, redshift, size) / kpc_per_arcsec
    radius = radius * np.where(brightest, 10 ** (0.4 * (BCG_SLOPE - EARLY_A) * (BCG_FAINTEST - abs_mag_r)), 1)
    nodes, of_disc = _composite_radii()
    disc = radius / np.interp(fraction, nodes, of_disc)
    # Shen et al. measured circular apertures: the major axis is longer
    disc_radius, bulge_radius = disc / np.sqrt(disc_ratio), disc * bulge_over_disc(fraction) / np.sqrt(bulge_ratio)
    columns = {"bulge_fraction": fraction, "disc_radius": disc_radius, "disc_axis_ratio": disc_ratio}
    columns |= {"bulge_radius": bulge_radius, "bulge_axis_ratio": bulge_ratio, "position_angle": 180 * angle}
    return columns


def bulge_fraction(abs_mag_r: Floats, red: Bools, chance: Floats) -> Floats:
    """Return shares of the bulge in the light, shape (n,); arguments as for `half_light_radius`."""
    mean = np.where(red, RED_BULGE, BLUE_BULGE) + np.where(red, *BULGE_SLOPE) * (abs_mag_r + 20)
    return np.asarray(np.clip(mean + np.where(red, *BULGE_WIDTH) * ndtri(chance), 0, 1))


def half_light_radius(abs_mag_r: Floats, early: Bools, redshift: Floats, chance: Floats) -> Floats:
    """Return half-light radii in circular apertures [proper kpc], log-normal, shape (n,).

    Parameters
    ----------
    abs_mag_r : array, shape (n,)
        M_r - 5 log10 h that the galaxies have at z = 0.1.
    early : array of bool, shape (n,)
        Early types, that is concentrated ones.
    redshift : array, shape (n,)
    chance : array, shape (n,)
        Uniform random numbers in (0, 1): ranks among galaxies of that magnitude and type.

    Notes
    -----
    Source: Shen et al. (2003), Eqs. 14-16; evolution of van der Wel et al. (2014), which is at fixed stellar mass.
    """
    magnitude = abs_mag_r + 5 * np.log10(SHEN_H)
    late = -0.4 * LATE_ALPHA * magnitude + LATE_GAMMA
    late += (LATE_BETA - LATE_ALPHA) * np.log10(1 + 10 ** (-0.4 * (magnitude - LATE_M0)))
    concentrated = -0.4 * EARLY_A * np.minimum(magnitude, EARLY_FAINTEST) + EARLY_B - np.log10(PETROSIAN_SHARE)
    width = SIGMA_BRIGHT + (SIGMA_FAINT - SIGMA_BRIGHT) / (1 + 10 ** (-0.8 * (magnitude - LATE_M0)))
    later = np.where(early, EARLY_EVOLUTION, LATE_EVOLUTION) * np.log10((1 + redshift) / (1 + REFERENCE_REDSHIFT))
    return np.asarray(10 ** (np.where(early, concentrated, late) + later) * np.exp(width * ndtri(chance)))


def apparent_ratio(cosine: Floats, thickness: Floats) -> Floats:
    """Return axis ratios of oblate spheroids of some c / a, seen at angles from the pole of given cosine."""
    return np.asarray(np.maximum(np.sqrt(cosine**2 + thickness**2 * (1 - cosine**2)), SMALLEST_RATIO))


def bulge_over_disc(bulge_fraction: Floats) -> Floats:
    """Return half-light radii of bulges in those of their discs: small ones are compact, pure bulges are galaxies.

    Notes
    -----
    0.15 in late spirals: 0.22 scale lengths of the disc (MacArthur et al. 2003, ApJ 582, 689); the rest is ours.
    """
    return np.asarray(0.15 + 0.85 * bulge_fraction)


@cache
def _composite_radii() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shares of the bulge, and half-light radii of disc and bulge together, in those of the disc."""
    fraction = np.linspace(0, 1, 201)
    bulge, low, high = bulge_over_disc(fraction), np.full(201, 0.01), np.full(201, 2.0)
    for _ in range(50):
        middle = (low + high) / 2
        light = fraction * gammainc(8, _DEVAUCOULEURS * (middle / bulge) ** 0.25)
        light += (1 - fraction) * gammainc(2, _EXPONENTIAL * middle)
        low, high = np.where(light < 0.5, middle, low), np.where(light < 0.5, high, middle)
    return fraction, low


def chances(seed: int, names: NDArray[np.int64], count: int) -> Floats:
    """Return uniform random numbers in (0, 1) that belong to galaxies by their numbers, shape (n, count).

    Notes
    -----
    Source: the mixing function of SplitMix64 (Steele et al. 2014, OOPSLA), on number, count and seed.
    """
    with np.errstate(over="ignore"):
        step = np.uint64(0x9E3779B97F4A7C15)
        x = names.astype(np.uint64)[:, None] * step + np.uint64(seed % 2**63) * np.uint64(0xD1342543DE82EF95)
        x = _mixed(x) + np.arange(1, count + 1, dtype=np.uint64) * step
        return np.asarray(((_mixed(x) >> np.uint64(11)).astype(float) + 0.5) / 2.0**53)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
