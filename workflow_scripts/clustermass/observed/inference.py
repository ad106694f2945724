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
from clustermass.kde3d import Cubes
from clustermass.observed.masses import POSTERIOR
from clustermass.posterior.store import Inference, load_inference
from clustermass.posterior.summaries import summarise
from clustermass.training.checkpoint import load_trained
from clustermass.training.trainer import Trained, predict_log10_mass

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


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
            No checkpoint, or one of another network.
        StoreError
            No posterior.
        """
        return cls(load_trained(models, network), load_inference(inference), network, kde, training, sample, limits)

    def __call__(self, x: Floats, y: Floats, v_los: Floats, start: Ints) -> tuple[pd.DataFrame, Bools]:
        """Return posteriors of clusters (columns `POSTERIOR`), and which are extrapolated.

        A mass is extrapolated where the posterior rests on too few simulated clusters, and where its maximum or median
        is at an end of the masses of all of these, or outside.
        """
        window = self.sample.aperture_mpc_h, self.sample.velocity_cut_km_s
        cubes = Cubes(v_los, x, y, start, *window, self.network.voxels, self.kde)
        slices = self.inference.posteriors(predict_log10_mass(self.model, cubes, len(start) - 1, self.training))
        columns = dict(zip(("map", "median"), POSTERIOR[:2], strict=True))
        found = summarise(slices.posteriors, self.limits.limits).rename(columns=columns)[POSTERIOR]
        known = self.inference.joint.pairs.log10_mass
        most, middle = (found[name].to_numpy(float) for name in POSTERIOR[:2])
        step = slices.posteriors.step  # a maximum at the edge says that the mass is there or beyond
        beyond = (np.minimum(most, middle) <= known.min() + step) | (np.maximum(most, middle) >= known.max() - step)
        return found, np.asarray(slices.extrapolated | beyond)
