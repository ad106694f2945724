"""Mock clusters for CNN3D: cubes of their galaxies, and sets that share no group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import PhaseSpaceNetwork
from clustermass.config.training import Training
from clustermass.cubes import HO2019, SURVEY, cube_inputs, ho_splits, mock_of, survey_splits
from clustermass.kde3d import density_3d
from clustermass.training.checkpoint import CheckpointError, load_trained
from clustermass.training.folds import Fold, train_folds
from clustermass.training.trainer import Samples

SETS = ["train", "validation", "test", "evaluation"]


def survey(number=80):
    """Return views of groups, two each, which stand in one set."""
    group = np.arange(number) // 2
    return pd.DataFrame(
        {
            "cluster": np.arange(number),
            "group": [f"box1-{g}" for g in group],
            "set": [SETS[g % 4] for g in group],
            "galaxies": 5 + np.arange(number) % 3,
            "richness": 4,
        }
    )


def ho(folds=4, number=120):
    group = np.arange(number) // 3
    heldout = group % 5 == 4
    return pd.DataFrame(
        {
            "cluster": np.arange(number),
            "group": [f"g{g}" for g in group],
            "richness": 6,
            "train": ~heldout & (np.arange(number) % 3 < 2),
            "test": ~heldout & (np.arange(number) % 3 > 0),
            "heldout": heldout,
            "fold": np.where(heldout, -1, group % folds),
        }
    )


def groups(clusters, rows):
    return set(clusters["group"].iloc[rows])


@pytest.mark.parametrize(("clusters", "splits"), [(survey(), survey_splits), (ho(), ho_splits)])
def test_no_group_stands_in_two_sets(clusters, splits):
    calibrating, heldout = splits(clusters)
    assert (calibrating.fold, heldout.fold) == (0, -1)
    assert np.array_equal(calibrating.training, heldout.training)
    assert np.array_equal(calibrating.validation, heldout.validation)
    parts = [groups(clusters, rows) for rows in (heldout.training, heldout.validation, calibrating.test, heldout.test)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_sets_are_those_of_the_mock():
    clusters = survey()
    calibrating, heldout = survey_splits(clusters)
    rows = calibrating.training, calibrating.validation, calibrating.test, heldout.test
    assert [set(clusters["set"].iloc[part]) for part in rows] == [{name} for name in SETS]
    assert sum(map(len, rows)) == len(clusters)
    clusters = ho()
    calibrating, heldout = ho_splits(clusters)
    assert set(clusters["fold"].iloc[calibrating.training]) == {2, 3}
    assert set(clusters["fold"].iloc[calibrating.validation]) == {1}
    assert set(clusters["fold"].iloc[calibrating.test]) == {0}
    assert clusters["train"].iloc[calibrating.training].all()
    assert clusters["test"].iloc[calibrating.test].all()
    assert clusters["heldout"].iloc[heldout.test].all()


def test_a_leak_is_refused():
    clusters = survey()
    clusters.loc[0, "set"] = "evaluation"
    with pytest.raises(ValueError, match="expected each group in one set, got box1-0 in two"):
        survey_splits(clusters)
    with pytest.raises(ValueError, match="expected three or more to train CNN3D, got 2"):
        ho_splits(ho(folds=2))


def test_a_mock_without_a_held_out_box_calibrates_only():
    clusters = survey()
    (split,) = survey_splits(clusters[clusters["set"] != "evaluation"].reset_index(drop=True))
    assert split.fold == 0


@pytest.mark.parametrize(("mock", "clusters", "counts"), [(SURVEY, survey(), "galaxies"), (HO2019, ho(), "richness")])
def test_cubes_are_those_of_each_clusters_galaxies(mock, clusters, counts):
    number, rng = clusters[counts].to_numpy(), np.random.default_rng(1)
    members = pd.DataFrame({"cluster": np.repeat(clusters["cluster"].to_numpy(), number)})
    members["x"], members["y"] = rng.uniform(-2, 2, (2, len(members)))
    members["v_los"] = rng.uniform(-900, 900, len(members))
    cubes = mock.cubes(clusters, members, 3.0, 16, Kde3d())
    rows = np.array([7, 2])
    for cube, row in zip(cubes(torch.from_numpy(rows)).numpy(), rows, strict=True):
        its = members[members["cluster"] == row]
        axes = (its[name].to_numpy() for name in ("v_los", "x", "y"))
        alone = density_3d(*axes, np.array([0, len(its)]), 3.0, 2200.0, 16, Kde3d())
        assert np.array_equal(cube, alone[0])
    with pytest.raises(ValueError, match="in the order of the clusters, got others"):
        mock.cubes(clusters, members[::-1], 3.0, 16, Kde3d())


def test_kinds_of_mocks():
    assert mock_of("ho2019") is HO2019
    assert mock_of("kodiramanah2021") is mock_of("hecs") is SURVEY


def test_a_network_of_other_cubes_is_refused(tmp_path):
    network = PhaseSpaceNetwork(velocity_bins=8)
    samples = Samples(np.random.default_rng(1).random((12, 8), np.float32), np.linspace(14, 15, 12))
    settings = Training(epochs=1, max_norm=None)
    fold = Fold(0, np.arange(12), np.empty(0, np.int64))
    about = cube_inputs(4.0, Kde3d())
    train_folds(
        network, settings, samples, [fold], np.random.default_rng(2), 1, folder=tmp_path / "models", inputs=about
    )
    assert load_trained(tmp_path / "models", network, about).scale.unit > 0
    with pytest.raises(CheckpointError, match=r"inputs.bandwidth: expected 0.2, got 0.175"):
        load_trained(tmp_path / "models", network, cube_inputs(4.0, Kde3d(bandwidth=0.2)))
    with pytest.raises(CheckpointError, match=r"inputs.aperture_mpc_h: expected 1.6, got 4.0"):
        load_trained(tmp_path / "models", network, cube_inputs(1.6, Kde3d()))
