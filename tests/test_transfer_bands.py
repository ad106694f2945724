"""Band classification and stored features: planted bands, shuffled ones, weights that go on, damaged files."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

from clustermass.config.image_networks import BandNetwork, BaselineNetwork, ExtractorNetwork
from clustermass.config.image_training import Variant
from clustermass.config.training import Training
from clustermass.estimators import Split
from clustermass.networks import build
from clustermass.training import folds, trainer
from clustermass.training.checkpoint import CheckpointError, Identity, load_checkpoint
from clustermass.training.trainer import Start
from clustermass.transfer.bands import (
    band_predictions,
    extractor_of,
    probabilities,
    train_bands,
    untrained,
    variant_network,
    with_channels,
)
from clustermass.transfer.features import Features, FeaturesError, extract, load_features, part_rows, save_features
from clustermass.transfer.sample import ImageSample, band_rows

N, SIDE = 36, 16
NETWORK = BandNetwork(extractor=ExtractorNetwork(momentum=0.5), hidden=())
SMALL = BandNetwork(extractor=ExtractorNetwork(backbone="shufflenet_v2_x0_5", pointwise=6, momentum=0.5), hidden=(4,))
QUICK = Training(epochs=2, batch=15, learning_rate=1e-3, decay=0.0, schedule="cosine", max_norm=None, labels="raw")
ONCE = QUICK.model_copy(update={"epochs": 1})
SPLIT = Split(0, 0, np.arange(18), np.arange(18, 24), np.arange(24, 36))


def planted(number=N, seed=0):
    """Return images (n, 5, h, w) that are the brighter the redder their band; clusters differ in brightness too."""
    rng = np.random.default_rng(seed)
    bright = np.linspace(0.1, 0.8, 5)[:, None, None] + rng.uniform(-0.03, 0.03, (number, 1, 1, 1))
    return np.clip(bright + rng.normal(0, 0.1, (number, 5, SIDE, SIDE)), 0, 1).astype(np.float32)


def sample_of(number=N):
    names = np.array([f"c{k:02}" for k in range(number)], object)
    band = np.repeat(["train", "validation", "test"], [18, 6, 12]).astype(object)
    nothing = np.zeros(number)
    group = np.array([f"h{k // 2}" for k in range(number)], object)
    parts = {"strong": nothing > 0, "catalogue": names, "fold": np.zeros(number, np.int64), "band": band}
    masses = dict.fromkeys(("log10_m500c", "log10_m500c_err", "log10_m500c_richness"), nothing)
    rows = np.arange(number)
    return ImageSample(names, rows, group, redshift=nothing, log10_richness=nothing, **parts, **masses)


IMAGES, SAMPLE = planted(), sample_of()


def quiet(_line):
    pass


def trained_on(images, split=SPLIT, network=NETWORK, training=QUICK, **where):
    return train_bands(images, split, network, training, np.random.default_rng(1), say=quiet, **where)


def accuracy(table):
    found = table[[f"p_{band}" for band in "ugriz"]].to_numpy().argmax(axis=1)
    return float((found == table["band"].map("ugriz".index)).mean())


def test_planted_bands_are_told_apart_on_clusters_that_did_not_train():
    model = trained_on(IMAGES, watch=True)
    table = band_predictions(model, IMAGES, SAMPLE, band_rows(SAMPLE), QUICK)
    assert len(table) == 5 * 18
    assert set(table.loc[table["role"] == "test", "image"]) == set(SAMPLE.clusters[24:])
    assert set(table.loc[table["role"] == "validation", "image"]) == set(SAMPLE.clusters[18:24])
    assert (table.groupby("image")["band"].agg("".join) == "ugriz").all()
    assert np.allclose(table.filter(like="p_").sum(axis=1), 1)
    assert accuracy(table[table["role"] == "test"]) > 0.6
    alone = probabilities(model, IMAGES[30:31, 3:4], QUICK)
    row = table[(table["image"] == "c30") & (table["band"] == "i")]
    assert np.allclose(row.filter(like="p_").to_numpy(), alone, atol=1e-5)
    assert row["group"].item() == "h15"
    right = accuracy(table[table["role"] == "test"])
    assert model.curves["watched_score"].iloc[-1] == pytest.approx(right, abs=0.02)
    assert model.curves["kept"].to_numpy().nonzero()[0].tolist() == [QUICK.epochs - 1]  # the last, no other choice


def test_bands_in_random_order_leave_nothing_to_learn():
    rng = np.random.default_rng(3)
    mixed = np.stack([image[rng.permutation(5)] for image in IMAGES])
    table = band_predictions(trained_on(mixed, network=SMALL), mixed, SAMPLE, SPLIT, QUICK)
    assert accuracy(table) < 0.2 + 3.5 * np.sqrt(0.16 / len(table))


def test_nothing_of_clusters_that_do_not_train_reaches_the_weights():
    other = IMAGES.copy()
    other[18:] = 1 - other[18:]
    one, two = (trained_on(images, network=SMALL, training=ONCE) for images in (IMAGES, other))
    same = two.network.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in one.network.state_dict().items())
    assert one.curves["validation_loss"].item() != two.curves["validation_loss"].item()


def test_a_cluster_that_trains_and_validates_is_refused():
    with pytest.raises(ValueError, match="share 5 rows"):
        trained_on(IMAGES, Split(0, 0, np.arange(18), np.arange(17, 24), np.arange(24, 36)))


class KilledError(Exception):
    """What stands for a kill."""


def killing(monkeypatch, step):
    """Let the trainer fail at one of its steps."""
    steps, shown = itertools.count(1), trainer.augmented

    def augmented(*args):
        if next(steps) == step:
            raise KilledError
        return shown(*args)

    monkeypatch.setattr(trainer, "augmented", augmented)


def test_a_training_that_was_killed_in_an_epoch_ends_the_same(monkeypatch, tmp_path):
    settings, file = QUICK.model_copy(update={"sky_symmetries": True}), "fold_00.safetensors"
    whole = trained_on(IMAGES, network=SMALL, training=settings, folder=tmp_path / "whole")
    with monkeypatch.context() as patch:
        killing(patch, 6 + 3)  # the third step of the second epoch
        with pytest.raises(KilledError):
            trained_on(IMAGES, network=SMALL, training=settings, folder=tmp_path / "models")
    assert not (tmp_path / "models").exists()
    said = []
    where = {"folder": tmp_path / "models", "say": said.append}
    again = train_bands(IMAGES, SPLIT, SMALL, settings, np.random.default_rng(1), **where)
    assert len(said) == 1  # of two epochs
    pd.testing.assert_frame_equal(again.curves, whole.curves)
    assert (tmp_path / "models" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_an_untrained_network_is_what_a_training_would_start_from(monkeypatch, tmp_path):
    known = Start({"extractor.backbone.conv1.0.weight": torch.full((24, 3, 3, 3), 0.5)})
    monkeypatch.setattr("clustermass.transfer.bands.extractor_start", lambda _network: known)
    one, other = (untrained(SMALL, QUICK, np.random.default_rng(2), tmp_path) for _ in range(2))
    state, same = one.network.state_dict(), other.network.state_dict()
    assert all(torch.equal(state[name], same[name]) for name in state)
    assert (state["extractor.backbone.conv1.0.weight"] == 0.5).all()
    assert one.curves.empty
    assert not one.network.training
    stored = load_checkpoint(folds.checkpoint_path(tmp_path, 0), Identity(SMALL, QUICK))
    assert all(torch.equal(stored.tensors[f"network/{name}"], state[name]) for name in state)


def test_an_extractor_goes_on_with_the_weights_that_bands_left(tmp_path):
    model = trained_on(IMAGES, network=SMALL, training=ONCE, folder=tmp_path / "models")
    start = extractor_of(tmp_path / "models", SMALL)
    expected = model.network.extractor.state_dict()
    assert {name.removeprefix("extractor.") for name in start.tensors} == set(expected)
    assert all(torch.equal(start.tensors[f"extractor.{name}"], value) for name, value in expected.items())
    assert start.scale is None


@pytest.mark.parametrize("fault", ["cut", "changed", "other", "none"])
def test_weights_that_are_not_those_of_the_bands_are_refused_by_name(tmp_path, fault):
    untrained(SMALL, QUICK, np.random.default_rng(0), tmp_path)
    file, network = tmp_path / "fold_00.safetensors", SMALL
    whole = file.read_bytes()
    if fault == "cut":
        file.write_bytes(whole[:-100])
    elif fault == "changed":
        file.write_bytes(whole[:8] + b"[" + whole[9:])
    elif fault == "other":
        network = SMALL.model_copy(update={"hidden": (5,)})
    else:
        file.unlink()
    with pytest.raises(CheckpointError, match=r"hidden: expected|without any|expected a checkpoint") as told:
        extractor_of(tmp_path, network)
    assert str(tmp_path if fault == "none" else file) in str(told.value)


@pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2_x0_5"])
def test_an_image_that_is_the_same_in_five_channels_makes_the_maps_of_three(name):
    torch.manual_seed(0)
    bands = build(BandNetwork(extractor=ExtractorNetwork(backbone=name), hidden=())).eval()
    tensors = {n: t for n, t in bands.state_dict().items() if n.startswith("extractor.")}
    baseline = build(BaselineNetwork(extractor=ExtractorNetwork(backbone=name, channels=5))).eval()
    missing, unknown = baseline.load_state_dict(with_channels(Start(tensors)).tensors, strict=False)
    assert not unknown
    assert all(name.startswith(("output.", "hidden.")) for name in missing)
    image = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        five = baseline.extractor(image.expand(-1, 5, -1, -1))
        assert torch.allclose(five, bands.extractor(image), rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match="expected weights of a convolution"):
        with_channels(Start({"output.bias": torch.zeros(1)}))


def test_a_variant_changes_the_backbone_and_nothing_else():
    assert variant_network(SMALL, Variant(noise="matched")) == SMALL
    other = variant_network(SMALL, Variant(backbone="mobilenet_v3_small"))
    assert other.extractor == ExtractorNetwork(backbone="mobilenet_v3_small", pointwise=6, momentum=0.5)
    assert other.hidden == SMALL.hidden


@pytest.fixture(scope="module")
def extractor():
    torch.manual_seed(4)
    return build(SMALL).eval().extractor


def test_features_are_those_of_images_in_every_view(monkeypatch, extractor):
    whole = extract(extractor, IMAGES[:3], 4, QUICK)
    assert whole.shape == (3, 4, 5, 6)
    assert whole.dtype == np.float32
    turned = [
        IMAGES[:3],
        np.rot90(IMAGES[:3], 2, (2, 3)),
        np.rot90(IMAGES[:3], 1, (2, 3)),
        np.rot90(IMAGES[:3], 3, (2, 3)),
    ]
    for view in range(4):
        alone = [extract(extractor, image.copy(), 1, QUICK)[:, 0] for image in turned]
        assert min(np.abs(whole[:, view] - one).max() for one in alone) < 1e-5
    with torch.inference_mode():
        expected = extractor(torch.from_numpy(IMAGES[2, 1:2, None])).numpy()
    assert np.allclose(whole[2, 0, 1], expected[0], atol=1e-5)
    monkeypatch.setattr("clustermass.transfer.features._BYTES", 1)  # one at a time
    assert np.allclose(extract(extractor, IMAGES[:3], 4, QUICK), whole, atol=1e-5)
    assert extract(extractor, IMAGES[:0], 2, QUICK).shape == (0, 2, 5, 6)


def test_rows_of_parts_stand_together():
    assert part_rows(np.array([2, 0]), 3).tolist() == [6, 7, 8, 0, 1, 2]


def test_features_come_back_as_they_were_stored(tmp_path):
    values = np.random.default_rng(0).random((4, 2, 5, 3), np.float32)
    save_features(tmp_path / "f.safetensors", Features(["a", "b", "c", "d"], values), {"weights": "random"})
    found = load_features(tmp_path / "f.safetensors")
    assert found.clusters == ["a", "b", "c", "d"]
    assert np.array_equal(found.values, values)
    assert np.array_equal(found.of(["c", "a"]), values[[2, 0]])
    with pytest.raises(FeaturesError, match="those of cluster x, got none of 2"):
        found.of(["a", "x", "y"])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cut", "expected a file of features"),
        ("header", "expected a file of features"),
        ("missing", "expected a file of features"),
        ("fewer", "for 3 clusters, each once"),
        ("twice", "for 3 names"),
        ("nan", "expected finite features, got others of cluster b"),
    ],
)
def test_damaged_features_are_refused_by_name(tmp_path, fault, message):
    path, names, values = tmp_path / "features.safetensors", list("abcd"), np.ones((4, 1, 5, 2), np.float32)
    if fault == "nan":
        values[1, 0, 2, 1] = np.nan
    names = {"fewer": list("abc"), "twice": list("abca")}.get(fault, names)
    header = {} if fault == "header" else {"clustermass": json.dumps({"clusters": names})}
    if fault != "missing":
        save_file({"features": values}, path, metadata=header)
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FeaturesError, match=message) as told:
        load_features(path)
    assert str(path) in str(told.value)
