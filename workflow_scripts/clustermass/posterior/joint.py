"""Joint kernel density of an estimator's summary and the true log10 mass, and its slices: posteriors.

A kernel with a full covariance H is a product in sheared coordinates: with b = H_dM / H_dd, M - b d has the variance
s^2 = H_MM - b H_dM and is independent of d. A slice at d is then a sum of kernels in M - b d, weighted by kernels in d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from clustermass.config.posterior import Posterior
from clustermass.posterior.grid import Floats, Posteriors, normalised, reflected

Ints = NDArray[np.int64]

_REACH = 9.0  # kernels are cut beyond so many standard deviations: 1e-18 of the peak
_CHUNK = 256  # summaries at a time
_LARGEST_EXPONENT = 300.0


@dataclass(frozen=True, eq=False)
class Pairs:
    """Simulated pairs of summary and mass.

    Attributes
    ----------
    summary : array, shape (n,)
        What the estimator says, in any unit; here mostly log10 M200c [Msun/h].
    log10_mass : array, shape (n,)
        True log10 M200c [Msun/h].
    weight : array, shape (n,)
        Sums to one.
    group : array of int, shape (n,)
        Halo that a pair is of, from 0: pairs of one halo are not independent.
    """

    summary: Floats
    log10_mass: Floats
    weight: Floats
    group: Ints


@dataclass(frozen=True, eq=False)
class JointDensity:
    """Kernel density of pairs: Gaussian kernels of one covariance.

    Attributes
    ----------
    pairs : Pairs
    covariance : array, shape (2, 2)
        H: of summary and log10 mass.
    edge : float, optional
        Least mass, at which slices are mirrored. The greatest is no edge, but the heaviest halo of the sample.
    fewest_pairs : float
        Slices through fewer independent pairs are extrapolated.
    """

    pairs: Pairs
    covariance: Floats
    edge: float | None
    fewest_pairs: float

    def slices(self, summary: Floats, log10_mass: Floats) -> Slices:
        """Return the posteriors; see `slice_joint`."""
        return slice_joint(self, summary, log10_mass)


class Slices(NamedTuple):
    """Posteriors at some summaries, and what stands behind them."""

    posteriors: Posteriors
    pairs_effective: Floats
    """Independent pairs that a slice rests on, in effect: (sum w)^2 / sum w^2, w summed over pairs of one halo first"""
    distance: Floats
    """Of the nearest pair in summary [kernel widths]"""
    extrapolated: NDArray[np.bool_]
    """Whether too few pairs are near, or the posterior leaves the grid"""


def make_pairs(
    summary: Floats, log10_mass: Floats, group: ArrayLike | None = None, weight: Floats | None = None
) -> Pairs:
    """Return pairs; without groups each is independent, without weights all count the same.

    Lines of sight to one halo count one each: together they make the mass distribution that is the prior, and counting
    every halo once would change it. Where independence matters, groups tell.

    Raises
    ------
    ValueError
        Fewer than three pairs, values that are not finite, or weights that are negative or all zero.
    """
    number = len(summary)
    weight = np.ones(number) if weight is None else weight
    names = np.arange(number) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    lengths = {number, len(log10_mass), len(weight), len(names)}
    if number < 3 or len(lengths) > 1:
        raise ValueError(f"pairs: expected three or more, all columns of one length, got lengths {sorted(lengths)}")
    for name, values in (("summary", summary), ("log10_mass", log10_mass), ("weight", weight)):
        if not np.isfinite(values).all():
            raise ValueError(f"pairs: expected finite {name}, got {values[~np.isfinite(values)][0]}")
    if (weight < 0).any() or not weight.sum() > 0:
        raise ValueError(f"pairs: expected weights of 0 or more with a sum above 0, got a least of {weight.min()}")
    x, y, w = (np.asarray(values, np.float64) for values in (summary, log10_mass, weight / weight.sum()))
    return Pairs(x, y, w, names.astype(np.int64))


def fit_joint(pairs: Pairs, settings: Posterior) -> JointDensity:
    """Return the joint density of summary and mass.

    Raises
    ------
    ValueError
        Summaries or masses that are all the same, or one that determines the other: no density is defined.

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), section 4.1, with Eqs. 1 and 2. A scaling kappa of 0.20 is read as
    H = kappa^2 Sigma (`deviation`), as in the published code, or H = kappa Sigma (`covariance`), as the text has it.
    Sigma is the (weighted) sample covariance, as in scipy's gaussian_kde. Mirroring at the edge is not theirs: without
    it posteriors at the lower end of a mock are too wide, by up to 0.1 in coverage where its masses pile up there.
    """
    sigma = np.cov(pairs.summary, pairs.log10_mass, aweights=pairs.weight)
    if not np.linalg.det(sigma) > 1e-12 * sigma[0, 0] * sigma[1, 1] > 0:
        raise ValueError(f"pairs: expected summaries and masses that scatter about each other, got covariance {sigma}")
    edge = float(pairs.log10_mass[pairs.weight > 0].min()) if settings.edge == "reflected" else None
    scaling = settings.bandwidth ** (2 if settings.bandwidth_reading == "deviation" else 1)
    return JointDensity(pairs, scaling * sigma, edge, settings.fewest_pairs)


def mass_grid(pairs: Pairs, settings: Posterior) -> Floats:
    """Return the grid of log10 masses for posteriors from these pairs."""
    return grid_between(pairs.log10_mass.min(), pairs.log10_mass.max(), settings)


def grid_between(least: float, greatest: float, settings: Posterior) -> Floats:
    """Return a grid that goes beyond two log10 masses by the configured margin.

    The least mass lies midway between two points, so that densities that end there keep their volume.
    """
    step, margin = settings.mass_step_dex, settings.mass_margin_dex
    below, above = np.ceil(margin / step), np.ceil((greatest + margin - least) / step)
    return np.asarray(least + (np.arange(-below, above + 1) - 0.5) * step)


def kernel_weights(joint: JointDensity, summary: Floats) -> tuple[Floats, Floats, Floats]:
    """Return how much each pair counts at some summaries, how dense these are, and how far the nearest pair is.

    Parameters
    ----------
    joint : JointDensity
    summary : array, shape (m,)

    Returns
    -------
    weights : array, shape (m, n)
        Sum to one for each summary, however far it is from all pairs.
    density : array, shape (m,)
        Marginal density of the summary.
    distance : array, shape (m,)
        Of the nearest pair [kernel widths].
    """
    width = np.sqrt(joint.covariance[0, 0])
    weights = (summary[:, None] - joint.pairs.summary) / width  # (m, n)
    distance = np.abs(weights).min(axis=1)
    np.square(weights, out=weights)
    nearest = weights.min(axis=1)
    weights -= nearest[:, None]
    weights *= -0.5
    np.exp(weights, out=weights)
    weights *= joint.pairs.weight
    total = weights.sum(axis=1)
    total = np.where(total > 0, total, 1.0)  # all near pairs have weight zero
    weights /= total[:, None]
    return weights, np.exp(-nearest / 2) * total / (width * np.sqrt(2 * np.pi)), distance


def slice_joint(joint: JointDensity, summary: Floats, log10_mass: Floats) -> Slices:
    """Return posteriors p(M | summary): vertical slices through the joint density.

    Parameters
    ----------
    joint : JointDensity
    summary : array, shape (m,)
    log10_mass : array, shape (g,)
        Evenly spaced grid.

    Returns
    -------
    Slices
        No posterior (NaN) where less than half of it would lie on the grid. Those that are extrapolated are not
        mirrored: they follow the pairs' mean relation beyond them.

    Raises
    ------
    ValueError
        A summary that is not finite, or a grid that is coarser than the kernels.

    Notes
    -----
    Exact to rounding, but for the edge. All slices share one matrix of kernels on a sheared grid (pairs x grid), which
    the weights (summaries x pairs) are multiplied with; by the part delta of a step that a slice's own grid is apart
    from it, a Gaussian changes by exp(delta v / s^2) exp(-delta u / s^2) exp(-delta^2 / 2 s^2), a factor for the grid
    and one for the pairs. Source: Kodi Ramanah et al. (2021), Eq. 3 and section 4.1.
    """
    check_summaries(summary)
    pairs, (h_dd, h_dm, h_mm) = joint.pairs, joint.covariance[np.triu_indices(2)]
    slope, narrow = h_dm / h_dd, np.sqrt(h_mm - h_dm**2 / h_dd)
    step = float(log10_mass[-1] - log10_mass[0]) / (len(log10_mass) - 1)
    offset = pairs.log10_mass - slope * pairs.summary
    centre = float(offset.mean())
    offset = offset - centre
    farthest = float(np.abs(offset).max())
    if step > narrow or step / 2 * farthest / narrow**2 > _LARGEST_EXPONENT:
        raise ValueError(f"mass step: expected below the kernel's width in mass, {narrow:.4g} dex, got {step:.4g} dex")
    half = int(np.ceil((farthest + _REACH * narrow) / step)) + 1
    nodes = step * np.arange(-half, half + 1)
    kernels = np.exp(-0.5 * ((nodes - offset[:, None]) / narrow) ** 2)  # (n, nodes)
    kernels /= narrow * np.sqrt(2 * np.pi)
    density = np.empty((len(summary), len(log10_mass)))
    effective, distance = np.empty((2, len(summary)))
    groups = _membership(pairs)
    with threadpool_limits(1, user_api="blas"):  # products that do not depend on how many threads there are
        for rows in _chunks(len(summary)):
            weights, _, distance[rows] = kernel_weights(joint, summary[rows])
            effective[rows] = _effective(weights, groups)
            place = (slope * summary[rows] + centre - log10_mass[0]) / step
            whole = np.rint(place)
            rest = ((place - whole) * step)[:, None]  # delta
            weights *= np.exp(rest * (-offset / narrow**2))
            sheared = weights @ kernels  # (k, nodes)
            sheared *= np.exp(rest * (nodes / narrow**2) - rest**2 / (2 * narrow**2))
            density[rows] = _shifted(sheared, whole.astype(np.int64) - half, len(log10_mass))
    volume = (density.sum(axis=1) - (density[:, 0] + density[:, -1]) / 2) * step
    extrapolated = (effective < joint.fewest_pairs) | (distance > 1) | (volume < 1 - 1e-3)
    posteriors = normalised(log10_mass, density, least=0.5)
    if joint.edge is not None:
        mirrored = reflected(posteriors, joint.edge).density
        posteriors = Posteriors(log10_mass, np.where(extrapolated[:, None], posteriors.density, mirrored))
    return Slices(posteriors, effective, distance, extrapolated)


def check_summaries(summary: Floats) -> None:
    """Raise ValueError unless all summaries are finite."""
    if summary.ndim != 1 or not np.isfinite(summary).all():
        raise ValueError(f"summaries: expected finite numbers, one a cluster, got {summary!r:.80}")


def _chunks(number: int) -> list[slice]:
    return [slice(start, min(start + _CHUNK, number)) for start in range(0, number, _CHUNK)]


def _membership(pairs: Pairs) -> csr_array:
    """Return the matrix (groups, pairs) that sums over the pairs of each group."""
    ones = np.ones(len(pairs.group))
    return csr_array((ones, (pairs.group, np.arange(len(ones)))), shape=(int(pairs.group.max()) + 1, len(ones)))


def _effective(weights: Floats, groups: csr_array) -> Floats:
    """Return the effective number of independent pairs (m,) behind weights (m, n)."""
    together = np.asarray(groups @ weights.T)  # (groups, m)
    return np.asarray(weights.sum(axis=1) ** 2 / (together**2).sum(axis=0))


def _shifted(values: Floats, first: Ints, length: int) -> Floats:
    """Return rows of values from their own place on a longer grid on, zero where they have none."""
    columns = np.arange(length) - first[:, None]
    inside = (columns >= 0) & (columns < values.shape[1])
    taken = np.take_along_axis(values, np.clip(columns, 0, values.shape[1] - 1), 1)
    return np.where(inside, taken, 0.0)


def support(joint: JointDensity, summary: Floats) -> tuple[Floats, Floats, Floats]:
    """Return effective pairs, distance of the nearest pair and marginal density of summaries, each of shape (m,)."""
    check_summaries(summary)
    effective, distance, density = np.empty((3, len(summary)))
    groups = _membership(joint.pairs)
    for rows in _chunks(len(summary)):
        weights, density[rows], distance[rows] = kernel_weights(joint, summary[rows])
        effective[rows] = _effective(weights, groups)
    return effective, distance, density


def mass_density(joint: JointDensity, log10_mass: Floats) -> Floats:
    """Return the marginal density of mass [1/dex] on a grid, shape (g,): the prior that slices stand on."""
    width = float(np.sqrt(joint.covariance[1, 1]))
    return smoothed_masses(joint.pairs.log10_mass, joint.pairs.weight, width, joint.edge, log10_mass)


def smoothed_masses(values: Floats, weight: Floats, width: float, edge: float | None, log10_mass: Floats) -> Floats:
    """Return the density [1/dex] of masses (n,) on a grid (g,): Gaussian kernels of one width, mirrored at an edge."""
    result = np.empty(len(log10_mass))
    for rows in _chunks(len(log10_mass)):
        kernels = np.exp(-0.5 * ((log10_mass[rows, None] - values) / width) ** 2)
        result[rows] = np.sum(kernels * weight, axis=1) / (width * np.sqrt(2 * np.pi) * weight.sum())
    if edge is not None:
        result = reflected(Posteriors(log10_mass, result[None]), edge).density[0]
    return result
