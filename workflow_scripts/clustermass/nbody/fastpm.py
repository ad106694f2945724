"""FastPM: a particle mesh whose steps grow linear modes exactly, however few they are.

Source: Feng, Chu, Seljak & McDonald (2016, MNRAS 463, 2273). Kick, drift, kick, with steps even in scale factor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody
from clustermass.nbody.initial import initial_conditions
from clustermass.nbody.linear import growth, growth_momentum
from clustermass.nbody.mesh import Array, Float32s, Mesh, NotEnoughMemoryError, available_memory, make_mesh
from clustermass.nbody.sharpen import sharpened

Progress = Callable[[int, int], None]
HUBBLE = 100.0
"""H0 [km/s per Mpc/h]."""


@dataclass(frozen=True)
class Snapshot:
    """All particles at one time, in the order of the initial lattice: a row is the same particle at any redshift."""

    redshift: float
    scale_factor: float
    positions: Float32s
    """Comoving, in [0, box) [Mpc/h], shape (n^3, 3)."""
    velocities: Float32s
    """Peculiar [km/s], shape (n^3, 3)."""


def schedule(start: float, redshifts: Sequence[float], steps: int) -> tuple[list[float], list[int]]:
    """Return the scale factors between the steps, and at which of them there are snapshots.

    Parameters
    ----------
    start : float
        Scale factor of the initial conditions.
    redshifts : sequence of float
        Of the snapshots, descending.

    Returns
    -------
    times : list of float
        `steps` + 1 scale factors; even between snapshots, and as even as can be over all.
    marks : list of int
        Index of each snapshot's time.
    """
    ends = [start, *(1 / (1 + z) for z in redshifts)]
    lengths = np.diff(ends)
    share = np.ones(len(lengths), int)
    for _ in range(steps - len(lengths)):
        share[np.argmax(lengths / share)] += 1
    times = [start]
    for begin, end, count in zip(ends, ends[1:], share, strict=False):
        times += np.linspace(begin, end, count + 1)[1:].tolist()
    return times, np.cumsum(share).tolist()


def kick_factor(begin: float, end: float, force: float, om0: float) -> float:
    """Return what to multiply the force with, to kick momenta from `begin` to `end` with the force at `force`.

    All three are scale factors. The force on a linear mode is D psi and its momentum a^3 E (dD/da) psi, so the kick is
    the difference of the latter in units of the former (Feng et al. 2016, section 2).
    """
    return (growth_momentum(end, om0) - growth_momentum(begin, om0)) / growth(force, om0)


def drift_factor(begin: float, end: float, momentum: float, om0: float) -> float:
    """Return what to multiply momenta of scale factor `momentum` with, to drift from `begin` to `end`."""
    return (growth(end, om0) - growth(begin, om0)) / growth_momentum(momentum, om0)


def memory_needed(settings: Nbody) -> int:
    """Return the memory that a run takes at its peak, on the device where its particles live [bytes].

    Of snapshots the one that is being handed over is counted; those that the caller keeps are not. On CUDA the host
    needs 76 bytes a particle besides.
    """
    particles, mesh = settings.particles_per_side**3, settings.mesh_per_side
    if settings.device == "cpu":
        # Positions, momenta, a snapshot: 48; sharpened positions, until they are copied: 12; density and spectrum.
        return 60 * particles + 2 * 8 * mesh**2 * (mesh // 2 + 1) + _LIBRARIES
    # Positions, momenta, sharpened positions, values; density or force, spectrum, its product with a wave number, what
    # torch and cuFFT copy them to: 6 fields.
    return 44 * particles + 6 * 4 * mesh**2 * (mesh + 2) + _CHUNK_BYTES


_LIBRARIES = 400_000_000
"""Compiled code, buffers of threads."""
_CHUNK_BYTES = 120 * (1 << 22)
"""Cells and weights of the particles that torch handles at a time."""


def _refuse_if_too_large(settings: Nbody) -> None:
    def check(needed: int, available: int, where: str) -> None:
        if needed > available:
            raise NotEnoughMemoryError(
                f"{settings.particles_per_side}^3 particles on a mesh of {settings.mesh_per_side}^3 need "
                f"{needed} bytes ({needed / 1e9:.1f} GB) {where}, where {available} ({available / 1e9:.1f} GB) are "
                "available; lower nbody.particles_per_side or nbody.mesh_factor"
            )

    if settings.device == "cpu":
        check(memory_needed(settings), available_memory(), "of memory")
        return
    import torch

    check(76 * settings.particles_per_side**3, available_memory(), "of memory")
    check(memory_needed(settings), torch.cuda.mem_get_info()[0], "on the GPU")


def simulate(
    settings: Nbody,
    cosmology: Cosmology,
    rng: np.random.Generator,
    *,
    progress: Progress | None = None,
    mesh: Mesh | None = None,
) -> Iterator[Snapshot]:
    """Return an iterator over the snapshots of a run; each is made when it is asked for.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides the realisation, which is the same on every device and with any number of threads.
    progress : callable, optional
        Called with the steps done and their number, after the initial conditions (0) and after every step.
    mesh : Mesh, optional
        The backend; by default the one that `settings.device` names.

    Raises
    ------
    NotEnoughMemoryError
        At once, before anything is allocated.
    """
    _refuse_if_too_large(settings)
    return _snapshots(settings, cosmology, rng, progress or (lambda step, steps: None), mesh)


def _snapshots(
    settings: Nbody, cosmology: Cosmology, rng: np.random.Generator, progress: Progress, mesh: Mesh | None
) -> Iterator[Snapshot]:
    start = initial_conditions(rng, settings, cosmology)
    mesh = mesh or make_mesh(settings)
    positions, momenta = (mesh.load(part) for part in start)
    del start
    times, marks = schedule(settings.start_scale_factor, settings.redshifts, settings.steps)
    middles = [times[0], *(0.5 * (a + b) for a, b in pairwise(times)), times[-1]]
    om0 = cosmology.Om0
    for step, a in enumerate(times):
        # Momenta stand at the middle of the step before, and go to the middle of the next by one force.
        until = kick_factor(middles[step], a, a, om0)
        beyond = kick_factor(a, middles[step + 1], a, om0)
        velocities = np.empty(positions.shape, np.float32) if step in marks else None
        _kick(mesh, positions, momenta, until, beyond, velocities)
        progress(step, settings.steps)
        if velocities is not None:
            velocities *= np.float32(HUBBLE / a)
            places = mesh.store(sharpened(mesh, positions, settings, a))
            yield Snapshot(settings.redshifts[marks.index(step)], a, places, velocities)
            del places, velocities  # the caller's alone now: not held while the next one is made
        if step < settings.steps:
            mesh.drift(positions, momenta, drift_factor(a, times[step + 1], middles[step + 1], om0))


def _kick(mesh: Mesh, positions: Array, momenta: Array, until: float, beyond: float, between: Float32s | None) -> None:
    """Kick momenta up to the time of the positions, write what they are there to `between`, and kick them on."""
    for axis, field in enumerate(mesh.force(mesh.deposit(positions))):
        force = mesh.readout(field, positions)
        if between is None:
            force *= until + beyond
        else:
            momenta[:, axis] += until * force
            between[:, axis] = mesh.store(momenta[:, axis])
            force *= beyond
        momenta[:, axis] += force
