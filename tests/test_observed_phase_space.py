"""Angles to lengths, windows, self-similar scaling, footprint: closed forms, astropy's sky, brute force."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.cosmology import flat
from clustermass.galaxies.background import efunc, r200c, v200
from clustermass.observed.footprint import build_grid, measure_footprint, usable_area, window_covered
from clustermass.observed.phase_space import (
    cut_windows,
    distance_exact,
    distance_q0,
    measured_redshift,
    offset_position,
    relative_velocity,
    self_similar_scale,
    sky_offsets,
)

Floats = NDArray[np.float64]
COSMOLOGY = Cosmology()


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_distances_by_q0() -> None:
    z = np.array([1e-5, 0.0231, 0.05, 0.085, 0.2])
    assert distance_q0(z, -0.55)[0] == pytest.approx(2997.92458 * 1e-5, rel=1e-4)
    assert distance_q0(np.array([0.1]), 0.0) * 1.1 == pytest.approx(2997.92458 * (0.1 - 0.005))  # empty: exact to z^2
    exact = distance_exact(z, flat(COSMOLOGY))
    difference = distance_q0(z, -0.55) / exact - 1
    assert np.abs(difference[:4]).max() < 1e-3  # "negligible" at z <= 0.085
    assert 1e-3 < abs(difference[4]) < 5e-3
    deceleration = 1.5 * COSMOLOGY.Om0 - 1  # the cosmology's own: what is left is of third order
    third = distance_q0(np.array([0.01, 0.02]), deceleration) / distance_exact(np.array([0.01, 0.02]), flat(COSMOLOGY))
    assert (third[1] - 1) / (third[0] - 1) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("ra", "dec"), [(10.0, 0.0), (359.99, 30.0), (200.0, 89.5), (120.0, -90.0)])
def test_offsets_against_the_sky(ra: float, dec: float) -> None:
    """Separation and position angle are those of astropy, at poles and across RA = 0."""
    east, north = rng().uniform(-0.05, 0.05, (2, 200))
    there = offset_position(ra, dec, east, north)
    centre, others = SkyCoord(ra, dec, unit="deg"), SkyCoord(*there, unit="deg")
    np.testing.assert_allclose(centre.separation(others).rad, np.hypot(east, north), rtol=1e-9, atol=1e-12)
    if abs(dec) < 90:
        turn = np.angle(np.exp(1j * (centre.position_angle(others).rad - np.arctan2(east, north))))
        assert np.abs(turn).max() < 1e-6
        back = sky_offsets(*there, ra, dec)
        np.testing.assert_allclose(back, (east, north), atol=1e-11)
    assert np.hypot(*sky_offsets(np.array([ra]), np.array([dec]), ra, dec))[0] == 0


def test_velocities() -> None:
    assert relative_velocity(np.array([0.0231, 0.0331]), 0.0231) == pytest.approx([0, 299792.458 * 0.01 / 1.0231])


def test_self_similar_halos_are_found_again() -> None:
    """A halo at z seen as one at z0 has the velocity of that one, its size, and its mass comes back."""
    z, z0, mass = 0.23, 0.05, np.array([6e14])
    scale = float(self_similar_scale(np.array([z]), z0, flat(COSMOLOGY))[0])
    assert scale == pytest.approx(efunc(z, COSMOLOGY) / efunc(z0, COSMOLOGY))
    size, speed = r200c(mass, z, COSMOLOGY)[0] / (1 + z), v200(mass, z, COSMOLOGY)[0]
    seen_mass = mass * scale
    assert v200(seen_mass, z0, COSMOLOGY)[0] == pytest.approx(speed, rel=1e-12)
    assert r200c(seen_mass, z0, COSMOLOGY)[0] / (1 + z0) == pytest.approx(size * scale, rel=1e-12)
    assert 10 ** (np.log10(seen_mass) - np.log10(scale)) == pytest.approx(mass)


def galaxies(n: int) -> tuple[Floats, Floats, Floats]:
    drawn = rng(3)
    return drawn.uniform(-3, 3, n) % 360, drawn.uniform(-2, 4, n), drawn.uniform(0.03, 0.09, n)


def test_windows_against_brute_force() -> None:
    survey = galaxies(4000)
    centres = np.array([359.9, 1.0, 120.0]), np.array([1.0, -1.5, 0.0]), np.array([0.06, 0.04, 0.05])
    proper, half = distance_q0(centres[2], -0.55), np.array([2.0, 4.0, 4.0])
    found = cut_windows(survey, centres, proper, half, 2200.0)
    sky = SkyCoord(*survey[:2], unit="deg")
    for row in range(3):
        centre = SkyCoord(centres[0][row], centres[1][row], unit="deg")
        angle, bearing = centre.separation(sky).rad, centre.position_angle(sky).rad
        x, y = proper[row] * angle * np.sin(bearing), proper[row] * angle * np.cos(bearing)
        v = 299792.458 * (survey[2] - centres[2][row]) / (1 + centres[2][row])
        expected = np.flatnonzero((np.abs(x) <= half[row]) & (np.abs(y) <= half[row]) & (np.abs(v) <= 2200))
        part = slice(found.start[row], found.start[row + 1])
        assert found.galaxy[part].tolist() == expected.tolist()
        np.testing.assert_allclose(found.x[part], x[expected], atol=1e-9)
        np.testing.assert_allclose(found.y[part], y[expected], atol=1e-9)
        np.testing.assert_allclose(found.v_los[part], v[expected], atol=1e-6)
    assert found.start[2] == found.start[3] > 100  # nobody around the third


def test_no_clusters_and_no_galaxies() -> None:
    nothing = np.empty(0)
    assert cut_windows(galaxies(10), (nothing, nothing, nothing), nothing, nothing, 2200.0).start.tolist() == [0]
    one = np.ones(1)
    assert cut_windows((nothing, nothing, nothing), (one, one, one), 100 * one, one, 2200.0).start.tolist() == [0, 0]


def test_a_cluster_that_is_too_near_is_refused() -> None:
    one = np.ones(1)
    with pytest.raises(ValueError, match=r"below 60 degrees, got .* at redshift 0.001"):
        cut_windows(galaxies(10), (one, one, 0.001 * one), distance_q0(0.001 * one, -0.55), 4 * one, 2200.0)


def test_redshift_of_a_cluster_with_a_wrong_guess_and_a_foreground() -> None:
    drawn = rng(4)
    cluster = 0.1 + 0.0025 * drawn.normal(size=80) * 1.1
    other = np.concatenate([cluster, 0.09 + 0.001 * drawn.normal(size=15), drawn.uniform(0.05, 0.15, 60)])
    found = measured_redshift(other, 0.107, 4000.0, 1000.0)
    assert found == pytest.approx(0.1, abs=0.0007)
    assert np.isnan(measured_redshift(other[:3], 0.1, 4000.0, 1000.0))
    assert np.isnan(measured_redshift(other, 0.5, 4000.0, 1000.0))


def test_cells_have_equal_areas_and_cover_the_sky() -> None:
    grid = build_grid(2.0)
    cells = np.arange(grid.start[-1])
    areas = grid.areas(cells)
    assert areas.sum() == pytest.approx(41252.96, rel=1e-6)
    assert np.quantile(areas, 0.01) > 3
    assert areas.max() < 6
    assert (grid.cells(*grid.places(cells)) == cells).all()
    assert grid.cells(np.array([0.0, 360.0, 359.9999, 10]), np.array([-90.0, 90, 90, 0])).min() >= 0


def patch(n: int, seed: int = 5) -> tuple[Floats, Floats]:
    """Return positions uniform on the sky in RA 350 to 30, dec 10 to 50 [deg]: 40 deg by 0.592 in sin dec."""
    drawn = rng(seed)
    low, high = np.sin(np.radians([10.0, 50.0]))
    return drawn.uniform(-10, 30, n) % 360, np.degrees(np.arcsin(drawn.uniform(low, high, n)))


def test_area_of_a_patch() -> None:
    ra, dec = patch(25_000)
    true = 40 * np.degrees(np.sin(np.radians(50)) - np.sin(np.radians(10)))
    found = measure_footprint(ra, dec, 0.7, 1.5)
    assert found.area_deg2 == pytest.approx(true, rel=0.05)
    bare = measure_footprint(*patch(3000), 0.7, 0.0)  # so few galaxies leave holes, which closing mends
    assert bare.area_deg2 < 0.8 * true
    assert measure_footprint(*patch(3000), 0.7, 1.5).area_deg2 == pytest.approx(true, rel=0.12)
    assert found.contains(np.array([0.0, 355.0, 15.0, 31.5]), np.array([30.0, 20.0, 52.0, 30.0])).tolist() == [
        True, True, False, False,
    ]  # fmt: skip


def test_holes_larger_than_the_closing_stay() -> None:
    ra, dec = patch(40_000)
    kept = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(5, 30, unit="deg")).deg > 3
    found = measure_footprint(ra[kept], dec[kept], 0.7, 1.5)
    assert found.contains(np.array([5.0, 5.0]), np.array([30.0, 36.0])).tolist() == [False, True]


def test_windows_at_the_edge() -> None:
    found = measure_footprint(*patch(40_000), 0.5, 1.5)
    half = np.radians([2.0, 2.0, 2.0, 2.0])
    share, inside = window_covered(found, np.array([10.0, 29.5, 60.0, 10.0]), np.array([30.0, 30, 30, 49.6]), half)
    assert share[0] == 1
    assert share[1] == pytest.approx(0.61, abs=0.12)
    assert share[2] == 0
    assert share[3] == pytest.approx(0.6, abs=0.12)
    assert inside.tolist() == [True, True, False, True]
    smaller = usable_area(found, np.radians(2.0), 1.0)
    expected = 36 * np.degrees(np.sin(np.radians(48)) - np.sin(np.radians(12)))  # about: the border of 2 deg is gone
    assert smaller == pytest.approx(expected, rel=0.1)
    assert usable_area(found, np.radians(2.0), 0.0) == pytest.approx(found.area_deg2)
