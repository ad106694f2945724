"""Configuration of the data that the workflow simulates."""

from __future__ import annotations

from pydantic import Field

from clustermass.config.base import Positive, Section


class Lightcone(Section):
    """The simulated sky: halos of the Tinker et al. (2008) mass function, observed by five surveys."""

    ra_deg: tuple[float, float] = Field((93.5, 276.5), description="range of right ascension [deg]")
    dec_deg: tuple[float, float] = Field((-5.0, 65.0), description="range of declination [deg]")
    redshift: tuple[float, float] = Field((0.05, 0.6), description="range of redshift")
    min_mass_msun: Positive = Field(1e13, description="smallest halo, M500c [Msun]")
