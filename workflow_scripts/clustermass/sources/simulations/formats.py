"""Bring tables of Rockstar, UniverseMachine and SAG into the contracts of `clustermass.sources.snapshot`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from clustermass.config.snapshot import Snapshot
from clustermass.constants import CRITICAL_DENSITY
from clustermass.sources.simulations.files import CHUNK_ROWS, Names, array_frames, csv_reader
from clustermass.sources.simulations.masses import abundance, m200c_from_mvir
from clustermass.sources.simulations.mock import read_kodi_ramanah_mock
from clustermass.sources.simulations.sieve import NO_ID, VELOCITY, XYZ, Ints, Sieve, SnapshotTables, rejected_rows
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS
from clustermass.sources.tables import CatalogueError

# Names that a column goes by, in lower case: CosmoSim's old server keeps capitals, its present one does not.
_PHASE: Names = {key: (key,) for key in (*XYZ, *VELOCITY)}
_ROCKSTAR: Names = {"id": ("rockstarid",), **_PHASE, "m200c": ("m200c",)}
_ROCKSTAR_MORE: Names = {key: (key,) for key in ("pid", "upid", "rs", "macc", "scale", "snapnum")}
_UNIVERSE: Names = {"id": ("id",), "upid": ("upid",), **_PHASE, "m": ("m", "mvir"), "sm": ("sm",)}
_UNIVERSE_MORE: Names = {"flags": ("flags",), "mp": ("mp", "mpeak")}
_SAG: Names = {"id": ("galaxystaticid", "galaxyid", "haloid"), "type": ("galaxytype",), **_PHASE}
_SAG |= {"host": ("mainhaloid", "hosthaloid"), "spheroid": ("mstarspheroid",), "disk": ("mstardisk",)}
_SAG_MORE: Names = {"m200c": ("halomass",), "mag": ("magstarsdssr", "mag_r"), "snapnum": ("snapnum",)}


def _one_snapshot(sieve: Sieve, frame: pd.DataFrame) -> None:
    """Raise where a table mixes snapshots, or is not of the redshift of the configuration."""
    expected = {"scale": 1 / (1 + sieve.snapshot.redshift)}
    if "snapnum" in frame:
        expected["snapnum"] = sieve.first_snapnum = sieve.first_snapnum or int(frame["snapnum"].iloc[0])
    for name in [name for name in expected if name in frame]:
        wrong = np.flatnonzero((frame[name] - expected[name]).abs() > 0.003)  # scale factors are printed rounded
        if len(wrong):
            row = frame.iloc[wrong[0]]
            raise CatalogueError(
                f"{sieve.paths[int(row['file'])]}: column {name}, row {row['row']:.0f}: expected {expected[name]:.5g} "
                f"(one snapshot, redshift {sieve.snapshot.redshift:g}), got {row[name]:.5g}"
            )


def _gather(
    snapshot: Snapshot,
    paths: list[Path],
    reader: Callable[[Path], Iterator[pd.DataFrame]],
    prepare: Callable[[Sieve, pd.DataFrame], pd.DataFrame],
) -> Sieve:
    """Read all pieces of a table of halos, subhalos or galaxies through the cuts and the checks.

    `prepare` adds the columns `halo_id`, `parent` (top host), `link` (whether others may name this row as host),
    `is_halo`, `is_galaxy`, `central` and those of the contracts that the format has.
    """
    sieve = Sieve(snapshot, paths)
    for frame in sieve.frames(reader):
        _one_snapshot(sieve, frame)
        frame = sieve.reject(frame, (frame["id"] < 0).to_numpy(), "id", "expected an id, a whole number from 0")
        frame = prepare(sieve, frame)
        sieve.links.append(frame.loc[frame["link"], ["id", "parent"]].to_numpy(np.int64))
        frame = sieve.drop(frame, ~(frame["is_halo"] | frame["is_galaxy"]).to_numpy(bool), "below the cuts")
        frame = sieve.bound(sieve.place(frame), SNAPSHOT_HALOS, VELOCITY)
        sieve.parts.append(sieve.bound(frame, SNAPSHOT_HALOS, ("m200c",), "is_halo"))
        sieve.check(least=10_000)
    sieve.finish(("id", "row"), ("halo_id", "is_halo"))
    return sieve


def _unknown(values: pd.Series) -> pd.Series:
    """Return which values are no finite numbers."""
    return pd.Series(~np.isfinite(values.to_numpy(float)), values.index)


def _above(values: pd.Series, least: float) -> pd.Series:
    """Return which values pass a cut; a cut of 0 lets also missing values pass."""
    return values >= least if least else pd.Series(True, values.index)


def _rockstar(sieve: Sieve, frame: pd.DataFrame) -> pd.DataFrame:
    """Prepare rows of CosmoSim's Rockstar table: hosts have pId = -1, upId is the most massive host."""
    snapshot, path = sieve.snapshot, sieve.paths[0]
    if "pid" not in frame and "upid" not in frame:
        raise CatalogueError(f"{path}: expected columns pid or upid; the file has {', '.join(map(str, frame))}")
    direct, top = frame.get("pid", frame.get("upid")), frame.get("upid", frame.get("pid"))
    frame = frame.assign(pid=direct, parent=top)
    frame = sieve.reject(frame, (frame["pid"] == NO_ID).to_numpy(), "pid", "expected the id of a host, or -1")
    host = frame["pid"] == -1
    frame = sieve.reject(frame, (host & _unknown(frame["m200c"])).to_numpy(), "m200c", "expected a mass")
    host, wanted = frame["pid"] == -1, snapshot.format == "rockstar_csv"
    macc = frame["macc"] if "macc" in frame else pd.Series(np.nan, frame.index)
    if wanted and snapshot.min_macc_msun_h:
        unknown = (~host & _unknown(macc)).to_numpy()
        frame, host, macc = sieve.reject(frame, unknown, "macc", "expected a mass"), host[~unknown], macc[~unknown]
    return frame.assign(
        halo_id=frame["id"],
        parent=np.where(host, frame["id"], frame["parent"]),
        link=~host,
        central=host,
        is_halo=host & (frame["m200c"] >= snapshot.min_m200c_msun_h),
        is_galaxy=wanted & (~host | snapshot.centrals) & _above(macc, snapshot.min_macc_msun_h),
        m_acc=macc,
    )


def _universe(sieve: Sieve, frame: pd.DataFrame) -> pd.DataFrame:
    """Prepare rows of UniverseMachine: hosts have upid = -1, m is the virial mass [Msun/h], sm in Msun without h."""
    snapshot, alone = sieve.snapshot, not sieve.snapshot.host_files
    if "flags" in frame:
        frame = sieve.drop(frame, (frame["flags"] & 16 != 0).to_numpy(), "flag 16: to be ignored")
    if snapshot.min_mstar_msun_h:
        frame = sieve.reject(frame, _unknown(frame["sm"]).to_numpy(), "sm", "expected a mass")
    host = frame["upid"] == -1
    unknown = ((host if alone else False) & _unknown(frame["m"])).to_numpy()
    frame = sieve.reject(frame, unknown, "m", "expected a mass")
    host, m200c = frame["upid"] == -1, m200c_from_mvir(frame["m"].to_numpy(float), snapshot) if alone else np.nan
    mstar = frame["sm"] * snapshot.h
    return frame.assign(
        halo_id=frame["id"],
        parent=np.where(host, frame["id"], frame["upid"]),
        link=~host,
        central=host,
        m200c=m200c,
        is_halo=host & (m200c >= snapshot.min_m200c_msun_h),
        is_galaxy=(~host | snapshot.centrals) & _above(mstar, snapshot.min_mstar_msun_h),
        mstar=mstar,
        m_acc=frame.get("mp", np.nan),
    )


def _sag(sieve: Sieve, frame: pd.DataFrame) -> pd.DataFrame:
    """Prepare rows of SAG: type 0 central of a main halo (HaloMass is its M200c), 1 of a subhalo, 2 orphan."""
    snapshot, alone = sieve.snapshot, not sieve.snapshot.host_files
    frame = sieve.reject(frame, (~frame["type"].isin([0, 1, 2])).to_numpy(), "type", "expected 0, 1 or 2")
    for name in ("spheroid", "disk") if snapshot.min_mstar_msun_h else ():
        frame = sieve.reject(frame, _unknown(frame[name]).to_numpy(), name, "expected a mass")
    central = frame["type"] == 0
    wrong = ((frame["host"] < 0) & central & alone).to_numpy()
    frame = sieve.reject(frame, wrong, "host", "expected the id of a halo")
    central, mstar = frame["type"] == 0, frame["spheroid"] + frame["disk"]
    frame = frame.assign(m200c=frame.get("m200c", np.nan))
    return frame.assign(
        halo_id=frame["host"],
        parent=frame["host"],
        link=False,
        central=central,
        is_halo=alone & central & (frame["m200c"] >= snapshot.min_m200c_msun_h),
        is_galaxy=_above(mstar, snapshot.min_mstar_msun_h),
        mstar=mstar,
        abs_mag_r=frame.get("mag", np.nan) - (0 if snapshot.magnitudes_with_h else 5 * np.log10(snapshot.h)),
    )


def _climb(start: Ints, hosts: Ints, links: Ints) -> Ints:
    """Return the host that a chain of subhalos leads to, -1 where to none of the table.

    Parameters
    ----------
    start : array, shape (n,)
        Ids of the direct or top hosts.
    hosts : array, shape (k,)
        Ids in the table of halos.
    links : array, shape (m, 2)
        Id and host of every subhalo of the file, in any order.
    """
    ids, parents = links[np.argsort(links[:, 0], kind="stable")].T
    at = start.copy()
    for _ in range(30):  # more than any hierarchy is deep: what is left then goes in circles
        lost = np.flatnonzero(~np.isin(at, hosts) & (at != -1))
        if not len(lost):
            return at
        where = np.searchsorted(ids, at[lost]).clip(max=max(len(ids) - 1, 0))
        found = ids[where] == at[lost] if len(ids) else np.zeros(len(lost), dtype=bool)
        at[lost] = np.where(found, parents[where] if len(ids) else -1, -1)
    return np.where(np.isin(at, hosts), at, -1)


def _assemble(snapshot: Snapshot, main: Sieve, hosts: Sieve | None, conversions: list[str]) -> SnapshotTables:
    """Bring what was read into the contracts."""
    source = hosts or main
    rows = source.kept[source.kept["is_halo"].astype(bool)]
    # critical density [h^2 Msun/Mpc^3]
    density = CRITICAL_DENSITY * (snapshot.Om0 * (1 + snapshot.redshift) ** 3 + 1 - snapshot.Om0)
    r200c = (rows["m200c"] * 3 / (800 * np.pi * density)) ** (1 / 3) * (1 + snapshot.redshift)
    scale_radius = rows["rs"] / 1000 if "rs" in rows else np.nan
    halos = rows[[*XYZ, *VELOCITY, "m200c"]].assign(
        halo=rows["halo_id"], r200c=r200c, concentration=r200c / scale_radius
    )
    if halos.empty:
        raise CatalogueError(f"{source.paths[0]}: no host halo above {snapshot.min_m200c_msun_h:.3g} Msun/h was found")
    rows = main.kept[main.kept["is_galaxy"].astype(bool)]
    top = _climb(rows["parent"].to_numpy(np.int64), halos["halo"].to_numpy(), np.concatenate(main.links))
    mstar = rows["mstar"] if "mstar" in rows else pd.Series(np.nan, rows.index)
    galaxies = rows[[*XYZ, *VELOCITY, "central"]].assign(
        galaxy=rows["id"], halo=top, log10_mstar=np.log10(mstar.where(mstar > 0))
    )
    galaxies = galaxies.assign(**{name: rows.get(name, np.nan) for name in ("abs_mag_r", "m_acc")})
    blanked = {}
    for contract, frame in ((SNAPSHOT_HALOS, halos), (SNAPSHOT_GALAXIES, galaxies)):
        for column in (column for column in contract.columns if column.missing):
            values = frame[column.name].astype(float)
            low, high = (-np.inf if column.low is None else column.low), column.high or np.inf
            wrong = _unknown(values) | (values < low) | (values > high)
            frame[column.name] = values.mask(wrong)
            blanked[column.name] = int(wrong.sum())
    counts, warnings = abundance(halos["m200c"].to_numpy(float), snapshot)
    notes = {
        "format": snapshot.format,
        "rows": {"files": main.summary()} | ({"host_files": hosts.summary()} if hosts else {}),
        "galaxies": {
            "without_halo": int((top == -1).sum()),
            "moved_to_the_top_host": int(((top != rows["parent"]) & (top != -1)).sum()),
            "orphans": int((rows["type"] == 2).sum()) if "type" in rows else None,
        },
        "missing_or_out_of_bounds": blanked,
        "abundance": counts,
        "warnings": [*main.warnings, *(hosts.warnings if hosts else []), *warnings],
        "conversions": conversions,
    }
    halos = halos.astype({"halo": np.int64})
    halos = SNAPSHOT_HALOS.validate(halos.assign(group=halos["halo"]), source.paths[0])
    members = SNAPSHOT_GALAXIES.validate(galaxies.astype({"central": bool}), main.paths[0]) if len(galaxies) else None
    return SnapshotTables(halos, members, rejected_rows(main, hosts), notes)


def _read_hosts(snapshot: Snapshot, folder: str | Path, chunk_rows: int) -> Sieve | None:
    """Read the hosts from a Rockstar CSV that stands beside a table of galaxies, if there is one."""
    paths = [Path(folder) / name for name in snapshot.host_files]
    return _gather(snapshot, paths, csv_reader(_ROCKSTAR, _ROCKSTAR_MORE, chunk_rows), _rockstar) if paths else None


def read_rockstar_csv(snapshot: Snapshot, folder: str | Path = ".", chunk_rows: int = CHUNK_ROWS) -> SnapshotTables:
    """Read CosmoSim's Rockstar table, exported as CSV: hosts are halos, subhalos above a mass at accretion galaxies.

    Columns: rockstarId, pId and/or upId (-1: host), x, y, z [Mpc/h, comoving], vx, vy, vz [km/s], M200c, Macc [Msun/h],
    optionally Rs [kpc/h, comoving], scale, snapnum. R200c follows from M200c by its definition.

    Parameters
    ----------
    snapshot : Snapshot
    folder : str or Path
        Where the files are.
    chunk_rows : int
        Rows in memory at a time, about; the result does not depend on it.

    Raises
    ------
    CatalogueError
    """
    needed = {**_ROCKSTAR, **({"macc": ("macc",)} if snapshot.min_macc_msun_h else {})}
    paths = [Path(folder) / name for name in snapshot.files]
    main = _gather(snapshot, paths, csv_reader(needed, _ROCKSTAR_MORE, chunk_rows), _rockstar)
    return _assemble(snapshot, main, None, ["R200c from M200c by its definition", "concentration: R200c / Rs"])


def read_universe_machine(snapshot: Snapshot, folder: str | Path = ".", chunk_rows: int = CHUNK_ROWS) -> SnapshotTables:
    """Read a catalogue of UniverseMachine (.npy, or its own .bin), with hosts from a Rockstar CSV where one is given.

    Columns: id, upid (-1: host), pos (x, y, z [Mpc/h, comoving], vx, vy, vz [km/s]) or these six by themselves, m (or
    mvir) [Msun/h], sm [Msun], optionally mp [Msun/h], flags. The catalogue has no M200c: without a Rockstar CSV it is
    inferred from the virial mass, without scatter. `mp`, the largest mass in history, stands in for `m_acc`.

    Parameters and errors as in `read_rockstar_csv`.
    """
    paths = [Path(folder) / name for name in snapshot.files]
    hosts = _read_hosts(snapshot, folder, chunk_rows)
    main = _gather(snapshot, paths, lambda path: array_frames(path, _UNIVERSE, _UNIVERSE_MORE, chunk_rows), _universe)
    masses = "M200c of Rockstar" if hosts else "M200c from Mvir, NFW with the concentration of Diemer & Joyce (2019)"
    conversions = [masses, f"stellar mass from Msun to Msun/h, h={snapshot.h:g}", "m_acc: largest mass in history (mp)"]
    return _assemble(snapshot, main, hosts, conversions)


def read_sag_csv(snapshot: Snapshot, folder: str | Path = ".", chunk_rows: int = CHUNK_ROWS) -> SnapshotTables:
    """Read CosmoSim's table of SAG galaxies, exported as CSV, with hosts from a Rockstar CSV where one is given.

    Columns: GalaxyStaticID, MainHaloID (or HostHaloID), GalaxyType (0 central, 1 satellite, 2 orphan), x, y, z [Mpc/h,
    comoving], vx, vy, vz [km/s], MstarSpheroid, MstarDisk [Msun/h], optionally HaloMass (M200c) [Msun/h], MagStarSDSSr.
    Without a Rockstar CSV the halos are those of the central galaxies. Orphans are counted in the notes.

    Parameters and errors as in `read_rockstar_csv`.
    """
    paths = [Path(folder) / name for name in snapshot.files]
    hosts = _read_hosts(snapshot, folder, chunk_rows)
    needed = _SAG if hosts else {**_SAG, "m200c": _SAG_MORE["m200c"]}
    main = _gather(snapshot, paths, csv_reader(needed, _SAG_MORE, chunk_rows), _sag)
    magnitude = "as published" if snapshot.magnitudes_with_h else f"M - 5 log10 h, h={snapshot.h:g}"
    return _assemble(
        snapshot, main, hosts, [f"abs_mag_r: {magnitude}; not k-corrected from the file's band to z = 0.1"]
    )


def read_snapshot(snapshot: Snapshot, folder: str | Path = ".") -> SnapshotTables:
    """Read a snapshot in the format that the configuration names.

    Raises
    ------
    CatalogueError
        The files cannot be used.
    """
    readers: dict[str, Callable[..., SnapshotTables]] = {
        "rockstar_csv": read_rockstar_csv,
        "universe_machine": read_universe_machine,
        "sag_csv": read_sag_csv,
        "kodi_ramanah_mock": read_kodi_ramanah_mock,
    }
    return readers[snapshot.format](snapshot, folder)
