"""A trained CNN3D with its posterior, as one function of galaxies in phase space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import CubeNetwork
from clustermass.config.observed import Sample
from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.cubes import cube_inputs
from clustermass.kde3d import Cubes
from clustermass.observed.masses import POSTERIOR
from clustermass.posterior.grid import density_at
from clustermass.posterior.joint import Slices
from clustermass.posterior.store import Inference, load_inference
from clustermass.posterior.summaries import summarise
from clustermass.training.checkpoint import load_trained
from clustermass.training.trainer import Trained, predict_log10_mass

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


_AT_EDGE = float(np.exp(-9 / 8))  # density of a Gaussian one and a half standard deviations from its peak, over it


def judge(slices: Slices, known: Floats, limits: Posterior) -> tuple[pd.DataFrame, Bools]:
    """Return what posteriors say (columns `POSTERIOR`), and which are extrapolated.

    A mass is extrapolated where the posterior rests on too few simulated clusters; where its maximum or median is
    outside the masses that calibrate it; and where its density at either end of these is more than a third of its
    peak. Beyond the ends the prior is zero, so a posterior that piles up there says that the mass is there or beyond,
    not that it is inside, and its limit on that side is that of the prior. exp(-9/8), about a third, is the density of
    a Gaussian 1.5 standard deviations from its peak: 7 % of it and more, hence its 95 % limit, would be beyond the end
    if the prior went on. Of groups 0.1 to 0.5 dex below the pairs, weighed with a scatter of 0.12 dex, it flags 95 %
    and more, where maximum and median alone leave out up to 39 %; the price is that clusters inside, but nearer to an
    end than their error, are flagged as well: nothing tells them apart.

    Parameters
    ----------
    slices : Slices
        n posteriors.
    known : array, shape (m,)
        log10 M200c [Msun/h] of the clusters that calibrate them.
    limits : Posterior
        Kind of the limits.

    Returns
    -------
    found : pandas.DataFrame
    extrapolated : array of bool, shape (n,)
    """
    columns = dict(zip(("median", "map"), POSTERIOR[:2], strict=True))
    found = summarise(slices.posteriors, limits.limits).rename(columns=columns)[POSTERIOR]
    points = found[POSTERIOR[:2]].to_numpy(float)
    step = slices.posteriors.step  # densities end midway between two points of the grid
    low, high = known.min() + step, known.max() - step
    outside = (points.min(axis=1) <= low) | (points.max(axis=1) >= high)
    density = slices.posteriors.density
    ends = density_at(slices.posteriors, np.broadcast_to([low, high], (len(density), 2)))
    piled = ends.max(axis=1) > _AT_EDGE * density.max(axis=1)
    return found, np.asarray(slices.extrapolated | outside | piled)


@dataclass(frozen=True)
class CubeInference:
    """CNN3D with the posterior of mass given what it says; see `observed.masses.Inference` for a call.

    Attributes
    ----------
    model : Trained
    inference : Inference
        Pairs that calibrate it, and prior.
    network : CubeNetwork
    kde : Kde3d
        Bandwidth of the cubes; the window is that of the sample.
    training : Training
        Device, threads and precision.
    sample : Sample
        Window.
    limits : Posterior
        Kind of the limits.
    """

    model: Trained
    inference: Inference
    network: CubeNetwork
    kde: Kde3d
    training: Training
    sample: Sample
    limits: Posterior

    @classmethod
    def load(
        cls,
        models: str | Path,
        inference: str | Path,
        network: CubeNetwork,
        kde: Kde3d,
        training: Training,
        sample: Sample,
        limits: Posterior,
    ) -> CubeInference:
        """Read a training (the last fold of the folder) and its posterior from disk.

        Raises
        ------
        CheckpointError
            No checkpoint, or one of another network, window or kernel.
        StoreError
            No posterior.
        """
        made = cube_inputs(sample.aperture_mpc_h, kde)
        model = load_trained(models, network, made)
        return cls(model, load_inference(inference), network, kde, training, sample, limits)

    def __call__(self, x: Floats, y: Floats, v_los: Floats, start: Ints) -> tuple[pd.DataFrame, Bools]:
        """Return posteriors of clusters (columns `POSTERIOR`), and which are extrapolated; see `judge`."""
        return judge(self.slices(x, y, v_los, start), self.inference.joint.pairs.log10_mass, self.limits)

    def slices(self, x: Floats, y: Floats, v_los: Floats, start: Ints) -> Slices:
        """Return posteriors of clusters on their grid."""
        window = self.sample.aperture_mpc_h, self.sample.velocity_cut_km_s
        cubes = Cubes(v_los, x, y, start, *window, self.network.voxels, self.kde)
        return self.inference.posteriors(predict_log10_mass(self.model, cubes, len(start) - 1, self.training))
