"""Sight-lines, Hubble flow, training sets, folds and subsamples of the mock observation: closed forms and counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from clustermass.config.base import Cosmology
from clustermass.config.mock_observation import MockObservation
from clustermass.mock_observation import kernels, ragged, sampling, sightlines

Floats = NDArray[np.float64]
PLANCK = Cosmology()
C = 299792.458


def distance(z: float) -> float:
    """Return the comoving distance [Mpc/h], Eq. 17."""
    return float(quad(lambda x: C / 100 / np.sqrt(PLANCK.Om0 * (1 + x) ** 3 + 1 - PLANCK.Om0), 0, z, epsabs=1e-10)[0])


@pytest.mark.parametrize("n", [1, 2, 7, 50, 400])
def test_fibonacci_lattice_is_even(n: int) -> None:
    lattice = sightlines.fibonacci_lattice(n)
    assert lattice.shape == (n, 3)
    assert np.linalg.norm(lattice, axis=1) == pytest.approx(np.ones(n))
    if n < 7:
        return
    separation = np.arccos(np.clip(lattice @ lattice.T - 2 * np.eye(n), -1, 1))[~np.eye(n, dtype=bool)]
    assert separation.min() > 0.8 * np.sqrt(4 * np.pi / n)  # random points: about 2 / n
    poles = np.random.default_rng(1).normal(size=(200, 3))
    poles /= np.linalg.norm(poles, axis=1, keepdims=True)
    for cosine in (0.8, 0.3, -0.5):  # the share of points in caps is the share of their area
        share = np.mean(lattice @ poles.T > cosine, axis=0)
        assert np.abs(share - (1 - cosine) / 2).max() < 1.5 * n**-0.75  # random points: about n^-0.5


def test_sight_lines_begin_with_the_axes_and_then_turn() -> None:
    rng = np.random.default_rng(1)
    assert sightlines.sight_lines(3, rng).tolist() == np.eye(3).tolist()
    lines = np.array([sightlines.sight_lines(4, rng)[3] for _ in range(600)])
    assert lines.mean(0) == pytest.approx([0, 0, 0], abs=0.08)
    assert np.cov(lines.T) == pytest.approx(np.eye(3) / 3, abs=0.05)
    with pytest.raises(ValueError, match="at least 3"):
        sightlines.sight_lines(2, rng)
    for line in lines[:50]:
        axes = kernels.basis(line)
        assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(axes) == pytest.approx(1)


@pytest.mark.parametrize("redshift", [0.0, 0.005, 0.117, 0.6, 2.0])
def test_hubble_flow_and_its_reach(redshift: float) -> None:
    reach = sightlines.farthest(2200, 4000, PLANCK)
    flow = sightlines.hubble_flow(redshift, reach, PLANCK)
    assert flow.table[len(flow.table) // 2] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(flow.table) > 0)
    # nothing beyond the reach passes the cut, however fast it moves
    assert min(-flow.table[0], flow.table[-1]) > np.arctanh(2200 / C) + np.arctanh(4000 / C)
    assert reach < 80
    slope = np.gradient(flow.table, 2 * reach / (len(flow.table) - 1))[len(flow.table) // 2]
    expansion = 100 * np.sqrt(PLANCK.Om0 * (1 + redshift) ** 3 + 1 - PLANCK.Om0) / (1 + redshift)
    assert slope * C == pytest.approx(expansion, rel=1e-4)
    if redshift > 0.1:
        z = np.expm1(flow.table[-1]) * (1 + redshift) + redshift
        assert distance(z) == pytest.approx(distance(redshift) + reach, abs=1e-4)


def steep(n: int = 30_000, seed: int = 1) -> Floats:
    """Return masses that fall as a cluster mass function does, from 10^13.5 to about 10^15.3."""
    return 13.5 + np.random.default_rng(seed).gamma(1.0, 0.22, n)


def test_training_set_is_flat() -> None:
    masses, options = steep(), MockObservation(mass_bin_dex=0.02)
    edges = sampling.flat_bins(masses, options)
    assert (edges[0], edges[-1]) == (13.5, pytest.approx(masses.max()))
    held = np.histogram(masses, edges)[0]
    assert held.min() >= options.bin_halos
    assert held.sum() == len(masses)
    counts = sampling.flat_counts(edges, 1000)
    assert counts.sum() == int((edges[-1] - 13.5) * 1000 + 1e-6)
    number = sampling.sight_line_numbers(masses, edges, counts, options)
    assert number.min() == 3
    assert 3 < number.max() <= options.max_sight_lines
    lines = np.repeat(masses, number)
    rng = np.random.default_rng(2)
    eligible, priority = rng.random(len(lines)) < 0.95, rng.random(len(lines))
    chosen = sampling.choose_training(lines, eligible, priority, edges, counts)
    assert not np.any(chosen & ~eligible)
    at = np.linspace(13.5, 14.8, 200)
    below = np.searchsorted(np.sort(lines[chosen]), at)
    assert np.abs(below - 1000 * (at - 13.5)).max() < 12  # 1000 per dex; Poisson: 36 at the end
    full = np.histogram(lines[chosen], edges)[0]
    available = np.histogram(lines[eligible], edges)[0]
    assert np.array_equal(full, np.minimum(counts, available))
    # a random part: not the heaviest, not the lightest, and another one with other priorities
    dense = chosen & (lines < 14)
    assert np.mean(lines[dense]) == pytest.approx(13.75, abs=0.01)
    other = sampling.choose_training(lines, eligible, rng.random(len(lines)), edges, counts)
    assert 0 < np.mean(other[dense]) < 0.2
    # with one priority, a poorer catalogue takes what the richer has of its own
    poorer = sampling.choose_training(lines, eligible & (rng.random(len(lines)) < 0.9), priority, edges, counts)
    assert np.mean(poorer[dense]) > 0.8


def test_bins_without_enough_halos_are_joined() -> None:
    options = MockObservation(mass_bin_dex=0.1, bin_halos=2, max_sight_lines=20)
    masses = np.array([13.6, 13.7, 13.75, 15.0, 15.4])
    edges = sampling.flat_bins(masses, options)
    assert edges[-2] == 15.0  # the heaviest two share a bin, instead of 400 lines for one halo
    counts = sampling.flat_counts(edges, 100)
    assert sampling.sight_line_numbers(masses, edges, counts, options)[-2:].tolist() == [20, 20]
    assert sampling.flat_bins(masses[:1], options)[0] == 13.5
    assert len(sampling.flat_bins(np.array([13.5]), options)) == 2


def test_folds_keep_groups_and_ranks() -> None:
    rng = np.random.default_rng(1)
    masses = steep(1003)
    group = np.array([f"box1-{number}" for number in rng.integers(0, 700, 1003)])
    fold = sampling.assign_folds(group, masses, 10)
    table = pd.DataFrame({"group": group, "fold": fold, "mass": masses})
    assert (table.groupby("group")["fold"].nunique() == 1).all()
    ranked = table.groupby("group").agg(mass=("mass", "max"), fold=("fold", "first")).sort_values("mass")["fold"]
    whole = ranked.to_numpy()[: len(ranked) // 10 * 10].reshape(-1, 10)
    assert (np.sort(whole) == np.arange(10)).all()
    with pytest.raises(ValueError, match=r"at most as many as halos, 3, got 4"):
        sampling.assign_folds(np.array(["a", "b", "c"]), np.array([1.0, 2.0, 3.0]), 4)


def test_dispersions_and_subsamples() -> None:
    rng = np.random.default_rng(1)
    richness = np.array([30, 1, 0, 2, 500])
    start = ragged.offsets(richness)
    assert start.tolist() == [0, 30, 31, 31, 33, 533]
    v = rng.normal(300, 700, 533)
    found = ragged.velocity_dispersions(v, start)
    assert found[[0, 3, 4]] == pytest.approx([np.std(v[a:b], ddof=1) for a, b in ((0, 30), (31, 33), (33, 533))])
    assert np.isnan(found[1:3]).all()
    rows, kept = ragged.subsample(start, 0.75, rng)
    assert np.diff(kept).tolist() == [23, 1, 0, 2, 375]  # 22.5 and 1.5 are rounded up
    assert np.all(np.diff(rows) > 0)
    for i in range(5):
        assert np.all((rows[kept[i] : kept[i + 1]] >= start[i]) & (rows[kept[i] : kept[i + 1]] < start[i + 1]))
    assert ragged.subsample(start, 1.0, rng)[0].tolist() == list(range(533))
    assert ragged.subsample(start, 0.0, rng)[1].tolist() == [0] * 6
    again = [ragged.subsample(start, 0.5, np.random.default_rng(seed))[0].tolist() for seed in (3, 3, 4)]
    assert again[0] == again[1] != again[2]
    often = np.bincount(np.concatenate([ragged.subsample(start, 0.3, rng)[0] for _ in range(2000)]), minlength=533)
    assert often[33:] == pytest.approx(np.full(500, 600), abs=5 * np.sqrt(2000 * 0.3 * 0.7))
    with pytest.raises(ValueError, match="0 to 1"):
        ragged.subsample(start, 1.1, rng)
