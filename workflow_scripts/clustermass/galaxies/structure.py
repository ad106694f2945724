"""Where satellites are in their halos and how they move: spherical NFW profiles and the anisotropic Jeans equation.

Lengths are in units of R200c, velocities in units of V200 = sqrt(G M200c / R200c). The potential is that of an NFW
halo of concentration c; satellites follow an NFW profile of concentration `TRACER_CONCENTRATION` * c out to the radius
inside which the groups of SDSS counted them, R180m. Everything is spherical: no triaxiality, substructure or infall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import lambertw

from clustermass.galaxies.background import Floats
from clustermass.galaxies.connection import bilinear

# Concentration of galaxies over that of dark matter: Budzynski et al. (2012, MNRAS 423, 104), abstract: c = 2.6,
# "approximately a factor of two lower than that of the dark matter", nearly independent of halo mass.
TRACER_CONCENTRATION = 0.5
# Overdensity, in mean densities, inside which members were counted: Yang et al. (2007), section 3.
SATELLITE_OVERDENSITY = 180
# beta(r) = BETA_OUTER r / (r + r_a), Mamon & Lokas (2005, MNRAS 363, 705), with r_a the scale radius of the
# matter (Mamon, Biviano & Boue 2013, MNRAS 429, 3079, section 2).
BETA_OUTER = 0.5
# 1D dispersion of centrals about their halo over that of its matter: Guo et al. (2015, MNRAS 446, 578), abstract.
CENTRAL_VELOCITY = 0.22
# Velocities of satellites over those of the matter, for luminous galaxies only: Guo et al. (2015), abstract.
SATELLITE_VELOCITY = 0.86
# Hubble flow across a proper length, H R200c / V200: exactly 1/10 inside 200 critical densities.
HUBBLE = 0.1

Anisotropy = Literal["mamon_lokas", "isotropic"]
_LOG_C = np.linspace(np.log(1.0), np.log(100.0), 60)
_LOG_X = np.linspace(np.log(1e-3), np.log(4.0), 120)
_LOG_FAR, _STEPS = np.log(1e4), 1500  # outer limit and steps of the Jeans integral


def nfw_mass(y: Floats) -> Floats:
    """Return ln(1 + y) - y / (1 + y), the mass of an NFW profile inside y scale radii."""
    return np.asarray(np.log1p(y) - y / (1 + y))


def nfw_radius(share: Floats, concentration: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """Return the radii inside which a share of an NFW profile's matter between two radii lies.

    Parameters
    ----------
    share : array, shape (n,)
        Between 0 and 1; uniform random numbers give a random sample.
    concentration : array, shape (n,)
        R200c over the profile's scale radius.
    low, high : array or float
        Inner and outer radius [R200c].

    Returns
    -------
    array, shape (n,)
        [R200c]

    Notes
    -----
    Source: closed form by the Lambert W function (Robotham & Howlett 2018, RNAAS 2, 55).
    """
    inner, outer = nfw_mass(concentration * low), nfw_mass(concentration * high)
    mass = inner + share * (outer - inner)
    branch = lambertw(-np.exp(-1 - mass))  # type: ignore[call-overload]  # the stubs know no arrays of floats
    y = -1 / branch.real - 1
    # the closed form loses digits where the enclosed mass, y^2 / 2, is tiny
    y = np.where(mass < 1e-6, np.sqrt(2 * mass), y)
    return np.asarray(np.clip(y / concentration, low, high))


def satellite_limit(concentration: Floats, omega_m: float) -> Floats:
    """Return R180m [R200c] of NFW halos, shape as `concentration` (of the matter).

    Parameters
    ----------
    omega_m : float
        Matter density at the redshift, in critical densities.
    """
    nodes, target = np.exp(_LOG_C), SATELLITE_OVERDENSITY * omega_m / 200
    low, high = np.full(len(nodes), 0.1), np.full(len(nodes), 10.0)
    for _ in range(50):  # bisection: the mean density falls outwards
        middle = (low + high) / 2
        denser = nfw_mass(nodes * middle) / nfw_mass(nodes) / middle**3 > target
        low, high = np.where(denser, middle, low), np.where(denser, high, middle)
    return np.asarray(np.interp(np.log(concentration), _LOG_C, low))


def share_inside(concentration: Floats, limit: Floats) -> Floats:
    """Return the share of a halo's satellites that is inside R200c, of all inside `limit` [R200c].

    `concentration` is that of the matter.
    """
    tracer = TRACER_CONCENTRATION * concentration
    return np.asarray(np.minimum(nfw_mass(tracer) / nfw_mass(tracer * limit), 1))


@dataclass(frozen=True, eq=False)
class Jeans:
    """Radial dispersion of satellites over ln concentration of the matter and ln radius.

    Attributes
    ----------
    radial : array, shape (n_concentration, n_radius)
        Logarithm of the radial velocity dispersion [V200].
    outer : float
        beta(r) = outer r / (r + scale radius of the matter).
    """

    radial: Floats
    outer: float


def solve_jeans(anisotropy: Anisotropy = "mamon_lokas", tracer: float = TRACER_CONCENTRATION) -> Jeans:
    """Return the dispersions of satellites of `tracer` times the matter's concentration, for all halos."""
    outer = BETA_OUTER if anisotropy == "mamon_lokas" else 0.0
    x, c = np.exp(_LOG_X), np.exp(_LOG_C)
    rows = [radial_dispersion(x, float(value), tracer * float(value), outer, 1 / float(value)) for value in c]
    return Jeans(np.log(rows), outer)


def radial_dispersion(x: Floats, concentration: float, tracer: float, outer: float, scale: float) -> Floats:
    """Return the radial velocity dispersion [V200] of an NFW tracer in an NFW halo.

    Solves d(rho s^2)/dr + 2 beta rho s^2 / r = -rho G M / r^2 for beta(r) = outer r / (r + scale), whose integrating
    factor is (r + scale)^(2 outer); scale = 0 is a constant beta.

    Parameters
    ----------
    x : array, shape (n,)
        Radii [R200c].
    concentration, tracer : float
        R200c over the scale radii of the matter and of the tracer.
    outer, scale : float
        Anisotropy: its limit, and the radius of half of it [R200c].

    Notes
    -----
    Source: Mamon & Lokas (2005), section 2. The profiles extend to infinity, as theirs.
    """
    s = np.exp(np.linspace(np.log(x.min()), _LOG_FAR, _STEPS))

    def weight(r: Floats) -> Floats:
        return np.asarray((r + scale) ** (2 * outer) / (r * (1 + tracer * r) ** 2))

    force = nfw_mass(concentration * s) / nfw_mass(np.asarray(concentration)) / s**2
    integrand = weight(s) * force * s  # over ln s
    cells = (integrand[1:] + integrand[:-1]) / 2 * np.log(s[1] / s[0])
    pressure = np.append(np.cumsum(cells[::-1])[::-1], 0)
    inside = np.exp(np.interp(np.log(x), np.log(s[:-1]), np.log(pressure[:-1])))
    return np.asarray(np.sqrt(inside / weight(x)))


def beta(jeans: Jeans, x: Floats, concentration: Floats) -> Floats:
    """Return the velocity anisotropy 1 - (tangential / radial dispersion)^2 at radii x [R200c], shape (n,)."""
    return np.asarray(jeans.outer * x / (x + 1 / concentration))


def dispersions(jeans: Jeans, x: Floats, concentration: Floats) -> tuple[Floats, Floats]:
    """Return the radial and the one-dimensional tangential dispersion [V200] at radii x [R200c], shape (n,)."""
    row = (np.log(concentration) - _LOG_C[0]) / (_LOG_C[1] - _LOG_C[0])
    column = (np.log(np.maximum(x, np.exp(_LOG_X[0]))) - _LOG_X[0]) / (_LOG_X[1] - _LOG_X[0])
    radial = np.exp(bilinear(jeans.radial, row, column))
    return radial, radial * np.sqrt(1 - beta(jeans, x, concentration))


def mean_square(jeans: Jeans, x: Floats, concentration: Floats) -> Floats:
    """Return the mean square of one velocity component [V200^2], averaged over directions, at radii x; shape (n,)."""
    radial, tangential = dispersions(jeans, x, concentration)
    return np.asarray((radial**2 + 2 * tangential**2) / 3)


def random_directions(n: int, rng: np.random.Generator) -> Floats:
    """Return unit vectors, uniform on the sphere, shape (n, 3)."""
    vectors = rng.normal(size=(n, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def draw_analytic(
    jeans: Jeans, concentration: Floats, low: Floats | float, high: Floats | float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return positions and velocities of satellites relative to their halos, one per row of `concentration`.

    Parameters
    ----------
    concentration : array, shape (n,)
        Of the matter of the satellite's halo.
    low, high : array or float
        Range of radii [R200c].

    Returns
    -------
    position : array, shape (n, 3)
        [R200c]
    velocity : array, shape (n, 3)
        Peculiar velocity [V200]: Gaussian radial and tangential components of the Jeans equation, less the Hubble flow,
        as halos do not expand.
    """
    x = nfw_radius(rng.uniform(size=len(concentration)), TRACER_CONCENTRATION * concentration, low, high)
    outward = random_directions(len(x), rng)
    radial, tangential = dispersions(jeans, x, concentration)
    noise = rng.normal(size=(len(x), 3))
    along = np.sum(noise * outward, axis=1)
    velocity = tangential[:, None] * noise + ((radial - tangential) * along)[:, None] * outward
    position = x[:, None] * outward
    return position, velocity - HUBBLE * position
