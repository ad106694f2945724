"""Which clusters are seen along how many lines, which of these views train and test, and in which fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustermass.config.mock_observation import MockObservation
from clustermass.config.survey_mock import SurveyMock
from clustermass.mock_observation.ragged import Floats, Ints

Bools = NDArray[np.bool_]


def flat_bins(log10_m200c: Floats, options: MockObservation | SurveyMock) -> Floats:
    """Return edges of mass bins [dex], ascending, from the smallest candidate allowed to the heaviest halo.

    Bins are `mass_bin_dex` wide from the heaviest halo down, wider where they would hold fewer than `bin_halos`: a
    halo that stands alone among the heaviest does not fill the mass function of all the empty bins beside it.

    Parameters
    ----------
    log10_m200c : array, shape (halos,)
        Of all candidates; at least one.
    """
    low, edges = options.min_log10_m200c, [float(np.max(log10_m200c)) + 1e-9]
    masses = np.sort(log10_m200c)
    while edges[-1] > low:
        at_most = np.searchsorted(masses, edges[-1]) - options.bin_halos
        enough = masses[at_most] if at_most >= 0 else low
        edge = min(edges[-1] - options.mass_bin_dex, float(enough))
        rest = np.searchsorted(masses, edge)
        edges.append(edge if edge - options.mass_bin_dex > low and rest >= options.bin_halos else low)
    return np.array(edges[::-1])


def flat_counts(edges: Floats, per_dex: float) -> Ints:
    """Return how many projections each bin has in a flat mass function, shape (bins,).

    Rounded so that the sum from the lightest bin on is never more than one below `per_dex` times the width.
    """
    return np.asarray(np.diff(np.floor((edges - edges[0]) * per_dex + 1e-6)), np.int64)


def sight_line_numbers(log10_m200c: Floats, edges: Floats, counts: Ints, options: MockObservation) -> Ints:
    """Return how many lines of sight each halo needs for a flat mass function: three, or more where halos are few.

    Notes
    -----
    Source: Ho et al. (2019), section 2.3.
    """
    bins = bin_of(log10_m200c, edges)
    halos = np.bincount(bins, minlength=len(counts))
    needed = -(-counts // np.maximum(halos, 1))
    return np.asarray(np.clip(needed, 3, options.max_sight_lines)[bins], np.int64)


def bin_of(log10_m200c: Floats, edges: Floats) -> Ints:
    """Return the bin of every mass; lower edges are inclusive, masses beyond the ends belong to the end bins."""
    bins = np.searchsorted(edges, log10_m200c, side="right") - 1
    return np.clip(bins, 0, len(edges) - 2).astype(np.int64)


def choose_training(log10_m200c: Floats, eligible: Bools, priority: Floats, edges: Floats, counts: Ints) -> Bools:
    """Return which projections train: in each mass bin as many as asked for, or all where there are fewer.

    Parameters
    ----------
    log10_m200c, eligible, priority : array, shape (projections,)
        Those of smallest priority are taken first; with one random priority for several catalogues, these share as
        many projections as they can.
    edges, counts : array, shape (bins + 1,) and (bins,)

    Returns
    -------
    array of bool, shape (projections,)
    """
    return take_first(bin_of(log10_m200c, edges), eligible, priority, counts)


def take_first(bins: Ints, eligible: Bools, priority: Floats, counts: Ints) -> Bools:
    """Return which are taken: in each bin as many as asked for, smallest priority first, or all if fewer are eligible.

    Parameters
    ----------
    bins, eligible, priority : array, shape (n,)
    counts : array of int, shape (bins,)

    Returns
    -------
    array of bool, shape (n,)
    """
    bins = np.where(eligible, bins, len(counts))
    order = np.lexsort((priority, bins))
    first = np.searchsorted(bins[order], np.arange(len(counts) + 1))
    rank = np.arange(len(bins)) - first[bins[order]]
    chosen = np.zeros(len(bins), bool)
    chosen[order] = rank < np.append(counts, 0)[bins[order]]
    return chosen


def in_test_range(log10_m200c: Floats, line: Ints, options: MockObservation) -> Bools:
    """Return which projections may test: the three orthogonal lines of clusters in the mass range of the test set."""
    low, high = options.test_min_log10_m200c, options.test_max_log10_m200c
    return np.asarray((line < 3) & (log10_m200c >= low) & (log10_m200c <= high))


def assign_folds(group: NDArray[np.str_], log10_m200c: Floats, folds: int) -> Ints:
    """Return the fold of every halo: groups ranked by the mass of their heaviest halo go to the folds in turn.

    Parameters
    ----------
    group : array of str, shape (halos,)
        Halos of one group share a fold.
    log10_m200c : array, shape (halos,)

    Raises
    ------
    ValueError
        There are fewer groups than folds.

    Notes
    -----
    Source: Ho et al. (2019), section 3.3, for the groups; their published code for the ranks.
    """
    names, row = np.unique(group, return_inverse=True)
    if len(names) < folds:
        raise ValueError(f"folds: expected at most as many as halos, {len(names)}, got {folds}")
    heaviest = np.full(len(names), -np.inf)
    np.maximum.at(heaviest, row, log10_m200c)
    fold = np.empty(len(names), np.int64)
    fold[np.argsort(heaviest, kind="stable")] = np.arange(len(names)) % folds
    return fold[row]
