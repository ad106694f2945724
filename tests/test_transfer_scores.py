"""Scores of networks of images: against closed forms, counts by hand and a bootstrap that copies rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from clustermass.transfer.contracts import BAND_PREDICTIONS, MASS_PREDICTIONS, RICHNESS_PREDICTIONS, SCORES
from clustermass.transfer.scores import (
    BAND_SCORES,
    COMPARISONS,
    EPOCH_CHOICES,
    accuracy,
    compare,
    confusion,
    dex_to_ln,
    epoch_choices,
    label_floor,
    richness_masses,
    scores,
    told_bands,
)

Floats = NDArray[np.float64]
ROOT_2_OVER_PI = 0.7978845608


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def masses(error: Floats, group: Any = None, fold: Any = 0, err: Any = 0.1, label: Any = 14.0) -> pd.DataFrame:
    """Return a table of predictions with errors (n, trials), as cross-validation leaves it."""
    error = error.reshape(len(error), -1)
    n, trials = error.shape
    k, trial = np.repeat(np.arange(n), trials), np.tile(np.arange(trials), n)
    label = np.broadcast_to(label, n)[k]
    frame = pd.DataFrame(
        {
            "cluster": [f"c{i:05}" for i in k],
            "group": np.array([f"h{i}" for i in range(n)], object)[k] if group is None else np.asarray(group)[k],
            "role": "test",
            "fold": np.broadcast_to(fold, n)[k],
            "trial": trial,
            "training_clusters": 8,
            "catalogue": "xcs",
            "redshift": 0.2,
            "log10_m500c": label,
            "log10_m500c_err": np.broadcast_to(err, n)[k],
            "log10_m500c_richness": label + 0.3,
            "log10_predicted": label + error.ravel(),
        }
    )
    return MASS_PREDICTIONS.validate(frame, "masses")


def richness(error: Floats, percent: float) -> pd.DataFrame:
    frame = masses(error).assign(percent=percent, log10_richness=1.5)
    frame["log10_predicted"] += 1.5 - 14
    return RICHNESS_PREDICTIONS.validate(frame[RICHNESS_PREDICTIONS.names], "richness")


def score(predictions: pd.DataFrame, draws: int = 50, seed: int = 1) -> pd.Series:
    return scores(predictions, "one", "mass", 100, rng(seed), draws).iloc[0]


# --------------------------------------------------------------------------------------------------------------- scores
def test_scores_by_hand() -> None:
    # four clusters, two trials, two folds; errors of trials +-: a cluster's mean error is no mean of its errors
    error = np.array([[0.1, -0.1], [0.3, 0.1], [-0.2, -0.4], [0.4, 0.2]])
    row = score(masses(error, fold=[0, 0, 1, 1], err=[0.1, 0.3, np.nan, 0.2]))
    assert list(row.index) == SCORES.names
    assert (row["model"], row["target"], row["percent"], row["clusters"]) == ("one", "mass", 100, 4)
    # |e| of clusters: .1, .2, .3, .3
    assert row["mae"] == pytest.approx(0.225)
    # folds: .15 and .3; with n - 1: .15 / sqrt 2
    assert row["mae_std"] == pytest.approx(0.15 / np.sqrt(2))
    assert row["mae_best"] == pytest.approx(0.15)
    # trials: (.1 + .3 + .2 + .4) / 4 = .25 and (.1 + .1 + .4 + .2) / 4 = .2
    assert row["trials_std"] == pytest.approx(0.05 / np.sqrt(2))
    assert row["bias"] == pytest.approx(0.05)
    # trial 0: mean .15, squares .3 / 4; trial 1: mean -.05, squares .22 / 4
    assert row["sigma"] == pytest.approx((np.sqrt(0.075 - 0.0225) + np.sqrt(0.055 - 0.0025)) / 2)
    assert row["floor"] == pytest.approx(0.2 * ROOT_2_OVER_PI)
    assert row["mae_low"] <= row["mae"] <= row["mae_high"]


def test_one_fold_and_one_trial_have_no_scatter() -> None:
    row = score(masses(np.array([0.1, -0.2, 0.3]), err=np.nan))
    assert np.isnan(row[["mae_std", "trials_std", "floor"]].to_numpy(float)).all()
    assert row["mae_best"] == row["mae"] == pytest.approx(0.2)
    assert row["bias"] == pytest.approx(0.2 / 3)


def test_order_of_rows_and_validation_do_not_matter() -> None:
    error = rng(3).normal(0, 0.2, (30, 3))
    table = masses(error, group=[f"h{k // 2}" for k in range(30)], fold=np.arange(30) // 2 % 5)
    others = masses(error + 5, fold=1).assign(role="validation")
    mixed = pd.concat([others, table]).sample(frac=1, random_state=1)
    pd.testing.assert_series_equal(score(table), score(mixed))


def test_shares_of_the_training_set_are_told_apart() -> None:
    both = pd.concat([richness(np.array([0.1, -0.1, 0.1]), 10.0), richness(np.array([0.4, 0.4, 0.4]), 100.0)])
    found = [scores(both, "base", "richness", percent, rng(), 20).iloc[0] for percent in (10, 100)]
    assert [row["mae"] for row in found] == pytest.approx([0.1, 0.4])
    assert [row["percent"] for row in found] == [10, 100]
    assert np.isnan(found[0]["floor"])
    assert found[1]["bias"] == pytest.approx(0.4)
    assert found[1]["sigma"] == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="expected tests at 25 % of the training set, got none"):
        scores(both, "base", "richness", 25, rng(), 20)


def test_intervals_are_those_of_copied_rows() -> None:
    group = np.array([0, 0, 1, 2, 2, 2, 3, 4, 4, 5])
    error = rng(2).normal(0.1, 0.3, (10, 2))
    row = score(masses(error, group=[f"h{g}" for g in group]), draws=60, seed=9)
    generator, mae, sigma = rng(9), [], []
    for _ in range(60):
        drawn = generator.integers(6, size=6)
        copied = np.concatenate([error[group == g] for g in drawn])
        mae.append(np.abs(copied).mean())
        sigma.append(copied.std(axis=0).mean())
    assert [row["mae_low"], row["mae_high"]] == pytest.approx(np.percentile(mae, [16, 84]))
    assert [row["sigma_low"], row["sigma_high"]] == pytest.approx(np.percentile(sigma, [16, 84]))


def test_a_halo_seen_often_or_trained_on_often_is_no_more_halos() -> None:
    error = rng(4).normal(0, 0.2, 40)
    once = score(masses(error), draws=400)
    five = score(masses(np.repeat(error, 5), group=[f"h{k // 5}" for k in range(200)]), draws=400)
    trials = score(masses(np.tile(error[:, None], 5)), draws=400)
    alone = score(masses(np.repeat(error, 5)), draws=400)
    names = ["mae", "mae_low", "mae_high", "sigma", "sigma_low", "sigma_high", "bias"]
    width = [row["mae_high"] - row["mae_low"] for row in (once, alone)]
    assert width[1] == pytest.approx(width[0] / np.sqrt(5), rel=0.15)  # what ignoring halos would claim
    np.testing.assert_allclose(trials[names].to_numpy(float), once[names].to_numpy(float))
    assert trials["trials_std"] == pytest.approx(0, abs=1e-12)
    # names of halos sort otherwise than those of one row each, so the draws differ, their width does not
    assert five["mae_high"] - five["mae_low"] == pytest.approx(width[0], rel=0.15)


def test_intervals_of_gaussian_errors() -> None:
    # |e| has mean s sqrt(2 / pi) and variance s^2 (1 - 2 / pi); the error of s is s / sqrt(2 n)
    n, s = 4000, 0.3
    row = score(masses(rng(5).normal(0, s, n)), draws=300)
    expected = s * np.sqrt((1 - 2 / np.pi) / n)
    assert row["mae"] == pytest.approx(s * ROOT_2_OVER_PI, abs=4 * expected)
    assert (row["mae_high"] - row["mae_low"]) / 2 == pytest.approx(expected, rel=0.15)
    assert (row["sigma_high"] - row["sigma_low"]) / 2 == pytest.approx(s / np.sqrt(2 * n), rel=0.15)


def test_same_generator_same_numbers() -> None:
    table = masses(rng(6).normal(0, 0.2, 50))
    pd.testing.assert_series_equal(score(table), score(table))
    assert score(table, seed=2)["mae_low"] != score(table)["mae_low"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.iloc[1:], "test of every cluster in each of 2 trials, got 1 in 1 of cluster c00000"),
        (
            lambda t: pd.concat([t, t.iloc[[2]]]),
            "test of every cluster in each of 2 trials, got 3 in 2 of cluster c00001",
        ),
        (
            lambda t: t.assign(trial=[0, 1, 0, 0, 0, 1]),
            "test of every cluster in each of 2 trials, got 2 in 1 of cluster c00001",
        ),
        (lambda t: t.assign(group=list("abcdef")), "expected one group of cluster c00000, got several"),
        (lambda t: t.assign(fold=[0, 0, 1, 2, 0, 0]), "expected one fold of cluster c00001, got several"),
        (lambda t: t.assign(log10_m500c=[14, 14, 14, 14, 14, 14.1]), "expected one log10_m500c of cluster c00002"),
        (lambda t: t.assign(group="one"), "expected two groups at least, got one: lower labels.folds"),
        (lambda t: t.assign(role="validation"), "expected tests at 100 % of the training set, got none"),
    ],
)
def test_predictions_that_are_not_whole(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(change(masses(np.zeros((3, 2)))))


# ---------------------------------------------------------------------------------------------------------- comparisons
def verdict(one: pd.DataFrame, other: pd.DataFrame, seed: int = 1, draws: int = 200) -> pd.Series:
    row = compare(one, other, ("ours", "base"), "mass", (100, 100), rng(seed), draws).iloc[0]
    assert list(row.index) == COMPARISONS.names
    return row


def test_comparison_by_hand() -> None:
    one, other = masses(np.array([[0.1, -0.3], [0.2, 0.2]])), masses(np.array([0.3, 0.1]))
    row = verdict(one, other)
    # clusters: .2 - .3 and .2 - .1; draws are (0, 0), (0, 1), (1, 0), (1, 1)
    assert row["difference"] == pytest.approx(0, abs=1e-12)
    assert [row["low"], row["high"]] == pytest.approx([-0.1, 0.1])
    assert row["verdict"] == "undecided"
    assert (row["model"], row["reference"], row["clusters"]) == ("ours", "base", 2)


def test_planted_differences_are_found_and_turn_around() -> None:
    # halos are hard or easy for both models: only in pairs is a difference of .02 in an error of .3 seen
    hard = rng(7).exponential(0.3, 200)
    base = masses(hard)
    ours = masses(-np.maximum(hard - 0.02 + rng(8).normal(0, 0.02, 200), 0))
    row, turned = verdict(ours, base), verdict(base, ours)
    assert row["verdict"] == "better"
    assert turned["verdict"] == "worse"
    assert row["difference"] == pytest.approx(-turned["difference"]) == pytest.approx(-0.02, abs=0.005)
    assert [row["low"], row["high"]] == pytest.approx([-turned["high"], -turned["low"]])
    alone = score(base)
    assert alone["mae_high"] - alone["mae_low"] > 5 * (row["high"] - row["low"])
    same = verdict(base, base)
    assert same["verdict"] == "undecided"
    assert same[["difference", "low", "high"]].tolist() == [0, 0, 0]


def test_equal_models_are_rarely_told_apart() -> None:
    # halos of five clusters with one error: that they are no independent ones must count
    table = masses(np.zeros(150), group=[f"h{k // 5}" for k in range(150)])
    wrong = careless = 0
    for seed in range(25):
        generator = rng(seed)
        one, other = (table.assign(log10_predicted=14 + np.repeat(generator.normal(0, 0.2, 30), 5)) for _ in range(2))
        wrong += verdict(one, other, draws=100)["verdict"] != "undecided"
        split = [each.assign(group=each["cluster"]) for each in (one, other)]
        careless += verdict(split[0], split[1], draws=100)["verdict"] != "undecided"
    assert wrong <= 4  # 5 % of 25 is 1, and a little more with 30 halos
    assert careless > 2 * wrong


def test_comparison_of_shares() -> None:
    half, whole = richness(np.array([0.1, 0.1, 0.2]), 50.0), richness(np.array([0.3, 0.3, 0.4]), 100.0)
    table = compare(half, whole, ("ours", "base"), "richness", (50, 100), rng(), 50)
    row = table.iloc[0]
    assert (row["percent"], row["reference_percent"], row["verdict"]) == (50, 100, "better")
    assert row["difference"] == pytest.approx(-0.2)


def test_other_clusters_or_labels_are_not_compared() -> None:
    table = masses(np.zeros(4))
    with pytest.raises(ValueError, match=r"ours and base: expected tests of the same clusters.*got 4 and 3"):
        verdict(table, table.iloc[:3])
    with pytest.raises(ValueError, match="same clusters with the same labels"):
        verdict(table, masses(np.zeros(4), label=14.2))


def test_masses_from_richness_are_a_reference() -> None:
    table = masses(rng(1).normal(0, 0.1, (20, 3)))
    reference = richness_masses(table)
    row = score(reference)
    assert row["mae"] == row["bias"] == pytest.approx(0.3)
    assert np.isnan(row["trials_std"])
    assert row["clusters"] == 20
    assert verdict(table, reference)["verdict"] == "better"


# -------------------------------------------------------------------------------------------------------- small helpers
def test_floor_of_label_errors() -> None:
    assert label_floor(np.array([1.0])) == pytest.approx(ROOT_2_OVER_PI)
    err = np.array([0.05, 0.2, np.nan])
    drawn = np.abs(rng(1).normal(0, 1, (200_000, 2)) * err[:2]).mean()
    assert label_floor(err) == pytest.approx(drawn, rel=0.01)
    assert np.isnan(label_floor(np.array([np.nan])))
    assert np.isnan(label_floor(np.empty(0)))


def test_natural_logarithms() -> None:
    assert dex_to_ln(1.0) == pytest.approx(2.302585093)
    x, y = np.array([20.0, 35.0]), np.array([30.0, 30.0])
    np.testing.assert_allclose(dex_to_ln(np.log10(x) - np.log10(y)), np.log(x / y))


# ---------------------------------------------------------------------------------------------------------------- bands
def told(bands: dict[str, str], role: str = "test", group: dict[str, str] | None = None) -> pd.DataFrame:
    """Return predictions of images that take u, g, r, i, z to be the five letters given."""
    rows = []
    for image, letters in bands.items():
        for band, letter in zip("ugriz", letters, strict=True):
            probability = {f"p_{each}": 0.6 if each == letter else 0.1 for each in "ugriz"}
            rows.append(
                {"image": image, "group": (group or {}).get(image, image), "role": role, "band": band} | probability
            )
    return BAND_PREDICTIONS.validate(pd.DataFrame(rows), "bands")


def test_accuracy_and_confusion_by_hand() -> None:
    table = told({"a": "ugriz", "b": "ugiiz", "c": "gguiz"})
    assert "".join(told_bands(table)) == "ugrizugiizgguiz"
    other = told({"d": "zzzzz"}, role="validation")
    every = pd.concat([other, table]).sample(frac=1, random_state=0)
    row = accuracy(every, "lin2022", rng(), 100).iloc[0]
    assert list(row.index) == BAND_SCORES.names
    assert (row["model"], row["role"], row["images"]) == ("lin2022", "test", 3)
    assert row["accuracy"] == pytest.approx(12 / 15)
    assert row["low"] <= row["accuracy"] <= row["high"]
    expected = [[2, 1, 0, 0, 0], [0, 3, 0, 0, 0], [1, 0, 1, 1, 0], [0, 0, 0, 3, 0], [0, 0, 0, 0, 3]]
    counts = confusion(every)
    assert counts.to_numpy().tolist() == expected
    assert "".join(counts.index) == "".join(counts.columns) == "ugriz"
    # one band told for all: the others' columns are there
    blind = confusion(every, "validation")
    assert blind["z"].tolist() == [1] * 5
    assert blind.to_numpy().sum() == 5


def test_interval_of_accuracy_draws_halos() -> None:
    # right or wrong as a whole, halo by halo: a binomial of 50 halos, not of 1000 bands
    names = [f"t{k:03}" for k in range(200)]
    halo = {name: f"h{k // 4}" for k, name in enumerate(names)}
    table = told({name: "ugriz" if k // 4 % 5 else "zugri" for k, name in enumerate(names)}, group=halo)
    row = accuracy(table, "one", rng(), 2000).iloc[0]
    assert row["accuracy"] == pytest.approx(0.8)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(np.sqrt(0.8 * 0.2 / 50), rel=0.15)


def test_bands_that_are_not_whole() -> None:
    table = told({"a": "ugriz", "b": "ugriz"})
    with pytest.raises(ValueError, match="expected images of role 'test' once in each of ugriz, got image b 4 times"):
        accuracy(table.iloc[:-1], "one", rng(), 10)
    with pytest.raises(ValueError, match="once in each of ugriz, got image a 6 times"):
        confusion(pd.concat([table, table.iloc[[0]]]))
    with pytest.raises(ValueError, match="expected images of role 'empty' once in each of ugriz, got none"):
        confusion(table, "empty")
    with pytest.raises(ValueError, match="expected two groups at least"):
        accuracy(table.iloc[:5], "one", rng(), 10)


# --------------------------------------------------------------------------------------------------------------- epochs
def curves(fold: int, own: list[float], watched: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"fold": fold, "epoch": np.arange(1, len(own) + 1), "validation_score": own, "watched_score": watched}
    )


def test_choices_of_the_epoch_by_hand() -> None:
    first = curves(0, [0.5, 0.8, 0.8, 0.7], [0.4, 0.6, 0.9, 0.5])
    second = curves(1, [0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    table = epoch_choices(pd.concat([second, first]).sample(frac=1, random_state=1), "higher")
    assert list(table) == EPOCH_CHOICES.names
    assert table.to_numpy().tolist() == [
        [0, "last", 4, 0.7, 0.5],
        [0, "validation", 2, 0.8, 0.6],
        [0, "test", 3, 0.8, 0.9],
        [1, "last", 3, 0.3, 0.1],
        [1, "validation", 3, 0.3, 0.1],
        [1, "test", 1, 0.1, 0.3],
    ]
    errors = epoch_choices(first, "lower")
    assert errors["epoch"].tolist() == [4, 1, 1]
    assert errors["test_score"].tolist() == [0.5, 0.4, 0.4]


def test_folds_without_scores_are_left_out() -> None:
    table = epoch_choices(pd.concat([curves(0, [0.1, np.nan], [0.2, 0.3]), curves(1, [0.1], [0.2])]), "lower")
    assert table["fold"].tolist() == [1, 1, 1]
    assert epoch_choices(curves(0, [np.nan], [np.nan]), "higher").empty
