"""Frames from the science archive server (SAS) of SDSS: fetched politely, resumed, verified and kept."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import requests
from astroquery.sdss import SDSSClass
from requests.adapters import HTTPAdapter

from clustermass.config.catalogues import Archive
from clustermass.config.frames import Frames
from clustermass.files import replacing, sha256
from clustermass.frames.contracts import FIELD_KEY, FRAMES
from clustermass.frames.frame import FrameError, FrameKey, frame_path, read_frame
from clustermass.runtime import Progress
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable, Sleep, brief, check_status, insist

_PIECE = 1 << 13  # bytes; what came of a piece is lost when the transfer breaks off
_SAID_EVERY_S = 30.0


class _DamagedFrame(ArchiveAnswerError):
    """A whole file came that is not the frame asked for."""


class _AbsentFrame(Exception):
    """The archive has no such frame."""


def frame_url(rerun: str, key: FrameKey, settings: Frames) -> str:
    """Return the address of a frame, as astroquery.sdss makes it."""
    newer = "prior-surveys/sdss4-dr17-eboss" if settings.release > 17 else "eboss"
    instrument = newer if settings.release > 12 else "boss"
    return str(SDSSClass.IMAGING_URL_SUFFIX).format(
        base=settings.server.rstrip("/"),
        dr=settings.release,
        instrument=instrument,
        rerun=rerun,
        run=key.run,
        camcol=key.camcol,
        field=key.field,
        band=key.band,
    )


def fetch_frames(
    wanted: pd.DataFrame, settings: Frames, archive: Archive, *, sleep: Sleep = time.sleep
) -> pd.DataFrame:
    """Return frames from the cache or from the archive, each with what became of it.

    Frames lie in `frames/<rerun>/<run>/<camcol>/` of the cache, as the archive wrote them, each with a note in JSON:
    address, checksum, size, date. A frame counts as kept when its checksum is that of the note, which is written last,
    after the file was decompressed and its header and image were checked. A transfer that was cut goes on
    where it stopped, in this run or the next. Jobs that want the same frame wait for one another.

    Parameters
    ----------
    wanted : DataFrame
        Columns run, rerun, camcol, field and band; double rows count once.
    settings : Frames
        Server, release, and how many transfers run side by side.
    archive : Archive
        Folder of the cache, patience with every silence of the server, attempts and pauses.

    Returns
    -------
    DataFrame
        As `FRAMES`, in the order of `wanted`. Where nobody answers for several frames one after the other, the rest is
        not asked for: unreachable, like those.
    """
    rows = wanted[[*FIELD_KEY, "band"]].drop_duplicates()
    if not len(rows):
        return FRAMES.empty()
    with requests.Session() as session, ThreadPoolExecutor(settings.connections) as pool:
        session.mount(settings.server, HTTPAdapter(pool_maxsize=settings.connections))
        session.headers["Accept-Encoding"] = "identity"  # parts of what is compressed on the way could not be joined
        session.headers["User-Agent"] = "clustermass (frames of clusters; python-requests)"
        fetcher = _Fetcher(session, settings, archive, sleep, len(rows))
        names, bands = rows["rerun"].astype(str), rows["band"].astype(str)
        numbers = rows[["run", "camcol", "field"]].to_numpy(int).tolist()
        keys = [(name, FrameKey(band, *key)) for name, band, key in zip(names, bands, numbers, strict=True)]
        found = pd.DataFrame(list(pool.map(fetcher.fetch, keys)))
    frames = pd.concat([rows.reset_index(drop=True), found], axis=1)
    return frames[FRAMES.names]


class _Fetcher:
    """Fetches frames in several threads."""

    def __init__(
        self, session: requests.Session, settings: Frames, archive: Archive, sleep: Sleep, frames: int
    ) -> None:
        self.session, self.settings, self.archive, self.sleep, self.frames = session, settings, archive, sleep, frames
        self.lock = threading.Lock()
        self.done = self.in_vain = 0  # frames; in_vain: one after the other for which nobody answered
        self.say, self.said = Progress("frames from the archive"), time.monotonic()

    def fetch(self, wanted: tuple[str, FrameKey]) -> dict[str, Any]:
        """Return path, bytes, sha256, status and reason of one frame."""
        rerun, key = wanted
        path = frame_path(Path(self.archive.cache) / "frames", rerun, key, ".fits.bz2")
        url = frame_url(rerun, key, self.settings)
        nothing = {"path": "", "bytes": 0, "sha256": ""}
        try:
            note = _kept(path) or self._fetch_once(url, path)
            row = {"path": str(path), "bytes": note["bytes"], "sha256": note["sha256"], "status": "ready", "reason": ""}
        except _AbsentFrame:
            row = nothing | {"status": "absent", "reason": f"{url}: the archive has no such frame (HTTP 404)"}
        except ArchiveUnavailable as error:
            row = nothing | {"status": "unreachable", "reason": f"{url}: {error}"}
        except ArchiveAnswerError as error:
            row = nothing | {"status": "damaged", "reason": f"{url}: {error}"}
        self._count(str(row["status"]))
        return row

    def _count(self, status: str) -> None:
        """Count a frame, and say how far the work is from time to time."""
        with self.lock:
            self.done += 1
            self.in_vain = self.in_vain + 1 if status == "unreachable" else 0
            if self.done == self.frames or time.monotonic() - self.said > _SAID_EVERY_S:
                self.said = time.monotonic()
                self.say(self.done, self.frames)

    def _fetch_once(self, url: str, path: Path) -> dict[str, Any]:
        """Fetch a frame that is not kept, unless another job does so meanwhile; return its note."""
        part = path.with_suffix(".bz2.part")
        with _alone(part):
            note = _kept(path)
            if note is not None:
                return note
            if self.in_vain >= self.settings.connections:
                raise ArchiveUnavailable(f"not asked for: nobody answered for {self.in_vain} frames before it")
            transfer = partial(self._transfer, url, part, path)
            insist(transfer, self.archive, "SAS", again=(ArchiveUnavailable, _DamagedFrame), sleep=self.sleep)
            note = {"url": url, "sha256": sha256(part), "bytes": part.stat().st_size}
            note |= {"retrieved": datetime.now(UTC).isoformat(timespec="seconds")}
            part.replace(path)
            with replacing(_note_path(path)) as aside:
                aside.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
            return note

    def _transfer(self, url: str, part: Path, path: Path) -> None:
        """Fetch the rest of a frame, once, and check that it is whole and the right one."""
        begun = part.stat().st_size
        span = {"Range": f"bytes={begun}-"} if begun else {}
        try:
            with self.session.get(url, headers=span, timeout=self.archive.timeout_s, stream=True) as response:
                if response.status_code == 404:
                    raise _AbsentFrame
                if response.status_code == 416:  # nothing left of that length: what lies here is not its beginning
                    os.truncate(part, 0)
                    raise ArchiveUnavailable(f"expected more than {begun} bytes, the server has none")
                check_status(response, "a frame")
                _save(response, part, begun if response.status_code == 206 else 0)
        except requests.exceptions.RequestException as error:
            got = brief(error)
            raise ArchiveUnavailable(
                f"expected a frame, without silences of more than {self.archive.timeout_s:g} s, got {got}"
            ) from error
        _verify(part, path)


def _save(response: requests.Response, part: Path, begun: int) -> None:
    """Write the body of an answer behind the bytes that have come before.

    Raises
    ------
    ArchiveUnavailable
        Fewer bytes came than were announced.
    """
    promised = response.headers.get("Content-Length", "")
    with open(part, "r+b") as stream:
        stream.truncate(begun)
        stream.seek(begun)
        for piece in response.iter_content(_PIECE):
            stream.write(piece)
        came = stream.tell() - begun
    if promised.isdecimal() and came < int(promised):
        raise ArchiveUnavailable(f"expected {promised} bytes, got {came}: cut off")


def _verify(part: Path, path: Path) -> None:
    """Raise, and forget what came, unless it is the whole frame that the name of the file says."""
    try:
        read_frame(part, called=path)
    except FrameError as error:
        os.truncate(part, 0)
        raise _DamagedFrame(str(error)) from error


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Hold a file, made if needed, against all other threads and jobs; nothing is left of one that stays empty."""
    part.parent.mkdir(parents=True, exist_ok=True)
    while True:
        stream = open(part, "ab")  # noqa: SIM115
        fcntl.flock(stream, fcntl.LOCK_EX)
        if part.exists() and part.stat().st_ino == os.fstat(stream.fileno()).st_ino:
            break
        stream.close()  # it was renamed or deleted while we waited
    try:
        yield
    finally:
        if part.exists() and not part.stat().st_size:
            part.unlink()
        stream.close()


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _kept(path: Path) -> dict[str, Any] | None:
    """Return the note of a frame if it lies in the cache unharmed."""
    try:
        note: dict[str, Any] = json.loads(_note_path(path).read_text(encoding="utf-8"))
        return note if note["bytes"] == path.stat().st_size and note["sha256"] == sha256(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
