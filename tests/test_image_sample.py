"""Which clusters get images."""

import numpy as np
import pandas as pd
import pytest

from clustermass.config.base import Cosmology
from clustermass.config.frames import ImageSample
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.frames.sample import draw_clusters, with_masses


@pytest.fixture
def parents():
    rng = np.random.default_rng(1)
    n = 1000
    return pd.DataFrame(
        {
            "id": [f"C{i}" for i in range(n)],
            "ra": rng.uniform(100, 200, n),
            "dec": rng.uniform(0, 60, n),
            "redshift": rng.uniform(0.1, 0.5, n),
            "richness": rng.uniform(20, 100, n),
            "kind": np.where(rng.random(n) < 0.06, "strong", "weak"),
            "group": [f"g{i}" for i in range(n)],
        }
    )


def drawn(parents, pictures=12, jobs=6, **settings):
    table = draw_clusters(parents, ImageSample(**settings), jobs, pictures, Cosmology(), np.random.default_rng(3))
    return IMAGE_CLUSTERS.validate(table, "clusters")


def test_strong_parents_are_over_sampled_only_where_they_are_too_few(parents):
    table = drawn(parents, clusters=100, strong=40)
    assert len(table) == 100
    assert (table["kind"] == "strong").sum() == 40
    natural = drawn(parents, clusters=100, strong=0)
    assert 0 < (natural["kind"] == "strong").sum() < 20


def test_there_are_never_more_strong_parents_than_there_are(parents):
    table = drawn(parents, clusters=500, strong=400)
    assert (table["kind"] == "strong").sum() == (parents["kind"] == "strong").sum()
    assert len(drawn(parents, clusters=None)) == len(parents)
    assert len(drawn(parents, clusters=5000)) == len(parents)


def test_jobs_are_equal_and_patches_of_the_sky(parents):
    table = drawn(parents, clusters=None, jobs=25)
    assert table["job"].is_monotonic_increasing
    assert table["job"].value_counts().eq(40).all()
    spread = table.groupby("job")[["ra", "dec"]].std().mean()
    assert (spread < parents[["ra", "dec"]].std() / 3).all()


def test_pictures_cover_richness_and_redshifts(parents):
    shown = drawn(parents, clusters=300)
    shown = shown[shown["picture"]]
    assert len(shown) == 12
    assert np.ptp(shown["richness"]) > 60
    assert np.ptp(shown["redshift"]) > 0.15
    assert not drawn(parents, pictures=0)["picture"].any()


def test_angle_of_a_mpc(parents):
    parents = parents.assign(redshift=0.25)
    assert drawn(parents)["arcsec_per_mpc"].iloc[0] == pytest.approx(248, rel=0.01)  # Wright's calculator: 4.03 kpc/"


def test_an_empty_sample_stays_empty(parents):
    assert len(drawn(parents.iloc[:0])) == 0


def test_masses_come_from_labels(parents):
    clusters = drawn(parents, clusters=5)
    labels = pd.DataFrame({"cluster": parents["id"], "log10_m500c": np.arange(len(parents)) / 100})
    got = with_masses(clusters, labels)
    assert (got["log10_m500c"] == got["id"].str[1:].astype(int) / 100).all()
    with pytest.raises(ValueError, match=f"got none of {clusters['id'][0]}"):
        with_masses(clusters, labels[labels["cluster"] != clusters["id"][0]])
