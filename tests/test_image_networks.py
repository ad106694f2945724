"""Networks on images against the papers' tables and torchvision's own models."""

from __future__ import annotations

import math
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from torchvision import models

from clustermass.config.image_networks import (
    LIANG_BANDS,
    LIANG_RICHNESS,
    LIN_BANDS,
    LIN_MASS,
    BandNetwork,
    BaselineNetwork,
    ExtractorNetwork,
    ImageRegressorNetwork,
    RegressorNetwork,
)
from clustermass.config.training import Training
from clustermass.files import sha256
from clustermass.networks import build, weights
from clustermass.networks.describe import describe_layers, describe_regressor
from clustermass.networks.heads import FeatureRegressor
from clustermass.networks.image import Extractor, GlobalAveragePooling, backbone
from clustermass.networks.weights import WeightsError, initialise, weights_note
from clustermass.training.device import prepared
from clustermass.training.losses import cross_entropy
from clustermass.training.trainer import Samples, network_outputs, train, trained

SMALL = ExtractorNetwork(backbone="squeezenet1_1", pointwise=12)
SLOW = ("convnext_tiny", "densenet121", "shufflenet_v2_x0_5", "swin_t", "vgg11_bn")
REGRESSOR = RegressorNetwork(features=12, hidden=(6,))
PRINTED = RegressorNetwork(redshift=False, pad_bands=True)
TABLE_1 = [
    ("2D Conv 1", "1 x 1", "1 x 512 x 5"),
    ("BN", "", "1 x 512 x 5"),
    ("ReLU", "", "1 x 512 x 5"),
    ("2D Conv 2", "3 x 3", "16 x 510 x 3"),
    ("BN", "", "16 x 510 x 3"),
    ("ReLU", "", "16 x 510 x 3"),
    ("2D Conv 3", "3 x 3", "64 x 508 x 1"),
    ("BN", "", "64 x 508 x 1"),
    ("ReLU", "", "64 x 508 x 1"),
    ("1D Conv", "1", "1 x 1"),
    ("BN", "", "1 x 1"),
    ("ReLU", "", "1 x 1"),
    ("FC 1", "", "1024"),
    ("FC 2", "", "512"),
    ("FC 3", "", "1"),
]


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        yield


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def by_shape(settings) -> nn.Module:
    """Return a network without memory for its weights."""
    with torch.device("meta"):
        return build(settings)


# ---------------------------------------------------------------- shapes and counts


def test_regressor_is_table_1_of_lin():
    layers = describe_regressor(LIN_MASS)
    published = layers[~((layers["layer"] == "ReLU") & ~layers["output_size"].str.contains("x"))]  # not after FC
    assert list(published[["layer", "kernel", "output_size"]].itertuples(index=False, name=None)) == TABLE_1
    assert list(published["weights"]) == [2, 2, 0, 160, 32, 0, 9280, 128, 0, 2, 2, 0, 32513 * 1024 + 1024, 524800, 513]
    assert layers["weights"].sum() == count(by_shape(LIN_MASS)) == 33_829_257


def test_richness_branch_has_lins_shapes_or_those_printed():
    layers = describe_regressor(LIANG_RICHNESS)
    assert layers["weights"].sum() == 33_829_257 - 1024 - 4  # no redshift: neither its layers nor its weights in FC 1
    printed = describe_regressor(PRINTED)
    sizes = printed.loc[printed["layer"].str.contains("Conv"), "output_size"]
    assert list(sizes) == ["1 x 512 x 5", "16 x 510 x 5", "64 x 508 x 5"]  # Table S2
    assert printed["weights"].sum() == 9604 + (64 * 508 * 5 + 1) * 1024 + 524800 + 513 == 166_997_381


def test_extractors_and_heads_have_the_published_size():
    lin, liang = by_shape(LIN_BANDS), by_shape(LIANG_BANDS)
    head = 512 * 1024 + 1024 + 1024 * 768 + 768 + 768 * 5 + 5
    assert (count(lin.extractor), count(lin)) == (11_176_512, 11_176_512 + head)
    assert round(count(lin), -5) == 12_500_000  # published: 1.25e7
    assert count(liang.extractor) - count(lin.extractor) == 512 * 512 + 512 + 2 * 512  # 1 x 1 convolution and BN
    assert count(liang) - count(liang.extractor) == 512 * 512 + 512 + 512 * 5 + 5
    both = by_shape(BandNetwork(extractor=LIANG_BANDS.extractor, hidden=(1024, 512)))
    assert count(both) == count(lin)


def test_layers_of_a_whole_network_are_described():
    layers = describe_layers(by_shape(ImageRegressorNetwork()), (5, 64, 64), ()).set_index("layer")
    assert layers.loc["extractor.backbone.conv1", "weights"] == "64 x 3 x 7 x 7"
    assert layers.loc["extractor.pooling", "shape"] == "512"
    assert layers["parameters"].sum() == 11_176_512 + 33_829_257


def test_baseline_is_a_resnet_on_five_channels_without_redshift():
    baseline = by_shape(BaselineNetwork())
    resnet = count(models.resnet18(num_classes=1))
    assert count(baseline) == resnet + 2 * 64 * 49  # two more channels in 64 filters of 7 x 7
    assert baseline(torch.empty(3, 5, 64, 64, device="meta")).shape == (3,)
    with_redshift = by_shape(BaselineNetwork(redshift=True))
    assert count(with_redshift) == count(baseline) + 4 + 1


@pytest.mark.parametrize("features", [512, 768])
@pytest.mark.parametrize("bands", [5, 7])
def test_regressor_takes_other_numbers_of_features_and_bands(features, bands):
    regressor = by_shape(RegressorNetwork(features=features, bands=bands))
    assert regressor.hidden[0].in_features == 64 * (features - 4) * (bands - 4) + 1
    assert regressor(torch.empty(2, bands, features, device="meta"), torch.empty(2, device="meta")).shape == (2,)


@pytest.mark.parametrize("side", [48, 64, 97])
def test_images_of_any_size(side):
    network = build(BandNetwork(extractor=SMALL, hidden=(8, 7))).eval()
    assert network(torch.rand(2, 3, side, side)).shape == (2, 5)
    assert network.extractor.maps(torch.rand(1, 1, side, side)).shape[:2] == (1, 12)


# ---------------------------------------------------------------- the extractor


@pytest.mark.parametrize(
    "name", ["resnet18", "squeezenet1_1", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_backbone_is_torchvisions_up_to_its_pooling(name):
    images = torch.rand(2, 3, 64, 64)
    with torch.random.fork_rng(devices=[]):
        model = models.get_model(name).eval()
    layers = backbone(name).eval()  # from the same random numbers
    seen = []
    head = next(part for child, part in model.named_children() if child in ("avgpool", "classifier", "fc"))
    head.register_forward_hook(lambda _head, inputs, _output: seen.append(inputs[0]))
    with torch.inference_mode():
        model(images)
        maps = layers(images)
    expected = seen[0] if seen[0].dim() == 4 else seen[0][:, :, None, None]
    torch.testing.assert_close(maps if seen[0].dim() == 4 else maps.mean((2, 3), keepdim=True), expected)


def test_pooling_is_the_mean_of_a_map():
    assert GlobalAveragePooling()(torch.tensor([[[[1.0, 2], [3, 6]]]])).tolist() == [[3]]


def test_one_band_stands_for_three_channels_that_are_the_same():
    extractor = Extractor(SMALL).eval()
    band = torch.rand(2, 1, 48, 48)
    torch.testing.assert_close(extractor(band), extractor(band.repeat(1, 3, 1, 1)))


def test_each_band_of_each_cluster_is_seen_on_its_own():
    extractor = Extractor(SMALL).eval()
    images = torch.rand(2, 5, 48, 48)
    features = extractor.of_bands(images)
    assert features.shape == (2, 5, 12)
    for cluster, band in ((0, 3), (1, 0)):
        torch.testing.assert_close(features[cluster, band], extractor(images[cluster, band][None, None])[0])


def test_imagenet_scaling_is_that_of_torchvision():
    plain, scaled = (Extractor(SMALL.model_copy(update={"imagenet_scaling": on})).eval() for on in (False, True))
    scaled.load_state_dict(plain.state_dict())
    images = torch.rand(2, 3, 48, 48)
    preset = models.SqueezeNet1_1_Weights.DEFAULT.transforms()
    normalised = (images - torch.tensor(preset.mean).view(3, 1, 1)) / torch.tensor(preset.std).view(3, 1, 1)
    torch.testing.assert_close(scaled(images), plain(normalised))


def test_running_means_take_the_share_of_a_batch_that_is_asked_for():
    for momentum, expected in ((None, 0.1), (0.4, 0.4)):
        extractor = Extractor(SMALL.model_copy(update={"momentum": momentum})).train()
        seen = []
        extractor.pointwise[0].register_forward_hook(lambda _layer, _inputs, maps, seen=seen: seen.append(maps))
        extractor(torch.rand(2, 3, 48, 48))
        torch.testing.assert_close(extractor.pointwise[1].running_mean, expected * seen[0].mean((0, 2, 3)))


def step(network: nn.Module, *inputs: torch.Tensor) -> dict[str, bool]:
    """Make one step in training and return which parts of the state changed."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 0.1)
    (network(*inputs) - 1).square().mean().backward()
    optimiser.step()
    return {name: not torch.equal(value, before[name]) for name, value in network.state_dict().items()}


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_extractor_stays_and_a_joint_one_learns(frozen):
    settings = ImageRegressorNetwork(extractor=SMALL, regressor=REGRESSOR, frozen=frozen)
    changed = step(build(settings), torch.rand(4, 5, 48, 48), torch.rand(4))
    assert changed["regressor.output.weight"]
    extractors = {name: change for name, change in changed.items() if name.startswith("extractor.")}
    assert "extractor.pointwise.1.running_mean" in extractors  # batch normalisation too
    if frozen:
        assert not any(extractors.values())
    else:
        assert extractors["extractor.pointwise.1.running_mean"]
        assert extractors["extractor.backbone.features.0.weight"]


def test_stored_features_give_what_images_give():
    network = build(ImageRegressorNetwork(extractor=SMALL, regressor=REGRESSOR)).eval()
    images, redshift = torch.rand(3, 5, 48, 48), torch.tensor([0.1, 0.3, 0.5])
    torch.testing.assert_close(
        network(images, redshift), network.regressor(network.extractor.of_bands(images), redshift)
    )


def test_redshift_moves_the_output():
    regressor = FeatureRegressor(REGRESSOR).eval()
    nn.init.ones_(regressor.redshift.convolution.weight)
    features = torch.rand(1, 5, 12).expand(2, -1, -1)
    low, high = regressor(features, torch.tensor([0.1, 0.9]))
    assert low != high
    nn.init.zeros_(regressor.redshift.convolution.weight)  # the network may decide not to take it into account
    low, high = regressor(features, torch.tensor([0.1, 0.9]))
    assert low == high


def test_linear_hidden_layers_are_one_linear_map():
    regressor = FeatureRegressor(RegressorNetwork(features=12, hidden=(6, 4), activation="linear"))
    assert [type(layer) for layer in regressor.hidden] == [nn.Linear, nn.Linear]


def test_bfloat16_gives_nearly_the_same():
    network = build(BandNetwork(extractor=ExtractorNetwork(), hidden=(8,))).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = network(images)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.allclose(network(images).float(), expected, atol=0.05)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"weights": "file"}, "expected a path with weights: file"),
        ({"file": "resnet18.pth"}, "expected a path with weights: file"),
        ({"weights": "imagenet", "channels": 5}, "ImageNet has 3, got 5"),
        ({"weights": "file", "file": "a.pth", "sha256": "abc"}, "sha256"),
    ],
)
def test_settings_that_contradict_themselves(settings, wanted):
    with pytest.raises(ValidationError, match=wanted):
        ExtractorNetwork(**settings)


@pytest.mark.parametrize(("name", "wanted"), [("resnet", "e.g. resnet"), ("vit_b_16", "makes maps and pools them")])
def test_unknown_backbones_are_refused(name, wanted):
    with torch.device("meta"), pytest.raises(ValueError, match=wanted):
        backbone(name)


def test_regressors_that_leave_nothing_are_refused():
    with pytest.raises(ValidationError, match=r"leave nothing of 512 features x 3 bands"):
        RegressorNetwork(bands=3)
    with pytest.raises(ValidationError, match="odd"):
        RegressorNetwork(widths=(1, 2, 3))
    with pytest.raises(ValueError, match=r"features: expected 12.* got 512"):
        build(ImageRegressorNetwork(extractor=SMALL))


def test_inputs_of_another_shape_are_refused():
    extractor, regressor = Extractor(SMALL), FeatureRegressor(REGRESSOR).eval()
    for wrong in (torch.rand(2, 5, 48, 48), torch.rand(2, 48, 48)):
        with pytest.raises(ValueError, match=r"images: expected the shape \(n, 3, h, w\)"):
            extractor(wrong)
    with pytest.raises(ValueError, match=r"\(n, 5, h, w\), got \(2, 1, 48, 48\)"):
        by_shape(BaselineNetwork())(torch.empty(2, 1, 48, 48, device="meta"))
    with pytest.raises(ValueError, match=r"features: expected the shape \(n, 5, 12\)"):
        regressor(torch.rand(2, 12, 5), torch.rand(2))
    with pytest.raises(ValueError, match=r"redshift: expected the shape \(2,\), one a cluster, got none"):
        regressor(torch.rand(2, 5, 12))
    with pytest.raises(ValueError, match=r"got the shape \(3,\)"):
        regressor(torch.rand(2, 5, 12), torch.rand(3))
    with pytest.raises(ValueError, match="takes none"):
        FeatureRegressor(REGRESSOR.model_copy(update={"redshift": False}))(torch.rand(2, 5, 12), torch.rand(2))


# ---------------------------------------------------------------- weights


@pytest.fixture
def published(tmp_path) -> Path:
    """Return a file as torchvision publishes them: all layers of the classifier, the head as well."""
    aside = tmp_path / "aside.pth"
    torch.save(models.squeezenet1_1().state_dict(), aside)
    return aside.rename(tmp_path / f"squeezenet1_1-{sha256(aside)[:8]}.pth")


def from_file(path: Path, **others: object) -> ExtractorNetwork:
    return SMALL.model_copy(update={"weights": "file", "file": str(path), **others})


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_of_a_file(published, suffix):
    state = torch.load(published, weights_only=True)
    path = published.with_suffix(suffix)
    if suffix == ".safetensors":
        save_file(state, path)
    settings = from_file(path, sha256=sha256(path))
    extractor = initialise(Extractor(settings))
    for name, value in extractor.backbone.state_dict().items():
        assert torch.equal(value, state[name])
    assert weights_note(settings) == f"squeezenet1_1 from the file {path.name} (sha256 {sha256(path)[:12]})"


def test_random_weights_come_from_torchs_generator_and_say_so():
    first, second = (initialise(Extractor(SMALL)) for _ in range(2))
    torch.manual_seed(1)
    again = initialise(Extractor(SMALL))
    name = "backbone.features.0.weight"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], second.state_dict()[name])
    assert weights_note(SMALL) == "squeezenet1_1 from random weights, not from ImageNet"


def test_imagenet_weights_are_downloaded_once_and_checked(published, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(weights, "_address", lambda _settings: published.as_uri())
    settings = SMALL.model_copy(update={"weights": "imagenet"})
    extractor = initialise(Extractor(settings))
    state = torch.load(published, weights_only=True)
    assert torch.equal(extractor.backbone.state_dict()["features.0.weight"], state["features.0.weight"])
    assert weights_note(settings) == f"squeezenet1_1 from ImageNet ({published.name})"
    staged = tmp_path / "home/hub/checkpoints" / published.name
    published.unlink()
    initialise(extractor)  # from the staged file
    staged.write_bytes(staged.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match=r"expected the SHA-256 checksum \w{8}, got"):
        initialise(extractor)


def test_imagenet_weights_that_cannot_be_had(tmp_path, monkeypatch):
    def offline(*_arguments: object, **_options: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    settings = ExtractorNetwork(weights="imagenet")
    assert weights_note(settings) == "resnet18 from ImageNet (resnet18-f37072fd.pth)"
    with pytest.raises(WeightsError, match=r"no route to host.*Save it elsewhere as .*resnet18-f37072fd.pth, or"):
        initialise(Extractor(settings))


def test_weights_of_another_architecture(published, tmp_path):
    state = torch.load(published, weights_only=True)
    with pytest.raises(
        WeightsError, match=r"the weights of resnet18, got a file that differs in \d+ tensors: no conv1"
    ):
        initialise(Extractor(from_file(published, backbone="resnet18", pointwise=None)))
    changes = {
        r"features.0.weight \(64, 5, 3, 3\), not \(64, 3, 3, 3\)": {"features.0.weight": torch.zeros(64, 5, 3, 3)},
        "features.99.weight unknown": {"features.99.weight": torch.zeros(1)},
        "features.0.bias not finite": {"features.0.bias": torch.full((64,), math.nan)},
    }
    for message, change in changes.items():
        path = tmp_path / "changed.safetensors"
        save_file(state | change, path)
        with pytest.raises(WeightsError, match=rf"differs in 1 tensors: {message}"):
            initialise(Extractor(from_file(path)))


def test_old_files_without_counters_of_batches(tmp_path):
    state = {n: v for n, v in models.resnet18().state_dict().items() if not n.endswith("num_batches_tracked")}
    save_file(state, tmp_path / "old.safetensors")
    settings = ExtractorNetwork(weights="file", file=str(tmp_path / "old.safetensors"))
    assert torch.equal(initialise(Extractor(settings)).backbone.state_dict()["conv1.weight"], state["conv1.weight"])


class Executed:
    """What a tampered file would run on being read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_files_that_are_no_weights(published, tmp_path):
    path = tmp_path / "wrong.pth"
    with pytest.raises(WeightsError, match="got no file"):
        initialise(Extractor(from_file(path)))
    with pytest.raises(WeightsError, match="got no file"):
        weights_note(from_file(path))
    torch.save({"conv1.weight": Executed(tmp_path / "executed")}, path)
    with pytest.raises(WeightsError, match="expected a file of weights"):
        initialise(Extractor(from_file(path)))
    assert not (tmp_path / "executed").exists()
    torch.save([1, 2], path)
    with pytest.raises(WeightsError, match=r"expected tensors by name, .* got list"):
        initialise(Extractor(from_file(path)))
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="expected a file of weights"):
        initialise(Extractor(from_file(path)))
    (tmp_path / "wrong.safetensors").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="expected a file of weights"):
        initialise(Extractor(from_file(tmp_path / "wrong.safetensors")))
    with pytest.raises(WeightsError, match="expected the SHA-256 checksum 0000"):
        initialise(Extractor(from_file(published, sha256="0" * 64)))


# ---------------------------------------------------------------- training


def test_a_band_classifier_learns_by_the_trainer():
    bands = np.arange(48) % 2
    images = np.random.default_rng(1).random((48, 1, 32, 32), dtype=np.float32)
    images[bands == 1] = functional.avg_pool2d(torch.from_numpy(images[bands == 1]), 5, 1, 2)  # another texture
    extractor = SMALL.model_copy(update={"momentum": 0.5})  # 24 steps
    network = BandNetwork(extractor=extractor, hidden=(16,), classes=2)
    settings = Training(epochs=6, batch=8, learning_rate=3e-3, max_norm=None, labels="raw")
    state = train(network, settings, Samples(images[:32], bands[:32].astype(float)), None, 1)
    logits = network_outputs(trained(network, state), images[32:], 16, settings)
    assert (logits.argmax(1) == bands[32:]).mean() > 0.9


@pytest.mark.gpu
def test_steps_on_a_gpu_repeat_and_agree_with_the_cpu():
    images, labels = torch.rand(8, 3, 64, 64), torch.arange(8) % 5

    def gradient(name: str) -> torch.Tensor:
        torch.manual_seed(1)
        network = build(BandNetwork(hidden=(16,))).train()
        with prepared(name, 1) as device:
            network.to(device)
            cross_entropy(network(images.to(device)), labels.to(device)).backward()
        return network.extractor.backbone.conv1.weight.grad.cpu()

    first, second, on_cpu = gradient("cuda"), gradient("cuda"), gradient("cpu")
    assert torch.equal(first, second)
    assert float((first - on_cpu).norm() / on_cpu.norm()) < 0.05
