"""Long modes of a density field: power spectra and the bias of halos, mode by mode.

Comparing with the same realisation, mode by mode, takes the sample variance of a box out: P(k) is divided by the power
that its own initial conditions have, and halos are held against the matter that they are in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.contracts import Column, Contract
from clustermass.galaxies.background import Floats, Ints
from clustermass.nbody.cpu import CpuMesh
from clustermass.nbody.fourier import Complex64s, Float32s, forward
from clustermass.nbody.linear import growth, linear_power
from clustermass.nbody.mesh import cic_window

Complexes = NDArray[np.complex128]
_CHUNK = 2048  # points whose phases are held at a time

POWER = Contract(
    "power",
    "power spectrum of matter in shells of the width of the box's fundamental mode",
    (
        Column("k_low", "float", "h/Mpc", "inner radius of the shell", 0),
        Column("k_high", "float", "h/Mpc", "outer radius of the shell", 0),
        Column("k", "float", "h/Mpc", "mean wave number of the shell's modes", 0),
        Column("modes", "int", "", "modes in the shell; half of them are independent", 1),
        Column("power", "float", "(Mpc/h)^3", "P(k) measured", 0),
        Column("linear", "float", "(Mpc/h)^3", "linear theory at the redshift, mean over the shell's modes", 0),
        Column(
            "realised",
            "float",
            "(Mpc/h)^3",
            "power of this box's own initial modes, grown linearly; missing: initial conditions not known",
            0,
            missing=True,
        ),
        Column(
            "scatter",
            "float",
            "(Mpc/h)^3",
            "1 sigma error of the power where it is proportional to the realised one, by the scatter of the modes",
            0,
            missing=True,
        ),
    ),
)


class Modes(NamedTuple):
    """The density contrast at whole wave vectors of a periodic box, one of each pair k, -k."""

    box: float
    """Side [Mpc/h]."""
    number: Ints
    """Wave vectors in units of 2 pi / box, shape (n, 3)."""
    amplitude: Complexes
    """Mean of contrast times exp(-i k x), shape (n,); its square times the volume is the power [(Mpc/h)^3]."""

    @property
    def k(self) -> Floats:
        """Sizes of the wave vectors [h/Mpc], shape (n,)."""
        return np.asarray(2 * np.pi / self.box * np.linalg.norm(self.number, axis=1))

    def within(self, k_max: float) -> Modes:
        """Return the modes of k <= k_max [h/Mpc]."""
        inside = self.k <= k_max
        return Modes(self.box, self.number[inside], self.amplitude[inside])


def wave_vectors(box: float, k_max: float) -> Ints:
    """Return one of each pair k, -k with 0 < k <= k_max [h/Mpc], in units of 2 pi / box, shape (n, 3)."""
    most = int(k_max * box / (2 * np.pi))
    whole = np.arange(-most, most + 1)
    x, y, z = (axis.ravel() for axis in np.meshgrid(whole, whole, whole[most:], indexing="ij"))
    first = (z > 0) | ((z == 0) & ((y > 0) | ((y == 0) & (x > 0))))
    inside = x**2 + y**2 + z**2 <= (k_max * box / (2 * np.pi)) ** 2
    return np.asarray(np.stack([x, y, z], axis=1)[first & inside], np.int64)


def field_modes(spectrum: Complex64s, box: float, k_max: float) -> Modes:
    """Return the long modes of a field's transform.

    Parameters
    ----------
    spectrum : array, shape (m, m, m // 2 + 1)
        In the normalisation of `numpy.fft.rfftn`, e.g. of `nbody.initial.linear_density`.
    k_max : float
        [h/Mpc]; below Nyquist.

    Raises
    ------
    ValueError
        The field does not reach k_max.
    """
    cells = len(spectrum)
    if k_max >= np.pi * cells / box:
        raise ValueError(f"k_max: expected below Nyquist, {np.pi * cells / box:.3g} h/Mpc, got {k_max}")
    number = wave_vectors(box, k_max)
    amplitude = spectrum[number[:, 0], number[:, 1], number[:, 2]].astype(np.complex128) / cells**3
    return Modes(box, number, amplitude)


def matter_modes(positions: Float32s, box: float, k_max: float, mesh: int, threads: int = 1) -> Modes:
    """Return the long modes of particles, by cloud-in-cell, divided by its window.

    Parameters
    ----------
    positions : array of float32, shape (n, 3)
        In [0, box) [Mpc/h].
    mesh : int
        Cells along a side; aliases are not corrected: four times the wave numbers wanted are safe.
    """
    modes = field_modes(forward(CpuMesh(mesh, box, threads).deposit(positions), threads), box, k_max)
    window = cic_window(mesh).astype(float)[modes.number].prod(axis=1)
    return modes._replace(amplitude=modes.amplitude / window)


def point_modes(positions: Floats, box: float, number: Ints) -> Modes:
    """Return modes of points, summed directly: exact, for some thousand modes of some ten thousand points.

    Parameters
    ----------
    positions : array, shape (n, 3)
        [Mpc/h]
    number : array of int, shape (modes, 3)
        Wave vectors in units of 2 pi / box.
    """
    most = int(np.abs(number).max(initial=0))
    amplitude = np.zeros(len(number), np.complex128)
    for start in range(0, len(positions), _CHUNK):
        part = positions[start : start + _CHUNK, :, None]
        phases = np.exp(-2j * np.pi / box * part * np.arange(-most, most + 1))
        x, y, z = (phases[:, axis, number[:, axis] + most] for axis in range(3))
        amplitude += (x * y * z).sum(axis=0)
    return Modes(box, number, amplitude / max(len(positions), 1))


def power_table(matter: Modes, initial: Modes | None, redshift: float, cosmology: Cosmology) -> pd.DataFrame:
    """Return the power of a snapshot in shells of the fundamental mode: contract `POWER`.

    Parameters
    ----------
    matter : Modes
        Of the snapshot.
    initial : Modes, optional
        Of the same box's linear density today (`nbody.initial.linear_density`), of the same k_max.

    Raises
    ------
    ValueError
        Different modes.
    """
    if initial is not None and not np.array_equal(initial.number, matter.number):
        raise ValueError("initial: expected the same box and k_max as the snapshot's modes")
    grown = growth(1 / (1 + redshift), cosmology.Om0) ** 2
    length = np.linalg.norm(matter.number, axis=1)
    shell = np.rint(length).astype(np.int64)
    modes = np.bincount(shell)[1:]
    fundamental = 2 * np.pi / matter.box

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(shell, values)[1:] / modes)

    volume = matter.box**3
    edges = np.arange(len(modes) + 1) + 0.5
    power = volume * mean(np.abs(matter.amplitude) ** 2)
    realised, scatter = np.full((2, len(modes)), np.nan)
    if initial is not None:
        realised = grown * volume * mean(np.abs(initial.amplitude) ** 2)
        growth_of = np.append(np.nan, power / realised)[shell]
        apart = volume * (np.abs(matter.amplitude) ** 2 - growth_of * grown * np.abs(initial.amplitude) ** 2)
        scatter = np.sqrt(mean(apart**2) / modes)
    frame = pd.DataFrame(
        {
            "k_low": fundamental * edges[:-1],
            "k_high": fundamental * edges[1:],
            "k": fundamental * mean(length),
            "modes": 2 * modes,
            "power": power,
            "linear": grown * mean(linear_power(matter.k, cosmology)),
            "realised": realised,
            "scatter": scatter,
        }
    )
    # the last shell is cut by k_max
    return POWER.validate(frame[:-1], "power spectrum")


def power_ratio(
    power: Floats, reference: Floats, modes: Ints, scatter: Floats, place: Ints, bins: int
) -> tuple[Floats, Floats]:
    """Return the ratio of two power spectra in bins of shells, weighted by modes, and its error.

    Parameters
    ----------
    power, reference, modes : array, shape (shells,)
        E.g. columns of the contract `POWER`.
    scatter : array, shape (shells,)
        1 sigma error of the power.
    place : array of int, shape (shells,)
        Bin of every shell; -1: none.
    bins : int

    Returns
    -------
    ratio, error : array, shape (bins,)
        NaN without shells.
    """
    inside = place >= 0

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(place[inside], values[inside], minlength=bins), float)

    with np.errstate(invalid="ignore", divide="ignore"):
        below = total(modes * reference)
        return total(modes * power) / below, np.sqrt(total((modes * scatter) ** 2)) / below


def regression_bias(matter: Modes, tracer: Modes) -> tuple[float, float]:
    """Return the bias of a tracer, sum of Re(tracer matter*) over sum of |matter|^2, and its error.

    Parameters
    ----------
    matter, tracer : Modes
        The same modes.

    Notes
    -----
    The regression of one field on the other; with white noise, as the shot noise of points, it is the best estimate.
    What scatters is the tracer about the matter that is there: the sample variance of the matter cancels.
    """
    power = float(np.sum(np.abs(matter.amplitude) ** 2))
    bias = float(np.sum((tracer.amplitude * matter.amplitude.conj()).real)) / power
    residual = np.abs(tracer.amplitude - bias * matter.amplitude) ** 2
    degrees = 2 * len(residual) - 1  # real and imaginary parts
    return bias, float(np.sqrt(residual.sum() / degrees / power))
