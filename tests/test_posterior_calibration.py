"""Calibration of posteriors: right ones pass, over- and under-confident and shifted ones are caught, by every test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clustermass.config.posterior import Posterior
from clustermass.posterior.calibration import Bin, calibrate, nearer_volume, rank_among
from clustermass.posterior.contracts import CALIBRATION, STATISTICS
from clustermass.posterior.grid import Posteriors, mean, normalised, quantiles, volume_below
from clustermass.posterior.joint import fit_joint, make_pairs, mass_grid, slice_joint
from clustermass.posterior.prior import Prior, importance, reweight

GRID = np.arange(1300, 1601) * 0.01  # 13 to 16
LOW, HIGH = 13.7, 15.1
SETTINGS = Posterior(bootstrap=100, calibration_draws=16)


def flat_posteriors(number, noise=0.15, widening=1.0, shift=0.0, seed=1):
    """Return posteriors and truths of masses flat between two ends, seen with normal noise; made wrong on demand."""
    rng = np.random.default_rng(seed)
    mass = rng.uniform(LOW, HIGH, number)
    seen = mass + rng.normal(0, noise, number)
    inside = (GRID >= LOW) & (GRID <= HIGH)
    density = stats.norm.pdf(GRID, seen[:, None] + shift, noise * widening) * inside
    return normalised(GRID, density), mass


def calibrated(posteriors, mass, group=None, **more):
    group = np.arange(len(mass)) if group is None else group
    return calibrate(posteriors, mass, group, SETTINGS, np.random.default_rng(7), **more)


def numbers(table):
    """Return what sums up each curve."""
    return table.drop_duplicates(["statistic", "bins", "bin"]).set_index(["statistic", "bins", "bin"]).sort_index()


@pytest.fixture(scope="module")
def right():
    return calibrated(*flat_posteriors(3000))


def test_right_posteriors_pass_everywhere(right):
    assert list(right) == CALIBRATION.names
    found = numbers(right)
    assert len(found) == len(STATISTICS) * 7
    assert (found.loc[(slice(None), "all"), "deviation"] <= 0.03).all()
    assert (found.loc[(slice(None), ["predicted", "truth"]), "deviation"] <= 0.06).all()
    assert (found["deviation"] <= 1.4 * found["band"]).all()
    assert (found["clusters"] == found["halos"]).all()
    np.testing.assert_allclose(found["independent"], found["clusters"])
    np.testing.assert_allclose(found["band_ks"], 1.358 / np.sqrt(found["clusters"]), rtol=0.03)
    np.testing.assert_allclose(found["band"], found["band_ks"], rtol=0.3)
    assert found.loc[("pit", "predicted"), "clusters"].sum() == 3000
    for name in ("predicted", "truth"):
        assert found.loc[("pit", name), "clusters"].between(999, 1001).all()


def test_bins_of_true_mass_are_not_expected_on_the_diagonal(right):
    found = numbers(right)
    off = found.loc[("pit", "truth"), "from_diagonal"]
    assert off.iloc[[0, 2]].min() > 0.08  # right posteriors; selected by truth, they cannot look so
    assert off.max() > 3 * found.loc[("pit", "truth"), "deviation"].max()
    assert (found.loc[("pit", "predicted"), "from_diagonal"] == found.loc[("pit", "predicted"), "deviation"]).all()


def test_what_is_expected_in_bins_of_true_mass_is_the_posteriors_own():
    posteriors, mass = flat_posteriors(1500, seed=3)
    table = calibrated(posteriors, mass)
    curve = table.query("statistic == 'pit' and bins == 'truth' and bin == 0")
    ends = volume_below(posteriors, np.tile(curve[["low", "high"]].iloc[0].to_numpy(), (1500, 1)))  # (n, 2)
    levels = curve["level"].to_numpy()
    exact = np.clip(np.minimum(levels, ends[:, 1:]) - ends[:, :1], 0, None).sum(0) / np.diff(ends).sum()
    np.testing.assert_allclose(curve["expected"], exact, atol=0.004)


@pytest.mark.parametrize(
    ("wrong", "blind"),
    [
        ({"widening": 0.7}, set()),
        ({"widening": 1.5}, set()),
        ({"shift": 0.06}, {"highest_density"}),
    ],
)
def test_wrong_posteriors_are_caught(wrong, blind):
    found = numbers(calibrated(*flat_posteriors(2500, noise=0.1, seed=4, **wrong)))
    for name in STATISTICS:
        overall = found.loc[(name, "all", 0)]
        if name not in blind:
            assert overall["deviation"] > 1.3 * overall["band"], name
            assert overall["deviation"] > 0.03, name
    if "widening" in wrong:
        for bins in ("predicted", "truth"):
            assert (found.loc[("highest_density", bins), "deviation"] > 0.06).any()


def test_over_and_underconfidence_have_their_signs():
    for widening, sign in ((0.7, -1), (1.5, 1)):
        table = calibrated(*flat_posteriors(2000, noise=0.1, widening=widening, seed=5))
        volume = table.query("statistic == 'highest_density' and bins == 'all'")
        middle = volume.loc[volume["level"].sub(0.68).abs().idxmin()]
        assert sign * (middle["observed"] - middle["expected"]) > 0.05  # too narrow: truth too seldom inside
        ranks = table.query("statistic == 'rank' and bins == 'all'")["observed"].to_numpy()
        assert sign * (ranks[7:13].mean() - (ranks[:3].mean() + ranks[-3:].mean()) / 2) > 0.01


def test_ranks_are_uniform_and_their_band_holds_most(right):
    ranks = right.query("statistic == 'rank' and bins == 'all'")
    assert len(ranks) == SETTINGS.rank_bins
    assert ranks["observed"].sum() == pytest.approx(1)
    np.testing.assert_allclose(ranks["expected"], 1 / SETTINGS.rank_bins)
    assert ranks["observed"].between(ranks["band_low"], ranks["band_high"]).sum() >= 17


def test_the_rank_of_a_mass_is_that_among_draws():
    posteriors, _ = flat_posteriors(1, seed=2)
    rng = np.random.default_rng(1)
    mass = quantiles(posteriors, np.array([0.3]))
    drawn = quantiles(posteriors, rng.uniform(0, 1, (1, 99 * 4000)))
    brute = (drawn.reshape(4000, 99) < mass).sum(1)
    ranks = rank_among(np.full(4000, 0.3), 99, rng) * 100 - 0.5
    np.testing.assert_allclose(ranks, np.rint(ranks), atol=1e-9)
    assert stats.ks_2samp(brute, np.rint(ranks)).pvalue > 1e-3


def test_volume_nearer_to_a_reference_is_that_of_draws():
    posteriors, mass = flat_posteriors(6, seed=6)
    reference = np.linspace(13.8, 15.0, 6)
    drawn = quantiles(posteriors, (np.arange(20_000) + 0.5) / 20_000)
    brute = (np.abs(drawn - reference[:, None]) < np.abs(mass - reference)[:, None]).mean(1)
    np.testing.assert_allclose(nearer_volume(posteriors, mass[:, None], reference)[:, 0], brute, atol=2e-4)


def test_lines_of_sight_widen_the_band_as_far_as_they_say_the_same():
    posteriors, mass = flat_posteriors(400, seed=8)
    rows = np.repeat(np.arange(400), 9)
    many = Posteriors(GRID, posteriors.density[rows])
    same = numbers(calibrated(many, mass[rows], rows)).loc[("pit", "all", 0)]
    apart = numbers(calibrated(many, mass[rows])).loc[("pit", "all", 0)]
    assert (same["clusters"], same["halos"]) == (3600, 400)
    assert same["independent"] == pytest.approx(400)
    assert same["band"] == pytest.approx(3 * apart["band"], rel=0.25)
    assert same["band_ks"] == pytest.approx(3 * apart["band_ks"], rel=0.05)
    independent = numbers(calibrated(*flat_posteriors(3600, seed=9), group=rows)).loc[("pit", "all", 0)]
    assert independent["band"] == pytest.approx(apart["band"], rel=0.35)  # nothing in common, whatever the groups say


def test_clusters_of_one_prior_calibrate_posteriors_under_another_by_their_importance():
    posteriors, mass = flat_posteriors(4000, seed=10)
    flat = Prior(GRID, np.ones(len(GRID)), LOW, HIGH)
    steep = Prior(GRID, np.exp(-2.5 * (GRID - 14)), LOW, HIGH)
    changed = reweight(posteriors, flat, steep)
    plain = numbers(calibrated(changed, mass)).loc[("pit", "all", 0)]
    weighted = numbers(calibrated(changed, mass, weight=importance(mass, flat, steep)))
    assert plain["deviation"] > 0.05
    assert weighted.loc[("pit", "all", 0), "deviation"] < 0.03
    assert (weighted.loc[("pit", "truth"), "deviation"] < 0.06).all()
    assert weighted.loc[("pit", "all", 0), "independent"] < 0.8 * 4000


@pytest.mark.parametrize(("reading", "most"), [("deviation", 0.03), ("covariance", 0.1)])
def test_the_kernel_density_is_calibrated_on_a_mock_like_the_papers(reading, most):
    rng = np.random.default_rng(11)
    falling = 14.7 + 0.2 * np.abs(rng.normal(size=2000))
    mass = rng.permutation(np.concatenate([rng.uniform(LOW, 14.7, 8000), falling]))  # flat, from a sharp lower end
    scatter = 0.08 + 0.1 * np.clip(15.1 - mass, 0, None)  # poor clusters are worse
    summary = 14.4 + 0.8 * (mass - 14.4) + rng.normal(0, scatter)  # reverting to the mean
    settings = Posterior(bandwidth_reading=reading)
    assert settings.edge == "reflected"
    pairs = make_pairs(summary[:5000], mass[:5000])
    posteriors = slice_joint(fit_joint(pairs, settings), summary[5000:], mass_grid(pairs, settings)).posteriors
    found = numbers(calibrated(posteriors, mass[5000:]))
    overall = found.loc[("highest_density", "all", 0), "deviation"]
    assert overall <= most
    assert (overall > 0.03) == (reading == "covariance")
    if reading == "deviation":
        assert (found.loc[("pit", ["predicted", "truth"]), "deviation"] <= 0.06).all()


def test_shares_stay_shares_whatever_the_weights():
    posteriors, mass = flat_posteriors(40, seed=13)
    for seed in range(8):
        weight = np.random.default_rng(seed).lognormal(0, 2, 40)
        table = calibrated(posteriors, mass, weight=weight)  # its contract is checked
        assert table["observed"].between(0, 1).all()


def test_missing_posteriors_are_left_out():
    posteriors, mass = flat_posteriors(300, seed=12)
    density = posteriors.density.copy()
    density[:50] = np.nan
    assert (calibrated(Posteriors(GRID, density), mass).query("bins == 'all'")["clusters"] == 250).all()
    with pytest.raises(ValueError, match="expected posteriors of clusters that count, got none of 300"):
        calibrated(Posteriors(GRID, density * np.nan), mass)


def test_a_handful_of_clusters_leaves_bins_out():
    table = calibrated(*flat_posteriors(2, seed=14))
    assert (table["clusters"] >= 1).all()
    assert set(table["statistic"]) == set(STATISTICS)


def test_bins_hold_their_ends():
    one = Bin("truth", 0, 14.0, 14.5)
    np.testing.assert_array_equal(one.holds(np.array([13.9, 14.0, 14.5, 14.6])), [False, True, True, False])


def test_mean_reversion_is_no_miscalibration(right):
    posteriors, mass = flat_posteriors(3000)
    lowest = mass < np.quantile(mass, 1 / 3)
    assert (mean(posteriors) - mass)[lowest].mean() > 0.01  # overestimates of low masses, and yet right posteriors
    assert numbers(right).loc[("pit", "predicted", 0), "deviation"] < 0.05
