"""Galaxies in halos: against closed forms, numerical integrals and observed functions that were not put in."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.integrate import quad
from scipy.special import spence
from scipy.stats import chi2, kstest

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.cosmology import use_colossus
from clustermass.galaxies import background, connection, occupation, particles, structure, unresolved
from clustermass.galaxies.populate import populate
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

Floats = NDArray[np.float64]
PLANCK = Cosmology()
OPTIONS = Galaxies()
ANALYTIC = Galaxies(structure="analytic")
Z, BOX = 0.117, 100.0
XYZ, VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]
tables = cache(lambda redshift=0.1: connection.build_connection(PLANCK, redshift, OPTIONS))
jeans = cache(structure.solve_jeans)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_sizes_speeds_and_concentrations_of_halos() -> None:
    # z = 0: 200 critical densities are 5.5507e13 h^2 Msun/Mpc^3; (3e15 / (4 pi 5.5507e13))^(1/3) = 1.62638 Mpc/h;
    # V200 = sqrt(4.30091e-9 * 1e15 / 1.62638) = 1626.2 km/s = 10 * 100 * 1.6264
    mass = np.array([1e15])
    assert background.r200c(mass, 0.0, PLANCK) == pytest.approx([1.62638], rel=1e-4)
    assert background.v200(mass, 0.0, PLANCK) == pytest.approx([1626.2], rel=1e-4)
    flow = 100 * background.efunc(0.3, PLANCK) * background.r200c(mass, 0.3, PLANCK) / 1.3
    assert background.v200(mass, 0.3, PLANCK) == pytest.approx(10 * flow, rel=1e-4)
    # matter: 0.3089 * 1.5^3 = 1.04254; over 1.04254 + 0.6911: 0.60136
    assert background.omega_m(0.5, PLANCK) == pytest.approx(0.60136, abs=1e-5)
    # concentrations
    mass = np.full(20_000, 1e14)
    log = np.log10(background.concentrations(mass, Z, PLANCK, rng()))
    assert log.std() == pytest.approx(0.16, rel=0.03)
    assert log.mean() == pytest.approx(np.log10(background.mean_concentration(mass[:1], Z, PLANCK)[0]), abs=0.005)
    assert background.concentrations(np.empty(0), Z, PLANCK, rng()).shape == (0,)


def test_drawn_halos_are_poisson_with_the_mean_of_tinker08() -> None:
    edges, cells = np.linspace(11, 13, 9), 100 * np.arange(8)[:, None] + np.arange(101)
    density = background.mass_function(10 ** np.linspace(11, 13, 801), Z, PLANCK)
    expected = np.trapezoid(density[cells], dx=0.0025) * 50.0**3
    runs = [np.log10(background.draw_halos(1e11, 1e13, 50.0**3, Z, PLANCK, rng(seed))) for seed in range(60)]
    counts = np.array([np.histogram(logm, edges)[0] for logm in runs])
    assert np.all(np.abs(counts.mean(0) - expected) < 4 * np.sqrt(expected / 60))
    dispersion = np.sum((counts - expected) ** 2 / expected)  # chi^2 with 60 x 8 degrees of freedom
    assert chi2(480).ppf(0.001) < dispersion < chi2(480).ppf(0.999)
    assert counts.sum() == sum(map(len, runs))
    for low, volume in ((0.0, 1.0), (-1e11, 1.0), (1e11, 0.0), (1e11, float("nan"))):
        with pytest.raises(ValueError, match="positive"):
            background.draw_halos(low, 1e13, volume, Z, PLANCK, rng())


def test_published_functions_by_hand_and_by_integration() -> None:
    for a, x in ((-0.07, 0.002), (-0.3, 0.0003), (-0.02, 4.0)):
        integral = quad(lambda t, a=a: t ** (a - 1) * np.exp(-t), x, np.inf, limit=400)[0]
        assert occupation.upper_gamma(np.array(a), np.array(x)) == pytest.approx(integral, rel=1e-6)
    logm = np.linspace(9.2, 12.5, 20_001)
    for logh in (11.5, 13.0, 14.9):
        whole = np.trapezoid(occupation.csmf_satellites_per_dex(np.full(len(logm), logh), logm), logm)
        assert occupation.csmf_satellites(np.array(logh), np.array(9.2)) == pytest.approx(whole, rel=1e-5)
    # Cacciato et al. (2009) by hand at 10^14 Msun/h: 9.935 + 3.273 log(851.14 / 852.14) + 0.255 log 852.14 = 10.6806
    assert occupation.clf_median(np.array(14.0)) == pytest.approx(10.6806, abs=1e-4)
    # Yang et al. (2009): 10.306 + 4.858 * 2.96 - 4.543 log(913.01) = 11.2362
    assert occupation.csmf_median(np.array(14.0)) == pytest.approx(11.2362, abs=1e-4)
    # medians of the table of Yang et al. (2009), which are not used: a check of the transcription
    table = [10.485, 10.66, 10.803, 10.926, 11.026, 11.122, 11.209, 11.277, 11.364]
    assert occupation.csmf_median(occupation.CSMF_LOGH) == pytest.approx(table, abs=0.06)
    # centrals are log-normal
    logh = np.array([11.0, 13.05, 15.5])
    scatter, median = occupation.csmf_scatter(logh), occupation.csmf_median(logh)
    assert scatter == pytest.approx([0.145, 0.168, 0.159])  # held beyond the published masses
    assert occupation.csmf_centrals(logh, median) == pytest.approx([0.5] * 3)
    assert occupation.csmf_centrals(logh, median + scatter) == pytest.approx([0.158655] * 3, rel=1e-4)
    bright = occupation.clf_centrals(logh, occupation.clf_median(logh) - 0.143)
    assert bright == pytest.approx([0.841345] * 3, rel=1e-4)


def test_translation_keeps_the_abundance() -> None:
    from colossus.lss.mass_function import massFunction

    logh = np.linspace(11.5, 16.2, 2000)
    mass = np.array([1e12, 1e13, 1e14, 10**14.8])
    density = background.mass_function(10**logh, 0.1, PLANCK)
    ours = [np.trapezoid(density[logh >= np.log10(m)], logh[logh >= np.log10(m)]) for m in mass]
    use_colossus(occupation.WMAP3)
    density = massFunction(10**logh, 0.1, mdef="fof", model="warren06", q_out="dndlnM") * np.log(10)
    group = connection.group_mass(tables(), mass)
    theirs = [np.trapezoid(density[logh >= g], logh[logh >= g]) for g in group]
    assert theirs == pytest.approx(ours, rel=0.02)
    assert np.abs(group - np.log10(mass)).max() < 0.15  # another definition and another cosmology, nothing wilder


@pytest.mark.parametrize("log10_mass", [12.3, 13.5, 14.6])
def test_drawn_numbers_are_the_mean_occupation(log10_mass: float) -> None:
    n = {12.3: 60_000, 13.5: 20_000, 14.6: 1000}[log10_mass]
    mass = np.full(n, 10**log10_mass)
    host, log10_mstar, abs_mag_r = connection.draw_satellites(tables(), mass, rng())
    own_mstar, own_mag = connection.draw_centrals(tables(), mass, rng(2))
    for threshold in (9.5, 10.0, 10.7, -18.0, -19.5, -20.7):
        mean = connection.mean_occupation if threshold > 0 else connection.mean_occupation_by_light
        (centrals,), (satellites,) = mean(tables(), mass[:1], threshold)
        count = int(np.sum(log10_mstar >= threshold if threshold > 0 else abs_mag_r <= threshold))
        own = np.mean(own_mstar >= threshold if threshold > 0 else own_mag <= threshold)
        assert abs(count - n * satellites) < 4 * np.sqrt(n * satellites) + 3e-3 * count
        assert abs(own - centrals) < 4 * np.sqrt(centrals * (1 - centrals) / n) + 1e-4
    numbers = np.bincount(host[log10_mstar >= 9.5], minlength=n)
    assert numbers.var() / numbers.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / n + 1 / (n * numbers.mean())))


def density_per_unit(mean: Any, threshold: float) -> float:
    """Return the number density of galaxies per dex or mag [(Mpc/h)^-3] at a threshold, at z = 0.1."""
    logh = np.arange(10.3, 15.9, 0.02)
    halos = background.mass_function(10**logh, 0.1, PLANCK)
    low, high = (sum(mean(tables(), 10**logh, threshold + step)) for step in (-0.05, 0.05))
    return float(abs(np.trapezoid((high - low) * halos, logh)) / 0.1)


def test_luminosity_and_stellar_mass_functions_are_the_observed_ones() -> None:
    light, mass = {}, {}
    # Blanton et al. (2003), r band at z = 0.1: phi* = 0.0149 h^3 Mpc^-3, M* - 5 log h = -20.44, slope -1.05
    for at in np.arange(-22.0, -17.9, 0.5).tolist():
        x = 10 ** (-0.4 * (at + 20.44))
        observed = 0.4 * np.log(10) * 0.0149 * x**-0.05 * np.exp(-x)
        light[at] = density_per_unit(connection.mean_occupation_by_light, at) / observed
    # Baldry et al. (2012), H0 = 70: log M* = 10.66, phi1 = 3.96e-3, slope -0.35, phi2 = 0.79e-3, slope -1.47
    for at in np.arange(9.25, 11.01, 0.25).tolist():  # log h^-2 Msun
        x = 10 ** (at - 10.66) / 0.7**2
        observed = np.log(10) * np.exp(-x) * (3.96e-3 * x**0.65 + 0.79e-3 * x**-0.47) / 0.7**3
        mass[at] = density_per_unit(connection.mean_occupation, at - tables().log10_h) / observed
    for name, ratios in (("luminosity, Blanton et al. (2003)", light), ("stellar mass, Baldry et al. (2012)", mass)):
        print(f"model over observed function of {name}:", {at: round(ratio, 2) for at, ratio in ratios.items()})
    assert all(abs(np.log(ratio)) < np.log(1.15) for ratio in light.values())
    assert all(abs(np.log(ratio)) < np.log(1.3) for at, ratio in mass.items() if at <= 10.75)


def test_mass_to_light_ratios_are_those_of_stars() -> None:
    # Bell et al. (2003) as in Yang et al. (2007): log M/L = -0.406 + 1.097 (g - r), +0.05 for the band at z = 0.1;
    # g - r from 0.45 (blue) to 0.80 (red): 0.14 to 0.52. Nothing of this was put in but the scatter.
    for log10_mass in (13.0, 13.5, 14.5):
        _, log10_mstar, abs_mag_r = connection.draw_satellites(tables(), np.full(5000, 10**log10_mass), rng())
        ratio = log10_mstar + tables().log10_h - (4.76 - abs_mag_r) / 2.5
        for magnitude in (-18.5, -19.5, -20.5):
            at = ratio[np.abs(abs_mag_r - magnitude) < 0.25]
            assert 0.05 < at.mean() < 0.5
            assert 0.1 < at.std() < 0.25
    assert round(connection.RANK_SCATTER, 3) == 0.201


def test_luminosity_evolves_and_galaxies_below_every_threshold_are_left_out() -> None:
    now, then = (connection.draw_centrals(tables(z), np.full(1000, 1e13), rng()) for z in (0.1, 0.5))
    assert then[0] == pytest.approx(now[0])
    assert then[1] == pytest.approx(now[1] - 1.62 * 0.4)
    for limit in (None, -19.0):
        made = connection.build_connection(PLANCK, 0.1, Galaxies(min_log10_mstar=10.2, max_abs_mag_r=limit))
        _, log10_mstar, abs_mag_r = connection.draw_satellites(made, np.full(500, 1e14), rng())
        light = log10_mstar < 10.2
        assert (light.any(), light.all()) == (limit is not None, False)
        assert limit is None or np.all(abs_mag_r[light] <= limit)


def test_configuration_without_sense_is_refused_and_every_setting_described() -> None:
    wrong: list[tuple[str, Any]] = [("min_log10_mstar", 7.0), ("min_log10_mstar", 13.0), ("max_abs_mag_r", -10.0)]
    wrong += [("min_halo_mass", 1e5), ("min_halo_mass", -1e11), ("structure", "cubic"), ("anisotropy", "radial")]
    wrong += [("satellite_velocity_bias", 0.5), ("min_log10_mstar", float("nan")), ("tuned_to_taste", 1)]
    for key, value in wrong:
        with pytest.raises(ValidationError, match=key):
            Galaxies(**{key: value})
    assert all(field.description for field in Galaxies.model_fields.values())


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.3, 1.6)])
@pytest.mark.parametrize("concentration", [1.2, 5.0, 40.0])
def test_radii_follow_nfw(concentration: float, low: float, high: float) -> None:
    n = 20_000
    x = structure.nfw_radius(rng().uniform(size=n), np.full(n, concentration), low, high)

    def inside(r: Floats) -> Floats:
        y = concentration * r
        return np.log(1 + y) - y / (1 + y)

    assert kstest(x, lambda r: (inside(r) - inside(low)) / (inside(high) - inside(low))).pvalue > 1e-3
    assert low <= x.min() <= x.max() <= high
    tiny = structure.nfw_radius(np.array([0.0, 1e-12, 1.0]), np.full(3, concentration), 0.0, 1.0)
    assert tiny == pytest.approx([0, 0, 1], abs=1e-5)
    # satellites reach to 180 mean densities
    c = np.array([2.0, 5.0, 12.0])
    x = structure.satellite_limit(c, 0.35)
    density = 200 * structure.nfw_mass(c * x) / structure.nfw_mass(c) / x**3  # in critical densities
    assert density / 0.35 == pytest.approx([180] * 3, rel=2e-3)
    assert structure.share_inside(c, x) == pytest.approx(structure.nfw_mass(c / 2) / structure.nfw_mass(c / 2 * x))


def lokas_mamon(x: Floats, c: float) -> Floats:
    """Return sigma_r / V200 of an isotropic NFW halo: Lokas & Mamon (2001, MNRAS 321, 155), Eq. 14."""
    y = c * x
    bracket = np.pi**2 - np.log(y) - 1 / y - 1 / (1 + y) ** 2 - 6 / (1 + y)
    bracket += (1 + 1 / y**2 - 4 / y - 2 / (1 + y)) * np.log(1 + y) + 3 * np.log(1 + y) ** 2 + 6 * spence(1 + y)
    return np.asarray(np.sqrt(c**2 * x * (1 + y) ** 2 * bracket / 2 / (np.log(1 + c) - c / (1 + c))))


@pytest.mark.parametrize("c", [2.0, 5.0, 15.0])
def test_isotropic_dispersion_is_the_closed_form(c: float) -> None:
    x = np.array([0.01, 0.03, 0.1, 0.3, 1.0, 1.6])
    assert structure.radial_dispersion(x, c, c, 0.0, 0.0) == pytest.approx(lokas_mamon(x, c), rel=1e-3)
    radial, tangential = structure.dispersions(structure.solve_jeans("isotropic", 1.0), x, np.full(len(x), c))
    assert radial == pytest.approx(lokas_mamon(x, c), rel=2e-3)
    assert tangential == pytest.approx(radial)


@pytest.mark.parametrize(("outer", "scale"), [(0.2, 0.0), (0.5, 0.2)])
@pytest.mark.parametrize("x", [0.05, 0.3, 1.2])
def test_anisotropic_dispersion_is_the_integral(outer: float, scale: float, x: float) -> None:
    c, tracer = 5.0, 2.5

    def integrand(s: float) -> float:
        factor = ((s + scale) / (x + scale)) ** (2 * outer)  # exp(2 int beta dr/r) from x to s
        density = (x * (1 + tracer * x) ** 2) / (s * (1 + tracer * s) ** 2)
        return float(factor * density * (np.log(1 + c * s) - c * s / (1 + c * s)) / s**2)

    square = quad(integrand, x, np.inf, limit=400)[0] / (np.log(1 + c) - c / (1 + c))
    found = structure.radial_dispersion(np.array([x, 2.0]), c, tracer, outer, scale)[0]
    assert found == pytest.approx(np.sqrt(square), rel=2e-3)


def test_dispersion_inside_r200c_is_that_of_simulations() -> None:
    # Evrard et al. (2008) is not used for satellites; isotropic orbits would be 3-4 % slower
    share, ratios = (np.arange(4000) + 0.5) / 4000, {"matter": [], "galaxies": []}
    for name, tracer in (("matter", 1.0), ("galaxies", structure.TRACER_CONCENTRATION)):
        solved = structure.solve_jeans(tracer=tracer)
        for mass in (1e14, 10**14.5, 1e15):
            c = background.mean_concentration(np.array([mass]), Z, PLANCK)[0]
            x = structure.nfw_radius(share, np.full(4000, tracer * c), 0.0, 1.0)
            sigma = np.sqrt(structure.mean_square(solved, x, np.full(4000, c)).mean())
            speed = sigma * background.v200(np.array(mass), Z, PLANCK)
            ratios[name].append(float(speed / background.dispersion_evrard08(np.array(mass), Z, PLANCK)))
    print("sigma(< R200c) over Evrard et al. (2008):", {k: np.round(v, 3).tolist() for k, v in ratios.items()})
    assert ratios["matter"] == pytest.approx([1] * 3, abs=0.03)
    assert ratios["galaxies"] == pytest.approx([1.07] * 3, abs=0.02)  # less concentrated: faster


def test_drawn_velocities_have_the_dispersions_and_the_anisotropy() -> None:
    c = np.full(200_000, 5.0)
    position, velocity = structure.draw_analytic(jeans(), c, 0.2, 1.0, rng())
    outward = position / (x := np.linalg.norm(position, axis=1))[:, None]
    radial = np.sum(velocity * outward, axis=1)
    sideways = np.sum((velocity - radial[:, None] * outward) ** 2, axis=1) / 2
    for low in (0.2, 0.5, 0.9):
        at = (x >= low) & (x < low + 0.1)
        wanted_r, wanted_t = structure.dispersions(jeans(), x[at], c[at])
        assert radial[at].std() == pytest.approx(np.sqrt(np.mean(wanted_r**2)), rel=0.02)
        assert sideways[at].mean() == pytest.approx(np.mean(wanted_t**2), rel=0.03)
        assert radial[at].mean() == pytest.approx(-0.1 * x[at].mean(), abs=0.015)  # halos do not expand
        found = 1 - sideways[at].mean() / np.var(radial[at])
        assert found == pytest.approx(np.mean(structure.beta(jeans(), x[at], c[at])), abs=0.05)
    assert np.abs(outward.mean(axis=0)).max() < 0.01


def cloud(masses: Floats, n: int, speed: float, seed: int = 3) -> tuple[particles.Particles, Floats]:
    """Return particles out to 1.8 R200c with the wrong profile and the wrong dispersion, and concentrations."""
    generator, halos = rng(seed), len(masses)
    radius = 1.8 * generator.uniform(size=halos * n) ** 0.5
    position = radius[:, None] * structure.random_directions(len(radius), generator)
    velocity = speed * generator.normal(size=(len(radius), 3)) - 0.1 * position
    return particles.Particles(np.arange(halos + 1) * n, position, velocity), np.full(halos, 5.0)


def test_particles_are_brought_to_the_profile_and_the_dispersion() -> None:
    before, c = cloud(np.full(40, 1e14), 500, 0.5)
    after = particles.remap_radii(before, c)
    inside = before.radius < 1
    share = structure.nfw_mass(2.5 * after.radius[inside]) / structure.nfw_mass(np.array(2.5))
    assert kstest(share, "uniform").pvalue > 0.5  # ranks: no noise
    assert after.position[~inside] == pytest.approx(before.position[~inside])
    assert np.sum(before.position * after.position, axis=1) == pytest.approx(before.radius * after.radius)
    assert np.array_equal(np.argsort(before.radius[:500]), np.argsort(after.radius[:500]))
    # rescaling brings the dispersion to the Jeans solution
    masses = 10 ** np.linspace(13.5, 14.9, 60)
    raw, c = cloud(masses, 2000, 0.4)
    before = particles.remap_radii(raw, c)
    factor = particles.fit_velocities(before, masses, c, jeans())
    after = particles.rescale_velocities(before, masses, factor)
    x, proper = after.radius, after.velocity + 0.1 * after.position
    for low, high in ((0.1, 0.3), (0.4, 0.6), (0.8, 1.0)):
        for heavy in (True, False):
            at = (x >= low) & (x < high) & ((masses[after.host] > 1e14) == heavy)
            wanted = np.mean(structure.mean_square(jeans(), x[at], np.full(at.sum(), 5.0)))
            assert np.mean(proper[at] ** 2) == pytest.approx(wanted, rel=0.04)
    assert np.array_equal(after.velocity[x >= 1], before.velocity[x >= 1])
    # a factor that was put in comes back: particles 0.8 times as fast need 1 / 0.8 as much
    slower = particles.fit_velocities(particles.remap_radii(cloud(masses, 2000, 0.32)[0], c), masses, c, jeans())
    at = np.full(3, 14.0), np.array([0.3, 0.5, 0.9])
    assert slower(*at) / factor(*at) == pytest.approx([1.25] * 3, rel=2e-3)
    # one mass is enough, a handful of particles is not
    alike, c = cloud(np.full(3, 1e14), 2000, 0.5)
    assert particles.fit_velocities(alike, np.full(3, 1e14), c, jeans()).coefficients.shape == (1, 3)
    with pytest.raises(ValueError, match="too few"):
        particles.fit_velocities(cloud(np.full(2, 1e14), 5, 0.5)[0], np.full(2, 1e14), c[:2], jeans())


def test_particles_are_chosen_once_and_from_their_halo_and_must_fit() -> None:
    made, host = cloud(np.full(3, 1e14), 50, 0.5)[0], np.array([2, 0, 0, 2] + [1] * 60)
    eligible = made.radius < 1
    chosen = particles.choose_particles(made, eligible, host, rng())
    found = chosen >= 0
    assert len(np.unique(chosen[found])) == found.sum()
    assert np.array_equal(made.host[chosen[found]], host[found])
    assert eligible[chosen[found]].all()
    assert found.sum() == 4 + eligible[50:100].sum()
    for start, n in (([0, 2, 1, 3], 3), ([0, 4], 3), ([1, 3], 3), ([], 0)):
        with pytest.raises(ValueError, match="start"):
            particles.Particles(np.array(start, np.int64), np.zeros((n, 3)), np.zeros((n, 3)))


def halo_table(n: int = 60, seed: int = 7) -> pd.DataFrame:
    generator = rng(seed)
    masses = 10 ** generator.uniform(13.3, 14.8, n)
    columns = {name: generator.uniform(0, BOX, n) for name in XYZ}
    columns |= {name: generator.normal(0, 300, n) for name in VELOCITY}
    columns |= {"m200c": masses, "r200c": background.r200c(masses, Z, PLANCK)}
    columns |= {
        "group": np.arange(n),
        "halo": np.arange(n) * 3 + 5,
        "concentration": np.where(np.arange(n) % 2, np.nan, 5.0),
    }
    return pd.DataFrame(columns)


def relative(galaxies: pd.DataFrame, halos: pd.DataFrame) -> tuple[pd.DataFrame, Floats, Floats]:
    """Return the host of every galaxy, its position [R200c] and its velocity [km/s] relative to it."""
    host = halos.set_index("halo").loc[galaxies["halo"]]
    apart = galaxies[XYZ].to_numpy() - host[XYZ].to_numpy()
    apart = (apart - BOX * np.round(apart / BOX)) / host["r200c"].to_numpy()[:, None]
    return host, apart, galaxies[VELOCITY].to_numpy() - host[VELOCITY].to_numpy()


def simple_field(n: int = 100_000) -> unresolved.Field:
    delta = np.exp(rng(9).normal(0, 0.5, n) - 0.125) - 1
    return unresolved.Field(rng().uniform(0, BOX, (n, 3)), np.zeros((n, 3)), delta, delta / 4, 0.07, 10**13.3)


def test_galaxies_live_in_their_halos() -> None:
    halos = halo_table()
    galaxies, applied = populate(halos, PLANCK, Z, BOX, ANALYTIC, rng())
    assert list(galaxies) == SNAPSHOT_GALAXIES.names
    assert (applied["galaxies"], galaxies["central"].sum()) == (len(galaxies), len(halos))  # all have a heavy central
    host, apart, moving = relative(galaxies, halos)
    x, central = np.linalg.norm(apart, axis=1), galaxies["central"].to_numpy()
    assert x[central] == pytest.approx(np.zeros(len(halos)), abs=1e-9)
    assert 1 < x.max() < 1.75
    assert 0 <= galaxies[XYZ].to_numpy().min() < galaxies[XYZ].to_numpy().max() < BOX
    made = connection.build_connection(PLANCK, Z, ANALYTIC)
    expected = connection.mean_occupation(made, halos["m200c"].to_numpy(), 9.5)[1].sum()
    heavy = int((galaxies["log10_mstar"][~central] >= 9.5).sum())
    assert abs(heavy - expected) < 4 * np.sqrt(expected)
    sigma = background.dispersion_evrard08(host["m200c"].to_numpy(), Z, PLANCK)
    assert (moving[~central] / sigma[~central, None]).std() == pytest.approx(1.05, abs=0.05)
    assert (moving[central] / sigma[central, None]).std() == pytest.approx(0.22, abs=0.05)
    options = ANALYTIC.model_copy(update={"satellite_velocity_bias": "guo2015", "central_velocity_offset": False})
    slow = relative(populate(halos, PLANCK, Z, BOX, options, rng())[0], halos)[2]
    assert slow == pytest.approx(moving * np.where(central, 0.0, 0.86)[:, None], abs=1e-6)


def test_satellites_on_particles_take_their_phase_space() -> None:
    halos = halo_table(12)
    own, _ = cloud(halos["m200c"].to_numpy(), 1500, 0.5)
    options = Galaxies(remap_radii=False, rescale_velocities=False)
    galaxies, applied = populate(halos, PLANCK, Z, BOX, options, rng(), particles=own)
    assert applied["satellites_without_particle"] == 0
    assert applied["particles"] == {"radii_remapped": False, "velocities_rescaled": False}
    host, apart, moving = relative(galaxies[~galaxies["central"]], halos)
    found = np.hstack([apart, moving / background.v200(host["m200c"].to_numpy(), Z, PLANCK)[:, None]])
    for row, halo in enumerate(halos["halo"]):
        mine = np.hstack([own.position, own.velocity])[own.start[row] : own.start[row + 1]]
        for galaxy in found[host.index == halo][:20]:
            assert np.abs(mine - galaxy).max(axis=1).min() < 1e-9
    # adjusted: what was applied is reported, and halos that run out of particles fall back
    halos = halo_table(120)
    own = cloud(halos["m200c"].to_numpy(), 150, 0.4)[0]
    galaxies, applied = populate(halos, PLANCK, Z, BOX, OPTIONS, rng(), particles=own)
    assert np.shape(applied["particles"]["coefficients"]) == (3, 3)
    assert np.shape(applied["particles"]["factor"]) == (5, 6)
    without = applied["satellites_without_particle"]
    assert 0 < without == (~galaxies["central"]).sum() - applied["satellites_on_particles"]


def test_unresolved_halos_get_galaxies_without_host() -> None:
    galaxies, applied = populate(halo_table(), PLANCK, Z, BOX, ANALYTIC, rng(), field=simple_field())
    again, _ = populate(halo_table(), PLANCK, Z, BOX, ANALYTIC, rng(), field=simple_field())
    pd.testing.assert_frame_equal(galaxies, again)
    small = galaxies[galaxies["halo"] == -1]
    logh = np.linspace(11, 13.3, 400)
    density = background.mass_function(10**logh, Z, PLANCK)
    assert applied["unresolved"]["halos"] == pytest.approx(np.trapezoid(density, logh) * BOX**3, rel=0.02)
    made = connection.build_connection(PLANCK, Z, ANALYTIC)
    for central, occupied in zip((True, False), connection.mean_occupation(made, 10**logh, 9.5), strict=True):
        expected = np.trapezoid(density * occupied, logh) * BOX**3
        count = int(((small["log10_mstar"] >= 9.5) & (small["central"] == central)).sum())
        assert abs(count - expected) < 5 * np.sqrt(expected)
    assert galaxies["galaxy"].is_unique
    # the edge of the box
    edge = halo_table(2).assign(x=[0.0, np.nextafter(BOX, 0)], y=[0.0, BOX])
    galaxies, _ = populate(edge, PLANCK, Z, BOX, ANALYTIC, rng())
    assert galaxies[XYZ].to_numpy().max() < BOX
    assert galaxies.loc[galaxies["central"], "y"].tolist() == [0.0, 0.0]


def test_other_seeds_no_halos_and_what_is_refused() -> None:
    one, two, other = (populate(halo_table(9), PLANCK, Z, BOX, ANALYTIC, rng(seed))[0] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert len(other) != len(one)
    # no halos, no galaxies
    nothing = SNAPSHOT_HALOS.empty()
    galaxies, applied = populate(nothing, PLANCK, Z, BOX, ANALYTIC, rng())
    assert len(galaxies) == 0
    assert applied == {"halos": 0, "galaxies": 0}
    none = particles.Particles(np.zeros(1, np.int64), np.empty((0, 3)), np.empty((0, 3)))
    assert len(populate(nothing, PLANCK, Z, BOX, OPTIONS, rng(), particles=none)[0]) == 0
    # what cannot be populated is refused
    plain = {"halos": halo_table(), "cosmology": PLANCK, "redshift": Z, "box": BOX, "options": ANALYTIC, "rng": rng()}
    three = {"options": OPTIONS, "particles": cloud(np.full(3, 1e14), 10, 0.5)[0]}
    cases: list[tuple[dict[str, Any], str]] = [({"box": 0.0}, "positive side"), ({"redshift": -0.1}, "negative")]
    for change, message in [*cases, ({"options": OPTIONS}, "needs the particles"), (three, "3 halos, but 60")]:
        with pytest.raises(ValueError, match=message):
            populate(**{**plain, **change})
