"""Checks of Kodi Ramanah et al. (2021), sections 2.2 and 2.3: what a change of the input or of a training is worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from colossus.halo import concentration
from numpy.typing import NDArray
from scipy.optimize import brentq

from clustermass.config.base import Cosmology
from clustermass.contracts import Column, Contract
from clustermass.cosmology import flat, use_colossus
from clustermass.residuals import INTERVAL

Floats = NDArray[np.float64]

CHECKS = Contract(
    "checks",
    "what a change of the input or of a training does to predicted masses, intervals from a bootstrap over halos",
    (
        Column("check", "text", "", "what was changed, by its name in the configuration"),
        Column("sample", "text", "", "clusters that it was measured on"),
        Column(
            "statistic", "text", "", "mean and sigma of log10(predicted / true), or their change from the reference"
        ),
        Column("value", "float", "dex", "what was measured"),
        Column("low", "float", "dex", "16th percentile of the bootstrap", missing=True),
        Column("high", "float", "dex", "84th percentile of the bootstrap", missing=True),
        Column("clusters", "int", "", "mock clusters that it was measured on", 0),
    ),
)
REMOVALS = ("none", "core", "collided")
"""Galaxies that clusters are weighed without: none; those in the core; those that collisions of fibres cost."""
MISSING = Contract(
    "missing",
    "masses that one network gives clusters of the evaluation set without some of their galaxies",
    (
        Column("cluster", "int", "", "cluster of the mock catalogue", 0),
        Column("removal", "text", "", "which galaxies were left out", choices=REMOVALS),
        Column("galaxies", "int", "", "galaxies that were left in the window", 0),
        Column("log10_predicted", "float", "log10(Msun/h)", "log10 of the predicted M200c; missing: too few galaxies",
               5, 25, missing=True),
    ),
)  # fmt: skip
_DISTANCES = 200  # shells of the ball of observers


def paired_changes(
    residuals: Mapping[str, Floats], reference: str, group: NDArray[np.str_], draws: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Return mean and scatter of several predictions of the same clusters, and how they differ from one of them.

    Parameters
    ----------
    residuals : dict of array, shape (n,)
        log10(predicted / true mass) [dex] of the same clusters, by check; NaN: no prediction, in which case a cluster
        is left out of that check and of the reference that it is compared with.
    reference : str
        What the others are compared with, cluster by cluster.
    group : array of str, shape (n,)
        Halo of each cluster; halos are drawn with all their sight-lines.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        `CHECKS` without sample: statistics mean, sigma, and change of both; a row each.

    Raises
    ------
    ValueError
        The reference is missing, or arrays of other lengths.
    """
    if reference not in residuals:
        raise ValueError(f"reference: expected one of {', '.join(residuals)}, got {reference}")
    if wrong := [name for name, values in residuals.items() if len(values) != len(group)]:
        raise ValueError(f"{wrong[0]}: expected {len(group)} residuals, one a cluster, got {len(residuals[wrong[0]])}")
    halo = np.unique(group, return_inverse=True)[1]
    number = int(halo.max()) + 1
    times = rng.multinomial(number, np.full(number, 1 / number), size=draws)  # how often each halo is drawn
    rows = []
    for name, values in residuals.items():
        seen = np.isfinite(values) & np.isfinite(residuals[reference])
        own, other = values[seen], residuals[reference][seen]
        weights = np.concatenate([np.ones((1, seen.sum())), times[:, halo[seen]]])
        (mean, sigma), (mean_other, sigma_other) = _moments(own, weights), _moments(other, weights)
        found = {"mean": mean, "sigma": sigma}
        if name != reference:
            found |= {"change of mean": mean - mean_other, "change of sigma": sigma - sigma_other}
        for statistic, of_draws in found.items():
            low, high = np.percentile(of_draws[1:], INTERVAL)
            values_of = {"value": of_draws[0], "low": low, "high": high, "clusters": int(seen.sum())}
            rows.append({"check": name, "statistic": statistic, **values_of})
    return pd.DataFrame(rows)


def _moments(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return weighted means and standard deviations, one for each row of the weights."""
    total = weights.sum(1)
    mean = weights @ values / total
    return mean, np.sqrt(np.maximum(weights @ values**2 / total - mean**2, 0))


def unknown_redshift(
    max_comoving_mpc_h: float, log10_m200c: float, redshift: float, cosmology: Cosmology
) -> tuple[float, float]:
    """Return what not knowing the redshift, which sets the threshold of M200c, adds to masses.

    Phase space does not tell a cluster's redshift, so an estimator gives one mass to one and the same halo wherever
    its observer is, while M200c falls as the critical density rises. The halo is an NFW profile of fixed scale radius
    and density.

    Parameters
    ----------
    max_comoving_mpc_h : float
        Radius of the ball that observers are in [Mpc/h].
    log10_m200c, redshift : float
        Mass [Msun/h] and redshift that the concentration is taken at (Diemer and Joyce 2019).
    cosmology : Cosmology

    Returns
    -------
    deviation, span : float
        Standard deviation of log10 M200c over the ball, and its largest less its smallest value [dex].

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), section 2.2, after Diemer et al. (2013).
    """
    universe, h = flat(cosmology), cosmology.H0 / 100
    use_colossus(cosmology)
    inside = float(concentration.concentration(10**log10_m200c, "200c", redshift, model="diemer19"))
    z = np.linspace(0, 4 * max_comoving_mpc_h / 3000, 400)
    edges = max_comoving_mpc_h * np.linspace(0, 1, _DISTANCES + 1) ** (1 / 3)  # shells of equal volume
    shells = np.interp((edges[1:] + edges[:-1]) / 2, universe.comoving_distance(z).value * h, z)
    density = (universe.efunc(shells) / universe.efunc(redshift)) ** 2
    level = _nfw(inside) / inside**3
    solutions = [brentq(lambda c, d=d: _nfw(c) / c**3 - level * d, inside / 3, inside * 3) for d in density]
    log_mass = np.log10(_nfw(np.array(solutions)) / _nfw(inside))
    return float(np.std(log_mass)), float(np.ptp(log_mass))


def _nfw(c: Floats | float) -> Floats:
    """Return the mass of an NFW profile inside c scale radii, in its unit."""
    return np.asarray(np.log1p(c) - c / (1 + c))
