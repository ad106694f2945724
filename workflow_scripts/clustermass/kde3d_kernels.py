"""Gaussian kernels of clusters' galaxies on a cube of voxels, and their sums on the CPU.

Everything is in units of voxels: the centre of the first voxel is 0 on each axis, that of the next 1.

On a row of voxels a three-dimensional Gaussian is a one-dimensional one, which has the same width on every row of a
cluster's cube; only its centre and its height vary. So the row is tabulated, once for each cluster, for centres at
fixed fractions of a voxel, along with its derivative by the centre, which makes up for what lies between them. No
exponential is left in the innermost loop, and no number is above one, whatever the tilt of the covariance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

from clustermass.config.dynamics import Kde3d
from clustermass.kde import NARROWEST, _power, check_start
from clustermass.nbody.cpu import numba_threads

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Ints = NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])

REACH = 5.25  # standard deviations at which kernels end: 1e-6 of their height
# Tabulated centres in a standard deviation: none is farther than 1/600 of it, and what the derivative leaves out is
# half the square of that at most, 1.4e-6 of the height.
_CENTRES = 300
_FEWEST_CENTRES = 16
_LANES = 8  # rows are tabulated in multiples of it, which processors add at once
_BASE2 = math.sqrt(math.log2(math.e) / 2)  # exp(-u^2 / 2) is 2^-(_BASE2 u)^2
_index = np.uint64  # never negative, which lets compilers make vectors


def _compiled(**options: Any) -> Callable[[_Function], _Function]:
    """Return numba's decorator, typed. Its liberties with floats change no order of sums."""
    liberties = {"contract", "nnan", "nsz"}
    decorator = numba.njit(cache=True, fastmath=liberties, error_model="numpy", **options)
    return cast(Callable[[_Function], _Function], decorator)


@dataclass(frozen=True)
class Kernels:
    """Gaussian kernels of clusters' galaxies in units of voxels.

    Attributes
    ----------
    positions : (galaxies, 3) array
        (v_los, x, y) of the galaxies in the window.
    start : (clusters + 1,) array
        Where each cluster's galaxies begin, and the last ones end.
    precision : (clusters, 3, 3) array
        Inverse of the bandwidth matrix H of each cluster.
    voxels : int
        Along a side of the cube.
    """

    positions: Floats
    start: Ints
    precision: Floats
    voxels: int


def cluster_kernels(
    v_los: Floats, x: Floats, y: Floats, start: Ints, aperture: float, cut: float, voxels: int, settings: Kde3d
) -> Kernels:
    """Return the kernels of the galaxies in a window; parameters, raises and source as `kde3d.density_3d`."""
    check_start(start, fewest=1, v_los=v_los, x=x, y=y)
    ends = np.array([cut, aperture, aperture], np.float64)
    if not (np.isfinite(ends).all() and (ends > 0).all()):
        raise ValueError(f"window: expected a positive aperture and cut, got {aperture} and {cut}")
    if voxels < 2:
        raise ValueError(f"voxels: expected at least 2 along a side, got {voxels}")
    galaxies = np.stack([v_los, x, y], axis=1, dtype=np.float64)
    inside = (np.abs(galaxies) <= ends).all(1)
    start = np.append(0, np.cumsum(inside))[start].astype(np.int64)
    lost = np.flatnonzero(np.diff(start) == 0)
    if len(lost):
        raise ValueError(f"cluster in place {lost[0]}: none of its galaxies is inside the window")
    positions = (galaxies[inside] + ends) * (voxels / (2 * ends)) - 0.5
    power = 2 if settings.bandwidth_reading == "deviation" else 1
    bandwidth = settings.bandwidth**power * _covariance(positions, start)
    return Kernels(positions, start, _precision(bandwidth), voxels)


def _covariance(positions: Floats, start: Ints) -> Floats:
    """Return the sample covariance (n - 1) of each cluster's galaxies, (clusters, 3, 3); zero for one galaxy."""
    counts = np.diff(start)
    cluster = np.repeat(np.arange(len(counts)), counts)

    def total(values: Floats) -> Floats:
        return np.bincount(cluster, values, minlength=len(counts)).astype(np.float64)  # of nothing it counts

    off = positions - np.stack([total(column) / counts for column in positions.T], axis=1)[cluster]
    products = [total(off[:, a] * off[:, b]) for a in range(3) for b in range(3)]
    degrees = np.maximum(counts - 1, 1)[:, None, None]
    return np.asarray(np.stack(products, axis=1).reshape(-1, 3, 3) / degrees)


def _precision(bandwidth: Floats) -> Floats:
    """Return the inverse of bandwidth matrices, (clusters, 3, 3), that are nowhere narrower than `NARROWEST`."""
    variance, axes = np.linalg.eigh(bandwidth)
    return np.asarray(axes / np.maximum(variance, NARROWEST**2)[:, None] @ axes.swapaxes(1, 2))


def fill_cubes(kernels: Kernels, rows: Ints, threads: int) -> Float32s:
    """Return the densities of some clusters, (rows, voxels, voxels, voxels), each with sum one.

    Each cluster is the work of one thread, so that results do not depend on how many there are.
    """
    cubes = np.empty((len(rows), kernels.voxels, kernels.voxels, kernels.voxels), np.float32)
    with numba_threads(threads):
        _fill(kernels.positions, kernels.start, kernels.precision, np.ascontiguousarray(rows, np.int64), cubes)
    return cubes


@_compiled(parallel=True)
def _fill(positions: Floats, start: Ints, precision: Floats, rows: Ints, cubes: Float32s) -> None:
    for r in prange(len(rows)):
        c = rows[r]
        _fill_cube(positions[start[c] : start[c + 1]], precision[c], cubes[r])


@_compiled()
def _row_table(width: float) -> Any:
    """Tabulate rows of a Gaussian of height one.

    Returns
    -------
    centres, length : int
        Rows tabulated, and voxels of a row, half of them from its middle on. Centres lie evenly up to half a voxel
        before and after the middle.
    table : (centres * 2 * length,) array
        For each centre the Gaussian, then what it gains by a voxel's shift of the centre.
    """
    half = (math.ceil(REACH * width + 0.5) + _LANES // 2 - 1) // (_LANES // 2) * (_LANES // 2)
    centres, length = max(math.ceil(_CENTRES / width), _FEWEST_CENTRES), 2 * half
    table = np.empty(centres * 2 * length, np.float32)
    scale, steep = np.float32(_BASE2 / width), np.float32(1 / width**2)
    for q in range(centres):
        row, slope = _index(2 * q * length), _index((2 * q + 1) * length)
        first = np.float32(-half - ((q + 0.5) / centres - 0.5))
        for k in range(length):
            distance = first + np.float32(k)
            value = _power(distance * scale)
            table[row + _index(k)] = value
            table[slope + _index(k)] = steep * distance * value
    return centres, length, table


@_compiled()
def _fill_cube(positions: Floats, precision: Floats, cube: Float32s) -> None:
    """Fill one cluster's cube with the sum of its kernels, made to sum to one.

    A kernel is a Gaussian of v, times one of x that is centred where v has it, times one of y that v and x centre.
    """
    p = precision
    y_by_v, y_by_x = p[2, 0] / p[2, 2], p[2, 1] / p[2, 2]
    in_x = p[1, 1] - p[1, 2] * y_by_x
    x_by_v = (p[0, 1] - p[1, 2] * y_by_v) / in_x
    in_v = p[0, 0] - p[0, 2] * y_by_v - in_x * x_by_v**2
    centres, length, table = _row_table(1 / math.sqrt(p[2, 2]))
    voxels, scale = len(cube), np.float32(_BASE2 * math.sqrt(in_x))
    # a row of the plane has room for that of a kernel on both sides of the cube, so that none needs clipping
    wide = voxels + 2 * length
    plane, columns = np.zeros(voxels * wide, np.float32), np.zeros(voxels, np.float32)
    # of a kernel's rows in a plane: height, that times the shift from the tabulated centre, and where both are
    weights, gains = np.empty(voxels + _LANES, np.float32), np.empty(voxels + _LANES, np.float32)
    sources, targets = np.empty(voxels + _LANES, np.int64), np.empty(voxels + _LANES, np.int64)
    for i in range(voxels):
        for n in range(len(positions)):
            dv = i - positions[n, 0]
            left = REACH**2 - in_v * dv * dv
            if left > 0:
                x = positions[n, 1] - x_by_v * dv
                reach = math.sqrt(left / in_x)
                low, high = max(math.ceil(x - reach), 0), min(math.floor(x + reach), voxels - 1)
                height, first = np.float32(math.exp(-in_v * dv * dv / 2)), np.float32(low - x)
                y = positions[n, 2] - y_by_v * dv - y_by_x * (low - positions[n, 1])
                for j in range((high - low) // _LANES * _LANES + _LANES):  # whole vectors; the last few are not used
                    weight = height * _power((first + np.float32(j)) * scale)
                    centre = y - y_by_x * j
                    nearest = np.rint(centre)
                    shift = centre - nearest
                    q = min(np.floor((shift + 0.5) * centres), centres - 1.0)
                    weights[j] = weight
                    gains[j] = weight * np.float32(shift - ((q + 0.5) / centres - 0.5))
                    sources[j] = np.int64(q) * (2 * length)
                    # rows that miss the cube go beside it
                    begin = np.int64(min(max(nearest + length // 2, 0.0), float(voxels + length)))
                    targets[j] = (low + j) * wide + begin
                for j in range(high - low + 1):
                    _add_row(plane, targets[j], table, sources[j], length, weights[j], gains[j])
        _take_plane(plane, wide, cube[i], columns)
    norm, values = np.float32(1 / columns.sum()), cube.reshape(-1)
    for k in range(len(values)):
        values[k] *= norm


@_compiled(inline="always")
def _add_row(
    sums: Float32s, target: int, table: Float32s, source: int, length: int, weight: np.float32, gain: np.float32
) -> None:
    """Add a tabulated row, times a weight, and its slope, times a gain, to sums."""
    to, row, slope = _index(target), _index(source), _index(source + length)
    for k in range(length):
        sums[to + _index(k)] += weight * table[row + _index(k)] + gain * table[slope + _index(k)]


@_compiled()
def _take_plane(plane: Float32s, wide: int, result: Float32s, columns: Float32s) -> None:
    """Move what a plane has in the cube to a result, and add it to the sums of columns."""
    voxels = len(result)
    for j in range(voxels):
        first = _index(j * wide + (wide - voxels) // 2)
        for k in range(voxels):
            value = plane[first + _index(k)]
            result[j, k] = value
            columns[k] += value
        for k in range(voxels):
            plane[first + _index(k)] = 0
