"""Sums of Gaussian kernels on cubes of voxels by torch, for a GPU: batches of matrix products.

In a plane of the cube, a galaxy's kernel at voxel (j, k) from the middle is, but for its height,

    exp(-a (j - y)^2 / 2 - c (k - z)^2 / 2 - b (j - y)(k - z))
        = exp(-b j k) * exp(-a (j - y)^2 / 2 + b j z - b y z / 2) * exp(-c (k - z)^2 / 2 + b k y - b y z / 2)

so that the sum over galaxies is a product of matrices. The three factors grow with b; the plane is the one for which b
is smallest. Where they would leave the range of float32, the sum is made directly: that is the case of few clusters,
and these have few galaxies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clustermass.kde3d_kernels import REACH, Kernels

Ints = NDArray[np.int64]

LARGEST = 60.0  # of b j k; galaxies lie beyond the last voxels, and exp(88) is the end of float32
_ELEMENTS = 2**25  # of the largest tensor of a batch


@dataclass(frozen=True)
class TorchKernels:
    """`Kernels` of clusters on a device, axes in an order of its own for each cluster.

    Attributes
    ----------
    positions : (galaxies, 3) tensor of float64
        In voxels from the middle of the cube.
    precision : (clusters, 3, 3) tensor of float64
    start : (clusters + 1,) array
    first : (clusters,) array
        Which of (v_los, x, y) comes first; the others follow in turn.
    direct : (clusters,) array of bool
        Whether matrix products would leave the range of float32.
    voxels : int
    """

    positions: Tensor
    precision: Tensor
    start: Ints
    first: Ints
    direct: NDArray[np.bool_]
    voxels: int


def to_device(kernels: Kernels, device: torch.device) -> TorchKernels:
    """Return kernels on a device."""
    middle = (kernels.voxels - 1) / 2
    coupling = np.abs(np.stack([kernels.precision[:, (a + 1) % 3, (a + 2) % 3] for a in range(3)], axis=1))
    first = coupling.argmin(1)
    axes = (first[:, None] + np.arange(3)) % 3  # (clusters, 3)
    precision = kernels.precision[np.arange(len(axes))[:, None, None], axes[:, :, None], axes[:, None, :]]
    positions = np.take_along_axis(kernels.positions, np.repeat(axes, np.diff(kernels.start), axis=0), 1) - middle
    direct = coupling.min(1) * middle**2 > LARGEST
    with torch.inference_mode(False):  # they outlive the evaluation that may be going on
        return TorchKernels(
            torch.from_numpy(positions).to(device),
            torch.from_numpy(precision).to(device),
            kernels.start,
            first,
            direct,
            kernels.voxels,
        )


def cubes_torch(kernels: TorchKernels, rows: Ints) -> Tensor:
    """Return the densities of some clusters, (rows, voxels, voxels, voxels) float32, each with sum one.

    The numbers are those of `kde3d.density_3d` to 1e-5 of the peak. Sums do not depend on what else is in a batch but
    in their last digits.
    """
    device, voxels = kernels.positions.device, kernels.voxels
    if not len(rows):
        return torch.empty((0, voxels, voxels, voxels), device=device)
    parts, places = [], []
    with _exact(device):
        for batch in _batches(kernels, rows):
            cubes = _sums(kernels, rows[batch])
            cubes /= cubes.sum((1, 2, 3), keepdim=True)
            for axis in range(3):
                own = kernels.first[rows[batch]] == axis
                if own.any():
                    axes = [0, *(1 + (a - axis) % 3 for a in range(3))]
                    parts.append(cubes[_sent(np.flatnonzero(own), device)].permute(axes))
                    places.append(batch[own])
        return torch.cat(parts).index_select(0, _sent(np.argsort(np.concatenate(places)), device))


@contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    """Let matrix products be those of float32, also where a network is evaluated in less."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False), torch.no_grad():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _sent(values: Ints, device: torch.device) -> Tensor:
    return torch.from_numpy(values).to(device)


def _batches(kernels: TorchKernels, rows: Ints) -> Iterator[Ints]:
    """Yield places in `rows` of clusters with about as many galaxies, all summed directly or none."""
    counts = np.diff(kernels.start)[rows]
    sizes = np.ceil(np.log2(counts)).astype(np.int64)
    kinds = 2 * sizes + kernels.direct[rows]
    for kind in np.unique(kinds):
        places = np.flatnonzero(kinds == kind)
        largest = int(counts[places].max()) * kernels.voxels ** (3 if kind % 2 else 2)
        most = max(_ELEMENTS // largest, 1)
        yield from (places[k : k + most] for k in range(0, len(places), most))


def _sums(kernels: TorchKernels, rows: Ints) -> Tensor:
    """Return sums of kernels (rows, voxels, voxels, voxels) on axes in the clusters' order."""
    device = kernels.positions.device
    counts = np.diff(kernels.start)[rows]
    within = np.arange(counts.max()) < counts[:, None]
    galaxies = np.where(within, kernels.start[rows][:, None] + np.arange(counts.max()), 0)
    positions = kernels.positions[_sent(galaxies, device)]  # (rows, galaxies, 3)
    precision = kernels.precision[_sent(rows, device)]  # (rows, 3, 3)
    sums = _direct if kernels.direct[rows[0]] else _products
    return sums(positions, precision, torch.from_numpy(within).to(device), kernels.voxels)


def _points(voxels: int, device: torch.device) -> Tensor:
    """Return centres of voxels (voxels,), float64, from the middle of the cube."""
    return torch.arange(voxels, device=device, dtype=torch.float64) - (voxels - 1) / 2


def _products(positions: Tensor, precision: Tensor, within: Tensor, voxels: int) -> Tensor:
    """Return sums of kernels as matrix products, a plane of the first axis at a time."""
    points = _points(voxels, positions.device)
    p = [[precision[:, a, b, None, None] for b in range(3)] for a in range(3)]  # (rows, 1, 1)
    determinant = p[1][1] * p[2][2] - p[1][2] ** 2
    y_by_v = (p[2][2] * p[0][1] - p[1][2] * p[0][2]) / determinant
    z_by_v = (p[1][1] * p[0][2] - p[1][2] * p[0][1]) / determinant
    in_v = p[0][0] - p[0][1] * y_by_v - p[0][2] * z_by_v
    off = points[None, :, None] - positions[:, None, :, 0]  # (rows, plane, galaxies)
    y = positions[:, None, :, 1] - y_by_v * off
    z = positions[:, None, :, 2] - z_by_v * off
    distance = in_v * off**2
    seen = within[:, None, :] & (distance < REACH**2)
    half = torch.where(seen, -(distance / 4) - p[1][2] * y * z / 2, -torch.inf).float()
    along = _factor(points, y, z, p[1][1], p[1][2], half)
    across = _factor(points, z, y, p[2][2], p[1][2], half)
    sums = torch.matmul(along, across.transpose(2, 3))
    return sums.mul_(torch.exp(-p[1][2] * points[:, None] * points).float()[:, None])


def _factor(points: Tensor, own: Tensor, other: Tensor, narrow: Tensor, coupling: Tensor, half: Tensor) -> Tensor:
    """Return a factor of the kernels for each voxel on an axis, (rows, plane, voxel, galaxies) float32."""
    voxel = points.float()[:, None]
    found = voxel - own.float()[:, :, None, :]
    found.square_().mul_((-narrow / 2).float()[..., None])
    found.addcmul_(voxel, (coupling * other).float()[:, :, None, :])
    return found.add_(half[:, :, None, :]).exp_()


def _direct(positions: Tensor, precision: Tensor, within: Tensor, voxels: int) -> Tensor:
    """Return sums of kernels one by one: Gaussians of the last axis, centred where the others have it."""
    points = _points(voxels, positions.device)
    p = [[precision[:, a, b, None, None, None] for b in range(3)] for a in range(3)]  # (rows, 1, 1, 1)
    z_by_v, z_by_y = p[2][0] / p[2][2], p[2][1] / p[2][2]
    in_y = p[1][1] - p[1][2] * z_by_y
    y_by_v = (p[0][1] - p[1][2] * z_by_v) / in_y
    in_v = p[0][0] - p[0][2] * z_by_v - in_y * y_by_v**2
    v, y, z = (positions[:, None, None, :, axis] for axis in range(3))
    dv = points[:, None, None] - v  # (rows, voxel, 1, galaxies)
    dy = points[:, None] - y  # (rows, 1, voxel, galaxies)
    weight = torch.exp(-(in_v * dv**2 + in_y * (dy + y_by_v * dv) ** 2) / 2) * within[:, None, None, :]
    centre = z - z_by_v * dv - z_by_y * dy  # (rows, voxel, voxel, galaxies)
    kernel = points.float()[:, None] - centre.float()[..., None, :]
    kernel.square_().mul_((-p[2][2] / 2).float()[..., None]).exp_()  # (rows, voxel, voxel, voxel, galaxies)
    return torch.matmul(kernel, weight.float()[..., None])[..., 0]
