"""Posteriors of mass from normalising flows: on an estimator's summary, or on the inputs of a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.networks.flow import ConditionalFlow
from clustermass.posterior.grid import Floats, Posteriors, mean, normalised
from clustermass.posterior.joint import JointDensity, Pairs, Slices, fit_joint, support
from clustermass.training.device import prepared
from clustermass.training.evaluation import Inputs
from clustermass.training.labels import LabelScale, fit_scale
from clustermass.training.trainer import Samples, State, Trained, network_outputs, train, trained

_EVALUATED = 500  # samples at a time


@dataclass(frozen=True, eq=False)
class NeuralDensity:
    """Density of mass on a summary: neural posterior estimation.

    Attributes
    ----------
    joint : JointDensity
        Of the same pairs: says where the summary is beyond them.
    flow : Trained
    scale : LabelScale
        Of the summary.
    training : Training
        Device and threads are used.
    """

    joint: JointDensity
    flow: Trained
    scale: LabelScale
    training: Training

    def slices(self, summary: Floats, log10_mass: Floats) -> Slices:
        """Return the posteriors at summaries (m,) on a grid (g,)."""
        effective, distance, _ = support(self.joint, summary)
        posteriors = flow_posteriors(self.flow, self.inputs(summary), len(summary), self.training, log10_mass)
        missing = ~np.isfinite(posteriors.density[:, 0])
        extrapolated = (effective < self.joint.fewest_pairs) | (distance > 1) | missing
        return Slices(posteriors, effective, distance, extrapolated)

    def inputs(self, summary: Floats) -> Inputs:
        """Return what the flow sees of summaries (m,): shape (m, 1)."""
        return _column(self.scale, summary)


def _column(scale: LabelScale, summary: Floats) -> Inputs:
    return scale.scale(summary).astype(np.float32)[:, None]


def fit_neural(pairs: Pairs, settings: Posterior, rng: np.random.Generator) -> NeuralDensity:
    """Return the density of mass on a summary that a flow learns from pairs.

    Parameters
    ----------
    pairs : Pairs
        All weights the same.
    settings : Posterior
    rng : numpy.random.Generator
        Draws the halos that validate, and the flow's seed.

    Raises
    ------
    ValueError
        Pairs of different weights, or too few halos to validate with.
    """
    if not np.allclose(pairs.weight, pairs.weight[0]):
        raise ValueError("pairs: expected the same weight for all, which is what the flow learns from, got others")
    number = int(pairs.group.max()) + 1
    held = rng.permutation(number)[: max(1, round(number * settings.flow_validation))]
    validates = np.isin(pairs.group, held)
    if validates.all():
        raise ValueError(f"pairs: expected halos to train and others to validate, got {number} halos")
    scale = fit_scale(pairs.summary[~validates], "standardised")
    training, validation = (
        Samples(_column(scale, pairs.summary[rows]), pairs.log10_mass[rows]) for rows in (~validates, validates)
    )
    state = train(settings.flow, settings.flow_training, training, validation, int(rng.integers(2**62)))
    return neural_density(fit_joint(pairs, settings), state, scale, settings)


def neural_density(joint: JointDensity, state: State, scale: LabelScale, settings: Posterior) -> NeuralDensity:
    """Return the density of a flow whose training ended, or was read from disk, in a state."""
    return NeuralDensity(joint, trained(settings.flow, state), scale, settings.flow_training)


def flow_posteriors(model: Trained, inputs: Inputs, number: int, training: Training, log10_mass: Floats) -> Posteriors:
    """Return the posteriors that a flow gives its inputs.

    Parameters
    ----------
    model : Trained
        Its network is a `ConditionalFlow`.
    inputs : array or callable
        As in training: shape (n, ...), or a maker of batches.
    number : int
        Samples, n.
    training : Training
        Device, threads and precision are used.
    log10_mass : array, shape (g,)
        Evenly spaced grid.

    Returns
    -------
    Posteriors
        No posterior (NaN) where less than half of it is on the grid.

    Raises
    ------
    TypeError
        The network is no flow.
    """
    return normalised(log10_mass, _densities(model, inputs, number, training, log10_mass), least=0.5)


def flow_masses(
    model: Trained, inputs: Inputs, number: int, training: Training, log10_mass: Floats
) -> tuple[Posteriors, Floats]:
    """Return the posteriors that a flow gives its inputs, and one log10 mass (n,) for each: its mean.

    Parameters, errors
        As `flow_posteriors`. Where most of a posterior is beyond the grid it is missing (NaN), and its mass is the mean
        of what is on the grid.
    """
    density = _densities(model, inputs, number, training, log10_mass)
    whole = normalised(log10_mass, density, least=0.5)
    return whole, mean(normalised(log10_mass, np.maximum(density, np.finfo(np.float32).tiny)))


def _densities(model: Trained, inputs: Inputs, number: int, training: Training, log10_mass: Floats) -> Floats:
    """Return densities (n, g) [1/dex], as the flow has them."""
    if not isinstance(model.network, ConditionalFlow):
        raise TypeError(f"network: expected a ConditionalFlow, got {type(model.network).__name__}")
    labels = torch.from_numpy(model.scale.scale(log10_mass).astype(np.float32)).unsqueeze(0)  # (1, g)
    conditions = torch.from_numpy(network_outputs(model, inputs, number, training))  # (n, k)
    density = np.empty((number, len(log10_mass)))
    with prepared("cpu", training.threads), torch.inference_mode():
        for rows in range(0, number, _EVALUATED):
            some = conditions[rows : rows + _EVALUATED]
            logs = model.network.log_prob(some, labels.expand(len(some), -1))  # (k, g)
            density[rows : rows + _EVALUATED] = logs.exp().numpy()
    return density / model.scale.unit
