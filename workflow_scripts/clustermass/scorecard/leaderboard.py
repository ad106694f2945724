"""Mass estimators beside each other on the clusters that all of them weighed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.predictions import headline_role
from clustermass.residuals import INTERVAL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEEDS = {
    "msigma_pure": "redshifts of true members",
    "msigma_contaminated": "redshifts",
    "sdm1d": "redshifts",
    "sdm2d": "redshifts, positions",
    "cnn1d": "redshifts",
    "cnn2d": "redshifts, positions",
    "cnn3d": "redshifts, positions",
    "flow": "redshifts, positions",
    "end_to_end": "redshifts, positions",
    "richness": "richness",
    "richness_fitted": "richness, labels",
    "constant": "labels",
}
"""What estimators see of a cluster, by folder."""
TRAINING = ("training", "preparation", "divergences of training clusters")
"""Steps that are not done for a cluster that is weighed."""
TITLES = {"end_to_end": "end-to-end neural posterior", "flow": "neural flow"}
COLUMNS = ("sample", "estimator", "needs", "rank", "clusters", "halos", "bias", "bias_low", "bias_high", "scatter",
           "scatter_low", "scatter_high", "outliers_percent", "outliers_low", "outliers_high", "calibration_error",
           "calibration_noise", "calibration_of", "trainings", "scatter_of_trainings", "seed",
           "milliseconds_a_cluster", "training_seconds")  # fmt: skip
KOLMOGOROV = 1.358
"""95 % of the Kolmogorov-Smirnov distance of equal distributions, times the root of the size."""


@dataclass(frozen=True)
class Entrant:
    """One estimator on one sample.

    Attributes
    ----------
    sample, title, needs : str
        `needs`: what it sees of a cluster.
    judged : pandas.DataFrame
        Columns cluster, group, residual (predicted less true log10 mass) [dex], of clusters that judge.
    calibrating : array
        Residuals of clusters that neither judge nor trained [dex]; may be empty.
    by_training : dict of array
        Residuals of each training by itself, all on clusters that it did not see [dex].
    times : pandas.DataFrame
        Contract `predictions.TIMING`; may be empty.
    calibration : tuple of float, optional
        Largest deviation of the coverage of its posteriors and what noise brings, if it has posteriors.
    inputs_a_cluster : dict of int
        How many inputs of a step a cluster has, where it is not one.
    """

    sample: str
    title: str
    needs: str
    judged: pd.DataFrame
    calibrating: Floats
    by_training: Mapping[Any, Floats]
    times: pd.DataFrame
    calibration: tuple[float, float] | None = None
    inputs_a_cluster: Mapping[str, int] = field(default_factory=dict)


def mock_residuals(predictions: pd.DataFrame) -> tuple[pd.DataFrame, Floats, dict[Any, Floats]]:
    """Return residuals that judge, that calibrate, and of each fold, from `predictions.PREDICTIONS`.

    Clusters of the box held out judge and those of the cross-validation calibrate; without such a box those of the
    cross-validation judge, and none calibrate.
    """
    role = headline_role(predictions)
    residual = predictions["log10_predicted"] - predictions["log10_m200c"]
    frame = predictions.assign(residual=residual)
    judged = frame[frame["role"] == role]
    others = frame[(frame["role"] == "test") & (role != "test")]
    folds = frame[(frame["role"] == "test") & (frame["fold"] >= 0)].groupby("fold")["residual"]
    by_fold = {fold: part.to_numpy() for fold, part in folds}
    return judged[["cluster", "group", "residual"]], others["residual"].to_numpy(), by_fold


def image_residuals(predictions: pd.DataFrame) -> tuple[pd.DataFrame, Floats, dict[Any, Floats]]:
    """Return residuals that judge, that calibrate, and of each training, from `transfer.contracts.MASS_PREDICTIONS`.

    Clusters judge in the fold that tests them, by the mean over trials; validation clusters of each fold calibrate.
    """
    residual = predictions["log10_predicted"] - predictions["log10_m500c"]
    frame = predictions.assign(residual=residual)
    tests, others = frame[frame["role"] == "test"], frame[frame["role"] == "validation"]
    judged = tests.groupby("cluster", sort=True).agg({"group": "first", "residual": "mean"}).reset_index()
    trainings = {key: part.to_numpy() for key, part in tests.groupby(["fold", "trial"])["residual"]}
    return judged, others["residual"].to_numpy(), trainings


def leaderboard(
    entrants: Sequence[Entrant], outlier_dex: float, draws: int, make_rng: Callable[[], np.random.Generator], seed: int
) -> pd.DataFrame:
    """Return how estimators do on the clusters of each sample that all its estimators weighed.

    Parameters
    ----------
    outlier_dex : float
        A mass further off is an outlier [dex].
    draws : int
        Of a bootstrap over halos, the same for all estimators of a sample.
    make_rng : callable
        Returns a generator of one seed.
    seed : int
        Of the trainings.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, by sample and rank in scatter. Bias: mean residual; scatter: standard deviation; [dex], with
        the 16th and 84th percentile of the bootstrap. Calibration error: largest difference between the share of
        truths below a quantile and the quantile; of posteriors, or where an estimator has none, of error bars that are
        the residuals of its cross-validation; noise: 95 % of what chance brings. Scatter of trainings: standard
        deviation of the scatter over trainings. Time of a cluster: inputs and evaluation; of training: all trainings.

    Raises
    ------
    ValueError
        Estimators of one sample that share no cluster.
    """
    rows = []
    for sample in dict.fromkeys(entrant.sample for entrant in entrants):
        mine = [entrant for entrant in entrants if entrant.sample == sample]
        shared = sorted(set.intersection(*(set(entrant.judged["cluster"]) for entrant in mine)))
        if not shared:
            raise ValueError(f"{sample}: expected clusters that all estimators weighed, got none")
        for entrant in mine:
            judged = entrant.judged.set_index("cluster").loc[shared]
            rows.append(_standing(entrant, judged, outlier_dex, draws, make_rng()) | {"seed": seed})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["rank"] = table.groupby("sample")["scatter"].rank(method="min").astype("Int64")
    order = {sample: place for place, sample in enumerate(dict.fromkeys(table["sample"]))}
    return table.sort_values(["sample", "rank"], key=lambda c: c.map(order) if c.name == "sample" else c,
                             kind="stable").reset_index(drop=True)  # fmt: skip


def coverage_error(judged: Floats, calibrating: Floats) -> float:
    """Return the largest difference between the distributions of two samples of residuals; NaN where one is empty.

    It is the largest deviation of the coverage of error bars that are the calibrating residuals, on those that judge.
    """
    if not len(judged) or not len(calibrating):
        return float("nan")
    every = np.sort(np.concatenate([judged, calibrating]))
    shares = [np.searchsorted(np.sort(values), every, side="right") / len(values) for values in (judged, calibrating)]
    return float(np.abs(shares[0] - shares[1]).max())


def _standing(
    entrant: Entrant, judged: pd.DataFrame, outlier_dex: float, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the row of one estimator."""
    residual, group = judged["residual"].to_numpy(float), judged["group"].to_numpy()
    _, code = np.unique(group, return_inverse=True)
    halos = int(code.max()) + 1
    calibrating = entrant.calibrating
    error, noise = entrant.calibration or (
        coverage_error(residual, calibrating),
        KOLMOGOROV * np.sqrt(1 / halos + 1 / max(len(calibrating), 1)) if len(calibrating) else np.nan,
    )
    of_trainings = [float(np.std(values)) for values in entrant.by_training.values()]
    once = entrant.times["step"].isin(TRAINING)
    steps, training = entrant.times[~once], entrant.times.loc[once, "seconds"]
    inputs = [entrant.inputs_a_cluster.get(step, 1) for step in steps["step"]]
    return {
        "sample": entrant.sample,
        "estimator": entrant.title,
        "needs": entrant.needs,
        "clusters": len(residual),
        "halos": halos,
        **_moments(residual, code, outlier_dex, draws, rng),
        "calibration_error": error,
        "calibration_noise": noise,
        "calibration_of": "posteriors" if entrant.calibration else "residuals" if len(calibrating) else "",
        "trainings": max(len(of_trainings), int(len(training) > 0)),
        "scatter_of_trainings": float(np.std(of_trainings, ddof=1)) if len(of_trainings) > 1 else np.nan,
        "milliseconds_a_cluster": float(np.sum(1e3 * steps["seconds"] / steps["number"] * inputs))
        if len(steps)
        else np.nan,
        "training_seconds": float(training.sum()) if len(training) else np.nan,
    }


def _moments(
    residual: Floats, code: Ints, outlier_dex: float, draws: int, rng: np.random.Generator
) -> dict[str, float]:
    """Return bias, scatter and share of outliers with their intervals."""
    halos = int(code.max()) + 1
    centre = residual.mean()
    away = residual - centre
    parts = [np.ones(len(residual)), away, away**2, np.abs(residual) > outlier_dex]
    sums = np.stack([np.bincount(code, part, halos) for part in parts], axis=1)  # (halos, 4)
    times = rng.multinomial(halos, np.full(halos, 1 / halos), size=draws)  # (draws, halos)
    number, first, second, outliers = (times @ sums).T
    samples = {
        "bias": (centre, centre + first / number),
        "scatter": (residual.std(), np.sqrt(np.maximum(second / number - (first / number) ** 2, 0))),
        "outliers": (100 * parts[3].mean(), 100 * outliers / number),
    }
    found: dict[str, float] = {}
    for name, (value, drawn) in samples.items():
        low, high = np.percentile(drawn, INTERVAL)
        column = "outliers_percent" if name == "outliers" else name
        found |= {column: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found
