"""Statistics of residuals against closed forms and brute force; a bootstrap that draws halos, not rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from clustermass.config.interpretation import Interpretation
from clustermass.residuals import (
    STATISTICS,
    bootstrap,
    edgeworth,
    mean_bands,
    normalised_density,
    residual_density,
    statistics,
    with_intervals,
)


def test_statistics_of_a_ladder_and_of_two_values() -> None:
    ladder = statistics(np.random.default_rng(1).permutation(np.arange(101.0)))
    assert ladder[["median", "plus", "minus", "width"]].tolist() == pytest.approx([50, 34, 34, 68])
    # n equal steps: variance (n^2 - 1) / 12, excess kurtosis -6/5 (n^2 + 1) / (n^2 - 1)
    n = 101
    expected = [np.sqrt((n**2 - 1) / 12), 0, -1.2 * (n**2 + 1) / (n**2 - 1)]
    assert ladder[["sigma", "skew", "kurtosis"]].tolist() == pytest.approx(expected, abs=1e-12)
    p = 0.2  # of ones among zeros: skewness (1 - 2p) / sqrt(pq), excess kurtosis (1 - 6pq) / pq
    coin = statistics(np.repeat([0.0, 1.0], [80, 20]))
    pq = p * (1 - p)
    assert coin[["sigma", "skew", "kurtosis"]].tolist() == pytest.approx(
        [np.sqrt(pq), (1 - 2 * p) / np.sqrt(pq), (1 - 6 * pq) / pq]
    )


def test_statistics_agree_with_scipy_far_from_zero() -> None:
    values = np.random.default_rng(2).gamma(3, 0.1, 5000) + 1000
    found = statistics(values)
    p16, median, p84 = np.percentile(values, [16, 50, 84])
    expected = [median, p84 - median, median - p16, p84 - p16, values.std(), stats.skew(values), stats.kurtosis(values)]
    assert found.tolist() == pytest.approx(expected, rel=1e-9)
    assert list(found.index) == list(STATISTICS)


def test_equal_residuals_have_no_shape() -> None:
    for values in (np.full(7, 0.3), np.zeros(4)):
        found = statistics(values)
        assert found["sigma"] == found["width"] == 0
        assert found[["skew", "kurtosis"]].isna().all()


def test_bootstrap_is_that_of_samples_put_together_group_by_group() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.array(["d", "a", "c", "b", "e"]), [3, 1, 2, 4, 2])
    values = rng.normal(size=len(groups)).round(1)  # some equal
    found = bootstrap(values, groups, 40, np.random.default_rng(8))
    again = np.random.default_rng(8)
    names = np.unique(groups)
    for _, row in found.iterrows():
        drawn = names[again.integers(5, size=5)]
        together = np.concatenate([values[groups == name] for name in drawn])
        pd.testing.assert_series_equal(row, statistics(together), check_names=False, rtol=1e-9)


def test_copies_of_a_halo_do_not_narrow_its_intervals() -> None:
    rng = np.random.default_rng(4)
    values, copies = rng.normal(size=400), 9
    rows, halos = np.repeat(values, copies), np.repeat(np.arange(400), copies)
    by_halo = bootstrap(rows, halos, 400, np.random.default_rng(5))
    by_row = bootstrap(rows, np.arange(len(rows)), 400, np.random.default_rng(5))
    alone = bootstrap(values, np.arange(400), 400, np.random.default_rng(5))
    # closed form of a Gaussian: sigma / sqrt(2n) for the standard deviation; 400 draws tell it to 4 %
    assert by_halo["sigma"].std() == pytest.approx(values.std() / np.sqrt(800), rel=0.15)
    assert by_halo["sigma"].std() == pytest.approx(alone["sigma"].std(), rel=1e-9)
    assert by_halo["sigma"].std() / by_row["sigma"].std() == pytest.approx(np.sqrt(copies), rel=0.15)
    table = with_intervals(statistics(rows), by_halo)
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()


def test_intervals_are_percentiles_of_the_defined_draws() -> None:
    draws = pd.DataFrame({"b": [*np.arange(101.0), np.nan], "a": np.full(102, np.nan)})
    table = with_intervals(pd.Series({"a": 1.0, "b": 50.0}), draws).set_index("statistic")
    assert table.loc["b"].tolist() == [50, 16, 84]
    assert table.loc["a", ["low", "high"]].isna().all()


def test_one_seed_one_result() -> None:
    values, groups = np.random.default_rng(6).normal(size=60), np.arange(60) // 3
    one, two, other = (bootstrap(values, groups, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)
    # the same halos are drawn for another model: differences between models are paired
    shifted = bootstrap(values + 1, groups, 20, np.random.default_rng(1))
    assert (shifted["median"] - one["median"]).to_numpy() == pytest.approx(1)


def test_densities_integrate_to_one() -> None:
    values = np.array([-0.12, -0.11, 0.01, 0.02, 0.02, 0.23])
    density = residual_density(values, 0.1)
    assert density["residual"].tolist() == pytest.approx([-0.15, -0.05, 0.05, 0.15, 0.25])
    assert density["count"].tolist() == [2, 0, 3, 0, 1]
    assert density["density"].sum() * 0.1 == pytest.approx(1)
    many = np.random.default_rng(7).normal(0.3, 0.02, 100_000)
    table = normalised_density(many, 0.2)
    assert (table[["density", "gaussian", "edgeworth"]].sum() * 0.2).tolist() == pytest.approx([1] * 3, abs=1e-3)
    error = np.sqrt(table["gaussian"] / (100_000 * 0.2)) + 2e-3  # of the count, and of a density at a bin's centre
    assert (np.abs(table["density"] - table["gaussian"]) < 4 * error).all()


def test_edgeworth_has_the_moments_that_it_is_given() -> None:
    x = np.linspace(-12, 12, 4801)
    density = edgeworth(x, 0.4, 0.8)
    moments = [float(np.sum(density * x**power) * (x[1] - x[0])) for power in range(5)]
    assert moments == pytest.approx([1, 0, 1, 0.4, 3.8], abs=1e-9)
    assert edgeworth(x, 0, 0) == pytest.approx(stats.norm.pdf(x))


def test_edgeworth_is_nearer_to_a_skewed_sample_than_a_gaussian() -> None:
    table = normalised_density(np.random.default_rng(8).gamma(40, size=200_000), 0.2)
    off = {model: float(np.abs(table["density"] - table[model]).sum()) for model in ("gaussian", "edgeworth")}
    assert off["edgeworth"] < off["gaussian"] / 3


def test_bad_input_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="expected at least one"):
        statistics(np.array([]))
    with pytest.raises(ValueError, match="got nan in row 1"):
        statistics(np.array([1, np.nan]))
    for groups in ([1, 1, 1], [1, 2]):
        with pytest.raises(ValueError, match="groups: expected one for each of 3 residuals"):
            bootstrap(np.arange(3.0), groups, 5, rng)
    with pytest.raises(ValueError, match="a scatter to normalise by, got 3 equal ones"):
        normalised_density(np.ones(3), 0.1)
    for wrong in ({"rates": [0.5, 0.2]}, {"rates": [0.1, 0.9]}, {"rates": [0.7, 1.1]}, {"walkers": 11}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Interpretation.model_validate(wrong)


def test_mean_bands_are_moments_of_bins():
    rng = np.random.default_rng(5)
    mass, values = rng.uniform(14, 15, 500), rng.normal(0.1, 0.2, 500)
    bands = mean_bands(mass, values, 0.25, 2)
    for row in bands.to_dict("records"):
        inside = values[np.abs(mass - row["log10_mass"]) <= 0.125]
        found = row["mean"], row["sigma"], row["count"]
        assert found == pytest.approx((inside.mean(), inside.std(), len(inside)))
    assert len(bands) == 4
    assert mean_bands(np.array([14.3, 14.3]), np.zeros(2), 0.1, 2)["log10_mass"].tolist() == pytest.approx([14.35])
    assert mean_bands(mass, values, 0.25, 1000).empty
