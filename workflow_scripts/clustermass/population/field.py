"""Galaxies of the simulated sky that the light cone does not hold: fainter, nearer and more distant ones, by cell.

Their luminosity function is that of the light cone's own recipe (`clustermass.galaxies.connection`), so that both join
without a seam: inside the cone what its halos lack, that is galaxies below its limit of luminosity but for satellites
of halos in its table; outside it everything. Not put in: number counts; they follow, and are held against published
ones. Left out: clustering of these galaxies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy.special import ndtri

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.cosmology import flat
from clustermass.galaxies.background import Floats, Ints, mass_function
from clustermass.galaxies.connection import EVOLUTION_Q, build_connection, mean_occupation_by_light
from clustermass.galaxies.occupation import REFERENCE_REDSHIFT
from clustermass.population.cells import CELL_STERADIAN, places
from clustermass.population.shapes import CHANCES
from clustermass.population.spectra import MAX_REDSHIFT
from clustermass.runtime import generator
from clustermass.sources.lightcone_geometry import SPEED_OF_LIGHT, comoving_distance

# Beyond z = 0.5 galaxies go on brightening as all galaxies do in B, to z = 1: M*_B by 1.23 mag per unit of redshift
# (Faber et al. 2007, ApJ 665, 265, from memory) less what they brightened to z = 0.5 (0.65 in r, 0.17 bluer by then).
FAR_REDSHIFT, FAR_EVOLUTION = 0.5, 0.58

_LOGM = np.arange(10.5, 15.9, 0.05)  # nodes of M200c [log10 Msun/h]
_Z = np.concatenate([np.arange(0.002, 0.1, 0.004), np.arange(0.1, MAX_REDSHIFT, 0.02)])  # edges of shells
_MAGNITUDES = np.arange(-24.5, -11.9, 0.25)  # edges of bins, as the galaxies would have them at z = 0.1
_BLUEST = -0.5  # mag that the bluest galaxies' K-correction lies below the mean one at most: none of them is missed
_DRAWN = 7 + CHANCES  # random numbers a galaxy: bin, redshift, magnitude, place (2), colour (2), shape


@dataclass(frozen=True, eq=False)
class Field:
    """Mean numbers of these galaxies; made by `build_field`.

    Attributes
    ----------
    mean : float
        Galaxies a cell.
    share : array, shape (n_z * n_magnitudes + 1,)
        Cumulative shares of bins, redshift by redshift, from 0 to 1.
    """

    mean: float
    share: Floats


@cache
def build_field(
    cosmology: Cosmology, redshift: tuple[float, float], faintest_r: float, cone_abs_mag_r: float, log10_m200c: float
) -> Field:
    """Return the mean numbers.

    Parameters
    ----------
    redshift : tuple of float
        Range of the light cone.
    faintest_r : float
        Apparent magnitude to which all galaxies are there [mag].
    cone_abs_mag_r : float
        M_r - 5 log10 h, at the galaxies' own redshift, to which the light cone holds all galaxies.
    log10_m200c : float
        Smallest halo of the light cone's table [log10 Msun/h].
    """
    connection = build_connection(cosmology, REFERENCE_REDSHIFT, Galaxies())
    inside = log10_m200c <= _LOGM
    occupation = np.array([mean_occupation_by_light(connection, 10**_LOGM, m) for m in _MAGNITUDES])
    number = np.diff(occupation, axis=0)  # (n_magnitudes, 2, n_mass)
    without = number.sum(axis=1)
    without[:, inside] -= number[:, 1, inside]
    number = number.sum(axis=1)
    z, width = (_Z[1:] + _Z[:-1]) / 2, np.diff(_Z)
    magnitude = (_MAGNITUDES[1:] + _MAGNITUDES[:-1]) / 2
    volume = width * _volume(z, cosmology) * CELL_STERADIAN
    in_cone = (z > redshift[0]) & (z < redshift[1])
    table = np.empty((len(z), len(magnitude)))
    for row, at in enumerate(z):
        halos = mass_function(10**_LOGM, at, cosmology) * (_LOGM[1] - _LOGM[0])
        table[row] = volume[row] * ((without if in_cone[row] else number) @ halos)
    own = magnitude - brightening(z)[:, None]
    table[in_cone[:, None] & (own < cone_abs_mag_r)] = 0
    modulus = 5 * np.log10(_luminosity_distance(z, cosmology)) + 25
    table[own + modulus[:, None] + _BLUEST > faintest_r] = 0
    return Field(float(table.sum()), np.concatenate([[0], np.cumsum(table.ravel()) / table.sum()]))


def brightening(redshift: Floats) -> Floats:
    """Return by how many magnitudes in r galaxies are brighter than at z = 0.1, shape as `redshift`."""
    near = EVOLUTION_Q * (np.minimum(redshift, FAR_REDSHIFT) - REFERENCE_REDSHIFT)
    return np.asarray(near + FAR_EVOLUTION * np.maximum(redshift - FAR_REDSHIFT, 0))


def draw_field(field: Field, cells: Ints, seed: int) -> tuple[pd.DataFrame, Floats]:
    """Return galaxies of cells, and uniform random numbers for their shapes, shape (n, 5).

    The table has columns ra, dec [deg], redshift, abs_mag_r (M_r - 5 log10 h as at z = 0.1), colour_rank (uniform) and
    colour_noise (normal).
    """
    drawn = []
    for cell in cells:
        rng = generator(seed, "field galaxies", {"cell": int(cell)})
        drawn.append(rng.random((rng.poisson(field.mean), _DRAWN)))
    counts = [len(part) for part in drawn]
    number = np.concatenate([np.empty((0, _DRAWN)), *drawn])
    row = np.searchsorted(field.share, number[:, 0], side="right") - 1
    i, j = np.divmod(row, len(_MAGNITUDES) - 1)
    ra, dec = places(np.repeat(cells, counts), number[:, 3:5])
    columns = {"ra": ra, "dec": dec, "redshift": _Z[i] + number[:, 1] * (_Z[i + 1] - _Z[i])}
    columns |= {"abs_mag_r": _MAGNITUDES[j] + number[:, 2] * (_MAGNITUDES[j + 1] - _MAGNITUDES[j])}
    columns |= {"colour_rank": number[:, 5], "colour_noise": ndtri(number[:, 6])}
    return pd.DataFrame(columns), number[:, 7:]


def _luminosity_distance(redshift: Floats, cosmology: Cosmology) -> Floats:
    """Return luminosity distances [Mpc/h]."""
    return np.asarray((1 + redshift) * comoving_distance(redshift, cosmology))


def _volume(redshift: Floats, cosmology: Cosmology) -> Floats:
    """Return the comoving volume a steradian and unit of redshift [(Mpc/h)^3]."""
    hubble = 100 * flat(cosmology).efunc(redshift)  # km/s / (Mpc/h)
    return np.asarray(comoving_distance(redshift, cosmology) ** 2 * SPEED_OF_LIGHT / hubble)
