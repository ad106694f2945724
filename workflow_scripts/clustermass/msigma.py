"""M-sigma: mass from velocity dispersion by a power law.

Masses are log10 M200c [Msun/h]. Velocity dispersions [km/s] are standard deviations with n - 1 (Ho et al. 2019, Eq. 6):
`mock_observation.ragged.velocity_dispersions`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.dynamics import Msigma
from clustermass.contracts import Column, Contract
from clustermass.cosmology import flat

Floats = NDArray[np.float64]

PIVOT = 15.0  # log10 of the mass, times the expansion, that sigma_v15 belongs to
PERCENTILES = {"p3": 3.0, "p16": 16.0, "median": 50.0, "p84": 84.0, "p97": 97.0}

RELATIONS = Contract(
    "relations",
    "relations of mass and velocity dispersion, one for every set of clusters that they were fitted to",
    (
        Column("fold", "int", "", "fold that was left out; -1: none but the box held out", -1, unique=True),
        Column("sigma15", "float", "km/s", "dispersion at 1e15 Msun/h, times the expansion", 0),
        Column("alpha", "float", "", "slope of log10 dispersion with log10 mass"),
        Column("scatter", "float", "dex", "standard deviation of log10 dispersion about the relation", 0),
        Column("expansion", "float", "", "what multiplies masses in Msun/h", 0),
        Column("clusters", "int", "", "clusters that it was fitted to", 3),
    ),
)


@dataclass(frozen=True)
class Relation:
    """sigma_v = sigma15 (expansion M / 10^15)^alpha, Ho et al. (2019), Eq. 5.

    Attributes
    ----------
    sigma15 : float
        [km/s]
    alpha : float
    scatter : float
        Standard deviation of log10 sigma_v about the relation [dex], of the clusters that it was fitted to.
    expansion : float
        What multiplies masses in Msun/h.
    clusters : int
        How many it was fitted to.
    """

    sigma15: float
    alpha: float
    scatter: float
    expansion: float
    clusters: int


def expansion_factor(settings: Msigma, redshift: float, cosmology: Cosmology) -> float:
    """Return what multiplies masses in Msun/h in the relation, by its reading in the configuration.

    Notes
    -----
    Source: Ho et al. (2019), Eq. 5, h(z) M200c / 10^15 Msun. For M200c in Msun, h(z) M200c is E(z) times the mass in
    Msun/h; their masses are in Msun/h. Masses that are predicted do not depend on it.
    """
    if settings.expansion == "none":
        return 1.0
    efunc = float(flat(cosmology).efunc(redshift))
    return efunc * cosmology.H0 / 100 if settings.expansion == "hubble" else efunc


def fit_relation(log10_mass: Floats, dispersion: Floats, expansion: float, settings: Msigma) -> Relation:
    """Return the power law that fits clusters above the smallest mass, by least squares in log10 sigma_v.

    Parameters
    ----------
    log10_mass : array, shape (n,)
        log10 M200c [Msun/h]
    dispersion : array, shape (n,)
        [km/s]; must be positive for the clusters that are fitted.
    expansion : float
        As `expansion_factor`.
    settings : Msigma

    Raises
    ------
    ValueError
        Fewer than three clusters above the smallest mass, all of one mass, or a dispersion that is not positive.

    Notes
    -----
    Source: Ho et al. (2019), section 4.1, Eqs. 5-7; the scatter is a standard deviation with n.
    """
    heavy = log10_mass >= settings.min_log10_mass
    x, y = log10_mass[heavy], _log10_dispersion(dispersion[heavy])
    if len(x) < 3 or np.ptp(x) == 0:
        raise ValueError(
            f"expected at least 3 clusters of different mass above log10 M = {settings.min_log10_mass}, got {len(x)}"
        )
    alpha, level = np.polyfit(x - PIVOT, y, 1)
    scatter = float(np.std(y - level - alpha * (x - PIVOT)))
    return Relation(float(10 ** (level - alpha * np.log10(expansion))), float(alpha), scatter, expansion, len(x))


def relation_dispersion(relation: Relation, log10_mass: Floats) -> Floats:
    """Return the velocity dispersion of the relation [km/s] at log10 masses [Msun/h], shape as given."""
    scaled = log10_mass + np.log10(relation.expansion) - PIVOT
    return np.asarray(relation.sigma15 * 10 ** (relation.alpha * scaled))


def predict_mass(relation: Relation, dispersion: Floats) -> Floats:
    """Return log10 masses [Msun/h] of clusters by inversion of the relation.

    Parameters
    ----------
    relation : Relation
    dispersion : array, shape (n,)
        [km/s]

    Raises
    ------
    ValueError
        A dispersion is not positive, as of one galaxy or of galaxies of one velocity.
    """
    scaled = (_log10_dispersion(dispersion) - np.log10(relation.sigma15)) / relation.alpha
    return np.asarray(scaled + PIVOT - np.log10(relation.expansion))


def mass_bands(log10_mass: Floats, values: Floats, settings: Msigma) -> pd.DataFrame:
    """Return percentiles of values in bins of mass: the bands of Ho et al. (2019), Fig. 6.

    Parameters
    ----------
    log10_mass, values : array, shape (n,)
        Bins start at whole multiples of their width; a cluster on an edge belongs to the bin above.
    settings : Msigma
        Width of the bins, and the fewest clusters of one that is kept.

    Returns
    -------
    pandas.DataFrame
        Columns log10_mass (centre of the bin), p3, p16, median, p84, p97, count; ascending.
    """
    bins = np.floor(log10_mass / settings.bin_width + 1e-9).astype(np.int64)  # 14.3 / 0.1 is a little below 143
    rows = []
    for number in np.unique(bins):
        inside = values[bins == number]
        if len(inside) >= settings.fewest:
            levels = np.percentile(inside, list(PERCENTILES.values())).tolist()
            rows.append([(number + 0.5) * settings.bin_width, *levels, len(inside)])
    return pd.DataFrame(rows, columns=["log10_mass", *PERCENTILES, "count"])


def _log10_dispersion(dispersion: Floats) -> Floats:
    if not (np.isfinite(dispersion) & (dispersion > 0)).all():
        row = int(np.flatnonzero(~(np.isfinite(dispersion) & (dispersion > 0)))[0])
        raise ValueError(f"velocity dispersion: expected positive ones, got {dispersion[row]} in row {row}")
    return np.asarray(np.log10(dispersion))
