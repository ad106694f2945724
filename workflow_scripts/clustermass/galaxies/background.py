"""Halos as a cosmology has them: sizes, speeds, concentrations, abundances and biases.

Masses are M200c [Msun/h], lengths comoving Mpc/h unless called proper, velocities km/s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.constants import CRITICAL_DENSITY, G
from clustermass.cosmology import flat, use_colossus

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MASS_FUNCTION = "tinker08"  # Tinker et al. (2008, ApJ 688, 709), Eqs. 3-8
BIAS = "tinker10"  # Tinker et al. (2010, ApJ 724, 878), Eq. 6 and Table 2
CONCENTRATION = "diemer19"  # Diemer & Joyce (2019, ApJ 871, 168)
CONCENTRATION_SCATTER = 0.16  # dex at fixed mass: Diemer & Kravtsov (2015, ApJ 799, 108)
EVRARD_SIGMA15, EVRARD_SLOPE = 1082.9, 0.3361  # km/s at E(z) M200c = 1e15 Msun/h: Evrard et al. (2008), abstract
_CELL = 0.01  # dex: width of the cells that numbers of halos are drawn in


def efunc(redshift: float, cosmology: Cosmology) -> float:
    """Return E(z) = H(z) / H0."""
    return float(flat(cosmology).efunc(redshift))


def omega_m(redshift: float, cosmology: Cosmology) -> float:
    """Return the matter density at a redshift, in critical densities of that redshift."""
    return float(flat(cosmology).Om(redshift))


def r200c(m200c: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return R200c [comoving Mpc/h], shape as `m200c` [Msun/h]."""
    density = 200 * CRITICAL_DENSITY * efunc(redshift, cosmology) ** 2
    return np.asarray(np.cbrt(3 * np.asarray(m200c) / (4 * np.pi * density)) * (1 + redshift))


def v200(m200c: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return the circular velocity at R200c, sqrt(G M200c / R200c) [km/s]; it is 10 H R200c (proper)."""
    proper = r200c(m200c, redshift, cosmology) / (1 + redshift)
    return np.asarray(np.sqrt(G * np.asarray(m200c) / proper))


def dispersion_evrard08(m200c: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return the one-dimensional velocity dispersion of dark matter inside R200c [km/s].

    Notes
    -----
    Source: Evrard et al. (2008, ApJ 672, 122): 1082.9 km/s (E(z) M200c / 1e15 Msun/h)^0.3361.
    """
    scaled = efunc(redshift, cosmology) * np.asarray(m200c) / 1e15
    return np.asarray(EVRARD_SIGMA15 * scaled**EVRARD_SLOPE)


def mean_concentration(m200c: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return R200c over the scale radius of the NFW profile, without scatter (Diemer & Joyce 2019, by colossus)."""
    from colossus.halo.concentration import concentration

    m200c = np.asarray(m200c, float)
    if not m200c.size:
        return np.empty(0)
    use_colossus(cosmology)
    # few nodes are enough: the relation is smooth, and colossus is slow on millions of halos
    low, high = np.log10(m200c.min()) - 0.01, np.log10(m200c.max()) + 0.01
    nodes = np.linspace(low, high, max(int((high - low) / 0.05), 4))
    values = concentration(10**nodes, "200c", redshift, model=CONCENTRATION)
    return np.asarray(np.exp(np.interp(np.log10(m200c), nodes, np.log(values))))


def concentrations(m200c: Floats, redshift: float, cosmology: Cosmology, rng: np.random.Generator) -> Floats:
    """Return concentrations with their log-normal scatter, within what halo tables admit (1.01 to 99)."""
    mean = mean_concentration(m200c, redshift, cosmology)
    return np.asarray(np.clip(mean * 10 ** rng.normal(0, CONCENTRATION_SCATTER, mean.shape), 1.01, 99))


def mass_function(m200c: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return dn / dlog10 M200c [comoving (Mpc/h)^-3] of Tinker et al. (2008), by colossus."""
    from colossus.lss.mass_function import massFunction

    use_colossus(cosmology)
    density = massFunction(np.asarray(m200c), redshift, mdef="200c", model=MASS_FUNCTION, q_out="dndlnM")
    return np.asarray(density * np.log(10))


def halo_bias(m200c: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return the linear bias of halos of M200c (Tinker et al. 2010), by colossus."""
    from colossus.lss.bias import haloBias

    use_colossus(cosmology)
    return np.asarray(haloBias(np.asarray(m200c), redshift, "200c", model=BIAS))


def draw_halos(
    low: float, high: float, volume: float, redshift: float, cosmology: Cosmology, rng: np.random.Generator
) -> Floats:
    """Return masses of halos of a volume by the mass function of Tinker et al. (2008), Poisson numbers, random order.

    Parameters
    ----------
    low, high : float
        Range of M200c [Msun/h].
    volume : float
        [comoving (Mpc/h)^3]

    Returns
    -------
    array, shape (n,)
        M200c [Msun/h].

    Raises
    ------
    ValueError
        Range or volume without sense.
    """
    if not low > 0 or not volume > 0:
        raise ValueError(f"halos need a positive mass and volume, got M200c > {low} Msun/h in {volume} (Mpc/h)^3")
    if high <= low:
        return np.empty(0)
    edges = np.linspace(np.log10(low), np.log10(high), int(np.ceil(np.log10(high / low) / _CELL)) + 1)
    centres, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    counts = rng.poisson(mass_function(10**centres, redshift, cosmology) * widths * volume)
    cells = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return np.asarray(10 ** (edges[cells] + rng.uniform(size=len(cells)) * widths[cells]))
