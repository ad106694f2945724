"""Deep ensembles of networks that weigh clusters by images, posteriors from them, and how far these can be trusted.

Each cluster is predicted by the networks of the one fold that left it out, one a trial. What these disagree on says how
well the network is known, and nothing of what images do not tell: as an error it is too small. Posteriors take the rest
from residuals of clusters that other folds left out, so that a cluster is no part of what its posterior is made of.

Posteriors are of the label that X-rays or SZ would give, whose own errors are therefore in their width. They stand on
the distribution of labels in the sample, whichever way it was selected: right for clusters that get labels, and not for
those that no survey of hot gas has seen, which weigh less at the same richness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from clustermass.config.image_results import ImagePosterior
from clustermass.contracts import Column, Contract
from clustermass.posterior.calibration import calibrate
from clustermass.posterior.contracts import CALIBRATION, POSTERIOR_SUMMARIES
from clustermass.posterior.grid import SIGMAS, Floats, Posteriors, cumulative, density_at, normalised
from clustermass.posterior.joint import Slices, fit_joint, grid_between, make_pairs
from clustermass.posterior.summaries import summary_table, unsupported
from clustermass.transfer.contracts import MASS_PREDICTIONS

METHODS = {
    "ensemble": "Gaussian as wide as networks disagree",
    "residuals": "Gaussian as wide as residuals of other folds",
    "density": "joint density of predictions and labels of other folds",
}
"""What posteriors are made of."""

_DEX = "log10(Msun)"
_METHOD = Column("method", "text", "", "what posteriors are made of", choices=tuple(METHODS))
_KNOWN = ("catalogue", "redshift", "log10_m500c", "log10_m500c_err", "log10_m500c_richness")
ENSEMBLE = Contract(
    "image_ensemble",
    "masses by ensembles of networks, of clusters that none of them was trained or chosen on",
    (
        Column("cluster", "text", "", "name of the cluster in the parent sample", unique=True),
        Column("group", "text", "", "object that splits keep together"),
        Column("fold", "int", "", "fold whose networks left the cluster out", 0),
        Column("networks", "int", "", "networks of this fold, one a trial", 1),
        *(column for column in MASS_PREDICTIONS.columns if column.name in _KNOWN),
        Column("log10_predicted", "float", _DEX, "log10 of M500c, mean of the networks", 0, 30),
        Column("scatter", "float", "dex", "standard deviation of the networks; missing: one network", 0, missing=True),
    ),
)
IMAGE_POSTERIORS = Contract(
    "image_posteriors",
    "what posteriors of log10 M500c say of clusters that neither trained nor calibrated; missing: no posterior",
    (
        _METHOD,
        Column("cluster", "text", "", "name of the cluster in the parent sample"),
        *(
            replace(column, name=column.name.replace("m200c", "m500c"), unit=_DEX if column.unit else "",
                    meaning=column.meaning.replace("true M200c", "label, M500c"))
            for column in POSTERIOR_SUMMARIES.columns
            if column.name != "cluster"
        ),
        Column("crps", "float", "dex", "continuous ranked probability score: of a point, its absolute error", 0,
               missing=True),
    ),
)  # fmt: skip
IMAGE_CALIBRATION = Contract(
    "image_calibration",
    CALIBRATION.meaning,
    (_METHOD, *(replace(column, unit=_DEX if column.unit else "") for column in CALIBRATION.columns)),
)
COVERAGE = Contract(
    "coverage",
    "how many labels are within the limits of posteriors, and how good these are",
    (
        _METHOD,
        Column("volume", "float", "", "volume of posteriors within the limits", 0, 1),
        Column("observed", "float", "", "share of labels within the limits", 0, 1),
        Column("low", "float", "", "lower end of its interval, 95 %", 0, 1),
        Column("high", "float", "", "upper end of it", 0, 1),
        Column("half_width", "float", "dex", "half of the limits' distance, mean over clusters", 0),
        Column("crps", "float", "dex", "continuous ranked probability score, mean over clusters", 0),
        Column("clusters", "int", "", "clusters with a posterior", 1),
        Column("halos", "int", "", "halos that they are of", 1),
        Column("without", "int", "", "clusters without a posterior", 0),
        Column("extrapolated", "int", "", "clusters whose posterior rests on too few pairs, or none", 0),
    ),
)


def ensemble(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the mean and the scatter of the networks that left each cluster out: contract `ENSEMBLE`.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `MASS_PREDICTIONS`, of one model in one trial or more; rows of role `test` count.

    Raises
    ------
    ValueError
        No tests, or trials that do not test the same clusters in the same folds, once each.
    """
    tests = predictions[predictions["role"] == "test"]
    if tests.empty:
        raise ValueError("predictions: expected clusters of role 'test', got none")
    trials = tests["trial"].nunique()
    by_cluster = tests.groupby("cluster", sort=True)
    odd = (by_cluster.size() != trials) | (by_cluster["trial"].nunique() != trials) | (by_cluster["fold"].nunique() > 1)
    if odd.any():
        rows = int(by_cluster.size()[odd].iloc[0])
        raise ValueError(
            f"predictions: expected every cluster to be tested once in each of {trials} trials, in one fold, got"
            f" {rows} tests of {odd.idxmax()}"
        )
    table = by_cluster[["group", "fold", *_KNOWN]].first().assign(networks=trials)
    table["log10_predicted"] = by_cluster["log10_predicted"].mean()
    table["scatter"] = by_cluster["log10_predicted"].std(ddof=1)
    return ENSEMBLE.validate(table.reset_index()[ENSEMBLE.names], "ensemble")


def mass_posteriors(table: pd.DataFrame, settings: ImagePosterior) -> dict[str, Slices]:
    """Return posteriors of log10 M500c [Msun], on one grid, by every method.

    Parameters
    ----------
    table : pandas.DataFrame
        Contract `ENSEMBLE`, n rows.
    settings : ImagePosterior

    Returns
    -------
    dict of Slices
        By name, those of `METHODS` in the order of the table; `ensemble` only where there are networks to disagree.

    Raises
    ------
    ValueError
        One fold, or too few clusters in the others, or such that do not scatter.
    """
    predicted, label = (table[name].to_numpy(np.float64) for name in ("log10_predicted", "log10_m500c"))
    fold, group = table["fold"].to_numpy(), table["group"].to_numpy()
    if len(np.unique(fold)) < 2:
        raise ValueError(f"posteriors: expected two folds or more, so that others calibrate one, got fold {fold[0]}")
    both = np.concatenate([predicted, label])
    grid = grid_between(both.min(), both.max(), settings.of_pairs(len(table)))
    result = {}
    if table["scatter"].notna().all():
        result["ensemble"] = unsupported(gaussians(predicted, table["scatter"].to_numpy(np.float64), grid))
    width, centre = np.empty((2, len(table)))
    parts, rows = [], []
    for number in np.unique(fold):
        tested, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        residual = label[others] - predicted[others]
        centre[tested], width[tested] = predicted[tested] + residual.mean(), residual.std(ddof=1)
        pairs = make_pairs(predicted[others], label[others], group[others])
        parts.append(fit_joint(pairs, settings.of_pairs(len(others))).slices(predicted[tested], grid))
        rows.append(tested)
    return result | {"residuals": unsupported(gaussians(centre, width, grid)), "density": _in_order(parts, rows)}


def _in_order(parts: list[Slices], rows: list[NDArray[np.int64]]) -> Slices:
    """Return slices of some rows each as those of all rows."""
    back = np.argsort(np.concatenate(rows))
    density = np.concatenate([part.posteriors.density for part in parts])[back]
    effective, distance, extrapolated = (
        np.concatenate(each)[back] for each in zip(*(p[1:] for p in parts), strict=True)
    )
    return Slices(Posteriors(parts[0].posteriors.log10_mass, density), effective, distance, extrapolated)


def gaussians(centre: Floats, width: Floats, grid: Floats) -> Posteriors:
    """Return Gaussian posteriors.

    Parameters
    ----------
    centre : array, shape (n,)
        log10 M500c [Msun].
    width : array, shape (n,)
        Standard deviations [dex]; those below the step of the grid count as one step.
    grid : array, shape (g,)
        Evenly spaced log10 masses [Msun].
    """
    width = np.maximum(width, grid[1] - grid[0])
    away = (grid - centre[:, None]) / width[:, None]  # (n, g)
    return normalised(grid, np.exp(-0.5 * away**2))


def ranked_scores(posteriors: Posteriors, log10_mass: Floats) -> Floats:
    """Return continuous ranked probability scores [dex] of posteriors at masses (n,) on their grid.

    The integral of (F - [x >= mass])^2 over x, F being the volume below x: small where a posterior is both narrow and
    right; the absolute error of one without width.

    Notes
    -----
    *Source*: Gneiting and Raftery (2007, Eq. 20).
    """
    below = cumulative(posteriors)  # (n, g)
    above = (1 - below) ** 2
    whole = (above.sum(axis=1) - (above[:, 0] + above[:, -1]) / 2) * posteriors.step
    change = cumulative(Posteriors(posteriors.log10_mass, 2 * below - 1))  # what (F - 1)^2 below the mass lacks to F^2
    here = density_at(Posteriors(posteriors.log10_mass, change), log10_mass[:, None])[:, 0]
    return np.asarray(np.maximum(whole + here, 0.0))


def posterior_table(table: pd.DataFrame, made: Mapping[str, Slices]) -> pd.DataFrame:
    """Return what posteriors of every method say of clusters: contract `IMAGE_POSTERIORS`.

    Parameters
    ----------
    table : pandas.DataFrame
        Contract `ENSEMBLE`.
    made : dict of Slices
        Posteriors of the same clusters, by method.
    """
    label = table["log10_m500c"].to_numpy(np.float64)
    numbered = table.assign(
        cluster=np.arange(len(table)), log10_m200c=label
    )  # as the posteriors of simulations have it
    parts = []
    for method, slices in made.items():
        part = summary_table(numbered, slices, "equal_tailed").rename(columns={"log10_m200c": "log10_m500c"})
        scores = ranked_scores(slices.posteriors, label)
        parts.append(part.assign(method=method, cluster=table["cluster"].to_numpy(), crps=scores))
    whole = pd.concat(parts, ignore_index=True)
    return IMAGE_POSTERIORS.validate(whole[IMAGE_POSTERIORS.names], "posteriors")


def calibration_table(
    table: pd.DataFrame, made: Mapping[str, Slices], settings: ImagePosterior, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the calibration of posteriors of every method: contract `IMAGE_CALIBRATION`.

    Parameters
    ----------
    table : pandas.DataFrame
        Contract `ENSEMBLE`.
    made : dict of Slices
        Posteriors of the same clusters, by method.
    settings : ImagePosterior
    rng : numpy.random.Generator
        Of bootstraps, ranks and reference masses.
    """
    label, density = table["log10_m500c"].to_numpy(np.float64), settings.of_pairs(len(table))
    parts = [
        calibrate(slices.posteriors, label, table["group"], density, rng).assign(method=method)
        for method, slices in made.items()
    ]
    whole = pd.concat(parts, ignore_index=True)
    return IMAGE_CALIBRATION.validate(whole[IMAGE_CALIBRATION.names], "calibration")


def coverage(posteriors: pd.DataFrame) -> pd.DataFrame:
    """Return how many labels are within the limits of posteriors: contract `COVERAGE`.

    Parameters
    ----------
    posteriors : pandas.DataFrame
        Contract `IMAGE_POSTERIORS`.

    Raises
    ------
    ValueError
        A method without any posterior.

    Notes
    -----
    Intervals are those of Jeffreys for as many independent clusters as there are if those of one halo say the same
    (Kish 1965): unlike a bootstrap they are not empty where all labels are within.
    """
    rows = []
    for method, table in posteriors.groupby("method", sort=False):
        known = table[table["mean"].notna()]
        if known.empty:
            raise ValueError(f"posteriors: expected some by method {method}, got none of {len(table)} clusters")
        members = known["group"].value_counts().to_numpy(np.float64)
        about = {"method": method, "crps": known["crps"].mean(), "clusters": len(known), "halos": len(members)}
        about |= {"without": len(table) - len(known), "extrapolated": int(table["extrapolated"].sum())}
        for name, volume in SIGMAS.items():
            low, high = known[f"low{name}"], known[f"high{name}"]
            inside = float(known["log10_m500c"].between(low, high).mean())
            ends = _jeffreys(inside, members.sum() ** 2 / (members**2).sum())
            row = {"volume": volume, "observed": inside, "low": ends[0], "high": ends[1]}
            rows.append(about | row | {"half_width": (high - low).mean() / 2})
    return COVERAGE.validate(pd.DataFrame(rows)[COVERAGE.names], "coverage")


def _jeffreys(share: float, number: float) -> Floats:
    """Return the 2.5th and 97.5th percentile of a share that was observed in a number of independent trials."""
    successes = share * number
    ends = np.asarray(beta.ppf([0.025, 0.975], successes + 0.5, number - successes + 0.5))
    return np.where([successes == 0, successes == number], [0.0, 1.0], ends)
