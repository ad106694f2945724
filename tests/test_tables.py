"""Files as archives publish them: every format, and every way in which a file can be bad."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import astropy.cosmology.units as cu
import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clustermass.sources.catalogues import parse_unit, split_column
from clustermass.sources.tables import CatalogueError, read_catalogue

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def example() -> Table:
    return Table(
        {
            "NAME": MaskedColumn(["A 1", "", "C, D"], mask=[False, True, False]),
            "RA": MaskedColumn([1.5, 359.25, 0.125], unit="deg"),
            "M500": MaskedColumn([1.25, 2.5, 7.75], mask=[False, True, False], unit="Msun"),
            "ID": MaskedColumn(np.array([2**62 + 1, 5, -3])),
            "N": MaskedColumn(np.array([7, 8, 9], dtype=np.int32), mask=[True, False, False]),
        }
    )


def as_fits() -> bytes:
    table = example()
    units = fits.table_to_hdu(table)
    units.columns["RA"].unit, units.columns["M500"].unit = "degrees", "10^14 Msol"
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((4, 4))), units]).writeto(stream)
    return stream.getvalue()


def as_ascii_fits() -> bytes:
    table, stream = example(), io.BytesIO()
    columns = [
        fits.Column("NAME", "A5", array=table["NAME"].filled("")),
        fits.Column("RA", "F9.4", array=table["RA"], unit="degrees"),
        fits.Column("M500", "F9.4", array=table["M500"].filled(np.nan), unit="10+14Msun"),
        fits.Column("ID", "I20", array=table["ID"]),
        fits.Column("N", "I6", array=table["N"].filled(-99), null="-99"),
        fits.Column("BLANK", "I6", array=[1, 2, 345678]),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.TableHDU.from_columns(columns)]).writeto(stream)
    return stream.getvalue().replace(b"345678", b"      ")


def as_votable(kind: str) -> bytes:
    stream = io.BytesIO()
    votable = from_table(example())
    votable.get_first_table().get_field_by_id("N").values.null = -99
    votable.to_xml(stream, tabledata_format=kind)
    assert b'unit="deg"' in stream.getvalue()
    return stream.getvalue().replace(b'unit="deg"', b'unit="degrees"').replace(b'unit="solMass"', b'unit="10+14Msun"')


def as_csv() -> bytes:
    stream = io.StringIO()
    example().write(stream, format="ascii.csv")
    return stream.getvalue().encode()


PLAIN: dict[str, bytes] = {
    "fits": as_fits(),
    "ascii fits": as_ascii_fits(),
    "votable": as_votable("tabledata"),
    "binary votable": as_votable("binary"),
    "binary2 votable": as_votable("binary2"),
    "csv": as_csv(),
}
FILES = PLAIN | {f"{name} gz": gzip.compress(content, mtime=0) for name, content in PLAIN.items()}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Table]:
    """Write the content to a file whose name says nothing, and read it."""
    path = tmp_path / "catalogue.dat"

    def write_and_read(content: bytes) -> Table:
        path.write_bytes(content)
        return read_catalogue(path)

    return write_and_read


def refused(read: Callable[[bytes], Table], content: bytes) -> str:
    with pytest.raises(CatalogueError, match=r"catalogue\.dat: ") as caught:
        read(content)
    return str(caught.value).partition("catalogue.dat: ")[2]


def listed(table: Table, name: str) -> list[object]:
    values = [None if np.ma.is_masked(value) else value for value in table[name]]
    return [value.decode() if isinstance(value, bytes) else value for value in values]


# ------------------------------------------------------------------------------------ good files


@pytest.mark.parametrize("name", FILES)
def test_table_comes_back_as_it_was(name: str, read: Callable[[bytes], Table]) -> None:
    table = read(FILES[name])
    assert table.colnames[:5] == ["NAME", "RA", "M500", "ID", "N"]
    assert [value or None for value in listed(table, "NAME")] == ["A 1", None, "C, D"]
    assert listed(table, "RA") == [1.5, 359.25, 0.125]
    assert [None if value is None or np.isnan(value) else value for value in listed(table, "M500")] == [
        1.25,
        None,
        7.75,
    ]
    assert listed(table, "ID") == [2**62 + 1, 5, -3]  # a float has no room for the first
    assert listed(table, "N") == [None, 8, 9]
    assert {table[column].dtype.kind for column in ("ID", "N")} == {"i"}
    if "csv" not in name:
        assert str(table["RA"].unit) in ("degrees", "deg")  # VOTable knows the long form
        spelled = {"f": "10^14 Msol", "a": "10+14Msun"}.get(name[0], "1e+14 Msun")
        assert str(table["M500"].unit) == spelled
    if "ascii" in name:
        assert listed(table, "BLANK") == [1, 2, None]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "nan", "3.5"], [1.0, None, 3.5]),
        (["1e3", "-2.", ".5"], [1000.0, -2.0, 0.5]),
        (["9223372036854775807", "-1", "0"], [2**63 - 1, -1, 0]),
        (["9223372036854775808", "1", "2"], ["9223372036854775808", "1", "2"]),
        (["007", "8", "9"], ["007", "8", "9"]),
        (["1_000", "2", "3"], ["1_000", "2", "3"]),
        (["inf", "2", "3"], [np.inf, 2.0, 3.0]),
        (["\uff11", "2", "3"], ["\uff11", "2", "3"]),
        (["", "--", "null"], [None, None, None]),
        (["x", "", "nan"], ["x", None, "nan"]),
        (['"a,b"', "c#d", " e "], ["a,b", "c#d", "e"]),
        (["a\x0cb", "a\u2028b", "a\x1cb"], ["a\x0cb", "a\u2028b", "a\x1cb"]),
    ],
    ids=lambda texts: " ".join(map(repr, texts)),
)
def test_csv_values(texts: list[str], expected: list[object], read: Callable[[bytes], Table]) -> None:
    rows = "".join(f"{number},{text}\n" for number, text in enumerate(texts))
    assert listed(read(f"i,x\n{rows}".encode()), "x") == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_skyserver_answer(end: str, read: Callable[[bytes], Table]) -> None:
    lines = ["#Table1", "objid,ra,specz", "1237671768542478711,257.5,0.08", "", "1237671768542478713,257.75,"]
    table = read("\ufeff".encode() + end.join(lines).encode())
    assert listed(table, "objid") == [1237671768542478711, 1237671768542478713]
    assert listed(table, "specz") == [0.08, None]


# ------------------------------------------------------------------------------------ bad files

HTML = b"<!DOCTYPE html>\n<html><body>503 Service Unavailable</body></html>"
EMPTY_FITS = io.BytesIO()
fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(example()[:0])]).writeto(EMPTY_FITS)
ONLY_IMAGE = io.BytesIO()
fits.PrimaryHDU(np.zeros((4, 4))).writeto(ONLY_IMAGE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "got an empty file"),
        (gzip.compress(b"", mtime=0), "got an empty file"),
        (EMPTY_FITS.getvalue(), "expected rows, got an empty table"),
        (b"a,b\n", "expected rows, got an empty table"),
        (FILES["fits gz"][:-20], "expected a readable file, it is truncated or damaged: Compressed file ended"),
        (FILES["csv gz"][:40] + b"\0" + FILES["csv gz"][41:], "expected a readable file, it is truncated or damaged"),
        (PLAIN["fits"][:-1000], "expected whole blocks of 2880 bytes, got 13400 bytes: the file is truncated"),
        (PLAIN["fits"][:-2880], "it is truncated or damaged: File may have been truncated"),
        (PLAIN["fits"][: 3 * 2880], "got FITS without a table, or a truncated one"),
        (PLAIN["ascii fits"][:-2880], "it is truncated or damaged"),
        (
            PLAIN["fits"].replace(b"TFIELDS =                    5", b"TFIELDS =           5000000000"),
            "in TFIELDS, got 5",
        ),
        (
            PLAIN["fits"].replace(b"NAXIS   =                    0", b"NAXIS   =              1000000"),
            "in NAXIS, got 1",
        ),
        (ONLY_IMAGE.getvalue(), "got FITS without a table"),
        (PLAIN["votable"][:-40], "it is truncated or damaged"),
        (PLAIN["votable"][:300], "got one without: an error message, or it is truncated"),
        (PLAIN["binary votable"][:-60], "it is truncated or damaged"),
        (b'<VOTABLE><TABLE><DATA><BINARY><STREAM href="file:///x"/>', "points elsewhere (STREAM href)"),
        (b"a,b,c\n1,2,3\n4,5", "line 3: expected 3 values as in the header, got 2: the file is truncated?"),
        (b"#Table1\n\na,b\n1,2\n\n1,2,3\n", "line 6: expected 2 values as in the header, got 3"),
        (b'a,b\n1,"2\n3,4\n', "line 2: expected comma-separated values on one line: unexpected end of data"),
        (b"a,b, a\n1,2,3\n", "expected each column name once, got a, b, a"),
        (b"a,b\n1,\xe9\n", "it is truncated or damaged: 'utf-8' codec"),
        (b"just text\nand more\n", "got text without commas: 'just text'"),
        (HTML, "got a web page: the download was an error page"),
        (b"<?xml version='1.0'?><error/>", "got a web page"),
        (gzip.compress(HTML, mtime=0), "got a web page"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "got other binary data"),
    ],
)
def test_bad_file_is_named_with_its_fault(content: bytes, said: str, read: Callable[[bytes], Table]) -> None:
    assert said in refused(read, content)


def test_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.fits", tmp_path):
        with pytest.raises(CatalogueError, match=rf"{path}: no such file"):
            read_catalogue(path)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_never_gives_a_part_of_the_table(name: str, read: Callable[[bytes], Table]) -> None:
    content = FILES[name]
    whole = content.rstrip()
    for size in {*range(0, len(content), max(1, len(content) // 40)), len(whole) - 1}:
        if name == "csv" and content[:size].rpartition(b"\n")[2].count(b",") in (0, 4, 5):
            continue  # that lines are missing, or a piece of the last value, cannot be seen
        refused(read, content[:size])


# ------------------------------------------------------------------------------------ any bytes


def table_or_error(read: Callable[[bytes], Table], content: bytes) -> None:
    with suppress(CatalogueError):
        table = read(content)
        assert len(table) > 0
        for column in table.itercols():
            assert len([str(value) for value in column[:50]]) > 0


@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=QUIET)
@given(
    start=st.sampled_from([b"", b"SIMPLE  =", b"<VOTABLE><TABLE>", b"\x1f\x8b\x08", b"a,b\n"]),
    rest=st.binary(max_size=200) | st.text(max_size=50).map(str.encode),
)
def test_random_bytes(start: bytes, rest: bytes, read: Callable[[bytes], Table]) -> None:
    table_or_error(read, start + rest)


PIECES = [b"", b"\0", b"-", b"9" * 12, b"<", b"\n", b",", b'"', b"'", b" ", b"\xff", b"1e400", b"NaN", b"_"]


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=QUIET)
@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_random_damage(name: str, data: st.DataObject, read: Callable[[bytes], Table]) -> None:
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.sampled_from([0, 1, 3, 80, len(content)]))
        content[start : start + length] = data.draw(st.sampled_from(PIECES) | st.binary(max_size=8))
    if "fits" in name and data.draw(st.booleans()):
        content += b" " * (-len(content) % 2880)
    table_or_error(read, bytes(content))


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=QUIET)
@pytest.mark.parametrize("name", ["fits", "ascii fits"])
@given(data=st.data())
def test_random_fits_headers(name: str, data: st.DataObject, read: Callable[[bytes], Table]) -> None:
    content = bytearray(PLAIN[name])
    cards = [at for at in range(0, len(content), 80) if content[at + 8 : at + 10] == b"= "]
    values = [
        "0",
        "-1",
        "1",
        "3",
        "99",
        "1000",
        "1000000",
        "999999999999",
        "1e300",
        "'D'",
        "'Q'",
        "'PD(3)'",
        "'999999999A'",
    ]
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from(cards))
        value = data.draw(st.sampled_from([*values, "'0A'", "'X'", "'E12.4'", "'I5'", "T", "''", "'(2,2)'"]))
        content[at + 10 : at + 80] = f"{value:>20}".ljust(70).encode()
    table_or_error(read, bytes(content))


# -------------------------------------------------------------------------------------- units as archives spell them


@pytest.mark.parametrize(
    ("text", "parts"),
    [("Z", ("Z", "")), ("M [1e14 Msun]", ("M", "1e14 Msun")), ("a b[ kpc ]", ("a b", "kpc")), ("x []", ("x", ""))],
)
def test_split_column(text: str, parts: tuple[str, str]) -> None:
    assert split_column(text) == parts


MSUN14 = u.Unit(1e14 * u.Msun)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        *((text, u.deg) for text in ("degrees", "deg", " degree ")),
        *((text, u.hourangle) for text in ("h", "hr", "hours", "hourangle")),
        *((text, MSUN14) for text in ("10^14 Msol", "10+14Msun", "1e14 Msun", "10**14 solMass", "10^14Msolar")),
        ("10-14W", u.Unit(1e-14 * u.W)),
        ("100 kpc", u.Unit(100 * u.kpc)),
        ("10+14 Msun/h", u.Unit(1e14 * u.Msun / cu.littleh)),
        *((text, None) for text in ("", "None", "---", "blob", "h70-1 Msun", "[Msun]", "1/0", "m^(1/0)", "a,b")),
    ],
)
def test_parse_unit(text: str, unit: u.UnitBase | None) -> None:
    assert parse_unit(text) == unit


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.text(max_size=12) | st.text("10+-^*/().eh Mpcsun[]", max_size=12))
def test_parse_unit_takes_any_text(text: str) -> None:
    assert isinstance(parse_unit(text), u.UnitBase | None)


# ------------------------------------------------------------------------------------ real files


@pytest.mark.archival
def test_real_files(archive: Path) -> None:
    sizes = {"HFI_PCCS_SZ-union_R2.08.fits": 1653, "mcxc.fits": 1743, "redmapper_dr8_v5.10.csv.gz": 26350}
    for name, size in sizes.items():
        assert len(read_catalogue(archive / "catalogues" / name)) == size
    galaxies = read_catalogue(archive / "spectroscopy/skyserver_abell2255.csv")
    assert len(galaxies) == 139
    assert galaxies["objid"][0] == 1237671768542478711
    for sample in ("vizier_tests_data_afgl2591_iram.xml", "vizier_tests_data_kang2010.xml"):
        assert len(read_catalogue(archive / "archive_responses" / sample)) > 10
    with pytest.raises(CatalogueError, match=r"no_server_error\.xml: expected a VOTable with a table, got one without"):
        read_catalogue(archive / "archive_responses/vizier_tests_data_no_server_error.xml")
