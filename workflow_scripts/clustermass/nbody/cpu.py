"""The mesh on the CPU: numba for the particles, scipy's FFT for the fields; same bits for any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

from clustermass.nbody.fourier import Complex64s, Float32s, forward, inverse
from clustermass.nbody.mesh import DECONVOLVED, cic_window, wave_numbers

Function = TypeVar("Function", bound=Callable[..., Any])
ONE = np.float32(1)  # numba makes float64 of a float32 and a Python number
CHUNKS = 64  # of particles, for the sort; fixed, so that it does not depend on the threads


def _compiled(function: Function) -> Function:
    # No fastmath: it would let the bits depend on how a loop is cut into threads.
    return cast(Function, numba.njit(parallel=True, cache=True)(function))


def _inlined(function: Function) -> Function:
    return cast(Function, numba.njit(inline="always")(function))


@_inlined
def _cell(x: np.float32, m: int) -> tuple[int, int, np.float32]:
    """Return the two cells that a cloud at `x` [cells] overlaps, and its share in the second."""
    base = np.floor(x)
    i = int(base)
    if i >= m:  # x was below m, until it was rounded
        i -= m
    return i, (i + 1 if i + 1 < m else 0), x - base


@_compiled
def _count(positions: Float32s, scale: np.float32, counts: NDArray[np.int64]) -> None:
    """Count the particles in each plane of cells across x, one row of `counts` for every chunk."""
    chunks, m = counts.shape
    n = len(positions)
    for chunk in prange(chunks):
        for p in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            counts[chunk, _cell(positions[p, 0] * scale, m)[0]] += 1


@_compiled
def _order(positions: Float32s, scale: np.float32, places: NDArray[np.int64], order: NDArray[np.int32]) -> None:
    """Write the particles' indices, ordered by plane, then by index; `places` is used up."""
    chunks, m = places.shape
    n = len(positions)
    for chunk in prange(chunks):
        for p in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            plane = _cell(positions[p, 0] * scale, m)[0]
            order[places[chunk, plane]] = p
            places[chunk, plane] += 1


@_compiled
def _deposit(
    positions: Float32s,
    order: NDArray[np.int32],
    ends: NDArray[np.int64],
    scale: np.float32,
    weight: np.float32,
    field: Float32s,
) -> None:
    """Add every particle to its eight cells.

    A plane's particles reach that plane and the next. So all even planes can be done at once, then all odd ones, and
    the sums in each cell are made in the same order whoever makes them.
    """
    m = len(field)
    for phase in range(2):
        for half in prange(m // 2):
            plane = 2 * half + phase
            for o in range(ends[plane], ends[plane + 1]):
                p = order[o]
                i, i1, x1 = _cell(positions[p, 0] * scale, m)
                j, j1, y1 = _cell(positions[p, 1] * scale, m)
                k, k1, z1 = _cell(positions[p, 2] * scale, m)
                x0, y0, z0 = weight * (ONE - x1), ONE - y1, ONE - z1
                x1 *= weight
                field[i, j, k] += x0 * y0 * z0
                field[i, j, k1] += x0 * y0 * z1
                field[i, j1, k] += x0 * y1 * z0
                field[i, j1, k1] += x0 * y1 * z1
                field[i1, j, k] += x1 * y0 * z0
                field[i1, j, k1] += x1 * y0 * z1
                field[i1, j1, k] += x1 * y1 * z0
                field[i1, j1, k1] += x1 * y1 * z1


@_compiled
def _readout(field: Float32s, positions: Float32s, scale: np.float32, values: Float32s) -> None:
    m = len(field)
    for p in prange(len(positions)):
        i, i1, x1 = _cell(positions[p, 0] * scale, m)
        j, j1, y1 = _cell(positions[p, 1] * scale, m)
        k, k1, z1 = _cell(positions[p, 2] * scale, m)
        x0, y0, z0 = ONE - x1, ONE - y1, ONE - z1
        near = y0 * (z0 * field[i, j, k] + z1 * field[i, j, k1]) + y1 * (z0 * field[i, j1, k] + z1 * field[i, j1, k1])
        far = y0 * (z0 * field[i1, j, k] + z1 * field[i1, j, k1])
        far += y1 * (z0 * field[i1, j1, k] + z1 * field[i1, j1, k1])
        values[p] = x0 * near + x1 * far


@_compiled
def _drift(positions: Float32s, momenta: Float32s, factor: np.float32, box: np.float32) -> None:
    for p in prange(len(positions)):
        for axis in range(3):
            x = positions[p, axis] + factor * momenta[p, axis]
            x -= box * np.floor(x / box)
            # Rounding may leave the box itself, or a value just below zero.
            positions[p, axis] = x if np.float32(0) <= x < box else np.float32(0)


@_compiled
def _solve(spectrum: Complex64s, k: Float32s, inverse_window: Float32s, high_pass: np.float32) -> None:
    """Divide by k^2 and the window, in place, and multiply by exp(-high_pass^2 / k^2); the mean becomes 0."""
    m, _, half = spectrum.shape
    for i in prange(m):
        for j in range(m):
            across = k[i] * k[i] + k[j] * k[j]
            window = inverse_window[i] * inverse_window[j]
            for n in range(half):
                square = across + k[n] * k[n]
                factor = window * inverse_window[n] / square if square > 0 else np.float32(0)
                if high_pass > 0 and square > 0:
                    factor *= np.exp(-high_pass * high_pass / square)
                spectrum[i, j, n] *= factor


@_inlined
def _slope(below2: np.float32, below: np.float32, above: np.float32, above2: np.float32) -> np.float32:
    """Return the central difference of fourth order, times 12 cells."""
    return np.float32(8) * (above - below) - (above2 - below2)


@_compiled
def _gradient(field: Float32s, axis: int, factor: np.float32, result: Float32s) -> None:
    """Write a component of the gradient, by differences between cells."""
    m = len(field)
    for i in prange(m):
        for j in range(m):
            if axis == 2:
                for k in range(2, m - 2):
                    slope = _slope(field[i, j, k - 2], field[i, j, k - 1], field[i, j, k + 1], field[i, j, k + 2])
                    result[i, j, k] = factor * slope
                for k in (0, 1, m - 2, m - 1):
                    b, c, d, e = (k - 2) % m, (k - 1) % m, (k + 1) % m, (k + 2) % m
                    slope = _slope(field[i, j, b], field[i, j, c], field[i, j, d], field[i, j, e])
                    result[i, j, k] = factor * slope
            else:
                x, y = (1, 0) if axis == 0 else (0, 1)
                below2, below = field[(i - 2 * x) % m, (j - 2 * y) % m], field[(i - x) % m, (j - y) % m]
                above, above2 = field[(i + x) % m, (j + y) % m], field[(i + 2 * x) % m, (j + 2 * y) % m]
                for k in range(m):
                    result[i, j, k] = factor * _slope(below2[k], below[k], above[k], above2[k])


@contextmanager
def numba_threads(threads: int) -> Iterator[None]:
    """Let numba use a number of threads, as far as it has them, and restore what it used before."""
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        numba.set_num_threads(before)


class CpuMesh:
    """Mesh of the interface `Mesh` in the memory of the machine.

    Two fields of memory are held: one for the density and, after it, the components of the force; one for the
    spectrum and, after it, the potential. A field that is returned is therefore valid until the next call that returns
    one.

    Parameters
    ----------
    cells : int
        Along a side; even.
    box : float
        Side of the box [Mpc/h].
    threads : int
        Results do not depend on them.
    """

    def __init__(self, cells: int, box: float, threads: int = 1) -> None:
        if cells % 2:
            raise ValueError(f"expected an even number of mesh cells a side, got {cells}")
        self.cells, self.box, self.threads = cells, box, threads
        self._scale = np.float32(cells / box)
        # The potential lies in the memory of its spectrum, which is two cells wider along z.
        self._spectrum = np.empty((cells, cells, cells // 2 + 1), np.complex64)
        self._potential = self._spectrum.view(np.float32)[:, :, :cells]
        self._field = np.empty((cells, cells, cells), np.float32)

    def load(self, values: Float32s) -> Float32s:
        """Return the array itself: it is here already."""
        return values

    def store(self, values: Float32s) -> Float32s:
        """Return a copy."""
        return values.copy()

    def deposit(self, positions: Float32s) -> Float32s:
        """Return the density of particles in units of their mean; see `Mesh`."""
        self._field[:] = 0
        with numba_threads(self.threads):
            order, ends = self._by_plane(positions)
            weight = np.float32(self.cells**3 / len(positions))
            _deposit(positions, order, ends, self._scale, weight, self._field)
        return self._field

    def _by_plane(self, positions: Float32s) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the particles' indices ordered by plane across x, and where each plane begins; counting sort."""
        counts = np.zeros((CHUNKS, self.cells), np.int64)
        _count(positions, self._scale, counts)
        total = np.cumsum(counts.T.ravel())  # by plane, then by chunk
        places = np.ascontiguousarray((total - counts.T.ravel()).reshape(self.cells, CHUNKS).T)
        ends = np.append(places[0], len(positions))
        order = np.empty(len(positions), np.int32)
        _order(positions, self._scale, places, order)
        return order, ends

    def force(self, density: Float32s, high_pass: float = 0.0) -> Iterator[Float32s]:
        """Yield the three components of the force; see `Mesh`."""
        forward(density, self.threads, out=self._spectrum)
        with numba_threads(self.threads):
            window = ONE / cic_window(self.cells) ** DECONVOLVED
            _solve(self._spectrum, wave_numbers(self.cells, self.box), window, np.float32(high_pass))
        inverse(self._spectrum, self.threads, out=self._potential)
        for axis in range(3):
            with numba_threads(self.threads):
                _gradient(self._potential, axis, self._scale / np.float32(12), self._field)
            yield self._field

    def readout(self, field: Float32s, positions: Float32s) -> Float32s:
        """Return a field at positions; see `Mesh`."""
        values = np.empty(len(positions), np.float32)
        with numba_threads(self.threads):
            _readout(field, positions, self._scale, values)
        return values

    def drift(self, positions: Float32s, momenta: Float32s, factor: float) -> None:
        """Move the particles, in place; see `Mesh`."""
        with numba_threads(self.threads):
            _drift(positions, momenta, np.float32(factor), np.float32(self.box))
