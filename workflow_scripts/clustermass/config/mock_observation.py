"""Configuration of the mock observation of Ho et al. (2019): cuts, training and test sets, folds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Positive, Section

LogMass = Annotated[float, Field(ge=11, le=17)]


class MockObservation(Section):
    """Mock clusters as Ho et al. (2019) observe them, sections 2.2 to 2.4."""

    aperture_mpc_h: Positive = Field(1.6, description="radius of the cylinder around a cluster [Mpc/h, comoving]")
    velocity_cut_km_s: Annotated[float, Field(gt=0, lt=1e5)] = Field(
        2200.0, description="half-length of the cylinder in line-of-sight velocity [km/s]"
    )
    min_richness: Annotated[int, Field(ge=2)] = Field(10, description="fewest galaxies of a cluster that is kept")
    min_log10_m200c: LogMass = Field(13.5, description="smallest cluster candidate, log10 M200c [Msun/h]")
    min_log10_mstar: Annotated[float, Field(ge=5, le=14)] | None = Field(
        9.5, description="smallest galaxy, log10 of its stellar mass [Msun/h] (section 2.1); null: whatever it is"
    )
    min_macc_msun_h: Annotated[float, Field(ge=0)] | None = Field(
        None, description="smallest galaxy, mass of its subhalo at accretion [Msun/h] (section 2.4: 1e11); null: all"
    )
    centrals: bool = Field(
        False, description="whether centrals of halos are galaxies too; the paper and its code: subhalos only"
    )
    membership: Literal["halo", "r200c"] = Field(
        "halo",
        description="true members. halo: galaxies of the cluster's own halo (section 4.1: of its group);"
        " r200c: galaxies within R200c of its centre, in three dimensions (section 2.4: within the virial radius)",
    )
    test_min_log10_m200c: LogMass = Field(14.0, description="smallest cluster that tests, log10 M200c [Msun/h]")
    test_max_log10_m200c: LogMass = Field(15.0, description="largest cluster that tests, log10 M200c [Msun/h]")
    training_density: Positive = Field(
        10**-5.2, description="projections in the training set, at every mass [h^3 Mpc^-3 dex^-1]"
    )
    training_volume_gpc_h3: Positive | None = Field(
        1.0,
        description="volume that the density refers to [(Gpc/h)^3]; null: that of the boxes; 1: as many projections as"
        " published whatever the boxes, by more sight-lines",
    )
    mass_bin_dex: Positive = Field(0.02, description="width of the mass bins that the training set is flat over [dex]")
    bin_halos: Annotated[int, Field(ge=1)] = Field(5, description="bins with fewer halos are joined to the next")
    max_sight_lines: Annotated[int, Field(ge=3)] = Field(
        100, description="most sight-lines to one cluster (the paper states none)"
    )
    folds: Annotated[int, Field(ge=2)] = Field(10, description="folds of the cross-validation")

    @model_validator(mode="after")
    def _masses_ascend(self) -> MockObservation:
        if not self.min_log10_m200c <= self.test_min_log10_m200c < self.test_max_log10_m200c:
            raise ValueError(
                "expected min_log10_m200c <= test_min_log10_m200c < test_max_log10_m200c, got"
                f" {self.min_log10_m200c}, {self.test_min_log10_m200c}, {self.test_max_log10_m200c}"
            )
        return self
