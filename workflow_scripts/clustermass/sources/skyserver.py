"""Redshifts from the SQL server of SDSS: asked for tile by tile, checked, and kept with query and date."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import requests
from astropy.table import Table, vstack
from astroquery import cache_conf
from astroquery.sdss import SDSSClass
from astroquery.sdss import conf as sdss_conf

from clustermass.config.catalogues import Archive
from clustermass.config.observed import SkyServer
from clustermass.files import replacing, sha256
from clustermass.sources.tables import CatalogueError, EmptyCatalogueError, read_catalogue
from clustermass.sources.vizier import ArchiveAnswerError, ArchiveUnavailable

_Sleep = Callable[[float], None]
_COLUMNS = ["id", "ra", "dec", "redshift", "redshift_err", "r"]
_LATER = {408, 429}  # time-out and too many requests: like 5xx, a server that may answer later
_MAIN_SAMPLE = 448  # legacy_target1: GALAXY 64, GALAXY_BIG 128, GALAXY_BRIGHT_CORE 256 (of the main galaxy sample)
_ADVICE = "A local table of redshifts (observed.surveys.*.files in archive.folder) needs no download"
Tile = tuple[float, float, float, float]


def tiles(settings: SkyServer) -> Iterator[Tile]:
    """Yield ranges of right ascension and declination [deg] that cover the survey's, about equal in area."""
    rows = max(int(np.ceil((settings.dec_deg[1] - settings.dec_deg[0]) / settings.tile_deg)), 1)
    decs = np.linspace(*settings.dec_deg, rows + 1)
    for low, high in itertools.pairwise(decs):
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        width = (settings.ra_deg[1] - settings.ra_deg[0]) * np.cos(np.radians(nearest))
        ras = np.linspace(*settings.ra_deg, max(int(np.ceil(width / settings.tile_deg)), 1) + 1)
        for left, right in itertools.pairwise(ras):
            yield float(left), float(right), float(low), float(high)


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
    settings: SkyServer, archive: Archive, *, sleep: _Sleep = time.sleep
) -> tuple[Table, dict[str, Any]]:
    """Return the main galaxy sample of SDSS in a part of the sky, from the cache or from the server.

    Every tile is one file of CSV as the server wrote it, with a note of the same name in JSON beside it; a run that
    was interrupted goes on where it stopped. There is a pause between tiles.

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
    parts: list[Table] = []
    notes: list[dict[str, Any]] = []
    every = list(tiles(settings))
    for number, tile in enumerate(every, 1):
        query = tile_query(tile, settings)
        path = Path(archive.cache) / "skyserver" / f"{_digest(query, settings)}.csv"
        if not _is_kept(path, query):
            print(f"SkyServer: tile {number} of {len(every)}", flush=True)
            if notes:
                sleep(archive.pause_s)
            _keep(path, query, settings, archive, sleep)
        notes.append(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        parts.append(_read(path, settings))
    table = (
        vstack([part for part in parts if len(part)], metadata_conflicts="silent") if any(map(len, parts)) else parts[0]
    )
    if not len(table):
        raise ArchiveAnswerError("SkyServer: expected galaxies in at least one tile, got none; check observed.surveys")
    dates = sorted(note["retrieved"] for note in notes)
    joined = hashlib.sha256("\n".join(note["sha256"] for note in notes).encode()).hexdigest()
    note = {"server": settings.server, "release": settings.release, "tiles": len(every), "rows": len(table)}
    return table, note | {"retrieved": [dates[0], dates[-1]], "sha256": joined, "query": notes[0]["query"]}


def _digest(query: str, settings: SkyServer) -> str:
    """Return a name for the answer to a query of a release."""
    return f"dr{settings.release}_{hashlib.sha256(query.encode()).hexdigest()[:16]}"


def _is_kept(path: Path, query: str) -> bool:
    """Return whether the cache holds the whole answer to this query."""
    try:
        note = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return bool(note["query"] == query and note["sha256"] == sha256(path))
    except (OSError, ValueError, KeyError):
        return False


def _keep(path: Path, query: str, settings: SkyServer, archive: Archive, sleep: _Sleep) -> None:
    """Ask for one tile and write the answer with its note; the note comes last, so no half answer is trusted."""
    try:
        body = _insist(query, settings, archive, sleep)
    except (ArchiveUnavailable, ArchiveAnswerError) as error:
        kind = ArchiveUnavailable if isinstance(error, ArchiveUnavailable) else ArchiveAnswerError
        raise kind(f"SkyServer DR{settings.release} at {settings.server}: {error}. {_ADVICE}.") from error
    with replacing(path) as aside:
        aside.write_bytes(body)
    note = {"query": query, "server": settings.server, "release": settings.release, "sha256": sha256(path)}
    note |= {"retrieved": datetime.now(UTC).isoformat(timespec="seconds"), "astroquery": metadata.version("astroquery")}
    with replacing(path.with_suffix(".json")) as aside:
        aside.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def _insist(query: str, settings: SkyServer, archive: Archive, sleep: _Sleep) -> bytes:
    """Return a good answer, asking again with growing pauses while the server may be able to give one later."""
    for attempt in range(1, archive.attempts + 1):
        try:
            body = _ask(query, settings, archive)
            _examine(body, settings)
            return body
        except ArchiveUnavailable as error:
            if attempt == archive.attempts:
                raise ArchiveUnavailable(f"{error} (attempt {attempt} of {attempt})") from error
            pause = archive.pause_s * 2 ** (attempt - 1)
            print(f"SkyServer: {error}; next attempt in {pause:g} s", flush=True)
            sleep(pause)
    raise AssertionError("archive.attempts is at least 1")


def _ask(query: str, settings: SkyServer, archive: Archive) -> bytes:
    """Return the body of one answer."""
    try:
        with cache_conf.set_temp("cache_active", False), sdss_conf.set_temp("skyserver_baseurl", settings.server):
            response = SDSSClass().query_sql_async(
                query, timeout=archive.timeout_s, data_release=settings.release, cache=False
            )
    except requests.exceptions.RequestException as error:
        got = f"{type(error).__name__}: {re.sub(r' with url: [^ ]*', '', str(error))}"  # without the whole query
        raise ArchiveUnavailable(f"expected an answer within {archive.timeout_s:g} s, got {got}") from error
    if response.status_code != 200:
        later = response.status_code >= 500 or response.status_code in _LATER
        fault = ArchiveUnavailable if later else ArchiveAnswerError
        raise fault(f"expected a table, got HTTP {response.status_code} {response.reason}")
    return bytes(response.content)


def _examine(body: bytes, settings: SkyServer) -> None:
    """Raise unless a body is a whole table of the columns asked for."""
    text = body.decode("utf-8", "replace")
    begin = " ".join(text[:160].split())
    if "<html" in text[:500].lower() or "<!doctype" in text[:500].lower():
        raise ArchiveUnavailable(f"expected a table, got an HTML page: {begin!r}")  # its answer when it is busy
    if "error" in text[:500].lower():
        raise ArchiveAnswerError(f"expected a table, got the server's error: {begin!r}")
    lines = text.splitlines()
    header = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if [name.strip() for name in header.split(",")] != _COLUMNS:
        raise ArchiveAnswerError(f"expected columns {', '.join(_COLUMNS)}, got {begin!r}")
    rows = sum(bool(line.strip()) and not line.startswith("#") for line in lines) - 1
    if rows >= settings.most_rows:
        raise ArchiveAnswerError(
            f"expected fewer than {settings.most_rows} rows, got {rows}: cut off; make observed.surveys.*.skyserver."
            "tile_deg smaller"
        )
    if not text.endswith("\n"):
        raise ArchiveUnavailable(f"expected a whole table, got one that ends in the middle of a line: {lines[-1]!r}")


def _read(path: Path, settings: SkyServer) -> Table:
    """Return the table of one answer, which may have no rows."""
    try:
        table = read_catalogue(path)
    except EmptyCatalogueError:
        return Table({name: np.empty(0) for name in _COLUMNS})
    except CatalogueError as error:
        raise ArchiveAnswerError(f"{error}; delete it to ask {settings.server} again") from error
    table["id"] = [str(number) for number in table["id"]]  # 64 bits, unsigned
    return table
