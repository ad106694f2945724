"""UniverseMachine, SAG and the published mock, written by the tests, and all their faults; the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from snapshots import checked, config, mass_function_sample, rockstar, sag, universe, write

from clustermass.config.snapshot import Snapshot
from clustermass.sources.simulations import (
    MOCK_CLUSTERS,
    MOCK_GALAXIES,
    read_kodi_ramanah_mock,
    read_sag_csv,
    read_snapshot,
    read_universe_machine,
)
from clustermass.sources.tables import CatalogueError

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

    from clustermass.sources.simulations.masses import m200c_from_mvir

    snapshot = um_config()
    mass = np.array([3.3e13, 2.1e14, 1.7e15])
    mass_function_sample(20.0)  # sets colossus' cosmology
    expected = changeMassDefinitionCModel(mass, 0.117, "vir", "200c", c_model="diemer19", profile="nfw")[0]
    assert np.allclose(m200c_from_mvir(mass, snapshot), expected, rtol=2e-4)


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


@pytest.mark.parametrize(
    "values",
    [
        {"format": "rockstar_csv"},
        {"format": "embedded", "files": ["a.csv"]},
        {"files": ["a.csv"]},
        {"format": "rockstar_csv", "files": []},
        {"format": "kodi_ramanah_mock", "files": ["a"]},
        {"format": "rockstar_csv", "files": ["a"], "host_files": ["b"]},
        {"format": "rockstar_csv", "files": ["a"], "redshift": -1},
    ],
)
def test_configurations_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        Snapshot(**values)
