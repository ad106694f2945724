"""Configuration of the data that the workflow simulates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Fraction, Positive, Section


class Lightcone(Section):
    """The simulated sky: halos and galaxies of snapshots in random tiles, observed by five surveys."""

    ra_deg: tuple[float, float] = Field((93.5, 276.5), description="range of right ascension [deg]")
    dec_deg: tuple[float, float] = Field((-5.0, 65.0), description="range of declination [deg]")
    redshift: tuple[float, float] = Field((0.05, 0.6), description="range of redshift")
    min_mass_msun: Annotated[float, Field(ge=1e12, le=1e15)] = Field(
        1e13, description="smallest halo, M500c [Msun]; what the simulation does not resolve is missing all the same"
    )

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


class Spectroscopy(Section):
    """The spectroscopic survey of the simulated sky: the main galaxy sample of SDSS."""

    faintest_r: Annotated[float, Field(ge=10, le=25)] = Field(
        17.77, description="limit of the targets, r [mag] (Strauss et al. 2002)"
    )
    redshift_err_km_s: Positive = Field(30.0, description="1 sigma error of c z [km/s]")
    completeness: Fraction = Field(
        0.99, description="share of redshifts among targets that get a fibre (Blanton et al. 2003)"
    )
    collisions: Literal["none", "core", "pairs"] = Field(
        "core",
        description="redshifts lost as fibres have a size: none; core: all in cores of clusters (Kodi Ramanah et al."
        " 2021, section 2.2); pairs: all but a set without neighbours (Blanton et al. 2003)",
    )
    fibre_separation_arcsec: Positive = Field(55.0, description="smallest distance of two fibres [arcsec]")
    overlap: Fraction = Field(
        0.3, description="pairs: share of groups of colliding targets that two plates cover: they lose nothing"
    )
