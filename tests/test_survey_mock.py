"""Mock clusters of a survey: against brute force over periodic images, closed forms, counts and planted faults."""

from __future__ import annotations

from functools import cache
from typing import Any

import astropy.units as u
import numba
import numpy as np
import pandas as pd
import pytest
from astropy import constants
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import kstest

from clustermass.config.base import Cosmology
from clustermass.config.survey_mock import SURVEY_MOCKS, SurveyMock
from clustermass.cosmology import flat
from clustermass.mock_observation import interlopers, kernels, sightlines, survey_sets
from clustermass.mock_observation.survey import SurveyBox, SurveyCatalogue, prepare_survey_box, survey_mock
from clustermass.sources.lightcone import k_correction

Floats = NDArray[np.float64]
PLANCK = Cosmology()
Z, SIDE, C = 0.05, 120.0, 299792.458
XYZ, VELOCITY, LOS = ["x", "y", "z"], ["vx", "vy", "vz"], ["los_x", "los_y", "los_z"]
FEW = {"training": 120, "validation": 30, "test": 120, "evaluation": 80}
SMALL = SurveyMock(max_sight_lines=6, mass_bin_dex=0.2, **FEW)


def universe(
    seed: int, masses: Any = None, members: int = 8, field: int = 6000, **columns: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Halos with a central galaxy and others, some at faces and edges of the box, in a field; galaxies in any order."""
    rng = np.random.default_rng(seed)
    masses = np.linspace(13.71, 15.0, 40) if masses is None else np.asarray(masses)
    n = len(masses)
    places = rng.uniform(0, SIDE, (n, 3))
    places[:3] = [[0, 0, 0], [0, 60, 119.999], [119.99, 0.2, 30]][:n]
    motion = rng.normal(0, 150, (n, 3))
    host = np.repeat(np.arange(n), members)
    around = places[host] + rng.normal(0, 0.6, (len(host), 3))
    position = np.concatenate([places, around, rng.uniform(0, SIDE, (field, 3))]).astype(np.float32) % SIDE
    velocity = np.concatenate(
        [motion + 50, motion[host] + rng.normal(0, 250, (len(host), 3)), rng.normal(0, 200, (field, 3))]
    )
    halos = pd.DataFrame({"halo": 5 * np.arange(n), "group": 5 * np.arange(n), "m200c": 10.0**masses})
    halos[XYZ], halos[VELOCITY] = places, motion
    galaxies = pd.DataFrame({"halo": np.concatenate([5 * np.arange(n), 5 * host, np.full(field, -1)])})
    galaxies[XYZ], galaxies[VELOCITY] = np.where(position < SIDE, position, 0).astype(float), velocity
    galaxies = galaxies.assign(
        central=np.arange(len(galaxies)) < n,
        abs_mag_r=np.concatenate([np.full(n, -21.5), -17.5 - 3 * rng.random(len(galaxies) - n)]),
        log10_mstar=np.nan,
        m_acc=np.nan,
    )
    galaxies = galaxies.sample(frac=1, random_state=seed, ignore_index=True).assign(galaxy=3 * np.arange(len(galaxies)))
    return halos.assign(r200c=1.0, concentration=np.nan), galaxies.assign(**columns)


def box(name: str, seed: int, options: SurveyMock = SMALL, **values: Any) -> SurveyBox:
    return prepare_survey_box(name, *universe(seed, **values), SIDE, options)


def mock(boxes: list[SurveyBox], heldout: list[str], options: SurveyMock = SMALL, seed: int = 1) -> SurveyCatalogue:
    return survey_mock(boxes, heldout, Z, PLANCK, options, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def boxes() -> list[SurveyBox]:
    return [box("box1", 1), box("box2", 2), box("box3", 3)]


@pytest.fixture(scope="module")
def catalogue(boxes: list[SurveyBox]) -> SurveyCatalogue:
    return mock(boxes, ["box3"])


@cache
def distance(z: float) -> float:
    """Return the comoving distance [Mpc/h]."""
    return float(quad(lambda x: C / 100 / np.sqrt(PLANCK.Om0 * (1 + x) ** 3 + 1 - PLANCK.Om0), 0, z, epsabs=1e-10)[0])


@cache
def inverse() -> np.polynomial.Polynomial:
    z = np.linspace(0, 0.3, 40)
    return np.polynomial.Polynomial.fit([distance(value) for value in z], z, 10)


def redshifts(distances: Floats) -> Floats:
    """Return cosmological redshifts at comoving distances [Mpc/h], by a polynomial through the integral."""
    assert abs(inverse()(distance(0.123)) - 0.123) < 1e-8
    return np.asarray(inverse()(distances))


def apparent(magnitude: Floats, distances: Floats) -> Floats:
    z = redshifts(distances)
    return magnitude + 5 * np.log10((1 + z) * distances) + 25 + k_correction(z)


def velocities_seen(offset: Floats, galaxy: Floats, cluster: float) -> Floats:
    """Return line-of-sight velocities from the cluster's [km/s], relativistic, in the expansion of the snapshot."""
    recession = (1 + redshifts(distance(Z) + offset)) / (1 + Z)
    beta = (recession**2 - 1) / (recession**2 + 1)
    for other in (galaxy / C, np.full(len(offset), -cluster / C)):
        beta = (beta + other) / (1 + beta * other)
    return C * beta


def images(galaxies: pd.DataFrame, centre: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the offsets of all galaxies in 27 periodic images from a centre, and their rows."""
    shifts = SIDE * np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T
    away = galaxies[XYZ].to_numpy()[:, None] + shifts - centre
    return away.reshape(-1, 3), np.repeat(np.arange(len(galaxies)), 27)


def rows_of(catalogue: SurveyCatalogue, cluster: int) -> pd.DataFrame:
    mine = (catalogue.members["cluster"] == cluster).to_numpy()
    return catalogue.members[mine].assign(**catalogue.truth[mine].drop(columns="cluster")).sort_values("galaxy")


@pytest.mark.parametrize("far", [60.0, 250.0])
def test_windows_are_those_of_brute_force(far: float) -> None:
    options = SMALL.model_copy(update={"max_comoving_mpc_h": far, "velocity_cut_km_s": 1500.0})
    halos, galaxies = universe(1)
    found = mock([prepare_survey_box("box1", halos, galaxies, SIDE, options)], [], options)
    checked = found.clusters.drop_duplicates("halo").iloc[:: 3 if far > 100 else 8]
    assert {0, 5, 10} & set(checked["halo"])
    limited, members = 0, 0
    for row in checked.itertuples():
        centre = galaxies[(galaxies["halo"] == row.halo) & galaxies["central"]].iloc[0]
        los = np.array([row.los_x, row.los_y, row.los_z])
        axes = kernels.basis(los)
        away, place = images(galaxies, centre[XYZ].to_numpy(float))
        x, y, offset = (away @ axes.T).T
        inside = (np.abs(x) / 1.05 <= 6) & (np.abs(y) / 1.05 <= 6) & (np.abs(offset) < 55)
        x, y, offset, place, away = x[inside], y[inside], offset[inside], place[inside], away[inside]
        v = velocities_seen(offset, galaxies[VELOCITY].to_numpy()[place] @ los, float(centre[VELOCITY] @ los))
        magnitude = galaxies["abs_mag_r"].to_numpy()[place]
        own = np.linalg.norm(away + row.distance * los, axis=1)  # from the observer to the galaxy
        moving = (np.abs(v) <= 1500) & (magnitude <= -18)
        seen = moving & (apparent(magnitude, own) < 18)
        limited += np.sum(moving & ~seen)
        order = np.argsort(galaxies["galaxy"].to_numpy()[place[seen]])
        mine = rows_of(found, row.cluster)
        assert mine["galaxy"].tolist() == galaxies["galaxy"].to_numpy()[place[seen]][order].tolist()
        assert mine["x"].to_numpy() == pytest.approx(x[seen][order] / 1.05, abs=1e-6)
        assert mine["y"].to_numpy() == pytest.approx(y[seen][order] / 1.05, abs=1e-6)
        assert mine["v_los"].to_numpy() == pytest.approx(v[seen][order], abs=0.1)
        true = galaxies["halo"].to_numpy()[place[seen]][order] == row.halo
        counted = np.maximum(np.abs(x), np.abs(y))[seen][order] / 1.05 <= 4
        assert mine["member"].tolist() == true.tolist()
        assert (row.galaxies, row.richness, row.true_richness) == (len(order), counted.sum(), (counted & true).sum())
        angle = np.hypot(mine["x"], mine["y"]) * (1 + row.redshift) / row.distance
        assert (mine["core"] == (angle <= np.radians(55 / 3600))).all()
        members += true.sum()
    assert members > 30
    assert limited > 20 if far > 100 else limited < 5  # at 60 Mpc/h, all of M_r < -18 are bright enough


def test_the_central_galaxy_is_the_origin(catalogue: SurveyCatalogue) -> None:
    central = catalogue.members[(catalogue.members[["x", "y", "v_los"]].abs() < 1e-6).all(axis=1)]
    assert central["cluster"].tolist() == catalogue.clusters["cluster"].tolist()  # once in each
    assert central["core"].all()
    assert catalogue.truth.loc[central.index, "member"].all()


def test_observers_fill_the_ball(boxes: list[SurveyBox], catalogue: SurveyCatalogue) -> None:
    assert kstest((catalogue.clusters["distance"] / 250) ** 3, "uniform").pvalue > 0.01
    shell = SMALL.model_copy(update={"min_comoving_mpc_h": 60.0, "max_comoving_mpc_h": 90.0})
    near = mock(boxes[:1], [], shell).clusters
    assert kstest((near["distance"] ** 3 - 60**3) / (90**3 - 60**3), "uniform").pvalue > 0.01
    assert near["redshift"].to_numpy() == pytest.approx(redshifts(near["distance"].to_numpy()), abs=1e-7)
    # volume-limited where a galaxy of M_r = -18 is brighter than r = 18
    edge = brentq(lambda d: float(apparent(np.array(-18.0), np.array(d))) - 18, 50, 300)
    assert (catalogue.clusters["volume_limited"] == (catalogue.clusters["distance"] < edge)).all()
    assert catalogue.notes["volume_limited"] == pytest.approx((edge / 250) ** 3, abs=0.08)


def test_lines_are_far_apart_and_turned_at_random(catalogue: SurveyCatalogue) -> None:
    lines = sightlines.separated_lines(25)
    assert np.linalg.norm(lines, axis=1) == pytest.approx(np.ones(25))
    cosine = np.abs(lines @ lines.T) - np.eye(25)
    apart = np.degrees([np.arccos(cosine[: n + 1, : n + 1].max()) for n in range(1, 25)])
    assert apart[:2] == pytest.approx([90, 90], abs=1.5)  # of three lines
    assert (apart >= 0.6 * np.degrees(np.sqrt(2 * np.pi / np.arange(2, 26)))).all()  # random lines: about 4 degrees
    assert sightlines.separated_lines(1).shape == (1, 3)
    lines = catalogue.clusters.drop_duplicates("group")[LOS].to_numpy()
    assert np.linalg.norm(lines, axis=1) == pytest.approx(np.ones(len(lines)))
    assert np.mean(lines[:, :, None] * lines[:, None], axis=0) == pytest.approx(np.eye(3) / 3, abs=0.1)
    for _, views in catalogue.clusters.groupby("group"):
        cosine = np.abs(views[LOS].to_numpy() @ views[LOS].to_numpy().T) - np.eye(len(views))
        assert cosine.max() < np.cos(np.radians(30))


def test_sets_are_apart(catalogue: SurveyCatalogue) -> None:
    clusters = catalogue.clusters
    assert set(clusters["set"]) == set(survey_sets.SETS)
    assert (clusters.groupby("group")["set"].nunique() == 1).all()
    assert ((clusters["box"] == "box3") == (clusters["set"] == "evaluation")).all()
    survey_sets.check_sets(clusters, ["box3"])
    leak = clusters.copy()
    leak.loc[leak.index[leak["group"].duplicated(keep=False)][0], "set"] = "validation"
    with pytest.raises(ValueError, match="every group in one set, got box"):
        survey_sets.check_sets(leak, [])
    leak = clusters.assign(set=clusters["set"].where(clusters["group"] != clusters["group"].iloc[-1], "train"))
    with pytest.raises(ValueError, match="a cluster of box3 in train"):
        survey_sets.check_sets(leak, ["box3"])
    assert clusters.groupby("group")["weight"].sum().to_numpy() == pytest.approx(1)
    for name, size in survey_sets.set_sizes(SMALL).items():
        assert (clusters["set"] == name).sum() <= size


def test_one_box_gives_all_sets(boxes: list[SurveyBox]) -> None:
    clusters = mock(boxes[:1], []).clusters
    assert set(clusters["set"]) == set(survey_sets.SETS)
    assert (clusters.groupby("group")["set"].nunique() == 1).all()


def test_groups_are_dealt_in_proportion_at_every_mass() -> None:
    rng = np.random.default_rng(1)
    sizes = {"a": 80, "b": 9, "c": 80}
    masses, group = rng.exponential(0.3, 500), rng.integers(0, 300, 500).astype(str)
    dealt = survey_sets.deal_groups(group, masses, sizes)
    groups = pd.DataFrame({"set": dealt, "mass": masses, "group": group}).sort_values("mass", ascending=False)
    assert (groups.groupby("group")["set"].nunique() == 1).all()
    ranked = groups.drop_duplicates("group")["set"].to_numpy()
    for name, size in sizes.items():
        excess = np.cumsum(ranked == name) - size / 169 * np.arange(1, len(ranked) + 1)
        assert np.abs(excess).max() <= 1.01
    with pytest.raises(ValueError, match="at least 3 groups of halos, one for each set, got 2"):
        survey_sets.deal_groups(np.array(["x", "x", "y"]), masses[:3], sizes)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(100, [25, 25, 25, 25]), (260, [100, 100, 50, 10]), (400, [170, 170, 50, 10]), (5000, [500, 500, 50, 10])],
)
def test_flat_views_fill_what_heavy_halos_leave(size: int, expected: list[int]) -> None:
    edges, halos = np.arange(5.0), np.array([100, 100, 10, 6])
    if size > 100:
        halos[3] = 2
    assert survey_sets.flat_views(edges, halos, 5, size).tolist() == expected


def test_lines_are_added_as_needed_for_a_flat_set() -> None:
    masses = 13.7 + np.random.default_rng(5).exponential(0.25, 700)
    options = SurveyMock(max_sight_lines=5, training=400, validation=40, test=400, evaluation=300, mass_bin_dex=0.1)
    values = {"masses": masses[masses < 15.2], "members": 4, "field": 0, "abs_mag_r": -22.0}
    clusters = mock([box("box1", 1, options, **values), box("box2", 2, options, **values)], ["box2"], options).clusters
    assert clusters["set"].value_counts().to_dict() == {"train": 400, "validation": 40, "test": 400, "evaluation": 300}
    for name, most in (("train", 0.25), ("evaluation", 0.25)):
        part = clusters[clusters["set"] == name]
        lines = part.groupby("group").agg(n=("box", "size"), mass=("log10_m200c", "first"))
        assert lines["n"].max() == 5
        light = part["log10_m200c"][part["log10_m200c"] < 14.4]
        assert kstest((light - 13.7) / 0.7, "uniform").statistic < 0.07  # flat; of the halos themselves: 0.3
        assert (lines["n"][lines["mass"] < 13.9] == 1).mean() > 1 - most
        assert kstest((np.unique(masses[masses < 14.4]) - 13.7) / 0.7, "uniform").statistic > 0.2


def test_too_poor_clusters_are_left_out() -> None:
    options = SMALL.model_copy(update={"min_galaxies": 9, "completeness": (0.3, 1.0), "max_comoving_mpc_h": 150.0})
    found = mock([box("box1", 1, options, field=0), box("box2", 2, options, field=0)], ["box2"], options).clusters
    assert found["richness"].min() == 9  # of 9 galaxies each, and heavier halos beside
    assert len(found) < len(mock([box("box1", 1, field=0), box("box2", 2, field=0)], ["box2"]).clusters)


def test_completeness_is_drawn_for_each_cluster() -> None:
    bright = {"members": 40, "field": 0, "abs_mag_r": -23.0}
    options = SMALL.model_copy(update={"completeness": (0.3, 0.9)})
    every, part = (mock([box("box1", 4, o, **bright)], [], o) for o in (SMALL, options))
    assert kstest((part.clusters["completeness"] - 0.3) / 0.6, "uniform").pvalue > 0.01
    assert (every.clusters["completeness"] == 1).all()
    # views of one halo along one line: the same galaxies, of which some are missed
    both = part.clusters.merge(every.clusters, on=["halo", *LOS], suffixes=("", "_all"))
    assert len(both) > 50
    kept, expected = both["galaxies"], both["completeness"] * both["galaxies_all"]
    deviation = (kept - expected) / np.sqrt(expected * (1 - both["completeness"]))
    assert deviation.mean() == pytest.approx(0, abs=3 / np.sqrt(len(both)))
    assert deviation.std() == pytest.approx(1, abs=0.2)
    row = both.iloc[0]
    assert set(rows_of(part, row["cluster"])["galaxy"]) < set(rows_of(every, row["cluster_all"])["galaxy"])


def test_uniform_numbers_are_those_of_splitmix64() -> None:
    # first numbers of the published generator from state 1234567
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [kernels.uniform(np.uint64(1234567), i) for i in range(5)] == [(n >> 11) / 2**53 for n in known]
    assert kstest([kernels.uniform(np.uint64(2**64 - 9), i) for i in range(2000)], "uniform").pvalue > 0.01


def test_collided_galaxies_have_a_neighbour_with_a_fibre() -> None:
    # 4000 arcsec are 1 to 4 Mpc/h at these distances
    wide = SMALL.model_copy(update={"fibre_separation_arcsec": 4000.0, "min_comoving_mpc_h": 60.0})
    found = mock([box("box1", 1, wide)], [], wide)
    assert 0.2 < found.members["collided"].mean() < 0.95
    for row in found.clusters.iloc[::5].itertuples():
        mine = rows_of(found, row.cluster)
        angle = mine[["x", "y"]].to_numpy() * (1 + row.redshift) / row.distance
        near = np.linalg.norm(angle[:, None] - angle, axis=2) <= np.radians(4000 / 3600)
        np.fill_diagonal(near, False)
        has = ~mine["collided"].to_numpy()
        assert not near[np.ix_(has, has)].any()
        assert near[np.ix_(~has, has)].any(axis=1).all()


def test_phase_space_distance_by_hand() -> None:
    # Eq. 6 in SI units by astropy, for masses of 1e14 and 4e14 Msun/h at z = 0.3
    universe, h = flat(PLANCK), PLANCK.H0 / 100
    radius, speed = [], []
    for mass in (1e14, 4e14):
        m = mass / h * u.Msun
        r = (3 * m / (4 * np.pi * 200 * universe.critical_density(0.3))) ** (1 / 3)
        radius.append(r.to_value(u.Mpc) * h)
        speed.append(np.sqrt(constants.G * m / r).to_value(u.km / u.s))
    expected = np.sqrt((1.2 / np.mean(radius)) ** 2 + (-0.5 / np.mean(radius)) ** 2 + (700 / np.mean(speed)) ** 2)
    arguments = [np.array([value]) for value in (1.2, -0.5, 700.0, 1e14, 4e14)]
    assert interlopers.phase_space_distance(*arguments, 0.3, PLANCK) == pytest.approx([expected], rel=1e-4)
    # of equal masses at rest: the separation over R200c, 0.7548 Mpc/h for 1e14 Msun/h at z = 0
    arguments = [np.array([value]) for value in (0.7548, 0.0, 0.0, 1e14, 1e14)]
    assert interlopers.phase_space_distance(*arguments, 0.0, PLANCK) == pytest.approx([1], rel=1e-3)


def test_heavier_halos_are_those_of_brute_force() -> None:
    halos, galaxies = universe(1, np.linspace(13.71, 15, 300), members=4, field=0, abs_mag_r=-22.0)
    found = mock([prepare_survey_box("box1", halos, galaxies, SIDE, SMALL)], [])
    central = galaxies[galaxies["central"]].set_index("halo").loc[halos["halo"]].reset_index()
    masses = np.log10(halos["m200c"].to_numpy())
    rows = 0
    for row in found.clusters.iloc[::4].itertuples():
        own = row.halo // 5
        los = np.array([row.los_x, row.los_y, row.los_z])
        away, place = images(central, central[XYZ].to_numpy()[own])
        x, y, offset = (away @ kernels.basis(los).T).T
        near = (np.hypot(x, y) / 1.05 <= 4) & (np.abs(offset) < 55) & (masses[place] > masses[own])
        x, y, offset, place = x[near] / 1.05, y[near] / 1.05, offset[near], place[near]
        velocity = central[VELOCITY].to_numpy() @ los
        v = velocities_seen(offset, velocity[place], velocity[own])
        order = np.argsort(place[np.abs(v) <= 2200])
        x, y, v, place = (values[np.abs(v) <= 2200][order] for values in (x, y, v, place))
        mine = found.interlopers[found.interlopers["cluster"] == row.cluster].sort_values("halo")
        assert mine["halo"].tolist() == (5 * place).tolist()
        assert mine["x"].to_numpy() == pytest.approx(x, abs=1e-5)
        assert mine["v_los"].to_numpy() == pytest.approx(v, abs=0.1)
        assert mine["log10_mass_ratio"].to_numpy() == pytest.approx(masses[place] - masses[own])
        both = 10 ** masses[np.full(len(place), own)], 10 ** masses[place]
        expected = interlopers.phase_space_distance(x, y, v, *both, Z, PLANCK)
        assert mine["distance"].to_numpy() == pytest.approx(expected, rel=1e-3)
        rows += len(mine)
    assert rows > 15


def test_same_seed_same_mock_on_any_number_of_threads(boxes: list[SurveyBox], catalogue: SurveyCatalogue) -> None:
    threads = numba.get_num_threads()
    try:
        for number in {1, min(2, threads)}:
            numba.set_num_threads(number)
            again = mock(boxes, ["box3"])
            for name in ("clusters", "members", "truth", "interlopers"):
                pd.testing.assert_frame_equal(getattr(again, name), getattr(catalogue, name), check_exact=True)
    finally:
        numba.set_num_threads(threads)
    assert not mock(boxes, ["box3"], seed=2).clusters[LOS].equals(catalogue.clusters[LOS])


def test_rows_of_all_tables_fit_together(catalogue: SurveyCatalogue) -> None:
    clusters, members = catalogue.clusters, catalogue.members
    assert clusters["cluster"].tolist() == list(range(len(clusters)))
    ids = np.repeat(clusters["cluster"], clusters["galaxies"]).tolist()
    assert members["cluster"].tolist() == ids == catalogue.truth["cluster"].tolist()
    assert members[["x", "y"]].abs().to_numpy().max() <= 6.0000001
    assert members["v_los"].abs().max() <= 2200
    assert 0 < members["core"].mean() < 1
    assert catalogue.notes["train"]["groups"] == clusters[clusters["set"] == "train"]["group"].nunique()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"abs_mag_r": np.nan}, "abs_mag_r: expected a magnitude of every galaxy, got none for"),
        ({"masses": [13.0, 13.6]}, "0 halos are left"),
        ({"central": False}, "none of 40 halos of 10\\^13.7 Msun/h and more has a central galaxy"),
        ({"central": True}, "halo 0: expected one central galaxy, got 9"),
        ({"abs_mag_r": -17.0}, "0 galaxies and 40 halos are left"),
    ],
)
def test_bad_snapshots_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        box("box1", 1, **{"abs_mag_r": -22.0, **values})


def test_halos_without_a_central_galaxy_are_not_observed() -> None:
    halos, galaxies = universe(1)
    lost = galaxies["central"] & galaxies["halo"].isin([0, 50])
    found = mock([prepare_survey_box("box1", halos, galaxies[~lost], SIDE, SMALL)], [])
    assert found.notes["halos_without_central"] == 2
    assert not set(found.clusters["halo"]) & {0, 50}


def test_bad_boxes_are_refused(boxes: list[SurveyBox]) -> None:
    one, two = boxes[:2]
    fast = SMALL.model_copy(update={"velocity_cut_km_s": 6000.0})
    with pytest.raises(ValueError, match=r"box1: a cylinder reaches .* needs a box of more than"):
        mock([box("box1", 1, fast)], [], fast)
    with pytest.raises(ValueError, match="expected each name once, got box1, box1"):
        mock([one, one], ["box1"])
    with pytest.raises(ValueError, match="box9 is not among the boxes"):
        mock([one, two], ["box9"])
    with pytest.raises(ValueError, match="no box is left to train on"):
        mock([one], ["box1"])
    with pytest.raises(ValueError, match="at least 3 groups of halos, one for each set, got 2"):
        mock([box("box1", 1, masses=[14.0, 14.5]), two], ["box2"])
    poor = SMALL.model_copy(update={"min_galaxies": 5000})
    with pytest.raises(ValueError, match="no cluster is left for train, validation, test, evaluation: 80 halos"):
        mock([one, two], ["box2"], poor)


@pytest.mark.parametrize(
    "values",
    [
        {"min_comoving_mpc_h": 250.0},
        {"completeness": (0.9, 0.5)},
        {"counted_mpc_h": 7.0},
        {"min_galaxies": 3},
        {"max_comoving_mpc_h": 5000.0},
    ],
)
def test_bad_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SurveyMock(**values)
    assert set(SURVEY_MOCKS) == {"kodiramanah2021", "hecs"}
