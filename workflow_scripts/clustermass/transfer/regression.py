"""Networks that give clusters a number, mass or richness, from their images or from stored features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Section
from clustermass.config.image_networks import RegressorNetwork
from clustermass.config.training import Training
from clustermass.contracts import Contract
from clustermass.estimators import Split
from clustermass.images.resize import Pixels
from clustermass.training.folds import Fold, subset, train_folds
from clustermass.training.trainer import Samples, Start, Trained, predict_log10_mass
from clustermass.transfer.features import Floats32, part_rows
from clustermass.transfer.sample import ImageSample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Regression:
    """A network, and what it sees of all clusters.

    Attributes
    ----------
    network : Section
        Architecture.
    samples : Samples
        Those of a cluster stand together: its stored views, or the one image that training turns and mirrors.
    stored : int
        Samples of a cluster.
    views : int
        Views of a cluster over which predictions are means.
    """

    network: Section
    samples: Samples
    stored: int
    views: int

    def settings(self, training: Training) -> Training:
        """Return how the network is trained: an epoch passes over all stored views, and so counts as many passes."""
        passes = {"epochs": training.epochs, "patience": training.patience}
        fewer = {name: number and max(1, round(number / self.stored)) for name, number in passes.items()}
        return training.model_copy(update={**fewer, "views": self.views // self.stored})

    def fold(self, split: Split, watch: bool = False) -> Fold:
        """Return who trains, validates and is watched: all stored views train, of the others clusters as they are."""
        watched = split.test * self.stored if watch and len(split.test) else None
        return Fold(split.number, part_rows(split.training, self.stored), split.validation * self.stored, watched)


def image_regression(
    network: Section, images: Pixels, label: Floats, views: int, redshift: Floats | None = None
) -> Regression:
    """Return the regression of labels (n,) on images (n, 5, h, w), and on redshifts (n,) if the network takes them."""
    inputs = images if redshift is None else (images, redshift.astype(np.float32))
    return Regression(network, Samples(inputs, label), 1, views)


def feature_regression(
    network: RegressorNetwork, features: Floats32, label: Floats, redshift: Floats | None = None
) -> Regression:
    """Return the regression of labels (n,) on stored features, and on redshifts (n,).

    Parameters
    ----------
    network : RegressorNetwork
        It is made for as many features as there are.
    features : array of float32, shape (n, views, 5, features)
    label : array, shape (n,)
    redshift : array, shape (n,), optional
        Needed where the network takes it, else left out.
    """
    n, views, bands, number = features.shape
    network = RegressorNetwork(**{**network.model_dump(), "features": number, "bands": bands})
    flat = features.reshape(n * views, bands, number)
    inputs = (
        (flat, np.repeat(redshift, views).astype(np.float32)) if network.redshift and redshift is not None else flat
    )
    return Regression(network, Samples(inputs, np.repeat(label, views)), views, views)


def train_splits(
    regression: Regression,
    training: Training,
    splits: Sequence[Split],
    rng: np.random.Generator,
    workers: int,
    *,
    start: Start | None = None,
    watch: bool = False,
    folder: str | Path | None = None,
    unfinished: str | Path | None = None,
    say: Callable[[str], None] = print,
) -> list[Trained]:
    """Train a network on every split.

    Parameters
    ----------
    regression : Regression
    training : Training
    splits : sequence of Split
        Each with its own number, which names the checkpoint.
    rng : numpy.random.Generator
        Gives each its seed.
    workers : int
        Processes on the CPU.
    start : Start, optional
        Weights to begin with.
    watch : bool
        Whether clusters that test are scored after every epoch, for the learning curves; it decides nothing.
    folder, unfinished : path, optional
        Where checkpoints go; see `folds.train_folds`, which resumes them.
    say : callable
        Takes a line of progress after every epoch.

    Raises
    ------
    ValueError
        A cluster that both trains and validates.
    CheckpointError
        The folder holds a finished checkpoint of another training.
    TrainingError
        A training failed.
    """
    settings, folds = regression.settings(training), [regression.fold(split, watch) for split in splits]
    samples = regression.samples
    return train_folds(
        regression.network, settings, samples, folds, rng, workers,
        start=start, folder=folder, unfinished=unfinished, say=say,
    )  # fmt: skip


def predict(regression: Regression, model: Trained, rows: Ints, training: Training) -> Floats:
    """Return what a network gives clusters (k,), the mean over their views."""
    inputs = subset(regression.samples, part_rows(rows, regression.stored)).inputs
    number = len(rows) * regression.stored
    found = predict_log10_mass(model, inputs, number, regression.settings(training))
    return np.asarray(found.reshape(len(rows), regression.stored).mean(axis=1))


def predicted(
    regression: Regression,
    model: Trained,
    split: Split,
    training: Training,
    sample: ImageSample,
    contract: Contract,
    **also: float,
) -> pd.DataFrame:
    """Return predictions for the clusters that validate and test in a split.

    Parameters
    ----------
    contract : Contract
        `MASS_PREDICTIONS` or `RICHNESS_PREDICTIONS`, whose other columns are those of the sample.
    also : float
        Columns that are the same in all rows: trial, percent.
    """
    tables = []
    for role, rows in (("validation", split.validation), ("test", split.test)):
        own = {
            "cluster": sample.clusters[rows],
            "role": role,
            "fold": split.fold,
            "training_clusters": len(split.training),
            "log10_predicted": predict(regression, model, rows, training),
            **also,
        }
        rest = {name: getattr(sample, name)[rows] for name in contract.names if name not in own}
        tables.append(pd.DataFrame({**own, **rest}))
    return contract.validate(pd.concat(tables, ignore_index=True), "predictions")
