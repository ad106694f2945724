"""Geometry of the light cone: periodic boxes tile space around the observer, shells of distance take snapshots.

Every tile is a whole box, shifted, turned and reflected at random (random tiling), so that a structure that comes again
is seen from another side. Structures are cut at the faces of tiles. The observer is at the origin, the centre of a
tile; x points to right ascension 0, z to the north pole. Lengths are comoving Mpc/h.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from clustermass.config.base import Cosmology
from clustermass.config.simulated import Lightcone
from clustermass.contracts import Column, Contract
from clustermass.cosmology import flat

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])

XYZ = "xyz"
TILES = Contract(
    "tiles",
    "boxes that fill the light cone; along axis k of the cone, a position p of the box is at"
    " side * place_k + sign_k * ((p[axis_k] + shift_k) mod side - side / 2)",
    (
        Column("tile", "int", "", "number of the tile", 0, unique=True),
        Column("box", "text", "", "box that stands there"),
        *(Column(f"place_{k}", "int", "", "place of its centre, in sides of the box") for k in XYZ),
        *(Column(f"shift_{k}", "float", "Mpc/h", "periodic shift, comoving", 0) for k in XYZ),
        *(Column(f"axis_{k}", "int", "", "axis of the box that lies along this one", 0, 2) for k in XYZ),
        *(Column(f"sign_{k}", "int", "", "-1: reflected along this axis", -1, 1) for k in XYZ),
    ),
)
SPEED_OF_LIGHT = 299792.458  # km/s
_STEP = 0.1  # Mpc/h: cells of tables over comoving distance
_BEYOND = 50.0  # Mpc/h that tables go beyond the last redshift: satellites of the last hosts


def compiled(function: Function) -> Function:
    """Return a function compiled by numba, with its types kept."""
    return cast(Function, numba.njit(cache=True)(function))


@dataclass(frozen=True, eq=False)
class Cone:
    """What of which snapshot of which box is seen where; made by `build_cone`.

    Attributes
    ----------
    lightcone : Lightcone
    cosmology : Cosmology
    side : float
        Of the boxes [comoving Mpc/h].
    redshifts : tuple of float
        Of the snapshots, ascending.
    edges : array, shape (n_snapshots + 1,)
        Comoving distances between which each snapshot is seen [Mpc/h].
    tiles : pandas.DataFrame
        Contract `TILES`.
    """

    lightcone: Lightcone
    cosmology: Cosmology
    side: float
    redshifts: tuple[float, ...]
    edges: Floats
    tiles: pd.DataFrame

    def visits(self) -> Iterator[tuple[str, int, list[Tile]]]:
        """Yield every box and snapshot (by number) that is seen, once, with the tiles where it is."""
        arrays = {name: self.tiles[_columns(name)].to_numpy() for name in ("place", "shift", "axis", "sign")}
        tiles = [
            Tile(number, self.side * place, shift, axes, signs.astype(float))
            for number, place, shift, axes, signs in zip(self.tiles["tile"], *arrays.values(), strict=True)
        ]
        closest, farthest = _distances(arrays["place"], self.side)
        for box in sorted(set(self.tiles["box"])):
            for number, (low, high) in enumerate(itertools.pairwise(self.edges)):
                seen = (self.tiles["box"] == box) & (closest < high) & (farthest > low) & (low < high)
                if seen.any():
                    yield box, number, [tiles[row] for row in np.flatnonzero(seen)]


@dataclass(frozen=True, eq=False)
class Tile:
    """One box in its place: centre [Mpc/h], and shift, axes and signs as in `TILES`, each of shape (3,)."""

    number: int
    centre: Floats
    shift: Floats
    axes: Ints
    signs: Floats


def comoving_distance(redshift: Floats, cosmology: Cosmology) -> Floats:
    """Return the comoving distance [Mpc/h], shape as `redshift`."""
    return np.asarray(flat(cosmology).comoving_distance(redshift).value * cosmology.H0 / 100)


def solid_angle(lightcone: Lightcone) -> float:
    """Return the solid angle of the footprint [sr]."""
    ra, sin_dec = np.radians(lightcone.ra_deg), np.sin(np.radians(lightcone.dec_deg))
    return float((ra[1] - ra[0]) * (sin_dec[1] - sin_dec[0]))


def draw_tiles(
    lightcone: Lightcone, cosmology: Cosmology, side: float, boxes: list[str], rng: np.random.Generator
) -> pd.DataFrame:
    """Return the tiles that the light cone may reach: contract `TILES`.

    Boxes stand equally often, in random order; shifts, orders of the axes and reflections are random.

    Parameters
    ----------
    side : float
        Of the boxes [comoving Mpc/h].
    boxes : list of str
        Names of the boxes.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        No box, or no side.

    Notes
    -----
    Source: random tiling of Blaizot et al. (2005, MNRAS 360, 159).
    """
    if not boxes or not side > 0:
        raise ValueError(f"a light cone needs boxes with a positive side, got {len(boxes)} boxes of {side} Mpc/h")
    low, high = comoving_distance(np.array(lightcone.redshift), cosmology)
    reach = int(np.ceil(high / side + 0.5))
    grid = np.arange(-reach, reach + 1)
    places = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    closest, farthest = _distances(places, side)
    places = places[(closest < high) & (farthest > low) & _may_see(places, lightcone)]
    n = len(places)
    drawn = {
        "place": places,
        "shift": rng.uniform(0, side, (n, 3)),
        "axis": rng.permuted(np.tile(np.arange(3), (n, 1)), axis=1),
        "sign": rng.choice([-1, 1], (n, 3)),
    }
    columns = {column: drawn[name][:, k] for name in drawn for k, column in enumerate(_columns(name))}
    return pd.DataFrame({"tile": np.arange(n), "box": rng.permuted(np.resize(np.array(boxes, object), n)), **columns})


def _columns(name: str) -> list[str]:
    return [f"{name}_{k}" for k in XYZ]


def _distances(places: Ints, side: float) -> tuple[Floats, Floats]:
    """Return the distances of the nearest and the farthest point of tiles from the observer [as `side`]."""
    offset = np.abs(places)
    closest, farthest = np.maximum(offset - 0.5, 0), offset + 0.5
    return side * np.linalg.norm(closest, axis=1), side * np.linalg.norm(farthest, axis=1)


def _may_see(places: Ints, lightcone: Lightcone) -> NDArray[np.bool_]:
    """Return whether the spheres around tiles may touch the footprint: never a false no."""
    distance = np.linalg.norm(places, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = np.arcsin(np.minimum(np.sqrt(0.75) / distance, 1))
        dec = np.arcsin(np.where(distance > 0, places[:, 2] / distance, 0))
        pole = np.abs(dec) + radius >= np.pi / 2
        width = np.where(pole, np.pi, np.arcsin(np.minimum(np.sin(radius) / np.cos(dec), 1)))
    (ra_low, ra_high), (low, high) = np.radians(lightcone.ra_deg), np.radians(lightcone.dec_deg)
    aside = np.abs(_turn(np.arctan2(places[:, 1], places[:, 0]) - (ra_low + ra_high) / 2))
    near = (aside <= width + (ra_high - ra_low) / 2) & (dec + radius >= low) & (dec - radius <= high)
    return np.asarray(near | (distance <= np.sqrt(0.75)))


def _turn(angle: Floats) -> Floats:
    """Return angles between -pi and pi."""
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def build_cone(
    lightcone: Lightcone, cosmology: Cosmology, side: float, redshifts: list[float], tiles: pd.DataFrame
) -> Cone:
    """Return the light cone of tiles: every distance takes the snapshot nearest to it in comoving distance.

    Parameters
    ----------
    side : float
        Of the boxes [comoving Mpc/h].
    redshifts : list of float
        Of the snapshots, in any order; those outside the light cone count where they are nearest.
    tiles : pandas.DataFrame
        Contract `TILES`.

    Raises
    ------
    ValueError
        Redshifts missing, twice or negative.
    ContractError
        Tiles that break their contract.
    """
    if not redshifts or len(set(redshifts)) < len(redshifts) or min(redshifts) < 0:
        raise ValueError(f"snapshots need different redshifts, none negative, got {redshifts}")
    distance = comoving_distance(np.sort(redshifts), cosmology)
    low, high = comoving_distance(np.array(lightcone.redshift), cosmology)
    edges = np.concatenate([[low], np.clip((distance[1:] + distance[:-1]) / 2, low, high), [high]])
    tiles = TILES.validate(tiles, "tiles")
    return Cone(lightcone, cosmology, side, tuple(sorted(redshifts)), edges, tiles)


def redshift_table(cone: Cone) -> Floats:
    """Return redshifts at multiples of 0.1 Mpc/h of comoving distance, for `lookup`."""
    distance = np.arange(0, cone.edges[-1] + _BEYOND, _STEP)
    high = cone.lightcone.redshift[1]
    redshift = np.linspace(0, high + 0.1 * (1 + high), 500)  # 0.1 (1 + z): beyond 50 Mpc/h
    return np.asarray(CubicSpline(comoving_distance(redshift, cone.cosmology), redshift)(distance))


@compiled
def lookup(distance: Floats, table: Floats) -> Floats:
    """Return a table's values at comoving distances [Mpc/h], shape as `distance`, linear between its nodes.

    Parameters
    ----------
    table : array, shape (n_nodes,)
        Values at multiples of 0.1 Mpc/h.
    """
    values = np.empty(len(distance))
    for i in range(len(distance)):
        place = distance[i] / _STEP
        node = min(int(place), len(table) - 2)
        values[i] = table[node] + (place - node) * (table[node + 1] - table[node])
    return values


@dataclass(frozen=True, eq=False)
class Placed:
    """Objects of a box that are seen in a tile: rows in their table, shape (n,), and places [Mpc/h], shape (n, 3)."""

    rows: Ints
    places: Floats


def place(cone: Cone, tile: Tile, shell: int, position: Floats) -> Placed:
    """Return what of a box is seen in a tile at the distances of a snapshot, by its own place.

    Parameters
    ----------
    shell : int
        Number of the snapshot.
    position : array, shape (n, 3)
        In the box [comoving Mpc/h].
    """
    nothing = np.full((1, 3), np.nan)
    host = np.full(len(position), -1)
    return Placed(*_place(position, host, nothing, nothing, cone.side, *_tile_and_shell(cone, tile, shell)))


def place_with_hosts(
    cone: Cone, tile: Tile, shell: int, position: Floats, host: Ints, host_position: Floats, placed: Placed
) -> Placed:
    """Return what is seen of objects that go with their hosts, whole, whatever faces and edges lie between them.

    Parameters
    ----------
    position : array, shape (n, 3)
        In the box [comoving Mpc/h].
    host : array, shape (n,)
        Row of the host; -1: none, the own place decides.
    host_position : array, shape (n_hosts, 3)
        In the box [comoving Mpc/h].
    placed : Placed
        The hosts that are seen.
    """
    seen = np.full((max(len(host_position), 1), 3), np.nan)
    seen[placed.rows] = placed.places
    return Placed(*_place(position, host, host_position, seen, cone.side, *_tile_and_shell(cone, tile, shell)))


def _tile_and_shell(cone: Cone, tile: Tile, shell: int) -> tuple[Any, ...]:
    sky = np.array([*np.radians(cone.lightcone.ra_deg), *np.sin(np.radians(cone.lightcone.dec_deg))])
    return tile.centre, tile.shift, tile.axes, tile.signs, cone.edges[shell], cone.edges[shell + 1], sky


@compiled
def _place(
    position: Floats,
    host: Ints,
    host_position: Floats,
    host_place: Floats,
    side: float,
    centre: Floats,
    shift: Floats,
    axes: Ints,
    signs: Floats,
    low: float,
    high: float,
    sky: Floats,
) -> tuple[Ints, Floats]:
    """Return rows and places of what is seen; hosts that are not seen have the place NaN."""
    rows, places = np.empty(len(position), np.int64), np.empty((len(position), 3))
    n = 0
    for i in range(len(position)):
        j = host[i]
        if j >= 0:
            if np.isnan(host_place[j, 0]):
                continue
            for k in range(3):
                offset = position[i, axes[k]] - host_position[j, axes[k]]
                offset -= side * np.rint(offset / side)
                places[n, k] = host_place[j, k] + signs[k] * offset
        else:
            for k in range(3):
                shifted = position[i, axes[k]] + shift[k]
                if shifted >= side:
                    shifted -= side
                places[n, k] = centre[k] + signs[k] * (shifted - side / 2)
            x, y, z = places[n]
            distance = np.sqrt(x * x + y * y + z * z)
            if not (low <= distance < high and sky[2] * distance <= z <= sky[3] * distance):
                continue
            if (np.arctan2(y, x) - sky[0]) % (2 * np.pi) > sky[1] - sky[0]:
                continue
        rows[n] = i
        n += 1
    return rows[:n].copy(), places[:n].copy()


def observe(tile: Tile, placed: Placed, velocity: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return what the observer at the origin sees of objects.

    Parameters
    ----------
    velocity : array, shape (n_table, 3)
        Peculiar velocities in the box [km/s], of the table that `placed` has rows of.

    Returns
    -------
    ra, dec : array, shape (n,)
        [deg]
    distance : array, shape (n,)
        Comoving [Mpc/h].
    recession : array, shape (n,)
        Peculiar velocity away from the observer [km/s].
    """
    return _observe(placed.rows, placed.places, velocity, tile.axes, tile.signs)


@compiled
def _observe(
    rows: Ints, places: Floats, velocity: Floats, axes: Ints, signs: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    n = len(rows)
    ra, dec, distance, recession = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        x, y, z = places[i]
        distance[i] = np.sqrt(x * x + y * y + z * z)
        ra[i] = np.degrees(np.arctan2(y, x)) % 360
        dec[i] = np.degrees(np.arctan2(z, np.sqrt(x * x + y * y)))
        total = 0.0
        for k in range(3):
            total += places[i, k] * signs[k] * velocity[rows[i], axes[k]]
        recession[i] = total / distance[i]
    return ra, dec, distance, recession


def observed_redshift(redshift: Floats, recession: Floats) -> Floats:
    """Return (1 + z) (1 + v / c) - 1, shape as `redshift`; `recession` is the peculiar velocity away [km/s].

    Notes
    -----
    Source: e.g. Davis & Scrimgeour (2014, MNRAS 442, 1117), section 2: the product of the shifts, the Doppler one to
    first order (2e-5 at 2000 km/s).
    """
    return np.asarray((1 + redshift) * (1 + recession / SPEED_OF_LIGHT) - 1)
