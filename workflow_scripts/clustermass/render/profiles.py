"""Light profiles of galaxies and their Fourier transforms: exponential discs and de Vaucouleurs bulges.

Radii are half-light radii. Bulges end at `BULGE_END` half-light radii, where the survey's own models of galaxies end;
discs have no end.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincc, j0

Floats = NDArray[np.floating]

DISC_SCALE = 1.6783469900166605  # half-light radius of an exponential over its scale length
BULGE_END = 8.0  # SDSS cuts its de Vaucouleurs models between 7 and 8 (Stoughton et al. 2002, section 4.4.5.5)
BULGE_STEP, _BULGE_ENTRIES = 0.01, 1401  # of the table in sqrt(k radius)


def disc_outside(radius: Floats) -> Floats:
    """Return the share of an exponential disc's light outside radii [half-light radii]."""
    x = DISC_SCALE * radius
    return np.asarray((1 + x) * np.exp(-x))


@lru_cache(maxsize=1)
def bulge_slope() -> float:
    """Return kappa of exp(-kappa r^(1/4)) whose half-light radius, cut off at `BULGE_END`, is one."""

    def excess(kappa: float) -> float:
        return float(gammainc(8, kappa) - 0.5 * gammainc(8, kappa * BULGE_END**0.25))

    return float(brentq(excess, 1, 20))


def bulge_outside(radius: Floats) -> Floats:
    """Return the share of a de Vaucouleurs bulge's light outside radii [half-light radii]."""
    kappa = bulge_slope()
    beyond = gammaincc(8, kappa * BULGE_END**0.25)
    share = (gammaincc(8, kappa * np.asarray(radius) ** 0.25) - beyond) / (1 - beyond)
    return np.asarray(np.maximum(share, 0))


@lru_cache(maxsize=1)
def bulge_transform() -> NDArray[np.float32]:
    """Return the Fourier transform of a de Vaucouleurs bulge of unit light, shape (1401,).

    Entry i is for k radius = (`BULGE_STEP` i)^2: fine where the transform falls, up to k radius = 196.

    Notes
    -----
    Hankel transform by Gauss-Legendre quadrature over r^(1/4), in which the profile is smooth; the faster the kernel
    swings, the more panels of ten nodes.
    """
    wave = (BULGE_STEP * np.arange(_BULGE_ENTRIES)) ** 2
    return np.concatenate([_bulge_part(part) for part in np.array_split(wave, 28)]).astype(np.float32)


def _bulge_part(wave: Floats) -> Floats:
    """Return entries of the table of bulges, shape as `wave` [1/half-light radius], which grows."""
    nodes, weights = np.polynomial.legendre.leggauss(10)
    panels = 8 + int(0.15 * BULGE_END * wave[-1])
    root = (np.arange(panels)[:, None] + (nodes + 1) / 2).ravel() / panels * BULGE_END**0.25
    light = np.tile(weights, panels) * np.exp(-bulge_slope() * root) * root**7  # r dr = 4 root^7 d root
    return np.asarray(j0(wave[:, None] * root**4) @ light / light.sum())


def pixel_shapes(radius: Floats, axis_ratio: Floats, position_angle: Floats, to_sky: Floats) -> NDArray[np.float64]:
    """Return the matrices that make the unit circle the half-light ellipses of galaxies on a frame.

    Parameters
    ----------
    radius : array, shape (n,)
        Half-light radius along the major axis [arcsec].
    axis_ratio : array, shape (n,)
        Minor over major axis.
    position_angle : array, shape (n,)
        Of the major axis, from north to east [deg].
    to_sky : array, shape (2, 2)
        From pixels (x, y) to (east, north) [deg/px], as a header's CD matrix.

    Returns
    -------
    array, shape (n, 2, 2)
        [px]
    """
    angle = np.radians(position_angle)
    major = np.stack([np.sin(angle), np.cos(angle)], axis=-1) * radius[:, None]
    minor = np.stack([np.cos(angle), -np.sin(angle)], axis=-1) * (radius * axis_ratio)[:, None]
    sky = np.stack([major, minor], axis=-1) / 3600
    return np.asarray(np.linalg.inv(to_sky) @ sky)
