"""Drawings of image networks."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from clustermass.config.image_networks import BandNetwork, ExtractorNetwork, RegressorNetwork
from clustermass.networks import build
from clustermass.networks.describe import describe_layers
from clustermass.networks.panels import (
    LAYER_NAMES,
    Box,
    boxes,
    bracket,
    connect,
    count_words,
    draw_boxes,
    draw_classifier,
    draw_own,
    finish,
)

CLASSIFIER = {
    r"extractor\.backbone\.conv1": "conv {kernel}",
    r"extractor\.backbone\.layer(\d)": r"blocks \1",
    r"hidden\.\d+|output": "dense",
}


def layers_of(settings, *inputs):
    with torch.device("meta"):
        return describe_layers(build(settings), *inputs)


@pytest.fixture(scope="module")
def classifier():
    return layers_of(BandNetwork(), (3, 64, 64))


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_layers_are_joined_to_blocks_in_their_order(classifier):
    found = boxes(classifier, CLASSIFIER)
    assert [box.name for box in found] == [
        "conv 7 × 7", "extractor.backbone.maxpool", *(f"blocks {k}" for k in (1, 2, 3, 4)), "extractor.pooling",
        "dense", "dense", "dense",
    ]  # fmt: skip
    assert [box.shape for box in found][:4] == ["64 x 32 x 32", "64 x 16 x 16", "64 x 16 x 16", "128 x 8 x 8"]
    assert [box.shape for box in found][-4:] == ["512", "1024", "768", "5"]
    assert [box.kind for box in found] == [
        "convolution", "pooling", *["convolution"] * 4, "pooling", *["fully connected"] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize("names", [CLASSIFIER, {}, {"extractor": "extractor"}])
def test_no_weight_is_lost_whatever_blocks_are_called(classifier, names):
    assert sum(box.weights for box in boxes(classifier, names)) == classifier["parameters"].sum() == 12_492_869


def test_linear_layers_without_activation_stay_apart():
    layers = layers_of(RegressorNetwork(activation="linear", hidden=(8, 4), redshift=False), (5, 512))
    found = boxes(layers, {r"convolutions\.\d+": "conv\n{kernel}", r"hidden\.\d+": "dense"})
    assert [box.name for box in found] == ["conv\n1 × 1", "conv\n3 × 3", "conv\n3 × 3", "dense", "dense", "output"]
    assert found[0].weights == 4  # with its normalisation
    assert found[2].shape == "64 x 508 x 1"


def test_a_pointwise_convolution_is_a_block_only_where_there_is_one(classifier):
    names = {r"extractor\.pointwise": "pointwise"}
    assert "pointwise" not in [box.name for box in boxes(classifier, names)]
    network = BandNetwork(extractor=ExtractorNetwork(pointwise=512), hidden=(512,))
    found = next(box for box in boxes(layers_of(network, (3, 64, 64)), names) if box.name == "pointwise")
    assert (found.shape, found.kind) == ("512 x 2 x 2", "convolution")
    assert found.weights == 512 * 512 + 512 + 2 * 512


def test_the_first_pattern_that_fits_names_a_block(classifier):
    found = boxes(classifier, {r"extractor\.backbone\.layer1": "first", r"extractor\.backbone\.(\w+)": r"\1"})
    assert [box.name for box in found][:5] == ["conv1", "maxpool", "first", "layer2", "layer3"]


def test_blocks_stand_where_they_should(axes):
    row = [Box("in", "3 x 64 x 64", 0, "input"), Box("conv", "8 x 32 x 32", 1234, "convolution"),
           Box("out", "1", 9, "fully connected")]  # fmt: skip
    assert draw_boxes(axes, row, 2.0, -1.0, 1.5) == 5.0
    sheets = [patch for patch in axes.patches if hasattr(patch, "get_width")]
    assert len(sheets) == 1 + round(1.585) + 1 + 3 + 1  # logarithms of 3 and 8, and a vector
    words = [text.get_text() for text in axes.texts]
    assert "conv\n1,234" in words
    assert "in" in words
    assert "3\u200a×\u200a64²" in words
    largest = max(sheets, key=lambda sheet: sheet.get_height())
    assert largest.get_width() == pytest.approx(largest.get_height())  # of 64 x 64 pixels
    spans = pd.DataFrame([(s.get_x(), s.get_x() + s.get_width()) for s in sheets])
    for centre in (2.0, 3.5, 5.0):
        mine = spans[(spans[0] - centre).abs() < 0.7]
        assert (mine[0].min() + mine[1].max()) / 2 == pytest.approx(centre)


def test_shapes_that_are_no_squares_are_written_out(axes):
    draw_boxes(axes, [Box("a", "16 x 510 x 3", 0, "convolution"), Box("b", "1 x 1", 0, "convolution")], 0, 0)
    words = {text.get_text().replace("\u200a", "") for text in axes.texts}
    assert {"16×510×3", "1×1"} <= words


def test_a_classifier_is_drawn_with_what_its_parts_weigh(classifier, axes):
    assert draw_classifier(axes, classifier, 64, "shared extractor") == (7, 10.0)  # the image is at 0
    words = [text.get_text() for text in axes.texts]
    assert "shared extractor, 11,176,512 weights" in words
    assert "band head, 1,316,357 weights" in words
    assert "ugriz" in words
    assert "residual\nblocks 4\n8,393,728" in words
    assert count_words(classifier) == "12,492,869 weights"


def test_other_backbones_have_names_too():
    layers = layers_of(BandNetwork(extractor=ExtractorNetwork(backbone="mobilenet_v3_small")), (3, 64, 64))
    found = boxes(layers, LAYER_NAMES)
    assert [box.name for box in found[:2]] == ["features", "average\npool"]


def test_lines_brackets_and_limits(axes):
    connect(axes, [(0, 0), (1, 0), (1, 1)])
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [1, 0]]
    assert axes.texts[-1].xy == (1, 1)  # the arrow's head
    bracket(axes, 1, 3, 0.5, "extractor")
    assert axes.texts[-1].get_position()[0] == 2
    finish(axes, -1, 4, -2, 2)
    assert axes.get_xlim() == (-1, 4)
    assert axes.get_ylim() == (-2, 2)
    assert not axes.axison


def test_any_network_is_drawn_layer_by_layer():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2304, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    figure, axes = plt.subplots()
    draw_own(axes, describe_layers(network, (48, 48)), (48, 48), "(b) CNN2D")
    told = [text.get_text() for text in axes.texts]
    assert axes.get_title(loc="left") == f"(b) CNN2D: a network of one's own, {2305 * 8 + 9:,} weights"
    assert {"input", "1\n18,440", "3\n9"} <= set(told)
    plt.close(figure)
