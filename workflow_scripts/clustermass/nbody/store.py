"""Particles of a snapshot on disk: 12 bytes each, in a safetensors file."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
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
    about = json.dumps([float(box), float(redshift), _checksum(*tensors.values())])
    with replacing(path) as aside:
        # one entry alone: safetensors writes several in random order, and the same particles are to be the same bytes
        save_file(tensors, aside, metadata={"snapshot": about})


def read_particles(path: str | Path) -> StoredParticles:
    """Return the particles of a file that `write_particles` wrote; positions are at the middle of their cells.

    Raises
    ------
    ValueError
        What is stored is not what was written: a damaged disk, or a damaged cache of results.
    """
    with safe_open(path, framework="np") as file:
        box, redshift, checksum = json.loads(file.metadata()["snapshot"])
        cells, halves = file.get_tensor("positions"), file.get_tensor("velocities")
    if _checksum(cells, halves) != checksum:
        raise ValueError(f"{path}: expected particles of checksum {checksum}: the file is damaged, make it again")
    positions, velocities = cells.astype(np.float32), halves.astype(np.float32)
    del cells, halves
    positions += np.float32(0.5)
    positions *= np.float32(box / CELLS)
    return StoredParticles(positions, velocities, box, redshift)


def _checksum(cells: NDArray[np.uint16], halves: NDArray[np.float16]) -> int:
    """Return the CRC-32 of what is stored of positions and velocities."""
    return zlib.crc32(np.ascontiguousarray(halves).data, zlib.crc32(np.ascontiguousarray(cells).data))
