"""Richness from images: Base and Ours at shares of the training set (Liang et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from clustermass.config.image_networks import ImageRegressorNetwork, RegressorNetwork
from clustermass.config.image_training import LiangTraining
from clustermass.estimators import Split
from clustermass.images.resize import Pixels
from clustermass.networks.image import Extractor
from clustermass.runtime import generator
from clustermass.training.trainer import Start, extractor_start
from clustermass.transfer.bands import extractor_of
from clustermass.transfer.features import Floats32, extract
from clustermass.transfer.regression import Regression, feature_regression, image_regression
from clustermass.transfer.sample import ImageSample, subset

Model = Literal["base", "ours"]


class Fit(NamedTuple):
    """One training.

    Attributes
    ----------
    number : int
        From 0, of all fits of a share; names its checkpoint and stands in its learning curves.
    fold : int
        That tests.
    trial : int
        Of those that differ in seed and subset.
    """

    number: int
    fold: int
    trial: int


def fits(settings: LiangTraining) -> list[Fit]:
    """Return all fits of one share of the training set: every fold of the first trial, then of the next."""
    pairs = [(fold, trial) for trial in range(settings.trials) for fold in range(settings.folds)]
    return [Fit(number, *pair) for number, pair in enumerate(pairs)]


def fits_of_part(settings: LiangTraining, part: int, number: int) -> list[Fit]:
    """Return the fits of one of a number of jobs, the part counted from 0; all parts together have every fit once.

    Raises
    ------
    ValueError
        No such part.
    """
    if not 0 <= part < number:
        raise ValueError(f"part: expected 0 to {number - 1}, got {part}")
    every = fits(settings)
    return every[part * len(every) // number : (part + 1) * len(every) // number]


def fit_split(split: Split, fit: Fit, percent: float, seed: int) -> Split:
    """Return a fold in which a share of the training set trains; the same for all models, smaller ones inside larger.

    Parameters
    ----------
    split : Split
        The fold with its whole training set.
    fit : Fit
    percent : float
        Share of the training set [%].
    seed : int
        Of the configuration.
    """
    rng = generator(seed, "transfer_subset", {"fold": fit.fold, "trial": fit.trial})
    return Split(fit.number, split.fold, subset(split.training, percent, rng), split.validation, split.test)


def fit_seeds(chosen: Sequence[Fit], seed: int) -> np.random.Generator:
    """Return what gives consecutive fits their seeds, which depend neither on the model nor on how fits are batched."""
    rng = generator(seed, "transfer_richness", {})
    rng.integers(2**62, size=chosen[0].number)  # those of fits before them
    return rng


def model_start(settings: LiangTraining, model: Model, folder: str | Path) -> Start | None:
    """Return the weights from which the extractor of a model starts.

    Parameters
    ----------
    settings : LiangTraining
    model : {'base', 'ours'}
        Base: the weights that the configuration asks for (None: random ones); Ours: those that band classification
        left.
    folder : path
        Of the checkpoint of band classification; Base does not read it.

    Raises
    ------
    WeightsError, CheckpointError
        The weights cannot be had.

    Notes
    -----
    *Source*: Liang et al. (2020), section 3.2.
    """
    return extractor_of(folder, settings.bands.network) if model == "ours" else extractor_start(settings.bands.network)


def joint_network(settings: LiangTraining) -> ImageRegressorNetwork:
    """Return the network of richness whose extractor learns too."""
    extractor = settings.bands.network.extractor
    regressor = RegressorNetwork(**{**settings.regressor.model_dump(), "features": Extractor(extractor).features})
    return ImageRegressorNetwork(extractor=extractor, regressor=regressor, frozen=False)


def richness_regression(
    settings: LiangTraining, sample: ImageSample, images: Pixels, start: Start | None, seed: int, device: str
) -> Regression:
    """Return the regression of log10 richness on images (n, 5, h, w) of a sample.

    Where the extractor is frozen, it is the regression on its features, which are made here.

    Parameters
    ----------
    settings : LiangTraining
    sample : ImageSample
    images : array of float32, shape (n, 5, h, w)
    start : Start, optional
        Weights of the extractor, see `model_start`.
    seed : int
        Of the configuration: draws random weights of a frozen extractor.
    device : str
        Where features are made.
    """
    if not settings.frozen:
        return image_regression(joint_network(settings), images, sample.log10_richness, settings.training.views)
    training = settings.training.model_copy(update={"device": device})
    features = extract(frozen_extractor(settings, start, seed), images, training.views, training)
    return feature_richness(settings.regressor, sample, features)


def feature_richness(network: RegressorNetwork, sample: ImageSample, features: Floats32) -> Regression:
    """Return the regression of log10 richness on stored features (n, views, 5, features) of a sample."""
    return feature_regression(network, features, sample.log10_richness, sample.redshift)


def frozen_extractor(settings: LiangTraining, start: Start | None, seed: int) -> Extractor:
    """Return an extractor with the weights of a start; others are random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, "transfer_extractor", {}).integers(2**62)))
        extractor = Extractor(settings.bands.network.extractor)
    known = {name.removeprefix("extractor."): value for name, value in start.tensors.items()} if start else {}
    extractor.load_state_dict(extractor.state_dict() | known)
    return extractor.freeze()
