"""Masses from images and features: planted and shuffled labels, folds, weak labels, starts, a kill in mid-epoch."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from clustermass.config.image_networks import BandNetwork, BaselineNetwork, ExtractorNetwork, RegressorNetwork
from clustermass.config.image_training import BandTask, LinTraining, MassModel
from clustermass.config.training import Training
from clustermass.estimators import Split
from clustermass.networks.weights import WeightsError
from clustermass.training import folds, trainer
from clustermass.training.checkpoint import CheckpointError, load_trained
from clustermass.training.trainer import predict_log10_mass, start_of
from clustermass.transfer.bands import untrained
from clustermass.transfer.contracts import MASS_PREDICTIONS
from clustermass.transfer.mass import (
    baseline_regression,
    baseline_start,
    drawn_labels,
    start_note,
    trainings,
    transfer_regression,
)
from clustermass.transfer.regression import predict, predicted, train_splits
from clustermass.transfer.sample import ImageSample, strong_folds, weak_rows

N, FOLDS, VIEWS = 90, 4, 2
BANDS = BandNetwork(extractor=ExtractorNetwork(backbone="shufflenet_v2_x0_5"), hidden=(4,))
QUICK = Training(epochs=8, batch=16, learning_rate=1e-2, decay=0.0, max_norm=None, labels="standardised")
LONG = QUICK.model_copy(update={"epochs": 24})
SETTINGS = LinTraining(
    bands=BandTask(network=BANDS),
    views=VIEWS,
    regressor=RegressorNetwork(features=9, filters=(1, 4, 8), hidden=(16,)),
    baseline=BaselineNetwork(extractor=ExtractorNetwork(backbone="shufflenet_v2_x0_5", channels=5)),
    weak=QUICK,
    strong=QUICK,
)


def test_labels_are_drawn_from_the_errors_of_strong_ones_alone():
    sample = sample_of()
    err = np.where(np.arange(N) % 2, 0.2, np.nan)
    many = [
        drawn_labels(replace(sample, log10_m500c_err=err), np.random.default_rng(k)).log10_m500c for k in range(400)
    ]
    drawn = np.array(many) - sample.log10_m500c
    moved = sample.strong & (np.arange(N) % 2 == 1)
    assert (drawn[:, ~moved] == 0).all()
    np.testing.assert_allclose(drawn[:, moved].std(axis=0), 0.2, rtol=0.15)
    np.testing.assert_allclose(drawn[:, moved].mean(axis=0), 0, atol=0.04)


def sample_of(seed=0):
    """Return 60 strong clusters and 30 weak ones, three a halo; those of halo 19 are of both kinds."""
    rng, k = np.random.default_rng(seed), np.arange(N)
    names, group = np.array([f"c{i:02}" for i in k], object), np.array([f"h{i // 3}" for i in k], object)
    mass = rng.uniform(13.8, 15.2, N)
    return ImageSample(
        names,
        k,
        group,
        redshift=rng.uniform(0.1, 0.5, N),
        log10_richness=mass - 12.5,
        strong=k < 59,
        catalogue=np.array(["xcs"] * N, object),
        log10_m500c=mass,
        log10_m500c_err=np.where(k % 2, 0.1, np.nan),
        log10_m500c_richness=mass + 0.1,
        fold=k // 3 % FOLDS,
        band=np.array(["train"] * N, object),
    )


def features_of(sample, seed=0):
    """Return features (n, views, 5, 12) that grow with mass, redshift aside, in noise that differs from view to view."""
    rng = np.random.default_rng(seed)
    signal = 2 * (sample.log10_m500c - 14.5) - (sample.redshift - 0.3)
    noise = rng.normal(0, 0.5, (len(sample), VIEWS, 5, 12))
    return (signal[:, None, None, None] + noise).astype(np.float32)


SAMPLE = sample_of()
FEATURES = features_of(SAMPLE)
SPLITS = strong_folds(SAMPLE, FOLDS)


def quiet(_line):
    pass


def fitted(regression, splits=SPLITS, training=QUICK, seed=1, **how):
    return train_splits(regression, training, splits, np.random.default_rng(seed), 1, say=quiet, **how)


def table_of(regression, models, sample=SAMPLE, splits=SPLITS):
    parts = [
        predicted(regression, model, split, QUICK, sample, MASS_PREDICTIONS, trial=3)
        for model, split in zip(models, splits, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def error(table, role="test"):
    rows = table[table["role"] == role]
    return float((rows["log10_predicted"] - rows["log10_m500c"]).abs().mean())


def test_planted_masses_are_learnt_in_every_fold_and_every_strong_cluster_tests_once():
    regression = transfer_regression(SETTINGS, SAMPLE, FEATURES)
    assert regression.network.features == 12
    models = fitted(regression, training=LONG, watch=True)
    table = table_of(regression, models)
    watched = [model.curves["watched_score"].iloc[-1] for model in models]
    assert np.ptp(watched) > 0
    tests = table[table["role"] == "test"]
    assert sorted(tests["cluster"]) == sorted(SAMPLE.clusters[SAMPLE.strong])
    assert (tests["fold"] == SAMPLE.fold[[int(name[1:]) for name in tests["cluster"]]]).all()
    assert set(table["trial"]) == {3}
    assert set(table["training_clusters"]) <= set(range(27, 34))
    assert np.allclose(tests["log10_m500c_richness"] - tests["log10_m500c"], 0.1)
    strong = SAMPLE.log10_m500c[SAMPLE.strong]
    assert error(table) < 0.5 * np.abs(strong - np.median(strong)).mean()


def test_shuffled_masses_leave_no_skill():
    rng = np.random.default_rng(8)
    shuffled = replace(SAMPLE, log10_m500c=rng.permutation(SAMPLE.log10_m500c))
    regression = transfer_regression(SETTINGS, shuffled, FEATURES)
    models = fitted(regression, SPLITS[:2], LONG)
    table = table_of(regression, models, shuffled, SPLITS[:2])
    tests = table[table["role"] == "test"]
    assert abs(np.corrcoef(tests["log10_m500c"], tests["log10_predicted"])[0, 1]) < 3 / np.sqrt(len(tests))


def test_nothing_of_clusters_that_do_not_train_reaches_the_weights():
    split, features = SPLITS[1], FEATURES.copy()
    out = np.setdiff1d(np.arange(N), split.training)
    features[out] = 9
    masses = SAMPLE.log10_m500c.copy()
    masses[out] += 0.5
    other = transfer_regression(SETTINGS, replace(SAMPLE, log10_m500c=masses), features)
    (one,), (two,) = fitted(transfer_regression(SETTINGS, SAMPLE, FEATURES), [split]), fitted(other, [split])
    assert one.scale == two.scale
    same = two.network.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in one.network.state_dict().items())


def test_all_stored_views_train_and_clusters_as_they_are_validate():
    regression = transfer_regression(SETTINGS, SAMPLE, FEATURES)
    split = Split(2, 2, np.array([5, 7]), np.array([1]), np.array([0, 8]))
    fold = regression.fold(split, watch=True)
    assert fold.watched.tolist() == [0, 8 * VIEWS]
    assert regression.fold(split).watched is None
    features, redshift = regression.samples.arrays
    assert fold.number == 2
    assert np.array_equal(features[fold.training], FEATURES[[5, 7]].reshape(4, 5, 12))
    assert np.array_equal(features[fold.validation], FEATURES[[1], 0])
    assert np.allclose(redshift[fold.training], SAMPLE.redshift[[5, 5, 7, 7]])
    assert np.array_equal(regression.samples.log10_mass[fold.training], SAMPLE.log10_m500c[[5, 5, 7, 7]])
    with pytest.raises(ValueError, match="share 1 rows"):
        regression.fold(Split(0, 0, np.array([5, 7]), np.array([7]), np.array([0])))


def test_an_epoch_of_stored_views_counts_as_many():
    regression = transfer_regression(SETTINGS, SAMPLE, FEATURES)
    settings = regression.settings(QUICK.model_copy(update={"epochs": 9, "patience": 1}))
    assert (settings.epochs, settings.patience, settings.views) == (4, 1, 1)
    images = baseline_regression(SETTINGS, SAMPLE, np.zeros((N, 5, 8, 8), np.float32))
    settings = images.settings(QUICK)
    assert (settings.epochs, settings.patience, settings.views) == (8, None, VIEWS)


def test_predictions_are_means_over_stored_views():
    regression = transfer_regression(SETTINGS, SAMPLE, FEATURES)
    (model,) = fitted(regression, SPLITS[:1], QUICK.model_copy(update={"epochs": 2}))
    rows, redshift = np.array([4, 70, 2]), SAMPLE.redshift.astype(np.float32)
    views = [predict_log10_mass(model, (FEATURES[rows, v], redshift[rows]), 3, QUICK) for v in range(VIEWS)]
    assert np.ptp(views, axis=0).max() > 1e-3
    assert np.allclose(predict(regression, model, rows, QUICK), np.mean(views, axis=0), atol=1e-5)


def test_weak_labels_share_no_halo_with_strong_ones_and_give_start_and_scale(tmp_path):
    weak = weak_rows(SAMPLE)
    used = np.concatenate([weak.training, weak.validation])
    assert not SAMPLE.strong[used].any()
    assert not set(SAMPLE.group[used]) & set(SAMPLE.group[SAMPLE.strong])
    regression = transfer_regression(SETTINGS, SAMPLE, FEATURES)
    (first,) = fitted(regression, [weak], folder=tmp_path / "weak")
    start = start_of(load_trained(tmp_path / "weak", regression.network))
    still = QUICK.model_copy(update={"epochs": 1, "learning_rate": 1e-30})
    models = fitted(regression, SPLITS[:2], still, start=start)
    for model in models:
        assert model.scale == first.scale
        assert torch.equal(model.network.output.weight, first.network.output.weight)
    begun = error(table_of(regression, models, splits=SPLITS[:2]), "validation")
    scratch = error(table_of(regression, fitted(regression, SPLITS[:2], still), splits=SPLITS[:2]), "validation")
    assert begun < scratch


class KilledError(Exception):
    """What stands for a kill."""


def test_folds_that_were_killed_in_an_epoch_end_the_same(monkeypatch, tmp_path):
    regression, settings = transfer_regression(SETTINGS, SAMPLE, FEATURES), QUICK.model_copy(update={"epochs": 6})
    whole, steps, shown = fitted(regression, training=settings), itertools.count(1), trainer.augmented

    def augmented(*args):
        if next(steps) == 18:  # in the second epoch of the second fold: three epochs of four or five steps a fold
            raise KilledError
        return shown(*args)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "augmented", augmented)
        with pytest.raises(KilledError):
            fitted(regression, training=settings, folder=tmp_path / "models")
    assert len(list((tmp_path / "models.unfinished").iterdir())) == 2
    again = fitted(regression, training=settings, folder=tmp_path / "models")
    assert len(list((tmp_path / "models").iterdir())) == FOLDS
    pd.testing.assert_frame_equal(table_of(regression, again), table_of(regression, whole))


def images_of(sample, side=16, seed=0):
    """Return images (n, 5, h, w) that are the brighter the heavier their cluster, some bands more than others."""
    rng = np.random.default_rng(seed)
    bright = 0.5 + 0.3 * (sample.log10_m500c - 14.5)[:, None] * np.linspace(0.6, 1.4, 5)
    return np.clip(bright[..., None, None] + rng.normal(0, 0.05, (len(sample), 5, side, side)), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def bands(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands")
    untrained(BANDS, QUICK, np.random.default_rng(0), folder)
    return folder


def test_a_baseline_learns_planted_masses_from_all_bands_at_once():
    extractor = ExtractorNetwork(backbone="shufflenet_v2_x0_5", channels=5, momentum=0.5)
    settings = SETTINGS.model_copy(update={"baseline": BaselineNetwork(extractor=extractor, redshift=True)})
    regression = baseline_regression(settings, SAMPLE, images_of(SAMPLE))
    training = QUICK.model_copy(update={"sky_symmetries": True, "epochs": 12, "schedule": "cosine"})
    everyone = Split(0, 0, np.arange(70), np.arange(70, 74), np.arange(74, 90))
    (model,) = fitted(regression, [everyone], training)
    found = predict(regression, model, everyone.test, training)
    assert np.corrcoef(found, SAMPLE.log10_m500c[everyone.test])[0, 1] > 0.7


def test_where_the_convolutions_of_a_baseline_start(monkeypatch, bands, tmp_path):
    known = trainer.Start({"extractor.backbone.conv1.0.weight": torch.full((24, 3, 3, 3), 0.5)})
    monkeypatch.setattr("clustermass.transfer.mass.extractor_start", lambda _network: known)
    random, extractor, left = (
        baseline_start(SETTINGS, MassModel(kind="baseline", start=start), bands)
        for start in ("random", "extractor", "bands")
    )
    assert random is None
    assert torch.allclose(extractor.tensors["extractor.backbone.conv1.0.weight"], torch.full((24, 5, 3, 3), 0.3))
    regression = baseline_regression(SETTINGS, SAMPLE, images_of(SAMPLE))
    still = QUICK.model_copy(update={"epochs": 1, "learning_rate": 1e-30})
    (model,) = fitted(regression, [Split(0, 0, np.arange(20), np.arange(20, 24), np.arange(24, 26))], still, start=left)
    of_bands = load_weights(bands)
    begun = model.network.state_dict()
    assert torch.equal(begun["extractor.backbone.conv5.0.weight"], of_bands["extractor.backbone.conv5.0.weight"])
    first = of_bands["extractor.backbone.conv1.0.weight"].mean(1)
    assert torch.allclose(begun["extractor.backbone.conv1.0.weight"][:, 4], 0.6 * first)
    with pytest.raises(CheckpointError, match="without any"):
        baseline_start(SETTINGS, MassModel(kind="baseline", start="bands"), tmp_path)


def load_weights(folder):
    return {
        name.removeprefix("network/"): value
        for name, value in folds.load_checkpoint(
            folds.checkpoint_path(folder, 0), folds.Identity(BANDS)
        ).tensors.items()
    }


def test_masses_are_trained_on_the_device_of_all_image_networks():
    assert [one.device for one in trainings(SETTINGS, "cuda")] == ["cuda"] * 2


def test_results_say_what_their_weights_started_from(tmp_path):
    notes = {start: start_note(SETTINGS, MassModel(kind="baseline", start=start)) for start in ("random", "bands")}
    assert notes["random"] == "shufflenet_v2_x0_5 from random weights, not from ImageNet"
    assert notes["bands"] == f"{notes['random']}, then trained to tell bands apart"
    lost = ExtractorNetwork(weights="file", file=str(tmp_path / "none.pth"))
    settings = SETTINGS.model_copy(update={"bands": BandTask(network=BandNetwork(extractor=lost))})
    with pytest.raises(WeightsError, match=r"none\.pth"):
        start_note(settings, MassModel(kind="baseline", start="extractor"))


def test_stored_features_are_of_an_extractor():
    with pytest.raises(ValueError, match="start: expected extractor or bands"):
        MassModel(kind="transfer")
