"""Where an imaging survey like SDSS looks: great circles, stripes, runs, columns of the camera, fields.

Stripes are great circles through a common node, 2.5 deg apart in inclination. Two interleaved strips of six columns
each fill a stripe; a run scans one strip, and every column of it is cut into fields along the scan. Names, numbers and
sizes are those of SDSS (York et al. 2000; Pier et al. 2003); the node, the spacing of columns
and the orientation of frames are checked in the tests on headers and astrometry of real frames.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray

from clustermass.config.simulated import Lightcone
from clustermass.frames.contracts import FIELDS
from clustermass.sky import galactic_latitude

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RERUN = "301"
COLUMNS, ROWS = 2048, 1489
"""Pixels of a frame, across the scan and along it."""
PIXEL_ARCSEC = 0.396
NODE = 95.0
"""Right ascension of the ascending node of every stripe [deg]."""
STRIPES = range(10, 82)
"""Stripes that cover the sky: 10 to 46 have inclinations of 0 to 90 deg, 47 to 81 those of -87.5 to -2.5 deg."""
BAND_OFFSETS = {"u": (2.3, 6.0), "g": (1.0, 10.6), "r": (0.0, 0.0), "i": (-0.3, 2.8), "z": (-0.3, 7.2)}
"""Where a source of the r frame stands in the frame of another band: columns and rows further [px]; real medians."""
FRAME_LAG = {"r": 0, "i": 2, "u": 4, "z": 6, "g": 8}
"""Frames of a band are numbered by time: a source reaches the bands one after the other, two frames apart."""

BAND_MARGIN_ARCSEC = 1.5 * PIXEL_ARCSEC * max(np.hypot(*offset) for offset in BAND_OFFSETS.values())
"""How far a frame of any band reaches beyond the r frame of its field, with some reserve."""

_PIXEL = PIXEL_ARCSEC / 3600
_STEP = 1361 * _PIXEL  # along the scan from field to field; frames overlap by 128 rows
_FIELDS = int(np.ceil(360 / _STEP))  # of a column; the last overlaps the first
_SPACING = 2.5  # of stripes
_COLUMN_SPACING = 0.42  # 25.2 arcmin
_FIRST_RUN = 9000  # SDSS has fewer than 9000 runs
_HALF_WIDTH, _HALF_LENGTH = COLUMNS * _PIXEL / 2, ROWS * _PIXEL / 2


def survey_position(
    ra: ArrayLike, dec: ArrayLike, inclination: ArrayLike, node: ArrayLike = NODE
) -> tuple[Floats, Floats]:
    """Return positions in great-circle coordinates: along the circle, and off it.

    Parameters
    ----------
    ra, dec : array
        ICRS [deg].
    inclination, node : array
        Of the great circle: its angle with the equator, and the right ascension of its ascending node [deg]; broadcast
        with `ra`.

    Returns
    -------
    mu : array
        Longitude along the circle [deg], 0 to 360; equal to the right ascension at the node.
    nu : array
        Latitude off the circle [deg].

    *Source*: Pier et al. (2003).
    """
    a, d, i = np.radians(np.asarray(ra, float) - np.asarray(node, float)), np.radians(dec), np.radians(inclination)
    x, y, z = np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)
    mu = np.degrees(np.arctan2(y * np.cos(i) + z * np.sin(i), x)) + np.asarray(node, float)
    nu = np.degrees(np.arctan2(z * np.cos(i) - y * np.sin(i), np.hypot(x, y * np.cos(i) + z * np.sin(i))))
    return np.asarray(mu % 360), np.asarray(nu)


def sky_position(mu: ArrayLike, nu: ArrayLike, inclination: ArrayLike, node: ArrayLike = NODE) -> tuple[Floats, Floats]:
    """Return right ascension and declination [deg] of great-circle coordinates: the inverse of `survey_position`."""
    ra, dec = survey_position(mu, nu, -np.asarray(inclination, float), node)
    return ra, dec


def stripe_inclination(stripe: ArrayLike) -> Floats:
    """Return the inclination [deg] of stripes by SDSS' numbers, 10 to 81."""
    stripe = np.asarray(stripe)
    return np.asarray(_SPACING * stripe - np.where(stripe > 46, 205.0, 25.0))


def simulated_run(stripe: ArrayLike, strip: ArrayLike) -> Ints:
    """Return the number of the run that scans a strip of a stripe: 9000 + 10 x stripe + strip (0: north, 1: south)."""
    return np.asarray(_FIRST_RUN + 10 * np.asarray(stripe) + strip, np.int64)


def run_stripe(run: ArrayLike) -> tuple[Ints, Ints]:
    """Return stripe and strip of simulated runs; the inverse of `simulated_run`.

    Raises
    ------
    ValueError
        No simulated survey has such a run.
    """
    number = np.asarray(run, np.int64) - _FIRST_RUN
    stripe, strip = number // 10, number % 10
    wrong = (stripe < STRIPES.start) | (stripe >= STRIPES.stop) | (strip > 1)
    if np.any(wrong):
        raise ValueError(
            f"expected a simulated run, 9000 + 10 x stripe (10 to 81) + strip (0 or 1), got"
            f" {np.asarray(run)[wrong].flat[0]}"
        )
    return stripe, strip


def field_centre(run: ArrayLike, camcol: ArrayLike, field: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return mu, nu of the centres of simulated fields in r, and the inclination of their stripe [deg]."""
    stripe, strip = run_stripe(run)
    nu = (np.asarray(camcol) - 3.5 + np.where(strip == 0, 0.25, -0.25)) * _COLUMN_SPACING
    return (np.asarray(field) + 0.5) * _STEP, nu, stripe_inclination(stripe)


def field_corners(run: ArrayLike, camcol: ArrayLike, field: ArrayLike) -> tuple[Floats, Floats]:
    """Return right ascension and declination [deg] of the corners of simulated fields in r, in order around.

    Returns
    -------
    ra, dec : array, shape (n, 4)
        Outer corners of the corner pixels of `field_header`'s tangent plane.
    """
    mu, nu, inclination = (np.atleast_1d(x)[:, None] for x in field_centre(run, camcol, field))
    column = np.array([0, COLUMNS, COLUMNS, 0]) - COLUMNS / 2 - 0.5  # the reference pixel is (1024, 744), from 0
    row = np.array([0, 0, ROWS, ROWS]) - ROWS / 2
    eta, xi = np.radians(column * _PIXEL), np.radians(row * _PIXEL)
    # gnomonic, inverse, in the coordinates of the great circle: columns run along nu, rows along mu
    n = np.radians(nu)
    down = np.cos(n) - eta * np.sin(n)
    along = np.degrees(np.arctan2(xi, down))
    off = np.degrees(np.arctan2(np.sin(n) + eta * np.cos(n), np.hypot(xi, down)))
    return sky_position(mu + along, off, inclination)


def field_header(run: int, camcol: int, field: int, band: str) -> fits.Header:
    """Return the header of a simulated frame: what it is, and its tangent plane.

    Columns run across the scan and rows along it, as in real frames; the bands of a field are displaced against one
    another by `BAND_OFFSETS`.

    Raises
    ------
    ValueError
        No simulated run, column or field, or no band of SDSS.
    """
    if band not in BAND_OFFSETS or not 1 <= camcol <= 6 or not 0 <= field < _FIELDS:
        raise ValueError(
            f"expected a band of {', '.join(BAND_OFFSETS)}, a column of 1 to 6 and a field of 0 to {_FIELDS - 1}, got"
            f" {band!r}, {camcol}, {field}"
        )
    stripe, strip = run_stripe(run)
    mu, nu, inclination = (float(x) for x in field_centre(run, camcol, field))
    columns, rows = BAND_OFFSETS[band]
    nu -= columns * _PIXEL
    mu -= rows * _PIXEL / np.cos(np.radians(nu))
    ra, dec = (float(x) for x in sky_position(mu, nu, inclination))
    east, north = _scan_direction(ra, dec, inclination)
    header = fits.Header()
    for key, value, comment in (
        ("RUN", run, "Run number"),
        ("FRAME", field + FRAME_LAG[band], "Frame sequence number within the run"),
        ("STRIPE", int(stripe), "Stripe index number (23 <--> eta=0)"),
        ("STRIP", "NS"[int(strip)], "Strip in the stripe"),
        ("NODE", NODE, "RA of the great circle's ascending node (deg)"),
        ("INCL", inclination, "Great circle's inclination wrt cel. eq. (deg)"),
        ("ORIGIN", "simulated", "no observation"),
        ("EXPTIME", "53.907456", "Exposure time (seconds)"),
        ("CCDMODE", "DRIFT", "'STARING' or 'DRIFT'"),
        ("EQUINOX", 2000.0, ""),
        ("BUNIT", "nanomaggy", "1 nanomaggy = 3.631e-6 Jy"),
        ("FILTER", band, "filter used"),
        ("CAMCOL", camcol, "column in the imaging camera"),
        ("RADESYS", "ICRS", "International Celestial Ref. System"),
        ("CTYPE1", "RA---TAN", "Coordinate type"),
        ("CTYPE2", "DEC--TAN", "Coordinate type"),
        ("CUNIT1", "deg", "Units"),
        ("CUNIT2", "deg", "Units"),
        ("CRPIX1", COLUMNS / 2 + 1, "X of reference pixel"),
        ("CRPIX2", (ROWS + 1) / 2, "Y of reference pixel"),
        ("CRVAL1", ra, "RA of reference pixel (deg)"),
        ("CRVAL2", dec, "Dec of reference pixel (deg)"),
        ("CD1_1", -north * _PIXEL, "RA deg per column pixel"),
        ("CD1_2", east * _PIXEL, "RA deg per row pixel"),
        ("CD2_1", east * _PIXEL, "Dec deg per column pixel"),
        ("CD2_2", north * _PIXEL, "Dec deg per row pixel"),
        ("RERUN", RERUN, "rerun"),
    ):
        header.append((key, value, comment))
    return header


def _scan_direction(ra: float, dec: float, inclination: float) -> tuple[float, float]:
    """Return east and north components of the unit vector along the scan, at a position [deg]."""
    a, d, i, node = np.radians([ra, dec, inclination, NODE])
    pole = np.array([np.sin(i) * np.sin(node), -np.sin(i) * np.cos(node), np.cos(i)])
    here = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    along = np.cross(pole, here)
    east, north = [-np.sin(a), np.cos(a), 0.0], [-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)]
    along /= np.linalg.norm(along)
    return float(along @ east), float(along @ north)


def simulated_fields(ra: Floats, dec: Floats, radius_deg: ArrayLike, footprint: Lightcone) -> pd.DataFrame:
    """Return the fields of the simulated survey that reach into circles on the sky.

    Of the fields of all stripes there are those whose centre lies inside the footprint and that are needed to cover
    the sky: where stripes converge towards their nodes, columns end that lie wholly in neighbouring stripes.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        Centres [deg].
    radius_deg : float or array, shape (n,)
        Radii of the circles [deg].
    footprint : Lightcone
        Ranges of right ascension (may run across 360) and declination.

    Returns
    -------
    DataFrame
        As `FIELDS`, in order of run, column and field. Fields that only come close to a circle may be among them.
    """
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    radius = np.broadcast_to(np.asarray(radius_deg, float) + 1.5 * BAND_MARGIN_ARCSEC / 3600, ra.shape)
    near = [_near(stripe, strip, ra, dec, radius) for stripe in STRIPES for strip in (0, 1)]
    run, camcol, field = np.concatenate(near).T
    exists = _is_primary(run, camcol, field) & _is_inside(run, camcol, field, footprint)
    return _table(run[exists], camcol[exists], field[exists])


def _near(stripe: int, strip: int, ra: Floats, dec: Floats, radius: Floats) -> Ints:
    """Return run, column and field, shape (m, 3), of a strip near circles, in order."""
    mu, nu = survey_position(ra, dec, stripe_inclination(stripe))
    close = np.abs(nu) <= _SPACING / 2 + _HALF_WIDTH + radius
    mu, nu, radius = mu[close], nu[close], radius[close]
    run = int(simulated_run(stripe, strip))
    found = [np.empty((0, 3), np.int64)]
    for camcol in range(1, 7):
        _, column_nu, _ = field_centre(run, camcol, 0)
        beside = np.abs(nu - column_nu) <= _HALF_WIDTH + radius
        widest = np.radians(np.minimum(np.abs(nu[beside]) + radius[beside], 89.9))
        reach = radius[beside] / np.cos(widest) + 1.01 * _HALF_LENGTH
        along = mu[beside] + np.array([-360, 0, 360])[:, None]
        first = np.clip(np.ceil((along - reach) / _STEP - 0.5), 0, _FIELDS)
        last = np.clip(np.floor((along + reach) / _STEP - 0.5), -1, _FIELDS - 1)
        fields = _all_between(first.ravel().astype(np.int64), last.ravel().astype(np.int64))
        found.append(np.stack([np.full_like(fields, run), np.full_like(fields, camcol), fields], axis=1))
    return np.concatenate(found)


def _all_between(first: Ints, last: Ints) -> Ints:
    """Return the distinct whole numbers of ranges, both ends included, in order."""
    counts = np.maximum(last - first + 1, 0)
    starts = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    return np.unique(starts + np.arange(counts.sum()))


def _is_primary(run: Ints, camcol: Ints, field: Ints) -> NDArray[np.bool_]:
    """Return which fields reach into the part of the sky that is nearer to their stripe than to its neighbours."""
    mu, nu, _ = field_centre(run, camcol, field)
    from_node = np.abs((mu - NODE + 90) % 180 - 90)
    sine = np.sin(np.radians(np.minimum(from_node + 1.01 * _HALF_LENGTH, 90)))
    border = np.degrees(np.arctan(np.tan(np.radians(_SPACING / 2)) * sine))
    return np.asarray(np.abs(nu) - 1.01 * _HALF_WIDTH <= border)


def _is_inside(run: Ints, camcol: Ints, field: Ints, footprint: Lightcone) -> NDArray[np.bool_]:
    """Return which fields have their centre inside the footprint."""
    ra, dec = sky_position(*field_centre(run, camcol, field))
    (left, right), (low, high) = footprint.ra_deg, footprint.dec_deg
    return np.asarray(((ra - left) % 360 <= right - left) & (dec >= low) & (dec <= high))


def _table(run: Ints, camcol: Ints, field: Ints) -> pd.DataFrame:
    """Return fields with their corners."""
    ra, dec = field_corners(run, camcol, field)
    columns = {"run": run, "rerun": np.full(len(run), RERUN, object), "camcol": camcol, "field": field}
    columns |= {f"ra_{k}": ra[:, k] for k in range(4)} | {f"dec_{k}": dec[:, k] for k in range(4)}
    return pd.DataFrame(columns)[FIELDS.names]


def random_fields(number: int, footprint: Lightcone, min_latitude_deg: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return fields of the simulated survey at random places, as `FIELDS`.

    Parameters
    ----------
    number : int
        Places; two of them may fall on one field, which then stands once.
    footprint : Lightcone
    min_latitude_deg : float
        Smallest distance of places from the plane of the Galaxy.

    Raises
    ------
    ValueError
        Hardly any place of the footprint is so far from the plane.
    """
    tried = 200 * number
    ra = rng.uniform(*footprint.ra_deg, tried) % 360
    south, north = np.sin(np.radians(footprint.dec_deg))
    dec = np.degrees(np.arcsin(rng.uniform(south, north, tried)))
    high = np.flatnonzero(np.abs(galactic_latitude(ra, dec)) >= min_latitude_deg)[:number]
    if len(high) < number:
        raise ValueError(
            f"expected {number} places {min_latitude_deg:g} deg from the plane of the Galaxy, got {len(high)}"
        )
    near = [simulated_fields(ra[k : k + 1], dec[k : k + 1], 0.01, footprint).iloc[:1] for k in high]
    return pd.concat(near).drop_duplicates().reset_index(drop=True)
