"""Answers of SDSS' SQL server (SkyServer): asked for with patience, checked, and kept with query and date."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import requests
from astropy.table import Table
from astroquery import cache_conf
from astroquery.sdss import SDSSClass
from astroquery.sdss import conf as sdss_conf

from clustermass.config.catalogues import Archive
from clustermass.files import replacing, sha256
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable, Sleep, brief, check_status, insist
from clustermass.sources.tables import CatalogueError, EmptyCatalogueError, read_catalogue


@dataclass(frozen=True)
class SqlServer:
    """Whom to ask, and what to expect.

    Attributes
    ----------
    address : str
    release : int
        Data release.
    columns : tuple of str
        Of every answer.
    most_rows : int
        Rows of one answer from which on it counts as cut off.
    smaller : str
        What the user can do where answers are cut off.
    advice : str
        What the user can do where there is no answer.
    """

    address: str
    release: int
    columns: tuple[str, ...]
    most_rows: int
    smaller: str
    advice: str


def fetch_answers(
    queries: list[str], server: SqlServer, archive: Archive, *, sleep: Sleep = time.sleep
) -> tuple[list[Table], list[dict[str, Any]]]:
    """Return the answers to queries, from the cache or from the server.

    Every answer is one file of CSV as the server wrote it, with a note of the same name in JSON beside it; a run that
    was interrupted goes on where it stopped. There is a pause between queries.

    Returns
    -------
    tables : list of astropy.table.Table
        With the columns of `server`; some may have no rows.
    notes : list of dict
        Keys query, server, release, sha256, retrieved (UTC) and astroquery (its version).

    Raises
    ------
    ArchiveUnavailable
        After all attempts of a query.
    ArchiveAnswerError
        An answer came that is not the table asked for, or cut off.
    """
    tables: list[Table] = []
    notes: list[dict[str, Any]] = []
    asked = 0
    for number, query in enumerate(queries, 1):
        digest = hashlib.sha256(query.encode()).hexdigest()[:16]
        path = Path(archive.cache) / "skyserver" / f"dr{server.release}_{digest}.csv"
        if not _is_kept(path, query):
            print(f"SkyServer: query {number} of {len(queries)}", flush=True)
            if asked:
                sleep(archive.pause_s)
            asked += 1
            _keep(path, query, server, archive, sleep)
        notes.append(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        tables.append(_read(path, server))
    return tables, notes


def _is_kept(path: Path, query: str) -> bool:
    """Return whether the cache holds the whole answer to this query."""
    try:
        note = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return bool(note["query"] == query and note["sha256"] == sha256(path))
    except (OSError, ValueError, KeyError):
        return False


def _keep(path: Path, query: str, server: SqlServer, archive: Archive, sleep: Sleep) -> None:
    """Ask one query and write the answer with its note; the note comes last, so no half answer is trusted."""
    try:
        body = insist(partial(_ask, query, server, archive), archive, "SkyServer", sleep=sleep)
    except (ArchiveUnavailable, ArchiveAnswerError) as error:
        kind = ArchiveUnavailable if isinstance(error, ArchiveUnavailable) else ArchiveAnswerError
        raise kind(f"SkyServer DR{server.release} at {server.address}: {error}. {server.advice}.") from error
    with replacing(path) as aside:
        aside.write_bytes(body)
    note = {"query": query, "server": server.address, "release": server.release, "sha256": sha256(path)}
    note |= {"retrieved": datetime.now(UTC).isoformat(timespec="seconds"), "astroquery": metadata.version("astroquery")}
    with replacing(path.with_suffix(".json")) as aside:
        aside.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def _ask(query: str, server: SqlServer, archive: Archive) -> bytes:
    """Return the body of one good answer."""
    try:
        with cache_conf.set_temp("cache_active", False), sdss_conf.set_temp("skyserver_baseurl", server.address):
            response = SDSSClass().query_sql_async(
                query, timeout=archive.timeout_s, data_release=server.release, cache=False
            )
    except requests.exceptions.RequestException as error:
        raise ArchiveUnavailable(f"expected an answer within {archive.timeout_s:g} s, got {brief(error)}") from error
    check_status(response, "a table")
    body = bytes(response.content)
    _examine(body, server)
    return body


def _examine(body: bytes, server: SqlServer) -> None:
    """Raise unless a body is a whole table of the columns asked for."""
    text = body.decode("utf-8", "replace")
    begin = " ".join(text[:160].split())
    if "<html" in text[:500].lower() or "<!doctype" in text[:500].lower():
        raise ArchiveUnavailable(f"expected a table, got an HTML page: {begin!r}")  # its answer when it is busy
    if "error" in text[:500].lower():
        raise ArchiveAnswerError(f"expected a table, got the server's error: {begin!r}")
    lines = text.splitlines()
    header = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if [name.strip() for name in header.split(",")] != list(server.columns):
        raise ArchiveAnswerError(f"expected columns {', '.join(server.columns)}, got {begin!r}")
    rows = sum(bool(line.strip()) and not line.startswith("#") for line in lines) - 1
    if rows >= server.most_rows:
        raise ArchiveAnswerError(f"expected fewer than {server.most_rows} rows, got {rows}: cut off; {server.smaller}")
    if not text.endswith("\n"):
        raise ArchiveUnavailable(f"expected a whole table, got one that ends in the middle of a line: {lines[-1]!r}")


def _read(path: Path, server: SqlServer) -> Table:
    """Return the table of one answer, which may have no rows."""
    try:
        return read_catalogue(path)
    except EmptyCatalogueError:
        return Table({name: np.empty(0) for name in server.columns})
    except CatalogueError as error:
        raise ArchiveAnswerError(f"{error}; delete it to ask {server.address} again") from error
