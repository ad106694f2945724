"""Distance to the mock, mass functions, contrasts: planted outliers, drawn halos, closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from clustermass.config.base import Cosmology
from clustermass.cosmology import flat
from clustermass.galaxies.background import draw_halos
from clustermass.galaxies.background import mass_function as tinker08
from clustermass.observed.abundance import comoving_volume, contrast, mass_function, theory_mass_function
from clustermass.observed.contracts import DOMAIN
from clustermass.observed.domain import SUMMARIES, build_domain, mock_domain, summarise
from clustermass.observed.masses import domain_table
from clustermass.observed.phase_space import Windows

Floats = NDArray[np.float64]
COSMOLOGY = Cosmology()


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---------------------------------------------------------------------------------------------------------- domain


def clusters(number: int, seed: int, spread: float = 600.0, centre: float = 0.0, least: int = 20) -> Windows:
    """Return galaxies of clusters: Gaussian velocities and places, and a uniform field."""
    drawn = rng(seed)
    parts = []
    for _ in range(number):
        n = int(drawn.integers(least, 4 * least))
        own = drawn.normal(size=(n, 3)) * [0.6, 0.6, spread * drawn.uniform(0.6, 1.5)] + [centre, 0, 0]
        field = drawn.uniform(-1, 1, (n // 2, 3)) * [4, 4, 2200]
        parts.append(np.concatenate([own, field]))
    start = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    x, y, v = np.concatenate(parts).T
    return Windows(start, np.arange(len(x)), x, y, v)


def summaries(some: Windows, aperture: float = 4.0) -> Floats:
    n = len(some.start) - 1
    return summarise(rng(n).uniform(0.05, 0.08, n), some.x, some.y, some.v_los, some.start, aperture)


def test_summaries_of_a_known_cluster() -> None:
    x, y = np.array([0.1, -0.1, 0.1, -0.1, 3.5, 9.0]), np.array([0.1, 0.1, -0.1, -0.1, 0.0, 0.0])
    v = np.array([-1000.0, -500.0, 0.0, 500.0, 1000.0, 5e4])  # the last is outside the window
    found = dict(zip(SUMMARIES, summarise(np.array([0.1]), x, y, v, np.array([0, 6]), 4.0)[0], strict=True))
    assert found["log10_redshift"] == pytest.approx(-1)
    assert found["log10_galaxies"] == pytest.approx(np.log10(5))
    assert found["log10_spread"] == pytest.approx(np.log10(680))
    assert found["far"] == 0
    assert found["log10_radius"] == pytest.approx(np.log10(np.hypot(0.1, 0.1)))
    assert found["inner"] == pytest.approx(0.8)
    assert found["edge"] == pytest.approx(0.2)
    assert found["shift_velocity"] == 0
    assert found["lopsided"] == pytest.approx(0.2)
    assert np.isnan(summarise(np.array([0.1]), x[:3], y[:3], v[:3], np.array([0, 3]), 4.0)).all()


def test_percentiles_of_the_mocks_own_are_even_and_outliers_are_beyond() -> None:
    domain = build_domain(summaries(clusters(800, 1)), summaries(clusters(500, 2)), 10)
    own = domain.percentile(summaries(clusters(500, 3)))
    assert np.mean(own) == pytest.approx(50, abs=5)
    assert (own > 99).mean() < 0.05
    for odd, name in ((clusters(40, 4, centre=1.5), None), (clusters(40, 5, spread=60.0), "log10_spread"),
                      (clusters(40, 6, least=600), "log10_galaxies")):  # fmt: skip
        found = summaries(odd)
        assert (domain.percentile(found) > 99).mean() > 0.5
        assert name is None or pd.Series(domain.farthest(found)).mode()[0] == name


def test_half_a_window_is_out_of_domain() -> None:
    domain = build_domain(summaries(clusters(800, 1)), summaries(clusters(500, 2)), 10)
    whole = clusters(60, 7, least=60)
    kept = whole.x > 0.3
    counts = np.add.reduceat(kept, whole.start[:-1])
    half = Windows(
        np.concatenate([[0], np.cumsum(counts)]), whole.galaxy[kept], whole.x[kept], whole.y[kept], whole.v_los[kept]
    )
    assert (domain.percentile(summaries(half)) > 99).mean() > 0.9


def test_distances_do_not_depend_on_units_and_say_nothing_of_nothing() -> None:
    reference, unseen, new = (rng(i).normal(size=(n, 3)) for i, n in ((1, 400), (2, 200), (3, 50)))
    turn = rng(4).normal(size=(3, 3))
    one, other = build_domain(reference, unseen, 5), build_domain(reference @ turn + 7, unseen @ turn + 7, 5)
    np.testing.assert_allclose(one.distance(new), other.distance(new @ turn + 7), rtol=1e-8)
    brute = np.sort(np.linalg.norm((new[:, None] - reference) @ one.whiten, axis=2), axis=1)[:, 4]
    np.testing.assert_allclose(one.distance(new), brute, rtol=1e-9)
    missing = np.array([[np.nan, 0.0, 0.0]])
    assert np.isnan(one.distance(missing))[0]
    assert np.isnan(one.percentile(missing))[0]
    with pytest.raises(ValueError, match="more than 5 reference clusters and some unseen ones, got 4 and 200"):
        build_domain(reference[:4], unseen, 5)
    with pytest.raises(ValueError, match="got 400 and 0"):
        build_domain(reference, unseen[:0], 5)


def test_a_deeper_survey_is_out_of_domain() -> None:
    """Galaxies as in the mock, from where the mock shows none: only redshifts tell."""
    domain = build_domain(summaries(clusters(800, 1)), summaries(clusters(500, 2)), 10)
    far = summaries(clusters(60, 7))
    far[:, 0] = np.log10(0.2)
    assert (domain.percentile(far) == 100).all()
    far[:, 0] = domain.high[0] + 1e-9  # just beyond the last redshift of the mock
    assert (domain.percentile(far) == 100).all()
    far[:, 0] = np.log10(0.2)
    assert set(domain.farthest(far)) == {"log10_redshift"}


def test_domain_of_a_mock_in_sets() -> None:
    whole = clusters(900, 8)
    sets = np.where(np.arange(900) < 500, "test", np.where(np.arange(900) < 800, "evaluation", "train"))
    table = pd.DataFrame({"set": sets, "group": [f"g{i // 2}" for i in range(900)], "galaxies": np.diff(whole.start)})
    table["redshift"] = rng().uniform(0.05, 0.08, 900)
    members = pd.DataFrame({"x": whole.x, "y": whole.y, "v_los": whole.v_los})
    domain = mock_domain(table, members, 4.0, 10)
    assert len(domain.own) == 300
    assert domain.tree.n == 500
    single = mock_domain(table.assign(set="test"), members, 4.0, 10)  # no box held out: halves of the groups
    assert (len(single.own), single.tree.n) == (450, 450)
    names = pd.DataFrame({"name": [f"c{i}" for i in range(20)], "redshift": 0.065, "scale": 1.0})
    seen = clusters(20, 9)
    found = domain_table(names, seen, 4.0, domain)
    assert DOMAIN.validate(found, "domain").equals(found)
    scaled = Windows(seen.start, seen.galaxy, seen.x / 1.1, seen.y / 1.1, seen.v_los)
    again = domain_table(names.assign(scale=1.1), scaled, 4.0, domain)
    np.testing.assert_allclose(again["distance"], found["distance"])


# ------------------------------------------------------------------------------------------------------- abundance


def test_volume_of_a_shell() -> None:
    whole = 4 * np.pi * np.degrees(1) ** 2
    found = comoving_volume(whole, 0.0, 0.085, COSMOLOGY)
    radius = flat(COSMOLOGY).comoving_distance(0.085).value * COSMOLOGY.H0 / 100
    assert found == pytest.approx(4 / 3 * np.pi * radius**3, rel=1e-9)
    assert comoving_volume(whole / 4, 0.05, 0.085, COSMOLOGY) < found / 4
    for bad in ((0, 0.01, 0.1), (5e4, 0.01, 0.1), (100, 0.1, 0.05)):
        with pytest.raises(ValueError, match="expected an area"):
            comoving_volume(*bad, COSMOLOGY)


def test_density_of_a_gaussian_sample() -> None:
    """Smoothed by a kernel of width h, a Gaussian of width s is one of sqrt(s^2 + h^2)."""
    n, volume = 20_000, 1e6
    grid = np.linspace(13.5, 15.0, 31)
    found = mass_function(14.2 + 0.2 * rng().normal(size=n), volume, grid)
    wide = np.hypot(0.2, found.attrs["bandwidth"])
    away = found["density"] - n / volume * norm.pdf(grid, 14.2, wide)
    assert (np.abs(away) < 4 * (found["high"] - found["low"]) / 2 + 1e-6).all()
    assert np.abs(away).max() < 0.03 * n / volume * norm.pdf(0, 0, wide)
    assert found.attrs["bandwidth"] == pytest.approx(0.9 * 0.2 * n**-0.2, rel=0.05)
    assert np.trapezoid(found["density"], grid) == pytest.approx(n / volume, rel=0.01)


def test_poisson_bands_are_the_scatter() -> None:
    grid = np.array([14.0, 14.3])
    draws = []
    for seed in range(150):
        drawn = rng(seed)
        draws.append(mass_function(14.0 + 0.3 * drawn.normal(size=drawn.poisson(300)), 1e6, grid))
    scatter = np.std([one["density"] for one in draws], axis=0)
    error = np.mean([(one["high"] - one["low"]) / 2 for one in draws], axis=0)
    np.testing.assert_allclose(error / scatter, 1, atol=0.25)


def test_drawn_halos_have_the_mass_function_of_theory() -> None:
    area, low, high = 6670.0, 0.02, 0.085
    volume = comoving_volume(area, low, high, COSMOLOGY)
    mass = draw_halos(10**13.9, 1e16, 20 * volume, 0.06, COSMOLOGY, rng())
    grid = np.array([14.2, 14.5])
    found = mass_function(np.log10(mass), 20 * volume, grid)
    theory = theory_mass_function(grid, low, high, COSMOLOGY)
    np.testing.assert_allclose(found["density"] / theory, 1, atol=0.08)
    at = [tinker08(10**grid, z, COSMOLOGY) for z in (low, high)]
    assert ((theory < at[0]) & (theory > at[1])).all()


def test_weights_count_clusters_that_were_not_seen() -> None:
    mass, grid = 14 + 0.2 * rng().normal(size=500), np.array([14.0])
    once, twice = mass_function(mass, 1e6, grid), mass_function(mass, 1e6, grid, weights=np.full(500, 2.0))
    assert twice["density"][0] == pytest.approx(2 * once["density"][0])
    assert (twice["high"] - twice["low"])[0] == pytest.approx(2 * (once["high"] - once["low"])[0])


@pytest.mark.parametrize("mass", [[], [14.0], [14.0, 14.0], [14.0, np.nan]])
def test_samples_without_a_mass_function(mass: list[float]) -> None:
    with pytest.raises(ValueError, match="two different masses"):
        mass_function(np.array(mass), 1e6, np.array([14.0]))
    with pytest.raises(ValueError, match="positive volume"):
        mass_function(np.array([14.0, 14.1]), 0.0, np.array([14.0]))


def test_contrasts() -> None:
    found = contrast(np.array([14.5, 14.5, np.nan, 14.5]), np.array([0.3, 0, 0.1, 0.1]), np.array([14.0, 14, 14, 14]),
                     np.array([0.4, 0, 0.1, np.nan]))  # fmt: skip
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1:]).all()
    drawn = rng()
    truth = drawn.normal(14.3, 0.3, 4000)
    one, other = truth + 0.15 * drawn.normal(size=4000), truth + 0.1 * drawn.normal(size=4000)
    assert contrast(one, np.full(4000, 0.15), other, np.full(4000, 0.1)).std() == pytest.approx(1, abs=0.04)
