"""Co-addition of frames on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from clustermass.mosaic import engines, kernels
from clustermass.mosaic.errors import MosaicError
from clustermass.mosaic.grid import Grid
from clustermass.mosaic.mapping import PixelMap, pixel_map

Float32s = NDArray[np.float32]
Engine = Literal["lanczos", "swarp", "reproject"]
_ROWS = 64  # of the grid that are made at once: all frames' share of them stays in the caches
_SMALLEST = kernels.TAPS


@dataclass(frozen=True)
class Mosaic:
    """Frames co-added on a grid.

    Attributes
    ----------
    image : (ny, nx) array
        Flux in a pixel of the grid, in the unit of the frames; NaN where no frame covers.
    depth : (ny, nx) array
        Number of frames that cover the pixel.
    variance : (ny, nx) array or None
        Variance of the image, in the square of its unit; NaN where no frame covers. Neighbouring pixels are correlated,
        which it does not tell.
    """

    image: Float32s
    depth: NDArray[np.int16]
    variance: Float32s | None = None

    @property
    def coverage(self) -> float:
        """Share of the pixels that a frame covers."""
        return float((self.depth > 0).mean())


def coadd(
    images: Sequence[Float32s],
    headers: Sequence[fits.Header | WCS],
    grid: Grid,
    engine: Engine = "lanczos",
    threads: int = 1,
    variances: Sequence[Float32s] | None = None,
) -> Mosaic:
    """Resample frames onto a grid and take their median, pixel by pixel.

    Pixels of the grid should be no larger than those of the frames: nothing is smoothed before it is sampled. Flux is
    conserved: values are multiplied by the area of the grid's pixels over that of the frame's, one number for
    each frame. A frame adds nothing to a pixel whose kernel (6 x 6 pixels) reaches over the frame's edge or to a
    pixel that is not finite. The median of an even number of frames is the mean of the two in the middle.

    Parameters
    ----------
    images : list of (ny, nx) arrays
        Frames, flux in a pixel; masked pixels are not finite. Only the part under the grid is used.
    headers : list of fits.Header or WCS
        World coordinates of the frames: any that wcslib knows, SIP included.
    grid : Grid
    engine : str
        lanczos: this function; swarp: the program SWarp, with the same settings; reproject: bicubic interpolation by
        that package, then the median.
    threads : int
        Results do not depend on it.
    variances : list of (ny, nx) arrays, optional
        Variances of the frames' pixels, taken as independent; engine lanczos only.

    Raises
    ------
    MosaicError
        Unequal numbers of images and headers; arrays of other shapes; world coordinates missing or singular; no
        frame covers any pixel of the grid; an engine that is not there, or cannot do what is asked.

    Notes
    -----
    Source: Bertin et al. (2002, ADASS XI, 228), SWarp with RESAMPLING_TYPE LANCZOS3, COMBINE_TYPE MEDIAN,
    SUBTRACT_BACK N and FSCALASTRO_TYPE FIXED. SWarp's positions are interpolated to PROJECTION_ERR (0.001 pixels);
    here they are exact between gnomonic images, and good to 2e-4 pixels between others.
    """
    images = _checked(images, headers, variances)
    if engine not in get_args(Engine):
        raise MosaicError(f"engine: expected one of {', '.join(get_args(Engine))}, got {engine}")
    if variances is not None and engine != "lanczos":
        raise MosaicError(f"variances: only the engine lanczos makes them, got {engine}")
    places = [pixel_map(header, image.shape, grid) for image, header in zip(images, headers, strict=True)]
    used = [i for i, place in enumerate(places) if not place.empty]
    if engine == "lanczos" or not used:
        noise = None if variances is None else [np.ascontiguousarray(variances[i], np.float32) for i in used]
        made = _lanczos([images[i] for i in used], [places[i] for i in used], grid, threads, noise)
    else:
        make = engines.swarp if engine == "swarp" else engines.reproject
        made = Mosaic(
            *make([images[i] for i in used], [headers[i] for i in used], [places[i] for i in used], grid, threads)
        )
    if not made.depth.any():
        raise MosaicError(
            f"zero overlap: none of {len(images)} frames covers a pixel of the grid at ra = {grid.ra:.5f},"
            f" dec = {grid.dec:.5f} deg ({grid.nx} x {grid.ny} pixels of {grid.pixel_arcsec:g} arcsec)"
        )
    return made


def _checked(
    images: Sequence[Float32s], headers: Sequence[fits.Header | WCS], variances: Sequence[Float32s] | None
) -> list[Float32s]:
    """Return the images as contiguous float32 of the machine's byte order."""
    if not images:
        raise MosaicError("frames: expected one at least, got none")
    if len(images) != len(headers):
        raise MosaicError(f"frames: expected a header for each image, got {len(headers)} for {len(images)}")
    if variances is not None and [np.shape(a) for a in variances] != [np.shape(a) for a in images]:
        raise MosaicError("variances: expected one for each image, of its shape")
    for number, image in enumerate(images):
        if np.ndim(image) != 2 or min(np.shape(image)) < _SMALLEST:
            raise MosaicError(
                f"frame {number}: expected two dimensions of {_SMALLEST} pixels at least, got shape {np.shape(image)}"
            )
    return [np.ascontiguousarray(image, np.float32) for image in images]


def _lanczos(
    images: list[Float32s], places: list[PixelMap], grid: Grid, threads: int, variances: list[Float32s] | None
) -> Mosaic:
    """Return the mosaic of frames that overlap the grid, made block by block of rows."""
    shape = (grid.ny, grid.nx)
    image, depth = np.empty(shape, np.float32), np.empty(shape, np.int16)
    variance = None if variances is None else np.empty(shape, np.float32)
    table, squares = kernels.kernel_table(), kernels.kernel_table(2)

    def block(first: int) -> None:
        rows = slice(first, min(first + _ROWS, grid.ny))
        fill = partial(_block, places=places, rows=rows, columns=grid.nx)
        kernels.median(fill(images, table, power=1), image[rows], depth[rows])
        if variances is not None and variance is not None:
            kernels.total(fill(variances, squares, power=2), variance[rows])

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(block, range(0, grid.ny, _ROWS)))
    if variance is not None:
        variance *= median_loss(depth) / np.where(depth > 0, depth, np.nan).astype(np.float32) ** 2
    return Mosaic(image, depth, variance)


def _block(
    images: list[Float32s], table: Float32s, power: int, places: list[PixelMap], rows: slice, columns: int
) -> Float32s:
    """Return the frames that touch some rows of the grid, resampled onto them, (frames, rows, columns)."""
    spans = [(max(rows.start, p.rows[0]), min(rows.stop, p.rows[1])) for p in places]
    touching = [i for i, (first, end) in enumerate(spans) if first < end]
    stack = np.empty((len(touching), rows.stop - rows.start, columns), np.float32)
    for layer, i in zip(stack, touching, strict=True):
        place, (first, end) = places[i], spans[i]
        inner = slice(first - rows.start, end - rows.start)
        layer[: inner.start] = layer[inner.stop :] = kernels.NONE
        where = ((place.rows[0], place.columns[0]), place.matrix, place.nodes, place.step)
        scale = np.float32(place.area**power)
        kernels.resample(images[i], (first, end), place.columns, *where, table, scale, layer[inner])
    return stack


def median_loss(n: NDArray[np.int16]) -> Float32s:
    """Return the variance of the median of n values of normal noise over that of their mean.

    Notes
    -----
    It is pi / 2 for many values (Kenney & Keeping 1962, part 2, section 8.8) and one for one and for two; between them
    the form below is within 3 % of the truth.
    """
    less = np.where(n % 2 == 1, n - 1 + np.pi / 2, n - 2 + np.pi)
    return np.where(n > 2, np.pi / 2 * n / less, 1.0).astype(np.float32)
