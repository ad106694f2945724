"""Masses from published quantities, and from one cosmology to another, against arithmetic done another way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy.optimize import brentq

from clustermass import masses
from clustermass.config.base import Cosmology
from clustermass.config.catalogues import PublishedCosmology
from clustermass.cosmology import flat

A = FlatLambdaCDM(H0=70, Om0=0.3)
B = flat(Cosmology())  # 67.74, 0.3089
ONLY_H = FlatLambdaCDM(H0=50, Om0=0.3)
Z = np.array([0.05, 0.3, 0.9])
SLOPE = 1.34


def test_flat_has_no_radiation() -> None:
    cosmology = flat(PublishedCosmology(H0=50, Om0=0.2))
    assert (cosmology.H0.value, cosmology.Om0, cosmology.Ode0) == (50, 0.2, 0.8)


def test_mass_from_radius_by_hand() -> None:
    # E^2(0.5) = 0.3 * 1.5^3 + 0.7 = 1.7125; critical density today, H0 = 70: 3 H0^2 / (8 pi G) = 1.3598e11 Msun/Mpc^3;
    # 500 * 1.3598e11 * 1.7125 * 4/3 pi * (0.9 Mpc)^3 = 1.1643e14 * 3.0536 = 3.5554e14 Msun
    assert masses.m500c_from_r500(np.array([0.9]), np.array([0.5]), A) == pytest.approx([3.5554e14], rel=2e-4)
    both = masses.m500c_from_r500(np.array([0.5, 1.0]), np.array([0.5, 0.5]), A)
    assert both[1] / both[0] == pytest.approx(8)


def test_mass_from_luminosity_by_hand() -> None:
    # E(0.5) = sqrt(1.7125) = 1.308625. M = 1e15 / E: the relation gives log10(L / E) = 0.8, L = 1.308625 * 6.309573
    # = 8.256865. At z = 0 with L = 1: log10(M / 1e15) = -0.8 / 1.34 = -0.597015, M = 2.52921e14
    luminosity, redshift = np.array([8.256865, 1.0]), np.array([0.5, 0.0])
    found = masses.m500c_luminosity_mantz10(luminosity, redshift, A, 0.8, SLOPE)
    assert found == pytest.approx([1e15 / 1.308625, 2.52921e14], rel=1e-5)
    e = A.efunc(redshift)
    assert np.log10(luminosity / e) == pytest.approx(0.8 + SLOPE * np.log10(e * found / 1e15), abs=1e-12)


def test_mass_from_richness_by_hand() -> None:
    # 60: 10^14.434 = 2.71644e14; 20: 2.71644e14 * 3^-1.23 = 2.71644e14 * 0.258905 = 7.03300e13
    found = masses.m500c_richness(np.array([60.0, 20.0]), 14.434, 1.23, 60.0)
    assert found == pytest.approx([2.71644e14, 7.03300e13], rel=1e-5)


# ------------------------------------------------------------------------------- another cosmology: forward, inverse
# Each observable is what the sky shows: it is made from a mass in the published cosmology, and the mass that the same
# relation needs in the target cosmology is found by a root finder, with the constants of the papers.


def arcmin2(mass: float, z: float, c: FlatLambdaCDM) -> float:
    """Y500 [sr] by Planck XX, Eq. 7: E^-2/3 [D_A^2 Y / 1e-4 Mpc^2] = 10^-0.19 h70^-2+1.79 [0.8 M / 6e14 Msun]^1.79."""
    h70 = c.H0.value / 70
    y = 10**-0.19 * h70 ** (1.79 - 2) * (0.8 * mass / 6e14) ** 1.79 * 1e-4
    return float(y * c.efunc(z) ** 0.66 / c.angular_diameter_distance(z).value ** 2)


def flux_mcxc(mass: float, z: float, c: FlatLambdaCDM) -> float:
    """Flux by Piffaretti et al., Eq. 2: E^-7/3 L / (1e44 h70^-2 erg/s) = 10^0.274 [M / (3e14 h70^-1 Msun)]^1.64."""
    h70 = c.H0.value / 70
    luminosity = 1e44 * h70**-2 * c.efunc(z) ** (7 / 3) * 10**0.274 * (mass * h70 / 3e14) ** 1.64
    return float(luminosity / (4 * np.pi * c.luminosity_distance(z).to_value(u.cm) ** 2))


def flux_mantz(mass: float, z: float, c: FlatLambdaCDM) -> float:
    """Flux by Mantz et al. (2010b), with L in h70^-2 and M in h70^-1."""
    h70, e = c.H0.value / 70, c.efunc(z)
    luminosity = 1e44 * h70**-2 * e * 10 ** (0.8 + SLOPE * np.log10(e * mass * h70 / 1e15))
    return float(luminosity / (4 * np.pi * c.luminosity_distance(z).to_value(u.cm) ** 2))


def temperature(mass: float, z: float, c: FlatLambdaCDM) -> float:
    """Temperature [keV] by Arnaud et al. (2005): E M = 3.84e14 h70^-1 (T / 5 keV)^1.71."""
    return float(5 * (c.efunc(z) * mass * c.H0.value / 70 / 3.84e14) ** (1 / 1.71))


OBSERVABLES: dict[str, Callable[[float, float, FlatLambdaCDM], float]] = {
    "sz": arcmin2,
    "luminosity_arnaud10": flux_mcxc,
    "luminosity_mantz10": flux_mantz,
    "temperature": temperature,
}


@pytest.mark.parametrize("target", [B, ONLY_H, FlatLambdaCDM(H0=70, Om0=0.2)], ids=["Planck", "H0", "Om0"])
@pytest.mark.parametrize("name", OBSERVABLES)
def test_rescaling_keeps_the_observable(name: str, target: FlatLambdaCDM) -> None:
    observe = OBSERVABLES[name]
    factor, _ = masses.rescaling(name, SLOPE)
    for z, found in zip(Z, factor(Z, A, target), strict=True):
        seen = observe(4e14, z, A)
        again = brentq(lambda m, z=z, seen=seen: observe(m, z, target) / seen - 1, 1e13, 1e16, xtol=1.0, rtol=1e-12)
        assert found == pytest.approx(again / 4e14, rel=1e-9)


@pytest.mark.parametrize("name", OBSERVABLES)
def test_rescaling_is_no_constant_power_of_h(name: str) -> None:
    factor, sentence = masses.rescaling(name, SLOPE)
    assert factor(Z, A, A) == pytest.approx(np.ones(3), abs=1e-14)
    assert factor(Z, A, B) * factor(Z, B, A) == pytest.approx(np.ones(3), abs=1e-12)
    there = factor(Z, A, B)
    assert np.all(np.abs(np.log(there)) < 0.1)
    assert np.ptp(there) > 0.005  # it depends on the redshift
    assert np.ptp(factor(Z, A, ONLY_H)) < 1e-9  # where Om0 is the same, only powers of h are left
    assert "(20" in sentence


def test_rescaling_of_h_alone_by_hand() -> None:
    # h = 0.5 for 0.7, D ~ 1/h. SZ: [h^-2 h^0.21]^(1/1.79) = h^-1, as published masses scale; MCXC and Mantz:
    # D_L h70 does not change, so M ~ h^-1; temperature: h^-1. All: 1.4
    for factor in (masses.rescale_sz, masses.rescale_luminosity_arnaud10, masses.rescale_temperature):
        assert factor(Z, A, ONLY_H) == pytest.approx([1.4] * 3)
    assert masses.rescale_luminosity_mantz10(Z, A, ONLY_H, 1.6) == pytest.approx([1.4] * 3)


def test_rescaling_with_the_slope_given() -> None:
    steep, _ = masses.rescaling("luminosity_mantz10", 2.0)
    assert steep(Z, A, B) == pytest.approx(masses.rescale_luminosity_mantz10(Z, A, B, 2.0))
    assert np.all(steep(Z, A, B) != masses.rescale_luminosity_mantz10(Z, A, B, 1.34))


def test_observable_without_formula() -> None:
    with pytest.raises(KeyError, match="none"):
        masses.rescaling("none", SLOPE)


# ------------------------------------------------------------------------------------ mass definitions


def nfw(x: float) -> float:
    return float(np.log(1 + x) - x / (1 + x))


@pytest.mark.parametrize("definition", ["200c", "200m", "2500c"])
def test_conversion_against_the_closed_form(definition: str) -> None:
    mass, z = 6e14, 0.35
    details = Cosmology()
    found = masses.to_m500c(np.array([mass]), np.array([z]), definition, A, details)[0]

    from colossus.cosmology import cosmology
    from colossus.halo.concentration import concentration

    parameters = {"flat": True, "H0": 70, "Om0": 0.3, "relspecies": False, "persistence": ""}
    cosmology.setCosmology("test", **parameters, Ob0=details.Ob0, sigma8=details.sigma8, ns=details.ns)
    c = float(concentration(mass * 0.7, definition, z, model="diemer19"))
    overdensity = float(definition[:-1]) * (A.Om(z) if definition.endswith("m") else 1)  # in critical densities
    # M(<r) ~ nfw(r/rs) and M = overdensity * r^3: nfw(x) / x^3 * c^3 / nfw(c) = 500 / overdensity
    x = brentq(lambda x: nfw(x) / x**3 * c**3 / nfw(c) - 500 / overdensity, 0.01, 100)
    assert found == pytest.approx(mass * nfw(x) / nfw(c), rel=2e-4)
    assert (found < mass) == (overdensity < 500)


def test_conversion_of_many_rows_and_of_missing_ones() -> None:
    mass = np.array([3e14, np.nan, 3e14, -1.0, 3e14, np.inf])
    z = np.array([0.1, 0.1, 0.8, 0.1, np.nan, 0.1])
    found = masses.to_m500c(mass, z, "200m", B, Cosmology())
    assert np.isfinite(found).tolist() == [True, False, True, False, False, False]
    alone = [masses.to_m500c(mass[[i]], z[[i]], "200m", B, Cosmology())[0] for i in (0, 2)]
    assert found[[0, 2]] == pytest.approx(alone, rel=1e-12)
    assert alone[0] < alone[1] < 3e14  # matter is denser then: 200m and 500c lie closer together
    assert len(masses.to_m500c(np.array([]), np.array([]), "200c", B, Cosmology())) == 0


def test_no_conversion_where_none_is_needed() -> None:
    mass = np.array([1.0, np.nan, 5e14])
    np.testing.assert_array_equal(masses.to_m500c(mass, np.array([0.1, 0.2, np.nan]), "500c", A, Cosmology()), mass)


def test_conversion_does_not_depend_on_what_was_set_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from colossus.cosmology import cosmology

    monkeypatch.setenv("HOME", str(tmp_path))
    mass, z = np.array([5e14]), np.array([0.3])
    first = masses.to_m500c(mass, z, "200m", A, Cosmology())
    masses.to_m500c(mass, z, "200m", ONLY_H, Cosmology(sigma8=0.9))
    cosmology.setCosmology("planck18", persistence="")
    assert masses.to_m500c(mass, z, "200m", A, Cosmology()) == pytest.approx(first, rel=1e-12)
    assert masses.to_m500c(mass, z, "200m", A, Cosmology(sigma8=0.7))[0] != pytest.approx(first[0], rel=1e-4)
    assert list(tmp_path.iterdir()) == []  # colossus keeps no files that parallel jobs would share
