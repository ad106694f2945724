"""Galaxies of one box in their halos: numbers, profiles, speeds, and their functions; rows of `STATISTICS`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.galaxies import structure
from clustermass.galaxies.background import (
    Bools,
    Floats,
    Ints,
    dispersion_evrard08,
    mean_concentration,
    omega_m,
    v200,
)
from clustermass.galaxies.connection import Connection, mean_occupation
from clustermass.validation.halos import DENSITY, MASS
from clustermass.validation.table import bin_means, bin_of, ratio_of_sums, rows
from clustermass.validation.theory import (
    luminosity_function_blanton03,
    projected_shares,
    stellar_mass_function_baldry12,
)

_XYZ, _VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]
_CONCENTRATIONS = 6  # nodes that expected profiles are made at


@dataclass(frozen=True, eq=False)
class Members:
    """Galaxies of halos, relative to them.

    Attributes
    ----------
    halo : array of int, shape (n,)
        Row of the halo.
    central : array of bool, shape (n,)
    offset, velocity : array, shape (n, 3)
        From the halo's centre [comoving Mpc/h], and from its velocity [km/s].
    """

    halo: Ints
    central: Bools
    offset: Floats
    velocity: Floats


def halo_rows(galaxies: pd.DataFrame, halos: pd.DataFrame) -> Ints:
    """Return the row of every galaxy's halo, -1 where it lives in none of the table; shape (n,).

    Raises
    ------
    ValueError
        A galaxy names a halo that is not there.
    """
    ids = halos["halo"].to_numpy()
    order = np.argsort(ids, kind="stable")
    named = galaxies["halo"].to_numpy()
    if not len(ids):
        row = np.full(len(named), -1)
        found = named == -1
    else:
        place = np.minimum(np.searchsorted(ids, named, sorter=order), len(ids) - 1)
        row = np.where(named >= 0, order[place], -1)
        found = (named < 0) | (ids[row] == named)
    if not found.all():
        raise ValueError(f"galaxies: expected halos of the table, got halo {named[~found][0]}")
    return row.astype(np.int64)


def gather_members(galaxies: pd.DataFrame, halos: pd.DataFrame, box: float) -> Members:
    """Return the galaxies that live in halos, relative to these: contracts `SNAPSHOT_GALAXIES`, `SNAPSHOT_HALOS`."""
    row = halo_rows(galaxies, halos)
    mine = row >= 0
    row = row[mine]
    offset = galaxies[_XYZ].to_numpy()[mine] - halos[_XYZ].to_numpy()[row]
    velocity = galaxies[_VELOCITY].to_numpy()[mine] - halos[_VELOCITY].to_numpy()[row]
    return Members(row, galaxies["central"].to_numpy()[mine], offset - box * np.round(offset / box), velocity)


def occupation_rows(
    members: Members, mass: Floats, connection: Connection, log10_mstar: float, edges: list[float], fewest: int = 2
) -> pd.DataFrame:
    """Return the mean number of galaxies of halos in bins of mass, beside what was put in.

    Parameters
    ----------
    members : Members
        Of galaxies above the stellar mass.
    mass : array, shape (halos,)
        M200c [Msun/h].
    log10_mstar : float
        Smallest stellar mass, log10 [Msun/h].
    """
    bins = len(edges) - 1
    place = bin_of(np.log10(mass), edges)
    number = np.bincount(members.halo, minlength=len(mass))
    count, mean, error = bin_means(place, number, bins)
    _, logm, _ = bin_means(place, np.log10(mass), bins)
    _, expected, _ = bin_means(place, np.sum(mean_occupation(connection, mass, log10_mstar), axis=0), bins)
    return rows(
        "occupation", "galaxies", (MASS, ""), edges, logm, mean, count, error=error, expected=expected, fewest=fewest
    )


def member_dispersion(members: Members, mass: Floats, radius: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    """Return, for every halo, the square of its members' dispersion inside R200c over that of theory, and its weight.

    Parameters
    ----------
    mass, radius, sigma : array, shape (halos,)
        M200c [Msun/h], R200c [Mpc/h] and the expected dispersion [km/s].

    Returns
    -------
    square : array, shape (halos,)
        Unbiased variance about the members' mean, mean of three axes, over `sigma`^2; 0 where the weight is.
    weight : array, shape (halos,)
        Members less one.
    """
    inside = np.linalg.norm(members.offset, axis=1) < radius[members.halo]
    halo, velocity = members.halo[inside], members.velocity[inside]
    number = np.bincount(halo, minlength=len(mass))
    square = np.zeros(len(mass))
    for axis in range(3):
        total = np.bincount(halo, velocity[:, axis], minlength=len(mass))
        squares = np.bincount(halo, velocity[:, axis] ** 2, minlength=len(mass))
        square += (squares - total**2 / np.maximum(number, 1)) / 3
    weight = np.maximum(number - 1, 0).astype(float)
    return np.where(weight > 0, square / np.maximum(weight, 1) / sigma**2, 0.0), weight


def galaxy_dispersion_rows(
    members: Members,
    mass: Floats,
    radius: Floats,
    redshift: float,
    cosmology: Cosmology,
    edges: list[float],
    fewest: int = 2,
) -> pd.DataFrame:
    """Return the velocity dispersion of galaxies inside R200c in bins of mass, beside Evrard et al. (2008).

    Notes
    -----
    Halos of a bin are stacked, each with its members less one as the weight, so that poor halos bias nothing.
    """
    bins = len(edges) - 1
    expected = dispersion_evrard08(mass, redshift, cosmology)
    square, weight = member_dispersion(members, mass, radius, expected)
    place = np.where(weight > 0, bin_of(np.log10(mass), edges), -1)
    count, mean, _ = bin_means(place, np.log10(mass), bins)
    ratio, error = np.full((2, bins), np.nan)
    for row in np.flatnonzero(count >= 2):
        mine = place == row
        ratio[row], error[row] = ratio_of_sums((square * weight)[mine], weight[mine])
    at_mean = dispersion_evrard08(10**mean, redshift, cosmology)
    value = np.sqrt(ratio) * at_mean
    return rows(
        "velocity dispersion", "galaxies", (MASS, "km/s"), edges, mean, value, count,
        error=error / (2 * ratio) * value, expected=at_mean, fewest=fewest,
    )  # fmt: skip


def ring_sums(members: Members, halos: int, unit: Floats, speed: Floats, edges: list[float]) -> tuple[Floats, Floats]:
    """Return numbers of satellites and sums of their squared speeds in rings, seen along the three axes.

    Parameters
    ----------
    halos : int
        Their number.
    unit, speed : array, shape (halos,)
        What radii and velocities are in units of, R200c [Mpc/h] and V200 [km/s].
    edges : list of float
        Projected radii, in units of R200c.

    Returns
    -------
    number, square : array, shape (halos, bins)
        Means of the three sight-lines.
    """
    bins, satellite = len(edges) - 1, ~members.central
    halo = members.halo[satellite]
    offset = members.offset[satellite] / unit[halo][:, None]
    velocity = members.velocity[satellite] / speed[halo][:, None]
    number, square = np.zeros((2, halos * bins))
    for axis in range(3):
        ring = bin_of(np.linalg.norm(np.delete(offset, axis, axis=1), axis=1), edges)
        seen = ring >= 0
        flat = halo[seen] * bins + ring[seen]
        number += np.bincount(flat, minlength=halos * bins) / 3
        square += np.bincount(flat, velocity[seen, axis] ** 2, minlength=halos * bins) / 3
    return number.reshape(halos, bins), square.reshape(halos, bins)


def expected_rings(
    satellites: Floats, concentration: Floats, omega: float, options: Galaxies, edges: list[float]
) -> tuple[Floats, Floats]:
    """Return what `ring_sums` expects of halos, summed over them, shape (bins,): numbers and sums of squared speeds.

    Parameters
    ----------
    satellites : array, shape (halos,)
        Mean number in each halo.
    concentration : array, shape (halos,)
        Of the matter.
    omega : float
        Matter density at the redshift, in critical densities.
    """
    jeans = structure.solve_jeans(options.anisotropy)
    nodes = np.geomspace(concentration.min(), concentration.max() * 1.001, _CONCENTRATIONS)
    limits = structure.satellite_limit(nodes, omega)
    made = [projected_shares(np.asarray(edges), *pair, jeans) for pair in zip(nodes, limits, strict=True)]
    bias = structure.SATELLITE_VELOCITY if options.satellite_velocity_bias == "guo2015" else 1.0
    number, square = np.empty((2, len(edges) - 1))
    for ring in range(len(edges) - 1):
        share = np.interp(np.log(concentration), np.log(nodes), [part[0][ring] for part in made])
        speed = np.interp(np.log(concentration), np.log(nodes), [part[1][ring] for part in made])
        number[ring] = np.sum(satellites * share)
        square[ring] = np.nansum(satellites * share * speed) * bias**2
    return number, square


def profile_rows(
    members: Members,
    halos: pd.DataFrame,
    connection: Connection,
    redshift: float,
    cosmology: Cosmology,
    options: Galaxies,
    edges: list[float],
    mass_edges: list[float],
    log10_mstar: float,
    fewest: int = 2,
) -> pd.DataFrame:
    """Return surface densities and dispersions along the line of sight of satellites, in bins of mass.

    Parameters
    ----------
    members : Members
        Of galaxies above the stellar mass.
    halos : pandas.DataFrame
        Contract `SNAPSHOT_HALOS`.
    edges : list of float
        Projected radii [R200c].
    mass_edges : list of float
        log10 M200c [Msun/h].
    """
    mass = halos["m200c"].to_numpy()
    given = halos["concentration"].to_numpy(float)
    concentration = np.where(np.isnan(given), mean_concentration(mass, redshift, cosmology), given)
    speed = v200(mass, redshift, cosmology)
    number, square = ring_sums(members, len(halos), halos["r200c"].to_numpy(), speed, edges)
    satellites = mean_occupation(connection, mass, log10_mstar)[1]
    area = np.pi * np.diff(np.square(edges))
    middle = np.sqrt((np.square(edges[1:]) + np.square(edges[:-1])) / 2)
    place, parts = bin_of(np.log10(mass), mass_edges), []
    for row, (low, high) in enumerate(pairwise(mass_edges)):
        mine = place == row
        if mine.sum() < max(fewest, 2):
            continue
        group, halo_count = f"{low:g}-{high:g}", mine.sum()
        theory = expected_rings(satellites[mine], concentration[mine], omega_m(redshift, cosmology), options, edges)
        seen, moving = number[mine], square[mine]
        count = 3 * seen.sum(axis=0)
        density, noise = ratio_of_sums(seen, np.ones_like(seen) * area)
        parts.append(
            rows("surface density", "satellites", ("R200c", "R200c^-2"), edges, middle, density, count, error=noise,
                 expected=theory[0] / halo_count / area, group=group, fewest=fewest)
        )  # fmt: skip
        ratio, scatter = ratio_of_sums(moving, seen)
        with np.errstate(invalid="ignore", divide="ignore"):
            value, error = np.sqrt(ratio), scatter / (2 * np.sqrt(ratio))
        parts.append(
            rows("line-of-sight dispersion", "satellites", ("R200c", "V200"), edges, middle, value, count, error=error,
                 expected=np.sqrt(theory[1] / theory[0]), group=group, fewest=fewest)
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def galaxy_function_rows(
    galaxies: pd.DataFrame,
    box: float,
    h: float,
    brightening: float,
    options: Galaxies,
    magnitude_edges: list[float],
    stellar_mass_edges: list[float],
    fewest: int = 2,
) -> pd.DataFrame:
    """Return the luminosity function and the stellar mass function, as far as galaxies are complete.

    Parameters
    ----------
    galaxies : pandas.DataFrame
        Contract `SNAPSHOT_GALAXIES`.
    box : float
        Side [Mpc/h].
    h : float
        H0 / (100 km/s/Mpc).
    brightening : float
        Magnitudes that galaxies are brighter by than at z = 0.1.
    options : Galaxies
        Thresholds, which say what is complete.

    Notes
    -----
    Errors are Poisson's. Expected: Blanton et al. (2003), Baldry et al. (2012), at the middle of the bin.
    """
    faintest = options.max_abs_mag_r if options.max_abs_mag_r is not None else -np.inf
    bright = [edge for edge in magnitude_edges if edge <= faintest + 1e-9]
    heavy = [edge for edge in stellar_mass_edges if edge >= options.min_log10_mstar - 1e-9]
    parts = []
    for statistic, unit, edges, column in (
        ("luminosity function", ("mag", "(Mpc/h)^-3 mag^-1"), bright, "abs_mag_r"),
        ("stellar mass function", (MASS, DENSITY), heavy, "log10_mstar"),
    ):
        if len(edges) < 2:
            continue
        count = np.histogram(galaxies[column].dropna(), edges)[0]
        volume, middle = box**3 * np.diff(edges), np.add(edges[:-1], edges[1:]) / 2
        expected = (
            luminosity_function_blanton03(middle, brightening)
            if column == "abs_mag_r"
            else stellar_mass_function_baldry12(middle, h)
        )
        parts.append(
            rows(statistic, "galaxies", unit, edges, middle, count / volume, count,
                 error=np.sqrt(count) / volume, expected=expected, fewest=fewest)
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
