"""Mosaics against SWarp: processor time, and how far the two differ.

Usage: python benchmarks/mosaic.py [--runs 5] [--frames FOLDER]
(--frames: folder with the SDSS frames frame-g-003565-1-0058.fits.bz2 and -0059; needs SWarp)

Both make the same mosaic in turn, on one thread. The project's time is that of `coadd` on frames in memory, SWarp's
that of its process on plain FITS files; `SWarp, in its loops` leaves out the system's share of
it, which is mostly files.
"""

import argparse
import bz2
import io
import resource
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from astropy.io import fits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from clustermass.mosaic.coadd import coadd
from clustermass.mosaic.engines import run_swarp, swarp_program
from clustermass.mosaic.grid import Grid

PIXEL = 0.396  # arcsec
NOISE = 0.02
PAIR = [f"frame-g-003565-1-{field:04d}.fits.bz2" for field in (58, 59)]


def simulated(frames=6, side=1300, stars=1500, seed=1):
    """Return dithered and turned frames of random Moffat stars with noise, their headers, and the grid."""
    rng = np.random.default_rng(seed)
    grid = Grid(150.0, 2.0, PIXEL, 1200, 1200)
    world = grid.wcs().pixel_to_world_values(*rng.uniform(-100, 1300, (2, stars)))
    fluxes = 10 ** rng.uniform(0, 3, stars)
    images, headers = [], []
    for _ in range(frames):
        header = grid.header()
        header["NAXIS1"] = header["NAXIS2"] = side
        angle = rng.uniform(-0.3, 0.3)
        turn = np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * PIXEL / 3600
        for i in (1, 2):
            header[f"CRPIX{i}"] = side / 2 + rng.uniform(-60, 60)
            header[f"CRVAL{i}"] += rng.uniform(-0.005, 0.005)
            for j in (1, 2):
                header[f"CD{i}_{j}"] = turn[i - 1, j - 1]
        image = rng.normal(0, NOISE, (side, side)).astype(np.float32)
        add_stars(image, header, world, fluxes)
        images.append(image)
        headers.append(header)
    return images, headers, grid


def add_stars(image, header, world, fluxes, fwhm=1.3 / PIXEL, beta=3.0, reach=20):
    """Add Moffat stars at positions on the sky to an image."""
    from astropy.wcs import WCS

    width = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    for x, y, flux in zip(*WCS(header).wcs_world2pix(*world, 0), fluxes, strict=True):
        ends = [(max(int(c) - reach, 0), min(int(c) + reach + 1, n)) for c, n in zip((y, x), image.shape, strict=True)]
        if all(a < b for a, b in ends):
            rows, columns = (np.arange(*e) for e in ends)
            r2 = (rows[:, None] - y) ** 2 + (columns - x) ** 2
            image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += (
                flux * (beta - 1) / (np.pi * width**2) * (1 + r2 / width**2) ** -beta
            )


def real_pair(folder):
    """Return two overlapping SDSS frames, their headers, and the grid on their border."""
    images, headers = [], []
    for name in PAIR:
        with fits.open(io.BytesIO(bz2.decompress((Path(folder) / name).read_bytes()))) as hdus:
            images.append(hdus[0].data.astype(np.float32))
            headers.append(hdus[0].header)
            headers[-1].remove("EXTEND", ignore_missing=True)
    return images, headers, Grid(19.386, -1.157, PIXEL, 1500, 1500)


def by_swarp(images, headers, grid, folder):
    """Return SWarp's mosaic, NaN where it has none, and its (user, system) seconds."""
    for number, (image, header) in enumerate(zip(images, headers, strict=True)):
        fits.PrimaryHDU(image, header).writeto(folder / f"{number}.fits", overwrite=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_swarp(swarp_program(), folder, [f"{k}.fits" for k in range(len(images))], grid, 1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    image, weight = (fits.getdata(folder / name).astype(np.float32) for name in ("coadd.fits", "weight.fits"))
    seconds = (after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)
    return np.where(weight > 0, image, np.nan), seconds


def centroids(image, places, reach=4):
    """Return flux-weighted centres, (2, n), of sources at brightest pixels (rows, columns)."""
    offsets = np.arange(-reach, reach + 1)
    boxes = np.stack([image[r - reach : r + reach + 1, c - reach : c + reach + 1] for r, c in places])
    weights = np.clip(boxes, 0, None).astype(float)
    total = weights.sum((1, 2))
    return np.stack([(weights.sum(3 - axis) * offsets).sum(1) / total for axis in (1, 2)]), total


def bright_sources(image, noise, reach=8):
    """Return (row, column) of bright, isolated local maxima."""
    from scipy.ndimage import maximum_filter

    filled = np.nan_to_num(image)
    peaks = (filled == maximum_filter(filled, 4 * reach + 1)) & (filled > 50 * noise)
    rows, columns = np.nonzero(peaks)
    inside = [
        np.isfinite(image[max(r - reach, 0) : r + reach + 1, max(c - reach, 0) : c + reach + 1]).all()
        and min(r, c, image.shape[0] - 1 - r, image.shape[1] - 1 - c) >= reach
        for r, c in zip(rows, columns, strict=True)
    ]
    return np.stack([rows, columns], axis=1)[inside]


def compare(image, other):
    """Print how two mosaics differ, in units of the noise."""
    both = np.isfinite(image) & np.isfinite(other)
    noise = 1.4826 * np.median(np.abs(other[both] - np.median(other[both])))
    difference = np.abs(image - other)[both] / noise
    places = bright_sources(other, noise)
    (ours, flux), (theirs, reference) = centroids(image, places), centroids(other, places)
    ratio = flux / reference - 1
    print(
        f"  difference / noise: median {np.median(difference):.1e}, 99 % {np.percentile(difference, 99):.1e}, largest "
        f"{difference.max():.1e}; covered by one alone: {(np.isfinite(image) != np.isfinite(other)).sum()} pixels\n"
        f"  {len(places)} bright sources: flux ratio - 1 = {np.median(ratio):.1e}, scatter {ratio.std():.1e}, "
        f"positions {np.abs(ours - theirs).max():.1e} pixels at most"
    )


def memory(images, headers, grid):
    """Return the peak memory [MB] that `coadd` allocates beside its frames, its result included."""
    tracemalloc.start()
    coadd(images, headers, grid)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def bench(name, images, headers, grid, runs):
    """Time both in turn; print medians and differences."""
    coadd(images, headers, grid)  # compilation
    seconds = []
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(runs):
            start = time.process_time()
            mosaic = coadd(images, headers, grid)
            ours = time.process_time() - start
            other, theirs = by_swarp(images, headers, grid, Path(scratch))
            seconds.append((ours, theirs[0], sum(theirs)))
    seconds = np.array(seconds)
    ours, loops, whole = np.median(seconds, axis=0)
    ratios = np.percentile(seconds[:, 2] / seconds[:, 0], [50, 16, 84])
    print(
        f"{name} -> {grid.nx} x {grid.ny}: project {ours * 1e3:.0f} ms, SWarp {whole * 1e3:.0f} ms, in its loops "
        f"{loops * 1e3:.0f} ms; ratio {ratios[0]:.1f} ({ratios[1]:.1f}-{ratios[2]:.1f}), of loops "
        f"{np.median(seconds[:, 1] / seconds[:, 0]):.1f}; "
        f"memory of the project beside the frames {memory(images, headers, grid):.0f} MB"
    )
    compare(mosaic.image, other)


def main():
    """Print the comparison on simulated and on real frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--frames")
    options = parser.parse_args()
    cases = [("six simulated frames", simulated)]
    if options.frames:
        cases.append(("SDSS frames 003565-1-0058 and -0059, g", lambda: real_pair(options.frames)))
    for name, make in cases:
        bench(name, *make(), options.runs)


if __name__ == "__main__":
    main()
