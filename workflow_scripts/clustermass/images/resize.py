"""Images of other sizes: area-weighted means about the centre, which keep fluxes exactly."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


def resize(images: Pixels, pixels: int, side: float | None = None) -> Pixels:
    """Return the central squares of images in another number of pixels.

    A pixel of the result is the mean over its area, parts of pixels counting by their areas, so that surface brightness
    times area is kept. Pixels that are NaN count for nothing; where there is nothing else, the result is NaN.

    Parameters
    ----------
    images : array of float32, shape (..., ny, nx)
        Surface brightness.
    pixels : int
        Pixels along a side of the result.
    side : float, optional
        Side of the central square [pixels of `images`], whole or not; None: all of images that are square.

    Returns
    -------
    array of float32, shape (..., pixels, pixels)

    Raises
    ------
    ValueError
        The square is larger than the images, or has no size; or images that are not square, and no side.
    """
    ny, nx = images.shape[-2:]
    if side is None and ny != nx:
        raise ValueError(f"expected square images, got {ny} x {nx} pixels")
    side = float(nx) if side is None else float(side)
    if not 0 < side <= min(ny, nx) + 1e-6 or pixels < 1:
        raise ValueError(f"expected a square inside {ny} x {nx} pixels, got one of {side:g} in {pixels} pixels")
    step = side / pixels
    result = np.empty((*images.shape[:-2], pixels, pixels), np.float32)
    _average(np.ascontiguousarray(images, np.float32).reshape(-1, ny, nx), step, result.reshape(-1, pixels, pixels))
    return result


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def _average(images: Pixels, step: float, result: Pixels) -> None:
    """Fill `result` with means over squares of `step` pixels about the centre."""
    number, ny, nx = images.shape
    pixels = result.shape[1]
    down, left = (ny - step * pixels) / 2, (nx - step * pixels) / 2
    for k in range(number):
        for j in range(pixels):
            y0, y1 = max(down + j * step, 0.0), min(down + (j + 1) * step, float(ny))
            for i in range(pixels):
                x0, x1 = max(left + i * step, 0.0), min(left + (i + 1) * step, float(nx))
                total, area = 0.0, 0.0
                for y in range(int(y0), min(int(np.ceil(y1)), ny)):
                    height = min(y1, y + 1.0) - max(y0, float(y))
                    for x in range(int(x0), min(int(np.ceil(x1)), nx)):
                        value = images[k, y, x]
                        if not np.isnan(value):
                            weight = height * (min(x1, x + 1.0) - max(x0, float(x)))
                            total += weight * value
                            area += weight
                result[k, j, i] = total / area if area > 1e-9 else np.nan
