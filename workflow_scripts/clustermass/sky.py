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
