"""Support distribution machines: brute force, closed forms of Gaussians, kernels, and no leak into the search."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.svm import NuSVR

from clustermass import sdm
from clustermass.config.dynamics import Sdm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SETTINGS = Sdm(threads=2, c=[0.01, 0.1, 1.0], sigma=[0.5, 1.0, 2.0])


def starts(richness: Any) -> Ints:
    return np.concatenate([[0], np.cumsum(richness)]).astype(np.int64)


def random_clusters(count: int, features: int, seed: int = 0, low: int = 4) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    start = starts(rng.integers(low, 60, count))
    width = np.repeat(rng.uniform(0.5, 2, (count, 1)), np.diff(start), axis=0)
    return width * rng.normal(size=(start[-1], features)), start


def brute_force(p: Floats, q: Floats, k: int, own: bool = False) -> float:
    """Return the divergence by sorting all distances: Wang et al. (2009), Eq. 5."""
    if own:
        return 0.0
    rho = np.sort(np.linalg.norm(p[:, None] - p, axis=-1))[:, k]
    nu = np.sort(np.linalg.norm(p[:, None] - q, axis=-1))[:, k - 1]
    ratio = np.log(np.maximum(nu, sdm.FLOOR) / np.maximum(rho, sdm.FLOOR))
    return float(max(p.shape[1] * ratio.mean() + np.log(len(q) / (len(p) - 1)), 0))


@pytest.mark.parametrize("features", [1, 2])
def test_divergences_are_those_of_brute_force(features: int) -> None:
    x, start = random_clusters(25, features)
    x[start[3] + 1 : start[4]] = x[start[3]]  # a cluster of one galaxy, repeated
    x[start[8] : start[8] + 4] = x[start[9] : start[9] + 4]  # galaxies that two clusters share
    rows = [x[a:b] for a, b in pairwise(start)]
    truth = np.array([[brute_force(p, q, 3, p is q) for q in rows] for p in rows])
    found = sdm.divergence_matrix(x, start, 3, threads=2)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found == pytest.approx(truth, abs=1e-5)
    assert not np.diag(found).any()
    others = sdm.divergences(x, start, *random_clusters(7, features, seed=1), 3)
    other, begin = random_clusters(7, features, seed=1)
    truth = np.array([[brute_force(p, other[a:b], 3) for a, b in pairwise(begin)] for p in rows])
    assert others == pytest.approx(truth, abs=1e-5)


@pytest.mark.parametrize("features", [1, 2])
def test_threads_change_no_bit(features: int) -> None:
    x, start = random_clusters(60, features, seed=2)
    one, two = (sdm.divergence_matrix(x, start, 3, threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_one_feature_does_not_depend_on_its_scale() -> None:
    x, start = random_clusters(12, 1)
    assert sdm.divergence_matrix(900 * x + 4, start, 3) == pytest.approx(sdm.divergence_matrix(x, start, 3), abs=1e-5)


@pytest.mark.parametrize("features", [1, 2])
def test_estimate_is_the_closed_form_of_gaussians(features: int) -> None:
    # of N(0, 1) from N(m, s^2), for each feature: ln s + (1 + m^2) / (2 s^2) - 1/2
    mean, width, n, runs = 1.0, 1.5, 1500, 40
    truth = features * (np.log(width) + (1 + mean**2) / (2 * width**2) - 0.5)
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=(runs * n, features)), mean + width * rng.normal(size=(runs * n, features))
    start = starts([n] * runs)
    found = np.array(
        [
            sdm.divergences(first[a:b], starts([n]), second[a:b], starts([n]), 3)[0, 0]
            for a, b in pairwise(start)  # pairs that share no galaxies, so that their scatter tells the error
        ]
    )
    assert found.mean() == pytest.approx(truth, abs=4 * found.std() / np.sqrt(runs) + 0.01)
    # ln(nu / rho) scatters by sqrt(2 psi'(3)) = 0.89 a galaxy, k-th neighbours of neighbours being shared by some
    assert found.std() < 3 * 0.89 / np.sqrt(n)
    same = sdm.divergences(first, start, rng.normal(size=(n, features)), starts([n]), 3)
    assert same.mean() < 0.03


def test_features_and_scaler() -> None:
    v, r = np.array([-300.0, 100.0]), np.array([0.2, 0.4])
    assert sdm.cluster_features(v, r, SETTINGS).tolist() == [[300, 0.2], [100, 0.4]]
    assert sdm.cluster_features(v, None, Sdm(absolute_velocity=False)).tolist() == [[-300], [100]]
    scaler = sdm.fit_scaler(sdm.cluster_features(v, r, SETTINGS))
    assert scaler(np.array([[200.0, 0.5]])) == pytest.approx(np.array([[0.0, 2.0]]))
    with pytest.raises(ValueError, match="features: expected finite ones that vary"):
        sdm.fit_scaler(np.ones((5, 1)))
    with pytest.raises(ValueError, match="features: expected finite ones that vary"):
        sdm.fit_scaler(np.array([[1.0], [np.nan]]))


def test_kernel_is_symmetric_and_projected_to_the_nearest_semi_definite_one() -> None:
    x, start = random_clusters(40, 2, seed=5)
    divergence = sdm.divergence_matrix(x, start, 3)
    kernel = sdm.gaussian_kernel(divergence, divergence, 0.3)
    a, b = divergence[4, 9].astype(float), divergence[9, 4].astype(float)
    assert kernel[4, 9] == pytest.approx((np.exp(-(a**2) / 0.18) + np.exp(-(b**2) / 0.18)) / 2)
    assert np.array_equal(kernel, kernel.T)
    assert np.diag(kernel) == pytest.approx(np.ones(40))
    before = np.linalg.eigvalsh(kernel)
    assert before[0] < -0.01  # there is something to project
    projected, clip = sdm.project(kernel)
    assert np.linalg.eigvalsh(projected) == pytest.approx(np.maximum(before, 0), abs=1e-10)
    assert kernel @ clip == pytest.approx(projected, abs=1e-10)
    assert np.linalg.norm(projected - kernel) == pytest.approx(np.linalg.norm(np.minimum(before, 0)))
    definite = projected + 0.1 * np.eye(40)
    assert sdm.project(definite)[0] == pytest.approx(definite, abs=1e-10)


@cache
def mock(count: int = 90, seed: int = 6) -> tuple[Floats, Ints, Floats]:
    """Return features, where clusters begin and log10 masses: wider clusters are heavier."""
    rng = np.random.default_rng(seed)
    log10_mass = rng.uniform(14, 15, count)
    start = starts(rng.integers(30, 50, count))
    sigma = np.repeat(10 ** (0.6 * (log10_mass - 14.5)), np.diff(start))
    return np.abs(sigma * rng.normal(size=start[-1]))[:, None], start, log10_mass


@cache
def divergence_of_mock() -> NDArray[np.float32]:
    x, start, _ = mock()
    return sdm.divergence_matrix(x, start, 3)


def fit(log10_mass: Floats, groups: Any, settings: Sdm = SETTINGS, seed: int = 0) -> sdm.Machine:
    return sdm.fit(divergence_of_mock(), log10_mass, groups, settings, np.random.default_rng(seed))


def test_masses_are_recovered_and_threads_change_no_bit() -> None:
    x, start, log10_mass = mock()
    other, begin, truth = mock(40, seed=7)
    machine = fit(log10_mass, np.arange(90))
    to, back = sdm.divergences(other, begin, x, start, 3), sdm.divergences(x, start, other, begin, 3)
    found = sdm.predict(machine, to, back)
    assert np.std(found - truth) < 0.5 * truth.std()
    assert machine.search.shape == (3, 3, 1)
    assert machine.search.min() == pytest.approx(np.std(found - truth), rel=0.35)  # the search tells what to expect
    # one cluster at a time
    alone = [sdm.predict(machine, to[i : i + 1], back[:, i : i + 1])[0] for i in range(40)]
    assert alone == pytest.approx(found, abs=1e-9)
    single = fit(log10_mass, np.arange(90), SETTINGS.model_copy(update={"threads": 1}))
    assert single.weights.tobytes() == machine.weights.tobytes()
    assert single.search.tobytes() == machine.search.tobytes()


def test_prediction_is_that_of_the_projected_kernel() -> None:
    log10_mass, divergence = mock()[2], divergence_of_mock()
    machine = fit(log10_mass, np.arange(90))
    projected, _ = sdm.project(sdm.gaussian_kernel(divergence, divergence, machine.sigma))
    peer = NuSVR(kernel="precomputed", C=machine.c, nu=machine.nu).fit(projected, log10_mass).predict(projected)
    assert sdm.predict(machine, divergence, divergence) == pytest.approx(peer, abs=1e-8)


def test_search_chooses_the_smallest_residuals() -> None:
    log10_mass = mock()[2]
    machine = fit(log10_mass, np.arange(90))
    best = np.argwhere(machine.search == machine.search.min())[0]
    assert machine.c == SETTINGS.c[best[1]]
    median = np.median(divergence_of_mock()[divergence_of_mock() > 0])
    assert machine.sigma == pytest.approx(median * SETTINGS.sigma[best[0]])


def test_permuted_masses_cannot_be_learnt() -> None:
    log10_mass = mock()[2]
    shuffled = np.random.default_rng(8).permutation(log10_mass)
    assert fit(log10_mass, np.arange(90)).search.min() < 0.6 * log10_mass.std()
    assert fit(shuffled, np.arange(90)).search.min() > 0.9 * log10_mass.std()


def test_search_learns_nothing_from_other_views_of_the_same_halo() -> None:
    # masses mean nothing, but three views of each halo share one: only a fold that parts them can be good
    rng, view = np.random.default_rng(9), np.repeat(np.arange(90), 3)
    noise = rng.uniform(14, 15, 90)
    divergence = np.where(view[:, None] == view, 0, rng.uniform(0.9, 1.1, (270, 270))).astype(np.float32)
    settings = SETTINGS.model_copy(update={"c": [0.1, 10.0], "sigma": [0.2, 1.0]})
    grouped, leaking = (
        sdm.fit(divergence, noise[view], groups, settings, np.random.default_rng(0)).search.min()
        for groups in (view, np.arange(270))
    )
    assert grouped > 0.9 * noise.std()
    assert leaking < 0.6 * noise.std()


def test_folds_keep_groups_together_and_are_even() -> None:
    groups = np.repeat(["a:1", "a:2", "b:1", "b:2", "b:3", "c:1", "c:2"], [1, 5, 2, 3, 1, 4, 2])
    fold = sdm.group_folds(groups, 3, np.random.default_rng(1))
    per_group = [set(fold[groups == g].tolist()) for g in np.unique(groups)]
    assert all(len(folds) == 1 for folds in per_group)
    assert sorted(np.bincount([folds.pop() for folds in per_group])) == [2, 2, 3]
    assert fold.tolist() == sdm.group_folds(groups, 3, np.random.default_rng(1)).tolist()
    assert fold.tolist() != sdm.group_folds(groups, 3, np.random.default_rng(2)).tolist()
    with pytest.raises(ValueError, match="groups: expected at least 3, one for each fold, got 2"):
        sdm.group_folds(np.array([1, 1, 2]), 3, np.random.default_rng(1))


def test_bad_input_is_refused() -> None:
    x, start = random_clusters(5, 2)
    poor = starts([10, 3, len(x) - 13])
    with pytest.raises(ValueError, match="place 1: expected at least 4 galaxies, got 3"):
        sdm.divergence_matrix(x, poor, 3)
    for wrong in (x[:, 0], np.column_stack([x, x]), x[:, :1]):
        with pytest.raises(ValueError, match="features: expected one or two columns"):
            sdm.divergences(wrong, start, x, start, 3)
    broken = x.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="feature 1: expected finite numbers, got nan in row 3"):
        sdm.divergence_matrix(broken, start, 3)
    with pytest.raises(ValueError, match="features: expected standardised ones"):
        sdm.divergence_matrix(1e12 * x, start, 3)
    log10_mass, groups = mock()[2], np.arange(90)
    with pytest.raises(ValueError, match=r"expected divergences \(89, 89\)"):
        fit(log10_mass[:-1], groups)
    with pytest.raises(ValueError, match="finite masses"):
        fit(np.where(groups == 4, np.nan, log10_mass), groups)
    with pytest.raises(ValueError, match="clusters that differ"):
        sdm.fit(np.zeros((9, 9), np.float32), log10_mass[:9], groups[:9], SETTINGS, np.random.default_rng(0))
    machine = fit(log10_mass, groups)
    with pytest.raises(ValueError, match=r"divergences: expected \(m, 90\) and \(90, m\), got \(2, 90\) and \(90, 3\)"):
        sdm.predict(machine, np.zeros((2, 90), np.float32), np.zeros((90, 3), np.float32))
    for key, value in {"neighbours": 0, "c": [], "sigma": [-1.0], "nu": [1.5], "folds": 1}.items():
        with pytest.raises(ValidationError, match=key):
            Sdm(**{key: value})  # type: ignore[arg-type]
