"""From predictions of an estimator to what gives posteriors of new clusters."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.estimators import Split, predictions
from clustermass.posterior.grid import Floats, Posteriors
from clustermass.posterior.joint import JointDensity, Slices, fit_joint, grid_between, make_pairs, mass_grid, support
from clustermass.posterior.neural import NeuralDensity, fit_neural, flow_masses
from clustermass.posterior.prior import Prior, calibration_prior, mass_function_prior, reweight, training_prior
from clustermass.posterior.store import Inference
from clustermass.training.folds import subset
from clustermass.training.trainer import Samples, Trained

Density = Literal["kde", "kde_covariance", "npe"]
"""Kernel density as configured, the same with H = kappa Sigma, or a flow on the summary."""


def infer(
    predictions: pd.DataFrame,
    density: Density,
    settings: Posterior,
    redshift: float,
    cosmology: Cosmology,
    rng: np.random.Generator,
    log10_mass: Floats | None = None,
) -> Inference:
    """Return what turns an estimator's summaries into posteriors.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `PREDICTIONS`: clusters that the estimator neither trained on nor stopped on.
    density : {'kde', 'kde_covariance', 'npe'}
    settings : Posterior
    redshift : float
        Of the mass function, if that is the prior.
    cosmology : Cosmology
    rng : numpy.random.Generator
        Of a flow.
    log10_mass : array, shape (g,), optional
        Grid of the posteriors; by default what the pairs need.
    """
    if density == "kde_covariance":
        settings = settings.model_copy(update={"bandwidth_reading": "covariance"})
    summary, mass = (predictions[name].to_numpy(np.float64) for name in ("log10_predicted", "log10_m200c"))
    pairs = make_pairs(summary, mass, predictions["group"])
    joint = fit_joint(pairs, settings)
    fitted: JointDensity | NeuralDensity = fit_neural(pairs, settings, rng) if density == "npe" else joint
    prior = calibration_prior(joint, mass_grid(pairs, settings) if log10_mass is None else log10_mass)
    target = mass_function_prior(prior, redshift, cosmology) if settings.prior == "mass_function" else prior
    return Inference(fitted, prior, target, settings)


def predict_posteriors(
    model: Trained, samples: Samples, clusters: pd.DataFrame, made: list[Split], training: Training, settings: Posterior
) -> tuple[pd.DataFrame, Posteriors, Prior]:
    """Return what a flow gives the clusters that test in some splits: means, posteriors, and the prior of these.

    Parameters
    ----------
    model : Trained
        A flow, trained on the training set of the splits.
    samples : Samples
        Row by row as the clusters; more may follow.
    clusters : pandas.DataFrame
        Columns cluster, group, log10_m200c.
    made : list of Split
        Of one training set.
    training : Training
        Device, threads and precision are used.
    settings : Posterior
        Grid and prior.

    Returns
    -------
    predictions : pandas.DataFrame
        Contract `PREDICTIONS`.
    posteriors : Posteriors
        In its order.
    prior : Prior
        Mass distribution of the training set.
    """
    mass = clusters["log10_m200c"].to_numpy(np.float64)[made[0].training]
    grid = grid_between(mass.min(), mass.max(), settings)
    tables, densities = [], []
    for split in made:
        inputs = subset(samples, split.test).inputs
        found, predicted = flow_masses(model, inputs, len(split.test), training, grid)
        tables.append(predictions(clusters, split, predicted))
        densities.append(found.density)
    table = pd.concat(tables, ignore_index=True)
    return table, Posteriors(grid, np.concatenate(densities)), training_prior(mass, grid, settings)


def own_posteriors(
    inference: Inference, predictions: pd.DataFrame, posteriors: Posteriors, cluster: NDArray[Any], prior: Prior
) -> Slices:
    """Return posteriors that an estimator gives by itself, such as a flow end to end, like those of an inference.

    Parameters
    ----------
    inference : Inference
        Of the same estimator's summaries, on the grid of these posteriors: says where they are beyond the pairs.
    predictions : pandas.DataFrame
        Contract `PREDICTIONS`, n rows.
    posteriors : Posteriors
        Of these and perhaps more clusters.
    cluster : array of int
        Clusters that the posteriors are of.
    prior : Prior
        That they stand on, which is the mass distribution of the training set; they are reweighted to the inference's.

    Raises
    ------
    ValueError
        A cluster without posterior, or another grid.
    """
    order = np.argsort(cluster, kind="stable")
    wanted = predictions["cluster"].to_numpy()
    place = order[np.minimum(np.searchsorted(cluster[order], wanted), len(order) - 1)]
    if not np.array_equal(cluster[place], wanted):
        missing = int(wanted[cluster[place] != wanted][0])
        raise ValueError(f"posteriors: expected one for each predicted cluster, got none of cluster {missing}")
    if not np.array_equal(posteriors.log10_mass, inference.prior.log10_mass):
        raise ValueError("posteriors: expected the grid of the inference, got another")
    effective, distance, _ = support(inference.joint, predictions["log10_predicted"].to_numpy(np.float64))
    own = reweight(Posteriors(posteriors.log10_mass, posteriors.density[place]), prior, inference.prior)
    lost = ~np.isfinite(own.density[:, 0])
    extrapolated = (effective < inference.joint.fewest_pairs) | (distance > 1) | lost
    return inference.under_target(Slices(own, effective, distance, extrapolated))
