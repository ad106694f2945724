"""The point-spread function: a Moffat core and wings that fall as radius^-3, both with one shear.

Wings have the form (1 + r^2 / w^2)^-1.5: no ring, no edge, and light as far out as bright stars show it. Lengths are in
pixels, surface brightness is a pixel's share of the light, for sources centred on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.special import gamma, kv

Floats = NDArray[np.floating]
Frame = NDArray[np.float32]

TABLE_RADIUS = 64  # px; farther out the pixels average nothing that could be seen
TABLE_STEPS = 32  # entries of radial tables a pixel
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)


@dataclass(frozen=True)
class Psf:
    """Shape of stars: full width at half maximum of the core [px], its Moffat slope, shear, and wings."""

    fwhm: float
    slope: float
    shear: tuple[float, float]
    wing_share: float
    wing_radius: float

    @property
    def core_radius(self) -> float:
        """Scale of the Moffat core [px]."""
        return float(self.fwhm / (2 * np.sqrt(2 ** (1 / self.slope) - 1)))

    @property
    def peak(self) -> float:
        """Share of the light in the brightest pixel of a star that is centred on it."""
        return float(radial_table(self)[0])

    @property
    def stretch(self) -> NDArray[np.float64]:
        """Matrix that makes round stars the shape of this function's, area kept, shape (2, 2) in x, y."""
        one, two = self.shear
        return np.asarray(np.array([[1 + one, two], [two, 1 - one]]) / np.sqrt(1 - one**2 - two**2))


def moffat_transform(k: Floats, radius: float, slope: float) -> Floats:
    """Return the Fourier transform of a Moffat profile of unit light, shape as `k` [rad/px].

    Notes
    -----
    Source: Hankel transform of (1 + r^2)^-beta, 2 (k/2)^(beta-1) K_(beta-1)(k) / Gamma(beta-1) (Gradshteyn & Ryzhik
    6.565.4).
    """
    x = np.maximum(radius * np.abs(k), 1e-8)
    order = slope - 1
    return np.asarray(2 * (x / 2) ** order * kv(order, x) / gamma(order))


def grid_transform(psf: Psf, side: int) -> Frame:
    """Return the Fourier transform of point-spread function times pixel on a square grid, shape (side, side // 2 + 1).

    Wings end at the edge of the grid: what lies beyond does not come back on the other side.
    """
    kx, ky = (2 * np.pi * freq(side) for freq in (scipy.fft.rfftfreq, scipy.fft.fftfreq))
    (xx, xy), (_, yy) = psf.stretch
    k = np.hypot(xx * kx + xy * ky[:, None], xy * kx + yy * ky[:, None])
    core = np.interp(k, *_core_table(psf))
    x = scipy.fft.fftfreq(side, 1 / side).astype(np.float32)
    inverse = np.linalg.inv(psf.stretch)
    u, v = (row[0] * x + row[1] * x[:, None] for row in inverse.astype(np.float32))
    wings = scipy.fft.rfft2(_wing_light(psf, u * u + v * v), workers=1).real
    pixel = np.sinc(kx / (2 * np.pi)) * np.sinc(ky / (2 * np.pi))[:, None]
    return np.asarray(((1 - psf.wing_share) * core + psf.wing_share * wings) * pixel, dtype=np.float32)


@lru_cache(maxsize=64)
def _core_table(psf: Psf) -> tuple[Floats, Floats]:
    """Return wave numbers up to the highest of a grid [rad/px] and the transform of the core there."""
    k = np.linspace(0, 1.5 * np.sqrt(2) * np.pi, 4096)
    return k, moffat_transform(k, psf.core_radius, psf.slope)


def surface_brightness(psf: Psf, r2: Floats) -> Floats:
    """Return the light of a round star of unit flux at squared radii [px^2], before pixels average it [1/px^2]."""
    core = psf.core_radius
    inner = (psf.slope - 1) / (np.pi * core**2) * (1 + r2 / core**2) ** -psf.slope
    return np.asarray((1 - psf.wing_share) * inner + psf.wing_share * _wing_light(psf, r2))


def _wing_light(psf: Psf, r2: Floats) -> Floats:
    """Return the light of wings of unit flux at squared radii [px^2]."""
    q = 1 / (1 + r2 / psf.wing_radius**2)
    return np.asarray(0.5 / (np.pi * psf.wing_radius**2) * q * np.sqrt(q))


@lru_cache(maxsize=64)
def radial_table(psf: Psf) -> Frame:
    """Return the light that pixels of a round star get, by the radius of their centres, shape (steps,).

    Entry i is for the radius i / TABLE_STEPS [px]; mean of pixels along a row and along a diagonal, which differ by
    1e-4 of the peak.
    """
    r = np.arange(TABLE_RADIUS * TABLE_STEPS + 2)[:, None, None] / TABLE_STEPS
    dx, dy = _NODES[None, :, None] / 2, _NODES[None, None, :] / 2
    half = np.sqrt(0.5)
    weight = _WEIGHTS[:, None] * _WEIGHTS[None, :] / 4
    rows = surface_brightness(psf, (r + dx) ** 2 + dy**2)
    diagonals = surface_brightness(psf, (r * half + dx) ** 2 + (r * half + dy) ** 2)
    return np.asarray(((rows + diagonals) / 2 * weight).sum(axis=(1, 2)), dtype=np.float32)
