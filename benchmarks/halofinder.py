"""Halos of a clustered box: processor seconds of each step, and friends-of-friends against scipy's trees.

Usage: python benchmarks/halofinder.py [particles along a side ...]   (default: 128)

Groups by scipy: all pairs of a cKDTree within the linking length, then connected components; they must be the same.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from clustermass.config.base import Cosmology
from clustermass.halofinder import (
    DEFINITIONS,
    find_halos,
    friends_of_friends,
    group_centres,
    linking_length,
    particle_grid,
    spherical_overdensity,
)

SPACING, Z, COSMOLOGY = 1.5625, 0.117, Cosmology()  # Mpc/h, as 320 particles along 500 Mpc/h


def box_of_clumps(side, rng):
    """Return positions and velocities: half of the particles in isothermal clumps of 20 to 2,000, half anywhere."""
    n, box = side**3, side * SPACING
    sizes = (20 * (1 - rng.random(n)) ** -1.0).clip(max=2000).astype(int)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), n // 2)]
    clump = np.repeat(np.arange(len(sizes)), sizes)
    radius = 0.16 * SPACING * np.cbrt(sizes[clump]) * rng.random(len(clump))  # 58 times the box's mean density
    direction = rng.normal(size=(len(clump), 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    inside = rng.uniform(0, box, (len(sizes), 3))[clump] + radius[:, None] * direction
    positions = np.concatenate([inside, rng.uniform(0, box, (n - len(inside), 3))])
    positions = np.mod(positions, box).astype(np.float32)
    positions[positions >= box] = 0
    return positions, rng.normal(0, 300, (n, 3)).astype(np.float32), box


def timed(name, task, repeats=3):
    """Print the least processor seconds of some runs, and return the result."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = task()
        seconds.append(time.process_time() - start)
    print(f"  {name:42s} {min(seconds):7.3f} s")
    return result


def scipy_groups(positions, box, length, fewest):
    """Return the component of every particle in one of at least `fewest`, else -1."""
    pairs = cKDTree(positions.astype(float), boxsize=box).query_pairs(length, output_type="ndarray")
    n = len(positions)
    _, component = connected_components(coo_matrix((np.ones(len(pairs), bool), pairs.T), (n, n)), directed=False)
    return np.where(np.bincount(component)[component] >= fewest, component, -1)


def same_groups(one, two):
    """Return whether two labellings are the same but for the numbers."""
    if ((one < 0) != (two < 0)).any():
        return False
    pairs = np.unique(np.column_stack([one, two])[one >= 0], axis=0)
    return all(len(np.unique(pairs[:, k])) == len(pairs) for k in (0, 1))


def measure(side):
    """Print processor seconds of one size of box."""
    positions, velocities, box = box_of_clumps(side, np.random.default_rng(1))
    n, mass = len(positions), COSMOLOGY.Om0 * 2.7754e11 * SPACING**3
    length = linking_length(n, box, 0.2)
    small = box_of_clumps(16, np.random.default_rng(2))
    find_halos(*small, mass, Z, COSMOLOGY)  # compilation
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    timed("find_halos", lambda: find_halos(positions, velocities, box, mass, Z, COSMOLOGY))
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    grid = timed("grid", lambda: particle_grid(positions, box, length))
    for b in (0.1, 0.2):
        labels = timed(f"friends of friends, b = {b}", lambda b=b: friends_of_friends(grid, length * b / 0.2, 20))
    centres = timed("centres", lambda: group_centres(grid, labels))
    rest = (centres, mass, DEFINITIONS, Z, COSMOLOGY, np.bincount(labels[labels >= 0]) * mass)
    timed("masses, four definitions", lambda: spherical_overdensity(grid, *rest))
    peer = timed("friends of friends by scipy, b = 0.2", lambda: scipy_groups(positions, box, length, 20), 1)
    print(
        f"  {side}^3 particles, at most {np.diff(grid.start).max()} in a cell; find_halos: {memory:.0f} MB; "
        f"{labels.max() + 1} groups, {'the same' if same_groups(labels, peer) else 'NOT THE SAME'} by scipy"
    )


def main():
    """Measure every size."""
    for side in [int(a) for a in sys.argv[1:]] or [128]:
        measure(side)


if __name__ == "__main__":
    main()
