"""Frames and fields of SDSS from its servers: what is asked, what is kept, and every way in which it can go wrong."""

from __future__ import annotations

import bz2
import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sas_server import Fault, SasServer, field_answer, sas
from test_skyserver import skyserver

from clustermass.config.catalogues import Archive
from clustermass.config.frames import Frames
from clustermass.files import sha256
from clustermass.frames import geometry, plan
from clustermass.frames.contracts import FIELD_KEY, FIELDS, FRAMES
from clustermass.frames.frame import FrameKey, frame_path, read_frame, write_frame
from clustermass.frames.index import index_folder
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable
from clustermass.sources.sas import fetch_frames, frame_url
from clustermass.sources.sas_fields import fetch_fields, field_query, near_tiles

KEY = FrameKey("r", 9231, 3, 700)
NAME = "frame-r-009231-3-0700.fits.bz2"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of the archive: two fields in r, the first also in g."""
    folder = tmp_path_factory.mktemp("there")
    image = np.zeros((1489, 2048), np.float32)
    image[::100, ::100] = 1.5
    image[1:30] = np.random.default_rng(1).normal(size=(29, 2048))
    for key in (KEY, KEY._replace(field=701), KEY._replace(band="g")):
        path = frame_path(folder, "301", key)
        write_frame(path, image, geometry.field_header(key.run, key.camcol, key.field, key.band), 0.005, 120.0)
        path.with_suffix(".fits.bz2").write_bytes(bz2.compress(path.read_bytes(), 1))
        path.unlink()
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(cache=str(tmp_path / "cache"), timeout_s=5.0, attempts=3, pause_s=2.0)


def settings(server: SasServer | str, **others: object) -> Frames:
    address = server if isinstance(server, str) else server.address
    return Frames(**{"server": address, "connections": 2, **others})


def wanted(*keys: FrameKey) -> pd.DataFrame:
    return pd.DataFrame([key._asdict() for key in keys or (KEY,)]).assign(rerun="301")


def kept(archive: Archive, key: FrameKey = KEY) -> Path:
    return frame_path(Path(archive.cache) / "frames", "301", key, ".fits.bz2")


def leftovers(archive: Archive) -> list[str]:
    return sorted(path.name for path in Path(archive.cache).rglob("*") if path.is_file())


def test_addresses_are_those_of_the_archive() -> None:
    tail = "photoObj/frames/301/3565/1/frame-g-003565-1-0058.fits.bz2"
    for release, middle in ((12, "boss"), (16, "eboss"), (18, "prior-surveys/sdss4-dr17-eboss")):
        url = frame_url("301", FrameKey("g", 3565, 1, 58), Frames(release=release))
        assert url == f"https://data.sdss.org/sas/dr{release}/{middle}/{tail}"


def test_frames_are_fetched_once_and_kept_with_a_note(there: Path, archive: Archive) -> None:
    keys = [KEY, KEY._replace(field=701), KEY._replace(band="g"), KEY._replace(band="u")]
    with sas(there) as server:
        frames = FRAMES.validate(fetch_frames(wanted(*keys, KEY), settings(server), archive), "frames")
    assert frames["status"].tolist() == ["ready", "ready", "ready", "absent"]
    assert len(server.asked) == 4
    assert all(not span for _, span in server.asked)
    assert "HTTP 404" in frames["reason"][3]
    first = frames.iloc[0]
    assert first["path"] == str(kept(archive))
    assert first["sha256"] == sha256(frame_path(there, "301", KEY, ".fits.bz2"))
    assert read_frame(first["path"]).image[100, 100] == 1.5
    note = json.loads(kept(archive).with_name(f"{NAME}.json").read_text())
    assert (note["sha256"], note["bytes"]) == (first["sha256"], first["bytes"])
    assert note["url"].startswith(server.address)
    assert len(leftovers(archive)) == 6
    with sas(there) as server:
        again = fetch_frames(wanted(*keys[:3]), settings(server), archive)
        assert again.equals(frames[:3])
        assert not server.asked
        kept(archive).write_bytes(kept(archive).read_bytes()[:-5] + b"xxxxx")  # damaged on our disk
        assert fetch_frames(wanted(), settings(server), archive)["sha256"][0] == first["sha256"]
        assert len(server.asked) == 1
    assert sha256(kept(archive)) == first["sha256"]
    assert fetch_frames(wanted()[:0], settings(server), archive).empty


@pytest.mark.parametrize("ranges", [True, False])
def test_cut_transfers_go_on(ranges: bool, there: Path, archive: Archive) -> None:
    pauses: list[float] = []
    with sas(there, {NAME: [Fault(cut_at=16384), Fault(ranges=ranges, cut_at=40960)]}) as server:
        frames = fetch_frames(wanted(), settings(server), archive, sleep=pauses.append)
    assert frames["status"][0] == "ready"
    assert [span for _, span in server.asked] == ["", "bytes=16384-", "bytes=40960-"]
    assert pauses == [2.0, 4.0]
    assert len(leftovers(archive)) == 2


def test_a_cut_transfer_goes_on_in_the_next_run(there: Path, archive: Archive) -> None:
    with sas(there, {NAME: 3 * [Fault(cut_at=16384)]}) as server:
        frames = fetch_frames(wanted(), settings(server), archive, sleep=lambda _: None)
    assert frames["status"][0] == "unreachable"
    assert "attempt 3 of 3" in frames["reason"][0]
    assert leftovers(archive) == [f"{NAME}.part"]
    assert not kept(archive).exists()
    with sas(there) as server:
        assert fetch_frames(wanted(), settings(server), archive)["status"][0] == "ready"
    assert server.asked == [(NAME, "bytes=16384-")]


def test_what_was_begun_with_other_bytes_is_begun_anew(there: Path, archive: Archive) -> None:
    kept(archive).parent.mkdir(parents=True)
    part = kept(archive).with_name(f"{NAME}.part")
    for begun in (b"x" * 500, b"x" * 5_000_000):  # not its beginning; longer than the frame
        part.write_bytes(begun)
        with sas(there) as server:
            assert fetch_frames(wanted(), settings(server), archive, sleep=lambda _: None)["status"].tolist() == [
                "ready"
            ]
        assert [span for _, span in server.asked] == [f"bytes={len(begun)}-", ""]
        kept(archive).unlink()


def test_a_busy_server_is_given_the_time_it_asks_for(there: Path, archive: Archive) -> None:
    pauses: list[float] = []
    faults = [Fault(status=503), Fault(status=429, retry_after="30")]
    with sas(there, {NAME: faults}) as server:
        frames = fetch_frames(wanted(), settings(server), archive, sleep=pauses.append)
    assert frames["status"][0] == "ready"
    assert pauses == [2.0, 30.0]


@pytest.mark.parametrize(
    ("fault", "status", "asked", "said"),
    [
        (Fault(status=503), "unreachable", 3, r"HTTP 503 .*\(attempt 3 of 3\)"),
        (Fault(status=403), "damaged", 1, "HTTP 403"),
        (Fault(body=b"<html>come back later</html>"), "damaged", 3, "expected a whole bzip2 file"),
        (Fault(body=bz2.compress(b"SIMPLE  = " + bytes(9000), 1)), "damaged", 3, "without its END"),
    ],
)
def test_bad_answers(fault: Fault, status: str, asked: int, said: str, there: Path, archive: Archive) -> None:
    with sas(there, {NAME: 9 * [fault]}) as server:
        frames = fetch_frames(wanted(), settings(server), archive, sleep=lambda _: None)
    assert frames["status"].tolist() == [status]
    assert pd.Series(frames["reason"]).str.contains(said).all()
    assert len(server.asked) == asked
    assert leftovers(archive) == []


def test_another_frame_than_the_one_asked_for_is_damaged(there: Path, archive: Archive) -> None:
    other = frame_path(there, "301", KEY._replace(band="g"), ".fits.bz2").read_bytes()
    with sas(there, {NAME: [Fault(body=other)]}) as server:
        frames = fetch_frames(wanted(), settings(server), archive.model_copy(update={"attempts": 1}))
    assert "expected band r, run 9231, column 3, field 700 as the file is named" in frames["reason"][0]
    assert frames["status"][0] == "damaged"


def test_where_nobody_answers_the_rest_is_not_asked_for(archive: Archive) -> None:
    keys = [KEY._replace(field=number) for number in range(30)]
    pauses: list[float] = []
    frames = fetch_frames(wanted(*keys), settings("http://127.0.0.1:9/sas"), archive, sleep=pauses.append)
    assert set(frames["status"]) == {"unreachable"}
    assert frames["reason"].str.contains("not asked for: nobody answered").sum() >= 25
    assert len(pauses) <= 10
    assert "ConnectionError" in frames["reason"][0]
    assert leftovers(archive) == []


def test_connections_are_bounded_and_jobs_wait_for_one_another(there: Path, archive: Archive) -> None:
    keys = [KEY, KEY._replace(field=701), KEY._replace(band="g")]
    found: list[pd.DataFrame] = []
    with sas(there, wait_s=0.05) as server:
        jobs = [
            threading.Thread(
                target=lambda: found.append(fetch_frames(wanted(*keys), settings(server, connections=1), archive))
            )
            for _ in range(3)
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
    assert len(server.asked) == 3  # each frame once, whoever came first
    assert server.most_at_once <= 3
    assert all(each.equals(found[0]) and (each["status"] == "ready").all() for each in found)
    assert len(leftovers(archive)) == 6


def test_progress_is_said(there: Path, archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    with sas(there, wait_s=0.02) as server:
        fetch_frames(wanted(KEY, KEY._replace(band="g")), settings(server, connections=1), archive)
    assert server.most_at_once == 1
    assert "frames from the archive: 2 of 2" in capsys.readouterr().out


def test_folders_are_indexed_by_headers(there: Path, tmp_path: Path) -> None:
    fields, frames = index_folder(there)
    FIELDS.validate(fields, "fields")
    FRAMES.validate(frames, "frames")
    assert frames["band"].tolist() == ["g", "r", "r"]
    assert (frames["status"] == "ready").all()
    assert fields["field"].tolist() == [700, 701]
    for name, values in zip(("ra", "dec"), geometry.field_corners(9231, 3, [700, 701]), strict=True):
        assert fields[[f"{name}_{k}" for k in range(4)]].to_numpy() == pytest.approx(values, abs=1e-9)
    # bands of different pointing
    stray = tmp_path / "stray"
    for field, path in ((700, KEY), (900, KEY._replace(band="i"))):
        header = geometry.field_header(9231, 3, field, path.band)
        header["FRAME"] = geometry.FRAME_LAG[path.band] + 700
        write_frame(frame_path(stray, "301", path), np.zeros((1489, 2048), np.float32), header, 1.0, 0.0)
    _, frames = index_folder(stray)
    assert frames.set_index("band")["status"].to_dict() == {"r": "ready", "i": "damaged"}
    assert "arcsec away" in frames.set_index("band")["reason"]["i"]
    # one that cannot be read, one twice, one in a band only, one that is no frame
    tmp_path = tmp_path / "some"
    (tmp_path / "a").mkdir(parents=True)
    good = frame_path(there, "301", KEY._replace(band="g"), ".fits.bz2")
    for folder in ("a", "."):
        (tmp_path / folder / good.name).write_bytes(good.read_bytes())
    (tmp_path / "a" / good.name).write_bytes(b"BZh9 no frame")
    (tmp_path / NAME).write_bytes(good.read_bytes())
    (tmp_path / "frame-x.fits").write_bytes(b"")
    fields, frames = index_folder(tmp_path)
    assert frames["status"].tolist() == ["ready", "damaged"]
    assert frames["path"][0] == str(tmp_path / good.name)
    assert "as the file is named" in frames["reason"][1]
    near = geometry.field_corners(9231, 3, 700)[1][0]
    assert fields[[f"dec_{k}" for k in range(4)]].to_numpy()[0] == pytest.approx(near, abs=12 * 0.396 / 3600)
    (tmp_path / "nothing").mkdir()
    assert [len(table) for table in index_folder(tmp_path / "nothing")] == [0, 0]
    with pytest.raises(NotADirectoryError, match="expected a folder of frames"):
        index_folder(tmp_path / "missing")


@pytest.fixture
def clusters() -> pd.DataFrame:
    columns = {"id": ["a", "b"], "ra": [0.02, 199.9], "dec": [9.9, 36.0], "arcsec_per_mpc": [400.0, 300.0]}
    return pd.DataFrame(columns).assign(job=0)


def test_fields_are_asked_for_in_tiles_near_clusters(clusters: pd.DataFrame, archive: Archive) -> None:
    everywhere = geometry.simulated_fields(
        clusters["ra"].to_numpy(),
        clusters["dec"].to_numpy(),
        1.0,
        geometry.Lightcone(ra_deg=(0, 360), dec_deg=(-90, 90)),
    )
    pauses: list[float] = []
    with skyserver([(200, field_answer(everywhere))]) as server:
        fields = fetch_fields(clusters, Frames(skyserver=server.address), archive, sleep=pauses.append)
    # the first lies by a corner of four tiles, across 360 deg; the second by a side of two
    assert len(server.asked) == 4 + 1
    assert pauses == 4 * [2.0]
    query = server.asked[0][1]["cmd"][0]
    assert server.asked[0][0].startswith("/dr12/")
    assert "FROM Frame WHERE zoom = 0 AND rerun = 301 AND ra >= 0.000000 AND ra <" in " ".join(query.split())
    FIELDS.validate(fields, "fields")
    assert len(fields) == len(everywhere)
    both = fields.merge(everywhere, on=FIELD_KEY, suffixes=("", "_true"))
    for name in (f"{axis}_{k}" for axis in ("ra", "dec") for k in range(4)):
        turn = (both[name] - both[f"{name}_true"] + 180) % 360 - 180
        assert turn.abs().max() < 3e-5  # an eighth of a pixel where nu is largest
    needed, same = (plan.touching(each, clusters, 4, 2) for each in (fields, everywhere))
    assert abs(len(needed) - len(same)) <= 1
    again = fetch_fields(clusters, Frames(skyserver="http://127.0.0.1:9"), archive)  # from the cache
    assert again.equals(fields)


def test_tiles_near_positions() -> None:
    def found(ra: float, dec: float, reach: float) -> set[tuple[float, ...]]:
        return set(near_tiles(np.array([ra]), np.array([dec]), reach))

    assert len(found(5.0, 5.0, 1.0)) == 1
    assert len(found(0.0, 5.0, 1.0)) == 2
    assert len(found(0.5, 0.5, 1.0)) == 4
    assert {tile[2] for tile in found(17.0, 89.5, 1.0)} == {80.0}
    assert len(found(17.0, 89.5, 1.0)) == 7  # all around the pole: 360 cos 80 deg / 10
    assert not near_tiles(np.empty(0), np.empty(0), 1.0)
    last = field_query((0.0, 90.0, 80.0, 90.0), Frames(rerun="301"))
    assert last.endswith("AND dec >= 80.000000 AND dec <= 90.000000")


def test_lists_of_fields_that_cannot_be(clusters: pd.DataFrame, archive: Archive) -> None:
    head = b"#Table1\nrun,rerun,camcol,field,a,b,c,d,e,f,node,incl\n"
    for body, error, message in (
        (b"#Table1\nra,dec\n1,2\n", ArchiveAnswerError, "expected columns run, rerun, camcol, field, a"),
        (head + b"94,301,1,11,3", ArchiveUnavailable, "middle of a line"),
        (
            head + b"94,301,1,11,350,0.00022,0,0,0,0.00011,95,0\n",
            ArchiveAnswerError,
            "got 0.792, 0.396 arcsec along rows",
        ),
    ):
        with skyserver([(200, body)]) as server, pytest.raises(error, match=message):
            fetch_fields(clusters, Frames(skyserver=server.address), archive, sleep=lambda _: None)
    fresh = archive.model_copy(update={"cache": f"{archive.cache}_empty"})
    with skyserver([(200, head)]) as server:
        assert fetch_fields(clusters, Frames(skyserver=server.address), fresh, sleep=lambda _: None).empty
