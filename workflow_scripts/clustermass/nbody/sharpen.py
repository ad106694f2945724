"""Sharpened halos: particles moved once towards the matter around them, which the force of a mesh left too spread out.

Source: potential gradient descent, Dai, Feng & Seljak (2018, JCAP 11, 009), with the power of the density of Dai &
Seljak (2021, PNAS 118, e2020324118) as the source of the potential:

    S = -alpha grad inverse-laplacian [exp(-k_l^2 / k^2) (1 + delta)^gamma]

gamma = 1 is the former. There is no low-pass filter: the cells are one.
"""

from __future__ import annotations

from clustermass.config.nbody import Nbody
from clustermass.nbody.mesh import Array, Mesh


def sharpened(mesh: Mesh, positions: Array, settings: Nbody, scale_factor: float) -> Array:
    """Return particles displaced along S, in [0, box) [Mpc/h]; their old positions where there is no sharpening.

    Parameters
    ----------
    positions : array, shape (n, 3)
        In [0, box) [Mpc/h].
    scale_factor : float
        Of the snapshot.

    Notes
    -----
    All particles are moved by the field of the old positions. As the readout is the adjoint of the deposit, the centre
    of mass stays where it is if gamma is 1; it moves by far less than a cell otherwise.
    """
    sharpening = settings.sharpening
    if sharpening is None:
        return positions
    moved = mesh.load(mesh.store(positions))
    density = mesh.deposit(positions)
    density **= sharpening.density_power
    amplitude = sharpening.amplitude * scale_factor**sharpening.growth
    high_pass = sharpening.high_pass * settings.particles_per_side / settings.box_mpc_h
    for axis, field in enumerate(mesh.force(density, high_pass)):
        moved[:, axis] += amplitude * mesh.readout(field, positions)
    moved %= settings.box_mpc_h
    moved[moved >= settings.box_mpc_h] = 0  # rounded up from just below zero
    return moved
