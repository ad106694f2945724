"""Residuals of predicted masses, eps = log10(M_predicted / M_true) [dex]: statistics, their intervals, densities.

Bands of residuals in bins of true mass: `msigma.mass_bands`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STATISTICS = ("median", "plus", "minus", "width", "sigma", "skew", "kurtosis")
INTERVAL = (16.0, 84.0)
"""Percentiles that bound one standard deviation of a Gaussian: of residuals, of bootstrap draws, of posteriors."""
_LEVELS = np.array([INTERVAL[0], 50.0, INTERVAL[1]]) / 100


def statistics(residuals: Floats) -> pd.Series:
    """Return what describes a sample of residuals.

    Parameters
    ----------
    residuals : array, shape (n,)
        [dex]

    Returns
    -------
    pandas.Series
        By name: median, plus (84th percentile less median), minus (median less 16th percentile), width (plus + minus)
        and sigma (standard deviation, with n) [dex]; skew and kurtosis (excess), both without correction for n, NaN
        where all residuals are equal.

    Raises
    ------
    ValueError
        No residuals, or one that is not finite.

    Notes
    -----
    Source: Ho et al. (2019), section 5.1 and Table 2.
    """
    values = _checked(residuals)
    powers = np.array([np.sum((values - values.mean()) ** power) for power in range(5)])
    return pd.Series(_describe(np.sort(values), np.arange(1, len(values) + 1), powers), index=list(STATISTICS))


def bootstrap(residuals: Floats, groups: ArrayLike, draws: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the statistics of samples of which whole groups were drawn with replacement.

    Projections of one halo are no independent measurements: a halo is drawn with all of them or not at all.

    Parameters
    ----------
    residuals : array, shape (n,)
        [dex]
    groups : array, shape (n,)
        What belongs together; two generators of one seed draw the same groups for every model of the same groups.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        A row a draw, columns as in `statistics`.

    Raises
    ------
    ValueError
        Fewer than two groups, another number of groups than residuals, or a residual that is not finite.
    """
    values = _checked(residuals)
    names, code = np.unique(np.asarray(groups), return_inverse=True)
    if len(code) != len(values) or len(names) < 2:
        raise ValueError(
            f"groups: expected one for each of {len(values)} residuals, at least two different ones,"
            f" got {len(code)}, {len(names)} different"
        )
    order = np.argsort(values, kind="stable")
    ordered, place = values[order], code[order]
    from_centre = values - values.mean()
    powers = np.stack([np.bincount(code, from_centre**power, len(names)) for power in range(5)])
    rows = np.empty((draws, len(STATISTICS)))
    for row in rows:
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        row[:] = _describe(ordered, np.cumsum(times[place]), np.asarray(powers @ times))
    return pd.DataFrame(rows, columns=list(STATISTICS))


def with_intervals(values: pd.Series, replicates: pd.DataFrame) -> pd.DataFrame:
    """Return statistics beside the interval that bootstrap draws span.

    Parameters
    ----------
    values : pandas.Series
        Statistics of the sample, by name.
    replicates : pandas.DataFrame
        The same of every draw; those that a draw leaves undefined (NaN) are left out.

    Returns
    -------
    pandas.DataFrame
        Columns statistic, value, low, high (16th and 84th percentile of the draws).
    """
    low, high = (replicates[values.index].quantile(level / 100).to_numpy() for level in INTERVAL)
    columns = {"statistic": values.index, "value": values.to_numpy(), "low": low, "high": high}
    return pd.DataFrame(columns)


def residual_density(residuals: Floats, width: float) -> pd.DataFrame:
    """Return the density of residuals, Ho et al. (2019), Fig. 8, right.

    Parameters
    ----------
    residuals : array, shape (n,)
        [dex]
    width : float
        Width of the bins, whose edges are its whole multiples [dex].

    Returns
    -------
    pandas.DataFrame
        Columns residual (centre of the bin), density (integrates to 1), count; bins from the least residual to the
        greatest, empty ones among them.

    Raises
    ------
    ValueError
        As `statistics`.
    """
    values = _checked(residuals)
    bins = np.floor(values / width).astype(np.int64)
    count = np.bincount(bins - bins.min())
    centre = (bins.min() + np.arange(len(count)) + 0.5) * width
    return pd.DataFrame({"residual": centre, "density": count / (len(values) * width), "count": count})


def normalised_density(residuals: Floats, width: float) -> pd.DataFrame:
    """Return the density of x = (eps - <eps>) / sigma beside the standard normal one, Ho et al. (2019), Fig. 9.

    Parameters
    ----------
    residuals : array, shape (n,)
        [dex]
    width : float
        Width of the bins [standard deviations].

    Returns
    -------
    pandas.DataFrame
        Columns as `residual_density`, residual in standard deviations; gaussian, and edgeworth (Eq. 9 with the sample's
        skewness and excess kurtosis), both at the centre of the bin.

    Raises
    ------
    ValueError
        As `statistics`, and where all residuals are equal.
    """
    found = statistics(residuals)
    if np.isnan(found["skew"]):
        raise ValueError(f"residuals: expected a scatter to normalise by, got {len(residuals)} equal ones")
    density = residual_density((residuals - np.mean(residuals)) / found["sigma"], width)
    centre = density["residual"].to_numpy()
    models = {"gaussian": edgeworth(centre, 0, 0), "edgeworth": edgeworth(centre, found["skew"], found["kurtosis"])}
    return density.assign(**models)


def mean_bands(log10_mass: Floats, residuals: Floats, width: float, fewest: int) -> pd.DataFrame:
    """Return mean and standard deviation of residuals in bins of mass (Kodi Ramanah et al. 2021, Fig. 5, bottom).

    Parameters
    ----------
    log10_mass, residuals : array, shape (n,)
        A cluster on an edge of a bin belongs to the bin above.
    width : float
        Of the bins [dex], which start at whole multiples of it.
    fewest : int
        Bins with fewer clusters are left out.

    Returns
    -------
    pandas.DataFrame
        Columns log10_mass (centre of the bin), mean, sigma (with n) [dex], count; ascending.
    """
    bins = np.floor(log10_mass / width + 1e-9).astype(np.int64)  # 14.3 / 0.1 is a little below 143
    grouped = pd.Series(residuals).groupby(bins)
    frame = pd.DataFrame({"mean": grouped.mean(), "sigma": grouped.std(ddof=0), "count": grouped.size()})
    frame = frame[frame["count"] >= fewest]
    frame.insert(0, "log10_mass", (frame.index.to_numpy() + 0.5) * width)
    return frame.reset_index(drop=True)


def edgeworth(x: Floats, skew: float, kurtosis: float) -> Floats:
    """Return the Edgeworth expansion about the standard normal density; no density where it falls below zero.

    Parameters
    ----------
    x : array
        Normalised residuals.
    skew, kurtosis : float
        Skewness and excess kurtosis of the distribution.

    Returns
    -------
    array, shape as `x`

    Notes
    -----
    Source: Ho et al. (2019), Eq. 9, after Shaw et al. (2010), with the derivatives of the Gaussian as Hermite
    polynomials.
    """
    third, fourth = x**3 - 3 * x, x**4 - 6 * x**2 + 3
    return np.asarray(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * (1 + skew / 6 * third + kurtosis / 24 * fourth))


def _describe(ordered: Floats, rank: Ints, powers: Floats) -> Floats:
    """Return the statistics of values that stand several times each.

    `ordered` are the values ascending, `rank` how many of the sample there are up to each of them, `powers` the sums
    over the sample of their distances to a centre, to the powers 0 to 4.
    """
    position = _LEVELS * (rank[-1] - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, rank[-1] - 1)
    lower, upper = (ordered[np.searchsorted(rank, place, side="right")] for place in (below, above))
    p16, median, p84 = lower + (position - below) * (upper - lower)
    return np.array([median, p84 - median, median - p16, p84 - p16, *_moments(powers)])


def _moments(powers: Floats) -> tuple[float, float, float]:
    """Return standard deviation, skewness and excess kurtosis, from sums of powers of distances to a centre."""
    _, mean, second, third, fourth = powers / powers[0]
    variance = second - mean**2
    if variance <= 1e-12 * second:  # one value, within the rounding of its square
        return 0.0, np.nan, np.nan
    skew = (third - 3 * mean * second + 2 * mean**3) / variance**1.5
    kurtosis = (fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4) / variance**2 - 3
    return float(np.sqrt(variance)), float(skew), float(kurtosis)


def _checked(residuals: Floats) -> Floats:
    values = np.asarray(residuals, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"residuals: expected at least one, in one dimension, got the shape {values.shape}")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"residuals: expected finite ones, got {values[row]} in row {row}")
    return values
