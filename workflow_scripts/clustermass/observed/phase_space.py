"""Projected phase space of observed clusters: angles and redshifts to proper Mpc/h and km/s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.stats import biweight_location
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.sky import unit_vectors
from clustermass.sources.lightcone_geometry import SPEED_OF_LIGHT

if TYPE_CHECKING:
    from astropy.cosmology import FlatLambdaCDM

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_WIDEST = np.radians(60)  # windows beyond are no small fields
_ROUNDS = 20


def distance_q0(redshift: Floats, q0: float) -> Floats:
    """Return proper lengths per angle [Mpc/h per rad] to second order in redshift, shape as `redshift`.

    d = (c / H0) (z - (1 + q0) z^2 / 2) / (1 + z): the comoving distance of a flat universe to second order in z by
    its deceleration parameter, made proper.

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), section 5, name q0 = -0.55 and no formula; this is the usual one.
    """
    z = np.asarray(redshift, float)
    return np.asarray(SPEED_OF_LIGHT / 100 * (z - (1 + q0) * z**2 / 2) / (1 + z))


def distance_exact(redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return angular diameter distances [Mpc/h], shape as `redshift`."""
    return np.asarray(cosmology.angular_diameter_distance(np.asarray(redshift, float)).value * cosmology.h)


def sky_offsets(ra: Floats, dec: Floats, centre_ra: float, centre_dec: float) -> tuple[Floats, Floats]:
    """Return angles from a centre eastwards and northwards [rad]: the length is the angle on the sphere.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        [deg]
    centre_ra, centre_dec : float
        [deg]

    Notes
    -----
    Zenithal equidistant projection (Calabretta & Greisen 2002, section 5.1.6): distances from the centre are true in
    windows of any size, across RA = 0 and near poles.
    """
    a, d, d0 = np.radians(np.asarray(ra) - centre_ra), np.radians(dec), np.radians(centre_dec)
    east = np.cos(d) * np.sin(a)
    north = np.sin(d) * np.cos(d0) - np.cos(d) * np.sin(d0) * np.cos(a)
    sine = np.hypot(east, north)
    angle = np.arctan2(sine, np.sin(d) * np.sin(d0) + np.cos(d) * np.cos(d0) * np.cos(a))
    stretch = np.divide(angle, sine, out=np.ones_like(angle), where=sine > 0)
    return np.asarray(east * stretch), np.asarray(north * stretch)


def offset_position(ra: Floats | float, dec: Floats | float, east: Floats, north: Floats) -> tuple[Floats, Floats]:
    """Return positions [deg] that are some way from centres [deg], along great circles; all arguments broadcast.

    Parameters
    ----------
    ra, dec : array or float
        Centres [deg].
    east, north : array
        Way [rad]: its length is the angle, its direction the position angle (zenithal equidistant projection).
    """
    angle, bearing = np.hypot(east, north), np.arctan2(east, north)
    here = np.radians(dec)
    sine = np.sin(here) * np.cos(angle) + np.cos(here) * np.sin(angle) * np.cos(bearing)
    turn = np.arctan2(np.sin(bearing) * np.sin(angle) * np.cos(here), np.cos(angle) - np.sin(here) * sine)
    return np.mod(ra + np.degrees(turn), 360), np.degrees(np.arcsin(np.clip(sine, -1, 1)))


def relative_velocity(redshift: Floats, centre: Floats | float) -> Floats:
    """Return velocities along the line of sight in a cluster's rest frame, c (z - z_c) / (1 + z_c) [km/s]."""
    return np.asarray(SPEED_OF_LIGHT * (np.asarray(redshift) - centre) / (1 + np.asarray(centre)))


def self_similar_scale(redshift: Floats, reference: float, cosmology: FlatLambdaCDM) -> Floats:
    """Return E(z) / E(z0), shape as `redshift`: what sizes are multiplied by to be those of a halo at z0.

    M200c = 100 E^2 (100 km/s/Mpc)^2 R200c^3 / G and V200^2 = G M200c / R200c give R200c = V200 / (1000 E km/s/Mpc) and
    M200c ~ V200^3 / E, in Mpc/h and Msun/h. Self-similar halos of equal V200 have equal velocities v and equal
    x / R200c. So a halo at z is one at z0 of the same velocities with

        x0 = x E(z) / E(z0),    M0 = M E(z) / E(z0),    that is M = M0 E(z0) / E(z).

    A network trained at z0 sees (x0, v), says M0, and the mass is M: exact as far as clusters are self-similar, also
    in what galaxies they have, which a flux limit is not.
    """
    return np.asarray(cosmology.efunc(np.asarray(redshift, float)) / cosmology.efunc(reference))


@dataclass(frozen=True)
class Windows:
    """Galaxies around clusters, in the order of the clusters.

    Attributes
    ----------
    start : array of int, shape (clusters + 1,)
        First galaxy of each cluster.
    galaxy : array of int, shape (n,)
        Row in the survey.
    x, y : array, shape (n,)
        Eastwards and northwards [Mpc/h, proper].
    v_los : array, shape (n,)
        [km/s]
    """

    start: Ints
    galaxy: Ints
    x: Floats
    y: Floats
    v_los: Floats


def cut_windows(
    survey: tuple[Floats, Floats, Floats],
    centres: tuple[Floats, Floats, Floats],
    proper: Floats,
    half_side: Floats,
    cut: float,
) -> Windows:
    """Return the galaxies in square windows around clusters: |x|, |y| <= half-side, |v_los| <= cut.

    Parameters
    ----------
    survey : tuple of array, shape (n,)
        Right ascension, declination [deg], redshift of the galaxies.
    centres : tuple of array, shape (clusters,)
        The same of the clusters.
    proper : array, shape (clusters,)
        Mpc/h per radian at the clusters.
    half_side : array, shape (clusters,)
        [Mpc/h, proper]
    cut : float
        [km/s]

    Raises
    ------
    ValueError
        A window is wider than 60 degrees: the cluster is too near.
    """
    ra, dec, redshift = survey
    angle = np.sqrt(2) * half_side / proper
    if (wide := ~(angle < _WIDEST)).any():
        row = int(np.flatnonzero(wide)[0])
        raise ValueError(
            f"expected windows below 60 degrees, got {np.degrees(angle[row]):.0f} for a cluster at redshift "
            f"{centres[2][row]:g}"
        )
    tree = cKDTree(unit_vectors(ra, dec)) if len(ra) else None
    parts: list[tuple[Ints, Floats, Floats, Floats]] = []
    for a, d, z, scale, half, reach in zip(*centres, proper, half_side, 2 * np.sin(angle / 2), strict=True):
        near = sorted(tree.query_ball_point(unit_vectors(np.array([a]), np.array([d]))[0], reach)) if tree else []
        rows = np.array(near, np.int64)
        v = relative_velocity(redshift[rows], z)
        rows, v = rows[np.abs(v) <= cut], v[np.abs(v) <= cut]
        x, y = (scale * offset for offset in sky_offsets(ra[rows], dec[rows], a, d))
        inside = (np.abs(x) <= half) & (np.abs(y) <= half)
        parts.append((rows[inside], x[inside], y[inside], v[inside]))
    start = np.concatenate([[0], np.cumsum([len(part[0]) for part in parts])]).astype(np.int64)
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.empty(0)] * 4
    return Windows(start, joined[0].astype(np.int64), joined[1], joined[2], joined[3])


def measured_redshift(redshift: Floats, guess: float, search: float, kernel: float) -> float:
    """Return the redshift of a cluster from those of galaxies around its centre; NaN where there are fewer than four.

    The densest velocity within the search range, by a top-hat kernel, then the biweight of the galaxies near it, again
    and again until it stands.

    Parameters
    ----------
    redshift : array, shape (n,)
        Of galaxies near the centre on the sky.
    guess : float
        Redshift of the catalogue.
    search, kernel : float
        Range around the guess, and half-length of the kernel [km/s].
    """
    v = np.sort(relative_velocity(redshift, guess))
    v = v[np.abs(v) <= search]
    if len(v) < 4:
        return float("nan")
    counts = np.searchsorted(v, v + kernel, "right") - np.searchsorted(v, v - kernel, "left")
    tied = v[counts == counts.max()]
    centre = float(tied[np.argmin(np.abs(tied - np.median(tied)))])
    for _ in range(_ROUNDS):
        near = v[np.abs(v - centre) <= kernel]
        moved = float(biweight_location(near)) if len(near) >= 4 else float(np.median(near))
        if abs(moved - centre) < 0.1:
            break
        centre = moved
    return float(guess + centre / SPEED_OF_LIGHT * (1 + guess))
