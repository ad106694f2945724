"""Compiled loops of the halo finder; the other modules say what they are for.

All stand in one file because numba's cache of compiled code notices changes of the file that a function stands in, not
of the files of the functions that it calls. Distances are differences of float32 coordinates taken in double
precision, where they are exact: a pair is as far apart in one order as in the other.

Arrays common to all: `positions`, shape (n, 3), particles sorted into cells [Mpc/h]; `start`, shape (cells^3 + 1,),
where each cell begins; `box`, side of the periodic box [Mpc/h]; `cells`, number of cells along it.
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


def _compiled(parallel: bool = False) -> Callable[[_Function], _Function]:
    """Return numba's decorator, typed. No fastmath: results must not depend on how a compiler groups terms."""
    return cast(Callable[[_Function], _Function], numba.njit(parallel=parallel, cache=True))


@_compiled()
def first_outside(values: Array, low: float, high: float) -> int:
    """Return the first row of `values`, shape (n, 3), with a number outside low <= x < high, or NaN; else -1."""
    for i in range(values.shape[0]):
        for axis in range(3):
            if not (low <= values[i, axis] < high):
                return i
    return -1


@_compiled()
def _kept(x: float, box: float) -> np.float32:
    """Return a coordinate in single precision; 0 where one just below the side rounds up to it."""
    single = np.float32(x)
    return single if single < box else np.float32(0)


@_compiled()
def sort_into_cells(positions: Array, box: float, cells: int) -> tuple[Array, Array, Array]:
    """Return order, shape (n,), start, shape (cells^3 + 1,), and sorted positions: a counting sort by cell.

    Cells follow one another in x, y, z, the last fastest; particles of a cell stand in their old order.
    """
    n = positions.shape[0]
    cell = np.empty(n, np.int32)
    start = np.zeros(cells**3 + 1, np.int32)
    for i in range(n):
        number = 0
        for axis in range(3):
            number = number * cells + min(int(_kept(positions[i, axis], box) * (cells / box)), cells - 1)
        cell[i] = number
        start[number + 1] += 1
    for number in range(cells**3):
        start[number + 1] += start[number]
    # start[c] serves as the place of the next particle of cell c, which leaves it at the start of cell c + 1.
    order = np.empty(n, np.int32)
    placed = np.empty((n, 3), np.float32)
    for i in range(n):
        place = start[cell[i]]
        start[cell[i]] += 1
        order[place] = i
        for axis in range(3):
            placed[place, axis] = _kept(positions[i, axis], box)
    for number in range(cells**3, 0, -1):
        start[number] = start[number - 1]
    start[0] = 0
    return order, start, placed


@_compiled()
def _squared_distance(positions: Array, i: int, x: float, y: float, z: float, box: float) -> float:
    """Return the squared distance of a particle from a point, to its nearest periodic image [(Mpc/h)^2]."""
    dx, dy, dz = (
        abs(np.float64(positions[i, 0]) - x),
        abs(np.float64(positions[i, 1]) - y),
        abs(np.float64(positions[i, 2]) - z),
    )
    dx, dy, dz = min(dx, box - dx), min(dy, box - dy), min(dz, box - dz)
    return dx * dx + dy * dy + dz * dz


@_compiled()
def _root(parent: Array, i: int) -> int:
    """Return the root of a particle's tree; paths are halved on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@_compiled()
def _link_cell(parent: Array, positions: Array, a: int, first: int, end: int, box: float, square: float) -> None:
    """Join a particle's tree with those of the particles from `first` to `end` that are closer than sqrt(square)."""
    root = _root(parent, a)
    x, y, z = np.float64(positions[a, 0]), np.float64(positions[a, 1]), np.float64(positions[a, 2])
    for b in range(first, end):
        # Most pairs of a dense cell are joined already: one look instead of a distance.
        if parent[b] != root and _squared_distance(positions, b, x, y, z, box) <= square:
            other = _root(parent, b)
            # The smaller index becomes the root, so that it is the same however the work was divided.
            if other < root:
                parent[root] = other
                root = other
            elif root < other:
                parent[other] = root


@_compiled()
def _wrapped(cell: int, cells: int) -> int:
    """Return the number inside the box of a cell that is at most one outside: faster than a remainder."""
    return cell + cells if cell < 0 else cell - cells if cell >= cells else cell


@_compiled()
def _link_layer(
    parent: Array, positions: Array, start: Array, cells: int, box: float, length: float, x: int, onwards: int
) -> None:
    """Join pairs inside layer x of cells (onwards = 0), or between layers x and x + 1 (onwards = 1)."""
    scale, square = cells / box, length * length
    # A particle has friends in the next cell only where it is this close to the face between them, in cells.
    reach = length * scale + 1e-9
    for y in range(cells):
        for z in range(cells):
            here = (x * cells + y) * cells + z
            end = start[here + 1]
            for a in range(start[here], end):
                if onwards == 0:
                    _link_cell(parent, positions, a, a + 1, end, box, square)
                elif positions[a, 0] * scale - x < 1 - reach:
                    continue
                from_y, from_z = positions[a, 1] * scale - y, positions[a, 2] * scale - z
                # Inside a layer half of the neighbours are enough: the others look back.
                for dy in range(-1 if onwards and from_y <= reach else 0, 2 if from_y >= 1 - reach else 1):
                    for dz in range(-1 if from_z <= reach else 0, 2 if from_z >= 1 - reach else 1):
                        if onwards or dy > 0 or dz > 0:
                            row = _wrapped(x + onwards, cells) * cells + _wrapped(y + dy, cells)
                            there = row * cells + _wrapped(z + dz, cells)
                            _link_cell(parent, positions, a, start[there], start[there + 1], box, square)


@_compiled(parallel=True)
def link(positions: Array, start: Array, cells: int, box: float, length: float, slabs: int) -> Array:
    """Return the root of every particle's friends-of-friends group: its smallest index in cell order, shape (n,).

    Slabs of layers are joined side by side, each touching its own particles only; then one slab to the next. The
    connected components, and their smallest indices, do not depend on the number of slabs.
    """
    n = positions.shape[0]
    parent = np.arange(n).astype(np.int32)
    for slab in prange(slabs):
        low, high = slab * cells // slabs, (slab + 1) * cells // slabs
        for step in range(2 * (high - low) - 1):
            _link_layer(parent, positions, start, cells, box, length, low + step // 2, step % 2)
    for slab in range(slabs):
        _link_layer(parent, positions, start, cells, box, length, (slab + 1) * cells // slabs - 1, 1)
    for i in range(n):
        parent[i] = _root(parent, i)
    return parent


@_compiled()
def lowest_members(positions: Array, group: Array, groups: int) -> Array:
    """Return the position that comes first by x, then y, then z in every group, shape (groups, 3).

    `group`, shape (n,): number of each particle's group, -1 for none.
    """
    lowest = np.full((groups, 3), np.inf, np.float32)
    for i in range(group.size):
        if group[i] < 0:
            continue
        for axis in range(3):
            if positions[i, axis] != lowest[group[i], axis]:
                if positions[i, axis] < lowest[group[i], axis]:
                    for rest in range(3):
                        lowest[group[i], rest] = positions[i, rest]
                break
    return lowest


@_compiled()
def collect(group: Array, groups: int) -> tuple[Array, Array]:
    """Return the particles of every group, one group after the other, and where each begins, shape (groups + 1,)."""
    offsets = np.zeros(groups + 1, np.int64)
    for i in range(group.size):
        if group[i] >= 0:
            offsets[group[i] + 1] += 1
    for number in range(groups):
        offsets[number + 1] += offsets[number]
    place = offsets.copy()
    particles = np.empty(offsets[-1], np.int64)
    for i in range(group.size):
        if group[i] >= 0:
            particles[place[group[i]]] = i
            place[group[i]] += 1
    return particles, offsets


@_compiled()
def _shrink(
    positions: Array, particles: Array, box: float, shrink: float, fewest: int, offset: Array, centre: Array
) -> None:
    """Move a centre, given as an offset from a group's first particle, by shrinking spheres.

    `offset`, shape (number, 3): room for the offsets of all particles from the first, so that the box's edges do not
    matter.
    """
    number = particles.size
    for k in range(number):
        for axis in range(3):
            d = np.float64(positions[particles[k], axis]) - np.float64(positions[particles[0], axis])
            offset[k, axis] = d - box * np.round(d / box)
    square, at_mean = np.inf, False
    while True:
        x, y, z, count, largest = 0.0, 0.0, 0.0, 0, 0.0
        for k in range(number):
            dx, dy, dz = offset[k, 0] - centre[0], offset[k, 1] - centre[1], offset[k, 2] - centre[2]
            r2 = dx * dx + dy * dy + dz * dz
            if r2 <= square:
                x, y, z, count, largest = x + dx, y + dy, z + dz, count + 1, max(largest, r2)
        if count < fewest:
            break
        centre[0], centre[1], centre[2] = centre[0] + x / count, centre[1] + y / count, centre[2] + z / count
        if largest == 0:
            break
        if at_mean:  # before, distances are from the first particle, and with them the order would matter
            square = largest * shrink**2  # of the outermost particle: no step is lost where the sphere's rim is empty
        at_mean = True


@_compiled(parallel=True)
def shrinking_spheres(
    positions: Array, particles: Array, offsets: Array, box: float, shrink: float, stop_number: int, stop: float
) -> Array:
    """Return the centre of every group, shape (groups, 3); see `groups.group_centres`."""
    groups = offsets.size - 1
    centres = np.zeros((groups, 3))
    for g in prange(groups):
        own = particles[offsets[g] : offsets[g + 1]]
        fewest = min(own.size, max(1, stop_number, int(np.ceil(stop * own.size))))
        _shrink(positions, own, box, shrink, fewest, np.empty((own.size, 3)), centres[g])
        for axis in range(3):
            x = (positions[own[0], axis] + centres[g, axis]) % box
            centres[g, axis] = x if x < box else 0.0
    return centres


@_compiled()
def _cells_around(centre: Array, radius: float, cells: int, box: float, low: Array, high: Array) -> None:
    """Fill in the first and last cell, both of shape (3,), that a sphere reaches along each axis; not yet wrapped."""
    for axis in range(3):
        low[axis] = int(np.floor((centre[axis] - radius) * (cells / box)))
        high[axis] = int(np.floor((centre[axis] + radius) * (cells / box)))
        if high[axis] - low[axis] + 1 >= cells:  # no cell twice
            low[axis], high[axis] = 0, cells - 1


@_compiled()
def neighbours(
    positions: Array, start: Array, cells: int, box: float, centre: Array, radius: float
) -> tuple[Array, Array]:
    """Return the particles within a radius of a point: rows in cell order, and squared distances [(Mpc/h)^2]."""
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    _cells_around(centre, radius, cells, box, low, high)
    size = 0
    rows, squares = np.empty(0, np.int32), np.empty(0, np.float64)
    for fill in range(2):  # first count, then fill in
        if fill:
            rows, squares = np.empty(size, np.int32), np.empty(size, np.float64)
        size = 0
        for x in range(low[0], high[0] + 1):
            for y in range(low[1], high[1] + 1):
                for z in range(low[2], high[2] + 1):
                    cell = ((x % cells) * cells + y % cells) * cells + z % cells
                    for i in range(start[cell], start[cell + 1]):
                        r2 = _squared_distance(positions, i, centre[0], centre[1], centre[2], box)
                        if r2 <= radius * radius:
                            if fill:
                                rows[size], squares[size] = i, r2
                            size += 1
    return rows, squares


@_compiled()
def _crossing(squares: Array, cube: float, searched: float, first: int) -> int:
    """Return how many particles the sphere holds at the first crossing; 0: not dense at the start; -1: not reached.

    `squares`, shape (n,): squared distances of all particles within `searched`. k particles have the threshold's mean
    density inside the radius (k cube)^(1/3). The first crossing is the first k such that this radius holds k particles
    and no more: particles are counted by r^3 / cube, and need not be sorted.
    """
    reach = searched**3 / cube
    if reach < first:
        return -1
    last = int(min(reach, squares.size))
    within = np.zeros(max(last, first) + 1, np.int64)
    for square in squares:
        k = int(np.ceil(min(square * np.sqrt(square) / cube, last + 1.0)))  # a general power takes far longer
        if k <= last:
            within[k] += 1
    count = 0
    for k in range(last + 1):
        count += within[k]
        if k >= first and count <= k:
            return k if count == k else 0  # fewer than k: at the first k only, where the sphere is not dense enough
    return -1 if last >= first else 0


@_compiled()
def _halo_crossings(
    positions: Array,
    start: Array,
    cells: int,
    box: float,
    centre: Array,
    searched: float,
    cubes: Array,
    first: int,
    counts: Array,
) -> None:
    """Fill in the counts of one halo, shape (definitions,): look farther until every threshold is crossed."""
    while True:
        searched = min(searched, box / 2)
        _, squares = neighbours(positions, start, cells, box, centre, searched)
        waiting = False
        for d in range(cubes.size):
            counts[d] = _crossing(squares, cubes[d], searched, first)
            waiting = waiting or counts[d] < 0
        if not waiting or searched >= box / 2:
            break
        searched *= 1.5
    for d in range(cubes.size):
        counts[d] = max(counts[d], 0)


@_compiled(parallel=True)
def crossings(
    positions: Array, start: Array, cells: int, box: float, centres: Array, guesses: Array, cubes: Array, first: int
) -> Array:
    """Return the number of particles inside the overdensity radius, shape (halos, definitions), 0 where undefined.

    `guesses`, shape (halos,): radius to search first [Mpc/h]; `cubes`, shape (definitions,): cube of the radius at
    which one particle has the threshold's mean density [(Mpc/h)^3].
    """
    counts = np.zeros((guesses.size, cubes.size), np.int64)
    for halo in prange(guesses.size):
        _halo_crossings(positions, start, cells, box, centres[halo], guesses[halo], cubes, first, counts[halo])
    return counts


@_compiled()
def _moments(velocities: Array, order: Array, rows: Array, mean: Array, variance: Array) -> None:
    """Fill in the mean velocity and its variance, both of shape (3,), of particles given by rows in cell order."""
    for axis in range(3):
        total, square = 0.0, 0.0
        for row in rows:
            total += velocities[order[row], axis]
        if rows.size > 0:
            mean[axis] = total / rows.size
        for row in rows:
            square += (velocities[order[row], axis] - mean[axis]) ** 2
        if rows.size > 1:
            variance[axis] = square / (rows.size - 1)


@_compiled()
def motions(
    positions: Array,
    order: Array,
    start: Array,
    cells: int,
    box: float,
    velocities: Array,
    centres: Array,
    radii: Array,
) -> tuple[Array, Array, Array]:
    """Return number, mean velocity and variance of the velocity per axis inside spheres.

    Shapes (halos,), (halos, 3), (halos, 3); the variance divides by the number less one, NaN where that is zero.
    """
    numbers = np.zeros(radii.size, np.int64)
    means, variances = np.full((radii.size, 3), np.nan), np.full((radii.size, 3), np.nan)
    for halo in range(radii.size):
        rows, _ = neighbours(positions, start, cells, box, centres[halo], radii[halo])
        numbers[halo] = rows.size
        _moments(velocities, order, rows, means[halo], variances[halo])
    return numbers, means, variances


@_compiled()
def nearest_halos(
    positions: Array, order: Array, start: Array, cells: int, box: float, centres: Array, radii: Array, factor: float
) -> tuple[Array, Array]:
    """Return each particle's halo of least r/R, -1 where none is within the factor, and that r/R; shapes (n,).

    Of two halos at the same r/R the first is taken. Particles are in their old order.
    """
    halo_of = np.full(order.size, -1, np.int32)
    least = np.full(order.size, np.inf)
    for halo in range(centres.shape[0]):
        rows, squares = neighbours(positions, start, cells, box, centres[halo], factor * radii[halo])
        for k in range(rows.size):
            particle, ratio = order[rows[k]], np.sqrt(squares[k]) / radii[halo]
            if ratio < least[particle]:
                halo_of[particle], least[particle] = halo, ratio
    return halo_of, least
