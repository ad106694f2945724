"""Tables on disk: what is written comes back, what breaks its contract is named, and no half file stays."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from clustermass import contracts
from clustermass.contracts import Column, Contract, ContractError, read_metadata, read_table, write_table
from clustermass.files import replacing, sha256

ALL = [each for each in vars(contracts).values() if isinstance(each, Contract)]
KINDS = Contract(
    "kinds",
    "one column of each kind",
    (
        Column("name", "text", "", "a name", unique=True),
        Column("note", "text", "", "may be absent", missing=True, choices=("good", "bad")),
        Column("size", "float", "kpc", "a size", 0, 10),
        Column("error", "float", "kpc", "its error", 0, missing=True),
        Column("number", "int", "", "a number", 1, 5),
        Column("flag", "bool", "", "yes or no"),
    ),
)


def good() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": ["A", "B", "Ç 3"],
            "note": ["good", "", "bad"],
            "size": [0.0, 2.5, 10.0],
            "error": [0.25, np.nan, 0.0],
            "number": [1, 5, 2],
            "flag": [True, False, True],
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seed=3" / "table.parquet"  # '=' means nothing here, unlike in partitioned data sets


def left(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir()) if path.parent.exists() else []


# ------------------------------------------------------------------------------------ round trips


def test_table_comes_back_as_it_was(path: Path) -> None:
    frame = good()
    write_table(frame[frame.columns[::-1]], KINDS, path, {"seed": 3, "why": ["ä"]})
    again = read_table(path, KINDS)
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)
    assert [again[name].dtype.kind for name in ("size", "error", "number", "flag")] == ["f", "f", "i", "b"]
    assert read_metadata(path) == {"seed": 3, "why": ["ä"]}
    assert left(path) == ["table.parquet"]


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_empty_table_comes_back(contract: Contract, path: Path) -> None:
    assert len(ALL) >= 6
    for frame in (contract.empty(), pd.DataFrame({name: [] for name in contract.names})):
        write_table(frame, contract, path, {})
        again = read_table(path, contract)
        assert (len(again), list(again)) == (0, contract.names)
        assert pq.read_schema(path).equals(contract.schema)
    assert read_metadata(path) == {}


def test_float32_and_missing_texts_are_taken(path: Path) -> None:
    frame = good().astype({"size": "float32", "number": "int16"})
    frame["note"] = pd.Series(["good", None, np.nan], dtype=object)
    frame["error"] = np.nan
    write_table(frame, KINDS, path, {})
    again = read_table(path, KINDS)
    assert again["note"].tolist() == ["good", "", ""]
    assert again["error"].isna().all()
    assert again["size"].dtype == np.float64


@pytest.mark.filterwarnings("ignore:No table..len:astropy.utils.exceptions.AstropyUserWarning")
def test_other_programs_read_the_file(path: Path) -> None:
    write_table(good(), KINDS, path, {"seed": 3})
    schema = pq.read_schema(path)
    assert schema.field("size").metadata == {b"unit": b"kpc", b"meaning": b"a size"}
    assert schema.metadata[b"contract"] == b"kinds"
    pd.testing.assert_frame_equal(pd.read_parquet(path, partitioning=None), good(), check_dtype=False)
    table = Table.read(path, format="parquet")
    assert table.colnames == KINDS.names
    assert list(table["size"]) == [0.0, 2.5, 10.0]
    assert list(table["number"]) == [1, 5, 2]


def test_every_column_of_every_contract_says_what_it_is() -> None:
    import astropy.units as u

    for contract in ALL:
        assert contract.meaning
        assert len(set(contract.names)) == len(contract.names)
        for column in contract.columns:
            assert column.meaning
            u.Unit(column.unit.removeprefix("log10(").removesuffix(")"))


# ------------------------------------------------------------------------------------ faults


def changed(name: str, row: int, value: object) -> pd.DataFrame:
    frame = good()
    frame[name] = frame[name].astype(object)
    frame.loc[row, name] = value
    return frame if isinstance(value, str | type(None)) else frame.infer_objects()


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (good().drop(columns=["size", "flag"]), "; missing: size, flag"),
        (good().assign(extra=1), "; not in the contract: extra"),
        (good().rename(columns={"size": 7}), "; missing: size; not in the contract: 7"),
        (pd.concat([good(), good()[["size"]]], axis=1), "expected each column once, got name, note, size,"),
        (good().assign(size=["1", "2", "3"]), "column size: expected float values, got str"),
        (good().assign(size=[1, 2, 3]), "column size: expected float values, got int64"),
        (good().assign(number=[1.0, 2.0, 3.0]), "column number: expected int values, got float64"),
        (good().assign(flag=[1, 0, 1]), "column flag: expected bool values, got int64"),
        (good().assign(name=[1, 2, 3]), "column name: expected text values, got int64"),
        (changed("name", 1, 5), "column name, row 2: expected a text, got 5"),
        (changed("name", 2, ""), "column name, row 3: expected a value, got ''"),
        (changed("name", 2, None), "column name, row 3: expected a value, got None"),
        (changed("name", 2, "A"), "column name, row 3: expected no value twice, got 'A'"),
        (changed("note", 0, "so so"), "column note, row 1: expected one of good, bad, got 'so so'"),
        (changed("size", 1, np.nan), "column size, row 2: expected a value, got "),
        (changed("size", 1, np.inf), "column size, row 2: expected a finite number, got "),
        (changed("error", 2, -np.inf), "column error, row 3: expected a finite number, got "),
        (changed("size", 0, -0.01), "column size, row 1: expected at least 0 kpc, got "),
        (changed("size", 2, 10.5), "column size, row 3: expected at most 10 kpc, got "),
        (changed("number", 2, 6), "column number, row 3: expected at most 5, got "),
        (changed("number", 2, 0), "column number, row 3: expected at least 1, got "),
        (
            good().assign(number=pd.array([1, None, 2], dtype="Int64")),
            "column number, row 2: expected a value, got <NA>",
        ),
        (good().assign(size=pd.array([1, None, 2], dtype="Float64")), "column size, row 2: expected a value, got <NA>"),
    ],
)
def test_fault_is_named_and_nothing_is_written(frame: pd.DataFrame, said: str, path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        write_table(frame, KINDS, path, {})
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert left(path) == []


def test_fault_in_a_file_is_named_on_reading(path: Path) -> None:
    write_table(good(), KINDS, path, {})
    table = pq.read_table(path, partitioning=None)
    sizes = pa.array([1.0, 99.0, 2.0])
    pq.write_table(table.set_column(2, table.schema.field("size"), sizes).cast(table.schema), path)
    with pytest.raises(ContractError, match=r"table.parquet: column size, row 2: expected at most 10 kpc, got .*99"):
        read_table(path, KINDS)
    pq.write_table(table.drop_columns(["size"]), path)
    with pytest.raises(ContractError, match=r"table.parquet: contract 'kinds' expects .*; missing: size"):
        read_table(path, KINDS)


def test_damaged_values_are_refused(path: Path) -> None:
    write_table(good(), KINDS, path, {})
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    pages = [pq.ParquetFile(path).metadata.row_group(0).column(n) for n in range(len(KINDS.columns))]
    for page in pages:  # the last byte of every column is of its values
        place = min(page.dictionary_page_offset or footer, page.data_page_offset) + page.total_compressed_size - 1
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ContractError, match=rf"{path}: expected a Parquet table"):
            read_table(path, KINDS)


def test_table_of_another_contract(path: Path) -> None:
    write_table(good(), KINDS, path, {})
    with pytest.raises(ContractError, match="expected contract 'clusters', the file was written as 'kinds'"):
        read_table(path, contracts.CLUSTERS)
    good().to_parquet(path)
    with pytest.raises(ContractError, match="expected contract 'kinds', the file was written as 'none'"):
        read_table(path, KINDS)
    assert read_metadata(path) == {}


def test_file_that_is_no_parquet(path: Path) -> None:
    write_table(good(), KINDS, path, {"seed": 3})
    whole = path.read_bytes()
    for content in (b"", b"a,b\n1,2\n", whole[:-1], whole[:100]):
        path.write_bytes(content)
        with pytest.raises(ContractError, match=rf"{path}: expected a Parquet table with metadata: "):
            read_metadata(path)
        with pytest.raises(ContractError, match=rf"{path}: expected a Parquet table of contract 'kinds': "):
            read_table(path, KINDS)
    for content in (whole[100:], whole[:60] + b"\xff" * 40 + whole[100:]):  # the end is whole: metadata can be read
        path.write_bytes(content)
        with pytest.raises(ContractError, match=rf"{path}: expected a Parquet table of contract 'kinds': "):
            read_table(path, KINDS)
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size] + b"\xff" * 8 + whole[size + 8 :])
        with suppress(ContractError):  # another error would not pass
            assert len(read_table(path, KINDS)) == 3
        with suppress(ContractError):
            read_metadata(path)
    path.unlink()
    for reading in (lambda: read_table(path, KINDS), lambda: read_metadata(path)):
        with pytest.raises(ContractError, match=rf"{path}: expected a Parquet table"):
            reading()


# ------------------------------------------------------------------------------------ whole files


def test_file_that_fails_leaves_the_old_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(good(), KINDS, path, {})
    before = path.read_bytes()

    def half(table: pa.Table, aside: Path, **_: object) -> None:
        Path(aside).write_bytes(before[:50])
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pq, "write_table", half)
        with pytest.raises(OSError, match="No space left"):
            write_table(good()[:1], KINDS, path, {})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_table(good()[:1], KINDS, path, {"what": object()})
    with pytest.raises(ContractError):
        write_table(changed("size", 0, -1.0), KINDS, path, {})
    assert path.read_bytes() == before
    assert left(path) == ["table.parquet"]


def write(path: Path, text: str, error: BaseException | None = None) -> None:
    with replacing(path) as aside:
        assert (aside.parent, aside.suffix) == (path.parent, path.suffix)
        aside.write_text(text)
        if isinstance(error, FileNotFoundError):
            aside.unlink()
        elif error:
            raise error


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), FileNotFoundError()], ids=repr)
def test_replacing_an_old_file_or_not_at_all(error: BaseException, path: Path) -> None:
    write(path, "old")
    with pytest.raises(type(error)):
        write(path, "new, but not wh", error)
    assert path.read_text() == "old"
    write(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(type(error)):
        write(path.with_name("other.txt"), "x", error)
    assert left(path) == ["table.parquet"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(umask: int, mode: int, path: Path) -> None:
    before = os.umask(umask)
    try:
        with replacing(path) as aside:
            aside.write_text("x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_checksum(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # the first example of FIPS 180-2
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_several_tables_are_read_as_one(tmp_path: Path) -> None:
    parts = [contracts.CLUSTERS.empty(), contracts.CLUSTERS.empty()]
    paths = [tmp_path / f"{number}.parquet" for number in range(2)]
    for part, path in zip(parts, paths, strict=True):
        write_table(part, contracts.CLUSTERS, path, {})
    assert list(contracts.read_joined([str(path) for path in paths], contracts.CLUSTERS)) == contracts.CLUSTERS.names


def test_several_tables_are_read_by_name(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.parquet") for name in "ab"]
    for path in paths:
        contracts.write_table(contracts.REJECTED.empty(), contracts.REJECTED, path, {})
    assert list(contracts.read_tables(["a", "b"], paths, contracts.REJECTED)) == ["a", "b"]
    with pytest.raises(ValueError, match=r"shorter|longer"):
        contracts.read_tables(["a"], paths, contracts.REJECTED)
