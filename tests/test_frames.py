"""Survey geometry, frames as files, and plans: against closed forms, other programs, real frames and brute force."""

from __future__ import annotations

import bz2
import resource
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from scipy.optimize import linprog

from clustermass.config.simulated import Lightcone
from clustermass.frames import geometry, plan
from clustermass.frames.contracts import BANDS, FIELD_KEY, FIELDS, NEEDED
from clustermass.frames.frame import (
    Frame,
    FrameError,
    FrameKey,
    frame_path,
    frame_wcs,
    name_key,
    read_frame,
    read_frame_header,
    write_frame,
)
from clustermass.sky import galactic_latitude

WHOLE_SKY = Lightcone(ra_deg=(0, 360), dec_deg=(-90, 90))
KEY = FrameKey("g", 9231, 3, 700)
SCALE = 0.396 / 3600


def clusters(ra: list[float], dec: list[float], arcsec_per_mpc: float = 300.0) -> pd.DataFrame:
    """Return what plans read of a table of clusters."""
    number = np.arange(len(ra))
    columns = {"id": [f"c{k}" for k in number], "ra": np.array(ra, float), "dec": np.array(dec, float)}
    return pd.DataFrame(columns | {"arcsec_per_mpc": np.full(len(ra), arcsec_per_mpc), "job": number % 2})


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    image = np.ones((1489, 2048), np.float32)
    image[:100] = np.random.default_rng(3).normal(size=(100, 2048))  # the rest is compressed faster
    return image


@pytest.fixture(scope="module")
def written(image: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = frame_path(tmp_path_factory.mktemp("sky"), "301", KEY)
    write_frame(path, image, geometry.field_header(9231, 3, 700, "g"), 0.004, 100.0)
    return path


def test_great_circles_by_hand() -> None:
    ra, dec = np.array([10.0, 95.0, 275.0, 359.5]), np.array([20.0, 0.0, 0.0, -40.0])
    mu, nu = geometry.survey_position(ra, dec, 0.0)
    assert mu == pytest.approx(ra)
    assert nu == pytest.approx(dec)
    # a circle of 30 deg rises to 30 deg a quarter after its node, and crosses the equator at it
    assert np.ravel(geometry.sky_position(185.0, 0.0, 30.0)) == pytest.approx([185.0, 30.0])
    assert np.ravel(geometry.sky_position(95.0, 0.0, 30.0)) == pytest.approx([95.0, 0.0])
    assert geometry.sky_position(185.0, 5.0, 85.0)[1] == pytest.approx(90.0)
    sky = np.random.default_rng(1).normal(size=(3, 500))
    ra, dec = np.degrees(np.arctan2(sky[1], sky[0])) % 360, np.degrees(np.arctan2(sky[2], np.hypot(*sky[:2])))
    dec[:2] = 90 - 1e-7, -90 + 1e-7
    for inclination in (-87.5, -15.0, 37.5, 90.0):
        back = geometry.sky_position(*geometry.survey_position(ra, dec, inclination), inclination)
        assert back[1] == pytest.approx(dec, abs=1e-11)
        assert (back[0] - ra + 180) % 360 - 180 == pytest.approx(0, abs=2e-5 * (dec > 89.9).any())
    # SDSS: stripes 10, 23 and 46 of the north, 76 of the south (as in headers of real frames)
    assert geometry.stripe_inclination([10, 23, 46, 76]) == pytest.approx([0, 32.5, 90, -15])
    assert len(set(geometry.stripe_inclination(list(geometry.STRIPES)))) == 72
    stripe, strip = geometry.run_stripe(geometry.simulated_run([10, 81], [1, 0]))
    assert (stripe.tolist(), strip.tolist()) == ([10, 81], [1, 0])
    for run in (94, 9099, 9102, 9820):
        with pytest.raises(ValueError, match=f"got {run}"):
            geometry.run_stripe(run)


@pytest.mark.parametrize(("run", "camcol", "field"), [(9231, 3, 700), (9100, 1, 0), (9461, 6, 1235), (9480, 4, 2404)])
def test_headers_of_fields_agree_with_their_corners(run: int, camcol: int, field: int) -> None:
    ra, dec = geometry.field_corners(run, camcol, field)
    wcs = WCS(geometry.field_header(run, camcol, field, "r"))
    x, y = wcs.wcs_world2pix(ra[0], dec[0], 0)
    assert x == pytest.approx([-0.5, 2047.5, 2047.5, -0.5], abs=1e-5)
    assert y == pytest.approx([-0.5, -0.5, 1488.5, 1488.5], abs=1e-5)
    matrix = wcs.pixel_scale_matrix
    assert matrix @ matrix.T == pytest.approx(SCALE**2 * np.eye(2), abs=1e-17)
    assert np.linalg.det(matrix) < 0  # rows run along the scan, columns to its left
    # a source of the r frame stands further by the offset in another band
    places = wcs.wcs_pix2world([100.0, 1900.0], [1400.0, 30.0], 0)
    for band, (columns, rows) in geometry.BAND_OFFSETS.items():
        header = geometry.field_header(run, camcol, field, band)
        x, y = WCS(header).wcs_world2pix(*places, 0)
        assert x - [100, 1900] == pytest.approx(columns, abs=0.02)
        assert y - [1400, 30] == pytest.approx(rows, abs=0.02)
        assert header["FRAME"] - field == {"r": 0, "i": 2, "u": 4, "z": 6, "g": 8}[band]


def test_fields_overlap_along_and_across_the_scan() -> None:
    wcs = WCS(geometry.field_header(9230, 3, 700, "r"))
    x, y = wcs.wcs_world2pix(*(v[0] for v in geometry.field_corners(9230, 3, 701)), 0)
    assert y == pytest.approx([1360.5, 1360.5, 2849.5, 2849.5], abs=0.1)  # 128 rows
    assert x == pytest.approx([-0.5, 2047.5, 2047.5, -0.5], abs=0.1)
    # the other strip of a stripe fills the gaps between columns: 12.6 arcmin further, frames are 13.5 arcmin wide
    x, _ = wcs.wcs_world2pix(*(v[0] for v in geometry.field_corners(9231, 4, 700)), 0)
    assert x.mean() - 1023.5 == pytest.approx(0.21 / SCALE, abs=0.5)
    for wrong in ((9230, 3, 700, "y"), (9230, 0, 700, "r"), (9230, 3, 2405, "r")):
        with pytest.raises(ValueError, match=r"expected a band of u, g, r, i, z, a column"):
            geometry.field_header(*wrong)


def test_simulated_fields_cover_the_sky_once_or_twice_and_are_all_found() -> None:
    sky = np.random.default_rng(5).normal(size=(3, 300))
    ra, dec = np.degrees(np.arctan2(sky[1], sky[0])) % 360, np.degrees(np.arctan2(sky[2], np.hypot(*sky[:2])))
    ra[:6], dec[:6] = [0, 359.9999, 95, 275, 10, 10], [40, -40, 0, 0, 90, -90]
    fields = FIELDS.validate(geometry.simulated_fields(ra, dec, 0.0, WHOLE_SKY), "fields")
    assert not fields.duplicated(FIELD_KEY).any()
    points = clusters(list(ra), list(dec), 1e-6)  # squares of nothing but the margin for other bands
    depth = plan.touching(fields, points, 1, 1)["cluster"].value_counts().reindex(points["id"], fill_value=0)
    assert depth.min() >= 1
    away = np.abs(np.sin(np.radians(ra - 95)) * np.cos(np.radians(dec))) > 0.5  # off the nodes of all stripes
    assert 1.1 < depth[away & (np.abs(dec) < 60)].mean() < 1.5
    # of a wide circle every field is found that reaches into it; none beyond is needed
    wide = geometry.simulated_fields(np.array([359.9]), np.array([33.0]), 3.0, WHOLE_SKY)
    inner = geometry.simulated_fields(np.array([0.1]), np.array([33.2]), 0.8, WHOLE_SKY)
    assert len(inner) > 60
    assert set(map(tuple, inner[FIELD_KEY].to_numpy())) <= set(map(tuple, wide[FIELD_KEY].to_numpy()))
    circle = clusters([0.1], [33.2], 3600.0)
    found = plan.touching(wide, circle, 1.1, 1.1)[FIELD_KEY].to_numpy()  # a square inside the circle
    assert set(map(tuple, found)) <= set(map(tuple, inner[FIELD_KEY].to_numpy()))
    assert geometry.simulated_fields(np.empty(0), np.empty(0), 1.0, WHOLE_SKY).empty


def test_fields_outside_the_footprint_do_not_exist() -> None:
    footprint = Lightcone(ra_deg=(350.0, 370.0), dec_deg=(-5.0, 10.0))
    ra, dec = np.array([355.0, 5.0, 15.0, 350.0, 0.0]), np.array([0.0, 0.0, 0.0, 3.0, 10.0])
    fields = geometry.simulated_fields(ra, dec, 0.5, footprint)
    x, y = geometry.sky_position(*geometry.field_centre(fields["run"], fields["camcol"], fields["field"]))
    assert ((x >= 350) | (x <= 10)).all()
    assert y.max() <= 10
    assert (x > 354).any()
    assert (x < 6).any()
    needed = plan.touching(fields, clusters(list(ra), list(dec), 300.0), 4, 2)
    assert set(needed["cluster"]) == {"c0", "c1", "c3", "c4"}


def test_frames_are_read_as_they_were_written(written: Path, image: np.ndarray) -> None:
    assert written.parts[-4:] == ("301", "9231", "3", "frame-g-009231-3-0700.fits")
    frame = read_frame(written)
    assert isinstance(frame, Frame)
    assert frame.image.dtype == np.float32
    assert np.array_equal(frame.image, image)
    assert (frame.run, frame.rerun, frame.camcol, frame.field, frame.band) == (9231, "301", 3, 700, "g")
    packed = written.with_suffix(".fits.bz2")
    packed.write_bytes(bz2.compress(written.read_bytes(), 1))
    assert np.array_equal(read_frame(packed).image, image)
    for path in (written, packed):
        header, key, rerun = read_frame_header(path)
        assert (key, rerun) == (KEY, "301")
        assert header["CRVAL1"] == frame.header["CRVAL1"]
    with fits.open(written) as units:
        units.verify("exception")
        assert np.array_equal(units[0].data, image)
        assert units[0].header["NMGY"] == pytest.approx(0.004)
        assert (units[1].data == np.float32(0.004)).all()
        sky = units[2].data
        assert (sky["ALLSKY"].shape, sky["XINTERP"].shape) == ((1, 191, 256), (1, 2048))
        assert (sky["XINTERP"][0, 0], sky["YINTERP"][0, -1]) == (-0.4375, 185.5625)  # as in real frames
        table = units[3].data[0]
        assert (table["RUN"], table["RERUN"], table["FILTER"], table["FIELD"]) == (9231, "301", "g", 700)
    assert len(units[3].columns) == 31
    column, row = np.array([300.5, 2000.5]), np.array([1400.5, 7.5])
    mu = table["A"] + table["B"] * row + table["C"] * column
    nu = table["D"] + table["E"] * row + table["F"] * column
    x, y = WCS(frame.header).wcs_world2pix(*geometry.sky_position(mu, nu, table["INCL"], table["NODE"]), 0)
    assert x == pytest.approx(column - 0.5, abs=0.05)
    assert y == pytest.approx(row - 0.5, abs=0.05)


def test_calibration_and_sky_may_vary(image: np.ndarray, tmp_path: Path) -> None:
    header = geometry.field_header(9231, 3, 700, "g")
    before = header.tostring()
    sky = np.arange(191 * 256, dtype=float).reshape(191, 256)
    write_frame(tmp_path / "x.fits", image, header, np.linspace(0.003, 0.005, 2048), sky)
    assert header.tostring() == before
    with fits.open(tmp_path / "x.fits") as units:
        assert np.array_equal(units[2].data["ALLSKY"][0], sky)
        assert units[1].data[[0, -1]] == pytest.approx([0.003, 0.005])
        assert units[0].header["NMGY"] == pytest.approx(0.004)


def test_a_full_disk_leaves_no_half_frame(image: np.ndarray, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_frame(tmp_path / "x.fits", image, geometry.field_header(9231, 3, 700, "g"), 0.004, 100.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def faulty(body: bytes, **words: object) -> bytes:
    """Return a frame whose header says otherwise; None takes a word away."""
    header = fits.Header.fromstring(body[:2880].decode())
    for word, value in words.items():
        if value is None:
            del header[word]
        else:
            header[word] = value
    text = header.tostring().encode()
    assert len(text) == 2880
    return text + body[2880:]


FAULTS: dict[str, tuple[dict[str, object], str]] = {
    "shape": ({"NAXIS1": 2047}, r"NAXIS2 of -32, 2, 2048, 1489, got -32, 2, 2047, 1489"),
    "type": ({"BITPIX": 16}, r"got 16, 2, 2048, 1489"),
    "scaled": ({"BZERO": 32768}, "expected unscaled numbers, got BZERO 32768"),
    "no WCS": ({"CTYPE1": None, "CTYPE2": None}, "expected a WCS of the sky"),
    "singular": ({"CD1_1": 0.0, "CD1_2": 0.0}, "expected a WCS that can be inverted"),
    "band": ({"FILTER": "r"}, r"expected band g, run 9231, column 3, field 700 as the file is named, got .* band r"),
    "field": ({"FRAME": 709}, "got the header of band g, run 9231, column 3, field 701"),
    "run": ({"RUN": None}, "expected FILTER, RUN, CAMCOL, FRAME and RERUN in the header"),
    "unit": ({"BUNIT": "count"}, "expected BUNIT nanomaggy, got count"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_headers_are_refused(fault: str, written: Path, tmp_path: Path) -> None:
    words, message = FAULTS[fault]
    path = tmp_path / written.name
    path.write_bytes(faulty(written.read_bytes(), **words))
    for read in (read_frame, read_frame_header):
        with pytest.raises(FrameError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_bad_files_are_refused(written: Path, tmp_path: Path) -> None:
    body = written.read_bytes()
    packed = bz2.compress(body[:300_000], 1)
    empty = body[:2880] + np.full(1489 * 2048, np.nan, ">f4").tobytes()
    for name, content, message in (
        (written.name, body[:5_000_000], "up to the end of the image, got 5000000: cut off"),
        (written.name, body[:2000], "got 2000 bytes without its END"),
        (written.name, b"<html>not found</html>", "expected FITS, got 22 bytes"),
        (written.name, b"", "expected FITS, got 0 bytes"),
        (written.name, empty, "got no finite pixel"),
        (f"{written.name}.bz2", packed[:-10], "expected a whole bzip2 file"),
        (f"{written.name}.bz2", packed[:5000] + b"xxxx" + packed[5004:], "expected a whole bzip2 file"),
        (f"{written.name}.bz2", packed, "got 300000: cut off"),
        (f"{written.name}.bz2", body, "expected a whole bzip2 file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FrameError, match=message):
            read_frame(tmp_path / name)
    with pytest.raises(FrameError, match="expected a bzip2 file"):
        read_frame_header(tmp_path / f"{written.name}.bz2")
    partly = np.frombuffer(body, ">f4", 1489 * 2048, 2880).copy()
    partly[:100_000] = np.nan
    (tmp_path / written.name).write_bytes(body[:2880] + partly.tobytes())
    assert np.isnan(read_frame(tmp_path / written.name).image).sum() == 100_000
    header = geometry.field_header(9231, 3, 700, "g")
    for key, shape in ((KEY, (1489, 2047)), (KEY._replace(band="r"), (1489, 2048))):
        with pytest.raises(FrameError, match=r"expected an image of 1489|expected band r"):
            write_frame(frame_path(tmp_path, "301", key), np.zeros(shape, np.float32), header, 1.0, 0.0)
    assert name_key("frame-g-009231-3-0700.jpg") is None
    with pytest.raises(FrameError, match="expected a WCS"):
        frame_wcs(fits.Header())


def reaches(corners: np.ndarray, half: float) -> bool:
    """Return whether a convex combination of corners lies in a square: solved by linear programming."""
    limits = np.concatenate([corners.T, -corners.T])
    found = linprog(np.zeros(4), limits, np.full(4, half), np.ones((1, 4)), [1.0], method="highs")
    return bool(found.status == 0)


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 12.0), (359.97, -50.0), (200.0, 89.9), (30.0, -90.0), (95.3, 0.2)])
def test_fields_that_touch_squares(ra: float, dec: float) -> None:
    cluster = clusters([ra, 120.0], [dec, 40.0], 400.0)
    fields = geometry.simulated_fields(cluster["ra"].to_numpy(), cluster["dec"].to_numpy(), 0.6, WHOLE_SKY)
    needed = NEEDED.validate(plan.touching(fields, cluster, 4, 2), "needed")
    first = needed[needed["cluster"] == "c0"].set_index(FIELD_KEY)
    assert (first["job"] == 0).all()
    plane = WCS(naxis=2)
    plane.wcs.ctype, plane.wcs.crval, plane.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [ra, dec], [1 / 3600, 1 / 3600]
    margin = 1.5 * np.hypot(1.0, 10.6) * 0.396  # for other bands
    found: dict[str, list[tuple]] = {"search": [], "image": []}
    close = fields.sample(120, random_state=1) if len(fields) > 120 else fields
    for _, field in close.iterrows():
        corners = [(field[f"ra_{k}"], field[f"dec_{k}"]) for k in range(4)]
        xy = plane.wcs_world2pix(np.array(corners, float), 1)
        if np.isfinite(xy).all() and np.abs(xy).max() < 10_000:
            for name, side in (("search", 1600), ("image", 800)):
                found[name] += [tuple(field[FIELD_KEY])] * reaches(xy, side / 2 + margin)
    keys = {tuple(key) for key in close[FIELD_KEY].to_numpy()}
    assert set(found["search"]) == set(first.index) & keys
    assert set(found["image"]) == set(first.index[first["in_image"]]) & keys
    assert found["image"]
    assert len(found["search"]) > len(found["image"])


def test_plans_say_what_they_take() -> None:
    key = {"rerun": "301", "camcol": 1}
    rows = [("a", 1, 10, 0, True), ("a", 1, 11, 0, False), ("b", 1, 10, 1, True), ("b", 2, 10, 1, True)]
    needed = pd.DataFrame(rows, columns=["cluster", "run", "field", "job", "in_image"]).assign(**key)
    costs = plan.Costs(archive_bytes=1e9, plain_bytes=2e9, decode_s=60.0, render_s=120.0, resample_s=6.0)
    table = plan.estimate(needed, clusters([1.0, 2.0], [0.0, 0.0]).assign(id=["a", "c"]), costs)
    said = dict(zip(table["what"], table["value"], strict=True))
    assert (said["clusters"], said["clusters without a field"]) == (2, 1)
    # fields: 3 touch a square and 2 an image; by jobs 1 + 2; 3 pairs of a field and an image; five bands of each
    assert (said["fields that touch the square searched"], said["fields that touch images"]) == (3, 2)
    assert (said["frames read or made in all jobs"], said["frames read or made in the fullest job"]) == (15, 10)
    assert (said["archive: all frames"], said["simulated: files of the fullest job"]) == (10, 20)
    assert said["archive: reading and mosaics"] == pytest.approx((15 * 60 + 15 * 6) / 3600)
    assert said["simulated: making and mosaics"] == pytest.approx((15 * 120 + 15 * 6) / 3600)
    nothing = plan.touching(FIELDS.empty(), clusters([1.0], [2.0]), 4, 2)
    assert NEEDED.validate(nothing, "needed").empty
    assert plan.estimate(nothing, clusters([1.0], [2.0]))["value"].tolist() == [1, 1] + 9 * [0]
    fields = geometry.simulated_fields(np.array([1.0]), np.array([2.0]), 1.0, WHOLE_SKY)
    with pytest.raises(ValueError, match=r"cluster c0: expected a square narrower than 40 deg, got 4 Mpc"):
        plan.touching(fields, clusters([1.0], [2.0], 1e5), 4, 2)


@pytest.mark.archival
def test_real_frames_have_the_geometry_of_simulated_ones(archive: Path) -> None:
    paths = sorted((archive / "sdss_frames").glob("frame-[rz]-*.fits.bz2"))
    assert len(paths) == 8
    for path in paths:
        header, key, _ = read_frame_header(path)
        with warnings.catch_warnings(), fits.open(path) as units:
            warnings.simplefilter("ignore")
            table = units[3].data[0]
        assert (key.field, key.run, key.camcol) == (table["FIELD"], table["RUN"], table["CAMCOL"])
        wcs = frame_wcs(header)
        mu = table["A"] + table["B"] * 744.5 + table["C"] * 1024
        nu = table["D"] + table["E"] * 744.5 + table["F"] * 1024
        ra, dec = geometry.sky_position(mu, nu, table["INCL"], table["NODE"])
        # astrometry and header agree on the centre, to the distortion that the header leaves out
        assert np.ravel(wcs.wcs_world2pix(ra, dec, 0)) == pytest.approx([1023.5, 744.0], abs=0.15)
        # and with the columns and the orientation of the simulated survey
        strip = 0.105 if header["STRIP"].strip() == "N" else -0.105
        circle = header["INCL"], header["NODE"]
        nominal = geometry.survey_position(ra, dec, *circle)[1]
        assert nominal == pytest.approx((key.camcol - 3.5) * 0.42 + strip, abs=0.03)
        ahead = wcs.wcs_pix2world([[1023.5, 744.0], [1023.5, 844.0], [1123.5, 744.0]], 0)
        along, off = geometry.survey_position(ahead[:, 0], ahead[:, 1], *circle)
        assert along - along[0] == pytest.approx([0, 100 * SCALE, 0], abs=2e-5)
        assert off - off[0] == pytest.approx([0, 0, 100 * SCALE], abs=2e-5)


@pytest.mark.archival
def test_real_frames_are_read(archive: Path) -> None:
    path = archive / "sdss_frames/frame-r-001035-6-0017.fits.bz2"
    frame = read_frame(path)
    assert (frame.band, frame.run, frame.rerun, frame.camcol, frame.field) == ("r", 1035, "301", 6, 17)
    assert frame.header["RADESYS"] == "ICRS"
    with fits.open(path) as units:
        assert np.array_equal(frame.image, units[0].data)
    assert set(BANDS) == set(geometry.FRAME_LAG)


def test_middles_of_the_fields_that_images_touch() -> None:
    fields = geometry.simulated_fields(
        np.array([0.02]), np.array([9.9]), 0.5, Lightcone(ra_deg=(0, 360), dec_deg=(-90, 90))
    )
    needed = fields[FIELD_KEY].assign(cluster="a", job=0, in_image=np.arange(len(fields)) < 3)
    ra, dec = plan.field_centres(fields, pd.concat([needed, needed]))
    mu, nu, inclination = geometry.field_centre(*(fields[key][:3] for key in ("run", "camcol", "field")))
    true_ra, true_dec = geometry.sky_position(mu, nu, inclination)
    np.testing.assert_allclose(
        (ra - true_ra + 180) % 360 - 180, 0, atol=2e-4
    )  # corners lie about the middle but for 0.5 px
    np.testing.assert_allclose(dec, true_dec, atol=2e-4)


def test_random_fields_are_spread_and_far_from_the_plane() -> None:
    sky = Lightcone(ra_deg=(93.5, 276.5), dec_deg=(-5, 65))
    fields = geometry.random_fields(40, sky, 40.0, np.random.default_rng(2))
    FIELDS.validate(fields, "fields")
    assert len(fields) == 40
    assert fields["run"].nunique() > 20
    ra, dec = fields["ra_0"].to_numpy(), fields["dec_0"].to_numpy()
    assert (np.abs(galactic_latitude(ra, dec)) > 39.7).all()
    assert np.ptp(ra) > 60
    with pytest.raises(ValueError, match=r"expected 40 places 89\.9 deg from the plane"):
        geometry.random_fields(40, sky, 89.9, np.random.default_rng(2))
