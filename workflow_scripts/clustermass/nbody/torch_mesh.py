"""The mesh by torch: on a GPU, or on the CPU to test the same code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from clustermass.nbody.mesh import DECONVOLVED, Float32s, cic_window, difference_numbers, wave_numbers

CHUNK = {"cuda": 1 << 22, "cpu": 1 << 16}
"""Particles at a time: bounds the memory for their eight cells and weights, which on a CPU fit the cache."""


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let torch use deterministic algorithms only, and restore what it used before."""
    before, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(wanted or before, warn_only=warn)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn)


def _chunks(values: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield views of rows of a tensor, a bounded number at a time."""
    size = CHUNK[values.device.type]
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]


class TorchMesh:
    """Mesh of the interface `Mesh` on a torch device; float32 throughout.

    Parameters
    ----------
    cells : int
        Along a side.
    box : float
        Side of the box [Mpc/h].
    device : str
        'cuda' or 'cpu'.
    repeatable : bool
        On a GPU: same bits from run to run. Sums of a cell are sorted rather than made by atomic additions, in
        whatever order those come.
    """

    def __init__(self, cells: int, box: float, device: str, repeatable: bool = True) -> None:
        self.cells, self.box, self.device, self.repeatable = cells, box, device, repeatable
        half = cells // 2 + 1
        k, slope = self._tensor(wave_numbers(cells, box)), self._tensor(difference_numbers(cells, box))
        window = self._tensor(cic_window(cells)) ** -DECONVOLVED
        self._k2, self._window = (k * k)[:half], window[:half]
        self._k2_across = (k * k)[:, None] + k * k
        self._window_across = window[:, None] * window
        self._slopes = (slope[:, None, None], slope[:, None], slope[:half])

    def _tensor(self, values: Float32s) -> torch.Tensor:
        return torch.from_numpy(values).to(self.device)

    def load(self, values: Float32s) -> torch.Tensor:
        """Bring an array to the device."""
        return self._tensor(values)

    def store(self, values: torch.Tensor) -> Float32s:
        """Return a copy on the host."""
        result: Float32s = values.detach().cpu().numpy().copy()
        return result

    def _corners(self, positions: torch.Tensor, weight: float) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the flat index and the weight of each of the eight cells that a particle's cloud overlaps."""
        m = self.cells
        x = positions * (m / self.box)
        base = torch.floor(x)
        far = x - base
        near = 1 - far
        cell = base.to(torch.int64) % m
        after = (cell + 1) % m
        for corner in range(8):
            share, index = torch.full_like(x[:, 0], weight), torch.zeros_like(cell[:, 0])
            for axis in range(3):
                second = corner >> (2 - axis) & 1
                share *= (far if second else near)[:, axis]
                index = index * m + (after if second else cell)[:, axis]
            yield index, share

    def deposit(self, positions: torch.Tensor) -> torch.Tensor:
        """Return the density of particles in units of their mean; see `Mesh`."""
        m = self.cells
        density = torch.zeros(m**3, dtype=torch.float32, device=self.device)
        with deterministic(self.repeatable):
            for part in _chunks(positions):
                for index, share in self._corners(part, m**3 / len(positions)):
                    density.index_add_(0, index, share)
        return density.view(m, m, m)

    def force(self, density: torch.Tensor, high_pass: float = 0.0) -> Iterator[torch.Tensor]:
        """Yield the three components of the force; see `Mesh`."""
        spectrum = torch.fft.rfftn(density)
        del density
        for i in range(self.cells):  # a plane at a time, so that k^2 takes no memory
            square = self._k2_across[i, :, None] + self._k2
            factor = self._window_across[i, :, None] * self._window / square
            if high_pass:
                factor *= torch.exp(-(high_pass**2) / square)
            spectrum[i] *= factor
        spectrum[0, 0, 0] = 0
        for slope in self._slopes:
            yield torch.fft.irfftn(spectrum * (1j * slope), s=(self.cells,) * 3)

    def readout(self, field: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Return a field at positions; see `Mesh`."""
        flat = field.reshape(-1)
        values = torch.zeros(len(positions), dtype=torch.float32, device=self.device)
        for part, sums in zip(_chunks(positions), _chunks(values), strict=True):
            for index, share in self._corners(part, 1.0):
                sums += share * flat[index]
        return values

    def drift(self, positions: torch.Tensor, momenta: torch.Tensor, factor: float) -> None:
        """Move the particles, in place; see `Mesh`."""
        for where, momentum in zip(_chunks(positions), _chunks(momenta), strict=True):
            where += factor * momentum
            where -= self.box * torch.floor(where / self.box)
            where[(where < 0) | (where >= self.box)] = 0
