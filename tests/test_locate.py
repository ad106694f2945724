"""The catalogues of the configuration: where each comes from, and how each of its published forms is read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from astropy.table import MaskedColumn, Table

from clustermass import contracts, masses
from clustermass.config.base import Cosmology
from clustermass.config.catalogues import CATALOGUES, Archive, Catalogue, Layout
from clustermass.cosmology import flat
from clustermass.files import sha256
from clustermass.sources import vizier
from clustermass.sources.catalogues import Standardised, split_column, standardise
from clustermass.sources.local import local_file
from clustermass.sources.locate import UnusableAnswerError, cannot_be_had, locate
from clustermass.sources.patience import ArchiveUnavailable
from clustermass.sources.tables import CatalogueError, EmptyCatalogueError, read_catalogue

PLANCK = CATALOGUES["planck"]


def stanza(**settings: object) -> Catalogue:
    return PLANCK.model_copy(update=settings)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[object, ...]]:
    """Replace the download; the list holds what was asked of it."""
    calls: list[tuple[object, ...]] = []

    def fetch(*arguments: object) -> Path:
        calls.append(arguments)
        return tmp_path / "download.vot"

    monkeypatch.setattr(vizier, "fetch", fetch)
    monkeypatch.setattr(vizier, "sources_note", lambda path: {"table": "noted", "file": path.name})
    return calls


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some name.fits"
    path.write_bytes(b"abc")
    return path


def test_local_file_is_the_first_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redmapper, archive = CATALOGUES["redmapper"], Archive(folder=str(tmp_path))
    assert len(redmapper.files) > 2
    assert local_file(redmapper, archive) is None
    (tmp_path / redmapper.files[0]).mkdir(parents=True)  # a folder of that name is no file
    for name in (redmapper.files[-1], redmapper.files[1]):
        (tmp_path / name).write_text("x")
        assert local_file(redmapper, archive) == tmp_path / name
    monkeypatch.chdir(tmp_path)
    assert local_file(redmapper, Archive()) == Path(redmapper.files[1])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_file(redmapper, Archive(folder="~")) == tmp_path / redmapper.files[1]


@pytest.mark.parametrize("source", ["archival", "simulated"])
def test_file_at_hand_comes_before_a_download(source: str, file: Path, asked: list[tuple[object, ...]]) -> None:
    path, origin = locate(PLANCK, [str(file)], Archive(), source)
    assert path == file
    assert origin == {"file": "some name.fits", "sha256": sha256(file)}
    assert asked == []


def test_checksum_of_the_local_file(file: Path, asked: list[tuple[object, ...]]) -> None:
    right, wrong = sha256(file), "0" * 64
    assert locate(stanza(sha256=right.upper()), [str(file)], Archive(), "archival")[0] == file
    with pytest.raises(CatalogueError, match=f"some name.fits: expected the SHA-256 checksum {wrong}, got {right}"):
        locate(stanza(sha256=wrong), [str(file)], Archive(), "archival")
    assert locate(stanza(sha256=wrong), [str(file)], Archive(), "simulated")[0] == file  # it is of the real file
    assert asked == []


def test_download_where_there_is_no_file(tmp_path: Path, asked: list[tuple[object, ...]]) -> None:
    archive = Archive(folder=str(tmp_path))
    path, origin = locate(stanza(sha256="1" * 64), [], archive, "archival")
    assert asked == [("J/A+A/594/A27/psz2", archive, "1" * 64)]
    assert path == tmp_path / "download.vot"
    assert origin == {"table": "noted", "file": "download.vot"}


def test_simulation_never_downloads(asked: list[tuple[object, ...]]) -> None:
    with pytest.raises(ArchiveUnavailable, match="no simulated survey stands in for Planck"):
        locate(PLANCK, [], Archive(), "simulated")
    assert asked == []


def test_no_file_and_nobody_to_ask(asked: list[tuple[object, ...]]) -> None:
    files = "one.fits, two.csv"
    alone = stanza(vizier=None, files=files.split(", "))
    with pytest.raises(
        ArchiveUnavailable, match=rf"none of {files} in /some/where or here\) and no VizieR table is configured"
    ):
        locate(alone, [], Archive(folder="/some/where"), "archival")
    with pytest.raises(ArchiveUnavailable, match="none of no names in"):
        locate(stanza(vizier=None, files=[]), [], Archive(), "archival")
    assert asked == []


def test_download_that_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fetch(*_: object) -> Path:
        raise ArchiveUnavailable("the cable is cut")

    monkeypatch.setattr(vizier, "fetch", fetch)
    said = r"none of catalogues/HFI_PCCS.* and mirror.example did not give J/A\+A/594/A27/psz2"
    with pytest.raises(ArchiveUnavailable, match=said):
        locate(PLANCK, [], Archive(vizier_server="mirror.example"), "archival")
    assert "the cable is cut" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sent", "raised"),
    [(vizier.ChecksumError, vizier.ChecksumError), (vizier.ArchiveAnswerError, UnusableAnswerError)],
)
def test_bad_answer_is_not_taken_for_none(
    sent: type[Exception], raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: object) -> Path:
        raise sent("what came")

    monkeypatch.setattr(vizier, "fetch", fetch)
    with pytest.raises(raised, match="what came"):
        locate(PLANCK, [], Archive(), "archival")


def test_what_is_left_out_and_what_stops_the_run() -> None:
    parent = CATALOGUES["redmapper"]
    assert cannot_be_had(parent, [], "archival") == cannot_be_had(parent, ["a"], "simulated") == ()
    assert cannot_be_had(PLANCK, ["local.fits"], "archival") == ()
    assert issubclass(EmptyCatalogueError, cannot_be_had(PLANCK, ["planck.fits"], "simulated"))
    assert not issubclass(CatalogueError, cannot_be_had(PLANCK, ["planck.fits"], "simulated"))
    for error in (ArchiveUnavailable, UnusableAnswerError, CatalogueError):
        assert issubclass(error, cannot_be_had(PLANCK, [], "archival"))
    assert not issubclass(vizier.ChecksumError, cannot_be_had(PLANCK, [], "archival"))


# ------------------------------------------------------------------------------------ published forms


def read(table: Table, catalogue: Catalogue, **settings: Any) -> Standardised:
    result = standardise(table, catalogue, "file.fits", target=Cosmology(), **settings)
    kind = contracts.CLUSTERS if catalogue.kind == "clusters" else contracts.LABEL_SOURCES
    kind.validate(result.frame, "frame")
    contracts.REJECTED.validate(result.rejected, "rejected")
    return result


def table_for(catalogue: Catalogue, form: Layout) -> Table:
    """Return three clusters in a layout: columns and units as it names them, the second without spectroscopy."""
    values: dict[str, list[Any]] = {
        "id": ["A 1", "B 2", "C 3"],
        "ra": [0.5, 180.25, 359.75],
        "dec": [-45.0, 0.0, 60.5],
        "spectroscopic_redshift": [0.25, -1.0 if form.photometric_redshift else 0.3, 0.5],
        "redshift": [0.25, 0.3, 0.5],
        "photometric_redshift": [0.26, 0.3, 0.51],
        "redshift_kind": ["s", "p", "?"],
        "group": ["7", "8", "9"],
        "richness": [25.0, 60.0, 100.0],
        "mass": [5.0] * 3,
        "radius": [1.0] * 3,
        "luminosity": [3.0] * 3,
    }
    columns = {"SNR": MaskedColumn([3.0] * 3)}
    for key, text in form:
        if isinstance(text, str):
            name, unit = split_column(text)
            columns[name] = MaskedColumn(values.get(key, [0.01] * 3), unit=unit or None)
    return Table(columns)


FORMS = [(name, number) for name, catalogue in CATALOGUES.items() for number in range(len(catalogue.layouts))]


@pytest.mark.filterwarnings("ignore:The unit 'erg'")
@pytest.mark.parametrize(("name", "number"), FORMS)
def test_every_layout_of_every_stanza_is_read(name: str, number: int, tmp_path: Path) -> None:
    catalogue, form = CATALOGUES[name], CATALOGUES[name].layouts[number]
    table = table_for(catalogue, form)
    path = tmp_path / "catalogue"
    table.write(path, format="votable" if "_RAJ2000" in table.colnames else "fits")  # as VizieR, as the authors
    result = read(read_catalogue(path), catalogue)
    frame = result.frame
    assert result.notes["layout"] == number + 1
    assert result.notes["rows"] == {"read": 3, "with_redshift": 3, "used": 3}
    assert frame["id"].tolist() == ["A 1", "B 2", "C 3"]
    assert frame["ra"].tolist() == [0.5, 180.25, 359.75]
    assert frame["redshift"][1] == 0.3
    kinds = {"redmapper": "spectroscopic photometric spectroscopic", "xcs": "spectroscopic photometric unstated"}
    kinds |= {"rass_dr7": "spectroscopic spectroscopic spectroscopic"}
    expected = kinds.get(name, "unstated unstated unstated").split()
    if name == "redmapper" and form.spectroscopic_redshift is None:
        expected = ["photometric"] * 3
    assert frame["redshift_kind"].tolist() == expected
    if catalogue.kind == "clusters":
        assert frame["richness"].tolist() == [25, 60, 100]
        assert frame["redshift_err"].notna().tolist() == [
            bool(form.redshift_err) and k == "photometric" for k in expected
        ]
        assert frame["group"].tolist() == (["7", "8", "9"] if form.group else frame["id"].tolist())
    elif catalogue.mass_from == "mass":
        assert frame["m500c"].to_numpy() == pytest.approx(5e14)
        assert np.allclose(frame["m500c_err_low"], 1e12) == bool(form.err_low)
    else:
        assert frame["m500c"].between(1e14, 1e15).all()


def test_further_catalogues_by_configuration_alone() -> None:
    text = """
    erass1:
      title: eRASS1
      layouts: [{id: NAME, ra: "RA [deg]", dec: "DEC [deg]", redshift: BEST_Z, mass: "M500 [1e13 Msun]"}]
    act:
      title: ACT
      mass_definition: 200m
      cuts: {SNR: {above: 4}}
      layouts:
      - {id: name, ra: "RADeg [deg]", dec: "decDeg [deg]", redshift: redshift, redshift_kind: redshiftType,
         spectroscopic_flags: [spec], photometric_flags: [phot, zC], mass: "M200m [1e14 Msun / littleh]"}
    """
    stanzas = {name: Catalogue(**given) for name, given in yaml.safe_load(text).items()}
    erass1 = Table({"NAME": ["1eRASS J1"], "RA": [1.0], "DEC": [2.0], "BEST_Z": [0.3], "M500": [41.5]})
    assert read(erass1, stanzas["erass1"]).frame["m500c"].tolist() == pytest.approx([4.15e14])
    act = Table({"name": ["A", "B"], "RADeg": [1.0, 2], "decDeg": [1.0, 2], "redshift": [0.3, 0.6], "SNR": [5.0, 9]})
    act["redshiftType"], act["M200m"] = ["spec", "zC"], [3.5, 7.0]
    result = read(act, stanzas["act"])
    expected = masses.to_m500c(
        np.array([5e14, 1e15]), np.array([0.3, 0.6]), "200m", flat(Cosmology(H0=70, Om0=0.3)), Cosmology()
    )
    assert result.frame["m500c"].to_numpy() == pytest.approx(expected)  # 3.5e14 / h is 5e14 Msun where h = 0.7
    assert result.frame["redshift_kind"].tolist() == ["spectroscopic", "photometric"]
    assert "M500c from M200m, NFW" in result.notes["conversions"][0]


# ------------------------------------------------------------------------------------ real files


@pytest.mark.archival
@pytest.mark.parametrize("rescaled", [False, True])
def test_real_catalogues(archive: Path, rescaled: bool) -> None:
    counts = {"planck": (1653, 1094, 1094), "mcxc": (1743, 1743, 1743), "redmapper": (26350, 26350, 26298)}
    results = {}
    for name, numbers in counts.items():
        path = archive / CATALOGUES[name].files[-1]
        results[name] = read(read_catalogue(path), CATALOGUES[name], rescaled=rescaled)
        assert tuple(results[name].notes["rows"].values()) == numbers
    reasons = {name: Counter(result.rejected["reason"]) for name, result in results.items()}
    assert reasons["planck"] == {"no valid redshift: expected a number above 0, at most 20": 559}
    assert reasons["redmapper"] == {"not selected: expected > 20": 52}
    first = results["redmapper"].frame.set_index("id").loc["RMJ155820.0+271400.3"]
    assert (first["ra"], first["redshift"], first["richness"]) == (239.5833290688836, 0.095776685, 180.10445)
    planck = results["planck"].frame.set_index("id").loc["PSZ2 G000.77-35.69"]
    mcxc = results["mcxc"].frame.set_index("id").loc["J2359.9-3928"]
    assert (mcxc["ra"], mcxc["dec"], mcxc["redshift"]) == (359.982, -39.48, 0.1024)
    assert (planck["ra"], planck["redshift"]) == pytest.approx((307.9728436744915, 0.3416))
    if not rescaled:
        assert planck["m500c":].to_numpy(float) == pytest.approx([6.333562e14, 6.1132956e13, 5.8988e13], rel=1e-6)
        assert mcxc["m500c"] == pytest.approx(2.1579e14)
        assert np.isnan(mcxc["m500c_err_low"])
