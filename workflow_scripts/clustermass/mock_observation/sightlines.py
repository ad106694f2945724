"""Directions that clusters are looked at along, and the Hubble flow on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from clustermass.config.base import Cosmology
from clustermass.cosmology import flat
from clustermass.mock_observation.kernels import SPEED_OF_LIGHT
from clustermass.mock_observation.ragged import Floats

ORTHOGONAL = np.eye(3)  # the three that every cluster is seen along
_LATTICE = 20_000  # directions, 1.4 degrees apart, that separated lines are taken from
_STEP = 0.05  # Mpc/h between the nodes of the flow: 1e-4 km/s
_REDSHIFT_STEP = 1e-3  # of the spline that inverts the distance


def fibonacci_lattice(n: int) -> Floats:
    """Return n unit vectors, nearly even on the sphere, shape (n, 3): equal steps in z, the golden angle in azimuth.

    Notes
    -----
    Source: González (2010, Math. Geosci. 42, 49), section 2, with z half a step from the poles so that n may be even.
    """
    i = np.arange(n)
    z = (2 * i + 1) / max(n, 1) - 1
    azimuth = np.pi * (3 - np.sqrt(5)) * i
    radius = np.sqrt(1 - z**2)
    return np.column_stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z])


def sight_lines(n: int, rng: np.random.Generator) -> Floats:
    """Return n lines of sight to one cluster, shape (n, 3): the box's axes, then a Fibonacci lattice turned at random.

    Turned, as a lattice of one point would otherwise be an axis again. Raises ValueError for fewer than three.
    """
    if n < len(ORTHOGONAL):
        raise ValueError(f"sight-lines: expected at least {len(ORTHOGONAL)}, got {n}")
    turned = Rotation.random(random_state=rng).apply(fibonacci_lattice(n - 3)) if n > 3 else np.empty((0, 3))
    return np.concatenate([ORTHOGONAL, turned / np.linalg.norm(turned, axis=1, keepdims=True)])


def separated_lines(n: int) -> Floats:
    """Return n lines of sight far from one another, as many as are taken, shape (n, 3).

    Each is, of a fine lattice, the one farthest from those before it. Lines are axes: seen from behind, a cluster is
    the same one mirrored, so the angle between two is at most 90 degrees.
    """
    lattice = fibonacci_lattice(_LATTICE)
    lines, nearest = [lattice[-1]], np.zeros(_LATTICE)
    for _ in range(1, n):
        nearest = np.maximum(nearest, np.abs(lattice @ lines[-1]))  # cosine of the angle to the nearest line
        lines.append(lattice[np.argmin(nearest)])
    return np.array(lines[:n]).reshape(n, 3)


@dataclass(frozen=True, eq=False)
class Flow:
    """Hubble flow around clusters at one redshift.

    Attributes
    ----------
    reach : float
        Farthest offset along the line that is tabulated [Mpc/h, comoving].
    table : array, shape (nodes,)
        ln((1 + z) / (1 + z of the cluster)) at even offsets from -reach to reach.
    """

    reach: float
    table: Floats


def farthest(cut: float, speed: float, cosmology: Cosmology) -> float:
    """Return how far along the line a galaxy inside the velocity cut can be [Mpc/h, comoving].

    Parameters
    ----------
    cut : float
        Largest line-of-sight velocity from the cluster's [km/s].
    speed : float
        Sum of the largest peculiar velocities of a galaxy and of a cluster [km/s].

    Notes
    -----
    Ho et al. (2019) pad their box by as much, 112 Mpc/h for MDPL2. Rapidity grows by H / (c (1 + z)) a comoving
    length; its minimum over all redshifts, where the expansion begins to accelerate, is taken.
    """
    turn = max((2 * (1 - cosmology.Om0) / cosmology.Om0) ** (1 / 3), 1)
    slowest = 100 * np.sqrt(cosmology.Om0 * turn**3 + 1 - cosmology.Om0) / turn
    rapidity = np.arctanh(cut / SPEED_OF_LIGHT) + np.arctanh(speed / SPEED_OF_LIGHT)
    return float(1.01 * rapidity * SPEED_OF_LIGHT / slowest)


def hubble_flow(redshift: float, reach: float, cosmology: Cosmology) -> Flow:
    """Return the Hubble flow around a cluster, as a distant observer at redshift 0 sees it.

    Parameters
    ----------
    redshift : float
        Of the cluster.
    reach : float
        [Mpc/h, comoving]

    Notes
    -----
    Source: Ho et al. (2019), Eqs. 17-19; the observer is distant, so the offset along the line is added to the
    distance. Where a low redshift puts galaxies behind the observer, they recede the other way.
    """
    universe, h = flat(cosmology), cosmology.H0 / 100
    far = redshift + 2 * reach * 100 * float(universe.efunc(redshift)) / SPEED_OF_LIGHT + 0.01
    z = np.linspace(0, far, int(far / _REDSHIFT_STEP) + 10)
    distance = universe.comoving_distance(z).value * h
    centre = float(universe.comoving_distance(redshift).value) * h
    offset = np.linspace(-reach, reach, 2 * max(int(reach / _STEP), 1) + 1) + centre
    recession = np.sign(offset) * np.log1p(CubicSpline(distance, z)(np.abs(offset)))
    return Flow(reach, np.asarray(recession - np.log1p(redshift)))
