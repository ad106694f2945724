"""Masses from images beside their labels, beside each other and beside richness: what figures and tables show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clustermass import style
from clustermass.comparison import Look
from clustermass.transfer.scores import compare, label_floor, richness_masses, scores

Floats = NDArray[np.float64]

MASS_LOOKS = {
    "baseline": Look("Baseline", "Baseline", style.ORANGE, "--"),
    "baseline_ss": Look("Baseline+S.S.", "Baseline+S.S.", style.BLUE, "--"),
    "ss_trans": Look("S.S.+Trans.", "S.S.+Trans.", style.VERMILION),
    "baseline_ss_bands": Look("Baseline+S.S., from bands", "Baseline+S.S., from bands", style.SKY, ":"),
    "ss_start": Look("S.S.+Trans., without bands", "S.S.+Trans., without bands", style.PURPLE, ":"),
    "trans": Look("Trans., strong labels alone", "Trans.", style.GREEN, ":"),
    "richness": Look("richness-based", "richness-based", style.BLUE),
    "richness_fitted": Look("richness-based, fitted to training labels", "richness, fitted", style.GREEN),
    "constant": Look("median of training labels", "median of labels", style.GREY, ":"),
}
"""Models of masses from images, and what they stand beside."""
_WEIGHTS = {"imagenet": "ImageNet weights", "file": "weights from a file", "random": "random weights"}
_AFTER = ("BN", "ReLU")  # layers that belong to the one before
_PUBLISHED = {
    "mae": "published_mae",
    "mae_std": "published_fold_std",
    "mae_best": "published_best_fold",
    "sigma": "published_sigma",
}
_SHOWN = ("mae", "mae_low", "mae_high", "mae_std", "mae_best", "trials_std", "sigma", "bias", "clusters")
_NAMES = {
    "mae_low": "low",
    "mae_high": "high",
    "mae_std": "fold_std",
    "mae_best": "best_fold",
    "trials_std": "trial_std",
}
STANDING_COLUMNS = ("model", "compared_with", "published_mae", "mae", "low", "high", "verdict", "published_fold_std",
                    "fold_std", "published_best_fold", "best_fold", "trial_std", "published_sigma", "sigma", "bias",
                    "clusters")  # fmt: skip


def look_of(model: str) -> Look:
    """Return how a model is shown; one of another configuration goes by its own name."""
    return MASS_LOOKS.get(model, Look(model, model, style.BLACK, "-."))


def begun_from(weights: str) -> str:
    """Return in words what an extractor began with: 'imagenet', 'file' or 'random' weights."""
    return f"extractor from {_WEIGHTS[weights]}"


def made_from(clusters: int, pixels: int, weights: str, strong: int, folds: int, trials: int) -> str:
    """Return in words what stands behind masses from images.

    Parameters
    ----------
    clusters : int
        Tested ones.
    pixels : int
        Along a side of an image.
    weights : {'imagenet', 'file', 'random'}
        What the extractor began with.
    strong : int
        Clusters with strong labels that the sample was to have at least; 0: as many as the sky gives.
    folds, trials : int
        Of the cross-validation, and trainings of every fold.
    """
    sample = f"{clusters} clusters (strong labels over-sampled)" if strong else f"{clusters} clusters"
    return f"{sample}, {folds} folds × {trials}, {pixels} × {pixels} pixels, {_WEIGHTS[weights]}"


def tested(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return what a model makes of clusters on which it was tested, as means over its trials.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `MASS_PREDICTIONS`, all folds and trials.

    Returns
    -------
    pandas.DataFrame
        One row a cluster, by name: cluster, group, catalogue, redshift, log10_m500c, log10_m500c_err,
        log10_m500c_richness, log10_predicted, residual (predicted less label) and absolute (mean of |residual| over
        trials, not that of the mean) [dex].

    Raises
    ------
    ValueError
        No tests.
    """
    tests = predictions[predictions["role"] == "test"]
    if tests.empty:
        raise ValueError(f"predictions: expected rows of role test, got {len(predictions)} of others")
    residual = tests["log10_predicted"] - tests["log10_m500c"]
    rows = tests.assign(residual=residual, absolute=residual.abs()).groupby("cluster", sort=True)
    about = ["group", "catalogue", "redshift", "log10_m500c", "log10_m500c_err", "log10_m500c_richness"]
    means: pd.DataFrame = rows[["log10_predicted", "residual", "absolute"]].mean()
    result: pd.DataFrame = rows[about].first().join(means).reset_index()
    return result


def median_masses(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions of the same clusters without any skill: the median label of those that train in each fold.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `MASS_PREDICTIONS`; the first trial is taken. In every fold those clusters train that test in
        another one and have no row in it, neither as test nor as validation.

    Raises
    ------
    ValueError
        A fold in which fewer than two are left to train.
    """
    return _by_fold(predictions, lambda training, rows: np.full(len(rows), training["log10_m500c"].median()))


def fitted_richness_masses(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions of the same clusters by richness, its slope and zero point fitted to labels that train.

    The reference that has seen the strong labels too, as networks have; parameters and errors as `median_masses`.
    """

    def line(training: pd.DataFrame, rows: pd.DataFrame) -> Floats:
        x = training["log10_m500c_richness"].to_numpy()
        centre = x.mean()
        slope, zero = np.polyfit(x - centre, training["log10_m500c"], 1)
        return np.asarray(zero + slope * (rows["log10_m500c_richness"] - centre), float)

    return _by_fold(predictions, line)


def _by_fold(predictions: pd.DataFrame, predict: Callable[[pd.DataFrame, pd.DataFrame], Floats]) -> pd.DataFrame:
    """Return the first trial with what a function of a fold's training clusters and of its rows predicts."""
    once = predictions[predictions["trial"] == predictions["trial"].min()]
    tests = once[once["role"] == "test"]
    predicted = pd.Series(np.nan, index=once.index)
    for fold, rows in once.groupby("fold"):
        training = tests[~tests["cluster"].isin(rows["cluster"])]
        if len(training) < 2:
            raise ValueError(f"predictions: expected clusters that train in every fold, got {len(training)} in {fold}")
        predicted[rows.index] = predict(training, rows)
    result: pd.DataFrame = once.assign(log10_predicted=predicted)
    return result


def grouped_error(values: Floats, group: NDArray[Any]) -> float:
    """Return the standard error of a mean of which whole groups are independent: of clusters, their halos.

    Parameters
    ----------
    values, group : array, shape (n,)

    Returns
    -------
    float
        NaN where there is one group. With a group a value it is the standard deviation (n - 1) over sqrt(n).

    Notes
    -----
    Source: the cluster-robust variance of a mean, e.g. Cameron & Miller (2015, Journal of Human Resources 50, 317).
    """
    _, code = np.unique(group, return_inverse=True)
    groups = int(code.max()) + 1
    if groups < 2:
        return float("nan")
    sums = np.bincount(code, values - values.mean())
    return float(np.sqrt(groups / (groups - 1) * np.sum(sums**2)) / len(values))


def binned_errors(tests: pd.DataFrame, x: str, width: float, fewest: int) -> pd.DataFrame:
    """Return absolute errors and residuals in bins of mass or redshift (Lin et al. 2022, Figs. 4 and 5).

    Parameters
    ----------
    tests : pandas.DataFrame
        As `tested` returns it.
    x : {'log10_m500c', 'redshift'}
    width : float
        Of the bins, which start at whole multiples of it; a cluster on an edge belongs to the bin above.
    fewest : int
        Bins with fewer clusters are left out.

    Returns
    -------
    pandas.DataFrame
        Columns `x` (centre of the bin), mae and residual (means) with their standard errors mae_error and
        residual_error by `grouped_error`, sigma (standard deviation of the residuals, with n), floor (of the mean
        absolute error, from the labels' own errors) [dex], clusters; ascending.
    """
    bins = np.floor(tests[x] / width + 1e-9).astype(int)  # 14.3 / 0.1 is a little below 143
    rows = []
    for number, part in tests.groupby(bins.to_numpy()):
        if len(part) >= fewest:
            group = part["group"].to_numpy(str)
            absolute, residual = (part[name].to_numpy(float) for name in ("absolute", "residual"))
            rows.append(
                {
                    x: (number + 0.5) * width,
                    "mae": absolute.mean(),
                    "mae_error": grouped_error(absolute, group),
                    "residual": residual.mean(),
                    "residual_error": grouped_error(residual, group),
                    "sigma": residual.std(),
                    "floor": label_floor(part["log10_m500c_err"].to_numpy(float)),
                    "clusters": len(part),
                }
            )
    names = [x, "mae", "mae_error", "residual", "residual_error", "sigma", "floor", "clusters"]
    return pd.DataFrame(rows, columns=names).astype({name: float for name in names[:-1]} | {"clusters": int})


def kernel_density(values: Floats, grid: Floats, width: float) -> Floats:
    """Return the density of values at points, by Gaussian kernels.

    Parameters
    ----------
    values : array, shape (n,)
    grid : array, shape (m,)
    width : float
        Standard deviation of the kernels, the same for all samples, so that they compare.

    Returns
    -------
    array, shape (m,)
    """
    return np.asarray(_kernels(values, grid, width).mean(axis=0))


def joint_density(x: Floats, y: Floats, x_grid: Floats, y_grid: Floats, width: float) -> Floats:
    """Return the density of pairs of values on a grid, by Gaussian kernels as wide in both.

    Parameters
    ----------
    x, y : array, shape (n,)
    x_grid, y_grid : array, shape (m,) and (k,)
    width : float
        Standard deviation of the kernels.

    Returns
    -------
    array, shape (k, m)
    """
    return np.asarray(np.einsum("nk,nm->km", _kernels(y, y_grid, width), _kernels(x, x_grid, width)) / len(x))


def enclosing_levels(density: Floats, shares: Sequence[float]) -> list[float]:
    """Return levels above which shares of the volume of a density on an even grid are, ascending."""
    ranked = np.sort(density, axis=None)[::-1]
    volume = np.cumsum(ranked) / ranked.sum()
    return sorted(float(ranked[np.searchsorted(volume, share)]) for share in shares)


def standings(
    tables: Mapping[str, pd.DataFrame],
    make_rng: Callable[[], np.random.Generator],
    draws: int,
    published: Callable[[str], float | None],
) -> pd.DataFrame:
    """Return how well models do, and which of every two does better (Lin et al. 2022, Table 2).

    Parameters
    ----------
    tables : dict of pandas.DataFrame
        Contract `MASS_PREDICTIONS` of every model, all on the same clusters. References are added, made of the first:
        masses from richness, as published and fitted, and the median of the labels that train.
    make_rng : callable
        Returns a generator of one seed, so that the same halos are drawn for all.
    draws : int
        Of the bootstrap.
    published : callable
        Returns a published number, e.g. of 'ss_trans_mae', or None.

    Returns
    -------
    pandas.DataFrame
        Columns `STANDING_COLUMNS`, errors in dex: a row a model, with the 16th and 84th percentile of its mean
        absolute error; a row for what the labels' own errors leave to a perfect one; a row a pair of models, and of
        a model and a reference, with the difference of their mean absolute errors, model less `compared_with`, its
        2.5th and 97.5th percentile and the verdict on the model.
    """
    first = next(iter(tables.values()))
    references = {
        "richness": richness_masses(first),
        "richness_fitted": fitted_richness_masses(first),
        "constant": median_masses(first),
    }
    every = {**tables, **references}
    printed = {model: {name: published(f"{model}_{name}") for name in _PUBLISHED} for model in every}
    rows: list[dict[str, Any]] = []
    for model, table in every.items():
        found = scores(table, model, "mass", 100, make_rng(), draws).iloc[0]
        beside = {column: printed[model][name] for name, column in _PUBLISHED.items()}
        rows.append({"model": look_of(model).title, **{_NAMES.get(k, k): found[k] for k in _SHOWN}, **beside})
    errors = tested(first)["log10_m500c_err"].to_numpy(float)
    rows.append({"model": "labels' own errors", "mae": label_floor(errors)})
    pairs = [(model, other) for other, model in combinations(tables, 2)] + list(product(tables, references))
    for pair in pairs:
        found = compare(every[pair[0]], every[pair[1]], pair, "mass", (100, 100), make_rng(), draws).iloc[0]
        one, other = np.array([printed[model]["mae"] for model in pair], dtype=float)
        words = {"model": look_of(pair[0]).title, "compared_with": look_of(pair[1]).title}
        same = {name: found[name] for name in ("low", "high", "verdict", "clusters")}
        rows.append({**words, "published_mae": one - other, "mae": found["difference"], **same})
    table = pd.DataFrame(rows, columns=list(STANDING_COLUMNS))
    text = ["model", "compared_with", "verdict"]
    return table.fillna({name: "" for name in text}).astype({name: float for name in table if name not in text})


def layers_beside(trained: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the layers of a regressor beside those of the published shapes.

    Parameters
    ----------
    trained, published : pandas.DataFrame
        Contract `clustermass.networks.describe.REGRESSOR_LAYERS`.

    Returns
    -------
    pandas.DataFrame
        Columns layer, kernel, output_size, weights and the last three as published_...; layers of one name stand
        beside each other, with their normalisation and activation, and are empty where one network has none.
    """
    keyed = [table.assign(after=table["layer"].where(~table["layer"].isin(_AFTER)).ffill())
             for table in (trained, published)]  # fmt: skip
    right = keyed[1].rename(columns={name: f"published_{name}" for name in ("kernel", "output_size", "weights")})
    both = keyed[0].merge(right, on=["after", "layer"], how="outer")
    ours, theirs = (list(zip(table["after"], table["layer"], strict=True)) for table in keyed)
    place = {key: float(row) for row, key in enumerate(theirs)}
    last = -1.0
    for key in ours:
        last = place.setdefault(key, last + 1e-3)  # what the published shapes lack stands where it is in the network
    order = [place[key] for key in zip(both["after"], both["layer"], strict=True)]
    both = both.iloc[np.argsort(order, kind="stable")].drop(columns="after").reset_index(drop=True)
    words = ["kernel", "output_size", "published_kernel", "published_output_size"]
    return both.fillna({name: "" for name in words})


def draw_performance(above: Axes, below: Axes, bins: Mapping[str, pd.DataFrame], shift: float) -> None:
    """Draw mean absolute errors above and residuals below, of models side by side.

    Thick bars are errors of means, thin ones (below) the standard deviation of the residuals; a dotted line is the
    median of training labels, a grey area what the labels' own errors leave to a perfect model.

    Parameters
    ----------
    bins : dict of pandas.DataFrame
        As `binned_errors` by model, 'constant' among them; the first column is the horizontal axis.
    shift : float
        Of the second model along the horizontal axis, of the third twice that, ...
    """
    constant = bins["constant"]
    x = constant.iloc[:, 0]
    above.fill_between(x, 0, constant["floor"], color="0.88", lw=0, label="labels' own errors")
    for axes, name in ((above, "mae"), (below, "residual")):
        axes.plot(x, constant[name], color="0.45", ls=":", lw=1.0, label=look_of("constant").label)
    for place, model in enumerate(name for name in bins if name != "constant"):
        table, look = bins[model], look_of(model)
        x = table.iloc[:, 0] + place * shift
        points: dict[str, Any] = {"marker": style.MARKERS[place], "ms": 3.8, "color": look.colour, "ls": ""}
        above.errorbar(x, table["mae"], table["mae_error"], elinewidth=1.8, label=look.label, **points)
        below.errorbar(x, table["residual"], table["sigma"], elinewidth=0.7, capsize=2, capthick=0.7, **points)
        below.errorbar(x, table["residual"], table["residual_error"], elinewidth=1.8, **points)
    if constant.empty:
        above.text(0.5, 0.5, "no bin holds enough clusters", transform=above.transAxes, ha="center", fontsize=7)
    below.axhline(0, color=style.BLACK, lw=0.6, zorder=0)
    above.set(ylabel="mean absolute error [dex]", ylim=(0, None))
    above.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=2, borderaxespad=0.2)
    below.set(ylabel=r"residual $\Delta \log_{10} M_{500\mathrm{c}}$ [dex]")


def draw_in_bins(bins: Mapping[str, pd.DataFrame], shift: float, made: str, label: str) -> Figure:
    """Return a figure of absolute errors above and residuals below, see `draw_performance`, against what `label` says.

    Parameters
    ----------
    made : str
        What the errors are of, to stand at the top.
    """
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(style.COLUMN_INCH, 4.4), sharex=True, layout="constrained", height_ratios=[1, 1.15]
    )
    engine: Any = figure.get_layout_engine()  # its settings are not declared
    engine.set(rect=(0, 0, 1, 0.945))
    draw_performance(above, below, bins, shift)
    below.set(xlabel=label)
    figure.text(0.01, 0.995, fill(made, 58), va="top", fontsize=6)  # beside the stamp of simulated data
    return figure


def _kernels(values: Floats, grid: Floats, width: float) -> Floats:
    """Return Gaussian kernels (n, m) about values at points."""
    away = (grid - values[:, None]) / width
    return np.asarray(np.exp(-(away**2) / 2) / (np.sqrt(2 * np.pi) * width))
