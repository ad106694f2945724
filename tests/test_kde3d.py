"""Densities on a cube: against scipy, direct sums, and clusters whose covariance has no inverse; on both devices."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.stats import gaussian_kde

from clustermass.config.dynamics import Kde3d
from clustermass.kde import NARROWEST, cell_centres
from clustermass.kde3d import Cubes, density_3d
from clustermass.kde3d_torch import LARGEST, cubes_torch, to_device

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CUT, APERTURE = 2200.0, 4.0
ENDS = np.array([CUT, APERTURE, APERTURE])
SETTINGS = Kde3d()
READINGS = {"deviation": 0.175**2, "covariance": 0.175}
DEGENERATE = {
    "one": [[300.0, 0.5, -1.2]],
    "at a point": [[300.0, 0.5, -1.2]] * 4,
    "nearly at a point": [[300.0, 0.5, -1.2], [300.0 + 1e-9, 0.5, -1.2 + 1e-12]],
    "two": [[-900.0, -2.0, -1.0], [700.0, 1.5, 2.0]],
    "on an axis": [[-900.0, 0.3, 0.2], [100.0, 0.3, 0.2], [1200.0, 0.3, 0.2]],
    "on a diagonal": [[t * 2000, t * 3.7, t * 3.7] for t in (-1.0, -0.4, 0.1, 0.3, 1.0)],
    "in a plane": [[-900.0, -2.0, 1.0], [700.0, 1.5, 2.0], [0.0, 2.0, -2.0]],
    "at corners": [[s * 2200, t * 4, u * 4] for s, t, u in ((-1.0, -1, -1), (1, 1, 1), (-1, 1, 1), (1, -1, -1))],
}


def clusters(count: int, seed: int = 0, fewest: int = 12) -> tuple[Floats, Floats, Floats, Ints]:
    """Return v_los, x, y in the window and where clusters begin; every covariance is tilted in its own way."""
    rng = np.random.default_rng(seed)
    richness = np.clip(30 * np.exp(0.7 * rng.normal(size=count)), fewest, 200).astype(np.int64)
    parts = []
    for n in richness:
        mixing = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.15, 0.5, 3)
        parts.append(np.clip(rng.normal(size=(n, 3)) @ mixing.T, -0.999, 0.999) * ENDS)
    v, x, y = np.concatenate(parts).T
    return v, x, y, np.append(0, np.cumsum(richness))


def table(*lists: list[list[float]]) -> tuple[Floats, Floats, Floats, Ints]:
    """Return columns of clusters given galaxy by galaxy."""
    v, x, y = np.concatenate([np.array(rows, float) for rows in lists]).T
    return v, x, y, np.append(0, np.cumsum([len(rows) for rows in lists]))


def mesh(voxels: int, ends: Floats = ENDS) -> Floats:
    """Return the centres of voxels, shape (3, voxels^3)."""
    axes = [cell_centres(-end, end, voxels) for end in ends]
    return np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)


def direct(galaxies: Floats, voxels: int, scale: float) -> Floats:
    """Return the sum of Eq. 1 over galaxies (n, 3), kernel by kernel, H being no narrower than `NARROWEST` voxels."""
    cell = 2 * ENDS / voxels
    deviations = (galaxies - galaxies.mean(0)) / cell
    values, vectors = np.linalg.eigh(scale * deviations.T @ deviations / max(len(galaxies) - 1, 1))
    inverse = sum(np.outer(e, e) / max(w, NARROWEST**2) for w, e in zip(values, vectors.T, strict=True))
    total = np.zeros(voxels**3)
    for galaxy in galaxies:
        u = (mesh(voxels).T - galaxy) / cell
        total += np.exp(-np.einsum("na,ab,nb->n", u, inverse, u) / 2)
    return np.asarray(total / total.sum()).reshape(voxels, voxels, voxels)


def error(found: Any, truth: Any) -> float:
    """Return the largest difference, in peaks of the truth."""
    return float(np.abs(np.asarray(found, float).ravel() - np.asarray(truth).ravel()).max() / np.max(truth))


def on_torch(cubes: Cubes, device: str = "cpu") -> NDArray[np.float32]:
    """Return all cubes as torch makes them."""
    made = cubes_torch(to_device(cubes.kernels, torch.device(device)), np.arange(len(cubes)))
    return np.asarray(made.cpu().numpy(), np.float32)


@pytest.mark.parametrize("voxels", [24, 33])
@pytest.mark.parametrize("reading", READINGS)
def test_both_paths_are_scipys(reading: Any, voxels: int) -> None:
    v, x, y, start = clusters(8)
    cubes = Cubes(v, x, y, start, APERTURE, CUT, voxels, Kde3d(bandwidth_reading=reading))
    made = cubes(torch.arange(8)).numpy()
    batched = on_torch(cubes)
    assert made.dtype == batched.dtype == np.float32
    assert made.shape == batched.shape == (8, voxels, voxels, voxels)
    compared = 0
    for i, (a, b) in enumerate(pairwise(start)):
        galaxies = np.stack([v, x, y])[:, a:b]
        narrowest = np.linalg.eigvalsh(np.cov(galaxies / (2 * ENDS[:, None] / voxels)))[0] * READINGS[reading]
        if narrowest > NARROWEST**2:
            truth = gaussian_kde(galaxies, READINGS[reading] ** 0.5)(mesh(voxels))
            assert error(made[i], truth / truth.sum()) < 1e-5
            assert error(batched[i], truth / truth.sum()) < 1e-5
            swapped = gaussian_kde(galaxies[[0, 2, 1]], READINGS[reading] ** 0.5)(mesh(voxels))
            assert error(made[i], swapped / swapped.sum()) > 0.1
            compared += 1
    assert compared >= 5


def test_readings_are_not_one() -> None:
    v, x, y, start = clusters(1)
    sharp, smooth = (
        density_3d(v, x, y, start, APERTURE, CUT, 16, Kde3d(bandwidth_reading=r))[0]  # type: ignore[arg-type]
        for r in READINGS
    )
    assert sharp.max() > 2 * smooth.max()


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("name", DEGENERATE)
def test_what_has_no_inverse_gets_the_narrowest_kernels(name: str, reading: Any) -> None:
    galaxies = np.array(DEGENERATE[name], float)
    cubes = Cubes(*table(DEGENERATE[name]), APERTURE, CUT, 20, Kde3d(bandwidth_reading=reading))
    truth = direct(galaxies, 20, READINGS[reading])
    for made in (cubes(torch.arange(1)).numpy(), on_torch(cubes)):
        assert made.sum() == pytest.approx(1, abs=1e-5)
        assert error(made, truth) < 1e-5


def test_one_galaxy_is_a_product_of_three_gaussians() -> None:
    made = density_3d(*table(DEGENERATE["one"]), APERTURE, CUT, 25, SETTINGS)[0]
    sides = []
    for end, place in zip(ENDS, DEGENERATE["one"][0], strict=True):
        u = (cell_centres(-end, end, 25) - place) / (NARROWEST * 2 * end / 25)
        sides.append(np.exp(-0.5 * u**2) / np.exp(-0.5 * u**2).sum())
    assert error(made, np.einsum("i,j,k->ijk", *sides)) < 1e-5


@pytest.mark.parametrize("bandwidth", [0.02, 0.6, 3.0])
def test_any_bandwidth(bandwidth: float) -> None:
    v, x, y, start = clusters(3, seed=4)
    cubes = Cubes(v, x, y, start, APERTURE, CUT, 18, Kde3d(bandwidth=bandwidth))
    made, batched = cubes(torch.arange(3)), on_torch(cubes)
    for i, (a, b) in enumerate(pairwise(start)):
        truth = direct(np.stack([v, x, y], axis=1)[a:b], 18, bandwidth**2)
        assert error(made[i], truth) < 1e-5
        assert error(batched[i], truth) < 1e-5


def test_galaxies_outside_the_window_count_for_nothing() -> None:
    v, x, y, start = clusters(5, seed=1)
    inside = (np.abs(x) <= 1.6) & (np.abs(y) <= 1.6) & (np.abs(v) <= 1500)
    fewer = np.append(0, np.cumsum(inside))[start]
    whole = density_3d(v, x, y, start, 1.6, 1500.0, 16, SETTINGS)
    assert inside.mean() < 0.9
    assert whole.tobytes() == density_3d(v[inside], x[inside], y[inside], fewer, 1.6, 1500.0, 16, SETTINGS).tobytes()
    a, b = fewer[2:4]
    truth = gaussian_kde(np.stack([v, x, y])[:, inside][:, a:b], 0.175)(mesh(16, np.array([1500, 1.6, 1.6])))
    assert error(whole[2], truth / truth.sum()) < 1e-5
    edge = density_3d(*table([[CUT, -APERTURE, APERTURE]]), APERTURE, CUT, 4, SETTINGS)[0]
    assert np.unravel_index(edge.argmax(), edge.shape) == (3, 0, 3)  # the ends belong to the window


def test_threads_and_other_rows_change_no_bit() -> None:
    v, x, y, start = clusters(12, seed=2)
    one, two = (Cubes(v, x, y, start, APERTURE, CUT, 16, Kde3d(threads=n)) for n in (1, 2))
    whole = one(torch.arange(12))
    assert whole.sum((1, 2, 3)).numpy() == pytest.approx(np.ones(12), abs=1e-5)
    assert torch.equal(whole, two(torch.arange(12)))
    rows = torch.tensor([7, 0, 7, 11])
    assert torch.equal(two(rows), whole[rows])
    assert torch.equal(pickle.loads(pickle.dumps(one))(rows), whole[rows])
    assert whole.numpy().tobytes() == density_3d(v, x, y, start, APERTURE, CUT, 16, SETTINGS).tobytes()
    assert one(rows[:0]).shape == (0, 16, 16, 16)


def mixed() -> tuple[Floats, Floats, Floats, Ints]:
    """Return clusters of all kinds, from those on a line to rich ones, for torch's batches."""
    v, x, y, start = clusters(40, seed=3, fewest=4)
    several = [np.stack([v, x, y], axis=1)[a:b].tolist() for a, b in pairwise(start)]
    return table(*several, *DEGENERATE.values())


@pytest.mark.parametrize("reading", READINGS)
def test_torch_agrees_whatever_the_tilt(reading: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cubes = Cubes(*mixed(), APERTURE, CUT, 24, Kde3d(bandwidth_reading=reading))
    made, kernels = cubes(torch.arange(len(cubes))).numpy(), to_device(cubes.kernels, torch.device("cpu"))
    assert 3 < kernels.direct.sum() < len(cubes) - 3  # both ways are taken
    assert set(kernels.first) == {0, 1, 2}
    batched = on_torch(cubes)
    assert np.isfinite(batched).all()
    assert max(error(b, m) for b, m in zip(batched, made, strict=True)) < 1e-5
    monkeypatch.setattr("clustermass.kde3d_torch._ELEMENTS", 1)  # a cluster at a time
    rows = np.array([5, 2, len(cubes) - 1, 5])
    alone = cubes_torch(kernels, rows).numpy()
    assert max(error(b, batched[r]) for b, r in zip(alone, rows, strict=True)) < 1e-6


def test_the_limit_of_products_is_far_from_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters of which products are just allowed are as good as others; what is not allowed would be lost."""
    cubes = Cubes(*mixed(), APERTURE, CUT, 24, SETTINGS)
    made = cubes(torch.arange(len(cubes))).numpy()
    precision, middle = cubes.kernels.precision, 11.5
    pairs = [np.abs(precision[:, a, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    coupling = np.min(pairs, axis=0) * middle**2
    near = (coupling > LARGEST / 2) & (coupling <= LARGEST)
    assert near.any()
    assert max(error(b, m) for b, m in zip(on_torch(cubes)[near], made[near], strict=True)) < 1e-5
    monkeypatch.setattr("clustermass.kde3d_torch.LARGEST", np.inf)
    unbounded = on_torch(cubes)
    assert not all(error(b, m) < 1e-5 for b, m in zip(unbounded, made, strict=True))


def test_torch_is_exact_where_networks_are_not() -> None:
    v, x, y, start = clusters(6, seed=5)
    cubes = Cubes(v, x, y, start, APERTURE, CUT, 16, SETTINGS)
    plain = on_torch(cubes)
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        assert on_torch(cubes).tobytes() == plain.tobytes()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert on_torch(cubes).tobytes() == plain.tobytes()
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert cubes_torch(to_device(cubes.kernels, torch.device("cpu")), np.arange(0)).shape == (0, 16, 16, 16)


@pytest.mark.gpu
def test_gpu_agrees_with_the_cpu_and_with_itself() -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")
    cubes = Cubes(*mixed(), APERTURE, CUT, 32, SETTINGS)
    rows = torch.randperm(len(cubes), generator=torch.Generator().manual_seed(0))
    first, made = cubes(rows.cuda()), cubes(rows).numpy()
    assert first.device.type == "cuda"
    assert torch.equal(first, cubes(rows.cuda()))
    assert max(error(b, m) for b, m in zip(first.cpu().numpy(), made, strict=True)) < 1e-5
    assert len(pickle.dumps(cubes)) < 2 * len(pickle.dumps(cubes.kernels))  # what is on the device stays there


def test_bad_input_is_refused_with_its_place() -> None:
    v, x, y, start = clusters(4)
    for value in (np.nan, np.inf):
        broken = y.copy()
        broken[7] = value
        with pytest.raises(ValueError, match=f"y: expected finite numbers, got {value} in row 7"):
            density_3d(v, x, broken, start, APERTURE, CUT, 8, SETTINGS)
    with pytest.raises(ValueError, match="place 1: expected at least 1 galaxies, got 0"):
        density_3d(v, x, y, np.array([0, 5, 5, len(v)]), APERTURE, CUT, 8, SETTINGS)
    with pytest.raises(ValueError, match="x: expected one row for each galaxy"):
        density_3d(v, x[1:], y, start, APERTURE, CUT, 8, SETTINGS)
    far = x.copy()
    far[start[2] : start[3]] = 4.1
    with pytest.raises(ValueError, match="place 2: none of its galaxies is inside the window"):
        Cubes(v, far, y, start, APERTURE, CUT, 8, SETTINGS)
    for aperture, cut in ((0.0, CUT), (-1.0, CUT), (APERTURE, np.nan), (np.inf, CUT)):
        with pytest.raises(ValueError, match="window: expected a positive aperture and cut"):
            density_3d(v, x, y, start, aperture, cut, 8, SETTINGS)
    with pytest.raises(ValueError, match="voxels: expected at least 2"):
        density_3d(v, x, y, start, APERTURE, CUT, 1, SETTINGS)
    cubes = Cubes(v, x, y, start, APERTURE, CUT, 8, SETTINGS)
    for row in (-1, 4):
        with pytest.raises(IndexError, match="rows: expected 0 to 3"):
            cubes(torch.tensor([0, row]))
    assert density_3d(v[:0], x[:0], y[:0], np.array([0]), APERTURE, CUT, 8, SETTINGS).shape == (0, 8, 8, 8)
    with pytest.raises(ValidationError, match="bandwidth_reading"):
        Kde3d(bandwidth_reading="scott")  # type: ignore[arg-type]
