"""Configuration of the checks of Kodi Ramanah et al. (2021), sections 2.2 and 2.3: what is varied, at what size."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustermass.config.base import Positive, Section

Count = Annotated[int, Field(ge=1)]


class Variant(Section):
    """One training that differs from the reference in a single thing."""

    bandwidth: Positive | None = Field(None, description="bandwidth of the 3D density; null: kde3d.bandwidth")
    aperture_mpc_h: Positive | None = Field(
        None, description="half-side of the window [Mpc/h]; null: the mock's counted_mpc_h"
    )
    stop_on: Literal["validation", "test"] = Field(
        "validation", description="set that early stopping reads; test: the published code's, a leak"
    )


VARIANTS = {
    "reference": Variant(),
    "narrow": Variant(bandwidth=0.15),
    "wide": Variant(bandwidth=0.20),
    "small": Variant(aperture_mpc_h=1.6),
    "large": Variant(aperture_mpc_h=6.0),
    "leak": Variant(stop_on="test"),
}


class Checks(Section):
    """Trainings that differ from a reference in one thing, all of the same reduced size."""

    training_clusters: Count = Field(2000, description="clusters that each trains on, at most")
    voxels: Annotated[int, Field(ge=16)] = Field(24, description="voxels along each side of their cubes")
    epochs: Count = Field(12, description="passes over the training set, at most")
    patience: Count = Field(
        3,
        description="epochs without a lower loss of the stopping set before stopping; the rate does not fall",
    )
    variants: dict[str, Variant] = Field(
        VARIANTS, description="trainings by name; `reference` is what others are compared with"
    )
