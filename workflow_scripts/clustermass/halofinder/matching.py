"""Masses by abundance: the rank of a halo's raw mass, and the mass function of Tinker et al. (2008), give its M200c.

A mesh smooths what lies inside R200c, so that raw masses are too low by a factor that depends on mass. Halos are
ranked in boxes that serve to fit, and the factor is applied to all; a box that did not serve keeps its own sample
variance, and what its mass function then is, is a test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.contracts import Column, Contract
from clustermass.galaxies.background import mass_function

Floats = NDArray[np.float64]

MASS_MATCHING = Contract(
    "mass_matching",
    "factor that brings raw masses to the mass function of Tinker et al. (2008)",
    (
        Column("log10_raw", "float", "log10(Msun/h)", "log10 of the raw M200c", 9, 17, unique=True),
        Column("log10_factor", "float", "dex", "log10 of M200c over the raw one; held beyond the ends", -2, 2),
        Column("halos", "int", "", "halos above the raw mass, in all boxes that serve to fit", 1),
    ),
)
SMALLEST_PARTICLES = 20
"""Particles of the smallest raw mass that is matched: those of the smallest group that is sought."""
_STEP = 0.05  # dex between nodes
_FEWEST = 20  # halos above the last node: 22 % in number, some 7 % in mass
_LOW, _HIGH, _FINE = 10.0, 16.0, 0.005  # range and step of the cumulative mass function, log10 Msun/h


def cumulative_mass_function(log10_mass: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return the density of halos above M200c [log10 Msun/h] of Tinker et al. (2008) [comoving (Mpc/h)^-3]."""
    nodes = np.arange(_LOW, _HIGH, _FINE)
    density = mass_function(10**nodes, redshift, cosmology)
    cells = (density[1:] + density[:-1]) / 2 * _FINE
    above = np.append(np.cumsum(cells[::-1])[::-1], cells[-1] * 1e-3)
    return np.asarray(np.exp(np.interp(log10_mass, nodes, np.log(above))))


def fit_matching(
    raw: Sequence[Floats], volume: float, smallest: float, redshift: float, cosmology: Cosmology
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return the factor that gives the halos of several boxes the mass function of Tinker et al. (2008).

    Parameters
    ----------
    raw : sequence of array
        Raw M200c of all halos of each box [Msun/h].
    volume : float
        Of one box [comoving (Mpc/h)^3].
    smallest : float
        Smallest raw mass that is matched [Msun/h].

    Returns
    -------
    log10_raw, log10_factor : array, shape (nodes,)
        log10 of the raw mass [Msun/h], and of the factor.
    halos : array of int, shape (nodes,)
        Halos above the node's raw mass.

    Raises
    ------
    ValueError
        Too few halos to match.
    """
    masses = np.sort(np.concatenate(list(raw)))[::-1]
    if len(masses) < _FEWEST or masses[_FEWEST - 1] <= smallest:
        raise ValueError(f"expected at least {_FEWEST} halos above {smallest:.3g} Msun/h to match, got {len(masses)}")
    nodes = np.arange(np.log10(smallest), np.log10(masses[_FEWEST - 1]), _STEP)
    halos = np.searchsorted(-masses, -(10**nodes), side="right")
    density = halos / (len(raw) * volume)
    grid = np.arange(_LOW, _HIGH, _FINE)
    above = cumulative_mass_function(grid, redshift, cosmology)
    matched = np.interp(-np.log(density), -np.log(above), grid)
    return nodes, matched - nodes, halos


def matched_masses(raw: Floats, log10_raw: Floats, log10_factor: Floats) -> Floats:
    """Return M200c [Msun/h] of raw masses [Msun/h], shape (n,); the factor is held beyond its ends.

    The order of masses is kept: where the factor falls so fast that it would not be, masses are made equal.
    """
    order = np.argsort(raw, kind="stable")
    scaled = raw[order] * 10 ** np.interp(np.log10(raw[order]), log10_raw, log10_factor)
    result = np.empty(len(raw))
    result[order] = np.maximum.accumulate(scaled) if len(raw) else scaled
    return result
