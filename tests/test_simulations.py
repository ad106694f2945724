"""Rockstar tables as CosmoSim exports them, written by the tests, and all their faults."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from snapshots import BIG, checked, config, mass_function_sample, phase_space, read, rockstar, write

from clustermass.sources.simulations import read_rockstar_csv
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES
from clustermass.sources.tables import CatalogueError

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


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
