"""A spectroscopic cluster finder: peaks of the density of galaxies in projected phase space, percolated."""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.stats import biweight_location
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.config.observed import Finder
from clustermass.observed.phase_space import distance_q0, offset_position, relative_velocity, sky_offsets
from clustermass.sky import unit_vectors
from clustermass.sources.lightcone_geometry import SPEED_OF_LIGHT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_ROUNDS = 30
_SMOOTHING = 0.01  # of the survey's redshift distribution: wider than clusters and walls


def find_clusters(
    ra: Floats, dec: Floats, redshift: Floats, area_deg2: float, q0: float, settings: Finder
) -> pd.DataFrame:
    """Return the clusters of a redshift survey, the one of highest contrast first.

    Every galaxy gets the number of galaxies in a kernel around it: a disk on the sky of fixed proper radius, a fixed
    length along the line of sight. What the survey's mean density at that redshift would put there is subtracted, and
    the rest divided by the Poisson deviation: the contrast. The galaxy of the highest contrast starts a cluster, whose
    centre moves to the peak of the galaxies' density and whose redshift is the biweight of theirs; galaxies near it
    start no other. So on downwards.

    Parameters
    ----------
    ra, dec, redshift : array, shape (n,)
        Galaxies [deg].
    area_deg2 : float
        Area of the survey.
    q0 : float
        Deceleration parameter, for proper lengths.
    settings : Finder

    Returns
    -------
    pandas.DataFrame
        Columns ra, dec [deg], redshift, galaxies (in the kernel), contrast.

    Notes
    -----
    What the finder does not do: correct for galaxies too faint to be seen (it asks for a number of galaxies, so the
    smallest mass grows with redshift), for fibre collisions, or for edges of the survey. Two clusters closer than the
    exclusion are one.
    """
    order = np.argsort(redshift, kind="stable")
    ra, dec, redshift = ra[order], dec[order], redshift[order]
    vectors = unit_vectors(ra, dec)
    counts = _counts(vectors, redshift, q0, settings)
    expected = _expected(redshift, area_deg2, q0, settings)
    contrast = (counts - expected) / np.sqrt(np.maximum(expected, 1.0))
    free = (counts >= settings.min_galaxies) & (contrast >= settings.min_contrast)
    tree, found = cKDTree(vectors), []
    for seed in np.lexsort((np.arange(len(ra)), -counts, -contrast)):
        if not free[seed]:
            continue
        reach = settings.exclusion_mpc_h / distance_q0(redshift[seed], q0)
        near = np.array(sorted(tree.query_ball_point(vectors[seed], 2 * np.sin(reach / 2))), np.int64)
        v = relative_velocity(redshift[near], redshift[seed])
        near, v = near[np.abs(v) <= settings.exclusion_km_s], v[np.abs(v) <= settings.exclusion_km_s]
        free[near] = False
        found.append(_settle(ra[near], dec[near], redshift[near], seed, near, q0, settings)
                     | {"galaxies": int(counts[seed]), "contrast": float(contrast[seed])})  # fmt: skip
    columns = ["ra", "dec", "redshift", "galaxies", "contrast"]
    return _percolate(pd.DataFrame(found, columns=columns), q0, settings)


def _counts(vectors: Floats, redshift: Floats, q0: float, settings: Finder) -> Ints:
    """Return the number of galaxies in the kernel around every galaxy, itself too; galaxies by ascending redshift."""
    counts = np.ones(len(redshift), np.int64)
    half = settings.velocity_km_s / SPEED_OF_LIGHT
    shells = np.arange(redshift.min(), redshift.max() + 0.005, 0.005) if len(redshift) else np.empty(0)
    for low in shells:  # slices in redshift: pairs far apart along the line of sight are never formed
        first, last = np.searchsorted(redshift, [low, low + 0.005])
        if first == last:
            continue
        begin = np.searchsorted(redshift, low - half * (1 + low) * 1.1)
        end = np.searchsorted(redshift, (low + 0.005) + half * (1.01 + low) * 1.1)
        widest = settings.radius_mpc_h / distance_q0(redshift[first], q0)
        inner, outer = cKDTree(vectors[first:last]), cKDTree(vectors[begin:end])
        near = inner.sparse_distance_matrix(outer, float(2 * np.sin(widest / 2) * 1.001), output_type="ndarray")
        one, two = near["i"] + first, near["j"] + begin
        angle = 2 * np.arcsin(near["v"] / 2)
        good = angle * distance_q0(redshift[one], q0) <= settings.radius_mpc_h
        good &= np.abs(relative_velocity(redshift[two], redshift[one])) <= settings.velocity_km_s
        good &= one != two
        counts += np.bincount(one[good], minlength=len(counts))
    return counts


def _expected(redshift: Floats, area_deg2: float, q0: float, settings: Finder) -> Floats:
    """Return the mean number of galaxies in the kernel at every redshift (ascending), by the survey's own n(z)."""
    low, high = redshift - _SMOOTHING, redshift + _SMOOTHING
    count = np.searchsorted(redshift, high, "right") - np.searchsorted(redshift, low, "left")
    length = np.minimum(high, redshift[-1:]) - np.maximum(low, redshift[:1])
    density = count / np.maximum(length, 1e-6) / area_deg2  # per unit redshift and deg2
    disk = np.pi * np.degrees(settings.radius_mpc_h / distance_q0(redshift, q0)) ** 2
    return np.asarray(density * disk * 2 * settings.velocity_km_s / SPEED_OF_LIGHT * (1 + redshift))


def _settle(
    ra: Floats, dec: Floats, redshift: Floats, seed: int, rows: Ints, q0: float, settings: Finder
) -> dict[str, float]:
    """Return centre and redshift of the cluster around a seed among the galaxies near it."""
    at = int(np.flatnonzero(rows == seed)[0])
    centre_ra, centre_dec, centre_z = float(ra[at]), float(dec[at]), float(redshift[at])
    scale = float(distance_q0(np.array(centre_z), q0))
    x, y = (scale * part for part in sky_offsets(ra, dec, centre_ra, centre_dec))
    place, velocity = np.zeros(2), 0.0
    v = relative_velocity(redshift, centre_z)
    for _ in range(_ROUNDS):  # mean shift: climbs the density smoothed by an Epanechnikov kernel
        inside = np.hypot(x - place[0], y - place[1]) <= settings.radius_mpc_h
        inside &= np.abs(v - velocity) <= settings.velocity_km_s
        if not inside.any():
            break
        moved = np.array([x[inside].mean(), y[inside].mean()])
        faster = float(biweight_location(v[inside])) if inside.sum() >= 4 else float(np.median(v[inside]))
        stands = np.hypot(*(moved - place)) < 1e-3 and abs(faster - velocity) < 1.0
        place, velocity = moved, faster
        if stands:
            break
    (new_ra,), (new_dec,) = offset_position(centre_ra, centre_dec, place[:1] / scale, place[1:] / scale)
    found = centre_z + velocity / SPEED_OF_LIGHT * (1 + centre_z)
    return {"ra": float(new_ra), "dec": float(new_dec), "redshift": found}


def _percolate(clusters: pd.DataFrame, q0: float, settings: Finder) -> pd.DataFrame:
    """Return clusters without those whose centre has moved too near to that of an earlier one."""
    if clusters.empty:
        return clusters
    vectors = unit_vectors(clusters["ra"].to_numpy(), clusters["dec"].to_numpy())
    redshift = clusters["redshift"].to_numpy()
    reach = settings.exclusion_mpc_h / distance_q0(redshift, q0)
    gone = np.zeros(len(clusters), bool)
    tree = cKDTree(vectors)
    for row, near in enumerate(tree.query_ball_point(vectors, 2 * np.sin(reach / 2))):
        later = np.array([other for other in near if other > row], np.int64)
        if not gone[row]:
            v = relative_velocity(redshift[later], redshift[row])
            gone[later[np.abs(v) <= settings.exclusion_km_s]] = True
    return clusters[~gone].reset_index(drop=True)
