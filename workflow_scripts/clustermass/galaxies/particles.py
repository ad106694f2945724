"""Satellites on the particles of their halos: shape, substructure and motion come from gravity.

Inside R200c two things that a simulation of few particles gets wrong may be put in: radii are moved, by rank, to the
NFW profile of the halo's concentration, and velocities are multiplied by a factor, smooth in halo mass and radius, that
brings the stacked dispersion to the Jeans solution. Both keep directions, so halos stay aspherical. Outside R200c
particles are used as they are. What was applied is returned, to be reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermass.galaxies.background import Bools, Floats, Ints
from clustermass.galaxies.structure import HUBBLE, TRACER_CONCENTRATION, Jeans, mean_square, nfw_radius

_MASS_BIN, _RADIUS_BINS = 0.2, 10  # of the stacked dispersion: dex of halo mass, bins in radius inside R200c
_MASS_ORDER, _RADIUS_ORDER = 2, 2  # of the polynomial in both that the factor's logarithm is
_PIVOT = 14.0  # log10 of the halo mass [Msun/h] that the polynomial is about
_FEWEST = 30  # particles in a bin that counts


@dataclass(frozen=True, eq=False)
class Particles:
    """Particles around halos; those of halo i stand in rows start[i] to start[i + 1].

    Attributes
    ----------
    start : array of int, shape (n_halo + 1,)
    position : array, shape (n, 3)
        Relative to the halo's centre [R200c].
    velocity : array, shape (n, 3)
        Peculiar velocity relative to the halo [V200].
    """

    start: Ints
    position: Floats
    velocity: Floats

    def __post_init__(self) -> None:
        n = len(self.position)
        if self.position.shape != (n, 3) or self.velocity.shape != (n, 3):
            raise ValueError(f"expected (n, 3) arrays, got {self.position.shape} and {self.velocity.shape}")
        if not len(self.start) or self.start[0] != 0 or self.start[-1] != n or np.any(np.diff(self.start) < 0):
            raise ValueError(f"start must ascend from 0 to the number of particles, {n}")

    @property
    def host(self) -> Ints:
        """Row of the halo of every particle, shape (n,)."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @property
    def radius(self) -> Floats:
        """Distance from the centre of the halo [R200c], shape (n,)."""
        return np.asarray(np.linalg.norm(self.position, axis=1))


@dataclass(frozen=True, eq=False)
class VelocityFactor:
    """Factor on velocities inside R200c: exp of a polynomial in log10 M200c - 14 and radius.

    Attributes
    ----------
    coefficients : array, shape (n_mass, n_radius)
        Of (log10 M200c - 14)^i x^j.
    log10_mass : tuple of float
        Range of log10 M200c [Msun/h] that was fitted; held beyond.
    """

    coefficients: Floats
    log10_mass: tuple[float, float]

    def __call__(self, log10_mass: Floats, x: Floats) -> Floats:
        """Return the factor for halo masses [log10 Msun/h] and radii [R200c], shape (n,)."""
        mass = np.clip(log10_mass, *self.log10_mass) - _PIVOT
        return np.asarray(np.exp(np.polynomial.polynomial.polyval2d(mass, x, self.coefficients)))


def remap_radii(particles: Particles, concentration: Floats) -> Particles:
    """Return particles whose radii inside R200c follow the satellites' NFW profile, halo by halo.

    The k-th of n particles inside R200c moves along its direction to the radius inside which a share (k - 1/2) / n of
    the profile lies. Particles outside stay; so do velocities.

    Parameters
    ----------
    concentration : array, shape (n_halo,)
        Of the matter; satellites have `TRACER_CONCENTRATION` times as much.
    """
    radius, host = particles.radius, particles.host
    inside = np.flatnonzero(radius < 1)
    order = inside[np.lexsort((radius[inside], host[inside]))]
    rank, count = _rank_in_group(host[order], len(concentration))
    target = nfw_radius((rank + 0.5) / count, TRACER_CONCENTRATION * concentration[host[order]], 0.0, 1.0)
    position = particles.position.copy()
    position[order] *= (target / np.maximum(radius[order], 1e-12))[:, None]
    return Particles(particles.start, position, particles.velocity)


def fit_velocities(particles: Particles, m200c: Floats, concentration: Floats, jeans: Jeans) -> VelocityFactor:
    """Return the factor that brings the stacked dispersion inside R200c to the Jeans solution.

    Parameters
    ----------
    m200c, concentration : array, shape (n_halo,)
        [Msun/h]; concentration of the matter.

    Raises
    ------
    ValueError
        Too few particles inside R200c to stack.
    """
    host, x = particles.host, particles.radius
    inside = np.flatnonzero(x < 1)
    host, x = host[inside], x[inside]
    # the Jeans equation speaks of motion in the halo, which does not expand with the universe
    proper = particles.velocity[inside] + HUBBLE * particles.position[inside]
    measured = np.sum(proper**2, axis=1) / 3
    expected = mean_square(jeans, x, concentration[host])
    log10_mass = np.log10(m200c[host])
    low = float(np.floor(log10_mass.min() / _MASS_BIN)) if len(x) else 0.0
    mass_bin = (log10_mass / _MASS_BIN - low).astype(np.int64)
    cell = mass_bin * _RADIUS_BINS + np.minimum((x * _RADIUS_BINS).astype(np.int64), _RADIUS_BINS - 1)

    number = np.bincount(cell)
    sums = [np.bincount(cell, weights=values) for values in (measured, expected, log10_mass, x)]
    good = (number >= _FEWEST) & (sums[0] > 0)
    if good.sum() <= _RADIUS_ORDER:
        raise ValueError(f"{len(x)} particles inside R200c are too few to stack their dispersion")
    n = number[good].astype(float)
    seen, wanted, mass, radius = (values[good] / n for values in sums)
    orders = min(_MASS_ORDER, len(np.unique(np.flatnonzero(good) // _RADIUS_BINS)) - 1), _RADIUS_ORDER
    powers = np.polynomial.polynomial.polyvander2d(mass - _PIVOT, radius, orders)
    root = np.sqrt(n)
    solution = np.linalg.lstsq(powers * root[:, None], np.log(wanted / seen) / 2 * root, rcond=None)[0]
    bounds = float(mass.min()), float(mass.max())
    return VelocityFactor(solution.reshape(orders[0] + 1, orders[1] + 1), bounds)


def rescale_velocities(particles: Particles, m200c: Floats, factor: VelocityFactor) -> Particles:
    """Return particles whose velocities inside R200c are multiplied by the factor; those outside stay."""
    x = particles.radius
    inside = np.flatnonzero(x < 1)
    flow = HUBBLE * particles.position[inside]
    scale = factor(np.log10(m200c)[particles.host[inside]], x[inside])
    velocity = particles.velocity.copy()
    velocity[inside] = (velocity[inside] + flow) * scale[:, None] - flow
    return Particles(particles.start, particles.position, velocity)


def choose_particles(particles: Particles, eligible: Bools, host: Ints, rng: np.random.Generator) -> Ints:
    """Return a particle for every satellite, drawn from its halo without replacement.

    Parameters
    ----------
    eligible : array of bool, shape (n_particle,)
        Particles that may be drawn.
    host : array of int, shape (n,)
        Halo of every satellite.

    Returns
    -------
    array of int, shape (n,)
        Row of the particle; -1 where the halo has no particle left.
    """
    members, n_halo = np.flatnonzero(eligible), len(particles.start) - 1
    owner = particles.host[members]
    shuffled = members[np.lexsort((rng.random(len(members)), owner))]
    available = np.bincount(owner, minlength=n_halo)
    first = np.concatenate([[0], np.cumsum(available)[:-1]])
    order = np.argsort(host, kind="stable")
    rank, _ = _rank_in_group(host[order], n_halo)
    chosen = np.full(len(host), -1)
    found = rank < available[host[order]]
    chosen[order[found]] = shuffled[first[host[order[found]]] + rank[found]]
    return chosen


def _rank_in_group(group: Ints, n: int) -> tuple[Ints, Ints]:
    """Return the place in its group and the size of its group, for rows sorted by group."""
    count = np.bincount(group, minlength=n)
    first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)
    return np.arange(len(group)) - first[group], count[group]
