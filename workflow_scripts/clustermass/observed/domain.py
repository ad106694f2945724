"""How far the phase space of an observed cluster is from all that the mock has shown the networks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.contracts import Column, Contract

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUMMARIES = {
    "log10_redshift": "log10 of the redshift: with the number of galaxies and their spread it tells a survey's depth",
    "log10_galaxies": "log10 of the number of galaxies",
    "log10_spread": "log10 of the half-width of the middle 68 % of velocities [km/s]",
    "far": "share of galaxies more than two such half-widths from the median velocity",
    "log10_radius": "log10 of the median distance from the centre [Mpc/h]",
    "inner": "share of galaxies within a quarter of the aperture",
    "edge": "share of galaxies beyond three quarters of the aperture on either axis",
    "shift_velocity": "distance of the median velocity from zero, in half-widths",
    "shift_sky": "distance of the median place from the centre, in median distances",
    "lopsided": "largest less smallest share of galaxies in the four quadrants of the sky",
}
"""What is compared, in order."""
DOMAIN_SUMMARIES = Contract(
    "domain_summaries",
    "summaries of phase space of a mock's clusters that did not train: what estimators of it can be trusted with",
    (
        *(Column(name, "float", "", meaning) for name, meaning in SUMMARIES.items()),
        Column("unseen", "bool", "", "whether it tells what distances are usual; the others are what distances are to"),
    ),
)


def summarise(redshift: Floats, x: Floats, y: Floats, v_los: Floats, start: Ints, aperture: float) -> Floats:
    """Return summaries of clusters and of their galaxies in phase space, in the order of `SUMMARIES`.

    Parameters
    ----------
    redshift : array, shape (clusters,)
    x, y : array, shape (n,)
        [Mpc/h], scaled as the networks see them.
    v_los : array, shape (n,)
        [km/s]
    start : array of int, shape (clusters + 1,)
        First galaxy of each cluster.
    aperture : float
        Half-side of the window that is looked at; galaxies outside are left out [Mpc/h].

    Returns
    -------
    array, shape (clusters, summaries)
        NaN for clusters with fewer than four galaxies inside.
    """
    found = np.full((len(start) - 1, len(SUMMARIES)), np.nan)
    inside = (np.abs(x) <= aperture) & (np.abs(y) <= aperture)
    for row, (first, last) in enumerate(itertools.pairwise(start)):
        kept = inside[first:last]
        if kept.sum() >= 4:
            found[row, 0] = np.log10(redshift[row])
            found[row, 1:] = _summary(x[first:last][kept], y[first:last][kept], v_los[first:last][kept], aperture)
    return found


def _summary(x: Floats, y: Floats, v_los: Floats, aperture: float) -> list[float]:
    """Return the summaries of one cluster's galaxies."""
    low, middle, high = np.quantile(v_los, [0.16, 0.5, 0.84])
    spread, radius = max((high - low) / 2, 1.0), np.hypot(x, y)
    typical = max(float(np.median(radius)), 1e-3)
    quadrants = np.bincount(2 * (x > 0) + (y > 0), minlength=4) / len(x)
    return [
        np.log10(len(x)),
        np.log10(spread),
        float((np.abs(v_los - middle) > 2 * spread).mean()),
        np.log10(typical),
        float((radius < aperture / 4).mean()),
        float((np.maximum(np.abs(x), np.abs(y)) > 0.75 * aperture).mean()),
        abs(middle) / spread,
        float(np.hypot(np.median(x), np.median(y))) / typical,
        float(np.ptp(quadrants)),
    ]


@dataclass(frozen=True)
class Domain:
    """The mock's clusters in the space of summaries, made round, and the distances that its own unseen clusters have.

    Attributes
    ----------
    centre : array, shape (summaries,)
        Means.
    whiten : array, shape (summaries, summaries)
        Brings the covariance to unity.
    scale : array, shape (summaries,)
        Standard deviations.
    tree : cKDTree
        Of the whitened clusters.
    own : array, shape (n,)
        Distances of unseen clusters of the mock, ascending.
    low, high : array, shape (summaries,)
        Range of every summary in the whole mock.
    neighbours : int
    """

    centre: Floats
    whiten: Floats
    scale: Floats
    tree: cKDTree
    own: Floats
    low: Floats
    high: Floats
    neighbours: int

    def distance(self, summaries: Floats) -> Floats:
        """Return the distance of clusters to the mock, in its standard deviations; NaN where a summary is."""
        good = np.isfinite(summaries).all(axis=1)
        found = np.full(len(summaries), np.nan)
        if good.any():
            found[good] = _to_neighbour(self.tree, (summaries[good] - self.centre) @ self.whiten, self.neighbours)
        return found

    def percentile(self, summaries: Floats) -> Floats:
        """Return the percentage of the mock's unseen clusters that are nearer to it than clusters; NaN as distances.

        It is 100 where a summary is outside the mock's range: beyond its last redshift no cluster of it says anything.
        """
        distance = self.distance(summaries)
        nearer = 100 * np.searchsorted(self.own, distance, side="left") / len(self.own)
        outside = ((summaries < self.low) | (summaries > self.high)).any(axis=1)
        return np.where(np.isfinite(distance), np.where(outside, 100.0, nearer), np.nan)

    def farthest(self, summaries: Floats) -> list[str]:
        """Return the name of the summary that differs most from the mock's mean, in standard deviations, '' if none."""
        away = np.abs(summaries - self.centre) / self.scale
        names = list(SUMMARIES)
        return [names[int(np.nanargmax(row))] if np.isfinite(row).any() else "" for row in away]


def build_domain(reference: Floats, unseen: Floats, neighbours: int) -> Domain:
    """Return the domain that a mock spans.

    Parameters
    ----------
    reference : array, shape (n, summaries)
        Summaries of the mock's clusters that stand for what the networks know.
    unseen : array, shape (m, summaries)
        Of others of the mock, from other halos: what distances are usual.
    neighbours : int
        The distance is that to the so manyth nearest of the reference.

    Raises
    ------
    ValueError
        There are not more clusters than summaries and neighbours ask for.

    Notes
    -----
    Distances are Euclidean after whitening by the reference's covariance (Mahalanobis); that to a neighbour, not to the
    mean, follows distributions of any shape.
    """
    reference = reference[np.isfinite(reference).all(axis=1)]
    unseen = unseen[np.isfinite(unseen).all(axis=1)]
    least = max(neighbours, reference.shape[1] + 1)
    if len(reference) <= least or not len(unseen):
        raise ValueError(
            f"a domain needs more than {least} reference clusters and some unseen ones, got {len(reference)} and "
            f"{len(unseen)}"
        )
    centre = reference.mean(axis=0)
    covariance = np.cov(reference - centre, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    floor = 1e-9 * values[-1]  # a summary that never varies would make any difference infinite
    whiten = vectors / np.sqrt(np.maximum(values, floor))
    tree = cKDTree((reference - centre) @ whiten)
    own = np.sort(_to_neighbour(tree, (unseen - centre) @ whiten, neighbours))
    scale = np.sqrt(np.maximum(np.diag(covariance), floor))
    every = np.concatenate([reference, unseen])
    return Domain(centre, whiten, scale, tree, own, every.min(axis=0), every.max(axis=0), neighbours)


def _to_neighbour(tree: cKDTree, points: Floats, neighbours: int) -> Floats:
    """Return the distance of every point to its so manyth nearest neighbour."""
    distance, _ = tree.query(points, k=[neighbours])
    return np.asarray(distance)[:, 0]


def mock_domain(clusters: pd.DataFrame, members: pd.DataFrame, aperture: float, neighbours: int) -> Domain:
    """Return the domain of a survey's mock: `domain_of_summaries` of its `mock_summaries`."""
    return domain_of_summaries(mock_summaries(clusters, members, aperture), neighbours)


def mock_summaries(clusters: pd.DataFrame, members: pd.DataFrame, aperture: float) -> pd.DataFrame:
    """Return the summaries of a mock's clusters that did not train: contract `DOMAIN_SUMMARIES`.

    Parameters
    ----------
    clusters, members : pandas.DataFrame
        Contracts `SURVEY_CLUSTERS` and `SURVEY_MEMBERS`.
    aperture : float
        Half-side of the window that is compared [Mpc/h].

    Notes
    -----
    The evaluation set is of other halos, in another box, as observed clusters are; without one (a single box) the first
    half of the test set's groups stands for the reference, and the second for what is usual.
    """
    start = np.concatenate([[0], np.cumsum(clusters["galaxies"].to_numpy())]).astype(np.int64)
    x, y, v_los = (members[name].to_numpy(float) for name in ("x", "y", "v_los"))
    found = summarise(clusters["redshift"].to_numpy(float), x, y, v_los, start, aperture)
    test, unseen = ((clusters["set"] == name).to_numpy() for name in ("test", "evaluation"))
    if not unseen.any():
        groups = clusters.loc[test, "group"].drop_duplicates()
        second = clusters["group"].isin(groups.iloc[len(groups) // 2 :]).to_numpy()
        test, unseen = test & ~second, test & second
    frame = pd.DataFrame(found, columns=list(SUMMARIES)).assign(unseen=unseen)
    return frame[(test | unseen) & np.isfinite(found).all(axis=1)].reset_index(drop=True)


def domain_of_summaries(table: pd.DataFrame, neighbours: int) -> Domain:
    """Return the domain that summaries (contract `DOMAIN_SUMMARIES`) span."""
    unseen, found = table["unseen"].to_numpy(bool), table[list(SUMMARIES)].to_numpy(float)
    return build_domain(found[~unseen], found[unseen], neighbours)
