"""One box from phases to halos and galaxies: particles on disk, halos over time, masses by abundance, the field."""

import numpy as np
import pandas as pd
import pytest

from clustermass import contracts, universe
from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody
from clustermass.galaxies.background import draw_halos, r200c, v200
from clustermass.galaxies.surroundings import REACH, smoothed_overdensities, surroundings
from clustermass.halofinder import HALOS_SNAPSHOT, links, matching
from clustermass.nbody.store import CELLS, read_particles, write_particles
from clustermass.sources.snapshot import SNAPSHOT_HALOS, load_snapshots

PLANCK, Z, BOX = Cosmology(), 0.117, 100.0
SMALL = Nbody(box_mpc_h=50, particles_per_side=32, steps=6, redshifts=[0.35, 0.117], threads=1)


def rng(seed=1):
    return np.random.default_rng(seed)


# ----------------------------------------------------------------------------------------------------------- particles


def test_particles_come_back_within_half_a_cell(tmp_path):
    positions = rng().uniform(0, BOX, (1000, 3)).astype(np.float32)
    positions[0], positions[1] = 0, np.nextafter(np.float32(BOX), np.float32(0))
    velocities = rng(2).normal(0, 500, (1000, 3)).astype(np.float32)
    write_particles(tmp_path / "p.safetensors", positions, velocities, BOX, Z)
    stored = read_particles(tmp_path / "p.safetensors")
    assert (stored.box, stored.redshift) == (BOX, Z)
    assert np.abs(stored.positions - positions).max() <= BOX / CELLS * 0.51
    assert stored.positions.min() >= 0
    assert stored.positions.max() < BOX
    np.testing.assert_allclose(stored.velocities, velocities, rtol=2**-11, atol=1e-4)
    assert (tmp_path / "p.safetensors").stat().st_size < 12 * 1000 + 500


@pytest.mark.parametrize(
    ("position", "velocity", "message"),
    [(BOX, 0, "positions"), (-1, 0, "positions"), (np.nan, 0, "positions"), (1, 1e5, "velocities"), (1, np.nan, "vel")],
)
def test_particles_that_cannot_be_kept_are_refused(tmp_path, position, velocity, message):
    arrays = (np.full((2, 3), value, np.float32) for value in (position, velocity))
    with pytest.raises(ValueError, match=message):
        write_particles(tmp_path / "p.safetensors", *arrays, BOX, Z)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
def test_damaged_particles_are_refused(tmp_path, place):
    path = tmp_path / "p.safetensors"
    write_particles(path, rng().uniform(0, BOX, (100, 3)), np.zeros((100, 3), np.float32), BOX, Z)
    stored = bytearray(path.read_bytes())
    stored[int(place * len(stored))] ^= 1
    path.write_bytes(stored)
    with pytest.raises(ValueError, match=r"p\.safetensors: expected particles of checksum .* make it again"):
        read_particles(path)


# ------------------------------------------------------------------------------------------------------- halos in time


def test_a_halo_becomes_the_one_that_most_of_its_particles_end_in():
    centres, radii = np.array([[10.0, 10, 10], [99.9, 50, 50], [60, 60, 60], [5, 90, 90]]), np.array([2.0, 2, 1, 1])
    first, second, third, nowhere = centres + np.array([0.5, 0, 0])
    at_first = np.array([first] * 3 + [second] * 3 + [third] * 2 + [nowhere], np.float32)
    at_last = np.array([first] * 2 + [second] * 4 + [first] * 2 + [[30, 30, 30]], np.float32)
    early, late = (links.halo_particles(np.mod(p, BOX), centres, radii, BOX) for p in (at_first, at_last))
    assert links.descendants(early, late, len(at_first)).tolist() == [0, 1, 0, -1]
    assert links.groups(np.array([1, -1, 0, -1]), 3).tolist() == [1, 3, 0, 4]


def test_a_box_is_the_same_on_any_number_of_threads_and_its_halos_are_linked():
    kept, said = [], []
    runs = [
        universe.make_box(
            SMALL.model_copy(update={"threads": threads}),
            PLANCK,
            rng(),
            lambda s: kept.append(s.redshift),
            say=said.append,
        )
        for threads in (1, 2)
    ]
    early, late = runs[0]
    for one, two in zip(*runs, strict=True):
        pd.testing.assert_frame_equal(one.halos, two.halos)
        pd.testing.assert_frame_equal(one.power, two.power)
    assert kept == [0.35, 0.117] * 2
    assert len(early.halos) > 20
    HALOS_SNAPSHOT.validate(early.halos, "early")
    assert late.halos["group"].tolist() == list(range(len(late.halos)))
    # the heaviest halos become heavy ones near by: halos move by a few Mpc/h
    heavy = early.halos[:5]
    ends = late.halos.set_index("halo_id").loc[heavy["group"]]
    apart = heavy[["x", "y", "z"]].to_numpy() - ends[["x", "y", "z"]].to_numpy()
    apart -= SMALL.box_mpc_h * np.round(apart / SMALL.box_mpc_h)
    assert np.linalg.norm(apart, axis=1).max() < 4
    assert (ends["m200c"].to_numpy() > 0.1 * heavy["m200c"].to_numpy()).all()
    # the largest modes grew as linear theory says
    np.testing.assert_allclose(late.power["power"][:1], late.power["realised"][:1], rtol=0.25)


# ----------------------------------------------------------------------------------------------------------- abundance


def test_matching_gives_back_the_masses_that_a_factor_took():
    volume, low = 400.0**3, 10**12.9
    boxes = [draw_halos(low, 1e16, volume, Z, PLANCK, rng(seed)) for seed in (1, 2, 3, 4)]
    raw = [0.5 * masses**1.01 / 1e14**0.01 for masses in boxes]
    nodes, factor, halos = matching.fit_matching(raw, volume, 0.6 * low, Z, PLANCK)
    assert halos[-1] >= 20
    assert (np.diff(halos) <= 0).all()
    truth = rng(9).choice(boxes[0][boxes[0] > 1.2 * low], 500)
    found = matching.matched_masses(0.5 * truth**1.01 / 1e14**0.01, nodes, factor)
    assert np.abs(np.log10(found / truth)).max() < 0.08  # Poisson noise of the heaviest
    assert np.median(np.abs(np.log10(found / truth))) < 0.01


def test_matched_masses_keep_their_order():
    raw = np.array([3.0, 1.0, 2.0, 2.1])
    steep = matching.matched_masses(raw, np.log10([1.9, 2.05]), np.array([0.0, -0.3]))
    assert (np.diff(steep[np.argsort(raw)]) >= 0).all()
    assert steep[1] == 1.0
    assert len(matching.matched_masses(np.empty(0), np.array([1.0]), np.array([0.0]))) == 0


def test_matching_refuses_too_few_halos():
    with pytest.raises(ValueError, match="at least 20 halos"):
        matching.fit_matching([np.full(10, 1e14)], 1e6, 1e13, Z, PLANCK)


def test_snapshot_halos_are_those_resolved(tmp_path):
    found = universe.make_box(SMALL, PLANCK, rng(), lambda snapshot: None, say=lambda text: None)[-1].halos
    table = pd.DataFrame({"log10_raw": [12.0, 13.0], "log10_factor": [0.1, 0.1], "halos": [9, 5]})
    smallest = 50 * SMALL.particle_mass(PLANCK)
    raw = universe.snapshot_halos(found, matching.MASS_MATCHING.empty(), smallest, Z, PLANCK, rng())
    matched = universe.snapshot_halos(found, table, smallest, Z, PLANCK, rng())
    assert 0 < len(raw) <= len(matched)
    assert raw["m200c"].min() >= smallest
    np.testing.assert_allclose(matched["m200c"][: len(raw)], raw["m200c"] * 10**0.1)
    np.testing.assert_allclose(matched["r200c"], r200c(matched["m200c"].to_numpy(), Z, PLANCK))
    assert matched["concentration"].between(1, 60).all()


def test_mass_of_a_particle_fills_the_box():
    mass = Nbody().particle_mass(PLANCK)
    assert mass * 320**3 == pytest.approx(0.3089 * 2.77536627e11 * 500**3)


# ------------------------------------------------------------------------------------------------- particles and field


def one_halo(m200c=1e14):
    columns = {
        "halo": [7],
        "group": [7],
        "x": [99.0],
        "y": [50.0],
        "z": [50.0],
        "vx": [100.0],
        "vy": [0.0],
        "vz": [0.0],
    }
    radius = r200c(np.array([m200c]), Z, PLANCK)
    return SNAPSHOT_HALOS.validate(
        pd.DataFrame({**columns, "m200c": [m200c], "r200c": radius, "concentration": [5.0]}), "halo"
    )


def test_particles_are_relative_to_their_halo_across_the_face():
    halo = one_halo()
    radius, speed = halo["r200c"][0], v200(np.array([1e14]), Z, PLANCK)[0]
    background = rng().uniform([0, 0, 0], [BOX, 40, BOX], (4000, 3))
    planted = np.array([[99 + 0.5 * radius, 50, 50], [99, 50, 50 - 1.65 * radius]])
    positions = np.mod(np.vstack([planted, background]), BOX).astype(np.float32)
    velocities = np.zeros_like(positions)
    velocities[0] = [100 + speed, 0, 0]
    particles, field = surroundings(halo, positions, velocities, BOX, Z, PLANCK, 1e13, around=True)
    np.testing.assert_allclose(particles.position, [[0.5, 0, 0], [0, 0, -1.65]], atol=1e-4)
    np.testing.assert_allclose(particles.velocity[0], [1, 0, 0], atol=1e-4)
    assert particles.start.tolist() == [0, 2]
    assert REACH > 1.65
    # 1.65 R200c is outside R180m of a halo of this mass: that particle is of the field
    assert len(field.overdensity) == len(positions) - 1
    assert field.max_halo_mass == 1e13
    nothing, _ = surroundings(halo, positions, velocities, BOX, Z, PLANCK, 1e13, around=False)
    assert nothing is None


def test_smoothed_overdensity_of_a_wave_is_damped_by_its_gaussian():
    k, amplitude, n = 2 * np.pi / BOX, 0.02, 68
    x = (np.arange(n) + 0.5) * BOX / n
    lattice = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = lattice.copy()
    moved[:, 0] += amplitude / k * np.sin(k * lattice[:, 0])  # density contrast -amplitude cos(k x)
    local, large = smoothed_overdensities(np.mod(moved, BOX).astype(np.float32), BOX)
    for found, scale in ((local, 6.0), (large, BOX / 8)):
        expected = -amplitude * np.exp(-((k * scale) ** 2) / 2) * np.cos(k * lattice[:, 0])
        assert np.abs(found - expected).max() < 0.12 * amplitude


def test_snapshots_are_loaded_by_box_and_redshift(tmp_path):
    paths = []
    for number, (box, redshift) in enumerate([("a", 0.5), ("a", 0.1), ("b", 0.5), ("b", 0.1)]):
        paths.append(str(tmp_path / f"{box}{redshift}.parquet"))
        contracts.write_table(one_halo().assign(halo=number), SNAPSHOT_HALOS, paths[-1], {})
    load = load_snapshots(paths, ["a", "b"], [0.5, 0.1], SNAPSHOT_HALOS)
    assert load("a", 0.1)["halo"].tolist() == [1]
    assert load("b", 0.5)["halo"].tolist() == [2]
