"""Downloads from VizieR: what is asked, what is kept, and every way in which an answer can be bad."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from astropy.config.paths import set_temp_cache
from astropy.table import Table
from vizier_server import COLUMNS, ERROR_XML, PSZ2, Answer, answer_xml, clusters, vizier, with_info

from clustermass.config.catalogues import Archive
from clustermass.files import sha256
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable
from clustermass.sources.vizier import fetch, sources_note

GOOD = answer_xml()
KEPT = ["J_A+A_594_A27_psz2.json", "J_A+A_594_A27_psz2.vot"]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def archive(cache: Path) -> Callable[..., Archive]:
    def make(address: str, **settings: object) -> Archive:
        return Archive(**{"cache": str(cache), "vizier_server": address, "timeout_s": 5.0, **settings})

    return make


class Clock:
    """Notes how long it was told to sleep, and does not."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


def refused(
    error: type[Exception],
    answers: list[Answer],
    archive: Callable[..., Archive],
    cache: Path,
    *,
    table: str = PSZ2,
    attempts: int = 3,
    asked: int,
    **settings: object,
) -> str:
    """Fetch what must fail after `asked` requests and leave nothing behind; return the message."""
    clock = Clock()
    with vizier(answers) as server, pytest.raises(error) as caught:
        fetch(table, archive(server.address, attempts=attempts, pause_s=2.0, **settings), sleep=clock)
    assert len(server.requests) == asked
    assert clock.pauses == [2.0 * 2**n for n in range(asked - 1)]
    assert list(cache.iterdir()) == []
    message = str(caught.value)
    assert message.startswith(f"VizieR table {table} from {server.address}: expected ")
    assert message.endswith("A local copy of the catalogue in archive.folder needs no download.")
    return message


# ---------------------------------------------------------------------------------------------------- good answers


def test_file_holds_the_table_as_served(archive: Callable[..., Archive], cache: Path) -> None:
    with vizier([Answer(GOOD)]) as server:
        path = fetch(PSZ2, archive(server.address))
    assert path == cache / "J_A+A_594_A27_psz2.vot"
    assert path.read_bytes() == GOOD
    table = Table.read(path)
    assert table.colnames == COLUMNS
    assert list(table["Name"]) == list(clusters()["Name"])
    assert list(table["MSZ"].filled(-1)) == [-1, 6, 7]
    assert sorted(each.name for each in cache.iterdir()) == KEPT


def test_query_asks_for_all_of_the_table(archive: Callable[..., Archive]) -> None:
    with vizier([Answer(GOOD)]) as server:
        path = fetch(PSZ2, archive(server.address))
    assert [page for page, _ in server.requests] == ["/viz-bin/votable"]
    (query,) = server.queries
    assert query["-source"] == PSZ2
    assert query["-out.max"] == "unlimited"
    assert query["-out.all"] == ""  # present, which means all columns
    assert "-out" not in query
    assert query["-out.add"] == "_RAJ2000,_DEJ2000"
    assert query["-oc.form"] == "d"  # decimal degrees
    assert sources_note(path)["query"] == server.requests[0][1]


def test_note_tells_where_the_file_comes_from(archive: Callable[..., Archive]) -> None:
    with vizier([Answer(GOOD)]) as server:
        path = fetch(PSZ2, archive(server.address))
    note = sources_note(path)
    assert note == json.loads(path.with_suffix(".json").read_text())
    assert note["table"] == PSZ2
    assert note["server"] == server.address
    assert note["url"] == f"{server.address}/viz-bin/votable"
    assert note["sha256"] == sha256(path)
    assert (note["bytes"], note["rows"]) == (len(GOOD), 3)
    assert re.fullmatch(r"\d+\.\d+.*", note["astroquery"])
    age = datetime.now(UTC) - datetime.fromisoformat(note["retrieved"])
    assert timedelta(seconds=-2) < age < timedelta(minutes=1)


def test_progress_is_printed(archive: Callable[..., Archive], capsys: pytest.CaptureFixture[str]) -> None:
    with vizier([Answer(status=503), Answer(GOOD)]) as server:
        fetch(PSZ2, archive(server.address, attempts=2), sleep=Clock())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"VizieR: {PSZ2} from {server.address}"
    assert "HTTP 503" in lines[1]
    assert "; attempt 2 of 2 in " in lines[1]
    assert lines[2].startswith(f"VizieR: {PSZ2}: {len(GOOD)} bytes, 3 rows, kept as ")


def test_name_of_a_catalogue_with_one_table_does(archive: Callable[..., Archive], cache: Path) -> None:
    with vizier([Answer(GOOD)]) as server:
        assert fetch("J/A+A/594/A27", archive(server.address)).name == "J_A+A_594_A27.vot"


def test_host_alone_is_asked_by_https() -> None:
    from clustermass.sources.vizier import _Vizier

    assert _Vizier(vizier_server="some.host")._server_to_url() == "https://some.host/viz-bin/votable"
    assert _Vizier(vizier_server="http://some.host:8080")._server_to_url() == "http://some.host:8080/viz-bin/votable"


def test_server_may_end_in_a_slash(archive: Callable[..., Archive]) -> None:
    with vizier([Answer(GOOD)]) as server:
        path = fetch(PSZ2, archive(f"{server.address}/"))
    assert sources_note(path)["url"] == f"{server.address}/viz-bin/votable"


def test_astroquery_keeps_no_copy_of_its_own(archive: Callable[..., Archive], tmp_path: Path) -> None:
    own = tmp_path / "astropy_cache"
    own.mkdir()
    with set_temp_cache(own), vizier([Answer(GOOD)]) as server:
        fetch(PSZ2, archive(server.address))
    assert [each for each in own.rglob("*") if each.is_file()] == []


def test_wrong_name_is_refused_before_anything_is_asked(archive: Callable[..., Archive]) -> None:
    for name in ("", "J/A+A/594/A27/psz2,J/A+A/534/A109/mcxc", "J/A+A\n-out.max=1"):
        with vizier([Answer(GOOD)]) as server, pytest.raises(ValueError, match="expected the name of one VizieR table"):
            fetch(name, archive(server.address))
        assert server.requests == []


# ----------------------------------------------------------------------------------------------------------- cache


def test_second_fetch_asks_nobody(archive: Callable[..., Archive]) -> None:
    with vizier([Answer(GOOD)]) as server:
        first = fetch(PSZ2, archive(server.address))
        before = first.stat().st_mtime_ns
        assert fetch(PSZ2, archive(server.address)) == first
    assert len(server.requests) == 1
    assert first.stat().st_mtime_ns == before
    assert fetch(PSZ2, archive("http://127.0.0.1:9")) == first  # the server need not even be there


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged: its checksum is not the one noted"),
        (lambda path: path.with_suffix(".json").unlink(), "has no readable note"),
        (lambda path: path.with_suffix(".json").write_text("{"), "has no readable note"),
    ],
    ids=["cut", "no note", "broken note"],
)
def test_damaged_cache_is_fetched_again(
    damage: Callable[[Path], object],
    said: str,
    archive: Callable[..., Archive],
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with vizier([Answer(GOOD)]) as server:
        path = fetch(PSZ2, archive(server.address))
        damage(path)
        capsys.readouterr()
        fetch(PSZ2, archive(server.address))
    assert len(server.requests) == 2
    assert said in capsys.readouterr().out.splitlines()[0]
    assert path.read_bytes() == GOOD
    assert sources_note(path)["sha256"] == sha256(path)
    assert sorted(each.name for each in cache.iterdir()) == KEPT


def test_two_names_that_make_one_file_name_are_told_apart(archive: Callable[..., Archive]) -> None:
    with vizier([Answer(answer_xml(name="J/a_b/t")), Answer(answer_xml(name="J/a/b/t"))]) as server:
        fetch("J/a_b/t", archive(server.address))
        path = fetch("J/a/b/t", archive(server.address))
    assert len(server.requests) == 2
    assert sources_note(path)["table"] == "J/a/b/t"


# -------------------------------------------------------------------------------------------------------- checksums


def test_checksum_of_file_or_of_content_is_accepted(archive: Callable[..., Archive], cache: Path) -> None:
    later = answer_xml(date="2027-01-01T00:00:00")
    with vizier([Answer(GOOD), Answer(later)]) as server:
        path = fetch(PSZ2, archive(server.address))
        note = sources_note(path)
        assert fetch(PSZ2, archive(server.address), note["sha256"].upper()) == path
        assert len(server.requests) == 1
        path.unlink()
        fetch(PSZ2, archive(server.address), note["content_sha256"])
    assert len(server.requests) == 2
    assert sources_note(path)["sha256"] != note["sha256"]  # only the date differs
    assert sources_note(path)["content_sha256"] == note["content_sha256"]


def test_content_checksum_sees_every_change(archive: Callable[..., Archive], cache: Path) -> None:
    cell, unit, name = clusters(), clusters(), clusters()
    cell["z"][1] = 0.21
    unit["MSZ"].unit = "Msun"
    name.rename_column("SNR", "SNR2")
    found = set()
    for table in (clusters(), cell, unit, name):
        with vizier([Answer(answer_xml(table))]) as server:
            path = fetch(PSZ2, archive(server.address))
        found.add(sources_note(path)["content_sha256"])
        path.unlink()
    assert len(found) == 4


def test_wrong_checksum(archive: Callable[..., Archive], cache: Path) -> None:
    expected = "0" * 64
    with (
        vizier([Answer(GOOD)]) as server,
        pytest.raises(
            ArchiveAnswerError, match=f"{PSZ2.replace('+', '[+]')} from .*: expected sha256 {expected}, got "
        ),
    ):
        fetch(PSZ2, archive(server.address), expected, sleep=Clock())
    assert len(server.requests) == 1
    assert list(cache.iterdir()) == []


def test_cached_file_with_another_checksum_than_expected_is_asked_again(
    archive: Callable[..., Archive], capsys: pytest.CaptureFixture[str]
) -> None:
    with vizier([Answer(GOOD)]) as server:
        path = fetch(PSZ2, archive(server.address))
        with pytest.raises(ArchiveAnswerError, match="expected sha256 1111"):
            fetch(PSZ2, archive(server.address), "1" * 64)
    assert len(server.requests) == 2
    assert "has not the expected sha256 1111" in capsys.readouterr().out
    assert path.read_bytes() == GOOD  # what was kept stays


# ---------------------------------------------------------------------------------------------------- nobody answers


def test_server_that_recovers_is_asked_again_after_doubling_pauses(archive: Callable[..., Archive]) -> None:
    clock = Clock()
    with vizier([Answer(status=500), Answer(b"<html>busy</html>", status=503), Answer(GOOD)]) as server:
        path = fetch(PSZ2, archive(server.address, attempts=4, pause_s=0.5), sleep=clock)
    assert len(server.requests) == 3
    assert clock.pauses == [0.5, 1.0]
    assert path.read_bytes() == GOOD


@pytest.mark.parametrize("attempts", [1, 3])
def test_server_that_never_recovers(attempts: int, archive: Callable[..., Archive], cache: Path) -> None:
    answers = [Answer(b"<html>down</html>", status=500)]
    message = refused(ArchiveUnavailable, answers, archive, cache, attempts=attempts, asked=attempts)
    assert f"got HTTP 500 Internal Server Error (attempt {attempts} of {attempts})" in message


def test_too_many_requests_is_a_reason_to_wait(archive: Callable[..., Archive]) -> None:
    with vizier([Answer(status=429), Answer(GOOD)]) as server:
        fetch(PSZ2, archive(server.address), sleep=Clock())
    assert len(server.requests) == 2


def test_refused_connection(archive: Callable[..., Archive], cache: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers, and nobody else can take the port
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        clock = Clock()
        with pytest.raises(ArchiveUnavailable, match=f"from {address}: .*ConnectionError.*refused.*attempt 2 of 2"):
            fetch(PSZ2, archive(address, attempts=2), sleep=clock)
    assert clock.pauses == [2.0]
    assert list(cache.iterdir()) == []


def test_unknown_host(archive: Callable[..., Archive], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    clock = Clock()
    with pytest.raises(ArchiveUnavailable, match=r"expected an answer within 5 s, .* not known.*attempt 3 of 3"):
        fetch(PSZ2, archive("vizier.invalid", attempts=3), sleep=clock)
    assert clock.pauses == [2.0, 4.0]
    assert list(cache.iterdir()) == []


def test_slow_answer_is_a_time_out(archive: Callable[..., Archive], cache: Path) -> None:
    answers = [Answer(GOOD, delay_s=30.0)]
    message = refused(ArchiveUnavailable, answers, archive, cache, attempts=2, asked=2, timeout_s=0.2)
    assert "expected an answer within 0.2 s, got ReadTimeout" in message


def test_error_reported_by_vizier_is_retried(archive: Callable[..., Archive], cache: Path) -> None:
    answers = [Answer(ERROR_XML % b"The database is not currently reachable.")]
    message = refused(ArchiveUnavailable, answers, archive, cache, asked=3)
    assert "got VizieR's error: The database is not currently reachable.; -- no connection (attempt 3 of 3)" in message


# ------------------------------------------------------------------------------------------------------- bad answers


def test_body_shorter_than_promised(archive: Callable[..., Archive], cache: Path) -> None:
    answers = [Answer(GOOD[:-100], missing=100)]
    message = refused(ArchiveAnswerError, answers, archive, cache, asked=3)
    assert "expected a whole answer, got one that breaks off" in message
    assert "100 more expected" in message


@pytest.mark.parametrize("size", [20, len(GOOD) // 2, len(GOOD) - 12])
def test_xml_that_ends_too_early(size: int, archive: Callable[..., Archive], cache: Path) -> None:
    message = refused(ArchiveAnswerError, [Answer(GOOD[:size])], archive, cache, asked=3)
    assert f"expected a whole VOTable, got {size} bytes that end too early" in message


def test_cut_answer_and_then_a_whole_one(archive: Callable[..., Archive]) -> None:
    with vizier([Answer(GOOD[:500]), Answer(GOOD[:-9], missing=9), Answer(GOOD)]) as server:
        path = fetch(PSZ2, archive(server.address), sleep=Clock())
    assert len(server.requests) == 3
    assert path.read_bytes() == GOOD


def test_empty_body(archive: Callable[..., Archive], cache: Path) -> None:
    assert "got an empty answer" in refused(ArchiveAnswerError, [Answer(b"\n")], archive, cache, asked=3)


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b"<!DOCTYPE html>\n<html><body>Welcome</body></html>", "an HTML page: '<!DOCTYPE html>"),
        (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"></html>', "an HTML page: '<?xml"),
        (
            b"****No catalogue",
            "what is not XML (not well-formed (invalid token): line 1, column 0): '****No catalogue'",
        ),
        (GOOD.replace(b"<TR>", b"<TR", 1), "what is not XML (not well-formed"),
        (b"<?xml version='1.0'?><TABLE/>", "XML of another kind"),
        (b"<VOTABLE version='1.4'><RESOURCE/></VOTABLE>", "none; check catalogues.*.vizier"),
        (GOOD.replace(b'datatype="int"', b'datatype="inf"'), "one that astropy cannot read"),
        (answer_xml(clusters(0)), f"table {PSZ2} with none"),
        (answer_xml(name="J/A+A/594/A27/psz2b"), "table J/A+A/594/A27/psz2b"),
        (with_info(GOOD, ("QUERY_STATUS", "OVERFLOW")), "3 (overflow); try another archive.vizier_server"),
        (with_info(GOOD, ("MaxTuples", "3")), "3 (overflow)"),
        (ERROR_XML % b"No catalogue or table was specified or found.", "VizieR's error: No catalogue or table"),
    ],
    ids=[
        "HTML",
        "XHTML",
        "text",
        "malformed",
        "other XML",
        "no table",
        "bad type",
        "no rows",
        "other table",
        "overflow",
        "as many rows as the limit",
        "unknown table",
    ],
)
def test_bad_answer_is_refused_at_once(body: bytes, got: str, archive: Callable[..., Archive], cache: Path) -> None:
    assert f"got {got}" in refused(ArchiveAnswerError, [Answer(body)], archive, cache, asked=1)


def test_page_not_found_is_refused_at_once(archive: Callable[..., Archive], cache: Path) -> None:
    message = refused(ArchiveAnswerError, [Answer(b"<html/>", status=404)], archive, cache, asked=1)
    assert "expected a VOTable, got HTTP 404 Not Found" in message


def test_limit_above_the_number_of_rows_cuts_nothing(archive: Callable[..., Archive]) -> None:
    body = with_info(GOOD, ("MaxTuples", "4"), ("-out.max", "unlimited"), ("QUERY_STATUS", "OK"))
    with vizier([Answer(body)]) as server:
        assert fetch(PSZ2, archive(server.address)).read_bytes() == body


def test_several_tables_are_listed(archive: Callable[..., Archive], cache: Path) -> None:
    inside = re.search(rb"<RESOURCE.*</RESOURCE>", answer_xml(name="J/A+A/594/A27/psz2nat"), re.DOTALL)
    assert inside
    second = re.sub(rb' ID="\w+"', b"", inside[0])
    body = GOOD.replace(b"</VOTABLE>", second + b"</VOTABLE>")
    message = refused(ArchiveAnswerError, [Answer(body)], archive, cache, table="J/A+A/594/A27", asked=1)
    assert "got 2: J/A+A/594/A27/psz2, J/A+A/594/A27/psz2nat; name one of them" in message


def test_full_disk_leaves_nothing(
    archive: Callable[..., Archive], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, data: bytes) -> int:
        with open(path, "wb") as stream:
            stream.write(data[: len(data) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with vizier([Answer(GOOD)]) as server, pytest.raises(OSError, match="No space left"):
        fetch(PSZ2, archive(server.address))
    assert list(cache.iterdir()) == []


def test_failure_leaves_a_damaged_file_as_it_was(archive: Callable[..., Archive], cache: Path) -> None:
    with vizier([Answer(GOOD), Answer(status=500)]) as server:
        path = fetch(PSZ2, archive(server.address))
        path.write_bytes(b"damaged")
        with pytest.raises(ArchiveUnavailable, match="HTTP 500"):
            fetch(PSZ2, archive(server.address, attempts=2), sleep=Clock())
    assert sorted(each.name for each in cache.iterdir()) == KEPT
    assert path.read_bytes() == b"damaged"


# ------------------------------------------------------------------------------------------------ answers of VizieR


@pytest.fixture
def sample() -> Callable[[str], bytes]:
    if "CLUSTERMASS_ARCHIVE" not in os.environ:
        pytest.skip("CLUSTERMASS_ARCHIVE is not set")
    folder = Path(os.environ["CLUSTERMASS_ARCHIVE"]) / "archive_responses"
    return lambda name: (folder / f"vizier_tests_data_{name}.xml").read_bytes()


@pytest.mark.archival
def test_real_answer_is_kept(sample: Callable[[str], bytes], archive: Callable[..., Archive]) -> None:
    with vizier([Answer(sample("afgl2591_iram"))]) as server:
        path = fetch("B/iram/pdbi", archive(server.address))
    assert sources_note(path)["rows"] == 14
    assert {"_RAJ2000", "_DEJ2000"} <= set(Table.read(path).colnames)


@pytest.mark.archival
@pytest.mark.parametrize(
    ("name", "table", "got"),
    [
        ("kang2010", "J/ApJ/706/83/ysos", "got 50 (overflow)"),
        ("find_kangapj70683", "J/ApJ/706/83", "got table J/ApJ/706/83/ysos with none"),
        ("viz", "I/34", "ReadMeObj, I/34/greenw2a, I/34/greenw2b"),
    ],
)
def test_real_answer_is_refused(
    name: str, table: str, got: str, sample: Callable[[str], bytes], archive: Callable[..., Archive], cache: Path
) -> None:
    assert got in refused(ArchiveAnswerError, [Answer(sample(name))], archive, cache, table=table, asked=1)


@pytest.mark.archival
def test_real_error_is_retried(sample: Callable[[str], bytes], archive: Callable[..., Archive], cache: Path) -> None:
    message = refused(ArchiveUnavailable, [Answer(sample("no_server_error"))], archive, cache, asked=3)
    assert "got VizieR's error: The database is not currently reachable.; -- no connection; Report from" in message
