"""Snapshots of simulations in the layouts that their archives publish, written for the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clustermass.config.snapshot import Snapshot
from clustermass.contracts import REJECTED
from clustermass.sources.simulations import SnapshotTables, read_rockstar_csv
from clustermass.sources.snapshot import SNAPSHOT_HALOS

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
