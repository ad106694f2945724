"""Kernel densities of clusters' galaxies over v_los, and over v_los and R_proj, on evenly spaced points.

Galaxies of all clusters stand in flat arrays: those of cluster i from `start[i]` to `start[i + 1]`. Each cluster is the
work of one thread from beginning to end, so results do not depend on how many threads there are.

Bandwidths are a factor times the standard deviation (n - 1) of the cluster's galaxies, but at least a quarter of the
distance between points: narrower kernels would fall between them. This also gives one galaxy, galaxies all at one
point, or all on a line a density; it touches no cluster whose standard deviation is a point's distance or more at the
factor 0.25 of Ho et al. (2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray
from scipy.linalg import cython_blas  # noqa: F401  # loads what numba's np.dot calls
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from clustermass.config.dynamics import Kde
from clustermass.nbody.cpu import numba_threads

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Ints = NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])

NARROWEST = 0.25  # smallest bandwidth, in distances between points
# A galaxy in the range is at most half a distance from a point, 2 narrowest bandwidths: exp(-2) for each axis.
_FEWEST = math.exp(-4) / 2
_CUT = np.float32(math.exp(-(5.5**2) / 2))  # tilted kernels are cut at 5.5 bandwidths of velocity
_BASE2 = math.sqrt(math.log2(math.e) / 2)  # exp(-u^2 / 2) is 2^-(_BASE2 u)^2
_ONE, _LOWEST, _BIAS = np.float32(1), np.float32(-60), np.int32(127)
# Taylor series of 2^x for |x| <= 1/2: what is left out is below 2e-7.
_C1, _C2, _C3, _C4, _C5, _C6 = (np.float32(math.log(2) ** k / math.factorial(k)) for k in range(1, 7))


def _compiled(parallel: bool = False) -> Callable[[_Function], _Function]:
    """Return numba's decorator, typed. Its liberties with floats change no order of sums."""
    liberties = {"contract", "nnan", "nsz"}
    return cast(Callable[[_Function], _Function], numba.njit(parallel=parallel, cache=True, fastmath=liberties))


def cell_centres(low: float, high: float, points: int) -> Floats:
    """Return the centres of equal cells between two ends, shape (points,)."""
    return np.asarray(low + (np.arange(points) + 0.5) * ((high - low) / points), np.float64)


def density_1d(velocity: Floats, start: Ints, cut: float, settings: Kde) -> Float32s:
    """Return each cluster's density of galaxies over line-of-sight velocity, with sum one.

    Parameters
    ----------
    velocity : array, shape (galaxies,)
        v_los [km/s]
    start : array of int, shape (clusters + 1,)
        Where each cluster's galaxies begin, and the last ones end.
    cut : float
        Half-length of the cylinder [km/s]: the points are the centres of equal cells from -cut to cut.
    settings : Kde

    Returns
    -------
    array of float32, shape (clusters, velocity_points)

    Raises
    ------
    ValueError
        A cluster has no galaxies, or none near the points; a value is not finite; `start` does not fit.

    Notes
    -----
    Source: Ho et al. (2019), section 3.1 and Eq. 1. "48 evenly spaced points across the cylinder cut" are read as
    centres of cells, and "normalizing to unity" as a sum of one.
    """
    check_start(start, fewest=1, v_los=velocity)
    x = _in_points(velocity, -cut, cut, settings.velocity_points)
    result = np.zeros((len(start) - 1, settings.velocity_points), np.float32)
    total = np.zeros(len(result))
    with numba_threads(settings.threads):
        _fill_1d(x, _whole(start), settings.bandwidth_factor, result, total)
    _check_reached(total)
    return result


def density_2d(velocity: Floats, radius: Floats, start: Ints, cut: float, aperture: float, settings: Kde) -> Float32s:
    """Return each cluster's density of galaxies over line-of-sight velocity and projected radius, with sum one.

    Parameters
    ----------
    velocity, radius : array, shape (galaxies,)
        v_los [km/s] and R_proj [Mpc/h, comoving].
    start : array of int, shape (clusters + 1,)
        Where each cluster's galaxies begin, and the last ones end.
    cut, aperture : float
        Half-length [km/s] and radius [Mpc/h, comoving] of the cylinder: the points are the centres of equal cells from
        -cut to cut, and from 0 to the aperture.
    settings : Kde

    Returns
    -------
    array of float32, shape (clusters, velocity_points, radius_points)

    Raises
    ------
    ValueError
        As `density_1d`.

    Notes
    -----
    Source: Ho et al. (2019), section 3.1 and Eq. 2: a product of kernels. The option `covariance` is a Gaussian whose
    covariance is that of the galaxies times the squared factor, as their code has it from scipy. Points and norm: as
    `density_1d`.
    """
    check_start(start, fewest=1, v_los=velocity, r_proj=radius)
    x = _in_points(velocity, -cut, cut, settings.velocity_points)
    y = _in_points(radius, 0.0, aperture, settings.radius_points)
    shape = (len(start) - 1, settings.velocity_points, settings.radius_points)
    result = np.zeros(shape, np.float32)
    total = np.zeros(len(result))
    # products are BLAS's: on one thread for each cluster, so that they do not depend on how many there are
    with numba_threads(settings.threads), _blas().limit(limits=1, user_api="blas"):
        _fill_2d(x, y, _whole(start), settings.bandwidth_factor, settings.kernel == "covariance", result, total)
    _check_reached(total)
    return result


def check_start(start: Ints, fewest: int, **columns: Floats) -> None:
    """Raise ValueError unless `start` divides columns of finite numbers into clusters of `fewest` galaxies or more."""
    for name, values in columns.items():
        if values.ndim != 1 or start.ndim != 1 or not len(start) or start[0] != 0 or start[-1] != len(values):
            ends = (int(start[0]), int(start[-1])) if start.ndim == 1 and len(start) else start.shape
            raise ValueError(f"{name}: expected one row for each galaxy, from 0 to {values.shape}, got start at {ends}")
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"{name}: expected finite numbers, got {values[row]} in row {row}")
    poor = np.flatnonzero(np.diff(start) < fewest)
    if len(poor):
        count = int(start[poor[0] + 1] - start[poor[0]])
        raise ValueError(f"cluster in place {poor[0]}: expected at least {fewest} galaxies, got {count}")


def _in_points(values: Floats, low: float, high: float, points: int) -> Floats:
    """Return coordinates as numbers of points, which are the centres of equal cells between two ends."""
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise ValueError(f"range of the points: expected finite ends that ascend, got {low} to {high}")
    return np.ascontiguousarray((values - low) * (points / (high - low)) - 0.5, np.float64)


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    """Return the handle of the linear algebra that numpy and scipy have loaded."""
    return ThreadpoolController()


def _whole(start: Ints) -> Ints:
    return np.ascontiguousarray(start, np.int64)


def _check_reached(total: Floats) -> None:
    """Raise ValueError if a cluster's galaxies give next to nothing at the points; `total` is the sum over these."""
    lost = np.flatnonzero(~(total >= _FEWEST))
    if len(lost):
        raise ValueError(f"cluster in place {lost[0]}: none of its galaxies is inside the range of the points")


@_compiled()
def _power(w: np.float32) -> Any:
    """Return 2^-(w^2), to 2e-7 of itself and not below 2^-60, by arithmetic that compilers turn into vectors."""
    t = max(-w * w, _LOWEST)
    whole = np.rint(t)
    x = t - whole
    series = _ONE + x * (_C1 + x * (_C2 + x * (_C3 + x * (_C4 + x * (_C5 + x * _C6)))))
    return series * np.int32((np.int32(whole) + _BIAS) << np.int32(23)).view(np.float32)


@_compiled()
def _moment(x: Floats, y: Floats) -> float:
    """Return the covariance (n - 1) of two columns; zero for one galaxy."""
    n = len(x)
    mean_x = mean_y = total = 0.0
    for i in range(n):
        mean_x += x[i]
        mean_y += y[i]
    mean_x, mean_y = mean_x / n, mean_y / n
    for i in range(n):
        total += (x[i] - mean_x) * (y[i] - mean_y)
    return total / max(n - 1, 1)


@_compiled()
def _add_kernel(row: Float32s, x: float, scale: np.float32, weight: np.float32) -> None:
    """Add weight 2^-(w^2) to the points of a row, w being `scale` times their distance from a galaxy at x."""
    nearest = np.rint(min(max(x, -1e6), 1e6))
    beyond, first = np.float32(x - nearest), np.float32(-nearest)  # between whole numbers, differences are exact
    for j in range(row.shape[0]):
        row[j] += weight * _power((first + np.float32(j) - beyond) * scale)


@_compiled()
def _normalise(points: Float32s) -> float:
    """Make points of one cluster, shape (rows, columns), sum to one; return what they summed to."""
    totals = np.zeros(points.shape[1], np.float32)
    for k in range(points.shape[0]):
        for j in range(points.shape[1]):
            totals[j] += points[k, j]
    total = 0.0
    for value in totals:
        total += float(value)
    norm = np.float32(1 / total) if total > 0 else _ONE
    for k in range(points.shape[0]):
        for j in range(points.shape[1]):
            points[k, j] *= norm
    return total


@_compiled()
def _scale(variance: float) -> np.float32:
    """Return what turns distances from a galaxy to arguments of `_power`, for the variance of a kernel."""
    return np.float32(_BASE2 / math.sqrt(max(variance, NARROWEST**2)))


@_compiled(parallel=True)
def _fill_1d(x: Floats, start: Ints, factor: float, result: Float32s, total: Floats) -> None:
    """Fill the points of each cluster, all zero before; `total` gets what they summed to. x is in points."""
    for c in prange(result.shape[0]):
        own = x[start[c] : start[c + 1]]
        scale = _scale(factor**2 * _moment(own, own))
        for position in own:
            _add_kernel(result[c], position, scale, _ONE)
        total[c] = _normalise(result[c : c + 1])


@_compiled()
def _fill_product(x: Floats, y: Floats, factor: float, result: Float32s) -> None:
    """Fill one cluster's points, shape (velocity points, radius points), with a product of kernels."""
    along = np.zeros((len(x), result.shape[0]), np.float32)
    across = np.zeros((len(x), result.shape[1]), np.float32)
    scale, steep = _scale(factor**2 * _moment(x, x)), _scale(factor**2 * _moment(y, y))
    for i in range(len(x)):
        _add_kernel(along[i], x[i], scale, _ONE)
        _add_kernel(across[i], y[i], steep, _ONE)
    np.dot(along.T, across, result)


@_compiled()
def _fill_tilted(x: Floats, y: Floats, factor: float, result: Float32s) -> None:
    """Fill one cluster's points, all zero before, with kernels of the covariance: radius follows velocity."""
    spread = max(factor**2 * _moment(x, x), NARROWEST**2)
    slope = factor**2 * _moment(x, y) / spread
    # at a velocity, what is left of the variance of radius
    scale, steep = _scale(spread), _scale(factor**2 * _moment(y, y) - slope**2 * spread)
    along = np.empty(result.shape[0], np.float32)
    for i in range(len(x)):
        along[:] = 0
        _add_kernel(along, x[i], scale, _ONE)
        for k in range(len(along)):
            if along[k] > _CUT:
                _add_kernel(result[k], y[i] + slope * (k - x[i]), steep, along[k])


@_compiled(parallel=True)
def _fill_2d(x: Floats, y: Floats, start: Ints, factor: float, tilted: bool, result: Float32s, total: Floats) -> None:
    """Fill the points of each cluster, as `_fill_1d`; x and y are in points of velocity and radius."""
    for c in prange(result.shape[0]):
        own = slice(start[c], start[c + 1])
        if tilted:
            _fill_tilted(x[own], y[own], factor, result[c])
        else:
            _fill_product(x[own], y[own], factor, result[c])
        total[c] = _normalise(result[c])
