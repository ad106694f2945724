"""Configuration of what trainings on images leave: posteriors of masses, and estimates of the time they need."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clustermass.config.base import Positive, Section
from clustermass.config.posterior import Posterior


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
