"""Dust of the Milky Way: how much light it lets through in every band."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from clustermass.contracts import Column, Contract
from clustermass.frames.contracts import BANDS
from clustermass.sky import unit_vectors

Floats = NDArray[np.float64]
COEFFICIENTS = {"u": 4.239, "g": 3.303, "r": 2.285, "i": 1.698, "z": 1.263}
"""Extinction [mag] over E(B-V) of Schlegel et al. (1998): Schlafly & Finkbeiner (2011), Table 6, R_V = 3.1."""

REDDENING = Contract(
    "reddening",
    "reddening by dust of the Milky Way, as a table of one's own has it or as IRSA gave it",
    (
        Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination, ICRS", -90, 90),
        Column("ebv", "float", "mag", "E(B-V) on the scale of Schlegel et al. (1998)", 0, 200),
    ),
)
CLUSTER_REDDENING = Contract(
    "cluster_reddening",
    "reddening by dust of the Milky Way towards clusters that have images",
    (
        Column("cluster", "text", "", "name of the cluster", unique=True),
        Column("ebv", "float", "mag", "E(B-V) on the scale of Schlegel et al. (1998)", 0, 200),
    ),
)


def transparency(ebv: Floats) -> Floats:
    """Return the share of light that dust lets through, in ugriz.

    Parameters
    ----------
    ebv : array, shape (n,)
        E(B-V) on the scale of Schlegel et al. (1998) [mag].

    Returns
    -------
    array, shape (n, 5)

    Notes
    -----
    Source: Schlafly & Finkbeiner (2011), Table 6, R_V = 3.1. Its coefficients hold the recalibration of that scale.
    """
    extinction = np.asarray(ebv, np.float64)[:, None] * [COEFFICIENTS[band] for band in BANDS]
    result: Floats = 10 ** (-0.4 * extinction)
    return result


def nearest_reddening(ra: Floats, dec: Floats, table: pd.DataFrame, max_arcmin: float) -> Floats:
    """Return E(B-V) of the nearest place of a table, NaN where none is near enough: shape (n,) [mag].

    Parameters
    ----------
    ra, dec : array, shape (n,)
        ICRS [deg].
    table : pandas.DataFrame
        Contract `REDDENING`.
    max_arcmin : float
        Largest distance.
    """
    if not len(table):
        return np.full(len(ra), np.nan)
    tree = KDTree(unit_vectors(table["ra"].to_numpy(float), table["dec"].to_numpy(float)))
    chord = 2 * np.sin(np.radians(max_arcmin / 60) / 2)
    distance, place = tree.query(unit_vectors(ra, dec), distance_upper_bound=chord)
    values = np.append(table["ebv"].to_numpy(float), np.nan)
    result: Floats = values[np.where(np.isfinite(distance), place, len(table))]
    return result
