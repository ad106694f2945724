"""Red-sequence galaxies of clusters, counted in frames as any observer would, and how well they tell richness.

Nothing of the simulation's truth is used but redshifts of clusters and, to compare with, their richness. The colour of
the red sequence is learnt from clusters of other folds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

from clustermass.config.realism import RedSequence
from clustermass.realism.contracts import COVERAGE, RED_COUNTS
from clustermass.realism.detection import Floats, Mask, MeasurementError
from clustermass.realism.objects import colour, pixel_arcsec

Ints = NDArray[np.int64]
_LEAST_COVERED = 0.5  # circles that are covered less are not counted
_BIWEIGHT = 3.0  # colours further from the red sequence do not pull it [scatter]
_ROUNDS = 30


def characteristic_magnitude(redshift: Floats) -> Floats:
    """Return m*, the i magnitude of an L* red galaxy.

    Source: Rykoff et al. (2014, ApJ 785, 104), Eq. 9: a passive galaxy of Bruzual & Charlot (2003), 0.05 < z < 0.7.
    """
    z = np.log(redshift)
    near = 22.44 + 3.36 * z + 0.273 * z**2 - 0.0618 * z**3 - 0.0227 * z**4
    far = 22.94 + 3.08 * z - 11.22 * z**2 - 27.11 * z**3 - 18.02 * z**4
    return np.where(np.asarray(redshift) <= 0.5, near, far)


def coverage(wcs: WCS, masked: Mask, field: str, step: int = 25) -> pd.DataFrame:
    """Return points that stand for the usable area of a frame: contract `COVERAGE`.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
    masked : bool array, shape (ny, nx)
        Pixels that cannot be used.
    field : str
        Name of the field.
    step : int
        Pixels between points.
    """
    ny, nx = masked.shape
    rows, columns = np.mgrid[step // 2 : ny : step, step // 2 : nx : step]
    kept = ~masked[rows, columns]
    ra, dec = wcs.all_pix2world(columns[kept], rows[kept], 0)
    area = (pixel_arcsec(wcs) / 60) ** 2 * (masked.size - masked.sum()) / max(int(kept.sum()), 1)
    return pd.DataFrame({"field": field, "ra": ra % 360, "dec": dec, "arcmin2": area})[COVERAGE.names]


def directions(ra: Floats, dec: Floats) -> Floats:
    """Return unit vectors of places of the sky [deg], shape (n, 3)."""
    a, d = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def within(places: pd.DataFrame, clusters: pd.DataFrame, radius_mpc: float) -> list[Ints]:
    """Return, for every cluster, the rows of places nearer than a radius [Mpc]."""
    if not len(places):
        return [np.empty(0, np.int64) for _ in range(len(clusters))]
    tree = cKDTree(directions(*places[["ra", "dec"]].to_numpy(float).T))
    angle = np.radians(radius_mpc * clusters["arcsec_per_mpc"].to_numpy(float) / 3600)
    found = tree.query_ball_point(directions(*clusters[["ra", "dec"]].to_numpy(float).T), 2 * np.sin(angle / 2))
    return [np.array(sorted(rows), dtype=np.int64) for rows in found]


def fit_sequence(redshift: Floats, value: Floats, error: Floats, settings: RedSequence) -> Floats:
    """Return the polynomial in redshift that most colours of galaxies in cores of clusters follow.

    The start is the median of each tenth of the galaxies in redshift; then Tukey's biweight, so that galaxies off the
    sequence, in front and behind, do not pull.

    Parameters
    ----------
    redshift, value, error : array, shape (n,)
        Redshift of the cluster; colour and its 1 sigma error [mag].

    Returns
    -------
    array, shape (degree + 1,)
        Coefficients, highest power first, as numpy.polyval takes them.

    Raises
    ------
    MeasurementError
        Fewer galaxies than three a coefficient.
    """
    if len(value) < 3 * (settings.degree + 1):
        raise MeasurementError(
            f"expected at least {3 * (settings.degree + 1)} galaxies in cores of clusters, got {len(value)}"
        )
    scatter = np.hypot(settings.intrinsic_scatter, error)
    degree = min(settings.degree, np.unique(redshift).size - 1)
    parts = np.array_split(np.argsort(redshift, kind="stable"), 10)
    middle = np.array([[redshift[part].mean(), np.median(value[part])] for part in parts if len(part)])
    fit = np.polyfit(middle[:, 0], middle[:, 1], min(degree, 2))
    for widen in np.geomspace(4.0, 1.0, _ROUNDS):
        off = (value - np.polyval(fit, redshift)) / (_BIWEIGHT * widen * scatter)
        weight = np.where(np.abs(off) < 1, 1 - off**2, 0) / scatter
        if np.count_nonzero(weight) > 2 * (degree + 1):
            fit = np.polyfit(redshift, value, degree, w=weight)
    return np.asarray(fit)


def red_sequence_counts(
    objects: pd.DataFrame, covered: pd.DataFrame, clusters: pd.DataFrame, settings: RedSequence
) -> pd.DataFrame:
    """Count the red-sequence galaxies of clusters, less those that are there at any place: contract `RED_COUNTS`.

    A galaxy counts where it is brighter than the limit in i, and g - r and r - i are both within a window about the red
    sequence at the cluster's redshift, which widens with the noise of the galaxy's own colours. The same cut at places
    far from all clusters is the background. Frames overlap: galaxies and area are counted as often as they are seen.

    Parameters
    ----------
    objects : pandas.DataFrame
        Contract `OBJECTS`, of all fields.
    covered : pandas.DataFrame
        Contract `COVERAGE`, of the same fields.
    clusters : pandas.DataFrame
        Contract `IMAGE_CLUSTERS`, in any order.

    Raises
    ------
    MeasurementError
        Too few clusters or galaxies to measure the colour of the red sequence or the background on.
    """
    if len(clusters) < settings.folds:
        raise MeasurementError(f"expected at least {settings.folds} clusters, got {len(clusters)}")
    galaxies = objects[~objects["star"] & (objects["r"] > settings.brightest_r)].reset_index(drop=True)
    table = _Photometry(galaxies)
    redshift = clusters["redshift"].to_numpy(float)
    limit = characteristic_magnitude(redshift) - 2.5 * np.log10(settings.faintest_l_star)
    fold = np.arange(len(clusters)) % settings.folds
    inside, cores = (within(galaxies, clusters, radius) for radius in (settings.radius_mpc, settings.core_mpc))
    sequence = _sequences(table, cores, redshift, limit, fold, settings)
    area = [covered["arcmin2"].to_numpy()[rows].sum() for rows in within(covered, clusters, settings.radius_mpc)]
    field, field_area = _background(galaxies, covered, clusters, settings)
    circle = np.pi * (settings.radius_mpc * clusters["arcsec_per_mpc"].to_numpy(float) / 60) ** 2
    rows = []
    for at, cluster in enumerate(clusters.itertuples()):
        count = table.on_sequence(inside[at], sequence[at], limit[at], settings)
        everywhere = table.on_sequence(field, sequence[at], limit[at], settings)
        background = everywhere * area[at] / field_area
        scale = circle[at] / area[at] if area[at] > _LEAST_COVERED * circle[at] else np.nan
        error = np.sqrt(max(count, 1) + background * area[at] / field_area)
        rows.append(
            {"cluster": cluster.id, "redshift": cluster.redshift, "richness": cluster.richness}
            | {"log10_m500c": cluster.log10_m500c, "covered": area[at] / circle[at]}
            | {"g_r": sequence[at, 0], "r_i": sequence[at, 1], "galaxies": count, "background": background}
            | {"count": (count - background) * scale, "error": error * scale}
        )
    return pd.DataFrame(rows)[RED_COUNTS.names]


class _Photometry:
    """i magnitudes and both colours of galaxies with their errors."""

    def __init__(self, galaxies: pd.DataFrame) -> None:
        pairs = [colour(galaxies, *bands) for bands in (("g", "r"), ("r", "i"))]
        self.colours = np.stack([value for value, _ in pairs], axis=1)
        self.errors = np.stack([error for _, error in pairs], axis=1)
        self.i = galaxies["r"].to_numpy(float) - self.colours[:, 1]

    def bright(self, rows: Ints, limit: float) -> Ints:
        """Return the rows that are brighter than a limit and have both colours."""
        good = (self.i[rows] < limit) & np.isfinite(self.colours[rows]).all(axis=1)
        return rows[good]

    def on_sequence(self, rows: Ints, sequence: Floats, limit: float, settings: RedSequence) -> int:
        """Return how many of these galaxies are bright enough and of the right colours."""
        rows = self.bright(rows, limit)
        off = np.abs(self.colours[rows] - sequence) / np.hypot(settings.intrinsic_scatter, self.errors[rows])
        return int((off < settings.width).all(axis=1).sum())


def _sequences(
    table: _Photometry, cores: list[Ints], redshift: Floats, limit: Floats, fold: Ints, settings: RedSequence
) -> Floats:
    """Return both colours of the red sequence at every cluster, by clusters of the other folds, shape (clusters, 2)."""
    bright = [table.bright(rows, limit[at]) for at, rows in enumerate(cores)]
    owner = np.repeat(np.arange(len(cores)), [len(rows) for rows in bright])
    rows = np.concatenate(bright) if bright else np.empty(0, np.int64)
    result = np.empty((len(cores), 2))
    for part in np.unique(fold):
        others = fold[owner] != part
        for which in range(2):
            value, error = table.colours[rows[others], which], table.errors[rows[others], which]
            fit = fit_sequence(redshift[owner[others]], value, error, settings)
            result[fold == part, which] = np.polyval(fit, redshift[fold == part])
    return result


def _background(
    galaxies: pd.DataFrame, covered: pd.DataFrame, clusters: pd.DataFrame, settings: RedSequence
) -> tuple[Ints, float]:
    """Return the galaxies that are far from all clusters, and the area that is [arcmin^2]."""
    far = []
    for places in (galaxies, covered):
        alone = np.ones(len(places), bool)
        alone[np.concatenate(within(places, clusters, settings.background_mpc))] = False
        far.append(np.flatnonzero(alone))
    area = float(covered["arcmin2"].to_numpy()[far[1]].sum())
    if not area > 0:
        raise MeasurementError(f"expected frames further than {settings.background_mpc:g} Mpc from clusters, got none")
    return far[0], area


def rank_correlation(
    count: Floats, richness: Floats, bootstraps: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return Spearman's rank correlation and its 16 and 84 % points by resampling clusters.

    Parameters
    ----------
    count, richness : array, shape (clusters,)
        Pairs with a NaN are left out.

    Raises
    ------
    MeasurementError
        Fewer than four pairs.
    """
    good = np.isfinite(count) & np.isfinite(richness)
    pairs = np.stack([count[good], richness[good]])
    number = pairs.shape[1]
    if number < 4:
        raise MeasurementError(f"expected at least four clusters with counts, got {number}")
    draws = [pairs[:, rng.integers(0, number, number)] for _ in range(bootstraps)]
    found = [float(spearmanr(*draw).statistic) for draw in draws if min(np.ptp(draw, axis=1)) > 0]
    low, high = np.percentile(found, [16, 84])
    return float(spearmanr(*pairs).statistic), float(low), float(high)
