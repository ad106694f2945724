"""Configuration of posteriors of cluster masses: simulation-based inference (Kodi Ramanah et al. 2021, section 3.1)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustermass.config.base import Positive, Section

Count = Annotated[int, Field(ge=1)]


class Posterior(Section):
    """Posteriors of masses given what an estimator says, from simulated pairs of both."""

    bandwidth: Positive = Field(0.20, description="bandwidth scaling of the joint density of summary and mass")
    bandwidth_reading: Literal["deviation", "covariance"] = Field(
        "deviation",
        description="deviation: h = 0.20 sigma, H = 0.20^2 Sigma, as scipy's factor and the published code;"
        " covariance: H = 0.20 Sigma, as the text reads, which widens a Gaussian posterior by the root of 1.2",
    )
    prior: Literal["calibration", "mass_function"] = Field(
        "calibration",
        description="calibration: masses distributed as in the simulated sample that calibrates, nearly flat in"
        " log10 M; mass_function: Tinker et al. (2008)",
    )
    mass_step_dex: Positive = Field(
        0.01, description="step of the grid of log10 masses that posteriors are stored on [dex]"
    )
    mass_margin_dex: Positive = Field(
        0.5, description="how far the grid goes beyond the masses of the calibration [dex]"
    )
    calibration_bins: Annotated[int, Field(ge=1, le=10)] = Field(
        3, description="bins of equal count in true mass that the calibration is shown in"
    )
    fewest_in_bin: Count = Field(
        500, description="bins with fewer clusters show the Kolmogorov-Smirnov band beside the deviation"
    )
