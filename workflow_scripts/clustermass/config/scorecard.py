"""Configuration of the scorecard and of the leaderboard."""

from __future__ import annotations

from pydantic import Field

from clustermass.config.base import Positive, Section


class Scorecard(Section):
    """When a regenerated number counts as the published one."""

    max_sigma: Positive = Field(2.0, description="largest difference of a reproduced number [its uncertainty]")
    max_uncertainty: Positive = Field(
        0.2,
        description="largest uncertainty that tells anything, over the number's scale: the published value, or what"
        " scorecard/counterparts.yaml names for numbers near zero",
    )
    outlier_dex: Positive = Field(
        0.5, description="a mass further off than this is an outlier in the leaderboard [dex]"
    )
