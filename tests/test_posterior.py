"""Posteriors: joint density and slices, limits, priors, files; against closed forms, scipy and brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clustermass.config.base import Cosmology
from clustermass.config.posterior import Posterior
from clustermass.contracts import ContractError
from clustermass.galaxies.background import mass_function
from clustermass.posterior import joint as joint_module
from clustermass.posterior.contracts import POSTERIOR_SUMMARIES
from clustermass.posterior.grid import (
    SIGMAS,
    Posteriors,
    cumulative,
    density_at,
    highest_density_level,
    limits,
    maximum,
    mean,
    normalised,
    quantiles,
    reflected,
    volume_below,
)
from clustermass.posterior.joint import (
    JointDensity,
    check_summaries,
    fit_joint,
    kernel_weights,
    make_pairs,
    mass_density,
    mass_grid,
    slice_joint,
    support,
)
from clustermass.posterior.prior import Prior, calibration_prior, importance, mass_function_prior, reweight
from clustermass.posterior.store import (
    Inference,
    StoreError,
    load_inference,
    load_posteriors,
    save_inference,
    save_posteriors,
)
from clustermass.posterior.summaries import summarise, summary_table, unsupported

SETTINGS = Posterior(edge="open")
GRID = np.arange(2600, 3201) * 0.005  # 13 to 16
MEAN, SIGMA, SCATTER = 14.4, 0.35, 0.15  # of masses, and of summaries about them


def gaussian_pairs(number, seed=0):
    """Return summaries and masses of a bivariate normal distribution with these moments exactly."""
    mass, noise = stats.norm.ppf(stats.qmc.Sobol(2, rng=seed).random(number)).T
    basis, _ = np.linalg.qr(np.stack([np.ones(number), mass, noise]).T)
    mass, noise = basis[:, 1:].T * np.sqrt(number - 1) * np.sign([basis[:, 1] @ mass, basis[:, 2] @ noise])[:, None]
    return MEAN + SIGMA * mass + SCATTER * noise, MEAN + SIGMA * mass


def normals(centres, width, grid=GRID):
    """Return normal distributions of one width as posteriors."""
    return normalised(grid, stats.norm.pdf(grid, np.asarray(centres)[:, None], width))


@pytest.fixture(scope="module")
def pairs():
    return make_pairs(*gaussian_pairs(2048))


@pytest.mark.parametrize(("reading", "widening"), [("deviation", 1 + 0.2**2), ("covariance", 1.2)])
def test_slices_of_a_bivariate_normal_have_mean_and_built_in_width(pairs, reading, widening):
    joint = fit_joint(pairs, Posterior(bandwidth_reading=reading, edge="open"))
    posteriors = slice_joint(joint, np.array([14.1, 14.4, 14.8]), GRID).posteriors
    slope = SIGMA**2 / (SIGMA**2 + SCATTER**2)
    expected = MEAN + slope * (np.array([14.1, 14.4, 14.8]) - MEAN)
    np.testing.assert_allclose(mean(posteriors), expected, atol=0.004)
    width = np.diff(limits(posteriors, SIGMAS["68"], "equal_tailed"))[:, 0] / 2
    np.testing.assert_allclose(width, SIGMA * SCATTER / np.hypot(SIGMA, SCATTER) * np.sqrt(widening), rtol=0.02)


@pytest.mark.parametrize(("reading", "off"), [("deviation", 0.009), ("covariance", 0.044)])
def test_each_reading_of_the_bandwidth_widens_coverage_by_what_theory_says(reading, off):
    widening = 1 + (0.2**2 if reading == "deviation" else 0.2)
    exact = stats.norm.cdf(np.sqrt(widening) * stats.norm.ppf(np.linspace(0.5, 1, 2000)))
    central = 2 * (exact - np.linspace(0.5, 1, 2000))  # coverage of central volumes
    assert central.max() == pytest.approx(off, abs=0.002)
    summary, mass = gaussian_pairs(4096, 1)
    joint = fit_joint(make_pairs(*gaussian_pairs(4096, 2)), Posterior(bandwidth_reading=reading, edge="open"))
    posteriors = slice_joint(joint, summary, GRID).posteriors
    level = np.sort(highest_density_level(posteriors, mass[:, None])[:, 0])
    measured = (np.arange(1, 4097) / 4096 - level).max()
    assert measured == pytest.approx(off, abs=0.008)


@pytest.mark.parametrize("weighted", [False, True])
def test_slices_are_those_of_scipys_kernel_density(weighted):
    rng = np.random.default_rng(3)
    mass = rng.uniform(13.7, 15.0, 300)
    summary = mass + rng.normal(0, 0.15, 300) + 0.3 * (mass < 14)
    weight = rng.uniform(0.1, 2, 300) if weighted else None
    pairs = make_pairs(summary, mass, weight=weight)
    at = np.array([13.62345, 14.2, 14.9871])
    kde = stats.gaussian_kde(np.stack([summary, mass]), 0.2, weights=weight)
    joint = fit_joint(pairs, SETTINGS)
    np.testing.assert_allclose(joint.covariance, kde.covariance, rtol=1e-12)
    expected = np.stack([kde(np.stack([np.full(len(GRID), d), GRID])) for d in at])
    inference = Inference(joint, calibration_prior(joint, GRID), None, SETTINGS)
    np.testing.assert_allclose(inference.on_grid(at), expected, rtol=1e-9, atol=1e-12)
    slices = slice_joint(joint, at, GRID)
    np.testing.assert_allclose(slices.posteriors.density, normalised(GRID, expected).density, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(support(joint, at)[2], kde.marginal([0])(at), rtol=1e-9)
    np.testing.assert_allclose(mass_density(joint, GRID), kde.marginal([1])(GRID), rtol=1e-9, atol=1e-15)
    sigma = np.sqrt(joint.covariance[0, 0])
    brute = pairs.weight * np.exp(-((at[:, None] - summary) ** 2) / 2 / sigma**2)
    np.testing.assert_allclose(slices.pairs_effective, brute.sum(1) ** 2 / (brute**2).sum(1), rtol=1e-9)
    assert not slices.extrapolated[1]


def test_volumes_are_those_of_the_kernels():
    summary, mass = gaussian_pairs(512)
    joint = fit_joint(make_pairs(summary, mass), SETTINGS)
    at, truth = np.linspace(13.8, 15, 40), np.linspace(13.9, 14.9, 40)
    weights = kernel_weights(joint, at)[0]
    h = joint.covariance
    width = np.sqrt(h[1, 1] - h[0, 1] ** 2 / h[0, 0])
    centres = mass + h[0, 1] / h[0, 0] * (at[:, None] - summary)
    exact = np.sum(weights * stats.norm.cdf((truth[:, None] - centres) / width), axis=1)
    pit = volume_below(slice_joint(joint, at, GRID).posteriors, truth[:, None])[:, 0]
    np.testing.assert_allclose(pit, exact, atol=1e-4)


def test_results_do_not_depend_on_how_many_are_asked_for(pairs):
    joint = fit_joint(pairs, SETTINGS)
    at = np.random.default_rng(0).uniform(13.5, 15.3, 600)
    whole = slice_joint(joint, at, GRID)
    assert np.allclose(slice_joint(joint, at[:7], GRID).posteriors.density, whole.posteriors.density[:7], rtol=1e-11)


def test_a_summary_far_from_all_pairs_is_flagged(pairs):
    joint = fit_joint(pairs, SETTINGS)
    slices = slice_joint(joint, np.array([14.4, 15.9, 40.0, -1e6]), GRID)
    np.testing.assert_array_equal(slices.extrapolated, [False, True, True, True])
    assert np.isfinite(slices.pairs_effective).all()
    assert slices.pairs_effective[0] > 100
    assert (slices.pairs_effective[1:] < 3).all()
    assert slices.distance[2] > 100
    assert np.isnan(slices.posteriors.density[2:]).all()
    assert mean(slices.posteriors)[1] > 15  # the nearest pairs' masses, moved along the regression
    for summary in (np.array([14.0, np.nan]), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="summaries: expected finite numbers"):
            check_summaries(summary)


def test_lines_of_sight_to_one_halo_are_not_independent():
    summary, mass = gaussian_pairs(256)
    thrice = [np.repeat(column, 3) for column in (summary, mass)]
    apart = support(fit_joint(make_pairs(*thrice), SETTINGS), np.array([14.4]))[0]
    together = support(fit_joint(make_pairs(*thrice, group=np.repeat(np.arange(256), 3)), SETTINGS), np.array([14.4]))[
        0
    ]
    assert apart == pytest.approx(3 * together)


def test_pairs_without_a_density_are_refused():
    summary, mass = gaussian_pairs(64)
    with pytest.raises(ValueError, match="three or more"):
        make_pairs(summary[:2], mass[:2])
    with pytest.raises(ValueError, match="one length"):
        make_pairs(summary, mass[:-1])
    with pytest.raises(ValueError, match="finite log10_mass, got nan"):
        make_pairs(summary, np.where(mass > mass.mean(), np.nan, mass))
    with pytest.raises(ValueError, match="weights of 0 or more"):
        make_pairs(summary, mass, weight=np.zeros(64))
    with pytest.raises(ValueError, match="scatter about each other"):
        fit_joint(make_pairs(mass, mass), SETTINGS)
    with pytest.raises(ValueError, match="scatter about each other"):
        fit_joint(make_pairs(np.full(64, 14.0), mass), SETTINGS)
    with pytest.raises(ValueError, match="mass step: expected below"):
        slice_joint(fit_joint(make_pairs(summary, mass), SETTINGS), summary, np.linspace(13, 16, 31))


def test_the_grid_reaches_beyond_the_masses(pairs):
    grid, least = mass_grid(pairs, SETTINGS), pairs.log10_mass.min()
    assert least - 0.51 < grid[0] <= least - 0.5
    assert pairs.log10_mass.max() + 0.49 < grid[-1] < pairs.log10_mass.max() + 0.51
    np.testing.assert_allclose(np.diff(grid), 0.005)
    assert np.abs(grid - least).min() == pytest.approx(0.0025)  # midway between two points


def test_what_kernels_put_below_the_least_mass_is_mirrored():
    rng = np.random.default_rng(4)
    mass = rng.uniform(14.0, 15.0, 6000)
    pairs = make_pairs(mass + rng.normal(0, 0.15, 6000), mass)
    settings = Posterior(edge="reflected")
    grid = mass_grid(pairs, settings)
    at = np.array([13.95, 14.5, 10.0])
    mirrored, left = (slice_joint(fit_joint(pairs, one), at, grid) for one in (settings, SETTINGS))
    exact = stats.norm.pdf(grid, at[:1, None], 0.15) * (grid > pairs.log10_mass.min())
    closeness = [
        np.abs(one.posteriors.density[:1] - normalised(grid, exact).density).sum() * 0.005 for one in (mirrored, left)
    ]
    assert closeness[0] < 0.1 < 0.2 < closeness[1]
    volume = mirrored.posteriors.density.sum(1) * 0.005
    np.testing.assert_allclose(volume[:2], 1, atol=1e-9)
    np.testing.assert_allclose(mirrored.posteriors.density[1], left.posteriors.density[1], atol=5e-3)
    np.testing.assert_array_equal(mirrored.posteriors.density[2], left.posteriors.density[2])  # far from all pairs
    even = reflected(normals([14.0], 0.1), 14.0)
    inside = (GRID > 14.001) & (GRID < 14.9)
    np.testing.assert_allclose(even.density[0][inside], 2 * stats.norm.pdf(GRID[inside], 14, 0.1), rtol=0.03)
    prior = mass_density(fit_joint(pairs, settings), grid)
    assert prior[np.searchsorted(grid, 14.02)] == pytest.approx(1, abs=0.1)
    assert mass_density(fit_joint(pairs, SETTINGS), grid)[np.searchsorted(grid, 14.02)] < 0.75


def test_a_normal_posterior_is_summed_up_exactly():
    centres = np.array([14.0, 14.2345, 15.01])
    table = summarise(normals(centres, 0.1), "equal_tailed")
    for name in ("map", "mean", "median"):
        np.testing.assert_allclose(table[name], centres, atol=2e-5)
    for kind in ("equal_tailed", "shortest"):
        table = summarise(normals(centres, 0.1), kind)
        atol = 1e-4 if kind == "equal_tailed" else 2e-3
        for name, times in (("68", 1), ("95", 2)):
            np.testing.assert_allclose(table[f"low{name}"], centres - 0.1 * times, atol=atol)
            np.testing.assert_allclose(table[f"high{name}"], centres + 0.1 * times, atol=atol)
    posteriors = normals(centres, 0.1)
    at = centres[:, None] + 0.1 * np.array([-6, -1, 0, 0.3, 2.5])
    np.testing.assert_allclose(
        volume_below(posteriors, at), np.tile(stats.norm.cdf([-6, -1, 0, 0.3, 2.5]), (3, 1)), atol=6e-5
    )
    inside = 2 * stats.norm.cdf([6, 1, 0, 0.3, 2.5]) - 1
    np.testing.assert_allclose(highest_density_level(posteriors, at), np.tile(inside, (3, 1)), atol=4e-3)


def test_limits_of_a_skewed_posterior():
    density = stats.gamma.pdf(GRID - 13.5, 2, scale=0.1)[None]
    posteriors = normalised(GRID, density)
    tails = (1 - SIGMAS["68"]) / 2
    equal = limits(posteriors, SIGMAS["68"], "equal_tailed")[0]
    np.testing.assert_allclose(equal, 13.5 + stats.gamma.ppf([tails, 1 - tails], 2, scale=0.1), atol=2e-4)
    low, high = limits(posteriors, SIGMAS["68"], "shortest")[0]
    assert volume_below(posteriors, np.array([[low, high]]))[0] @ [-1, 1] == pytest.approx(SIGMAS["68"], abs=1e-6)
    ends = density_at(posteriors, np.array([[low, high]]))[0]
    assert ends[0] == pytest.approx(ends[1], rel=0.01)  # the highest-density region is bounded by one density
    assert high - low < equal[1] - equal[0]
    assert maximum(posteriors)[0] == pytest.approx(13.6, abs=1e-3)
    assert mean(posteriors)[0] == pytest.approx(13.7, abs=1e-3)
    assert high - maximum(posteriors)[0] > maximum(posteriors)[0] - low  # asymmetric


def test_shortest_limits_of_two_peaks_are_one_interval():
    density = 0.8 * stats.norm.pdf(GRID, 14, 0.05) + 0.2 * stats.norm.pdf(GRID, 15, 0.02)
    posteriors = normalised(GRID, density[None])
    low, high = limits(posteriors, 0.6, "shortest")[0]
    np.testing.assert_allclose([low, high], 14 + 0.05 * stats.norm.ppf([0.125, 0.875]), atol=2e-3)
    level = highest_density_level(posteriors, np.array([[14.0, 15.0, 14.5, 12.0]]))[0]
    brute = density[None] / density.sum()
    expected = [brute[0][density >= np.interp(x, GRID, density)].sum() for x in (14.0, 15.0, 14.5)]
    np.testing.assert_allclose(level[:3], expected, atol=0.04)
    assert level[3] == pytest.approx(1)


def test_quantiles_undo_volumes():
    rng = np.random.default_rng(5)
    posteriors = normalised(GRID, rng.uniform(0, 1, (20, len(GRID))) ** 6)
    levels = rng.uniform(0, 1, (20, 9))
    np.testing.assert_allclose(volume_below(posteriors, quantiles(posteriors, levels)), levels, atol=1e-9)
    np.testing.assert_allclose(quantiles(posteriors, np.array([0.0, 1.0])) - GRID[[0, -1]], 0, atol=1e-9)
    np.testing.assert_allclose(cumulative(posteriors)[:, -1], 1)
    fine = np.linspace(GRID[0], GRID[-1], 200_001)
    values = density_at(posteriors, np.tile(fine, (20, 1)))
    np.testing.assert_allclose(mean(posteriors), np.trapezoid(values * fine, fine, axis=1), atol=1e-5)


def test_missing_posteriors_stay_missing():
    posteriors = normalised(GRID, np.stack([np.zeros(len(GRID)), stats.norm.pdf(GRID, 14, 0.1)]))
    table = summarise(posteriors, "shortest")
    assert table.iloc[0].isna().all()
    assert table.iloc[1].notna().all()
    assert np.isnan(volume_below(posteriors, np.array([[14.0], [14.0]]))[0, 0])
    assert np.isnan(highest_density_level(posteriors, np.array([[14.0], [14.0]]))[0, 0])
    with pytest.raises(ValueError, match="evenly spaced"):
        normalised(GRID**2, posteriors.density)
    with pytest.raises(ValueError, match="shape"):
        normalised(GRID, posteriors.density[0])


def test_reweighting_a_normal_posterior_to_a_power_law_moves_its_mean():
    flat = Prior(GRID, np.ones(len(GRID)), GRID[0], GRID[-1])
    steep = Prior(GRID, np.exp(-3.0 * (GRID - 14)), GRID[0], GRID[-1])
    changed = reweight(normals([14.0, 14.7], 0.2), flat, steep)
    np.testing.assert_allclose(mean(changed), np.array([14.0, 14.7]) - 3 * 0.2**2, atol=1e-3)
    np.testing.assert_allclose(reweight(changed, steep, flat).density, normals([14.0, 14.7], 0.2).density, atol=1e-9)
    np.testing.assert_allclose(importance(np.array([14.0, 14.5, 12.0]), flat, steep), [1, np.exp(-1.5), 0], rtol=1e-4)


def test_a_prior_without_support_is_refused():
    narrow = Prior(GRID, np.ones(len(GRID)), 14.0, 15.0)
    wide = Prior(GRID, np.ones(len(GRID)), GRID[0], GRID[-1])
    changed = reweight(normals([14.5, 13.95, 13.5], 0.1), narrow, wide)
    np.testing.assert_array_equal(np.isnan(changed.density[:, 0]), [False, True, True])
    assert np.trapezoid(changed.density[0], GRID) == pytest.approx(1)
    assert changed.density[0][GRID < 14.0].max() == 0
    with pytest.raises(ValueError, match=r"support between 14.00 and 15.00"):
        reweight(normals([14.5], 0.1), narrow, Prior(GRID, np.ones(len(GRID)), 15.2, 15.9))
    with pytest.raises(ValueError, match="grid of the posteriors"):
        reweight(normals([14.5], 0.1), narrow, Prior(GRID + 1, wide.density, 14, 15))


def test_the_mass_function_as_a_prior():
    old = Prior(GRID, np.ones(len(GRID)), 13.7, 15.2)
    new = mass_function_prior(old, 0.05, Cosmology())
    inside = (GRID >= 13.7) & (GRID <= 15.2)
    assert new.supported.sum() * 0.005 == pytest.approx(1)
    slope = np.diff(np.log(mass_function(10 ** GRID[inside], 0.05, Cosmology())))
    np.testing.assert_allclose(np.diff(np.log(new.density[inside])), slope, rtol=1e-6)
    shifted = mean(reweight(normals([14.5], 0.15), old, new))[0]
    gradient = np.interp(14.5, GRID[inside][1:], slope) / 0.005
    assert shifted == pytest.approx(14.5 + gradient * 0.15**2, abs=0.02)


def predictions(summary, mass):
    number = len(mass)
    columns = {"cluster": np.arange(number), "group": [f"box1/{k}" for k in range(number)]}
    return pd.DataFrame({**columns, "log10_m200c": mass, "log10_predicted": summary})


def test_summaries_of_clusters_are_a_table(pairs):
    summary, mass = gaussian_pairs(64, 8)
    joint = fit_joint(pairs, SETTINGS)
    slices = slice_joint(joint, np.append(summary, 22.0), GRID)
    table = summary_table(predictions(np.append(summary, 22.0), np.append(mass, 15.0)), slices, "equal_tailed")
    assert list(table) == POSTERIOR_SUMMARIES.names
    assert table["extrapolated"].iloc[-1]
    assert table.iloc[-1][["map", "low68", "pit"]].isna().all()
    assert table["pit"].iloc[:-1].mean() == pytest.approx(0.5, abs=0.1)
    assert (table["low95"] < table["low68"]).sum() == 64
    own = summary_table(
        predictions(summary, mass), unsupported(Posteriors(GRID, slices.posteriors.density[:64])), "shortest"
    )
    assert own["pairs_effective"].isna().all()
    assert not own["extrapolated"].any()
    with pytest.raises(ContractError):
        summary_table(predictions(summary, mass - 10), unsupported(normals(mass, 0.1)), "shortest")


@pytest.mark.parametrize("prior", ["calibration", "mass_function"])
def test_what_is_stored_gives_the_same_posteriors_of_new_clusters(tmp_path, pairs, prior):
    joint = fit_joint(pairs, SETTINGS)
    own = calibration_prior(joint, GRID)
    target = own if prior == "calibration" else mass_function_prior(own, 0.05, Cosmology())
    inference = Inference(joint, own, target, SETTINGS)
    axis = np.linspace(13.5, 15.2, 12)
    save_inference(tmp_path / "joint.safetensors", inference, axis, {"source": "simulated"})
    read = load_inference(tmp_path / "joint.safetensors")
    before, after = inference.posteriors(axis), read.posteriors(axis)
    np.testing.assert_array_equal(before.posteriors.density, after.posteriors.density)
    np.testing.assert_array_equal(before.extrapolated, after.extrapolated)
    np.testing.assert_array_equal(read.on_grid(axis), inference.on_grid(axis))
    lower = mean(read.posteriors(np.array([14.4])).posteriors)[0]
    assert (lower < MEAN - 0.02) == (prior == "mass_function")
    save_posteriors(tmp_path / "own.safetensors", before.posteriors, np.arange(12), own, {})
    posteriors, cluster, stands_on = load_posteriors(tmp_path / "own.safetensors")
    np.testing.assert_allclose(posteriors.density, before.posteriors.density, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(cluster, np.arange(12))
    assert (stands_on.low, stands_on.high) == (own.low, own.high)
    np.testing.assert_array_equal(stands_on.density, own.density)
    with pytest.raises(StoreError, match="expected a tensor 'grid/joint'"):
        load_inference(tmp_path / "own.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="expected a file of posteriors"):
        load_posteriors(tmp_path / "broken.safetensors")


def test_slicing_is_a_method_of_the_density(pairs, monkeypatch):
    monkeypatch.setattr(joint_module, "_CHUNK", 5)
    joint = fit_joint(pairs, SETTINGS)
    assert isinstance(joint, JointDensity)
    at = np.linspace(13.6, 15.2, 13)
    np.testing.assert_array_equal(
        joint.slices(at, GRID).posteriors.density, slice_joint(joint, at, GRID).posteriors.density
    )
