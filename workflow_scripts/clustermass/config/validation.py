"""Configuration of the validation of the embedded universe: bins and tolerances."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from clustermass.config.base import Positive, Section

Edges = Annotated[list[float], Field(min_length=2)]


class Validation(Section):
    """Bins that the embedded universe is measured in, and how far it may be from theory."""

    mass_edges: Edges = Field(
        [13.5, 13.7, 13.9, 14.1, 14.3, 14.5, 14.8, 15.1], description="bins of mass, log10 M200c [Msun/h]"
    )
    bias_mass_edges: Edges = Field([13.5, 13.8, 14.1, 14.4, 14.8], description="bins of mass for the bias of halos")
    profile_mass_edges: Edges = Field([13.7, 14.0, 14.4, 15.0], description="bins of mass for profiles of galaxies")
    radius_edges: Edges = Field(
        [0.05, 0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.4], description="bins of projected radius [R200c]"
    )
    wave_edges: Edges = Field(
        [0.01, 0.03, 0.05, 0.07, 0.09, 0.11, 0.13, 0.15, 0.2, 0.25, 0.3, 0.4],
        description="bins of the wave number [h/Mpc]",
    )
    separation_edges: Edges = Field(
        [4.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 30.0, 36.0, 43.0, 50.0],
        description="bins of the separation of pairs of halos [Mpc/h, comoving]",
    )
    magnitude_edges: Edges = Field(
        [-23.0, -22.5, -22.0, -21.5, -21.0, -20.5, -20.0, -19.5, -19.0, -18.5, -18.0],
        description="bins of M_r - 5 log10 h",
    )
    stellar_mass_edges: Edges = Field(
        [9.5, 9.75, 10.0, 10.25, 10.5, 10.75, 11.0, 11.25, 11.5], description="bins of stellar mass, log10 [Msun/h]"
    )
    mesh_per_side: Annotated[int, Field(ge=16, le=1024, multiple_of=2)] = Field(
        256, description="mesh that the density of matter is measured on, cells along a side"
    )
    bias_max_k: Positive = Field(0.08, description="largest wave number that the bias is measured at [h/Mpc]")
    min_halo_log10_mass: float = Field(13.5, description="smallest halo of pairs and cylinders, log10 M200c [Msun/h]")
    aperture_mpc_h: Positive = Field(1.6, description="radius of the cylinder [Mpc/h] (Ho et al. 2019, section 2.2)")
    velocity_cut_km_s: Positive = Field(2200.0, description="half its length [km/s] (Ho et al. 2019, section 2.2)")
    min_richness: Annotated[int, Field(ge=1)] = Field(
        10, description="fewest galaxies in a cylinder (Ho et al. 2019, section 2.2)"
    )
    fewest: Annotated[int, Field(ge=2)] = Field(8, description="bins with fewer halos or galaxies are left out")
    mass_function_tolerance: Positive = Field(0.20, description="largest deviation of n(M) from Tinker et al. (2008)")
    power_tolerance: Positive = Field(0.05, description="largest deviation of P(k) up to 0.15 h/Mpc")
    bias_tolerance: Positive = Field(0.05, description="mean deviation of the bias from Tinker et al. (2010)")

    @model_validator(mode="after")
    def _edges_rise(self) -> Validation:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, list) and any(low >= high for low, high in pairwise(value)):
                raise ValueError(f"{name}: expected rising edges, got {value}")
        return self
