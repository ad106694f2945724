"""Halos of an N-body snapshot: groups against brute force, masses against the closed form of the NFW profile."""

from __future__ import annotations

import numba
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from clustermass.config.base import Cosmology
from clustermass.contracts import ContractError
from clustermass.cosmology import flat
from clustermass.halofinder import (
    DEFINITIONS,
    HALOS_SNAPSHOT,
    find_halos,
    friends_of_friends,
    group_centres,
    hosts,
    kernels,
    linking_length,
    members,
    particle_grid,
    spherical_overdensity,
    threshold,
)
from clustermass.halofinder.grid import finite_velocities

COSMOLOGY = Cosmology()
Z = 0.2
BOX = 20.0  # Mpc/h
M200C, C200C = 4e14, 5.0  # Msun/h


def groups_of(positions: NDArray[np.floating], length: float, fewest: int = 2, box: float = BOX) -> NDArray[np.int32]:
    return friends_of_friends(particle_grid(positions, box, length), length, fewest)


def periodic(difference: NDArray[np.float64], box: float = BOX) -> NDArray[np.float64]:
    return difference - box * np.round(difference / box)


def nfw_mass(x: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return m(x) = ln(1 + x) - x / (1 + x): the mass of an NFW profile inside x scale radii, but for a factor."""
    return np.log1p(x) - x / (1 + np.asarray(x))


def r200c(mass: float, z: float = Z) -> float:
    """Return the comoving R200c [Mpc/h] from the critical density written out: 2.7754e11 E^2(z) / (1 + z)^3."""
    e2 = COSMOLOGY.Om0 * (1 + z) ** 3 + 1 - COSMOLOGY.Om0
    return float((3 * mass / (4 * np.pi * 200 * 2.7754e11 * e2 / (1 + z) ** 3)) ** (1 / 3))


def nfw_particles(
    rng: np.random.Generator, n: int, mass: float, centre: tuple[float, float, float], reach: float = 2.0
) -> NDArray[np.float32]:
    """Return particles of an NFW halo inside reach x R200c, n of them inside R200c on average, wrapped."""
    x = np.linspace(0, reach, 20_001)
    total = rng.poisson(n * nfw_mass(C200C * reach) / nfw_mass(C200C))
    r = np.interp(rng.random(total) * nfw_mass(C200C * reach), nfw_mass(C200C * x), x) * r200c(mass)
    return wrap(np.asarray(centre) + r[:, None] * directions(rng, total))


def directions(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    d = rng.normal(size=(n, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def wrap(positions: NDArray[np.float64]) -> NDArray[np.float32]:
    wrapped = np.mod(positions, BOX).astype(np.float32)
    return np.where(wrapped >= np.float32(BOX), np.float32(0), wrapped)


@pytest.fixture(scope="module")
def snapshot() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Three halos, one of them on a corner of the box, one inside another, on a background; each with its velocity."""
    rng = np.random.default_rng(1)
    halos = [
        (nfw_particles(rng, 4000, M200C, (0.05, 19.9, 0.1)), (300, -200, 100), 700),
        (nfw_particles(rng, 1000, M200C / 4, (10, 10, 10)), (-500, 0, 250), 400),
        (nfw_particles(rng, 300, M200C / 13, (10.8, 10, 10), 0.4), (0, 0, 0), 300),
        (np.asarray(rng.uniform(0, BOX, (5000, 3)), np.float32), (0, 0, 0), 100),
    ]
    velocities = [rng.normal(mean, sigma, (len(points), 3)) for points, mean, sigma in halos]
    return np.concatenate([points for points, *_ in halos]), np.concatenate(velocities).astype(np.float32)


@pytest.fixture(scope="module")
def halos(snapshot: tuple[NDArray[np.float32], NDArray[np.float32]]) -> pd.DataFrame:
    return find_halos(*snapshot, BOX, M200C / 4000, Z, COSMOLOGY, b=0.15)


# ------------------------------------------------------------------------------------------------- friends of friends


def test_a_chain_is_one_group_and_single_particles_are_none() -> None:
    chain = np.array([[1 + 0.09 * k, 2, 3] for k in range(50)], np.float32)
    lone = np.array([[9, 9, 9], [15, 1, 1], [1, 2.2, 3]], np.float32)
    labels = groups_of(np.concatenate([lone, chain]), 0.1)
    assert labels.tolist() == [-1] * 3 + [0] * 50
    assert groups_of(np.concatenate([lone, chain]), 0.1, fewest=51).tolist() == [-1] * 53
    assert groups_of(lone, 0.1, fewest=1).tolist() == [1, 2, 0]  # of one size: by x, then y


def test_groups_reach_across_the_edges_of_the_box() -> None:
    corners = np.array([[x, y, z] for x in (0.02, 19.98) for y in (0.02, 19.98) for z in (0.02, 19.98)], np.float32)
    assert groups_of(corners, 0.05).tolist() == [0] * 8
    assert groups_of(corners[:, [0, 1, 2]] * [1, 1, 0.5], 0.05).max() == 1  # now half way up: two groups of four


@pytest.mark.parametrize("gap", [0.0999, 0.1001])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("edge", [5.0, 20.0])
def test_groups_just_beyond_the_linking_length_stay_apart(gap: float, axis: int, edge: float) -> None:
    three, two = np.zeros((3, 3)), np.zeros((2, 3))
    three[:, axis], two[:, axis] = edge - 0.05 - np.array([0, 0.08, 0.16]), edge - 0.05 + gap + np.array([0, 0.08])
    labels = groups_of(wrap(np.concatenate([two, three])), 0.1)
    assert labels.tolist() == ([0] * 5 if gap < 0.1 else [1, 1, 0, 0, 0])


def brute_force(positions: NDArray[np.float32], length: float, fewest: int) -> set[frozenset[int]]:
    tree = cKDTree(positions.astype(float), boxsize=BOX)
    _, label = connected_components(tree.sparse_distance_matrix(tree, length, output_type="coo_matrix"))
    found = [frozenset(np.flatnonzero(label == k).tolist()) for k in np.flatnonzero(np.bincount(label) >= fewest)]
    return set(found)


@pytest.mark.parametrize(("n", "length"), [(4000, 0.25), (4000, 0.9), (3000, 1.2), (60, 2.5), (7, 6.0), (5, 10.0)])
def test_groups_are_those_of_brute_force(n: int, length: float) -> None:
    rng = np.random.default_rng(n)
    clumps = rng.normal(rng.uniform(0, BOX, (n // 4 + 1, 3)), 0.3)
    positions = wrap(np.concatenate([rng.uniform(0, BOX, (n - len(clumps), 3)), clumps]))
    labels = groups_of(positions, length, 3)
    found = {frozenset(np.flatnonzero(labels == k).tolist()) for k in range(labels.max() + 1)}
    assert found == brute_force(positions, length, 3)
    sizes = np.bincount(labels[labels >= 0])
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.parametrize("length", [0.05, 0.2])
def test_groups_in_cells_of_thousands_are_those_of_brute_force(length: float) -> None:
    rng = np.random.default_rng(12)
    clumps = [rng.normal(c, s, (n, 3)) for c, s, n in ((10.69, 0.1, 2500), (0.0, 0.15, 1500), (11.14, 0.1, 500))]
    positions = wrap(np.concatenate([rng.uniform(0, BOX, (3000, 3)), *clumps]))
    assert np.diff(particle_grid(positions, BOX, length).start).max() > 2000
    labels = groups_of(positions, length)
    found = {frozenset(np.flatnonzero(labels == k).tolist()) for k in range(labels.max() + 1)}
    assert found == brute_force(positions, length, 2)


def test_labels_do_not_depend_on_order_or_threads() -> None:
    rng = np.random.default_rng(2)
    positions = rng.uniform(0, BOX, (8000, 3)).astype(np.float32)  # many groups of equal size
    labels, shuffle = groups_of(positions, 0.7), rng.permutation(8000)
    assert 100 < labels.max() < 4000
    assert (groups_of(positions[shuffle], 0.7) == labels[shuffle]).all()
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    one = groups_of(positions, 0.7)
    numba.set_num_threads(threads)
    assert (one == labels).all()
    grid = particle_grid(positions, BOX, 0.7)
    for slabs in (1, 2, 5, grid.cells):
        assert (kernels.link(*grid.search, 0.7, slabs) == kernels.link(*grid.search, 0.7, 3)).all()


def test_linking_length_is_in_mean_spacings() -> None:
    assert linking_length(1000, 20.0, 0.2) == pytest.approx(0.4)
    grid = particle_grid(np.ones((1000, 3), np.float32), BOX)
    with pytest.raises(ValueError, match="length: expected above 0 and at most the side of a cell"):
        friends_of_friends(grid, 2.0, 2)


# ------------------------------------------------------------------------------------------------------------ centres


@pytest.mark.parametrize("centre", [(10.0, 10.0, 10.0), (0.01, 19.99, 10.0)])
def test_centre_is_the_peak_not_the_mean(centre: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(3)
    halo = nfw_particles(rng, 3000, M200C, centre)
    tail = wrap(np.asarray(centre) + np.array([1.5, 0, 0]) + rng.normal(0, 0.3, (1000, 3)))
    positions = np.concatenate([halo, tail])
    found = group_centres(particle_grid(positions, BOX), np.zeros(len(positions), np.int32))
    assert np.linalg.norm(periodic(found[0] - centre)) < 0.05 * r200c(M200C)
    assert ((found >= 0) & (found < BOX)).all()


def test_centres_of_small_groups_are_means() -> None:
    positions = np.array([[19.9, 1, 1], [0.2, 1, 1.1], [5, 5, 5], [5, 5, 5], [7, 7, 7]], np.float32)
    found = group_centres(particle_grid(positions, BOX), np.array([0, 0, 1, 1, -1], np.int32))
    assert found == pytest.approx(np.array([[0.05, 1, 1.05], [5, 5, 5]]), abs=1e-6)


# ------------------------------------------------------------------------------------------------ spherical overdensity


def test_thresholds_by_hand() -> None:
    # E^2(0.2) = 0.3089 * 1.728 + 0.6911 = 1.2248792; comoving critical density 2.7754e11 * 1.2248792 / 1.728 = 1.96733e11
    assert threshold("200c", 0.2, COSMOLOGY) == pytest.approx(200 * 1.96733e11, rel=1e-4)
    assert threshold("500c", 0.2, COSMOLOGY) == pytest.approx(500 * 1.96733e11, rel=1e-4)
    # Mean matter density: 0.3089 * 2.7754e11 at any redshift
    for z in (0.0, 0.2, 3.0):
        assert threshold("200m", z, COSMOLOGY) == pytest.approx(200 * 0.3089 * 2.7754e11, rel=1e-4)
    # Om(0.2) = 0.5337792 / 1.2248792 = 0.435781, x = -0.564219: 177.6529 - 46.2660 - 12.4154 = 118.9715
    assert threshold("vir", 0.2, COSMOLOGY) == pytest.approx(118.9715 * 1.96733e11, rel=1e-4)


@pytest.mark.parametrize(("z", "definition"), [(z, d) for z in (0.0, 0.5) for d in (*DEFINITIONS, "2500c")])
def test_thresholds_are_those_of_colossus(z: float, definition: str) -> None:
    from colossus.cosmology import cosmology as colossus_cosmology
    from colossus.halo.mass_so import densityThreshold

    parameters = {**COSMOLOGY.model_dump(), "flat": True, "relspecies": False, "persistence": ""}
    colossus_cosmology.setCosmology("test", **parameters)
    comoving = densityThreshold(z, definition) * 1e9 / (1 + z) ** 3  # from h^2 Msun / kpc^3
    assert threshold(definition, z, COSMOLOGY) == pytest.approx(comoving, rel=1e-4)


@pytest.mark.parametrize("definition", ["200", "c", "200x", "0c", "-200c", "virial", ""])
def test_unknown_definitions_are_refused(definition: str) -> None:
    with pytest.raises(ValueError, match="definition: expected '200c', '200m' or the like, or 'vir', got"):
        threshold(definition, Z, COSMOLOGY)


def test_masses_of_an_nfw_halo_are_those_of_the_closed_form() -> None:
    centre, n = (0.1, 10.0, 19.95), 20_000
    positions = nfw_particles(np.random.default_rng(4), n, M200C, centre, reach=3)
    grid = particle_grid(positions, BOX)
    found = spherical_overdensity(grid, np.array([centre]), M200C / n, DEFINITIONS, Z, COSMOLOGY)
    for column, definition in enumerate(DEFINITIONS):
        # M(<r) / r^3 = 4/3 pi threshold, solved on a fine grid
        x = np.linspace(0.2, 3, 200_001)
        mass = M200C * nfw_mass(C200C * x) / nfw_mass(C200C)
        density = mass / (4 / 3 * np.pi * (x * r200c(M200C)) ** 3)
        at = np.argmax(density < threshold(definition, Z, COSMOLOGY))
        # A Poisson excess of counts moves the radius too: dM / M = dN / N / (1 - dlnM/dlnr / 3), here below 2 / sqrt(N)
        number = mass[at] / M200C * n
        assert found.mass[0, column] == pytest.approx(mass[at], rel=4 * 2 / np.sqrt(number))
        assert found.radius[0, column] == pytest.approx(x[at] * r200c(M200C), rel=4 * 2 / 3 / np.sqrt(number))
        assert found.particles[0, column] == round(found.mass[0, column] / (M200C / n))


def test_masses_are_unbiased_and_agree_with_colossus() -> None:
    from colossus.cosmology import cosmology as colossus_cosmology
    from colossus.halo.mass_defs import changeMassDefinition

    parameters = {**COSMOLOGY.model_dump(), "flat": True, "relspecies": False, "persistence": ""}
    colossus_cosmology.setCosmology("test", **parameters)
    expected = [changeMassDefinition(M200C, C200C, Z, "200c", name)[0] for name in DEFINITIONS]
    rng, n = np.random.default_rng(5), 400
    centres = np.stack(np.meshgrid(*[np.arange(10.0, 120, 20)] * 3), axis=-1).reshape(-1, 3)  # 216 halos, far apart
    particles = [nfw_particles(rng, n, M200C, (10, 10, 10), reach=3) + (centre - 10) for centre in centres]
    grid = particle_grid(np.concatenate(particles), 120)
    found = spherical_overdensity(grid, centres, M200C / n, DEFINITIONS, Z, COSMOLOGY)
    ratios = found.mass / expected
    error = np.std(ratios, axis=0) / np.sqrt(len(centres))
    assert (error < 0.008).all()
    assert (np.abs(np.mean(ratios, axis=0) - 1) < 3 * error + 1 / (0.7 * n)).all()  # the bias stays below a particle
    by_threshold = found.mass[:, [1, 0, 3, 2]]  # 500c, 200c, vir, 200m
    assert (np.diff(by_threshold, axis=1) > 0).all()


def test_a_uniform_sphere_has_its_whole_mass_at_the_radius_of_the_threshold() -> None:
    rng, n, radius = np.random.default_rng(6), 5000, 0.5
    points = np.array([19.9, 0.2, 5]) + radius * rng.random((n, 1)) ** (1 / 3) * directions(rng, n)
    density = threshold("200c", Z, COSMOLOGY)
    whole = 4 / 3 * np.pi * radius**3 * 8 * density  # eight times as dense as the threshold: R = 2 x 0.5 Mpc/h
    found = spherical_overdensity(
        particle_grid(wrap(points), BOX), np.array([[19.9, 0.2, 5]]), whole / n, ["200c"], Z, COSMOLOGY
    )
    assert found.particles[0, 0] == n
    assert found.mass[0, 0] == pytest.approx(whole, rel=1e-12)
    assert found.radius[0, 0] == pytest.approx(1.0, rel=1e-12)  # where no particle is, and no edge of a bin would be


@pytest.mark.parametrize("guess", [1e10, 1e14, 1e18])
def test_the_crossing_is_exact_whatever_the_guess(guess: float) -> None:
    rng, n = np.random.default_rng(7), 300
    positions = nfw_particles(rng, n, M200C, (10, 10, 10), reach=6)
    found = spherical_overdensity(
        particle_grid(positions, BOX), np.full((1, 3), 10.0), M200C / n, DEFINITIONS, Z, COSMOLOGY, np.array([guess])
    )
    radii = np.sort(np.linalg.norm(positions.astype(float) - 10, axis=1))
    for column, definition in enumerate(DEFINITIONS):
        density = threshold(definition, Z, COSMOLOGY)
        count = np.arange(1, len(radii))
        crossed = count * M200C / n / (4 / 3 * np.pi * radii[1:] ** 3) < density  # just before the next particle
        k = count[crossed & (count >= 10)][0]
        assert found.particles[0, column] == k
        assert radii[k - 1] <= found.radius[0, column] < radii[k]
        assert found.mass[0, column] == pytest.approx(4 / 3 * np.pi * found.radius[0, column] ** 3 * density)


def test_the_first_crossing_leaves_a_neighbour_out() -> None:
    rng = np.random.default_rng(8)
    small = nfw_particles(rng, 300, M200C / 10, (10, 10, 10), reach=1)
    large = nfw_particles(rng, 3000, M200C, (10 + 1.4 * r200c(M200C), 10, 10), reach=1)
    found = spherical_overdensity(
        particle_grid(np.concatenate([small, large]), BOX),
        np.full((1, 3), 10.0),
        M200C / 3000,
        ["500c", "200c"],
        Z,
        COSMOLOGY,
    )
    assert found.mass[0, 1] == pytest.approx(M200C / 10, rel=0.2)


def test_undefined_masses() -> None:
    rng = np.random.default_rng(9)
    positions = np.concatenate([rng.uniform(0, BOX, (8000, 3)), np.full((9, 3), 5.0)]).astype(np.float32)
    mean = COSMOLOGY.Om0 * 2.7754e11 * BOX**3 / len(positions)
    grid, centres = particle_grid(positions, BOX), np.array([[10, 10, 10], [5, 5, 5.0]])
    thin = spherical_overdensity(grid, centres, mean, ["200c", "200m"], Z, COSMOLOGY)  # no more than nine particles
    assert np.isnan(thin.mass).all()
    assert np.isnan(thin.radius).all()
    assert (thin.particles == 0).all()
    heavy = spherical_overdensity(grid, centres, 1000 * mean, ["200c", "200m"], Z, COSMOLOGY)  # dense throughout
    assert np.isnan(heavy.mass).all()
    none = spherical_overdensity(grid, np.empty((0, 3)), mean, ["200c"], Z, COSMOLOGY)
    assert none.mass.shape == none.particles.shape == (0, 1)


# -------------------------------------------------------------------------------------------------------------- hosts


def test_halos_inside_larger_ones_are_dropped() -> None:
    x = np.array([19.8, 1.0, 0.3, 10.0, 11.1, 10.9, 15.0])
    mass = np.array([9, 3, 8, 5, 2, 4, np.nan])
    radius = np.array([1.0, 0.4, 1.0, 1.0, 0.9, 0.8, np.nan])
    centres = np.column_stack([x, np.full((7, 2), 0.1)])
    # 2 lies in 0 across the edge; 1 only in 2, which was dropped; 5 in 3; 4 only in 5; 6 is no halo
    assert hosts(centres, mass, radius, BOX).tolist() == [0, 3, 1, 4]
    assert hosts(centres[:0], mass[:0], radius[:0], BOX).tolist() == []
    assert hosts(centres[[0, 0]], np.ones(2), np.ones(2), BOX).tolist() == [0]


# ---------------------------------------------------------------------------------------------------------- catalogue


def test_the_catalogue_holds_the_halos_that_were_put_in(halos: pd.DataFrame) -> None:
    assert HALOS_SNAPSHOT.validate(halos, "halos").equals(halos)
    assert halos["halo_id"].tolist() == list(range(len(halos)))
    assert halos["m200c"].is_monotonic_decreasing
    top = halos.iloc[:2]
    offsets = periodic(top[["x", "y", "z"]].to_numpy() - [[0.05, 19.9, 0.1], [10, 10, 10]])
    assert (np.linalg.norm(offsets, axis=1) < 0.05).all()
    assert top["m200c"].iloc[0] / M200C == pytest.approx(1, rel=0.1)
    assert 0.23 < top["m200c"].iloc[1] / M200C < 1.05 * (0.25 + 1 / 13)  # the clump at its edge is partly inside
    assert top["r200c"].to_numpy() == pytest.approx([r200c(m) for m in top["m200c"]], rel=1e-4)
    assert (top["m500c"] < top["m200c"]).all()
    assert (top["m200c"] < top["mvir"]).all()
    assert (top["mvir"] < top["m200m"]).all()
    assert (top["particles_fof"] > 0.5 * top["particles"]).all()


def test_bulk_velocities_and_dispersions(
    snapshot: tuple[NDArray[np.float32], NDArray[np.float32]], halos: pd.DataFrame
) -> None:
    first = halos.iloc[0]
    error = 700 / np.sqrt(first["particles"])
    assert first[["vx", "vy", "vz"]].to_numpy(float) == pytest.approx([300, -200, 100], abs=4 * error)
    core_error = 700 / np.sqrt(first["particles_core"])
    assert first[["vx_core", "vy_core", "vz_core"]].to_numpy(float) == pytest.approx(
        [300, -200, 100], abs=4 * core_error
    )
    assert first["sigma_v"] == pytest.approx(700, rel=0.03)
    assert first["sigma_3d"] == pytest.approx(np.sqrt(3) * first["sigma_v"])
    positions, velocities = snapshot
    for row in halos.itertuples():
        r = np.linalg.norm(periodic(positions.astype(float) - [row.x, row.y, row.z]), axis=1)
        inside, core = velocities[r <= row.r200c].astype(float), velocities[r <= 0.2 * row.r200c].astype(float)
        assert (len(inside), len(core)) == (row.particles, row.particles_core)
        assert [row.vx, row.vy, row.vz] == pytest.approx(inside.mean(axis=0))
        assert row.sigma_v == pytest.approx(np.sqrt(inside.var(axis=0, ddof=1).mean()))
        if len(core) >= 10:
            assert [row.vx_core, row.vy_core, row.vz_core] == pytest.approx(core.mean(axis=0))
        else:
            assert np.isnan(row.vx_core)


def test_the_catalogue_does_not_depend_on_order_threads_or_place(
    snapshot: tuple[NDArray[np.float32], NDArray[np.float32]], halos: pd.DataFrame
) -> None:
    positions, velocities = snapshot
    shuffle, threads = np.random.default_rng(10).permutation(len(positions)), numba.get_num_threads()
    numba.set_num_threads(1)
    again = find_halos(positions[shuffle], velocities[shuffle], BOX, M200C / 4000, Z, COSMOLOGY, b=0.15)
    numba.set_num_threads(threads)
    pd.testing.assert_frame_equal(again, halos, rtol=1e-10)
    shift = np.array([3.0, 11.0, 17.0])
    moved = find_halos(wrap(positions + shift), velocities, BOX, M200C / 4000, Z, COSMOLOGY, b=0.15)
    difference = periodic(moved[["x", "y", "z"]].to_numpy()[:2] - halos[["x", "y", "z"]].to_numpy()[:2] - shift)
    assert np.abs(difference).max() < 1e-3
    assert moved["m200c"].to_numpy()[:2] == pytest.approx(halos["m200c"].to_numpy()[:2], rel=2e-3)


def test_a_snapshot_without_halos_is_an_empty_table() -> None:
    nothing = np.empty((0, 3), np.float32)
    lattice = np.stack(np.meshgrid(*[np.arange(0.5, 20, 2)] * 3), axis=-1).reshape(-1, 3).astype(np.float32)
    for positions in (nothing, lattice[:1], lattice):
        table = find_halos(positions, np.zeros_like(positions), BOX, 1e12, Z, COSMOLOGY)
        assert len(table) == 0
        assert list(table) == HALOS_SNAPSHOT.names
        assert table.dtypes.equals(HALOS_SNAPSHOT.empty().dtypes)
        HALOS_SNAPSHOT.validate(table, "empty")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.001, 20.0, 25.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_positions_outside_the_box_are_refused(wrong: float, dtype: type) -> None:
    positions = np.ones((40, 3), dtype)
    positions[17, 2] = wrong
    with pytest.raises(
        ValueError, match=r"positions: particle 17: expected 0 <= x, y, z < 20.0 Mpc/h, got \[1.0, 1.0,"
    ):
        find_halos(positions, np.zeros((40, 3)), BOX, 1e12, Z, COSMOLOGY)


def test_positions_that_round_up_to_the_side_are_zero() -> None:
    grid = particle_grid(np.array([[np.nextafter(20, 0), 1, 1], [1, 1, 1]]), BOX)
    assert grid.positions.dtype == np.float32
    assert sorted(grid.positions[:, 0].tolist()) == [0, 1]


def test_wrong_arguments_are_refused() -> None:
    positions, still = np.ones((40, 3), np.float32), np.zeros((40, 3), np.float32)
    odd = still.copy()
    odd[3, 1] = np.nan
    for velocities, message in (
        (odd, "velocities: particle 3: expected finite numbers"),
        (still[1:], "velocities: expected one for each of 40 particles, got 39"),
        (still[:, :2], r"velocities: expected an array of shape \(n, 3\), got \(40, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            finite_velocities(velocities, 40)
        with pytest.raises(ValueError, match=message):
            find_halos(positions, velocities, BOX, 1e12, Z, COSMOLOGY)
    with pytest.raises(ValueError, match="box: expected a side above 0 Mpc/h, got 0"):
        particle_grid(positions, 0)
    for change, message in (
        ({"particle_mass": 0.0}, "particle_mass"),
        ({"b": 0.7}, "b: expected"),
        ({"min_particles": 1}, "min_particles"),
        ({"core": 0.0}, "core"),
        ({"redshift": -1.0}, "redshift"),
    ):
        arguments = {"particle_mass": 1e12, "redshift": Z, **change}
        with pytest.raises(ValueError, match=message):
            find_halos(positions, still, BOX, cosmology=COSMOLOGY, **arguments)


def test_the_contract_refuses_a_halo_without_a_mass(halos: pd.DataFrame) -> None:
    with pytest.raises(ContractError, match="m200c, row 1: expected a value"):
        HALOS_SNAPSHOT.validate(halos.assign(m200c=np.nan), "halos")


# ------------------------------------------------------------------------------------------------------------ members


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_members_are_those_of_brute_force(factor: float) -> None:
    rng = np.random.default_rng(11)
    positions = rng.uniform(0, BOX, (3000, 3)).astype(np.float32)
    centres, radii = rng.uniform(0, BOX, (25, 3)), rng.uniform(0.3, 3, 25)
    found = members(positions, centres, radii, factor, BOX)
    separation = periodic(positions[:, None].astype(float) - centres)
    ratio = np.linalg.norm(separation, axis=2) / radii
    halo = np.where(ratio.min(axis=1) <= factor, ratio.argmin(axis=1), -1)
    assert found.offsets.tolist() == [0, *np.cumsum([(halo == h).sum() for h in range(25)])]
    for h in range(25):
        own = slice(found.offsets[h], found.offsets[h + 1])
        assert found.particles[own].tolist() == np.flatnonzero(halo == h).tolist()
        assert found.distance[own] == pytest.approx(ratio[halo == h, h], abs=1e-12)


def test_members_at_the_limits() -> None:
    positions = np.array([[1, 1, 1], [2, 1, 1], [1.5, 1, 1], [9, 9, 9]], np.float32)
    centres, radii = np.array([[1, 1, 1], [2, 1, 1.0]]), np.array([0.5, 0.5])
    found = members(positions, centres, radii, 1.0, BOX)
    assert found.particles.tolist() == [0, 2, 1]  # the one half way belongs to the first
    assert found.distance.tolist() == [0, 1, 0]
    assert members(positions, centres[:0], radii[:0], 1.0, BOX).offsets.tolist() == [0]
    assert members(positions[:0], centres, radii, 1.0, BOX).offsets.tolist() == [0, 0, 0]
    assert len(members(positions, centres, np.full(2, 100.0), 1.0, BOX).particles) == 4  # no particle twice
    for wrong in (np.array([0.5]), np.array([0.5, 0.0]), np.array([0.5, np.nan])):
        with pytest.raises(ValueError, match="radii: expected 2 finite numbers above 0 Mpc/h"):
            members(positions, centres, wrong, 1.0, BOX)
    with pytest.raises(ValueError, match="factor"):
        members(positions, centres, radii, -1.0, BOX)


def test_the_cosmology_is_the_workflows() -> None:
    assert flat(COSMOLOGY).efunc(0.2) ** 2 == pytest.approx(1.2248792, rel=1e-7)
