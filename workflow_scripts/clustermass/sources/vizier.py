"""Catalogues from VizieR: asked for with patience, checked, and kept with a note of where they come from."""

from __future__ import annotations

import hashlib
import json
import re
import time
from datetime import UTC, datetime
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import requests
from astropy.io import votable
from astroquery import cache_conf
from astroquery.vizier import VizierClass

from clustermass.config.catalogues import Archive
from clustermass.files import replacing, sha256
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable, Sleep, check_status, insist

_TABLE_ID = re.compile(r"[\w+.-]+(/[\w+.-]+)*")
# '**' asks for all columns, '*' only for those that VizieR shows at first; the other two it computes, in degrees
_COLUMNS = ["**", "_RAJ2000", "_DEJ2000"]
_ADVICE = "A local copy of the catalogue in archive.folder needs no download"


class ChecksumError(ArchiveAnswerError):
    """The answer is not the one whose checksum was configured."""


class _CutAnswer(ArchiveAnswerError):
    """An answer that ends too early; asking again may help."""


class _Vizier(VizierClass):  # type: ignore[misc]  # astroquery has no types
    """astroquery's Vizier, whose server may also be given as 'http://host:port'."""

    def _server_to_url(self, return_type: str = "votable") -> str:
        url = str(super()._server_to_url(return_type))
        return url.removeprefix("https://") if "://" in self.VIZIER_SERVER else url


def fetch(table: str, archive: Archive, expected_sha256: str | None = None, *, sleep: Sleep = time.sleep) -> Path:
    """Return the VOTable file of one VizieR table, from the cache or from the server.

    Beside the file lies a note of the same name in JSON: see `sources_note`.

    Parameters
    ----------
    table : str
        VizieR's name of the table, e.g. 'J/A+A/594/A27/psz2'. A catalogue's name does where it has only one table.
    archive : Archive
        Its timeout_s is the patience with every silence of the server, not with the whole transfer.
    expected_sha256 : str, optional
        Checksum of the file or, as the head of every answer holds its date, of its columns and cells
        (`content_sha256` in the note).

    Raises
    ------
    ArchiveUnavailable
        After all attempts.
    ArchiveAnswerError
        At once; after all attempts where the answer ends too early.
    """
    if not _TABLE_ID.fullmatch(table):
        raise ValueError(f"expected the name of one VizieR table, e.g. J/A+A/594/A27/psz2, got {table!r}")
    path = Path(archive.cache) / f"{table.replace('/', '_')}.vot"
    if _is_kept(path, table, expected_sha256):
        print(f"VizieR: {table}: using {path}", flush=True)
        return path
    server = archive.vizier_server.rstrip("/")
    vizier = _Vizier(columns=_COLUMNS, row_limit=-1, timeout=archive.timeout_s, vizier_server=server)
    try:
        body, facts = _insist(vizier, table, archive, sleep)
        if not _is_expected(facts, expected_sha256):
            got = f"{facts['sha256']} for the file and {facts['content_sha256']} for its columns and cells"
            raise ChecksumError(f"expected sha256 {expected_sha256}, got {got}; check catalogues.*.sha256")
    except (ArchiveUnavailable, ArchiveAnswerError) as error:
        kind = next(k for k in (ArchiveUnavailable, ChecksumError, ArchiveAnswerError) if isinstance(error, k))
        raise kind(f"VizieR table {table} from {archive.vizier_server}: {error}. {_ADVICE}.") from error
    note = {
        "table": table,
        "server": archive.vizier_server,
        "url": vizier._server_to_url(),
        "query": vizier.get_catalogs_async(table, get_query_payload=True),
        "retrieved": datetime.now(UTC).isoformat(timespec="seconds"),
        "astroquery": metadata.version("astroquery"),
    }
    with replacing(path) as aside:
        aside.write_bytes(body)
    with replacing(_sidecar(path)) as aside:  # the note comes last: a file without its own note is never trusted
        aside.write_text(json.dumps(note | facts, indent=2) + "\n", encoding="utf-8")
    print(f"VizieR: {table}: {facts['bytes']} bytes, {facts['rows']} rows, kept as {path}", flush=True)
    return path


def sources_note(path: str | Path) -> dict[str, Any]:
    """Return where a file that `fetch` made comes from.

    Its keys: table, server, url, query (as sent), sha256 (of the file), content_sha256 (of its columns and cells),
    bytes, rows, retrieved (UTC) and astroquery (its version).
    """
    note: dict[str, Any] = json.loads(_sidecar(path).read_text(encoding="utf-8"))
    return note


def _sidecar(path: str | Path) -> Path:
    return Path(path).with_suffix(".json")


def _is_kept(path: Path, table: str, expected_sha256: str | None) -> bool:
    """Return whether the cache holds the table unharmed, and print what is wrong with a file that does not serve."""
    if not path.is_file():
        return False
    try:
        note = sources_note(path)
    except (OSError, ValueError):
        fault = f"{path} has no readable note of where it comes from"
    else:
        if note.get("table") != table:  # '/' and '_' are both written '_'
            fault = f"{path} is table {note.get('table')}"
        elif note.get("sha256") != sha256(path):
            fault = f"{path} is damaged: its checksum is not the one noted when it came"
        elif not _is_expected(note, expected_sha256):
            fault = f"{path} has not the expected sha256 {expected_sha256}"
        else:
            return True
    print(f"VizieR: {fault}; fetching {table} again", flush=True)
    return False


def _is_expected(note: dict[str, Any], expected_sha256: str | None) -> bool:
    return expected_sha256 is None or expected_sha256.lower() in (note.get("sha256"), note.get("content_sha256"))


def _insist(vizier: VizierClass, table: str, archive: Archive, sleep: Sleep) -> tuple[bytes, dict[str, Any]]:
    """Ask until a whole answer comes, or until the attempts are used up."""
    print(f"VizieR: {table} from {archive.vizier_server}", flush=True)

    def ask() -> tuple[bytes, dict[str, Any]]:
        body = _ask(vizier, table)
        return body, _examine(body, table)

    return insist(ask, archive, "VizieR", again=(ArchiveUnavailable, _CutAnswer), sleep=sleep)


def _ask(vizier: VizierClass, table: str) -> bytes:
    """Return the body of one answer."""
    try:
        with cache_conf.set_temp("cache_active", False):  # astroquery's cache would keep failures too
            response = vizier.get_catalogs_async(table)
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise _CutAnswer(f"expected a whole answer, got one that breaks off: {error}") from error
    except requests.exceptions.RequestException as error:
        kind = type(error).__name__
        raise ArchiveUnavailable(f"expected an answer within {vizier.TIMEOUT:g} s, got {kind}: {error}") from error
    check_status(response, "a VOTable")
    return bytes(response.content)


def _examine(body: bytes, table: str) -> dict[str, Any]:
    """Return size and checksums of an answer that is the whole table asked for; refuse any other."""
    root = _parse(body)
    infos = [
        (str(i.get("name") or i.get("ID")).upper(), str(i.get("value")).strip(), (i.text or "").strip())
        for i in root.iterfind(".//{*}INFO")
    ]
    _refuse_errors(infos)
    element = _only_table(root, table)
    try:
        read = votable.parse(BytesIO(body), verify="ignore", invalid="mask")
        rows = sum(len(each.array) for each in read.iter_tables())
    except Exception as error:  # astropy's parser raises many kinds
        raise ArchiveAnswerError(f"expected a VOTable, got one that astropy cannot read: {error}") from error
    if not rows:
        raise ArchiveAnswerError(f"expected rows, got table {element.get('name')} with none")
    limits = [int(value) for name, value, _ in infos if name in ("MAXTUPLES", "-OUT.MAX") and value.isdecimal()]
    if ("QUERY_STATUS", "OVERFLOW") in [(name, value.upper()) for name, value, _ in infos] or rows in limits:
        raise ArchiveAnswerError(f"expected all rows, got {rows} (overflow); try another archive.vizier_server")
    checksum = hashlib.sha256(body).hexdigest()
    return {"sha256": checksum, "content_sha256": _content_sha256(element), "bytes": len(body), "rows": rows}


def _parse(body: bytes) -> ElementTree.Element:
    """Return the root of an answer that is a whole VOTable."""
    if not body.strip():
        raise _CutAnswer("expected a VOTable, got an empty answer")
    begin = body.lstrip()[:80].decode("utf-8", "replace")
    if b"<html" in body[:500].lower() or b"<!doctype html" in body[:500].lower():
        raise ArchiveAnswerError(f"expected a VOTable, got an HTML page: {begin!r}")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        if begin.startswith("<") and not body.rstrip().endswith(b"VOTABLE>"):
            raise _CutAnswer(f"expected a whole VOTable, got {len(body)} bytes that end too early: {error}") from error
        raise ArchiveAnswerError(f"expected a VOTable, got what is not XML ({error}): {begin!r}") from error
    if root.tag.rpartition("}")[2] != "VOTABLE":
        raise ArchiveAnswerError(f"expected a VOTable, got XML of another kind: {begin!r}")
    return root


def _refuse_errors(infos: list[tuple[str, str, str]]) -> None:
    """Raise where VizieR reports an error in place of a table."""
    texts = [value for name, value, _ in infos if name.startswith("ERROR")]
    texts += [text for name, value, text in infos if name == "QUERY_STATUS" and value.upper() == "ERROR"]
    if not texts:
        return
    message = "; ".join(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))[:300]
    unknown = "no catalogue or table" in message.lower()  # then asking again would not help
    fault = ArchiveAnswerError if unknown else ArchiveUnavailable
    raise fault(f"expected a table, got VizieR's error: {message}" + "; check catalogues.*.vizier" * unknown)


def _only_table(root: ElementTree.Element, table: str) -> ElementTree.Element:
    """Return the one table of an answer, which must be the one asked for."""
    tables = root.findall(".//{*}TABLE")
    names = [str(element.get("name")) for element in tables]
    if not tables:
        raise ArchiveAnswerError("expected one table, got none; check catalogues.*.vizier")
    if len(tables) > 1:
        raise ArchiveAnswerError(f"expected one table, got {len(tables)}: {', '.join(names)}; name one of them")
    if names[0] != table and not names[0].startswith(f"{table}/"):
        raise ArchiveAnswerError(f"expected table {table}, got table {names[0]}")
    return tables[0]


def _content_sha256(table: ElementTree.Element) -> str:
    """Return a checksum of names and units of columns and of all cells, which a later download of the same data has."""
    parts = [f"{field.get('name')} [{field.get('unit', '')}]" for field in table.iterfind("{*}FIELD")]
    parts += [(cell.text or "").strip() for data in table.iterfind("{*}DATA") for cell in data.iter()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
