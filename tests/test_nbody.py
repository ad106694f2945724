"""The particle mesh against closed forms: linear theory, plane waves, Newton; the same bits whoever computes."""

import itertools

import numba
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.integrate import trapezoid

from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody
from clustermass.nbody import cpu, fastpm, fourier, initial, linear, mesh
from clustermass.nbody.cpu import CpuMesh
from clustermass.nbody.spectrum import power_spectrum
from clustermass.nbody.torch_mesh import CHUNK, TorchMesh, deterministic

COSMOLOGY = Cosmology()
OM = COSMOLOGY.Om0
SMALL = Nbody(box_mpc_h=60.0, particles_per_side=16, steps=3, redshifts=[1.0, 0.0], threads=1)


def random_positions(rng, n, box):
    positions = rng.uniform(0, box, (n, 3)).astype(np.float32)
    positions[positions >= box] = 0
    return positions


def run(settings, seed=1, **options):
    return list(fastpm.simulate(settings, COSMOLOGY, np.random.default_rng(seed), **options))


# Linear theory


def test_growth_is_that_of_colossus():
    from colossus.cosmology import cosmology

    universe = cosmology.Cosmology(
        name="test",
        flat=True,
        relspecies=False,
        persistence="",
        **{k: getattr(COSMOLOGY, k) for k in Cosmology.model_fields},
    )
    a = np.array([0.05, 0.1, 0.3, 0.5, 0.8, 1.0])
    ours = [linear.growth(x, OM) for x in a]
    np.testing.assert_allclose(ours, universe.growthFactor(1 / a - 1), rtol=2e-4)
    np.testing.assert_allclose([linear.expansion(x, OM) for x in a], universe.Ez(1 / a - 1), rtol=1e-10)
    np.testing.assert_allclose([linear.matter_fraction(x, OM) for x in a], universe.Om(1 / a - 1), rtol=1e-10)


def test_growth_of_a_universe_of_matter_is_its_scale_factor():
    for a in (0.02, 0.3):
        assert linear.growth(a, 1 - 1e-12) == pytest.approx(a, rel=1e-8)
        assert linear.growth_rate(a, 1 - 1e-12) == pytest.approx(1, rel=1e-8)
        assert linear.second_growth(a, 1 - 1e-12) == pytest.approx(-3 / 7 * a**2, rel=1e-8)


@pytest.mark.parametrize("a", [0.1, 0.5, 1.0])
def test_growth_solves_its_equation(a):
    step = 1e-4 * a
    slope = (linear.growth_momentum(a + step, OM) - linear.growth_momentum(a - step, OM)) / (2 * step)
    assert slope == pytest.approx(1.5 * OM * linear.growth(a, OM) / (a**2 * linear.expansion(a, OM)), rel=1e-5)
    for function, momentum in (
        (linear.growth, linear.growth_momentum),
        (linear.second_growth, linear.second_growth_momentum),
    ):
        slope = (function(a + step, OM) - function(a - step, OM)) / (2 * step)
        assert momentum(a, OM) == pytest.approx(a**3 * linear.expansion(a, OM) * slope, rel=1e-6)


@pytest.mark.parametrize("a", [0.1, 0.5, 1.0])
def test_second_growth_rate_is_that_of_bouchet(a):
    rate = linear.second_growth_momentum(a, OM) / (a**2 * linear.expansion(a, OM) * linear.second_growth(a, OM))
    assert rate == pytest.approx(2 * linear.matter_fraction(a, OM) ** (6 / 11), rel=0.01)


def test_linear_power_has_its_sigma8():
    k = np.geomspace(1e-4, 50, 20_000)
    window = 3 * (np.sin(8 * k) - 8 * k * np.cos(8 * k)) / (8 * k) ** 3
    terms = k**3 * linear.linear_power(k, COSMOLOGY) * window**2 / (2 * np.pi**2)
    assert np.sqrt(trapezoid(terms, np.log(k))) == pytest.approx(COSMOLOGY.sigma8, rel=1e-3)


# Fourier transforms and the initial conditions


@pytest.mark.parametrize("n", [6, 9])
def test_transforms_are_those_of_numpy(n):
    field = np.random.default_rng(n).standard_normal((n, n, n), dtype=np.float32)
    spectrum = fourier.forward(field, 2)
    np.testing.assert_allclose(spectrum, np.fft.rfftn(field), atol=2e-5)
    twice = spectrum.copy()
    fourier.along_x(np.fft.ifft, twice, 1)
    np.testing.assert_allclose(twice, np.fft.ifft(spectrum, axis=0), atol=2e-5)
    np.testing.assert_allclose(fourier.inverse(spectrum, 2), field, atol=2e-6)


def test_a_fault_in_a_plane_is_raised():
    with pytest.raises(IndexError):
        fourier.each_plane(lambda i: [0][i], 2, 2)


def test_initial_field_has_the_power_of_linear_theory():
    n, box = 48, 200.0
    density = initial.linear_density(np.random.default_rng(5), n, box, COSMOLOGY, 1)
    freq = np.fft.fftfreq(n, 1 / n)
    radius = np.sqrt(freq[:, None, None] ** 2 + freq[:, None] ** 2 + np.arange(n // 2 + 1) ** 2)
    inside = (radius > 0) & (radius < n / 2)
    ratio = (
        np.abs(density[inside]) ** 2 * box**3 / n**6 / linear.linear_power(2 * np.pi / box * radius[inside], COSMOLOGY)
    )
    for low, up in itertools.pairwise([0.5, 3, 6, 12, 24]):
        part = ratio[(radius[inside] > low) & (radius[inside] < up)]
        assert np.mean(part) == pytest.approx(1, abs=4 / np.sqrt(len(part)))
    part = ratio[radius[inside] > 6]
    assert np.mean(part**2) == pytest.approx(2, abs=0.1)  # |Gaussian|^2 is exponential
    assert density[0, 0, 0] == 0


def test_particles_start_with_the_power_of_linear_theory():
    settings = Nbody(box_mpc_h=200.0, particles_per_side=48, threads=1)
    positions, _ = initial.initial_conditions(np.random.default_rng(8), settings, COSMOLOGY)
    k, power, modes = power_spectrum(positions, 200.0, 96)
    theory = linear.linear_power(k, COSMOLOGY) * linear.growth(0.1, OM) ** 2
    low = k < 0.6 * np.pi * 48 / 200  # of the particles' Nyquist wave number
    error = np.sqrt(2 / modes[low])
    deviation = (power / theory - 1)[low]
    assert np.abs(deviation / np.hypot(error, 0.02)).max() < 4
    assert np.average(deviation, weights=modes[low]) == pytest.approx(0, abs=0.03)


def waves(n, box, *waves_):
    """Return the spectrum of a sum of cosines along axes, the particles' lattice, that of the field, and settings."""
    settings = Nbody(box_mpc_h=box, particles_per_side=n, threads=1)
    q = np.arange(n) * box / n
    grid = np.meshgrid(q, q, q, indexing="ij")
    density = sum(a * np.cos(2 * np.pi * number / box * grid[axis]) for a, number, axis in waves_)
    lattice = (np.stack(grid, -1) + 0.25 * box / n).reshape(-1, 3)
    return np.fft.rfftn(density).astype(np.complex64), lattice, np.stack(grid, -1).reshape(-1, 3), settings


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_plane_wave_moves_as_zeldovich_says(axis):
    box, amplitude, k = 50.0, 3.0, 2 * np.pi * 2 / 50.0
    density, lattice, q, settings = waves(16, box, (amplitude, 2, axis))
    positions, momenta = initial.displaced_particles(density, settings, COSMOLOGY)
    psi = np.zeros_like(q)
    psi[:, axis] = -amplitude / k * np.sin(k * q[:, axis])
    a = settings.start_scale_factor
    shift = (positions - lattice - linear.growth(a, OM) * psi + box / 2) % box - box / 2
    np.testing.assert_allclose(shift, 0, atol=2e-5)
    np.testing.assert_allclose(momenta, linear.growth_momentum(a, OM) * psi, atol=1e-6)
    source = initial.second_order_source(initial.potential(density, box), box, 1)
    np.testing.assert_allclose(source, 0, atol=1e-5 * amplitude**2)


@pytest.mark.parametrize(("one", "two"), [(0, 1), (2, 0), (1, 2)])
def test_crossed_plane_waves_have_their_second_order(one, two):
    box, a, b, k = 50.0, 2.0, 1.5, 2 * np.pi * 3 / 50.0
    density, lattice, q, settings = waves(16, box, (a, 3, one), (b, 3, two))
    positions, momenta = initial.displaced_particles(density, settings, COSMOLOGY)
    # phi1 = -(a cos kx + b cos ky) / k^2; its second-order source is a b cos kx cos ky, so phi2 = -source / (2 k^2).
    first, second = np.zeros_like(q), np.zeros_like(q)
    first[:, one], first[:, two] = (w / k * np.sin(k * q[:, axis]) for w, axis in ((a, one), (b, two)))
    second[:, one] = a * b / (2 * k) * np.sin(k * q[:, one]) * np.cos(k * q[:, two])
    second[:, two] = a * b / (2 * k) * np.cos(k * q[:, one]) * np.sin(k * q[:, two])
    start = settings.start_scale_factor
    expected = -linear.growth(start, OM) * first + linear.second_growth(start, OM) * second
    assert np.abs(linear.second_growth(start, OM) * second).max() > 1e-3
    np.testing.assert_allclose((positions - lattice - expected + box / 2) % box - box / 2, 0, atol=2e-5)
    expected = -linear.growth_momentum(start, OM) * first + linear.second_growth_momentum(start, OM) * second
    np.testing.assert_allclose(momenta, expected, atol=2e-6)
    phi = initial.potential(density, box)
    np.testing.assert_allclose(initial.gradient(phi, one, box, 1).ravel(), first[:, one], atol=1e-5)


# The mesh


@pytest.mark.parametrize("backend", [CpuMesh, lambda *a: TorchMesh(*a, "cpu")])
def test_deposit_conserves_mass_and_readout_is_its_adjoint(backend):
    rng = np.random.default_rng(3)
    grid = backend(12, 30.0)
    positions = grid.load(random_positions(rng, 500, 30.0))
    density = grid.store(grid.deposit(positions)).astype(float)
    assert density.mean() == pytest.approx(1, rel=1e-6)
    assert density.min() >= 0
    field = rng.standard_normal((12, 12, 12), dtype=np.float32)
    values = grid.store(grid.readout(grid.load(field), positions)).astype(float)
    assert values.sum() * 12**3 / 500 == pytest.approx((density * field).sum(), rel=1e-5)


def test_deposit_is_cloud_in_cell():
    grid = CpuMesh(4, 8.0)  # cells of 2 Mpc/h; the particle lies a quarter and a half of a cell off, across the edge
    density = grid.deposit(np.array([[7.5, 2.0, 3.0]], np.float32)) / 64
    expected = np.zeros((4, 4, 4))
    expected[3, 1, 1], expected[3, 1, 2], expected[0, 1, 1], expected[0, 1, 2] = 0.125, 0.125, 0.375, 0.375
    np.testing.assert_allclose(density, expected, atol=1e-7)


def test_shift_by_whole_cells_rolls_the_density():
    positions = random_positions(np.random.default_rng(6), 300, 16.0)
    grid = CpuMesh(16, 16.0)
    before = grid.deposit(positions).copy()
    after = grid.deposit((positions + np.float32([5, 0, 15])) % np.float32(16))
    np.testing.assert_allclose(after, np.roll(before, (5, 0, 15), (0, 1, 2)), atol=1e-3)


@pytest.mark.parametrize("backend", [CpuMesh, lambda *a: TorchMesh(*a, "cpu")])
def test_drift_wraps_into_the_box(backend):
    box = 30.0
    grid = backend(4, box)
    x = np.array([[29, 1, 15], [0, np.nextafter(np.float32(box), np.float32(0)), 3]], np.float32)
    p = np.array([[2, -2, 40], [-1e-9, 1e-6, -63]], np.float32)
    positions = grid.load(x)
    grid.drift(positions, grid.load(p), 1.0)
    x = grid.store(positions)
    assert ((x >= 0) & (x < box)).all()
    np.testing.assert_allclose(x[0], [1, 29, 25])
    np.testing.assert_allclose(x[1], [0, box if x[1, 1] else 0, 0], atol=1e-5)
    assert np.isfinite(grid.store(grid.deposit(positions))).all()


def test_force_is_that_of_newton():
    cells = box = 48
    rng = np.random.default_rng(0)
    grid = CpuMesh(cells, float(box))
    near, far = [], []
    for _ in range(8):
        centre = rng.uniform(0, box, (1, 3)).astype(np.float32)
        direction = rng.normal(size=(1000, 3))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        r = rng.uniform(2.5, 6, 1000)
        test = ((centre + direction * r[:, None]) % box).astype(np.float32) % np.float32(box)
        force = np.stack([grid.readout(part, test) for part in grid.force(grid.deposit(centre))], axis=1)
        # In these units a point mass is box^3 delta_D: Newton's force, and that of the mean density taken away.
        newton = box**3 / (4 * np.pi * r**2) - r / 3
        error = np.linalg.norm(force + newton[:, None] * direction, axis=1) / newton
        radial = -(force * direction).sum(axis=1) / newton - 1
        near.append([np.mean(radial[r < 3]), np.sqrt(np.mean(error[r < 3] ** 2))])
        far.append([np.mean(radial[r > 3]), np.sqrt(np.mean(error[r > 3] ** 2))])
    bias, scatter = np.mean(near, axis=0)
    assert abs(bias) < 0.02
    assert scatter < 0.12
    bias, scatter = np.mean(far, axis=0)
    assert abs(bias) < 0.003
    assert scatter < 0.03


def test_forces_conserve_momentum():
    positions = random_positions(np.random.default_rng(2), 4000, 20.0)
    positions[:2000] = positions[:2000] % 4  # clustered
    grid = CpuMesh(32, 20.0)
    for part in grid.force(grid.deposit(positions)):
        force = grid.readout(part, positions).astype(float)
        assert abs(force.mean()) < 1e-5 * force.std()


def test_kernel_numbers():
    k, slope = mesh.wave_numbers(64, 10.0), mesh.difference_numbers(64, 10.0)
    np.testing.assert_allclose(slope[1:4], k[1:4], rtol=3e-4)
    np.testing.assert_allclose(slope[-3:], -k[-3:], rtol=3e-4)
    assert abs(slope[32]) < 1e-5
    assert k[32] == pytest.approx(np.pi * 6.4)
    assert mesh.cic_window(64)[32] == pytest.approx((2 / np.pi) ** 2)


# Time


def test_schedule_hits_every_redshift():
    times, marks = fastpm.schedule(0.1, [1.0, 0.5, 0.117], 10)
    assert len(times) == 11
    np.testing.assert_allclose([times[m] for m in marks], 1 / np.array([2.0, 1.5, 1.117]))
    steps = np.diff(times)
    assert steps.max() < 1.5 * steps.min()
    np.testing.assert_allclose(fastpm.schedule(0.1, [0.0], 9)[0], np.linspace(0.1, 1, 10))


def test_factors_of_short_steps_are_those_of_the_equations_of_motion():
    a, step = 0.5, 1e-4
    e = linear.expansion(a, OM)
    assert fastpm.kick_factor(a - step, a + step, a, OM) == pytest.approx(2 * step * 1.5 * OM / (a**2 * e), rel=1e-5)
    assert fastpm.drift_factor(a - step, a + step, a, OM) == pytest.approx(2 * step / (a**3 * e), rel=1e-5)


@pytest.mark.parametrize("number", [(1, 0, 0), (0, 1, 1)])
def test_a_small_mode_grows_as_linear_theory_says(monkeypatch, number):
    n, box = 64, 100.0  # with 32 the lattice and the mesh make 1.6e-3, as the square of the cell
    settings = Nbody(box_mpc_h=box, particles_per_side=n, steps=4, redshifts=[2.0, 1.0], threads=1)
    q = np.arange(n) * box / n
    phase = 2 * np.pi / box * sum(i * x for i, x in zip(number, np.meshgrid(q, q, q, indexing="ij"), strict=True))
    density = np.fft.rfftn(0.01 * np.cos(phase)).astype(np.complex64)
    monkeypatch.setattr(initial, "linear_density", lambda *_: density)
    lattice = initial.displaced_particles(np.zeros_like(density), settings, COSMOLOGY)[0]
    k = 2 * np.pi / box * np.array(number)
    psi = -0.01 * k / (k @ k) * np.sin(phase).reshape(-1, 1)
    for snapshot in run(settings):
        a = snapshot.scale_factor
        shift = (snapshot.positions - lattice + box / 2) % box - box / 2
        assert (shift * psi).sum() / (psi * psi).sum() == pytest.approx(linear.growth(a, OM), rel=1e-3)
        speed = (snapshot.velocities * psi).sum() / (psi * psi).sum()
        assert speed == pytest.approx(100 / a * linear.growth_momentum(a, OM), rel=1e-3)


def test_large_scales_of_a_run_grow_linearly():
    settings = Nbody(box_mpc_h=600.0, particles_per_side=32, steps=5, redshifts=[0.0], threads=1)
    (snapshot,) = run(settings, seed=4)
    start, _ = initial.initial_conditions(np.random.default_rng(4), settings, COSMOLOGY)
    early, late = (power_spectrum(p, 600.0, 64).power[:4] for p in (start, snapshot.positions))
    np.testing.assert_allclose(late / early * linear.growth(0.1, OM) ** 2, 1, atol=0.1)


def test_snapshots_keep_their_contract():
    seen = []
    snapshots = run(SMALL, progress=lambda step, steps: seen.append((step, steps)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [s.redshift for s in snapshots] == [1.0, 0.0]
    for snapshot in snapshots:
        assert snapshot.positions.shape == snapshot.velocities.shape == (16**3, 3)
        assert snapshot.positions.dtype == snapshot.velocities.dtype == np.float32
        assert snapshot.positions.min() >= 0
        assert snapshot.positions.max() < 60
        assert np.abs(snapshot.velocities.mean(axis=0)).max() < 1e-3 * snapshot.velocities.std()
    assert not np.shares_memory(snapshots[0].positions, snapshots[1].positions)


def test_an_earlier_snapshot_does_not_change_the_later_one():
    settings = SMALL.model_copy(update={"redshifts": [1.0]})
    times, _ = fastpm.schedule(SMALL.start_scale_factor, SMALL.redshifts, 3)
    assert times[1] == pytest.approx(fastpm.schedule(0.1, [1.0], 1)[0][1])
    (alone,) = run(settings.model_copy(update={"steps": 1}))
    assert np.array_equal(alone.positions, run(SMALL)[0].positions)
    np.testing.assert_allclose(alone.velocities, run(SMALL)[0].velocities, atol=1e-3)


# Who computes


def test_threads_do_not_change_a_bit():
    one, two = (run(SMALL.model_copy(update={"threads": t}))[-1] for t in (1, 2))
    assert np.array_equal(one.positions, two.positions)
    assert np.array_equal(one.velocities, two.velocities)


def test_seeds_decide_the_realisation():
    one, same, other = (run(SMALL, seed=s)[-1].positions for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert np.abs(one - other).max() > 1


def test_threads_of_numba_are_restored():
    before = numba.get_num_threads()
    with cpu.numba_threads(1):
        assert numba.get_num_threads() == 1
    assert numba.get_num_threads() == before


def assert_agree(one, two):
    """Check fields or particles of two backends against the rounding of float32."""
    assert np.abs(one - two).max() < 2e-4 * max(np.abs(one).max(), 1)


def check_backend(grid, box):
    """Check a backend against that of numba, part by part and in a run."""
    positions = random_positions(np.random.default_rng(9), 5000, box)
    reference = CpuMesh(grid.cells, box)
    density = reference.deposit(positions).copy()
    loaded = grid.load(positions)
    assert_agree(density, grid.store(grid.deposit(loaded)))
    for one, two in zip(reference.force(density), grid.force(grid.deposit(loaded)), strict=True):
        assert_agree(one, grid.store(two))
        assert_agree(reference.readout(one, positions), grid.store(grid.readout(two, loaded)))
    for one, two in zip(run(SMALL), run(SMALL, mesh=grid), strict=True):
        apart = (one.positions - two.positions + box / 2) % box - box / 2
        assert np.abs(apart).max() < 2e-3
        assert np.abs(one.velocities - two.velocities).max() < 2e-3 * one.velocities.std()


def test_torch_agrees_with_numba(monkeypatch):
    monkeypatch.setitem(CHUNK, "cpu", 1000)
    check_backend(TorchMesh(32, SMALL.box_mpc_h, "cpu"), SMALL.box_mpc_h)


def test_torch_is_left_as_it_was():
    with deterministic(True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.gpu
def test_gpu_agrees_with_numba_and_with_itself():
    settings = SMALL.model_copy(update={"device": "cuda"})
    check_backend(mesh.make_mesh(settings), SMALL.box_mpc_h)
    one, two = (run(settings)[-1] for _ in range(2))
    assert np.array_equal(one.positions, two.positions)
    torch.cuda.reset_peak_memory_stats()
    settings = Nbody(box_mpc_h=250.0, particles_per_side=128, steps=2, device="cuda")
    run(settings)
    assert torch.cuda.max_memory_reserved() < fastpm.memory_needed(settings)


# Memory


def test_a_run_that_does_not_fit_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(fastpm, "initial_conditions", lambda *_: pytest.fail("it began"))
    monkeypatch.setattr(fastpm, "available_memory", lambda: 10**9)
    settings = Nbody(particles_per_side=320)
    with pytest.raises(MemoryError, match=rf"need {fastpm.memory_needed(settings)} bytes .*1000000000 .*available"):
        fastpm.simulate(settings, COSMOLOGY, np.random.default_rng(0))


def test_memory_grows_with_particles_and_mesh():
    sizes = [Nbody(particles_per_side=n, mesh_factor=f) for n, f in ((256, 2), (320, 2), (320, 3))]
    needs = [fastpm.memory_needed(s) for s in sizes]
    assert needs == sorted(needs)
    assert needs[1] < 6.5e9
    assert fastpm.memory_needed(sizes[1].model_copy(update={"device": "cuda"})) > needs[1]
    assert 10**8 < mesh.available_memory() < 10**14


def test_memory_without_proc(monkeypatch):
    def absent(*_):
        raise OSError

    monkeypatch.setattr(mesh.Path, "read_text", absent)
    assert mesh.available_memory() > 10**8


# Power spectra, settings


def test_power_of_random_points_is_shot_noise():
    positions = random_positions(np.random.default_rng(7), 20_000, 100.0)
    k, power, modes = power_spectrum(positions, 100.0, 32)
    low = slice(0, 8)
    np.testing.assert_allclose(power[low] / (100**3 / 20_000), 1, atol=4 * np.sqrt(2 / modes[low]).max())
    _, power, _ = power_spectrum(positions, 100.0, 32, subtract_shot_noise=True, threads=2)
    assert np.abs(power / (100**3 / 20_000) / np.sqrt(2 / modes)).max() < 4.5
    np.testing.assert_allclose(k[1:], 2 * np.pi / 100 * np.arange(2, 17), rtol=0.2)
    assert modes[0] == 18  # the neighbours of the origin at 1 and at the root of 2
    assert k[0] == pytest.approx(2 * np.pi / 100 * (6 + 12 * np.sqrt(2)) / 18)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"redshifts": [0.1, 0.5]}, "descending"),
        ({"redshifts": [9.5]}, "not after the start"),
        ({"redshifts": []}, "at least 1"),
        ({"redshifts": [2.0, 1.0], "steps": 1}, "fewer"),
        ({"particles_per_side": 15, "mesh_factor": 1}, "even"),
        ({"device": "gpu"}, "cuda"),
    ],
)
def test_wrong_settings_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Nbody(**change)


def test_odd_mesh_is_refused():
    with pytest.raises(ValueError, match="even"):
        CpuMesh(9, 10.0)
