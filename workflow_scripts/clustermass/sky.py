"""Directions on the sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def unit_vectors(ra: Floats, dec: Floats) -> Floats:
    """Return directions on the sky as unit vectors.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        Right ascension and declination [deg].

    Returns
    -------
    array, shape (n, 3)
    """
    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)


def mean_position(ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Return the middle of several places, through RA 0 and at poles as anywhere.

    Parameters
    ----------
    ra, dec : array, shape (n, k)
        k places for each of n [deg].

    Returns
    -------
    ra, dec : array, shape (n,)
        [deg]
    """
    x, y, z = np.moveaxis(unit_vectors(ra.ravel(), dec.ravel()).reshape(*ra.shape, 3).sum(axis=1), -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))


def galactic_latitude(ra: Floats, dec: Floats) -> Floats:
    """Return the Galactic latitude of places on the sky, shape (n,) [deg]."""
    from astropy.coordinates import SkyCoord  # takes half a second, which who asks for vectors alone is spared

    return np.asarray(SkyCoord(ra, dec, unit="deg").galactic.b.deg)
