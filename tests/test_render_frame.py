"""Simulated frames: conditions, noise and faults, and whole fields."""

import numpy as np
import pandas as pd
import pytest

from clustermass.config.sky import FiveBands, Sky
from clustermass.frames.frame import frame_wcs, read_frame, write_frame
from clustermass.frames.geometry import field_header, simulated_run
from clustermass.render.conditions import DARK_VARIANCE, GAIN, frame_conditions, smooth_noise
from clustermass.render.detector import (
    OVERLAP,
    add_cosmic_rays,
    add_satellites,
    bad_columns,
    calibrate,
    frame_noise,
    read_out,
    residual_scale,
    sky_counts,
    smooth_field,
    spoil_columns,
)
from clustermass.render.frame import render_field

RUN = int(simulated_run(24, 0))
SHAPE = (300, 260)
CLEAN = Sky(residual=0, pixel_correlation=0, cosmic_rays=0, bad_columns=0, satellites=0, spike_share=0)
BANDS = "ugriz"


def lag_one(image):
    """Return the correlation of neighbours in rows."""
    image = image - image.mean()
    return (image[:, 1:] * image[:, :-1]).mean() / image.var()


def headers(bands=BANDS, field=500, camcol=3):
    """Return headers of one field."""
    return {band: field_header(RUN, camcol, field, band) for band in bands}


def sources(x, y, mag, wcs):
    """Return stars and galaxies at places of the r frame, with one magnitude in all bands."""
    ra, dec = wcs.all_pix2world(np.column_stack([x, y]), 0).T
    stars = pd.DataFrame({"ra": ra, "dec": dec, **{band: np.broadcast_to(mag, len(ra)) for band in BANDS}})
    shapes = {"bulge_fraction": 0.3, "disc_radius": 1.5, "disc_axis_ratio": 0.5, "bulge_radius": 1.0}
    galaxies = stars.assign(**shapes, bulge_axis_ratio=0.8, position_angle=20.0, galaxy=-1, halo="")
    return galaxies, stars


def conditions(field=500, camcol=3, band="r", sky=CLEAN, run=RUN, seed=1):
    """Return conditions of a frame."""
    return frame_conditions(run, camcol, field, band, sky, seed)


def test_smooth_noise_has_unit_variance_and_forgets_slowly():
    near, far, all_values = [], [], []
    for seed in range(300):
        a, b, c = (smooth_noise(seed, "test", {"run": 3}, place) for place in (7.3, 7.5, 12.3))
        all_values.append(a)
        near.append(a * b)
        far.append(a * c)
    assert np.std(all_values) == pytest.approx(1, abs=0.12)
    assert np.mean(near) > 0.8
    assert abs(np.mean(far)) < 0.2


def test_seeing_of_neighbours_and_bands_is_alike_and_that_of_runs_is_not():
    def seeing(band="r", **key):
        return np.log([conditions(band=band, run=run, **key).psf.fwhm for run in range(9000, 9060)])

    r = seeing()
    assert np.corrcoef(r, seeing(field=501))[0, 1] > 0.95
    assert 0.7 < np.corrcoef(r, seeing(band="z"))[0, 1] < 0.99
    assert np.corrcoef(r, seeing(field=900))[0, 1] < 0.97
    assert 0.1 < r.std() < 0.28
    assert np.median(np.exp(r) * 0.396) == pytest.approx(1.25, abs=0.12)


def test_noise_varies_from_field_to_field_and_is_nearly_the_same_in_u_and_i():
    noise = {b: np.array([conditions(band=b, run=r, camcol=2 + r % 5).noise for r in range(9000, 9048)]) for b in BANDS}
    # without the first column of the camera: its g detector has much dark noise
    targets = {"u": 0.0441, "g": 0.0165, "r": 0.0280, "i": 0.0434, "z": 0.177}  # medians of nine real fields
    for band, target in targets.items():
        assert np.median(noise[band]) == pytest.approx(target, rel=0.1)
        low, high = np.percentile(np.log(noise[band]), [16, 84])
        assert 0.05 < (high - low) / 2 < 0.15
    assert np.median(noise["u"]) == pytest.approx(np.median(noise["i"]), rel=0.15)


def test_noise_follows_from_sky_gain_and_dark_current():
    c = conditions(camcol=6, band="g")
    assert (c.gain, c.dark_variance) == (GAIN["g"][5], DARK_VARIANCE["g"][5])
    assert c.noise == pytest.approx(c.nmgy_per_count * np.sqrt(c.sky_counts / 4.035 + 1.8225))
    with pytest.raises(ValueError, match="expected a band of ugriz"):
        conditions(band="y")
    with pytest.raises(ValueError, match="column of 1 to 6"):
        conditions(camcol=7)


def test_noise_of_shared_rows_is_shared():
    this, following = (frame_noise((1489, 64), RUN, 2, field, "r", 1) for field in (7, 8))
    assert (this[-OVERLAP:] == following[:OVERLAP]).all()
    assert abs(np.corrcoef(this[:100].ravel(), following[:100].ravel())[0, 1]) < 0.05
    assert this.std() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(this.ravel(), frame_noise((1489, 64), RUN, 2, 7, "g", 1).ravel())[0, 1]) < 0.02


def test_detectors_count_whole_numbers_with_shot_and_read_out_noise():
    c = conditions()
    image = np.full((600, 400), 3.0, np.float32)  # nanomaggies a pixel: far above the sky
    rest = np.zeros(image.shape, np.float32)
    read_out(image, c, frame_noise(image.shape, 1, 1, 1, "r", 1), rest, 0.0)
    assert (image == np.rint(image)).all()
    level = 3 / c.nmgy_per_count + c.sky_counts
    assert image.mean() == pytest.approx(level, rel=2e-3)
    assert image.std() == pytest.approx(np.sqrt(level / c.gain + c.dark_variance), rel=0.02)
    calibrate(image, c)
    assert image.mean() == pytest.approx(3, abs=0.002)


def test_neighbours_in_a_row_are_correlated_as_asked():
    c = conditions()
    image = np.zeros((600, 600), np.float32)
    read_out(image, c, frame_noise(image.shape, 1, 1, 1, "r", 1), np.zeros_like(image), 0.2)
    assert lag_one(image) == pytest.approx(0.2 / 1.04, abs=0.015)


def test_what_sky_subtraction_leaves_is_smooth_and_as_strong_as_asked():
    fields = np.array([smooth_field((300, 200), 50, np.random.default_rng(k)) for k in range(60)])
    assert fields.std() == pytest.approx(1, abs=0.08)
    assert np.abs(np.diff(fields, axis=2)).max() < 0.2
    assert residual_scale(Sky(residual_arcsec=39.6)) == pytest.approx(100)


def test_sky_that_is_taken_away_is_the_sky_that_was_there():
    c = conditions()
    ends = sky_counts(c, np.array([-1.0, 0, 1]), np.array([-1.0, 0, 1]))
    assert ends[1, 1] == pytest.approx(c.sky_counts)
    across, along, bend = c.sky_slope
    assert ends[2, 2] == pytest.approx(c.sky_counts + across + along + bend, rel=1e-6)


def test_satellites_cross_the_whole_frame_in_a_straight_line():
    image = np.zeros((200, 300), np.float32)
    add_satellites(image, 1, 1.0, np.random.default_rng(3))
    j, i = np.nonzero(image > image.max() / 2)
    assert min(j.min(), i.min(), 199 - j.max(), 299 - i.max()) == 0
    _, spread, _ = np.linalg.svd(np.column_stack([j - j.mean(), i - i.mean()]), full_matrices=False)
    assert spread[1] / np.sqrt(len(j)) < 3
    assert 2 <= image.max() <= 50


def test_cosmic_rays_are_sharp():
    counts = np.zeros((300, 300), np.float32)
    add_cosmic_rays(counts, 40, np.random.default_rng(3))
    assert 40 <= (counts > 0).sum() < 40 * 15
    assert 100 < counts[counts > 0].mean() < 500


def test_bad_columns_belong_to_the_detector_and_are_off():
    sky = Sky(bad_columns=5)
    columns = bad_columns(2048, 2, "r", sky, 1)
    assert (columns == bad_columns(2048, 2, "r", sky, 1)).all()
    assert len({tuple(bad_columns(2048, camcol, "r", sky, 1)) for camcol in range(1, 7)}) == 6
    image = np.zeros((100, 50), np.float32)
    spoil_columns(image, np.array([7, 90]), 1.0, np.random.default_rng(1))
    assert (image[99] != 0).nonzero()[0] == [7]


def test_sources_stand_where_each_band_has_them():
    heads = headers()
    wcs = frame_wcs(heads["r"])
    galaxies, stars = sources([130.0], [150.0], 17.0, wcs)
    exposures = render_field(galaxies[:0], stars, heads, CLEAN, 1, shape=SHAPE)
    for band, exposure in exposures.items():
        x, y = frame_wcs(heads[band]).all_world2pix(stars[["ra", "dec"]], 0)[0]
        j, i = np.indices(SHAPE)
        near = exposure.image * (np.hypot(i - x, j - y) < 12)
        assert (near * i).sum() / near.sum() == pytest.approx(x, abs=0.15)
        assert (near * j).sum() / near.sum() == pytest.approx(y, abs=0.15)
        assert near.sum() == pytest.approx(10 ** (0.4 * 5.5), rel=0.13)  # wings reach farther


def test_frames_have_the_noise_that_their_conditions_say_and_differ_by_seed():
    none = sources([], [], 17.0, frame_wcs(headers()["r"]))
    sky = Sky(cosmic_rays=0, satellites=0)
    first, again, other = (render_field(*none, headers(), sky, seed, shape=SHAPE) for seed in (1, 1, 2))
    for band, exposure in first.items():
        assert exposure.image.dtype == np.float32
        assert exposure.image.std() == pytest.approx(exposure.conditions.noise, rel=0.04)
        assert (exposure.image == again[band].image).all()
        assert (exposure.image != other[band].image).mean() > 0.9


def test_a_frame_does_not_depend_on_the_bands_and_far_sources_made_with_it():
    heads = headers()
    galaxies, stars = sources(
        [130.0, 40.0, 9e4], [150.0, 60.0, 1e4], np.array([17.0, 20.0, 12.0]), frame_wcs(heads["r"])
    )
    galaxies, stars = galaxies.assign(ra=galaxies["ra"] % 360), stars.assign(ra=stars["ra"] % 360)
    whole = render_field(galaxies, stars, heads, Sky(), 1, shape=SHAPE)
    near = render_field(galaxies[:2], stars[:2], heads, Sky(), 1, shape=SHAPE)
    alone = render_field(galaxies[:0], stars, {"r": heads["r"]}, Sky(), 1, shape=SHAPE)
    without = render_field(galaxies[:0], stars, heads, Sky(), 1, shape=SHAPE)
    assert (whole["r"].image == near["r"].image).all()
    assert (alone["r"].image == without["r"].image).all()


def test_saturated_stars_bleed():
    heads = headers("r")
    galaxies, stars = sources([130.4], [150.0], 11.0, frame_wcs(heads["r"]))
    sky = Sky(mended_trails=0, cosmic_rays=0, satellites=0)
    image = render_field(galaxies[:0], stars, heads, sky, 1, shape=SHAPE)["r"]
    full = image.image / image.nmgy_per_count + image.conditions.sky_counts > 0.98 * sky.full_well.r
    rows, columns = np.ptp(np.nonzero(full), axis=1)
    assert rows > 2 * columns


def test_exposures_are_written_and_read_as_frames(tmp_path):
    heads = headers("g")
    none = sources([], [], 17.0, frame_wcs(heads["g"]))
    exposure = render_field(*none, heads, Sky(), 1)["g"]
    path = tmp_path / f"frame-g-{RUN:06d}-3-0500.fits"
    write_frame(path, exposure.image, heads["g"], exposure.nmgy_per_count, exposure.sky_counts)
    assert (read_frame(path).image == exposure.image).all()


def test_headers_of_several_fields_are_refused():
    none = sources([], [], 17.0, frame_wcs(headers()["r"]))
    mixed = {"r": field_header(RUN, 3, 500, "r"), "g": field_header(RUN, 3, 501, "g")}
    with pytest.raises(ValueError, match="expected headers of one field"):
        render_field(*none, mixed, Sky(), 1, shape=SHAPE)
    bare = headers("r")
    del bare["r"]["RUN"]
    with pytest.raises(ValueError, match="got no \\['RUN'\\]"):
        render_field(*none, bare, Sky(), 1, shape=SHAPE)


def test_settings_of_bands_are_positive():
    with pytest.raises(ValueError, match="greater than 0"):
        FiveBands(u=1, g=1, r=0, i=1, z=1)
