"""Band classification on tiles of frames, and its controls."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.wcs import WCS
from pydantic import ValidationError
from torch import nn

from clustermass.config.frames import Images
from clustermass.config.image_training import Variant
from clustermass.config.tiles import Forest, Tiles
from clustermass.frames import geometry
from clustermass.frames.contracts import BANDS
from clustermass.images.scaling import scale, unscale
from clustermass.images.store import Images as Stored
from clustermass.images.store import write_images
from clustermass.training.labels import LabelScale
from clustermass.training.trainer import LEARNING_CURVES, Trained
from clustermass.transfer import tiles as library
from clustermass.transfer.scalars import control_row, forest_probabilities, predictions_table, reduced, scalars, shown
from clustermass.transfer.tiles import (
    Square,
    cut,
    field_folds,
    forest_predictions,
    random_squares,
    scaled_tiles,
    tile_fields,
    tile_predictions,
    tile_squares,
    train_tiles,
)
from clustermass.transfer.variants import match_noise, shuffle_pixels

SETTINGS = Tiles(pixels=16)
NOISE = np.array([0.14, 0.05, 0.09, 0.13, 0.53])


def tiles_of_sky(number=24, side=16, seed=1):
    """Return tiles (number, 5, side, side) of nothing but noise, another one in every band [nanomaggy/arcsec2]."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(number, 5, side, side)) * NOISE[:, None, None]).astype(np.float32)


NAMES = np.array([f"00100{k}-2-0017/{j:04d}" for k in range(4) for j in range(6)])
FIELDS = tile_fields(NAMES)


def frame(image, band="r"):
    """Return what `cut` reads of a frame."""
    return SimpleNamespace(image=np.asarray(image, np.float32), wcs=WCS(geometry.field_header(9231, 3, 700, band)))


def test_tiles_lie_beside_each_other_about_the_middle():
    squares = tile_squares((1489, 2048), 128)
    assert len(squares) == 11 * 16
    covered = np.zeros((1489, 2048), int)
    for column, row, side in squares:
        covered[row : row + int(side), column : column + int(side)] += 1
    assert covered.max() == 1
    assert covered.sum() == 11 * 16 * 128**2
    rows = np.flatnonzero(covered.any(axis=1))
    assert abs(rows[0] - (1488 - rows[-1])) <= 1
    with pytest.raises(ValueError, match="expected a side of at most 1489 pixels, got 1490"):
        tile_squares((1489, 2048), 1490)


def test_random_squares_stay_inside_and_leave_out_what_does_not_fit():
    sides = np.array([700.5, 900.0, 1489.0, 1600.0])
    squares = random_squares((1489, 2048), sides, 3, 100, np.random.default_rng(1))
    assert [len(some) for some in squares] == [34, 33, 33]
    every = [square for some in squares for square in some]
    assert {square.side for square in every} == {700.5, 900.0, 1489.0}
    assert all(s.row >= 0 and s.column >= 0 for s in every)
    assert all(s.row + np.ceil(s.side) <= 1489 and s.column + np.ceil(s.side) <= 2048 for s in every)
    assert max(s.column + s.side for s in every) > 1900  # everywhere
    with pytest.raises(ValueError, match="squares: expected a side of at most 1489 pixels, got 1600"):
        random_squares((1489, 2048), sides[3:], 3, 5, np.random.default_rng(1))


def test_tiles_hold_the_surface_brightness_of_their_pixels():
    rng = np.random.default_rng(3)
    images = {band: rng.normal(size=(40, 50)) + k for k, band in enumerate(BANDS)}
    frames = {band: frame(image, band) for band, image in images.items()}
    tiles = cut(frames, [Square(2, 4, 32.0), Square(10, 0, 32.0)], 8)
    assert tiles.shape == (2, 5, 8, 8)
    for k, band in enumerate(BANDS):
        expected = images[band][4:36, 2:34].reshape(8, 4, 8, 4).mean(axis=(1, 3)) / 0.396**2
        assert np.allclose(tiles[0, k], expected, rtol=2e-3, atol=1e-3)
    whole = cut(frames, [Square(0, 0, 37.5)], 10)  # parts of pixels: light is kept
    inner = images["u"][:38, :38]
    assert np.isclose(whole[0, 0].mean() * 0.396**2, inner.mean(), atol=0.05)
    del frames["u"]
    with pytest.raises(ValueError, match="expected frames in u, g, r, i, z, got none in u"):
        cut(frames, [Square(0, 0, 8.0)], 8)


def test_tiles_are_stored_as_images_of_clusters_are(tmp_path):
    light, settings = tiles_of_sky(5), Images()
    made = [image for name in ("a-1", "b-1") for image in scaled_tiles(name, light, settings)]
    write_images(tmp_path / "tiles.zarr.zip", {"images": (16, 16)}, made, {})
    stored = Stored(tmp_path / "tiles.zarr.zip")
    assert list(tile_fields(stored.clusters)) == ["a-1"] * 5 + ["b-1"] * 5
    back = unscale(stored.read(range(5)), stored.numbers("low")[:5], stored.numbers("high")[:5], settings.offset)
    assert np.allclose(back, light, atol=1e-5)


@pytest.mark.parametrize(("folds", "expected"), [(2, 2), (4, 4), (9, 4)])
def test_every_field_tests_once_and_as_a_whole(folds, expected):
    tested = field_folds(FIELDS, folds, np.random.default_rng(1))
    assert len(tested) == expected
    assert np.array_equal(np.sum(tested, axis=0), np.ones(len(FIELDS)))
    for out in tested:
        assert not set(FIELDS[out]) & set(FIELDS[~out])
    with pytest.raises(ValueError, match="two fields in five bands at least, got 1"):
        field_folds(FIELDS[:6], 4, np.random.default_rng(1))


def test_networks_learn_from_other_fields_only_and_watch_their_own(monkeypatch):
    asked = {}

    def remember(network, settings, samples, folds, rng, workers, **rest):
        asked.update(samples=samples, folds=folds, settings=settings)
        return []

    monkeypatch.setattr(library, "train_folds", remember)
    light = tiles_of_sky()
    tested = field_folds(FIELDS, 4, np.random.default_rng(1))
    train_tiles(light, tested, SETTINGS.network, SETTINGS.training, np.random.default_rng(2), 1)
    assert np.array_equal(asked["samples"].log10_mass, np.tile(np.arange(5), 24))
    assert np.array_equal(asked["samples"].inputs[:, 0], light.reshape(-1, 16, 16))
    fields = np.repeat(FIELDS, 5)
    for fold, out in zip(asked["folds"], tested, strict=True):
        assert set(fields[fold.training]) == set(FIELDS[~out])
        assert len(fold.training) == 5 * (~out).sum()
        assert set(fields[fold.watched]) == set(FIELDS[out])
        assert not len(fold.validation)  # nothing to stop on


class Noise(nn.Module):
    """A network that tells a band by the nearest of five noises, times a factor."""

    def __init__(self, factor):
        super().__init__()
        self.noise = torch.from_numpy(NOISE * factor).float()

    def forward(self, images):
        """Return logits (n, 5)."""
        return -((torch.log(images.std((1, 2, 3)))[:, None] - torch.log(self.noise)) ** 2) * 100


def test_tiles_are_told_by_the_network_that_did_not_learn_from_them():
    light = tiles_of_sky() * np.repeat([1, 2, 4, 8], 6).astype(np.float32)[:, None, None, None]  # by field
    tested = [name == FIELDS for name in np.unique(FIELDS)]
    models = [Trained(Noise(2**k), LabelScale(0.0, 1.0), LEARNING_CURVES.empty()) for k in range(4)]
    table = tile_predictions(
        models, light, NAMES, tested, SETTINGS.training.model_copy(update={"precision": "float32"})
    )
    assert len(table) == 5 * len(NAMES)
    names = {"method": "network", "trained_on": "global", "control": "global", "meaning": "noise"}
    row = control_row(table, names, np.random.default_rng(1), 20).iloc[0]
    assert row["recall_z"] == row["recall_g"] == 1
    assert row["accuracy"] > 0.9  # u and i are as noisy
    other = tile_predictions(
        models[::-1], light, NAMES, tested, SETTINGS.training.model_copy(update={"precision": "float32"})
    )
    assert control_row(other, names, np.random.default_rng(1), 20).iloc[0]["accuracy"] < 0.6


def test_scalars_are_noise_median_and_minimum():
    image = np.array([[-3.0, -1, 0], [1, 2, 3], [4, 5, 100]], np.float32)[None]
    assert np.allclose(scalars(image), [[1.4826 * 2, 2, -3]])
    assert np.allclose(scalars(shuffle_pixels(image, np.random.default_rng(0))), scalars(image))


def test_a_forest_tells_bands_by_noise_and_guesses_without():
    light = scale(tiles_of_sky(60), Images(), "global").images
    settings = Forest(trees=50)
    found = [forest_probabilities(light[:30], light[30:], settings, np.random.default_rng(seed)) for seed in (1, 1)]
    assert np.array_equal(*found)
    bands = np.tile(np.arange(5), 30)
    right = found[0].argmax(axis=1) == bands
    assert right.mean() > 0.75  # u and i are nearly as noisy
    assert right[np.isin(bands, (1, 2, 4))].all()
    rng = np.random.default_rng(2)
    equal = np.array([match_noise(tile, rng) for tile in tiles_of_sky(60)])
    guessed = forest_probabilities(equal[:30], equal[30:], settings, np.random.default_rng(1)).argmax(axis=1)
    assert (guessed == bands).mean() < 0.33
    with pytest.raises(ValueError, match="images to learn from, got none"):
        forest_probabilities(light[:0], light, settings, np.random.default_rng(1))


def test_the_forest_of_tiles_never_learns_from_the_field_it_tells():
    light = tiles_of_sky() / NOISE.astype(np.float32)[:, None, None]
    leaky = np.repeat(np.arange(4), 6).astype(np.float32) * 10  # level by field, and by band within a field
    marks = np.array([np.roll(np.arange(5), k) for k in range(4)]).repeat(6, axis=0)
    planted = 0.001 * light + (leaky[:, None] + marks)[:, :, None, None].astype(np.float32)
    tested = [name == FIELDS for name in np.unique(FIELDS)]
    table = forest_predictions(planted, NAMES, tested, Forest(trees=20), np.random.default_rng(1))
    assert list(table["group"].unique()) == list(np.unique(FIELDS))
    told = table[[f"p_{band}" for band in BANDS]].to_numpy().argmax(axis=1)
    assert (told == np.tile(np.arange(5), 24)).mean() < 0.5  # known from inside a field alone
    known = forest_probabilities(planted, planted, Forest(trees=20), np.random.default_rng(1))
    assert (known.argmax(axis=1) == np.tile(np.arange(5), 24)).mean() > 0.9


def test_a_row_of_controls_by_hand():
    probabilities = np.eye(5)[[0, 1, 2, 3, 4, 3, 1, 2, 3, 4]]  # u is once taken to be i
    table = predictions_table(["a", "b"], ["x", "y"], "empty", probabilities)
    names = {"method": "network", "trained_on": "clusters", "control": "empty", "meaning": "sky"}
    row = control_row(table, names, np.random.default_rng(1), 50).iloc[0]
    assert row["images"] == 2
    assert row["accuracy"] == 0.9
    assert row["low"] == 0.8
    assert row["high"] == 1
    assert [row[f"recall_{band}"] for band in BANDS] == [0.5, 1, 1, 1, 1]
    mixed = pd.concat([table, table.assign(role="test")])
    with pytest.raises(ValueError, match="images of one role, got empty, test"):
        control_row(mixed, names, np.random.default_rng(1), 50)


def test_what_images_show_and_what_shows_less():
    assert shown(Variant()) == "brightness, shapes, noise and level of the sky, bright stars, clusters"
    assert shown(Variant(scaling="per_image", pixels="shuffled", stars="masked", noise="matched"), False) == (
        "relative brightness"
    )
    assert reduced(Variant()) == {"noise_matched": Variant(noise="matched"), "shuffled": Variant(pixels="shuffled")}
    assert list(reduced(Variant(noise="matched"))) == ["shuffled"]


def test_tiles_refuse_what_they_cannot_do():
    with pytest.raises(ValidationError, match=r"training.patience: expected null, as the last epoch counts, got 3"):
        Tiles(training=SETTINGS.training.model_copy(update={"patience": 3}))
    with pytest.raises(ValidationError, match="no catalogue of stars"):
        Tiles(variants={"masked": Variant(stars="masked")})
