"""Configuration of the data that the workflow simulates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from clustermass.config.base import Section


class Lightcone(Section):
    """The simulated sky: halos of the Tinker et al. (2008) mass function, observed by five surveys."""

    ra_deg: tuple[float, float] = Field((93.5, 276.5), description="range of right ascension [deg]")
    dec_deg: tuple[float, float] = Field((-5.0, 65.0), description="range of declination [deg]")
    redshift: tuple[float, float] = Field((0.05, 0.6), description="range of redshift")
    min_mass_msun: Annotated[float, Field(ge=1e12, le=1e15)] = Field(1e13, description="smallest halo, M500c [Msun]")

    @model_validator(mode="after")
    def _ranges(self) -> Lightcone:
        for name, (low, high), (least, most) in (
            ("ra_deg", self.ra_deg, (0, 360 + self.ra_deg[0])),  # may run across 360
            ("dec_deg", self.dec_deg, (-90, 90)),
            ("redshift", self.redshift, (0.001, 3)),
        ):
            if not least <= low < high <= most:
                raise ValueError(
                    f"{name}: expected a rising range inside {least:g} to {most:g}, got {low:g} to {high:g}"
                )
        return self
