"""Galaxies around one cluster, from a file of anyone's making."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from astropy import units as u
from astropy.table import Table
from numpy.typing import NDArray

from clustermass.config.observed import Observed
from clustermass.observed.contracts import REDSHIFTS
from clustermass.observed.redshifts import usable_redshifts
from clustermass.sources.catalogues import parse_unit, split_column
from clustermass.sources.lightcone_geometry import SPEED_OF_LIGHT
from clustermass.sources.tables import CatalogueError, read_catalogue

Floats = NDArray[np.float64]

NAMES = {
    "ra": ("ra", "raj2000", "_raj2000", "ra_deg", "ra_icrs", "right_ascension", "alpha"),
    "dec": ("dec", "de", "decl", "dej2000", "_dej2000", "decj2000", "dec_deg", "de_icrs", "declination", "delta"),
    "redshift": ("z", "redshift", "zspec", "z_spec", "zhelio", "z_helio", "zsp", "cz", "czhelio", "v_helio", "hrv"),
}
"""Names of columns that are understood, small or capital; others are named by the user."""
_VELOCITIES = ("cz", "czhelio", "v_helio", "hrv")
_LARGEST_REDSHIFT = 2.0


@dataclass(frozen=True)
class Galaxies:
    """Usable galaxies around one cluster.

    Attributes
    ----------
    table : pandas.DataFrame
        Contract `REDSHIFTS`; ra and dec are NaN where the file has none.
    rejected : pandas.DataFrame
        Contract `REJECTED`.
    placed : bool
        Whether places on the sky are known.
    """

    table: pd.DataFrame
    rejected: pd.DataFrame
    placed: bool


def read_members(path: str | Path, named: dict[str, str], settings: Observed) -> Galaxies:
    """Return the galaxies of a file (CSV, FITS or VOTable) that can be used.

    Parameters
    ----------
    path : path
    named : dict of str
        `NAME` or `NAME [unit]` of the columns ra, dec and redshift, as far as they are not among `NAMES`. Without a
        unit here, that of the file counts; without either, degrees and redshifts.
    settings : Observed
        What is a star, and how near two redshifts are of one galaxy.

    Raises
    ------
    CatalogueError
        The file cannot be read, a column is missing, its unit is not understood, or its values are in another one.
    """
    return usable_members(read_catalogue(path), named, settings, path)


def usable_members(table: Table, named: dict[str, str], settings: Observed, path: str | Path) -> Galaxies:
    """Return the galaxies of a table that was read, see `read_members`; `path` is for messages.

    Raises
    ------
    CatalogueError
        As `read_members`.
    """
    found = {key: _find(table, key, named.get(key), path) for key in NAMES}
    if found["redshift"] is None:
        raise CatalogueError(
            f"{path}: expected a column of redshifts, named {', '.join(NAMES['redshift'])} or by --redshift NAME; got "
            f"{', '.join(table.colnames)}"
        )
    if (found["ra"] is None) != (found["dec"] is None):
        present, absent = ("ra", "dec") if found["dec"] is None else ("dec", "ra")
        raise CatalogueError(
            f"{path}: expected right ascension and declination or neither, got {present} without {absent}; name it by "
            f"--{absent} NAME. Columns: {', '.join(table.colnames)}"
        )
    placed = found["ra"] is not None
    columns = {"redshift": _redshifts(table, found["redshift"], path)}
    columns |= {key: _degrees(table, column, key, path) for key in ("ra", "dec") if (column := found[key]) is not None}
    frame = pd.DataFrame(columns).reindex(columns=REDSHIFTS.names)
    frame = frame.assign(id=[f"{row}" for row in range(1, len(frame) + 1)])
    frame = frame.astype({name: float for name in REDSHIFTS.names if name != "id"})
    apart = frame if placed else frame.assign(ra=np.linspace(0, 350, len(frame)), dec=0.0)  # none is another's double
    usable, rejected = usable_redshifts(apart, settings)
    if usable.empty:
        reasons = rejected["reason"].value_counts()
        raise CatalogueError(
            f"{path}: no galaxy can be used: {'; '.join(f'{n} x {reason}' for reason, n in reasons.items())}"
        )
    return Galaxies(usable if placed else usable.assign(ra=np.nan, dec=np.nan), rejected, placed)


def _find(table: Table, key: str, named: str | None, path: str | Path) -> tuple[str, str] | None:
    """Return name and stated unit of a column, None where the file has none.

    Raises
    ------
    CatalogueError
        One was named that is not there, or several could be meant.
    """
    if named is not None:
        name, unit = split_column(named)
        if name not in table.colnames:
            raise CatalogueError(f"{path}: expected a column {name!r} (--{key}), got {', '.join(table.colnames)}")
        return name, unit
    meant = [name for known in NAMES[key] for name in table.colnames if name.lower() == known]
    if len(meant) > 1 and key == "redshift":
        raise CatalogueError(
            f"{path}: expected one column of redshifts, got {', '.join(meant)}: say which, --{key} NAME"
        )
    return (meant[0], "") if meant else None


def _unit(table: Table, column: tuple[str, str], path: str | Path) -> u.UnitBase | None:
    """Return the unit of a column, as stated by the user or by the file; None where neither says.

    Raises
    ------
    CatalogueError
        It is no unit.
    """
    name, stated = column
    text = stated or str(table[name].unit or "")
    unit = parse_unit(text)
    if text and unit is None:
        raise CatalogueError(f"{path}: column {name}: unit {text!r} is not understood")
    return unit


def _values(table: Table, name: str, path: str | Path) -> Floats:
    """Return a column as numbers, NaN where one is missing.

    Raises
    ------
    CatalogueError
        It holds texts.
    """
    column = np.ma.asarray(table[name])
    if column.dtype.kind not in "iuf":
        raise CatalogueError(f"{path}: column {name}: expected numbers, got texts such as {str(column[0])!r}")
    values = np.array(np.ma.getdata(column), dtype=np.float64)
    values[np.ma.getmaskarray(column)] = np.nan
    return values


def _degrees(table: Table, column: tuple[str, str], key: str, path: str | Path) -> Floats:
    """Return an angle in degrees.

    Raises
    ------
    CatalogueError
        Its unit is no angle, or its values are no degrees.
    """
    unit = _unit(table, column, path) or u.deg
    if not unit.is_equivalent(u.deg):
        raise CatalogueError(f"{path}: column {column[0]}: expected an angle, got the unit {unit}")
    values = _values(table, column[0], path) * float(unit.to(u.deg))
    low, high = (0, 360) if key == "ra" else (-90, 90)
    if key == "ra":
        values = np.where((values < 0) & (values >= -180), values + 360, values)
    good = np.isfinite(values)
    if good.any() and not ((values[good] >= low) & (values[good] <= high)).any():
        raise CatalogueError(f"{path}: column {column[0]}: expected {low} to {high} deg, got {np.nanmedian(values):g}")
    return np.asarray(values)


def _redshifts(table: Table, column: tuple[str, str], path: str | Path) -> Floats:
    """Return redshifts; c z where the unit is a velocity.

    Raises
    ------
    CatalogueError
        Its unit is neither, or its values are velocities without a unit that says so.
    """
    name, stated = column
    unit = _unit(table, column, path)
    if unit is None and not stated and name.lower() in _VELOCITIES:
        unit = u.km / u.s
    values = _values(table, name, path)
    if unit is not None and unit.is_equivalent(u.km / u.s):
        return np.asarray(values * float(unit.to(u.km / u.s)) / SPEED_OF_LIGHT)
    if unit is not None and not unit.is_equivalent(u.dimensionless_unscaled):
        raise CatalogueError(f"{path}: column {name}: expected redshifts or velocities, got the unit {unit}")
    middle = float(np.nanmedian(np.abs(values))) if np.isfinite(values).any() else 0.0
    if middle > _LARGEST_REDSHIFT:
        raise CatalogueError(
            f"{path}: column {name}: expected redshifts, got {middle:g} in the middle: c z in km/s? Then name it with"
            f" its unit, --redshift '{name} [km/s]'"
        )
    return values
