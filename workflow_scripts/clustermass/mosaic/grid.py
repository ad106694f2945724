"""Pixel grids of mosaics: tangent planes, north up, east to the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from reproject.mosaicking import find_optimal_celestial_wcs

from clustermass.mosaic.errors import MosaicError
from clustermass.mosaic.mapping import celestial, outline

_MOST_PIXELS = 2**30  # of a grid: 4 GiB of float32


@dataclass(frozen=True)
class Grid:
    """Pixel grid on a tangent plane that touches the sky at the grid's centre; north up, east to the left.

    Attributes
    ----------
    ra, dec : float
        Centre [deg], ICRS.
    pixel_arcsec : float
        Side of a pixel at the centre [arcsec].
    nx, ny : int
        Columns and rows.
    """

    ra: float
    dec: float
    pixel_arcsec: float
    nx: int
    ny: int

    def __post_init__(self) -> None:
        """Refuse what is no grid."""
        if not (np.isfinite(self.ra) and abs(self.dec) <= 90):
            raise MosaicError(f"grid: expected a centre on the sky, got ra = {self.ra}, dec = {self.dec} deg")
        if not 0 < self.pixel_arcsec < np.inf:
            raise MosaicError(f"grid: expected pixels of a positive size, got {self.pixel_arcsec} arcsec")
        if self.nx < 1 or self.ny < 1 or self.nx * self.ny > _MOST_PIXELS:
            raise MosaicError(f"grid: expected 1 to {_MOST_PIXELS} pixels, got {self.nx} x {self.ny}")

    def header(self) -> fits.Header:
        """Return the FITS header of an image on the grid."""
        header = fits.Header()
        step = self.pixel_arcsec / 3600
        header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, self.nx, self.ny
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        header["CUNIT1"] = header["CUNIT2"] = "deg"
        header["CRVAL1"], header["CRVAL2"] = self.ra % 360, self.dec
        header["CRPIX1"], header["CRPIX2"] = (self.nx + 1) / 2, (self.ny + 1) / 2
        header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = -step, 0.0, 0.0, step
        header["LONPOLE"], header["RADESYS"] = 180.0, "ICRS"  # of the poles the default would be another
        return header

    @lru_cache(maxsize=64)  # noqa: B019  # grids are small, and equal ones share it
    def wcs(self) -> WCS:
        """Return the world coordinates of the grid; not to be changed."""
        return WCS(self.header())


def square_grid(ra: float, dec: float, side_arcsec: float, pixel_arcsec: float) -> Grid:
    """Return the smallest square grid around (ra, dec) [deg] with a side of at least `side_arcsec`."""
    pixels = side_arcsec / pixel_arcsec if pixel_arcsec > 0 else 0
    if not 0 < pixels < np.inf:
        raise MosaicError(f"grid: expected a positive side and pixel, got {side_arcsec} and {pixel_arcsec} arcsec")
    n = int(np.ceil(round(pixels, 6)))
    return Grid(float(ra), float(dec), float(pixel_arcsec), n, n)


def common_grid(frames: Sequence[tuple[fits.Header, tuple[int, int]]], pixel_arcsec: float) -> Grid:
    """Return a grid that holds all of some frames, centred on them.

    Parameters
    ----------
    frames : list of (header, (rows, columns))
    pixel_arcsec : float
        Side of a pixel [arcsec].

    Raises
    ------
    MosaicError
        No frames; a header without celestial coordinates; frames too far apart for one tangent plane.

    Notes
    -----
    Source of the centre: `find_optimal_celestial_wcs` of the package reproject.
    """
    import astropy.units as u

    if not frames:
        raise MosaicError("grid: expected one frame at least, got none")
    known = [(shape, celestial(header)) for header, shape in frames]
    try:
        found, (rows, columns) = find_optimal_celestial_wcs(
            known, frame="icrs", resolution=pixel_arcsec * u.arcsec, projection="TAN"
        )
    except ValueError as error:
        raise MosaicError(f"grid: frames lie too far apart for one tangent plane ({error})") from error
    centre = found.pixel_to_world((columns - 1) / 2, (rows - 1) / 2)
    around = Grid(float(centre.ra.deg), float(centre.dec.deg), pixel_arcsec, 1, 1)
    far = np.abs(np.concatenate([outline(world, shape, around.wcs()) for shape, world in known], axis=1))
    if not np.isfinite(far).all():
        raise MosaicError("grid: frames lie too far apart for one tangent plane")
    # the centre of `around` is its pixel 0; frames end half a pixel beyond the centres of their outer pixels
    nx, ny = (1 + 2 * np.ceil(far.max(1) - 1e-6)).astype(int)
    return Grid(around.ra, around.dec, pixel_arcsec, int(nx), int(ny))
