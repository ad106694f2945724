"""Which clusters get images."""

import numpy as np
import pandas as pd
import pytest

from clustermass.config.base import Cosmology
from clustermass.config.frames import ImageSample
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.frames.sample import draw_clusters


@pytest.fixture
def labels():
    rng = np.random.default_rng(1)
    n = 1000
    return pd.DataFrame(
        {
            "cluster": [f"C{i}" for i in range(n)],
            "ra": rng.uniform(100, 200, n),
            "dec": rng.uniform(0, 60, n),
            "redshift": rng.uniform(0.1, 0.5, n),
            "richness": rng.uniform(20, 100, n),
            "label": np.where(rng.random(n) < 0.06, "strong", "weak"),
            "log10_m500c": rng.normal(14.2, 0.2, n),
            "group": [f"g{i}" for i in range(n)],
        }
    )


def drawn(labels, pictures=12, jobs=6, **settings):
    table = draw_clusters(labels, ImageSample(**settings), jobs, pictures, Cosmology(), np.random.default_rng(3))
    return IMAGE_CLUSTERS.validate(table, "clusters")


def test_strong_labels_are_over_sampled_only_where_they_are_too_few(labels):
    table = drawn(labels, clusters=100, strong=40)
    assert len(table) == 100
    assert (table["kind"] == "strong").sum() == 40
    natural = drawn(labels, clusters=100, strong=0)
    assert 0 < (natural["kind"] == "strong").sum() < 20


def test_there_are_never_more_strong_labels_than_there_are(labels):
    table = drawn(labels, clusters=500, strong=400)
    assert (table["kind"] == "strong").sum() == (labels["label"] == "strong").sum()
    assert len(drawn(labels, clusters=None)) == len(labels)
    assert len(drawn(labels, clusters=5000)) == len(labels)


def test_jobs_are_equal_and_patches_of_the_sky(labels):
    table = drawn(labels, clusters=None, jobs=25)
    assert table["job"].is_monotonic_increasing
    assert table["job"].value_counts().eq(40).all()
    spread = table.groupby("job")[["ra", "dec"]].std().mean()
    assert (spread < labels[["ra", "dec"]].std() / 3).all()


def test_pictures_cover_masses_and_redshifts(labels):
    shown = drawn(labels, clusters=300)
    shown = shown[shown["picture"]]
    assert len(shown) == 12
    assert np.ptp(shown["log10_m500c"]) > 0.6
    assert np.ptp(shown["redshift"]) > 0.15
    assert not drawn(labels, pictures=0)["picture"].any()


def test_angle_of_a_mpc(labels):
    labels = labels.assign(redshift=0.25)
    assert drawn(labels)["arcsec_per_mpc"].iloc[0] == pytest.approx(248, rel=0.01)  # Wright's calculator: 4.03 kpc/"


def test_an_empty_sample_stays_empty(labels):
    assert len(drawn(labels.iloc[:0])) == 0
