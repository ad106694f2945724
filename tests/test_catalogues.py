"""Published catalogues in the workflow's contract: what is used, what is set aside, what is refused, and why."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clustermass import contracts, masses
from clustermass.config.base import Cosmology
from clustermass.config.catalogues import Catalogue, Cut, Layout
from clustermass.cosmology import flat
from clustermass.sources.catalogues import Standardised, standardise
from clustermass.sources.tables import CatalogueError

TARGET = Cosmology()
PUBLISHED = Cosmology(H0=70, Om0=0.3)
MASS = {"mass": "M [1e14 Msun]", "err_low": "LO [1e14 Msun]", "err_up": "UP [1e14 Msun]"}
RADIUS = {"radius": "M [Mpc]", "err_low": "LO [Mpc]", "err_up": "UP [Mpc]"}
LUMINOSITY = {"luminosity": "M [1e44 erg / s]", "err_low": "LO [1e44 erg / s]", "err_up": "UP [1e44 erg / s]"}
RICHNESS = {"richness": "M", "richness_err": "LO", "group": "HALO"}


def layout(**columns: Any) -> Layout:
    return Layout(**{"id": "ID", "ra": "RA [deg]", "dec": "DEC [deg]", "redshift": "Z", **columns})


def stanza(columns: dict[str, str] = MASS, **settings: Any) -> Catalogue:
    return Catalogue(**{"title": "T", "layouts": [layout(**columns)], **settings})


def rows(n: int = 3, **columns: Any) -> Table:
    """Return a good table, with the columns given in place of its own; None: without the column."""
    good = {
        "ID": [f"C{i}" for i in range(n)],
        "RA": np.linspace(10.0, 350, n),
        "DEC": np.linspace(-80.0, 80, n),
        "Z": np.full(n, 0.2),
        "M": np.full(n, 5.0),
        "LO": np.full(n, 0.5),
        "UP": np.full(n, 1.0),
        "SNR": np.full(n, 6.0),
        "HALO": [f"H{i}" for i in range(n)],
    }
    return Table({name: values for name, values in {**good, **columns}.items() if values is not None})


def read(table: Table, catalogue: Catalogue | None = None, **settings: Any) -> Standardised:
    result = standardise(table, catalogue or stanza(), "file.fits", target=TARGET, **settings)
    kind = contracts.CLUSTERS if catalogue and catalogue.kind == "clusters" else contracts.LABEL_SOURCES
    kind.validate(result.frame, "frame")
    contracts.REJECTED.validate(result.rejected, "rejected")
    return result


def with_unit(column: str, unit: str) -> Table:
    table = rows()
    table[column].unit = u.Unit(unit, parse_strict="silent")
    return table


# ------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("table", "catalogue", "said"),
    [
        (rows(M=None), stanza(), "layouts of 'T'; the nearest lacks M; the file has ID, RA, DEC, Z"),
        (
            rows(Z=None),
            stanza(layouts=[layout(**MASS, group="G"), layout(**MASS)]),
            "columns of one of the 2 layouts of 'T'; the nearest lacks Z; the file",
        ),
        (with_unit("RA", "arcmin"), None, "column RA: expected unit deg (configuration), the file says arcmin"),
        (with_unit("DEC", "rad"), stanza(layouts=[layout(**MASS, dec="DEC")]), "column DEC: expected unit deg"),
        (with_unit("M", "Msun"), None, "column M: expected unit 1e14 Msun (configuration), the file says"),
        (with_unit("M", "10^14 Msun/h"), None, "column M: expected unit 1e14 Msun (configuration), the file says"),
        (with_unit("LO", "Msun"), None, "column LO: expected unit 1e14 Msun (configuration), the file says"),
        (with_unit("RA", "h"), None, "column RA: expected right ascension in deg, the file says hours"),
        (with_unit("RA", "hours"), None, "column RA: expected right ascension in deg, the file says hours"),
        (with_unit("RA", "deg"), stanza(layouts=[layout(**MASS, ra="RA [hourangle]")]), "expected unit hourangle"),
        (rows(), stanza(layouts=[layout(**MASS, ra="RA [rad]")]), "RA: expected deg or hourangle, the layout says rad"),
        (rows(), stanza(layouts=[layout(**MASS, dec="DEC [arcsec]")]), "DEC: expected deg, the layout says arcsec"),
        (
            rows(12, RA=np.linspace(0, 23.9, 12), DEC=np.linspace(-65, -40, 12)),
            None,
            "looks like hours: state 'RA [hourangle]' in the layout",
        ),
        (rows(RA=[1.0, 2, 360.5]), None, "column RA, row 3: expected 0 to 360, got 360.5"),
        (rows(RA=[1.0, -0.5, 3]), None, "column RA, row 2: expected 0 to 360, got -0.5"),
        (rows(RA=[1, np.inf, 3]), None, "column RA, row 2: expected 0 to 360, got no value"),
        (rows(RA=MaskedColumn([1.0, 2, 3], mask=[0, 0, 1])), None, "column RA, row 3: expected 0 to 360, got no value"),
        (rows(RA=[1.0, 25, 3]), stanza(layouts=[layout(**MASS, ra="RA [hourangle]")]), "expected 0 to 24, got 25"),
        (rows(DEC=[1.0, 2, -91]), None, "column DEC, row 3: expected -90 to 90, got -91"),
        (rows(DEC=[np.nan, 2, 3]), None, "column DEC, row 1: expected -90 to 90, got no value"),
        (rows(RA=["12:00:00", "1", "2"]), None, "column RA, row 1: expected a number in deg, got '12:00:00'"),
        (rows(M=["5", "", "five"]), None, "column M, row 3: expected a number in 1e14 Msun, got 'five'"),
        (
            rows(Z=MaskedColumn(["0.1", "x", "z?"], mask=[0, 1, 0])),
            None,
            "column Z, row 3: expected a number, got 'z?'",
        ),
        (rows(Z=np.ones((3, 2))), None, "column Z: expected one number a row, got (2,) values"),
        (rows(Z=[-1, np.nan, 0.0]), None, "no usable row among 3: 3 x no valid redshift: expected a number above 0"),
        (rows(Z=[0.1, 0, 0], M=[0, 5.0, 5]), None, "no usable row among 3: 2 x no valid redshift"),
        (
            rows(),
            stanza({"mass": "M [Msun]"}),
            "column M [Msun], row 1: expected M500c between 1e+11 and 1e+17 Msun, got 5 ",
        ),
        (rows(M=[5e14] * 3), stanza(), "got 5e+28 Msun, as in most rows: is the unit in the layout right?"),
        (rows(M=[5e14] * 3), stanza(mass_definition="200m"), "got 5e+28 Msun, as in most rows"),
        (rows(M=[1000.0] * 3), stanza({"radius": "M [Mpc]"}, mass_from="radius"), "Msun, as in most rows"),
        (rows(), stanza({"mass": "M"}), "column M: expected a unit like solMass in the layout, got none"),
        (rows(), stanza({"mass": "M [kpc]"}), "column M: expected a unit like solMass in the layout, got 'kpc'"),
        (rows(), stanza({"mass": "M [blob]"}), "column M: expected a unit, the layout says 'blob'"),
        (
            rows(),
            stanza({**MASS, "err_low": "LO [s]"}),
            "column LO: expected a unit like solMass in the layout, got 's'",
        ),
        (rows(), stanza(cuts={"S2N": Cut(above=1)}), "cut on S2N: no such column; the file has ID, RA,"),
        (rows(), stanza(cuts={"richness": Cut(above=1)}), "cut on richness: no such column"),
        (rows(), stanza(cuts={"HALO": Cut(above=1)}), "column HALO, row 1: expected a number, got 'H0'"),
    ],
)
def test_what_should_be_in_no_catalogue(table: Table, catalogue: Catalogue | None, said: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        read(table, catalogue)
    assert str(caught.value).startswith("file.fits: ")
    assert said in str(caught.value)


# ------------------------------------------------------------------------------------ set aside


@pytest.mark.parametrize(
    ("columns", "column", "value", "reason"),
    [
        ({"Z": [0.1, np.nan, 0.3]}, "Z", "nan", "no valid redshift: expected a number above 0, at most 20"),
        ({"Z": [0.1, -1.0, 0.3]}, "Z", "-1.0", "no valid redshift"),
        ({"Z": [1, 0, 2]}, "Z", "0", "no valid redshift"),
        ({"Z": [0.1, 9999, 0.3]}, "Z", "9999.0", "no valid redshift"),
        ({"Z": MaskedColumn([0.1, 0.2, 0.3], mask=[0, 1, 0])}, "Z", "", "no valid redshift"),
        ({"M": MaskedColumn([5.0, 5, 5], mask=[0, 1, 0])}, "M", "", "no mass: expected a number above 0"),
        ({"M": ["5", "", "7"]}, "M", "", "no mass: expected a number above 0"),
        ({"M": [5, 0, 7]}, "M", "0", "no mass"),
        ({"M": [5.0, -5, 7]}, "M", "-5.0", "no mass"),
        ({"M": [5.0, 1e-5, 7]}, "M", "1e-05", "implausible mass: expected M500c between 1e+11 and 1e+17 Msun"),
        ({"M": [5.0, 1e300, 7]}, "M", "1e+300", "implausible mass"),
        ({"ID": ["A", " A ", "B"]}, "ID", "A", "id stands in an earlier row"),
        ({"ID": ["A", "  ", "B"]}, "ID", "", "no id"),
        ({"ID": MaskedColumn([7, 8, 9], mask=[0, 1, 0])}, "ID", "", "no id"),
        ({"SNR": [2.0, 1.0, 3.0]}, "SNR", "1.0", "not selected: expected > 1 and < 9"),
        ({"SNR": [2.0, 9.0, 3.0], "Z": [0.1, -1, 0.3]}, "SNR", "9.0", "not selected"),
        ({"SNR": [2.0, np.nan, 3.0]}, "SNR", "nan", "not selected"),
    ],
)
def test_row_that_cannot_be_used(columns: dict[str, Any], column: str, value: str, reason: str) -> None:
    result = read(rows(**columns), stanza(cuts={"SNR": Cut(above=1, below=9)}))
    (row,) = result.rejected.to_dict("records")
    assert (row["row"], row["column"], row["value"]) == (2, column, value)
    assert row["reason"].startswith(reason)
    assert len(result.frame) == 2
    assert result.notes["rows"]["used"] == 2


def test_cluster_without_richness_or_group() -> None:
    clusters = stanza(RICHNESS, kind="clusters", cuts={"richness": Cut(above=-5)})
    table = rows(4, M=[30.0, 0, -1, 50], LO=[3.0, 1, 1, -1], HALO=MaskedColumn(["H", "", "", "X"], mask=[0, 1, 0, 1]))
    result = read(table, clusters)
    assert result.rejected["reason"].tolist() == ["no richness: expected a number above 0"] * 2
    assert result.frame["richness"].tolist() == [30, 50]
    assert result.frame["richness_err"].fillna(-7).tolist() == [3, -7]
    assert result.frame["group"].tolist() == ["H", "C3"]  # a cluster without group is one of its own


FAULTS = [0.0, -1.0, 99.0, np.nan, np.inf, 1e-9, 1e200, None]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C ", "D", "E", "F", "", None]),
        st.sampled_from([0.2, 0.4, 0.6, *FAULTS]),
        *[st.sampled_from([5.0, 4.0, 3.0, 2.0, *FAULTS])] * 4,
    ),
    min_size=1,
    max_size=9,
)
SORTS = {
    "mass": (stanza(cuts={"SNR": Cut(above=1)}, observable="sz"), 1e-3, 1e3),
    "200m": (stanza(cuts={"SNR": Cut(above=1)}, mass_definition="200m"), 1e-2, 1e3),
    "radius": (stanza(RADIUS, mass_from="radius", cuts={"SNR": Cut(above=1)}, observable="temperature"), 0.1, 6),
    "luminosity": (stanza(LUMINOSITY, mass_from="luminosity_mantz10", cuts={"SNR": Cut(above=1)}), 1e-3, 1e3),
    "clusters": (stanza(RICHNESS, kind="clusters", cuts={"SNR": Cut(above=1)}), 1e-12, np.inf),
}


@settings(
    derandomize=True, deadline=None, max_examples=20, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@pytest.mark.parametrize("sort", SORTS)
@given(lines=ROWS, rescaled=st.booleans())
def test_nothing_is_lost(sort: str, lines: list[tuple[Any, ...]], rescaled: bool) -> None:
    catalogue, low, high = SORTS[sort]
    columns = dict(zip(["ID", "Z", "M", "LO", "UP", "SNR"], zip(*lines, strict=True), strict=True))
    table = rows(len(lines))
    for name, values in columns.items():
        filled = [("" if name == "ID" else 0.0) if value is None else value for value in values]
        table[name] = MaskedColumn(filled, mask=[value is None for value in values])
    ids = [(text or "").strip() for text in columns["ID"]]

    def number(name: str, row: int) -> float:
        value = columns[name][row]
        return float(value) if value is not None and np.isfinite(value) else np.nan

    usable = [
        i
        for i in range(len(lines))
        if number("SNR", i) > 1 and ids[i] and 0 < number("Z", i) <= 20 and low < number("M", i) < high
    ]
    good = [i for i in usable if ids[i] not in [ids[j] for j in usable if j < i]]
    values = [number("M", i) for i in range(len(lines)) if number("M", i) > 0]
    if not good or sum(not low < value < high for value in values) > len(values) / 2:
        with pytest.raises(CatalogueError, match=r"no usable row among|as in most rows"):
            read(table, catalogue, rescaled=rescaled)
        return
    result = read(table, catalogue, rescaled=rescaled)
    assert result.frame["id"].tolist() == [ids[i] for i in good]
    assert result.frame["redshift"].tolist() == [number("Z", i) for i in good]
    others = [i for i in range(len(lines)) if i not in good]
    assert result.rejected["row"].tolist() == [i + 1 for i in others]
    assert result.rejected["id"].tolist() == [ids[i] for i in others]
    assert result.notes["rows"]["read"] == len(result.frame) + len(result.rejected) == len(lines)


# ------------------------------------------------------------------------------------ redshifts


def test_spectroscopic_before_unstated_before_photometric_in_each_row() -> None:
    table = rows(5, ZS=[0.1, -1, np.nan, 0, 99], Z=[0.2, 0.3, np.nan, 0.4, -1], ZP=[0.5, 0.6, 0.7, 0.8, -1])
    columns = {**RICHNESS, "spectroscopic_redshift": "ZS", "photometric_redshift": "ZP", "redshift_err": "LO"}
    result = read(table, stanza(columns, kind="clusters"))
    assert result.frame["redshift"].tolist() == [0.1, 0.3, 0.7, 0.4]
    assert result.frame["redshift_kind"].tolist() == ["spectroscopic", "unstated", "photometric", "unstated"]
    assert result.frame["redshift_err"].fillna(-7).tolist() == [-7, 0.5, 0.5, 0.5]  # it is the photometric one
    assert result.rejected[["row", "column", "value"]].to_numpy().tolist() == [[5, "ZS", "99.0"]]
    assert result.notes["rows"] == {"read": 5, "with_redshift": 4, "used": 4}


def test_flags_of_the_redshift() -> None:
    flags = {"redshift_kind": "F", "spectroscopic_flags": ["s", "1"], "photometric_flags": ["p"]}
    catalogue = stanza(layouts=[layout(**RICHNESS, **flags, redshift_err="LO")], kind="clusters")
    result = read(rows(4, F=["s ", "p", "1", ""]), catalogue)
    assert result.frame["redshift_kind"].tolist() == ["spectroscopic", "photometric", "spectroscopic", "unstated"]
    assert result.frame["redshift_err"].isna().tolist() == [True, False, True, False]


# ------------------------------------------------------------------------------------ units


@pytest.mark.parametrize(
    ("columns", "settings", "expected"),
    [
        (MASS, {}, (5e14, 0.5e14, 1e14)),
        ({"mass": "M [1e14 Msun / littleh]"}, {"cosmology": {"H0": 50}}, (1e15, None, None)),
        ({"mass": "M [1e14 Msun / h]", "err_low": "LO"}, {"cosmology": {"H0": 50}}, (1e15, 1e14, 1e14)),
        ({"mass": "M [10^14 Msol]", "err_low": "LO [1e13 Msun]"}, {}, (5e14, 0.5e13, 0.5e13)),
        ({"mass": "M [1e14 Msun]", "err_up": "UP"}, {}, (5e14, None, 1e14)),
    ],
)
def test_units_of_masses(columns: dict[str, str], settings: dict[str, Any], expected: tuple[float | None, ...]) -> None:
    frame = read(rows(), stanza(columns, **settings)).frame
    for name, value in zip(["m500c", "m500c_err_low", "m500c_err_up"], expected, strict=True):
        assert frame[name].tolist() == pytest.approx([np.nan if value is None else value] * 3, nan_ok=True)


def test_unit_of_the_file_where_the_layout_states_none() -> None:
    assert read(with_unit("M", "10+14Msun"), stanza({"mass": "M"})).frame["m500c"].tolist() == pytest.approx([5e14] * 3)


def test_right_ascension_in_hours_that_the_layout_states() -> None:
    table = rows(RA=[0.0, 12.5, 24.0])
    for unit in (None, "h"):
        table["RA"].unit = unit
        result = read(table, stanza(layouts=[layout(**MASS, ra="RA [hourangle]")]))
        assert result.frame["ra"].tolist() == [0, 187.5, 0]


# ------------------------------------------------------------------------------------ masses and errors


def test_errors_through_the_radius() -> None:
    # M ~ R^3: R = 0.9 -0.1 +0.2 gives M (1 - (8/9)^3) and M ((11/9)^3 - 1)
    table = rows(M=[900.0] * 3, LO=[100.0, 900, -1], UP=[200.0, np.nan, 100])
    columns = {key: text.replace("Mpc", "kpc") for key, text in RADIUS.items()}
    frame = read(table, stanza(columns, mass_from="radius")).frame
    mass = masses.m500c_from_r500(np.array([0.9]), np.array([0.2]), flat(PUBLISHED))[0]
    assert frame["m500c"].tolist() == pytest.approx([mass] * 3)
    low, up = 1 - (8 / 9) ** 3, (11 / 9) ** 3 - 1
    assert frame["m500c_err_low"].tolist() == pytest.approx([mass * low, np.nan, np.nan], nan_ok=True)
    assert frame["m500c_err_up"].tolist() == pytest.approx([mass * up, mass * 7, mass * ((10 / 9) ** 3 - 1)])


@pytest.mark.parametrize("hubble", [70, 50])
def test_errors_through_the_luminosity_relation(hubble: int) -> None:
    # log10(L h70^2 / E) = 0.82 + 1.29 log10(E M h70 / 1e15): M ~ L^(1/1.29)
    relation = {"norm": 0.82, "slope": 1.29}
    catalogue = stanza(LUMINOSITY, mass_from="luminosity_mantz10", luminosity_mass=relation, cosmology={"H0": hubble})
    frame = read(rows(), catalogue).frame
    e, h70 = np.sqrt(0.3 * 1.2**3 + 0.7), hubble / 70
    mass = 1e15 / (e * h70) * 10 ** ((np.log10(5 * h70**2 / e) - 0.82) / 1.29)
    assert frame["m500c"].tolist() == pytest.approx([mass] * 3)
    assert frame["m500c_err_low"].tolist() == pytest.approx([mass * (1 - 0.9 ** (1 / 1.29))] * 3)
    assert frame["m500c_err_up"].tolist() == pytest.approx([mass * (1.2 ** (1 / 1.29) - 1)] * 3)


def test_rescaled_masses_and_what_is_noted() -> None:
    table = rows(Z=[0.1, 0.5, -1])
    published = read(table, stanza(observable="sz"))
    assert published.notes["conversions"] == ["M500c as published, H0=70, Om0=0.3"]
    result = read(table, stanza(observable="sz"), rescaled=True)
    factor = masses.rescale_sz(np.array([0.1, 0.5]), flat(PUBLISHED), flat(TARGET))
    for name in ("m500c", "m500c_err_low", "m500c_err_up"):
        assert result.frame[name].to_numpy() == pytest.approx(published.frame[name].to_numpy() * factor)
    assert result.notes["conversions"][1].startswith("rescaled from H0=70, Om0=0.3: Y500 at fixed angular size")
    plain = read(table, stanza(), rescaled=True)
    assert plain.frame["m500c"].tolist() == pytest.approx([5e14] * 2)
    assert plain.notes["conversions"][1] == "not rescaled: observable none has no formula; mass as published"
