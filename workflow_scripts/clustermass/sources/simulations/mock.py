"""The mock of Kodi Ramanah et al. (2021) as published: sight-lines and the galaxies around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from clustermass.config.snapshot import Snapshot
from clustermass.contracts import Column, Contract
from clustermass.sources.simulations.files import positional_frames
from clustermass.sources.simulations.sieve import XYZ, Bools, Ints, Sieve, SnapshotTables, rejected_rows

_SAME_OBJECT_MPC_H = 1.0  # how far a halo is from itself in the next snapshot of the mock, at most
_MOCK_CLUSTERS = ("id", "log10_m200c", "distance", *XYZ, "los_x", "los_y", "los_z", "scale")

MOCK_CLUSTERS = Contract(
    "mock_clusters",
    "sight-lines of the mock of Kodi Ramanah et al. (2021)",
    (
        Column("cluster", "int", "", "row in the file, from 1; the galaxies refer to it", 1, unique=True),
        Column("halo", "int", "", "id of the halo in its snapshot", 0),
        Column("group", "int", "", "object that splits keep together: a halo in all sight-lines and snapshots", 0),
        Column("log10_m200c", "float", "log10(Msun/h)", "log10 of M200c", 11, 17),
        Column("distance", "float", "Mpc/h", "comoving distance to the observer", 0, 1e4),
        *(Column(name, "float", "Mpc/h", "comoving position in the box", 0) for name in XYZ),
        *(Column(f"los_{name}", "float", "", "direction of the sight-line", -1e6, 1e6) for name in XYZ),
        Column("scale", "float", "", "scale factor of the snapshot", 0.01, 1.01),
    ),
)
MOCK_GALAXIES = Contract(
    "mock_galaxies",
    "projected phase space of the mock of Kodi Ramanah et al. (2021), relative to the central galaxy",
    (
        Column("cluster", "int", "", "sight-line, as in the table of clusters", 1),
        Column("x", "float", "Mpc/h", "proper distance on the sky", -100, 100),
        Column("y", "float", "Mpc/h", "proper distance on the sky", -100, 100),
        Column("v", "float", "km/s", "velocity along the sight-line, with the Hubble flow", -1e4, 1e4),
    ),
)


def _one_object(halos: pd.DataFrame, box: float) -> Ints:
    """Return for every sight-line the smallest id of the halos that are one object in several snapshots."""
    unique = halos.drop_duplicates("id").reset_index(drop=True)
    pairs = KDTree(unique[list(XYZ)].to_numpy(), boxsize=np.full(3, box)).query_pairs(
        _SAME_OBJECT_MPC_H, output_type="ndarray"
    )
    shape = (len(unique), len(unique))
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=shape)
    group = unique["id"].groupby(connected_components(graph, directed=False)[1]).transform("min")
    return halos["id"].map(pd.Series(group.to_numpy(), unique["id"].to_numpy())).to_numpy(np.int64)


def read_kodi_ramanah_mock(snapshot: Snapshot, folder: str | Path = ".") -> SnapshotTables:
    """Read the mock that Kodi Ramanah et al. (2021) published: sight-lines, and galaxies around them.

    Halo ids of Rockstar change from snapshot to snapshot and the mock has three, so sight-lines are grouped by id and,
    beyond that, where halos lie within 1 Mpc/h of one another: else one halo could stand on both sides of a split.

    Parameters
    ----------
    snapshot : Snapshot
        `host_files`: clusters (id, log10 M200c, distance, x, y, z, three of the sight-line, scale factor); `files`:
        galaxies (row of the cluster from 1, x, y, v). Only the box is used of the rest.
    folder : str or Path
        Where the files are.

    Returns
    -------
    SnapshotTables
        `halos` in `MOCK_CLUSTERS`, shape (sight-lines, 12); `galaxies` in `MOCK_GALAXIES`, shape (galaxies, 4).

    Raises
    ------
    CatalogueError
    """
    clusters = Sieve(snapshot, [Path(folder) / name for name in snapshot.host_files])
    for frame in clusters.frames(lambda path: positional_frames(path, _MOCK_CLUSTERS)):
        frame = clusters.reject(frame, ~_whole(frame["id"]), "id", "expected an id, a whole number from 0")
        frame = clusters.place(frame.astype({"id": np.int64}).assign(cluster=frame["row"]))
        clusters.parts.append(clusters.bound(frame, MOCK_CLUSTERS, _MOCK_CLUSTERS))
    sight_line = ["id", "los_x", "los_y", "los_z", "scale", "distance"]
    clusters.parts = [pd.concat(clusters.parts)]
    clusters.parts[0]["sight_line"] = clusters.parts[0].groupby(sight_line).ngroup()
    clusters.finish(("sight_line", "row"))
    halos = clusters.kept.assign(halo=clusters.kept["id"], group=_one_object(clusters.kept, snapshot.box_mpc_h))
    galaxies = Sieve(snapshot, [Path(folder) / name for name in snapshot.files])
    for frame in galaxies.frames(lambda path: positional_frames(path, ("cluster", "x", "y", "v"))):
        frame = frame.assign(id=frame["cluster"])
        known = frame["cluster"].isin(halos["cluster"]).to_numpy()
        frame = galaxies.reject(frame, ~known, "cluster", "expected the row of a cluster that is kept")
        galaxies.parts.append(galaxies.bound(frame.astype({"cluster": np.int64}), MOCK_GALAXIES, ("x", "y", "v")))
    galaxies.finish()
    bare = ~halos["cluster"].isin(galaxies.kept["cluster"])
    last = ["the last clusters have no galaxies: is their file truncated?"] if bare.iloc[-1] else []
    notes = {
        "format": snapshot.format,
        "rows": {"files": galaxies.summary(), "host_files": clusters.summary()},
        "halos": int(halos["halo"].nunique()),
        "groups": int(halos["group"].nunique()),
        "clusters_without_galaxies": int(bare.sum()),
        "warnings": [*galaxies.warnings, *clusters.warnings, *last],
        "conversions": [],
    }
    halos = MOCK_CLUSTERS.validate(halos[MOCK_CLUSTERS.names], clusters.paths[0])
    members = MOCK_GALAXIES.validate(galaxies.kept[MOCK_GALAXIES.names], galaxies.paths[0])
    return SnapshotTables(halos, members, rejected_rows(galaxies, clusters), notes)


def _whole(values: pd.Series) -> Bools:
    """Return which numbers are ids: whole, from 0, and small enough to be exact in 64 bits of floating point."""
    numbers = values.to_numpy(float)
    with np.errstate(invalid="ignore"):
        return np.asarray((numbers >= 0) & (numbers < 2**53) & (numbers == np.floor(numbers)))
