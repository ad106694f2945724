"""Configuration of the maps that say what image networks look at."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from clustermass.config.base import Fraction, Positive, Section

Count = Annotated[int, Field(ge=1)]


class IntegratedGradients(Section):
    """Integrated gradients (Sundararajan et al. 2017), as in Lin et al. (2022), Eq. 6."""

    steps: Annotated[int, Field(ge=2)] = Field(32, description="gradients on the path from baseline to input, at first")
    most_steps: Annotated[int, Field(ge=2)] = Field(
        512, description="steps are doubled up to here for inputs whose attributions are not complete"
    )
    tolerance: Positive = Field(
        0.01, description="complete: attributions sum to the output's difference within this share of it"
    )
    smallest: Positive = Field(
        1e-3, description="of smaller differences no share is taken, but of this one [unit of the output]"
    )
    batch: Count = Field(64, description="inputs that pass the network at once; memory goes with it")

    @model_validator(mode="after")
    def _in_order(self) -> IntegratedGradients:
        if self.most_steps < self.steps:
            raise ValueError(f"most_steps: expected at least steps = {self.steps}, got {self.most_steps}")
        return self


class Occlusion(Section):
    """Occlusion maps of Liang et al. (2020), Figure 2; the paper does not say how large or how filled the patch is."""

    patch: Count = Field(9, description="side of the square that is covered, odd [pixels]")
    stride: Count = Field(2, description="pixels between places of the patch; 1: every possible place, as the paper")
    fill: Literal["black", "sky"] = Field(
        "sky",
        description="what covers: zero, or the median of the image in each channel; black is an object to networks",
    )
    clusters: Annotated[int, Field(ge=2)] = Field(
        4, description="test clusters that are drawn; the first two are Fig. 2 of Liang et al."
    )
    band: Literal["u", "g", "r", "i", "z"] = Field("r", description="band that Fig. 2 shows; not stated in the paper")
    batch: Count = Field(32, description="covered images that pass the network at once; memory goes with it")

    @field_validator("patch")
    @classmethod
    def _has_a_central_pixel(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"patch: expected an odd number of pixels, got {value}")
        return value


class Attribution(Section):
    """Maps of what image networks look at."""

    gradients: IntegratedGradients = IntegratedGradients()
    occlusion: Occlusion = Occlusion()
    clusters: Count = Field(
        8, description="test clusters, the richest, for integrated gradients and CAM+IG; the first one is shown"
    )
    mark_radius: Fraction = Field(0.03, description="around members and stars, to be on a mark [sides of the image]")
    cam_weights: Literal["attributions", "gradients"] = Field(
        "attributions",
        description="weights of the features in CAM+IG: their integrated gradients, as Lin et al. (2022, section 5.2),"
        " or the mean gradients on the path, with which maps sum to the difference of the output",
    )
