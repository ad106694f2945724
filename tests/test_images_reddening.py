"""Reddening asked of IRSA: what is kept, and every way in which an answer can be bad. The server is one of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from local_server import Quiet, serving

from clustermass.config.catalogues import Archive
from clustermass.contracts import ContractError
from clustermass.sources.irsa import fetch_reddening, read_reddening
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable

STATISTICS = "".join(
    f"<{name}{scale}> {value} ({unit}) </{name}{scale}>"
    for scale, value, unit in (("SandF", "%(sandf).4f", "mag"), ("SFD", "%(sfd).4f", "mag"), ("", "1.5", "MJy/sr"))
    for name in ("refPixelValue", "meanValue", "std", "maxValue", "minValue")
)
RESULT = (
    "<result><desc> %%s </desc><data><image>http://x/image</image><table>http://x/table</table></data><statistics>"
    f"<refCoordinate> %(ra)s %(dec)s equ J2000 </refCoordinate>{STATISTICS}</statistics></result>"
)
ANSWER = (
    '<?xml version="1.0"?><results status="ok"><input><objname> %(ra)s %(dec)s equ J2000 </objname>'
    "<regSize> 2.0 deg </regSize></input>%(results)s</results>"
)
SECTIONS = ("E(B-V) Reddening", "100 Micron Emission", "Dust Temperature")
ERROR = '<?xml version="1.0"?><results status="error"><message>Coordinate lookup error</message></results>'


def answer(ra: float, dec: float, sfd: float) -> str:
    """Return an answer as IRSA writes it."""
    values = {"ra": ra, "dec": dec, "sfd": sfd, "sandf": 0.86 * sfd}
    return ANSWER % (values | {"results": "".join(RESULT % values % section for section in SECTIONS)})


@contextmanager
def irsa(faults: Sequence[tuple[int, str]] = (), moved: float = 0.0) -> Iterator[tuple[str, list[str]]]:
    """Serve faults in turn, then E(B-V) = ra / 1000; yield the address and the places that were asked for."""
    asked: list[str] = []

    class Handler(Quiet):
        def do_POST(self) -> None:
            question = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked.append(question["locstr"][0])
            ra, dec = map(float, asked[-1].split())
            status, text = faults[len(asked) - 1] if len(asked) <= len(faults) else (200, "")
            body = (text or answer(ra + moved, dec, ra / 1000)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as address:
        yield f"{address}/dust", asked


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Archive(cache=str(tmp_path / "cache"), attempts=3, pause_s=0.5, timeout_s=10)


RA, DEC = np.array([100.0, 200.0, 0.02]), np.array([10.0, -20.0, 0.0])


def test_a_table_is_used_before_the_server_and_answers_are_kept(archive):
    table = pd.DataFrame({"ra": [199.95], "dec": [-20.0], "ebv": [0.03]})
    pauses: list[float] = []
    with irsa() as (server, asked):
        got, note = fetch_reddening(RA, DEC, table, archive, server=server, sleep=pauses.append)
        np.testing.assert_allclose(got, [0.1, 0.03, 0.0], atol=1e-4)
        assert len(asked) == 2
        assert pauses == [0.5, 0.5], "no question without a pause"
        assert (note["table"], note["irsa"]) == (1, 2)
        again, _ = fetch_reddening(RA, DEC, table, archive, server=server, sleep=pauses.append)
        np.testing.assert_array_equal(again, got)
        assert len(asked) == 2, "what is kept is not asked for again"
        kept = sorted(Path(archive.cache).rglob("*.json"))
        assert json.loads(kept[1].read_text())["scale"] == "Schlegel et al. (1998)"
        kept[1].write_text("{")
        fetch_reddening(RA, DEC, table, archive, server=server, sleep=pauses.append)
        assert len(asked) == 3, "a damaged note is not trusted"


def test_without_places_nothing_is_asked(archive):
    got, note = fetch_reddening(np.empty(0), np.empty(0), None, archive, server="http://127.0.0.1:9")
    assert (len(got), note) == (0, {"table": 0, "irsa": 0, "retrieved": []})


def test_a_busy_server_is_asked_again_with_growing_pauses(archive):
    pauses: list[float] = []
    with irsa([(503, "busy"), (200, "<results status=")]) as (server, asked):
        got, _ = fetch_reddening(RA[:1], DEC[:1], None, archive, server=server, sleep=pauses.append)
    assert got[0] == pytest.approx(0.1)
    assert len(asked) == 3
    assert pauses[:2] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("faults", "moved", "kind", "message"),
    [
        ([(503, "busy")] * 3, 0, ArchiveUnavailable, r"HTTP 503 .*\(attempt 3 of 3\).*needs no download"),
        ([(404, "gone")], 0, ArchiveAnswerError, "reddening at 100, .10 deg from .*HTTP 404"),
        ([(200, ERROR)], 0, ArchiveAnswerError, "Coordinate lookup error"),
        ([(200, '<results status="ok"></results>')], 0, ArchiveAnswerError, "an answer without it"),
        ([(200, answer(100, 10, -1))], 0, ArchiveAnswerError, "got -1 at 100 10"),
        ([], 1.0, ArchiveAnswerError, "got 0.1 at 101 "),
    ],
)
def test_bad_answers_are_refused_and_not_kept(archive, faults, moved, kind, message):
    with irsa(faults, moved) as (server, _), pytest.raises(kind, match=message):
        fetch_reddening(RA[:1], DEC[:1], None, archive, server=server, sleep=lambda _: None)
    assert not list(Path(archive.cache).rglob("*.json"))


def test_a_server_that_is_not_there_is_unavailable(archive):
    with irsa() as (server, _):
        pass
    with pytest.raises(ArchiveUnavailable, match="got ConnectionError"):
        fetch_reddening(RA[:1], DEC[:1], None, archive, server=server, sleep=lambda _: None)


def test_tables_of_reddening_are_checked(tmp_path):
    path = tmp_path / "reddening.csv"
    path.write_text("# of our own\nname,ra,dec,ebv\nA,10,20,0.05\n")
    assert read_reddening(path).to_dict("list") == {"ra": [10.0], "dec": [20.0], "ebv": [0.05]}
    for text, message in (
        ("ra,dec\n1,2\n", "missing: ebv"),
        ("ra,dec,ebv\n1,x,2\n", "expected CSV"),
        ("", "expected CSV"),
    ):
        path.write_text(text)
        with pytest.raises(ContractError, match=message):
            read_reddening(path)
    path.write_text("ra,dec,ebv\n1,95,0.1\n")
    with pytest.raises(ContractError, match="column dec, row 1: expected at most 90"):
        read_reddening(path)
