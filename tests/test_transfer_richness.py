"""Richness from images: the same subsets for Base and Ours, batches of fits, starts, frozen and joint extractors."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from clustermass.config.image_networks import BandNetwork, ExtractorNetwork, RegressorNetwork
from clustermass.config.image_training import BandTask, LiangTraining
from clustermass.config.training import Training
from clustermass.estimators import Split
from clustermass.training import folds, trainer
from clustermass.training.checkpoint import CheckpointError
from clustermass.transfer.bands import extractor_of, untrained
from clustermass.transfer.contracts import RICHNESS_PREDICTIONS
from clustermass.transfer.features import extract
from clustermass.transfer.regression import predicted, train_splits
from clustermass.transfer.richness import (
    Fit,
    feature_richness,
    fit_seeds,
    fit_split,
    fits,
    fits_of_part,
    frozen_extractor,
    joint_network,
    model_start,
    richness_regression,
)
from clustermass.transfer.sample import ImageSample, richness_splits
from clustermass.transfer.shares import parts, share_training

N, FOLDS, SEED = 40, 5, 11
BANDS = BandNetwork(extractor=ExtractorNetwork(backbone="shufflenet_v2_x0_5", pointwise=7), hidden=(4,))
QUICK = Training(epochs=1, batch=8, learning_rate=3e-3, decay=0.0, max_norm=None, labels="standardised")
SETTINGS = LiangTraining(
    bands=BandTask(network=BANDS),
    regressor=RegressorNetwork(filters=(1, 2, 4), hidden=(6,), redshift=False),
    training=QUICK,
    min_steps=3,
    percents=(25, 100),
    folds=2,
    trials=2,
)
STILL = QUICK.model_copy(update={"learning_rate": 1e-30})


def sample_of():
    rng, k = np.random.default_rng(0), np.arange(N)
    names = np.array([f"c{i:02}" for i in k], object)
    richness, nothing = rng.uniform(1.3, 2.3, N), np.zeros(N)
    masses = dict.fromkeys(("log10_m500c", "log10_m500c_err", "log10_m500c_richness"), nothing)
    parts = {"strong": k < 20, "catalogue": names, "fold": k // 2 % FOLDS, "band": np.array(["train"] * N, object)}
    group = np.array([f"h{i // 2}" for i in k], object)
    return ImageSample(names, k, group, redshift=nothing + 0.2, log10_richness=richness, **parts, **masses)


SAMPLE = sample_of()
IMAGES = np.clip(
    0.3 * SAMPLE.log10_richness[:, None, None, None] - 0.1
    + np.random.default_rng(1).normal(0, 0.05, (N, 5, 16, 16)), 0, 1,
).astype(np.float32)  # fmt: skip
EVERY = richness_splits(SAMPLE, FOLDS, SETTINGS.folds)


@pytest.fixture(scope="module")
def bands(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands")
    untrained(BANDS, QUICK, np.random.default_rng(0), folder)
    return folder


def quiet(_line):
    pass


def predictions_of(chosen, model, percent, bands, settings=SETTINGS, images=IMAGES):
    """Return what the script writes for some fits."""
    start = model_start(settings, model, bands)
    regression = richness_regression(settings, SAMPLE, images, start, SEED, "cpu")
    training = share_training(settings, percent, N, FOLDS)
    splits = [fit_split(EVERY[fit.fold], fit, percent, SEED) for fit in chosen]
    start = None if settings.frozen else start
    models = train_splits(regression, training, splits, fit_seeds(chosen, SEED), 1, start=start, say=quiet)
    also = [{"trial": fit.trial, "percent": float(percent)} for fit in chosen]
    tables = [
        predicted(regression, one, split, training, SAMPLE, RICHNESS_PREDICTIONS, **more)
        for one, split, more in zip(models, splits, also, strict=True)
    ]
    return pd.concat(tables, ignore_index=True), models


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_parts_hold_every_fit_once(number):
    held = [fits_of_part(SETTINGS, part, number) for part in range(number)]
    assert list(itertools.chain(*held)) == fits(SETTINGS) == [Fit(0, 0, 0), Fit(1, 1, 0), Fit(2, 0, 1), Fit(3, 1, 1)]
    assert all(held)
    with pytest.raises(ValueError, match=f"expected 0 to {number - 1}, got {number}"):
        fits_of_part(SETTINGS, number, number)


def test_parts_take_about_as_long_as_configured():
    settings = SETTINGS.model_copy(
        update={"folds": 10, "trials": 3, "clusters_per_second": 10.0, "job_minutes": 5.0, "min_steps": 0}
    )
    training = settings.training.model_copy(update={"epochs": 30})
    settings = settings.model_copy(update={"training": training})
    # 800 of 1000 clusters train, 30 times: 2400 s a fit, 240 s at a tenth; 30 fits
    assert parts(settings, 100, 1000, 10) == 30  # more jobs than fits there are not
    assert parts(settings, 10, 1000, 10) == 24
    assert parts(settings, 1, 1000, 10) == 3
    assert parts(settings.model_copy(update={"job_minutes": 1e6}), 1, 1000, 10) == 1


def test_small_shares_are_passed_over_until_there_are_enough_steps():
    settings = SETTINGS.model_copy(update={"min_steps": 50})
    assert share_training(settings, 100, 1000, 10).epochs == 1  # 100 steps of 8
    assert share_training(settings, 10, 1000, 10).epochs == 5  # 10 steps an epoch
    assert share_training(settings, 1, 1000, 10).epochs == 50  # 8 clusters
    waiting = settings.model_copy(
        update={"training": settings.training.model_copy(update={"epochs": 2, "patience": 1})}
    )
    assert share_training(waiting, 1, 1000, 10).patience == 25
    assert share_training(waiting, 100, 1000, 10).patience == 1
    assert share_training(SETTINGS.model_copy(update={"min_steps": 0}), 1, 1000, 10) == settings.training


def test_subsets_depend_on_fold_and_trial_and_lie_inside_one_another():
    seen = set()
    for fit in fits(SETTINGS):
        small, large = (fit_split(EVERY[fit.fold], fit, percent, SEED) for percent in (25, 50))
        assert set(small.training) < set(large.training) < set(EVERY[fit.fold].training)
        assert len(small.training) == round(0.25 * len(EVERY[fit.fold].training))
        assert (small.number, small.fold) == (fit.number, fit.fold)
        assert np.array_equal(small.test, EVERY[fit.fold].test)
        assert not set(SAMPLE.group[large.training]) & set(SAMPLE.group[np.r_[large.test, large.validation]])
        seen.add(tuple(small.training))
    assert len(seen) == 4
    assert set(fit_split(EVERY[0], Fit(0, 0, 0), 25, SEED + 1).training) != set(
        fit_split(EVERY[0], Fit(0, 0, 0), 25, SEED).training
    )


def test_base_and_ours_train_on_the_same_clusters_and_differ_in_their_start_alone(monkeypatch, bands):
    begun = []
    whole = folds.train

    def train(network, settings, training, validation, seed, **how):
        begun.append((training.log10_mass.tolist(), seed, how["start"]))
        return whole(network, settings, training, validation, seed, **how)

    monkeypatch.setattr(folds, "train", train)
    still = SETTINGS.model_copy(update={"training": STILL, "min_steps": 0})
    models = {model: predictions_of(fits(SETTINGS)[2:], model, 25, bands, still)[1] for model in ("base", "ours")}
    (base, more), (ours, again) = begun[:2], begun[2:]
    assert base[:2] == ours[:2]
    assert more[:2] == again[:2]
    assert base[2] is None
    left = extractor_of(bands, BANDS).tensors
    for one, other in zip(models["base"], models["ours"], strict=True):
        base, ours = one.network.state_dict(), other.network.state_dict()
        assert torch.equal(base["regressor.output.weight"], ours["regressor.output.weight"])
        name = "extractor.pointwise.0.weight"
        assert torch.equal(ours[name], left[name])
        assert not torch.equal(base[name], left[name])


def test_fits_do_not_depend_on_how_they_are_batched(bands):
    once = SETTINGS.model_copy(update={"min_steps": 0, "folds": 1, "trials": 3})
    whole, _models = predictions_of(fits(once), "ours", 25, bands, once)
    held = [predictions_of(fits_of_part(once, part, 2), "ours", 25, bands, once)[0] for part in range(2)]
    pd.testing.assert_frame_equal(pd.concat(held, ignore_index=True), whole)
    assert (whole[whole["role"] == "test"].groupby(["fold", "trial"])["cluster"].nunique() == 8).all()
    assert set(whole["percent"]) == {25.0}
    assert set(whole["training_clusters"]) == {6}


def test_joint_training_changes_the_extractor_and_frozen_features_are_those_of_its_start(bands):
    _table, (model,) = predictions_of(fits(SETTINGS)[:1], "ours", 25, bands)
    left, name = extractor_of(bands, BANDS).tensors, "extractor.backbone.conv1.0.weight"
    assert not torch.equal(model.network.state_dict()[name], left[name])
    frozen = SETTINGS.model_copy(update={"frozen": True, "training": QUICK.model_copy(update={"views": 2})})
    start = model_start(frozen, "ours", bands)
    regression = richness_regression(frozen, SAMPLE, IMAGES, start, SEED, "cpu")
    known = frozen_extractor(frozen, start, SEED)
    assert torch.equal(known.state_dict()["backbone.conv1.0.weight"], left[name])
    assert np.array_equal(regression.samples.inputs, extract(known, IMAGES, 2, QUICK).reshape(2 * N, 5, 7))
    table, _models = predictions_of(fits(frozen)[:1], "ours", 25, bands, frozen)
    assert len(table) == 16
    one, other = (frozen_extractor(frozen, None, SEED).state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)  # random, but the same in every job


def test_planted_richness_is_learnt_and_shuffled_richness_is_not():
    features = np.repeat(SAMPLE.log10_richness, 2).reshape(N, 2, 1, 1).repeat(5, 2).repeat(12, 3).astype(np.float32)
    features += np.random.default_rng(2).normal(0, 0.1, features.shape).astype(np.float32)
    training = QUICK.model_copy(update={"epochs": 40, "learning_rate": 1e-2})
    everyone, found = Split(0, 0, np.arange(24), np.arange(24, 28), np.arange(28, 40)), {}
    for what, order in (("planted", np.arange(N)), ("shuffled", np.random.default_rng(6).permutation(N))):
        sample = replace(SAMPLE, log10_richness=SAMPLE.log10_richness[order])
        regression = feature_richness(
            RegressorNetwork(filters=(1, 4, 8), hidden=(8,), redshift=False), sample, features
        )
        (model,) = train_splits(regression, training, [everyone], np.random.default_rng(0), 1, say=quiet)
        table = predicted(regression, model, everyone, training, sample, RICHNESS_PREDICTIONS, trial=0, percent=100.0)
        tests = table[table["role"] == "test"]
        found[what] = np.corrcoef(tests["log10_richness"], tests["log10_predicted"])[0, 1]
    assert found["planted"] > 0.9
    assert found["shuffled"] < 0.6


def test_where_models_start(monkeypatch, bands, tmp_path):
    assert model_start(SETTINGS, "base", tmp_path) is None
    with pytest.raises(CheckpointError, match="without any"):
        model_start(SETTINGS, "ours", tmp_path)
    known = trainer.Start({"extractor.backbone.conv1.0.weight": torch.zeros(24, 3, 3, 3)})
    monkeypatch.setattr("clustermass.transfer.richness.extractor_start", lambda _network: known)
    assert model_start(SETTINGS, "base", tmp_path) is known
    assert joint_network(SETTINGS).regressor.features == 7
