"""A sky of halos for tests: Poisson numbers of the mass function of Tinker et al. (2008), at random places."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from clustermass.config.base import Cosmology
from clustermass.config.simulated import Lightcone
from clustermass.contracts import Column, Contract
from clustermass.cosmology import flat, use_colossus

Floats = NDArray[np.float64]

HALOS = Contract(
    "halos",
    "dark-matter halos of the simulated sky: the truth, which only mock observation, tests and evaluation may read",
    (
        Column("id", "text", "", "name of the halo", unique=True),
        Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination, ICRS", -90, 90),
        Column("redshift", "float", "", "cosmological redshift", 0, 20),
        Column("m500c", "float", "Msun", "M500c, cosmology of the configuration", 1e11, 1e17),
        Column("m200m", "float", "Msun", "M200m of an NFW profile of mean concentration", 1e11, 1e17),
    ),
)

MASS_FUNCTION = "tinker08"  # Tinker et al. (2008, ApJ 688, 709), Eqs. 3-8, interpolated to the overdensity
CONCENTRATION = "diemer19"  # Diemer & Joyce (2019, ApJ 871, 168)
MAX_LOG10_MASS = 15.8  # log10 of M500c [Msun]: fewer than 1e-3 halos above it on the whole sky
_MASS_CELL, _REDSHIFT_CELL = 0.01, 0.005  # widths of the cells that counts are drawn in: dex, redshift
_MASS_NODES, _REDSHIFT_NODES = 40, 12  # of the table of M200m / M500c


def halo_lightcone(lightcone: Lightcone, cosmology: Cosmology, rng: np.random.Generator) -> pd.DataFrame:
    """Return the halos of a simulated sky: contract `HALOS`.

    The number in every cell of log10 M500c and redshift is a Poisson draw; inside a cell, log10 M500c and comoving
    volume are uniform. Positions are uniform on the footprint: **no clustering**, hence no neighbours beyond chance and
    no sample variance.

    Parameters
    ----------
    lightcone : Lightcone
        Footprint, redshifts and smallest mass M500c [Msun].
    cosmology : Cosmology
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        One row a halo, in random order.

    Notes
    -----
    Source: Tinker et al. (2008), mass function for M500c; M200m by NFW profiles of the mean concentration of Diemer &
    Joyce (2019); both by colossus. The concentration has no scatter.
    """
    masses, redshifts = mass_edges(lightcone), redshift_edges(lightcone)
    counts = rng.poisson(expected_counts(lightcone, cosmology))
    cells = rng.permutation(np.repeat(np.arange(counts.size), counts.ravel()))
    shell, mass_bin = np.divmod(cells, len(masses) - 1)
    log10_mass = masses[mass_bin] + rng.uniform(size=len(cells)) * np.diff(masses)[mass_bin]
    redshift = _redshifts_in_shells(shell, redshifts, cosmology, rng)
    ra, dec = _uniform_positions(lightcone, len(cells), rng)
    frame = {
        "id": [f"H{number:07d}" for number in range(1, len(cells) + 1)],
        "ra": ra,
        "dec": dec,
        "redshift": redshift,
        "m500c": 10**log10_mass,
        "m200m": 10**log10_mass * m200m_over_m500c(log10_mass, redshift, lightcone, cosmology),
    }
    return pd.DataFrame(frame)[HALOS.names]


def mass_edges(lightcone: Lightcone) -> Floats:
    """Return the edges of the mass cells: log10 of M500c [Msun], shape (n_mass + 1,)."""
    low = float(np.log10(lightcone.min_mass_msun))
    return np.linspace(low, MAX_LOG10_MASS, int(np.ceil((MAX_LOG10_MASS - low) / _MASS_CELL)) + 1)


def redshift_edges(lightcone: Lightcone) -> Floats:
    """Return the edges of the redshift cells, shape (n_redshift + 1,)."""
    low, high = lightcone.redshift
    return np.linspace(low, high, int(np.ceil((high - low) / _REDSHIFT_CELL)) + 1)


def expected_counts(lightcone: Lightcone, cosmology: Cosmology) -> Floats:
    """Return the mean number of halos in every cell, shape (n_redshift, n_mass)."""
    edges = mass_edges(lightcone)
    centres, dlnm = (edges[1:] + edges[:-1]) / 2, np.diff(edges) * np.log(10)
    z = redshift_edges(lightcone)
    density = mass_function(centres, (z[1:] + z[:-1]) / 2, cosmology)
    return np.asarray(density * dlnm * comoving_volume(lightcone, z, cosmology)[:, None])


def mass_function(log10_mass: Floats, redshift: Floats, cosmology: Cosmology) -> Floats:
    """Return dn / dln M500c [comoving Mpc^-3] of Tinker et al. (2008).

    Parameters
    ----------
    log10_mass : array, shape (n_mass,)
        log10 of M500c [Msun].
    redshift : array, shape (n_redshift,)
    cosmology : Cosmology

    Returns
    -------
    array, shape (n_redshift, n_mass)
    """
    from colossus.lss.mass_function import massFunction

    use_colossus(cosmology)
    h = cosmology.H0 / 100
    masses = 10**log10_mass * h  # colossus: Msun/h and (Mpc/h)^-3
    options = {"mdef": "500c", "model": MASS_FUNCTION, "q_out": "dndlnM"}
    return np.array([massFunction(masses, z, **options) for z in redshift]) * h**3


def m200m_over_m500c(log10_mass: Floats, redshift: Floats, lightcone: Lightcone, cosmology: Cosmology) -> Floats:
    """Return M200m / M500c of halos, by interpolation in a table over the light cone's masses and redshifts.

    Parameters
    ----------
    log10_mass : array, shape (n,)
        log10 of M500c [Msun].
    redshift : array, shape (n,)
    """
    from colossus.halo.mass_adv import changeMassDefinitionCModel

    use_colossus(cosmology)
    h = cosmology.H0 / 100
    mass_nodes = np.linspace(np.log10(lightcone.min_mass_msun), MAX_LOG10_MASS, _MASS_NODES)
    redshift_nodes = np.linspace(*lightcone.redshift, _REDSHIFT_NODES)
    masses = 10**mass_nodes * h
    ratio = [
        changeMassDefinitionCModel(masses, z, "500c", "200m", c_model=CONCENTRATION)[0] / masses for z in redshift_nodes
    ]
    table = RegularGridInterpolator((redshift_nodes, mass_nodes), np.array(ratio))
    return np.asarray(table(np.column_stack([redshift, log10_mass])))


def solid_angle(lightcone: Lightcone) -> float:
    """Return the solid angle of the footprint [sr]."""
    ra, sin_dec = np.radians(lightcone.ra_deg), np.sin(np.radians(lightcone.dec_deg))
    return float((ra[1] - ra[0]) * (sin_dec[1] - sin_dec[0]))


def comoving_volume(lightcone: Lightcone, edges: Floats, cosmology: Cosmology) -> Floats:
    """Return the comoving volume [Mpc^3] of the footprint between redshifts, shape (n_redshift,)."""
    distance = flat(cosmology).comoving_distance(edges).value
    return np.asarray(solid_angle(lightcone) / 3 * np.diff(distance**3))


def _redshifts_in_shells(
    shell: NDArray[np.int64], edges: Floats, cosmology: Cosmology, rng: np.random.Generator
) -> Floats:
    """Return redshifts that are uniform in comoving volume inside their shells."""
    fine = np.linspace(edges[0], edges[-1], 20 * len(edges))
    cubes = flat(cosmology).comoving_distance(fine).value ** 3
    low, high = np.interp(edges[shell], fine, cubes), np.interp(edges[shell + 1], fine, cubes)
    return np.asarray(np.interp(low + rng.uniform(size=len(shell)) * (high - low), cubes, fine))


def _uniform_positions(lightcone: Lightcone, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return right ascension and declination [deg], uniform on the footprint."""
    ra = rng.uniform(*lightcone.ra_deg, n) % 360
    low, high = np.sin(np.radians(lightcone.dec_deg))
    dec = np.degrees(np.arcsin(rng.uniform(low, high, n)))
    return ra, np.clip(dec, *lightcone.dec_deg)
