"""Configuration of mock clusters of flux-limited spectroscopic surveys (Kodi Ramanah et al. 2021, section 2.2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from clustermass.config.base import Positive, Section

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class SurveyMock(Section):
    """Mock clusters of one flux-limited spectroscopic survey; defaults: the main galaxy sample of SDSS."""

    faintest_r: Annotated[float, Field(gt=10, lt=30)] = Field(
        18.0, description="flux limit, r [mag]; 0.2 mag below that of SDSS, as published"
    )
    faintest_abs_mag_r: Annotated[float, Field(gt=-25, lt=-10)] = Field(
        -18.0,
        description="galaxies fainter than this are left out however near, M_r - 5 log10 h [mag]: where the snapshots'"
        " tables end (galaxies.max_abs_mag_r)",
    )
    min_comoving_mpc_h: Annotated[float, Field(ge=0)] = Field(
        0.0, description="smallest distance of the observer [Mpc/h, comoving]"
    )
    max_comoving_mpc_h: Annotated[float, Field(gt=0, le=2000)] = Field(
        250.0, description="largest distance of the observer, uniform in the ball [Mpc/h, comoving]"
    )
    aperture_mpc_h: Positive = Field(
        6.0, description="half-side of the square window on the sky that is stored [Mpc/h, proper]; networks see less"
    )
    velocity_cut_km_s: Annotated[float, Field(gt=0, lt=1e5)] = Field(
        2200.0, description="half-length of the window in line-of-sight velocity [km/s]"
    )
    counted_mpc_h: Positive = Field(
        4.0, description="half-side of the window that richness is counted in and networks see [Mpc/h, proper]"
    )
    min_galaxies: Annotated[int, Field(ge=4)] = Field(
        4, description="fewest galaxies in that window of a cluster that is kept; a 3D covariance needs four"
    )
    min_log10_m200c: Annotated[float, Field(ge=12, le=15)] = Field(
        13.7, description="smallest cluster, log10 M200c [Msun/h]"
    )
    max_sight_lines: Count = Field(25, description="most sight-lines to one cluster")
    completeness: tuple[Share, Share] = Field(
        (1.0, 1.0), description="range of the share of galaxies with a redshift, drawn for each cluster, uniform"
    )
    fibre_separation_arcsec: Positive = Field(
        55.0, description="smallest distance of two fibres; radius of the core that may lose its redshifts [arcsec]"
    )
    mass_bin_dex: Positive = Field(0.05, description="width of the mass bins that samples are flat over [dex]")
    bin_halos: Count = Field(5, description="bins with fewer halos are joined to the next")
    training: Count = Field(8000, description="clusters that train, at most (published: 15500)")
    validation: Count = Field(900, description="clusters that early stopping reads, at most (published: 1700)")
    test: Count = Field(8000, description="clusters that posteriors are calibrated on, at most (published: 20000)")
    evaluation: Count = Field(5000, description="clusters that judge, from the box held out, at most (published: 5000)")

    @model_validator(mode="after")
    def _ranges_ascend(self) -> SurveyMock:
        if self.min_comoving_mpc_h >= self.max_comoving_mpc_h:
            raise ValueError(
                "expected min_comoving_mpc_h < max_comoving_mpc_h, got"
                f" {self.min_comoving_mpc_h} and {self.max_comoving_mpc_h}"
            )
        if self.completeness[0] > self.completeness[1]:
            raise ValueError(f"completeness: expected a range that ascends, got {self.completeness}")
        if self.counted_mpc_h > self.aperture_mpc_h:
            raise ValueError(
                f"counted_mpc_h: expected at most aperture_mpc_h, {self.aperture_mpc_h}, got {self.counted_mpc_h}"
            )
        return self


SURVEY_MOCKS = {
    "kodiramanah2021": SurveyMock(),
    # Hectospec: targets to r = 20.8, of which a part was observed, in fields half a degree around the centre.
    "hecs": SurveyMock(
        faintest_r=20.8,
        min_comoving_mpc_h=60.0,
        max_comoving_mpc_h=850.0,
        aperture_mpc_h=1.6,
        counted_mpc_h=1.6,
        completeness=(0.25, 1.0),
        training=5000,
        validation=600,
        test=5000,
        evaluation=3000,
    ),
}
