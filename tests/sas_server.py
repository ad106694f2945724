"""A science archive server of our own on 127.0.0.1: it serves frames as SDSS' does, with faults as told."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from local_server import Quiet, serving

from clustermass.frames import geometry

FRAMES = "/sas/dr12/boss/photoObj/frames"


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer.

    Attributes
    ----------
    status : int
        Of an answer without a body; 200: none.
    cut_at : int
        Bytes of the whole file after which the transfer breaks off; -1: never.
    ranges : bool
        Whether a part may be asked for.
    retry_after : str
        What the server says about when to come again.
    body : bytes
        What is sent in place of the frame.
    """

    status: int = 200
    cut_at: int = -1
    ranges: bool = True
    retry_after: str = ""
    body: bytes = b""


@dataclass
class SasServer:
    """What the tests see of the server: requests as (name of the file, range asked for)."""

    address: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0


@contextmanager
def sas(folder: Path, faults: Mapping[str, Sequence[Fault]] | None = None, wait_s: float = 0.0) -> Iterator[SasServer]:
    """Serve the files of a folder, laid out <rerun>/<run>/<camcol>/<file>, below `FRAMES`.

    Parameters
    ----------
    folder : path
    faults : mapping
        By the name of a file, faults of the first answers, in order; the rest is served well.
    wait_s : float
        Time that every answer takes.
    """
    lock, count = threading.Lock(), defaultdict[str, int](int)
    closing = threading.Event()

    class Handler(Quiet):
        def do_GET(self) -> None:
            name, span = Path(self.path).name, self.headers.get("Range", "")
            with lock:
                server.asked.append((name, span))
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
                turn = count[name]
                count[name] += 1
            closing.wait(wait_s)
            planned = (faults or {}).get(name, ())
            try:
                self.answer(planned[turn] if turn < len(planned) else Fault(), span)
            finally:
                with lock:
                    server.at_once -= 1

        def answer(self, fault: Fault, span: str) -> None:
            path = folder / self.path.removeprefix(f"{FRAMES}/")
            exists = self.path.startswith(f"{FRAMES}/") and path.is_file()
            if fault.status != 200 or not exists:
                self.send_response(fault.status if fault.status != 200 else 404)
                if fault.retry_after:
                    self.send_header("Retry-After", fault.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = fault.body or path.read_bytes()
            begin = int(span.removeprefix("bytes=").removesuffix("-")) if span and fault.ranges else 0
            if begin >= len(body):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - begin))
            self.end_headers()
            self.wfile.write(body[begin : fault.cut_at if fault.cut_at >= 0 else None])

    with serving(Handler, closing) as address:
        server = SasServer(f"{address}/sas")
        yield server


def field_answer(fields: pd.DataFrame) -> bytes:
    """Return what SkyServer says of simulated fields."""
    lines = ["#Table1", "run,rerun,camcol,field,a,b,c,d,e,f,node,incl"]
    for row in fields.itertuples():
        mu, nu, inclination = geometry.field_centre(row.run, row.camcol, row.field)
        along, across = 0.396 / 3600 / np.cos(np.radians(nu)), 0.396 / 3600
        numbers = mu - 744.5 * along, along, 0, nu - 1024.5 * across, 0, across, 95, inclination
        lines.append(f"{row.run},301,{row.camcol},{row.field}," + ",".join(f"{float(x):.10f}" for x in numbers))
    return "\n".join([*lines, ""]).encode()
