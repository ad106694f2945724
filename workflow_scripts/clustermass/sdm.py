"""Support distribution machines: masses by regression on divergences between clusters' galaxies.

Kullback-Leibler divergences between all pairs of clusters are estimated by nearest neighbours; a Gaussian of them,
made positive semi-definite, is the kernel of a support vector regression (Sutherland et al. 2012; Ntampaka et al. 2015,
2016).

Unlike those papers, nothing here is transductive: the projection to a positive semi-definite kernel is found on
training clusters alone and carried over to others as a linear map (Chen et al. 2009, JMLR 10, 747), both in the search
and in the prediction. The prediction of a cluster depends on no other cluster that it is made for.

Galaxies of all clusters stand in flat arrays: those of cluster i from `start[i]` to `start[i + 1]`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray
from sklearn.svm import NuSVR  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from clustermass.config.dynamics import Sdm
from clustermass.kde import check_start
from clustermass.nbody.cpu import numba_threads

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Ints = NDArray[np.int64]
Array = NDArray[Any]
_Function = TypeVar("_Function", bound=Callable[..., Any])

FLOOR = 1e-6  # smallest distance of two galaxies, in standard deviations: a repeated galaxy gives no infinity
LANES = 16  # points are worked on in multiples of this, which fill vector registers
FACTORS = 8  # distances that are multiplied before a logarithm is taken
CHUNK = 8  # clusters that a thread takes at a time
LARGEST = 1e9  # of a feature, in standard deviations: products of FACTORS squares stay finite
FAR = np.float32(1e15)  # a coordinate beyond all
ITERATIONS = 10**6  # of a regression, at most; scikit-learn warns where they do not suffice


@dataclass(frozen=True, eq=False)
class Scaler:
    """Mean and standard deviation of each feature, shape (features,), over the galaxies of training clusters."""

    mean: Floats
    deviation: Floats

    def __call__(self, features: Floats) -> Floats:
        """Return features in standard deviations from the mean, shape as given."""
        return np.asarray((features - self.mean) / self.deviation)


@dataclass(frozen=True, eq=False)
class Machine:
    """A trained regression: log10 mass = kernel with the training clusters @ weights + intercept.

    Attributes
    ----------
    sigma : float
        Width of the Gaussian of the divergence.
    weights : array, shape (training clusters,)
        [dex]; of kernels before the projection, which they contain.
    intercept : float
        log10 of mass, in the unit of the training masses.
    c, nu : float
        Settings of the support vector regression.
    search : array, shape (sigmas, values of C, values of nu)
        Root mean square of the residuals of clusters left out, for all settings that were tried [dex]. Those that were
        chosen have the smallest; if they stand on an edge, the configuration should try more.
    """

    sigma: float
    weights: Floats
    intercept: float
    c: float
    nu: float
    search: Floats


def cluster_features(v_los: Floats, r_proj: Floats | None, settings: Sdm) -> Floats:
    """Return what the machine sees of each galaxy, not yet standardised, shape (galaxies, 1 or 2).

    Parameters
    ----------
    v_los : array, shape (galaxies,)
        [km/s]
    r_proj : array, shape (galaxies,), or None
        [Mpc/h, comoving]; None for SDM1D.
    settings : Sdm

    Notes
    -----
    Source: Ho et al. (2019), section 4.2, says v_los; their code takes its absolute value.
    """
    velocity = np.abs(v_los) if settings.absolute_velocity else v_los
    return np.column_stack([velocity] if r_proj is None else [velocity, r_proj]).astype(np.float64)


def fit_scaler(features: Floats) -> Scaler:
    """Return the scaler of training clusters' galaxies, from features of shape (galaxies, features).

    Raises
    ------
    ValueError
        A feature does not vary, or is not finite.
    """
    scaler = Scaler(features.mean(0), features.std(0))
    if not (np.isfinite(scaler.deviation) & (scaler.deviation > 0)).all():
        raise ValueError(f"features: expected finite ones that vary, got standard deviations {scaler.deviation}")
    return scaler


def divergences(
    first: Floats, first_start: Ints, second: Floats, second_start: Ints, neighbours: int, threads: int = 1
) -> Float32s:
    """Return the estimated Kullback-Leibler divergence of every first cluster from every second one.

    With n galaxies x_i in the first cluster and m in the second, d features, and distances to the k-th nearest other
    galaxy, rho in the first cluster and nu in the second: d / n sum_i ln(nu_i / rho_i) + ln(m / (n - 1)), and not less
    than zero. Distances are at least `FLOOR`.

    Parameters
    ----------
    first, second : array, shape (galaxies, d)
        Standardised features, d = 1 or 2.
    first_start, second_start : array of int, shape (clusters + 1,)
        Where each cluster's galaxies begin, and the last ones end.
    neighbours : int
        k
    threads : int
        The result does not depend on it.

    Returns
    -------
    array of float32, shape (first clusters, second clusters)
        [nat]

    Raises
    ------
    ValueError
        A cluster has too few galaxies for k neighbours, features are not finite or not of one or two columns, `start`
        does not fit them.

    Notes
    -----
    Source: Wang, Kulkarni & Verdu (2009, IEEE Trans. Inf. Theory 55, 2392), Eq. 5. One feature: sorted galaxies, in
    double precision; two: every pair of galaxies, in single precision, which changes the result by less than 1e-5.
    """
    if first.ndim != 2 or first.shape[1] not in (1, 2) or first.shape[1:] != second.shape[1:]:
        raise ValueError(f"features: expected one or two columns in both, got {first.shape} and {second.shape}")
    for features, start, fewest in ((first, first_start, neighbours + 1), (second, second_start, neighbours)):
        check_start(start, fewest, **{f"feature {i}": features[:, i] for i in range(features.shape[1])})
        if len(features) and np.abs(features).max() > LARGEST:
            raise ValueError(f"features: expected standardised ones, got {np.abs(features).max():.1e}")
    sets = (*_prepared(first, first_start), first_start), (*_prepared(second, second_start), second_start)
    search = _sorted_search if first.shape[1] == 1 else _planar_search
    richness = np.diff(first_start), np.diff(second_start)
    result = np.empty((len(richness[0]), len(richness[1])), np.float32)
    inside = np.empty((len(richness[0]), 1), np.float32)
    with numba_threads(threads), numba.parallel_chunksize(CHUNK):
        # With its own cluster, a galaxy is its own nearest neighbour, which does not count.
        search(neighbours + 1)(*sets[0], *sets[0], np.arange(len(result)), inside)
        search(neighbours)(*sets[0], *sets[1], np.zeros(len(result), np.int64), result)
    result -= inside
    result += (np.log(richness[1])[None, :] - np.log(richness[0] - 1)[:, None]).astype(np.float32)
    return np.maximum(result, 0, out=result)


def divergence_matrix(features: Floats, start: Ints, neighbours: int, threads: int = 1) -> Float32s:
    """Return the divergences between all pairs of clusters, shape (clusters, clusters), zero on the diagonal.

    Parameters, errors and source: as `divergences`.
    """
    result = divergences(features, start, features, start, neighbours, threads)
    np.fill_diagonal(result, 0)
    return result


def gaussian_kernel(there: Array, back: Array, sigma: float) -> Floats:
    """Return the mean of exp(-D^2 / (2 sigma^2)) for divergences there, shape (n, m), and back, shape (m, n).

    Notes
    -----
    Source: Sutherland et al. (2012), arXiv:1202.0302. Not the divergence but the kernel is made symmetric, as in their
    code.
    """
    scale = -0.5 / sigma**2
    return (
        np.exp(scale * np.square(there, dtype=np.float64)) + np.exp(scale * np.square(back.T, dtype=np.float64))
    ) / 2


def project(kernel: Floats) -> tuple[Floats, Floats]:
    """Return the nearest positive semi-definite matrix, and the map that takes others' kernels along.

    Parameters
    ----------
    kernel : array, shape (n, n)
        Symmetric.

    Returns
    -------
    projected : array, shape (n, n)
        The kernel without its negative eigenvalues.
    clip : array, shape (n, n)
        Projector on the eigenvectors that are left: `other @ clip` for kernels of other clusters, shape (m, n).

    Notes
    -----
    Source: Sutherland et al. (2012); Chen et al. (2009, JMLR 10, 747) for clusters outside the training set.
    """
    values, vectors = np.linalg.eigh(kernel)
    left = vectors[:, values > 0]
    projected = (left * values[values > 0]) @ left.T
    return (projected + projected.T) / 2, left @ left.T


def fit(divergence: Float32s, log10_mass: Floats, groups: Array, settings: Sdm, rng: np.random.Generator) -> Machine:
    """Return a machine trained on clusters, with C, sigma and nu found by cross-validation among them.

    Parameters
    ----------
    divergence : array, shape (n, n)
        Between training clusters, as `divergence_matrix`.
    log10_mass : array, shape (n,)
        log10 M200c [Msun/h]
    groups : array, shape (n,)
        What the folds of the search keep together: the halo, or its group.
    settings : Sdm
    rng : numpy.random.Generator
        Deals groups to folds.

    Raises
    ------
    ValueError
        Shapes do not fit, values are not finite, there are fewer groups than folds, or no two clusters differ.

    Notes
    -----
    Source: Ho et al. (2019), section 4.2: three folds for C and sigma; nu-SVR and widths relative to the median
    divergence as in their code. The loss of the search is the mean square residual. Linear algebra stays on one thread,
    so that the result does not depend on their number; what the search tries runs side by side.
    """
    _check_training(divergence, log10_mass, groups)
    fold = group_folds(groups, settings.folds, rng)
    share = np.bincount(fold) / len(fold)  # each fold counts for the clusters in it
    sigmas = (np.median(divergence[divergence > 0]) * np.asarray(settings.sigma)).tolist()
    with threadpool_limits(1), ThreadPoolExecutor(settings.threads) as pool:
        jobs = [
            [pool.submit(_losses, divergence, log10_mass, fold == f, sigma, settings) for f in range(settings.folds)]
            for sigma in sigmas
        ]
        losses = np.array([[job.result() for job in row] for row in jobs])
        mean = np.einsum("sfcn,f->scn", losses, share)
        best = np.unravel_index(np.argmin(mean), mean.shape)
        sigma, c, nu = sigmas[best[0]], settings.c[best[1]], settings.nu[best[2]]
        projected, clip = project(gaussian_kernel(divergence, divergence, sigma))
        weights, intercept = _regression(projected, log10_mass, c, nu)
    return Machine(sigma, clip @ weights, intercept, c, nu, np.sqrt(mean))


def predict(machine: Machine, to_training: Float32s, from_training: Float32s) -> Floats:
    """Return log10 masses of clusters, in the unit of the training masses, shape (m,).

    Parameters
    ----------
    machine : Machine
    to_training, from_training : array, shape (m, n) and (n, m)
        Divergences of the clusters from the n training clusters, and of these from the clusters.

    Raises
    ------
    ValueError
        Shapes do not fit.
    """
    n = len(machine.weights)
    if to_training.shape != from_training.T.shape or to_training.shape[1:] != (n,):
        raise ValueError(
            f"divergences: expected (m, {n}) and ({n}, m), got {to_training.shape} and {from_training.shape}"
        )
    return np.asarray(gaussian_kernel(to_training, from_training, machine.sigma) @ machine.weights + machine.intercept)


def group_folds(groups: Array, folds: int, rng: np.random.Generator) -> Ints:
    """Return the fold of each row, shape (n,): whole groups at random, folds even in groups.

    Raises
    ------
    ValueError
        There are fewer groups than folds.
    """
    names, number = np.unique(groups, return_inverse=True)
    if len(names) < folds:
        raise ValueError(f"groups: expected at least {folds}, one for each fold, got {len(names)}")
    return np.asarray((rng.permutation(len(names)) % folds)[number])


def _check_training(divergence: Float32s, log10_mass: Floats, groups: Array) -> None:
    n = len(log10_mass)
    if divergence.shape != (n, n) or groups.shape != (n,):
        raise ValueError(f"expected divergences ({n}, {n}) and {n} groups, got {divergence.shape} and {groups.shape}")
    if not (np.isfinite(divergence).all() and (divergence >= 0).all() and np.isfinite(log10_mass).all()):
        raise ValueError("expected finite masses, and finite divergences that are not negative")
    if not (divergence > 0).any():
        raise ValueError("expected clusters that differ, got divergences that are all zero")


def _regression(kernel: Floats, log10_mass: Floats, c: float, nu: float) -> tuple[Floats, float]:
    """Return the weight of each training cluster, zero where it is no support vector, and the intercept."""
    machine = NuSVR(kernel="precomputed", C=c, nu=nu, max_iter=ITERATIONS).fit(kernel, log10_mass)
    weights = np.zeros(len(log10_mass))
    weights[machine.support_] = machine.dual_coef_[0]
    return weights, float(machine.intercept_[0])


def _losses(divergence: Float32s, log10_mass: Floats, left_out: Array, sigma: float, settings: Sdm) -> Floats:
    """Return the mean square residual of clusters left out, for every C and nu, shape (values of C, values of nu)."""
    kept = ~left_out
    own = divergence[np.ix_(kept, kept)]
    projected, clip = project(gaussian_kernel(own, own, sigma))
    other = gaussian_kernel(divergence[np.ix_(left_out, kept)], divergence[np.ix_(kept, left_out)], sigma) @ clip
    losses = np.empty((len(settings.c), len(settings.nu)))
    for i, c in enumerate(settings.c):
        for j, nu in enumerate(settings.nu):
            weights, intercept = _regression(projected, log10_mass[kept], c, nu)
            losses[i, j] = np.mean((other @ weights + intercept - log10_mass[left_out]) ** 2)
    return losses


def _prepared(features: Floats, start: Ints) -> tuple[Array, ...]:
    """Return features as the search takes them: one column, ascending in each cluster; or two of float32."""
    if features.shape[1] == 2:
        return tuple(np.ascontiguousarray(features[:, i], np.float32) for i in range(2))
    cluster = np.repeat(np.arange(len(start) - 1), np.diff(start))
    column = np.asarray(features[:, 0], np.float64)
    return (np.ascontiguousarray(column[np.lexsort((column, cluster))]),)


def _compiled(parallel: bool = False) -> Callable[[_Function], _Function]:
    """Return numba's decorator, typed. Its liberties with floats change no order of sums."""
    liberties = {"contract", "nnan", "nsz"}
    return cast(Callable[[_Function], _Function], numba.njit(parallel=parallel, cache=True, fastmath=liberties))


@_compiled()
def _mean_log(values: Array, floor: float) -> float:
    """Return the mean logarithm of values, at least `floor` each."""
    total, product = 0.0, 1.0
    for i in range(len(values)):
        product *= max(np.float64(values[i]), floor)
        if i % FACTORS == FACTORS - 1:
            total += np.log(product)
            product = 1.0
    mean: float = (total + np.log(product)) / len(values)
    return mean


@lru_cache(maxsize=32)
def _sorted_search(neighbours: int) -> Callable[..., None]:
    """Return the search in one dimension: mean logarithm of the distance to the `neighbours`-th nearest galaxy.

    Cluster c of the first set is compared with clusters begin[c], begin[c] + 1, ... of the second, as many as `result`
    has columns. Of sorted galaxies the nearest ones stand side by side, and move up as the point does.
    """

    @_compiled(parallel=True)
    def search(p: Array, p_start: Ints, q: Array, q_start: Ints, begin: Ints, result: Float32s) -> None:
        for c in prange(result.shape[0]):
            first = p_start[c]
            distance = np.empty(p_start[c + 1] - first, np.float64)
            for e in range(result.shape[1]):
                low, end = q_start[begin[c] + e], q_start[begin[c] + e + 1]
                for i in range(len(distance)):
                    x = p[first + i]
                    while low + neighbours < end and q[low + neighbours] - x < x - q[low]:
                        low += 1
                    distance[i] = max(x - q[low], q[low + neighbours - 1] - x)
                result[c, e] = _mean_log(distance, FLOOR)

    return search


@lru_cache(maxsize=32)
def _planar_search(neighbours: int) -> Callable[..., None]:
    """Return the search in two dimensions: mean logarithm of the square of the distance, as `_sorted_search`.

    `nearest` keeps, for every galaxy of the first cluster, the smallest squares so far; galaxies of the second are
    sorted in two at a time, the last of an odd number beside one that is far from all.
    """

    @_compiled(parallel=True)
    def search(
        px: Array, py: Array, p_start: Ints, qx: Array, qy: Array, q_start: Ints, begin: Ints, result: Float32s
    ) -> None:
        for c in prange(result.shape[0]):
            first, n = p_start[c], p_start[c + 1] - p_start[c]
            wide = (n + LANES - 1) // LANES * LANES
            x, y = np.zeros(wide, np.float32), np.zeros(wide, np.float32)
            x[:n], y[:n] = px[first : first + n], py[first : first + n]
            nearest = np.empty((neighbours, wide), np.float32)
            for e in range(result.shape[1]):
                end = q_start[begin[c] + e + 1]
                nearest[:] = np.inf
                for j in range(q_start[begin[c] + e], end, 2):
                    xa, ya = qx[j], qy[j]
                    xb, yb = (qx[j + 1], qy[j + 1]) if j + 1 < end else (FAR, FAR)
                    for i in range(wide):
                        a = (x[i] - xa) * (x[i] - xa) + (y[i] - ya) * (y[i] - ya)
                        b = (x[i] - xb) * (x[i] - xb) + (y[i] - yb) * (y[i] - yb)
                        for t in range(neighbours):
                            here = nearest[t, i]
                            nearer, a = min(a, here), max(a, here)
                            nearest[t, i], b = min(b, nearer), max(b, nearer)
                result[c, e] = _mean_log(nearest[neighbours - 1, :n], FLOOR * FLOOR)

    return search
