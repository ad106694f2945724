"""Objects and sky of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from clustermass.config.realism import Realism

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
_MAD = 1.482602218505602  # sigma of a normal distribution over its median absolute deviation
_PIXSTACK = 2_000_000  # pixels above the threshold: haloes of bright stars need more than sep's 300,000

_REPEATED = 0.9  # share of a line's pixels that must be the same: others may belong to faults that cross it


class MeasurementError(ValueError):
    """A frame cannot be measured; the message says what was expected and what was found."""


@dataclass(frozen=True)
class Sky:
    """One frame with its sky taken off.

    Attributes
    ----------
    image : float32 array, shape (ny, nx)
        Nanomaggies a pixel, background taken off, 0 where unusable.
    masked : bool array, shape (ny, nx)
        Pixels that cannot be used.
    level : float32 array, shape (ny, nx)
        What was taken off [nanomaggy].
    noise : float
        Noise of a pixel as the background mesh tells it [nanomaggy].
    """

    image: Image
    masked: Mask
    level: Image
    noise: float

    @property
    def usable(self) -> int:
        """Pixels that can be used."""
        return int(self.masked.size - self.masked.sum())


@dataclass(frozen=True)
class Detection:
    """Objects of one frame.

    Attributes
    ----------
    sky : Sky
    objects : structured array, shape (objects,)
        As sep gives them: x, y, a, b, theta, peak, npix, flag ...
    segments : int32 array, shape (ny, nx)
        Number of the object that a pixel belongs to, from 1; 0: none.
    """

    sky: Sky
    objects: NDArray[np.void]
    segments: NDArray[np.int32]


@dataclass(frozen=True)
class Noise:
    """Noise of the sky of one frame, objects masked.

    Attributes
    ----------
    noise : float
        Of a pixel [nanomaggy], by the median absolute deviation.
    correlation : float
        Of neighbouring pixels, mean of both directions.
    residual : float
        Scatter of the background's mesh over the frame, in `noise`.
    """

    noise: float
    correlation: float
    residual: float


def unusable(image: Image) -> Mask:
    """Return which pixels hold no measurement: not finite, rows or columns of one value, or that repeat the one before.

    Parameters
    ----------
    image : float array, shape (ny, nx)
    """
    mask = ~np.isfinite(image)
    same = [image[1:] == image[:-1], image[:, 1:] == image[:, :-1]]  # as the row before, as the column before
    for axis in (0, 1):
        constant = same[1 - axis].mean(axis=1 - axis) > _REPEATED
        repeated = same[axis].mean(axis=1 - axis) > _REPEATED
        lines = constant | np.concatenate([[False], repeated])
        mask |= lines[:, None] if axis == 0 else lines[None, :]
    return mask


def robust_scatter(values: Floats | Image) -> float:
    """Return the scatter of values by their median absolute deviation, as for a normal distribution."""
    return float(_MAD * np.median(np.abs(values - np.median(values))))


def neighbour_correlation(image: Image, used: Mask, scatter: float) -> float:
    """Return the correlation of pixels with their next ones about the sky's level, mean over rows and columns.

    Parameters
    ----------
    image : float array, shape (ny, nx)
        Sky taken off.
    used : bool array, shape (ny, nx)
        Pairs count where both are used.
    scatter : float
        Scatter of a pixel; values beyond 5 of it are drawn in.
    """
    clipped = np.clip(image, -5 * scatter, 5 * scatter)
    found = []
    for first, second in (((slice(None, -1),), (slice(1, None),)), ((..., slice(None, -1)), (..., slice(1, None)))):
        pairs = used[first] & used[second]
        found.append(np.mean(clipped[first][pairs] * clipped[second][pairs], dtype=float) / scatter**2)
    return float(np.mean(found))


def take_sky(image: Image, settings: Realism) -> Sky:
    """Take the background mesh off a frame (sep, which is SExtractor's: Bertin & Arnouts 1996, Barbary 2016).

    Parameters
    ----------
    image : float array, shape (ny, nx)
        Nanomaggies a pixel.

    Raises
    ------
    MeasurementError
        Less than a hundredth of the frame can be used, or it has no noise.
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    masked = unusable(image)
    if masked.mean() > 0.99:
        raise MeasurementError(f"expected a frame with pixels to measure, got {100 * masked.mean():.1f} % unusable")
    background = sep.Background(
        np.where(masked, np.float32(0), image), mask=masked, bw=settings.mesh_pixels, bh=settings.mesh_pixels
    )
    if not background.globalrms > 0:
        raise MeasurementError(f"expected a frame with noise, got one of scatter {background.globalrms:g}")
    level = background.back()
    return Sky(np.where(masked, np.float32(0), image - level), masked, level, float(background.globalrms))


def find_objects(sky: Sky, settings: Realism) -> Detection:
    """Return the objects that stand out of the noise of a frame."""
    sep.set_extract_pixstack(_PIXSTACK)
    objects, segments = sep.extract(
        sky.image,
        settings.detection_sigma,
        err=sky.noise,
        mask=sky.masked,
        minarea=settings.detection_pixels,
        segmentation_map=True,
    )
    return Detection(sky, objects, segments)


def measure_noise(found: Detection, settings: Realism) -> Noise:
    """Measure the noise of the sky with all objects masked, and what is left of a sky that was taken off before."""
    sky, hidden = found.sky, found.segments > 0
    if settings.mask_growth:
        hidden = binary_dilation(hidden, iterations=settings.mask_growth)
    hidden |= sky.masked
    rest = sep.Background(sky.image, mask=hidden, bw=settings.mesh_pixels, bh=settings.mesh_pixels).back()
    image = sky.image - rest
    noise = robust_scatter(image[~hidden])
    residual = float(np.std((sky.level + rest)[~sky.masked], dtype=float)) / noise
    return Noise(noise, neighbour_correlation(image, ~hidden, noise), residual)
