"""Compiled loops of the measurement of richness; `clustermass.sources.richness` says what they are for.

All stand in one file because numba's cache of compiled code notices changes of the file that a function stands in, not
of the files of the functions that it calls. Arrays common to all: `separation` [rad] and `z_red` of the galaxies around
a candidate, and `free`, the share of each that richer clusters left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

_Function = TypeVar("_Function", bound=Callable[..., Any])

Array = NDArray[Any]

# Rykoff et al. (2012, ApJ 746, 178; 2014, ApJ 785, 104)
RADIUS, RADIUS_SLOPE = 1.0, 0.2  # R_lambda = RADIUS (lambda / 100)^RADIUS_SLOPE, proper Mpc/h
SCALE_RADIUS, CORE_RADIUS = 0.15, 0.1  # of the NFW filter, which is constant in the core [proper Mpc/h]
EDGE = 0.05  # Gaussian softness of the edge at R_lambda [proper Mpc/h]; about redMaPPer's, recalled
WINDOW = 4.0  # in widths of red-sequence redshifts: galaxies that are looked at; beyond it the filter is below 4e-4
MAX_SEEN = 400.0  # members that a cluster may have
MIN_SEEN = 2.5  # a candidate with fewer has none; half of what is kept in the end
PRECISION, MAX_STEPS = 1e-4, 60  # relative, of the sum of probabilities, and steps to get there
NONE, TINY = -100.0, 1e-12  # ln of a sum of nothing; smallest 1 - p
CENTRE = 1.0  # in the same widths: how far a cluster's redshift may be from that of its central galaxy, ours
REDSHIFT_PRECISION, REDSHIFT_STEPS = 5e-4, 20  # of the iteration for the cluster's redshift


class Sky(NamedTuple):
    """Galaxies sorted into rows of cells on the sky.

    Attributes
    ----------
    height : float
        Of a row [deg]; rows count from the south pole.
    first : array of int, shape (n_rows + 1,)
        First cell of every row; cells of a row divide right ascension evenly, from 0.
    start : array of int, shape (n_cells + 1,)
        Where each cell begins among the galaxies.
    vectors : array, shape (n, 3)
        Unit vectors.
    z_red : array of float32, shape (n,)
    """

    height: float
    first: Array
    start: Array
    vectors: Array
    z_red: Array


def _compiled(parallel: bool = False) -> Callable[[_Function], _Function]:
    """Return numba's decorator, typed. No fastmath: results must not depend on how a compiler groups terms."""
    return cast(Callable[[_Function], _Function], numba.njit(parallel=parallel, cache=True))


@_compiled()
def nfw_surface(x: float) -> float:
    """Return the projected NFW profile at x scale radii, in units of twice the characteristic density times them."""
    if abs(x - 1) < 1e-4:
        return 1 / 3 - 0.4 * (x - 1)
    if x < 1:
        root = math.sqrt(1 - x * x)
        return (1 - math.acosh(1 / x) / root) / (x * x - 1)
    root = math.sqrt(x * x - 1)
    return (1 - math.acos(1 / x) / root) / (x * x - 1)


@_compiled()
def nfw_enclosed(x: float) -> float:
    """Return the integral of 2 pi x `nfw_surface` from 0 to x."""
    if abs(x - 1) < 1e-6:
        return 2 * math.pi * (math.log(0.5) + 1)
    if x < 1:
        return 2 * math.pi * (math.log(x / 2) + math.acosh(1 / x) / math.sqrt(1 - x * x))
    return 2 * math.pi * (math.log(x / 2) + math.acos(1 / x) / math.sqrt(x * x - 1))


@_compiled()
def radial_filter(radius: float) -> float:
    """Return the NFW filter, flat in the core, without its normalisation, at a radius [Mpc/h]."""
    return nfw_surface(max(radius, CORE_RADIUS) / SCALE_RADIUS)


@_compiled()
def filter_norm(limit: float) -> float:
    """Return the integral of 2 pi R `radial_filter` out to a radius beyond the core [(Mpc/h)^2]."""
    core = CORE_RADIUS / SCALE_RADIUS
    flat = math.pi * core * core * nfw_surface(core)
    return SCALE_RADIUS**2 * (flat + nfw_enclosed(limit / SCALE_RADIUS) - nfw_enclosed(core))


@_compiled()
def cluster_radius(richness: float) -> float:
    """Return R_lambda [proper Mpc/h]."""
    return float(RADIUS * (richness / 100) ** RADIUS_SLOPE)


@_compiled()
def _inside(radius: float, limit: float) -> float:
    """Return the weight of the soft edge: 1 well inside, 0 well outside the limiting radius."""
    x = (radius - limit) / EDGE
    if x < -5:
        return 1.0
    if x > 5:
        return 0.0
    return 0.5 * math.erfc(x / math.sqrt(2.0))


@_compiled()
def _at(table: Array, step: float, redshift: float) -> float:
    """Return a table of even nodes from 0 at a redshift, linear between them and held at the ends."""
    place = min(max(redshift / step, 0.0), table.shape[0] - 1.0)
    i = min(int(place), table.shape[0] - 2)
    return float(table[i] + (place - i) * (table[i + 1] - table[i]))


@_compiled()
def _neighbours(
    sky: Sky, ra: float, dec: float, vector: Array, angle: float, low: float, high: float
) -> tuple[Any, Any]:
    """Return galaxies within an angle [rad] and a range of red-sequence redshifts, and their separations [rad]."""
    degrees = angle * 180 / math.pi
    rows = sky.first.shape[0] - 1
    bottom = max(int((dec - degrees + 90) / sky.height), 0)
    top = min(int((dec + degrees + 90) / sky.height), rows - 1)
    wide = 360.0
    if abs(dec) + degrees < 89.9:
        wide = math.asin(math.sin(angle) / math.cos(dec * math.pi / 180)) * 180 / math.pi
    galaxy, separation = np.empty(64, np.int64), np.empty(64)
    n, limit = 0, 4 * math.sin(angle / 2) ** 2
    for row in range(bottom, top + 1):
        columns = sky.first[row + 1] - sky.first[row]
        left = math.floor((ra - wide) / 360 * columns)
        count = min(math.floor((ra + wide) / 360 * columns) - left + 1, columns)
        for step in range(count):
            cell = sky.first[row] + (left + step) % columns
            for j in range(sky.start[cell], sky.start[cell + 1]):
                if sky.z_red[j] < low or sky.z_red[j] > high:
                    continue
                chord = 0.0
                for axis in range(3):
                    chord += (sky.vectors[j, axis] - vector[axis]) ** 2
                if chord > limit:
                    continue
                if n == galaxy.shape[0]:
                    galaxy = np.concatenate((galaxy, np.empty(n, np.int64)))
                    separation = np.concatenate((separation, np.empty(n)))
                galaxy[n], separation[n] = j, 2 * math.asin(math.sqrt(chord) / 2)
                n += 1
    return galaxy[:n], separation[:n]


@_compiled()
def _around(sky: Sky, filters: Any, ra: float, dec: float, vector: Array, redshift: float) -> tuple[Any, Any]:
    """Return the galaxies that may belong to a candidate."""
    reach = cluster_radius(MAX_SEEN) / _at(filters.distance, filters.step, redshift)
    span = WINDOW * _at(filters.width, filters.step, redshift)
    return _neighbours(sky, ra, dec, vector, reach, redshift - span, redshift + span)


@_compiled()
def _excess(signal: Array, density: Array, radius: Array, free: Array, log_members: float, scale: float) -> float:
    """Return ln of the sum of probabilities over the number of members, if a cluster had that number."""
    members = math.exp(log_members)
    limit = cluster_radius(members * scale)
    norm = filter_norm(limit)
    total = 0.0
    for i in range(signal.shape[0]):
        inside = _inside(radius[i], limit)
        if inside > 0 and signal[i] > 0:
            expected = members * signal[i] / norm
            total += free[i] * inside * expected / (expected + density[i])
    return math.log(total / members) if total > 0 else NONE


@_compiled()
def solve_members(signal: Array, density: Array, radius: Array, free: Array, scale: float) -> float:
    """Return the number of members that equals the sum of their probabilities, or 0 where there is none.

    The excess falls almost linearly in ln of the number: false position (its Illinois variant) takes few steps.

    Parameters
    ----------
    signal : array, shape (n,)
        Filter without its radial normalisation.
    density : array, shape (n,)
        Background, in the same units.
    radius : array, shape (n,)
        [Mpc/h]
    scale : float
        S: R_lambda belongs to lambda, which is S times the members seen.
    """
    low, high = math.log(MIN_SEEN), math.log(MAX_SEEN)
    above = _excess(signal, density, radius, free, low, scale)
    below = _excess(signal, density, radius, free, high, scale)
    if above <= 0:
        return 0.0
    if below >= 0:
        return MAX_SEEN
    middle, last = low, 0
    for _ in range(MAX_STEPS):
        middle = (low * below - high * above) / (below - above)
        excess = _excess(signal, density, radius, free, middle, scale)
        if abs(excess) < PRECISION:
            break
        if excess > 0:
            low, above = middle, excess
            below = below / 2 if last == 1 else below
            last = 1
        else:
            high, below = middle, excess
            above = above / 2 if last == -1 else above
            last = -1
    return math.exp(middle)


@_compiled()
def fit_cluster(
    filters: Any, separation: Array, z_red: Array, free: Array, redshift: float
) -> tuple[float, float, Any, Any, Any]:
    """Return members, redshift, probabilities (their own, and as they count here) and radii.

    The redshift maximises the likelihood of galaxies that are members or background: it is moved to the mean of z_red,
    weighed by the probabilities, until it stays (expectation maximisation).
    """
    n, step = separation.shape[0], filters.step
    signal, density, radius = np.empty(n), np.empty(n), np.empty(n)
    p, counted = np.zeros(n), np.zeros(n)
    for i in range(n):
        density[i] = _at(filters.background, step, z_red[i])
    sky_density, members, scale = density.copy(), 0.0, 1.0
    room = CENTRE * _at(filters.width, step, redshift)
    low, high = max(redshift - room, step), redshift + room
    for _ in range(REDSHIFT_STEPS):
        distance, width = _at(filters.distance, step, redshift), _at(filters.width, step, redshift)
        scale = _at(filters.scale, step, redshift)
        for i in range(n):
            radius[i] = separation[i] * distance
            x = (z_red[i] - redshift) / width
            signal[i] = radial_filter(radius[i]) * math.exp(-0.5 * x * x) / (math.sqrt(2 * math.pi) * width)
            density[i] = sky_density[i] / distance**2
        members = solve_members(signal, density, radius, free, scale)
        if members == 0:
            break
        limit = cluster_radius(members * scale)
        norm = filter_norm(limit)
        moment, total = 0.0, 0.0
        for i in range(n):
            expected = members * signal[i] / norm
            inside = _inside(radius[i], limit)
            p[i] = inside * expected / (expected + density[i]) if inside > 0 and expected > 0 else 0.0
            counted[i] = p[i] * free[i]
            moment += counted[i] * z_red[i]
            total += counted[i]
        moved = min(max(moment / total, low), high)
        if abs(moved - redshift) < REDSHIFT_PRECISION:
            break
        redshift = moved
    return members, redshift, p, counted, radius


@_compiled()
def log_likelihood(members: float, p: Array) -> float:
    """Return ln of the likelihood of the galaxies with a cluster over that without (Rykoff et al. 2014)."""
    total = -members
    for i in range(p.shape[0]):
        total -= math.log(max(1 - p[i], TINY))
    return total


@_compiled(parallel=True)
def measure_alone(sky: Sky, filters: Any, ra: Array, dec: Array, vectors: Array, redshift: Array) -> Array:
    """Return members seen and log-likelihood of every candidate, if it were the only one; shape (n, 2)."""
    n = ra.shape[0]
    found = np.zeros((n, 2))
    for i in prange(n):
        galaxy, separation = _around(sky, filters, ra[i], dec[i], vectors[i], redshift[i])
        z_red = sky.z_red[galaxy].astype(np.float64)
        fit = fit_cluster(filters, separation, z_red, np.ones(len(galaxy)), redshift[i])
        found[i, 0], found[i, 1] = fit[0], log_likelihood(fit[0], fit[2])
    return found


@_compiled()
def _variances(filters: Any, z_red: Array, counted: Array, redshift: float) -> tuple[float, float]:
    """Return the variances of the sum of probabilities and of the redshift (observed information of a mixture)."""
    width = _at(filters.width, filters.step, redshift)
    variance, total, missing = 0.0, 0.0, 0.0
    for i in range(z_red.shape[0]):
        doubt = counted[i] * (1 - counted[i])
        variance += doubt
        total += counted[i]
        missing += doubt * ((z_red[i] - redshift) / width) ** 2
    return variance, width**2 / max(total - missing, 0.1 * total)


@_compiled()
def percolate(
    sky: Sky,
    filters: Any,
    ra: Array,
    dec: Array,
    vectors: Array,
    redshift: Array,
    min_members: float,
    min_membership: float,
) -> tuple[Array, Array, Array, Array, Array]:
    """Measure candidates one after the other, each with what those before it leave of the galaxies.

    Returns
    -------
    found : array, shape (n, 4)
        Members seen, redshift, and the variances of both.
    cluster, galaxy : array of int, shape (n_members,)
        Candidate and galaxy of every member, for candidates of more than `min_members`.
    probability, distance : array, shape (n_members,)
        Of membership, and from the centre [Mpc/h].
    """
    n, m = ra.shape[0], 0
    found = np.zeros((n, 4))
    left = np.ones(sky.z_red.shape[0], np.float32)
    cluster, member = np.empty(1024, np.int64), np.empty(1024, np.int64)
    probability, distance = np.empty(1024), np.empty(1024)
    for i in range(n):
        galaxy, separation = _around(sky, filters, ra[i], dec[i], vectors[i], redshift[i])
        z_red, free = sky.z_red[galaxy].astype(np.float64), left[galaxy].astype(np.float64)
        members, z, p, counted, radius = fit_cluster(filters, separation, z_red, free, redshift[i])
        if members <= min_members:
            continue
        found[i, 0], found[i, 1] = members, z
        found[i, 2], found[i, 3] = _variances(filters, z_red, counted, z)
        while m + len(galaxy) > len(cluster):
            grown = len(cluster)
            cluster = np.concatenate((cluster, np.empty(grown, np.int64)))
            member = np.concatenate((member, np.empty(grown, np.int64)))
            probability = np.concatenate((probability, np.empty(grown)))
            distance = np.concatenate((distance, np.empty(grown)))
        for j in range(len(galaxy)):
            left[galaxy[j]] *= np.float32(1 - p[j])
            if counted[j] >= min_membership:
                cluster[m], member[m], probability[m], distance[m] = i, galaxy[j], counted[j], radius[j]
                m += 1
    return found, cluster[:m], member[:m], probability[:m], distance[:m]
