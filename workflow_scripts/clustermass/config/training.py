"""Configuration of the training of networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustermass.config.base import Positive, Section
from clustermass.config.image_networks import AbsoluteScatterLoss, WeightedScatterLoss

Count = Annotated[int, Field(ge=1)]
Moment = Annotated[float, Field(ge=0, lt=1)]


class Training(Section):
    """How a network is trained; defaults of Ho et al. (2019, section 3.3): Adam on the mean squared error."""

    epochs: Count = Field(20, description="passes over the training set")
    batch: Count = Field(100, description="samples a step; the last step of an epoch takes what is left")
    optimiser: Literal["adam", "sgd"] = Field(
        "adam", description="how a step follows from gradients: Adam, or gradient descent with momentum"
    )
    learning_rate: Positive = Field(1e-3, description="learning rate of the first step")
    decay: Annotated[float, Field(ge=0)] = Field(
        1e-6, description="the rate falls as 1 / (1 + decay t) with the step t, as in Keras"
    )
    schedule: Literal["inverse", "cosine"] = Field(
        "inverse",
        description="inverse: the decay alone; cosine: the rate falls to zero at the last epoch too, as a half cosine",
    )
    first_moment: Moment = Field(0.9, description="Adam's decay of the mean gradient")
    second_moment: Moment = Field(0.999, description="Adam's decay of the mean squared gradient")
    epsilon: Positive = Field(1e-7, description="added to the root of the mean squared gradient, as in Keras")
    momentum: Moment = Field(0.9, description="of gradient descent: what stays of the last step in the next one")
    loss: Annotated[WeightedScatterLoss | AbsoluteScatterLoss, Field(discriminator="kind")] | None = Field(
        None,
        description="what is minimised: weighted_scatter (Lin et al. 2022, Eq. 3) or absolute_scatter (Liang et al."
        " 2020, Eq. 1), of log10 masses or richnesses; null: the network's own loss, else the mean squared error",
    )
    max_norm: Positive | None = Field(
        3.0, description="largest L2 norm of a neuron's weights, in all layers but the output; null: none"
    )
    labels: Literal["unit_interval", "standardised", "raw"] = Field(
        "unit_interval",
        description="how log10 mass is scaled: lowest to highest training mass (Ho et al. 2019, Eq. 4), mean and "
        "standard deviation, or not",
    )
    velocity_flip: bool = Field(
        False, description="whether half of the training samples, at random, are seen with velocities reversed"
    )
    sky_symmetries: bool = Field(
        False,
        description="whether cubes or images are seen turned by quarters and mirrored on the sky, at random, in"
        " training; inputs of other shapes, as features of images, have no sky",
    )
    views: Annotated[int, Field(ge=1, le=16)] = Field(
        1,
        description="predictions are means over so many views of a cluster, of those that velocity_flip and"
        " sky_symmetries show in training; each takes as long as the first",
    )
    patience: Count | None = Field(
        None, description="epochs without a better one before stopping at the best; null: all epochs, and the last one"
    )
    chosen_by: Literal["loss", "error"] = Field(
        "loss",
        description="what tells the best epoch with patience, on the validation set: its loss, or the mean absolute"
        " error of its labels",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="arithmetic of the layers; weights and optimiser are float32"
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="where the network is trained")
    threads: Count = Field(1, description="threads of one training on the CPU; the last digits depend on it")


CNN3D_TRAINING = Training(
    epochs=12,
    batch=32,
    learning_rate=3e-3,
    decay=0.0,
    schedule="cosine",
    max_norm=None,
    labels="standardised",
    velocity_flip=True,
    sky_symmetries=True,
    views=4,
    patience=7,
    precision="bfloat16",
)
"""CNN3D: what the validation sets justify where thousands of clusters train, not tens of thousands.

Kodi Ramanah et al. (2021, section 3.4) have `epochs=50`, `batch=100`, `learning_rate=1e-4`, `schedule="inverse"`,
`patience=5` and no symmetries: with 8,000 clusters too few steps, each too short.
"""
