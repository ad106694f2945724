"""Variants of images for band classification: scalings, masks of stars, equal noise, shuffled pixels."""

import numpy as np
import pandas as pd
import pytest

from clustermass.config.frames import Images
from clustermass.config.image_training import VARIANTS, Masks, Variant
from clustermass.images.composites import offsets
from clustermass.images.scaling import scale, unscale
from clustermass.mosaic.grid import square_grid
from clustermass.transfer.variants import (
    fill_masked,
    match_noise,
    prepare,
    shuffle_pixels,
    sky_noise,
    star_masks,
)

SETTINGS = Images(pixels=32)
NOISE = np.array([0.03, 0.01, 0.02, 0.03, 0.12])
LEVEL = np.array([0.0, 0.005, 0.01, 0.01, 0.03])


def sky(clusters=6, side=32, seed=1):
    """Return surface brightness (clusters, 5, side, side): sky, noise by band, and a source of one colour."""
    rng = np.random.default_rng(seed)
    light = rng.normal(size=(clusters, 5, side, side)) * NOISE[:, None, None] + LEVEL[:, None, None]
    light[:, :, 10:13, 20:23] += np.array([0.2, 1, 3, 5, 6])[:, None, None]
    return light.astype(np.float32)


@pytest.fixture(scope="module")
def stored():
    """Images as a file holds them: scaled, and what undoes it."""
    return scale(sky(), SETTINGS, "global")


def prepared(stored, variant, seed=3, masks=None):
    return prepare(stored.images, stored.low, stored.high, variant, SETTINGS, np.random.default_rng(seed), masks)


def brightness(images, stored):
    return unscale(images, stored.low, stored.high, SETTINGS.offset)


@pytest.mark.parametrize("name", ["published", "start", "mobilenet"])
def test_images_stay_as_they_are_where_nothing_is_to_be_done(stored, name):
    assert np.array_equal(prepared(stored, VARIANTS[name]), stored.images)


def test_per_image_scaling_is_that_of_the_images_themselves(stored):
    result = prepared(stored, Variant(scaling="per_image"))
    assert np.allclose(result, scale(sky(), SETTINGS, "per_image").images, atol=1e-5)
    assert (result.min(axis=(2, 3)) == 0).all()
    assert (result.max(axis=(2, 3)) == 1).all()


def test_scaling_per_cluster_keeps_colours_and_takes_brightness_away(stored):
    result = prepared(stored, Variant(scaling="per_cluster"))
    assert (result.min(axis=(1, 2, 3)) == 0).all()
    assert (result.max(axis=(1, 2, 3)) == 1).all()
    levels = np.log10(sky() + SETTINGS.offset)
    low, high = (f(levels, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    assert np.allclose(result, (levels - low) / (high - low), atol=1e-5)


def test_matched_noise_leaves_one_level_and_one_noise(stored):
    light = brightness(prepared(stored, Variant(noise="matched")), stored)
    level, noise = sky_noise(light)
    assert np.abs(level).max() < 1e-5
    assert np.allclose(noise, 1.5 * sky_noise(sky())[1].max(axis=1)[:, None], rtol=0.01)
    source = light[:, :, 10:13, 20:23].mean(axis=(0, 2, 3))
    assert np.allclose(source, [0.2, 1, 3, 5, 6], atol=0.1)  # sources keep their light


def test_matched_noise_of_a_confused_band_is_matched_as_measured():
    light = sky(1)[0]
    light[2] += np.random.default_rng(0).exponential(0.05, light[2].shape)  # far from normal
    _, noise = sky_noise(match_noise(light, np.random.default_rng(9)))
    assert np.ptp(noise) < 0.01 * noise.mean()


def test_bands_without_noise_stay_flat():
    flat = np.full((5, 8, 8), 0.3, np.float32)
    assert np.abs(match_noise(flat, np.random.default_rng(0))).max() == 0


def test_masked_stars_become_sky(stored):
    masks = np.zeros((6, 32, 32), bool)
    masks[:, 9:14, 19:24] = True
    light = brightness(prepared(stored, Variant(stars="masked"), masks=masks), stored)
    inside = np.moveaxis(light, 1, 0)[:, masks]
    assert np.allclose(inside.mean(axis=1), LEVEL, atol=5 * NOISE / np.sqrt(150))
    assert np.allclose(inside.std(axis=1), NOISE, rtol=0.25)
    outside = np.moveaxis(np.abs(light - sky()), 1, 0)[:, ~masks]
    assert outside.max() < 1e-4


def test_a_mask_of_everything_is_ignored():
    light = sky(1)[0]
    assert fill_masked(light, np.ones((32, 32), bool), np.random.default_rng(0)) is light


def test_shuffled_pixels_keep_the_histogram_and_lose_their_places(stored):
    result = prepared(stored, Variant(pixels="shuffled"))
    assert np.allclose(np.sort(result.reshape(30, -1)), np.sort(stored.images.reshape(30, -1)), atol=1e-6)
    assert (result == stored.images).mean() < 0.05
    one = shuffle_pixels(np.tile(np.arange(64, dtype=np.float32).reshape(1, 8, 8), (2, 1, 1)), np.random.default_rng(0))
    assert (one[0] != one[1]).any()  # each image in its own way


def test_pieces_give_what_the_whole_gives(stored):
    variant = Variant(scaling="per_cluster", noise="matched", stars="masked", pixels="shuffled")
    masks = np.random.default_rng(0).random((6, 32, 32)) < 0.1
    whole, again = (prepared(stored, variant, 5, masks) for _ in range(2))
    assert np.array_equal(whole, again)
    assert not np.array_equal(whole, prepared(stored, variant, 6, masks))
    rng = np.random.default_rng(5)
    arrays = (stored.images, stored.low, stored.high, masks)
    parts = [[array[k] for array in arrays] for k in (slice(0, 1), slice(1, 4), slice(4, 6))]
    pieces = [prepare(i, low, high, variant, SETTINGS, rng, mask) for i, low, high, mask in parts]
    assert np.array_equal(whole, np.concatenate(pieces))
    assert whole.dtype == np.float32
    assert whole.min() >= 0
    assert whole.max() <= 1


def test_wrong_arrays_are_refused(stored):
    masked, rng = Variant(stars="masked"), np.random.default_rng(0)
    images, low, high = stored.images, stored.low, stored.high
    with pytest.raises(ValueError, match=r"masks: expected shape \(6, 32, 32\), got none"):
        prepare(images, low, high, masked, SETTINGS, rng)
    with pytest.raises(ValueError, match=r"masks: expected shape \(6, 32, 32\), got \(5, 32, 32\)"):
        prepare(images, low, high, masked, SETTINGS, rng, np.zeros((5, 32, 32), bool))
    with pytest.raises(ValueError, match="low, high: expected shape"):
        prepare(images, low[:3], high, Variant(), SETTINGS, rng)
    with pytest.raises(ValueError, match="images: expected float32"):
        prepare(images.astype(float), low, high, Variant(), SETTINGS, rng)


CLUSTERS = pd.DataFrame({"ra": [359.99, 150.0], "dec": [60.0, -30.0], "arcsec_per_mpc": [180.0, 300.0]})


def test_masks_lie_on_bright_stars_as_mosaics_show_them():
    rng = np.random.default_rng(2)
    stars = pd.DataFrame(
        [
            {"ra": (c.ra + x / np.cos(np.radians(c.dec))) % 360, "dec": c.dec + y, "r": r}
            for c in CLUSTERS.itertuples()
            for x, y, r in rng.uniform((-0.06, -0.06, 12), (0.06, 0.06, 20), (40, 3))
        ]
    )
    settings, pixels = Masks(faintest=17, radius_arcsec=4, per_mag=0.16), 40
    masks = star_masks(CLUSTERS, stars, 2.0, pixels, settings)
    fine = 10  # brute force: points of a finer grid inside discs
    for mask, cluster in zip(masks, CLUSTERS.itertuples(), strict=True):
        side = 2.0 * cluster.arcsec_per_mpc
        grid = square_grid(cluster.ra, cluster.dec, side * 1.5, side / pixels / fine)  # offsets: of stars beyond, too
        east, north = offsets(stars["ra"].to_numpy(), stars["dec"].to_numpy(), grid)
        centres = (np.arange(pixels * fine) + 0.5) / (pixels * fine) * side - side / 2
        expected = np.zeros((pixels * fine, pixels * fine), bool)
        for x, y, r in zip(east, north, stars["r"], strict=True):
            if r <= 17 and np.isfinite(x):
                inside = np.hypot(-centres - x, centres[:, None] - y) < 4 * 10 ** (0.16 * (17 - r))
                expected |= inside
        touched = expected.reshape(pixels, fine, pixels, fine).any(axis=(1, 3))
        assert touched.any()
        assert not (touched & ~mask).any()
        assert (mask & ~touched).sum() <= 0.1 * touched.sum()  # corners that a disc grazes between points


def test_faint_and_absent_stars_mask_nothing():
    faint = pd.DataFrame({"ra": [150.0], "dec": [-30.0], "r": [17.5]})
    assert not star_masks(CLUSTERS, faint, 2.0, 16, Masks()).any()
    assert not star_masks(CLUSTERS, faint[:0], 2.0, 16, Masks()).any()
    assert star_masks(CLUSTERS, faint.assign(r=16.9), 2.0, 16, Masks())[1, 7:9, 7:9].all()
