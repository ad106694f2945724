"""Everything that is measured on one box at one redshift."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.config.validation import Validation
from clustermass.galaxies.connection import build_connection
from clustermass.nbody.mesh import Float32s
from clustermass.validation import halos as matter_and_halos
from clustermass.validation import members as in_halos
from clustermass.validation.cylinder import interloper_rows
from clustermass.validation.modes import matter_modes
from clustermass.validation.table import STATISTICS


@dataclass(frozen=True, eq=False)
class Box:
    """One box at one redshift.

    Attributes
    ----------
    box : float
        Side [Mpc/h].
    redshift : float
    particle_mass : float
        [Msun/h]
    positions : array of float32, shape (n, 3)
        Of the particles, or an even sample of them, in [0, box) [Mpc/h].
    power, found, halos, galaxies : pandas.DataFrame
        Contracts `POWER`, `HALOS_SNAPSHOT`, `SNAPSHOT_HALOS`, `SNAPSHOT_GALAXIES`.
    """

    box: float
    redshift: float
    particle_mass: float
    positions: Float32s
    power: pd.DataFrame
    found: pd.DataFrame
    halos: pd.DataFrame
    galaxies: pd.DataFrame


def measure(box: Box, cosmology: Cosmology, options: Galaxies, settings: Validation, threads: int = 1) -> pd.DataFrame:
    """Return all statistics of a box: contract `STATISTICS`.

    Parameters
    ----------
    options : Galaxies
        What the galaxies were made with.

    Raises
    ------
    ValueError
        Halos after matching that are not among those found.
    """
    parts = [*_matter(box, cosmology, settings, threads), *_galaxies(box, cosmology, options, settings)]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return STATISTICS.validate(table, "statistics of the universe")


def _matter(u: Box, cosmology: Cosmology, settings: Validation, threads: int) -> list[pd.DataFrame]:
    """Return what is measured on particles and halos."""
    background = (u.redshift, cosmology)
    modes = matter_modes(u.positions, u.box, settings.bias_max_k, settings.mesh_per_side, threads)
    raw = u.found.set_index("halo_id")
    unknown = ~u.halos["halo"].isin(raw.index)
    if unknown.any():
        raise ValueError(f"halos: expected ids of halos that were found, got {u.halos['halo'][unknown].iloc[0]}")
    sigma = raw["sigma_v"].reindex(u.halos["halo"]).to_numpy()
    large = u.halos[u.halos["m200c"] >= 10**settings.min_halo_log10_mass]
    edges, fewest, own = settings.mass_edges, settings.fewest, matter_and_halos.own_modes(u.power)
    bias = (modes, *background, settings.bias_mass_edges, settings.bias_max_k, fewest)
    return [
        matter_and_halos.mass_functions(u.found, u.halos, u.box, u.particle_mass, *background, edges, fewest),
        matter_and_halos.power_rows(u.power, *background, settings.wave_edges),
        matter_and_halos.bias_rows(u.halos, "matched", *bias),
        matter_and_halos.bias_rows(u.found, "raw", *bias),
        matter_and_halos.infall_rows(large, u.box, *background, settings.separation_edges, own),
        matter_and_halos.dispersion_rows(
            raw["m200c"].to_numpy(), raw["sigma_v"].to_numpy(), "matter, raw mass", *background, edges, fewest
        ),
        matter_and_halos.dispersion_rows(
            u.halos["m200c"].to_numpy(), sigma, "matter, matched mass", *background, edges, fewest
        ),
    ]


def _galaxies(u: Box, cosmology: Cosmology, options: Galaxies, settings: Validation) -> list[pd.DataFrame]:
    """Return what is measured on galaxies."""
    background = (u.redshift, cosmology)
    threshold, edges, fewest = options.min_log10_mstar, settings.mass_edges, settings.fewest
    connection = build_connection(cosmology, u.redshift, options)
    heavy = u.galaxies[u.galaxies["log10_mstar"] >= threshold]
    members = in_halos.gather_members(heavy, u.halos, u.box)
    mass, radius = u.halos["m200c"].to_numpy(), u.halos["r200c"].to_numpy()
    clusters = u.halos[mass >= 10**settings.min_halo_log10_mass]
    return [
        in_halos.galaxy_dispersion_rows(members, mass, radius, *background, edges, fewest),
        in_halos.occupation_rows(members, mass, connection, threshold, edges, fewest),
        in_halos.profile_rows(
            members, u.halos, connection, *background, options, settings.radius_edges, settings.profile_mass_edges,
            threshold, fewest,
        ),
        in_halos.galaxy_function_rows(
            u.galaxies, u.box, cosmology.H0 / 100, connection.brightening, options, settings.magnitude_edges,
            settings.stellar_mass_edges, fewest,
        ),
        interloper_rows(
            heavy, clusters, u.box, *background, settings.aperture_mpc_h, settings.velocity_cut_km_s,
            settings.min_richness, edges, fewest,
        ),
    ]  # fmt: skip
