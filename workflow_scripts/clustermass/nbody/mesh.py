"""What the two backends share: their interface, the force kernel, and how much memory there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustermass.config.nbody import Nbody

Float32s = NDArray[np.float32]
Array: TypeAlias = Any
"""numpy.ndarray or torch.Tensor of float32; each backend takes its own."""

DECONVOLVED = 1
"""How many of the two cloud-in-cell windows, of deposit and readout, the force is divided by.

The force of one particle on another, against Newton's, for pairs in random places and directions:

| gradient, windows | 2-2.5 cells: mean, rms | 3-4 cells | 6-8 cells | mode of 64 cells, of 4 |
|---|---|---|---|---|
| i k, 1 | -.183, .52 | .053, .38 | -.004, .41 | .999, .81 |
| difference, 0 | .044, .11 | .001, .039 | .000, .008 | .998, .56 |
| **difference, 1** | .039, .15 | .000, .037 | .000, .008 | .999, .69 |
| difference, 2 | -.026, .36 | .003, .17 | .000, .07 | 1.000, .85 |

i k rings, as it stops at Nyquist, where the fourth-order central difference is 0; Feng et al. (2016) take the latter.
One window is the most that can be divided by without ringing: tests/test_nbody.py holds the row.
"""


class Mesh(Protocol):
    """A periodic mesh that particles are laid on and forces are read from.

    Fields have shape (m, m, m); a backend may pad the last axis of the memory behind them.
    """

    def load(self, values: Float32s) -> Array:
        """Bring an array to the device, without a copy where it is there already."""

    def store(self, values: Array) -> Float32s:
        """Return a copy of an array on the host."""

    def deposit(self, positions: Array) -> Array:
        """Return the density of particles, in units of their mean, by cloud-in-cell.

        Parameters
        ----------
        positions : array, shape (n, 3)
            In [0, box) [Mpc/h].
        """

    def force(self, density: Array, high_pass: float = 0.0) -> Iterator[Array]:
        """Yield the x, y and z component of -grad inverse-laplacian (density - its mean) [Mpc/h].

        Each component is valid until the next one is asked for; the density is overwritten.

        Parameters
        ----------
        density : array, shape (m, m, m)
        high_pass : float
            Modes are multiplied by exp(-high_pass^2 / k^2) [h/Mpc].
        """

    def readout(self, field: Array, positions: Array) -> Array:
        """Return a field at positions, shape (n,), by cloud-in-cell: the adjoint of `deposit`."""

    def drift(self, positions: Array, momenta: Array, factor: float) -> None:
        """Add `factor` times the momenta to the positions, in place, and wrap them into [0, box)."""


class NotEnoughMemoryError(MemoryError):
    """A run would need more memory than there is; nothing was allocated."""


def wave_numbers(cells: int, box: float) -> Float32s:
    """Return the size of the wave numbers along an axis, shape (cells,) [h/Mpc], in the order of the FFT."""
    k: Float32s = np.abs(np.fft.fftfreq(cells, 1 / cells) * 2 * np.pi / box).astype(np.float32)
    return k


def difference_numbers(cells: int, box: float) -> Float32s:
    """Return what the fourth-order central difference makes of wave numbers, shape (cells,) [h/Mpc].

    For cells of side h: (8 sin(k h) - sin(2 k h)) / (6 h), which is k up to a term of fifth order, and 0 at Nyquist.
    """
    phase = np.fft.fftfreq(cells) * 2 * np.pi
    slope: Float32s = ((8 * np.sin(phase) - np.sin(2 * phase)) / 6 * cells / box).astype(np.float32)
    return slope


def cic_window(cells: int) -> Float32s:
    """Return the Fourier transform of the cloud-in-cell kernel along an axis, shape (cells,), in the FFT's order.

    Notes
    -----
    Source: Hockney & Eastwood (1981): sinc^2(k h / 2) for cells of side h.
    """
    window: Float32s = (np.sinc(np.fft.fftfreq(cells)) ** 2).astype(np.float32)
    return window


def available_memory() -> int:
    """Return the memory that a process may still take on this machine [bytes], of which caches count as free."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # not Linux: all there is, the best that can be asked portably
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def make_mesh(settings: Nbody) -> Mesh:
    """Return the backend that a configuration asks for: numba on the CPU, torch on CUDA."""
    if settings.device == "cpu":
        from clustermass.nbody.cpu import CpuMesh

        return CpuMesh(settings.mesh_per_side, settings.box_mpc_h, settings.threads)
    from clustermass.nbody.torch_mesh import TorchMesh  # torch takes seconds to import, and a CPU run has no use for it

    return TorchMesh(settings.mesh_per_side, settings.box_mpc_h, settings.device)
