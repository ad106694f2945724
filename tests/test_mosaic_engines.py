"""Other engines of mosaics: SWarp as the oracle, on made and on real frames, reproject, and masks."""

import bz2
import io
import shutil

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from test_mosaic import PIXEL, frame_header, stars, with_sip

from clustermass.mosaic import engines
from clustermass.mosaic.coadd import coadd
from clustermass.mosaic.errors import MosaicError
from clustermass.mosaic.grid import Grid
from clustermass.mosaic.mapping import celestial

NOISE = 0.02


@pytest.fixture(scope="module")
def sky():
    """Four turned, dithered frames of stars and noise with masked pixels, their headers, and the grid."""
    rng = np.random.default_rng(1)
    grid, shape = Grid(0.002, 5.0, PIXEL, 160, 150), (170, 180)
    at = grid.wcs().pixel_to_world_values(*rng.uniform(-10, 170, (2, 25)))
    fluxes = 10 ** rng.uniform(0.5, 2.5, 25)
    headers = [
        frame_header((0.002 + rng.uniform(-0.004, 0.004)) % 360, 5 + rng.uniform(-0.004, 0.004), shape, 80 * k + 3)
        for k in range(4)
    ]
    images = [stars(h, shape, at, fluxes) + rng.normal(0, NOISE, shape).astype(np.float32) for h in headers]
    images[2][80, 90], images[1][50, 70] = np.nan, np.inf
    return images, headers, grid


def need_swarp():
    if not (shutil.which("SWarp") or shutil.which("swarp")):
        pytest.skip("SWarp is not installed")
    assert engines.swarp_program()


def check_swarp(ours, theirs, noise):
    """Compare with SWarp's mosaic to the project's standard."""
    np.testing.assert_array_equal(ours.depth, theirs.depth)
    covered = ours.depth > 0
    difference = np.abs(ours.image - theirs.image)[covered] / noise
    assert np.median(difference) < 2e-4
    assert np.percentile(difference, 99) < 1e-3
    bright = covered & (np.nan_to_num(theirs.image) > 50 * noise)
    ratio = ours.image[bright] / theirs.image[bright] - 1
    assert abs(np.median(ratio)) < 1e-5
    assert ratio.std() < 2e-4


def test_mosaics_are_those_of_swarp(sky):
    need_swarp()
    check_swarp(coadd(*sky), coadd(*sky, engine="swarp"), NOISE)
    assert set(np.unique(coadd(*sky).depth)) >= {1, 2, 3, 4}


def test_mosaics_agree_with_reproject(sky):
    ours, theirs = coadd(*sky), coadd(*sky, engine="reproject")
    inner = (ours.depth == theirs.depth) & (ours.depth > 0)
    assert inner.mean() > 0.8  # kernels are not of one size
    assert np.percentile(np.abs(ours.image - theirs.image)[inner], 95) < 0.5 * NOISE
    bright = inner & (np.nan_to_num(ours.image) > 50 * NOISE)
    assert np.median(theirs.image[bright] / ours.image[bright]) == pytest.approx(1, abs=5e-3)
    assert np.isnan(theirs.image[theirs.depth == 0]).all()


def test_swarp_that_is_missing_or_fails_is_named(sky, monkeypatch, tmp_path):
    with pytest.raises(MosaicError, match="failed"):
        engines.run_swarp("false", tmp_path, [], sky[2], 1)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MosaicError, match="install it"):
        coadd(*sky, engine="swarp")


def test_swarp_is_not_given_distortions_it_does_not_know(sky):
    need_swarp()
    images, headers, grid = sky
    with pytest.raises(MosaicError, match="SIP"):
        coadd(images, [with_sip(header) for header in headers], grid, "swarp")


def test_masks_come_onto_the_grid():
    header, grid = frame_header(10.0, 2.0, (60, 60), 90), Grid(10.0, 2.0, PIXEL, 90, 90)
    mask = np.zeros((60, 60), bool)
    mask[20:25, 30:40] = True
    made = engines.reproject_mask(mask, header, grid)
    rows, columns = np.nonzero(made)
    assert made.sum() == pytest.approx(50, abs=3)
    x, y = WCS(header).world_to_pixel_values(*grid.wcs().pixel_to_world_values(columns.mean(), rows.mean()))
    np.testing.assert_allclose([x, y], [34.5, 22], atol=0.3)


# --- real frames


@pytest.fixture(scope="module")
def pair(archive):
    """Two overlapping frames of SDSS in g, their headers, and the grid on their border."""
    images, headers = [], []
    for field in (58, 59):
        file = archive / f"sdss_frames/frame-g-003565-1-{field:04d}.fits.bz2"
        with fits.open(io.BytesIO(bz2.decompress(file.read_bytes()))) as hdus:
            images.append(hdus[0].data.astype(np.float32))
            headers.append(hdus[0].header.copy())
    return images, headers, Grid(19.386, -1.157, PIXEL, 1000, 1000)


@pytest.mark.archival
def test_the_mosaic_of_real_frames_is_that_of_swarp(pair):
    need_swarp()
    ours = coadd(*pair)
    noise = 1.4826 * np.median(np.abs(ours.image - np.median(ours.image)))
    check_swarp(ours, coadd(*pair, engine="swarp"), noise)
    assert ours.coverage == 1
    assert ours.depth.max() == 2


@pytest.mark.archival
def test_apertures_in_the_mosaic_hold_what_they_hold_in_the_frames(pair):
    import sep

    images, headers, grid = pair
    ours = coadd(*pair)
    noise = 1.4826 * np.median(np.abs(ours.image - np.median(ours.image)))
    found = sep.extract(ours.image, 10, err=noise)
    found = found[(found["flux"] > 500 * noise) & (found["flag"] == 0)]
    single = ours.depth[found["y"].astype(int), found["x"].astype(int)] == 1
    near = single & (np.abs(found["x"] - 499.5) < 480) & (np.abs(found["y"] - 499.5) < 480)
    x, y = found["x"][near], found["y"][near]
    here = sep.sum_circle(ours.image, x, y, 15, subpix=0)[0]
    compared = 0
    for image, header in zip(images, headers, strict=True):
        frame = celestial(header).world_to_pixel_values(*grid.wcs().pixel_to_world_values(x, y))
        inside = (np.abs(frame[0] - 1023.5) < 1000) & (np.abs(frame[1] - 744) < 720)
        there = sep.sum_circle(image, frame[0][inside], frame[1][inside], 15, subpix=0)[0]
        np.testing.assert_allclose(here[inside] / there, 1, atol=5e-3)
        compared += inside.sum()
    assert compared >= 5
