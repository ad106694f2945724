"""Spectra, shapes, faint galaxies and stars: against real galaxies, closed forms, brute force and published fits."""

from __future__ import annotations

import kcorrect
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from pydantic import ValidationError
from scipy.integrate import quad
from scipy.special import gammainc

from clustermass.config.base import Cosmology
from clustermass.config.population import Population
from clustermass.cosmology import flat
from clustermass.frames.contracts import SKY_STARS
from clustermass.galaxies.background import r200c
from clustermass.galaxies.connection import mean_occupation_by_light
from clustermass.population import cells, field, satellites, shapes, spectra, stars
from clustermass.sky import unit_vectors
from clustermass.sources.lightcone import K_BLUE, K_RED

COSMOLOGY, SEED = Cosmology(), 5
RA, DEC = np.array([150.0, 150.4]), np.array([40.0, 40.1])


def colour_of(g_r: float, z: float, red: bool = False) -> np.ndarray:
    return spectra.spectrum_colour(np.array([-20.0]), np.array([red]), np.array([g_r]), np.array([z]))


# Spectra


def test_colours_are_those_of_real_galaxies() -> None:
    """The galaxies that kcorrect brings, near z = 0.1, where rest-frame and observed bands are the same."""
    table = fits.getdata(f"{kcorrect.KCORRECT_DIR}/data/test/gst_tests_small.fits")
    near = (np.abs(table["Z"] - 0.1) < 0.01) & (table["MODELFLUX"] > 0).all(axis=1)
    real = 22.5 - 2.5 * np.log10(table["MODELFLUX"][near]) - table["EXTINCTION"][near]
    g_r = real[:, 1] - real[:, 2]
    ours = spectra.magnitudes(spectra.build_spectra(), real[:, 2], np.full(len(g_r), 0.1), g_r)
    for low in (0.6, 0.7, 0.8, 0.9):
        chosen = (g_r > low) & (g_r < low + 0.1)
        offset = np.median((ours - real)[chosen], axis=0)
        assert chosen.sum() > 80
        assert offset[1:] == pytest.approx(0, abs=0.02)
        assert -0.18 < offset[0] < 0  # 0.04 of it: u of SDSS is that much fainter than AB; the rest are the templates


def test_k_corrections_are_those_of_gama() -> None:
    z = np.linspace(0.02, 0.45, 20)
    for colour, published in ((0.933, K_RED), (0.603, K_BLUE)):
        found = spectra.k_correction_by_colour(spectra.build_spectra(), z, np.full(20, colour))
        assert found == pytest.approx(np.polyval(published, z - 0.1), abs=0.03)


def test_at_the_reference_redshift_nothing_is_added() -> None:
    colour = np.array([0.35, 0.71, 1.03])
    found = spectra.magnitudes(spectra.build_spectra(), np.full(3, 20.0), np.full(3, 0.1), colour)
    assert found[:, 1] - 20 == pytest.approx(colour, abs=2e-3)
    assert (found[:, 2] == 20).all()
    k = spectra.k_correction_by_colour(spectra.build_spectra(), np.full(3, 0.1), colour)
    assert k == pytest.approx(-2.5 * np.log10(1.1), abs=1e-6)


def test_light_of_a_band_is_an_integral_of_photons() -> None:
    """One template, redshift and band, by quadrature over kcorrect's files."""
    import kcorrect.response
    import kcorrect.template

    path = f"{kcorrect.KCORRECT_DIR}/data/templates/kcorrect-default-v4.fits"
    template = kcorrect.template.Template(filename=path)
    template.set_redshift(0.3)
    responses = kcorrect.response.ResponseDict()
    responses.load_response("sdss_g0")
    expected = responses["sdss_g0"].project(wave=template.wave, flux=template.flux)
    assert spectra.template_light(np.array([0.3]))[0, 1] == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(("z", "g_r"), [(0.1, 1.0), (0.25, 1.4), (0.35, 1.65)])
def test_massive_ellipticals_have_the_red_sequence_colour_of_sdss_clusters(z: float, g_r: float) -> None:
    colour = spectra.spectrum_colour(np.array([-22.0]), np.array([True]), np.array([0.996]), np.array([z]))
    found = spectra.magnitudes(spectra.build_spectra(), np.array([18.0]), np.array([z]), colour)
    assert found[0, 1] - 18 == pytest.approx(g_r, abs=0.04)


def test_spectra_evolve_and_are_tighter_than_photometry() -> None:
    assert colour_of(0.7, 0.3) == pytest.approx([0.7 - 0.42 * 0.2])
    assert colour_of(0.7, 1.5) == colour_of(0.7, 0.5)
    assert colour_of(0.932 + 0.1, 0.1, red=True) == pytest.approx([0.932 + 0.07])


# Shapes


def test_radii_by_hand() -> None:
    """M_r = -20 + 5 log10 h = -20.77: early -0.24 M - 4.63 + 0.149 = 0.504; late 0.084 * 20.77 - 1.31 + 0.32 log10 2.26."""
    none = np.full(2, 0.1)
    found = shapes.half_light_radius(np.full(2, -20.0), np.array([True, False]), none, np.full(2, 0.5))
    assert np.log10(found) == pytest.approx([0.5045, 0.5482], abs=2e-3)
    later = shapes.half_light_radius(np.full(2, -20.0), np.array([True, False]), np.full(2, 0.32), np.full(2, 0.5))
    assert later / found == pytest.approx([1.2**-1.48, 1.2**-0.75])
    wide = shapes.half_light_radius(np.full(1, -14.0), np.array([False]), none[:1], np.array([0.8413447]))
    middle = shapes.half_light_radius(np.full(1, -14.0), np.array([False]), none[:1], np.array([0.5]))
    assert np.log(wide / middle) == pytest.approx([0.48], abs=1e-3)


def test_half_the_light_is_inside_the_half_light_radius() -> None:
    n = 200
    chance = shapes.chances(SEED, np.arange(n), shapes.CHANCES)
    light, red = np.linspace(-22, -17, n), np.arange(n) % 2 == 0
    found = shapes.shapes(light, red, np.zeros(n, bool), np.full(n, 0.2), np.full(n, 2.0), chance)
    disc = found["disc_radius"] * np.sqrt(found["disc_axis_ratio"])
    bulge = found["bulge_radius"] * np.sqrt(found["bulge_axis_ratio"])
    fraction = found["bulge_fraction"]
    early = fraction > shapes.EARLY_BULGE
    radius = shapes.half_light_radius(light, early, np.full(n, 0.2), chance[:, 0]) / 2
    inside = fraction * gammainc(8, 7.66925 * (radius / bulge) ** 0.25)
    inside += (1 - fraction) * gammainc(2, 1.67835 * radius / disc)
    assert inside == pytest.approx(np.full(n, 0.5), abs=2e-3)
    assert fraction[red].mean() > 0.4 > 0.2 > fraction[~red].mean()


def test_brightest_cluster_galaxies_are_large_bulges() -> None:
    """R goes as L^0.88 in place of L^0.6 above M_r = -21.5."""
    chance = np.full((2, shapes.CHANCES), 0.5)
    bright, yes = np.full(2, -22.5), np.ones(2, bool)
    found = shapes.shapes(bright, yes, np.array([True, False]), np.full(2, 0.1), np.ones(2), chance)
    assert found["bulge_fraction"][0] == 1
    circular = found["bulge_radius"][0] * np.sqrt(found["bulge_axis_ratio"][0])
    plain = shapes.half_light_radius(bright[:1], yes[:1], np.full(1, 0.1), np.full(1, 0.5))[0]
    assert circular / plain == pytest.approx(10 ** (0.4 * 0.28))


def test_discs_are_round_from_above_and_thin_from_the_side() -> None:
    assert shapes.apparent_ratio(np.array([1.0, 0.0]), np.array([0.2, 0.2])) == pytest.approx([1, 0.2])


def test_chances_belong_to_numbers() -> None:
    numbers = np.arange(20_000) * 10**10
    drawn = shapes.chances(SEED, numbers, 5)
    assert np.array_equal(shapes.chances(SEED, numbers[7:9], 5), drawn[7:9])
    assert not (shapes.chances(SEED + 1, numbers, 5) == drawn).any()
    assert ((drawn > 0) & (drawn < 1)).all()
    assert drawn.mean(axis=0) == pytest.approx(0.5, abs=5 * 0.29 / np.sqrt(20_000))
    assert np.corrcoef(drawn.T) == pytest.approx(np.eye(5), abs=0.035)


# Cells


def test_cells_hold_their_places() -> None:
    wanted = cells.cells_near(RA, DEC, 0.2)
    every = np.repeat(wanted, 100)
    ra, dec = cells.places(every, np.random.default_rng(1).random((len(every), 2)))
    assert np.array_equal(cells.cells_of(ra, dec), every)
    drawn = np.random.default_rng(2).uniform(-0.2, 0.2, (2, 4000))
    drawn = drawn[:, np.hypot(*drawn) < 0.2]
    place = cells.cells_of(RA[0] + drawn[0] / np.cos(np.radians(DEC[0])), DEC[0] + drawn[1])
    assert set(place) <= set(wanted)
    assert len(wanted) < 12 * np.pi * 0.2**2 / cells.CELL_DEG**2
    assert cells.near_cells(RA, DEC, np.zeros(2), wanted).all()
    assert not cells.near_cells(RA + 5, DEC, np.zeros(2), wanted).any()
    assert cells.near_cells(RA + 5, DEC, np.full(2, 6.0), wanted).all()
    assert not cells.near_cells(RA, DEC, np.zeros(2), wanted[:0]).any()
    assert len(cells.cells_near(RA[:0], DEC[:0], 0.1)) == 0


# Field galaxies


def schechter(magnitude: float) -> float:
    """Return the luminosity function of Blanton et al. (2003), r band at z = 0.1 [(Mpc/h)^-3 mag^-1]."""
    x = 10 ** (-0.4 * (magnitude + 20.44))
    return float(0.4 * np.log(10) * 0.0149 * x**-0.05 * np.exp(-x))


def test_without_a_light_cone_all_galaxies_of_the_luminosity_function_are_there() -> None:
    everything = field.build_field(COSMOLOGY, (1.9, 1.95), 17.5, -19.0, np.inf)
    table, _ = field.draw_field(everything, np.arange(1500), SEED)
    bright = table[(table["abs_mag_r"] < -18.5) & (table["abs_mag_r"] > -21.5) & (table["redshift"] < 0.05)]
    r = flat(COSMOLOGY).comoving_distance(0.05).value * 0.6774
    expected = quad(schechter, -21.5, -18.5)[0] * r**3 / 3 * 1500 * cells.CELL_STERADIAN
    assert len(bright) == pytest.approx(expected, rel=0.15)
    assert len(table) == pytest.approx(1500 * everything.mean, abs=5 * np.sqrt(1500 * everything.mean))


def test_what_the_light_cone_holds_is_left_out() -> None:
    field_of = lambda log10_m: field.build_field(COSMOLOGY, (0.05, 0.3), 21.0, -19.0, log10_m)  # noqa: E731
    table, chance = field.draw_field(field_of(np.inf), cells.cells_near(RA, DEC, 1.0), SEED)
    own = table["abs_mag_r"] - field.brightening(table["redshift"].to_numpy())
    inside = (table["redshift"] > 0.07) & (table["redshift"] < 0.27)
    assert inside.sum() > 1000
    assert (own[inside] > -19.2).all()
    assert chance.shape == (len(table), shapes.CHANCES)
    assert field_of(13.3).mean < field_of(np.inf).mean < 1.2 * field_of(13.3).mean  # without satellites of groups


def test_brightening() -> None:
    assert field.brightening(np.array([0.1, 0.3, 1.0])) == pytest.approx([0, 0.324, 0.648 + 0.29])


# Satellites


def halos() -> pd.DataFrame:
    """Return a heavy halo at z = 0.1, a light one, and one too far for faint galaxies to be seen."""
    columns = {"id": ["H1", "H2", "H3"], "ra": [10.0, 11, 12], "dec": 40.0, "redshift": [0.1, 0.1, 0.55]}
    columns |= {"redshift_observed": [0.101, 0.1, 0.55], "m200c": [1e15, 3e13, 1e15], "snapshot": [0.117, 0.117, 0.45]}
    return pd.DataFrame(columns)


def test_satellites_go_on_from_the_conditional_luminosity_function() -> None:
    many = pd.concat([halos().iloc[:1].assign(id=f"H{k}") for k in range(40)], ignore_index=True)
    table, chance = satellites.draw_satellites(many, np.full(40, -16.0), -19.0, COSMOLOGY, SEED)
    from clustermass.config.galaxies import Galaxies
    from clustermass.galaxies.connection import build_connection

    connection = build_connection(COSMOLOGY, 0.117, Galaxies())
    number = [mean_occupation_by_light(connection, np.array([0.6774e15]), m)[1][0] for m in (-18.99, -19.01)]
    rate = 0.4 * np.log(10) * 0.28
    expected = 40 * (number[0] - number[1]) / 0.02 * (np.exp(rate * 3) - 1) / rate
    fainter = (table["abs_mag_r"] > -17.5 + 1.62 * 0.017).mean()
    assert fainter == pytest.approx(1 / (1 + np.exp(-rate * 1.5)), abs=4 * 0.5 / np.sqrt(len(table)))
    assert len(table) == pytest.approx(expected, abs=4 * np.sqrt(expected))
    fading = 1.62 * 0.017
    assert table["abs_mag_r"].between(-19 + fading, -16 + fading).all()
    assert chance.shape == (len(table), shapes.CHANCES)
    reach = satellites.reach(many, COSMOLOGY)[0]
    r200 = r200c(0.6774e15, 0.117, COSMOLOGY) / (flat(COSMOLOGY).comoving_distance(0.1).value * 0.6774)
    assert reach == pytest.approx(np.degrees(r200))
    centre = unit_vectors(np.array([10.0]), np.array([40.0]))[0]
    away = unit_vectors(table["ra"].to_numpy(), table["dec"].to_numpy()) @ centre
    distance = np.degrees(np.arccos(np.minimum(away, 1)))
    assert distance.max() < 1.001 * reach
    assert 0.2 < np.median(distance) / reach < 0.45
    speed = 299792.458 * (table["redshift"] - 0.101) / 1.101
    assert speed.std() == pytest.approx(satellites.dispersion(many, COSMOLOGY)[0], rel=0.05)


def test_a_halos_satellites_are_its_own() -> None:
    limit = np.array([-16.0, -16.0, -21.0])
    table, _ = satellites.draw_satellites(halos(), limit, -19.0, COSMOLOGY, SEED)
    alone, _ = satellites.draw_satellites(halos().iloc[1:2], limit[1:2], -19.0, COSMOLOGY, SEED)
    assert set(table["halo"]) == {"H1", "H2"}
    assert table[table["halo"] == "H2"].reset_index(drop=True).equals(alone)
    none, chance = satellites.draw_satellites(halos().iloc[2:], limit[2:], -19.0, COSMOLOGY, SEED)
    assert (len(none), len(chance)) == (0, 0)


def test_nfw_radii() -> None:
    share = np.array([0.1, 0.5, 0.9])
    radius = satellites.nfw_radius(np.full(3, 5.0), share)
    enclosed = np.log1p(5 * radius) - 5 * radius / (1 + 5 * radius)
    assert enclosed / (np.log(6) - 5 / 6) == pytest.approx(share, rel=1e-6)


# Stars


def test_near_stars_are_as_dense_as_around_the_sun() -> None:
    """The faintest dwarfs to r = 15 are within 10 pc: their density is that of the mass function."""
    edges = np.arange(10.0, 15.01, 0.25)
    number = stars.star_density(0, 90, edges)[-8:]  # M_r = 14.5 to 16.5
    absolute = 16.375 - 0.25 * np.arange(8)[::-1]
    volume = np.diff(10 ** (3 * (edges - absolute[:, None] + 5) / 5), axis=1) / 3
    density = number / volume
    assert density.std(axis=1) / density.mean(axis=1) == pytest.approx(0, abs=0.06)
    logm = np.array([1.3785 - 0.2326 * v + 0.005239 * v**2 for v in (15.11, 17.15)])  # M_V at both ends
    expected = quad(lambda m: 10 ** (-1.35 - 1.34 * m - 1.85 * m**2), *logm[::-1])[0]
    assert density.mean(axis=1).sum() == pytest.approx(expected, rel=0.08)


def test_the_galaxy_is_a_disc_with_a_centre() -> None:
    edges = np.arange(14.0, 22.1, 0.5)
    pole, middle, centre, away = (
        stars.star_density(*at, edges).sum() for at in ((0, 90), (90, 30), (30, 30), (180, 30))
    )
    assert pole < away < middle < centre
    per_degree = np.radians(1) ** 2
    assert 1000 < stars.star_density(0, 90, np.arange(14.0, 20.1, 0.5)).sum() * per_degree < 2500


def test_stars_are_on_the_locus() -> None:
    n = 4000
    chance = np.random.default_rng(3).random((n, 4))
    found = stars.star_magnitudes(np.full(n, 18.0), np.full(n, stars.absolute_magnitude(np.array(0.38))), chance)
    assert -np.diff(found).mean(axis=0) == pytest.approx([2.38, 1.02, 0.38, 0.20], abs=0.01)
    assert np.diff(found).std(axis=0) == pytest.approx([0.11, 0.03, 0.03, 0.04], rel=0.05)
    assert stars.absolute_magnitude(np.array([0.0, 1.0])) == pytest.approx([3.2, 9.7])


def test_stars_of_a_cell() -> None:
    wanted, options = cells.cells_near(RA, DEC, 0.5), Population(stars_r=(12, 21))
    table = stars.draw_stars(wanted, options, SEED)
    assert SKY_STARS.validate(table, "stars").equals(table)
    assert table["r"].between(12, 21).all()
    place = SkyCoord(RA[0], DEC[0], unit="deg").galactic
    edges = np.arange(12, 21.01, 0.25)
    expected = stars.star_density(place.l.deg, place.b.deg, edges).sum() * cells.CELL_STERADIAN * len(wanted)
    assert len(table) == pytest.approx(expected, rel=0.05)
    alone = stars.draw_stars(wanted[3:4], options, SEED)
    here = cells.cells_of(table["ra"].to_numpy(), table["dec"].to_numpy()) == wanted[3]
    assert table[here].reset_index(drop=True).equals(alone)
    plane = cells.cells_of(*(np.array([x]) for x in (101.29, -16.72)))  # b = -9
    dense, denser = (len(stars.draw_stars(plane, Population(min_latitude_deg=b), SEED)) for b in (20, 5))
    assert dense < denser / 1.5


def test_configuration_is_checked() -> None:
    with pytest.raises(ValidationError, match="expected a rising range inside 5 to 25"):
        Population(stars_r=(20, 10))
