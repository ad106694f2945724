"""Attribution: against closed forms, brute force and captum's numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from clustermass.attribution.cam import activation_maps, class_activation
from clustermass.attribution.gradients import integrated_gradients
from clustermass.attribution.grid import CellGrid, deproject, trace_grid
from clustermass.attribution.marks import mark_contrast, near_marks
from clustermass.attribution.occlusion import occlusion_maps
from clustermass.attribution.outputs import evaluating
from clustermass.config.attribution import Attribution, IntegratedGradients, Occlusion

IG = IntegratedGradients()
# captum 0.9.0, not among the requirements (pip install captum), in float64: IntegratedGradients(small_classifier())
# .attribute(x, zeros, target=[0, 2], n_steps=2000, method="gausslegendre").sum(1)[:, ::3, ::2] for the x of the test
CAPTUM = [
    [[-0.064548, -0.107141, 0.000839], [0.074084, -0.091848, -0.029344]],
    [[0.015482, 0.154974, 0.088864], [-0.200582, -0.034381, -0.153692]],
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep to one thread: for tensors this small, waiting for others takes longer than computing."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def waves(module: nn.Module) -> nn.Module:
    """Set weights that do not depend on any generator."""
    with torch.no_grad():
        for parameter in module.parameters():
            count = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.copy_((torch.sin(1 + 1.7 * count) * 0.6).reshape(parameter.shape))
    return module.eval()


def small_classifier() -> nn.Module:
    return waves(
        nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 3), nn.Softplus(), nn.Flatten(), nn.Linear(32, 3)
        )
    )


def test_integrated_gradients_of_polynomials_are_exact() -> None:
    x = torch.tensor([[2.0, 3.0, -1.0], [0.5, -4.0, 1.0]])
    two = IntegratedGradients(steps=2)
    # F = x0 x1 + 5 x2^2 - x2 + 7 from zero: halves of the product each; the constant belongs to nothing
    found = integrated_gradients(lambda x: x[:, 0] * x[:, 1] + 5 * x[:, 2] ** 2 - x[:, 2] + 7, x, two)
    torch.testing.assert_close(found.values, torch.tensor([[3.0, 3.0, 6.0], [-1.0, -1.0, 4.0]]))
    assert found.outputs.tolist() == pytest.approx([19.0, 9.0])
    assert found.baseline_outputs.tolist() == pytest.approx([7.0, 7.0])
    assert found.error.max() < 1e-6
    assert found.complete.all()
    assert found.steps.tolist() == [2, 2]
    torch.testing.assert_close(found.gradients[0], torch.tensor([1.5, 1.0, -6.0]))
    # F = x0 x1 from (1, 2): (x0 - 1) (2 + (x1 - 2) / 2), (x1 - 2) (1 + (x0 - 1) / 2)
    found = integrated_gradients(
        lambda x: x[:, :1] * x[:, 1:], torch.tensor([[4.0, 6.0]]), two, baseline=torch.tensor([1.0, 2.0])
    )
    torch.testing.assert_close(found.values, torch.tensor([[12.0, 10.0]]))
    # x0 x1 x2: thirds
    found = integrated_gradients(lambda x: x.prod(1), x[:1], two)
    torch.testing.assert_close(found.values, torch.full((1, 3), -2.0))


def test_steps_are_doubled_until_attributions_are_complete() -> None:
    # F = relu(w x - c) from zero: w_i x_i (1 - c / w x); its gradient jumps at c / w x of the path
    w, x = torch.tensor([1.0, 2.0]), torch.tensor([[0.3, 0.4], [0.6, 0.5], [3.0, 0.0]])
    settings = IntegratedGradients(steps=2, most_steps=4096, tolerance=1e-3)
    found = integrated_gradients(lambda x: torch.relu(x @ w - 1), x, settings)
    torch.testing.assert_close(found.values, w * x * (1 - 1 / (x @ w)[:, None]), rtol=2e-3, atol=0)
    assert found.complete.all()
    assert found.error.max() <= 1e-3
    assert found.steps.max() > found.steps.min() >= 2
    coarse = integrated_gradients(lambda x: torch.relu(x @ w - 1), x, IntegratedGradients(steps=2, most_steps=3))
    assert coarse.steps.tolist() == [2, 2, 2]
    assert not coarse.complete.all()
    assert coarse.error[~coarse.complete].min() > 0.01
    # A jump of the output is in no gradient: 1 of the 3 at the end of the path is missing, however fine it is.
    found = integrated_gradients(lambda x: 2 * x[:, 0] + (x[:, 0] > 0.5), torch.ones(1, 1), IG)
    assert found.error.item() == pytest.approx(1 / 3)
    assert found.steps.item() == IG.most_steps
    assert not found.complete.any()


def test_an_input_like_its_baseline_is_complete() -> None:
    found = integrated_gradients(lambda x: torch.relu(x).sum(1), torch.zeros(2, 4), IG)
    assert found.complete.all()
    assert not found.values.any()


def test_integrated_gradients_of_a_network_agree_with_captum() -> None:
    x = torch.sin(torch.arange(2 * 2 * 6 * 6, dtype=torch.float64)).reshape(2, 2, 6, 6) ** 2
    expected = torch.tensor(CAPTUM, dtype=torch.float64)
    network, targets = small_classifier().double(), torch.tensor([0, 2])
    found = integrated_gradients(network, x, IG, targets=targets)
    torch.testing.assert_close(found.values.sum(1)[:, ::3, ::2], expected, rtol=0, atol=1e-6)
    single = integrated_gradients(network.float(), x.float(), IG, targets=targets)
    torch.testing.assert_close(single.values, found.values.float())


def test_batches_do_not_matter_and_what_is_fixed_stays() -> None:
    x, redshift = random(5, 3), random(5, seed=2)

    def network(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, 0] * z, torch.exp(x[:, 1] * z)], 1)

    targets = torch.tensor([0, 1, 1, 0, 1])
    one, many = (
        integrated_gradients(network, x, IntegratedGradients(batch=b), fixed=[redshift], targets=targets)
        for b in (1, 1000)
    )
    torch.testing.assert_close(one.values, many.values)
    expected = torch.zeros(5, 3)
    for i, target in enumerate(targets):
        expected[i, target] = x[i, 0] * redshift[i] if target == 0 else torch.expm1(x[i, 1] * redshift[i])
    torch.testing.assert_close(one.values, expected)


def test_networks_are_evaluated_as_they_are_used_and_left_as_they_were() -> None:
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    network.train()
    network[1].eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    x = random(3, 1, 2, 2)
    first, second = (integrated_gradients(network, x, IG).values for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    with torch.no_grad():  # gradients are taken wherever the caller is
        torch.testing.assert_close(first, integrated_gradients(network, x, IG).values, rtol=0, atol=0)
    assert [part.training for part in network] == [True, False, True, True]
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    with evaluating(network.forward):
        assert not any(part.training for part in network.modules())
    with pytest.raises(ValueError, match="expected one for each"):
        integrated_gradients(network[0], x, IG)
    assert network.training
    with pytest.raises(ValueError, match="expected one for each"):
        integrated_gradients(network[:3], x, IG)
    assert network[2].training


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        (lambda x: x, {}, "expected one for each of 2 samples"),
        (lambda x: x.sum(1), {"targets": torch.tensor([0, 1])}, "expected \\(2, classes\\)"),
        (lambda x: x, {"targets": torch.tensor([0, 3])}, "from 0 to 2, got \\[0, 3\\]"),
        (lambda x: x, {"targets": torch.tensor([0])}, "targets: expected 2 numbers"),
        (lambda x: x.sum(1) / 0, {}, "finite values of the network"),
        (lambda x: x.sum(1), {"inputs": torch.full((2, 3), math.nan)}, "finite floats"),
        (lambda x: x.sum(1), {"inputs": torch.ones(2, 3, dtype=torch.long)}, "finite floats"),
        (lambda x: x.sum(1), {"inputs": torch.ones(0, 3)}, "finite floats"),
        (lambda x, z: x.sum(1), {"fixed": [torch.ones(3)]}, "fixed: expected 2"),
    ],
)
def test_inputs_and_outputs_that_do_not_fit_are_refused(network: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        integrated_gradients(network, settings=IG, **{"inputs": torch.ones(2, 3), **changes})


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="most_steps"):
        IntegratedGradients(steps=64, most_steps=32)
    with pytest.raises(ValidationError, match="odd number"):
        Occlusion(patch=8)


def test_cells_lie_where_they_look() -> None:
    # With equal weights a cell's gradient is symmetric about what it looks at.
    layers = nn.Sequential(
        nn.Conv2d(3, 2, 7, 2, 3), nn.AvgPool2d(3, 2, 1), nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 2, 2, 2)
    )
    for parameter in layers.parameters():
        nn.init.ones_(parameter)
    image = torch.ones(1, 3, 128, 96, requires_grad=True)
    grid = trace_grid(layers, 128, 96)
    assert grid.step == 8
    for cell in (6, 7):
        (slopes,) = torch.autograd.grad(layers(image)[0, :, cell, 5].sum(), image)
        light = slopes.sum((0, 1)).double()
        for axis, place in ((1, cell), (0, 5)):
            profile = light.sum(axis)
            centre = (profile * torch.arange(len(profile))).sum() / profile.sum()
            assert centre.item() == pytest.approx(grid.first + grid.step * place)
    dilated = nn.Sequential(nn.Conv2d(3, 1, 3, 2, dilation=2), nn.MaxPool2d(2))
    assert trace_grid(dilated, 32, 32) == CellGrid(4, 3.0)  # 2 + 2 (1 / 2)
    with pytest.raises(ValueError, match="cells of something else"):
        trace_grid(nn.Sequential(nn.Conv2d(3, 1, 3, 2), nn.Upsample(scale_factor=2)), 32, 32)
    with pytest.raises(ValueError, match="square windows"):
        trace_grid(nn.Conv2d(3, 1, (3, 1), 2), 32, 32)


def test_maps_of_cells_are_linear_between_their_centres() -> None:
    cells = random(2, 3, 4)
    pixels = deproject(cells, 40, 50, CellGrid(8.0, 4.0))
    torch.testing.assert_close(pixels[:, 4:29:8, 4:29:8][:, :3], cells)
    torch.testing.assert_close(pixels[:, 8, 4], cells[:, :2, 0].mean(1))
    torch.testing.assert_close(pixels[:, 0, 49], cells[:, 0, 3])  # constant outside
    tiled = CellGrid(8.0, 3.5)  # cells that tile the image: as torch's interpolation
    torch.testing.assert_close(
        deproject(cells, 24, 32, tiled),
        nn.functional.interpolate(cells[None], size=(24, 32), mode="bilinear", align_corners=False)[0],
    )


class Extractor(nn.Module):
    """Features in the manner of a residual network, with a method that returns its maps."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


class Regressor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(30, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, features: torch.Tensor, redshift: torch.Tensor) -> torch.Tensor:
        return self.layers(features) * redshift[:, None]


def test_activation_maps_are_features_weighted_by_their_integrated_gradients() -> None:
    images, redshift = random(3, 5, 8, 8), random(3, seed=4)
    extractor, regressor = waves(Extractor()), waves(Regressor())
    found = activation_maps(extractor.maps, regressor, images, Attribution(), fixed=[redshift])
    features = torch.stack([extractor.maps(images[:, band, None].repeat(1, 3, 1, 1)) for band in range(5)], 1)
    vectors = features.mean((-2, -1)).detach()
    values = integrated_gradients(regressor, vectors, IG, fixed=[redshift]).values
    expected = torch.zeros(3, 5, 4, 4)
    for channel in range(6):
        expected += values[:, :, channel, None, None] * features[:, :, channel]
    torch.testing.assert_close(found.cells, expected)
    torch.testing.assert_close(found.features.values, values)
    assert found.maps.shape == images.shape
    torch.testing.assert_close(found.maps[..., ::2, ::2], found.cells)  # padding puts cells on pixels 0, 2, 4, 6
    torch.testing.assert_close(class_activation(features, values), expected)


def test_cells_of_mean_gradients_sum_to_the_difference_of_the_output() -> None:
    images, redshift = random(3, 5, 8, 8), random(3, seed=4)
    extractor, regressor = waves(Extractor()), waves(Regressor())
    settings = Attribution(cam_weights="gradients")
    found = activation_maps(extractor.maps, regressor, images, settings, fixed=[redshift])
    difference = found.features.outputs - found.features.baseline_outputs
    torch.testing.assert_close(found.cells.sum((1, 2, 3)).double(), difference, rtol=0.01, atol=0)
    # With an extractor that changes nothing, they are the integrated gradients of the pixels themselves.
    copies = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.dirac_(copies.weight)
    head = waves(nn.Sequential(nn.Flatten(), nn.Linear(15, 8), nn.Tanh(), nn.Linear(8, 1)))
    found = activation_maps(copies, head, images, settings)
    pixels = integrated_gradients(lambda x: head(x.mean((2, 3))[:, :, None].repeat(1, 1, 3)), images, IG)
    torch.testing.assert_close(found.maps, pixels.values)
    with pytest.raises(ValueError, match="expected \\(n, bands, h, w\\)"):
        activation_maps(copies, head, images[0], settings)


def test_activation_maps_show_the_band_and_the_place_that_decide() -> None:
    images = torch.zeros(1, 5, 32, 32)
    images[:, :, 20, 8] = 1  # a source in every band; the regressor reads the third
    pool = nn.AvgPool2d(4)
    grid = CellGrid(4.0, 1.5)
    for extractor, given in ((pool, None), (lambda x: pool(x), grid)):
        found = activation_maps(extractor, lambda v: v[:, 2].sum(1) ** 2, images, Attribution(), grid=given)
        assert not found.maps[0, [0, 1, 3, 4]].any()
        row, column = divmod(int(found.maps[0, 2].argmax()), 32)
        assert abs(row - 20) <= 2
        assert abs(column - 8) <= 2
    with pytest.raises(ValueError, match="cells of something else"):
        activation_maps(lambda x: pool(x), lambda v: v[:, 2].sum(1), images, Attribution())


@pytest.mark.parametrize("fill", ["black", "sky"])
@pytest.mark.parametrize("stride", [1, 3])
def test_occlusion_maps_are_those_of_covering_one_place_after_the_other(fill: Any, stride: int) -> None:
    network = waves(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 5)))
    images, targets = random(2, 3, 6, 7), torch.tensor([3, 1])
    settings = Occlusion(patch=3, stride=stride, fill=fill, batch=4)
    found = occlusion_maps(network, images, settings, targets=targets)
    rows, columns = range((stride - 1) // 2, 6, stride), range((stride - 1) // 2, 7, stride)
    expected = torch.zeros(2, len(rows), len(columns))
    for i, image in enumerate(images):
        for j, row in enumerate(rows):
            for k, column in enumerate(columns):
                covered = image.clone()
                for channel in range(3):
                    value = image[channel].flatten().quantile(0.5) if fill == "sky" else 0
                    covered[channel, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = value
                expected[i, j, k] = torch.softmax(network(covered[None]), 1)[0, targets[i]]
    torch.testing.assert_close(found.maps, expected)
    torch.testing.assert_close(found.whole, torch.softmax(network(images), 1)[torch.arange(2), targets])
    assert found.grid == CellGrid(stride, (stride - 1) // 2)
    assert deproject(found.maps, 6, 7, found.grid).shape == (2, 6, 7)


def test_occlusion_of_one_source_and_of_nothing() -> None:
    images = torch.full((1, 3, 9, 9), 0.2)
    images[:, :, 4, 4] = 1.0
    sky, black = Occlusion(patch=3, stride=1, fill="sky"), Occlusion(patch=3, stride=1, fill="black")
    found = occlusion_maps(lambda x: x.sum((1, 2, 3)), images, sky)
    drop = found.whole[0] - found.maps[0]  # 3 (1 - 0.2) where the patch is on the source
    near = torch.zeros(9, 9)
    near[3:6, 3:6] = 2.4
    torch.testing.assert_close(drop, near, rtol=0, atol=1e-4)
    found = occlusion_maps(lambda x: x.sum((1, 2, 3)), images, black)
    assert (found.whole[0] - found.maps[0])[0, 0].item() == pytest.approx(4 * 0.2 * 3, abs=1e-4)  # the sky went too
    with pytest.raises(ValueError, match="patch: expected one that fits images of 9 x 9, got 11"):
        occlusion_maps(lambda x: x.sum((1, 2, 3)), images, Occlusion(patch=11))
    with pytest.raises(ValueError, match="expected floats"):
        occlusion_maps(lambda x: x.sum((1, 2, 3)), images[0], sky)


def test_marks_are_bright_only_where_the_map_is_bright_on_them() -> None:
    x, y = torch.tensor([20.0, 9.0]), torch.tensor([5.0, 13.0])  # no two of their positions overlap
    row, column = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    near = near_marks(x, y, 2.0, 33)
    by_hand = ((row - 5) ** 2 + (column - 20) ** 2 <= 4) | ((row - 13) ** 2 + (column - 9) ** 2 <= 4)
    assert torch.equal(near, by_hand)
    assert near.sum() == 26
    on_sources = mark_contrast(by_hand.float(), x, y, 2.0)
    assert (on_sources.on_marks, on_sources.mirrored) == (1.0, 0.0)
    assert on_sources.everywhere == pytest.approx(26 / 33**2)
    central = torch.exp(-((row - 16) ** 2 + (column - 16) ** 2) / 100)
    central_only = mark_contrast(central, x, y, 2.0)
    assert central_only.on_marks == pytest.approx(central_only.mirrored)
    assert central_only.on_marks > central_only.everywhere
    assert math.isnan(mark_contrast(central, x[:0], y[:0], 2.0).on_marks)
    with pytest.raises(ValueError, match="square"):
        mark_contrast(central[:20], x, y, 2.0)
