"""Configuration of figures: choices of drawing that change no result."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clustermass.config.base import Positive, Section


class Figures(Section):
    """Choices of drawing."""

    lin2022_median_dz: Positive = Field(
        0.01, description="width of the redshift bins of running medians, Lin et al. Fig. 1"
    )
    lin2022_median_count: Annotated[int, Field(ge=1)] = Field(5, description="fewest clusters a median is drawn of")
