"""Virial masses: closed forms (Plummer), the virial identity by another integral, planted isotropic NFW halos."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from clustermass.config.base import Cosmology
from clustermass.config.observed import Virial
from clustermass.constants import G
from clustermass.galaxies.background import efunc, mean_concentration, r200c, v200
from clustermass.galaxies.structure import nfw_mass, nfw_radius, radial_dispersion, random_directions
from clustermass.observed.virial import (
    gaussian_on_background,
    inverse_separations,
    projected_virial_radius,
    sight_line_dispersion,
    surface_term,
    virial_mass,
    weigh,
)

Floats = NDArray[np.float64]
COSMOLOGY, Z = Cosmology(), 0.05


def test_radius_of_three_galaxies() -> None:
    x, y = np.array([0.0, 3.0, 0.0]), np.array([0.0, 0.0, 4.0])
    inverse = inverse_separations(x, y, 0.01)
    expected = 3 * 2 / (1 / 3 + 1 / 4 + 1 / 5)
    assert projected_virial_radius(inverse, np.ones(3)) == pytest.approx(expected, rel=1e-12)
    assert projected_virial_radius(inverse, np.full(3, 2.0)) == pytest.approx(expected, rel=1e-12)
    assert projected_virial_radius(inverse, np.array([1.0, 0.0, 2.0])) == pytest.approx(2 * 4)  # one pair, 4 apart
    assert np.isnan(projected_virial_radius(inverse, np.array([0.0, 3.0, 0.0])))


def test_galaxies_in_one_place_do_not_decide() -> None:
    inverse = inverse_separations(np.array([0.0, 0.0, 1.0]), np.zeros(3), 0.01)
    assert inverse.max() == pytest.approx(100)
    assert (np.diag(inverse) == 0).all()


def test_plummer_sphere_weighs_what_it_weighs() -> None:
    """Of mass M and scale a: sigma^2 = pi G M / (32 a), R_PV = 64 a / (3 pi^2), and so the virial mass is M."""
    rng, mass, a, n = np.random.default_rng(1), 5e14, 0.4, 2500
    r = a / np.sqrt(rng.uniform(size=n) ** (-2 / 3) - 1)
    place = r[:, None] * random_directions(n, rng)
    escape = np.sqrt(2 * G * mass) * (r**2 + a**2) ** -0.25
    share = np.empty(n)
    for i in range(n):  # q^2 (1 - q^2)^(7/2), below 0.1: Aarseth, Henon & Wielen (1974)
        while True:
            q, level = rng.uniform(size=2)
            if 0.1 * level < q**2 * (1 - q**2) ** 3.5:
                break
        share[i] = q
    speed = (escape * share)[:, None] * random_directions(n, rng)
    radius = projected_virial_radius(inverse_separations(place[:, 0], place[:, 1], 1e-6), np.ones(n))
    sigma = float(speed[:, 2].std())
    assert sigma**2 == pytest.approx(np.pi * G * mass / (32 * a), rel=0.05)
    assert radius == pytest.approx(64 * a / (3 * np.pi**2), rel=0.04)
    assert virial_mass(sigma, radius) == pytest.approx(mass, rel=0.07)
    exact = virial_mass(float(np.sqrt(np.pi * G * mass / (32 * a))), 64 * a / (3 * np.pi**2))
    assert exact == pytest.approx(mass, rel=1e-12)


@pytest.mark.parametrize(("c", "tracer"), [(4.0, 4.0), (8.0, 4.0), (3.0, 1.5)])
@pytest.mark.parametrize("b", [0.5, 1.0, 2.0])
def test_surface_term_closes_the_virial_theorem(c: float, tracer: float, b: float) -> None:
    """The galaxies inside b have N <r dPhi/dr> = 3 N sigma^2 (1 - C), whatever the profiles."""

    def density(x: float) -> float:
        return 1 / (x * (1 + tracer * x) ** 2)

    def square(x: float) -> float:
        return float(radial_dispersion(np.array([x, 10.0]), c, tracer, 0.0, 0.0)[0] ** 2)

    pull = quad(lambda x: density(x) * x**2 * float(nfw_mass(np.array(c * x)) / nfw_mass(np.array(c))) / x, 0, b)[0]
    kinetic = 3 * quad(lambda x: density(x) * x**2 * square(x), 1e-4, b, epsrel=1e-4)[0]
    term = surface_term(np.array([0.05, b]), c, tracer)[1]
    assert pull / kinetic == pytest.approx(1 - term, abs=0.005)
    assert 0.05 < term < 0.5


def test_sight_line_dispersion_by_the_kernel_of_mamon_lokas() -> None:
    """sigma_los^2 Sigma = 2 int sqrt(1 - R^2 / r^2) n G M / r dr of isotropic orbits (2005, Eq. A16)."""
    c = 5.0
    for place in (0.1, 0.5, 1.0):

        def inner(s: float, place: float = place) -> tuple[float, float]:  # r = R / sqrt(1 - s^2)
            r = place / np.sqrt(1 - s**2)
            n = 1 / (r * (1 + c * r) ** 2)
            slope = place * s / (1 - s**2) ** 1.5
            pull = float(nfw_mass(np.array(c * r)) / nfw_mass(np.array(c))) / r**2 * n
            return s * pull * r * slope, n / s * slope if s else 0.0

        top = 2 * quad(lambda s: inner(s)[0], 0, 1)[0]
        bottom = 2 * quad(lambda s: inner(s)[1], 0, 1)[0]
        found = sight_line_dispersion(np.array([0.05, place, 2.0]), c, c)[1]
        assert found**2 == pytest.approx(top / bottom, rel=0.01)


def planted(
    log10_mass: float, n: int, rng: np.random.Generator, reach: float = 1.0, interlopers: int = 0
) -> tuple[Floats, Floats, Floats]:
    """Return x, y [Mpc/h, proper] and v_los [km/s] of galaxies of an isotropic NFW halo, and of others around."""
    mass = np.array([10**log10_mass])
    c = float(mean_concentration(mass, Z, COSMOLOGY)[0])
    size, speed = float(r200c(mass, Z, COSMOLOGY)[0]) / (1 + Z), float(v200(mass, Z, COSMOLOGY)[0])
    r = nfw_radius(rng.uniform(size=n), np.full(n, c), 0.0, reach)
    grid = np.geomspace(1e-3, 10, 400)
    sigma = speed * np.interp(r, grid, radial_dispersion(grid, c, c, 0.0, 0.0))
    place = size * r[:, None] * random_directions(n, rng)
    v = sigma * rng.normal(size=n)
    field = rng.uniform(-1, 1, (interlopers, 3)) * [4, 4, 2200]
    return tuple(np.concatenate([own, other]) for own, other in zip((*place.T[:2], v), field.T, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("log10_mass", [14.0, 15.0])
def test_halos_are_weighed(log10_mass: float) -> None:
    rng = np.random.default_rng(5)
    found = [
        weigh(*planted(log10_mass, 400, rng), Z, 4.0, Virial(bootstrap=0), COSMOLOGY, rng).log10_m200c
        for _ in range(10)
    ]
    assert np.mean(found) == pytest.approx(log10_mass, abs=0.04)
    assert np.std(found) < 0.08


def test_halos_in_the_field_are_weighed() -> None:
    """Material beyond R200c and unrelated galaxies raise the mass, by a known amount and no more."""
    rng = np.random.default_rng(6)
    found = [
        weigh(*planted(14.7, 250, rng, 3.0, 100), Z, 4.0, Virial(bootstrap=0), COSMOLOGY, rng).log10_m200c
        for _ in range(12)
    ]
    assert 0.0 < np.mean(found) - 14.7 < 0.15


def test_a_small_aperture_is_extended_to_r200c() -> None:
    rng = np.random.default_rng(7)
    x, y, v = planted(14.9, 900, rng)
    near = np.hypot(x, y) <= 0.8
    whole, part = (
        weigh(x[rows], y[rows], v[rows], Z, limit, Virial(bootstrap=0), COSMOLOGY, rng).log10_m200c
        for rows, limit in ((slice(None), 4.0), (near, 0.8))
    )
    assert part == pytest.approx(whole, abs=0.12)


def test_bootstrap_errors_are_the_scatter() -> None:
    rng = np.random.default_rng(8)
    found = [weigh(*planted(14.6, 80, rng), Z, 4.0, Virial(bootstrap=60), COSMOLOGY, rng) for _ in range(90)]
    scatter = np.std([one.log10_m200c for one in found])
    error = np.median([(one.high - one.low) / 2 for one in found])
    assert all(one.low <= one.high for one in found)
    assert error / scatter == pytest.approx(1, abs=0.4)


def test_members_and_dispersion() -> None:
    rng = np.random.default_rng(9)
    x, y, v = planted(14.8, 300, rng, 1.0, 150)
    found = weigh(x, y, v, Z, 4.0, Virial(bootstrap=0), COSMOLOGY, rng)
    assert found.member[:300].mean() > 0.9
    assert found.member[300:].mean() < 0.15
    assert found.sigma_v == pytest.approx(v[:300].std(), rel=0.1)
    limit = float(r200c(np.array([10**found.log10_m200c]), Z, COSMOLOGY)[0]) / (1 + Z)
    assert np.hypot(x, y)[found.member].max() <= limit * 1.02
    shifted = weigh(x, y, v + 300, Z, 4.0, Virial(bootstrap=0), COSMOLOGY, rng)  # a wrong redshift of the cluster
    assert shifted.log10_m200c == pytest.approx(found.log10_m200c, abs=0.02)
    assert efunc(Z, COSMOLOGY) > 1


@pytest.mark.parametrize("n", [0, 1, 3, 7])
def test_too_few_galaxies_have_no_mass(n: int) -> None:
    rng = np.random.default_rng(1)
    x, y, v = planted(14.5, n, rng)
    found = weigh(x, y, v, Z, 4.0, Virial(bootstrap=5), COSMOLOGY, rng)
    assert np.isnan([found.log10_m200c, found.low, found.high, found.sigma_v]).all()
    assert found.member.tolist() == [False] * n


def test_galaxies_of_one_velocity_or_far_apart_have_no_mass() -> None:
    rng = np.random.default_rng(2)
    x, y, v = planted(14.5, 30, rng)
    for galaxies in ((x, y, 0 * v), (x + 50, y, v), (x, y, 1e4 * np.arange(30.0))):
        found = weigh(*galaxies, Z, 4.0, Virial(bootstrap=10), COSMOLOGY, rng)
        assert np.isnan(found.log10_m200c)
        assert not found.member.any()


def test_gaussian_is_told_from_an_even_background() -> None:
    rng = np.random.default_rng(11)
    members, others = rng.normal(150.0, 400.0, 3000), rng.uniform(-2200, 2200, 4500)
    centre, sigma = gaussian_on_background(np.ones(7500), np.concatenate([members, others]), 2200.0)
    assert centre == pytest.approx(150, abs=30)
    assert sigma == pytest.approx(400, rel=0.08)
    assert np.std(np.concatenate([members, others])) > 900  # what a plain dispersion would begin from
    alone = gaussian_on_background(np.ones(3000), members, 2200.0)
    assert alone[1] == pytest.approx(np.std(members), rel=0.05)
    weighted = gaussian_on_background(np.repeat([1.0, 0.0], [3000, 4500]), np.concatenate([members, others]), 2200.0)
    assert weighted == pytest.approx(alone)
    assert np.isnan(gaussian_on_background(np.ones(3), np.array([1.0, 2.0, 3.0]), 2200.0)[1])
