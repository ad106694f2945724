"""Linear theory of flat LambdaCDM without radiation: growth factors and the power spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad

from clustermass.config.base import Cosmology
from clustermass.cosmology import colossus

Floats = NDArray[np.float64]


def expansion(a: float, om0: float) -> float:
    """Return E(a) = H(a) / H0."""
    return float(np.sqrt(om0 / a**3 + 1 - om0))


def matter_fraction(a: float, om0: float) -> float:
    """Return the matter density in critical densities at scale factor `a`."""
    return om0 / a**3 / expansion(a, om0) ** 2


def _growth_integral(a: float, om0: float) -> float:
    """Return the integral of da / (a E)^3 from 0 to `a`."""
    # With a = u^(2/5) the integrand of early times, a^(3/2), becomes a constant, which quadrature likes.
    return float(
        quad(lambda u: 0.4 * u**-0.6 / (u**0.4 * expansion(u**0.4, om0)) ** 3, 0, a**2.5, epsrel=1e-10, limit=200)[0]
    )


def growth(a: float, om0: float) -> float:
    """Return the linear growth factor D, 1 at a = 1.

    Notes
    -----
    Source: Heath (1977); D ~ E(a) times the integral of da / (a E)^3, exact for matter and a cosmological constant.
    """
    return expansion(a, om0) * _growth_integral(a, om0) / _growth_integral(1.0, om0)


def growth_rate(a: float, om0: float) -> float:
    """Return f = dlnD / dlna, by differentiation of Heath's integral."""
    om = matter_fraction(a, om0)
    return -1.5 * om + 1 / (a**2 * expansion(a, om0) ** 3 * _growth_integral(a, om0))


def growth_momentum(a: float, om0: float) -> float:
    """Return a^3 E dD/da, the momentum that belongs to D."""
    return a**2 * expansion(a, om0) * growth(a, om0) * growth_rate(a, om0)


def second_growth(a: float, om0: float) -> float:
    """Return the growth factor of the second order, D2 = -3/7 D^2 Om(a)^(-1/143).

    Notes
    -----
    Source: Bouchet et al. (1995, A&A 296, 575), their fit for flat models.
    """
    return float(-3 / 7 * growth(a, om0) ** 2 * matter_fraction(a, om0) ** (-1 / 143))


def second_growth_momentum(a: float, om0: float) -> float:
    """Return a^3 E dD2/da, by differentiation of `second_growth`.

    Notes
    -----
    dlnD2/dlna = 2 f + 3 (1 - Om) / 143, within 1 % of the 2 Om^(6/11) of Bouchet et al. (1995).
    """
    rate = 2 * growth_rate(a, om0) + 3 * (1 - matter_fraction(a, om0)) / 143
    return a**2 * expansion(a, om0) * second_growth(a, om0) * rate


def linear_power(k: Floats, cosmology: Cosmology) -> Floats:
    """Return the linear power spectrum of matter today.

    Parameters
    ----------
    k : array, shape (n,)
        Wave numbers [h/Mpc].

    Returns
    -------
    array, shape (n,)
        P(k) [(Mpc/h)^3].

    Notes
    -----
    Source: Eisenstein & Hu (1998), with baryon wiggles, normalised to sigma8, by colossus.
    """
    return np.asarray(colossus(cosmology).matterPowerSpectrum(k, 0.0, model="eisenstein98"), float)
