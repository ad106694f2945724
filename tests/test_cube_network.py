"""CNN3D against numbers and values worked out otherwise; its fast path against plain layers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import CubeNetwork
from clustermass.config.training import CNN3D_TRAINING
from clustermass.kde3d import Cubes
from clustermass.networks import build
from clustermass.networks.cube import CubeConvolution, CubePooling
from clustermass.networks.describe import describe_layers
from clustermass.networks.pooled import pooled_convolution
from clustermass.training.folds import Fold, train_folds
from clustermass.training.trainer import Samples, predict_log10_mass, train, trained

TEXT = {"widths": (5, 5, 5), "pool": "valid"}


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        yield


@pytest.mark.parametrize(
    ("settings", "shapes", "total"),
    [
        (
            CubeNetwork(voxels=50),
            ["46 x 46 x 46 x 12", "23", "21 x 21 x 21 x 8", "11", "11 x 11 x 11 x 4", "6"],
            123189,
        ),
        (CubeNetwork(voxels=32), ["28 x 28 x 28 x 12", "14", "12 x 12 x 12 x 8", "6", "6 x 6 x 6 x 4", "3"], 26421),
        (CubeNetwork(voxels=24), ["20 x 20 x 20 x 12", "10", "8 x 8 x 8 x 8", "4", "4 x 4 x 4 x 4", "2"], 16693),
        (
            CubeNetwork(voxels=50, **TEXT),
            ["46 x 46 x 46 x 12", "23", "19 x 19 x 19 x 8", "9", "5 x 5 x 5 x 4", "2"],
            30069,
        ),
    ],
)
def test_layers_are_those_of_figure_3(settings, shapes, total):
    network = build(settings)
    layers = describe_layers(network, (settings.voxels,) * 3)
    assert layers["parameters"].sum() == total  # 123,189: Keras' count of the published code
    stages = layers[layers["kind"].isin(["CubeConvolution", "CubePooling"])]["shape"].tolist()
    assert [
        stage if "x" in shape else stage.split(" ")[0] for stage, shape in zip(stages, shapes, strict=True)
    ] == shapes
    assert layers["layer"].iloc[-1] == "output"
    assert layers[layers["kind"] == "Dense"]["shape"].tolist() == ["128", "64", "1"]
    assert all(not layer.bias.any() for layer in network.modules() if isinstance(layer, CubeConvolution))
    limit = np.sqrt(6 / (125 * (1 + 12)))  # Glorot and Bengio (2010), Eq. 16, as Keras has it for convolutions
    assert 0.99 * limit < float(network.convolutions[0].weight.detach().abs().max()) <= limit


@pytest.mark.parametrize(
    ("voxels", "changes", "needed"),
    [(35, TEXT, 36), (24, {"widths": (5, 5, 5)}, 29), (16, {"widths": (9, 5, 1)}, 17)],
)
def test_kernels_that_leave_nothing_of_the_cube_are_refused(voxels, changes, needed):
    with pytest.raises(ValidationError, match=rf"voxels: {voxels} are too few: .* need {needed}"):
        CubeNetwork(voxels=voxels, **changes)
    assert build(CubeNetwork(voxels=needed, **changes)).eval()(torch.zeros(2, needed, needed, needed)).shape == (2,)


def test_convolution_against_its_sum():
    layer, x = CubeConvolution(2, 3, 2), torch.randn(2, 4, 5, 3, 2)
    torch.nn.init.normal_(layer.bias)
    expected = layer.bias.expand(2, 3, 4, 2, 3).clone()
    for v, a, b in np.ndindex(2, 2, 2):
        expected += x[:, v : v + 3, a : a + 4, b : b + 2] @ layer.weight[:, :, v, a, b].T
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("partial", [True, False])
def test_pooling_takes_the_largest_of_eight(partial):
    x = torch.randn(2, 5, 4, 7, 3)
    layer = CubePooling(partial)
    reach = [slice(0, (side + partial) // 2) for side in (5, 4, 7)]
    expected = torch.empty(2, *(part.stop for part in reach), 3)
    for v, a, b in np.ndindex(*(part.stop for part in reach)):
        block = x[:, 2 * v : 2 * v + 2, 2 * a : 2 * a + 2, 2 * b : 2 * b + 2]
        expected[:, v, a, b] = block.flatten(1, 3).max(1).values
    assert torch.equal(layer(x), expected)
    assert torch.equal(layer.by_maxima(x), expected)


@pytest.mark.parametrize(
    ("shape", "width", "partial"), [((9, 8, 11), 5, True), ((9, 8, 11), 4, False), ((6, 6, 6), 1, True)]
)
def test_the_fast_first_layers_are_the_plain_ones(shape, width, partial):
    x = torch.randn(3, *shape)
    weight, bias = torch.randn(4, 1, width, width, width) / width**1.5, torch.randn(4) - 1
    leaves = [weight.requires_grad_(), bias.requires_grad_()]
    convolved = functional.conv3d(x.unsqueeze(1), weight, bias)
    plain = functional.relu(functional.max_pool3d(convolved, 2, ceil_mode=partial)).permute(0, 2, 3, 4, 1)
    fast = pooled_convolution(x, weight, bias, partial)
    torch.testing.assert_close(fast, plain)
    assert 0.02 < float((fast == 0).float().mean()) < 0.98
    weights = torch.randn_like(plain)
    for found, expected in zip(
        torch.autograd.grad(fast, leaves, weights), torch.autograd.grad(plain, leaves, weights), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        half = pooled_convolution(x, weight, bias, partial)
        rough = torch.autograd.grad(half, leaves, weights.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), plain, rtol=0.02, atol=0.05)
    spread = float(
        (rough[0] - torch.autograd.grad(plain := pooled_convolution(x, *leaves, partial), leaves, weights)[0]).std()
    )
    assert spread < 0.15 * float(rough[0].std())


def test_a_network_gives_the_same_in_training_and_after():
    network, x = build(CubeNetwork(voxels=17, input_scale=3.0)), torch.rand(5, 17, 17, 17)
    torch.testing.assert_close(network.train()(x), network.eval()(x))
    with torch.inference_mode():
        torch.testing.assert_close(network(x), network.train()(x))
    plain = build(CubeNetwork(voxels=17, input_scale=1.0)).eval()
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close(plain(3 * x), network(x))
    dropped = build(CubeNetwork(voxels=17, dropout=0.5))
    assert not torch.equal(dropped.train()(x), dropped(x))
    with pytest.raises(ValueError, match=r"expected the shape \(n, 17, 17, 17\), got"):
        network(x[:, :16])


def mock(number, seed):
    """Return galaxies of clusters whose dispersion [km/s] is 400 x 10^((log10 M - 14) / 3)."""
    rng = np.random.default_rng(seed)
    log10_mass = rng.uniform(13.7, 15.0, number)
    start = np.arange(number + 1) * 40
    sigma = np.repeat(400 * 10 ** ((log10_mass - 14) / 3), 40)
    x, y = rng.normal(0, 0.6, (2, len(sigma)))
    return (rng.normal(0, sigma), x, y, start), log10_mass


SMALL = CubeNetwork(voxels=16, filters=(4, 4, 2), dense=(16, 8))
QUICK = CNN3D_TRAINING.model_copy(
    update={"epochs": 12, "batch": 20, "learning_rate": 6e-3, "patience": None, "views": 1}
)


@pytest.fixture(scope="module")
def samples():
    galaxies, log10_mass = mock(500, 3)
    return Samples(Cubes(*galaxies, 2.0, 2200.0, 16, Kde3d()), log10_mass)


def test_masses_are_learnt_from_cubes_made_by_workers(samples):
    assert pickle.loads(pickle.dumps(samples.inputs))(torch.tensor([3, 1])).shape == (2, 16, 16, 16)
    rows = np.arange(500)
    fold = Fold(0, rows[:350], rows[350:400])
    (model,) = train_folds(SMALL, QUICK, samples, [fold], np.random.default_rng(1), 1, say=lambda _: None)
    predicted = predict_log10_mass(model, samples.inputs, 500, QUICK)
    error = (predicted - samples.log10_mass)[400:]
    assert np.std(error) < 0.7 * np.std(samples.log10_mass)
    last = model.curves.iloc[-1]
    in_dex = np.mean((predicted - samples.log10_mass)[350:400] ** 2)
    assert last["validation_loss"] * last["label_unit"] ** 2 == pytest.approx(in_dex, rel=1e-3)


@pytest.mark.gpu
def test_gpu_repeats_itself_and_agrees_with_the_cpu(samples):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")
    settings = QUICK.model_copy(update={"device": "cuda"})
    one, other = (train(SMALL, settings, samples, None, 5) for _ in range(2))
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    on_cpu = train(SMALL, QUICK, samples, None, 5)
    assert one.curves[-1]["train_loss"] < 1.3 * on_cpu.curves[-1]["train_loss"]
    model, exact = trained(SMALL, on_cpu), {"precision": "float32"}
    predicted = [predict_log10_mass(model, samples.inputs, 500, s.model_copy(update=exact)) for s in (QUICK, settings)]
    assert predicted[1] == pytest.approx(predicted[0], abs=1e-3)
