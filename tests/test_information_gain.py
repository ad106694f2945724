"""Scatter as a function of richness (Kodi Ramanah et al. 2021, Eq. 7): planted values, likelihood by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clustermass.information_gain import (
    ScatterFit,
    _worst,
    bootstrap_scatter,
    dispersion_scatter,
    fit_scatter,
    poisson_scatter,
    scatter_by_richness,
)


def planted(number, sigma_n=0.08, sigma_0=0.09, slope=0.85, seed=0):
    rng = np.random.default_rng(seed)
    mass = rng.uniform(13.8, 15.0, number)
    members = rng.poisson(10 ** (1.2 + 0.9 * (mass - 14))) + 2
    scatter = np.sqrt(sigma_n**2 * 100 / members + sigma_0**2)
    return mass, 14.4 + 0.03 + slope * (mass - 14.4) + rng.normal(0, scatter), members


def test_planted_scatter_and_power_law_are_recovered():
    mass, predicted, members = planted(8000)
    fit = fit_scatter(mass, predicted, members)
    assert fit.sigma_n == pytest.approx(0.08, abs=0.004)
    assert fit.sigma_0 == pytest.approx(0.09, abs=0.008)
    assert fit.slope == pytest.approx(0.85, abs=0.02)
    assert fit.intercept + fit.slope * (14.4 - fit.pivot) + fit.pivot == pytest.approx(14.43, abs=0.01)
    bins = scatter_by_richness(mass, predicted, members, fit, 6)
    assert bins["clusters"].sum() == 8000
    np.testing.assert_allclose(bins["ratio"], 1, atol=0.06)
    draws = bootstrap_scatter(mass, predicted, members, np.arange(8000), 6, 20, np.random.default_rng(1))
    assert draws["precision"].between(0, 15).all()
    assert (bins["members"].diff().dropna() > 0).all()
    assert (bins["measured"].diff().dropna() < 0.01).all()


@pytest.mark.parametrize(("sigma_n", "sigma_0"), [(0.1, 0.0), (0.0, 0.1)])
def test_a_term_that_is_not_there_vanishes(sigma_n, sigma_0):
    fit = fit_scatter(*planted(6000, sigma_n, sigma_0))
    assert fit.sigma_n == pytest.approx(sigma_n, abs=0.016)
    assert fit.sigma_0 == pytest.approx(sigma_0, abs=0.03)


def test_the_fit_has_the_greatest_likelihood():
    mass, predicted, members = planted(300, seed=2)
    fit = fit_scatter(mass, predicted, members)

    def likelihood(**change):
        other = ScatterFit(**{**vars(fit), **change})
        return stats.norm.logpdf(other.residuals(mass, predicted), 0, other.scatter(members)).sum()

    best = likelihood()
    for name in ("sigma_n", "sigma_0", "slope", "intercept"):
        for step in (-0.003, 0.003):
            assert likelihood(**{name: getattr(fit, name) + step}) < best


def test_bootstrap_errors_are_those_of_the_estimate():
    fits = [fit_scatter(*planted(600, seed=seed)) for seed in range(60)]
    mass, predicted, members = planted(600, seed=99)
    draws = bootstrap_scatter(mass, predicted, members, np.arange(600), 6, 100, np.random.default_rng(1))
    for name in ("sigma_n", "sigma_0", "slope"):
        assert draws[name].std() == pytest.approx(np.std([getattr(fit, name) for fit in fits]), rel=0.45)
    rows = np.repeat(np.arange(600), 4)
    groups = [f"halo {row}" for row in rows]
    same = bootstrap_scatter(mass[rows], predicted[rows], members[rows], groups, 6, 100, np.random.default_rng(1))
    assert same["sigma_0"].std() == pytest.approx(draws["sigma_0"].std(), rel=0.2)  # copies add nothing


def test_the_worst_bin_counts_and_clusters_as_often_as_they_were_drawn():
    place, residuals, scatter = np.repeat([0, 1], 4), np.array([1.0, 1, 1, 1, 2, 2, 2, 4]), np.full(8, 2.0)
    assert _worst(place, residuals, scatter, np.ones(8)) == pytest.approx(50)  # 1 / 2, and sqrt(7) / 2
    drawn = np.array([1.0, 1, 1, 1, 1, 0, 0, 3])
    expected = 100 * (np.sqrt((4 + 3 * 16) / 4) / 2 - 1)
    assert _worst(place, residuals, scatter, drawn) == pytest.approx(expected)


def test_levels_at_a_hundred_members():
    assert dispersion_scatter() == pytest.approx(0.0921, abs=1e-4)
    assert poisson_scatter() == pytest.approx(0.0434, abs=1e-4)
    assert dispersion_scatter(400) == pytest.approx(dispersion_scatter() / 2)
    rng = np.random.default_rng(3)
    dispersions = rng.normal(0, 1, (20_000, 100)).std(axis=1, ddof=1)
    assert np.std(3 * np.log10(dispersions)) == pytest.approx(dispersion_scatter(), rel=0.03)
    assert np.std(np.log10(rng.poisson(100, 20_000))) == pytest.approx(poisson_scatter(), rel=0.03)


def test_clusters_that_tell_nothing_are_refused():
    mass, predicted, members = planted(40)
    for match, columns in (
        ("10 or more", (mass[:5], predicted[:5], members[:5])),
        ("one length", (mass, predicted[1:], members)),
        ("finite masses", (mass, np.where(mass > 14, np.nan, predicted), members)),
        ("at least 1, got 0 in row 3", (mass, predicted, np.where(np.arange(40) == 3, 0, members))),
        ("masses that differ", (np.full(40, 14.0), predicted, members)),
    ):
        with pytest.raises(ValueError, match=match):
            fit_scatter(*columns)
    with pytest.raises(ValueError, match="groups"):
        bootstrap_scatter(mass, predicted, members, np.zeros(40), 6, 3, np.random.default_rng(0))
