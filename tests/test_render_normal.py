"""Normal random numbers of pixels."""

import numpy as np
import pytest
from scipy import stats

from clustermass.render.normal import fill_normal


@pytest.fixture(scope="module")
def drawn():
    values = np.empty((1000, 2000), np.float32)
    fill_normal(values, np.random.default_rng(5))
    return values.ravel().astype(float)


def test_moments_are_those_of_the_normal_distribution(drawn):
    n = len(drawn)
    assert abs(drawn.mean()) < 4 / np.sqrt(n)
    assert abs(drawn.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(stats.skew(drawn)) < 4 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(drawn)) < 4 * np.sqrt(24 / n)


def test_every_part_of_the_distribution_is_there_tails_too(drawn):
    edges = np.concatenate([[-np.inf], np.linspace(-4.5, 4.5, 91), [np.inf]])
    expected = np.diff(stats.norm.cdf(edges)) * len(drawn)
    found = np.histogram(drawn, edges)[0]
    assert stats.chi2.sf(((found - expected) ** 2 / expected).sum(), len(expected) - 1) > 1e-4


def test_neighbours_do_not_know_each_other(drawn):
    for step in (1, 2, 64, 2000):
        assert abs(np.corrcoef(drawn[step:], drawn[:-step])[0, 1]) < 4 / np.sqrt(len(drawn))


def test_seeds_decide_and_nothing_else(drawn):
    again, other = np.empty(2_000_000, np.float32), np.empty(100, np.float32)
    fill_normal(again, np.random.default_rng(5))
    fill_normal(other, np.random.default_rng(6))
    assert (again == drawn).all()
    assert not (again[:100] == other).any()
