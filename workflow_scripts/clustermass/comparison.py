"""Estimators of dynamical masses that Ho et al. (2019) compare: how they are drawn, and tables beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from clustermass import style
from clustermass.msigma import Relation
from clustermass.predictions import ROLES, headline_role

Floats = NDArray[np.float64]
FITTED = ["sigma15", "alpha", "scatter"]


@dataclass(frozen=True)
class Look:
    """How figures and tables show one estimator.

    Attributes
    ----------
    title : str
        Name in tables.
    label : str
        Name in figures.
    colour : str
    line : str
        Line style.
    """

    title: str
    label: str
    colour: str
    line: str = "-"


LOOKS = {
    "cnn1d": Look("CNN1D", r"CNN$_\mathrm{1D}$", style.GREEN),
    "cnn2d": Look("CNN2D", r"CNN$_\mathrm{2D}$", style.BLUE),
    "msigma_pure": Look("M-sigma, pure", r"$M$–$\sigma_\mathrm{pure}$", style.PURPLE, "--"),
    "msigma_contaminated": Look("M-sigma, contaminated", r"$M$–$\sigma_\mathrm{contam}$", style.VERMILION, "-."),
    "sdm1d": Look("SDM1D", r"SDM$_\mathrm{1D}$", style.ORANGE, "--"),
    "sdm2d": Look("SDM2D", r"SDM$_\mathrm{2D}$", style.BLACK, "-."),
}
"""In the order of their Table 2; the keys are folders of results/{source}/training/ho2019/."""
KODIRAMANAH2021_LOOKS = {
    "cnn1d": LOOKS["cnn1d"],
    "cnn2d": LOOKS["cnn2d"],
    "cnn3d": Look("CNN3D", r"CNN$_\mathrm{3D}$", style.VERMILION),
    "flow": Look("neural flow", "neural flow", style.PURPLE),
}
"""Estimators of Figs. 8 and 9 of Kodi Ramanah et al. (2021), all on the mock of Ho et al."""
TITLES = {name: look.title for name, look in LOOKS.items()} | {
    f"{name}_small": f"{LOOKS[name].title}, as few clusters as SDM" for name in ("cnn1d", "cnn2d")
}
CNNS = ("cnn1d", "cnn2d")
GROUPS = {"M-sigma": ("msigma_pure", "msigma_contaminated"), "SDM": ("sdm1d", "sdm2d")}
"""What the CNNs stand beside, a panel each, in their Figs. 8 to 10."""


def headline_clusters(clusters: pd.DataFrame) -> pd.DataFrame:
    """Return the clusters of `CLUSTERS_MOCK` that headlines come from: held out, or testing where none is."""
    return clusters[clusters["heldout"] if clusters["heldout"].any() else clusters["test"]]


def headline_residuals(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return true log10 masses and residuals [dex] of the headline: columns log10_m200c, residual.

    Notes
    -----
    Source: Ho et al. (2019), Eq. 8: predicted over true.
    """
    mine = predictions[predictions["role"] == headline_role(predictions)]
    residual = mine["log10_predicted"] - mine["log10_m200c"]
    return pd.DataFrame({"log10_m200c": mine["log10_m200c"], "residual": residual}).reset_index(drop=True)


def headline_relation(fits: pd.DataFrame) -> Relation:
    """Return the M-sigma relation of all folds together, or where there is none, with the folds' mean parameters.

    Parameters
    ----------
    fits : pandas.DataFrame
        Contract `RELATIONS`.
    """
    whole = fits[fits["fold"] == -1]
    mean = (whole if len(whole) else fits)[[*FITTED, "expansion", "clusters"]].mean()
    sigma15, alpha, scatter, expansion, clusters = mean.tolist()
    return Relation(sigma15, alpha, scatter, expansion, int(clusters))


def jackknife_errors(fits: pd.DataFrame) -> pd.Series:
    """Return standard errors of sigma15 [km/s], alpha and scatter [dex], from fits that leave out a fold each.

    Parameters
    ----------
    fits : pandas.DataFrame
        Contract `RELATIONS`; folds are groups of halos. Fewer than two of them give NaN.

    Notes
    -----
    Source: the delete-a-group jackknife, e.g. Wolter (2007, Introduction to Variance Estimation, chapter 4).
    """
    folds = fits.loc[fits["fold"] >= 0, FITTED]
    errors: pd.Series[float] = folds.std(ddof=1) * (len(folds) - 1) / np.sqrt(max(len(folds), 1))
    return errors


def mass_histogram(log10_m200c: Floats, volume: float, width: float) -> pd.DataFrame:
    """Return the number density of projections of clusters in bins of mass.

    Parameters
    ----------
    log10_m200c : array, shape (n,)
        [Msun/h]; at least one.
    volume : float
        [(Mpc/h)^3]
    width : float
        Of the bins [dex], which start at whole multiples of it.

    Returns
    -------
    pandas.DataFrame
        Columns low, high [dex], count, density [h^3 Mpc^-3 dex^-1]; from the first bin that is not empty to the last.
    """
    bins = np.floor(log10_m200c / width + 1e-9).astype(np.int64)  # 14.3 / 0.1 is a little below 143
    count = np.bincount(bins - bins.min())
    low = (bins.min() + np.arange(len(count))) * width
    return pd.DataFrame({"low": low, "high": low + width, "count": count, "density": count / (volume * width)})


def one_per_bin(log10_m200c: Floats, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one random cluster of each of some equal bins of mass between the lightest and the heaviest cluster.

    Parameters
    ----------
    log10_m200c : array, shape (n,)
        [Msun/h]
    number : int
        Of the bins.
    rng : numpy.random.Generator

    Returns
    -------
    array of int, shape (number,)
        Rows, by rising mass. A bin without clusters gives the cluster nearest to its centre that is not taken yet.

    Raises
    ------
    ValueError
        There are fewer clusters than bins.
    """
    if len(log10_m200c) < number:
        raise ValueError(f"expected at least {number} clusters, got {len(log10_m200c)}")
    edges = np.linspace(log10_m200c.min(), log10_m200c.max(), number + 1)
    place = np.clip(np.searchsorted(edges, log10_m200c, side="right") - 1, 0, number - 1)
    chosen = [int(rng.choice(np.flatnonzero(place == bin_))) for bin_ in np.unique(place)]
    for bin_ in np.setdiff1d(np.arange(number), place):
        away = np.abs(log10_m200c - (edges[bin_] + edges[bin_ + 1]) / 2)
        away[chosen] = np.inf
        chosen.append(int(np.argmin(away)))
    return np.array(chosen)[np.argsort(log10_m200c[chosen], kind="stable")]


def beside(
    measured: pd.DataFrame, published: Callable[[str, str], float | None], statistics: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return measured numbers beside the published ones: a line an estimator and statistic, columns for each role.

    Parameters
    ----------
    measured : pandas.DataFrame
        Contract `MEASURED`.
    published : callable
        Returns the published number of a model and a statistic, or None.
    statistics : sequence of str, optional
        Those that are wanted; all.

    Returns
    -------
    pandas.DataFrame
        Columns model (its title), statistic, published, and for each role its value, low and high; the number of
        clusters has a line too.
    """
    wanted = measured[measured["statistic"].isin(statistics)] if statistics is not None else measured
    rows: list[dict[str, Any]] = []
    for model in (name for name in TITLES if (wanted["model"] == name).any()):
        mine = wanted[wanted["model"] == model]
        for statistic in mine["statistic"].unique():
            found = mine[mine["statistic"] == statistic].set_index("role")
            number = published(model, statistic)
            row = {"model": TITLES[model], "statistic": statistic, "published": np.nan if number is None else number}
            for role, words in ROLES.items():
                for column, name in (("value", words), ("low", f"{words} low"), ("high", f"{words} high")):
                    row[name] = found[column].get(role, np.nan)
            rows.append(row)
        counts = mine.groupby("role")["clusters"].max()
        row = {words: float(counts.get(role, np.nan)) for role, words in ROLES.items()}
        rows.append({"model": TITLES[model], "statistic": "clusters", **row})
    return pd.DataFrame(rows)


def draw_bands(
    axes: Axes, bands: pd.DataFrame, colour: str, label: str = "", line: str = "-", wide: bool = True
) -> None:
    """Draw a median with its 16th to 84th percentile, and lighter its 3rd to 97th.

    Parameters
    ----------
    bands : pandas.DataFrame
        As `msigma.mass_bands`.
    wide : bool
        Whether the 3rd to 97th percentile is drawn.
    """
    x = bands["log10_mass"]
    if wide:
        axes.fill_between(x, bands["p3"], bands["p97"], color=colour, alpha=0.15, lw=0)
    axes.fill_between(x, bands["p16"], bands["p84"], color=colour, alpha=0.25, lw=0)
    for edge in ("p16", "p84"):
        axes.plot(x, bands[edge], color=colour, ls=line, lw=0.5)
    axes.plot(x, bands["median"], color=colour, ls=line, label=label or None)
