"""What stands on the simulated sky around some positions: galaxies of the light cone, fainter ones, and stars.

Everything is a function of the place on the sky: of its cell (`clustermass.population.cells`), its halo or its galaxy,
and of the seed. Whoever asks for overlapping areas gets the same sources there, to the last bit. Galaxies of the light
cone keep their r magnitude, number and colour.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.config.population import Population
from clustermass.frames.contracts import BANDS, SKY_GALAXIES, SKY_STARS, STARS
from clustermass.galaxies.background import Floats, Ints
from clustermass.galaxies.colours import assign_colours, at_reference, build_colours
from clustermass.galaxies.occupation import REFERENCE_REDSHIFT
from clustermass.population import satellites
from clustermass.population.cells import cells_near, cells_of, near_cells
from clustermass.population.field import brightening, build_field, draw_field
from clustermass.population.shapes import BCG_FAINTEST, CHANCES, chances, shapes
from clustermass.population.spectra import build_spectra, k_correction_by_colour, magnitudes, spectrum_colour
from clustermass.population.stars import draw_stars
from clustermass.sources.lightcone import CONE_GALAXIES, Load, cone_galaxies, magnitude_offset
from clustermass.sources.lightcone_geometry import Cone, comoving_distance

REACH_DEG = 0.3  # around the middle of a field: its radius, 0.14 deg, and how far the light of bright sources reaches
_BRIGHTEST_K = 0.5  # mag that a galaxy may lie brighter than by the mean K-correction: drawn to there, then cut by r
_MIN_REDSHIFT = 0.002  # closer galaxies are drawn as if they were there


class Sky(NamedTuple):
    """Sources: tables `SKY_GALAXIES` and `SKY_STARS`."""

    galaxies: pd.DataFrame
    stars: pd.DataFrame


def near_galaxies(
    cone: Cone,
    load_halos: Load,
    load_galaxies: Load,
    halos: pd.DataFrame,
    ra: Floats,
    dec: Floats,
    radius_deg: Floats | float,
    options: Population,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, all_parts: None,
) -> pd.DataFrame:
    """Return the galaxies of the light cone around positions, in one pass over it: contract `CONE_GALAXIES`.

    Parameters
    ----------
    cone, load_halos, load_galaxies, halos, seed
        As for `clustermass.sources.lightcone.cone_galaxies`.
    ra, dec : array, shape (n,)
        [deg]
    radius_deg : array, shape (n,), or float
        Around each position.
    options : Population
    progress : callable
        Called with the tiles that are done and all.
    """
    wanted = cells_near(ra, dec, radius_deg)
    visits = sum(len(tiles) for _, _, tiles in cone.visits())

    def faintest(redshift: Floats) -> Floats:
        complete = magnitude_offset(redshift, cone.cosmology) + options.cone_abs_mag_r
        return np.minimum(complete, options.faintest_r)

    parts = [CONE_GALAXIES.empty()]
    for done, chunk in enumerate(cone_galaxies(cone, load_halos, load_galaxies, halos, faintest, seed), 1):
        cells = cells_of(chunk["ra"].to_numpy(), chunk["dec"].to_numpy())
        parts.append(chunk[np.isin(cells, wanted)])
        progress(done, visits)
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    kinds = {column.name: float for column in CONE_GALAXIES.columns if column.kind == "float"}
    return CONE_GALAXIES.validate(table.astype(kinds), "galaxies near positions")


def sky_sources(
    ra: Floats,
    dec: Floats,
    radius_deg: Floats | float,
    galaxies: pd.DataFrame,
    halos: pd.DataFrame,
    redshift: tuple[float, float],
    options: Population,
    cosmology: Cosmology,
    seed: int,
) -> Sky:
    """Return all galaxies and stars around positions, ascending in declination.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        [deg]
    radius_deg : array, shape (n,), or float
        Around each position; somewhat more comes back.
    galaxies : pandas.DataFrame
        By `near_galaxies`, for these positions at least.
    halos : pandas.DataFrame
        Contract `clustermass.sources.lightcone.HALOS`: all of the light cone.
    redshift : tuple of float
        Range of the light cone.
    """
    cells = cells_near(ra, dec, radius_deg)
    parts = [
        _of_cone(galaxies, cells, seed),
        _of_halos(halos, cells, options, cosmology, seed),
        _of_field(halos, cells, redshift, options, cosmology, seed),
    ]
    table = pd.concat([_drawn(part, cosmology) for part in parts], ignore_index=True)
    table = table[table["r"] < options.faintest_r].sort_values(["dec", "ra"], ignore_index=True)
    stars = draw_stars(cells, options, seed).sort_values(["dec", "ra"], ignore_index=True)
    return Sky(SKY_GALAXIES.validate(table, "galaxies of the sky"), SKY_STARS.validate(stars, "stars of the sky"))


def listed_stars(stars: pd.DataFrame, options: Population) -> pd.DataFrame:
    """Return the stars that the survey lists: contract `STARS`."""
    return STARS.validate(stars.loc[stars["r"] < options.listed_stars_r, STARS.names], "stars")


class _Part(NamedTuple):
    """Galaxies before they are drawn.

    `table`: galaxy, halo, central, ra, dec, redshift, abs_mag_r (as at z = 0.1), colour_rank, colour_noise, and r where
    it is known; `chance`: uniform random numbers for shapes, shape (n, 5).
    """

    table: pd.DataFrame
    chance: Floats


def _of_cone(galaxies: pd.DataFrame, cells: Ints, seed: int) -> _Part:
    """Return the galaxies of the light cone in cells."""
    here = np.isin(cells_of(galaxies["ra"].to_numpy(float), galaxies["dec"].to_numpy(float)), cells)
    table = galaxies[here].drop(columns=["redshift", "log10_mstar"]).rename(columns={"redshift_observed": "redshift"})
    magnitude, seen = table["abs_mag_r"].to_numpy(float), table["redshift"].to_numpy(float)
    chance = chances(seed, table["galaxy"].to_numpy(np.int64), CHANCES)
    return _Part(table.assign(abs_mag_r=at_reference(magnitude, seen)), chance)


def _of_halos(halos: pd.DataFrame, cells: Ints, options: Population, cosmology: Cosmology, seed: int) -> _Part:
    """Return faint satellites in cells."""
    near = near_cells(halos["ra"].to_numpy(float), halos["dec"].to_numpy(float), np.full(len(halos), 2.0), cells)
    halos = halos[near]
    ra, dec = halos["ra"].to_numpy(float), halos["dec"].to_numpy(float)
    halos = halos[near_cells(ra, dec, satellites.reach(halos, cosmology), cells)]
    limit = options.faintest_r - magnitude_offset(halos["redshift"].to_numpy(float), cosmology) + _BRIGHTEST_K
    table, chance = satellites.draw_satellites(halos, limit, options.cone_abs_mag_r, cosmology, seed)
    here = np.isin(cells_of(table["ra"].to_numpy(float), table["dec"].to_numpy(float)), cells)
    return _Part(table[here].assign(galaxy=-1, central=False), chance[here])


def _of_field(
    halos: pd.DataFrame,
    cells: Ints,
    redshift: tuple[float, float],
    options: Population,
    cosmology: Cosmology,
    seed: int,
) -> _Part:
    """Return galaxies outside the light cone and too faint for it, in cells."""
    smallest = float(np.log10(halos["m200c"].min() * cosmology.H0 / 100)) if len(halos) else np.inf
    field = build_field(cosmology, redshift, options.faintest_r, options.cone_abs_mag_r, smallest)
    table, chance = draw_field(field, cells, seed)
    return _Part(table.assign(galaxy=-1, halo="", central=True), chance)


_colours = cache(build_colours)


def _drawn(part: _Part, cosmology: Cosmology) -> pd.DataFrame:
    """Return galaxies with magnitudes and shapes: columns of `SKY_GALAXIES`."""
    table = part.table
    z = np.maximum(table["redshift"].to_numpy(float), _MIN_REDSHIFT)
    light, rank, noise = (table[name].to_numpy(float) for name in ("abs_mag_r", "colour_rank", "colour_noise"))
    here = np.full(len(z), REFERENCE_REDSHIFT)
    central = table["central"].to_numpy(bool)
    red, g_r = assign_colours(_colours(cosmology), light, here, central, rank, noise)
    red |= central & (light < BCG_FAINTEST)  # there the blue cloud is an edge of the red sequence
    spectra, colour = build_spectra(), spectrum_colour(light, red, g_r, z)
    distance = comoving_distance(z, cosmology)  # Mpc/h
    if "r" in table:
        r = table["r"].to_numpy(float)
    else:
        r = light - brightening(z) + 5 * np.log10((1 + z) * distance) + 25 + k_correction_by_colour(spectra, z, colour)
    kpc_per_arcsec = 1000 * distance / (cosmology.H0 / 100) / (1 + z) * np.pi / 180 / 3600
    columns = dict(zip(BANDS, magnitudes(spectra, r, z, colour).T, strict=True))
    columns |= shapes(light, red, central, z, kpc_per_arcsec, part.chance)
    kept = table[["galaxy", "halo", "ra", "dec", "redshift"]].reset_index(drop=True)
    return pd.concat([kept, pd.DataFrame(columns)], axis=1)[SKY_GALAXIES.names]
