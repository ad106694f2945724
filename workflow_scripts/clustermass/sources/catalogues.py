"""Bring a published catalogue into the workflow's contract: columns, units, redshifts, masses, rejected rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import astropy.cosmology.units as cu
import astropy.units as u
import numpy as np
import pandas as pd
from astropy.table import Table
from numpy.typing import NDArray

from clustermass import masses
from clustermass.config.base import Cosmology
from clustermass.config.catalogues import Catalogue, Layout
from clustermass.cosmology import flat
from clustermass.sources.tables import CatalogueError, EmptyCatalogueError

Floats = NDArray[np.float64]
_PLAUSIBLE_MASS = (1e11, 1e17)  # M500c [Msun]: from galaxy groups to well above any cluster
_MAX_REDSHIFT = 20.0  # as in the contracts: catalogues write 99 or 9999 for "none"
_UNIT_SPELLINGS = {"degrees": "deg", "degree": "deg", "Msol": "Msun", "Msolar": "Msun", "h": "littleh"}


@dataclass
class Standardised:
    """A catalogue in the workflow's contract.

    Attributes
    ----------
    frame : pandas.DataFrame
        Contract `CLUSTERS` or `LABEL_SOURCES`, by the kind of the catalogue.
    rejected : pandas.DataFrame
        Contract `REJECTED`: every row of the file that is not in `frame`, with the reason.
    notes : dict
        Counts of rows, the layout used, conversions made and their sources.
    """

    frame: pd.DataFrame
    rejected: pd.DataFrame
    notes: dict[str, Any]


@dataclass
class _Raw:
    """A table with the layout that fits it, and the rows that have been set aside so far."""

    table: Table
    layout: Layout
    path: str
    reasons: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def column(self, key: str) -> str | None:
        """Return the name of the column that the layout gives for a key."""
        text = getattr(self.layout, key)
        return None if text is None else split_column(text)[0]

    def numbers(self, key: str) -> Floats | None:
        """Return a column of the layout in the unit that the layout states, NaN where masked; None if not given."""
        text = getattr(self.layout, key)
        return None if text is None else self.read(*split_column(text))

    def read(self, name: str, unit: str = "") -> Floats:
        """Return a column of the file as numbers, in its own unit, which must be the stated one."""
        column = self.table[name]
        self._check_unit(name, unit)
        if column.ndim > 1:
            raise CatalogueError(
                f"{self.path}: column {name}: expected one number a row, got {column.shape[1:]} values"
            )
        if column.dtype.kind in "iufb":
            values = np.array(np.ma.getdata(column), dtype=np.float64)
            values[np.ma.getmaskarray(np.ma.asarray(column)) | ~np.isfinite(values)] = np.nan
            return values
        numbers = []
        for row, text in enumerate(_texts(column), 1):
            try:
                numbers.append(float(text or "nan"))
            except ValueError:
                wanted = f"a number in {unit}" if unit else "a number"
                raise CatalogueError(
                    f"{self.path}: column {name}, row {row}: expected {wanted}, got {text!r}"
                ) from None
        values = np.array(numbers, dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)

    def _check_unit(self, name: str, stated: str) -> None:
        said = str(self.table[name].unit or "")
        found, expected = parse_unit(said), parse_unit(stated)
        if stated and expected is None:
            raise CatalogueError(f"{self.path}: column {name}: expected a unit, the layout says {stated!r}")
        if found is None or expected is None:
            return
        if not (found.is_equivalent(expected) and np.isclose(found.to(expected), 1, rtol=1e-6)):
            raise CatalogueError(
                f"{self.path}: column {name}: expected unit {stated} (configuration), the file says {said}"
            )

    def reject(self, rows: NDArray[np.bool_], column: str, reason: str) -> None:
        """Set rows aside; the first reason of a row stays."""
        texts = _texts(self.table[column]) if rows.any() else []
        for row in np.flatnonzero(rows):
            self.reasons.setdefault(int(row), (column, texts[row], reason))


def split_column(text: str) -> tuple[str, str]:
    """Split `NAME [unit]` into name and unit; the unit is '' where none is given."""
    match = re.fullmatch(r"(.*?)\s*(?:\[([^\[\]]*)\])?", text)
    assert match  # every text matches
    return match[1], (match[2] or "").strip()


@cache
def parse_unit(text: str) -> u.UnitBase | None:
    """Return the unit that an archive spells in its own way, or None where it says nothing that can be understood."""
    text = text.strip()
    if text.lower() in ("", "none", "-", "---"):
        return None
    if text.lower() in ("h", "hr", "hour", "hours"):  # alone it is right ascension; in '1e14 Msun / h' it is H0
        return u.hourangle
    text = re.sub(r"[A-Za-z]+", lambda word: _UNIT_SPELLINGS.get(word[0], word[0]), text)
    text = re.sub(r"\b10(?:\^|\*\*)?([+-]\d+)|\b10(?:\^|\*\*)(\d+)", lambda n: f"1e{n[1] or n[2]} ", text)
    try:
        with u.add_enabled_units(cu):
            unit = u.Unit(text, format="generic")
    except (ValueError, TypeError, ArithmeticError):
        return None
    return unit if isinstance(unit, u.UnitBase) else None


def standardise(
    table: Table,
    stanza: Catalogue,
    path: str | Path,
    *,
    rescaled: bool = False,
    target: Cosmology | None = None,
) -> Standardised:
    """Bring a table into the contract of its kind.

    Rows that real catalogues do contain without being usable (no redshift, no mass, outside the cuts, a second time
    the same id) are set aside with the reason. What should not be in any catalogue (columns missing, positions off the
    sky, right ascension in hours, wrong units) is an error.

    Parameters
    ----------
    table : astropy.table.Table
        As `read_catalogue` returns it.
    stanza : Catalogue
        What the configuration says of it.
    path : str or Path
        For messages.
    rescaled : bool
        Whether masses are brought to the cosmology `target`; else they stay as published.
    target : Cosmology, optional
        Cosmology of the configuration; its baryons, sigma8 and ns also enter conversions of mass definitions.

    Raises
    ------
    CatalogueError
    """
    raw = _Raw(table, _choose_layout(table, stanza, path), str(path))
    ra, dec = _positions(raw)
    redshift, kind = _redshifts(raw)
    with_redshift = int(np.isfinite(redshift).sum())
    _apply_cuts(raw, stanza)
    ids = _identifiers(raw)
    redshift_column = next(c for k in _REDSHIFTS if (c := raw.column(k)) is not None)
    raw.reject(
        ~np.isfinite(redshift),
        redshift_column,
        f"no valid redshift: expected a number above 0, at most {_MAX_REDSHIFT:g}",
    )
    columns: dict[str, Any] = {"id": ids, "ra": ra, "dec": dec, "redshift": redshift, "redshift_kind": kind}
    notes: dict[str, Any] = {"layout": stanza.layouts.index(raw.layout) + 1}
    if stanza.kind == "clusters":
        columns |= _cluster_columns(raw, ids, kind)
    else:
        mass_columns, conversions = _mass_columns(raw, stanza, redshift, rescaled, target or Cosmology())
        columns |= mass_columns
        notes["conversions"] = conversions
    _reject_repeated(raw, ids)
    keep = np.ones(len(table), dtype=bool)
    keep[list(raw.reasons)] = False
    notes["rows"] = {"read": len(table), "with_redshift": with_redshift, "used": int(keep.sum())}
    rejected = _rejected(raw, ids)
    if not keep.any():
        reasons = rejected["reason"].value_counts()
        raise EmptyCatalogueError(
            f"{path}: no usable row among {len(table)}: {'; '.join(f'{n} x {r}' for r, n in reasons.items())}"
        )
    return Standardised(pd.DataFrame(columns)[keep].reset_index(drop=True), rejected, notes)


def _choose_layout(table: Table, stanza: Catalogue, path: str | Path) -> Layout:
    """Return the first layout whose columns all exist."""
    missing: list[list[str]] = []
    for layout in stanza.layouts:
        texts = [v for k, v in layout if isinstance(v, str)]
        lost = [name for name, _ in map(split_column, texts) if name not in table.colnames]
        if not lost:
            return layout
        missing.append(lost)
    fewest = min(missing, key=len)
    raise CatalogueError(
        f"{path}: expected the columns of one of the {len(stanza.layouts)} layouts of {stanza.title!r}; "
        f"the nearest lacks {', '.join(fewest)}; the file has {', '.join(table.colnames)}"
    )


def _texts(column: Any) -> list[str]:
    """Return the values of a column as stripped text, '' where masked."""
    masked = np.ma.getmaskarray(np.ma.asarray(column))
    values = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in np.ma.getdata(column).tolist()]
    return ["" if hidden else value.strip() for value, hidden in zip(values, masked, strict=True)]


def _identifiers(raw: _Raw) -> list[str]:
    name = raw.column("id")
    assert name is not None
    ids = _texts(raw.table[name])
    raw.reject(np.array([text == "" for text in ids]), name, "no id")
    return ids


def _reject_repeated(raw: _Raw, ids: list[str]) -> None:
    """Of usable rows of one id, keep the first."""
    usable = pd.Series(ids)[[row not in raw.reasons for row in range(len(ids))]]
    repeated = np.zeros(len(ids), dtype=bool)
    repeated[usable.index[usable.duplicated()]] = True
    raw.reject(repeated, split_column(raw.layout.id)[0], "id stands in an earlier row")


def _positions(raw: _Raw) -> tuple[Floats, Floats]:
    """Return right ascension and declination [deg], or say which row is off the sky."""
    (ra_name, ra_unit), (dec_name, dec_unit) = split_column(raw.layout.ra), split_column(raw.layout.dec)
    stated = parse_unit(ra_unit or "deg")
    for name, unit, allowed in ((ra_name, ra_unit, [u.deg, u.hourangle]), (dec_name, dec_unit, [u.deg])):
        if parse_unit(unit or "deg") not in allowed:
            raise CatalogueError(
                f"{raw.path}: column {name}: expected {' or '.join(map(str, allowed))}, the layout says {unit}"
            )
    found = parse_unit(str(raw.table[ra_name].unit or ""))
    if found == u.hourangle and stated != u.hourangle:
        raise CatalogueError(f"{raw.path}: column {ra_name}: expected right ascension in deg, the file says hours")
    ra, dec = raw.read(ra_name, ra_unit or "deg"), raw.read(dec_name, dec_unit or "deg")
    full = 24 if stated == u.hourangle else 360
    for name, values, low, high in ((ra_name, ra, 0, full), (dec_name, dec, -90, 90)):
        off = ~((values >= low) & (values <= high))
        if off.any():
            row = int(np.flatnonzero(off)[0])
            got = "no value" if np.isnan(values[row]) else f"{values[row]:g}"
            raise CatalogueError(f"{raw.path}: column {name}, row {row + 1}: expected {low} to {high}, got {got}")
    # Hours fill 0 to 24; a patch of the sky in degrees rarely does, and then it can be said.
    small = len(ra) >= 10 and ra.max() <= 24 and np.ptp(ra) > 12 and np.ptp(dec) > 20
    if stated != u.hourangle and small and not raw.layout.ra_below_24:
        raise CatalogueError(
            f"{raw.path}: column {ra_name}: expected right ascension in deg, "
            f"all {len(ra)} rows are below {ra.max():g}, which looks like hours: "
            f"state '{ra_name} [hourangle]' in the layout, or 'ra_below_24: true' if they are degrees"
        )
    return ra * (360 / full) % 360, dec


_REDSHIFTS = {
    "spectroscopic_redshift": "spectroscopic",
    "redshift": "unstated",
    "photometric_redshift": "photometric",
}


def _redshifts(raw: _Raw) -> tuple[Floats, NDArray[np.str_]]:
    """Return the redshift of every row, NaN where none is valid, and its kind; spectroscopic before photometric."""
    redshift = np.full(len(raw.table), np.nan)
    kind = np.full(len(raw.table), "unstated", dtype="U13")
    for key, name in _REDSHIFTS.items():
        values = raw.numbers(key)
        if values is not None:
            use = np.isnan(redshift) & (values > 0) & (values <= _MAX_REDSHIFT)
            redshift[use], kind[use] = values[use], name
    if raw.layout.redshift_kind is not None:
        flags = np.array(_texts(raw.table[split_column(raw.layout.redshift_kind)[0]]))
        kind[np.isin(flags, raw.layout.spectroscopic_flags) & (kind == "unstated")] = "spectroscopic"
        kind[np.isin(flags, raw.layout.photometric_flags) & (kind == "unstated")] = "photometric"
    return redshift, kind


def _apply_cuts(raw: _Raw, stanza: Catalogue) -> None:
    """Set rows outside the configured cuts aside as not selected."""
    for key, cut in stanza.cuts.items():
        text = getattr(raw.layout, key, None)
        name = split_column(text)[0] if isinstance(text, str) else key
        if name not in raw.table.colnames:
            raise CatalogueError(
                f"{raw.path}: cut on {key}: no such column; the file has {', '.join(raw.table.colnames)}"
            )
        values = raw.read(name)
        limits = [f"{sign} {limit:g}" for sign, limit in ((">", cut.above), ("<", cut.below)) if limit is not None]
        with np.errstate(invalid="ignore"):
            inside = np.isfinite(values)
            inside &= values > (-np.inf if cut.above is None else cut.above)
            inside &= values < (np.inf if cut.below is None else cut.below)
        raw.reject(~inside, name, f"not selected: expected {' and '.join(limits) or 'a number'}")


def _errors(raw: _Raw, key: str) -> Floats:
    """Return 1 sigma errors, NaN where the catalogue has none or a negative one."""
    values = raw.numbers(key)
    return np.full(len(raw.table), np.nan) if values is None else np.where(values >= 0, values, np.nan)


def _cluster_columns(raw: _Raw, ids: list[str], kind: NDArray[np.str_]) -> dict[str, Any]:
    """Return the columns of the contract `CLUSTERS` beyond position and redshift."""
    name, richness = raw.column("richness"), raw.numbers("richness")
    assert name is not None and richness is not None  # noqa: PT018  (checked by the configuration)
    raw.reject(~(richness > 0), name, "no richness: expected a number above 0")
    group = raw.column("group")
    return {
        "redshift_err": np.where(kind == "spectroscopic", np.nan, _errors(raw, "redshift_err")),
        "richness": richness,
        "richness_err": _errors(raw, "richness_err"),
        "group": ids
        if group is None
        else [text or own for text, own in zip(_texts(raw.table[group]), ids, strict=True)],
    }


@np.errstate(over="ignore", invalid="ignore")  # absurd numbers are set aside as implausible masses
def _mass_columns(
    raw: _Raw, stanza: Catalogue, redshift: Floats, rescaled: bool, target: Cosmology
) -> tuple[dict[str, Floats], list[str]]:
    """Return M500c [Msun] with its errors, and a sentence for every conversion made."""
    key, wanted = {
        "mass": ("mass", u.Msun),
        "radius": ("radius", u.Mpc),
        "luminosity_mantz10": ("luminosity", 1e44 * u.erg / u.s),
    }[stanza.mass_from]
    name, value = raw.column(key), raw.numbers(key)
    assert name is not None and value is not None  # noqa: PT018  (checked by the configuration)
    published = flat(stanza.cosmology)
    unit = _unit(raw, key)
    value = value * _factor(raw, key, unit, wanted, published.H0)
    low, up = (
        _errors(raw, side) * _factor(raw, side, _unit(raw, side) or unit, wanted, published.H0)
        for side in ("err_low", "err_up")
    )
    up = np.where(np.isfinite(up), up, low)
    z = np.where(np.isfinite(redshift), redshift, 0.1)  # rows without redshift are set aside: any value does

    def convert(x: Floats) -> Floats:
        return _to_m500c(np.where(x > 0, x, np.nan), z, stanza, target)[0]

    m500c, conversions = _to_m500c(np.where(value > 0, value, np.nan), z, stanza, target)
    columns = {
        "m500c": m500c,
        "m500c_err_low": np.maximum(m500c - convert(value - low), 0),  # not below 0 by rounding
        "m500c_err_up": np.maximum(convert(value + up) - m500c, 0),
    }
    raw.reject(~(value > 0), name, "no mass: expected a number above 0")
    if rescaled and stanza.observable != "none":
        factor, sentence = masses.rescaling(stanza.observable, stanza.luminosity_mass.slope)
        scale = factor(z, published, flat(target))
        columns = {key: values * scale for key, values in columns.items()}
        conversions.append(f"rescaled from H0={published.H0.value:g}, Om0={published.Om0:g}: {sentence}")
    elif rescaled:
        conversions.append("not rescaled: observable none has no formula; mass as published")
    _check_plausible(raw, name, unit, columns["m500c"])
    for side in ("m500c_err_low", "m500c_err_up"):
        columns[side] = np.where(np.isfinite(columns[side]), columns[side], np.nan)
    return columns, conversions


def _to_m500c(value: Floats, z: Floats, stanza: Catalogue, target: Cosmology) -> tuple[Floats, list[str]]:
    """Return M500c [Msun] of a mass [Msun], radius [Mpc] or luminosity [1e44 erg/s], and what was done."""
    published = flat(stanza.cosmology)
    at = f"H0={published.H0.value:g}, Om0={published.Om0:g}"
    if stanza.mass_from == "radius":
        return masses.m500c_from_r500(value, z, published), [f"M500c from R500c by its definition, {at}"]
    if stanza.mass_from == "luminosity_mantz10":
        relation, h70 = stanza.luminosity_mass, published.h / 0.7
        m500c = masses.m500c_luminosity_mantz10(value * h70**2, z, published, relation.norm, relation.slope) / h70
        return m500c, [
            f"M500c from L500 by Mantz et al. (2010b), norm {relation.norm:g}, slope {relation.slope:g}, {at}"
        ]
    if stanza.mass_definition == "500c":
        return value, [f"M500c as published, {at}"]
    low, high = _PLAUSIBLE_MASS
    halo = (value >= low) & (value <= 10 * high)  # others are no halos, and stay implausible as they are
    m500c = value.copy()
    m500c[halo] = masses.to_m500c(value[halo], z[halo], stanza.mass_definition, published, target)
    return m500c, [f"M500c from M{stanza.mass_definition}, NFW with the concentration of Diemer & Joyce (2019), {at}"]


def _unit(raw: _Raw, key: str) -> str:
    """Return the unit of a column of the layout: as the layout states it, else as the file does; '' where neither."""
    text = getattr(raw.layout, key)
    name, stated = split_column(text or "")
    said = str(raw.table[name].unit or "") if text else ""
    return stated or (said if parse_unit(said) else "")


def _factor(raw: _Raw, key: str, unit: str, wanted: u.UnitBase, hubble: u.Quantity) -> float:
    """Return the number of `wanted` in one `unit`; 'littleh' in the unit is that of the published cosmology."""
    try:
        return float((1.0 * (parse_unit(unit) or u.one)).to_value(wanted, cu.with_H0(hubble)))
    except u.UnitConversionError:
        raise CatalogueError(
            f"{raw.path}: column {raw.column(key)}: expected a unit like {u.Unit(wanted)} in the layout, "
            f"got {repr(unit) if unit else 'none'}"
        ) from None


def _check_plausible(raw: _Raw, name: str, unit: str, m500c: Floats) -> None:
    """Raise where most masses cannot be those of clusters (a unit is wrong); set single rows aside."""
    low, high = _PLAUSIBLE_MASS
    wild = ~np.isnan(m500c) & ~((m500c >= low) & (m500c <= high))
    if wild.sum() > 0.5 * (~np.isnan(m500c)).sum():
        row = int(np.flatnonzero(wild)[0])
        raise CatalogueError(
            f"{raw.path}: column {name} [{unit or 'no unit'}], row {row + 1}: "
            f"expected M500c between {low:g} and {high:g} Msun, got {m500c[row]:.3g} Msun, as in most rows: "
            f"is the unit in the layout right?"
        )
    raw.reject(wild, name, f"implausible mass: expected M500c between {low:g} and {high:g} Msun")


def _rejected(raw: _Raw, ids: list[str]) -> pd.DataFrame:
    """Return the rows set aside, in the order of the file."""
    rows = [(row + 1, ids[row], *raw.reasons[row]) for row in sorted(raw.reasons)]
    frame = pd.DataFrame(rows, columns=["row", "id", "column", "value", "reason"])
    return frame.astype({"row": "int64", "id": str, "column": str, "value": str, "reason": str})
