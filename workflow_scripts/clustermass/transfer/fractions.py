"""How many labels richness from images needs: Base, trained from scratch, beside Ours, which told bands apart first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.contracts import Column, Contract
from clustermass.residuals import INTERVAL
from clustermass.transfer.scores import DECISIVE, LABEL, dex_to_ln

Floats = NDArray[np.float64]
Published = Callable[[str], float | None]

MODELS = {"base": "Base", "ours": "Ours"}
"""Names in the paper, by folder."""
METRICS = {"mae": "MAE", "sigma": "Sigma"}
"""Names in the paper: mean absolute error, and standard deviation of the differences."""
_METRIC = Column("metric", "text", "", "mean absolute error, or standard deviation", choices=tuple(METRICS))
_PERCENT = Column("percent", "float", "%", "share of the training set that trained", 0, 100)
FRACTIONS = Contract(
    "label_fractions",
    "errors of richness from images by share of the training set; means over trials, intervals by a bootstrap of halos",
    (
        _METRIC,
        Column("model", "text", "", "model", choices=tuple(MODELS)),
        _PERCENT,
        Column("training_clusters", "float", "", "clusters that trained, mean over folds", 1),
        Column("clusters", "int", "", "clusters that were tested", 1),
        Column("trials", "int", "", "trainings of every fold", 1),
        Column("value", "float", "dex", "metric, mean over trials", 0),
        Column("low", "float", "dex", "16th percentile of it", 0),
        Column("high", "float", "dex", "84th percentile of it", 0),
        Column("trials_std", "float", "dex", "standard deviation of it over trials; missing: one trial", 0,
               missing=True),
    ),
)  # fmt: skip
RATIOS = Contract(
    "label_fraction_ratios",
    "errors of Ours over those of Base, which trained on the same clusters; bootstrap of halos, in pairs",
    (
        _METRIC,
        _PERCENT,
        Column("ratio", "float", "", "Ours over Base; missing: Base has no error", 0, missing=True),
        Column("low", "float", "", "16th percentile of it", 0, missing=True),
        Column("high", "float", "", "84th percentile of it", 0, missing=True),
        Column("verdict", "text", "", "of Ours; undecided: 2.5th to 97.5th percentile have 1 between them",
               choices=("better", "worse", "undecided")),
    ),
)  # fmt: skip
HEADLINES = Contract(
    "label_fraction_headlines",
    "what pre-training on bands gains",
    (
        _METRIC,
        Column("quantity", "text", "", "what was derived"),
        Column("unit", "text", "", "of the numbers"),
        Column("value", "float", "", "measured; missing: no share of the labels is enough", missing=True),
        Column("low", "float", "", "16th percentile of it", missing=True),
        Column("high", "float", "", "84th percentile of it; missing: no share is enough", missing=True),
        Column(
            "trials_std",
            "float",
            "",
            "standard deviation of gains over trials; missing: one trial, or no gain",
            0,
            missing=True,
        ),
        Column("published", "float", "", "the same in the paper", missing=True),
    ),
)


_SHOWN = {"dex": "value", "dex, low": "low", "dex, high": "high", "dex, deviation over trials": "trials_std"}


class Comparison(NamedTuple):
    """Base beside Ours: tables of the contracts `FRACTIONS`, `RATIOS` and `HEADLINES`."""

    fractions: pd.DataFrame
    ratios: pd.DataFrame
    headlines: pd.DataFrame


class _Metrics(NamedTuple):
    """Metrics of one model trained on one share, in the order of `METRICS` [dex]."""

    trials: Floats
    """(2, trials)"""
    draws: Floats
    """(2, draws), means over trials"""


def compare_fractions(
    predictions: Mapping[str, pd.DataFrame], rng: np.random.Generator, draws: int, published: Published
) -> Comparison:
    """Return how Base and Ours do that were trained on shares of the training set.

    Parameters
    ----------
    predictions : mapping of str to pandas.DataFrame
        Contract `RICHNESS_PREDICTIONS` of all shares, folds and trials, under 'base' and 'ours'; only tests count.
    rng : numpy.random.Generator
    draws : int
        Of the bootstrap: whole halos are drawn, the same for all models and shares. Trials are no part of it: intervals
        hold the chance of having these clusters, `trials_std` that of having these trainings.
    published : callable
        Returns a published number of Table 1 by name, or None.

    Raises
    ------
    ValueError
        Models with other shares; clusters of one group only; models or shares that were not tested on the same
        clusters; a cluster that is not tested once in every trial.

    Notes
    -----
    *Source*: Liang et al. (2020), Table 1 and sections 3.2 and 3.3. Errors are in dex, whatever the paper's unit is.
    """
    tests = {model: predictions[model][predictions[model]["role"] == "test"] for model in MODELS}
    shares = {model: sorted({float(percent) for percent in tests[model]["percent"]}) for model in MODELS}
    percents = shares["base"]
    if not percents or shares["ours"] != percents:
        raise ValueError(f"predictions: expected tests at the same shares of both models, got {shares}")
    first = tests["base"].drop_duplicates("cluster").sort_values("cluster")
    _, group = np.unique(first["group"].to_numpy(str), return_inverse=True)
    groups = int(group.max()) + 1
    if groups < 2:
        raise ValueError("bootstrap: expected two groups at least, got one: lower labels.folds or take more clusters")
    times = rng.multinomial(groups, np.full(groups, 1 / groups), size=draws)  # (draws, groups)
    rows: list[dict[str, Any]] = []
    found: dict[tuple[str, float], _Metrics] = {}
    for model in MODELS:
        for percent in percents:
            part = tests[model][tests[model]["percent"] == percent]
            errors = _errors(part, first, f"{MODELS[model]} at {percent:g} %")
            found[model, percent] = _metrics(errors, group, times)
            rows += _rows(found[model, percent], part, model, percent)
    return Comparison(
        FRACTIONS.validate(pd.DataFrame(rows), "errors by share of the labels"),
        _ratios(found, percents),
        _headlines(found, percents, constant_errors(first), published),
    )


def constant_errors(predictions: pd.DataFrame) -> Floats:
    """Return the errors of the best constant, which a network should stay below: shape (2,), as `METRICS` [dex].

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `RICHNESS_PREDICTIONS`; labels of tested clusters count, each once.
    """
    tests = predictions[predictions["role"] == "test"].drop_duplicates("cluster")
    label = tests[LABEL["richness"]].to_numpy(float)
    return np.array([np.abs(label - np.median(label)).mean(), label.std()])


def paper_table(found: Comparison, published: Published, published_percents: tuple[float, ...]) -> pd.DataFrame:
    """Return Table 1 as it is printed, a column a share of the training set, with the published numbers.

    Parameters
    ----------
    found : Comparison
    published : callable
        As in `compare_fractions`; names are 'mae_base_1', 'sigma_ours_100' and so on, in a unit that is not stated.
    published_percents : tuple of float
        Shares of the paper [%]; those and the measured ones are columns.

    Returns
    -------
    pandas.DataFrame
        Columns metric, model, quantity, '1 %', '5 %', ...; numbers, verdicts, or NaN.
    """
    percents = sorted({*found.fractions["percent"], *published_percents})
    rows = []

    def add(metric: str, model: str, quantity: str, values: Mapping[float, Any] | pd.Series) -> None:
        cells = {f"{percent:g} %": _digits(values.get(percent)) for percent in percents}
        rows.append({"metric": METRICS[metric], "model": model, "quantity": quantity, **cells})

    for metric in METRICS:
        printed = {m: {p: published(f"{metric}_{m}_{p:g}") for p in percents} for m in MODELS}
        for model, title in MODELS.items():
            part = found.fractions.query("metric == @metric and model == @model").set_index("percent")
            add(metric, title, "published", printed[model])
            add(metric, title, "natural log", pd.Series(dex_to_ln(part["value"]), part.index))
            for quantity, column in _SHOWN.items():
                add(metric, title, quantity, part[column])
        ratios = found.ratios[found.ratios["metric"] == metric].set_index("percent")
        both = {p: (printed["ours"][p], printed["base"][p]) for p in percents}
        add(metric, "Ours / Base", "published", {p: our / base for p, (our, base) in both.items() if our and base})
        for column in ("ratio", "low", "high", "verdict"):
            add(metric, "Ours / Base", column, ratios[column])
    return pd.DataFrame(rows)


def _digits(value: Any) -> Any:
    """Return a number with as many digits as are printed, a word as it is, NaN for nothing."""
    return value if isinstance(value, str) else np.nan if value is None else float(f"{value:.5g}")


def _errors(tests: pd.DataFrame, expected: pd.DataFrame, what: str) -> Floats:
    """Return predicted less label [dex] of all clusters in all trials, by name and number: shape (clusters, trials)."""
    columns = {"error": tests["log10_predicted"] - tests[LABEL["richness"]]}
    if tests.duplicated(["cluster", "trial"]).any():
        raise ValueError(f"{what}: expected one test of a cluster in a trial, got several")
    table = tests.assign(**columns).pivot(index="cluster", columns="trial", values="error").sort_index()
    if list(table.index) != list(expected["cluster"]) or table.isna().any(axis=None):
        raise ValueError(
            f"{what}: expected tests of the same {len(expected)} clusters as Base at the first share, in every trial,"
            f" got {len(table)} clusters, {int(table.isna().sum().sum())} tests missing"
        )
    return table.to_numpy(float)


def _metrics(errors: Floats, group: NDArray[np.intp], times: NDArray[np.int64]) -> _Metrics:
    """Return metrics of errors (clusters, trials), and of draws that hold groups so many times (draws, groups)."""
    centre = errors.mean(axis=0)
    offset = errors - centre
    powers = np.stack([np.ones_like(errors), np.abs(errors), offset, offset**2])  # (4, clusters, trials)
    sums = np.zeros((times.shape[1], 4, errors.shape[1]))
    np.add.at(sums, group, powers.swapaxes(0, 1))
    drawn = np.einsum("dg,gkt->kdt", times.astype(float), sums)  # no product of matrices: threads decide its order
    number, absolute, first, second = drawn
    sigma = np.sqrt(np.maximum(second / number - (first / number) ** 2, 0))
    trials = np.stack([np.abs(errors).mean(axis=0), errors.std(axis=0)])
    return _Metrics(trials, np.stack([absolute / number, sigma]).mean(axis=2))


def _rows(found: _Metrics, tests: pd.DataFrame, model: str, percent: float) -> list[dict[str, Any]]:
    """Return rows of `FRACTIONS`, one a metric."""
    trained = tests.drop_duplicates(["fold", "trial"])["training_clusters"].mean()
    sizes = {"clusters": tests["cluster"].nunique(), "trials": found.trials.shape[1]}
    about = {"model": model, "percent": percent, "training_clusters": float(trained), **sizes}
    rows = []
    for metric, trials, draws in zip(METRICS, found.trials, found.draws, strict=True):
        low, high = np.percentile(draws, INTERVAL)
        spread = trials.std(ddof=1) if len(trials) > 1 else np.nan
        rows.append({"metric": metric, **about, "value": trials.mean(), "low": low, "high": high, "trials_std": spread})
    return rows


def _over(ours: Floats, base: Floats) -> Floats:
    """Return ratios; NaN where Base has no error."""
    return np.divide(ours, base, out=np.full_like(base, np.nan), where=base > 0)


def _ratios(found: Mapping[tuple[str, float], _Metrics], percents: list[float]) -> pd.DataFrame:
    rows = []
    for place, metric in enumerate(METRICS):
        for percent in percents:
            base, ours = (found[model, percent] for model in MODELS)
            drawn = _over(ours.draws[place], base.draws[place])
            (low, high), (least, most) = (np.percentile(drawn, levels) for levels in (INTERVAL, DECISIVE))
            verdict = "better" if most < 1 else "worse" if least > 1 else "undecided"
            ratio = float(_over(ours.trials[place].mean(keepdims=True), base.trials[place].mean(keepdims=True))[0])
            row = {"metric": metric, "percent": percent, "ratio": ratio, "low": low, "high": high, "verdict": verdict}
            rows.append(row)
    return RATIOS.validate(pd.DataFrame(rows), "ratios by share of the labels")


def _headlines(
    found: Mapping[tuple[str, float], _Metrics], percents: list[float], constant: Floats, published: Published
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []

    def add(metric: str, quantity: str, unit: str, value: float, drawn: Floats, name: str, spread: float) -> None:
        low, high = np.percentile(drawn, INTERVAL, method="inverted_cdf")
        numbers = {"value": value, "low": low, "high": high, "trials_std": spread, "published": published(name)}
        finite = {
            key: number if number is not None and np.isfinite(number) else np.nan for key, number in numbers.items()
        }
        rows.append({"metric": metric, "quantity": quantity, "unit": unit, **finite})

    for place, metric in enumerate(METRICS):
        base, ours = (
            {p: (found[model, p].trials[place].mean(keepdims=True), found[model, p].draws[place]) for p in percents}
            for model in MODELS
        )
        for percent in dict.fromkeys((percents[-1], percents[0])):
            value, drawn = (100 * (1 - _over(ours[percent][k], base[percent][k])) for k in range(2))
            trials = 100 * (1 - _over(*(found[model, percent].trials[place] for model in reversed(MODELS))))
            spread = float(trials.std(ddof=1)) if len(trials) > 1 else np.nan
            add(metric, f"gain at {percent:g} %", "%", value[0], drawn, f"{metric}_gain_{percent:g}", spread)
        value, drawn = (
            _enough(percents, np.stack([ours[p][k] for p in percents]), base[percents[-1]][k]) for k in range(2)
        )
        words = f"labels with which Ours matches Base at {percents[-1]:g} %"
        add(metric, words, "%", value[0], drawn, f"{metric}_labels", np.nan)
        add(metric, "best constant", "dex", constant[place], np.full(1, constant[place]), f"{metric}_constant", np.nan)
    return HEADLINES.validate(pd.DataFrame(rows), "gains by pre-training on bands")


def _enough(percents: list[float], ours: Floats, base: Floats) -> Floats:
    """Return the smallest share with which errors (shares, k) are no larger than those of Base (k,); inf: none."""
    good = ours <= base
    return np.where(good.any(axis=0), np.asarray(percents)[good.argmax(axis=0)], np.inf)
