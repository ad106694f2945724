"""Mock observation: against formulae written out, brute force over periodic images, counts and planted faults."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.integrate import quad
from scipy.optimize import brentq

from clustermass.config.base import Cosmology
from clustermass.config.mock_observation import MockObservation
from clustermass.contracts import ContractError
from clustermass.mock_observation.boxes import SnapshotBox, prepare_box
from clustermass.mock_observation.catalogues import Mock, MockCatalogue, mock_catalogues

Floats = NDArray[np.float64]
PLANCK = Cosmology()
Z, SIDE, C = 0.117, 160.0, 299792.458
XYZ, VELOCITY, LOS = ["x", "y", "z"], ["vx", "vy", "vz"], ["los_x", "los_y", "los_z"]
EDGES = [(0, 0, 0), (0, 40, 80), (159.99, 80, 40), (80, 159.999, 20), (30, 60, SIDE - 1e-9), (159.7, 0.2, 100)]
LOOSE = MockObservation(min_richness=2, folds=2, mass_bin_dex=0.3, bin_halos=1)


def make_halos(position: Any, velocity: Any, log10_m200c: Any, **columns: Any) -> pd.DataFrame:
    n = len(position)
    halos = pd.DataFrame(
        {"halo": 10 * np.arange(n), "group": 10 * np.arange(n), "m200c": 10.0 ** np.array(log10_m200c)}
    )
    halos[XYZ], halos[VELOCITY] = np.array(position, float), np.array(velocity, float)
    return halos.assign(r200c=1.0, concentration=np.nan, **columns)


def make_galaxies(position: Any, velocity: Any, halo: Any, **columns: Any) -> pd.DataFrame:
    galaxies = pd.DataFrame({"galaxy": 7 * np.arange(len(position)), "halo": np.array(halo, np.int64)})
    galaxies[XYZ] = np.array(position, np.float32).astype(float)  # as exact as the grid keeps them
    galaxies[VELOCITY] = np.array(velocity, float)
    missing = {"abs_mag_r": np.nan, "m_acc": np.nan}
    return galaxies.assign(**({"central": False, "log10_mstar": 10.0} | missing | columns))


def universe(seed: int = 3, n_halos: int = 24) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Halos of 12 galaxies each, some on faces, edges and corners of the box, in a field of 9000."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, SIDE, (n_halos, 3))
    position[:6] = EDGES
    velocity = rng.normal(0, 200, (n_halos, 3))
    halos = make_halos(position, velocity, np.linspace(13.6, 15.2, n_halos))
    host = np.repeat(np.arange(n_halos), 12)
    close = position[host] + rng.normal(0, 0.8, (len(host), 3))
    moving = velocity[host] + rng.normal(0, 500, (len(host), 3))
    places = np.concatenate([close, rng.uniform(0, SIDE, (9000, 3))]) % SIDE
    places = np.where(places.astype(np.float32) < SIDE, places, 0)
    field = rng.normal(size=(9000, 3))
    field *= 2500 / np.linalg.norm(field, axis=1, keepdims=True)  # fast: seen in the cylinder from up to 50 Mpc/h away
    velocities = np.concatenate([moving, field])
    return halos, make_galaxies(places, velocities, np.concatenate([10 * host, np.full(9000, -1)]))


def mock(
    boxes: list[SnapshotBox], options: MockObservation = LOOSE, heldout: tuple[str, ...] = (), seed: int = 1
) -> Mock:
    return mock_catalogues(boxes, heldout, Z, PLANCK, options, np.random.default_rng(seed))


def one_box() -> SnapshotBox:
    return prepare_box("box1", *universe(), SIDE, LOOSE)


def distance(z: float) -> float:
    """Return the comoving distance [Mpc/h], Eq. 17."""
    return float(quad(lambda x: C / 100 / np.sqrt(PLANCK.Om0 * (1 + x) ** 3 + 1 - PLANCK.Om0), 0, z, epsabs=1e-10)[0])


def plus(a: float, b: float) -> float:
    return (a + b) / (1 + a * b / C**2)


def hubble(z: float) -> float:
    """Return Eq. 19."""
    return C * ((1 + z) ** 2 - 1) / ((1 + z) ** 2 + 1)


def los_velocity(offset: float, galaxy: float, cluster: float) -> float:
    """Return Eqs. 18-22 with the relativistic sums written out."""
    z = brentq(lambda x: distance(x) - distance(Z) - offset, 0, 1, xtol=1e-13)
    return plus(plus(galaxy, hubble(z)), -plus(cluster, hubble(Z)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_velocity_of_a_pair_by_hand(axis: int) -> None:
    # cluster at the box's face moving at -300 km/s; galaxies 8 Mpc/h behind, 5 Mpc/h before and 50 Mpc/h behind it
    offsets, speeds = [8.0, -5.0, 50.0], [800.0, -450.0, -3000.0]
    position, velocity = np.full((3, 3), 0.5), np.zeros((3, 3))
    position[:, axis] = np.mod(offsets, SIDE)
    velocity[:, axis] = speeds
    centre, motion = np.full(3, 0.5), np.zeros(3)
    centre[axis], motion[axis] = 0.0, -300.0
    position[:, (axis + 1) % 3] += [0.25, 0, 0]
    position[:, (axis + 2) % 3] += [0, 1.0, 0]
    halos = make_halos([centre, centre + 50], [motion, motion], [14.5, 14.6])
    twice = np.concatenate([position, (position + 50) % SIDE])
    galaxies = make_galaxies(twice, np.tile(velocity, (2, 1)), [0, 0, -1, 10, 10, -1])
    members = mock([prepare_box("box1", halos, galaxies, SIDE, LOOSE)]).contaminated
    cluster = members.clusters[(members.clusters[LOS[axis]] == 1) & (members.clusters["halo"] == 0)]
    rows = (members.members["cluster"] == cluster["cluster"].iloc[0]).to_numpy()
    found = members.members[rows].assign(galaxy=members.truth["galaxy"][rows]).sort_values("galaxy")
    expected = [los_velocity(s, v, -300.0) for s, v in zip(offsets, speeds, strict=True)]
    assert found["v_los"].to_numpy() == pytest.approx(expected, abs=0.01)
    # to first order, a H s + dv: 94.7 * 8 + 1100 and -94.7 * 5 - 150 km/s, less what relativity takes
    assert expected[:2] == pytest.approx([94.7 * 8 + 1100, -94.7 * 5 - 150], rel=0.01)
    assert found["x"].to_numpy() == pytest.approx([0.25, 0, 0], abs=1e-5)
    assert found["y"].to_numpy() == pytest.approx([0, 1.0, 0], abs=1e-5)
    assert found["r_proj"].to_numpy() == pytest.approx([0.25, 1.0, 0], abs=1e-5)


def images(galaxies: pd.DataFrame, centre: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the offsets of all galaxies in 27 periodic images from a centre, and their rows."""
    shifts = SIDE * np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T
    away = galaxies[XYZ].to_numpy()[:, None] + shifts - centre
    return away.reshape(-1, 3), np.repeat(np.arange(len(galaxies)), 27)


def test_cylinders_are_those_of_brute_force() -> None:
    halos, galaxies = universe()
    options = MockObservation(min_richness=2, folds=2, training_volume_gpc_h3=0.012, mass_bin_dex=0.4)
    catalogue = mock([prepare_box("box1", halos, galaxies, SIDE, options)], options).contaminated
    velocity, ids = galaxies[VELOCITY].to_numpy(), galaxies["galaxy"].to_numpy()
    # an independent inverse of the distance: dense enough for linear interpolation
    z = np.linspace(0, 0.2, 2001)
    chi = np.polynomial.Polynomial.fit(z[::50], [distance(value) for value in z[::50]], 9)(z)
    tilted = 0
    grouped = catalogue.members.assign(galaxy=catalogue.truth["galaxy"]).groupby("cluster")
    for cluster in catalogue.clusters[::2].itertuples():
        row = halos[halos["halo"] == cluster.halo].iloc[0]
        los = np.array([cluster.los_x, cluster.los_y, cluster.los_z])
        tilted += np.abs(los).max() < 0.99
        away, rows = images(galaxies, row[XYZ].to_numpy(float))
        along = away @ los
        near = np.abs(along) < 100
        away, rows, along = away[near], rows[near], along[near]
        r_proj = np.linalg.norm(np.cross(away, los), axis=1)
        inside = r_proj <= 1.6
        rows, r_proj, along = rows[inside], r_proj[inside], along[inside]
        receding = np.array([hubble(value) for value in np.interp(distance(Z) + along, chi, z)])
        moving = plus(velocity[rows] @ los, receding)  # type: ignore[arg-type]
        v_los = plus(moving, -plus(row[VELOCITY].to_numpy(float) @ los, hubble(Z)))
        kept = np.abs(v_los) <= 2200
        found = grouped.get_group(cluster.cluster).sort_values("galaxy")
        order = np.argsort(ids[rows[kept]])
        assert found["galaxy"].tolist() == ids[rows[kept]][order].tolist()
        assert cluster.richness == kept.sum()
        assert found["r_proj"].to_numpy() == pytest.approx(r_proj[kept][order], abs=1e-9)
        assert np.hypot(found["x"], found["y"]).to_numpy() == pytest.approx(r_proj[kept][order], abs=1e-9)
        assert found["v_los"].to_numpy() == pytest.approx(v_los[kept][order], abs=0.1)
        assert cluster.sigma_v == pytest.approx(np.std(v_los[kept], ddof=1), abs=0.1)
    assert tilted > 10
    assert catalogue.truth["member"].mean() < 0.95


def test_truth_is_the_halo_or_the_sphere() -> None:
    halos, galaxies = universe()
    outside = 0
    for membership in ("halo", "r200c"):
        options = LOOSE.model_copy(update={"membership": membership})
        found = mock([prepare_box("box1", halos, galaxies, SIDE, options)], options)
        for row in halos.itertuples():
            away, rows = images(galaxies, np.array([row.x, row.y, row.z]))
            sphere = galaxies["galaxy"].to_numpy()[rows[np.linalg.norm(away, axis=1) <= row.r200c]]
            own = galaxies["galaxy"][galaxies["halo"] == row.halo]
            outside += len(set(own) - set(sphere))
            expected = set(own if membership == "halo" else sphere)
            for catalogue in (found.contaminated, found.pure):
                clusters = catalogue.clusters[catalogue.clusters["halo"] == row.halo]
                assert (clusters["true_richness"] == len(expected)).all()
                assert (clusters["members_r200c"] == len(expected & set(sphere))).all()
                part = catalogue.truth[catalogue.truth["cluster"].isin(clusters["cluster"])]
                assert set(part["galaxy"][part["member"]]) <= expected
                assert not set(part["galaxy"][~part["member"]]) & expected
                if catalogue is found.pure and len(clusters):
                    assert part["member"].all()
                    assert len(part) == len(expected) * len(clusters)
    assert outside > 20  # members beyond R200c, which `members_r200c` leaves out
    # pure members are seen whether inside the cylinder or not, in the same coordinates as inside
    both = found.pure.members.assign(galaxy=found.pure.truth["galaxy"]).merge(
        found.contaminated.members.assign(galaxy=found.contaminated.truth["galaxy"]), on=["cluster", "galaxy"]
    )
    assert len(both) > 100
    for column in ("x", "y", "v_los"):
        assert both[f"{column}_x"].to_numpy() == pytest.approx(both[f"{column}_y"].to_numpy(), abs=1e-9)


def test_rows_of_all_tables_fit_together() -> None:
    found = mock([one_box()])
    for catalogue in (found.contaminated, found.pure):
        ids = np.repeat(catalogue.clusters["cluster"], catalogue.clusters["richness"]).tolist()
        assert catalogue.members["cluster"].tolist() == ids == catalogue.truth["cluster"].tolist()
        lines = catalogue.clusters[LOS].to_numpy()
        assert np.linalg.norm(lines, axis=1) == pytest.approx(np.ones(len(lines)))
    shared = found.contaminated.clusters.merge(found.pure.clusters, on="cluster")
    assert (shared["halo_x"] == shared["halo_y"]).all()
    assert (shared["fold_x"] == shared["fold_y"]).all()
    assert (shared["los_x_x"] == shared["los_x_y"]).all()


def same(a: MockCatalogue, b: MockCatalogue) -> bool:
    return a.clusters.equals(b.clusters) and a.members.equals(b.members) and a.truth.equals(b.truth)


def test_one_seed_is_one_result_on_any_number_of_threads() -> None:
    box = one_box()
    first = mock([box])
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        again = mock([box])
    finally:
        numba.set_num_threads(threads)
    assert same(first.contaminated, again.contaminated)
    assert same(first.pure, again.pure)
    assert not same(first.contaminated, mock([box], seed=2).contaminated)


def test_density_is_scaled_to_the_volume() -> None:
    halos, galaxies = universe()
    asked = {}
    for volume in (None, 0.05, 0.1):
        options = LOOSE.model_copy(update={"training_volume_gpc_h3": volume})
        box = prepare_box("a", halos, galaxies, SIDE, options)
        twin = prepare_box("b", halos, galaxies, SIDE, options)
        asked[volume] = mock([box], options).notes["training_asked"]
        both = mock([box, twin], options).notes["training_asked"]
        assert both == pytest.approx(asked[volume] * (2 if volume is None else 1), abs=2)
        assert mock([box, twin], options, ("b",)).notes["training_asked"] == asked[volume]
    assert asked[0.05] == int((15.2 - 13.5) * 10**-5.2 * 5e7)
    assert asked[0.1] == pytest.approx(2 * asked[0.05], abs=1)
    assert asked[None] == pytest.approx(asked[0.1] * SIDE**3 / 1e8, abs=1)


def test_roles_of_a_mock_with_a_held_out_box() -> None:
    options = LOOSE.model_copy(update={"folds": 3, "training_volume_gpc_h3": 0.02})
    halos, galaxies = universe()
    halos.loc[[4, 9], "group"] = 999  # two halos of one object
    boxes = [prepare_box("box1", halos, galaxies, SIDE, options)]
    boxes.append(prepare_box("box2", *universe(seed=5), SIDE, options))
    found = mock(boxes, options, heldout=("box2",))
    for catalogue in (found.contaminated, found.pure):
        clusters = catalogue.clusters
        kept = clusters["box"] == "box2"
        assert (clusters["heldout"] == kept).all()
        assert (clusters["fold"][kept] == -1).all()
        assert not clusters["train"][kept].any()
        assert not clusters["test"][kept].any()
        assert clusters["fold"][~kept].between(0, 2).all()
        assert (clusters[~kept].groupby("group")["fold"].nunique() == 1).all()
        assert clusters["group"][clusters["halo"].isin([40, 90]) & ~kept].unique().tolist() == ["box1-999"]
        for role in ("test", "heldout"):
            part = clusters[clusters[role]]
            assert part["log10_m200c"].between(14, 15).all()
            assert (part.groupby("halo").size() == 3).all()
            assert set(map(tuple, part[LOS].to_numpy())) == set(map(tuple, np.eye(3)))
        inside = halos["m200c"].between(10**14, 10**15)
        assert clusters[clusters["test"]]["halo"].nunique() == inside.sum()
        assert clusters["train"].sum() > 60
        notes = found.notes["contaminated" if catalogue is found.contaminated else "pure"]
        assert notes["train"]["projections"] == clusters["train"].sum()
        assert notes["training_lines_most"] >= notes["training_lines_mean"] > 1


def test_galaxies_are_cut_by_kind_and_mass() -> None:
    halos, galaxies = universe()
    galaxies["central"] = np.arange(len(galaxies)) % 4 == 0
    galaxies["log10_mstar"] = np.where(np.arange(len(galaxies)) % 3 == 0, 9.4, 9.5)
    galaxies["m_acc"] = np.where(np.arange(len(galaxies)) % 5 == 0, 9e10, 1e11)
    n = np.arange(len(galaxies))
    for update, kept in (
        ({}, (n % 4 > 0) & (n % 3 > 0)),
        ({"centrals": True}, n % 3 > 0),
        ({"min_log10_mstar": None, "min_macc_msun_h": 1e11}, (n % 4 > 0) & (n % 5 > 0)),
    ):
        box = prepare_box("a", halos, galaxies, SIDE, LOOSE.model_copy(update=update))
        assert np.sort(box.galaxy).tolist() == galaxies["galaxy"][kept].tolist()
    assert len(prepare_box("a", halos, galaxies, SIDE, MockObservation(min_log10_m200c=14)).halos.halo) == 18


def test_poor_clusters_are_left_out() -> None:
    box = one_box()
    for fewest in (12, 13):
        options = LOOSE.model_copy(update={"min_richness": fewest})
        if fewest == 13:
            with pytest.raises(ValueError, match=r"pure catalogue: no cluster is left of role train.*with 13 galaxies"):
                mock([box], options)
        else:
            found = mock([box], options)
            assert found.contaminated.clusters["richness"].min() >= 12
            assert (found.pure.clusters["richness"] == 12).all()
            assert found.notes["contaminated"]["too_poor"] > 0


def broken(what: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a universe with one planted fault."""
    halos, galaxies = universe()
    if what == "outside":
        galaxies.loc[5, "y"] = SIDE + 1
    elif what == "nan":
        galaxies.loc[5, "vx"] = np.nan
    elif what == "orphan":
        galaxies.loc[5, "halo"] = 12345
    elif what == "halo outside":
        halos.loc[3, "z"] = SIDE
    elif what == "no mass":
        galaxies.loc[5, "log10_mstar"] = np.nan
    elif what == "all light":
        galaxies["log10_mstar"] = 9.0
    elif what == "small halos":
        halos["m200c"] = 1e13
    return halos, galaxies


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("outside", "galaxies of box1: positions: particle .*expected 0 <= x, y, z < 160"),
        ("nan", "galaxies of box1: column vx, row 6: expected a value"),
        ("orphan", "box1: galaxy 35: expected a halo of the table of halos, or -1, got 12345"),
        ("halo outside", "box1: halo 3: expected 0 <= x, y, z < 160"),
        ("no mass", "log10_mstar: expected a value for every galaxy, as min_log10_mstar is 9.5, got none for 1 of"),
        ("all light", "box1: 0 galaxies and 24 halos are left"),
        ("small halos", "galaxies and 0 halos are left"),
    ],
)
def test_bad_snapshots_are_refused(what: str, message: str) -> None:
    with pytest.raises((ValueError, ContractError), match=message):
        prepare_box("box1", *broken(what), SIDE, LOOSE)


def test_bad_mocks_are_refused() -> None:
    box = one_box()
    with pytest.raises(ValueError, match="each name once"):
        mock([box, box])
    with pytest.raises(ValueError, match="box9 is not among the boxes box1"):
        mock([box], heldout=("box9",))
    with pytest.raises(ValueError, match="no box is left to train on"):
        mock([box], heldout=("box1",))
    halos, galaxies = universe()
    small = prepare_box("small", halos, galaxies, SIDE, LOOSE)
    galaxies.loc[0, "vx"] = 9000.0
    fast = prepare_box("fast", halos, galaxies, SIDE, LOOSE)
    assert mock([small]).notes["reach_mpc_h"] < 80
    with pytest.raises(ValueError, match=r"fast: a cylinder reaches \d+\.\d Mpc/h to both sides, which needs a box"):
        mock([fast])
    _, galaxies = universe()
    galaxies.loc[0, "x"] = (galaxies.loc[0, "x"] + 79) % SIDE
    with pytest.raises(ValueError, match="from its halo, expected at most"):
        mock([prepare_box("torn", halos, galaxies, SIDE, LOOSE)])
    halos["m200c"] = 10**13.8  # none in the range of the test set
    with pytest.raises(ValueError, match="contaminated catalogue: no cluster is left of role test"):
        mock([prepare_box("light", halos, universe()[1], SIDE, LOOSE)])


def test_configuration_is_checked() -> None:
    assert MockObservation().training_density == pytest.approx(6.30957e-6)
    for wrong in (
        {"aperture_mpc_h": 0},
        {"velocity_cut_km_s": 3e5},
        {"membership": "fof"},
        {"test_min_log10_m200c": 15.0},
        {"min_log10_m200c": 14.5},
        {"max_sight_lines": 2},
        {"apperture": 1.6},
    ):
        with pytest.raises(ValidationError):
            MockObservation(**wrong)  # type: ignore[arg-type]
