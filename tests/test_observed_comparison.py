"""Observed masses beside those of catalogues: the contrast, its errors, and what is set aside."""

import numpy as np
import pandas as pd
import pytest

from clustermass.observed.comparison import compared, contrast_moments, reference_name
from clustermass.observed.contracts import MASSES_OBSERVED


def masses(**columns):
    number = len(columns["log10_m200c"])
    frame = pd.DataFrame(
        {
            column.name: {"text": "", "bool": False, "int": 10, "float": 14.5}[column.kind]
            for column in MASSES_OBSERVED.columns
        },
        index=range(number),
    )
    return frame.assign(**columns)


def test_contrast_takes_the_errors_that_point_at_each_other():
    table = compared(
        masses(
            log10_m200c=[14.6, 14.2],
            low68=[14.5, 14.0],
            high68=[14.9, 14.5],
            log10_reference=[14.4, 14.4],
            reference_low=[0.3, 0.05],
            reference_high=[0.2, 0.4],
        )
    )
    assert table["error"].tolist() == pytest.approx([0.1, 0.3])
    assert table["reference_error"].tolist() == [0.2, 0.05]
    expected = [0.2 / np.hypot(0.1, 0.2), -0.2 / np.hypot(0.3, 0.05)]
    assert table["contrast"].tolist() == pytest.approx(expected)


def test_flagged_clusters_are_not_sound_and_clusters_with_one_mass_are_left_out():
    table = masses(
        log10_m200c=[14.6, 14.6, np.nan, 14.6],
        log10_reference=[14.4, 14.4, 14.4, np.nan],
        out_of_domain=[False, True, False, False],
    )
    found = compared(table)
    assert found["sound"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("catalogues", "words"),
    [
        (["virial", None, "", "virial"], "virial"),
        (["planck", "mcxc", None], "catalogue"),
        (["planck", "virial"], "catalogue or virial"),
        ([None], "catalogue"),
    ],
)
def test_what_masses_are_compared_with_is_called_by_its_name(catalogues, words):
    assert reference_name(pd.Series(catalogues, dtype=object)) == words


def test_moments_of_the_contrast_are_of_all_clusters_and_of_the_unflagged():
    rng = np.random.default_rng(1)
    contrast = np.concatenate([rng.normal(0.5, 1, 400), rng.normal(-3, 0.1, 100), [np.nan]])
    frame = pd.DataFrame({"name": np.arange(501).astype(str), "contrast": contrast, "sound": np.arange(501) < 400})
    found = contrast_moments(frame, 400, rng).set_index(["clusters_of", "statistic"])
    for name, values in (("unflagged", contrast[:400]), ("all", contrast[:500])):
        mean, sigma = found.loc[(name, "mean")], found.loc[(name, "sigma")]
        assert mean["clusters"] == sigma["clusters"] == len(values)
        assert [mean["value"], sigma["value"]] == pytest.approx([values.mean(), values.std()])
        assert (mean["high"] - mean["low"]) / 2 == pytest.approx(values.std() / np.sqrt(len(values)), rel=0.15)
    width = found.loc[("unflagged", "sigma"), "high"] - found.loc[("unflagged", "sigma"), "low"]
    assert width / 2 == pytest.approx(1 / np.sqrt(800), rel=0.2)  # of a Gaussian


def test_a_single_contrast_has_no_moments():
    frame = pd.DataFrame({"name": ["a", "b"], "contrast": [1.0, np.nan], "sound": [True, True]})
    assert contrast_moments(frame, 10, np.random.default_rng(0)).empty
    frame["contrast"], frame["sound"] = 1.0, [True, False]
    assert contrast_moments(frame, 10, np.random.default_rng(0))["clusters_of"].unique().tolist() == ["all"]
