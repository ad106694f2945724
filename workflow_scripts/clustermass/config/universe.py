"""Configuration of the embedded universe: how many boxes, which snapshots, and what its halos are taken to be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustermass.config.base import Section

Redshift = Annotated[float, Field(ge=0, le=20)]


class Universe(Section):
    """Independent boxes of one N-body code; what is fitted to them is fitted without the last."""

    boxes: Annotated[int, Field(ge=2, le=99)] = Field(
        3, description="boxes, each with its own random phases; the last is held out: nothing is chosen on it"
    )
    ho2019: Redshift = Field(0.117, description="snapshot of Ho et al. (2019); one of nbody.redshifts")
    kodiramanah2021: Redshift = Field(
        0.05, description="snapshot of Kodi Ramanah et al. (2021); one of nbody.redshifts"
    )
    min_particles: Annotated[int, Field(ge=20)] = Field(
        50, description="particles of the smallest halo that counts as resolved; smaller ones are placed by their bias"
    )
    mass_matching: Literal["tinker08", "none"] = Field(
        "tinker08",
        description="tinker08: M200c by the rank of the raw mass, so that boxes that are not held out have the mass"
        " function of Tinker et al. (2008); none: raw masses",
    )
    cone_max_abs_mag_r: Annotated[float, Field(ge=-23, le=-16)] = Field(
        -19.0, description="faintest M_r - 5 log10 h in snapshots that only the light cone uses; 0.2 L* is at -19.2"
    )
    cone_min_halo_mass: Annotated[float, Field(ge=1e10, le=1e13)] = Field(
        2e11, description="smallest halo that has galaxies in those snapshots, M200c [Msun/h]"
    )
