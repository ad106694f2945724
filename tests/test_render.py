"""Light of simulated frames: profiles, point-spread function, galaxies and stars, held against galsim."""

import dataclasses

import galsim
import numpy as np
import pytest
from scipy.special import j0

from clustermass.render.galaxies import SIZES, Galaxies, add_galaxies, stamp_sizes
from clustermass.render.profiles import (
    BULGE_END,
    BULGE_STEP,
    bulge_outside,
    bulge_slope,
    bulge_transform,
    disc_outside,
    pixel_shapes,
)
from clustermass.render.psf import (
    TABLE_STEPS,
    Psf,
    grid_transform,
    moffat_transform,
    radial_table,
    surface_brightness,
)
from clustermass.render.stars import add_spikes, add_stars, saturate, star_reach

PIXEL = 0.396
TO_SKY = np.array([[-1.0, 0.0], [0.0, 1.0]]) * PIXEL / 3600
ROUND = Psf(3.1, 3.55, (0.0, 0.0), 0.15, 2.8)
SHARP = Psf(2.1, 3.55, (0.04, -0.03), 0.28, 2.8)
BROAD = Psf(4.2, 3.55, (-0.02, 0.03), 0.13, 2.8)
WITHOUT_WINGS = [dataclasses.replace(psf, wing_share=0.0) for psf in (SHARP, BROAD)]  # galsim is slow with them


def peer_psf(psf):
    """Return the point-spread function as galsim makes it."""
    core = galsim.Moffat(beta=psf.slope, fwhm=psf.fwhm)
    wing = galsim.Moffat(beta=1.5, scale_radius=psf.wing_radius)
    whole = (1 - psf.wing_share) * core + psf.wing_share * wing if psf.wing_share else core
    return whole.transform(*psf.stretch.ravel())


def drawn_by_peer(profile, psf, x, y, side):
    """Return galsim's image of a profile (None: a star) of unit flux, by fast Fourier transforms."""
    params = galsim.GSParams(maximum_fft_size=8192, folding_threshold=2e-3)
    whole = peer_psf(psf) if profile is None else galsim.Convolve(profile, peer_psf(psf), gsparams=params)
    middle = (side - 1) / 2
    image = galsim.ImageD(side, side)
    whole.withGSParams(params).drawImage(image, scale=1, offset=(x - middle, y - middle))
    return image.array


def moments(image, x, y, width):
    """Return flux, centre and second moments under a Gaussian window of a width [px] around a place."""
    j, i = np.indices(image.shape)
    light = image * np.exp(-0.5 * ((i - x) ** 2 + (j - y) ** 2) / width**2)
    flux = light.sum()
    cx, cy = (light * i).sum() / flux, (light * j).sum() / flux
    second = [(light * a * b).sum() / flux for a, b in ((i - cx, i - cx), (j - cy, j - cy), (i - cx, j - cy))]
    return np.array([flux, cx, cy, *second])


def one_galaxy(radius, share, axis_ratio=0.4, angle=35.0, x=95.3, y=96.8, flux=1000.0):
    """Return a galaxy whose disc and bulge have one ellipse [px]."""
    one = np.array([1.0])
    shape = pixel_shapes(radius * PIXEL * one, axis_ratio * one, angle * one, TO_SKY)
    return Galaxies(np.array([[x]]), np.array([[y]]), np.array([[flux]]), share * one, shape, shape)


def test_transform_of_bulges_is_the_hankel_transform_of_the_law():
    radius = np.linspace(0, BULGE_END**0.25, 40_001) ** 4
    law = np.exp(-bulge_slope() * radius**0.25) * radius
    for entry in (0, 40, 90, 150, 250):
        wanted = np.trapezoid(law * j0((BULGE_STEP * entry) ** 2 * radius), radius) / np.trapezoid(law, radius)
        assert bulge_transform()[entry] == pytest.approx(wanted, abs=2e-5)
    assert bulge_outside(np.array([1.0, BULGE_END])) == pytest.approx([0.5, 0], abs=1e-9)
    assert disc_outside(np.array([0.0, 1.0])) == pytest.approx([1, 0.5], abs=1e-9)


def test_transform_of_the_core_is_that_of_a_moffat_profile():
    k = np.array([0.0, 0.3, 1.0, 2.0])
    peer = galsim.Moffat(beta=3.55, scale_radius=1.7)
    assert moffat_transform(k, 1.7, 3.55) == pytest.approx([peer.kValue(x, 0).real for x in k], abs=1e-5)


def test_transform_of_stars_includes_shear_wings_and_pixel():
    side = 512
    got = grid_transform(SHARP, side)
    assert got.shape == (side, side // 2 + 1)
    peer = galsim.Convolve(peer_psf(SHARP), galsim.Pixel(1))
    step = 2 * np.pi / side
    for j, i in ((0, 30), (-57, 0), (20, 90), (-100, 40)):
        assert got[j, i] == pytest.approx(peer.kValue(i * step, j * step).real, abs=4e-4)
    assert got[0, 0] == pytest.approx(1 - 0.28 * 0.9 * 2.8 / (side / 2), abs=2e-4)  # the rest lies beyond the grid


def test_light_that_leaves_a_grid_does_not_come_back():
    galaxy = one_galaxy(1.2, 0.5, flux=0.8)
    small, large = np.zeros((2, 1, 192, 192), np.float32)
    add_galaxies(small, galaxy, [SHARP], np.array([0.02]))
    add_galaxies(large, galaxy, [SHARP], np.array([1e-3]))
    j, i = np.indices(small[0].shape)
    for radius in (4, 8, 11):
        inside = np.hypot(i - 95.3, j - 96.8) < radius
        assert small[0][inside].sum() == pytest.approx(large[0][inside].sum(), rel=4e-3)


@pytest.mark.parametrize("psf", WITHOUT_WINGS, ids=["sharp", "broad"])
@pytest.mark.parametrize(("radius", "share"), [(0.7, 0.0), (0.7, 1.0), (2.5, 0.4), (8.0, 0.0), (8.0, 1.0)])
def test_galaxies_are_those_of_galsim(psf, radius, share):
    galaxy = one_galaxy(radius, share)
    image = np.zeros((1, 192, 192), np.float32)
    add_galaxies(image, galaxy, [psf], np.array([0.02]))
    parts = [
        (1 - share, galsim.Exponential(half_light_radius=radius)),
        (share, galsim.DeVaucouleurs(half_light_radius=radius, trunc=BULGE_END * radius)),
    ]
    profile = galsim.Add([part.withFlux(weight) for weight, part in parts if weight > 0])
    matrix = galaxy.disc[0] / radius
    profile = profile.transform(*matrix.ravel()) * (1 / abs(np.linalg.det(matrix)))
    wanted = 1000 * drawn_by_peer(profile, psf, 95.3, 96.8, 192)
    width = 1.5 * radius + 2
    got, peer = moments(image[0], 95.3, 96.8, width), moments(wanted, 95.3, 96.8, width)
    assert got[0] == pytest.approx(peer[0], rel=3e-3)
    assert got[1:3] == pytest.approx(peer[1:3], abs=2e-3)
    assert got[3:5] == pytest.approx(peer[3:5], rel=6e-3)
    assert got[5] == pytest.approx(peer[5], abs=6e-3 * peer[3])
    assert image[0].sum() == pytest.approx(1000, rel=0.01)  # the grid may be larger than the image
    assert np.abs(image[0] - wanted).max() < 0.01 * wanted.max()


def test_position_angle_goes_from_north_to_east():
    galaxy = one_galaxy(4.0, 0.0, axis_ratio=0.2, angle=30.0)
    image = np.zeros((1, 192, 192), np.float32)
    add_galaxies(image, galaxy, [ROUND], np.array([0.02]))
    *_, xx, yy, xy = moments(image[0], 95.3, 96.8, 30)
    assert np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) % 180 == pytest.approx(120, abs=0.5)  # east is to the left


def test_bands_have_their_own_place_flux_and_seeing():
    galaxy = one_galaxy(2.0, 0.5)
    both = Galaxies(
        np.array([[40.2], [60.9]]),
        np.array([[50.0], [45.4]]),
        np.array([[10.0], [30.0]]),
        galaxy.bulge_fraction,
        galaxy.disc,
        galaxy.bulge,
    )
    images = np.zeros((2, 100, 100), np.float32)
    add_galaxies(images, both, WITHOUT_WINGS, np.array([0.02, 0.02]))
    first, second = moments(images[0], 40.2, 50, 20), moments(images[1], 60.9, 45.4, 20)
    assert images.sum(axis=(1, 2)) == pytest.approx([10, 30], rel=5e-3)
    assert (*first[1:3], *second[1:3]) == pytest.approx((40.2, 50, 60.9, 45.4), abs=0.05)
    assert second[3] > first[3]


def test_light_that_crosses_the_edge_is_cut_not_wrapped():
    whole, part = np.zeros((1, 120, 120), np.float32), np.zeros((1, 60, 70), np.float32)
    for image, x, y in ((whole, 65.3, 58.1), (part, 65.3, 58.1)):
        add_galaxies(image, one_galaxy(3.0, 0.3, x=x, y=y), [ROUND], np.array([0.02]))
    assert part[0] == pytest.approx(whole[0, :60, :70], abs=1e-4)
    before = part.copy()
    add_galaxies(part, one_galaxy(3.0, 0.3, x=-900, y=20), [ROUND], np.array([0.02]))
    assert (part == before).all()


def test_brighter_and_larger_galaxies_get_larger_grids():
    noise = np.array([0.02])
    sizes = [
        stamp_sizes(one_galaxy(r, b, flux=f), [ROUND], noise, 0.01)[0]
        for r, b, f in ((1, 0, 1), (1, 0, 1000), (10, 0, 1000), (10, 1, 1000), (500, 1, 1e5))
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] == SIZES[0]
    assert sizes[-1] == SIZES[-1]


@pytest.mark.parametrize("psf", WITHOUT_WINGS, ids=["sharp", "broad"])
def test_stars_are_those_of_galsim(psf):
    image = np.zeros((96, 96), np.float32)
    add_stars(image, np.array([47.3]), np.array([48.8]), np.array([1000.0]), psf, 0.02)
    wanted = 1000 * drawn_by_peer(None, psf, 47.3, 48.8, 96)
    got, peer = moments(image, 47.3, 48.8, 5), moments(wanted, 47.3, 48.8, 5)
    assert got[0] == pytest.approx(peer[0], rel=5e-3)
    assert got[1:3] == pytest.approx(peer[1:3], abs=2e-3)
    assert got[3:5] == pytest.approx(peer[3:5], rel=1e-2)
    assert np.abs(image - wanted).max() < 0.01 * wanted.max()


def test_stars_and_points_without_extent_are_the_same():
    star, galaxy = np.zeros((192, 192), np.float32), np.zeros((1, 192, 192), np.float32)
    add_stars(star, np.array([95.3]), np.array([96.8]), np.array([100.0]), ROUND, 0.02)
    add_galaxies(galaxy, one_galaxy(0.0, 0.3, flux=100), [ROUND], np.array([0.02]))
    assert np.abs(star - galaxy[0]).max() < 0.004 * star.max()


def test_wings_of_bright_stars_end_in_the_noise_without_rings():
    image = np.zeros((801, 801), np.float32)
    add_stars(image, np.array([400.0]), np.array([400.0]), np.array([2e4]), ROUND, 0.02)
    along = image[400, 400:]
    reach = int(star_reach(np.array([2e4]), ROUND, 0.02, 0.02)[0])
    assert reach > 100
    assert (np.diff(along[:reach]) < 0).all()
    assert along[reach - 1] < 0.025 * 0.02
    far = surface_brightness(ROUND, np.array([60.0**2, 70.0**2])) * 2e4
    assert along[[60, 70]] == pytest.approx(far, rel=5e-3)
    assert radial_table(ROUND)[5 * TABLE_STEPS] == pytest.approx(surface_brightness(ROUND, 25.0), rel=0.1)


def test_spikes_make_a_cross_with_the_light_they_are_given():
    image = np.zeros((401, 401), np.float32)
    add_spikes(image, np.array([200.0, 50.0]), np.array([200.0, 50.0]), np.array([500.0, 0.001]), 30.0, 0.001)
    assert image.sum() == pytest.approx(500, rel=0.15)
    angle = np.radians(np.arange(360))
    ring = image[np.rint(200 + 60 * np.sin(angle)).astype(int), np.rint(200 + 60 * np.cos(angle)).astype(int)]
    assert set(np.flatnonzero(ring > 0.5 * ring.max()) // 10 * 10) <= {20, 30, 110, 120, 200, 210, 290, 300}


def saturated(mended, flux=4e6):
    """Return counts of a star before and after saturation."""
    counts = np.full((200, 120), 100, np.float32)
    add_stars(counts, np.array([60.0]), np.array([90.0]), np.array([flux]), ROUND, 6.0)
    before = counts.copy()
    saturate(counts, np.array([60.0]), np.array([90.0]), 50_000, np.array([mended]))
    return before, counts


def test_full_pixels_bleed_along_columns_and_cores_are_mended():
    before, after = saturated(False)
    assert before.max() > 100_000
    assert after.max() <= 50_000
    trail = after[:, 60]
    full = before[:, 60] > 50_000
    core, length = np.flatnonzero(full), np.flatnonzero(trail >= 49_999)
    assert length.min() < core.min() - 3
    assert length.max() > core.max() + 3
    assert (trail[core] < 50_000).all()
    assert after[:, :40] == pytest.approx(before[:, :40])


def test_mended_trails_leave_little():
    _, bare = saturated(False)
    _, mended = saturated(True)
    assert (bare >= 49_999).sum() > 5 * max((mended >= 49_999).sum(), 1)


def test_trails_keep_the_charge():
    column = np.zeros((60, 9), np.float32)
    column[28:31, 4] = 700.0
    before = column.sum()
    saturate(column, np.array([4.0]), np.array([29.0]), 100, np.array([False]))
    assert (column[:, 4] == 100).sum() == 14  # of 21 that are filled, three are core and four next to it: mended
    assert before - column.sum() == pytest.approx(700)


def test_stars_that_are_not_full_stay():
    counts = np.full((40, 40), 100, np.float32)
    add_stars(counts, np.array([20.0]), np.array([20.0]), np.array([5e4]), ROUND, 6.0)
    before = counts.copy()
    saturate(counts, np.array([20.0]), np.array([20.0]), 50_000, np.array([True]))
    assert (counts == before).all()
