"""Richness of clusters, measured from the simulated galaxies as a red-sequence cluster finder does.

In the manner of redMaPPer (Rykoff et al. 2012, 2014): galaxies above 0.2 L* on the red sequence are weighed by how well
place and colour fit a cluster. With u the filter, normalised to one galaxy, and b the mean density of such galaxies on
the sky,

    p = lambda u / (lambda u + b),    lambda = sum p    inside R_lambda = 1.0 (lambda / 100)^0.2 Mpc/h,

solved for each cluster. The colour of a galaxy is told as its red-sequence redshift: where the sequence is as red.
The most likely clusters take their members first, and leave the rest to others.

Put in: how many galaxies of which luminosity and colour halos have (conditional luminosity function, red fraction),
their NFW profiles, and how well SDSS colours tell redshifts. Predicted: the relation of richness and mass, its scatter,
and what projection of other halos adds. Not used: any published relation of richness and mass.

Differences from redMaPPer: one colour in place of a chi^2 of several; no luminosity filter; L* evolves as the
simulation's galaxies do; galaxies are cut at true luminosities, and in colour relative to the sequence at their true
redshifts; candidate centres are central galaxies of halos, at their true redshifts, and their own luminosities and
colours are not weighed; z_lambda is not calibrated afterwards; no mask. Angles are small; lengths are proper Mpc/h.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import exp1

from clustermass.config.base import Cosmology
from clustermass.contracts import Column, Contract
from clustermass.cosmology import flat
from clustermass.galaxies.colours import sequence_offset
from clustermass.galaxies.connection import EVOLUTION_Q
from clustermass.galaxies.occupation import REFERENCE_REDSHIFT
from clustermass.sky import unit_vectors
from clustermass.sources import richness_kernels as kernels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_LUMINOSITY = 0.2  # L / L* of galaxies that count: Rykoff et al. (2014)
MSTAR = (22.44, 3.36, 0.273, -0.0618, -0.0227)  # m*(z) = sum c_k ln(z)^k, i band, z < 0.5: Rykoff et al. (2014), Eq. 9
# M*_r - 5 log10 h at z = 0.1: m*(0.1) = 16.27, distance modulus 37.54, K-correction -2.5 log10 1.1 of a band shifted to
# the galaxy's own redshift, and r - i = 0.38, as between M* in these bands of Blanton et al. (2003, ApJ 592, 819).
LSTAR_ABS_MAG = -20.79
COMPLETE_REDSHIFT = 0.35  # to here SDSS sees all that count: Rykoff et al. (2014), abstract
CLUSTER_PHOTOZ = ((0.1, 0.5), (0.006, 0.02))  # redshifts, errors of clusters' redshifts: Rykoff et al. (2014), abstract
LIMITING_MEMBERS = 20.0  # of the typical cluster of that catalogue, at its limit
SEQUENCE_WIDTHS = 3.0  # how far off the red sequence a colour fits no redshift; stands in for a cut in chi^2, ours
MIN_HALO = 1e13  # M500c [Msun] of halos whose centrals are candidates, ours: richness 20 takes ten times this
MIN_RICHNESS = 5.0  # smallest lambda / S in the tables, as in redMaPPer's own percolation (recalled)
MIN_MEMBERSHIP = 0.01  # smallest probability in the table of members, ours
MAX_REDSHIFT = 0.8  # end of the tables
_STEP, _BIN = 0.001, 0.01  # of tables and of the background's histogram, in redshift
_ROW = 0.2  # deg: height of a row of cells on the sky

RED_GALAXIES = ("galaxy", "host", "ra", "dec", "z_red", "r", "g_r")
"""Columns of a table of red-sequence galaxies, made by `red_galaxies`."""

RICHNESS = Contract(
    "richness",
    "clusters found among the simulated galaxies: measured richness and redshift, and whose galaxies they are",
    (
        Column("cluster", "text", "", "name of the cluster", unique=True),
        Column("id", "text", "", "parent halo: the one with most of the members, by probability"),
        Column("group", "text", "", "parent object of the parent halo, which splits keep together"),
        Column("share", "float", "", "share of the members that live in the parent halo", 0, 1),
        Column("ra", "float", "deg", "right ascension of the central galaxy, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination of the central galaxy, ICRS", -90, 90),
        Column("redshift", "float", "", "observed redshift of the halo of the central galaxy", 0, 20),
        Column("z_lambda", "float", "", "photometric redshift of the cluster", 0, 20),
        Column("z_lambda_err", "float", "", "1 sigma error of z_lambda", 0),
        Column("richness", "float", "", "lambda", 0),
        Column("richness_err", "float", "", "1 sigma error of lambda", 0),
        Column("scale", "float", "", "S: lambda over the number of members seen", 1),
    ),
)
MEMBERS = Contract(
    "members",
    "galaxies of clusters found among the simulated galaxies, with probabilities",
    (
        Column("cluster", "text", "", "name in the table of richness"),
        Column("galaxy", "int", "", "number of the galaxy in the light cone", 0),
        Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination, ICRS", -90, 90),
        Column("z_red", "float", "", "red-sequence redshift", -1, 20),
        Column("r", "float", "mag", "apparent magnitude, AB"),
        Column("g_r", "float", "mag", "g - r in the rest frame, bands shifted to z = 0.1"),
        Column("probability", "float", "", "of being a member, less the shares of richer clusters", 0, 1),
        Column("distance", "float", "Mpc/h", "projected proper distance from the centre", 0),
    ),
)


class Filters(NamedTuple):
    """What richness needs to know of redshifts: nodes every `step` from 0; made by `build_filters`.

    Attributes
    ----------
    step : float
    distance : array, shape (n,)
        Angular diameter distance [Mpc/h].
    width : array, shape (n,)
        Standard deviation of red-sequence redshifts.
    scale : array, shape (n,)
        S, see `depth_scale`.
    background : array, shape (n,)
        Red-sequence galaxies per unit of red-sequence redshift and steradian.
    """

    step: float
    distance: Floats
    width: Floats
    scale: Floats
    background: Floats


def depth_scale(redshift: Floats) -> Floats:
    """Return S(z), the richness over the number of galaxies that SDSS is deep enough to see.

    The galaxies of a cluster follow a Schechter function of slope -1; those brighter than 0.2 L* count. Beyond z = 0.35
    the survey's limit is brighter, see `lost_depth`.

    Notes
    -----
    Source: Rykoff et al. (2014), section on richness and survey depth. The mask is left out, so that S = 1 below 0.35.
    """
    return np.asarray(exp1(MIN_LUMINOSITY) / exp1(MIN_LUMINOSITY * 10 ** (0.4 * lost_depth(redshift))))


def lost_depth(redshift: Floats) -> Floats:
    """Return by how many magnitudes the survey's limit is brighter than 0.2 L*.

    It stays at the apparent magnitude that 0.2 L* has at z = 0.35.

    Notes
    -----
    Source: m*(z) of Rykoff et al. (2014), Eq. 9, i band; the few galaxies beyond its range of z < 0.5 follow it too.
    """
    log_z = np.log([np.maximum(redshift, COMPLETE_REDSHIFT), np.full(np.shape(redshift), COMPLETE_REDSHIFT)])
    magnitude, limit = np.polynomial.polynomial.polyval(log_z, MSTAR)
    return np.asarray(np.maximum(magnitude - limit, 0))


def faintest(redshift: Floats) -> Floats:
    """Return the faintest magnitude M_r - 5 log10 h that counts at a redshift: 0.2 L*, or the survey's limit."""
    evolution = EVOLUTION_Q * (redshift - REFERENCE_REDSHIFT)
    return np.asarray(LSTAR_ABS_MAG - 2.5 * np.log10(MIN_LUMINOSITY) - evolution - lost_depth(redshift))


def sequence_redshift_error(redshift: Floats) -> Floats:
    """Return the standard deviation of the red-sequence redshift of a galaxy.

    The error of the redshift of a cluster of SDSS times the square root of 20, the number of members at the
    catalogue's limit: 0.027 at z = 0.1 (luminous red galaxies of SDSS have that error too: Lopes 2007, MNRAS 380, 1608)
    and 0.089 at z = 0.5, where members are near the survey's limit.

    Notes
    -----
    Source: errors of clusters' redshifts of Rykoff et al. (2014), abstract, linear in redshift between and beyond.
    """
    (low, high), (error_low, error_high) = CLUSTER_PHOTOZ
    error = error_low + (redshift - low) / (high - low) * (error_high - error_low)
    return np.asarray(error * np.sqrt(LIMITING_MEMBERS))


def red_galaxies(galaxies: pd.DataFrame, g_r: Floats, halos: pd.Index) -> pd.DataFrame:
    """Return the galaxies that a cluster finder uses: bright enough, and of a colour that fits the red sequence.

    Parameters
    ----------
    galaxies : pandas.DataFrame
        Galaxies of the light cone, or a part of them: galaxy, halo, ra, dec [deg], redshift_observed, abs_mag_r, r.
    g_r : array, shape (n,)
        Colours by `clustermass.galaxies.colours.assign_colours`.
    halos : pandas.Index
        Names of the halos, in the order of their table.

    Returns
    -------
    pandas.DataFrame
        Columns `RED_GALAXIES`; host: row of the halo, -1 where it is in no table; magnitudes and z_red in single
        precision. A galaxy redder than the sequence by its width is taken for one whose redshift is larger by
        `sequence_redshift_error`, so the intrinsic width and photometric errors act as one.
    """
    z, magnitude = galaxies["redshift_observed"].to_numpy(float), galaxies["abs_mag_r"].to_numpy(float)
    bright = np.flatnonzero((z > 0) & (z < MAX_REDSHIFT))
    bright = bright[magnitude[bright] < faintest(z[bright])]
    z = z[bright]
    offset = sequence_offset(magnitude[bright], z, g_r[bright])
    on_sequence = np.abs(offset) < SEQUENCE_WIDTHS
    kept, z_red = bright[on_sequence], z + offset * sequence_redshift_error(z)
    columns = {
        "galaxy": galaxies["galaxy"].to_numpy()[kept],
        "host": halos.get_indexer(pd.Index(galaxies["halo"].to_numpy()[kept])),
        "ra": galaxies["ra"].to_numpy(float)[kept],
        "dec": galaxies["dec"].to_numpy(float)[kept],
        "z_red": z_red[on_sequence].astype(np.float32),
        "r": galaxies["r"].to_numpy(np.float32)[kept],
        "g_r": g_r[kept].astype(np.float32),
    }
    return pd.DataFrame(columns)[list(RED_GALAXIES)]


def build_filters(z_red: Floats, solid_angle: float, cosmology: Cosmology) -> Filters:
    """Return the tables of redshift, with the mean density of red-sequence galaxies over the footprint.

    Parameters
    ----------
    z_red : array, shape (n,)
        Red-sequence redshifts of all galaxies of the footprint.
    solid_angle : float
        Of the footprint [sr].

    Raises
    ------
    ValueError
        The footprint has no area, or redshifts are not finite.
    """
    if not 0 < solid_angle <= 4 * np.pi + 1e-9:
        raise ValueError(f"solid angle of the footprint: expected 0 to 4 pi sr, got {solid_angle}")
    if not np.isfinite(z_red).all():
        raise ValueError(
            f"red-sequence redshifts: expected finite numbers, got {int((~np.isfinite(z_red)).sum())} others"
        )
    z = np.arange(0, MAX_REDSHIFT + _STEP / 2, _STEP)
    counts, edges = np.histogram(z_red, np.arange(-_BIN, MAX_REDSHIFT + 2 * _BIN, _BIN))
    background = np.interp(z, (edges[1:] + edges[:-1]) / 2, counts / (_BIN * solid_angle))
    distance = flat(cosmology).angular_diameter_distance(z).value * cosmology.H0 / 100
    return Filters(
        _STEP, np.asarray(distance), sequence_redshift_error(z), depth_scale(np.maximum(z, _STEP)), background
    )


def build_sky(red: pd.DataFrame) -> tuple[kernels.Sky, Ints]:
    """Return galaxies sorted into cells on the sky, and their order: row of the table of every sorted galaxy."""
    ra, dec = red["ra"].to_numpy(float), red["dec"].to_numpy(float)
    rows = int(np.ceil(180 / _ROW))
    edge = np.minimum(np.abs(np.arange(rows) * _ROW - 90), np.abs((np.arange(rows) + 1) * _ROW - 90))
    columns = np.maximum((360 * np.cos(np.radians(edge)) / _ROW).astype(np.int64), 1)
    first = np.concatenate([[0], np.cumsum(columns)])
    row = np.minimum(((dec + 90) / _ROW).astype(np.int64), rows - 1)
    cell = first[row] + np.minimum((ra / 360 * columns[row]).astype(np.int64), columns[row] - 1)
    order = np.argsort(cell, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=first[-1]))])
    vectors = unit_vectors(ra[order], dec[order])
    return kernels.Sky(_ROW, first, start, vectors, red["z_red"].to_numpy(np.float32)[order]), order


def measure_richness(
    red: pd.DataFrame, halos: pd.DataFrame, solid_angle: float, cosmology: Cosmology
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return clusters and their members.

    Central galaxies of halos above `MIN_HALO` are candidates. Each is measured with all galaxies; then, the most likely
    first, with what those before leave: a galaxy that belongs to one with probability p counts 1 - p for the rest.
    Which halo is behind a cluster, its galaxies tell: a candidate may owe its members to another halo in front of it.

    Parameters
    ----------
    red : pandas.DataFrame
        Columns `RED_GALAXIES`; all of the footprint.
    halos : pandas.DataFrame
        Halos of the light cone: id, group, ra, dec [deg], redshift_observed, m500c [Msun].
    solid_angle : float
        Of the footprint [sr].
    cosmology : Cosmology

    Returns
    -------
    clusters : pandas.DataFrame
        Contract `RICHNESS`: lambda / S above `MIN_RICHNESS`, in the order in which they take members. The variance of
        lambda is S^2 sum p (1 - p), and beyond z = 0.35 the Poisson one of galaxies not seen, lambda (S - 1), besides.
        z_lambda is the most likely redshift; its error follows from the curvature of the likelihood.
    members : pandas.DataFrame
        Contract `MEMBERS`: galaxies of probability above `MIN_MEMBERSHIP`, cluster by cluster; a galaxy may stand with
        several clusters, its probabilities adding up to 1 at most. They sum to lambda / S, but for those left out.

    Raises
    ------
    ValueError
        Footprint without area, redshifts that are not finite.

    Notes
    -----
    Source: Rykoff et al. (2014), sections on richness, on ranking by likelihood and on percolation, without the part of
    the likelihood that comes from the central galaxy's luminosity.
    """
    filters = build_filters(red["z_red"].to_numpy(float), solid_angle, cosmology)
    sky, order = build_sky(red)
    z = halos["redshift_observed"].to_numpy(float)
    candidates = np.flatnonzero((halos["m500c"].to_numpy() > MIN_HALO) & (z > _STEP) & (z < MAX_REDSHIFT))
    alone = kernels.measure_alone(sky, filters, *_places(halos, candidates))
    rich = np.flatnonzero(alone[:, 0] > MIN_RICHNESS)
    ranked = candidates[rich[np.argsort(-alone[rich, 1], kind="stable")]]
    found, cluster, galaxy, probability, distance = kernels.percolate(
        sky, filters, *_places(halos, ranked), MIN_RICHNESS, MIN_MEMBERSHIP
    )
    kept = np.flatnonzero(found[:, 0] > MIN_RICHNESS)
    number = np.searchsorted(kept, cluster)
    members = red.iloc[order[galaxy]]
    parent, share = parents(number, members["host"].to_numpy(), probability, ranked[kept])
    clusters = _clusters(halos, ranked[kept], parent, found[kept], filters).assign(share=share)
    members = members.drop(columns="host").reset_index(drop=True).astype({"z_red": float, "r": float, "g_r": float})
    members = members.assign(cluster=clusters["cluster"].to_numpy()[number], probability=probability, distance=distance)
    return RICHNESS.validate(clusters, "richness"), MEMBERS.validate(members, "members")


def parents(cluster: Ints, host: Ints, probability: Floats, centre: Ints) -> tuple[Ints, Floats]:
    """Return the halo that gives each cluster most of its members, and its share of them.

    Parameters
    ----------
    cluster, host : array of int, shape (n_members,)
        Cluster, counted from 0, and halo of every member; -1 for galaxies without halo.
    probability : array, shape (n_members,)
    centre : array of int, shape (n_clusters,)
        Halo of the central galaxy: the parent where no member has a halo.

    Returns
    -------
    parent : array of int, shape (n_clusters,)
    share : array, shape (n_clusters,)
    """
    parent, share = centre.copy(), np.zeros(len(centre))
    total = np.bincount(cluster, probability, len(centre))
    known = np.flatnonzero(host >= 0)
    pairs, place = np.unique(np.column_stack([cluster[known], host[known]]), axis=0, return_inverse=True)
    weight = np.bincount(place.ravel(), probability[known], len(pairs))
    ascending = np.argsort(weight, kind="stable")
    parent[pairs[ascending, 0]] = pairs[ascending, 1]  # the last one written, the heaviest, stays
    share[pairs[ascending, 0]] = weight[ascending]
    return parent, np.minimum(share / np.maximum(total, 1e-300), 1)


def _places(halos: pd.DataFrame, rows: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Return right ascension and declination [deg], unit vectors and redshifts of some halos."""
    ra, dec, z = (halos[name].to_numpy(float)[rows] for name in ("ra", "dec", "redshift_observed"))
    return ra, dec, unit_vectors(ra, dec), z


def _clusters(halos: pd.DataFrame, centre: Ints, parent: Ints, found: Floats, filters: Filters) -> pd.DataFrame:
    """Return clusters from rows of halos, and from members seen, redshift, and variances of both."""
    seen, z, variance, z_variance = found.T
    scale = np.interp(z, np.arange(len(filters.scale)) * filters.step, filters.scale)
    columns = {
        "cluster": [f"C{number:07d}" for number in range(1, len(centre) + 1)],
        "id": halos["id"].to_numpy()[parent],
        "group": halos["group"].to_numpy()[parent],
        "ra": halos["ra"].to_numpy(float)[centre],
        "dec": halos["dec"].to_numpy(float)[centre],
        "redshift": halos["redshift_observed"].to_numpy(float)[centre],
        "z_lambda": z,
        "z_lambda_err": np.sqrt(z_variance),
        "richness": scale * seen,
        "richness_err": np.sqrt(scale**2 * variance + scale * seen * (scale - 1)),
        "scale": scale,
    }
    return pd.DataFrame(columns)
