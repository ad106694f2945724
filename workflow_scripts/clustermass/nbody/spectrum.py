"""Power spectra of particles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustermass.nbody.cpu import CpuMesh
from clustermass.nbody.fourier import forward
from clustermass.nbody.mesh import Float32s, cic_window

Floats = NDArray[np.float64]


class PowerSpectrum(NamedTuple):
    """Power in shells of the wave number, of the width of the fundamental 2 pi / box; each of shape (shells,)."""

    k: Floats
    """Mean wave number of the shell's modes [h/Mpc]."""
    power: Floats
    """P(k) [(Mpc/h)^3]."""
    modes: NDArray[np.int64]
    """Modes; half of them are independent, so that a Gaussian field's power scatters by sqrt(2 / modes)."""


def power_spectrum(
    positions: Float32s, box: float, mesh: int, *, subtract_shot_noise: bool = False, threads: int = 1
) -> PowerSpectrum:
    """Return the power spectrum of particles in a periodic box, up to the Nyquist wave number of a mesh.

    Parameters
    ----------
    positions : array, shape (n, 3)
        In [0, box) [Mpc/h].
    box : float
        Side of the box [Mpc/h].
    mesh : int
        Cells along a side; even.
    subtract_shot_noise : bool
        Right for particles that sample a density at random; those on a displaced lattice have none at first.

    Notes
    -----
    Cloud-in-cell, divided by its window. Source of the shot noise on the mesh, with its aliases: Jing (2005, ApJ 620,
    559), Eq. 20. Aliases of the signal are not corrected: use a mesh with twice the wave number wanted.
    """
    spectrum = forward(CpuMesh(mesh, box, threads).deposit(positions), threads)
    window = cic_window(mesh).astype(float) ** 2
    noise = 1 - 2 / 3 * np.sin(np.pi * np.fft.fftfreq(mesh)) ** 2
    shot = mesh**6 / len(positions) if subtract_shot_noise else 0.0
    integers = np.fft.fftfreq(mesh, 1 / mesh)
    half = mesh // 2
    across = integers[:, None] ** 2 + np.arange(half + 1) ** 2
    twice = np.full((mesh, half + 1), 2)  # the half of the modes that is not stored
    twice[:, [0, half]] = 1
    modes, length, power = np.zeros((3, half + 1))
    for i in range(mesh):
        radius = np.sqrt(integers[i] ** 2 + across)
        shell = np.minimum(np.rint(radius).astype(np.int64), half + 1).ravel()
        value = np.abs(spectrum[i].astype(np.complex128)) ** 2
        value -= shot * noise[i] * noise[:, None] * noise[: half + 1]
        value /= window[i] * window[:, None] * window[: half + 1]
        for sums, terms in ((modes, twice), (length, twice * radius), (power, twice * value)):
            sums += np.bincount(shell, terms.ravel(), minlength=half + 2)[:-1]
    modes, length, power = modes[1:], length[1:], power[1:]
    return PowerSpectrum(
        2 * np.pi / box * length / modes, power / modes * box**3 / mesh**6, modes.round().astype(np.int64)
    )
