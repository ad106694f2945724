"""Seeing: Moffat profiles of stars."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from clustermass.realism.detection import Floats, Image

_STEEPEST = 12.0  # beyond this a Moffat profile cannot be told from a Gaussian


def moffat_fwhm(alpha: float, beta: float) -> float:
    """Return the full width at half maximum of a Moffat profile, in the unit of alpha (Moffat 1969)."""
    return 2 * alpha * float(np.sqrt(2 ** (1 / beta) - 1))


def fit_moffat(stamp: Image | Floats) -> tuple[float, float] | None:
    """Return alpha [pixel] and beta of the round Moffat profile that fits a star best.

    The profile is that of the image, pixels included.

    Parameters
    ----------
    stamp : float array, shape (n, n)
        The star near its middle.

    Returns
    -------
    tuple of float, or None
        None: no fit, or one at an end of what is allowed.
    """
    stamp = np.asarray(stamp, float)
    if not np.isfinite(stamp).all() or np.ptp(stamp) == 0:
        return None
    ny, nx = stamp.shape
    y, x = np.mgrid[:ny, :nx]
    sky, peak = float(np.median(np.r_[stamp[0], stamp[-1], stamp[:, 0], stamp[:, -1]])), float(stamp.max())
    # Every pixel counts the same, in units of the peak; soft_l1 keeps neighbours from pulling.
    scaled, start = (stamp - sky) / (peak - sky), [1.0, (nx - 1) / 2, (ny - 1) / 2, np.log(2.0), np.log(3.0), 0.0]

    def deviations(p: Floats) -> Floats:
        square = ((x - p[1]) ** 2 + (y - p[2]) ** 2) * np.exp(-2 * p[3])
        return np.asarray(p[0] * (1 + square) ** -np.exp(p[4]) + p[5] - scaled).ravel()

    low = [0.2, nx / 2 - 3.5, ny / 2 - 3.5, np.log(0.3), np.log(1.05), -0.2]
    high = [5.0, nx / 2 + 2.5, ny / 2 + 2.5, np.log(nx), np.log(_STEEPEST), 0.2]
    fit = least_squares(deviations, start, bounds=(low, high), loss="soft_l1", f_scale=0.01, max_nfev=60)
    alpha, beta = np.exp(fit.x[3:5])
    if not fit.success or np.any(fit.active_mask[1:4]):
        return None
    return float(alpha), float(beta)


def measure_seeing(image: Image, x: Floats, y: Floats, stamp_pixels: int, most: int) -> tuple[float, float, int]:
    """Return FWHM [pixel] and beta, medians over stars, and the number of stars.

    Parameters
    ----------
    image : float array, shape (ny, nx)
        Background taken off.
    x, y : array, shape (stars,)
        Places of stars [pixel], best ones first; those at the edge are left out.
    stamp_pixels : int
        Side of the stamps, odd.
    most : int
        Stars to fit.
    """
    half, (ny, nx) = stamp_pixels // 2, image.shape
    columns, rows = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (columns >= half) & (columns < nx - half) & (rows >= half) & (rows < ny - half)
    fits = [
        fit_moffat(image[row - half : row + half + 1, column - half : column + half + 1])
        for column, row in zip(columns[inside][:most], rows[inside][:most], strict=True)
    ]
    found = np.array([(moffat_fwhm(*fit), fit[1]) for fit in fits if fit is not None])
    if not len(found):
        return np.nan, np.nan, 0
    fwhm, beta = np.median(found, axis=0)
    return float(fwhm), float(beta), len(found)
