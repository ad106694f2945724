"""Which halos belong to which set of a survey's mock clusters, and how many views of each mass a flat set has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.survey_mock import SurveyMock
from clustermass.mock_observation.ragged import Floats, Ints

TRAIN, VALIDATION, TEST, EVALUATION = SETS = ("train", "validation", "test", "evaluation")


def set_sizes(options: SurveyMock) -> dict[str, int]:
    """Return how many mock clusters each set has at most."""
    return dict(zip(SETS, (options.training, options.validation, options.test, options.evaluation), strict=True))


def deal_groups(group: NDArray[np.str_], log10_m200c: Floats, sizes: dict[str, int]) -> NDArray[np.str_]:
    """Return the set of every halo: groups go to the sets in proportion to their sizes, at every mass alike.

    Groups are ranked by the mass of their heaviest halo; from the heaviest down, each goes to the set that has the
    fewest compared with its share so far, of equals to the first.

    Parameters
    ----------
    group : array of str, shape (halos,)
        Halos of one group share a set.
    log10_m200c : array, shape (halos,)
    sizes : dict of str to int
        Sizes of the sets by name.

    Returns
    -------
    array of str, shape (halos,)

    Raises
    ------
    ValueError
        There are fewer groups than sets.
    """
    names, row = np.unique(group, return_inverse=True)
    if len(names) < len(sizes):
        raise ValueError(f"expected at least {len(sizes)} groups of halos, one for each set, got {len(names)}")
    heaviest = np.full(len(names), -np.inf)
    np.maximum.at(heaviest, row, log10_m200c)
    share = np.array(list(sizes.values())) / sum(sizes.values())
    dealt = np.zeros(len(sizes))
    of_group = np.empty(len(names), np.int64)
    for rank, number in enumerate(np.argsort(-heaviest, kind="stable"), 1):
        of_group[number] = np.argmax(share * rank - dealt)
        dealt[of_group[number]] += 1
    return np.array(list(sizes))[of_group[row]]


def flat_views(edges: Floats, halos: Ints, most: int, size: int) -> Ints:
    """Return how many views each mass bin has in a set that is flat wherever there are halos enough, shape (bins,).

    Every bin gets the same number per dex, or, where that is more, as many as its halos give; the number per dex is
    such that all together are as many as asked for.

    Parameters
    ----------
    edges : array, shape (bins + 1,)
        [dex]
    halos : array of int, shape (bins,)
    most : int
        Most views of one halo.
    size : int
        Views that are asked for; fewer if halos do not give as many.
    """
    width, room = np.diff(edges), most * halos
    if room.sum() <= size:
        return np.asarray(room, np.int64)
    level = np.unique(np.concatenate([[0], room / width]))  # where one bin after the other is used up
    views = np.minimum(level[:, None] * width, room).sum(axis=1)
    wanted = np.minimum(np.interp(size, views, level) * width, room)
    whole = np.floor(np.cumsum(wanted) + 1e-6)  # rounded so that the sum over the lightest bins is never one off
    return np.minimum(np.diff(whole, prepend=0), room).astype(np.int64)


def check_sets(clusters: pd.DataFrame, heldout: Sequence[str]) -> None:
    """Refuse sets that share a group, and held-out boxes that give more, or less, than the evaluation set.

    Parameters
    ----------
    clusters : pandas.DataFrame
        With columns group, box and set.
    heldout : sequence of str
        Names of the boxes held out; none: all boxes may give all sets.

    Raises
    ------
    ValueError
    """
    sets = clusters.groupby("group")["set"].nunique()
    if (sets > 1).any():
        raise ValueError(f"expected every group in one set, got {sets.idxmax()} in {sets.max()}")
    if not heldout:
        return
    wrong = clusters["box"].isin(list(heldout)) != (clusters["set"] == EVALUATION)
    if wrong.any():
        row = clusters[wrong].iloc[0]
        raise ValueError(
            f"expected the {EVALUATION} set, and no other, from {', '.join(heldout)}, got a cluster of {row['box']} in"
            f" {row['set']}"
        )
