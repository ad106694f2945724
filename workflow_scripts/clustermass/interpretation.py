"""Tables of the stage interpretation: how the estimators of dynamical masses do, in every role that they predict in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from clustermass.abundance import abundance_table
from clustermass.config.interpretation import Interpretation
from clustermass.contracts import Column, Contract
from clustermass.predictions import ROLES, headline_role
from clustermass.residuals import bootstrap, statistics, with_intervals
from clustermass.robustness import cumulative_deviation, deviation_bands, subsampled_deviations
from clustermass.wojtak import Floats, Ints, Posterior, intrinsic_shares, posterior_table

Predictions = Mapping[str, pd.DataFrame]
Generators = Callable[[], np.random.Generator]

_MODEL = Column("model", "text", "", "estimator, by its folder")
_ROLE = Column("role", "text", "", "heldout: in the box held out; test: cross-validation", choices=tuple(ROLES))
MEANS: tuple[Literal["mass", "logarithm"], ...] = ("mass", "logarithm")
MEASURED = Contract(
    "measured",
    "statistics of estimators' predictions, with intervals from a bootstrap over halos",
    (
        _MODEL,
        _ROLE,
        Column("statistic", "text", "", "what was measured"),
        Column("reading", "text", "", "how the paper is read, where it can be read in several ways", missing=True),
        Column("value", "float", "", "in dex, percent or without unit, as its name says", missing=True),
        Column("low", "float", "", "16th percentile of the bootstrap", missing=True),
        Column("high", "float", "", "84th percentile of the bootstrap", missing=True),
        Column("clusters", "int", "", "mock clusters that it was measured on", 1),
    ),
)
DRIFTS = Contract(
    "drifts",
    "subsampled mass deviations by rate",
    (
        _MODEL,
        Column("reading", "text", "", "what is averaged over draws", choices=MEANS),
        Column("rate", "float", "", "share of the galaxies that was kept", 0, 1),
        *(
            Column(name, "float", "dex", "percentile of the deviations", missing=True)
            for name in ("p16", "median", "p84")
        ),
        Column("count", "int", "", "clusters with a prediction", 0),
        Column("missing", "int", "", "clusters without, as too few galaxies were left", 0),
    ),
)
POSTERIORS = Contract(
    "posteriors",
    "parameters of Wojtak et al. (2018) by MCMC, and what follows from them",
    (
        _MODEL,
        _ROLE,
        Column("parameter", "text", "", "parameter, or share of the scatter that is intrinsic"),
        Column("median", "float", "", "of the posterior"),
        Column("plus", "float", "", "84th percentile less the median", 0),
        Column("minus", "float", "", "median less the 16th percentile", 0),
        Column("autocorrelation", "float", "", "integrated autocorrelation time [steps]", 0, missing=True),
        Column("effective", "float", "", "independent draws", 0, missing=True),
    ),
)
CHAINS = Contract(
    "chains",
    "the Markov chains of the posteriors, and the clusters that they are of",
    (
        _MODEL,
        _ROLE,
        Column("clusters", "int", "", "mock clusters in the likelihood", 1),
        Column("left_out", "int", "", "mock clusters without a true member, which the likelihood has no place for", 0),
        Column("median_log10_m200c", "float", "log10(Msun/h)", "median of the true masses", 10, 17),
        Column("median_richness", "float", "", "median of the true richness", 0),
        Column("burn_in", "int", "", "steps that were dropped", 0),
        Column("kept", "int", "", "steps that were kept, of every walker", 1),
        Column("autocorrelation", "float", "", "longest integrated autocorrelation time [steps]", 0),
        Column("acceptance", "float", "", "share of the moves that were taken", 0, 1),
        Column("converged", "bool", "", "whether the kept steps are many autocorrelation times"),
    ),
)
GAINS = (
    ("cnn2d", "cnn1d"),
    ("cnn1d", "msigma_contaminated"),
    ("cnn2d", "msigma_contaminated"),
    ("cnn1d", "msigma_pure"),
    ("cnn2d", "msigma_pure"),
    ("cnn2d", "sdm2d"),
)
"""Estimators whose scatter the paper compares: Ho et al. (2019), section 5.1."""
STEADIER = ("cnn2d", "msigma_pure")
"""Estimators whose robustness it compares: section 5.4."""


def samples(predictions: Predictions) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Return every estimator's predictions of every role that it has: model, role, `PREDICTIONS` with `residual` [dex].

    Parameters
    ----------
    predictions : dict of pandas.DataFrame
        Contract `PREDICTIONS`, by estimator.
    """
    for model, table in predictions.items():
        for role in ROLES:
            part = table[table["role"] == role]
            if len(part):
                yield model, role, part.assign(residual=part["log10_predicted"] - part["log10_m200c"])


def residual_table(predictions: Predictions, settings: Interpretation, generators: Generators) -> pd.DataFrame:
    """Return the statistics of residuals, and how much smaller one estimator's scatter is than another's.

    Parameters
    ----------
    predictions : dict of pandas.DataFrame
        Contract `PREDICTIONS`, by estimator.
    settings : Interpretation
    generators : callable
        Returns the same generator anew, so that estimators of the same halos draw the same ones.

    Returns
    -------
    pandas.DataFrame
        Contract `MEASURED`; statistics of `residuals.statistics`, and sigma_gain_over_<estimator> [percent].

    Notes
    -----
    Source: Ho et al. (2019), section 5.1 and Table 2.
    """
    parts, scatter, draws = [], {}, {}
    for model, role, table in samples(predictions):
        found = statistics(table["residual"].to_numpy())
        drawn = bootstrap(
            table["residual"].to_numpy(), table["group"].to_numpy(), settings.bootstrap_draws, generators()
        )
        scatter[model, role], draws[model, role] = found["sigma"], drawn["sigma"]
        parts.append(_measured(with_intervals(found, drawn), model, role, len(table)))
    for model, reference in GAINS:
        for role in ROLES:
            if (model, role) in draws and (reference, role) in draws:
                name = f"sigma_gain_over_{reference}"
                gain = pd.Series({name: 100 * (1 - scatter[model, role] / scatter[reference, role])})
                drawn = pd.DataFrame({name: 100 * (1 - draws[model, role] / draws[reference, role])})
                size = int((predictions[model]["role"] == role).sum())
                parts.append(_measured(with_intervals(gain, drawn), model, role, size))
    return _stacked(parts)


def abundances(predictions: Predictions, settings: Interpretation, generators: Generators) -> pd.DataFrame:
    """Return the systematics of cluster counts [percent]: contract `MEASURED`; parameters as `residual_table`."""
    parts = []
    for model, role, table in samples(predictions):
        found = abundance_table(table["residual"].to_numpy(), table["group"].to_numpy(), settings, generators())
        found[["value", "low", "high"]] *= 100
        parts.append(_measured(found, model, role, len(table)))
    return _stacked(parts)


def robustness_tables(
    subsampled: Predictions, predictions: Predictions, settings: Interpretation, generators: Generators
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how predictions drift as galaxies are left out, each for both means over draws.

    Parameters
    ----------
    subsampled : dict of pandas.DataFrame
        Contract `SUBSAMPLED`, by estimator.
    predictions : dict of pandas.DataFrame
        Contract `PREDICTIONS` of the same estimators; those of the headline count.
    settings, generators
        As `residual_table`.

    Returns
    -------
    measured, drifts : pandas.DataFrame
        Contracts `MEASURED` and `DRIFTS`.

    Notes
    -----
    Source: Ho et al. (2019), section 5.4, Eq. 14, Fig. 10 and Table 4.
    """
    measured, drifts = [], []
    widths: dict[tuple[str, str], pd.Series] = {}
    for model, table in subsampled.items():
        role = headline_role(predictions[model])
        full = predictions[model][predictions[model]["role"] == role]
        for mean in MEANS:
            deviations = subsampled_deviations(table, full, mean)
            size = deviations["cluster"].nunique()
            found, draws = cumulative_deviation(deviations, settings, generators())
            measured.append(_measured(with_intervals(found, draws), model, role, size, reading=mean))
            widths[model, mean] = draws["width"]
            drifts.append(deviation_bands(deviations).assign(model=model, reading=mean))
    table = _stacked(measured)
    better, reference = STEADIER
    if {better, reference} <= set(subsampled):
        table = pd.concat([table, *(_width_gain(table, mean, widths) for mean in MEANS)], ignore_index=True)
    return table, pd.concat(drifts, ignore_index=True)[DRIFTS.names]


def posterior_rows(posterior: Posterior, model: str, role: str, richness: float) -> pd.DataFrame:
    """Return the parameters of one posterior, then the intrinsic share of the scatter: contract `POSTERIORS`.

    Parameters
    ----------
    richness : float
        True richness of the share.
    """
    shares = intrinsic_shares(posterior.draws, richness)
    shares["reading"] = [f"intrinsic share, {reading}" for reading in shares["reading"]]
    parts = [posterior_table(posterior), shares.rename(columns={"reading": "parameter"})]
    table = pd.concat(parts, ignore_index=True).assign(model=model, role=role)
    return table[POSTERIORS.names]


def chain_row(posterior: Posterior, log10_m200c: Floats, richness: Ints, all_clusters: int) -> dict[str, float | bool]:
    """Return what is known of a posterior's chain and clusters: contract `CHAINS` without model and role.

    Parameters
    ----------
    log10_m200c, richness : array, shape (n,)
        Of the clusters in the likelihood: true mass [Msun/h], true richness.
    all_clusters : int
        How many there were, those without true members among them.
    """
    return {
        "clusters": len(richness),
        "left_out": all_clusters - len(richness),
        "median_log10_m200c": float(np.median(log10_m200c)),
        "median_richness": float(np.median(richness)),
        "burn_in": posterior.burn_in,
        "kept": posterior.kept,
        "autocorrelation": float(posterior.autocorrelation.max()),
        "acceptance": posterior.acceptance,
        "converged": posterior.converged,
    }


def _width_gain(measured: pd.DataFrame, mean: str, draws: dict[tuple[str, str], pd.Series]) -> pd.DataFrame:
    """Return how much narrower the deviations of one estimator are than those of another [percent].

    Both have the same halos in a draw, where they have the same halos at all.
    """
    width = measured[(measured["statistic"] == "width") & (measured["reading"] == mean)].set_index("model")
    better, reference = STEADIER
    gain = 100 * (1 - width["value"][better] / width["value"][reference])
    replicates = 100 * (1 - draws[better, mean] / draws[reference, mean])
    statistic = f"width_gain_over_{reference}"
    found = with_intervals(pd.Series({statistic: gain}), replicates.to_frame(statistic)).iloc[0]
    return width.loc[[better]].reset_index().assign(**found)[MEASURED.names]


def _measured(found: pd.DataFrame, model: str, role: str, size: int, reading: str = "") -> pd.DataFrame:
    return found.assign(model=model, role=role, reading=reading, clusters=size)[MEASURED.names]


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else MEASURED.empty()
