"""Masses by the virial theorem with the surface-pressure term, from galaxies in projected phase space.

Radii are proper Mpc/h, velocities km/s, masses Msun/h.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.observed import Virial
from clustermass.constants import G
from clustermass.galaxies.background import efunc, mean_concentration
from clustermass.galaxies.structure import radial_dispersion
from clustermass.sources.lightcone_geometry import compiled

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LOG_C = np.linspace(np.log(1.5), np.log(15.0), 24)  # nodes of concentration
_LOG_X = np.linspace(np.log(5e-3), np.log(6.0), 60)  # nodes of radius [R200c]
_FAR = 8.0  # e-folds beyond a radius that integrals along the line of sight go
_SOFTENING = 0.01  # Mpc/h: pairs of galaxies in one place say nothing about the cluster
_SIZES = (0.01, 5.0)  # Mpc/h: R200c outside are of no cluster
_ROUNDS, _COLDEST = 40, 100.0  # of the first dispersion; km/s: below the dispersion of any cluster
_LOG_MASS = np.linspace(10.0, 16.5, 66)  # nodes of the concentration's relation, log10 Msun/h


@compiled
def projected_virial_radius(inverse: Floats, weights: Floats) -> float:
    """Return R_PV = N (N - 1) / sum over pairs of 1 / R_ij [Mpc/h]; NaN for fewer than two galaxies.

    Parameters
    ----------
    inverse : array, shape (n, n)
        1 / R_ij of the galaxies [h/Mpc].
    weights : array, shape (n,)
        How many times each galaxy counts; 0: not at all.

    Notes
    -----
    Source: Girardi et al. (1998, ApJ 505, 74), Eq. 4; each pair counts once. With weights, N (N - 1) is what the pairs
    of different galaxies weigh, so that drawing one galaxy twice makes no pair of no distance.
    """
    number = total = 0.0
    for i in range(len(weights)):
        if weights[i] > 0:
            for j in range(i):
                if weights[j] > 0:
                    number += weights[i] * weights[j]
                    total += weights[i] * weights[j] * inverse[i, j]
    return 2 * number / total if total > 0 else np.nan


def inverse_separations(x: Floats, y: Floats, softening: float) -> Floats:
    """Return 1 / R_ij between galaxies [h/Mpc], 0 on the diagonal, shape (n, n).

    `softening` is the smallest R_ij [Mpc/h]: pairs of galaxies in one place say nothing about the cluster.
    """
    separation = np.hypot(x[:, None] - x, y[:, None] - y)
    inverse = 1 / np.maximum(separation, softening)
    np.fill_diagonal(inverse, 0.0)
    return np.asarray(inverse)


@compiled
def virial_mass(sigma: float, radius: float) -> float:
    """Return 3 pi sigma^2 R_PV / (2 G) [Msun/h].

    Parameters
    ----------
    sigma : float
        Line-of-sight velocity dispersion [km/s].
    radius : float
        R_PV [Mpc/h].

    Notes
    -----
    Source: Limber & Mathews (1960); Girardi et al. (1998), Eq. 1: 2 K + W = 0 of a whole system whose galaxies follow
    its mass, with 3 sigma^2 for the square of the velocity and pi/2 for the projection of 1/r.
    """
    return 3 * np.pi / 2 * sigma**2 * radius / G


@dataclass(frozen=True, eq=False)
class Halo:
    """Isotropic NFW halos over ln concentration and ln radius [R200c]: what a virial mass needs to know of them.

    Attributes
    ----------
    surface : array, shape (n_concentration, n_radius)
        Surface term: the share of the virial mass inside a radius that the pressure there carries.
    along : array, shape (n_concentration, n_radius)
        Line-of-sight velocity dispersion at a projected radius [V200].
    """

    surface: Floats
    along: Floats


@lru_cache(maxsize=4)
def solve_halo(tracer: float) -> Halo:
    """Return the tables of halos whose galaxies have `tracer` times the concentration of their matter."""
    x = np.exp(_LOG_X)
    nodes = np.exp(_LOG_C)
    surface = np.array([surface_term(x, float(c), tracer * float(c)) for c in nodes])
    along = np.array([sight_line_dispersion(x, float(c), tracer * float(c)) for c in nodes])
    return Halo(surface, along)


def surface_term(x: Floats, concentration: float, tracer: float) -> Floats:
    """Return C = b^3 n(b) s(b)^2 / (3 int_0^b n s^2 r^2 dr): the pressure's share of the virial mass, shape as `x`.

    Parameters
    ----------
    x : array, shape (n,)
        Radius b of the sphere [R200c].
    concentration, tracer : float
        R200c over the scale radii of the matter and of the galaxies.

    Notes
    -----
    Source: The & White (1986, AJ 92, 1248); Girardi et al. (1998), Eq. 8, 4 pi b^3 n(b) / N(b) (s_r(b) / s(b))^2 with
    the 3D dispersion inside b, which is 3 int n s^2 / int n of isotropic orbits (Carlberg et al. 1996 have the same).
    With 2 K + W = 4 pi b^3 P(b) the mass inside b is (1 - C) of the virial mass.
    """
    fine = np.exp(np.linspace(np.log(1e-5), np.log(x.max()), 3000))
    square = radial_dispersion(fine, concentration, tracer, 0.0, 0.0) ** 2
    density = 1 / (fine * (1 + tracer * fine) ** 2)
    inside = fine**3 * density * square  # over ln r
    steps = (inside[1:] + inside[:-1]) / 2 * np.diff(np.log(fine))
    total = np.concatenate([[inside[0] / 2], inside[0] / 2 + np.cumsum(steps)])
    return np.asarray(np.interp(np.log(x), np.log(fine), inside / (3 * total)))


def sight_line_dispersion(x: Floats, concentration: float, tracer: float) -> Floats:
    """Return the line-of-sight velocity dispersion of isotropic NFW halos at projected radii [V200], shape as `x`.

    s_los^2(R) Sigma(R) = 2 int_R^inf n s_r^2 r dr / sqrt(r^2 - R^2) (Binney & Mamon 1982).

    Parameters
    ----------
    x : array, shape (n,)
        Projected radius [R200c].
    concentration, tracer : float
        R200c over the scale radii of the matter and of the galaxies.
    """
    grid = np.exp(np.linspace(np.log(x.min() * 0.99), np.log(x.max()) + _FAR + 0.1, 3000))
    square = radial_dispersion(grid, concentration, tracer, 0.0, 0.0) ** 2
    u = np.linspace(0, _FAR, 800)  # r = R cosh u takes the root away
    r = x[:, None] * np.cosh(u)
    density = 1 / (r * (1 + tracer * r) ** 2)
    at = np.interp(np.log(r), np.log(grid), square)
    top, bottom = (np.trapezoid(values * r, u, axis=1) for values in (density * at, density))
    return np.asarray(np.sqrt(top / bottom))


@dataclass(frozen=True, eq=False)
class VirialMass:
    """Virial mass of one cluster.

    Attributes
    ----------
    log10_m200c, low, high : float
        log10 of M200c [Msun/h], and the 16th and 84th percentiles of its bootstraps; NaN where members are too few.
    sigma_v : float
        Line-of-sight velocity dispersion of the members [km/s].
    member : array of bool, shape (n,)
    """

    log10_m200c: float
    low: float
    high: float
    sigma_v: float
    member: Bools


def weigh(
    x: Floats,
    y: Floats,
    v_los: Floats,
    redshift: float,
    aperture: float,
    settings: Virial,
    cosmology: Cosmology,
    rng: np.random.Generator,
) -> VirialMass:
    """Return the virial mass of a cluster, with its bootstrap error.

    Members are within R200c (or the aperture, if that is less) on the sky and within `settings.cut` line-of-sight
    dispersions of an isotropic NFW halo of that R200c; their dispersion and R_PV give the virial mass, less the
    surface term the mass inside that radius, which the NFW profile extends to M200c and a new R200c. This goes on until
    it stands.

    Parameters
    ----------
    x, y : array, shape (n,)
        From the centre [Mpc/h, proper].
    v_los : array, shape (n,)
        From the cluster's mean, about [km/s].
    redshift : float
    aperture : float
        Largest radius that galaxies are known to [Mpc/h, proper].
    settings : Virial
    cosmology : Cosmology
        For E(z) and the concentration (Diemer & Joyce 2019).
    rng : numpy.random.Generator
        Draws bootstraps; each finds its own members.

    Notes
    -----
    Source: the method of GalWCat19 (Abdullah et al. 2020, section 4), but for the weights of galaxies in its choice of
    members and for the scale radius, which it fits to the members.
    """
    n = len(x)
    if n < settings.min_members:
        return VirialMass(np.nan, np.nan, np.nan, np.nan, np.zeros(n, bool))
    hubble, h = 100 * efunc(redshift, cosmology), solve_halo(settings.tracer_concentration)
    relation = mean_concentration(10**_LOG_MASS, redshift, cosmology)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=settings.bootstrap)
    weights = np.concatenate([np.ones((1, n), np.int64), drawn]).astype(np.float64)
    limits = settings.cut, float(aperture), hubble, float(settings.min_members), settings.window_km_s
    tables = h.surface, h.along, relation
    galaxies = np.hypot(x, y), np.asarray(v_los, np.float64), inverse_separations(x, y, _SOFTENING)
    mass, sigma, member = _iterate(weights, *galaxies, *tables, *limits, settings.iterations)
    good = np.log10(mass[1:][np.isfinite(mass[1:])])
    low, high = np.quantile(good, [0.16, 0.84]) if 2 * len(good) >= settings.bootstrap > 0 else (np.nan, np.nan)
    log_mass = float(np.log10(mass[0]))
    if np.isnan(log_mass):
        return VirialMass(np.nan, np.nan, np.nan, np.nan, np.zeros(n, bool))
    return VirialMass(log_mass, float(low), float(high), float(sigma[0]), member)


@compiled
def _look_up(table: Floats, concentration: float, x: float) -> float:
    """Return a table's value between its nodes, linearly in both logarithms; the nearest node's beyond them."""
    c = (np.log(concentration) - _LOG_C[0]) / (_LOG_C[1] - _LOG_C[0])
    r = (np.log(max(x, 1e-9)) - _LOG_X[0]) / (_LOG_X[1] - _LOG_X[0])
    c = min(max(c, 0.0), len(_LOG_C) - 1.000001)
    r = min(max(r, 0.0), len(_LOG_X) - 1.000001)
    i, j = int(c), int(r)
    u, v = c - i, r - j
    low = table[i, j] * (1 - v) + table[i, j + 1] * v
    return low * (1 - u) + (table[i + 1, j] * (1 - v) + table[i + 1, j + 1] * v) * u  # type: ignore[no-any-return]


@compiled
def _moments(weights: Floats, v_los: Floats, centre: float, limit: float) -> tuple[float, float]:
    """Return mean and unbiased standard deviation of velocities within a limit of a centre [km/s]; NaN without any."""
    total = first = second = 0.0
    for w, v in zip(weights, v_los):  # noqa: B905 - numba knows no strict
        if w > 0 and abs(v - centre) <= limit:
            total += w
            first += w * (v - centre)
            second += w * (v - centre) ** 2
    if total < 2:
        return np.nan, np.nan
    mean = first / total
    return centre + mean, np.sqrt(max(second / total - mean**2, 0.0) * total / (total - 1))


@compiled
def gaussian_on_background(weights: Floats, v_los: Floats, reach: float) -> tuple[float, float]:
    """Return mean and dispersion [km/s] of a Gaussian among velocities that else are even; NaN for fewer than four.

    By expectation and maximisation from 500 km/s.
    A dispersion of all velocities would be that of the window where interlopers outnumber members, and an iteration
    that begins there keeps them.

    Parameters
    ----------
    weights : array, shape (n,)
        How often each galaxy counts.
    v_los : array, shape (n,)
        [km/s]
    reach : float
        Half-length of the window that the background is even in [km/s].
    """
    total = weights.sum()
    if total < 4:
        return np.nan, np.nan
    share, centre, sigma = 0.5, 0.0, 500.0
    for _ in range(_ROUNDS):
        peak = share / (np.sqrt(2 * np.pi) * sigma) * np.exp(-(((v_los - centre) / sigma) ** 2) / 2)
        belongs = weights * peak / (peak + (1 - share) / (2 * reach))
        number = belongs.sum()
        if number < 2:
            return np.nan, np.nan
        centre = (belongs * v_los).sum() / number
        sigma = max(np.sqrt((belongs * (v_los - centre) ** 2).sum() / number), _COLDEST)
        share = min(number / total, 0.99)
    return centre, sigma


@compiled
def _iterate(
    weights: Floats,
    radius: Floats,
    v_los: Floats,
    inverse: Floats,
    surface: Floats,
    along: Floats,
    relation: Floats,
    cut: float,
    aperture: float,
    hubble: float,
    fewest: float,
    window: float,
    rounds: int,
) -> tuple[Floats, Floats, Bools]:
    """Return mass and dispersion for every row of weights, NaN where members are few, and members of the first."""
    mass, sigmas = np.full(len(weights), np.nan), np.full(len(weights), np.nan)
    first = np.zeros(len(radius), np.bool_)
    for draw in range(len(weights)):
        inner = np.where(radius <= min(1.0, aperture), weights[draw], 0.0)
        centre, sigma = gaussian_on_background(inner, v_los, window)
        r200 = np.sqrt(3) * sigma / (10 * hubble)
        enough = sigma > 0
        turn, change = 0, 1.0
        while enough and turn < rounds and change > 1e-5:
            m200 = 100 * hubble**2 * r200**3 / G
            c = np.interp(np.log10(m200), _LOG_MASS, relation)
            b = min(r200, aperture)
            used = np.zeros(len(radius))
            for i in range(len(radius)):
                if radius[i] <= b and weights[draw, i] > 0:
                    limit = cut * 10 * hubble * r200 * _look_up(along, c, radius[i] / r200)
                    if abs(v_los[i] - centre) <= limit:
                        used[i] = weights[draw, i]
            enough = used.sum() >= fewest
            if enough:
                centre, sigma = _moments(used, v_los, centre, np.inf)
                whole = virial_mass(sigma, projected_virial_radius(inverse, used))
                inside = whole * (1 - _look_up(surface, c, b / r200))
                y = c * b / r200
                share = (np.log1p(y) - y / (1 + y)) / (np.log1p(c) - c / (1 + c))
                step = np.cbrt(inside / share * G / (100 * hubble**2))
                moved = step if turn < 3 else np.sqrt(step * r200)
                enough = _SIZES[0] < moved < _SIZES[1]
                change, r200 = abs(np.log(moved / r200)), moved
                if draw == 0:
                    first = used > 0
            turn += 1
        if enough:
            mass[draw], sigmas[draw] = 100 * hubble**2 * r200**3 / G, sigma
    return mass, sigmas, first
