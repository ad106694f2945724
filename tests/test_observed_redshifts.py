"""Tables of redshifts in every form, rows that cannot be used, and the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from pydantic import ValidationError

from clustermass import contracts
from clustermass.config.observed import Observed, RedshiftSurvey, Sample, SkyServer
from clustermass.observed.contracts import REDSHIFTS
from clustermass.observed.redshifts import usable_redshifts
from clustermass.sources.redshifts import read_redshifts
from clustermass.sources.tables import CatalogueError

SETTINGS = Observed()
PLAIN = RedshiftSurvey(title="Plain", header=["ra", "dec", "redshift"])
SKYSERVER = """#Table1
objid,ra,dec,specz,speczerr,rmag
1237671768542478711,257.82458,64.133257,0.08244731,1.6E-05,16.75
1237671768542478711,257.82458,64.133257,0.08246633,1.4E-05,16.75
1237671768542478713,257.83332,64.126043,0.08121841,2.1E-05,17.46
1237671768542478999,257.9,64.2,null,null,18.1
"""
OF_SKYSERVER = RedshiftSurvey(
    title="A2255", id="objid", redshift="specz", redshift_err="speczerr", r="rmag [mag]", ra="ra [deg]", dec="dec [deg]"
)


def write(folder: Path, text: str, name: str = "table.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_white_space_without_a_header(tmp_path: Path) -> None:
    found = read_redshifts(write(tmp_path, "# HeCS\n 10.5  -1.25 0.1\n\n11 2 nan\n12\t3\t0.0001\n"), PLAIN)
    assert list(found) == REDSHIFTS.names
    assert found["id"].tolist() == ["1", "2", "3"]
    np.testing.assert_array_equal(found["redshift"], [0.1, np.nan, 0.0001])
    assert found["ra"].tolist() == [10.5, 11, 12]
    assert found[["r", "redshift_err"]].isna().all(axis=None)


def test_skyserver_as_it_writes(tmp_path: Path) -> None:
    found = read_redshifts(write(tmp_path, SKYSERVER, "sky.csv"), OF_SKYSERVER)
    assert found["id"].tolist()[0] == "1237671768542478711"  # all 19 digits
    assert np.isnan(found["redshift"][3])
    usable, rejected = usable_redshifts(found, SETTINGS)
    assert usable["redshift_err"].tolist() == [1.4e-5, 2.1e-5]  # the better of two spectra
    assert rejected["row"].tolist() == [1, 4]
    assert rejected["reason"].str.contains("second redshift within 1 arcsec|no redshift").all()


@pytest.mark.parametrize("kind", ["fits", "csv", "vot"])
def test_columns_of_ones_own(tmp_path: Path, kind: str) -> None:
    table = Table({"n": ["a", "b"], "hours": [1.0, 23.5], "D": [0.0, -5.0], "cz": [0.05, 0.06], "rPetro": [15.0, 16.0]})
    path = tmp_path / f"own.{kind}"
    table.write(path, format={"vot": "votable"}.get(kind, kind))
    survey = RedshiftSurvey(title="Own", id="n", ra="hours [hourangle]", dec="D", redshift="cz", r="rPetro")
    found = read_redshifts(path, survey)
    assert found["id"].tolist() == ["a", "b"]
    assert found["ra"].tolist() == [15.0, 352.5]
    assert found["r"].tolist() == [15.0, 16.0]
    assert found["redshift_err"].isna().all()


@pytest.mark.parametrize(
    ("text", "survey", "said"),
    [
        ("1 2\n", PLAIN, r"line 1: expected 3 values \(ra, dec, redshift\), got 2: '1 2'"),
        ("# nothing\n", PLAIN, "expected rows of ra, dec, redshift, got an empty table"),
        (SKYSERVER, PLAIN.model_copy(update={"header": []}), "redshift not among objid, ra, dec"),
        ("<html>busy</html>", OF_SKYSERVER, "web page"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, survey: RedshiftSurvey, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        read_redshifts(write(tmp_path, text), survey)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for survey in (PLAIN, OF_SKYSERVER):
        with pytest.raises(CatalogueError, match=r"absent.txt: no such file"):
            read_redshifts(tmp_path / "absent.txt", survey)


def test_hours_are_not_taken_for_degrees(tmp_path: Path) -> None:
    rows = "".join(f"{2 * hour} {-60 + 10 * hour} 0.1\n" for hour in range(12))
    with pytest.raises(CatalogueError, match="looks like hours"):
        read_redshifts(write(tmp_path, rows), PLAIN)


def table(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    filled = {"id": [str(i) for i in range(n)], "ra": 10.0 + np.arange(n), "dec": 0.0, "redshift": 0.1}
    return pd.DataFrame(filled | {"redshift_err": np.nan, "r": np.nan} | columns)[REDSHIFTS.names]


def test_nothing_is_lost_and_every_reason_is_told() -> None:
    frame = table(
        redshift=[0.1, np.nan, -0.0005, 0.0016, 0.00168, 25.0, 0.1, 0.1, 0.1],
        dec=[0.0, 0, 0, 0, 0, 0, 91.0, np.nan, 0],
        id=["0", "1", "2", "3", "4", "5", "6", "7", ""],
    )
    usable, rejected = usable_redshifts(frame, SETTINGS)
    assert REDSHIFTS.validate(usable, "usable").equals(usable)
    assert contracts.REJECTED.validate(rejected, "rejected").equals(rejected)
    assert usable["id"].tolist() == ["0", "4"]  # 0.00168 is 503 km/s
    assert rejected["row"].tolist() == [2, 3, 4, 6, 7, 8, 9]
    assert rejected["column"].tolist() == ["redshift"] * 4 + ["dec", "dec", "id"]
    assert rejected["value"].tolist()[:3] == ["nan", "-0.0005", "0.0016"]
    assert rejected["reason"][1].startswith("a star or a neighbour: expected c z of at least 500 km/s")


def test_of_repeated_redshifts_the_best_stays() -> None:
    step = 0.6 / 3600
    frame = table(
        ra=[10, 10 + step, 10 + 2 * step, 20, 20 + 1.2 / 3600, 30, 30],
        redshift_err=[1e-4, 1e-5, np.nan, 1e-4, 1e-4, np.nan, np.nan],
    )
    usable, rejected = usable_redshifts(frame, SETTINGS)
    assert usable["id"].tolist() == [
        "1",
        "3",
        "4",
        "5",
    ]  # the middle of a chain, both that are apart, the first of equals
    assert rejected["id"].tolist() == ["0", "2", "6"]
    chain, _ = usable_redshifts(table(ra=[10, 10 + step, 10 + 2 * step], redshift_err=[1e-5, 1e-4, 1e-3]), SETTINGS)
    assert chain["id"].tolist() == ["0", "2"]  # what has gone removes nobody
    same, _ = usable_redshifts(table(id=["a", "b", "a"], redshift_err=[1e-4, 1e-4, 1e-5]), SETTINGS)
    assert same["id"].tolist() == ["b", "a"]


def test_an_empty_survey_is_empty() -> None:
    usable, rejected = usable_redshifts(table(id=[]), SETTINGS)
    assert len(usable) == len(rejected) == 0


def test_configuration_is_checked() -> None:
    with pytest.raises(ValidationError, match="rising range"):
        SkyServer(dec_deg=(10.0, 5.0))
    with pytest.raises(ValidationError, match="rising range"):
        Sample(redshifts="hecs", centres=["mcxc"], redshift=(0.1, 0.05))
    with pytest.raises(ValidationError, match=r"samples.mine.redshifts: expected one of .*hecs.*, got nobody"):
        Observed(samples={"mine": Sample(redshifts="nobody", centres=["mcxc"])})


@pytest.mark.archival
def test_real_redshifts(archive: Path) -> None:
    hecs = SETTINGS.surveys["hecs"]
    raw = read_redshifts(archive / hecs.files[0], hecs)
    usable, rejected = usable_redshifts(raw, SETTINGS)
    assert (len(raw), len(usable), len(rejected)) == (44_607, 44_186, 421)
    stars = rejected["reason"].str.startswith("a star")
    assert stars.sum() == 321
    sky = read_redshifts(archive / "spectroscopy/skyserver_abell2255.csv", OF_SKYSERVER)
    assert len(sky) == 139
    kept, lost = usable_redshifts(sky, SETTINGS)
    assert len(kept) + len(lost) == 139
    assert np.median(kept["redshift"]) == pytest.approx(0.0806, abs=0.002)
