"""Mock clusters of any kind as networks of cubes learn from them: galaxies on the sky, and who trains and who tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clustermass.config.dynamics import Kde3d
from clustermass.contracts import Contract
from clustermass.estimators import Split
from clustermass.kde3d import Cubes
from clustermass.mock_observation.contracts import CLUSTERS_MOCK, MEMBERS_MOCK
from clustermass.mock_observation.ragged import offsets
from clustermass.mock_observation.survey_contracts import SURVEY_CLUSTERS, SURVEY_MEMBERS

Splits = list[Split]
"""One training, and what it is tested on: the clusters that calibrate posteriors, and those of the held-out box."""


@dataclass(frozen=True)
class Mock:
    """A kind of mock catalogue.

    Attributes
    ----------
    clusters, members : Contract
        Its tables.
    counts : str
        Column of clusters: their galaxies in the table of members, which stand in the same order.
    splits : callable
        Takes the clusters and returns who trains, validates and tests.
    """

    clusters: Contract
    members: Contract
    counts: str
    splits: Callable[[pd.DataFrame], Splits]

    def cubes(
        self, clusters: pd.DataFrame, members: pd.DataFrame, aperture: float, voxels: int, settings: Kde3d
    ) -> Cubes:
        """Return what makes the cubes of the clusters, in their order.

        Parameters
        ----------
        clusters, members : pandas.DataFrame
            Of this kind of mock.
        aperture : float
            Half-side of the window on the sky [Mpc/h, proper or comoving as in the table].
        voxels : int
            Along each side of a cube.
        settings : Kde3d
            Bandwidth and velocity cut.

        Raises
        ------
        ValueError
            Members that do not follow the clusters.
        """
        counts = clusters[self.counts].to_numpy(np.int64)
        if not np.array_equal(np.repeat(clusters["cluster"].to_numpy(), counts), members["cluster"].to_numpy()):
            raise ValueError(f"members: expected {counts.sum()} galaxies in the order of the clusters, got others")
        v_los, x, y = (members[name].to_numpy(float) for name in ("v_los", "x", "y"))
        return Cubes(v_los, x, y, offsets(counts), aperture, settings.velocity_cut_km_s, voxels, settings)


def cube_inputs(aperture: float, settings: Kde3d) -> dict[str, Any]:
    """Return what makes cubes, beside their voxels, as checkpoints hold it: a network of others is refused.

    Parameters
    ----------
    aperture : float
        Half-side of the window on the sky [Mpc/h].
    settings : Kde3d
    """
    return {"aperture_mpc_h": aperture, **settings.model_dump(mode="json", exclude={"threads"})}


def survey_splits(clusters: pd.DataFrame) -> Splits:
    """Return the splits of a survey's mock, which are its sets (contract `SURVEY_CLUSTERS`).

    Raises
    ------
    ValueError
        A group in two sets.
    """
    rows = {name: np.flatnonzero(clusters["set"] == name) for name in ("train", "validation", "test", "evaluation")}
    return _splits(clusters, *rows.values())


def ho_splits(clusters: pd.DataFrame) -> Splits:
    """Return one training on the mock of Ho et al. (contract `CLUSTERS_MOCK`), made of the folds of its box.

    Fold 0 calibrates, fold 1 validates and the others train; as for all estimators, training and validation see the
    flat mass function and tests the one of the catalogue.

    Raises
    ------
    ValueError
        Fewer than three folds, or a group in two of them.
    """
    train, test, heldout = (clusters[name].to_numpy(bool) for name in ("train", "test", "heldout"))
    fold = clusters["fold"].to_numpy()
    if fold.max() < 2:
        raise ValueError(f"mock_observation.folds: expected three or more to train CNN3D, got {fold.max() + 1}")
    parts = train & (fold >= 2), train & (fold == 1), test & (fold == 0), heldout
    return _splits(clusters, *map(np.flatnonzero, parts))


def _splits(clusters: pd.DataFrame, training: object, validation: object, test: object, heldout: object) -> Splits:
    """Return splits of rows, after a look at their groups."""
    parts = [np.asarray(rows, np.int64) for rows in (training, validation, test, heldout)]
    group = clusters["group"].to_numpy()
    groups = np.concatenate([np.unique(group[rows].astype(str)) for rows in parts])
    name, times = np.unique(groups, return_counts=True)
    if (times > 1).any():
        raise ValueError(f"clusters: expected each group in one set, got {name[times > 1][0]} in two")
    learning = parts[0], parts[1]
    return [Split(0, fold, *learning, rows) for fold, rows in ((0, parts[2]), (-1, parts[3])) if len(rows)]


SURVEY = Mock(SURVEY_CLUSTERS, SURVEY_MEMBERS, "galaxies", survey_splits)
HO2019 = Mock(CLUSTERS_MOCK, MEMBERS_MOCK, "richness", ho_splits)


def mock_of(name: str) -> Mock:
    """Return the kind of a mock catalogue by its name in the workflow."""
    return HO2019 if name == "ho2019" else SURVEY
