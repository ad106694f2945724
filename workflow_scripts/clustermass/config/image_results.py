"""Configuration of what trainings on images leave: posteriors of masses, and estimates of the time they need."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clustermass.config.base import Positive, Section
from clustermass.config.posterior import Posterior

Count = Annotated[int, Field(ge=1)]


class ImagePosterior(Section):
    """Posteriors of masses from images, from the pairs of prediction and label that cross-validation leaves."""

    scott: Positive = Field(
        1.0,
        description="bandwidth scaling of the joint density of prediction and label, in units of n^(-1/6) for n pairs"
        " (Scott 1992), as there are a hundred pairs and not ten thousand",
    )
    fewest_pairs: Positive = Field(
        10.0, description="posteriors on fewer independent pairs, in effect, are flagged as extrapolated"
    )
    mass_step_dex: Positive = Field(0.005, description="step of the grid of log10 masses [dex]")
    mass_margin_dex: Positive = Field(0.5, description="how far the grid goes beyond predictions and labels [dex]")
    bootstrap: Annotated[int, Field(ge=20)] = Field(
        400, description="bootstrap draws of halos that bands and intervals come from"
    )

    def of_pairs(self, number: int) -> Posterior:
        """Return how posteriors are made of so many pairs.

        No edge: a sample that is limited in flux has no least mass. The prior is the pairs' own distribution of
        masses: that of labels, which neither a mass function nor a limit in mass describes.
        """
        return Posterior(
            bandwidth=self.scott * float(number) ** (-1 / 6),
            edge="open",
            prior="calibration",
            fewest_pairs=self.fewest_pairs,
            mass_step_dex=self.mass_step_dex,
            mass_margin_dex=self.mass_margin_dex,
            bootstrap=self.bootstrap,
        )


class Speed(Section):
    """How fast networks of images train on one device."""

    images_per_second: Positive = Field(
        description="images of one band, 256 pixels along a side, that ResNet-18 trains on in a second"
    )
    clusters_per_second: Positive = Field(
        description="clusters that the published regressor (33.8 million weights) trains on in a second, from features"
    )


class ImagePlan(Section):
    """Estimates of the time that trainings on images take, before anything is made."""

    cpu: Speed = Field(
        Speed(images_per_second=20, clusters_per_second=100),
        description="one core with bfloat16 arithmetic; timings of trainings that are there are used instead."
        " `python benchmarks/resnet.py` measures the first",
    )
    cuda: Speed = Field(
        Speed(images_per_second=2000, clusters_per_second=10_000),
        description="one GPU for data centres; a guess: neither was measured",
    )
    clusters: Count = Field(26126, description="clusters with images, where `image_sample.clusters` is null")
    strong: Count = Field(1515, description="those of them with strong labels, where `image_sample.strong` says less")
    fields: Count = Field(12, description="fields that are cut into tiles, where `tiles.fields` is null")
    tiles: Count = Field(176, description="tiles of a field")
