"""Galaxies on frames: products of Fourier transforms on the smallest grid that holds each, all bands at once.

Wherever a galaxy is in a band and however bright, its profile is the same: it is tabulated once and serves all bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from clustermass.render.compiled import compiled
from clustermass.render.profiles import BULGE_STEP, DISC_SCALE, bulge_outside, bulge_transform, disc_outside
from clustermass.render.psf import Psf, grid_transform

Array = NDArray[Any]
Floats = NDArray[np.floating]
Frames = NDArray[np.float32]

SIZES = np.array([24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024])
LOST = 0.01  # share of a galaxy's light
_BATCH = 2**20  # complex numbers that are transformed at a time


@dataclass(frozen=True)
class Galaxies:
    """Galaxies on the frames of a field.

    Attributes
    ----------
    x, y : arrays, shape (bands, n)
        Centres; the first pixel's centre is at 0 [px].
    flux : array, shape (bands, n)
        [nanomaggy]
    bulge_fraction : array, shape (n,)
    disc, bulge : arrays, shape (n, 2, 2)
        Half-light ellipses (`pixel_shapes`) [px].
    """

    x: Floats
    y: Floats
    flux: Floats
    bulge_fraction: Floats
    disc: Floats
    bulge: Floats


def stamp_sizes(galaxies: Galaxies, psfs: Sequence[Psf], noise: Floats, tolerance: float) -> NDArray[np.intp]:
    """Return the sides of the grids on which galaxies are drawn, entries of `SIZES`, shape (n,).

    Less than `LOST` of the light of disc and bulge lies outside of a grid, from where it comes back on the other side,
    on average below `tolerance` of the pixel noise; wings of the point-spread function end below it, too.

    Parameters
    ----------
    noise : array, shape (bands,)
        Of a pixel of each band [nanomaggy].
    """
    signal = galaxies.flux / noise[:, None]
    wing = np.array([psf.wing_share * psf.wing_radius for psf in psfs])[:, None]
    width = max(psf.fwhm for psf in psfs)
    reach = np.maximum(SIZES / 2 - 1.5 * width, 1)
    disc = np.linalg.norm(galaxies.disc, axis=1).max(axis=1)[:, None]
    bulge = np.linalg.norm(galaxies.bulge, axis=1).max(axis=1)[:, None]
    share = galaxies.bulge_fraction[:, None]
    outside = (1 - share) * disc_outside(reach / np.maximum(disc, 1e-3))
    outside += share * bulge_outside(reach / np.maximum(bulge, 1e-3))
    folded = signal.max(axis=0)[:, None] * outside / SIZES**2
    edge = (signal * wing).max(axis=0)[:, None] / (2 * np.pi * reach**3)
    fits = (outside <= LOST) & (folded <= tolerance) & (edge <= tolerance)
    return np.asarray(SIZES[np.where(fits.any(axis=1), np.argmax(fits, axis=1), len(SIZES) - 1)])


@compiled
def _profile_row(kx: Array, ky: float, share: float, disc: Array, bulge: Array, table: Array, out: Array) -> None:
    """Write a galaxy's transform along a row of the grid."""
    last = table.size - 2
    scale = np.float32(1 / BULGE_STEP)
    for i in range(kx.size):
        u = disc[0, 0] * kx[i] + disc[1, 0] * ky
        v = disc[0, 1] * kx[i] + disc[1, 1] * ky
        q = np.float32(1) / (np.float32(1) + u * u + v * v)
        out[i] = (np.float32(1) - share) * q * np.sqrt(q)
    if share > 0:
        for i in range(kx.size):
            u = bulge[0, 0] * kx[i] + bulge[1, 0] * ky
            v = bulge[0, 1] * kx[i] + bulge[1, 1] * ky
            place = scale * np.sqrt(np.sqrt(u * u + v * v))
            entry = min(np.int32(place), np.int32(last))
            part = min(place - np.float32(entry), np.float32(1))
            out[i] += share * (table[entry] + part * (table[entry + 1] - table[entry]))


@compiled
def _fill(
    kx: Array,
    ky: Array,
    x: Array,
    y: Array,
    flux: Array,
    share: Array,
    disc: Array,
    bulge: Array,
    table: Array,
    psf: Array,
    out: Array,
) -> None:
    """Write the transforms of galaxies in all bands; x, y: place of the centre on the grid."""
    galaxies, bands, ny, nx = out.shape
    row = np.empty(nx, np.float32)
    across = np.empty((bands, nx), np.complex64)
    for n in range(galaxies):
        for b in range(bands):
            for i in range(nx):
                across[b, i] = np.complex64(np.exp(-1j * kx[i] * x[b, n]) * flux[b, n])
        for j in range(ny):
            _profile_row(kx, ky[j], share[n], disc[n], bulge[n], table, row)
            for b in range(bands):
                up = np.complex64(np.exp(-1j * ky[j] * y[b, n]))
                for i in range(nx):
                    out[n, b, j, i] = across[b, i] * up * (row[i] * psf[b, j, i])


@compiled
def _add(images: Array, stamps: Array, left: Array, low: Array) -> None:
    """Add stamps to images where they overlap; left, low: first column and row of stamps."""
    galaxies, bands, side, _ = stamps.shape
    ny, nx = images.shape[1:]
    for n in range(galaxies):
        for b in range(bands):
            first, last = max(0, -left[b, n]), min(side, nx - left[b, n])
            for j in range(max(0, -low[b, n]), min(side, ny - low[b, n])):
                for i in range(first, last):
                    images[b, low[b, n] + j, left[b, n] + i] += stamps[n, b, j, i]


def _draw(images: Frames, galaxies: Galaxies, chosen: NDArray[np.intp], side: int, transforms: Frames) -> None:
    """Add galaxies of one grid size to images."""
    kx = (2 * np.pi * scipy.fft.rfftfreq(side)).astype(np.float32)
    ky = (2 * np.pi * scipy.fft.fftfreq(side)).astype(np.float32)
    x, y = galaxies.x[:, chosen], galaxies.y[:, chosen]
    left, low = np.floor(x).astype(np.int64) - side // 2, np.floor(y).astype(np.int64) - side // 2
    spectra = np.empty((len(chosen), len(images), side, kx.size), np.complex64)
    single = np.float32
    disc, bulge = galaxies.disc[chosen], galaxies.bulge[chosen]
    _fill(
        kx,
        ky,
        (x - left).astype(single),
        (y - low).astype(single),
        galaxies.flux[:, chosen].astype(single),
        galaxies.bulge_fraction[chosen].astype(single),
        (disc / DISC_SCALE).astype(single),
        bulge.astype(single),
        bulge_transform(),
        transforms,
        spectra,
    )
    stamps = scipy.fft.irfft2(spectra, s=(side, side), overwrite_x=True, workers=1)
    _add(images, stamps, left, low)


def add_galaxies(
    images: Frames, galaxies: Galaxies, psfs: Sequence[Psf], noise: Floats, tolerance: float = 0.01
) -> None:
    """Add galaxies to the images of a field.

    Parameters
    ----------
    images : float32 array, shape (bands, ny, nx)
        [nanomaggy]; changed in place.
    galaxies : Galaxies
        Those whose light does not reach the images cost nothing.
    psfs : sequence of Psf, of length bands
    noise : array, shape (bands,)
        Of a pixel of each band [nanomaggy].
    tolerance : float
        See `stamp_sizes`.
    """
    sizes = stamp_sizes(galaxies, psfs, noise, tolerance)
    ny, nx = images.shape[1:]
    half = sizes / 2
    inside = (galaxies.x > -half) & (galaxies.x < nx + half) & (galaxies.y > -half) & (galaxies.y < ny + half)
    reached = inside.any(axis=0)
    for side in np.unique(sizes[reached]):
        chosen = np.flatnonzero(reached & (sizes == side))
        transforms = np.stack([grid_transform(psf, int(side)) for psf in psfs])
        count = max(1, _BATCH // transforms.size)
        for start in range(0, len(chosen), count):
            _draw(images, galaxies, chosen[start : start + count], int(side), transforms)
