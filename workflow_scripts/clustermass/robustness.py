"""How far predictions drift when galaxies of a cluster are left out at random."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from clustermass.config.interpretation import Interpretation
from clustermass.residuals import INTERVAL, bootstrap, statistics

CUMULATIVE = ["median", "plus", "minus", "width"]


def subsampled_deviations(
    subsampled: pd.DataFrame, full: pd.DataFrame, mean: Literal["mass", "logarithm"] = "mass"
) -> pd.DataFrame:
    """Return the subsampled mass deviation of every cluster at every rate.

    Parameters
    ----------
    subsampled : pandas.DataFrame
        Contract `SUBSAMPLED`.
    full : pandas.DataFrame
        Contract `PREDICTIONS`, of one role: predictions from all galaxies.
    mean : {'mass', 'logarithm'}
        Whether the predictions of a rate's draws are averaged, or their logarithms; the paper does not say.

    Returns
    -------
    pandas.DataFrame
        Columns cluster, group, rate, deviation [dex] (NaN where no draw gave a prediction), draws (how many did);
        ascending in cluster and rate. Draws without a prediction are left out of the mean.

    Raises
    ------
    ValueError
        A cluster stands twice in `full` or is missing there, or a draw stands twice.

    Notes
    -----
    Source: Ho et al. (2019), Eq. 14.
    """
    reference = full.set_index("cluster")
    absent = sorted(set(subsampled["cluster"]) - set(reference.index))
    if not reference.index.is_unique or absent:
        twice = reference.index[reference.index.duplicated()].tolist()
        raise ValueError(
            "predictions from all galaxies: expected one for each cluster that was subsampled,"
            f" got several for clusters {twice[:5]}, none for {absent[:5]}"
        )
    repeated = subsampled.duplicated(["cluster", "rate", "draw"])
    if repeated.any():
        raise ValueError(f"subsampled: expected every draw once, got row {int(np.argmax(repeated.to_numpy()))} again")
    drift = subsampled["log10_predicted"] - subsampled["cluster"].map(reference["log10_predicted"])
    values = drift if mean == "logarithm" else 10**drift
    grouped = values.groupby([subsampled["cluster"], subsampled["rate"]], sort=True).agg(["mean", "count"])
    result = grouped.reset_index().rename(columns={"mean": "deviation", "count": "draws"})
    if mean == "mass":
        result["deviation"] = np.log10(result["deviation"])
    result.insert(1, "group", result["cluster"].map(reference["group"]))
    return result


def deviation_bands(deviations: pd.DataFrame) -> pd.DataFrame:
    """Return how deviations are spread at every rate: Ho et al. (2019), Fig. 10.

    Parameters
    ----------
    deviations : pandas.DataFrame
        As `subsampled_deviations` returns.

    Returns
    -------
    pandas.DataFrame
        Columns rate, p16, median, p84 [dex], count (clusters with a deviation), missing (clusters without);
        ascending. Percentiles of a rate without any are NaN.
    """
    grouped = deviations.groupby("rate", sort=True)["deviation"]
    bands = grouped.quantile(np.array([INTERVAL[0], 50, INTERVAL[1]]) / 100).unstack()
    bands.columns = pd.Index(["p16", "median", "p84"])
    count = grouped.count()
    return bands.assign(count=count, missing=grouped.size() - count).reset_index()


def cumulative_deviation(
    deviations: pd.DataFrame, settings: Interpretation, rng: np.random.Generator
) -> tuple[pd.Series, pd.DataFrame]:
    """Return the statistics of all deviations within a range of rates, and their draws: Ho et al. (2019), Table 4.

    Parameters
    ----------
    deviations : pandas.DataFrame
        As `subsampled_deviations` returns; every rate of the range weighs the same.
    settings : Interpretation
        Range of rates, bounds included, and bootstrap draws.
    rng : numpy.random.Generator

    Returns
    -------
    found : pandas.Series
        median, plus, minus, width [dex]; low_percent, high_percent: the 16th and 84th percentile of the subsampled
        prediction in percent of the full one; low_percent_linear, high_percent_linear: the same as 100 (1 + eps), which
        is how the paper's 85-102 % and 90-103 % follow from its Table 4.
    draws : pandas.DataFrame
        The same of every draw of a bootstrap by halo; `residuals.with_intervals` makes intervals of them.

    Raises
    ------
    ValueError
        No deviations in the range, or those of fewer than two groups.
    """
    rounding = 1e-9  # 3 * 0.2 is a little above 0.6
    low, high = settings.cumulative_low - rounding, settings.cumulative_high + rounding
    inside = deviations[deviations["rate"].between(low, high) & deviations["deviation"].notna()]
    values = inside["deviation"].to_numpy()
    draws = bootstrap(values, inside["group"].to_numpy(), settings.bootstrap_draws, rng)[CUMULATIVE]
    found = statistics(values)[CUMULATIVE]
    one_row = percent_of_full(found.to_frame().T).iloc[0]
    return pd.concat([found, one_row]), draws.join(percent_of_full(draws))


def percent_of_full(deviation: pd.DataFrame) -> pd.DataFrame:
    """Return the range of subsampled predictions in percent of those from all galaxies.

    Parameters
    ----------
    deviation : pandas.DataFrame
        Columns median, plus, minus [dex].

    Returns
    -------
    pandas.DataFrame
        Columns low_percent, high_percent: 100 * 10^eps at both ends of the range; low_percent_linear,
        high_percent_linear: 100 (1 + eps).

    Notes
    -----
    Source: Ho et al. (2019), section 5.4. Its percentages are those of the linear reading of Table 4, in which a dex
    counts as a factor of two, although Eq. 14 has a decimal logarithm.
    """
    low, high = deviation["median"] - deviation["minus"], deviation["median"] + deviation["plus"]
    return pd.DataFrame(
        {
            "low_percent": 100 * 10**low,
            "high_percent": 100 * 10**high,
            "low_percent_linear": 100 * (1 + low),
            "high_percent_linear": 100 * (1 + high),
        }
    )
