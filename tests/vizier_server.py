"""A VizieR of our own on 127.0.0.1: it answers as told, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from astropy import units as u
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table
from local_server import Quiet, serving

PSZ2 = "J/A+A/594/A27/psz2"
COLUMNS = ["recno", "Name", "RAdeg", "DEdeg", "SNR", "z", "MSZ", "e_MSZ", "E_MSZ", "_RAJ2000", "_DEJ2000"]


@dataclass(frozen=True)
class Answer:
    """One answer; `missing` bytes are promised in its Content-Length and never sent."""

    body: bytes = b""
    status: int = 200
    missing: int = 0
    delay_s: float = 0.0


@dataclass
class Server:
    """What the tests see of the server."""

    address: str
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def queries(self) -> list[dict[str, str]]:
        """The ASU queries that were sent, in order."""
        return [
            {key: value for key, _, value in (line.partition("=") for line in body.splitlines())}
            for _, body in self.requests
        ]


@contextmanager
def vizier(answers: Sequence[Answer]) -> Iterator[Server]:
    """Serve the answers in turn, the last one again and again, at POST /viz-bin/votable."""
    closing = threading.Event()

    class Handler(Quiet):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.requests.append((self.path, question))
            answer = answers[min(len(server.requests), len(answers)) - 1]
            if self.path != "/viz-bin/votable":
                answer = Answer(status=404)
            if answer.delay_s and closing.wait(answer.delay_s):
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(answer.body) + answer.missing))
            self.end_headers()
            self.wfile.write(answer.body)

    with serving(Handler, closing) as address:
        server = Server(address)
        yield server


def clusters(rows: int = 3) -> Table:
    """Return a table like PSZ2 at VizieR; its first cluster has no redshift and no mass."""
    number = np.arange(rows)
    unknown = number == 0
    mass = 5.0 + number
    values = [
        number + 1,
        [f"PSZ2 G{each:06.2f}+10.00" for each in number],
        10.0 + number,
        -5.0 + number,
        4.5 + number,
        MaskedColumn(0.1 + 0.1 * number, mask=unknown),
        *(MaskedColumn(each, mask=unknown) for each in (mass, 0.1 * mass, 0.2 * mass)),
        10.0 + number,
        -5.0 + number,
    ]
    table = Table(values, names=COLUMNS, dtype=["i4", "U17", *["f8"] * 9])
    for name in ("RAdeg", "DEdeg", "_RAJ2000", "_DEJ2000"):
        table[name].unit = u.deg
    for name in ("MSZ", "e_MSZ", "E_MSZ"):
        table[name].unit = 1e14 * u.Msun
    return table


def answer_xml(table: Table | None = None, name: str = PSZ2, date: str = "2026-07-05T21:24:43") -> bytes:
    """Return a VOTable with the names and the dated head that VizieR gives it."""
    tree = from_table(clusters() if table is None else table, table_id="psz2")
    tree.resources[0].name = name.rpartition("/")[0]
    tree.get_first_table().name = name
    tree.description = f"VizieR Astronomical Server vizier.cds.unistra.fr\n Date: {date} [V7.5.6]"
    stream = BytesIO()
    tree.to_xml(stream)
    return stream.getvalue()


def with_info(body: bytes, *infos: tuple[str, str]) -> bytes:
    """Return a VOTable that says more: INFO elements of (name, value) at its end, where VizieR puts its reports."""
    text = "".join(f'<INFO name="{name}" value="{value}"/>' for name, value in infos)
    return body.replace(b"</RESOURCE>", text.encode() + b"</RESOURCE>", 1)


ERROR_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
  <INFO ID="Error" name="Error" value="%s" />
  <INFO name="Error" value=" " />
  <INFO name="QUERY_STATUS" value="ERROR">
 -- no connection
  </INFO>
  <RESOURCE></RESOURCE>
</VOTABLE>
"""
