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
from clustermass.galaxies import background, connection, occupation, particles, structure, unresolved
from clustermass.galaxies.populate import populate
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

Floats = NDArray[np.float64]
PLANCK = Cosmology()
OPTIONS = Galaxies()
ANALYTIC = Galaxies(structure="analytic")
Z, BOX = 0.117, 100.0


@cache
def tables(redshift: float = 0.1) -> connection.Connection:
    return connection.build_connection(PLANCK, redshift, OPTIONS)


@cache
def jeans() -> structure.Jeans:
    return structure.solve_jeans()


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------------------------- halos
def test_radius_and_velocity_by_hand() -> None:
    # z = 0: 200 critical densities are 5.5507e13 h^2 Msun/Mpc^3; (3e15 / (4 pi 5.5507e13))^(1/3) = 1.62638 Mpc/h;
    # V200 = sqrt(4.30091e-9 * 1e15 / 1.62638) = 1626.2 km/s = 10 * 100 * 1.6264
    mass = np.array([1e15])
    assert background.r200c(mass, 0.0, PLANCK) == pytest.approx([1.62638], rel=1e-4)
    assert background.v200(mass, 0.0, PLANCK) == pytest.approx([1626.2], rel=1e-4)
    proper = background.r200c(mass, 0.3, PLANCK) / 1.3
    assert background.v200(mass, 0.3, PLANCK) == pytest.approx(1000 * background.efunc(0.3, PLANCK) * proper, rel=1e-4)


def test_matter_density_by_hand() -> None:
    # 0.3089 * 1.5^3 = 1.04254; over 1.04254 + 0.6911: 0.60137
    assert background.omega_m(0.5, PLANCK) == pytest.approx(0.60137, abs=1e-5)


def test_concentrations_scatter_about_their_mean() -> None:
    mass = np.full(20_000, 1e14)
    log = np.log10(background.concentrations(mass, Z, PLANCK, rng()))
    assert log.std() == pytest.approx(0.16, rel=0.03)
    assert log.mean() == pytest.approx(np.log10(background.mean_concentration(mass[:1], Z, PLANCK)[0]), abs=0.005)
    assert background.concentrations(np.empty(0), Z, PLANCK, rng()).shape == (0,)


def test_drawn_halos_are_poisson_with_the_mean_of_tinker08() -> None:
    edges = np.linspace(11, 13, 9)
    fine = np.linspace(11, 13, 801)
    density = background.mass_function(10**fine, Z, PLANCK)
    mean = np.array(
        [np.trapezoid(part, dx=fine[1] - fine[0]) for part in (density[i : i + 101] for i in range(0, 800, 100))]
    )
    expected = mean * 50.0**3
    runs = [background.draw_halos(1e11, 1e13, 50.0**3, Z, PLANCK, rng(seed)) for seed in range(60)]
    counts = np.array([np.histogram(np.log10(masses), edges)[0] for masses in runs])
    assert np.all(np.abs(counts.mean(0) - expected) < 4 * np.sqrt(expected / 60))
    dispersion = np.sum((counts - expected) ** 2 / expected)  # chi^2 with 60 x 8 degrees of freedom
    assert chi2(480).ppf(0.001) < dispersion < chi2(480).ppf(0.999)
    assert all(masses.min() >= 1e11 and masses.max() <= 1e13 for masses in runs)


@pytest.mark.parametrize(("low", "volume"), [(0.0, 1.0), (-1e11, 1.0), (1e11, 0.0), (1e11, float("nan"))])
def test_halos_without_mass_or_volume_are_refused(low: float, volume: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        background.draw_halos(low, 1e13, volume, Z, PLANCK, rng())


# -------------------------------------------------------------------------------------------------------- connection
def test_incomplete_gamma_against_its_integral() -> None:
    for a, x in ((-0.07, 0.002), (-0.3, 0.0003), (-0.02, 4.0)):
        integral = quad(lambda t, a=a: t ** (a - 1) * np.exp(-t), x, np.inf, limit=400)[0]
        assert occupation.upper_gamma(np.array(a), np.array(x)) == pytest.approx(integral, rel=1e-6)


def test_numbers_are_integrals_of_the_conditional_functions() -> None:
    logm = np.linspace(9.2, 12.5, 20_001)
    for logh in (11.5, 13.0, 14.9):
        per_dex = occupation.csmf_satellites_per_dex(np.full(len(logm), logh), logm)
        whole = np.trapezoid(per_dex, logm)
        assert occupation.csmf_satellites(np.array(logh), np.array(9.2)) == pytest.approx(whole, rel=1e-5)
    # Cacciato et al. (2009) by hand at 10^14 Msun/h: 9.935 + 3.273 log(851.14 / 852.14) + 0.255 log 852.14 = 10.6806
    assert occupation.clf_median(np.array(14.0)) == pytest.approx(10.6806, abs=1e-4)
    # Yang et al. (2009): 10.306 + 4.858 * 2.96 - 4.543 log(913.01) = 11.2362
    assert occupation.csmf_median(np.array(14.0)) == pytest.approx(11.2362, abs=1e-4)


def test_published_table_of_centrals_agrees_with_the_published_relation() -> None:
    # medians of the table of Yang et al. (2009), which are not used: a check of the transcription
    table = [10.485, 10.66, 10.803, 10.926, 11.026, 11.122, 11.209, 11.277, 11.364]
    assert occupation.csmf_median(occupation.CSMF_LOGH) == pytest.approx(table, abs=0.06)


def test_centrals_are_log_normal() -> None:
    logh = np.array([11.0, 13.05, 15.5])
    scatter = occupation.csmf_scatter(logh)
    assert scatter == pytest.approx([0.145, 0.168, 0.159])  # held beyond the published masses
    median = occupation.csmf_median(logh)
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
    background.set_colossus(occupation.WMAP3)
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
    for threshold in (9.5, 10.0, 10.7):
        centrals, satellites = connection.mean_occupation(tables(), mass[:1], threshold)
        count = int((log10_mstar >= threshold).sum())
        assert abs(count - n * satellites[0]) < 4 * np.sqrt(n * satellites[0]) + 2e-3 * count
        assert (
            abs((own_mstar >= threshold).mean() - centrals[0]) < 4 * np.sqrt(centrals[0] * (1 - centrals[0]) / n) + 1e-4
        )
    for threshold in (-18.0, -19.5, -20.7):
        centrals, satellites = connection.mean_occupation_by_light(tables(), mass[:1], threshold)
        count = int((abs_mag_r <= threshold).sum())
        assert abs(count - n * satellites[0]) < 4 * np.sqrt(n * satellites[0]) + 3e-3 * count
        assert (
            abs((own_mag <= threshold).mean() - centrals[0]) < 4 * np.sqrt(centrals[0] * (1 - centrals[0]) / n) + 1e-4
        )
    numbers = np.bincount(host[log10_mstar >= 9.5], minlength=n)
    assert numbers.var() / numbers.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / n + 1 / (n * numbers.mean())))


def galaxy_density(of_halo: Any, low: float = 10.3) -> float:
    """Return the number density [(Mpc/h)^-3] of what halos above 10^low Msun/h have, at z = 0.1."""
    logh = np.arange(low, 15.9, 0.02)
    density = background.mass_function(10**logh, 0.1, PLANCK)
    return float(np.trapezoid(sum(of_halo(10**logh)) * density, logh))


def test_luminosity_function_is_the_observed_one() -> None:
    # Blanton et al. (2003), r band at z = 0.1: phi* = 0.0149 h^3 Mpc^-3, M* - 5 log h = -20.44, slope -1.05
    ratios = {}
    for magnitude in np.arange(-22.0, -17.9, 0.5):
        bright, faint = (
            galaxy_density(lambda m, limit=limit: connection.mean_occupation_by_light(tables(), m, limit))
            for limit in (magnitude - 0.05, magnitude + 0.05)
        )
        x = 10 ** (-0.4 * (magnitude + 20.44))
        ratios[float(magnitude)] = (faint - bright) / 0.1 / (0.4 * np.log(10) * 0.0149 * x**-0.05 * np.exp(-x))
    print("luminosity function over Blanton et al. (2003):", {m: round(r, 2) for m, r in ratios.items()})
    assert np.abs(np.log(list(ratios.values()))).max() < np.log(1.15)


def test_stellar_mass_function_is_the_observed_one() -> None:
    # Baldry et al. (2012), H0 = 70: log M* = 10.66, phi1 = 3.96e-3, slope -0.35, phi2 = 0.79e-3, slope -1.47
    ratios = {}
    log10_h = tables().log10_h
    for logm in np.arange(9.25, 11.01, 0.25):  # h^-2 Msun
        heavy, light = (
            galaxy_density(lambda m, limit=limit: connection.mean_occupation(tables(), m, limit - log10_h))
            for limit in (logm + 0.05, logm - 0.05)
        )
        x = 10 ** (logm - 10.66 - 2 * np.log10(0.7))
        observed = np.log(10) * np.exp(-x) * (3.96e-3 * x**0.65 + 0.79e-3 * x**-0.47) / 0.7**3
        ratios[float(logm)] = (light - heavy) / 0.1 / observed
    print("stellar mass function over Baldry et al. (2012):", {m: round(r, 2) for m, r in ratios.items()})
    assert all(abs(np.log(ratio)) < np.log(1.3) for logm, ratio in ratios.items() if logm <= 10.75)


def test_mass_to_light_ratios_are_those_of_stars() -> None:
    # Bell et al. (2003) as in Yang et al. (2007): log M/L = -0.406 + 1.097 (g - r), +0.05 for the band at z = 0.1;
    # g - r from 0.45 (blue) to 0.80 (red): 0.14 to 0.52. Nothing of this was put in but the scatter.
    for log10_mass, low, high in ((12.0, 0.05, 0.35), (13.5, 0.05, 0.45), (14.5, 0.1, 0.55)):
        _, log10_mstar, abs_mag_r = connection.draw_satellites(tables(), np.full(3000, 10**log10_mass), rng())
        ratio = log10_mstar + tables().log10_h - (4.76 - abs_mag_r) / 2.5
        for magnitude in (-18.5, -19.5, -20.5):
            at = ratio[np.abs(abs_mag_r - magnitude) < 0.25]
            if len(at) > 30:
                assert low < at.mean() < high
                assert 0.1 < at.std() < 0.25
    scatter = connection.RANK_SCATTER
    assert scatter == pytest.approx(0.2006, abs=1e-4)


def test_luminosity_evolves_and_stellar_mass_does_not() -> None:
    mass = np.full(1000, 1e13)
    now, then = (connection.draw_centrals(tables(z), mass, rng()) for z in (0.1, 0.5))
    assert then[0] == pytest.approx(now[0])
    assert then[1] == pytest.approx(now[1] - 1.62 * 0.4)


@pytest.mark.parametrize("limit", [None, -19.0])
def test_galaxies_below_every_threshold_are_left_out(limit: float | None) -> None:
    options = Galaxies(min_log10_mstar=10.2, max_abs_mag_r=limit)
    made = connection.build_connection(PLANCK, 0.1, options)
    _, log10_mstar, abs_mag_r = connection.draw_satellites(made, np.full(500, 1e14), rng())
    light = log10_mstar < 10.2
    assert (~light).any()
    assert light.any() == (limit is not None)
    assert limit is None or np.all(abs_mag_r[light] <= limit)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_log10_mstar": 7.0},
        {"min_log10_mstar": 13.0},
        {"max_abs_mag_r": -10.0},
        {"min_halo_mass": 1e5},
        {"min_halo_mass": -1e11},
        {"structure": "cubic"},
        {"anisotropy": "radial"},
        {"satellite_velocity_bias": 0.5},
        {"min_log10_mstar": float("nan")},
        {"tuned_to_taste": 1},
    ],
)
def test_configuration_without_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Galaxies(**wrong)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Galaxies.model_fields.values())


# --------------------------------------------------------------------------------------------------------- structure
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.3, 1.6)])
@pytest.mark.parametrize("concentration", [1.2, 5.0, 40.0])
def test_radii_follow_nfw(concentration: float, low: float, high: float) -> None:
    n = 20_000
    x = structure.nfw_radius(rng().uniform(size=n), np.full(n, concentration), low, high)

    def inside(r: Floats) -> Floats:
        y = concentration * r
        return np.log(1 + y) - y / (1 + y)

    assert kstest(x, lambda r: (inside(r) - inside(low)) / (inside(high) - inside(low))).pvalue > 1e-3
    assert x.min() >= low
    assert x.max() <= high
    tiny = structure.nfw_radius(np.array([0.0, 1e-12, 1.0]), np.full(3, concentration), 0.0, 1.0)
    assert np.isfinite(tiny).all()
    assert tiny[[0, 2]] == pytest.approx([0, 1], abs=1e-6)


def test_satellites_reach_to_180_mean_densities() -> None:
    c = np.array([2.0, 5.0, 12.0])
    x = structure.satellite_limit(c, 0.35)
    density = 200 * structure.nfw_mass(c * x) / structure.nfw_mass(c) / x**3  # in critical densities
    assert density / 0.35 == pytest.approx([180] * 3, rel=2e-3)
    shares = structure.share_inside(c, x)
    assert shares == pytest.approx(structure.nfw_mass(c / 2) / structure.nfw_mass(c / 2 * x))


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
    solved = structure.solve_jeans("isotropic", tracer=1.0)
    radial, tangential = structure.dispersions(solved, x, np.full(len(x), c))
    assert radial == pytest.approx(lokas_mamon(x, c), rel=2e-3)
    assert tangential == pytest.approx(radial)


@pytest.mark.parametrize(("outer", "scale"), [(0.2, 0.0), (0.5, 0.2)])
def test_anisotropic_dispersion_is_the_integral(outer: float, scale: float) -> None:
    c, tracer = 5.0, 2.5
    for x in (0.05, 0.3, 1.2):

        def integrand(s: float, x: float = x) -> float:
            # integrating factor exp(2 int beta dr/r) from x to s
            factor = ((s + scale) / (x + scale)) ** (2 * outer)
            density = (x * (1 + tracer * x) ** 2) / (s * (1 + tracer * s) ** 2)
            return float(factor * density * (np.log(1 + c * s) - c * s / (1 + c * s)) / s**2)

        square = quad(integrand, x, np.inf, limit=400)[0] / (np.log(1 + c) - c / (1 + c))
        found = structure.radial_dispersion(np.array([x, 2.0]), c, tracer, outer, scale)[0]
        assert found == pytest.approx(np.sqrt(square), rel=2e-3)


def test_dispersion_inside_r200c_is_that_of_simulations() -> None:
    # Evrard et al. (2008) is not used for satellites; isotropic orbits would be 3-4 % slower
    share = (np.arange(4000) + 0.5) / 4000
    ratios: dict[str, list[float]] = {"matter": [], "galaxies": []}
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
    n, c = 200_000, 5.0
    position, velocity = structure.draw_analytic(jeans(), np.full(n, c), 0.2, 1.0, rng())
    x = np.linalg.norm(position, axis=1)
    outward = position / x[:, None]
    radial = np.sum(velocity * outward, axis=1)
    tangential = velocity - radial[:, None] * outward
    for low, high in ((0.2, 0.3), (0.5, 0.6), (0.9, 1.0)):
        at = (x >= low) & (x < high)
        wanted_r, wanted_t = structure.dispersions(jeans(), x[at], np.full(at.sum(), c))
        assert radial[at].std() == pytest.approx(np.sqrt(np.mean(wanted_r**2)), rel=0.02)
        assert np.mean(tangential[at] ** 2) * 3 / 2 == pytest.approx(np.mean(wanted_t**2), rel=0.03)
        assert radial[at].mean() == pytest.approx(-0.1 * x[at].mean(), abs=0.015)  # halos do not expand
        found = 1 - np.mean(tangential[at] ** 2) * 3 / 2 / np.var(radial[at])
        assert found == pytest.approx(np.mean(structure.beta(jeans(), x[at], np.full(at.sum(), c))), abs=0.05)
    assert np.abs(outward.mean(axis=0)).max() < 0.01


# --------------------------------------------------------------------------------------------------------- particles
def cloud(masses: Floats, n: int, speed: float, seed: int = 3) -> tuple[particles.Particles, Floats]:
    """Return particles out to 1.8 R200c with the wrong profile and the wrong dispersion, and concentrations."""
    generator, halos = rng(seed), len(masses)
    radius = 1.8 * generator.uniform(size=halos * n) ** 0.5
    position = radius[:, None] * structure.random_directions(len(radius), generator)
    velocity = speed * generator.normal(size=(len(radius), 3)) - 0.1 * position
    return particles.Particles(np.arange(halos + 1) * n, position, velocity), np.full(halos, 5.0)


def test_remap_puts_radii_on_the_profile_and_keeps_directions() -> None:
    before, c = cloud(np.full(40, 1e14), 500, 0.5)
    after = particles.remap_radii(before, c)
    inside = before.radius < 1
    mass = structure.nfw_mass(np.array(2.5))
    assert kstest(after.radius[inside], lambda r: structure.nfw_mass(2.5 * r) / mass).pvalue > 0.5  # ranks: no noise
    assert after.position[~inside] == pytest.approx(before.position[~inside])
    cosine = np.sum(before.position * after.position, axis=1) / before.radius / after.radius
    assert cosine == pytest.approx(np.ones(len(cosine)))
    first = slice(0, 500)
    assert np.array_equal(np.argsort(before.radius[first]), np.argsort(after.radius[first]))


def test_rescaling_brings_the_dispersion_to_jeans() -> None:
    masses = 10 ** np.linspace(13.5, 14.9, 60)
    before, c = cloud(masses, 2000, 0.4)
    before = particles.remap_radii(before, c)
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
    slow, _ = cloud(masses, 2000, 0.32)
    slower = particles.fit_velocities(particles.remap_radii(slow, c), masses, c, jeans())
    at = np.array([0.3, 0.5, 0.9])
    assert slower(np.full(3, 14.0), at) / factor(np.full(3, 14.0), at) == pytest.approx([1.25] * 3, rel=2e-3)


def test_one_mass_is_enough_to_fit_and_few_particles_are_refused() -> None:
    before, c = cloud(np.full(3, 1e14), 2000, 0.5)
    factor = particles.fit_velocities(before, np.full(3, 1e14), c, jeans())
    assert factor.coefficients.shape == (1, 3)
    few, c = cloud(np.full(2, 1e14), 5, 0.5)
    with pytest.raises(ValueError, match="too few"):
        particles.fit_velocities(few, np.full(2, 1e14), c, jeans())


def test_particles_are_chosen_once_and_from_their_halo() -> None:
    made, _ = cloud(np.full(3, 1e14), 50, 0.5)
    host = np.array([2, 0, 0, 2] + [1] * 60)
    eligible = made.radius < 1
    chosen = particles.choose_particles(made, eligible, host, rng())
    found = chosen >= 0
    assert len(np.unique(chosen[found])) == found.sum()
    assert np.array_equal(made.host[chosen[found]], host[found])
    assert eligible[chosen[found]].all()
    assert found.sum() == 4 + eligible[50:100].sum()


@pytest.mark.parametrize(("start", "n"), [([0, 2, 1, 3], 3), ([0, 4], 3), ([1, 3], 3), ([], 0)])
def test_ragged_particles_that_do_not_fit_are_refused(start: list[int], n: int) -> None:
    with pytest.raises(ValueError, match="start"):
        particles.Particles(np.array(start, np.int64), np.zeros((n, 3)), np.zeros((n, 3)))


# -------------------------------------------------------------------------------------------------- unresolved halos
def toy_universe(seed: int = 5) -> tuple[unresolved.Field, Floats]:
    """Return field particles of a log-normal universe without its peaks ("resolved halos"), and its density contrast."""
    n, side, per_cell = 64, 320.0, 3.0
    generator = rng(seed)
    k1 = 2 * np.pi * np.fft.fftfreq(n, side / n)
    k = np.sqrt(k1[:, None, None] ** 2 + k1[:, None] ** 2 + k1**2)
    k[0, 0, 0] = 1.0
    shape = np.where(k > 0, k**-0.75 * np.exp(-((2.5 * k) ** 2) / 2), 0)
    gauss = np.fft.ifftn(np.fft.fftn(generator.normal(size=(n, n, n))) * shape).real
    density = np.exp(0.8 * gauss / gauss.std())
    density /= density.mean()
    counts = generator.poisson(per_cell * density)
    contrast = counts / counts.mean() - 1
    modes = np.fft.fftn(contrast)
    local, large = (np.fft.ifftn(modes * np.exp(-((scale * k) ** 2) / 2)).real for scale in (8.0, 25.0))
    cells = np.repeat(np.arange(n**3), np.where(density > np.quantile(density, 0.985), 0, counts).ravel())
    index = np.column_stack(np.unravel_index(cells, (n, n, n)))
    position = (index + generator.uniform(size=index.shape)) * side / n
    mean, still = float(np.mean((1 + contrast) * large)), np.zeros_like(position)
    field = unresolved.Field(position, still, local.ravel()[cells], large.ravel()[cells], mean, 1e13)
    return field, contrast


@pytest.mark.parametrize("log10_mass", [11.05, 12.05, 12.95])
def test_unresolved_halos_have_their_bias(log10_mass: float) -> None:
    field, contrast = toy_universe()
    particle, applied = unresolved.place_halos(np.full(60_000, 10**log10_mass), Z, field, PLANCK, rng())
    assert len(np.unique(particle)) == len(particle)
    wanted = background.halo_bias(np.array([10**log10_mass]), Z, PLANCK)[0]
    assert applied["bias"] == pytest.approx([wanted], rel=0.01)
    assert field.large_scale[particle].mean() == pytest.approx(wanted * field.matter_mean, rel=0.04)
    # what was not put in: the bias in Fourier space, on scales beyond the smoothing
    n, side = contrast.shape[0], 320.0
    counts = np.histogramdd(field.position[particle], bins=n, range=[(0, side)] * 3)[0]
    halos, matter = np.fft.fftn(counts / counts.mean() - 1), np.fft.fftn(contrast)
    k1 = 2 * np.pi * np.fft.fftfreq(n, side / n)
    k = np.sqrt(k1[:, None, None] ** 2 + k1[:, None] ** 2 + k1**2)
    large = (k > 0) & (k < 0.1)
    found = np.sum((halos * matter.conj()).real[large]) / np.sum(np.abs(matter[large]) ** 2)
    plain = np.histogramdd(field.position, bins=n, range=[(0, side)] * 3)[0]
    field_bias = np.sum((np.fft.fftn(plain / plain.mean()) * matter.conj()).real[large]) / np.sum(
        np.abs(matter[large]) ** 2
    )
    print(f"bias at 10^{log10_mass}: wanted {wanted:.3f}, found {found:.3f}; particles of the field {field_bias:.3f}")
    assert field_bias < 0.9  # without weights all halos would have this
    assert found == pytest.approx(wanted, rel=0.08)


def test_bias_out_of_reach_and_fields_without_sense_are_refused() -> None:
    field, _ = toy_universe()
    with pytest.raises(ValueError, match="no weighting"):
        unresolved.solve_gamma(np.array([-0.1, 0.0, 0.1]), np.array([-0.1, 0.0, 0.1]), np.ones(3), 0.2)
    empty = unresolved.Field(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0), 1.0, 1e13)
    with pytest.raises(ValueError, match="no particles"):
        unresolved.place_halos(np.array([1e12]), Z, empty, PLANCK, rng())
    assert len(unresolved.place_halos(np.empty(0), Z, field, PLANCK, rng())[0]) == 0
    for overdensity, mean in ((np.array([-1.0]), 1.0), (np.zeros(1), 0.0)):
        with pytest.raises(ValueError, match=r"above -1|positive"):
            unresolved.Field(np.zeros((1, 3)), np.zeros((1, 3)), overdensity, np.zeros(1), mean, 1e13)


def test_particles_are_used_again_only_when_they_run_out() -> None:
    n = 1000
    overdensity = rng().uniform(-0.5, 1.0, n)
    field = unresolved.Field(np.zeros((n, 3)), np.zeros((n, 3)), overdensity, overdensity, 0.3, 1e13)
    particle, _ = unresolved.place_halos(np.full(100, 1e12), Z, field, PLANCK, rng())
    assert np.bincount(particle).max() <= 2  # a bin of density may hold but two particles
    particle, _ = unresolved.place_halos(np.full(20 * n, 1e12), Z, field, PLANCK, rng())
    assert np.bincount(particle, minlength=n).min() >= 1


# ---------------------------------------------------------------------------------------------------------- populate
def halo_table(n: int = 60, seed: int = 7) -> pd.DataFrame:
    generator = rng(seed)
    masses = 10 ** generator.uniform(13.3, 14.8, n)
    columns = {name: generator.uniform(0, BOX, n) for name in "xyz"}
    columns |= {name: generator.normal(0, 300, n) for name in ("vx", "vy", "vz")}
    columns |= {"m200c": masses, "r200c": background.r200c(masses, Z, PLANCK)}
    concentration = np.where(np.arange(n) % 2, np.nan, 5.0)
    return pd.DataFrame({"halo": np.arange(n) * 3 + 5, **columns, "concentration": concentration})


def simple_field(n: int = 200_000) -> unresolved.Field:
    generator = rng(9)
    overdensity = np.exp(generator.normal(0, 0.5, n) - 0.125) - 1
    velocity = generator.normal(0, 250, (n, 3))
    return unresolved.Field(generator.uniform(0, BOX, (n, 3)), velocity, overdensity, overdensity / 4, 0.07, 10**13.3)


def test_galaxies_live_in_their_halos() -> None:
    halos = halo_table()
    galaxies, applied = populate(halos, PLANCK, Z, BOX, ANALYTIC, rng())
    assert list(galaxies) == SNAPSHOT_GALAXIES.names
    assert galaxies["central"].sum() == len(halos)  # all are massive enough to have one above the threshold
    assert applied["galaxies"] == len(galaxies)
    host = halos.set_index("halo").loc[galaxies["halo"]]
    apart = galaxies[["x", "y", "z"]].to_numpy() - host[["x", "y", "z"]].to_numpy()
    apart -= BOX * np.round(apart / BOX)
    x = np.linalg.norm(apart, axis=1) / host["r200c"].to_numpy()
    central = galaxies["central"].to_numpy()
    assert x[central] == pytest.approx(np.zeros(len(halos)), abs=1e-9)
    assert x.max() < 1.75
    assert (x > 1).any()
    assert galaxies[["x", "y", "z"]].to_numpy().min() >= 0
    assert galaxies[["x", "y", "z"]].to_numpy().max() < BOX
    made = connection.build_connection(PLANCK, Z, ANALYTIC)
    expected = connection.mean_occupation(made, halos["m200c"].to_numpy(), 9.5)[1].sum()
    heavy = int((galaxies["log10_mstar"][~central] >= 9.5).sum())
    assert abs(heavy - expected) < 4 * np.sqrt(expected)
    moving = galaxies[["vx", "vy", "vz"]].to_numpy() - host[["vx", "vy", "vz"]].to_numpy()
    sigma = background.dispersion_evrard08(host["m200c"].to_numpy(), Z, PLANCK)
    assert (moving[~central] / sigma[~central, None]).std() == pytest.approx(1.05, abs=0.05)
    assert (moving[central] / sigma[central, None]).std() == pytest.approx(0.22, abs=0.05)
    still, _ = populate(halos, PLANCK, Z, BOX, Galaxies(structure="analytic", central_velocity_offset=False), rng())
    assert still[still["central"]][["vx"]].to_numpy().ravel() == pytest.approx(halos["vx"].to_numpy())


def test_velocity_bias_slows_satellites_only() -> None:
    halos = halo_table(10)
    plain, _ = populate(halos, PLANCK, Z, BOX, ANALYTIC, rng())
    slow, _ = populate(halos, PLANCK, Z, BOX, Galaxies(structure="analytic", satellite_velocity_bias="guo2015"), rng())
    bulk = halos.set_index("halo").loc[plain["halo"], "vx"].to_numpy()
    factor = np.where(plain["central"], 1.0, 0.86)
    assert (slow["vx"] - bulk).to_numpy() == pytest.approx(((plain["vx"] - bulk) * factor).to_numpy())


def test_satellites_on_particles_take_their_phase_space() -> None:
    halos = halo_table(12)
    own, _ = cloud(halos["m200c"].to_numpy(), 1500, 0.5)
    options = Galaxies(remap_radii=False, rescale_velocities=False)
    galaxies, applied = populate(halos, PLANCK, Z, BOX, options, rng(), particles=own)
    assert applied["satellites_without_particle"] == 0
    assert applied["particles"] == {"radii_remapped": False, "velocities_rescaled": False}
    satellites = galaxies[~galaxies["central"]]
    row = np.searchsorted(halos["halo"], satellites["halo"])
    host = halos.iloc[row]
    apart = satellites[["x", "y", "z"]].to_numpy() - host[["x", "y", "z"]].to_numpy()
    apart = (apart - BOX * np.round(apart / BOX)) / host["r200c"].to_numpy()[:, None]
    speed = background.v200(host["m200c"].to_numpy(), Z, PLANCK)[:, None]
    velocity = (satellites[["vx", "vy", "vz"]].to_numpy() - host[["vx", "vy", "vz"]].to_numpy()) / speed
    for halo in range(12):
        at = np.arange(own.start[halo], own.start[halo + 1])
        mine = np.hstack([own.position[at], own.velocity[at]])
        for galaxy in np.hstack([apart, velocity])[row == halo][:20]:
            assert np.abs(mine - galaxy).max(axis=1).min() < 1e-9


def test_adjusted_particles_report_what_was_applied_and_halos_without_particles_fall_back() -> None:
    halos = halo_table(120)
    own, _ = cloud(halos["m200c"].to_numpy(), 150, 0.4)
    galaxies, applied = populate(halos, PLANCK, Z, BOX, OPTIONS, rng(), particles=own)
    assert np.shape(applied["particles"]["coefficients"]) == (3, 3)
    assert np.shape(applied["particles"]["factor"]) == (5, 6)
    assert applied["satellites_without_particle"] > 0
    on, off = applied["satellites_on_particles"], applied["satellites_without_particle"]
    assert on + off == (~galaxies["central"]).sum()


def test_unresolved_halos_get_galaxies_without_host() -> None:
    galaxies, applied = populate(halo_table(), PLANCK, Z, BOX, ANALYTIC, rng(), field=simple_field())
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


def test_positions_stay_in_the_box() -> None:
    halos = halo_table(2)
    halos["x"] = [-0.0, np.nextafter(BOX, 0)]
    halos["y"] = [0.0, BOX]
    galaxies, _ = populate(halos, PLANCK, Z, BOX, ANALYTIC, rng())
    assert galaxies[["x", "y", "z"]].to_numpy().max() < BOX
    assert galaxies.loc[galaxies["central"], "y"].tolist() == [0.0, 0.0]


def test_same_seed_same_galaxies_and_other_seed_others() -> None:
    one, two, other = (
        populate(halo_table(), PLANCK, Z, BOX, ANALYTIC, rng(seed), field=simple_field(50_000))[0] for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
    assert len(other) != len(one)


def test_no_halos_no_galaxies() -> None:
    nothing = SNAPSHOT_HALOS.empty()
    galaxies, applied = populate(nothing, PLANCK, Z, BOX, ANALYTIC, rng())
    assert len(galaxies) == 0
    assert applied == {"halos": 0, "galaxies": 0}
    none = particles.Particles(np.zeros(1, np.int64), np.empty((0, 3)), np.empty((0, 3)))
    assert len(populate(nothing, PLANCK, Z, BOX, OPTIONS, rng(), particles=none)[0]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"box": 0.0}, "positive side"),
        ({"redshift": -0.1}, "negative"),
        ({"options": OPTIONS}, "needs the particles"),
        ({"options": OPTIONS, "particles": cloud(np.full(3, 1e14), 10, 0.5)[0]}, "3 halos, but 60"),
    ],
)
def test_what_cannot_be_populated_is_refused(arguments: dict[str, Any], message: str) -> None:
    plain = {"halos": halo_table(), "cosmology": PLANCK, "redshift": Z, "box": BOX, "options": ANALYTIC, "rng": rng()}
    with pytest.raises(ValueError, match=message):
        populate(**{**plain, **arguments})
