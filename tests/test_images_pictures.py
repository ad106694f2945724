"""Pictures of clusters: colours, marks and scales, and which clusters stand where."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table

from clustermass.config.pictures import Pictures
from clustermass.images import composites, pictures
from clustermass.images.members import IMAGE_MEMBERS, image_members
from clustermass.mosaic.grid import Grid

SETTINGS = Pictures(black=0.0)


@pytest.fixture
def axes():
    figure = plt.figure()
    yield figure.add_axes((0, 0, 1, 1))
    plt.close(figure)


def test_colours_do_not_depend_on_brightness():
    image = np.zeros((5, 1, 3), np.float32)
    image[1:4, 0] = np.array([0.2, 0.5, 1.0])[:, None] * [1.0, 2.0, 3.0]
    got = composites.composite(image, SETTINGS).astype(float)
    weighted = np.array([1.0, 0.5, 0.2]) * SETTINGS.weights  # i, r, g
    np.testing.assert_allclose(
        got[0] / got[0].sum(-1, keepdims=True), np.tile(weighted / weighted.sum(), (3, 1)), atol=0.01
    )
    assert (np.diff(got[0].sum(-1)) > 0).all()


def test_bands_have_their_colours_and_what_was_not_observed_is_grey():
    image = np.zeros((5, 1, 7), np.float32)
    for band in range(5):
        image[band, 0, band] = 5.0
    image[:, 0, 5] = 1e5
    image[1, 0, 6] = np.nan
    got = composites.composite(image, SETTINGS)[0]
    assert not got[[0, 4]].any(), "u and z are not shown"
    assert [int(got[band].argmax()) for band in (1, 2, 3)] == [2, 1, 0]
    assert got[5].max() == 255
    assert got[6].tolist() == [composites.UNCOVERED] * 3


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.0), (0.001, 40.0), (30.0, 89.9)])
def test_offsets_are_those_on_the_sky(ra, dec):
    grid = Grid(ra, dec, 0.4, 1000, 800)
    centre = SkyCoord(ra, dec, unit="deg")
    angle, distance = np.radians([0.0, 45, 90, 200, 300]), np.array([100.0, 150, 190, 120, 150]) / 3600
    places = centre.directional_offset_by(angle * units.rad, distance * units.deg)
    east, north = composites.offsets(places.ra.deg, places.dec.deg, grid)
    np.testing.assert_allclose(east, np.sin(angle) * distance * 3600, atol=2e-3)
    np.testing.assert_allclose(north, np.cos(angle) * distance * 3600, atol=2e-3)


def test_objects_outside_have_no_place():
    grid = Grid(150.0, 2.0, 0.4, 1000, 800)
    ra, dec = np.array([150.0, 150.06, 150.0, 330.0]), np.array([2.05, 2.0, 2.0, -2.0])
    east, north = composites.offsets(ra, dec, grid)
    assert np.isnan(east).tolist() == np.isnan(north).tolist() == [True, True, False, True]
    assert composites.offsets(np.empty(0), np.empty(0), grid)[0].shape == (0,)


def clusters(number, seed=3):
    """Return a sample of clusters."""
    rng = np.random.default_rng(seed)
    columns = {"redshift": rng.uniform(0.1, 0.5, number), "log10_m500c": rng.normal(14.3, 0.3, number)}
    return pd.DataFrame({"id": [f"C{k}" for k in range(number)], "richness": rng.uniform(20, 200, number), **columns})


def test_cells_of_the_sheet_hold_clusters_of_their_bins():
    table = clusters(200)
    cells, masses, redshifts = pictures.sheet_cells(table, 4, 5)
    assert len(cells) == 20
    assert not cells.duplicated(["row", "column"]).any()
    for cell in cells.itertuples():
        assert masses[cell.row] <= cell.log10_m500c <= masses[cell.row + 1]
        assert redshifts[cell.column] <= cell.redshift <= redshifts[cell.column + 1]
    ranks = table[["log10_m500c", "redshift"]].rank() - 0.5
    rank = (ranks / 200 * [4, 5]).to_numpy()
    for cell in cells.itertuples():
        inside = (rank.astype(int) == [cell.row, cell.column]).all(1)
        far = np.abs(rank % 1 - 0.5).max(1)
        assert far[inside].min() == pytest.approx(far[table["id"] == cell.id][0])


@pytest.mark.parametrize(("number", "rows", "columns"), [(30, 5, 6), (24, 5, 4), (4, 2, 2), (1, 1, 1), (0, 1, 1)])
def test_a_small_sample_has_a_small_sheet(number, rows, columns):
    cells, masses, redshifts = pictures.sheet_cells(clusters(number), 5, 6)
    assert (len(masses), len(redshifts)) == (rows + 1, columns + 1)
    assert min(number, 1) <= len(cells) <= number
    assert np.isnan(masses).all() == (number == 0)


def test_large_pictures_spread_over_masses():
    table = clusters(30)
    chosen = pictures.spread_clusters(table, 4)
    assert chosen["log10_m500c"].is_monotonic_decreasing
    assert len(chosen) == 4
    assert chosen["log10_m500c"].iloc[0] == table["log10_m500c"].max()
    assert len(pictures.spread_clusters(table.iloc[:2], 4)) == 2
    assert len(pictures.spread_clusters(table.iloc[:0], 4)) == 0


def test_the_cluster_nearest_in_richness():
    table = clusters(3).assign(richness=[20.0, 100.0, 45.0])
    assert pictures.nearest_richness(table, 60.0)["id"] == "C2"
    assert pictures.nearest_richness(table, 70.0)["id"] == "C1", "by ratio"
    with pytest.raises(ValueError, match="got none"):
        pictures.nearest_richness(table.iloc[:0], 60.0)


def test_grey_levels_follow_the_noise_of_each_band():
    image = np.random.default_rng(5).normal(0.1, np.array([1.0, 2, 3, 4, 5])[:, None, None], (5, 200, 200)).astype("f4")
    image[:, 0, :5] = np.nan
    levels = pictures.grey_levels(image, 10.0)
    assert levels["band"].tolist() == list("ugriz")
    np.testing.assert_allclose(levels["noise"], [1, 2, 3, 4, 5], rtol=0.03)
    np.testing.assert_allclose(levels["black"], 0.1 - 2 * levels["noise"], atol=0.15)
    np.testing.assert_allclose(levels["linear"], 10 * levels["noise"])
    assert (levels["white"] >= 2.9 * levels["noise"]).all()


def test_north_is_up_and_east_to_the_left(axes):
    image = np.zeros((4, 8, 3), np.uint8)
    shown = pictures.show(axes, image, 80.0)
    assert axes.get_xlim() == (40.0, -40.0)
    assert axes.get_ylim() == (-20.0, 20.0)
    assert shown.origin == "lower"


def test_marks_stand_on_their_objects(axes):
    pictures.show(axes, np.zeros((8, 8), np.float32), 80.0)
    members, stars = (np.array([1.0, 2.0]), np.array([3.0, 4.0])), (np.array([5.0]), np.array([6.0]))
    pictures.mark(axes, members, stars)
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    crosses = [line for line in axes.lines if line.get_marker() is pictures.CROSS]
    assert len(circles) == len(crosses) == 2, "each has a rim"
    np.testing.assert_array_equal(circles[1].get_xydata(), np.transpose(members))
    np.testing.assert_array_equal(crosses[1].get_xydata(), np.transpose(stars))
    assert all(line.get_markerfacecolor() == "none" for line in axes.lines)


@pytest.mark.parametrize(
    ("side", "arcsec_per_mpc", "mpc", "arcmin"), [(600.0, 300.0, 0.5, 2), (2200.0, 1100.0, 0.5, 10)]
)
def test_bars_are_as_long_as_they_say(axes, side, arcsec_per_mpc, mpc, arcmin):
    pictures.show(axes, np.zeros((8, 8), np.float32), side)
    pictures.draw_scales(axes, arcsec_per_mpc)
    lengths = [float(np.ptp(line.get_xdata())) for line in axes.lines]
    assert lengths == [pytest.approx(mpc * arcsec_per_mpc), pytest.approx(arcmin * 60)]
    words = {text.get_text(): text for text in axes.texts}
    assert {f"{mpc:g} Mpc", f"{arcmin:g} arcmin", "N", "E"} == set(words)
    assert words["E"].get_position()[0] < words["N"].get_position()[0]
    assert words["E"].get_position()[1] < words["N"].get_position()[1]


def test_pictures_have_no_more_pixels_than_are_printed():
    image = np.arange(400 * 400, dtype=np.float32).reshape(1, 400, 400)
    assert pictures.printed(image, 1.0, 100).shape == (1, 100, 100)
    assert pictures.printed(image, 1.0, 100).mean() == pytest.approx(image.mean(), rel=1e-5)
    np.testing.assert_array_equal(pictures.printed(image, 10.0, 100), image)


def test_members_are_found_by_the_numbers_of_their_clusters():
    catalogue = Table({"ID": [7, 3, 9], "NAME": ["RMJ7  ", "RMJ3", "RMJ9"]})
    members = Table({"ID": [3, 9, 7, 3], "RA": [1.0, 2, 3, 4], "DEC": [5.0, 6, 7, 8], "P": [0.1, 0.2, 0.3, 1.0]})
    got = image_members(pd.DataFrame({"id": ["RMJ3", "RMJ7"]}), catalogue, members)
    assert IMAGE_MEMBERS.validate(got, "here")["cluster"].tolist() == ["RMJ3", "RMJ7", "RMJ3"]
    assert got["ra"].tolist() == [1.0, 3.0, 4.0]
    assert got["probability"].tolist() == [0.1, 0.3, 1.0]
    none = image_members(pd.DataFrame({"id": ["other"]}), catalogue, members)
    assert len(IMAGE_MEMBERS.validate(none, "here")) == 0
