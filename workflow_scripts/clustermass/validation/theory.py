"""What theory and observation expect: non-linear power, infall, observed functions of galaxies, projected NFW halos."""

from __future__ import annotations

import numpy as np
from scipy.integrate import simpson
from scipy.optimize import brentq

from clustermass.config.base import Cosmology
from clustermass.galaxies import structure
from clustermass.galaxies.background import Floats, efunc, omega_m
from clustermass.nbody.linear import growth, growth_rate, linear_power

# Blanton et al. (2003, ApJ 592, 819), Table 2: r band shifted to z = 0.1, Om0 = 0.3; evolution is in `connection`.
BLANTON_PHI, BLANTON_MAGNITUDE, BLANTON_SLOPE = 0.0149, -20.44, -1.05  # h^3 Mpc^-3, M - 5 log10 h
# Baldry et al. (2012, MNRAS 421, 621), abstract: GAMA, z < 0.06, H0 = 70 km/s/Mpc.
BALDRY_LOG_MASS, BALDRY_H = 10.66, 0.7
BALDRY_PHI, BALDRY_SLOPE = (3.96e-3, 0.79e-3), (-0.35, -1.47)  # Mpc^-3
Own = tuple[Floats, Floats, float]

_WAVES = np.geomspace(1e-4, 50, 6000)  # h/Mpc: nodes of integrals over the power spectrum
_NODES = 2000  # radii that a halo's profile is sampled at


def nonlinear_power(k: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return the non-linear power spectrum of matter [(Mpc/h)^3] at k [h/Mpc], shape (n,).

    Notes
    -----
    Source: Takahashi et al. (2012, ApJ 761, 152), appendix, of flat models with a cosmological constant; good to 5 %
    below 1 h/Mpc. The linear power is that of `nbody.linear`.
    """
    grown = growth(1 / (1 + redshift), cosmology.Om0) ** 2
    nodes = np.log(_WAVES)
    linear = grown * linear_power(_WAVES, cosmology) * _WAVES**3 / (2 * np.pi**2)

    def moment(log_radius: float, order: int) -> float:
        square = (_WAVES * np.exp(log_radius)) ** 2
        return float(simpson(linear * square**order * np.exp(-square), nodes))

    log_radius = float(brentq(lambda at: moment(at, 0) - 1, np.log(0.01), np.log(50.0)))
    variance, second, fourth = (moment(log_radius, order) * 2**order for order in range(3))
    n = second / variance - 3  # slope and curvature of the spectrum where it turns non-linear
    c = (second / variance) ** 2 + (2 * second - fourth) / variance
    a_n = 10 ** (1.5222 + 2.8553 * n + 2.3706 * n**2 + 0.9903 * n**3 + 0.2250 * n**4 - 0.6038 * c)
    b_n = 10 ** (-0.5642 + 0.5864 * n + 0.5716 * n**2 - 1.5474 * c)
    c_n = 10 ** (0.3698 + 2.0404 * n + 0.8161 * n**2 + 0.5869 * c)
    gamma = 0.1971 - 0.0843 * n + 0.8460 * c
    alpha = abs(6.0835 + 1.3373 * n - 0.1959 * n**2 - 5.5274 * c)
    beta = 2.0379 - 0.7354 * n + 0.3157 * n**2 + 1.2490 * n**3 + 0.3980 * n**4 - 0.1682 * c
    nu = 10 ** (5.2105 + 3.6902 * n)
    matter = omega_m(redshift, cosmology)
    f1, f2, f3 = matter**-0.0307, matter**-0.0585, matter**0.0743
    k = np.asarray(k, float)
    here = grown * linear_power(k, cosmology) * k**3 / (2 * np.pi**2)
    y = k * np.exp(log_radius)
    between = here * (1 + here) ** beta / (1 + alpha * here) * np.exp(-y / 4 - y**2 / 8)
    within = a_n * y ** (3 * f1) / (1 + b_n * y**f2 + (c_n * f3 * y) ** (3 - gamma)) / (1 + nu / y**2)
    return np.asarray((between + within) * 2 * np.pi**2 / k**3)


def correlation(r: Floats, redshift: float, cosmology: Cosmology, own: Own | None = None) -> tuple[Floats, Floats]:
    """Return the linear correlation function of matter, and its mean inside r.

    Parameters
    ----------
    r : array, shape (n,)
        Comoving [Mpc/h], above about 1.
    own : tuple, optional
        Wave numbers [h/Mpc], what the power of one realisation is over the mean one there, and the wave number below
        which its box has no modes; 1 beyond the last.

    Returns
    -------
    xi, xi_mean : array, shape (n,)
    """
    k = np.arange(1e-4, 12, 5e-4)
    # a Gaussian cut far below the scales asked for makes the integral converge
    power = growth(1 / (1 + redshift), cosmology.Om0) ** 2 * linear_power(k, cosmology) * np.exp(-((0.3 * k) ** 2))
    if own is not None:
        power = power * np.where(k < own[2], 0.0, np.interp(k, own[0], own[1], right=1.0))
    xi, xi_mean = np.empty((2, len(r)))
    for row, radius in enumerate(np.asarray(r, float)):
        x = k * radius
        terms = k**2 * power / (2 * np.pi**2)
        xi[row] = simpson(terms * np.sin(x) / x, k)
        xi_mean[row] = simpson(terms * 3 * (np.sin(x) - x * np.cos(x)) / x**3, k)
    return xi, xi_mean


def infall_linear(r: Floats, bias: float, redshift: float, cosmology: Cosmology, own: Own | None = None) -> Floats:
    """Return the mean velocity of halos along their separation [km/s], negative where they approach; shape (n,).

    Parameters
    ----------
    r : array, shape (n,)
        Separation, comoving [Mpc/h].
    bias : float
        Mean over the halos.
    own : tuple, optional
        Power of one realisation, as in `correlation`.

    Notes
    -----
    Source: Sheth et al. (2001, MNRAS 325, 1288): v12 = -2/3 f a H r b <xi> / (1 + b^2 xi) with <xi> the mean of the
    linear correlation inside r; halos move as matter does. The denominator is what pair weighting brings.
    """
    xi, xi_mean = correlation(r, redshift, cosmology, own)
    rate = growth_rate(1 / (1 + redshift), cosmology.Om0)
    flow = 100 * efunc(redshift, cosmology) / (1 + redshift) * r  # a H times the comoving separation
    return np.asarray(-2 / 3 * rate * flow * bias * xi_mean / (1 + bias**2 * xi))


def luminosity_function_blanton03(abs_mag_r: Floats, brightening: float = 0.0) -> Floats:
    """Return the number density of galaxies [(Mpc/h)^-3 mag^-1] at M_r - 5 log10 h (Blanton et al. 2003).

    Parameters
    ----------
    abs_mag_r : array
        r band shifted to z = 0.1, AB.
    brightening : float
        Magnitudes that galaxies are brighter by than at z = 0.1.
    """
    x = 10 ** (-0.4 * (np.asarray(abs_mag_r) + brightening - BLANTON_MAGNITUDE))
    return np.asarray(0.4 * np.log(10) * BLANTON_PHI * x ** (BLANTON_SLOPE + 1) * np.exp(-x))


def stellar_mass_function_baldry12(log10_mstar: Floats, h: float) -> Floats:
    """Return the number density of galaxies [(Mpc/h)^-3 dex^-1] at log10 of stellar mass [Msun/h] (Baldry et al. 2012).

    Parameters
    ----------
    h : float
        H0 / (100 km/s/Mpc) of the masses asked for: luminosities, and so stellar masses, go as h^-2.
    """
    x = 10 ** (np.asarray(log10_mstar) + np.log10(h) - 2 * np.log10(BALDRY_H) - BALDRY_LOG_MASS)
    shape = sum(phi * x ** (slope + 1) for phi, slope in zip(BALDRY_PHI, BALDRY_SLOPE, strict=True))
    return np.asarray(np.log(10) * np.exp(-x) * shape / BALDRY_H**3)


def projected_shares(
    edges: Floats, concentration: float, limit: float, jeans: structure.Jeans
) -> tuple[Floats, Floats]:
    """Return what satellites of a halo are seen in rings on the sky, and how fast they are along the line of sight.

    Parameters
    ----------
    edges : array, shape (n + 1,)
        Projected radii [R200c].
    concentration : float
        Of the matter.
    limit : float
        Radius that satellites reach to [R200c].
    jeans : Jeans

    Returns
    -------
    share : array, shape (n,)
        Of all satellites inside the limit.
    mean_square : array, shape (n,)
        Of the velocity along the line of sight [V200^2]; NaN where there are none.

    Notes
    -----
    The spherical satellites of `structure.draw_analytic`, seen from all sides. A shell of radius r shows the share
    mu(R1) - mu(R2) of itself in a ring, where mu(R) = sqrt(1 - R^2 / r^2) is the cosine to the line of sight, evenly
    distributed; along it the square is sr^2 mu^2 + st^2 (1 - mu^2) and that of the Hubble flow which halos lack.
    """
    c = np.full(_NODES, concentration)
    even = (np.arange(_NODES) + 0.5) / _NODES
    r = structure.nfw_radius(even, structure.TRACER_CONCENTRATION * c, 0.0, limit)
    radial, tangential = structure.dispersions(jeans, r, c)
    mu = np.sqrt(np.clip(1 - (np.asarray(edges)[:, None] / r) ** 2, 0, 1))
    part = mu[:-1] - mu[1:]
    cubes = (mu[:-1] ** 3 - mu[1:] ** 3) / 3
    along = radial**2 + (structure.HUBBLE * r) ** 2
    total = (along * cubes + tangential**2 * (part - cubes)).mean(axis=1)
    share = part.mean(axis=1)
    return share, np.where(share > 0, total / np.where(share > 0, share, 1), np.nan)


def occupation_power_law(m200c: Floats) -> Floats:
    """Return (M200c / 10^12.5 Msun/h)^0.95: a yardstick for numbers of galaxies, which nothing is made from."""
    return np.asarray((np.asarray(m200c) / 10**12.5) ** 0.95)
