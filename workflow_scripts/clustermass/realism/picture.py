"""A field on one grid, for a picture of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from clustermass.frames.contracts import BANDS
from clustermass.frames.frame import frame_wcs
from clustermass.mosaic.coadd import coadd
from clustermass.mosaic.grid import square_grid
from clustermass.realism.detection import Image, MeasurementError
from clustermass.realism.objects import pixel_arcsec


def field_picture(frames: Mapping[str, tuple[Image, fits.Header]], side_arcsec: float) -> NDArray[np.float32]:
    """Return the middle of a field, all bands on one grid, north up: surface brightness [nanomaggy/arcsec2].

    Parameters
    ----------
    frames : dict
        By band: image [nanomaggy], shape (ny, nx), and header.
    side_arcsec : float

    Returns
    -------
    float32 array, shape (5, n, n)
        Bands ugriz; NaN for bands that are not there, and where there is no frame.

    Raises
    ------
    MeasurementError
        There is no r band, which the middle is told by.
    """
    if "r" not in frames:
        raise MeasurementError(f"expected frames with r, got {', '.join(frames) or 'none'}")
    wcs = frame_wcs(frames["r"][1])
    rows, columns = frames["r"][0].shape
    ra, dec = wcs.all_pix2world((columns - 1) / 2, (rows - 1) / 2, 0)
    grid = square_grid(float(ra) % 360, float(dec), side_arcsec, pixel_arcsec(wcs))
    result = np.full((len(BANDS), grid.ny, grid.nx), np.nan, dtype=np.float32)
    for at, band in enumerate(BANDS):
        if band in frames:
            image, header = frames[band]
            result[at] = coadd([image], [header], grid).image / np.float32(grid.pixel_arcsec**2)
    return result
