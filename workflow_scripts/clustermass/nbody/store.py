"""Particles of a snapshot on disk: 12 bytes each, in a safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from clustermass.files import replacing
from clustermass.nbody.mesh import Float32s

CELLS = 2**16
"""Positions are kept to a box's side over this: 8 kpc/h in 500 Mpc/h, a hundredth of a mesh cell."""


class StoredParticles(NamedTuple):
    """Particles of a snapshot, or every so many of them."""

    positions: Float32s
    """Comoving, in [0, box) [Mpc/h], shape (n, 3)."""
    velocities: Float32s
    """Peculiar [km/s], shape (n, 3); 11 significant bits."""
    box: float
    """Side of the periodic box [Mpc/h]."""
    redshift: float


def write_particles(path: str | Path, positions: Float32s, velocities: Float32s, box: float, redshift: float) -> None:
    """Write particles: positions as whole numbers of 16 bits, velocities as floats of 16 bits.

    Raises
    ------
    ValueError
        A position outside the box, or a velocity that 16 bits cannot hold.
    """
    if len(positions) and not (np.min(positions) >= 0 and np.max(positions) < box):
        raise ValueError(f"{path}: expected positions in [0, {box}) Mpc/h")
    if len(velocities) and not np.max(np.abs(velocities)) < np.finfo(np.float16).max:
        raise ValueError(f"{path}: expected finite velocities below {np.finfo(np.float16).max} km/s")
    cells = np.minimum(positions * np.float32(CELLS / box), np.float32(CELLS - 1)).astype(np.uint16)
    tensors = {"positions": cells, "velocities": velocities.astype(np.float16)}
    with replacing(path) as aside:
        # one entry alone: safetensors writes several in random order, and the same particles are to be the same bytes
        save_file(tensors, aside, metadata={"snapshot": json.dumps([float(box), float(redshift)])})


def read_particles(path: str | Path) -> StoredParticles:
    """Return the particles of a file that `write_particles` wrote; positions are at the middle of their cells."""
    with safe_open(path, framework="np") as file:
        box, redshift = json.loads(file.metadata()["snapshot"])
        positions = file.get_tensor("positions").astype(np.float32)
        velocities = file.get_tensor("velocities").astype(np.float32)
    positions += np.float32(0.5)
    positions *= np.float32(box / CELLS)
    return StoredParticles(positions, velocities, box, redshift)
