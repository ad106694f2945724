"""Colours of galaxies: the published sequences by hand, shares of red galaxies by counting."""

from __future__ import annotations

import numpy as np
import pytest

from clustermass.config.base import Cosmology
from clustermass.galaxies.colours import (
    Colours,
    assign_colours,
    at_reference,
    blue_cloud,
    build_colours,
    red_fraction,
    red_fraction_satellites,
    red_sequence,
    satellite_fraction,
    sequence_offset,
)

COSMOLOGY = Cosmology()


def numbers(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return uniform and normal random numbers."""
    rng = np.random.default_rng(2)
    return rng.uniform(size=n), rng.standard_normal(n)


@pytest.fixture(scope="module")
def colours() -> Colours:
    return build_colours(COSMOLOGY)


def test_sequences_by_hand() -> None:
    """At M_r = -21: red 0.932 + 0.032, width 0.07 - 0.01; blue 0.62 + 0.11, width 0.12 - 0.02."""
    magnitude = np.array([-21.0])
    assert np.ravel(red_sequence(magnitude)) == pytest.approx([0.964, 0.06])
    assert np.ravel(blue_cloud(magnitude)) == pytest.approx([0.73, 0.10])
    assert red_fraction(magnitude) == pytest.approx(1 - 0.46 + 0.07)


def test_red_fraction_of_satellites_makes_their_mean_colour() -> None:
    magnitude = np.linspace(-22, -17, 11)
    red = red_fraction_satellites(magnitude)
    mean = red * red_sequence(magnitude)[0] + (1 - red) * blue_cloud(magnitude)[0]
    assert mean == pytest.approx(0.83 - 0.08 * (magnitude + 20))


def test_beyond_the_valid_range_everything_is_held() -> None:
    for function in (red_sequence, blue_cloud, red_fraction, red_fraction_satellites):
        held, edge = function(np.array([-30.0, -5.0])), function(np.array([-23.5, -16.0]))
        assert np.array_equal(held, edge)
    assert (red_sequence(np.array([-23.5]))[0] > blue_cloud(np.array([-23.5]))[0]).all()


def test_few_bright_galaxies_are_satellites() -> None:
    """About a quarter at L*, and fewer above (Zehavi et al. 2011 find 15 to 35 %)."""
    share = satellite_fraction(np.array([-22.5, -20.5, -19.0]), COSMOLOGY)
    assert share[0] < 0.1 < share[1] < share[2] < 0.4


def test_all_galaxies_together_are_as_red_as_observed(colours: Colours) -> None:
    for magnitude in (-19.0, -20.0, -21.0, -22.0):
        rng = np.random.default_rng(1)
        n = 20000
        central = rng.uniform(size=n) > satellite_fraction(np.array([magnitude]), COSMOLOGY)[0]
        red, g_r = assign_colours(colours, np.full(n, magnitude), np.full(n, 0.1), central, *numbers(n))
        share = 1 - 0.46 - 0.07 * (magnitude + 20)
        assert red.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))
        for chosen, (mean, width) in ((red, red_sequence(magnitude)), (~red, blue_cloud(magnitude))):
            assert g_r[chosen].mean() == pytest.approx(mean, abs=5 * width / np.sqrt(chosen.sum()))
            assert g_r[chosen].std() == pytest.approx(width, rel=0.04)


def test_satellites_are_redder_than_centrals(colours: Colours) -> None:
    magnitude = np.array([-21.0, -20.0, -19.0])
    assert (red_fraction_satellites(magnitude) > np.interp(magnitude, colours.abs_mag_r, colours.red_centrals)).all()


def test_colours_follow_luminosity_less_its_evolution(colours: Colours) -> None:
    """1.62 mag per unit of redshift: the same random numbers give the same colours."""
    magnitude, central = np.linspace(-22, -18, 500), np.arange(500) % 2 == 0
    near = assign_colours(colours, magnitude, np.full(500, 0.1), central, *numbers(500))
    far = assign_colours(colours, magnitude - 1.62 * 0.3, np.full(500, 0.4), central, *numbers(500))
    assert np.array_equal(near[0], far[0])
    assert near[1] == pytest.approx(far[1])
    assert at_reference(np.array([-20.0]), np.array([0.3])) == pytest.approx([-20 + 1.62 * 0.2])


def test_offset_from_the_sequence_in_its_widths() -> None:
    magnitude = np.array([-20.0, -20.0])
    assert sequence_offset(magnitude, np.full(2, 0.1), np.array([0.932 + 0.07, 0.62])) == pytest.approx(
        [1, -0.312 / 0.07]
    )


def test_no_galaxies(colours: Colours) -> None:
    empty = np.empty(0)
    red, g_r = assign_colours(colours, empty, empty, empty.astype(bool), empty, empty)
    assert (red.shape, g_r.shape) == ((0,), (0,))
