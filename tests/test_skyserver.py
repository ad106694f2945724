"""Redshifts from the SQL server of SDSS: what is asked, what is kept, and every way in which an answer can be bad."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from local_server import Quiet, serving

from clustermass.config.catalogues import Archive
from clustermass.config.observed import RedshiftSurvey, SkyServer
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable
from clustermass.sources.redshifts import survey_rows
from clustermass.sources.skyserver import fetch_redshifts, tile_query, tiles

HEAD = b"#Table1\nid,ra,dec,redshift,redshift_err,r\n"
GOOD = HEAD + b"299489677444933632,150.01,2.02,0.045,1.2E-05,16.5\n18446744073709551615,150.5,2.5,0.08,2E-05,17.1\n"


class Server:
    """What tests see of a SkyServer of their own."""

    def __init__(self, address: str) -> None:
        self.address, self.asked = address, list[tuple[str, dict[str, list[str]]]]()


@contextmanager
def skyserver(answers: Sequence[tuple[int, bytes]]) -> Iterator[Server]:
    """Serve the answers in turn, the last one again and again."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            page = urlparse(self.path)
            server.asked.append((page.path, parse_qs(page.query)))
            status, body = answers[min(len(server.asked), len(answers)) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as address:
        server = Server(address)
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def one_tile(address: str, **settings: object) -> SkyServer:
    return SkyServer(**{"server": address, "ra_deg": (150.0, 151.0), "dec_deg": (2.0, 3.0), **settings})


def archive(folder: Path, **settings: object) -> Archive:
    return Archive(**{"cache": str(folder), "timeout_s": 5.0, "pause_s": 2.0, "attempts": 3, **settings})


def test_tiles_cover_the_range_once() -> None:
    settings = SkyServer(tile_deg=8)
    found = list(tiles(settings))
    assert sum((b - a) * (d - c) for a, b, c, d in found) == pytest.approx(155 * 74)
    rng = np.random.default_rng(1)
    for ra, dec in zip(rng.uniform(110, 265, 200), rng.uniform(-4, 70, 200), strict=True):
        assert sum(a <= ra < b and c <= dec < d for a, b, c, d in found) == 1
    wide = [(b - a) * np.cos(np.radians(min(abs(c), abs(d)) if c * d > 0 else 0)) for a, b, c, d in found]
    assert max(wide) <= 8.0001
    assert len(list(tiles(SkyServer(tile_deg=10, ra_deg=(0, 1), dec_deg=(0, 1))))) == 1


def test_queries_ask_for_the_main_sample_of_half_open_tiles() -> None:
    settings = SkyServer(ra_deg=(150, 166), dec_deg=(0, 8), tile_deg=8, redshift=(0.01, 0.1))
    first, last = (tile_query(tile, settings) for tile in tiles(settings))
    for text in ("s.z BETWEEN 0.01 AND 0.1", "petroMag_r - p.extinction_r < 17.77", "legacy_target1", "zWarning = 0"):
        assert text in first
    assert "s.ra >= 150.000000 AND s.ra < 158.000000" in first
    assert "s.ra >= 158.000000 AND s.ra <= 166.000000" in last
    assert "s.dec <= 8.000000" in first


def test_good_answers_are_kept_and_not_asked_for_again(tmp_path: Path) -> None:
    pauses: list[float] = []
    with skyserver([(200, GOOD), (200, HEAD)]) as server:
        settings = one_tile(server.address, ra_deg=(150.0, 166.0), tile_deg=8.0)
        table, note = fetch_redshifts(settings, archive(tmp_path), sleep=pauses.append)
    assert len(server.asked) == 2
    path, query = server.asked[0]
    assert path.startswith("/dr16/")
    assert query["cmd"][0].split() == tile_query(next(tiles(settings)), settings).split()
    assert query["format"] == ["csv"]
    assert pauses == [2.0]  # between tiles
    assert table.colnames == ["id", "ra", "dec", "redshift", "redshift_err", "r"]
    assert list(table["id"]) == ["299489677444933632", "18446744073709551615"]
    assert (note["tiles"], note["rows"], note["release"]) == (2, 2, 16)
    again, same = fetch_redshifts(settings, archive(tmp_path))  # the server is gone
    assert list(again["redshift"]) == [0.045, 0.08]
    assert same == note
    survey = RedshiftSurvey(title="SDSS", id="id", redshift_err="redshift_err", r="r")
    assert survey_rows(table, survey, "SkyServer")["r"].tolist() == [16.5, 17.1]
    kept = sorted(each.suffix for each in (tmp_path / "skyserver").iterdir())
    assert kept == [".csv", ".csv", ".json", ".json"]
    sidecar = json.loads(next((tmp_path / "skyserver").glob("*.json")).read_text())
    assert set(sidecar) == {"query", "server", "release", "sha256", "retrieved", "astroquery"}


def test_a_damaged_file_and_another_release_are_fetched_again(tmp_path: Path) -> None:
    with skyserver([(200, GOOD)]) as server:
        fetch_redshifts(one_tile(server.address), archive(tmp_path))
        path = next((tmp_path / "skyserver").glob("*.csv"))
        path.write_bytes(path.read_bytes()[:-10])
        fetch_redshifts(one_tile(server.address), archive(tmp_path))
        assert path.read_bytes() == GOOD
        fetch_redshifts(one_tile(server.address, release=17), archive(tmp_path))
    assert len(server.asked) == 3


def test_a_busy_server_is_asked_again_with_growing_pauses(tmp_path: Path) -> None:
    pauses: list[float] = []
    answers = [(503, b"busy"), (200, b"<!DOCTYPE html><html>Too many requests</html>"), (200, GOOD)]
    with skyserver(answers) as server:
        table, _ = fetch_redshifts(one_tile(server.address), archive(tmp_path), sleep=pauses.append)
    assert pauses == [2.0, 4.0]
    assert len(table) == 2


@pytest.mark.parametrize(
    ("answer", "error", "asked", "said"),
    [
        ((503, b""), ArchiveUnavailable, 3, r"got HTTP 503 .*\(attempt 3 of 3\)"),
        ((404, b""), ArchiveAnswerError, 1, "got HTTP 404"),
        ((200, b"#Table1\nerror_message\nIncorrect syntax near FROM\n"), ArchiveAnswerError, 1, "server's error"),
        ((200, b"#Table1\nra,dec\n1,2\n"), ArchiveAnswerError, 1, "expected columns id, ra, dec, redshift"),
        ((200, GOOD[:-8]), ArchiveUnavailable, 3, "ends in the middle of a line"),
        ((200, b""), ArchiveAnswerError, 1, "expected columns"),
        ((200, HEAD), ArchiveAnswerError, 1, "expected galaxies in at least one tile, got none"),
    ],
)
def test_bad_answers_are_refused(
    answer: tuple[int, bytes], error: type[Exception], asked: int, said: str, tmp_path: Path
) -> None:
    with skyserver([answer]) as server, pytest.raises(error, match=said):
        fetch_redshifts(one_tile(server.address), archive(tmp_path), sleep=lambda _: None)
    assert len(server.asked) == asked


def test_an_answer_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    with (
        skyserver([(200, GOOD)]) as server,
        pytest.raises(ArchiveAnswerError, match="fewer than 2 rows, got 2: cut off"),
    ):
        fetch_redshifts(one_tile(server.address, most_rows=2), archive(tmp_path))
    assert not (tmp_path / "skyserver").exists() or not list((tmp_path / "skyserver").glob("*.csv"))


def test_without_a_network_the_reason_and_the_way_out_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnavailable) as caught:
        fetch_redshifts(one_tile("http://127.0.0.1:9"), archive(tmp_path, attempts=1))
    message = str(caught.value)
    assert message.startswith(
        "SkyServer DR16 at http://127.0.0.1:9: expected an answer within 5 s, got ConnectionError"
    )
    assert "SELECT" not in message
    assert len(message) < 500
    assert message.endswith("(observed.surveys.*.files in archive.folder) needs no download.")


def test_a_recorded_answer_of_the_server_is_another_query(tmp_path: Path) -> None:
    """As astroquery's own tests keep it: whole, but without the columns asked for."""
    recorded = b"#Table1\nra,dec,objid,run,rerun,camcol,field,z,plate,mjd,fiberID,specobjid,run2d,instrument\n" + (
        b"2.02344596303,14.8398237521,1237652943176138868,1739,301,3,315,0.04559058,751,52251,160,845594848269461504,26,SDSS\n"
    )
    with skyserver([(200, recorded)]) as server, pytest.raises(ArchiveAnswerError, match="expected columns id"):
        fetch_redshifts(one_tile(server.address), archive(tmp_path))
