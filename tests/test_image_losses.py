"""Losses of networks on images, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from clustermass.config.image_networks import AbsoluteScatterLoss, WeightedScatterLoss
from clustermass.training.losses import absolute_scatter, cross_entropy, fit_loss, inverse_frequency, weighted_scatter


def test_inverse_frequency_by_hand():
    labels = torch.tensor([14.0, 14.1, 14.2, 14.24, 14.3, 14.9])  # ranges of .25: 4, 1, 0, 1
    ranges = inverse_frequency(labels, 0.25)
    expected = [6 / 3 / 4] * 4 + [6 / 3 / 1] * 2
    torch.testing.assert_close(ranges.of(labels), torch.tensor(expected))
    assert float(ranges.of(labels).mean()) == pytest.approx(1)
    beyond = ranges.of(torch.tensor([10.0, 14.6, 20.0]))  # below all, in the empty range, above all
    torch.testing.assert_close(beyond, torch.tensor([0.5, 2, 2]))
    assert inverse_frequency(torch.full((3,), 14.0), 0.25).of(labels).tolist() == [1] * 6
    with pytest.raises(ValueError, match="expected finite"):
        inverse_frequency(torch.tensor([14.0, math.nan]), 0.25)


def test_weighted_scatter_by_hand():
    outputs, labels, weights = torch.tensor([[1.0, 2, 4], [1.0, 1, 1], [0.5, 2, 1]])
    # Differences 0, 1, 3: squares weighted 0, 2, 9; deviation from their mean 4/3: sqrt(14 / 9).
    expected = 11 / 3 + 100 * math.sqrt(14 / 9)
    assert float(weighted_scatter(outputs, labels, weights)) == pytest.approx(expected, rel=1e-6)
    assert float(weighted_scatter(outputs, labels, weights, 0)) == pytest.approx(11 / 3)
    shifted = weighted_scatter(labels + 5, labels, torch.ones(3))
    assert float(shifted) == pytest.approx(25)  # an offset has no scatter


def test_absolute_scatter_by_hand():
    outputs, labels = torch.tensor([[1.0, -1, 3], [0.0, 0, 0]])
    # Absolute differences 1, 1, 3: squares 11 / 3, deviation from 5/3: sqrt(8 / 9).
    assert float(absolute_scatter(outputs, labels, 2)) == pytest.approx(11 / 3 + 2 * math.sqrt(8 / 9), rel=1e-6)
    assert float(absolute_scatter(torch.tensor([1.0, -1]), torch.zeros(2), 2)) == pytest.approx(1)


@pytest.mark.parametrize("size", [1, 3])
def test_gradients_are_finite_where_nothing_scatters(size):
    labels = torch.zeros(size)
    for loss in (fit_loss(WeightedScatterLoss(), labels), fit_loss(AbsoluteScatterLoss(), labels)):
        outputs = torch.ones(size, requires_grad=True)
        loss(outputs, labels).backward()
        assert outputs.grad.tolist() == pytest.approx([2 / size] * size)


@pytest.mark.parametrize("settings", [WeightedScatterLoss(range_dex=0.2), AbsoluteScatterLoss(scatter=3)])
def test_losses_are_the_same_on_any_scale_of_labels(settings):
    labels, outputs = torch.rand(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = fit_loss(settings, labels)(outputs, labels)
    zero, unit = 0.4, 0.3
    scaled = fit_loss(settings, (labels - zero) / unit, unit)((outputs - zero) / unit, (labels - zero) / unit)
    torch.testing.assert_close(scaled * unit**2, expected)


def test_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    expected = (-math.log(3 / 4) - math.log(1 / 2)) / 2
    assert float(cross_entropy(logits, torch.tensor([1.0, 0.0]))) == pytest.approx(expected)
