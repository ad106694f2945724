"""A network with its posterior on observed clusters: windows, flags, checkpoints of another network."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import CubeNetwork
from clustermass.config.observed import Sample
from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.cubes import cube_inputs
from clustermass.kde3d import Cubes
from clustermass.observed.inference import CubeInference, judge
from clustermass.observed.masses import POSTERIOR
from clustermass.posterior.grid import normalised
from clustermass.posterior.joint import Slices, fit_joint, make_pairs, mass_grid
from clustermass.posterior.prior import calibration_prior
from clustermass.posterior.store import Inference, StoreError, save_inference
from clustermass.training.checkpoint import CheckpointError, Identity, save_checkpoint
from clustermass.training.trainer import Samples, train

Floats = NDArray[np.float64]
NETWORK = CubeNetwork(voxels=16, filters=(3, 2, 2), dense=(8,))
SAMPLE = Sample(redshifts="sdss", centres=["mcxc"], mock="kodiramanah2021", aperture_mpc_h=2.0)
KDE, TRAINING = Kde3d(bandwidth=0.3), Training(epochs=1, batch=16, labels="standardised", max_norm=None)
SETTINGS = Posterior()


def galaxies(mass: Floats, seed: int) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Return x, y, v_los and start of clusters whose velocities and numbers follow their masses."""
    drawn = np.random.default_rng(seed)
    parts = []
    for each in mass:
        n = 10 + int(30 * 10 ** (each - 14))
        parts.append(drawn.normal(size=(n, 3)) * [0.5, 0.5, 500 * 10 ** ((each - 14) / 3)])
    start = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    x, y, v = np.concatenate(parts).T
    return x, y, v, start


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint and one posterior."""
    path = tmp_path_factory.mktemp("inference")
    mass = np.random.default_rng(1).uniform(13.7, 15.0, 48)
    x, y, v, start = galaxies(mass, 2)
    cubes = Cubes(v, x, y, start, 2.0, 2200.0, 16, KDE)
    state = train(NETWORK, TRAINING, Samples(cubes, mass), None, 1)
    (path / "models").mkdir()
    save_checkpoint(
        path / "models/fold_00.safetensors", state, Identity(NETWORK, TRAINING, 1, "x", cube_inputs(2.0, KDE))
    )
    many = np.random.default_rng(3).uniform(13.7, 15.0, 400)
    pairs = make_pairs(many + 0.1 * np.random.default_rng(4).normal(size=400), many)
    joint = fit_joint(pairs, SETTINGS)
    prior = calibration_prior(joint, mass_grid(pairs, SETTINGS))
    save_inference(path / "joint.safetensors", Inference(joint, prior, prior, SETTINGS), np.linspace(13, 16, 20), {})
    return path


def load(folder: Path, network: CubeNetwork = NETWORK) -> CubeInference:
    joint = folder / "joint.safetensors"
    return CubeInference.load(folder / "models", joint, network, KDE, TRAINING, SAMPLE, SETTINGS)


def test_clusters_get_posteriors_and_galaxies_outside_the_window_do_not_matter(folder: Path) -> None:
    infer = load(folder)
    x, y, v, start = galaxies(np.array([14.0, 14.5, 14.9]), 5)
    found, extrapolated = infer(x, y, v, start)
    assert list(found) == POSTERIOR
    assert found.notna().all(axis=None)
    assert (np.diff(found[["low95", "low68", "log10_m200c", "high68", "high95"]].to_numpy(), axis=1) >= 0).all()
    far = np.insert(x, [0, start[1]], 3.0), np.insert(y, [0, start[1]], 0.0), np.insert(v, [0, start[1]], 0.0)
    again, same = infer(*far, start + np.array([0, 1, 2, 2]))
    np.testing.assert_allclose(again.to_numpy(), found.to_numpy(), atol=1e-3)
    assert (same == extrapolated).all()


def test_masses_at_the_ends_of_what_was_simulated_are_extrapolated(folder: Path) -> None:
    infer = load(folder)
    said = np.array([12.5, 13.0, 14.3, 15.5, 17.0])
    import clustermass.observed.inference as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "predict_log10_mass", lambda *_: said)
        patch.setattr(module, "Cubes", lambda *_: None)
        nothing = np.empty(0)
        found, extrapolated = infer(nothing, nothing, nothing, np.zeros(6, np.int64))
    assert extrapolated.tolist() == [True, True, False, True, True]
    assert found["log10_m200c"][2] == pytest.approx(14.3, abs=0.1)


def test_groups_below_the_least_mass_that_calibrates_are_flagged() -> None:
    """Their posteriors pile up at the end of the prior, with maximum and median often inside, and none is right."""
    drawn = np.random.default_rng(6)

    def say(mass: Floats) -> Floats:
        return 14.35 + 0.8 * (mass - 14.35) + 0.12 * drawn.normal(size=mass.shape)

    known = drawn.uniform(13.7, 15.0, 3000)
    pairs = make_pairs(say(known), known)
    joint, grid = fit_joint(pairs, SETTINGS), mass_grid(pairs, SETTINGS)
    outside = drawn.uniform(13.2, 13.6, 1000)
    found, flagged = judge(joint.slices(say(outside), grid), known, SETTINGS)
    points = found[["log10_m200c", "log10_map"]].min(axis=1).to_numpy()
    assert (points > 13.72).mean() > 0.1  # what these alone would let through
    assert flagged.mean() > 0.98
    assert (found["low95"] > outside)[points > 13.72].all()  # and all of which would be wrong
    shares = {
        mass: judge(joint.slices(say(np.full(500, mass)), grid), known, SETTINGS)[1].mean() for mass in (14.2, 14.4)
    }
    assert shares[14.2] < 0.1
    assert shares[14.4] < 0.03
    heavy = judge(joint.slices(say(np.full(500, 15.15)), grid), known, SETTINGS)[1]
    assert heavy.mean() > 0.95


@pytest.mark.parametrize("kind", ["equal_tailed", "shortest"])
def test_limits_hold_the_mass_also_where_they_do_not_hold_the_maximum(
    kind: Literal["equal_tailed", "shortest"],
) -> None:
    """A posterior that falls exponentially from the end of the prior: all in closed form."""
    grid = np.linspace(13.0, 17.0, 4001)
    density = np.exp(-(grid - 13.0) / 0.2)[None]
    slices = Slices(normalised(grid, density), np.ones(1), np.zeros(1), np.zeros(1, bool))
    found, flagged = judge(slices, np.array([13.0, 17.0]), SETTINGS.model_copy(update={"limits": kind}))
    row = found.iloc[0]
    assert row["log10_m200c"] == pytest.approx(13 + 0.2 * np.log(2), abs=2e-3)
    assert row["low68"] <= row["log10_m200c"] <= row["high68"]
    if kind == "equal_tailed":
        assert row["log10_map"] < row["low68"]
    assert flagged.all()


def test_what_is_of_another_network_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"voxels: expected 20, got 16"):
        load(folder, NETWORK.model_copy(update={"voxels": 20}))
    (tmp_path / "models").mkdir()
    with pytest.raises(CheckpointError, match="expected a checkpoint of a training, got a folder without any"):
        load(tmp_path)
    (tmp_path / "models/fold_00.safetensors").write_bytes((folder / "models/fold_00.safetensors").read_bytes())
    (tmp_path / "joint.safetensors").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="expected a file of posteriors"):
        load(tmp_path)
