"""What estimators share: galaxies of clusters, splits without leaks, predictions and subsamples."""

import numpy as np
import pandas as pd
import pytest

from clustermass import estimators
from clustermass.estimators import MockGalaxies
from clustermass.mock_observation.contracts import CLUSTERS_MOCK


def rng(seed=1):
    return np.random.default_rng(seed)


def galaxies():
    return MockGalaxies(np.arange(10.0), np.arange(10.0) / 10, np.array([0, 2, 5, 9, 10]))


def clusters(halos=60, views=3, folds=5):
    """Return views of halos: every halo in one fold, the last twenty in the held-out box."""
    halo = np.repeat(np.arange(halos), views)
    heldout = halo >= halos - 20
    n = len(halo)
    frame = {
        "cluster": np.arange(n), "box": np.where(heldout, "box2", "box1"), "halo": halo,
        "group": [f"g{number}" for number in halo], "los_x": 1.0, "los_y": 0.0, "los_z": 0.0,
        "log10_m200c": 13.5 + halo / halos, "richness": 12, "true_richness": 12, "members_r200c": 8, "sigma_v": 500.0,
        "train": ~heldout & (np.arange(n) % views < 2), "test": ~heldout, "heldout": heldout,
        "fold": np.where(heldout, -1, halo % folds),
    }  # fmt: skip
    return CLUSTERS_MOCK.validate(pd.DataFrame(frame), "clusters")


def test_take_gives_the_galaxies_of_each_cluster():
    taken = galaxies().take(np.array([2, 0]))
    assert taken.v_los.tolist() == [5, 6, 7, 8, 0, 1]
    assert taken.r_proj.tolist() == [0.5, 0.6, 0.7, 0.8, 0, 0.1]
    assert taken.start.tolist() == [0, 4, 6]
    assert galaxies().take(np.empty(0, int)).start.tolist() == [0]


def test_members_must_follow_the_clusters():
    table = pd.DataFrame({"cluster": [4, 4, 7], "v_los": [1.0, 2, 3], "r_proj": [0.1, 0.2, 0.3]})
    known = pd.DataFrame({"cluster": [4, 7], "richness": [2, 1]})
    assert estimators.mock_galaxies(known, table).start.tolist() == [0, 2, 3]
    with pytest.raises(ValueError, match="order of the clusters"):
        estimators.mock_galaxies(known, table.iloc[::-1])


def test_no_halo_stands_on_two_sides_of_a_split():
    table = clusters()
    made = estimators.splits(table)
    group = table["group"].to_numpy()
    assert [split.fold for split in made] == [0, 1, 2, 3, 4, -1]
    for split in made:
        parts = [set(group[rows]) for rows in (split.training, split.validation, split.test)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts))
    assert table["heldout"].to_numpy()[made[-1].test].all()
    tested = np.concatenate([split.test for split in made])
    assert sorted(tested) == list(range(len(table)))


def test_predictions_say_who_was_left_out():
    table = clusters()
    made = estimators.splits(table)
    one = estimators.predictions(table, made[1], np.full(len(made[1].test), 14.0))
    assert set(one["role"]) == {"test"}
    assert set(one["fold"]) == {1}
    assert one["cluster"].tolist() == made[1].test.tolist()
    last = estimators.predictions(table, made[-1], np.full(len(made[-1].test), 14.0))
    assert set(last["role"]) == {"heldout"}
    assert set(last["fold"]) == {-1}


def test_subsamples_of_too_few_galaxies_get_no_prediction():
    number = lambda some: 10.0 + np.diff(some.start)  # noqa: E731
    table = estimators.subsampled(number, galaxies(), np.array([5, 6, 7, 8]), [0.5, 1.0], 2, 2, rng())
    assert len(table) == 2 * 2 * 4
    whole = table[(table["rate"] == 1) & (table["draw"] == 1)].set_index("cluster")
    assert whole["galaxies"].tolist() == [2, 3, 4, 1]
    assert whole["log10_predicted"].tolist()[:3] == [12, 13, 14]
    assert np.isnan(whole["log10_predicted"][8])
    half = table[table["rate"] == 0.5].groupby("cluster")["galaxies"].first()
    assert half.tolist() == [1, 2, 2, 1]


def test_choices_are_even_in_mass_or_random_and_seeded():
    mass, rows = rng().uniform(13, 15, 100), np.arange(10, 90)
    chosen = estimators.evenly(mass, rows, 8)
    ranks = np.argsort(np.argsort(mass[rows]))[chosen - 10]
    assert np.sort(ranks).tolist() == np.linspace(0, 79, 8).round().tolist()
    assert estimators.evenly(mass, rows, 500).tolist() == rows.tolist()
    one, two = (estimators.spread_training(rows, 20, rng(seed)) for seed in (3, 3))
    assert one.tolist() == two.tolist()
    assert len(set(one)) == 20
    assert set(one) <= set(rows)


def test_stopwatch_writes_what_took_how_long():
    watch = estimators.Stopwatch()
    with watch("nothing", 3, 2):
        pass
    table = watch.table()
    assert table["step"].tolist() == ["nothing"]
    assert 0 <= table["seconds"][0] < 1
    assert (table["number"][0], table["threads"][0]) == (3, 2)
    assert len(estimators.Stopwatch().table()) == 0
