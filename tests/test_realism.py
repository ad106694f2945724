"""Measurements on frames: synthetic skies of known noise, seeing, counts, sizes and colours, and planted faults."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import convolve1d

from clustermass.config.realism import Realism
from clustermass.frames.contracts import FRAMES
from clustermass.frames.frame import FrameError
from clustermass.realism.contracts import COVERAGE, FIELD_STATISTICS, OBJECTS
from clustermass.realism.detection import (
    MeasurementError,
    find_objects,
    measure_noise,
    neighbour_correlation,
    robust_scatter,
    take_sky,
    unusable,
)
from clustermass.realism.field import choose_fields, gather, measure_catalogue, measure_field
from clustermass.realism.objects import colour, magnitude, pixel_arcsec, point_source_radius
from clustermass.realism.picture import field_picture
from clustermass.realism.seeing import fit_moffat, measure_seeing, moffat_fwhm

SETTINGS = Realism()
SIDE, NOISE, SCALE = 400, 0.03, 0.396
OFFSETS = {"g": (3.0, -7.0), "r": (0.0, 0.0), "i": (-2.0, 5.0)}  # where r's middle stands in each band [pixel]
ALPHA, BETA = 3.0, 3.0  # of stars [pixel]
STAR_FLUX, GALAXY_FLUX = 60.0, 40.0  # r = 18.05 and 18.5
STAR_COLOURS, GALAXY_COLOURS = (0.5, 0.2), (1.0, 0.4)  # g - r, r - i


def header(band: str = "r", side: int = SIDE) -> fits.Header:
    """Return a tangent plane near declination 40, rows to the north-east."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [0.01, 40.0]
    wcs.wcs.crpix = np.add(OFFSETS[band], (side + 1) / 2)
    turn = np.radians(30)
    wcs.wcs.cd = SCALE / 3600 * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return wcs.to_header()


def sky(rng: np.random.Generator, side: int = SIDE, correlation: float = 0.0) -> np.ndarray:
    """Return noise whose neighbours are correlated as asked for: weights w, 1, w give 2 w / (1 + 2 w^2)."""
    noise = rng.normal(0, 1, (side, side))
    if correlation:
        w = (1 - np.sqrt(1 - 2 * correlation**2)) / (2 * correlation)
        for axis in (0, 1):
            noise = convolve1d(noise, [w, 1, w], axis=axis, mode="wrap") / np.sqrt(1 + 2 * w**2)
    return (NOISE * noise).astype(np.float32)


def add_star(image: np.ndarray, x: float, y: float, flux: float, alpha: float = ALPHA, beta: float = BETA) -> None:
    """Add a Moffat profile of known total flux."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    square = ((columns - x) ** 2 + (rows - y) ** 2) / alpha**2
    image += (flux * (beta - 1) / (np.pi * alpha**2) * (1 + square) ** -beta).astype(np.float32)


def add_galaxy(image: np.ndarray, x: float, y: float, flux: float, scale: float = 4.0) -> None:
    """Add a round exponential disc; its half-light radius is 1.678 scale lengths."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    image += (flux / (2 * np.pi * scale**2) * np.exp(-np.hypot(columns - x, rows - y) / scale)).astype(np.float32)


@cache
def planted() -> dict[str, tuple[np.ndarray, fits.Header]]:
    """Return three bands of a field with sixteen stars and nine galaxies, bands displaced against one another."""
    rng, frames = np.random.default_rng(3), {}
    stars, galaxies = places(4, 50.0), places(3, 100.0)
    for band, at in (("g", 0), ("r", None), ("i", 1)):
        image, (dx, dy) = sky(rng), OFFSETS[band]
        for many, add, flux, colours in (
            (stars, add_star, STAR_FLUX, STAR_COLOURS),
            (galaxies, add_galaxy, GALAXY_FLUX, GALAXY_COLOURS),
        ):
            factor = 1.0 if at is None else 10 ** (0.4 * colours[at] * (-1 if at == 0 else 1))
            for x, y in many:
                add(image, x + dx, y + dy, flux * factor)
        frames[band] = image, header(band)
    return frames


def places(side: int, first: float) -> list[tuple[float, float]]:
    """Return a grid of places that keeps 100 pixels between neighbours, off the pixels' middles."""
    steps = first + 100 * np.arange(side)
    return [(x + 0.3, y - 0.2) for x in steps for y in steps]


def number(statistics: pd.DataFrame, statistic: str, bin_name: str) -> float:
    row = statistics[(statistics["statistic"] == statistic) & (statistics["bin"] == bin_name)]
    assert len(row) == 1
    return float(row["value"].iloc[0])


@pytest.mark.parametrize("correlation", [0.0, 0.03, 0.2])
def test_noise_and_its_correlation_are_found_under_stars(correlation: float) -> None:
    image = sky(np.random.default_rng(1), 600, correlation)
    for x, y in places(5, 60.0):
        add_star(image, x, y, STAR_FLUX)
    found = measure_noise(find_objects(take_sky(image + 0.5, SETTINGS), SETTINGS), SETTINGS)
    assert found.noise == pytest.approx(NOISE, rel=0.02)
    assert found.correlation == pytest.approx(correlation, abs=0.012)
    assert found.residual < 0.08


def test_a_wave_in_the_sky_is_a_residual() -> None:
    image, amplitude = sky(np.random.default_rng(2), 1024), 0.3 * NOISE
    image += amplitude * np.sin(2 * np.pi * np.arange(1024) / 512).astype(np.float32)
    found = measure_noise(find_objects(take_sky(image, SETTINGS), SETTINGS), SETTINGS)
    assert found.residual == pytest.approx(0.3 / np.sqrt(2), rel=0.12)
    assert found.noise == pytest.approx(NOISE, rel=0.01)


def test_correlation_by_hand() -> None:
    image = np.array([[1.0, 1.0], [-1.0, -1.0]], dtype=np.float32)
    assert neighbour_correlation(image, np.ones((2, 2), bool), 1.0) == pytest.approx(0.0)  # -1 along, +1 across
    used = np.array([[True, True], [False, True]])
    assert neighbour_correlation(image, used, 1.0) == pytest.approx(0.0)
    assert robust_scatter(np.random.default_rng(0).normal(0, 2, 200_000)) == pytest.approx(2, rel=0.01)


def test_pixels_without_a_measurement() -> None:
    image = sky(np.random.default_rng(4))
    image[7], image[:, 3], image[100, 200] = 0, -1, np.nan
    image[51] = image[50]
    mask = unusable(image)
    assert mask[7].all()
    assert mask[:, 3].all()
    assert mask[100, 200]
    assert mask[51].all()
    assert mask.sum() == 3 * SIDE - 2 + 1
    assert take_sky(image, SETTINGS).usable == mask.size - mask.sum()


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 2.8), (3.0, 3.5), (4.0, 4.5)])
def test_moffat_profiles_are_fitted(alpha: float, beta: float) -> None:
    stamp = np.random.default_rng(5).normal(0, NOISE, (31, 31)).astype(np.float32) + 0.2
    add_star(stamp, 15.4, 14.7, 300.0, alpha, beta)
    fit = fit_moffat(stamp)
    assert fit is not None
    assert moffat_fwhm(*fit) == pytest.approx(moffat_fwhm(alpha, beta), rel=0.01)
    assert fit[1] == pytest.approx(beta, rel=0.1)


def test_no_seeing_without_stars() -> None:
    assert fit_moffat(np.zeros((31, 31))) is None
    image = sky(np.random.default_rng(6))
    fwhm, _, stars = measure_seeing(image, np.array([2.0]), np.array([5.0]), 31, 5)
    assert np.isnan(fwhm)
    assert stars == 0
    assert moffat_fwhm(1.0, 1.0) == pytest.approx(2.0)  # a Lorentzian falls to half at its radius


def test_what_was_planted_is_measured() -> None:
    measured = measure_field(planted(), "one", SETTINGS)
    statistics, objects = measured.statistics, measured.objects
    FIELD_STATISTICS.validate(statistics, "statistics")
    OBJECTS.validate(objects, "objects")
    bright = objects[objects["r"] < 19]
    assert bright["star"].sum() == 16
    assert (~bright["star"]).sum() == 9
    area = (SIDE * SCALE / 60) ** 2
    assert number(statistics, "counts", "18") == pytest.approx(25 / area, rel=1e-3)
    assert number(statistics, "star fraction", "18") == pytest.approx(16 / 25)
    assert number(statistics, "FWHM", "r") == pytest.approx(moffat_fwhm(ALPHA, BETA) * SCALE, rel=0.02)
    assert number(statistics, "half-light radius", "18") == pytest.approx(
        4.0 * 1.6 * SCALE, rel=0.06
    )  # of the light inside the Kron aperture, about 95 %
    assert bright.loc[bright["star"], "r"].median() == pytest.approx(magnitude(np.array(STAR_FLUX)), abs=0.06)
    for kind, colours in (("galaxies", GALAXY_COLOURS), ("stars", STAR_COLOURS)):
        for name, expected in zip(("g-r", "r-i"), colours, strict=True):
            assert number(statistics, f"colour of {kind}", name) == pytest.approx(expected, abs=0.02)
    for band, (dx, dy) in OFFSETS.items():
        assert number(statistics, "noise", band) == pytest.approx(NOISE, rel=0.02)
        assert number(statistics, "offset x", band) == pytest.approx(dx, abs=1e-6)
        assert number(statistics, "offset y", band) == pytest.approx(dy, abs=1e-6)


def test_a_band_that_is_not_where_its_header_says_shows_in_colours() -> None:
    frames = dict(planted())
    frames["g"] = frames["g"][0], header("r")
    statistics = measure_field(frames, "one", SETTINGS).statistics
    assert abs(number(statistics, "colour of stars", "g-r") - STAR_COLOURS[0]) > 0.3


def test_bright_stars_take_area() -> None:
    image = sky(np.random.default_rng(7))
    add_star(image, 200, 200, 20_000.0)  # peak 1400 nanomaggies
    measured = measure_field({"r": (image, header())}, "one", SETTINGS)
    assert number(measured.statistics, "bright area", "r") > 0.3
    assert measured.objects.loc[measured.objects["r"].idxmin(), ["bright", "star"]].all()
    assert measured.objects["flux_g"].isna().all()


def test_frames_that_cannot_be_measured_are_named() -> None:
    image = planted()["r"][0]
    with pytest.raises(MeasurementError, match="field one: expected bands of ugriz with r, got g"):
        measure_field({"g": planted()["g"]}, "one", SETTINGS)
    with pytest.raises(MeasurementError, match=r"field one, band r: expected a frame with pixels.*100\.0 % unusable"):
        measure_field({"r": (np.full_like(image, np.nan), header())}, "one", SETTINGS)
    with pytest.raises(FrameError, match="field one, band r: expected a WCS"):
        measure_field({"r": (image, fits.Header())}, "one", SETTINGS)
    with pytest.raises(MeasurementError, match="expected frames with r, got none"):
        field_picture({}, 60.0)


def test_catalogue_and_the_area_it_covers() -> None:
    frames = {band: (image.copy(), head) for band, (image, head) in planted().items()}
    frames["r"][0][:, :100] = np.nan
    objects, covered = measure_catalogue(frames, "one", SETTINGS)
    OBJECTS.validate(objects, "objects")
    COVERAGE.validate(covered, "coverage")
    assert covered["arcmin2"].sum() == pytest.approx(0.75 * (SIDE * SCALE / 60) ** 2, rel=1e-6)
    assert set(covered["field"]) == {"one"}
    full = measure_catalogue(planted(), "one", SETTINGS)[0]
    assert (objects["r"] < 19).sum() < (full["r"] < 19).sum()


def test_colours_and_their_errors() -> None:
    table = pd.DataFrame({"flux_g": [10.0, -1.0], "error_g": [1.0, 1.0], "flux_r": [100.0, 5.0], "error_r": [0.0, 1.0]})
    value, error = colour(table, "g", "r")
    assert value[0] == pytest.approx(2.5)
    assert error[0] == pytest.approx(2.5 / np.log(10) * 0.1)
    assert np.isnan(value[1])
    assert np.isnan(error[1])
    assert pixel_arcsec(WCS(header())) == pytest.approx(SCALE)


def test_point_sources_are_the_narrowest_sizes() -> None:
    radius = np.r_[np.full(6, 0.8), np.linspace(1, 3, 12)]
    r, clean = np.full(18, 17.0), np.ones(18, bool)
    assert point_source_radius(r, radius, clean, SETTINGS) == pytest.approx(0.8, abs=0.05)
    assert np.isnan(point_source_radius(r + 10, radius, clean, SETTINGS))


def test_pictures_hold_surface_brightness_on_one_grid() -> None:
    frames = {band: (np.zeros((SIDE, SIDE), np.float32), header(band)) for band in OFFSETS}
    for band, (dx, dy) in OFFSETS.items():
        add_star(frames[band][0], 199.5 + dx, 199.5 + dy, STAR_FLUX)
    picture = field_picture(frames, 40.0)
    assert picture.shape == (5, 102, 102)
    assert np.isnan(picture[[0, 4]]).all()
    for layer in picture[1:4]:
        peak = np.argwhere(layer > 0.999 * layer.max()).mean(axis=0)
        np.testing.assert_allclose(peak, 50.5, atol=0.6)
    np.testing.assert_allclose(picture[1], picture[2], atol=0.01 * picture[2].max())
    inner = frames["r"][0][150:250, 150:250].sum()
    assert picture[2].sum() * SCALE**2 == pytest.approx(inner, rel=0.02)


def test_fields_are_drawn_among_those_that_are_ready() -> None:
    rows = [
        {"run": 5, "rerun": "301", "camcol": 1, "field": field, "band": band, "path": "x", "bytes": 1, "sha256": ""}
        | {"status": "absent" if (field, band) == (11, "g") else "ready", "reason": ""}
        for field in (11, 12, 13, 14)
        for band in "gri"
    ]
    frames = FRAMES.validate(pd.DataFrame([*rows, rows[-1]]), "frames")
    rng = np.random.default_rng(0)
    names = [name for name, _ in choose_fields(frames, "gri", None, rng)]
    assert names == ["000005-1-0012", "000005-1-0013", "000005-1-0014"]
    drawn = choose_fields(frames, "gri", 2, rng)
    assert len(drawn) == 2
    assert all(sorted(part["band"]) == ["g", "i", "r"] for _, part in drawn)
    assert choose_fields(frames, "ugriz", 2, rng) == []
    later = choose_fields(frames, "gri", 1, rng, lambda part: part["field"].iloc[0] == 14)
    assert [name for name, _ in later] == ["000005-1-0014"]
    assert len(gather([], FRAMES)) == 0
    assert len(gather([frames, frames], FRAMES)) == 2 * len(frames)
