"""Snapshots of simulations in the layouts that their archives publish, written by the tests, and all their faults."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clustermass.config.snapshot import Snapshot
from clustermass.contracts import REJECTED
from clustermass.sources.simulations import (
    MOCK_CLUSTERS,
    MOCK_GALAXIES,
    SnapshotTables,
    read_kodi_ramanah_mock,
    read_rockstar_csv,
    read_sag_csv,
    read_snapshot,
    read_universe_machine,
)
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS
from clustermass.sources.tables import CatalogueError

BOX = 50.0  # Mpc/h: 11 halos above 10^13.5 are expected, too few for the check of their number
BIG = 11_000_000_000  # ids of MDPL2 need 64 bits
UNIVERSE = np.dtype(
    [("id", "<i8"), ("descid", "<i8"), ("upid", "<i8"), ("flags", "<i4"), ("uparent_dist", "<f4"), ("pos", "<f4", (6,))]
    + [(name, "<f4") for name in ("vmp", "lvmp", "mp", "m", "v", "r", "rank1", "rank2", "ra", "rarank", "A_UV")]
    + [(name, "<f4") for name in ("sm", "icl", "sfr", "obs_sm", "obs_sfr", "obs_uv", "empty")],
    align=True,
)


def config(kind: str = "rockstar_csv", **values: Any) -> Snapshot:
    return Snapshot(**{"format": kind, "files": ["a.csv"], "box_mpc_h": BOX, **values})


def phase_space(n: int, box: float = BOX, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    places = {name: rng.uniform(0, box, n).round(5) for name in "xyz"}
    return {**places, **{f"v{name}": rng.normal(0, 300, n).round(2) for name in "xyz"}}


def rockstar(n_hosts: int = 4, members: int = 3, **columns: Any) -> pd.DataFrame:
    """Return hosts of falling mass, each with subhalos, then one host and one subhalo below the cuts."""
    hosts = BIG + np.arange(n_hosts)
    subs = BIG + 1000 + np.arange(n_hosts * members)
    n = n_hosts * (1 + members) + 2
    good: dict[str, Any] = {
        "row_id": np.arange(n),
        "rockstarId": [*hosts, *subs, BIG + 8000, BIG + 9000],
        "pId": [-1] * n_hosts + list(np.repeat(hosts, members)) + [-1, hosts[0]],
        "upId": [-1] * n_hosts + list(np.repeat(hosts, members)) + [-1, hosts[0]],
        **phase_space(n),
        "M200c": [*np.geomspace(5e14, 4e13, n_hosts), *np.full(n_hosts * members, 2e11), 1e13, 1e10],
        "Rs": np.full(n, 250.0),
        "Macc": [*np.geomspace(5e14, 4e13, n_hosts), *np.full(n_hosts * members, 3e11), 1e13, 2e10],
        "scale": np.full(n, 0.8951),
        "snapnum": np.full(n, 120),
    }
    return pd.DataFrame({k: v for k, v in {**good, **columns}.items() if v is not None})


def universe(n_hosts: int = 3, members: int = 4) -> np.ndarray:
    table = rockstar(n_hosts, members)
    array = np.zeros(len(table), UNIVERSE)
    array["id"], array["upid"], array["m"], array["mp"] = (
        table["rockstarId"],
        table["upId"],
        table["M200c"],
        table["Macc"],
    )
    array["pos"] = table[["x", "y", "z", "vx", "vy", "vz"]].to_numpy()
    array["sm"] = 1e10
    return array


def sag(**columns: Any) -> pd.DataFrame:
    """Return two clusters: a central, a satellite and two orphans each; and the central of a small halo."""
    good: dict[str, Any] = {
        "GalaxyStaticID": 100 + np.arange(9),
        "HostHaloID": [1, 51, 52, 52, 2, 53, 54, 54, 3],
        "MainHaloID": [1, 1, 1, 1, 2, 2, 2, 2, 3],
        "GalaxyType": [0, 1, 2, 2, 0, 1, 2, 2, 0],
        "HaloMass": [2e14, 1e12, 1e12, 1e12, 5e13, 1e12, 1e12, 1e12, 1e12],
        **phase_space(9),
        "MstarSpheroid": np.full(9, 3e10),
        "MstarDisk": np.full(9, 1e10),
        "MagStarSDSSr": np.full(9, -21.0),
    }
    return pd.DataFrame({k: v for k, v in {**good, **columns}.items() if v is not None})


def write(folder: Path, table: pd.DataFrame, name: str = "a.csv") -> Path:
    table.to_csv(folder / name, index=False)
    return folder / name


def checked(tables: SnapshotTables) -> SnapshotTables:
    """Return the tables after the checks that hold for all of them."""
    SNAPSHOT_HALOS.validate(tables.halos, "halos")
    REJECTED.validate(tables.rejected, "rejected")
    assert set(tables.halos["halo"]) | {-1} >= set(() if tables.galaxies is None else tables.galaxies["halo"])
    for counts in tables.notes["rows"].values():
        assert counts["kept"] + counts["rejected"] + counts["cut"] == counts["read"]
    assert sum(c["rejected"] for c in tables.notes["rows"].values()) == len(tables.rejected)
    json.dumps(tables.notes, allow_nan=False)
    return tables


def read(folder: Path, table: pd.DataFrame, **values: Any) -> SnapshotTables:
    write(folder, table)
    return checked(read_rockstar_csv(config(**values), folder))


# ------------------------------------------------------------------------------------------------------------ Rockstar


def test_rockstar_hosts_are_halos_and_subhalos_galaxies(tmp_path):
    table = rockstar()
    result = read(tmp_path, table)
    assert result.halos["halo"].tolist() == [BIG + i for i in range(4)]
    assert np.allclose(result.halos[["x", "vz"]], table[["x", "vz"]][:4])
    assert len(result.galaxies) == 12
    assert not result.galaxies["central"].any()
    assert result.galaxies["halo"].tolist() == table["pId"][4:16].tolist()
    assert (result.galaxies["m_acc"] == 3e11).all()
    assert result.galaxies["log10_mstar"].isna().all()
    assert result.notes["rows"]["files"] == {
        **{"kept": 16, "read": 18, "rejected": 0, "wrapped": 0, "cut": 2},
        "cuts": {"below the cuts": 2},
    }
    assert result.notes["warnings"] == []


def test_r200c_is_comoving_and_encloses_200_critical_densities(tmp_path):
    halo = read(tmp_path, rockstar(), redshift=0.117).halos.iloc[0]
    proper_mpc = halo["r200c"] / 1.117 / 0.6777
    critical = 2.7754e11 * 0.6777**2 * (0.307115 * 1.117**3 + 0.692885)  # Msun / Mpc3
    assert halo["m200c"] / 0.6777 == pytest.approx(200 * critical * 4 / 3 * np.pi * proper_mpc**3, rel=1e-3)
    assert halo["concentration"] == pytest.approx(halo["r200c"] / 0.25)


def test_centrals_are_galaxies_where_the_configuration_says_so(tmp_path):
    result = read(tmp_path, rockstar(), centrals=True)
    centrals = result.galaxies[result.galaxies["central"]]
    assert centrals["halo"].tolist() == [
        BIG,
        BIG + 1,
        BIG + 2,
        BIG + 3,
        -1,
    ]  # the last one lives below the cut of halos
    assert centrals["galaxy"].iloc[-1] == BIG + 8000


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text.lower(),
        lambda text: "# SELECT ... FROM MDPL2.Rockstar\n" + text,
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: "\n".join(",".join(f'"{v}"' for v in row.split(",")) for row in text.split("\n")[:-1]) + "\n",
    ],
    ids=["lower case", "comment", "byte order mark", "quotes"],
)
def test_csv_in_other_spellings_is_the_same(tmp_path, spell):
    expected = read(tmp_path, rockstar())
    (tmp_path / "a.csv").write_text(spell((tmp_path / "a.csv").read_text()), encoding="utf-8", newline="")
    pd.testing.assert_frame_equal(checked(read_rockstar_csv(config(), tmp_path)).galaxies, expected.galaxies)


def test_gzip_pieces_and_missing_optional_columns(tmp_path):
    table = rockstar(row_id=None, scale=None, snapnum=None, Rs=None, pId=None)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(table[9:].to_csv(index=False).encode()))
    write(tmp_path, table[:9], "b.csv")
    result = checked(read_rockstar_csv(config(files=["a.csv.gz", "b.csv"]), tmp_path))
    assert (len(result.halos), len(result.galaxies)) == (4, 12)
    assert (result.galaxies["halo"] >= 0).all()  # hosts stand in the piece that is read later
    assert result.halos["concentration"].isna().all()


def test_subhalos_climb_to_the_top_host_and_orphans_are_counted(tmp_path):
    table = rockstar(2, 3, upId=None)
    parents = table["pId"].to_numpy().copy()
    parents[3] = BIG + 1000  # subhalo of a subhalo
    parents[4] = BIG + 9000  # of one that the cut on Macc removes, whose host is the first
    parents[5] = 777  # of nothing
    parents[6], parents[7] = BIG + 1005, BIG + 1004  # of one another
    result = read(tmp_path, table.assign(pId=parents))
    assert result.galaxies["halo"].tolist() == [BIG, BIG, BIG, -1, -1, -1]
    assert result.notes["galaxies"] == {"without_halo": 3, "moved_to_the_top_host": 2, "orphans": None}


def test_no_galaxy_is_none(tmp_path):
    assert read(tmp_path, rockstar(), min_macc_msun_h=1e13).galaxies is None


@pytest.mark.parametrize(
    ("column", "row", "value", "reason"),
    [
        ("x", 2, np.nan, "finite position"),
        ("y", 5, np.inf, "finite position"),
        ("z", 6, -5.0, "outside the box"),
        ("z", 6, 56.0, "outside the box"),
        ("vx", 3, 2e4, "-10000 to 10000 km/s"),
        ("vy", 3, np.nan, "-10000 to 10000 km/s"),
        ("M200c", 1, np.nan, "a mass"),
        ("M200c", 1, 1e18, "1e+17 Msun/h"),
        ("Macc", 7, np.nan, "a mass"),
        ("rockstarId", 8, BIG, "stands in an earlier row"),
        ("rockstarId", 8, -3, "an id"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(tmp_path, column, row, value, reason):
    table = rockstar()
    table[column] = [value if i == row - 1 else v for i, v in enumerate(table[column])]
    rejected = read(tmp_path, table).rejected
    assert rejected["row"].tolist() == [row]
    assert reason in rejected["reason"][0]
    assert "a.csv" in rejected["reason"][0]
    assert rejected["value"][0] == str(value)


@pytest.mark.parametrize("column", ["rockstarId", "pId"])
def test_a_missing_id_is_rejected_without_a_value(tmp_path, column):
    table = rockstar().astype({column: object})
    table.loc[5, column] = None
    rejected = read(tmp_path, table).rejected
    assert (rejected["row"].tolist(), rejected["value"].tolist()) == ([6], [""])


def test_positions_at_the_edge_are_brought_into_the_box(tmp_path):
    table = rockstar()
    table.loc[[0, 1, 2], "x"] = [50.0, -0.25, -1e-20]
    result = read(tmp_path, table)
    assert result.halos["x"].tolist()[:3] == [0.0, 49.75, 0.0]
    assert result.notes["rows"]["files"]["wrapped"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="M200c"), "expected columns m200c; the file has row_id"),
        (lambda t: t.drop(columns="Macc"), "expected columns macc"),
        (lambda t: t.drop(columns=["pId", "upId"]), "pid or upid"),
        (lambda t: t.assign(**{"X": 1.0}), "each column name once"),
        (lambda t: t[:0], "expected rows"),
        (lambda t: t.assign(x=t.x * 1e3, y=t.y * 1e3, z=t.z * 1e3), r"column x, row 1: .*kpc/h in place"),
        (lambda t: t.assign(snapnum=[120] * 17 + [119]), "column snapnum, row 18: expected 120"),
        (lambda t: t.assign(scale=1.0), "column scale, row 1: expected 0.89526"),
        (lambda t: t.assign(M200c=np.log10(t.M200c)), "no host halo above 3.16e"),
        (lambda t: t.assign(vx=np.nan), "column vx, row 1.*16 of 16"),
        (
            lambda t: t.astype({"y": object}).replace({"y": {t.y[3]: "?"}}),
            r"column y, line 5: expected a number, got '\?'",
        ),
        (lambda t: t.assign(pId=t.pId + 0.5), "column pId, line 2: expected a whole number"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, change, message):
    with pytest.raises(CatalogueError, match=rf"a\.csv: .*{message}"):
        read(tmp_path, change(rockstar()))


def test_positions_in_mpc_without_h_are_refused(tmp_path):
    table = rockstar(40, 5)
    table[["x", "y", "z"]] /= 0.6777
    with pytest.raises(CatalogueError, match=r"Mpc in place of Mpc/h\?"):
        read(tmp_path, table)


def test_positions_that_fill_a_part_of_the_box_raise_a_warning(tmp_path):
    table = rockstar(40, 5)
    assert read(tmp_path, table).notes["warnings"] == []
    table[["x", "y", "z"]] *= 0.6777
    assert "is the unit or the box wrong" in read(tmp_path, table).notes["warnings"][0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"# nothing\n", "comma-separated values"),
        (b'<?xml version="1.0"?><VOTABLE>\n', "comma-separated values, got '<"),
        (b"\x93NUMPY\x00\x01", "comma-separated values"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(CatalogueError, match=message):
        read_rockstar_csv(config(), tmp_path)


def test_truncated_files_are_refused_or_warned_of(tmp_path):
    content = write(tmp_path, rockstar()).read_bytes()
    (tmp_path / "a.csv").write_bytes(content[:-40])
    with pytest.raises(CatalogueError, match=r"truncated or damaged.*Expected \d+ columns"):
        read_rockstar_csv(config(), tmp_path)
    (tmp_path / "a.csv").write_bytes(content[:-2])  # within the last number
    with pytest.raises(CatalogueError, match=r"column snapnum, row 18: expected 120 .*, got 12"):
        read_rockstar_csv(config(), tmp_path)
    (tmp_path / "a.csv").write_bytes(content[:-1])
    assert "no line end" in checked(read_rockstar_csv(config(), tmp_path)).notes["warnings"][0]
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content)[:-30])
    with pytest.raises(CatalogueError, match="truncated or damaged"):
        read_rockstar_csv(config(files=["a.csv.gz"]), tmp_path)
    with pytest.raises(CatalogueError, match="no such file"):
        read_rockstar_csv(config(files=["b.csv"]), tmp_path)


def mass_function_sample(box: float) -> np.ndarray:
    """Draw masses [Msun/h] above 1e13 Msun/h from Tinker et al. (2008) by inversion."""
    from colossus.cosmology import cosmology
    from colossus.lss.mass_function import massFunction

    values = {"H0": 67.77, "Om0": 0.307115, "Ob0": 0.048206, "sigma8": 0.8228, "ns": 0.96, "relspecies": False}
    cosmology.setCosmology("test", flat=True, persistence="", **values)
    mass = np.geomspace(1e13, 1e16, 3000)
    density = massFunction(mass, 0.117, mdef="200c", model="tinker08", q_in="M", q_out="dndlnM")
    above = np.cumsum((density * np.log(mass[1] / mass[0]))[::-1])[::-1] * box**3
    return np.interp(-np.arange(0.5, above[0]), -above, mass)


@pytest.mark.parametrize(
    ("factor", "message"), [(1, None), (1 / 0.6777, "in Msun?"), (0.6777, "multiplied by h"), (8, "another unit")]
)
def test_masses_without_h_are_noticed_by_their_number(tmp_path, factor, message):
    mass = mass_function_sample(150.0) * factor
    n = len(mass)
    ids = BIG + np.arange(n)
    table = pd.DataFrame({"rockstarId": ids, "pId": -1, **phase_space(n, 150.0), "M200c": mass, "Macc": mass})
    notes = read(tmp_path, table, box_mpc_h=150.0).notes
    assert notes["abundance"]["tinker08"] > 100
    assert (notes["warnings"] == []) if message is None else message in notes["warnings"][0]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_chunked_is_the_same_as_unchunked(tmp_path, rows):
    table = rockstar(40, 5)
    table.loc[[3, 50], "x"] = np.nan
    table.loc[100, "rockstarId"] = BIG
    write(tmp_path, table)
    whole, parts = read_rockstar_csv(config(), tmp_path), read_rockstar_csv(config(), tmp_path, chunk_rows=rows)
    pd.testing.assert_frame_equal(checked(parts).halos, whole.halos)
    pd.testing.assert_frame_equal(parts.galaxies, whole.galaxies)
    pd.testing.assert_frame_equal(parts.rejected, whole.rejected)
    assert parts.notes == whole.notes


def test_line_of_an_error_counts_from_the_start_of_the_file(tmp_path):
    table = rockstar(40, 5).astype({"z": object})
    table.loc[199, "z"] = "abc"
    write(tmp_path, table)
    with pytest.raises(CatalogueError, match="column z, line 201: expected a number, got 'abc'"):
        read_rockstar_csv(config(), tmp_path, chunk_rows=5)


BAD = st.sampled_from([np.nan, np.inf, -np.inf, -1e9, 0.0, 1e30])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.tuples(st.integers(0, 49), st.sampled_from(["x", "y", "vz", "M200c", "Macc", "Rs"]), BAD), max_size=15
    ),
    same=st.lists(st.tuples(st.integers(0, 49), st.integers(0, 49)), max_size=5),
    parents=st.lists(st.tuples(st.integers(12, 47), st.integers(-2, 60)), max_size=10),
    centrals=st.booleans(),
)
def test_no_row_is_lost(tmp_path, faults, same, parents, centrals):
    table = rockstar(12, 3)
    for row, column, value in faults:
        table.loc[row, column] = value
    for row, other in same:
        table.loc[row, "rockstarId"] = table.loc[other, "rockstarId"]
    for row, parent in parents:
        table.loc[row, ["pId", "upId"]] = BIG + parent if parent >= 0 else parent
    try:
        result = read(tmp_path, table, centrals=centrals)
    except CatalogueError as error:
        if not re.search("not as expected|no host halo", str(error)):
            raise
        return
    assert result.notes["rows"]["files"]["read"] == len(table)
    galaxies = SNAPSHOT_GALAXIES.empty() if result.galaxies is None else result.galaxies
    kept = set(result.halos["halo"]) | set(galaxies["galaxy"])
    assert len(kept) == result.notes["rows"]["files"]["kept"]
    assert result.rejected["row"].is_unique


# ----------------------------------------------------------------------------------------------------- UniverseMachine


def um_config(**values: Any) -> Snapshot:
    return config("universe_machine", **{"files": ["a.npy"], **values})


def test_universe_machine_alone(tmp_path):
    array = universe()
    array["flags"][-3] = 16
    np.save(tmp_path / "a.npy", array)
    result = checked(read_universe_machine(um_config(), tmp_path))
    mvir = array["m"][:3]
    assert ((result.halos["m200c"] < mvir) & (result.halos["m200c"] > 0.7 * mvir)).all()
    assert result.halos["concentration"].isna().all()
    assert len(result.galaxies) == 12  # 4 x 3 and the one with a small Macc, less the flagged one
    assert np.allclose(result.galaxies["log10_mstar"], 10 + np.log10(0.6777))  # Msun to Msun/h
    assert result.notes["rows"]["files"]["cuts"] == {"flag 16: to be ignored": 1, "below the cuts": 1}
    assert "Mvir" in result.notes["conversions"][0]
    assert len(read_universe_machine(um_config(min_mstar_msun_h=5e9, centrals=True), tmp_path).galaxies) == 16


def test_mass_conversion_agrees_with_colossus():
    from colossus.halo.mass_adv import changeMassDefinitionCModel

    from clustermass.sources.simulations import _m200c_from_mvir

    snapshot = um_config()
    mass = np.array([3.3e13, 2.1e14, 1.7e15])
    mass_function_sample(20.0)  # sets colossus' cosmology
    expected = changeMassDefinitionCModel(mass, 0.117, "vir", "200c", c_model="diemer19", profile="nfw")[0]
    assert np.allclose(_m200c_from_mvir(mass, snapshot), expected, rtol=2e-4)


def test_universe_machine_with_hosts_of_rockstar_in_other_files(tmp_path):
    np.save(tmp_path / "a.npy", universe(2))
    universe(3)[9:].tofile(tmp_path / "b.bin")
    write(tmp_path, rockstar(3, 0, Macc=None), "hosts.csv")
    result = checked(
        read_universe_machine(um_config(files=["a.npy"], host_files=["hosts.csv"]), tmp_path, chunk_rows=3)
    )
    assert result.halos["m200c"].tolist() == pytest.approx(list(np.geomspace(5e14, 4e13, 3)))
    assert result.notes["rows"]["host_files"]["kept"] == 3
    binary = checked(read_universe_machine(um_config(files=["b.bin"], host_files=["hosts.csv"]), tmp_path))
    assert len(binary.galaxies) == 7
    flat = pd.DataFrame({"id": universe()["id"], "upid": universe()["upid"], "mvir": universe()["m"], "sm": 1e10})
    flat = flat.assign(**dict(zip(["x", "y", "z", "vx", "vy", "vz"], universe()["pos"].T, strict=True)))
    np.save(tmp_path / "a.npy", flat.to_records(index=False))  # as make_mocks.py of Ho et al. reads it
    assert len(checked(read_universe_machine(um_config(), tmp_path)).galaxies) == 13


def test_bad_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", universe())
    content = (tmp_path / "a.npy").read_bytes()
    for bad, message in (
        (content[:-50], "truncated or damaged"),
        (content[:5], "truncated or damaged"),
        (b"", "empty file"),
    ):
        (tmp_path / "a.npy").write_bytes(bad)
        with pytest.raises(CatalogueError, match=message):
            read_universe_machine(um_config(), tmp_path)
    for array, message in (
        (np.ones((3, 4)), "structured array"),
        (universe()[:0], "expected rows"),
        (universe()[["id", "upid", "pos", "m"]], "expected columns sm"),
        (np.array([(1.0, -1.0)], [("id", "f4"), ("upid", "f4")]), "expected columns x"),
        (
            pd.DataFrame({n: [1.0] for n in ["id", "upid", "x", "y", "z", "vx", "vy", "vz", "m", "sm"]}).to_records(),
            "whole",
        ),
    ):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(CatalogueError, match=message):
            read_universe_machine(um_config(), tmp_path)
    universe().tofile(tmp_path / "b.bin")
    (tmp_path / "b.bin").write_bytes((tmp_path / "b.bin").read_bytes()[:-1])
    with pytest.raises(CatalogueError, match="truncated or damaged"):
        read_universe_machine(um_config(files=["b.bin"]), tmp_path)


# ----------------------------------------------------------------------------------------------------------------- SAG


def test_sag_galaxies_and_their_halos(tmp_path):
    write(tmp_path, sag())
    result = checked(read_sag_csv(config("sag_csv"), tmp_path))
    assert result.halos["halo"].tolist() == [1, 2]
    assert result.galaxies["halo"].tolist() == [1] * 4 + [2] * 4 + [-1]
    assert result.galaxies["central"].tolist() == [True, False, False, False] * 2 + [True]
    assert result.notes["galaxies"]["orphans"] == 4
    assert np.allclose(result.galaxies["log10_mstar"], np.log10(4e10))
    assert np.allclose(result.galaxies["abs_mag_r"], -21 - 5 * np.log10(0.6777))
    published = read_sag_csv(config("sag_csv", magnitudes_with_h=True), tmp_path)
    assert (published.galaxies["abs_mag_r"] == -21).all()


def test_sag_with_hosts_of_rockstar_faults_and_cuts(tmp_path):
    hosts = rockstar(2, 0, rockstarId=[1, 2, 7, 8], Macc=None)
    write(tmp_path, hosts, "hosts.csv")
    table = sag(
        HaloMass=None,
        GalaxyType=[0, 1, 2, 7, 0, 1, 2, 2, 0],
        MstarDisk=[1e10, np.nan, *[1e10] * 6, 0],
        MagStarSDSSr=[99, *[-20] * 8],
        MstarSpheroid=[*[3e10] * 8, 1],
    )
    write(tmp_path, table)
    stanza = config("sag_csv", host_files=["hosts.csv"], min_mstar_msun_h=1e9)
    result = checked(read_sag_csv(stanza, tmp_path))
    assert result.halos["halo"].tolist() == [1, 2]
    assert result.rejected["reason"].tolist() == ["a.csv: expected 0, 1 or 2", "a.csv: expected a mass"]
    assert result.galaxies["galaxy"].tolist() == [100, 102, 104, 105, 106, 107]
    assert np.isnan(result.galaxies["abs_mag_r"][0])
    assert result.notes["missing_or_out_of_bounds"]["abs_mag_r"] == 1
    with pytest.raises(CatalogueError, match="expected columns halomass"):
        read_sag_csv(config("sag_csv"), tmp_path)


def test_two_centrals_of_one_halo_and_a_central_without_halo(tmp_path):
    write(tmp_path, sag(MainHaloID=[1, 1, 1, 1, 1, 2, 2, 2, -1]))
    result = checked(read_sag_csv(config("sag_csv"), tmp_path))
    assert sorted(result.rejected["row"]) == [5, 9]


# ------------------------------------------------------------------------------------------------- the published mock


def mock(folder: Path, clusters: dict[int, Any] | None = None, galaxies: dict[int, Any] | None = None) -> Snapshot:
    """Write five sight-lines of three halos, the third being the first one snapshot later; two galaxies each."""
    rows = [
        [10000000001, 14.5, 120.0, 10.0, 20.0, 30.0, 0, 0, 1, 0.9357],
        [10000000001, 14.5, 150.0, 10.0, 20.0, 30.0, 0, 1, 0, 0.9357],
        [10000000002, 14.0, 130.0, 40.0, 40.0, 40.0, 0, 0, 1, 0.9357],
        [10000000003, 14.5, 160.0, 10.2, 20.1, 29.9, 1, 0, 0, 0.9567],
        [10000000002, 14.0, 100.0, 40.0, 40.0, 40.0, 1, 0, 0, 0.9357],
    ]
    members = [[i, 0.5, -0.25 * i, 300.0 * k] for i in range(1, 6) for k in (-1, 1)]
    for table, changes in ((rows, clusters or {}), (members, galaxies or {})):
        for row, values in changes.items():
            table[row] = values
    (folder / "clusters").write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    np.savetxt(folder / "galaxies", members)
    return config("kodi_ramanah_mock", files=["galaxies"], host_files=["clusters"])


def test_published_mock_groups_sight_lines_and_snapshots_of_a_halo(tmp_path):
    result = read_kodi_ramanah_mock(mock(tmp_path), tmp_path)
    MOCK_CLUSTERS.validate(result.halos, "clusters")
    MOCK_GALAXIES.validate(result.galaxies, "galaxies")
    assert result.halos["cluster"].tolist() == [1, 2, 3, 4, 5]
    assert (result.halos["group"] - 10000000000).tolist() == [1, 1, 2, 1, 2]
    assert (result.notes["halos"], result.notes["groups"], result.notes["warnings"]) == (3, 2, [])
    assert result.galaxies["y"].tolist()[-1] == -1.25
    assert result.galaxies["cluster"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_published_mock_as_arrays(tmp_path):
    expected = read_kodi_ramanah_mock(mock(tmp_path), tmp_path)
    for name in ("clusters", "galaxies"):
        np.save(tmp_path / name, np.loadtxt(tmp_path / name))
    stanza = config("kodi_ramanah_mock", files=["galaxies.npy"], host_files=["clusters.npy"])
    result = read_kodi_ramanah_mock(stanza, tmp_path)
    pd.testing.assert_frame_equal(result.halos, expected.halos)
    pd.testing.assert_frame_equal(result.galaxies, expected.galaxies)


def test_published_mock_with_bad_rows(tmp_path):
    good = [10000000001, 14.5, 120.0, 10.0, 20.0, 30.0, 0, 0, 1, 0.9357]
    clusters = {1: good, 4: [2.5, *good[1:]]}
    galaxies = {0: [1, np.nan, 0, 0], 2: [77, 0, 0, 0], 9: [4, 0, 0, 5e5]}
    stanza = mock(tmp_path, clusters, galaxies)
    result = read_kodi_ramanah_mock(stanza, tmp_path)
    assert result.halos["cluster"].tolist() == [1, 3, 4]
    rejected = result.rejected.sort_values(["reason", "row"])
    assert len(rejected) == 2 + 5  # also the galaxies of clusters that are not kept
    assert {name.split(":")[0] for name in rejected["reason"]} == {"clusters", "galaxies"}
    for counts in result.notes["rows"].values():
        assert counts["kept"] + counts["rejected"] == counts["read"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("clusters", "1 2 3\n", "expected columns id, log10_m200c"),
        ("galaxies", "1 0 0 0\n1 0 0\n", "damaged.*columns"),
        ("galaxies", "1 0 0 0\n1 0 x 0\n", "damaged.*'x'.*row 1, column 3"),
        ("galaxies", "1 5e3 900 0\n1 800 0 0\n1 0 0 0\n", "-100 to 100 Mpc/h"),
        ("clusters", "1 5e14 90 1 2 3 0 0 1 .9\n2 5e14 90 1 2 3 0 0 1 .9\n", "11 to 17"),
    ],
)
def test_published_mock_that_is_damaged_is_refused(tmp_path, name, text, message):
    stanza = mock(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(CatalogueError, match=message):
        read_kodi_ramanah_mock(stanza, tmp_path)


def test_published_mock_without_its_last_galaxies_raises_a_warning(tmp_path):
    stanza = mock(tmp_path)
    lines = (tmp_path / "galaxies").read_text().splitlines(keepends=True)
    (tmp_path / "galaxies").write_text("".join(lines[:7]))
    result = read_kodi_ramanah_mock(stanza, tmp_path)
    assert "last clusters" in result.notes["warnings"][0]
    assert result.notes["clusters_without_galaxies"] == 1


# ------------------------------------------------------------------------------------------------------- configuration


def test_read_snapshot_takes_the_reader_of_the_format(tmp_path):
    write(tmp_path, rockstar())
    assert len(checked(read_snapshot(config(), tmp_path)).halos) == 4
    with pytest.raises(CatalogueError, match=r"snapshot\.format: expected one of rockstar_csv"):
        read_snapshot(Snapshot())


@pytest.mark.parametrize(
    "values",
    [
        {"format": "rockstar_csv"},
        {"format": "embedded", "files": ["a.csv"]},
        {"format": "kodi_ramanah_mock", "files": ["a"]},
        {"format": "rockstar_csv", "files": ["a"], "host_files": ["b"]},
        {"redshift": -1},
    ],
)
def test_configurations_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        Snapshot(**values)
