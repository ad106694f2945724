"""Abundance: the printed systematics follow from the printed moments; Eq. 10 is the convolution that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from clustermass.abundance import abundance_systematic, abundance_table
from clustermass.config.interpretation import Interpretation
from clustermass.residuals import edgeworth, statistics

# Ho et al. (2019), Table 2: sigma [dex], skewness, excess kurtosis; section 5.2: systematic [%], printed without sign
PRINTED = {
    "cnn1d": (0.174, 0.419, 0.826, 5.0),
    "cnn2d": (0.132, 0.221, 1.600, 1.7),
    "msigma_pure": (0.193, -0.262, 0.417, 2.0),
    "msigma_contam": (0.316, 0.225, 0.647, 23),
    "sdm1d": (0.226, 0.646, 1.183, 17.8),
    "sdm2d": (0.159, 0.309, 1.459, 3.8),
}


@pytest.mark.parametrize("model", PRINTED)
def test_printed_systematics_follow_from_the_printed_moments(model: str) -> None:
    sigma, skew, kurtosis, percent = PRINTED[model]
    # the moments are printed to half a unit of the third decimal: the systematic is known to that
    rounding = sum(
        abs(abundance_systematic(*moments, 2) - abundance_systematic(sigma, skew, kurtosis, 2))
        for moments in ((sigma + 5e-4, skew, kurtosis), (sigma, skew + 5e-4, kurtosis), (sigma, skew, kurtosis + 5e-4))
    )
    last_digit = 0.5 if percent == 23 else 0.05
    found = 100 * float(abundance_systematic(sigma, skew, kurtosis, 2))
    assert abs(found) == pytest.approx(percent, abs=last_digit + 100 * float(rounding))
    assert (found < 0) == (model == "msigma_pure")


@pytest.mark.parametrize("slope", [1.0, 2.0, 3.0])
def test_it_is_the_convolution_of_a_power_law_with_the_expansion(slope: float) -> None:
    sigma, skew, kurtosis = 0.174, 0.419, 0.826
    ln_mass = np.linspace(np.log(1e10), np.log(1e20), 40_001)  # true masses; the predicted one is 10^15
    x = (np.log(1e15) - ln_mass) / (sigma * np.log(10))
    power_law = (np.exp(ln_mass) / 1e15) ** -slope
    counted = np.sum(power_law * edgeworth(x, skew, kurtosis)) / np.sum(power_law * edgeworth(x, 0, 0)) - 1
    assert float(abundance_systematic(sigma, skew, kurtosis, slope)) == pytest.approx(float(counted), rel=1e-6)


def test_table_has_the_systematic_of_the_sample_in_its_interval() -> None:
    rng = np.random.default_rng(1)
    residuals, groups = 0.1 * (rng.gamma(20, size=6000) - 20) / np.sqrt(20), np.arange(6000) // 3
    settings = Interpretation(bootstrap_draws=200, abundance_slope=1.8)
    table = abundance_table(residuals, groups, settings, np.random.default_rng(2))
    assert table["statistic"].tolist() == ["abundance"]
    value, low, high = table.loc[0, ["value", "low", "high"]].astype(float)
    moments = statistics(residuals)
    assert value == abundance_systematic(moments["sigma"], moments["skew"], moments["kurtosis"], 1.8)
    assert low < value < high
    # closed form of a gamma distribution of shape 20: skewness 2 / sqrt(20), excess kurtosis 6 / 20
    exact = float(abundance_systematic(0.1, 2 / np.sqrt(20), 0.3, 1.8))
    assert abs(value - exact) < 3 * (high - low) / 2
    again = abundance_table(residuals, groups, settings, np.random.default_rng(2))
    assert again.equals(table)
