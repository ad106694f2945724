"""Satellites of the light cone's halos that are too faint for the light cone, drawn halo by halo.

Their luminosity function goes on from the conditional one that the brighter satellites follow
(`clustermass.galaxies.connection`), with the slope of nearby clusters: its own, -1.8 in the heaviest halos, was
measured for bright galaxies only. Places by a spherical NFW profile, speeds by the halo's dispersion. Left out:
correlation with the halo's own particles, which the brighter ones sit on.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from scipy.special import ndtri

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.galaxies import occupation
from clustermass.galaxies.background import Floats, dispersion_evrard08, mean_concentration, r200c
from clustermass.galaxies.connection import EVOLUTION_Q, build_connection, group_mass
from clustermass.galaxies.occupation import REFERENCE_REDSHIFT, SUN_ABS_MAG
from clustermass.population.shapes import CHANCES
from clustermass.runtime import generator
from clustermass.sources.lightcone_geometry import SPEED_OF_LIGHT, comoving_distance

FAINT_SLOPE = -1.28  # of the luminosity function in Virgo: Rines & Geller (2008, AJ 135, 1837), from memory
_LOGM = np.arange(12.5, 16.3, 0.05)  # nodes of M200c [log10 Msun/h]
_DRAWN = 7 + CHANCES  # random numbers a galaxy: magnitude, radius, direction (2), speed, colour (2), shape
_X = np.geomspace(1e-4, 1, 200)  # nodes of radius, in R200c


def reach(halos: pd.DataFrame, cosmology: Cosmology) -> Floats:
    """Return R200c of halos on the sky [deg], shape (n,); columns m200c [Msun], redshift, snapshot."""
    return np.asarray(np.degrees(_r200c(halos, cosmology) / _transverse(halos, cosmology)))


def draw_satellites(
    halos: pd.DataFrame, faintest: Floats, brightest: float, cosmology: Cosmology, seed: int
) -> tuple[pd.DataFrame, Floats]:
    """Return satellites of halos, and uniform random numbers for their shapes, shape (n, 5).

    Parameters
    ----------
    halos : pandas.DataFrame
        Rows of the light cone's table of halos, contract `clustermass.sources.lightcone.HALOS`. What a halo has
        depends on nothing but itself and the seed.
    faintest : array, shape (n_halos,)
        M_r - 5 log10 h, at the redshift of the halo, to which satellites are wanted.
    brightest : float
        M_r - 5 log10 h from which on the light cone has them itself.

    Returns
    -------
    pandas.DataFrame
        Columns halo, ra, dec [deg], redshift (observed), abs_mag_r (M_r - 5 log10 h as at z = 0.1), colour_rank
        (uniform) and colour_noise (normal).
    """
    connection = build_connection(cosmology, REFERENCE_REDSHIFT, Galaxies())
    logh = group_mass(connection, _mass(halos, cosmology))
    fading = EVOLUTION_Q * (halos["snapshot"].to_numpy(float) - REFERENCE_REDSHIFT)
    rows, drawn, magnitudes = [], [], []
    for row, name in enumerate(halos["id"]):
        if faintest[row] > brightest:
            limits = brightest + fading[row], faintest[row] + fading[row]
            magnitude, chance = _draw(logh[row], *limits, generator(seed, "satellites", {"halo": name}))
            rows.append(np.full(len(magnitude), row))
            drawn.append(chance)
            magnitudes.append(magnitude)
    if not rows:
        rows, drawn, magnitudes = [np.empty(0, np.int64)], [np.empty((0, _DRAWN))], [np.empty(0)]
    chosen, chance = halos.iloc[np.concatenate(rows)], np.concatenate(drawn)
    ra, dec = _places(chosen, chance[:, 1:4], cosmology)
    speed = dispersion(chosen, cosmology) * ndtri(chance[:, 4]) / SPEED_OF_LIGHT
    seen = chosen["redshift_observed"].to_numpy(float)
    columns = {"halo": chosen["id"].to_numpy(object), "ra": ra, "dec": dec, "redshift": seen + (1 + seen) * speed}
    columns |= {
        "abs_mag_r": np.concatenate(magnitudes),
        "colour_rank": chance[:, 5],
        "colour_noise": ndtri(chance[:, 6]),
    }
    return pd.DataFrame(columns), chance[:, 7:]


def dispersion(halos: pd.DataFrame, cosmology: Cosmology) -> Floats:
    """Return velocity dispersions of halos along a line [km/s], shape (n,)."""
    result = np.empty(len(halos))
    for z in halos["snapshot"].unique():
        here = (halos["snapshot"] == z).to_numpy()
        result[here] = dispersion_evrard08(_mass(halos, cosmology)[here], float(z), cosmology)
    return result


def _draw(logh: float, low: float, high: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return magnitudes of satellites between two, and all their random numbers."""
    edges = (SUN_ABS_MAG - np.array([low - 0.05, low + 0.05])) / 2.5
    density = np.diff(occupation.clf_satellites(np.full(2, logh), edges))[0] / 0.1  # a magnitude
    rate = -0.4 * np.log(10) * (FAINT_SLOPE + 1)
    mean = density * np.expm1(rate * (high - low)) / rate
    chance = rng.random((rng.poisson(mean), _DRAWN))
    return low + np.log1p(chance[:, 0] * np.expm1(rate * (high - low))) / rate, chance


def _places(halos: pd.DataFrame, chance: Floats, cosmology: Cosmology) -> tuple[Floats, Floats]:
    """Return right ascension and declination [deg] of places in halos, one a row."""
    radius = np.empty(len(halos))
    logm = np.log10(_mass(halos, cosmology))
    for z in halos["snapshot"].unique():
        here = (halos["snapshot"] == z).to_numpy()
        concentration = np.interp(logm[here], _LOGM, _concentrations(float(z), cosmology))
        radius[here] = nfw_radius(concentration, chance[here, 0])
    across = radius * _r200c(halos, cosmology) / _transverse(halos, cosmology)  # rad
    height, turn = 1 - 2 * chance[:, 1], 2 * np.pi * chance[:, 2]
    across = np.degrees(across * np.sqrt(1 - height**2))
    dec = halos["dec"].to_numpy(float) + across * np.sin(turn)
    ra = halos["ra"].to_numpy(float) + across * np.cos(turn) / np.cos(np.radians(dec))
    return np.asarray(ra % 360), np.asarray(np.clip(dec, -90, 90))


def nfw_radius(concentration: Floats, share: Floats) -> Floats:
    """Return radii inside which a share of the galaxies of an NFW halo lie, in R200c, shape (n,)."""
    result = np.empty(len(share))
    low, high = np.zeros(len(share)), np.ones(len(share))
    total = _enclosed(concentration)
    for _ in range(30):
        result = (low + high) / 2
        inside = _enclosed(concentration * result) < share * total
        low, high = np.where(inside, result, low), np.where(inside, high, result)
    return result


def _enclosed(x: Floats) -> Floats:
    return np.asarray(np.log1p(x) - x / (1 + x))


@cache
def _concentrations(redshift: float, cosmology: Cosmology) -> Floats:
    """Return mean concentrations of halos of all masses."""
    return mean_concentration(10**_LOGM, redshift, cosmology)


def _mass(halos: pd.DataFrame, cosmology: Cosmology) -> Floats:
    """Return M200c [Msun/h]."""
    return np.asarray(halos["m200c"].to_numpy(float) * cosmology.H0 / 100)


def _r200c(halos: pd.DataFrame, cosmology: Cosmology) -> Floats:
    """Return R200c [comoving Mpc/h]."""
    result = np.empty(len(halos))
    for z in halos["snapshot"].unique():
        here = (halos["snapshot"] == z).to_numpy()
        result[here] = r200c(_mass(halos, cosmology)[here], float(z), cosmology)
    return result


def _transverse(halos: pd.DataFrame, cosmology: Cosmology) -> Floats:
    """Return comoving distances [Mpc/h]."""
    return comoving_distance(halos["redshift"].to_numpy(float), cosmology)
