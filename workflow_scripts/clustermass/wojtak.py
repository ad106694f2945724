"""How residuals depend on mass and richness: the likelihood of Wojtak et al. (2018) and its posterior.

Residuals are eps = log10(M_predicted / M_true) [dex]; masses are log10 M200c [Msun/h].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import emcee  # type: ignore[import-untyped]
import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.interpretation import Interpretation
from clustermass.residuals import INTERVAL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PARAMETERS = ("mu0", "sigma0", "sigma1", "alpha0", "outliers")
SHARES = ("variance", "linear")
# Flat priors; the paper states none. Far wider than any posterior, and bounded: where all clusters are outliers the
# likelihood depends on no parameter, and an unbounded posterior could not be normalised.
LOWEST = np.array([-2.0, 0.0, 0.0, -2.0, 0.0])
HIGHEST = np.array([2.0, 2.0, 2.0, 4.0, 1.0])
REFERENCE_RICHNESS = 100.0  # richness at which the richness-dependent scatter is sigma1 (Eq. 13)
FEWEST = 10  # clusters; fewer do not tell five parameters
_NEGLIGIBLE = 1e-12  # outliers below this share of a cluster's likelihood are left out
_LONG_ENOUGH = 50  # autocorrelation times of a chain whose own estimate can be trusted (emcee's advice)
_FORGOTTEN = 10  # autocorrelation times after which nothing is left of where walkers began


@dataclass(frozen=True, eq=False)
class Sample:
    """Clusters in order of their richness, as the likelihood reads them.

    Attributes
    ----------
    offset : array, shape (n,)
        log10 of the true mass, less that of the pivot [dex].
    residual : array, shape (n,)
        [dex]
    start : array of int, shape (m + 1,)
        Clusters of the i-th richness are rows `start[i]` to `start[i + 1]`.
    scaling : array, shape (m,)
        100 / richness.
    """

    offset: Floats
    residual: Floats
    start: Ints
    scaling: Floats


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from the posterior and how far they can be trusted.

    Attributes
    ----------
    draws : array, shape (n, 5)
        `PARAMETERS` of every walker at every step after the burn-in.
    burn_in : int
        Steps that were left out: ten autocorrelation times, at most half of all.
    kept : int
        Steps after the burn-in.
    autocorrelation : array, shape (5,)
        Integrated autocorrelation time of each parameter [steps].
    effective : array, shape (5,)
        Number of independent draws of each parameter.
    acceptance : float
        Share of accepted proposals, mean of the walkers.
    converged : bool
        Whether the kept steps are at least 50 autocorrelation times of every parameter.
    """

    draws: Floats
    burn_in: int
    kept: int
    autocorrelation: Floats
    effective: Floats
    acceptance: float
    converged: bool


def arrange(log10_mass: Floats, residual: Floats, richness: Ints, pivot: float) -> Sample:
    """Return clusters in the order that the likelihood reads them in.

    Parameters
    ----------
    log10_mass, residual : array, shape (n,)
        True mass, log10 M200c [Msun/h]; residual [dex].
    richness : array of int, shape (n,)
        True members; interlopers do not count.
    pivot : float
        log10 M0 of Eq. 12 [Msun/h].

    Raises
    ------
    ValueError
        Arrays of different lengths, values that are not finite, or a cluster without true members.
    """
    lengths = {len(log10_mass), len(residual), len(richness)}
    if len(lengths) > 1:
        raise ValueError(f"clusters: expected a mass, a residual and a richness for each, got {sorted(lengths)}")
    if not (np.isfinite(log10_mass).all() and np.isfinite(residual).all()):
        raise ValueError("clusters: expected finite masses and residuals")
    if len(richness) and not np.min(richness) >= 1:
        raise ValueError(f"true richness: expected at least 1, got {np.min(richness)} in row {np.argmin(richness)}")
    order = np.argsort(richness, kind="stable")
    values, counts = np.unique(richness, return_counts=True)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Sample(log10_mass[order] - pivot, residual[order].astype(np.float64), start, REFERENCE_RICHNESS / values)


def log_likelihood(parameters: Floats, sample: Sample, outlier_scatter: float) -> Floats:
    """Return the logarithm of the likelihood, with its constants.

    Parameters
    ----------
    parameters : array, shape (k, 5)
        `PARAMETERS`: mu0, sigma0, sigma1 [dex], alpha0, share of outliers w_c.
    sample : Sample
    outlier_scatter : float
        sigma_c [dex]

    Returns
    -------
    array, shape (k,)
        Minus infinity where no scatter is left. Off by less than 1e-12 a cluster: where outliers add less than that
        to a cluster's likelihood they are not computed, and most clusters need no exponential.

    Notes
    -----
    Source: Ho et al. (2019), Eqs. 11-13, after Wojtak et al. (2018). With sigma_c = 10^10 dex a cluster is an outlier
    beyond about seven standard deviations only; nearer ones widen sigma0 and sigma1.
    """
    result = np.empty(len(parameters))
    _log_likelihoods(
        np.ascontiguousarray(parameters), sample.offset, sample.residual, sample.start, sample.scaling,
        outlier_scatter, result,
    )  # fmt: skip
    return result


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _log_likelihoods(
    parameters: Floats, offset: Floats, residual: Floats, start: Ints, scaling: Floats, wide: float, result: Floats
) -> None:
    for k in range(len(parameters)):
        mu0, sigma0, sigma1, alpha0, outliers = parameters[k]
        total = 0.0
        flat = outliers / (np.sqrt(2 * np.pi) * wide)
        for group in range(len(scaling)):
            variance = sigma0**2 + scaling[group] * sigma1**2
            if variance <= 0:
                total = -np.inf
                break
            peak = (1 - outliers) / np.sqrt(2 * np.pi * variance)
            limit = 2 * (np.log(peak) + np.log(_NEGLIGIBLE) - np.log(flat)) if outliers > 0 else np.inf
            squares, inliers = 0.0, 0
            for i in range(start[group], start[group + 1]):
                distance = residual[i] - mu0 - (alpha0 - 1) * offset[i]
                square = distance * distance / variance
                if square < limit:
                    squares += square
                    inliers += 1
                else:
                    total += np.log(peak * np.exp(-square / 2) + flat * np.exp(-((distance / wide) ** 2) / 2))
            if inliers > 0:
                total += inliers * np.log(peak) - squares / 2
        result[k] = total


def sample_posterior(
    log10_mass: Floats,
    residual: Floats,
    richness: Ints,
    settings: Interpretation,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Posterior:
    """Return draws from the posterior of the likelihood, under flat priors from `LOWEST` to `HIGHEST`.

    Parameters
    ----------
    log10_mass, residual, richness
        As `arrange`.
    settings : Interpretation
        Pivot, scatter of outliers, walkers and steps.
    rng : numpy.random.Generator
        Of where walkers begin and how they move.
    progress : callable, optional
        Called with the steps done and all steps, after every step.

    Raises
    ------
    ValueError
        As `arrange`; fewer than ten clusters, all of one mass, or residuals half of which are equal.

    Notes
    -----
    Source: Ho et al. (2019), section 5.3. The paper samples by Metropolis-Hastings; here walkers make stretch moves
    (emcee; Foreman-Mackey et al. 2013). As there, projections of one halo count as independent clusters.
    """
    sample = arrange(log10_mass, residual, richness, settings.pivot_log10_mass)
    begin = _beginnings(sample, settings.walkers, rng)

    def log_posterior(parameters: Floats) -> Floats:
        inside = ((parameters >= LOWEST) & (parameters <= HIGHEST)).all(axis=1)
        result = np.full(len(parameters), -np.inf)
        result[inside] = log_likelihood(parameters[inside], sample, settings.outlier_scatter)
        return result

    sampler = emcee.EnsembleSampler(settings.walkers, len(PARAMETERS), log_posterior, vectorize=True)
    # emcee knows numpy's older generators only, and takes their state from the global one unless it is given
    state = emcee.State(begin, random_state=np.random.MT19937(int(rng.integers(2**63))).state)
    for step, _ in enumerate(sampler.sample(state, iterations=settings.steps)):
        if progress:
            progress(step + 1, settings.steps)
    return _judged(sampler.get_chain(), float(np.mean(sampler.acceptance_fraction)))


def _beginnings(sample: Sample, walkers: int, rng: np.random.Generator) -> Floats:
    """Return where walkers begin, shape (walkers, 5): scattered about least squares of what is no outlier."""
    n = len(sample.residual)
    if n < FEWEST or np.ptp(sample.offset) == 0:
        raise ValueError(f"posterior: expected at least {FEWEST} clusters of different masses, got {n}")
    distance = np.abs(sample.residual - np.median(sample.residual))
    deviation = 1.4826 * np.median(distance)  # of a Gaussian, its standard deviation
    if deviation == 0:
        raise ValueError("posterior: expected residuals that scatter, got half of them equal")
    near = distance < 5 * deviation
    slope, level = np.polyfit(sample.offset[near], sample.residual[near], 1)
    scatter = float(np.std(sample.residual[near] - level - slope * sample.offset[near]))
    half = scatter / np.sqrt(2)  # the variance shared between both kinds of scatter
    centre = np.array([level, half, half / np.sqrt(np.median(sample.scaling)), slope + 1, 1 / n])
    spread = np.array([0.1 * scatter, 0.2 * centre[1], 0.2 * centre[2], 0.1 * scatter, 0.5 / n])
    begin = centre + spread * rng.normal(size=(walkers, len(PARAMETERS)))
    begin[:, -1] = np.abs(begin[:, -1])
    return np.clip(begin, LOWEST + 1e-9, HIGHEST - 1e-9)


def _judged(chain: Floats, acceptance: float) -> Posterior:
    """Return a chain, shape (steps, walkers, 5), without its burn-in and with its convergence."""
    steps, walkers, _ = chain.shape
    settled = emcee.autocorr.integrated_time(chain[steps // 2 :], tol=0)
    burn_in = int(min(np.ceil(_FORGOTTEN * np.max(settled)), steps // 2))
    kept = chain[burn_in:]
    autocorrelation = np.asarray(emcee.autocorr.integrated_time(kept, tol=0))
    return Posterior(
        draws=kept.reshape(-1, len(PARAMETERS)),
        burn_in=burn_in,
        kept=len(kept),
        autocorrelation=autocorrelation,
        effective=walkers * len(kept) / autocorrelation,
        acceptance=acceptance,
        converged=bool(len(kept) >= _LONG_ENOUGH * np.max(autocorrelation)),
    )


def posterior_table(posterior: Posterior) -> pd.DataFrame:
    """Return parameters with their intervals, Ho et al. (2019), Table 3, and their convergence.

    Returns
    -------
    pandas.DataFrame
        Columns parameter, median, plus (84th percentile less median), minus (median less 16th), autocorrelation
        [steps], effective (independent draws); rows in order of `PARAMETERS`.
    """
    table = _summary(posterior.draws, PARAMETERS, "parameter")
    return table.assign(autocorrelation=posterior.autocorrelation, effective=posterior.effective)


def intrinsic_shares(draws: Floats, richness: float) -> pd.DataFrame:
    """Return what share of the scatter is intrinsic at a richness, in two readings.

    Parameters
    ----------
    draws : array, shape (n, 5)
        `PARAMETERS`
    richness : float
        True richness.

    Returns
    -------
    pandas.DataFrame
        Columns reading, median, plus, minus. variance: sigma0^2 over sigma^2 of Eq. 13, 78 % and 66 % with the values
        of Table 3; linear: sigma0 / (sigma0 + 100 / richness * sigma1), which gives the 55 % and 47 % of the text.

    Notes
    -----
    Source: Ho et al. (2019), section 5.3. NaN in draws without any scatter.
    """
    scaling = REFERENCE_RICHNESS / richness
    intrinsic, dependent = draws[:, 1], draws[:, 2]
    variance = intrinsic**2 / (intrinsic**2 + scaling * dependent**2)
    return _summary(np.stack([variance, intrinsic / (intrinsic + scaling * dependent)], axis=1), SHARES, "reading")


def _summary(draws: Floats, names: tuple[str, ...], index: str) -> pd.DataFrame:
    low, median, high = np.percentile(draws, [INTERVAL[0], 50, INTERVAL[1]], axis=0)
    return pd.DataFrame({index: list(names), "median": median, "plus": high - median, "minus": median - low})
