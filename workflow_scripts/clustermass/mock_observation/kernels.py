"""Compiled loops of the mock observation; the other modules say what they are for.

Relativistic velocities along one line are added and subtracted as rapidities, artanh(v / c), where it is a plain sum;
the Hubble velocity of Ho et al. (2019), Eq. 19, is the one of rapidity ln(1 + z). So Eq. 22 is, exactly,

    artanh(v_los / c) = artanh(v_gal / c) - artanh(v_clu / c) + ln((1 + z_gal) / (1 + z_clu)).

Arrays common to all. Galaxies in cell order: `positions`, shape (n, 3) [Mpc/h]; `start`, shape (cells^3 + 1,), where
each cell begins; `velocities`, shape (n, 3) [km/s]; `box`, side of the periodic box [Mpc/h]. Projections: `centres`,
`speeds`, `los`, shape (p, 3), of the cluster [Mpc/h], [km/s] and the unit vector away from the observer. `flow`,
shape (k,): ln((1 + z_gal) / (1 + z_clu)) at k even offsets along the line from -`reach` to `reach` [Mpc/h]. `first`,
shape (p + 1,), where each projection's galaxies begin in the outputs `x`, `y` [Mpc/h], `v` [km/s], `galaxy` (place in
cell order).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

_Function = TypeVar("_Function", bound=Callable[..., Any])

Array = NDArray[Any]
SPEED_OF_LIGHT = 299792.458  # km/s


def _compiled(parallel: bool = False) -> Callable[[_Function], _Function]:
    """Return numba's decorator, typed. No fastmath: results must not depend on how a compiler groups terms."""
    return cast(Callable[[_Function], _Function], numba.njit(parallel=parallel, cache=True))


@_compiled()
def basis(los: Array) -> Array:
    """Return x, y and the line of sight as rows, shape (3, 3): right-handed; for an axis of the box the other two."""
    axes = np.zeros((3, 3))
    after = (np.argmax(np.abs(los)) + 1) % 3  # at least 45 degrees from the line of sight
    axes[0, after] = 1.0
    axes[0] -= los[after] * los
    axes[0] /= np.sqrt(np.sum(axes[0] ** 2))
    axes[1, 0] = los[1] * axes[0, 2] - los[2] * axes[0, 1]
    axes[1, 1] = los[2] * axes[0, 0] - los[0] * axes[0, 2]
    axes[1, 2] = los[0] * axes[0, 1] - los[1] * axes[0, 0]
    axes[2] = los
    return axes


@_compiled()
def _dot(a: Array, b: Array) -> float:
    """Return the scalar product of two vectors."""
    return float(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


@_compiled()
def _rapidity(flow: Array, reach: float, offset: float, velocity: float, cluster: float) -> float:
    """Return the rapidity of a galaxy `offset` behind the cluster; `velocity`, `cluster`: peculiar, along the line."""
    place = (offset + reach) * ((flow.size - 1) / (2 * reach))
    k = min(max(int(place), 0), flow.size - 2)
    hubble = flow[k] + (flow[k + 1] - flow[k]) * (place - k)
    return float(hubble + np.arctanh(velocity / SPEED_OF_LIGHT) - np.arctanh(cluster / SPEED_OF_LIGHT))


@_compiled()
def uniform(key: int, i: int) -> float:
    """Return a random number, 0 <= u < 1, of a key and an index: the same in whatever order galaxies are looked at.

    Notes
    -----
    Source: the mixing function of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA '14, 453), `i` steps after `key`.
    """
    z = np.uint64(key) + np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@_compiled()
def _observed(i: int, x: float, y: float, offset: float, survey: tuple[Any, ...]) -> bool:
    """Return whether a galaxy is in a square window, bright enough and not missed; without magnitudes: every one is."""
    magnitudes, half, distance, faintest, step, completeness, key = survey
    if not magnitudes.size:
        return True
    if max(abs(x), abs(y)) > half:
        return False
    place = np.sqrt((distance + offset) ** 2 + x * x + y * y) / step
    node = min(int(place), faintest.size - 2)
    if magnitudes[i] >= faintest[node] + (place - node) * (faintest[node + 1] - faintest[node]):
        return False
    return bool(uniform(key, i) < completeness)


@_compiled()
def _cut_one(
    positions: Array,
    start: Array,
    box: float,
    centre: Array,
    los: Array,
    radius: float,
    reach: float,
    motion: tuple[Any, ...],
    survey: tuple[Any, ...],
    first: int,
    x: Array,
    y: Array,
    v: Array,
    galaxy: Array,
) -> int:
    """Return how many galaxies of one cylinder are observed, and write them from row `first` on where there is room.

    `motion`: velocities, flow, velocity of the cluster along the line, largest rapidity; `survey`: see `_observed`.

    The cells that the cylinder touches are found layer by layer along the axis d of the box that is nearest to the
    line. A point of the cylinder is s los + q, q at right angles to los and no longer than the radius, so
    p_e = slope p_d + q . (e - slope d) with slope = los_e / los_d, and the last vector is sqrt(1 + slope^2) long.
    """
    cells = round((start.size - 1) ** (1 / 3))
    side = box / cells
    axes = basis(los)
    velocities, flow, cluster, limit = motion
    d = np.argmax(np.abs(los))
    e, f = (d + 1) % 3, (d + 2) % 3
    slope_e, slope_f = los[e] / los[d], los[f] / los[d]
    wide_e, wide_f = radius * np.sqrt(1 + slope_e**2), radius * np.sqrt(1 + slope_f**2)
    far = reach * abs(los[d]) + radius * np.sqrt(max(1 - los[d] ** 2, 0.0))
    cell, away = np.empty(3, np.int64), np.empty(3)
    count = 0
    for layer in range(int(np.floor((centre[d] - far) / side)), int(np.floor((centre[d] + far) / side)) + 1):
        cell[d] = layer
        low, high = layer * side - centre[d], (layer + 1) * side - centre[d]
        low_e, high_e = min(slope_e * low, slope_e * high) - wide_e, max(slope_e * low, slope_e * high) + wide_e
        low_f, high_f = min(slope_f * low, slope_f * high) - wide_f, max(slope_f * low, slope_f * high) + wide_f
        for row in range(int(np.floor((centre[e] + low_e) / side)), int(np.floor((centre[e] + high_e) / side)) + 1):
            cell[e] = row
            for place in range(
                int(np.floor((centre[f] + low_f) / side)), int(np.floor((centre[f] + high_f) / side)) + 1
            ):
                cell[f] = place
                number = (cell[0] % cells * cells + cell[1] % cells) * cells + cell[2] % cells
                for i in range(start[number], start[number + 1]):
                    for axis in range(3):  # to the image of the galaxy in this cell
                        away[axis] = positions[i, axis] + box * (cell[axis] // cells) - centre[axis]
                    on_x, on_y, offset = _dot(away, axes[0]), _dot(away, axes[1]), _dot(away, los)
                    if on_x * on_x + on_y * on_y > radius * radius or abs(offset) > reach:
                        continue
                    if not _observed(i, on_x, on_y, offset, survey):
                        continue
                    rapidity = _rapidity(flow, reach, offset, _dot(velocities[i], los), cluster)
                    if abs(rapidity) > limit:
                        continue
                    if x.size:
                        x[first + count], y[first + count] = on_x, on_y
                        v[first + count], galaxy[first + count] = SPEED_OF_LIGHT * np.tanh(rapidity), i
                    count += 1
    return count


@_compiled(parallel=True)
def cut_cylinders(
    positions: Array,
    start: Array,
    velocities: Array,
    box: float,
    centres: Array,
    speeds: Array,
    los: Array,
    aperture: float,
    limit: float,
    flow: Array,
    reach: float,
    first: Array,
    x: Array,
    y: Array,
    v: Array,
    galaxy: Array,
) -> Array:
    """Return how many galaxies are in each cylinder, shape (p,), and write them where the outputs are not empty.

    `aperture` [Mpc/h] and `limit`, a rapidity, are inclusive.
    """
    everything = np.empty(0), 0.0, 0.0, np.empty(0), 1.0, 1.0, np.uint64(0)
    counts = np.zeros(los.shape[0], np.int64)
    for p in prange(los.shape[0]):
        motion = velocities, flow, _dot(speeds[p], los[p]), limit
        cylinder = positions, start, box, centres[p], los[p], aperture, reach
        counts[p] = _cut_one(*cylinder, motion, everything, first[p], x, y, v, galaxy)
    return counts


@_compiled(parallel=True)
def cut_windows(
    positions: Array,
    start: Array,
    velocities: Array,
    magnitudes: Array,
    box: float,
    centres: Array,
    speeds: Array,
    los: Array,
    distance: Array,
    completeness: Array,
    key: Array,
    half: float,
    limit: float,
    flow: Array,
    reach: float,
    faintest: Array,
    step: float,
    first: Array,
    x: Array,
    y: Array,
    v: Array,
    galaxy: Array,
) -> Array:
    """Return how many galaxies of a flux-limited survey are in each square window, shape (p,), and write them.

    `magnitudes`, shape (n,): absolute ones; `distance`, shape (p,): of the observer from the cluster [Mpc/h];
    `completeness`, shape (p,): share of the galaxies with a redshift, which `key`, shape (p,), draws; `half`: half-side
    of the window [Mpc/h], inclusive as `limit`, a rapidity; `faintest`: absolute magnitude that a galaxy must be
    brighter than, at multiples of `step` [Mpc/h] of its own distance from the observer.
    """
    counts = np.zeros(los.shape[0], np.int64)
    for p in prange(los.shape[0]):
        motion = velocities, flow, _dot(speeds[p], los[p]), limit
        survey = magnitudes, half, distance[p], faintest, step, completeness[p], key[p]
        cylinder = positions, start, box, centres[p], los[p], np.sqrt(2.0) * half, reach
        counts[p] = _cut_one(*cylinder, motion, survey, first[p], x, y, v, galaxy)
    return counts


@_compiled(parallel=True)
def project_members(
    positions: Array,
    velocities: Array,
    box: float,
    centres: Array,
    speeds: Array,
    los: Array,
    flow: Array,
    reach: float,
    members: Array,
    offsets: Array,
    halo: Array,
    first: Array,
    x: Array,
    y: Array,
    v: Array,
    galaxy: Array,
) -> None:
    """Write the observables of all members of each projection's halo, whether in a cylinder or not.

    `members`, place in cell order, from `offsets[h]` to `offsets[h + 1]` for halo h; `halo`, shape (p,).
    """
    for p in prange(los.shape[0]):
        axes = basis(los[p])
        cluster = _dot(speeds[p], los[p])
        away = np.empty(3)
        row = first[p]
        for m in range(offsets[halo[p]], offsets[halo[p] + 1]):
            i = members[m]
            for axis in range(3):
                distance = positions[i, axis] - centres[p, axis]
                away[axis] = distance - box * np.round(distance / box)
            offset = _dot(away, los[p])
            rapidity = _rapidity(flow, reach, offset, _dot(velocities[i], los[p]), cluster)
            x[row], y[row] = _dot(away, axes[0]), _dot(away, axes[1])
            v[row], galaxy[row] = SPEED_OF_LIGHT * np.tanh(rapidity), i
            row += 1
