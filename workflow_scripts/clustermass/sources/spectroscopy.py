"""The spectroscopic galaxy survey of the simulated sky: flux-limited targets, of which fibres miss some.

Not put in: stars among the targets, errors of magnitudes, surface-brightness limits, masks, wrong redshifts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from clustermass.config.simulated import Spectroscopy
from clustermass.contracts import Column, Contract
from clustermass.sky import unit_vectors
from clustermass.sources.lightcone_geometry import SPEED_OF_LIGHT, compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SPECTROSCOPY = Contract(
    "spectroscopy",
    "targets of the spectroscopic galaxy survey, in order of right ascension",
    (
        Column("id", "text", "", "name of the galaxy", unique=True),
        Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination, ICRS", -90, 90),
        Column("redshift", "float", "", "measured redshift; missing: the target has none", -0.1, 20, missing=True),
        Column("redshift_err", "float", "", "1 sigma error of the redshift", 0, missing=True),
        Column("r", "float", "mag", "apparent magnitude, AB, corrected for dust", 0, 40),
    ),
)
SPECTROSCOPY_TRUTH = Contract(
    "spectroscopy_truth",
    "what the targets of the spectroscopic survey are: only evaluation and tests may read it",
    (
        Column("id", "text", "", "name of the galaxy", unique=True),
        Column("halo", "text", "", "halo of the light cone that it lives in; empty: none in its table", missing=True),
        Column("central", "bool", "", "whether it is the central galaxy of its halo"),
        Column("redshift", "float", "", "cosmological redshift", 0, 20),
        Column("redshift_observed", "float", "", "redshift with the peculiar velocity, without error", -0.1, 20),
    ),
)


def survey_redshifts(
    galaxies: pd.DataFrame, centres: pd.DataFrame, options: Spectroscopy, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the spectroscopic survey of galaxies, and the truth: contracts `SPECTROSCOPY`, `SPECTROSCOPY_TRUTH`.

    Parameters
    ----------
    galaxies : pandas.DataFrame
        Contract `CONE_GALAXIES`; those brighter than the limit are targets.
    centres : pandas.DataFrame
        Clusters with columns ra and dec [deg]; used by collisions 'core' only.
    options : Spectroscopy
    rng : numpy.random.Generator

    Notes
    -----
    Source: Strauss et al. (2002, AJ 124, 1810), flux limit; Blanton et al. (2003, AJ 125, 2276), collisions: targets
    less than 55 arcsec apart need two plates, which overlap in places. Overlap is drawn group by group (friends of
    friends), not from a map of plates.
    """
    targets = galaxies[galaxies["r"] < options.faintest_r]
    targets = targets.sort_values(["ra", "dec"], kind="stable", ignore_index=True)  # so that the order tells no halo
    noise, luck, ties = rng.spawn(3)
    n, separation = len(targets), options.fibre_separation_arcsec
    ra, dec = targets["ra"].to_numpy(float), targets["dec"].to_numpy(float)
    measured = luck.random(n) < options.completeness
    if options.collisions == "core":
        core = centres["ra"].to_numpy(float), centres["dec"].to_numpy(float)
        measured &= ~near_centres(ra, dec, *core, separation)
    elif options.collisions == "pairs":
        measured &= get_fibres(ra, dec, separation, options.overlap, ties)
    error = options.redshift_err_km_s / SPEED_OF_LIGHT
    redshift = targets["redshift_observed"].to_numpy(float) + error * noise.standard_normal(n)
    ids = [f"G{number:08d}" for number in range(1, n + 1)]
    columns = {"id": ids, "ra": ra, "dec": dec, "redshift": np.where(measured, redshift, np.nan)}
    columns |= {"redshift_err": np.where(measured, error, np.nan), "r": targets["r"].to_numpy(float)}
    return pd.DataFrame(columns)[SPECTROSCOPY.names], targets.assign(id=ids)[SPECTROSCOPY_TRUTH.names]


def near_centres(ra: Floats, dec: Floats, centre_ra: Floats, centre_dec: Floats, separation: float) -> Bools:
    """Return whether positions are less than a separation [arcsec] from any centre, shape as `ra`.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        [deg]
    centre_ra, centre_dec : array, shape (n_centres,)
        [deg]
    """
    if not len(centre_ra):
        return np.zeros(len(ra), bool)
    chord = _chord(separation)
    distance, _ = cKDTree(unit_vectors(centre_ra, centre_dec)).query(unit_vectors(ra, dec), distance_upper_bound=chord)
    return np.asarray(distance < chord)


def get_fibres(ra: Floats, dec: Floats, separation: float, overlap: float, rng: np.random.Generator) -> Bools:
    """Return which targets get a fibre, where two must not be nearer than a separation.

    Targets with fewer neighbours come first, those of equal number in random order; what is too near to one that has a
    fibre gets none. So no other target could get one: a set without collisions that cannot grow.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        [deg]
    separation : float
        [arcsec]
    overlap : float
        Share of groups of colliding targets, linked by friends of friends, in which all get a fibre.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (n,)

    Notes
    -----
    Source: "decollided set" of Blanton et al. (2003); theirs is the largest one of every group, this one nearly so.
    """
    return decollide(unit_vectors(ra, dec), _chord(separation), overlap, rng)


def decollide(position: Floats, separation: float, overlap: float, rng: np.random.Generator) -> Bools:
    """Return which of some points get a fibre, as `get_fibres` does.

    Parameters
    ----------
    position : array, shape (n, dimensions)
    separation : float
        Smallest distance of two fibres, in the unit of the positions.
    overlap : float
        Share of groups of colliding points in which all get a fibre.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (n,)
    """
    n = len(position)
    order_rng, overlap_rng = rng.spawn(2)
    pairs = cKDTree(position).query_pairs(separation, output_type="ndarray")
    first, second = np.concatenate([pairs, pairs[:, ::-1]]).T
    neighbours = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(n, n)).tocsr()
    start, to = neighbours.indptr.astype(np.int64), neighbours.indices.astype(np.int64)
    order = np.lexsort((order_rng.random(n), np.diff(start)))
    _, group = connected_components(neighbours, directed=False)
    return np.asarray(_decollide(order, start, to) | (overlap_rng.random(n) < overlap)[group])


@compiled
def _decollide(order: Ints, start: Ints, to: Ints) -> Bools:
    """Return a set without neighbours, taking targets in order; those of target i are to[start[i]:start[i + 1]]."""
    taken, blocked = np.zeros(len(order), np.bool_), np.zeros(len(order), np.bool_)
    for i in order:
        if not blocked[i]:
            taken[i] = True
            blocked[to[start[i] : start[i + 1]]] = True
    return taken


def _chord(separation: float) -> float:
    """Return the chord on the unit sphere of an angle [arcsec]."""
    return float(2 * np.sin(np.radians(separation / 3600) / 2))
