"""Configuration of the cross-match and of the labels that follow from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clustermass.config.base import Positive, Section, Separation


class Crossmatch(Section):
    """Cross-matching of the parent sample with the label catalogues (Lin et al. 2022, section 2.3)."""

    clusters: str = Field("redmapper", description="catalogue of the parent sample")
    priority: list[str] = Field(
        ["planck", "mcxc", "xcs", "rass_dr7"], min_length=1, description="label catalogues, the most trusted first"
    )
    max_dz: Positive = Field(0.05, description="largest redshift difference")
    max_arcmin: Annotated[float, Field(gt=0, le=600)] = Field(10.0, description="largest angular separation [arcmin]")
    max_kpc: Positive = Field(500.0, description="largest physical separation [kpc]")
    separation: Separation = Field("projected_proper", description="how the physical separation is read")
    chance_shifts: Annotated[int, Field(ge=0)] = Field(20, description="shifts of the sky that estimate chance matches")


class Labels(Section):
    """Masses that the image networks learn from."""

    richness_log10_m0_msun: float = Field(
        14.434, description="log10 of M500c [Msun] at richness lambda0 (Lin et al. Eq. 1)"
    )
    richness_slope: float = Field(1.23, description="slope of M500c against richness")
    richness_lambda0: Positive = Field(60.0, description="pivot richness lambda0")
    folds: Annotated[int, Field(ge=3)] = Field(
        10, description="cross-validation folds: one tests, one validates, the rest train"
    )
    band_test_fraction: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.2, description="share of clusters that test the band classification"
    )
    band_validation_fraction: Annotated[float, Field(ge=0, le=0.4)] = Field(
        0.1, description="share of clusters on which the epoch of the band classification is chosen"
    )
