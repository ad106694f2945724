"""Kernel densities of clusters' galaxies over line-of-sight velocity and both coordinates on the sky.

Kodi Ramanah et al. (2021), section 2.3: a Gaussian kernel whose covariance is that of the cluster's own galaxies,
scaled. Galaxies outside the window are left out before the covariance is taken, so that one table of galaxies serves
windows of several sizes.

Kernels are nowhere narrower than a quarter of a voxel: an eigenvalue of the bandwidth matrix, in units of voxels, that
is below `kde.NARROWEST` squared is raised to it. Narrower kernels would fall between the centres of voxels; one, two
or three galaxies, and those on a line or in a plane, whose covariance has no inverse, get a density in this way. A
galaxy's kernel is then exp(-6) or more at the nearest centre, so that the sum is never zero. Where the covariance is
wide enough on all its axes, the density is scipy's gaussian_kde to 1e-5 of the peak.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clustermass.config.dynamics import Kde3d
from clustermass.kde3d_kernels import Kernels, cluster_kernels, fill_cubes
from clustermass.kde3d_torch import TorchKernels, cubes_torch, to_device

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Ints = NDArray[np.int64]


def density_3d(
    v_los: Floats, x: Floats, y: Floats, start: Ints, aperture: float, cut: float, voxels: int, settings: Kde3d
) -> Float32s:
    """Return each cluster's density of galaxies over (v_los, x, y) on a cube of voxels, with sum one.

    Parameters
    ----------
    v_los, x, y : array, shape (galaxies,)
        Line-of-sight velocity [km/s] and position on the sky relative to the cluster's [Mpc/h, proper or comoving as
        `aperture`].
    start : array of int, shape (clusters + 1,)
        Where each cluster's galaxies begin, and the last ones end.
    aperture, cut : float
        Half-sides of the window on the sky [Mpc/h] and in velocity [km/s]. Galaxies outside it are left out.
    voxels : int
        Along each side of the cube. Densities are those at the centres of equal cells of the window.
    settings : Kde3d
        Bandwidth and threads; the window is that of the arguments.

    Returns
    -------
    array of float32, shape (clusters, voxels, voxels, voxels)
        Axes: cluster, v_los, x, y.

    Raises
    ------
    ValueError
        A cluster has no galaxies, or none in the window; a value is not finite; `start` does not fit; a window or
        cube without extent.

    Notes
    -----
    *Source*: Kodi Ramanah et al. (2021), section 2.3, Eqs. 1 and 2, with H = kappa^2 Sigma (`deviation`, as the
    published code has it from scipy) or H = kappa Sigma (`covariance`, as the text reads). The published code takes the
    density at 50 points from one end of the window to the other; the centres of cells are those of `kde.density_2d`,
    and weigh the window's edge as its middle.
    """
    kernels = cluster_kernels(v_los, x, y, start, aperture, cut, voxels, settings)
    return fill_cubes(kernels, np.arange(len(start) - 1), settings.threads)


class Cubes:
    """Maker of batches of cubes: the inputs of CNN3D, made when they are needed, on the device that needs them.

    Parameters are those of `density_3d`. It can be pickled.

    Attributes
    ----------
    kernels : Kernels
    threads : int
        Of a batch on the CPU; results do not depend on them.
    """

    def __init__(
        self,
        v_los: Floats,
        x: Floats,
        y: Floats,
        start: Ints,
        aperture: float,
        cut: float,
        voxels: int,
        settings: Kde3d,
    ) -> None:
        self.kernels: Kernels = cluster_kernels(v_los, x, y, start, aperture, cut, voxels, settings)
        self.threads = settings.threads
        self._on_device: dict[torch.device, TorchKernels] = {}

    def __len__(self) -> int:
        """Return the number of clusters."""
        return len(self.kernels.start) - 1

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_on_device": {}}

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the cubes of some clusters, (rows, voxels, voxels, voxels) float32, on the device of `rows`.

        Raises
        ------
        IndexError
            A row is that of no cluster.
        """
        places = rows.cpu().numpy()
        if len(places) and not (places.min() >= 0 and places.max() < len(self)):
            raise IndexError(f"rows: expected 0 to {len(self) - 1}, got {places.min()} to {places.max()}")
        if rows.device.type == "cpu":
            return torch.from_numpy(fill_cubes(self.kernels, places, self.threads))
        if rows.device not in self._on_device:
            self._on_device[rows.device] = to_device(self.kernels, rows.device)
        return cubes_torch(self._on_device[rows.device], places)
