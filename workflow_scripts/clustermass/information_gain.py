"""Scatter of predicted masses as a function of richness: Kodi Ramanah et al. (2021), Eq. 7 and Fig. 9."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

REFERENCE_RICHNESS = 100.0
"""Members at which the scatter that depends on them is sigma_N."""
_FEWEST = 10  # clusters; fewer do not tell four parameters
_LEAST_VARIANCE = 1e-8  # dex^2; both terms may vanish, not their sum
_ITERATIONS = 200  # a dozen are enough where both terms are there


@dataclass(frozen=True)
class ScatterFit:
    """Scatter about the best power law between true and predicted mass: s^2 = sigma_n^2 (100 / N) + sigma_0^2.

    Attributes
    ----------
    sigma_n, sigma_0 : float
        [dex]
    slope : float
        Of log10 predicted on log10 true mass.
    intercept : float
        log10 predicted less log10 true mass at the pivot [dex].
    pivot : float
        Mean log10 true mass [Msun/h].
    """

    sigma_n: float
    sigma_0: float
    slope: float
    intercept: float
    pivot: float

    def scatter(self, members: NDArray[np.integer]) -> Floats:
        """Return the scatter [dex] of clusters with given numbers of members."""
        return np.asarray(np.sqrt(self.sigma_n**2 * REFERENCE_RICHNESS / members + self.sigma_0**2), np.float64)

    def residuals(self, log10_mass: Floats, log10_predicted: Floats) -> Floats:
        """Return residuals about the power law [dex]."""
        return log10_predicted - self.pivot - self.intercept - self.slope * (log10_mass - self.pivot)


def fit_scatter(log10_mass: Floats, log10_predicted: Floats, members: NDArray[np.integer]) -> ScatterFit:
    """Return the power law and the scatter about it of greatest likelihood.

    Parameters
    ----------
    log10_mass, log10_predicted : array, shape (n,)
        log10 M200c [Msun/h].
    members : array of int, shape (n,)
        True members within R200c.

    Raises
    ------
    ValueError
        Fewer than ten clusters, clusters without members, values that are not finite, or one mass for all.

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), section 4.4, after Wojtak et al. (2018). Residuals are Gaussian; the power law
    is fitted together with the scatter, which tells how much each cluster says about it.
    """
    _check(log10_mass, log10_predicted, members)
    return _fit(log10_mass, log10_predicted, members, np.ones(len(members)))


def _check(log10_mass: Floats, log10_predicted: Floats, members: NDArray[np.integer]) -> None:
    lengths = {len(log10_mass), len(log10_predicted), len(members)}
    if len(lengths) > 1 or len(members) < _FEWEST:
        raise ValueError(f"clusters: expected {_FEWEST} or more, all columns of one length, got {sorted(lengths)}")
    if not (np.isfinite(log10_mass).all() and np.isfinite(log10_predicted).all()):
        raise ValueError("clusters: expected finite masses")
    if np.min(members) < 1:
        raise ValueError(f"members: expected at least 1, got {np.min(members)} in row {np.argmin(members)}")
    if not np.ptp(log10_mass) > 0:
        raise ValueError(f"masses: expected masses that differ, got {log10_mass[0]} for all")


def _fit(x: Floats, y: Floats, members: NDArray[np.integer], times: Floats) -> ScatterFit:
    """Return the fit to clusters that stand for `times` clusters each.

    The greatest likelihood by Fisher scoring: a line weighted by the variances, then variances from its squared
    residuals, again and again.
    """
    used = times > 0
    x, y, times, inverse = x[used], y[used], times[used], REFERENCE_RICHNESS / members[used]
    pivot = float(np.average(x, weights=times))
    x, y = x - pivot, y - pivot
    variances: Floats = np.array([0.0, 1.0])  # of 100 members, and of infinitely many
    for _ in range(_ITERATIONS):
        weight = 1 / np.maximum(variances[0] * inverse + variances[1], _LEAST_VARIANCE)
        w = times * weight
        mean_x, mean_y = (w @ x) / w.sum(), (w @ y) / w.sum()
        slope = (w @ ((x - mean_x) * (y - mean_y))) / (w @ (x - mean_x) ** 2)
        squares = (y - mean_y - slope * (x - mean_x)) ** 2
        before, variances = variances, _parts(inverse, squares, w * weight)
        if np.abs(variances - before).max() < 1e-10 * variances.sum():
            break
    sigma_n, sigma_0 = np.sqrt(variances)
    return ScatterFit(float(sigma_n), float(sigma_0), float(slope), float(mean_y - slope * mean_x), pivot)


def _parts(inverse: Floats, squares: Floats, weight: Floats) -> Floats:
    """Return a, b >= 0 for which a inverse + b is nearest to squares, in weighted least squares."""
    matrix = np.stack([inverse, np.ones(len(inverse))])
    normal, right = (matrix * weight) @ matrix.T, (matrix * weight) @ squares
    if normal[0, 0] * normal[1, 1] - normal[0, 1] ** 2 > 1e-12 * normal[0, 0] * normal[1, 1]:
        both: Floats = np.asarray(np.linalg.solve(normal, right), np.float64)
        if (both >= 0).all():
            return both
    alone = np.clip(right / np.diag(normal), 0, None)  # one of them is zero, or all have as many members
    return np.asarray(alone * (np.arange(2) == np.argmax(right * alone)))


def bootstrap_scatter(
    log10_mass: Floats,
    log10_predicted: Floats,
    members: NDArray[np.integer],
    groups: ArrayLike,
    bins: int,
    draws: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return fits to samples of which whole halos were drawn with replacement.

    Parameters
    ----------
    log10_mass, log10_predicted, members
        As `fit_scatter`.
    groups : array, shape (n,)
        Halo of each cluster: lines of sight to one halo are no independent measurements.
    bins : int
        As `scatter_by_richness`.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        A row a draw: columns sigma_n, sigma_0, slope, intercept, precision (largest departure of the measured
        scatter from the fit's in bins of richness [percent]).

    Raises
    ------
    ValueError
        As `fit_scatter`; or fewer than two halos.
    """
    _check(log10_mass, log10_predicted, members)
    names, code = np.unique(np.asarray(groups), return_inverse=True)
    if len(code) != len(members) or len(names) < 2:
        raise ValueError(f"groups: expected one for each of {len(members)} clusters, two or more, got {len(names)}")
    rows, place = [], _place(members, bins)
    for _ in range(draws):
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names)).astype(np.float64)
        fit = _fit(log10_mass, log10_predicted, members, times[code])
        worst = _worst(place, fit.residuals(log10_mass, log10_predicted), fit.scatter(members), times[code])
        rows.append({**vars(fit), "precision": worst})
    return pd.DataFrame(rows).drop(columns="pivot")


def _worst(place: NDArray[np.integer], residuals: Floats, scatter: Floats, weight: Floats) -> float:
    """Return by how much the measured scatter departs from a fit's in the bin where it departs most [percent].

    Each cluster counts as often as its weight says. *Source*: Kodi Ramanah et al. (2021), section 4.4: "recovers the
    measured scatter with a precision of 5 per cent".
    """
    measured, fitted = (np.bincount(place, weight * values**2) for values in (residuals, scatter))
    return float(100 * np.abs(np.sqrt(measured[fitted > 0] / fitted[fitted > 0]) - 1).max())


def _place(members: NDArray[np.integer], bins: int) -> NDArray[np.integer]:
    """Return the bin of every cluster, of bins of equal count."""
    edges = np.unique(np.quantile(members, np.linspace(0, 1, bins + 1)))
    return np.clip(np.searchsorted(edges, members, side="right") - 1, 0, max(len(edges) - 2, 0))


def scatter_by_richness(
    log10_mass: Floats, log10_predicted: Floats, members: NDArray[np.integer], fit: ScatterFit, bins: int
) -> pd.DataFrame:
    """Return the measured scatter in bins of members of equal count, beside that of a fit.

    Parameters
    ----------
    log10_mass, log10_predicted, members
        As `fit_scatter`.
    fit : ScatterFit
    bins : int
        Fewer where many clusters have the same number of members.

    Returns
    -------
    pandas.DataFrame
        Columns members (geometric mean), clusters, measured and fitted (root mean square about the power law) [dex],
        ratio (measured over fitted).
    """
    place = _place(members, bins)
    count = np.bincount(place)

    def of_bins(values: Floats) -> Floats:
        return np.asarray(np.bincount(place, values) / np.maximum(count, 1))

    measured = np.sqrt(of_bins(fit.residuals(log10_mass, log10_predicted) ** 2))
    fitted = np.sqrt(of_bins(fit.scatter(members) ** 2))
    columns = {"members": np.exp(of_bins(np.log(members))), "clusters": count, "measured": measured, "fitted": fitted}
    table = pd.DataFrame(columns)[count > 0].reset_index(drop=True)
    return table.assign(ratio=table["measured"] / table["fitted"])


def dispersion_scatter(members: float = REFERENCE_RICHNESS) -> float:
    """Return the scatter [dex] of masses from the velocity dispersion of so many members: 3 / (sqrt(2 N) ln 10).

    A dispersion is known to 1 / sqrt(2 N), and mass goes with its third power: 0.092 dex at 100.
    """
    return float(3 / (np.sqrt(2 * members) * np.log(10)))


def poisson_scatter(members: float = REFERENCE_RICHNESS) -> float:
    """Return the scatter [dex] of masses from the Poisson noise of so many members: 1 / (sqrt(N) ln 10).

    For a richness in proportion to mass: 0.043 dex at 100. Source: the second line of Kodi Ramanah et al. (2021),
    Fig. 9, whose formula the text does not state.
    """
    return float(1 / (np.sqrt(members) * np.log(10)))
