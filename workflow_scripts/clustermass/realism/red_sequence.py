"""Richness of clusters from their frames, as a cluster finder would measure it, and how well it tells the true one.

Nothing of the simulation's truth is used but places and redshifts of clusters and, to compare with, their richness. A
galaxy is weighed by its distance from the centre and by how well its g - r and r - i fit the red sequence, against the
density of such galaxies far from all clusters (Rykoff et al. 2012); the colour of the red sequence is learnt from
clusters of other folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

from clustermass.config.realism import RedSequence
from clustermass.realism.contracts import COVERAGE, RED_COUNTS
from clustermass.realism.detection import Floats, Mask, MeasurementError
from clustermass.realism.objects import magnitude, pixel_arcsec
from clustermass.sky import unit_vectors
from clustermass.sources.richness import MIN_LUMINOSITY, MSTAR, depth_scale, lost_depth
from clustermass.sources.richness_kernels import radial_filter, solve_members

Ints = NDArray[np.int64]
_LEAST_COVERED = 0.5  # circles that are covered less are not measured
_STEP = 0.025  # mag: bins of colours
_EDGES = (np.arange(-0.5, 2.61, _STEP), np.arange(-0.5, 1.51, _STEP))  # of g - r and r - i
_SMOOTHING = 2.5  # bins: widths of the Gaussian that numbers by colour are smoothed with
_GRIDS = (np.arange(0.5, 2.2, _STEP), np.arange(0.2, 1.3, _STEP))  # colours that a red sequence may have
_BESIDE = 0.15  # mag: how far off the red sequence in one colour galaxies may be that tell the other
_POGSON = 2.5 / np.log(10)
_LEAST_DENSITY = 1e-3  # of the mean over all colours: the background is nowhere empty


def characteristic_magnitude(redshift: Floats) -> Floats:
    """Return m*, the i magnitude of an L* red galaxy.

    Source: Rykoff et al. (2014, ApJ 785, 104), Eq. 9, for 0.05 < z < 0.5; used a little beyond.
    """
    return np.asarray(np.polynomial.polynomial.polyval(np.log(redshift), MSTAR))


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


def within(places: pd.DataFrame, clusters: pd.DataFrame, radius_mpc: float) -> list[Ints]:
    """Return, for every cluster, the rows of places nearer than a radius [Mpc]."""
    if not len(places):
        return [np.empty(0, np.int64) for _ in range(len(clusters))]
    found = cKDTree(_vectors(places)).query_ball_point(_vectors(clusters), 2 * np.sin(_angle(clusters, radius_mpc) / 2))
    return [np.array(sorted(rows), dtype=np.int64) for rows in found]


def _vectors(table: pd.DataFrame) -> Floats:
    return unit_vectors(table["ra"].to_numpy(float), table["dec"].to_numpy(float))


def _angle(clusters: pd.DataFrame, mpc: float) -> Floats:
    """Return the angle of a length at the clusters' redshifts [rad]."""
    return np.asarray(np.radians(mpc * clusters["arcsec_per_mpc"].to_numpy(float) / 3600))


@dataclass(frozen=True)
class _Galaxies:
    """Galaxies: i, shape (n,), g - r and r - i, (n, 2), errors of g, r and i [mag], (n, 3), and directions, (n, 3)."""

    i: Floats
    colours: Floats
    errors: Floats
    vectors: Floats

    @classmethod
    def of(cls, objects: pd.DataFrame) -> _Galaxies:
        flux, error = (objects[[f"{kind}_{band}" for band in "gri"]].to_numpy(float) for kind in ("flux", "error"))
        colours = -np.diff(magnitude(flux), axis=1)
        return cls(objects["r"].to_numpy(float) - colours[:, 1], colours, _POGSON * error / flux, _vectors(objects))

    def fit(self, rows: Ints, sequence: Floats, scatter: float) -> Floats:
        """Return the density of the red sequence at the colours of galaxies [mag^-2]: noise in r moves both."""
        g, r, i = self.errors[rows].T ** 2
        blue, red = scatter**2 + g + r, scatter**2 + r + i
        determinant = blue * red - r**2
        off = self.colours[rows] - sequence
        chi2 = (red * off[:, 0] ** 2 + 2 * r * off[:, 0] * off[:, 1] + blue * off[:, 1] ** 2) / determinant
        return np.asarray(np.exp(-0.5 * chi2) / (2 * np.pi * np.sqrt(determinant)))


def _map(colours: Floats) -> Floats:
    """Return how many galaxies have which colours, smoothed: per bin of `_EDGES`."""
    counts, *_ = np.histogram2d(colours[:, 0], colours[:, 1], bins=_EDGES)
    return np.asarray(gaussian_filter(counts, _SMOOTHING))


def fit_sequence(
    redshift: Floats,
    cores: list[tuple[Floats, Floats]],
    field: list[tuple[Floats, Floats]],
    shares: Floats,
    knots: Floats,
    grid: Floats,
) -> Floats:
    """Return a colour of the red sequence at knots in redshift, between which it is linear.

    Of all lines through a grid of colours that do not turn bluer with redshift, the one along which galaxies in cores
    of clusters stand out most above what the field has in the same area. Found exactly, knot by knot (Bellman 1957).

    Parameters
    ----------
    redshift : array, shape (clusters,)
    cores, field : list of (array, array)
        Colours and weights of galaxies in the core of every cluster, and of those of the field that are as bright.
    shares : array, shape (clusters,)
        Areas of cores over that of the field.
    knots : array, shape (knots,)
        Redshifts, rising.
    grid : array, shape (colours,)
        Colours that are tried [mag], rising in even steps.

    Returns
    -------
    array, shape (knots,)
        [mag]

    Raises
    ------
    MeasurementError
        Fewer galaxies than three a knot.
    """
    number = sum(len(values) for values, _ in cores)
    if number < 3 * len(knots):
        raise MeasurementError(f"expected at least {3 * len(knots)} galaxies in cores of clusters, got {number}")
    excess = np.array(
        [
            _excess(core, grid) - share * _excess(other, grid)
            for core, other, share in zip(cores, field, shares, strict=True)
        ]
    )
    place = np.clip(np.searchsorted(knots, redshift, side="right") - 1, 0, len(knots) - 2)
    best, paths = np.zeros(len(grid)), []
    for k in range(len(knots) - 1):
        score = np.zeros((len(grid), len(grid)))  # by colours at this knot and at the next
        for at in np.flatnonzero(place == k):
            along = np.clip((redshift[at] - knots[k]) / (knots[k + 1] - knots[k]), 0, 1)
            score += np.interp((1 - along) * grid[:, None] + along * grid, grid, excess[at])
        score[np.tril_indices(len(grid), -1)] = -np.inf
        score += best[:, None]
        paths.append(score.argmax(axis=0))
        best = score.max(axis=0)
    chosen = [int(best.argmax())]
    for path in paths[::-1]:
        chosen.append(int(path[chosen[-1]]))
    return np.asarray(grid[chosen[::-1]])


def _excess(galaxies: tuple[Floats, Floats], grid: Floats) -> Floats:
    """Return how many galaxies have which colour, smoothed, on a grid."""
    edges = np.append(grid, 2 * grid[-1] - grid[-2]) - (grid[1] - grid[0]) / 2
    counts, _ = np.histogram(galaxies[0], bins=edges, weights=galaxies[1])
    return np.asarray(gaussian_filter1d(counts, _SMOOTHING))


def red_sequence_counts(
    objects: pd.DataFrame, covered: pd.DataFrame, clusters: pd.DataFrame, h: float, settings: RedSequence
) -> pd.DataFrame:
    """Measure the richness of clusters on their frames: contract `RED_COUNTS`.

    Frames overlap: galaxies and area are counted as often as they are seen, and weighed down by that.

    Parameters
    ----------
    objects : pandas.DataFrame
        Contract `OBJECTS`, of all fields.
    covered : pandas.DataFrame
        Contract `COVERAGE`, of the same fields.
    clusters : pandas.DataFrame
        Contract `IMAGE_CLUSTERS`, in any order.
    h : float
        H0 / (100 km/s/Mpc): the radial filter is in Mpc/h.

    Raises
    ------
    MeasurementError
        Too few clusters or galaxies to measure the colour of the red sequence or the background on.

    Notes
    -----
    Source: Rykoff et al. (2012, ApJ 746, 178; 2014). Differs: no luminosity filter, centres and redshifts are given.
    """
    if len(clusters) < settings.folds:
        raise MeasurementError(f"expected at least {settings.folds} clusters, got {len(clusters)}")
    stars = objects["star"] & (objects["r"] < settings.star_cut_r)
    lit = (objects[["flux_g", "flux_r", "flux_i"]] > 0).all(axis=1)
    kept = objects[~stars & lit & (objects["r"] > settings.brightest_r)].reset_index(drop=True)
    galaxies = _Galaxies.of(kept)
    redshift = clusters["redshift"].to_numpy(float)
    limit = characteristic_magnitude(redshift) - 2.5 * np.log10(MIN_LUMINOSITY) - lost_depth(redshift)
    far, field_area = _far(kept, covered, clusters, settings)
    field = [far[galaxies.i[far] < faintest] for faintest in limit]
    sequence = _sequences(galaxies, kept, clusters, limit, (field, field_area), settings)
    around = within(kept, clusters, settings.reach_mpc)
    area = [covered["arcmin2"].to_numpy()[rows].sum() for rows in within(covered, clusters, settings.radius_mpc)]
    circle = np.pi * (np.degrees(_angle(clusters, settings.radius_mpc)) * 60) ** 2
    centres, mpc_h = _vectors(clusters), h / _angle(clusters, 1.0)  # Mpc/h a radian
    rows = []
    for at, cluster in enumerate(clusters.itertuples()):
        near = around[at][galaxies.i[around[at]] < limit[at]]
        radius = 2 * np.arcsin(np.linalg.norm(galaxies.vectors[near] - centres[at], axis=1) / 2) * mpc_h[at]
        signal = galaxies.fit(near, sequence[at], settings.intrinsic_scatter)
        signal *= [radial_filter(distance) for distance in radius]
        arcmin2 = (mpc_h[at] * np.pi / 180 / 60) ** 2  # (Mpc/h)^2
        density = _at(_map(galaxies.colours[field[at]]) / _STEP**2, galaxies.colours[near]) / (field_area * arcmin2)
        seen = area[at] / circle[at]
        scale = float(depth_scale(redshift[at]))
        free = np.full(len(near), 1 / seen if seen > _LEAST_COVERED else np.nan)
        members = solve_members(signal, density, radius, free, scale) if seen > _LEAST_COVERED else np.nan
        rows.append(
            {"cluster": cluster.id, "redshift": cluster.redshift, "richness": cluster.richness}
            | {"log10_m500c": cluster.log10_m500c, "covered": seen, "g_r": sequence[at, 0], "r_i": sequence[at, 1]}
            | {"galaxies": len(near), "count": scale * members, "error": scale * np.sqrt(members)}
        )
    return pd.DataFrame(rows)[RED_COUNTS.names]


def _at(density: Floats, colours: Floats) -> Floats:
    """Return a map of colours at the colours of galaxies; those outside are at its edge."""
    place = [
        np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
        for edges, values in zip(_EDGES, colours.T, strict=True)
    ]
    return np.asarray(np.maximum(density, _LEAST_DENSITY * density.mean())[tuple(place)])


def _sequences(
    galaxies: _Galaxies,
    table: pd.DataFrame,
    clusters: pd.DataFrame,
    limit: Floats,
    background: tuple[list[Ints], float],
    settings: RedSequence,
) -> Floats:
    """Return both colours of the red sequence at every cluster, by clusters of the other folds, shape (clusters, 2)."""
    redshift, fold = clusters["redshift"].to_numpy(float), np.arange(len(clusters)) % settings.folds
    share = np.pi * (np.degrees(_angle(clusters, settings.core_mpc)) * 60) ** 2 / background[1]
    bright = limit + 2.5 * np.log10(MIN_LUMINOSITY / settings.core_l_star)
    samples = [
        [galaxies.colours[rows[galaxies.i[rows] < faintest]] for rows, faintest in zip(part, bright, strict=True)]
        for part in (within(table, clusters, settings.core_mpc), background[0])
    ]
    result = np.empty((len(clusters), 2))
    for part in np.unique(fold):
        others = np.flatnonzero(fold != part)
        knots = np.linspace(redshift[others].min(), redshift[others].max() + 1e-6, settings.knots)
        lines: list[Floats | None] = [None, None]
        for which in (0, 1, 0, 1):  # each colour among galaxies that fit the other one, as far as it is known
            cores, field = (
                [_beside(sample[k], which, lines[1 - which], knots, redshift[k]) for k in others] for sample in samples
            )
            lines[which] = fit_sequence(redshift[others], cores, field, share[others], knots, _GRIDS[which])
        for which, line in enumerate(lines):
            assert line is not None
            result[fold == part, which] = np.interp(redshift[fold == part], knots, line)
    return result


def _beside(colours: Floats, which: int, other: Floats | None, knots: Floats, redshift: float) -> tuple[Floats, Floats]:
    """Return one colour of galaxies, and how well their other colour fits the red sequence: 1 where it is not known."""
    if other is None:
        return colours[:, which], np.ones(len(colours))
    off = colours[:, 1 - which] - np.interp(redshift, knots, other)
    return colours[:, which], np.exp(-0.5 * (off / _BESIDE) ** 2)


def _far(
    table: pd.DataFrame, covered: pd.DataFrame, clusters: pd.DataFrame, settings: RedSequence
) -> tuple[Ints, float]:
    """Return the galaxies that are far from all clusters, and the area that is [arcmin^2]."""
    far = []
    for places in (table, covered):
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
