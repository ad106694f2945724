"""Real Fourier transforms in three dimensions, plane by plane: the bits do not depend on the number of threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Float32s = NDArray[np.float32]
Complex64s = NDArray[np.complex64]


def each_plane(task: Callable[[int], None], planes: int, threads: int) -> None:
    """Do a task for every plane of a field.

    One plane fits a core's cache, and its numbers cannot depend on how the planes are shared among threads; with
    scipy's own `workers` they could, as its vector units take the lines of a transform in groups.
    """
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(task, range(planes)):
            pass


def along_x(transform: Callable[..., Any], values: Complex64s, threads: int) -> None:
    """Apply `scipy.fft.fft` or `ifft` to the first axis, in place."""

    def one(j: int) -> None:
        values[:, j] = transform(values[:, j], axis=0)

    each_plane(one, values.shape[1], threads)


def forward(field: Float32s, threads: int, out: Complex64s | None = None) -> Complex64s:
    """Return the transform of a real field.

    Parameters
    ----------
    field : array, shape (n, n, n)
    out : array, shape (n, n, n // 2 + 1), optional
        Where to write it.

    Returns
    -------
    array, shape (n, n, n // 2 + 1)
        As of `numpy.fft.rfftn`: the sum over the cells, without a factor.
    """
    n = len(field)
    spectrum = np.empty((n, n, n // 2 + 1), np.complex64) if out is None else out

    def one(i: int) -> None:
        spectrum[i] = scipy.fft.rfft2(field[i])

    each_plane(one, n, threads)
    along_x(scipy.fft.fft, spectrum, threads)
    return spectrum


def inverse(spectrum: Complex64s, threads: int, out: Float32s | None = None) -> Float32s:
    """Return the real field of a spectrum, as `numpy.fft.irfftn`; the spectrum is overwritten.

    Parameters
    ----------
    spectrum : array, shape (n, n, n // 2 + 1)
    out : array, shape (n, n, n), optional
        Where to write it; each of its planes may lie in the memory of the same plane of the spectrum.
    """
    along_x(scipy.fft.ifft, spectrum, threads)
    n = len(spectrum)
    field = np.empty((n, n, n), np.float32) if out is None else out

    def one(i: int) -> None:
        field[i] = scipy.fft.irfft2(spectrum[i], s=(n, n))

    each_plane(one, n, threads)
    return field
