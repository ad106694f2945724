"""Configuration of posteriors of cluster masses: simulation-based inference (Kodi Ramanah et al. 2021, section 3.1)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustermass.config.base import Positive, Section
from clustermass.config.flow import FLOW_TRAINING, FlowNetwork
from clustermass.config.training import Training

Count = Annotated[int, Field(ge=1)]


class Posterior(Section):
    """Posteriors of masses given what an estimator says, from simulated pairs of both."""

    bandwidth: Positive = Field(0.20, description="bandwidth scaling of the joint density of summary and mass")
    bandwidth_reading: Literal["deviation", "covariance"] = Field(
        "deviation",
        description="deviation: h = 0.20 sigma, H = 0.20^2 Sigma, as scipy's factor and the published code;"
        " covariance: H = 0.20 Sigma, as the text reads, which widens a Gaussian posterior by the root of 1.2",
    )
    edge: Literal["reflected", "open"] = Field(
        "reflected",
        description="at the least mass of the pairs, below which none were simulated; reflected: what kernels put"
        " below is mirrored; open: left there, as published",
    )
    prior: Literal["calibration", "mass_function"] = Field(
        "calibration",
        description="calibration: masses distributed as in the simulated sample that calibrates, nearly flat in"
        " log10 M; mass_function: Tinker et al. (2008)",
    )
    limits: Literal["equal_tailed", "shortest"] = Field(
        "equal_tailed",
        description="limits of 68.3 % and 95.4 %; equal_tailed: as much volume below as above, as the published code;"
        " shortest: the highest density, where it has one peak",
    )
    mass_step_dex: Positive = Field(
        0.005, description="step of the grid of log10 masses that posteriors are stored on [dex]"
    )
    mass_margin_dex: Positive = Field(
        0.5, description="how far the grid goes beyond the masses of the calibration [dex]"
    )
    fewest_pairs: Positive = Field(
        20.0, description="posteriors on fewer independent pairs, in effect, are flagged as extrapolated"
    )
    flow: FlowNetwork = Field(FlowNetwork(hidden=(32, 32)), description="neural density of mass on the summary.")
    flow_training: Training = Field(FLOW_TRAINING, description="How it is trained.")
    flow_validation: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="share of the halos among the pairs that decides when the training of the flow stops"
    )
    calibration_bins: Annotated[int, Field(ge=1, le=10)] = Field(
        3, description="bins of equal count, in mean posterior mass and in true mass, that calibration is shown in"
    )
    calibration_levels: Annotated[int, Field(ge=2)] = Field(
        99, description="levels of the calibration curves, evenly spaced between 0 and 1"
    )
    calibration_draws: Count = Field(
        32, description="draws from each posterior that say what is expected where clusters are selected by true mass"
    )
    rank_draws: Count = Field(99, description="draws from each posterior that the truth is ranked among")
    rank_bins: Annotated[int, Field(ge=2)] = Field(20, description="bins of the ranks; divides rank_draws + 1")
    bootstrap: Annotated[int, Field(ge=20)] = Field(
        400, description="bootstrap draws of halos that the bands of calibration come from"
    )
    fewest_in_bin: Count = Field(
        500, description="bins of fewer halos show the Kolmogorov-Smirnov band beside the deviation"
    )
