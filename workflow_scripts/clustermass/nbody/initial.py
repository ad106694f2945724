"""Initial conditions: a Gaussian field of the linear power spectrum, and particles displaced by it to second order.

Potentials are those of the displacement: phi1 with laplacian phi1 = delta, and phi2 with laplacian phi2 =
sum over i < j of (phi1,ii phi1,jj - phi1,ij^2), both for the linear density of today; then (Bouchet et al. 1995, in the
signs of Crocce, Pueblas & Scoccimarro 2006, Eq. 2)

    x = q - D grad phi1 + D2 grad phi2.
"""

from __future__ import annotations

import numpy as np

from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody
from clustermass.nbody.fourier import Complex64s, Float32s, forward, inverse
from clustermass.nbody.linear import growth, growth_momentum, linear_power, second_growth, second_growth_momentum


def linear_density(rng: np.random.Generator, cells: int, box: float, cosmology: Cosmology, threads: int) -> Complex64s:
    """Return the Fourier transform of a Gaussian random field: the linear density contrast at z = 0.

    Parameters
    ----------
    cells : int
        Along a side.
    box : float
        Side of the box [Mpc/h].

    Returns
    -------
    array, shape (cells, cells, cells // 2 + 1)
        In the normalisation of `numpy.fft.rfftn`. Modes with a component at Nyquist are left out: the direction of
        their displacement is undefined.
    """
    spectrum = forward(rng.standard_normal((cells, cells, cells), dtype=np.float32), threads)
    # The square of a wave number is an integer times the fundamental's: one amplitude for each integer.
    half = cells // 2
    k = 2 * np.pi / box * np.sqrt(np.arange(1, 3 * half**2 + 1))
    amplitude = np.sqrt(np.append(0, linear_power(k, cosmology)) * (cells / box) ** 3).astype(np.float32)
    integers = np.fft.fftfreq(cells, 1 / cells).round().astype(np.int64)
    across = integers[:, None] ** 2 + np.arange(half + 1) ** 2
    for i, integer in enumerate(integers):
        spectrum[i] *= amplitude[integer**2 + across]
    if cells % 2 == 0:
        spectrum[half], spectrum[:, half], spectrum[:, :, half] = 0, 0, 0
    return spectrum


def _slopes(cells: int, box: float) -> tuple[Float32s, Float32s, Float32s]:
    """Return the wave numbers of a gradient along each axis, ready to multiply a spectrum; 0 at Nyquist."""
    k = np.fft.fftfreq(cells, 1 / cells) * 2 * np.pi / box
    if cells % 2 == 0:
        k[cells // 2] = 0  # a cosine sampled at its extremes: its slope there is zero
    k32 = k.astype(np.float32)
    return k32[:, None, None], k32[:, None], k32[: cells // 2 + 1]


def potential(density: Complex64s, box: float) -> Complex64s:
    """Return the inverse Laplacian, -density / k^2, in Fourier space; 0 for the mean.

    Parameters
    ----------
    density : array, shape (n, n, n // 2 + 1)
        Fourier transform.
    box : float
        Side of the box [Mpc/h].
    """
    x, y, z = _slopes(len(density), box)
    square = x * x + y * y + z * z
    result: Complex64s = np.where(square > 0, -density / np.where(square > 0, square, 1), np.complex64(0))
    return result


def gradient(phi: Complex64s, axis: int, box: float, threads: int) -> Float32s:
    """Return one component of the gradient of a potential, shape (n, n, n), from its Fourier transform."""
    return inverse(np.complex64(1j) * _slopes(len(phi), box)[axis] * phi, threads)


def second_order_source(phi: Complex64s, box: float, threads: int) -> Float32s:
    """Return the source of the second-order potential, shape (n, n, n).

    Notes
    -----
    Products of fields on the particles' own grid: what aliases is at k above two thirds of Nyquist, where the second
    order at the start is below a per cent of the first.
    """
    slopes = _slopes(len(phi), box)

    def second(i: int, j: int) -> Float32s:
        return inverse(-slopes[i] * slopes[j] * phi, threads)

    xx, yy = second(0, 0), second(1, 1)
    source = xx * yy
    xx += yy
    source += xx * second(2, 2)
    del xx, yy
    for i, j in ((0, 1), (0, 2), (1, 2)):
        source -= second(i, j) ** 2
    return source


def displaced_particles(density: Complex64s, settings: Nbody, cosmology: Cosmology) -> tuple[Float32s, Float32s]:
    """Return particles displaced by second-order Lagrangian perturbation theory (2LPT) at the start.

    Parameters
    ----------
    density : array, shape (n, n, n // 2 + 1)
        Fourier transform of the linear density contrast at z = 0, n = `settings.particles_per_side`.

    Returns
    -------
    positions : array, shape (n^3, 3)
        In [0, box) [Mpc/h]; in the order of the lattice, the last axis the fastest.
    momenta : array, shape (n^3, 3)
        a^2 dx/dt [Mpc/h, H0 = 1].
    """
    n, box, threads = settings.particles_per_side, settings.box_mpc_h, settings.threads
    a, om0 = settings.start_scale_factor, cosmology.Om0
    first = potential(density, box)
    second = potential(forward(second_order_source(first, box, threads), threads), box)
    # Halfway between mesh points, where cloud-in-cell is linear in small displacements; on a point it has a kink.
    lattice = ((np.arange(n) + 0.5 / settings.mesh_factor) * box / n).astype(np.float32)
    positions, momenta = np.empty((n**3, 3), np.float32), np.empty((n**3, 3), np.float32)
    for axis in range(3):
        one, two = gradient(first, axis, box, threads), gradient(second, axis, box, threads)
        momenta[:, axis] = (-growth_momentum(a, om0) * one + second_growth_momentum(a, om0) * two).ravel()
        one *= -growth(a, om0)
        two *= second_growth(a, om0)
        one += two
        one += lattice[(slice(None), *[None] * (2 - axis))]
        np.mod(one, np.float32(box), out=one)
        one[one >= box] = 0  # rounded up from just below zero
        positions[:, axis] = one.ravel()
    return positions, momenta


def initial_conditions(rng: np.random.Generator, settings: Nbody, cosmology: Cosmology) -> tuple[Float32s, Float32s]:
    """Return the positions and momenta of a random realisation at the start; see `displaced_particles`."""
    density = linear_density(rng, settings.particles_per_side, settings.box_mpc_h, cosmology, settings.threads)
    return displaced_particles(density, settings, cosmology)
