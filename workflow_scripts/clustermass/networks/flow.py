"""Densities of mass on a condition: normalising flows in one dimension."""

from __future__ import annotations

import math

import torch
from torch import nn

from clustermass.config.flow import FlowNetwork


class ConditionalFlow(nn.Module):
    """Density of scaled log10 mass on a condition: a normal one, moved, stretched and bent by a spline.

    What the flow learns is y = spline(exp(a) (x + t)), normally distributed: shift t, logarithm of the scale a, and
    the spline's widths, heights and slopes come from a network that sees the condition.

    Parameters
    ----------
    settings : FlowNetwork

    Notes
    -----
    *Source*: Durkan et al. (2019), rational-quadratic splines, by zuko (Rozet et al.). Labels are best standardised:
    the spline bends y between -5 and 5.
    """

    def __init__(self, settings: FlowNetwork) -> None:
        from zuko.nn import MLP  # type: ignore[import-untyped]  # takes a second to import

        from clustermass.networks import build

        super().__init__()
        self.settings = settings
        self.encoder: nn.Module = nn.Identity()
        if settings.encoder is not None:
            self.encoder = build(settings.encoder)
            self.encoder.output = nn.Identity()  # (n, condition): the features that its output would have weighed
        self.output = MLP(settings.condition, 3 * settings.bins + 1, settings.hidden)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the condition (n, k) from inputs as the encoder takes them, or (n, k) without one.

        Raises
        ------
        ValueError
            Inputs of another length, without an encoder.
        """
        if self.settings.encoder is None and tuple(inputs.shape[1:]) != (self.settings.inputs,):
            raise ValueError(f"inputs: expected the shape (n, {self.settings.inputs}), got {tuple(inputs.shape)}")
        condition: torch.Tensor = self.encoder(inputs)
        return condition

    def log_prob(self, condition: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the density at labels (n, m), given conditions (n, k)."""
        from zuko.transforms import MonotonicRQSTransform  # type: ignore[import-untyped]

        bins = self.settings.bins
        shape = self.output(condition).unsqueeze(1)  # (n, 1, 3 bins + 1)
        shift, stretch, *spline = torch.split(shape, [1, 1, bins, bins, bins - 1], dim=2)
        shift, stretch = shift.squeeze(2), stretch.squeeze(2)  # (n, 1)
        bent, slope = MonotonicRQSTransform(*spline).call_and_ladj((labels + shift) * stretch.exp())
        result: torch.Tensor = slope + stretch - bent.square() / 2 - math.log(2 * math.pi) / 2  # (n, m)
        return result

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean negative log-density of labels (n,), given conditions (n, k)."""
        return -self.log_prob(outputs, labels.unsqueeze(1)).mean()
