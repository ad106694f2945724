"""Sharpened halos against closed forms: plane waves, the centre of mass, a halo; the same bits whoever computes."""

import numpy as np
import pytest
from pydantic import ValidationError

from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody, Sharpening
from clustermass.nbody import fastpm
from clustermass.nbody.cpu import CpuMesh
from clustermass.nbody.sharpen import sharpened
from clustermass.nbody.torch_mesh import TorchMesh

BOX, N = 64.0, 32
BACKENDS = [CpuMesh, lambda *a: TorchMesh(*a, "cpu")]


def settings_with(**changes):
    values = {"amplitude": 0.5, "growth": 0.0, "high_pass": 0.0, "density_power": 1.0} | changes
    return Nbody(box_mpc_h=BOX, particles_per_side=N, sharpening=Sharpening(**values))


def wrapped(difference):
    return (difference + BOX / 2) % BOX - BOX / 2


def plane_wave(number, axis, amplitude=0.001):
    """Return particles of density 1 + amplitude cos(k x) to first order, halfway between mesh points, and k x."""
    q = (np.arange(N) + 0.25) * BOX / N
    positions = np.stack(np.meshgrid(q, q, q, indexing="ij"), -1).reshape(-1, 3)
    k = 2 * np.pi * number / BOX
    phase = k * positions[:, axis]
    positions[:, axis] -= amplitude / k * np.sin(phase)
    return positions.astype(np.float32), phase, k


def halo(rng, n=4000, radius=2.0):
    """Return a round halo off the middle, over a uniform background."""
    around = rng.normal(0, radius, (n, 3)) + np.array([10.0, 50.0, 1.0])
    return (np.concatenate([around, rng.uniform(0, BOX, (n, 3))]) % np.float32(BOX * (1 - 1e-6))).astype(np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("axis", "number", "high_pass", "power", "growth"),
    [(0, 1, 0.0, 1.0, 0.0), (1, 2, 0.4, 1.0, 2.0), (2, 3, 0.4, 0.5, -1.0), (0, 1, 0.2, 0.5, 0.0)],
)
def test_a_plane_wave_moves_as_its_potential_says(backend, axis, number, high_pass, power, growth):
    positions, phase, k = plane_wave(number, axis)
    settings = settings_with(high_pass=high_pass, density_power=power, growth=growth)
    grid = backend(settings.mesh_per_side, BOX)
    moved = grid.store(sharpened(grid, grid.load(positions), settings, 0.5))
    cut = high_pass * N / BOX
    # To 6 %: particles on a lattice have a second wave near its Nyquist wave number. (1 + d)^gamma is 1 + gamma d to first order; the potential of cos(k x) is -cos(k x) / k^2, and -grad of it:
    expected = -0.5 * 0.5**growth * power * np.exp(-((cut / k) ** 2)) * 0.001 / k * np.sin(phase)
    shift = wrapped(moved - positions)
    np.testing.assert_allclose(shift[:, axis], expected, atol=0.06 * np.abs(expected).max() + 1e-5)
    assert np.abs(np.delete(shift, axis, 1)).max() < 2e-5


def test_matter_falls_towards_a_halo_and_the_centre_of_mass_stays():
    positions = halo(np.random.default_rng(1))
    settings = settings_with(amplitude=0.02, high_pass=2.0)
    moved = sharpened(CpuMesh(64, BOX), positions, settings, 1.0)
    shift = wrapped(moved.astype(float) - positions)
    outwards = wrapped(positions[:4000] - [10.0, 50.0, 1.0])
    radius = np.linalg.norm(outwards, axis=1)
    inwards = -(shift[:4000] * outwards).sum(axis=1) / radius
    assert inwards[(radius > 1) & (radius < 4)].mean() > 0.1
    assert np.abs(shift.mean(axis=0)).max() < 1e-4 * np.sqrt((shift**2).mean())
    assert moved.min() >= 0
    assert moved.max() < BOX


def test_a_smaller_power_moves_a_small_halo_more_beside_a_large_one():
    rng = np.random.default_rng(2)
    large, small = (rng.normal(0, 1.0, (n, 3)) + place for n, place in ((4000, [16, 16, 16]), (400, [48, 48, 48])))
    positions = np.concatenate([large, small, rng.uniform(0, BOX, (4000, 3))]).astype(np.float32)

    def ratio(power):
        moved = sharpened(CpuMesh(64, BOX), positions, settings_with(density_power=power, amplitude=0.001), 1.0)
        speed = np.linalg.norm(wrapped(moved - positions), axis=1)
        return speed[4000:4400].mean() / speed[:4000].mean()

    assert 0.08 < ratio(1.0) < 0.2
    assert ratio(0.5) > 2 * ratio(1.0)


def test_threads_do_not_change_a_bit():
    positions = halo(np.random.default_rng(3))
    settings = settings_with(density_power=0.6, high_pass=3.0)
    one, two = (sharpened(CpuMesh(64, BOX, threads), positions, settings, 0.8) for threads in (1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, positions)


def test_torch_agrees_with_numba():
    positions = halo(np.random.default_rng(4))
    settings = settings_with(density_power=0.6, high_pass=3.0)
    grid = TorchMesh(64, BOX, "cpu")
    other = grid.store(sharpened(grid, grid.load(positions), settings, 0.8))
    assert np.abs(wrapped(sharpened(CpuMesh(64, BOX), positions, settings, 0.8) - other)).max() < 1e-3


def test_without_it_or_without_amplitude_positions_are_those_of_the_mesh():
    positions = halo(np.random.default_rng(5))
    off = settings_with().model_copy(update={"sharpening": None})
    assert sharpened(CpuMesh(64, BOX), positions, off, 1.0) is positions
    moved = sharpened(CpuMesh(64, BOX), positions, settings_with(amplitude=1e-30), 1.0)
    assert np.array_equal(moved, positions)


def test_snapshots_are_sharpened_and_the_run_goes_on_as_before():
    settings = settings_with(amplitude=0.05, density_power=0.6, high_pass=3.4).model_copy(
        update={"particles_per_side": 16, "steps": 3, "redshifts": [1.0, 0.0], "threads": 1}
    )
    off = settings.model_copy(update={"sharpening": None})
    with_it, without = (list(fastpm.simulate(s, Cosmology(), np.random.default_rng(1))) for s in (settings, off))
    for one, two in zip(with_it, without, strict=True):
        assert np.array_equal(one.velocities, two.velocities)
        grid = CpuMesh(settings.mesh_per_side, BOX)
        assert np.array_equal(one.positions, sharpened(grid, two.positions, settings, two.scale_factor))
        assert np.abs(wrapped(one.positions - two.positions)).max() > 0.01


@pytest.mark.parametrize("change", [{"amplitude": 0}, {"high_pass": -1}, {"density_power": 0}, {"cells": 2}])
def test_wrong_settings_are_refused(change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        Sharpening(**change)
