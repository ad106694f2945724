"""Measured richness: filters against closed forms, planted clusters, membership against brute force, percolation."""

from __future__ import annotations

import numba
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from clustermass.config.base import Cosmology
from clustermass.cosmology import flat
from clustermass.galaxies.colours import red_sequence
from clustermass.sky import unit_vectors
from clustermass.sources import richness, richness_kernels
from clustermass.sources.richness import (
    MEMBERS,
    RICHNESS,
    build_filters,
    build_sky,
    depth_scale,
    faintest,
    measure_richness,
    parents,
    red_galaxies,
    sequence_redshift_error,
)

COSMOLOGY = Cosmology()
SIDE = 6.0  # deg: patches around ra = 0, dec = 0
SOLID_ANGLE = float(np.radians(SIDE) * 2 * np.sin(np.radians(SIDE / 2)))
REDSHIFT = 0.2


def galaxies_at(ra: np.ndarray, dec: np.ndarray, z_red: np.ndarray, host: int = -1) -> pd.DataFrame:
    """Return red-sequence galaxies."""
    columns = {"galaxy": 0, "host": host, "ra": np.mod(ra, 360), "dec": dec, "z_red": z_red, "r": 18.0, "g_r": 0.9}
    frame = pd.DataFrame(columns).astype({"z_red": np.float32, "r": np.float32, "g_r": np.float32})
    return frame.assign(galaxy=np.arange(len(frame)))


def background(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return galaxies without clusters, even in red-sequence redshift below 0.6."""
    ra, dec = rng.uniform(-SIDE / 2, SIDE / 2, (2, n))
    return galaxies_at(ra, dec, rng.uniform(0, 0.6, n))


def planted(
    ra: float, dec: float, n: int, rng: np.random.Generator, host: int = -1, z: float = REDSHIFT
) -> pd.DataFrame:
    """Return n galaxies of a cluster that has exactly the profile and the colours of the filter."""
    limit = richness_kernels.cluster_radius(n)
    radii = np.linspace(0, limit, 2000)
    weight = np.array([2 * np.pi * r * richness_kernels.radial_filter(r) for r in radii])
    share = np.concatenate([[0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
    radius = np.interp(rng.uniform(size=n), share / share[-1], radii)
    angle = np.degrees(radius / (flat(COSMOLOGY).angular_diameter_distance(z).value * 0.6774))
    turn = rng.uniform(0, 2 * np.pi, n)
    z_red = z + sequence_redshift_error(np.array(z)) * rng.standard_normal(n)
    return galaxies_at(ra + angle * np.cos(turn) / np.cos(np.radians(dec)), dec + angle * np.sin(turn), z_red, host)


def halos_at(ra: np.ndarray, dec: np.ndarray, z: float = REDSHIFT, m500c: float = 1e14) -> pd.DataFrame:
    """Return halos of one mass and redshift."""
    names = [f"H{number}" for number in range(len(ra))]
    columns = {"id": names, "group": names, "ra": np.mod(ra, 360), "dec": dec}
    return pd.DataFrame({**columns, "redshift_observed": z, "m500c": m500c})


def grid(spacing: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Return places far from one another."""
    axis = np.arange(-2.25, 2.3, spacing)
    ra, dec = np.meshgrid(axis, axis)
    return ra.ravel(), dec.ravel()


@pytest.fixture(scope="module")
def many() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return 36 clusters of 40 galaxies on a background, and their halos."""
    rng = np.random.default_rng(1)
    ra, dec = grid()
    parts = [planted(a, d, 40, rng, host) for host, (a, d) in enumerate(zip(ra, dec, strict=True))]
    red = pd.concat([background(60000, rng), *parts], ignore_index=True)
    return red.assign(galaxy=np.arange(len(red))), halos_at(ra, dec)


@pytest.fixture(scope="module")
def measured(many: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    return measure_richness(*many, SOLID_ANGLE, COSMOLOGY)


# Filters


@pytest.mark.parametrize("limit", [0.3, 0.8, 1.3])
def test_radial_filter_is_normalised(limit: float) -> None:
    integral = quad(lambda r: 2 * np.pi * r * richness_kernels.radial_filter(r), 0, limit, points=[0.1, 0.15])[0]
    assert richness_kernels.filter_norm(limit) == pytest.approx(integral, rel=1e-6)


def test_projected_nfw_by_hand() -> None:
    """Along the line of sight, the integral of 1 / (r (1 + r)^2) at distance x is twice the surface density."""
    for x in (0.5, 0.99999, 1.0, 1.00001, 3.0):
        line = 2 * quad(lambda s: 1 / (np.hypot(x, s) * (1 + np.hypot(x, s)) ** 2), 0, np.inf)[0]  # noqa: B023
        assert 2 * richness_kernels.nfw_surface(x) == pytest.approx(line, rel=1e-4)
    assert richness_kernels.nfw_enclosed(1.0) == pytest.approx(richness_kernels.nfw_enclosed(1.001), rel=1e-2)


def test_r_lambda() -> None:
    assert richness_kernels.cluster_radius(100.0) == pytest.approx(1)
    assert richness_kernels.cluster_radius(20.0) == pytest.approx(0.2**0.2)


def test_depth_scale_rises_only_beyond_the_complete_redshift() -> None:
    scale = depth_scale(np.array([0.1, 0.35, 0.4, 0.5]))
    assert scale[:2].tolist() == [1, 1]
    assert 1 < scale[2] < scale[3] < 4


def test_faintest_galaxy_is_a_fifth_of_lstar() -> None:
    """-20.79 + 2.5 log10 5 = -19.04 at z = 0.1; 1.62 mag per unit of redshift brighter; then the survey's limit."""
    limit = faintest(np.array([0.1, 0.35, 0.5]))
    assert limit[:2] == pytest.approx([-19.043, -19.043 - 0.405], abs=2e-3)
    assert limit[2] == pytest.approx(limit[0] - 0.648 - richness.lost_depth(np.array([0.5]))[0])
    assert richness.lost_depth(np.array([0.3]))[0] == 0


def test_errors_of_red_sequence_redshifts() -> None:
    error = sequence_redshift_error(np.array([0.1, 0.3, 0.5]))
    assert error / np.sqrt(20) == pytest.approx([0.006, 0.013, 0.02])


def test_background_is_the_mean_density() -> None:
    z_red = np.linspace(0.1, 0.5, 40001)
    filters = build_filters(z_red, 0.01, COSMOLOGY)
    assert filters.background[200] == pytest.approx(1e5 / 0.01, rel=0.01)  # 1e5 a unit of redshift
    assert filters.background[700] == 0
    assert filters.distance[200] == pytest.approx(flat(COSMOLOGY).angular_diameter_distance(0.2).value * 0.6774)


def test_red_galaxies_are_bright_and_on_the_sequence() -> None:
    mean, width = red_sequence(np.array([-20.0]))
    galaxies = pd.DataFrame(
        {
            "galaxy": np.arange(100, 105),
            "halo": ["H1", "H0", "", "H1", "H7"],
            "ra": 1.0,
            "dec": 2.0,
            "redshift_observed": 0.1,
            "abs_mag_r": [-20.0, -19.0, -20.0, -20.0, -20.0],  # the second is too faint
            "r": 17.0,
        }
    )
    g_r = mean + width * np.array([0, 0, 2.0, -3.5, -1.0])  # the fourth is too blue
    red = red_galaxies(galaxies, g_r, pd.Index(["H0", "H1"]))
    assert list(red["galaxy"]) == [100, 102, 104]
    assert list(red["host"]) == [1, -1, -1]
    error = sequence_redshift_error(np.array(0.1))
    assert red["z_red"].to_numpy() == pytest.approx([0.1, 0.1 + 2 * error, 0.1 - error], abs=1e-6)


# Neighbours


@pytest.mark.parametrize(("ra", "dec"), [(0.05, 10.0), (359.9, -0.05), (123.0, 89.8), (10.0, -89.95)])
def test_neighbours_are_those_of_brute_force(ra: float, dec: float) -> None:
    rng = np.random.default_rng(2)
    near = np.clip(dec + rng.uniform(-1, 1, 3000), -90, 90)
    spread = 180 if abs(dec) > 80 else 1
    red = galaxies_at(ra + rng.uniform(-spread, spread, 3000), near, np.full(3000, 0.2))
    sky, order = build_sky(red)
    vector = unit_vectors(np.array([ra]), np.array([dec]))[0]
    found, separation = richness_kernels._neighbours(sky, ra, dec, vector, np.radians(0.5), 0.1, 0.3)
    cosine = unit_vectors(red["ra"].to_numpy(), red["dec"].to_numpy()) @ vector
    assert sorted(order[found]) == list(np.flatnonzero(cosine > np.cos(np.radians(0.5))))
    assert np.cos(separation) == pytest.approx(cosine[order[found]], abs=1e-9)
    assert len(richness_kernels._neighbours(sky, ra, dec, vector, np.radians(0.5), 0.21, 0.3)[0]) == 0


# Planted clusters


def test_without_background_all_galaxies_are_members() -> None:
    """What lies beyond R_lambda plus its soft edge does not count: none here."""
    red = planted(0.0, 0.0, 50, np.random.default_rng(3), host=0)
    red = red.assign(z_red=np.float32(REDSHIFT))
    clusters, _ = measure_richness(red, halos_at(np.zeros(1), np.zeros(1)), 1e6 * 1e-7, COSMOLOGY)
    assert clusters["richness"].iloc[0] == pytest.approx(50, rel=0.03)


def test_planted_clusters_are_found_with_their_richness(measured: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    clusters, _ = measured
    assert len(clusters) == 36
    assert set(clusters["id"]) == {f"H{number}" for number in range(36)}
    assert clusters["richness"].mean() == pytest.approx(40, abs=4 * clusters["richness"].std() / 6)
    pull = (clusters["richness"] - 40) / clusters["richness_err"]
    assert 0.5 < pull.std() < 2
    assert (clusters["share"] > 0.6).all()


def test_planted_redshifts_are_found(measured: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    clusters, _ = measured
    pull = (clusters["z_lambda"] - REDSHIFT) / clusters["z_lambda_err"]
    assert abs(pull.mean()) < 4 / 6
    assert 0.6 < pull.std() < 1.5
    perfect = sequence_redshift_error(np.array(REDSHIFT)) / np.sqrt(40)  # were all members known
    assert perfect < clusters["z_lambda_err"].median() < 2 * perfect


def test_beyond_the_complete_redshift_unseen_galaxies_are_counted() -> None:
    """At z = 0.45 one galaxy in S is seen; those not seen add their Poisson error."""
    rng, z = np.random.default_rng(8), 0.45
    ra, dec = grid(1.5)
    scale = float(depth_scale(np.array([z]))[0])
    parts = [planted(a, d, 80, rng, 0, z).iloc[: round(80 / scale)] for a, d in zip(ra, dec, strict=True)]
    red = pd.concat([background(60000, rng), *parts], ignore_index=True)
    clusters, _ = measure_richness(red, halos_at(ra, dec, z), SOLID_ANGLE, COSMOLOGY)
    assert scale > 1.3
    assert clusters["scale"].mean() == pytest.approx(scale, rel=0.1)
    assert clusters["richness"].mean() == pytest.approx(80, abs=4 * clusters["richness"].std() / np.sqrt(len(ra)))
    assert (clusters["richness_err"] ** 2 > clusters["richness"] * (clusters["scale"] - 1)).all()


def test_a_candidate_does_not_drift_to_another_redshift() -> None:
    """A halo far behind a rich cluster may take some of its galaxies, not its redshift."""
    red = planted(0, 0, 80, np.random.default_rng(9))
    error = float(sequence_redshift_error(np.array(0.3)))
    clusters, _ = measure_richness(red, halos_at(np.zeros(1), np.zeros(1), 0.3), SOLID_ANGLE, COSMOLOGY)
    assert (np.abs(clusters["z_lambda"] - 0.3) <= error + 1e-6).all()


def test_an_empty_field_has_no_rich_cluster() -> None:
    rng = np.random.default_rng(4)
    clusters, _ = measure_richness(background(60000, rng), halos_at(*grid()), SOLID_ANGLE, COSMOLOGY)
    assert not (clusters["richness"] > 12).any()
    assert len(clusters) < 6


# Membership


def test_probabilities_sum_to_richness(measured: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    clusters, members = measured
    total = members.groupby("cluster")["probability"].sum().loc[clusters["cluster"]].to_numpy()
    assert total == pytest.approx((clusters["richness"] / clusters["scale"]).to_numpy(), rel=0.01)  # p < 0.01 left out
    assert members.groupby("galaxy")["probability"].sum().max() <= 1 + 1e-6


def test_membership_is_that_of_brute_force(many: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """One candidate only, so that nothing is taken away: p = lambda u / (lambda u + b), galaxy by galaxy."""
    red, halos = many
    clusters, members = measure_richness(red, halos.iloc[:1], SOLID_ANGLE, COSMOLOGY)
    cluster = clusters.iloc[0]
    cosine = (
        unit_vectors(red["ra"].to_numpy(), red["dec"].to_numpy())
        @ unit_vectors(halos["ra"].to_numpy()[:1], halos["dec"].to_numpy()[:1]).ravel()
    )
    distance = flat(COSMOLOGY).angular_diameter_distance(cluster["z_lambda"]).value * 0.6774
    radius = np.arccos(np.minimum(cosine, 1)) * distance
    z_red, sigma = red["z_red"].to_numpy(float), sequence_redshift_error(np.array(cluster["z_lambda"]))
    limit = (cluster["richness"] / 100) ** 0.2
    surface = np.array([richness_kernels.nfw_surface(max(r, 0.1) / 0.15) for r in radius])
    norm = quad(lambda r: 2 * np.pi * r * richness_kernels.nfw_surface(max(r, 0.1) / 0.15), 0, limit)[0]
    u = surface / norm * np.exp(-0.5 * ((z_red - cluster["z_lambda"]) / sigma) ** 2) / np.sqrt(2 * np.pi) / sigma
    counts, edges = np.histogram(z_red, np.arange(0, 0.81, 0.01))
    b = np.interp(z_red, (edges[1:] + edges[:-1]) / 2, counts) / 0.01 / SOLID_ANGLE / distance**2
    from scipy.special import erfc

    p = 0.5 * erfc((radius - limit) / 0.05 / np.sqrt(2)) * cluster["richness"] * u / (cluster["richness"] * u + b)
    assert p.sum() == pytest.approx(cluster["richness"], rel=5e-3)
    assert p[members["galaxy"]] == pytest.approx(members["probability"].to_numpy(), abs=5e-3)
    assert set(np.flatnonzero(p > 0.011)) <= set(members["galaxy"])
    assert radius[members["galaxy"]] == pytest.approx(members["distance"].to_numpy(), rel=2e-3, abs=1e-4)
    assert cluster["richness_err"] == pytest.approx(np.sqrt(np.sum(p * (1 - p))), rel=0.01)
    mean = np.sum(p * z_red) / p.sum()
    assert mean == pytest.approx(cluster["z_lambda"], abs=1e-3)


# Percolation and parents


def test_a_structure_is_not_counted_twice() -> None:
    rng = np.random.default_rng(5)
    red = pd.concat([background(60000, rng), planted(0, 0, 60, rng, host=0)], ignore_index=True)
    red = red.assign(galaxy=np.arange(len(red)))
    alone, _ = measure_richness(red, halos_at(np.zeros(1), np.zeros(1)), SOLID_ANGLE, COSMOLOGY)
    beside = halos_at(np.array([0.0, 0.02, 0.0]), np.array([0.0, 0.0, -0.03]))
    clusters, _ = measure_richness(red, beside, SOLID_ANGLE, COSMOLOGY)
    assert clusters["id"].iloc[0] == "H0"
    assert clusters["richness"].sum() < 1.2 * alone["richness"].iloc[0]
    second, _ = measure_richness(red, beside.iloc[1:2].reset_index(drop=True), SOLID_ANGLE, COSMOLOGY)
    assert second["richness"].iloc[0] > 40  # it would have taken nearly all, had it come alone


def test_distant_clusters_do_not_matter(
    many: tuple[pd.DataFrame, pd.DataFrame], measured: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    red, halos = many
    clusters, _ = measure_richness(red, halos.iloc[:1], SOLID_ANGLE, COSMOLOGY)
    same = measured[0].set_index("id").loc["H0"]
    assert clusters["richness"].iloc[0] == pytest.approx(same["richness"], rel=1e-3)


def test_the_parent_halo_is_the_one_whose_galaxies_they_are() -> None:
    """The only candidate is a halo without galaxies, behind a cluster whose own halo is too light to be one."""
    rng = np.random.default_rng(6)
    halos = halos_at(np.array([0.01, 0.0]), np.zeros(2), REDSHIFT + 0.02)
    halos.loc[1, "m500c"] = 9e12
    clusters, _ = measure_richness(planted(0, 0, 40, rng, host=1), halos, SOLID_ANGLE, COSMOLOGY)
    assert list(clusters["id"]) == ["H1"]
    assert clusters["ra"].iloc[0] == 0.01
    assert clusters["share"].iloc[0] == pytest.approx(1)


def test_parents_by_hand() -> None:
    cluster, host = np.array([0, 0, 0, 1, 1]), np.array([4, 5, 5, -1, -1])
    parent, share = parents(cluster, host, np.array([0.9, 0.5, 0.6, 1.0, 0.2]), np.array([7, 8, 9]))
    assert parent.tolist() == [5, 8, 9]
    assert share == pytest.approx([0.55, 0, 0])


# Robustness


def test_tables_keep_their_contracts(measured: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    assert RICHNESS.validate(measured[0], "richness").equals(measured[0])
    assert MEMBERS.validate(measured[1], "members").equals(measured[1])


def test_threads_do_not_matter(
    many: tuple[pd.DataFrame, pd.DataFrame], measured: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        clusters, members = measure_richness(*many, SOLID_ANGLE, COSMOLOGY)
    finally:
        numba.set_num_threads(threads)
    pd.testing.assert_frame_equal(clusters, measured[0], check_exact=True)
    pd.testing.assert_frame_equal(members, measured[1], check_exact=True)


@pytest.mark.parametrize("what", ["galaxies", "halos", "both"])
def test_nothing_gives_nothing(what: str) -> None:
    rng = np.random.default_rng(7)
    red = background(0 if what != "halos" else 100, rng)
    halos = halos_at(*grid()) if what == "galaxies" else halos_at(np.empty(0), np.empty(0))
    clusters, members = measure_richness(red, halos, SOLID_ANGLE, COSMOLOGY)
    assert (len(clusters), len(members)) == (0, 0)
    assert list(clusters) == RICHNESS.names
    assert list(members) == MEMBERS.names


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="solid angle of the footprint: expected 0 to 4 pi sr, got 0"):
        build_filters(np.array([0.1]), 0, COSMOLOGY)
    with pytest.raises(ValueError, match="red-sequence redshifts: expected finite numbers, got 1 others"):
        build_filters(np.array([0.1, np.nan]), 1, COSMOLOGY)
