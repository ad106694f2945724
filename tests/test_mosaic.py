"""Grids, positions, Lanczos-3 resampling and medians: against wcslib, brute force, closed forms, planted masks."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from clustermass.mosaic import kernels
from clustermass.mosaic.coadd import Mosaic, coadd, median_loss
from clustermass.mosaic.errors import MosaicError
from clustermass.mosaic.grid import Grid, common_grid, square_grid
from clustermass.mosaic.mapping import celestial, pixel_map

PIXEL = 0.396


def frame_header(ra, dec, shape, angle=0.0, pixel=PIXEL, swap=False, **more):
    """Return the header of a gnomonic frame that is turned by an angle [deg]; swap: declination first."""
    step, turn = pixel / 3600, np.radians(angle)
    rows = [(ra, "RA---TAN", -np.cos(turn), np.sin(turn)), (dec, "DEC--TAN", np.sin(turn), np.cos(turn))]
    header = fits.Header()
    for i, (value, code, one, two) in enumerate(rows[::-1] if swap else rows, 1):
        header[f"CTYPE{i}"], header[f"CRVAL{i}"], header[f"CUNIT{i}"] = code, value, "deg"
        header[f"CRPIX{i}"] = (shape[1], shape[0])[i - 1] / 2 + 0.3 * i
        header[f"CD{i}_1"], header[f"CD{i}_2"] = one * step, two * step
    return fits.Header(header, copy=True) if not more else fits.Header([*header.cards, *more.items()])


def with_sip(header, a=2e-5, b=-1.5e-5):
    """Return a header with SIP distortions of second order."""
    header = header.copy()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    for name, term in (("A", a), ("B", b)):
        header[f"{name}_ORDER"], header[f"{name}_2_0"], header[f"{name}_0_2"] = 2, term, -term / 2
    return header


def stars(header, shape, sky, fluxes, sigma=2.0):
    """Return an image of Gaussian stars at positions on the sky."""
    image = np.zeros(shape)
    rows, columns = np.indices(shape)
    for x, y, flux in zip(*celestial(header).all_world2pix(*sky, 0), fluxes, strict=True):
        image += flux / (2 * np.pi * sigma**2) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return image.astype(np.float32)


def positions(place, step=7):
    """Return some pixels (column, row) of a grid and their positions in the frame, as the kernels find them."""
    found = []
    for row in range(*place.rows, step):
        x, y = np.empty((2, place.columns[1] - place.columns[0]))
        corner = (place.rows[0], place.columns[0])
        kernels._along_row(row, place.columns[0], corner, place.matrix, place.nodes, place.step, x, y)
        found.append(np.stack([np.arange(*place.columns), np.full(len(x), row), x, y])[:, ::step])
    return np.concatenate(found, axis=1)


def lanczos_sum(image, x, y):
    """Return the normalised Lanczos-3 sum at one position, by its definition."""
    left, top = int(np.floor(x)) - 2, int(np.floor(y)) - 2
    across, down = (kernels.lanczos3(p - first - np.arange(6)) for p, first in ((x, left), (y, top)))
    return (down / down.sum()) @ image[top : top + 6, left : left + 6].astype(float) @ (across / across.sum())


# --- grids


def test_grid_has_north_up_and_east_left_around_its_centre():
    grid = square_grid(10.0, 30.0, 120 * PIXEL, PIXEL)
    assert (grid.nx, grid.ny) == (120, 120)
    np.testing.assert_allclose(grid.wcs().pixel_to_world_values(59.5, 59.5), (10, 30), atol=1e-12)
    ra, dec = grid.wcs().pixel_to_world_values([59.5, 60.5], [60.5, 59.5])
    assert dec[0] - 30 == pytest.approx(PIXEL / 3600)
    assert (10 - ra[1]) * np.cos(np.radians(30)) == pytest.approx(PIXEL / 3600)
    assert square_grid(10, 30, 100 * PIXEL + 0.1, PIXEL).nx == 101
    assert WCS(grid.header()).array_shape == (120, 120)


@pytest.mark.parametrize(
    "bad", [{"ra": np.nan}, {"dec": 91.0}, {"pixel_arcsec": 0.0}, {"nx": 0}, {"nx": 10**6, "ny": 10**6}]
)
def test_a_grid_that_is_none_is_refused(bad):
    with pytest.raises(MosaicError, match="grid: expected"):
        Grid(**{"ra": 1.0, "dec": 2.0, "pixel_arcsec": 1.0, "nx": 5, "ny": 5} | bad)
    with pytest.raises(MosaicError, match="positive side"):
        square_grid(1, 2, 3, 0)


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 10.0), (200.0, 89.99), (30.0, -60.0)])
def test_common_grid_holds_all_frames(ra, dec):
    shape = (60, 90)
    step = 0.004 / max(np.cos(np.radians(dec)), 0.05)
    frames = [(frame_header((ra + k * step) % 360, dec - 0.003 * k, shape, 25 * k), shape) for k in (-1, 0, 1)]
    grid = common_grid(frames, PIXEL)
    world = [WCS(header) for header, _ in frames]
    corners = np.concatenate([w.calc_footprint(axes=shape[::-1], center=False) for w in world])
    x, y = grid.wcs().world_to_pixel_values(*corners.T)
    assert min(x.min(), y.min()) >= -0.5 - 1e-6
    assert x.max() <= grid.nx - 0.5 + 1e-6
    assert y.max() <= grid.ny - 0.5 + 1e-6
    assert grid.nx * grid.ny < 6 * np.ptp(x) * np.ptp(y)  # no wider than it must be
    with pytest.raises(MosaicError, match="got none"):
        common_grid([], PIXEL)


def test_common_grid_of_opposite_sides_of_the_sky_is_refused():
    with pytest.raises(MosaicError, match="grid"):
        common_grid([(frame_header(ra, 0, (10, 10)), (10, 10)) for ra in (10, 190)], PIXEL)


# --- positions


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.0), (0.0, 0.0), (77.0, 90.0), (10.0, -90.0), (300.0, 89.95)])
def test_positions_between_tangent_planes_are_those_of_wcslib(ra, dec, swap):
    shape = (200, 150)
    header = frame_header((ra + 0.01) % 360, min(max(dec + 0.01, -89.99), 89.99), shape, 33, swap=swap)
    grid = Grid(ra, dec, PIXEL, 300, 300)
    place = pixel_map(header, shape, grid)
    assert place.nodes.size == 0
    column, row, x, y = positions(place)
    expected = np.stack(
        WCS(header).world_to_pixel_values(*grid.wcs().pixel_to_world_values(column, row)[:: -1 if swap else 1])
    )
    np.testing.assert_allclose([x, y], expected, atol=2e-6)  # a double holds degrees to 1e-13 at best


def test_positions_in_frames_with_sip_are_those_of_wcslib():
    shape = (400, 300)
    header = with_sip(frame_header(150.01, 2.0, shape, -40))
    grid = Grid(150.0, 2.0, PIXEL, 400, 400)
    place = pixel_map(header, shape, grid)
    assert place.nodes.size > 0
    column, row, x, y = positions(place)
    back = WCS(header).all_pix2world(x, y, 0)  # needs no iteration
    np.testing.assert_allclose(grid.wcs().all_world2pix(*back, 0), [column, row], atol=5e-4)


@pytest.mark.parametrize("frame", ["galactic", "fk5"])
def test_other_systems_of_coordinates_are_carried_over(frame):
    from astropy.coordinates import SkyCoord

    at = SkyCoord(150, 2, unit="deg").transform_to(frame)
    shape = (80, 80)
    header = frame_header(at.spherical.lon.deg, at.spherical.lat.deg, shape, 10)
    if frame == "galactic":
        header["CTYPE1"], header["CTYPE2"] = "GLON-TAN", "GLAT-TAN"
    else:
        header["RADESYS"], header["EQUINOX"] = "FK5", 2000.0
    grid = Grid(150.0, 2.0, PIXEL, 80, 80)
    column, row, x, y = positions(pixel_map(header, shape, grid))
    expected = WCS(header).world_to_pixel(grid.wcs().pixel_to_world(column, row))
    np.testing.assert_allclose([x, y], expected, atol=5e-4)


def test_only_the_part_of_the_grid_below_a_frame_is_touched():
    grid = Grid(150.0, 2.0, PIXEL, 400, 400)
    header = frame_header(150.0, 2.0 + 100 * PIXEL / 3600, (60, 80))
    place = pixel_map(header, (60, 80), grid)
    assert place.columns[1] - place.columns[0] <= 84
    assert place.rows[1] - place.rows[0] <= 64
    assert abs(np.mean(place.rows) - 300) < 3
    assert pixel_map(frame_header(330.0, -2.0, (60, 80)), (60, 80), grid).empty  # the other side of the sky
    assert pixel_map(frame_header(151.0, 2.0, (60, 80)), (60, 80), grid).empty


# --- resampling


def test_resampled_pixels_are_the_sums_of_the_definition():
    rng = np.random.default_rng(3)
    image = rng.normal(1, 1, (90, 70)).astype(np.float32)
    header = frame_header(150.0, 2.0, image.shape, 51)
    grid = Grid(150.001, 2.0, PIXEL * 0.9, 100, 100)
    made = coadd([image], [header], grid)
    place = pixel_map(header, image.shape, grid)
    column, row, x, y = positions(place, 3)
    inside = (x >= 2) & (y >= 2) & (x < 67) & (y < 87)
    got = made.image[row.astype(int), column.astype(int)]
    np.testing.assert_array_equal(np.isfinite(got), inside)
    expected = [lanczos_sum(image, *p) * place.area for p in np.stack([x, y], axis=1)[inside]]
    np.testing.assert_allclose(got[inside], expected, atol=5e-5)
    assert place.area == pytest.approx(0.81, abs=1e-6)


def test_squared_weights_are_tabulated_for_variances():
    table = kernels.kernel_table().reshape(-1, 2, 8)
    np.testing.assert_allclose(table[:, 0].sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(kernels.kernel_table(2).reshape(-1, 2, 8)[:, 0], table[:, 0] ** 2, atol=1e-7)
    np.testing.assert_array_equal(kernels.lanczos3(np.array([0.0, 1.0, -2.0, 3.0, 4.0])).round(12), [1, 0, 0, 0, 0])


def test_overlapping_tiles_on_the_grid_give_the_image_back():
    rng = np.random.default_rng(4)
    grid = Grid(150.0, 2.0, PIXEL, 130, 120)
    image = rng.normal(100, 10, (grid.ny, grid.nx)).astype(np.float32)
    images, headers = [], []
    for top in (0, 50):
        for left in (0, 40, 70):
            header = grid.header()
            header["CRPIX1"] -= left
            header["CRPIX2"] -= top
            images.append(image[top : top + 70, left : left + 60])
            headers.append(header)
    made = coadd(images, headers, grid)
    inner = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(made.image[inner], image[inner], rtol=1e-6)
    assert made.depth.max() == 4
    assert np.isnan(made.image[0]).all()
    assert made.coverage == pytest.approx((114 * 124) / (120 * 130), abs=0.03)


def test_masked_pixels_spread_as_far_as_the_kernel():
    image = np.ones((60, 60), np.float32)
    image[30, 20], image[30, 50] = np.nan, np.inf
    header = frame_header(150.0, 2.0, image.shape)
    header["CRPIX1"], header["CRPIX2"] = 30.0, 30.0
    made = coadd([image], [header], Grid(150.0, 2.0, PIXEL, 60, 60))
    hole = np.argwhere(np.isnan(made.image[5:-5, 5:-5])) + 5  # between pixels of the frame: half a pixel off
    assert len(hole) == 2 * 36
    for column in (20, 50):
        near = hole[np.abs(hole[:, 1] - column) < 8]
        np.testing.assert_array_equal(np.ptp(near, axis=0), [5, 5])
        np.testing.assert_allclose(near.mean(0), [30.5, column + 0.5])
    np.testing.assert_allclose(made.image[np.isfinite(made.image)], 1, rtol=1e-5)


def test_the_last_pixels_of_a_frame_are_read_within_its_memory():
    rng = np.random.default_rng(5)
    memory = np.full(50 * 40 + 16, np.nan, np.float32)  # NaN would show what is read behind the frame
    image = memory[: 50 * 40].reshape(50, 40)
    image[:] = rng.normal(size=image.shape)
    header = frame_header(150.0, 2.0, image.shape)
    header["CRPIX1"], header["CRPIX2"] = 20.9, 25.9
    made = coadd([image], [header], Grid(150.0, 2.0, PIXEL, 40, 50))
    *_, x, y = positions(pixel_map(header, image.shape, Grid(150.0, 2.0, PIXEL, 40, 50)), 1)
    assert np.isfinite(made.image).sum() == ((x >= 2) & (y >= 2) & (x < 37) & (y < 47)).sum()


@pytest.mark.parametrize("sip", [False, True])
def test_fluxes_and_positions_of_stars_are_kept(sip):
    """Pixels of frame and grid differ, and the frame is turned; also where wcslib finds the positions."""
    rng = np.random.default_rng(6)
    grid = Grid(359.9995, -30.0, PIXEL, 160, 160)
    at = rng.uniform(30, 130, (2, 5))
    sky, fluxes = grid.wcs().pixel_to_world_values(*at), rng.uniform(100, 1000, 5)
    headers = [frame_header(0.001 * k, -30.0, (220, 210), 40 * k, pixel=0.9 * PIXEL) for k in range(3)]
    headers = [with_sip(header, 3e-7, 2e-7) for header in headers] if sip else headers
    images = [stars(header, (220, 210), sky, fluxes) for header in headers]
    made = coadd(images, headers, grid)
    expected = stars(grid.header(), (160, 160), sky, fluxes, 1.8)
    assert np.abs(made.image - expected).max() < 4e-3 * expected.max()
    rows, columns = np.indices(made.image.shape)
    for x, y, flux in zip(*at, fluxes, strict=True):
        near = np.hypot(columns - x, rows - y) < 12
        alone = flux if (np.hypot(*(at - [[x], [y]])) < 24).sum() == 1 else expected[near].sum()
        assert made.image[near].sum() == pytest.approx(alone, rel=5e-3)


# --- medians


@pytest.mark.parametrize("frames", [1, 2, 3, 6, 9])
def test_medians_are_those_of_numpy(frames):
    rng = np.random.default_rng(frames)
    stack = rng.normal(size=(frames, 20, 33)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.4] = kernels.NONE
    values = np.where(np.isfinite(stack), stack, np.nan)
    image, depth = np.empty((20, 33), np.float32), np.empty((20, 33), np.int16)
    kernels.median(stack.copy(), image, depth)
    np.testing.assert_array_equal(depth, np.isfinite(values).sum(0))
    covered = depth > 0
    np.testing.assert_allclose(image[covered], np.nanmedian(values[:, covered], axis=0), rtol=1e-6)
    assert np.isnan(image[~covered]).all()
    out = np.empty_like(image)
    kernels.total(stack, out)
    np.testing.assert_allclose(out, np.nansum(values, axis=0), atol=1e-5)


def test_an_outlier_of_three_frames_leaves_no_trace():
    rng = np.random.default_rng(7)
    headers = [frame_header(150.0 + 1e-4 * k, 2.0, (60, 60), 5 * k) for k in range(3)]
    images = [rng.normal(0, 1, (60, 60)).astype(np.float32) for _ in range(3)]
    struck = [images[0].copy(), *images[1:]]
    struck[0][30] = 1e6
    grid = Grid(150.0, 2.0, PIXEL, 50, 50)
    assert np.nanmax(np.abs(coadd(struck, headers, grid).image)) < 5


def test_results_do_not_depend_on_threads():
    rng = np.random.default_rng(8)
    headers = [frame_header(150.0 + 0.002 * k, 2.0, (150, 150), 30 * k) for k in range(4)]
    images = [rng.normal(size=(150, 150)).astype(np.float32) for _ in headers]
    grid = Grid(150.0, 2.0, PIXEL, 200, 200)
    one, three = (coadd(images, headers, grid, threads=n, variances=images) for n in (1, 3))
    for name in ("image", "depth", "variance"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


def test_big_endian_and_double_images_are_the_same():
    image = np.random.default_rng(9).normal(size=(40, 40)).astype(np.float32)
    header, grid = frame_header(150.0, 2.0, (40, 40), 10), Grid(150.0, 2.0, PIXEL, 40, 40)
    expected = coadd([image], [header], grid).image
    for other in (image.astype(">f4"), image.astype(float), np.asfortranarray(image)):
        np.testing.assert_array_equal(coadd([other], [header], grid).image, expected)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7])
def test_variance_is_the_scatter_of_noise(frames):
    rng = np.random.default_rng(10)
    shape, grid = (130, 130), Grid(150.0, 2.0, PIXEL, 100, 100)
    headers = [frame_header(150.0, 2.0 + 1e-5 * k, shape, 12 + 20 * k) for k in range(frames)]
    values = [
        coadd([rng.normal(0, 2, shape).astype(np.float32) for _ in headers], headers, grid).image for _ in range(12)
    ]
    made = coadd(
        [np.zeros(shape, np.float32)] * frames, headers, grid, variances=[np.full(shape, 4, np.float32)] * frames
    )
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert (np.stack(values)[inner] ** 2).mean() == pytest.approx(made.variance[inner[1:]].mean(), rel=0.05)


def test_loss_of_the_median_reaches_its_limit():
    loss = median_loss(np.array([1, 2, 3, 4, 5, 1001], np.int16))
    # variance of the median of n normal values, of order statistics (Teichroew 1956): 0.4487, 0.2982, 0.2868
    np.testing.assert_allclose(loss, [1, 1, 3 * 0.4487, 4 * 0.2982, 5 * 0.2868, np.pi / 2], rtol=0.03)


# --- what is wrong


def test_frames_that_make_no_mosaic_are_refused():
    image, header = np.ones((40, 40), np.float32), frame_header(150.0, 2.0, (40, 40))
    grid = Grid(150.0, 2.0, PIXEL, 40, 40)
    singular, none, strange = header.copy(), header.copy(), header.copy()
    singular["CD2_1"], singular["CD2_2"] = singular["CD1_1"], singular["CD1_2"]
    for key in ("CTYPE1", "CTYPE2"):
        del none[key]
    strange["CTYPE1"] = "RA---XYZ"
    for bad in (singular, none, strange, fits.Header()):
        with pytest.raises(MosaicError, match="header: expected"):
            coadd([image], [bad], grid)
    for arguments, said in (
        (([], [], grid), "got none"),
        (([image], [], grid), "a header for each"),
        (([image[0]], [header], grid), "two dimensions"),
        (([image[:3]], [header], grid), "6 pixels at least"),
        (([image], [header], Grid(151.0, 2.0, PIXEL, 40, 40)), "zero overlap"),
        (([image * np.nan], [header], grid), "zero overlap"),
        (([image], [header], grid, "montage"), "engine: expected one of lanczos"),
        (([image], [header], grid, "reproject", 1, [image]), "only the engine lanczos"),
        (([image], [header], grid, "lanczos", 1, [image[:9]]), "of its shape"),
    ):
        with pytest.raises(MosaicError, match=said):
            coadd(*arguments)


def test_a_frame_beside_the_grid_changes_nothing():
    image, header = np.ones((40, 40), np.float32), frame_header(150.0, 2.0, (40, 40))
    grid = Grid(150.0, 2.0, PIXEL, 30, 30)
    made = coadd([image, 5 * image], [header, frame_header(151.0, 2.0, (40, 40))], grid)
    assert isinstance(made, Mosaic)
    assert made.variance is None
    np.testing.assert_allclose(made.image, 1, rtol=1e-5)
    assert (made.depth == 1).all()
