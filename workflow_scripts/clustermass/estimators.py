"""What all estimators of cluster masses share: galaxies of mock clusters, who trains and who tests, what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from clustermass.galaxies.background import Floats, Ints
from clustermass.mock_observation.ragged import offsets, subsample
from clustermass.predictions import PREDICTIONS, SUBSAMPLED, TIMING


class MockGalaxies(NamedTuple):
    """Galaxies of mock clusters; those of cluster i are rows start[i] to start[i + 1]."""

    v_los: Floats
    """[km/s]"""
    r_proj: Floats
    """[Mpc/h, comoving]"""
    start: Ints

    def take(self, clusters: Ints) -> MockGalaxies:
        """Return the galaxies of some of the clusters, in the order given."""
        counts = np.diff(self.start)[clusters]
        start = offsets(counts)
        rows = np.repeat(self.start[clusters] - start[:-1], counts) + np.arange(start[-1])
        return MockGalaxies(self.v_los[rows], self.r_proj[rows], start)

    def thinned(self, rate: float, rng: np.random.Generator) -> MockGalaxies:
        """Return a random share of the galaxies of every cluster (Ho et al. 2019, Eq. 14)."""
        rows, start = subsample(self.start, rate, rng)
        return MockGalaxies(self.v_los[rows], self.r_proj[rows], start)


Estimator = Callable[[MockGalaxies], Floats]
"""Returns log10 M200c [Msun/h] of clusters from their galaxies."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of the clusters that train, validate and test together.

    Attributes
    ----------
    number : int
        Of the fold; that of the split that tests on the held-out box comes after the last one.
    fold : int
        As in `PREDICTIONS`: -1 for the held-out box.
    training, validation, test : array of int
    """

    number: int
    fold: int
    training: Ints
    validation: Ints
    test: Ints


def mock_galaxies(clusters: pd.DataFrame, members: pd.DataFrame) -> MockGalaxies:
    """Return the galaxies of a mock catalogue (contracts `CLUSTERS_MOCK`, `MEMBERS_MOCK`).

    Raises
    ------
    ValueError
        Members that do not follow the clusters.
    """
    start = offsets(clusters["richness"].to_numpy(np.int64))
    expected = np.repeat(clusters["cluster"].to_numpy(), clusters["richness"].to_numpy())
    if not np.array_equal(expected, members["cluster"].to_numpy()):
        raise ValueError(f"members: expected {len(expected)} galaxies in the order of the clusters, got others")
    return MockGalaxies(members["v_los"].to_numpy(float), members["r_proj"].to_numpy(float), start)


def splits(clusters: pd.DataFrame) -> list[Split]:
    """Return the folds of the cross-validation, and last the split that tests on the held-out box, if there is one.

    Validation is the training set's part in the fold after the one that tests; nothing of it trains.
    """
    train, test, heldout = (clusters[name].to_numpy(bool) for name in ("train", "test", "heldout"))
    fold = clusters["fold"].to_numpy()
    number = int(fold.max()) + 1
    made = []
    for k in range(number):
        after = (k + 1) % number
        parts = train & (fold != k) & (fold != after), train & (fold == after), test & (fold == k)
        made.append(Split(k, k, *map(np.flatnonzero, parts)))
    if heldout.any():
        parts = train & (fold != 0), train & (fold == 0), heldout
        made.append(Split(number, -1, *map(np.flatnonzero, parts)))
    return made


def evenly(log10_mass: Floats, rows: Ints, number: int) -> Ints:
    """Return some of the rows, evenly over the ranks of their masses, ascending."""
    ranked = rows[np.argsort(log10_mass[rows], kind="stable")]
    chosen = ranked[np.linspace(0, len(ranked) - 1, min(number, len(ranked))).round().astype(np.int64)]
    return np.asarray(np.sort(chosen))


def spread_training(rows: Ints, number: int, rng: np.random.Generator) -> Ints:
    """Return a random part of the rows, ascending: what estimators that take few clusters train on."""
    return np.asarray(np.sort(rng.permutation(rows)[:number]))


def predictions(clusters: pd.DataFrame, split: Split, predicted: Floats) -> pd.DataFrame:
    """Return what was predicted for the clusters that test in a split: contract `PREDICTIONS`."""
    rows = clusters.iloc[split.test]
    frame = rows[["cluster", "group", "log10_m200c"]].assign(
        role="heldout" if split.fold < 0 else "test", fold=split.fold, log10_predicted=predicted
    )
    return PREDICTIONS.validate(frame[PREDICTIONS.names].reset_index(drop=True), "predictions")


def subsampled(
    estimator: Estimator,
    galaxies: MockGalaxies,
    cluster: Ints,
    rates: list[float],
    draws: int,
    fewest: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return predictions from random shares of the galaxies: contract `SUBSAMPLED`.

    Parameters
    ----------
    estimator : callable
    galaxies : MockGalaxies
        Of the clusters.
    cluster : array of int, shape (clusters,)
        Their ids.
    rates : list of float
        Shares of the galaxies that are kept.
    draws : int
        Draws for every rate.
    fewest : int
        Galaxies that the estimator needs; clusters with fewer get no prediction.
    """
    parts = [SUBSAMPLED.empty()]
    for rate in rates:
        for draw in range(draws):
            thin = galaxies.thinned(rate, rng)
            kept = np.diff(thin.start)
            enough = np.flatnonzero(kept >= fewest)
            predicted = np.full(len(cluster), np.nan)
            if len(enough):
                predicted[enough] = estimator(thin.take(enough))
            columns = {"cluster": cluster, "rate": float(rate), "draw": draw, "galaxies": kept}
            parts.append(pd.DataFrame({**columns, "log10_predicted": predicted}))
    return SUBSAMPLED.validate(pd.concat(parts[1:] or parts, ignore_index=True), "subsampled predictions")


@dataclass
class Stopwatch:
    """Seconds that steps took: contract `TIMING`."""

    rows: list[dict[str, object]] = field(default_factory=list)

    @contextmanager
    def __call__(self, step: str, number: int, threads: int = 1) -> Iterator[None]:
        """Measure what is done inside, for a number of inputs."""
        begin = time.perf_counter()
        yield
        self.rows.append({"step": step, "seconds": time.perf_counter() - begin, "number": number, "threads": threads})

    def table(self) -> pd.DataFrame:
        """Return the times."""
        return TIMING.validate(pd.DataFrame(self.rows, columns=TIMING.names), "timing")
