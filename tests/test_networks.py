"""Architectures against numbers and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from clustermass.config.base import Section
from clustermass.config.networks import Networks, PhaseSpaceNetwork
from clustermass.networks import build
from clustermass.networks.describe import describe_layers
from clustermass.networks.layers import Dense, Dropout, VelocityConvolution, VelocityPooling, glorot

CNN1D = [("VelocityConvolution", "48 x 24", 24 * 5 + 24)]
CNN2D = [("VelocityConvolution", "48 x 24", 24 * 5 * 48 + 24)]
SAME = [
    ("ReLU", "48 x 24", 0),
    ("VelocityConvolution", "48 x 10", 10 * 3 * 24 + 10),
    ("VelocityPooling", "24 x 10", 0),
    ("ReLU", "24 x 10", 0),
    ("Dropout", "24 x 10", 0),
    ("Flatten", "240", 0),
    ("Dense", "128", 240 * 128 + 128),
    ("ReLU", "128", 0),
    ("Dense", "64", 128 * 64 + 64),
    ("ReLU", "64", 0),
    ("Dense", "1", 65),
]


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        yield


@pytest.mark.parametrize(
    ("settings", "shape", "first", "total"),
    [(Networks().cnn1d, (48,), CNN1D, 40043), (Networks().cnn2d, (48, 48), CNN2D, 45683)],
)
def test_layers_are_those_of_figure_4(settings, shape, first, total):
    layers = describe_layers(build(settings), shape)
    assert list(zip(layers["kind"], layers["shape"], layers["parameters"], strict=True)) == first + SAME
    assert layers["parameters"].sum() == total  # Keras' count of the same network
    assert layers["weights"].iloc[0] == ("24 x 1 x 5" if first is CNN1D else "24 x 48 x 5")


def test_describe_takes_any_network_and_leaves_it_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    layers = describe_layers(network.train(), (3, 8, 8))
    assert list(layers["shape"]) == ["4 x 8 x 8", "4 x 8 x 8", "4 x 1 x 1", "4"]
    assert list(layers["parameters"]) == [3 * 4 * 9 + 4, 8, 0, 0]
    assert network.training
    assert not network[0]._forward_hooks
    assert int(network[1].num_batches_tracked) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_convolution_against_its_sum(channels):
    layer, x = VelocityConvolution(channels, 2, 5), torch.randn(2, 7, channels)
    nn.init.normal_(layer.bias)
    expected = torch.zeros(2, 7, 2)
    for v in range(7):
        for offset in range(-2, 3):
            if 0 <= v + offset < 7:
                expected[:, v] += x[:, v + offset] @ layer.weight[:, :, offset + 2].T
    torch.testing.assert_close(layer(x), expected + layer.bias)


def test_pooling_takes_the_larger_neighbour():
    x = torch.tensor([[1.0, 9], [3, 2], [5, 6], [4, 7]])[None]
    assert VelocityPooling(2)(x).tolist() == [[[3, 9], [5, 7]]]


def test_dropout_keeps_the_mean_and_rests_outside_of_training():
    layer, x = Dropout(0.25), torch.ones(400, 500)
    dropped = layer(x)
    assert sorted(dropped.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.005)
    assert layer.eval()(x) is x


def test_first_weights_are_uniform_within_glorots_limit():
    layer = Dense(240, 128)
    limit = np.sqrt(6 / (240 + 128))
    assert 0.99 * limit < float(layer.weight.detach().abs().max()) <= limit
    assert float(layer.weight.detach().std()) == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert not layer.bias.any()
    convolution = VelocityConvolution(48, 24, 5)
    glorot(convolution)
    assert float(convolution.weight.detach().abs().max()) == pytest.approx(np.sqrt(6 / (5 * 48 + 5 * 24)), rel=0.01)


def test_output_may_be_kept_positive_and_inputs_scaled():
    x = torch.rand(50, 48) / 48
    plain, scaled = build(PhaseSpaceNetwork()).eval(), build(PhaseSpaceNetwork(input_scale=48)).eval()
    scaled.load_state_dict(plain.state_dict())
    torch.testing.assert_close(scaled(x), plain(48 * x))
    positive = build(PhaseSpaceNetwork(output="relu")).eval()
    with torch.no_grad():
        positive.output.bias -= 10
    assert positive(x).tolist() == [0] * 50


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [(Networks().cnn1d, (48, 48), r"expected the shape \(n, 48\)"), (Networks().cnn2d, (48,), r"\(n, 48, 48\), got")],
)
def test_inputs_of_another_shape_are_refused(settings, shape, message):
    with pytest.raises(ValueError, match=message):
        build(settings)(torch.zeros(2, *shape))


def test_impossible_architectures_are_refused():
    with pytest.raises(ValidationError, match="odd"):
        PhaseSpaceNetwork(widths=(4, 3))
    with pytest.raises(ValidationError, match="no multiple of 5"):
        PhaseSpaceNetwork(pool=5)
    with pytest.raises(TypeError, match=r"expected one of PhaseSpaceNetwork, .*, got Section"):
        build(Section())
