"""Variants of the pre-training: numbers and verdicts that are planted, the table's cells, choices of the epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clustermass.config.image_training import VARIANTS, Variant
from clustermass.transfer.ablation import (
    VARIANT_NUMBERS,
    choices_of_epochs,
    describe,
    variant_numbers,
    variant_table,
)

BANDS = "ugriz"
DRAWS = 60


def masses(error):
    """Return mass predictions of forty clusters that are off by so much, upwards and downwards."""
    number = np.arange(40)
    label = 14 + 0.01 * number
    return pd.DataFrame(
        {
            "cluster": [f"c{k:02d}" for k in number],
            "group": [f"g{k // 2:02d}" for k in number],
            "role": "test",
            "fold": number // 2 % 5,
            "trial": 0,
            "training_clusters": 30,
            "catalogue": "xcs",
            "redshift": 0.2,
            "log10_m500c": label,
            "log10_m500c_err": 0.1,
            "log10_m500c_richness": label + 0.05,
            "log10_predicted": label + error * np.where(number % 2, 1, -1) * (1 + 0.1 * (number % 3)),
        }
    )


def richness(error):
    """Return the same of richness."""
    table = masses(error).drop(columns=["catalogue", "redshift", "log10_m500c_err", "log10_m500c_richness"])
    return table.rename(columns={"log10_m500c": "log10_richness"}).assign(percent=100.0)


def told(share):
    """Return predictions of bands of twenty images, of which a share is told right."""
    images = np.repeat(np.arange(20), 5)
    band = np.tile(list(BANDS), 20)
    right = np.arange(100) % 10 < 10 * share
    guess = np.where(right, band, np.tile(list("grizu"), 20))
    rows = pd.DataFrame({"image": images.astype(str), "group": (images // 2).astype(str), "role": "test", "band": band})
    return rows.assign(**{f"p_{b}": np.where(guess == b, 0.96, 0.01) for b in BANDS})


@pytest.fixture(scope="module")
def numbers():
    errors = {"published": 0.2, "start": 0.3, "masked": 0.2001, "shuffled": 0.4}
    return variant_numbers(
        {name: told(share) for name, share in zip(errors, (0.9, 0.2, 0.8, 0.7), strict=True)},
        {"published": told(0.6)},
        {
            "mass": {name: masses(error) for name, error in errors.items()},
            "richness": {name: richness(error) for name, error in errors.items()},
        },
        lambda: np.random.default_rng(3),
        DRAWS,
    )


def row(numbers, variant, quantity, reference=""):
    return numbers.set_index(["variant", "quantity", "reference"]).loc[(variant, quantity, reference)]


def test_numbers_are_those_that_were_planted(numbers):
    assert list(numbers) == VARIANT_NUMBERS.names
    assert row(numbers, "published", "bands")["value"] == pytest.approx(0.9)
    assert row(numbers, "published", "real_bands")["value"] == pytest.approx(0.6)
    mean = np.mean(1 + 0.1 * (np.arange(40) % 3))
    for quantity in ("mass", "richness"):
        assert row(numbers, "start", quantity)["value"] == pytest.approx(0.3 * mean)
        better = row(numbers, "published", quantity, "start")
        assert better["value"] == pytest.approx(-0.1 * mean)
        assert better["high"] < 0
        assert better["verdict"] == "better"
        assert row(numbers, "shuffled", quantity, "published")["verdict"] == "worse"
        assert row(numbers, "shuffled", quantity)["number"] == 40
    assert row(numbers, "richness", "mass")["value"] == pytest.approx(0.05)
    assert row(numbers, "richness_fitted", "mass")["value"] == pytest.approx(0, abs=1e-9)
    assert row(numbers, "constant", "richness")["value"] == row(numbers, "constant", "mass")["value"] > 0.09
    own = numbers[numbers["reference"] == numbers["variant"]]
    assert own.empty


def test_equal_variants_are_undecided():
    tables = {
        name: {"published": kind(0.2), "start": kind(0.2)} for name, kind in (("mass", masses), ("richness", richness))
    }
    found = variant_numbers({}, {}, tables, lambda: np.random.default_rng(1), DRAWS)
    assert row(found, "start", "mass", "published")["verdict"] == "undecided"
    with pytest.raises(ValueError, match="none named start"):
        variant_numbers({}, {}, {"mass": {"published": masses(0.2)}}, lambda: np.random.default_rng(1), DRAWS)


def test_table_has_a_row_a_variant_and_says_what_it_is(numbers):
    table = variant_table(numbers, VARIANTS).set_index("variant")
    assert list(table.index) == ["published", "start", "masked", "shuffled", "richness", "richness_fitted", "constant"]
    assert list(table) == [
        "difference", "bands", "real bands", "mass [dex]", "mass vs start", "mass vs published", "richness [dex]",
        "richness vs start", "richness vs published",
    ]  # fmt: skip
    assert table.loc["published", "bands"].startswith("0.900 (0.")
    assert table.loc["start", "real bands"] == table.loc["published", "mass vs published"] == ""
    assert table.loc["shuffled", "mass vs published"].startswith("worse: +0.2")
    assert table.loc["masked", "difference"] == "bright stars masked"
    assert "no images" in table.loc["constant", "difference"]


def test_descriptions_name_every_difference():
    assert describe(Variant()) == "as published"
    assert describe(VARIANTS["start"]) == "bands never learned"
    assert describe(Variant(scaling="per_cluster", noise="matched")) == "per cluster scaling, one noise for all bands"
    assert describe(VARIANTS["mobilenet"]).startswith("mobilenet_v3_small in place")
    assert len({describe(variant) for variant in VARIANTS.values()}) == len(VARIANTS)


def curves(validation, watched):
    """Return scores of two folds by epoch."""
    epochs = len(validation)
    one = pd.DataFrame({"epoch": np.arange(1, epochs + 1), "validation_score": validation, "watched_score": watched})
    return pd.concat([one.assign(fold=fold) for fold in (0, 1)], ignore_index=True)


def test_choice_on_the_test_set_gains_what_it_must_not_have():
    found = choices_of_epochs(
        {"bands": curves([0.5, 0.8, 0.7], [0.6, 0.7, 0.92]), "mass": curves([0.3, 0.2, 0.25], [0.2, 0.35, 0.3])},
        {"bands": True, "mass": False},
    ).set_index(["training", "choice"])
    assert found.loc[("bands", "validation"), ["epoch", "test", "gain"]].tolist() == [2, 0.7, 0]
    assert found.loc[("bands", "test"), "gain"] == pytest.approx(0.22)
    assert found.loc[("bands", "last"), "gain"] == pytest.approx(0.22)
    assert found.loc[("mass", "test"), ["epoch", "test"]].tolist() == [1, 0.2]
    assert found.loc[("mass", "test"), "gain"] == pytest.approx(0.15)
    assert found.loc[("mass", "last"), "gain"] == pytest.approx(0.05)
    assert (found["folds"] == 2).all()
    assert found.loc[("mass", "last"), "score"] == "mean absolute error [dex]"
    unwatched = choices_of_epochs({"bands": curves([0.5, 0.6], [np.nan, np.nan])}, {"bands": True})
    assert unwatched.empty
