"""Configuration of band classification on tiles of frames, and of what controls it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from clustermass.config.base import Section
from clustermass.config.image_networks import LIN_BANDS, BandNetwork
from clustermass.config.image_training import BAND_TRAINING, Variant
from clustermass.config.training import Training

Count = Annotated[int, Field(ge=1)]

TILE_VARIANTS = {
    "global": Variant(),
    "per_image": Variant(scaling="per_image"),
    "per_cluster": Variant(scaling="per_cluster"),
    "noise_matched": Variant(noise="matched"),
    "shuffled": Variant(pixels="shuffled"),
}
"""What is done to tiles before a network learns their bands."""


class Forest(Section):
    """Random forest that tells bands by three numbers of an image: noise, median, minimum."""

    trees: Count = Field(300, description="trees")
    leaf: Count = Field(3, description="images of the training set that a leaf holds at least")


class Tiles(Section):
    """Tiles of frames in five bands, trained on some fields, tested on fields that are left out."""

    pixels: Annotated[int, Field(ge=8, le=1024)] = Field(32, description="pixels along a side of a tile")
    binning: Annotated[float, Field(ge=1)] = Field(
        4.0,
        description="pixels of frames along a side of a tile's pixel: with one, much of the noise of z would be fainter"
        " than `images.faintest` and clipped",
    )
    fields: Annotated[int, Field(ge=2)] | None = Field(
        6, description="fields that are cut into tiles, drawn at random of those in all five bands; null: all"
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        4, description="parts of the fields that test in turn; as many as fields leave out one at a time"
    )
    network: BandNetwork = Field(LIN_BANDS, description="the band classification's")
    training: Training = Field(
        BAND_TRAINING.model_copy(update={"epochs": 8}), description="how it is trained; the last epoch counts"
    )
    variants: dict[Annotated[str, Field(pattern="^[a-z0-9_]+$")], Variant] = Field(
        TILE_VARIANTS, description="what is done to tiles first, by name: a training each"
    )
    empty: Count = Field(
        100, description="squares of fields at random places, of the size of images of clusters, as a control"
    )
    forest: Forest = Forest()
    draws: Count = Field(500, description="bootstraps of whole fields or halos, for intervals of accuracies")

    @model_validator(mode="after")
    def _last_epoch(self) -> Tiles:
        if self.training.patience is not None:
            raise ValueError(
                f"training.patience: expected null, as the last epoch counts, got {self.training.patience}"
            )
        if any(variant.stars == "masked" for variant in self.variants.values()):
            raise ValueError("variants: expected stars: as_observed, as no catalogue of stars goes with frames")
        return self
