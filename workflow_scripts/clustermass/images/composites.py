"""Colour composites of images, and where objects are on them; how both are drawn stands in `pictures`."""

from __future__ import annotations

import numpy as np
from astropy.visualization import make_lupton_rgb
from numpy.typing import NDArray

from clustermass.config.pictures import Pictures
from clustermass.frames.contracts import BANDS
from clustermass.images.resize import Pixels
from clustermass.mosaic.grid import Grid

Floats = NDArray[np.float64]
Colours = NDArray[np.uint8]
UNCOVERED = 70  # grey level where nothing was observed


def composite(images: Pixels, settings: Pictures) -> Colours:
    """Return the gri colour composite of an image: i is red, r green, g blue.

    Parameters
    ----------
    images : array of float32, shape (5, h, w)
        Surface brightness in ugriz [nanomaggy/arcsec2]; NaN, where nothing was observed, becomes grey.
    settings : Pictures

    Returns
    -------
    array of uint8, shape (h, w, 3)

    Notes
    -----
    Source: Lupton et al. (2004), as in astropy.visualization: colour does not depend on brightness.
    """
    weighted = [np.float32(w) * images[BANDS.index(band)] for w, band in zip(settings.weights, "irg", strict=True)]
    known = np.isfinite(weighted).all(axis=0)
    light = [np.where(known, band, settings.black) for band in weighted]
    with np.errstate(invalid="ignore"):  # astropy divides by no light, and knows
        colours: Colours = make_lupton_rgb(
            *light, minimum=settings.black, stretch=settings.stretch, Q=settings.softening
        )
    colours[~known] = UNCOVERED
    return colours


def offsets(ra: Floats, dec: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Return where on a grid objects are: to the east and to the north of its centre [arcsec], NaN for those outside.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        ICRS [deg].
    grid : Grid

    Returns
    -------
    array, shape (n,), and array, shape (n,)
    """
    x, y = grid.wcs().all_world2pix(ra, dec, 0) if len(ra) else (np.empty(0), np.empty(0))
    outside = ~((np.abs(x - (grid.nx - 1) / 2) <= grid.nx / 2) & (np.abs(y - (grid.ny - 1) / 2) <= grid.ny / 2))
    # objects on the other side of the sky have a place on the tangent plane too
    near = np.cos(np.radians(dec)) * np.cos(np.radians(ra - grid.ra)) * np.cos(np.radians(grid.dec))
    outside |= near + np.sin(np.radians(dec)) * np.sin(np.radians(grid.dec)) <= 0
    east = -(x - (grid.nx - 1) / 2) * grid.pixel_arcsec
    north = (y - (grid.ny - 1) / 2) * grid.pixel_arcsec
    return np.where(outside, np.nan, east), np.where(outside, np.nan, north)
