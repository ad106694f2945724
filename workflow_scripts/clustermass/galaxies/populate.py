"""Galaxies of a snapshot: centrals and satellites of its halos, and of halos that it does not resolve.

Put in: numbers, stellar masses and luminosities of galaxies in halos of given mass (`connection`); NFW profiles of
satellites and dispersions by the Jeans equation (`structure`; with structure 'particles' only where radii are remapped
and velocities rescaled); the bias of unresolved halos (`unresolved`). Not put in: what galaxies along the line of sight
do to an observation, and, with structure 'particles', shapes, substructure and infall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.galaxies import structure
from clustermass.galaxies.background import (
    Bools,
    Floats,
    Ints,
    concentrations,
    dispersion_evrard08,
    draw_halos,
    omega_m,
    r200c,
)
from clustermass.galaxies.background import v200 as circular_velocity
from clustermass.galaxies.connection import (
    Connection,
    above_threshold,
    build_connection,
    draw_centrals,
    draw_satellites,
)
from clustermass.galaxies.particles import (
    Particles,
    choose_particles,
    fit_velocities,
    remap_radii,
    rescale_velocities,
)
from clustermass.galaxies.unresolved import Field, place_halos
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

_XYZ, _VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]


@dataclass(frozen=True, eq=False)
class _Hosts:
    """Halos that receive galaxies: ids, phase space [comoving Mpc/h, km/s], M200c [Msun/h], R200c, concentration."""

    halo: Ints
    position: Floats
    velocity: Floats
    m200c: Floats
    r200c: Floats
    v200: Floats
    concentration: Floats


def populate(
    halos: pd.DataFrame,
    cosmology: Cosmology,
    redshift: float,
    box: float,
    options: Galaxies,
    rng: np.random.Generator,
    particles: Particles | None = None,
    field: Field | None = None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the galaxies of a snapshot, and what was applied to make them.

    Parameters
    ----------
    halos : pandas.DataFrame
        Contract `SNAPSHOT_HALOS`; concentrations that are missing are drawn.
    redshift : float
        Of the snapshot.
    box : float
        Side of the periodic box [comoving Mpc/h].
    options : Galaxies
        Thresholds and options.
    particles : Particles, optional
        Around the halos, in their order, out to about 1.7 R200c; needed by structure 'particles'.
    field : Field, optional
        Without it there are no galaxies of unresolved halos. Its particles should be outside
        `structure.satellite_limit` of all halos, as what is inside counts among their satellites.

    Returns
    -------
    galaxies : pandas.DataFrame
        Contract `SNAPSHOT_GALAXIES`; `m_acc` is missing, as there are no subhalos.
    applied : dict
        Numbers of galaxies by origin, factors on velocities, weights of field particles.

    Raises
    ------
    ValueError
        Box, redshift or particles that do not fit.
    """
    _check(halos, redshift, box, options, particles)
    halos = SNAPSHOT_HALOS.validate(halos, "halos")
    streams = rng.spawn(6)
    connection = build_connection(cosmology, redshift, options)
    jeans = structure.solve_jeans(options.anisotropy)
    hosts = _resolved(halos, redshift, cosmology, streams[0])
    applied: dict[str, Any] = {"halos": len(halos)}
    if options.structure == "particles" and particles is not None and len(halos):
        particles, applied["particles"] = _prepare(particles, hosts, options, jeans)
    else:
        particles = None
    limit = omega_m(redshift, cosmology)
    parts = [
        _centrals(hosts, connection, redshift, cosmology, options, streams[1]),
        _satellites(hosts, connection, limit, options, jeans, particles, streams[2], applied),
    ]
    if field is not None:
        small = _unresolved(field, redshift, box, cosmology, options, streams[3], applied)
        parts.append(_centrals(small, connection, redshift, cosmology, options, streams[4]))
        parts.append(_satellites(small, connection, limit, options, jeans, None, streams[5], {}))
    galaxies = pd.concat(parts, ignore_index=True)
    wrapped = np.mod(galaxies[_XYZ].to_numpy(), box)
    galaxies[_XYZ] = np.where(wrapped < box, wrapped, 0.0)  # the remainder of a tiny negative number is the box itself
    galaxies["galaxy"] = np.arange(len(galaxies))
    applied["galaxies"] = len(galaxies)
    return SNAPSHOT_GALAXIES.validate(galaxies, "galaxies"), applied


def _check(halos: pd.DataFrame, redshift: float, box: float, options: Galaxies, particles: Particles | None) -> None:
    """Refuse what cannot be populated."""
    if not box > 0:
        raise ValueError(f"the box must have a positive side, got {box}")
    if not redshift >= 0:
        raise ValueError(f"the redshift must not be negative, got {redshift}")
    if options.structure == "particles":
        if particles is None:
            raise ValueError("structure 'particles' needs the particles of the halos")
        if len(particles.start) != len(halos) + 1:
            raise ValueError(f"particles of {len(particles.start) - 1} halos, but {len(halos)} halos")


def _resolved(halos: pd.DataFrame, redshift: float, cosmology: Cosmology, rng: np.random.Generator) -> _Hosts:
    """Return the halos of a snapshot as hosts."""
    m200c = halos["m200c"].to_numpy(float)
    drawn = concentrations(m200c, redshift, cosmology, rng)
    given = halos["concentration"].to_numpy(float)
    return _Hosts(
        halos["halo"].to_numpy(np.int64),
        halos[_XYZ].to_numpy(float),
        halos[_VELOCITY].to_numpy(float),
        m200c,
        halos["r200c"].to_numpy(float),
        circular_velocity(m200c, redshift, cosmology),
        np.where(np.isnan(given), drawn, given),
    )


def _unresolved(
    field: Field,
    redshift: float,
    box: float,
    cosmology: Cosmology,
    options: Galaxies,
    rng: np.random.Generator,
    applied: dict[str, Any],
) -> _Hosts:
    """Return halos below the simulation's resolution, on field particles; they have no id."""
    m200c = draw_halos(options.min_halo_mass, field.max_halo_mass, box**3, redshift, cosmology, rng)
    particle, applied["unresolved"] = place_halos(m200c, redshift, field, cosmology, rng)
    applied["unresolved"]["halos"] = len(m200c)
    return _Hosts(
        np.full(len(m200c), -1),
        np.asarray(field.position[particle], float),
        np.asarray(field.velocity[particle], float),
        m200c,
        r200c(m200c, redshift, cosmology),
        circular_velocity(m200c, redshift, cosmology),
        concentrations(m200c, redshift, cosmology, rng),
    )


def _prepare(
    particles: Particles, hosts: _Hosts, options: Galaxies, jeans: structure.Jeans
) -> tuple[Particles, dict[str, Any]]:
    """Return particles with radii remapped and velocities rescaled as configured, and what that was."""
    applied: dict[str, Any] = {"radii_remapped": options.remap_radii, "velocities_rescaled": options.rescale_velocities}
    if options.remap_radii:
        particles = remap_radii(particles, hosts.concentration)
    if options.rescale_velocities:
        factor = fit_velocities(particles, hosts.m200c, hosts.concentration, jeans)
        applied["coefficients"] = factor.coefficients.tolist()
        applied["log10_mass"] = list(factor.log10_mass)
        x, mass = np.meshgrid([0.1, 0.3, 0.5, 0.7, 0.9, 1.0], np.linspace(*factor.log10_mass, 5))
        applied["factor"] = factor(mass, x).round(4).tolist()  # rows: mass; columns: radius
        particles = rescale_velocities(particles, hosts.m200c, factor)
    return particles, applied


def _centrals(
    hosts: _Hosts,
    connection: Connection,
    redshift: float,
    cosmology: Cosmology,
    options: Galaxies,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the centrals above the thresholds, at the centres of their halos."""
    log10_mstar, abs_mag_r = draw_centrals(connection, hosts.m200c, rng)
    # Guo et al. (2015): an exponential (Laplace) distribution in every component; its scale is the dispersion / sqrt(2)
    scale = structure.CENTRAL_VELOCITY * dispersion_evrard08(hosts.m200c, redshift, cosmology) / np.sqrt(2)
    offset = rng.laplace(0, 1, (len(scale), 3)) * scale[:, None] * options.central_velocity_offset
    kept = np.flatnonzero(above_threshold(connection, log10_mstar, abs_mag_r))
    velocity = hosts.velocity[kept] + offset[kept]
    return _frame(hosts.halo[kept], True, hosts.position[kept], velocity, log10_mstar[kept], abs_mag_r[kept])


def _satellites(
    hosts: _Hosts,
    connection: Connection,
    omega: float,
    options: Galaxies,
    jeans: structure.Jeans,
    particles: Particles | None,
    rng: np.random.Generator,
    applied: dict[str, Any],
) -> pd.DataFrame:
    """Return the satellites above the thresholds; `omega` is the matter density in critical ones at the redshift."""
    numbers, region, where, fallback = rng.spawn(4)
    host, log10_mstar, abs_mag_r = draw_satellites(connection, hosts.m200c, numbers)
    concentration = hosts.concentration[host]
    limit = structure.satellite_limit(concentration, omega)
    inside = region.random(len(host)) < structure.share_inside(concentration, limit)
    low, high = np.where(inside, 0.0, 1.0), np.where(inside, 1.0, np.maximum(limit, 1.0))
    position, velocity = structure.draw_analytic(jeans, concentration, low, high, fallback)
    if particles is not None:
        of_halo = structure.satellite_limit(hosts.concentration, omega)
        chosen = _on_particles(particles, host, inside, of_halo, where)
        found = chosen >= 0
        position[found], velocity[found] = particles.position[chosen[found]], particles.velocity[chosen[found]]
        applied["satellites_on_particles"] = int(found.sum())
        applied["satellites_without_particle"] = int((~found).sum())
    if options.satellite_velocity_bias == "guo2015":
        velocity *= structure.SATELLITE_VELOCITY
    position = hosts.position[host] + position * hosts.r200c[host][:, None]
    velocity = hosts.velocity[host] + velocity * hosts.v200[host][:, None]
    return _frame(hosts.halo[host], False, position, velocity, log10_mstar, abs_mag_r)


def _on_particles(particles: Particles, host: Ints, inside: Bools, limit: Floats, rng: np.random.Generator) -> Ints:
    """Return particles for satellites inside R200c and for those between R200c and `limit`, -1 where there are none."""
    radius, chosen = particles.radius, np.full(len(host), -1)
    outskirts = (radius >= 1) & (radius < limit[particles.host])
    for eligible, rows in ((radius < 1, np.flatnonzero(inside)), (outskirts, np.flatnonzero(~inside))):
        chosen[rows] = choose_particles(particles, eligible, host[rows], rng)
    return chosen


def _frame(
    halo: Ints, central: bool, position: Floats, velocity: Floats, log10_mstar: Floats, abs_mag_r: Floats
) -> pd.DataFrame:
    """Return galaxies in the columns of the contract, without ids."""
    phase_space = np.hstack([position, velocity]).T
    columns: dict[str, Any] = dict(zip([*_XYZ, *_VELOCITY], phase_space, strict=True))
    columns |= {"halo": halo, "central": np.full(len(halo), central), "log10_mstar": log10_mstar}
    return pd.DataFrame(columns | {"abs_mag_r": abs_mag_r, "m_acc": np.full(len(halo), np.nan)})
