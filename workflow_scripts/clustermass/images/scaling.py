"""Surface brightness to numbers between 0 and 1 that networks read, and back."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustermass.config.frames import Images
from clustermass.images.resize import Pixels

Floats = NDArray[np.float64]
Scaling = Literal["global", "per_image"]
SCALINGS: tuple[Scaling, ...] = ("global", "per_image")


class Scaled(NamedTuple):
    """Images between 0 and 1, and what undoes that: `unscale`.

    Attributes
    ----------
    images : array of float32, shape (..., h, w)
    low, high : array, shape (...)
        log10 of surface brightness + offset [nanomaggy/arcsec2] that became 0 and 1.
    clipped : array, shape (...)
        Share of pixels that cannot be had back: beyond the limits, or NaN.
    """

    images: Pixels
    low: Floats
    high: Floats
    clipped: Floats


def scale(images: Pixels, settings: Images, scaling: Scaling) -> Scaled:
    """Return log10(surface brightness + offset), linearly brought to the range of 0 to 1.

    Parameters
    ----------
    images : array of float32, shape (..., h, w)
        Surface brightness [nanomaggy/arcsec2]; NaN, where nothing was observed, becomes 0, the level of the sky.
    settings : Images
    scaling : {'global', 'per_image'}
        global: settings.faintest becomes 0 and settings.brightest 1 in all images, which keeps their brightness.
        per_image: the faintest and the brightest pixel of every image in every band do, which takes it away; pixels
        below settings.faintest are clipped here too, for one of them would set the range.

    Notes
    -----
    Source: Lin et al. (2022), section 2.2, which does not say of the range whether it is that of one image.
    """
    least, most = np.float32(settings.faintest), np.float32(settings.brightest)
    known = np.isfinite(images)
    out = ~known | (images < least)
    if scaling == "global":
        out |= images > most
        levels = _log(np.clip(np.where(known, images, 0), least, most), settings.offset)
        ends = np.log10(np.array([settings.faintest, settings.brightest]) + settings.offset)
        low, high = (np.full(images.shape[:-2], end) for end in ends)
    else:
        levels = _log(np.maximum(np.where(known, images, 0), least), settings.offset)
        low, high = levels.min(axis=(-2, -1)), levels.max(axis=(-2, -1))
    width = np.where(high > low, high - low, 1.0)[..., None, None]  # an image of one level becomes 0
    scaled = np.clip((levels - low[..., None, None]) / width, 0, 1).astype(np.float32)
    return Scaled(scaled, low, high, out.mean(axis=(-2, -1)))


def unscale(images: Pixels, low: Floats, high: Floats, offset: float) -> Pixels:
    """Return the surface brightness [nanomaggy/arcsec2] of scaled images, to the precision of float32.

    Parameters
    ----------
    images : array of float32, shape (..., h, w)
    low, high : array, shape (...)
        As in `Scaled`.
    offset : float
        Constant that had been added [nanomaggy/arcsec2].
    """
    wide = (np.asarray(high) - low)[..., None, None]
    result: Pixels = (10 ** (np.asarray(low)[..., None, None] + images * wide) - offset).astype(np.float32)
    return result


def describe_scaling(settings: Images, scaling: Scaling) -> dict[str, Any]:
    """Return what a file of scaled images says of them: how they were scaled, and how that is undone."""
    return {
        "scaling": scaling,
        "offset": settings.offset,
        "faintest": settings.faintest,
        "brightest": settings.brightest,
        "unit": "",
        "inverse": "10**(low + value * (high - low)) - offset, in nanomaggy/arcsec2; low and high by cluster and band",
    }


def _log(brightness: Pixels, offset: float) -> Floats:
    levels: Floats = np.log10(brightness.astype(np.float64) + offset)
    return levels
