"""What networks on images minimise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from clustermass.config.image_networks import AbsoluteScatterLoss, WeightedScatterLoss

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Loss of outputs and labels."""


def cross_entropy(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of logits (n, classes) and numbers of the right classes (n,), of any dtype."""
    return functional.cross_entropy(outputs, labels.long())


@dataclass(frozen=True)
class RangeWeights:
    """Weights of labels by the range that they lie in; see `inverse_frequency`.

    Attributes
    ----------
    edges : torch.Tensor
        (k - 1,) between ranges; the first and the last range are open.
    weights : torch.Tensor
        (k,)
    """

    edges: torch.Tensor
    weights: torch.Tensor

    def of(self, labels: torch.Tensor) -> torch.Tensor:
        """Return weights (n,) of labels (n,)."""
        return self.weights.to(labels)[torch.bucketize(labels.double(), self.edges.to(labels.device), right=True)]


def inverse_frequency(labels: torch.Tensor, width: float) -> RangeWeights:
    """Return weights inversely proportional to the number of training labels in ranges of a width.

    Parameters
    ----------
    labels : torch.Tensor
        (n,) of the training set alone.
    width : float
        Of the ranges, which begin at the lowest label, in the unit of the labels.

    Returns
    -------
    RangeWeights
        Their mean over the training set is one. A range without labels has the weight of one with a single label.

    Raises
    ------
    ValueError
        No labels, or some that are not finite.

    Notes
    -----
    *Source*: Lin et al. (2022), Eq. 3; the ranges and the normalisation are not stated there.
    """
    if not len(labels) or not labels.isfinite().all():
        raise ValueError(f"labels: expected finite ones, at least one, got {labels!r:.100}")
    known = labels.double()
    lowest = known.min()
    ranges = int((known.max() - lowest) / width) + 1
    edges = lowest + width * torch.arange(1, ranges, dtype=torch.float64, device=labels.device)
    counts = torch.bincount(torch.bucketize(known, edges, right=True), minlength=ranges)
    weights = len(labels) / (counts > 0).sum() / counts.clamp(min=1)
    return RangeWeights(edges, weights)


def weighted_scatter(
    outputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, factor: float = 100.0
) -> torch.Tensor:
    """Return the weighted mean squared difference and a factor times the differences' standard deviation.

    Parameters
    ----------
    outputs, labels, weights : torch.Tensor
        (n,) of one batch.
    factor : float
        In units of the labels.

    Notes
    -----
    The deviation is that of the batch, 0 for a batch of one.

    *Source*: Lin et al. (2022), Eq. 3.
    """
    difference = outputs - labels
    return (weights * difference.square()).mean() + factor * difference.std(correction=0)


def absolute_scatter(outputs: torch.Tensor, labels: torch.Tensor, factor: float = 1.0) -> torch.Tensor:
    """Return the mean squared difference and a factor times the standard deviation of absolute differences.

    Parameters
    ----------
    outputs, labels : torch.Tensor
        (n,) of one batch.
    factor : float
        In units of the labels.

    Notes
    -----
    *Source*: Liang et al. (2020), Eq. 1.
    """
    difference = outputs - labels
    return difference.square().mean() + factor * difference.abs().std(correction=0)


def fit_loss(settings: WeightedScatterLoss | AbsoluteScatterLoss, labels: torch.Tensor, unit: float = 1.0) -> Loss:
    """Return the loss that a configuration and training labels define.

    Parameters
    ----------
    settings : WeightedScatterLoss or AbsoluteScatterLoss
    labels : torch.Tensor
        (n,) of the training set, on the scale that the network sees.
    unit : float
        Size of one step of that scale [dex], see `labels.LabelScale`. The losses are those of labels in dex, divided by
        its square, whatever the scale.
    """
    factor = settings.scatter / unit
    if isinstance(settings, AbsoluteScatterLoss):
        return lambda outputs, right: absolute_scatter(outputs, right, factor)
    ranges = inverse_frequency(labels, settings.range_dex / unit)
    return lambda outputs, right: weighted_scatter(outputs, right, ranges.of(right), factor)
