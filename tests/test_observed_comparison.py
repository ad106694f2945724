"""Observed masses beside those of catalogues: the contrast, its errors, and what is set aside."""

import numpy as np
import pandas as pd
import pytest

from clustermass.observed.comparison import compared
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
