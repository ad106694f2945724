"""The light cone of the simulated sky: halos and galaxies of snapshots, as an observer sees them.

Snapshots of periodic boxes stand around the observer as `lightcone_geometry` says. Not put in: the growth of
structure and the evolution of galaxies between neighbouring snapshots, lensing, dust. Where two shells meet, an object
that moved between the snapshots may come twice or not at all, and luminosities jump by what they evolve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.contracts import Column, Contract
from clustermass.galaxies.background import mean_concentration, omega_m
from clustermass.galaxies.structure import nfw_mass
from clustermass.runtime import generator
from clustermass.sources.lightcone_geometry import (
    Cone,
    Floats,
    Ints,
    Placed,
    Tile,
    comoving_distance,
    lookup,
    observe,
    observed_redshift,
    place,
    place_with_hosts,
    redshift_table,
)

Singles = NDArray[np.float32]
Load = Callable[[str, float], pd.DataFrame]
"""Reader of a table of a snapshot, by the name of the box and the redshift."""

_SKY = (
    Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
    Column("dec", "float", "deg", "declination, ICRS", -90, 90),
    Column("redshift", "float", "", "cosmological redshift", 0, 20),
    Column("redshift_observed", "float", "", "redshift with the peculiar velocity", -0.1, 20),
)
HALOS = Contract(
    "halos",
    "dark-matter halos of the simulated sky: the truth, which only mock observation, tests and evaluation may read",
    (
        Column("id", "text", "", "name of the halo", unique=True),
        Column("group", "text", "", "object that splits keep together: one halo, in whatever tile and snapshot"),
        *_SKY,
        Column("m500c", "float", "Msun", "M500c, critical density of the snapshot", 1e11, 1e17),
        Column("m200c", "float", "Msun", "M200c, critical density of the snapshot", 1e11, 1e17),
        Column("m200m", "float", "Msun", "M200m of its NFW profile", 1e11, 1e17),
        Column("snapshot", "float", "", "redshift of the snapshot", 0, 20),
        Column("tile", "int", "", "tile of the light cone", 0),
        Column("halo", "int", "", "halo in the snapshot", 0),
    ),
)
CONE_GALAXIES = Contract(
    "cone_galaxies",
    "galaxies of the simulated sky: the truth, which only mock observation, tests and evaluation may read",
    (
        Column("galaxy", "int", "", "its number: shell, tile, galaxy of the snapshot", 0, unique=True),
        Column("halo", "text", "", "id of the halo that it lives in; empty: none in the table of halos", missing=True),
        Column("central", "bool", "", "whether it is the central galaxy of its halo"),
        *_SKY,
        Column("abs_mag_r", "float", "mag", "M_r - 5 log10 h, AB, k-corrected to z = 0.1", -30, -5),
        Column("log10_mstar", "float", "log10(Msun/h)", "log10 of the stellar mass", 5, 14, missing=True),
        Column("r", "float", "mag", "apparent magnitude, AB, without dust and errors", 0, 40),
        Column("colour_rank", "float", "", "uniform number that tells red from blue", 0, 1),
        Column("colour_noise", "float", "", "normal number: place of the colour in its sequence"),
    ),
)

# k-corrections to the r band at z = 0.1: polynomials in z - 0.1, highest power first, for galaxies of 0.1(g-r) = 0.603
# and 0.933. Fits to GAMA, valid at z < 0.5: Smith et al. (2017, MNRAS 470, 4646), Fig. 13; the table is that of the
# authors' public code; the constant is -2.5 log10 1.1.
K_BLUE = (-3.42775232, 9.47765132, -2.70330179, 0.76463324, -0.10348171)
K_RED = (16.76083847, -2.51354452, 0.35130908, 1.30680013, -0.10348171)
K_MAX_REDSHIFT = 0.5
BLUE_FRACTION = 0.46  # at M_r = -20; those colours are the means there: Skibba & Sheth (2009, MNRAS 392, 1080)

_TILES, _NUMBERS = 10**5, 10**10  # tiles of a shell, and galaxies of a snapshot, that a galaxy's number has room for
_POSITION, _VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]
_COLOUR = ["colour_rank", "colour_noise"]
_LOG_C = np.linspace(0, np.log(100), 500)  # ln of concentrations: nodes of tables


def cone_halos(cone: Cone, load: Load, rng: np.random.Generator) -> pd.DataFrame:
    """Return the halos of the light cone heavier than its smallest mass, in random order: contract `HALOS`.

    Parameters
    ----------
    cone : Cone
    load : callable
        Returns halos, contract `SNAPSHOT_HALOS`, of a box and a redshift; called once for each.
    rng : numpy.random.Generator
        Of the order, which the ids follow.

    Raises
    ------
    ValueError
        Positions outside the box.

    Notes
    -----
    M500c and M200m follow from M200c and the concentration by an NFW profile, in densities of the snapshot's redshift;
    where the concentration is missing, by the mean one of Diemer & Joyce (2019). Halos that the snapshots do not
    resolve are missing, whatever the smallest mass.
    """
    parts = [HALOS.empty()]
    redshifts = redshift_table(cone)
    for box, shell, tiles in cone.visits():
        halos = _with_masses(load(box, cone.redshifts[shell]), cone, cone.redshifts[shell])
        halos = halos[halos["m500c"] >= cone.lightcone.min_mass_msun]
        position, velocity = _phase_space(halos, cone.side)
        for tile in tiles:
            placed = place(cone, tile, shell, position)
            group = box + "-" + halos["group"].iloc[placed.rows].astype(str)
            columns = {"id": "", "group": group.to_numpy(object), **_sky(tile, placed, velocity, redshifts)[0]}
            columns |= {name: halos[name].to_numpy()[placed.rows] for name in ("m500c", "m200c", "m200m", "halo")}
            columns |= {"snapshot": cone.redshifts[shell], "tile": tile.number}
            parts.append(pd.DataFrame(columns)[HALOS.names])
    table = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    table = table.iloc[rng.permutation(len(table))].reset_index(drop=True)
    table["id"] = [f"H{number:07d}" for number in range(1, len(table) + 1)]
    return table


def cone_galaxies(
    cone: Cone,
    load_halos: Load,
    load_galaxies: Load,
    halos: pd.DataFrame,
    faintest: Callable[[Floats], Floats],
    seed: int,
) -> Iterator[pd.DataFrame]:
    """Yield the galaxies of the light cone tile by tile: contract `CONE_GALAXIES`, numbers without need in float32.

    A galaxy goes with its halo: tile, snapshot and footprint are decided by the halo's place, so that no cluster is cut
    and members may lie a little outside. Galaxies without a halo are where they are.

    Parameters
    ----------
    cone : Cone
    load_halos, load_galaxies : callable
        Return all halos, contract `SNAPSHOT_HALOS`, and galaxies, contract `SNAPSHOT_GALAXIES`, of a box and a
        redshift; called once for each.
    halos : pandas.DataFrame
        Contract `HALOS`, of the same cone: ids of halos.
    faintest : callable
        Returns the faintest apparent magnitude r, finite, at cosmological redshifts; called once, with nodes of a table
        that begins at 0.
    seed : int
        Of colours, which belong to the galaxies of a snapshot: whoever asks for a galaxy, with whatever limit, gets it
        with the same number and the same colour.

    Raises
    ------
    ValueError
        Positions outside the box; galaxies of unknown halos or without luminosity; halos of another light cone.
    """
    redshifts = redshift_table(cone)
    limits = np.broadcast_to(faintest(redshifts), redshifts.shape).astype(float)
    offsets = magnitude_offset(redshifts, cone.cosmology)
    ids = {key: part for key, part in halos.groupby(["snapshot", "tile"])[["halo", "id"]]}
    none = halos.iloc[:0][["halo", "id"]]
    for box, shell, tiles in cone.visits():
        hosts, galaxies = load_halos(box, cone.redshifts[shell]), load_galaxies(box, cone.redshifts[shell])
        if galaxies["abs_mag_r"].isna().any():
            raise ValueError(f"{box}: galaxies of a light cone need abs_mag_r, which is missing for some")
        host = _rows(hosts["halo"].to_numpy(), galaxies["halo"].to_numpy(), f"{box}: galaxies")
        host_position, _ = _phase_space(hosts, cone.side)
        position, velocity = _phase_space(galaxies, cone.side)
        numbers = {name: galaxies[name].to_numpy(np.float32) for name in ("abs_mag_r", "log10_mstar")}
        numbers |= dict(zip(_COLOUR, colour_numbers(seed, box, cone.redshifts[shell], len(galaxies)), strict=True))
        central, number = galaxies["central"].to_numpy(bool), galaxies["galaxy"].to_numpy()
        for tile in tiles:
            placed_hosts = place(cone, tile, shell, host_position)
            names = _names(hosts, placed_hosts, ids.get((cone.redshifts[shell], tile.number), none))
            placed = place_with_hosts(cone, tile, shell, position, host, host_position, placed_hosts)
            sky, distance = _sky(tile, placed, velocity, redshifts)
            magnitude = numbers["abs_mag_r"][placed.rows] + lookup(distance, offsets)
            bright = np.flatnonzero(magnitude < lookup(distance, limits))
            rows = placed.rows[bright]
            columns = {"galaxy": galaxy_numbers(shell, tile.number, number[rows]), "halo": names[host[rows]]}
            columns |= {"central": central[rows], "r": magnitude[bright].astype(np.float32)}
            columns |= {name: values[bright] for name, values in sky.items()}
            columns |= {name: values[rows] for name, values in numbers.items()}
            yield pd.DataFrame(columns)[CONE_GALAXIES.names]


def colour_numbers(seed: int, box: str, redshift: float, n: int) -> tuple[Singles, Singles]:
    """Return what tells the colours of all galaxies of a snapshot: uniform and normal numbers, each of shape (n,)."""
    rng = generator(seed, "colours", {"box": box, "redshift": redshift})
    return rng.random(n, np.float32), rng.standard_normal(n, np.float32)


def galaxy_numbers(shell: int, tile: int, galaxy: Ints) -> Ints:
    """Return the numbers in the light cone of galaxies of a snapshot, shape (n,)."""
    if tile >= _TILES or (len(galaxy) and galaxy.max() >= _NUMBERS):
        raise ValueError(f"numbers of galaxies have room for tiles below {_TILES} and galaxies below {_NUMBERS}")
    return np.asarray((shell * _TILES + tile) * _NUMBERS + galaxy)


def k_correction(redshift: Floats) -> Floats:
    """Return the mean k-correction to the r band at z = 0.1 [mag] of red and blue galaxies, shape as `redshift`.

    Beyond z = 0.5 it goes on in a straight line.

    Notes
    -----
    Source: fits to GAMA galaxies (Smith et al. 2017, Fig. 13), weighted by the blue fraction of Skibba & Sheth (2009).
    One for all galaxies: red ones are fainter by 0.08 mag at z = 0.3 and 0.21 at z = 0.5, blue ones brighter by 0.09
    and 0.25.
    """
    mean = np.poly1d(BLUE_FRACTION * np.array(K_BLUE) + (1 - BLUE_FRACTION) * np.array(K_RED))
    inside = np.minimum(redshift, K_MAX_REDSHIFT)
    return np.asarray(mean(inside - 0.1) + mean.deriv()(K_MAX_REDSHIFT - 0.1) * (redshift - inside))


def magnitude_offset(redshift: Floats, cosmology: Cosmology) -> Floats:
    """Return r - (M_r - 5 log10 h) of galaxies at cosmological redshifts: distance modulus and k-correction [mag]."""
    luminosity_distance = (1 + redshift) * comoving_distance(redshift, cosmology)  # Mpc/h
    return np.asarray(5 * np.log10(np.maximum(luminosity_distance, 1e-3)) + 25 + k_correction(redshift))


def nfw_mass_ratio(concentration: Floats, density: float) -> Floats:
    """Return the mass of an NFW halo by another overdensity over its M200c.

    Parameters
    ----------
    concentration : array, shape (n,)
        R200c over the scale radius, 1 to 100.
    density : float
        The other overdensity over 200 critical densities: 2.5 for M500c, Omega_m(z) for M200m.

    Returns
    -------
    array, shape (n,)
    """
    nodes = np.exp(_LOG_C)
    low, high = np.full(len(nodes), 0.01), np.full(len(nodes), 100.0)  # R200c
    for _ in range(60):  # bisection: the mean density falls outwards
        middle = (low + high) / 2
        denser = nfw_mass(nodes * middle) / nfw_mass(nodes) / middle**3 > density
        low, high = np.where(denser, middle, low), np.where(denser, high, middle)
    return np.asarray(np.interp(np.log(concentration), _LOG_C, density * low**3))


def _with_masses(halos: pd.DataFrame, cone: Cone, redshift: float) -> pd.DataFrame:
    """Return halos of a snapshot with M200c, M500c and M200m [Msun]."""
    m200c, concentration = halos["m200c"].to_numpy(float), halos["concentration"].to_numpy(float, copy=True)
    missing = np.isnan(concentration)
    concentration[missing] = mean_concentration(m200c[missing], redshift, cone.cosmology)
    mass = m200c / (cone.cosmology.H0 / 100)
    m500c = mass * nfw_mass_ratio(concentration, 2.5)
    return halos.assign(
        m200c=mass, m500c=m500c, m200m=mass * nfw_mass_ratio(concentration, omega_m(redshift, cone.cosmology))
    )


def _phase_space(table: pd.DataFrame, side: float) -> tuple[Floats, Floats]:
    """Return positions [comoving Mpc/h] and velocities [km/s], each of shape (n, 3)."""
    position = table[_POSITION].to_numpy(float)
    if len(position) and not (position.min() >= 0 and position.max() <= side):
        raise ValueError(f"positions must lie in the box, 0 to {side} Mpc/h, got {position.min()} to {position.max()}")
    return np.ascontiguousarray(position), np.ascontiguousarray(table[_VELOCITY].to_numpy(float))


def _rows(known: Ints, wanted: Ints, what: str) -> Ints:
    """Return the rows of ids in a table, -1 for -1."""
    order = np.argsort(known, kind="stable")
    found = np.searchsorted(known, wanted, sorter=order)
    rows = np.where(wanted >= 0, np.append(order, -1)[np.minimum(found, len(known))], -1)
    strange = (wanted >= 0) & (np.append(known, -1)[rows] != wanted)
    if strange.any():
        raise ValueError(f"{what} of halo {wanted[strange][0]}, which the table of halos does not have")
    return np.asarray(rows)


def _names(hosts: pd.DataFrame, placed: Placed, ids: pd.DataFrame) -> Any:
    """Return the ids of all halos of a snapshot in a tile, '' where there is none, and '' at the end, for row -1."""
    names = np.full(len(hosts) + 1, "", object)
    rows = _rows(hosts["halo"].to_numpy(), ids["halo"].to_numpy(), "light cone")
    if not np.isin(rows, placed.rows).all():
        raise ValueError("the table of halos belongs to another light cone: some are not seen in their tiles")
    names[rows] = ids["id"].to_numpy(object)
    return names


def _sky(tile: Tile, placed: Placed, velocity: Floats, redshifts: Floats) -> tuple[dict[str, Any], Floats]:
    """Return the columns of the sky, and comoving distances [Mpc/h]."""
    ra, dec, distance, recession = observe(tile, placed, velocity)
    redshift = lookup(distance, redshifts)
    columns = {"ra": ra, "dec": dec, "redshift": redshift, "redshift_observed": observed_redshift(redshift, recession)}
    return columns, distance
