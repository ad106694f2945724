"""How well networks of images do on clusters that they have not seen, and which of two does better.

Means over trials come first: a cluster's error is its mean over the trainings that predicted it, and then whole halos
are drawn with replacement. Intervals so hold the chance of having these clusters, not that of having these trainings,
which `trials_std` tells.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clustermass.contracts import Column, Contract
from clustermass.frames.contracts import BANDS
from clustermass.residuals import INTERVAL
from clustermass.transfer.contracts import SCORES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Target = Literal["mass", "richness"]
LABEL: dict[Target, str] = {"mass": "log10_m500c", "richness": "log10_richness"}
"""Columns of labels, by what is predicted."""
DECISIVE = (2.5, 97.5)
"""Percentiles of differences between which zero leaves a comparison undecided."""

COMPARISONS = Contract(
    "image_comparisons",
    "which of two models has the smaller mean absolute error on the same clusters; bootstrap of halos, in pairs",
    (
        Column("model", "text", "", "model, or variant of the pre-training"),
        Column("percent", "float", "%", "share of the training set that trained it", 0, 100),
        Column("reference", "text", "", "what it is compared with"),
        Column("reference_percent", "float", "%", "share of the training set that trained that", 0, 100),
        Column("target", "text", "", "what is predicted", choices=("mass", "richness")),
        Column("clusters", "int", "", "clusters that were tested", 1),
        Column("difference", "float", "dex", "mean absolute error of the model less that of the reference"),
        Column("low", "float", "dex", "2.5th percentile of it"),
        Column("high", "float", "dex", "97.5th percentile of it"),
        Column("verdict", "text", "", "of the model; undecided: the interval has zero in it",
               choices=("better", "worse", "undecided")),
    ),
)  # fmt: skip
BAND_SCORES = Contract(
    "band_scores",
    "how often networks tell bands of unseen images; intervals by a bootstrap of halos",
    (
        Column("model", "text", "", "network, or variant of the pre-training"),
        Column("role", "text", "", "whose images", choices=("validation", "test", "empty")),
        Column("images", "int", "", "images in five bands", 1),
        Column("accuracy", "float", "", "share of bands told right", 0, 1),
        Column("low", "float", "", "16th percentile of it", 0, 1),
        Column("high", "float", "", "84th percentile of it", 0, 1),
    ),
)
EPOCH_CHOICES = Contract(
    "epoch_choices",
    "what another choice of the epoch would have given; nothing follows from the choice on the test set but this table",
    (
        Column("fold", "int", "", "fold, from 0", 0),
        Column("choice", "text", "", "last epoch, or the best on this set; of equal ones the first",
               choices=("last", "validation", "test")),
        Column("epoch", "int", "", "passes over the training set", 1),
        Column("validation_score", "float", "", "accuracy, or mean absolute error, on the validation set"),
        Column("test_score", "float", "", "the same on the test set"),
    ),
)  # fmt: skip


class _Errors(NamedTuple):
    """Predicted less label, of clusters in order of their names, in trials in order of their numbers."""

    clusters: NDArray[np.str_]
    group: Ints
    fold: Ints
    label: Floats
    error: Floats
    """(clusters, trials) [dex]"""


def scores(
    predictions: pd.DataFrame, model: str, target: Target, percent: float, rng: np.random.Generator, draws: int
) -> pd.DataFrame:
    """Return how well a model predicts labels of test clusters.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `MASS_PREDICTIONS` or `RICHNESS_PREDICTIONS` of all folds and trials; only tests count, and of several
        shares only that asked for.
    model : str
        Its name in the table.
    target : {'mass', 'richness'}
    percent : float
        Share of the training set that trained [%].
    rng : numpy.random.Generator
        Generators of one seed draw the same halos for all models of the same clusters.
    draws : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        Contract `SCORES`, one row; errors in dex. Standard deviations over folds and trials with n - 1, that of
        differences with n. The best fold is best on its test set: what a paper may state, nothing to expect.

    Raises
    ------
    ValueError
        No tests; a cluster that does not stand once in every trial, in one fold and group, with one label; one group
        only.

    Notes
    -----
    Source: Lin et al. (2022), Eqs. 4 and 5; Liang et al. (2020), section 3.2: mean over trials.
    """
    tests = _tests(predictions, percent)
    found = _errors(tests, target)
    absolute = np.abs(found.error)
    cluster_mae = absolute.mean(axis=1)
    fold_mae = np.array([cluster_mae[found.fold == fold].mean() for fold in np.unique(found.fold)])
    centre = found.error.mean(axis=0)
    offset = found.error - centre
    sums = _resampled(found.group, np.column_stack([cluster_mae, offset, offset**2]), draws, rng)
    mae, *moments = sums[1:] / sums[0]
    first, second = np.array(moments).reshape(2, -1, draws)  # (trials, draws) each
    sigma = np.sqrt(np.maximum(second - first**2, 0)).mean(axis=0)
    errors = tests["log10_m500c_err"].to_numpy(float) if target == "mass" else np.empty(0)
    row = {
        "model": model,
        "target": target,
        "percent": float(percent),
        "clusters": len(cluster_mae),
        "mae": cluster_mae.mean(),
        **_interval("mae", mae, INTERVAL),
        "mae_std": _std(fold_mae),
        "mae_best": fold_mae.min(),
        "trials_std": _std(absolute.mean(axis=0)),
        "sigma": found.error.std(axis=0).mean(),
        **_interval("sigma", sigma, INTERVAL),
        "bias": found.error.mean(),
        "floor": label_floor(errors),
    }
    return SCORES.validate(pd.DataFrame([row]), f"scores of {model}")


def compare(
    predictions: pd.DataFrame,
    reference: pd.DataFrame,
    models: tuple[str, str],
    target: Target,
    percents: tuple[float, float],
    rng: np.random.Generator,
    draws: int,
) -> pd.DataFrame:
    """Return whether a model has a smaller mean absolute error than another on the same clusters.

    Parameters
    ----------
    predictions, reference : pandas.DataFrame
        As in `scores`; the number of trials may differ.
    models : tuple of str
        Names of both.
    target : {'mass', 'richness'}
    percents : tuple of float
        Shares of the training set that trained either [%].
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    pandas.DataFrame
        Contract `COMPARISONS`, one row.

    Raises
    ------
    ValueError
        As `scores`, and where both were not tested on the same clusters with the same labels.
    """
    one, other = (_tests(table, percent) for table, percent in zip((predictions, reference), percents, strict=True))
    ours, theirs = _errors(one, target), _errors(other, target)
    if not np.array_equal(ours.clusters, theirs.clusters) or not np.array_equal(ours.label, theirs.label):
        raise ValueError(
            f"{' and '.join(models)}: expected tests of the same clusters with the same labels, got"
            f" {len(ours.clusters)} and {len(theirs.clusters)} clusters or other labels"
        )
    difference = np.abs(ours.error).mean(axis=1) - np.abs(theirs.error).mean(axis=1)
    number, total = _resampled(ours.group, difference[:, None], draws, rng)
    low, high = np.percentile(total / number, DECISIVE)
    row = {
        "model": models[0],
        "percent": float(percents[0]),
        "reference": models[1],
        "reference_percent": float(percents[1]),
        "target": target,
        "clusters": len(difference),
        "difference": difference.mean(),
        "low": low,
        "high": high,
        "verdict": "better" if high < 0 else "worse" if low > 0 else "undecided",
    }
    return COMPARISONS.validate(pd.DataFrame([row]), f"{models[0]} and {models[1]}")


def richness_masses(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions of the same clusters by richness instead of images: the reference of Lin et al. (2022).

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `MASS_PREDICTIONS`; the first trial is taken, as richness has no others.
    """
    once: pd.DataFrame = predictions[predictions["trial"] == predictions["trial"].min()]
    return once.assign(log10_predicted=once["log10_m500c_richness"])


def label_floor(err: Floats) -> float:
    """Return the mean absolute error of a perfect model against labels with Gaussian errors: err sqrt(2 / pi).

    Parameters
    ----------
    err : array, shape (n,)
        1 sigma errors of labels [dex]; NaN: unknown, left out.

    Returns
    -------
    float
        [dex]; NaN where no error is known. Scatter of labels that their errors do not tell comes on top.
    """
    known = err[np.isfinite(err)]
    return float(np.sqrt(2 / np.pi) * known.mean()) if len(known) else float("nan")


def dex_to_ln(dex: ArrayLike) -> Floats:
    """Return differences of natural logarithms from such of decimal ones: dex times ln 10."""
    return np.asarray(np.asarray(dex, float) * np.log(10))


def accuracy(
    predictions: pd.DataFrame,
    model: str,
    rng: np.random.Generator,
    draws: int,
    role: Literal["validation", "test", "empty"] = "test",
) -> pd.DataFrame:
    """Return how often a network tells the band of an image.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `BAND_PREDICTIONS`.
    model : str
        Its name in the table.
    rng : numpy.random.Generator
    draws : int
    role : {'test', 'validation', 'empty'}
        Whose images count.

    Returns
    -------
    pandas.DataFrame
        Contract `BAND_SCORES`, one row.

    Raises
    ------
    ValueError
        No images of this role, an image that does not stand once in every band, one group only.
    """
    tests = _of_role(predictions, role)
    _, group = np.unique(tests["group"].to_numpy(str), return_inverse=True)
    right = told_bands(tests) == tests["band"].to_numpy(str)
    number, total = _resampled(group, right[:, None].astype(float), draws, rng)
    low, high = np.percentile(total / number, INTERVAL)
    row = {"model": model, "role": role, "images": tests["image"].nunique(), "accuracy": right.mean()}
    return BAND_SCORES.validate(pd.DataFrame([{**row, "low": low, "high": high}]), f"bands told by {model}")


def confusion(predictions: pd.DataFrame, role: Literal["validation", "test", "empty"] = "test") -> pd.DataFrame:
    """Return how many images of every band a network takes to be of which.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `BAND_PREDICTIONS`.
    role : {'test', 'validation', 'empty'}

    Returns
    -------
    pandas.DataFrame
        Counts; rows: band of the image, columns: what it is taken to be, both in the order ugriz.

    Raises
    ------
    ValueError
        As `accuracy`.
    """
    tests = _of_role(predictions, role)
    bands = pd.Index(list(BANDS), name="band")
    counts = pd.crosstab(tests["band"].to_numpy(str), told_bands(tests))
    return counts.reindex(index=bands, columns=pd.Index(list(BANDS)), fill_value=0)


def told_bands(predictions: pd.DataFrame) -> NDArray[np.str_]:
    """Return the most probable band of every row of a table of the contract `BAND_PREDICTIONS`."""
    probability = predictions[[f"p_{band}" for band in BANDS]].to_numpy(float)
    return np.asarray(np.array(list(BANDS))[probability.argmax(axis=1)])


def epoch_choices(curves: pd.DataFrame, better: Literal["higher", "lower"]) -> pd.DataFrame:
    """Return what choosing the last epoch, or the best on the validation or on the test set, gives on the test set.

    Parameters
    ----------
    curves : pandas.DataFrame
        Contract `LEARNING_CURVES`; folds whose `validation_score` or `watched_score` (that of the test set) is missing
        at an epoch are left out.
    better : {'higher', 'lower'}
        Which scores are better: accuracies are higher, errors are lower.

    Returns
    -------
    pandas.DataFrame
        Contract `EPOCH_CHOICES`, three rows a fold.
    """
    sign = 1.0 if better == "higher" else -1.0
    rows = []
    for fold, curve in curves.sort_values(["fold", "epoch"]).groupby("fold"):
        own, watched = (curve[name].to_numpy(float) for name in ("validation_score", "watched_score"))
        if np.isfinite([own, watched]).all():
            best = {"validation": int(np.argmax(sign * own)), "test": int(np.argmax(sign * watched))}
            chosen = {"last": len(own) - 1, **best}
            epoch = curve["epoch"].to_numpy(np.int64)
            rows += [(fold, choice, epoch[k], own[k], watched[k]) for choice, k in chosen.items()]
    return EPOCH_CHOICES.validate(pd.DataFrame(rows, columns=EPOCH_CHOICES.names), "choices of the epoch")


def _tests(predictions: pd.DataFrame, percent: float) -> pd.DataFrame:
    """Return the rows of test clusters, and of this share of the training set where there are several."""
    tests = predictions[predictions["role"] == "test"]
    if "percent" in tests:
        tests = tests[np.isclose(tests["percent"].to_numpy(float), percent)]
    if tests.empty:
        raise ValueError(f"predictions: expected tests at {percent} % of the training set, got none")
    return tests


def _errors(tests: pd.DataFrame, target: Target) -> _Errors:
    """Return errors of test clusters in every trial, or raise where a trial is not whole."""
    tests = tests.sort_values(["cluster", "trial"])
    trials = tests["trial"].nunique()
    times = tests.groupby("cluster")["trial"].agg(["size", "nunique"])
    for cluster, (size, different) in times[(times != trials).any(axis=1)].iterrows():
        raise ValueError(
            f"predictions: expected a test of every cluster in each of {trials} trials, got {size} in {different} of"
            f" cluster {cluster}"
        )
    names = times.index.to_numpy(str)
    for column in ("fold", "group", LABEL[target]):
        values = tests[column].to_numpy().reshape(-1, trials)
        several = (values != values[:, :1]).any(axis=1)
        if several.any():
            raise ValueError(f"predictions: expected one {column} of cluster {names[several][0]}, got several")
    label, predicted = (tests[name].to_numpy(float).reshape(-1, trials) for name in (LABEL[target], "log10_predicted"))
    _, group = np.unique(tests["group"].to_numpy(str)[::trials], return_inverse=True)
    fold = tests["fold"].to_numpy(np.int64)[::trials]
    return _Errors(names, group, fold, label[:, 0], predicted - label)


def _of_role(predictions: pd.DataFrame, role: str) -> pd.DataFrame:
    """Return the rows of a role, or raise where images do not stand once in every band."""
    rows = predictions[predictions["role"] == role]
    times = rows.groupby("image")["band"].agg(["size", "nunique"])
    wrong = times.index[(times["size"] != len(BANDS)) | (times["nunique"] != len(BANDS))]
    if rows.empty or len(wrong):
        got = f"image {wrong[0]} {times.loc[wrong[0], 'size']} times" if len(wrong) else "none"
        raise ValueError(f"predictions: expected images of role '{role}' once in each of {BANDS}, got {got}")
    return rows


def _resampled(group: Ints, values: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Return how many rows each draw of whole groups has, and its sums of the values: shape (1 + k, draws).

    Parameters
    ----------
    group : array of int, shape (n,)
        From 0.
    values : array, shape (n, k)
    """
    groups = int(group.max()) + 1
    if groups < 2:
        raise ValueError("bootstrap: expected two groups at least, got one: lower labels.folds or take more clusters")
    columns = [np.ones(len(group)), *values.T]
    sums = np.stack([np.bincount(group, column, groups) for column in columns])  # (1 + k, groups)
    result = np.empty((len(sums), draws))
    for draw in range(draws):
        times = np.bincount(rng.integers(groups, size=groups), minlength=groups)
        result[:, draw] = np.einsum("kg,g->k", sums, times)  # not a product of matrices, whose order threads decide
    return result


def _interval(name: str, values: Floats, levels: tuple[float, float]) -> dict[str, float]:
    low, high = np.percentile(values, levels)
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def _std(values: Floats) -> float:
    """Return the standard deviation with n - 1; NaN of one value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
