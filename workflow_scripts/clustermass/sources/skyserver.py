"""Redshifts from the SQL server of SDSS: asked for tile by tile, checked, and kept with query and date."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy.table import Table, vstack

from clustermass.config.catalogues import Archive
from clustermass.config.observed import SkyServer
from clustermass.sources.patience import ArchiveAnswerError, Sleep
from clustermass.sources.sql import SqlServer, fetch_answers

_COLUMNS = ("id", "ra", "dec", "redshift", "redshift_err", "r")
_MAIN_SAMPLE = 448  # legacy_target1: GALAXY 64, GALAXY_BIG 128, GALAXY_BRIGHT_CORE 256 (of the main galaxy sample)
_SMALLER = "make observed.surveys.*.skyserver.tile_deg smaller"
_ADVICE = "A local table of redshifts (observed.surveys.*.files in archive.folder) needs no download"
Tile = tuple[float, float, float, float]


def sky_tiles(ra_deg: tuple[float, float], dec_deg: tuple[float, float], tile_deg: float) -> Iterator[Tile]:
    """Yield ranges of right ascension and declination [deg] that cover a part of the sky, about equal in area."""
    rows = max(int(np.ceil((dec_deg[1] - dec_deg[0]) / tile_deg)), 1)
    decs = np.linspace(*dec_deg, rows + 1)
    for low, high in itertools.pairwise(decs):
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        width = (ra_deg[1] - ra_deg[0]) * np.cos(np.radians(nearest))
        ras = np.linspace(*ra_deg, max(int(np.ceil(width / tile_deg)), 1) + 1)
        for left, right in itertools.pairwise(ras):
            yield float(left), float(right), float(low), float(high)


def tiles(settings: SkyServer) -> Iterator[Tile]:
    """Yield ranges of right ascension and declination [deg] that cover the survey's."""
    return sky_tiles(settings.ra_deg, settings.dec_deg, settings.tile_deg)


def tile_query(tile: Tile, settings: SkyServer) -> str:
    """Return the SQL that asks for the main galaxy sample in one tile.

    Columns and flags as in the tables SpecObj and PhotoObjAll since DR8; the first is the view of the best spectrum of
    every object. Ranges are half open, so that no galaxy stands in two tiles.
    """
    left, right, low, high = tile
    above = "<=" if right >= settings.ra_deg[1] else "<"
    up_to = "<=" if high >= settings.dec_deg[1] else "<"
    magnitude = "p.petroMag_r - p.extinction_r"
    return (
        "SELECT s.specObjID AS id, s.ra AS ra, s.dec AS dec, s.z AS redshift, s.zErr AS redshift_err, "
        f"{magnitude} AS r "
        "FROM SpecObj AS s JOIN PhotoObjAll AS p ON s.bestObjID = p.objID "
        f"WHERE s.class = 'GALAXY' AND s.zWarning = 0 AND (s.legacy_target1 & {_MAIN_SAMPLE}) > 0 "
        f"AND s.z BETWEEN {settings.redshift[0]:.6g} AND {settings.redshift[1]:.6g} "
        f"AND {magnitude} < {settings.faintest_r:.6g} "
        f"AND s.ra >= {left:.6f} AND s.ra {above} {right:.6f} AND s.dec >= {low:.6f} AND s.dec {up_to} {high:.6f}"
    )


def fetch_redshifts(
    settings: SkyServer, archive: Archive, *, sleep: Sleep = time.sleep
) -> tuple[Table, dict[str, Any]]:
    """Return the main galaxy sample of SDSS in a part of the sky, from the cache or from the server.

    Every tile is one query; see `fetch_answers`.

    Parameters
    ----------
    settings : SkyServer
    archive : Archive
        Folder of the cache, patience, attempts and pauses.

    Returns
    -------
    table : astropy.table.Table
        Columns id, ra, dec [deg], redshift, redshift_err, r [mag].
    note : dict
        Server, release, queries' checksum, first and last date, number of tiles and rows.

    Raises
    ------
    ArchiveUnavailable
        After all attempts of a tile.
    ArchiveAnswerError
        An answer came that is not the table asked for, or cut off.
    """
    queries = [tile_query(tile, settings) for tile in tiles(settings)]
    server = SqlServer(settings.server, settings.release, _COLUMNS, settings.most_rows, _SMALLER, _ADVICE)
    parts, notes = fetch_answers(queries, server, archive, sleep=sleep)
    full = [part for part in parts if len(part)]
    if not full:
        raise ArchiveAnswerError("SkyServer: expected galaxies in at least one tile, got none; check observed.surveys")
    table = vstack(full, metadata_conflicts="silent")
    table["id"] = [str(number) for number in table["id"]]  # 64 bits, unsigned
    dates = sorted(note["retrieved"] for note in notes)
    joined = hashlib.sha256("\n".join(note["sha256"] for note in notes).encode()).hexdigest()
    note = {"server": settings.server, "release": settings.release, "tiles": len(queries), "rows": len(table)}
    return table, note | {"retrieved": [dates[0], dates[-1]], "sha256": joined, "query": notes[0]["query"]}
