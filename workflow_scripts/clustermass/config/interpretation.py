"""Configuration of the statistics of predicted masses: intervals, abundance, posteriors, robustness."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from clustermass.config.base import Fraction, Positive, Section

Rates = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]


class Interpretation(Section):
    """How predictions are judged; defaults of Ho et al. (2019), section 5, where the paper states them."""

    bootstrap_draws: Annotated[int, Field(ge=10)] = Field(
        1000, description="draws of halos, with all their projections, that intervals are taken from"
    )
    density_bin_dex: Positive = Field(0.05, description="bins of the densities of residuals [dex] (not stated)")
    density_bin_sigma: Positive = Field(
        0.2, description="bins of the densities of normalised residuals [standard deviations] (not stated)"
    )
    abundance_slope: Positive = Field(2.0, description="slope of the mass function, dn/dlnM ~ M^-slope (Eq. 10)")
    pivot_log10_mass: Annotated[float, Field(ge=11, le=17)] = Field(
        14.17, description="mass at which the mean residual is mu0, log10 M200c [Msun/h] (Eq. 12)"
    )
    share_richness: Positive = Field(
        40.0, description="true richness at which the share of the intrinsic scatter is told (section 5.3)"
    )
    outlier_scatter: Annotated[float, Field(ge=10)] = Field(
        1e10, description="standard deviation of outliers [dex], so wide that they are flat (Eq. 11)"
    )
    richness_bins: Annotated[int, Field(ge=2)] = Field(
        6, description="bins of equal count in which the scatter is compared with Eq. 7 of Kodi Ramanah et al. (2021)"
    )
    walkers: Annotated[int, Field(ge=10, multiple_of=2)] = Field(32, description="walkers of the posterior's chain")
    steps: Annotated[int, Field(ge=100)] = Field(
        6000, description="steps of every walker, burn-in among them; the autocorrelation is about 55"
    )
    rates: Rates = Field(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        description="shares of a cluster's galaxies that are kept, ascending",
    )
    draws_per_rate: Annotated[int, Field(ge=1)] = Field(
        1,
        description="subsamples of a cluster whose predictions are averaged (Eq. 14; the paper does not say how many);"
        " averaging narrows the widths of Table 4, to what is common to all subsamples",
    )
    subsampled_clusters: Annotated[int, Field(ge=1)] = Field(
        1000, description="clusters of the held-out box that are subsampled, evenly over the ranks of their masses"
    )
    cumulative_low: Fraction = Field(0.6, description="smallest rate of the cumulative statistics (Table 4)")
    cumulative_high: Fraction = Field(0.8, description="largest rate of the cumulative statistics (Table 4)")

    @model_validator(mode="after")
    def _rates_rise(self) -> Interpretation:
        if any(low >= high for low, high in pairwise(self.rates)):
            raise ValueError(f"rates: expected rising ones, got {self.rates}")
        if not any(self.cumulative_low <= rate <= self.cumulative_high for rate in self.rates):
            raise ValueError(
                f"rates: expected one from cumulative_low to cumulative_high, {self.cumulative_low} to"
                f" {self.cumulative_high}, got {self.rates}"
            )
        return self
