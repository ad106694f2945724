"""Configuration of normalising flows, which give the density of mass, not one number."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from clustermass.config.base import Section
from clustermass.config.networks import CubeNetwork, PhaseSpaceNetwork
from clustermass.config.training import Training

Count = Annotated[int, Field(ge=1)]


class FlowNetwork(Section):
    """A density of scaled mass on a condition: a rational-quadratic spline that a network shapes."""

    encoder: CubeNetwork | PhaseSpaceNetwork | None = Field(
        None, description="network without its output whose last features are the condition; null: the inputs are"
    )
    inputs: Count = Field(1, description="numbers that are the condition where there is no encoder")
    hidden: tuple[Count, ...] = Field((64, 64), description="widths of the layers from the condition to the spline")
    bins: Annotated[int, Field(ge=2)] = Field(8, description="bins of the spline")

    @property
    def condition(self) -> int:
        """Length of the condition."""
        return self.inputs if self.encoder is None else self.encoder.dense[-1]


FLOW_TRAINING = Training(
    epochs=150,
    batch=250,
    learning_rate=1e-3,
    decay=2e-3,
    max_norm=None,
    labels="standardised",
    patience=15,
)
"""Flows on a few numbers: small steps are cheap, and validation stops them."""


class NeuralFlow(Section):
    """Neural flow on compressed phase space, after Kodi Ramanah et al. (2020b)."""

    components: Count = Field(
        24, description="principal components of the training set's densities over v_los and R_proj that are seen"
    )
    network: FlowNetwork = Field(FlowNetwork(inputs=24), description="the flow; as many inputs as components")
    training: Training = Field(FLOW_TRAINING, description="How it is trained.")

    @model_validator(mode="after")
    def _components_are_the_inputs(self) -> NeuralFlow:
        if self.network.encoder is not None or self.network.inputs != self.components:
            raise ValueError(
                f"network.inputs: expected as many inputs as components, {self.components}, and no encoder,"
                f" got {self.network.inputs}"
            )
        return self
