"""Densities of galaxies: against scipy, a direct sum, and inputs that have no density of their own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.stats import gaussian_kde

from clustermass.config.dynamics import Kde
from clustermass.kde import NARROWEST, cell_centres, density_1d, density_2d

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CUT, APERTURE = 2200.0, 1.6
ONE, TWO = Kde(threads=1), Kde(threads=2)
TILTED = Kde(kernel="covariance")
VELOCITIES, RADII = cell_centres(-CUT, CUT, 48), cell_centres(0, APERTURE, 48)


def clusters(count: int, seed: int = 0) -> tuple[Floats, Floats, Ints]:
    """Return v_los, R_proj and where clusters begin, from 2 to 300 galaxies, radius correlated with speed."""
    rng = np.random.default_rng(seed)
    richness = np.clip(40 * np.exp(rng.normal(size=count)), 2, 300).astype(np.int64)
    start = np.concatenate([[0], np.cumsum(richness)])
    velocity = np.repeat(rng.uniform(200, 1300, count), richness) * rng.normal(size=start[-1])
    radius = np.abs(0.5 + 2e-4 * velocity + 0.4 * rng.normal(size=start[-1]))
    return np.clip(velocity, -CUT, CUT), np.clip(radius, 0, APERTURE), start


def direct(velocity: Floats, radius: Floats, factor: float) -> Floats:
    """Return the density of a product kernel as written in Ho et al. (2019), Eq. 2, with sum one."""
    total = np.zeros((48, 48))
    for v, r in zip(velocity, radius, strict=True):
        u = (VELOCITIES[:, None] - v) / (factor * velocity.std(ddof=1))
        w = (RADII[None, :] - r) / (factor * radius.std(ddof=1))
        total += np.exp(-(u**2) / 2) * np.exp(-(w**2) / 2)
    return np.asarray(total / total.sum())


def error(found: NDArray[np.float32], truth: Floats) -> float:
    return float(np.abs(found - truth).max() / truth.max())


def test_points_are_centres_of_cells() -> None:
    assert cell_centres(-2.0, 2.0, 4).tolist() == [-1.5, -0.5, 0.5, 1.5]


def test_one_dimension_is_scipys() -> None:
    velocity, _, start = clusters(60)
    found = density_1d(velocity, start, CUT, TWO)
    assert found.dtype == np.float32
    for i, (a, b) in enumerate(pairwise(start)):
        truth = gaussian_kde(velocity[a:b], 0.25)(VELOCITIES)
        if 0.25 * velocity[a:b].std(ddof=1) > NARROWEST * (VELOCITIES[1] - VELOCITIES[0]):
            assert error(found[i], truth / truth.sum()) < 1e-5


@pytest.mark.parametrize("factor", [0.25, 1.0])
def test_two_dimensions_are_the_direct_sum_and_scipys(factor: float) -> None:
    velocity, radius, start = clusters(25)
    mesh = np.stack(np.meshgrid(VELOCITIES, RADII, indexing="ij")).reshape(2, -1)
    product, tilted = (
        density_2d(velocity, radius, start, CUT, APERTURE, Kde(kernel=k, bandwidth_factor=factor))  # type: ignore[arg-type]
        for k in ("product", "covariance")
    )
    differ = 0.0
    for i, (a, b) in enumerate(pairwise(start)):
        if b - a >= 5:  # fewer may be narrower than the points resolve
            assert error(product[i], direct(velocity[a:b], radius[a:b], factor)) < 1e-5
            truth = gaussian_kde(np.stack([velocity[a:b], radius[a:b]]), factor)(mesh).reshape(48, 48)
            assert error(tilted[i], truth / truth.sum()) < 1e-5
            differ = max(differ, error(product[i], tilted[i].astype(float)))
    assert differ > 0.03  # the two kernels are not the same


def test_grids_of_other_shapes_and_ranges() -> None:
    velocity, radius, start = clusters(3)
    settings = Kde(velocity_points=20, radius_points=7, bandwidth_factor=0.4)
    found = density_2d(velocity, radius, start, 3000.0, 2.3, settings)
    assert found.shape == (3, 20, 7)
    a, b = start[1:3]
    v, r = velocity[a:b], radius[a:b]
    grid = cell_centres(-3000, 3000, 20), cell_centres(0, 2.3, 7)
    sides = [np.exp(-0.5 * ((g[:, None] - x) / (0.4 * x.std(ddof=1))) ** 2) for g, x in zip(grid, (v, r), strict=True)]
    truth = sides[0] @ sides[1].T
    assert error(found[1], truth / truth.sum()) < 1e-5


def test_sums_are_one_and_threads_change_no_bit() -> None:
    velocity, radius, start = clusters(40, seed=3)
    for make in (
        lambda s: density_1d(velocity, start, CUT, s),
        lambda s: density_2d(velocity, radius, start, CUT, APERTURE, s),
        lambda s: density_2d(velocity, radius, start, CUT, APERTURE, s.model_copy(update={"kernel": "covariance"})),
    ):
        found = make(ONE)
        assert found.reshape(40, -1).sum(1) == pytest.approx(np.ones(40), abs=1e-5)
        assert found.tobytes() == make(TWO).tobytes()


def test_a_cluster_does_not_depend_on_others() -> None:
    velocity, radius, start = clusters(10)
    whole = density_2d(velocity, radius, start, CUT, APERTURE, ONE)
    rows = slice(start[4], start[5])
    alone = density_2d(velocity[rows], radius[rows], np.array([0, start[5] - start[4]]), CUT, APERTURE, ONE)
    assert alone[0].tobytes() == whole[4].tobytes()


@pytest.mark.parametrize("settings", [ONE, TILTED], ids=["product", "covariance"])
@pytest.mark.parametrize(
    ("velocity", "radius"),
    [
        ([300.0], [0.5]),
        ([300.0] * 4, [0.5] * 4),
        ([300.0] * 3, [0.2, 0.5, 0.9]),
        ([-300.0, 0.0, 800.0], [0.5] * 3),
        ([300.0, 301.0], [0.2, 0.9]),
        ([-500.0, 700.0], [0.3, 0.9]),  # on a line: scipy's covariance is singular
        ([300.0, 300.0 + 1e-9], [0.5, 0.5 + 1e-12]),
    ],
    ids=["one", "at a point", "one velocity", "one radius", "narrow", "on a line", "nearly at a point"],
)
def test_what_has_no_bandwidth_gets_the_narrowest(velocity: list[float], radius: list[float], settings: Kde) -> None:
    v, r, start = np.array(velocity), np.array(radius), np.array([0, len(velocity)])
    line = density_1d(v, start, CUT, settings)[0]
    plane = density_2d(v, r, start, CUT, APERTURE, settings)[0]
    assert np.isfinite(line).all()
    assert np.isfinite(plane).all()
    assert [line.sum(), plane.sum()] == pytest.approx([1, 1], abs=1e-5)
    assert VELOCITIES @ line == pytest.approx(v.mean(), abs=60)  # a cell is 92 km/s wide
    assert plane.sum(0) @ RADII == pytest.approx(r.mean(), abs=0.03)  # the range cuts kernels
    if np.ptp(v) < 1e-6:
        step = VELOCITIES[1] - VELOCITIES[0]
        kernel = np.exp(-0.5 * ((VELOCITIES - 300) / (NARROWEST * step)) ** 2)
        assert error(line, kernel / kernel.sum()) < 1e-5


def test_bad_input_is_refused_with_its_place() -> None:
    velocity, radius, start = clusters(4)
    with pytest.raises(ValueError, match="place 1: expected at least 1 galaxies, got 0"):
        density_1d(velocity, np.array([0, 5, 5, len(velocity)]), CUT, ONE)
    with pytest.raises(ValueError, match="place 2: expected at least 1 galaxies, got -3"):
        density_1d(velocity, np.array([0, 5, 9, 6, len(velocity)]), CUT, ONE)
    for wrong in (start[:-1], start[1:], start.reshape(1, -1), start[:0]):
        with pytest.raises(ValueError, match="v_los: expected one row for each galaxy"):
            density_1d(velocity, wrong, CUT, ONE)
    with pytest.raises(ValueError, match="r_proj: expected one row for each galaxy"):
        density_2d(velocity, radius[:-1], start, CUT, APERTURE, ONE)
    for value in (np.nan, np.inf):
        broken = radius.copy()
        broken[7] = value
        with pytest.raises(ValueError, match=f"r_proj: expected finite numbers, got {value} in row 7"):
            density_2d(velocity, broken, start, CUT, APERTURE, ONE)
    far = velocity.copy()
    far[start[2] : start[3]] = 1e9
    with pytest.raises(ValueError, match="place 2: none of its galaxies is inside"):
        density_1d(far, start, CUT, ONE)
    for cut in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="range of the points"):
            density_1d(velocity, start, cut, ONE)
    assert density_2d(velocity[:0], radius[:0], np.array([0]), CUT, APERTURE, ONE).shape == (0, 48, 48)
    with pytest.raises(ValidationError, match="bandwidth_factor"):
        Kde(bandwidth_factor=0)
    with pytest.raises(ValidationError, match="kernel"):
        Kde(kernel="boxcar")  # type: ignore[arg-type]
