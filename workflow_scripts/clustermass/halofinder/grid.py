"""Particles of a periodic box, sorted into cubic cells, so that neighbours are found without looking at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustermass.halofinder import kernels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Reals = NDArray[np.floating[Any]]

_CELLS_PER_SPACING = 1.5  # along one side; more cost memory (14 bytes a particle at 1.5), fewer cost time


@dataclass(frozen=True)
class ParticleGrid:
    """Particles in cell order.

    Attributes
    ----------
    positions : array of float32, shape (n, 3)
        Comoving positions in cell order [Mpc/h].
    order : array of int32, shape (n,)
        Row that each of them had before sorting.
    start : array of int32, shape (cells^3 + 1,)
        First particle of each cell.
    box : float
        Side of the periodic box [Mpc/h].
    cells : int
        Number of cells along one side.
    """

    positions: NDArray[np.float32]
    order: NDArray[np.int32]
    start: NDArray[np.int32]
    box: float
    cells: int

    @property
    def search(self) -> tuple[NDArray[np.float32], NDArray[np.int32], int, float]:
        """What the compiled searches take: positions, start, cells, box."""
        return self.positions, self.start, self.cells, self.box


def particle_grid(positions: Reals, box: float, least_side: float = 0.0) -> ParticleGrid:
    """Sort particles into cells.

    Parameters
    ----------
    positions : array, shape (n, 3)
        Comoving, 0 <= x < box [Mpc/h]. Kept as float32.
    box : float
        Side of the periodic box [Mpc/h].
    least_side : float
        Smallest side that a cell may have [Mpc/h]: the linking length, where groups are sought.

    Raises
    ------
    ValueError
        A position is not a number or lies outside the box; the message names the first such particle.
    """
    box = float(box)
    if not (np.isfinite(box) and box > 0):
        raise ValueError(f"box: expected a side above 0 Mpc/h, got {box}")
    positions = _triples(positions, "positions")
    row = kernels.first_outside(positions, 0.0, box)
    if row >= 0:
        raise ValueError(
            f"positions: particle {row}: expected 0 <= x, y, z < {box} Mpc/h, got {positions[row].tolist()}"
            " (wrap them; in float32 a wrapped position may round up to the side, where it is 0)"
        )
    if len(positions) >= 2**31:
        raise ValueError(f"positions: expected fewer than 2^31 particles, got {len(positions)}")
    cells = max(int(_CELLS_PER_SPACING * len(positions) ** (1 / 3)), 1)
    if least_side > 0:
        cells = max(min(cells, int(box / least_side)), 1)
    order, start, placed = kernels.sort_into_cells(positions, box, min(cells, 1290))  # 1290^3 < 2^31
    return ParticleGrid(placed, order, start, box, min(cells, 1290))


def finite_velocities(velocities: Reals, n: int) -> Reals:
    """Return velocities, or raise ValueError where they are not n triples of finite numbers."""
    velocities = _triples(velocities, "velocities")
    if len(velocities) != n:
        raise ValueError(f"velocities: expected one for each of {n} particles, got {len(velocities)}")
    largest = float(np.finfo(velocities.dtype).max)
    row = kernels.first_outside(velocities, -largest, largest)
    if row >= 0:
        raise ValueError(f"velocities: particle {row}: expected finite numbers, got {velocities[row].tolist()}")
    return velocities


def _triples(values: Reals, name: str) -> Reals:
    """Return an array of shape (n, 3) of float32 or float64, without a copy where it is one already."""
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[1] != 3:
        raise ValueError(f"{name}: expected an array of shape (n, 3), got {values.shape}")
    return np.ascontiguousarray(values, dtype=values.dtype if values.dtype == np.float32 else np.float64)
