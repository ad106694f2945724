"""Ensembles of image networks: means and scatter by hand, posteriors that cover, and those that do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clustermass.config.image_results import ImagePosterior
from clustermass.contracts import ContractError
from clustermass.posterior.grid import Posteriors, mean, quantiles, volume_below
from clustermass.transfer.contracts import MASS_PREDICTIONS
from clustermass.transfer.ensemble import (
    COVERAGE,
    IMAGE_CALIBRATION,
    IMAGE_POSTERIORS,
    calibration_table,
    coverage,
    ensemble,
    gaussians,
    mass_posteriors,
    posterior_table,
    ranked_scores,
)

SETTINGS = ImagePosterior(bootstrap=40)
GRID = np.linspace(13, 16, 601)


def predictions(number=150, trials=3, noise=0.2, disagreement=0.05, folds=10, seed=1):
    """Return predictions of clusters by networks that see them with the same noise and differ a little."""
    rng = np.random.default_rng(seed)
    label = 14.2 + 0.34 * np.clip(rng.normal(size=number), -2, 2.6)
    seen = 14.2 + 0.6 * (label - 14.2) + rng.normal(0, noise, number)  # networks lean to the mean of their labels
    cluster = pd.DataFrame(
        {
            "cluster": [f"c{k:03d}" for k in range(number)],
            "group": [f"g{k // 2 if k < 4 else k}" for k in range(number)],
            "role": "test",
            "fold": np.arange(number) // 2 % folds,
            "training_clusters": 100,
            "catalogue": "mcxc",
            "redshift": rng.uniform(0.1, 0.5, number),
            "log10_m500c": label,
            "log10_m500c_err": np.where(np.arange(number) % 7, 0.1, np.nan),
            "log10_m500c_richness": label - 0.1,
        }
    )
    rows = [
        cluster.assign(trial=trial, log10_predicted=seen + rng.normal(0, disagreement, number))
        for trial in range(trials)
    ]
    seen_before = cluster.head(5).assign(role="validation", trial=0, fold=9, log10_predicted=20.0)
    return MASS_PREDICTIONS.validate(pd.concat([*rows, seen_before], ignore_index=True)[MASS_PREDICTIONS.names], "here")


@pytest.fixture(scope="module")
def table():
    return ensemble(predictions())


@pytest.fixture(scope="module")
def made(table):
    return mass_posteriors(table, SETTINGS)


def test_mean_and_scatter_are_those_of_the_networks_that_left_a_cluster_out(table):
    raw = predictions()
    mine = raw[(raw["cluster"] == "c003") & (raw["role"] == "test")]["log10_predicted"].to_numpy()
    row = table.set_index("cluster").loc["c003"]
    assert len(table) == 150
    assert row["networks"] == len(mine) == 3
    assert row["fold"] == 1
    assert row["log10_predicted"] == pytest.approx((mine[0] + mine[1] + mine[2]) / 3)
    assert row["scatter"] == pytest.approx(np.sqrt(((mine - mine.mean()) ** 2).sum() / 2))
    assert np.isnan(table["log10_m500c_err"].iloc[0])  # no error of the label is no reason to leave it out
    shuffled = raw.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(ensemble(shuffled), table)


def test_one_network_has_no_scatter():
    single = ensemble(predictions(trials=1))
    assert single["scatter"].isna().all()
    assert set(mass_posteriors(single, SETTINGS)) == {"residuals", "density"}


@pytest.mark.parametrize("fault", ["missing", "twice", "other fold", "none"])
def test_trials_that_do_not_test_the_same_are_refused(fault):
    raw = predictions(number=30)
    here = raw[(raw["cluster"] == "c005") & (raw["trial"] == 1)]
    wrong = {
        "missing": raw.drop(here.index),
        "twice": pd.concat([raw, here]),
        "other fold": raw.assign(fold=np.where(raw.index == here.index[0], 7, raw["fold"])),
        "none": raw[raw["role"] == "validation"],
    }[fault]
    with pytest.raises(ValueError, match=r"got .* of c005" if fault != "none" else "got none"):
        ensemble(wrong)


def test_posteriors_by_residuals_follow_those_of_other_folds_alone(table, made):
    mine, others = table[table["fold"] == 4], table[table["fold"] != 4]
    residual = others["log10_m500c"] - others["log10_predicted"]
    rows = mine.index.to_numpy()
    centre = mine["log10_predicted"].to_numpy() + residual.mean()
    found = quantiles(made["residuals"].posteriors, np.array([stats.norm.cdf(-1), 0.5]))[rows]
    np.testing.assert_allclose(found[:, 1], centre, atol=1e-5)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], residual.std(ddof=1), rtol=1e-3)


def test_a_cluster_is_no_part_of_what_its_posterior_is_made_of(table, made):
    changed = table.copy()
    changed.loc[changed["fold"] == 4, "log10_m500c"] = 14.123  # labels of one fold
    again = mass_posteriors(changed, SETTINGS)
    same = (table["fold"] == 4).to_numpy()
    for method in ("residuals", "density"):
        before, after = made[method].posteriors, again[method].posteriors
        assert np.array_equal(before.log10_mass, after.log10_mass)
        assert np.array_equal(before.density[same], after.density[same])
        assert (np.abs(before.density[~same] - after.density[~same]).max(axis=1) > 0).all()


def test_disagreement_of_networks_covers_too_little_and_the_others_cover(table, made):
    found = coverage(posterior_table(table, made)).set_index(["method", "volume"])
    one, two = sorted(found.index.unique("volume"))
    assert (one, two) == pytest.approx((0.6827, 0.9545), abs=1e-4)
    assert found.loc[("ensemble", one), "high"] < 0.4  # a quarter of the width that is needed
    for method in ("residuals", "density"):
        for volume in (one, two):
            row = found.loc[(method, volume)]
            assert row["low"] < volume < row["high"]
            assert row["clusters"] == 150 == row["halos"] + 2
            assert row["without"] == 0
    crps = found["crps"].unstack().iloc[:, 0]
    assert crps["density"] < 0.97 * crps["residuals"] < 0.95 * crps["ensemble"]  # it unlearns the leaning to the mean
    assert list(found.reset_index()) == COVERAGE.names


def test_calibration_tells_them_apart(table, made):
    found = calibration_table(table, made, SETTINGS, np.random.default_rng(2))
    assert list(found) == IMAGE_CALIBRATION.names
    pit = found[(found["statistic"] == "pit") & (found["bins"] == "all")].drop_duplicates("method").set_index("method")
    assert pit.loc["ensemble", "deviation"] > 2 * pit.loc["ensemble", "band"]
    assert (pit.loc[["residuals", "density"], "deviation"] < pit.loc[["residuals", "density"], "band"]).all()


def test_table_of_posteriors_has_everything_by_method(table, made):
    found = posterior_table(table, made)
    assert list(found) == IMAGE_POSTERIORS.names
    assert found.groupby("method").size().to_dict() == {"ensemble": 150, "residuals": 150, "density": 150}
    mine = found[found["method"] == "density"].reset_index(drop=True)
    np.testing.assert_allclose(mine["mean"], mean(made["density"].posteriors))
    assert (mine["cluster"] == table["cluster"]).all()
    np.testing.assert_allclose(
        mine["pit"], volume_below(made["density"].posteriors, table[["log10_m500c"]].to_numpy())[:, 0]
    )
    assert 0 < mine["extrapolated"].mean() < 0.15
    assert found[found["method"] == "residuals"]["pairs_effective"].isna().all()
    units = {column.name: column.unit for column in IMAGE_POSTERIORS.columns}
    assert units["log10_m500c"] == units["map"] == "log10(Msun)"
    assert units["pit"] == ""
    with pytest.raises(ContractError, match="method"):
        IMAGE_POSTERIORS.validate(found.assign(method="other"), "here")


def test_bandwidth_follows_the_number_of_pairs():
    assert SETTINGS.of_pairs(64).bandwidth == pytest.approx(0.5)
    assert ImagePosterior(scott=2).of_pairs(729).bandwidth == pytest.approx(2 / 3)
    assert SETTINGS.of_pairs(64).edge == "open"


def test_one_fold_cannot_be_calibrated(table):
    with pytest.raises(ValueError, match="two folds or more"):
        mass_posteriors(table.assign(fold=3), SETTINGS)


def test_narrow_gaussians_are_as_wide_as_a_step_and_stay_where_they_are():
    found = gaussians(np.array([14.0012, 14.5]), np.array([0.0, 0.1]), GRID)
    np.testing.assert_allclose(mean(found), [14.0012, 14.5], atol=1e-6)
    low, high = quantiles(found, stats.norm.cdf([-1.0, 1.0])).T
    np.testing.assert_allclose((high - low) / 2, [0.005, 0.1], rtol=0.1)


def test_ranked_scores_of_gaussians_and_of_points():
    centre, width, mass = np.full(3, 14.5), np.full(3, 0.2), np.array([14.5, 14.83, 13.9])
    found = ranked_scores(gaussians(centre, width, GRID), mass)
    z = (mass - centre) / width
    expected = width * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(ranked_scores(gaussians(centre, 0 * width, GRID), mass)[1:], [0.33, 0.6], atol=4e-3)
    missing = Posteriors(GRID, np.full((1, len(GRID)), np.nan))
    assert np.isnan(ranked_scores(missing, mass[:1])).all()


def test_coverage_of_few_clusters_leaves_room():
    few = posterior_table(table := ensemble(predictions(number=24, seed=3)), mass_posteriors(table, SETTINGS))
    found = coverage(few).query("method == 'residuals'")
    row = found.iloc[-1]
    assert row["low"] < 0.95 <= row["high"] <= 1
    assert row["high"] - row["low"] > 0.1
    none = few.assign(mean=np.where(few["method"] == "density", np.nan, few["mean"]))
    with pytest.raises(ValueError, match="none of 24"):
        coverage(none)
