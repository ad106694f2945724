"""Shares of the training set (Liang et al. 2020): passes over each, and jobs; light, as rule files ask too."""

from __future__ import annotations

import math

from clustermass.config.image_training import LiangTraining
from clustermass.config.training import Training


def share_training(settings: LiangTraining, percent: float, clusters: int, folds: int) -> Training:
    """Return how networks are trained on a share: with more passes over few clusters, to make enough steps.

    Patience grows as the number of passes does.

    Parameters
    ----------
    settings : LiangTraining
        Of its training and `min_steps`.
    percent : float
        Share of the training set [%].
    clusters : int
        Of the sample.
    folds : int
        Of the cross-validation, of which one tests and one validates.
    """
    steps = -(-_trained(percent, clusters, folds) // settings.training.batch)  # of one pass
    training = settings.training
    epochs = max(training.epochs, -(-settings.min_steps // steps))
    patience = training.patience and round(training.patience * epochs / training.epochs)
    return training.model_copy(update={"epochs": epochs, "patience": patience})


def _trained(percent: float, clusters: int, folds: int) -> int:
    """Return how many clusters train on a share, in a fold of mean size."""
    return max(2, round(percent / 100 * clusters * (folds - 2) / folds))


def parts(settings: LiangTraining, percent: float, clusters: int, folds: int) -> int:
    """Return into how many jobs the fits of a share are batched, so that each takes about `job_minutes`.

    Parameters
    ----------
    settings : LiangTraining
    percent, clusters, folds
        As in `share_training`.
    """
    passes = share_training(settings, percent, clusters, folds).epochs
    seconds = passes * _trained(percent, clusters, folds) / settings.clusters_per_second
    number = settings.folds * settings.trials
    return min(number, max(1, math.ceil(number * seconds / (60 * settings.job_minutes))))
