"""The likelihood of Wojtak et al. (2018) against scipy, and posteriors of planted parameters."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from clustermass.config.interpretation import Interpretation
from clustermass.wojtak import (
    PARAMETERS,
    Posterior,
    arrange,
    intrinsic_shares,
    log_likelihood,
    posterior_table,
    sample_posterior,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PIVOT = 14.17
PLANTED = np.array([0.02, 0.12, 0.08, 0.9, 0.01])
FAST = Interpretation(walkers=20, steps=1000)


def planted(clusters: int, seed: int, parameters: Floats = PLANTED) -> tuple[Floats, Floats, Ints]:
    """Return true masses, residuals and richnesses.

    Outliers are 5 to 8 dex off: a density of 10^-10 a dex competes with a Gaussian beyond 7 standard deviations only.
    """
    rng = np.random.default_rng(seed)
    mu0, sigma0, sigma1, alpha0, outliers = parameters
    log10_mass = rng.uniform(14, 15, clusters)
    richness = rng.poisson(40 * 10 ** (log10_mass - PIVOT)) + 3
    scatter = np.sqrt(sigma0**2 + 100 / richness * sigma1**2)
    residual = mu0 + (alpha0 - 1) * (log10_mass - PIVOT) + scatter * rng.normal(size=clusters)
    astray = rng.uniform(size=clusters) < outliers
    residual[astray] += rng.choice([-1, 1], astray.sum()) * rng.uniform(5, 8, astray.sum())
    return log10_mass, residual, richness


def mixture(parameters: Floats, log10_mass: Floats, residual: Floats, richness: Ints, wide: float) -> float:
    """Return the logarithm of Ho et al. (2019), Eq. 11, as it stands there."""
    mu0, sigma0, sigma1, alpha0, outliers = parameters
    mean = mu0 + (alpha0 - 1) * (log10_mass - PIVOT)
    scatter = np.sqrt(sigma0**2 + 100 / richness * sigma1**2)
    good, bad = stats.norm.pdf(residual, mean, scatter), stats.norm.pdf(residual, mean, wide)
    return float(np.sum(np.log((1 - outliers) * good + outliers * bad)))


@pytest.mark.parametrize("wide", [10.0, 1e10])
def test_likelihood_is_the_mixture_of_the_paper(wide: float) -> None:
    data = planted(500, 1)
    rng = np.random.default_rng(2)
    trials = PLANTED * rng.uniform(0.3, 3, (40, 5))
    trials[0, -1], trials[1, -1], trials[2, 1], trials[3, 2] = 1.0, 1e-12, 0.0, 0.0
    found = log_likelihood(trials, arrange(*data, PIVOT), wide)
    assert found == pytest.approx([mixture(trial, *data, wide) for trial in trials], abs=1e-8)


def test_likelihood_without_outliers_is_gaussian_however_far_a_cluster_is() -> None:
    log10_mass, residual, richness = planted(50, 3, np.array([0, 0.1, 0.1, 1.0, 0.0]))
    residual[0] = 60.0  # its density is zero in floating point
    scatter = np.sqrt(0.1**2 + 100 / richness * 0.1**2)
    expected = stats.norm.logpdf(residual, 0, scatter).sum()
    sample = arrange(log10_mass, residual, richness, PIVOT)
    assert log_likelihood(np.array([[0, 0.1, 0.1, 1.0, 0.0]]), sample, 1e10) == pytest.approx(expected)
    assert log_likelihood(np.array([[0, 0.0, 0.0, 1.0, 0.1]]), sample, 1e10)[0] == -np.inf


def inside(posterior: Posterior, truth: Floats, low: float, high: float) -> NDArray[np.bool_]:
    """Return which parameters lie between two percentiles of their posterior."""
    bounds = np.percentile(posterior.draws, [low, high], axis=0)
    return np.asarray((bounds[0] < truth) & (truth < bounds[1]))


def test_planted_parameters_are_recovered_and_intervals_cover_them() -> None:
    runs = [sample_posterior(*planted(600, seed), FAST, np.random.default_rng(seed)) for seed in range(8)]
    assert all(inside(run, PLANTED, 0.05, 99.95).all() for run in runs)
    share = np.mean([inside(run, PLANTED, 16, 84) for run in runs])
    assert 0.5 < share < 0.86  # 68 %, of 40 intervals that depend on each other a little: +- 8 %


def test_widths_of_the_posterior_are_those_of_least_squares() -> None:
    # one scatter for all clusters: errors of a straight line, and sigma / sqrt(2n)
    log10_mass, residual, _ = planted(4000, 9, np.array([0.02, 0.15, 0.0, 0.95, 0.0]))
    richness = np.full(4000, 100_000_000)  # nothing depends on richness
    posterior = sample_posterior(log10_mass, residual, richness, FAST, np.random.default_rng(9))
    table = posterior_table(posterior).set_index("parameter")
    x = log10_mass - PIVOT
    error = np.sqrt(np.linalg.inv(np.array([[len(x), x.sum()], [x.sum(), (x**2).sum()]])).diagonal()) * 0.15
    line = np.polyfit(x, residual, 1)
    for name, best, width in (("mu0", line[1], error[0]), ("alpha0", line[0] + 1, error[1])):
        assert table.loc[name, "median"] == pytest.approx(best, abs=0.3 * width)
        assert (table.loc[name, "plus"] + table.loc[name, "minus"]) / 2 == pytest.approx(width, rel=0.15)
    assert table.loc["sigma0", "plus"] == pytest.approx(0.15 / np.sqrt(8000), rel=0.2)


def test_convergence_is_told() -> None:
    data, calls = planted(200, 4), []
    settings = Interpretation(walkers=20, steps=1500)
    posterior = sample_posterior(*data, settings, np.random.default_rng(1), lambda *step: calls.append(step))
    assert calls == [(step + 1, 1500) for step in range(1500)]
    assert posterior.kept + posterior.burn_in == 1500
    assert posterior.draws.shape == (20 * posterior.kept, 5)
    assert 0.2 < posterior.acceptance < 0.8
    assert (posterior.autocorrelation > 10).all()
    assert posterior.effective == pytest.approx(len(posterior.draws) / posterior.autocorrelation)
    short = sample_posterior(*data, Interpretation(walkers=20, steps=100), np.random.default_rng(1))
    assert not short.converged
    assert short.burn_in + short.kept == 100
    assert 30 < short.burn_in <= 50  # half of the chain at most
    table = posterior_table(posterior)
    assert table["parameter"].tolist() == list(PARAMETERS)
    assert table["effective"].tolist() == posterior.effective.tolist()
    p16, p50, p84 = np.percentile(posterior.draws, [16, 50, 84], axis=0)
    assert table[["median", "plus", "minus"]].to_numpy() == pytest.approx(np.stack([p50, p84 - p50, p50 - p16], axis=1))


def test_one_seed_one_result_and_no_other_generator_is_touched() -> None:
    data, settings = planted(100, 5), Interpretation(walkers=10, steps=150)
    results = []
    for seed, elsewhere in ((1, 7), (1, 8), (2, 7)):
        np.random.seed(elsewhere)  # noqa: NPY002
        before = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]  # noqa: NPY002
        results.append(sample_posterior(*data, settings, np.random.default_rng(seed)).draws)
        assert np.random.get_state()[1].tolist() == before  # type: ignore[index, union-attr]  # noqa: NPY002
    assert (results[0] == results[1]).all()
    assert not (results[0] == results[2]).all()


def test_order_of_clusters_does_not_matter() -> None:
    data = planted(300, 6)
    order = np.random.default_rng(1).permutation(300)
    one, two = (arrange(*(column[rows] for column in data), PIVOT) for rows in (slice(None), order))
    trials = PLANTED[None]
    assert log_likelihood(one_row := trials, one, 1e10) == pytest.approx(log_likelihood(one_row, two, 1e10), rel=1e-12)


# Ho et al. (2019), Table 3: sigma0, sigma1; section 5.3: the share at a richness of 40 [%]
@pytest.mark.parametrize(("sigma0", "sigma1", "variance", "printed"), [(0.15, 0.05, 78, 55), (0.11, 0.05, 66, 47)])
def test_printed_shares_are_those_of_the_linear_reading(
    sigma0: float, sigma1: float, variance: int, printed: int
) -> None:
    shares = intrinsic_shares(np.array([[0.0, sigma0, sigma1, 1.0, 0.0]]), 40).set_index("reading")
    assert (100 * shares["median"]).round().to_dict() == {"variance": variance, "linear": printed}
    assert (shares[["plus", "minus"]] == 0).all(axis=None)


def test_bad_input_is_refused() -> None:
    log10_mass, residual, richness = planted(30, 7)
    none = richness.copy()
    none[4] = 0
    broken = residual.copy()
    broken[2] = np.inf
    for data, message in (
        ((log10_mass, residual, none), "true richness: expected at least 1, got 0 in row 4"),
        ((log10_mass, broken, richness), "finite masses and residuals"),
        ((log10_mass[1:], residual, richness), r"a richness for each, got \[29, 30\]"),
        ((log10_mass[:9], residual[:9], richness[:9]), "at least 10 clusters of different masses, got 9"),
        ((np.full(30, 14.5), residual, richness), "different masses"),
        ((log10_mass, np.full(30, 0.1), richness), "expected residuals that scatter"),
    ):
        with pytest.raises(ValueError, match=message):
            sample_posterior(*data, FAST, np.random.default_rng(1))
