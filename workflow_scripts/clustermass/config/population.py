"""Configuration of what stands on the simulated sky besides the galaxies of the light cone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from clustermass.config.base import Section


class Population(Section):
    """Galaxies and stars of the simulated sky, as faint as frames show them."""

    faintest_r: Annotated[float, Field(ge=18, le=25)] = Field(
        23.0, description="faintest galaxies that are drawn, r [mag]: five times the noise of SDSS frames"
    )
    cone_abs_mag_r: Annotated[float, Field(ge=-22, le=-16)] = Field(
        -19.0,
        description="M_r - 5 log10 h to which galaxies are those of the light cone; fainter ones are added to its"
        " halos and at random. Not fainter than universe.cone_max_abs_mag_r",
    )
    stars_r: tuple[float, float] = Field((10.0, 23.0), description="brightest and faintest stars that are drawn, r")
    listed_stars_r: Annotated[float, Field(ge=10, le=25)] = Field(
        22.0, description="faintest stars that the survey lists, r [mag]"
    )
    min_latitude_deg: Annotated[float, Field(ge=0, le=90)] = Field(
        20.0,
        description="Galactic latitude below which stars are as dense as there [deg]: dust and crowding keep surveys of"
        " clusters from the plane",
    )

    @model_validator(mode="after")
    def _ranges(self) -> Population:
        if not 5 <= self.stars_r[0] < self.stars_r[1] <= 25:
            raise ValueError(f"stars_r: expected a rising range inside 5 to 25, got {self.stars_r}")
        return self
