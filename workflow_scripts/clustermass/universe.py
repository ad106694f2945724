"""One box of the embedded universe, from its phases to the halos of all its snapshots."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody
from clustermass.galaxies.background import concentrations, r200c
from clustermass.halofinder import find_halos
from clustermass.halofinder.links import descendants, groups, halo_particles
from clustermass.halofinder.matching import matched_masses
from clustermass.nbody.fastpm import Progress, Snapshot, simulate
from clustermass.nbody.initial import linear_density
from clustermass.sources.snapshot import SNAPSHOT_HALOS
from clustermass.validation.modes import Modes, field_modes, matter_modes, power_table

POWER_MAX_K = 0.5
"""Largest wave number of the power spectra that are kept [h/Mpc]."""
_MESH_PER_K = 4  # Nyquist of the mesh of power spectra over the largest wave number: aliases stay below a percent
CALIBRATED = (14, 1.56)
"""Steps, and spacing of particles [Mpc/h], that the sharpening was calibrated for (benchmarks/sharpening.py)."""
_XYZ = ["x", "y", "z"]


@dataclass(frozen=True, eq=False)
class BoxSnapshot:
    """Halos and power spectrum of one snapshot.

    Attributes
    ----------
    redshift : float
    halos : pandas.DataFrame
        Contract `HALOS_SNAPSHOT`: raw masses.
    power : pandas.DataFrame
        Contract `POWER`.
    """

    redshift: float
    halos: pd.DataFrame
    power: pd.DataFrame


def make_box(
    settings: Nbody,
    cosmology: Cosmology,
    rng: np.random.Generator,
    keep: Callable[[Snapshot], None],
    progress: Progress | None = None,
    say: Callable[[str], None] = print,
) -> list[BoxSnapshot]:
    """Run a box and find the halos of its snapshots; halos carry the object that they become in the last one.

    Parameters
    ----------
    keep : callable
        Called with every snapshot, to store particles; they are not kept otherwise.
    """
    if settings.sharpening and (settings.steps, round(box_spacing(settings), 2)) != CALIBRATED:
        say(f"note: snapshots are sharpened as calibrated for steps and spacing [Mpc/h] {CALIBRATED}, not for these")
    initial = _initial_modes(settings, cosmology, copy.deepcopy(rng))
    box, mass = settings.box_mpc_h, settings.particle_mass(cosmology)
    mesh = 2 * int(np.ceil(_MESH_PER_K * _max_k(settings) * box / (2 * np.pi)))
    made, inside = [], []
    for snapshot in simulate(settings, cosmology, rng, progress=progress):
        keep(snapshot)
        positions = snapshot.positions
        modes = matter_modes(positions, box, _max_k(settings), mesh, settings.threads)
        power = power_table(modes, initial, snapshot.redshift, cosmology)
        halos = find_halos(positions, snapshot.velocities, box, mass, snapshot.redshift, cosmology)
        say(f"z = {snapshot.redshift}: {len(halos)} halos")
        inside.append(halo_particles(positions, halos[_XYZ].to_numpy(), halos["r200c"].to_numpy(), box))
        made.append(BoxSnapshot(snapshot.redshift, halos, power))
        del snapshot, positions
    free = len(made[-1].halos)
    for early, particles in zip(made[:-1], inside[:-1], strict=True):
        ends = descendants(particles, inside[-1], settings.particles_per_side**3)
        early.halos["group"] = groups(ends, free)
        free += int((ends < 0).sum())
    return made


def box_spacing(settings: Nbody) -> float:
    """Return the mean spacing of particles [Mpc/h]."""
    return settings.box_mpc_h / settings.particles_per_side


def _max_k(settings: Nbody) -> float:
    """Return the largest wave number of power spectra [h/Mpc]: at most 2/3 of the initial conditions' Nyquist."""
    return min(POWER_MAX_K, 2 / 3 * np.pi * settings.particles_per_side / settings.box_mpc_h)


def _initial_modes(settings: Nbody, cosmology: Cosmology, rng: np.random.Generator) -> Modes:
    """Return the long modes of the linear density that the generator will be asked for."""
    box = settings.box_mpc_h
    spectrum = linear_density(rng, settings.particles_per_side, box, cosmology, settings.threads)
    return field_modes(spectrum, box, _max_k(settings))


def snapshot_halos(
    found: pd.DataFrame,
    matching: pd.DataFrame,
    smallest: float,
    redshift: float,
    cosmology: Cosmology,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the resolved halos of a snapshot with their masses matched: contract `SNAPSHOT_HALOS`.

    Parameters
    ----------
    found : pandas.DataFrame
        Contract `HALOS_SNAPSHOT`.
    matching : pandas.DataFrame
        Contract `MASS_MATCHING`; without rows: raw masses are kept.
    smallest : float
        Smallest M200c that counts as resolved [Msun/h].
    """
    mass = found["m200c"].to_numpy()
    if len(matching):
        mass = matched_masses(mass, matching["log10_raw"].to_numpy(), matching["log10_factor"].to_numpy())
    concentration = concentrations(mass, redshift, cosmology, rng)
    halos = found.assign(
        halo=found["halo_id"], m200c=mass, r200c=r200c(mass, redshift, cosmology), concentration=concentration
    )
    kept = halos.loc[mass >= smallest, SNAPSHOT_HALOS.names]
    return SNAPSHOT_HALOS.validate(kept.reset_index(drop=True), "halos of the snapshot")
