"""Other programs that make mosaics: SWarp and reproject."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from reproject import reproject_interp

from clustermass.mosaic import kernels
from clustermass.mosaic.errors import MosaicError
from clustermass.mosaic.grid import Grid
from clustermass.mosaic.mapping import PixelMap, celestial

Float32s = NDArray[np.float32]
Made = tuple[Float32s, NDArray[np.int16]]
SWARP_SETTINGS = {
    "COMBINE_TYPE": "MEDIAN",
    "RESAMPLING_TYPE": "LANCZOS3",
    "SUBTRACT_BACK": "N",
    "FSCALASTRO_TYPE": "FIXED",
    "FSCALE_KEYWORD": "NONE",  # frames are in the unit of flux already
    "GAIN_KEYWORD": "NONE",
    "WRITE_XML": "N",
    "VERBOSE_TYPE": "QUIET",
}


def swarp_program() -> str:
    """Return the path of SWarp.

    Raises
    ------
    MosaicError
        It is not installed.
    """
    found = shutil.which("SWarp") or shutil.which("swarp")
    if found is None:
        raise MosaicError(
            "engine swarp: the program SWarp was not found; install it (Debian: apt install swarp; conda:"
            " conda install conda-forge::astromatic-swarp) or set mosaics.engine to lanczos"
        )
    return found


def swarp(
    images: list[Float32s], headers: list[fits.Header | WCS], places: list[PixelMap], grid: Grid, threads: int
) -> Made:
    """Return the median of frames on a grid, and the number that cover each pixel, by SWarp.

    Raises
    ------
    MosaicError
        SWarp is missing or fails; a frame has SIP distortions, which SWarp does not know.
    """
    program = swarp_program()
    if any(celestial(header).sip for header in headers):
        raise MosaicError("engine swarp: it ignores the SIP distortions that a header has; use lanczos or reproject")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [f"{number}.fits" for number in range(len(images))]
        for file, image, header in zip(files, images, headers, strict=True):
            masked = np.where(np.isfinite(image), image, np.float32(np.nan))  # of the two it knows this one
            words = header.to_header() if isinstance(header, WCS) else header
            fits.PrimaryHDU(masked, words).writeto(folder / file, output_verify="silentfix+ignore")
        run_swarp(program, folder, files, grid, threads, DELETE_TMPFILES="N")
        image, weight = (fits.getdata(folder / file).astype(np.float32) for file in ("coadd.fits", "weight.fits"))
        depth = np.zeros((grid.ny, grid.nx), np.int16)
        for number in range(len(files)):
            with fits.open(folder / f"{number}.resamp.weight.fits") as hdus:
                first = [hdus[0].header[f"COMIN{axis}"] - 1 for axis in (2, 1)]
                part = tuple(slice(a, a + n) for a, n in zip(first, hdus[0].data.shape, strict=True))
                depth[part] += hdus[0].data > 0
    return np.where(weight > 0, image, np.float32(np.nan)), np.where(weight > 0, depth, 0).astype(np.int16)


def run_swarp(program: str, folder: Path, files: list[str], grid: Grid, threads: int, **settings: str) -> None:
    """Let SWarp make coadd.fits and weight.fits in a folder of frames; settings as in its configuration."""
    (folder / "coadd.head").write_text(grid.header().tostring(sep="\n", padding=False, endcard=True) + "\n")
    settings = SWARP_SETTINGS | settings | {"NTHREADS": str(max(threads, 1))}
    options = [word for key, value in settings.items() for word in (f"-{key}", value)]
    command = [program, *files, "-IMAGEOUT_NAME", "coadd.fits", "-WEIGHTOUT_NAME", "weight.fits", *options]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode != 0 or not (folder / "coadd.fits").is_file():
        raise MosaicError(f"engine swarp: it failed ({ran.returncode}): {(ran.stderr or ran.stdout).strip()[-500:]}")


def reproject(
    images: list[Float32s], headers: list[fits.Header | WCS], places: list[PixelMap], grid: Grid, threads: int
) -> Made:
    """Return the median of frames on a grid, and the number that cover each pixel, by reproject (bicubic)."""
    stack = np.full((len(images), grid.ny, grid.nx), kernels.NONE)
    for layer, image, header, place in zip(stack, images, headers, places, strict=True):
        rows, columns = slice(*place.rows), slice(*place.columns)
        target = grid.wcs()[rows, columns]
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        world, bad = celestial(header), ~np.isfinite(image)
        options = {"shape_out": shape, "return_footprint": False, "roundtrip_coords": False}
        part = reproject_interp((np.where(bad, 0, image), world), target, order="bicubic", **options)
        if bad.any():  # splines would carry one masked pixel over the whole frame
            part[reproject_interp((bad.astype(np.float32), world), target, order="bilinear", **options) > 0] = np.nan
        layer[rows, columns] = np.where(np.isfinite(part), part * place.area, kernels.NONE)
    made = np.empty(stack.shape[1:], np.float32), np.empty(stack.shape[1:], np.int16)
    kernels.median(stack, *made)
    return made


def reproject_mask(mask: NDArray[np.bool_], header: fits.Header, grid: Grid) -> NDArray[np.bool_]:
    """Return a frame's mask, (ny, nx), on a grid, by the nearest pixel; false where the frame does not cover."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = reproject_interp(
            (np.asarray(mask, np.float32), celestial(header)),
            grid.wcs(),
            shape_out=(grid.ny, grid.nx),
            order="nearest-neighbor",
            return_footprint=False,
        )
    return np.asarray(found > 0.5)
