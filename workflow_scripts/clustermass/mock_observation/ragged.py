"""Galaxies of many clusters in one flat array: where each cluster begins, dispersions, random subsamples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def offsets(richness: Ints) -> Ints:
    """Return where each cluster's galaxies begin, and where the last ones end, shape (clusters + 1,)."""
    return np.concatenate([[0], np.cumsum(richness, dtype=np.int64)]).astype(np.int64)


def velocity_dispersions(v_los: Floats, start: Ints) -> Floats:
    """Return the standard deviation of the velocities of every cluster, with n - 1; NaN for fewer than two.

    Parameters
    ----------
    v_los : array, shape (galaxies,)
        [km/s]
    start : array of int, shape (clusters + 1,)
        Galaxies of cluster i are `v_los[start[i] : start[i + 1]]`.

    Returns
    -------
    array, shape (clusters,)
        [km/s]

    Notes
    -----
    Source: Ho et al. (2019), Eq. 6.
    """
    n = np.diff(start)
    cluster = np.repeat(np.arange(len(n)), n)
    mean = np.bincount(cluster, v_los, len(n)) / np.maximum(n, 1)
    square = np.bincount(cluster, (v_los - mean[cluster]) ** 2, len(n))
    return np.where(n > 1, np.sqrt(square / np.maximum(n - 1, 1)), np.nan)


def subsample(start: Ints, rate: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return a random part of the galaxies of every cluster, drawn without replacement.

    Parameters
    ----------
    start : array of int, shape (clusters + 1,)
        Galaxies of cluster i are rows `start[i]` to `start[i + 1]`.
    rate : float
        Part that is kept, r. A cluster of n galaxies keeps r n, rounded (halves up): that may be one or none.
    rng : numpy.random.Generator

    Returns
    -------
    rows : array of int, shape (kept,)
        Rows that are kept, ascending.
    start : array of int, shape (clusters + 1,)
        Where each cluster begins among them.

    Raises
    ------
    ValueError
        The rate is not between 0 and 1.

    Notes
    -----
    Source: Ho et al. (2019), section 5.4; the rounding is not stated there.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: expected 0 to 1, got {rate}")
    n = np.diff(start)
    kept = np.floor(rate * n + 0.5).astype(np.int64)
    cluster = np.repeat(np.arange(len(n)), n)
    drawn = np.lexsort((rng.random(len(cluster)), cluster))  # each cluster's rows in random order
    rank = np.arange(len(cluster)) - np.repeat(start[:-1] - start[0], n)
    rows = start[0] + np.sort(drawn[rank < kept[cluster]])
    return rows, offsets(kept)
