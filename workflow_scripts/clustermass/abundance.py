"""What residuals that are not Gaussian do to a count of clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from clustermass.config.interpretation import Interpretation
from clustermass.residuals import Floats, bootstrap, statistics, with_intervals


def abundance_systematic(sigma: ArrayLike, skew: ArrayLike, kurtosis: ArrayLike, slope: float) -> Floats:
    """Return the relative change of dn/dlnM_predicted against lognormal residuals of the same scatter.

    Parameters
    ----------
    sigma : float or array
        Standard deviation of the residuals [dex].
    skew, kurtosis : float or array
        Their skewness and excess kurtosis.
    slope : float
        Of the mass function, dn/dlnM ~ M^-slope.

    Returns
    -------
    array
        As a share, 0.05 for 5 %; negative where fewer clusters are counted.

    Notes
    -----
    Source: Ho et al. (2019), Eq. 10, after Weinberg et al. (2013). The text has sigma "in percent"; the convolution of
    the power law with Eq. 9 asks for the scatter of ln M, which is what gives the values that the paper prints.
    """
    shift = slope * np.log(10) * np.asarray(sigma, dtype=np.float64)
    return np.asarray(shift**3 / 6 * np.asarray(skew) + shift**4 / 24 * np.asarray(kurtosis))


def abundance_table(
    residuals: Floats, groups: ArrayLike, settings: Interpretation, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the systematic of a cluster count that one model's residuals make, with its interval.

    Parameters
    ----------
    residuals : array, shape (n,)
        [dex]
    groups : array, shape (n,)
        Halos: what the bootstrap draws together.
    settings : Interpretation
        Slope of the mass function, draws.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        One row; columns statistic ('abundance'), value, low, high, as shares.

    Raises
    ------
    ValueError
        As `residuals.bootstrap`.
    """
    draws = bootstrap(residuals, groups, settings.bootstrap_draws, rng)
    slope = settings.abundance_slope
    replicates = abundance_systematic(draws["sigma"], draws["skew"], draws["kurtosis"], slope)
    found = statistics(residuals)
    value = abundance_systematic(found["sigma"], found["skew"], found["kurtosis"], slope)
    return with_intervals(pd.Series({"abundance": float(value)}), pd.DataFrame({"abundance": replicates}))
