"""Red or blue, and rest-frame g - r, of galaxies of known luminosity: two sequences in the colour-magnitude plane.

Put in: the sequences and the shares of red galaxies among all galaxies and among satellites, functions of luminosity
alone, as observed in SDSS (Skibba & Sheth 2009). What follows: the share of red centrals, which makes up the rest given
how many galaxies of a luminosity are satellites (`clustermass.galaxies.connection`), and the share of red galaxies in a
halo. At fixed luminosity a satellite's colour does not know its halo's mass or its place in it, and nothing evolves but
luminosity: galaxies are as red as those of the same luminosity, less its evolution, at z = 0.1.

Colours are g - r, both bands shifted to z = 0.1; magnitudes are M_r - 5 log10 h, as in `SNAPSHOT_GALAXIES`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.galaxies.background import Bools, Floats, mass_function
from clustermass.galaxies.connection import (
    BLUE_FRACTION,
    BLUE_MEAN,
    BLUE_WIDTH,
    EVOLUTION_Q,
    RED_MEAN,
    RED_WIDTH,
    build_connection,
    mean_occupation_by_light,
)
from clustermass.galaxies.occupation import REFERENCE_REDSHIFT

# Skibba & Sheth (2009, MNRAS 392, 1080), section 2: values at M_r = -20 stand in `connection`, slopes a magnitude here.
# Those of the two sequences and of the blue fraction agree with public code; those of satellites are from memory.
RED_MEAN_SLOPE, RED_WIDTH_SLOPE = -0.032, 0.01
BLUE_MEAN_SLOPE, BLUE_WIDTH_SLOPE = -0.11, 0.02
BLUE_FRACTION_SLOPE = 0.07
SATELLITE_MEAN, SATELLITE_MEAN_SLOPE = 0.83, -0.08  # mean colour of satellites
PIVOT = -20.0
VALID = (-23.5, -16.0)  # magnitudes beyond which everything is held: the sequences cross at -24

_MAGNITUDES = np.arange(-24.0, -15.9, 0.1)  # nodes of the share of red centrals
_LOGM = np.arange(10.5, 15.9, 0.05)  # nodes of M200c [log10 Msun/h]


@dataclass(frozen=True, eq=False)
class Colours:
    """Share of red centrals, made by `build_colours`.

    Attributes
    ----------
    abs_mag_r, red_centrals : array, shape (n,)
        Magnitude at z = 0.1, ascending, and the share of centrals of that magnitude that are red.
    """

    abs_mag_r: Floats
    red_centrals: Floats


def build_colours(cosmology: Cosmology) -> Colours:
    """Return the share of red centrals: what brings the share of red galaxies to the observed one.

    Notes
    -----
    Source: Skibba & Sheth (2009), section 2, but with the satellites of Cacciato et al. (2009).
    """
    satellites = satellite_fraction(_MAGNITUDES, cosmology)
    rest = red_fraction(_MAGNITUDES) - satellites * red_fraction_satellites(_MAGNITUDES)
    return Colours(_MAGNITUDES, np.clip(rest / (1 - satellites), 0, 1))


def satellite_fraction(abs_mag_r: Floats, cosmology: Cosmology) -> Floats:
    """Return the share of satellites among galaxies of given magnitudes at z = 0.1, shape (n,)."""
    connection = build_connection(cosmology, REFERENCE_REDSHIFT, Galaxies())
    halos = mass_function(10**_LOGM, REFERENCE_REDSHIFT, cosmology) * (_LOGM[1] - _LOGM[0])
    edges = np.array([abs_mag_r - 0.05, abs_mag_r + 0.05])
    brighter = np.array([mean_occupation_by_light(connection, 10**_LOGM, m) for m in edges.ravel()]) @ halos
    centrals, satellites = np.diff(brighter.reshape(2, -1, 2), axis=0)[0].T
    return np.asarray(satellites / (centrals + satellites))


def at_reference(abs_mag_r: Floats, redshift: Floats) -> Floats:
    """Return magnitudes that galaxies at a redshift have at z = 0.1, by the evolution of `connection`."""
    return np.asarray(abs_mag_r + EVOLUTION_Q * (redshift - REFERENCE_REDSHIFT))


def red_sequence(abs_mag_r: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of g - r of red galaxies of given magnitudes at z = 0.1."""
    x = np.clip(abs_mag_r, *VALID) - PIVOT
    return np.asarray(RED_MEAN + RED_MEAN_SLOPE * x), np.asarray(RED_WIDTH + RED_WIDTH_SLOPE * x)


def blue_cloud(abs_mag_r: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of g - r of blue galaxies of given magnitudes at z = 0.1."""
    x = np.clip(abs_mag_r, *VALID) - PIVOT
    return np.asarray(BLUE_MEAN + BLUE_MEAN_SLOPE * x), np.asarray(BLUE_WIDTH + BLUE_WIDTH_SLOPE * x)


def red_fraction(abs_mag_r: Floats) -> Floats:
    """Return the share of red galaxies among all galaxies of given magnitudes at z = 0.1."""
    x = np.clip(abs_mag_r, *VALID) - PIVOT
    return np.asarray(1 - BLUE_FRACTION - BLUE_FRACTION_SLOPE * x)


def red_fraction_satellites(abs_mag_r: Floats) -> Floats:
    """Return the share of red galaxies among satellites: the mix of sequences that has satellites' mean colour."""
    x = np.clip(abs_mag_r, *VALID) - PIVOT
    red, blue = red_sequence(abs_mag_r)[0], blue_cloud(abs_mag_r)[0]
    return np.asarray(np.clip((SATELLITE_MEAN + SATELLITE_MEAN_SLOPE * x - blue) / (red - blue), 0, 1))


def assign_colours(
    colours: Colours, abs_mag_r: Floats, redshift: Floats, central: Bools, rank: Floats, noise: Floats
) -> tuple[Bools, Floats]:
    """Return which galaxies are red, and their rest-frame colour.

    Parameters
    ----------
    abs_mag_r : array, shape (n,)
        M_r - 5 log10 h at the galaxy's redshift, evolution of luminosity included.
    redshift : array, shape (n,)
    central : array of bool, shape (n,)
    rank : array, shape (n,)
        Uniform random numbers: a galaxy is red where its own is below the share of red ones.
    noise : array, shape (n,)
        Normal random numbers: distance from the mean of the sequence, in its standard deviations.

    Returns
    -------
    red : array of bool, shape (n,)
        Whether the colour is of the red sequence; the blue cloud reaches into it.
    g_r : array, shape (n,)
        g - r [mag], bands shifted to z = 0.1.
    """
    magnitude = at_reference(abs_mag_r, redshift)
    share = np.where(
        central, np.interp(magnitude, colours.abs_mag_r, colours.red_centrals), red_fraction_satellites(magnitude)
    )
    red = rank < share
    (red_mean, red_width), (blue_mean, blue_width) = red_sequence(magnitude), blue_cloud(magnitude)
    return red, np.where(red, red_mean + red_width * noise, blue_mean + blue_width * noise)


def sequence_offset(abs_mag_r: Floats, redshift: Floats, g_r: Floats) -> Floats:
    """Return how far galaxies lie redward of the red sequence, in its standard deviations; arguments as drawn."""
    mean, width = red_sequence(at_reference(abs_mag_r, redshift))
    return np.asarray((g_r - mean) / width)
