"""Base of all configuration sections, and what several of them share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Separation = Literal["projected_proper", "projected_comoving", "three_dimensional", "none"]
"""Readings of the paper's "3D spatial separation within 500 kpc"; see docs/decisions/0002-500-kpc.md."""


class Section(BaseModel):
    """A part of the configuration: refuses keys it does not know, and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cosmology(Section):
    """Flat LambdaCDM in which distances and masses are expressed."""

    H0: Annotated[float, Field(gt=20, lt=200)] = Field(67.74, description="Hubble constant [km/s/Mpc]")
    Om0: Annotated[float, Field(gt=0, lt=1)] = Field(0.3089, description="matter density today, in critical densities")
    Ob0: Annotated[float, Field(gt=0, lt=1)] = Field(0.0486, description="baryon density today, in critical densities")
    sigma8: Annotated[float, Field(gt=0, lt=2)] = Field(
        0.8159, description="rms of linear density fluctuations in 8 Mpc/h spheres today"
    )
    ns: Annotated[float, Field(gt=0.5, lt=1.5)] = Field(0.9667, description="slope of the primordial power spectrum")

    @model_validator(mode="after")
    def _baryons_are_matter(self) -> Cosmology:
        if self.Ob0 >= self.Om0:
            raise ValueError(f"Ob0: expected less than Om0 = {self.Om0:g}, got {self.Ob0:g}")
        return self


class PublishedCosmology(Section):
    """Flat LambdaCDM in which a catalogue's masses, radii or luminosities were published."""

    H0: Annotated[float, Field(gt=20, lt=200)] = Field(70.0, description="Hubble constant [km/s/Mpc]")
    Om0: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="matter density today, in critical densities")
