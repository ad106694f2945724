"""What each variant of telling bands apart is worth: for bands themselves, and for the mass and richness after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from clustermass.config.image_training import Variant
from clustermass.contracts import Column, Contract
from clustermass.transfer.comparison import fitted_richness_masses, median_masses
from clustermass.transfer.scores import LABEL, Target, accuracy, compare, epoch_choices, richness_masses, scores

ANCHORS = ("start", "published")
"""Variants that others are compared with: no pre-training, and that of the papers."""

VARIANT_NUMBERS = Contract(
    "variant_numbers",
    "what each variant of telling bands apart is worth; intervals by a bootstrap of halos, or fields of real frames",
    (
        Column("variant", "text", "", "variant of the pre-training, or a reference that needs none"),
        Column("quantity", "text", "", "bands, real_bands: share told right, of unseen clusters and of tiles of unseen"
               " real fields; mass, richness: mean absolute error [dex]",
               choices=("bands", "real_bands", "mass", "richness")),
        Column("reference", "text", "", "variant it is compared with; empty: the value itself", missing=True),
        Column("value", "float", "", "value, or value less that of the reference"),
        Column("low", "float", "", "16th percentile; of differences the 2.5th"),
        Column("high", "float", "", "84th percentile; of differences the 97.5th"),
        Column("verdict", "text", "", "against the reference; undecided: the interval holds zero",
               choices=("better", "worse", "undecided"), missing=True),
        Column("number", "int", "", "images in five bands, or clusters, that were tested", 1),
    ),
)  # fmt: skip
_UNITS = {"bands": "", "real_bands": "", "mass": " [dex]", "richness": " [dex]"}


def describe(variant: Variant) -> str:
    """Return in words in what a variant differs from the published pre-training."""
    words = {
        "scaling": f"{variant.scaling.replace('_', ' ')} scaling",
        "noise": "one noise for all bands",
        "stars": "bright stars masked",
        "pixels": "pixels shuffled",
        "backbone": f"{variant.backbone} in place of the network's own",
    }
    usual = Variant()
    found = [text for name, text in words.items() if getattr(variant, name) != getattr(usual, name)]
    if not variant.trained:
        found.insert(0, "bands never learned")
    return ", ".join(found) or "as published"


def variant_numbers(
    bands: Mapping[str, pd.DataFrame],
    real: Mapping[str, pd.DataFrame],
    downstream: Mapping[Target, Mapping[str, pd.DataFrame]],
    make_rng: Callable[[], np.random.Generator],
    draws: int,
) -> pd.DataFrame:
    """Return accuracies and errors of variants, and which are better: contract `VARIANT_NUMBERS`.

    Parameters
    ----------
    bands, real : dict of pandas.DataFrame
        Contract `BAND_PREDICTIONS` by variant, of clusters and of tiles of real frames; the latter of some, or none.
    downstream : dict
        Predictions of masses and of richness by variant, `ANCHORS` among them. As references, medians of the labels
        that train are added, and masses from richness as published and fitted.
    make_rng : callable
        Returns a generator of one seed, so that the same halos are drawn for all.
    draws : int
        Of bootstraps.

    Raises
    ------
    ValueError
        A variant of `ANCHORS` is missing, or as `scores.compare`.
    """
    rows = []
    for quantity, tables in (("bands", bands), ("real_bands", real)):
        for name, table in tables.items():
            found = accuracy(table, name, make_rng(), draws).iloc[0]
            rows.append((name, quantity, "", found["accuracy"], found["low"], found["high"], "", found["images"]))
    for target, tables in downstream.items():
        if missing := [name for name in ANCHORS if name not in tables]:
            raise ValueError(f"{target}: expected variants {' and '.join(ANCHORS)}, got none named {missing[0]}")
        for name, table in {**tables, **_references(tables["start"], target)}.items():
            found = scores(table, name, target, 100, make_rng(), draws).iloc[0]
            rows.append((name, target, "", found["mae"], found["mae_low"], found["mae_high"], "", found["clusters"]))
            for anchor in ANCHORS:
                if anchor == name:
                    continue
                found = compare(table, tables[anchor], (name, anchor), target, (100, 100), make_rng(), draws).iloc[0]
                ends = (found["difference"], found["low"], found["high"])
                rows.append((name, target, anchor, *ends, found["verdict"], found["clusters"]))
    return VARIANT_NUMBERS.validate(pd.DataFrame(rows, columns=VARIANT_NUMBERS.names), "variants")


def _references(start: pd.DataFrame, target: Target) -> dict[str, pd.DataFrame]:
    """Return predictions of the same clusters that no image is needed for."""
    names = {LABEL[target]: LABEL["mass"]}
    constant = median_masses(start.rename(columns=names)).rename(columns={new: old for old, new in names.items()})
    if target == "richness":
        return {"constant": constant}
    return {"richness": richness_masses(start), "richness_fitted": fitted_richness_masses(start), "constant": constant}


def variant_table(numbers: pd.DataFrame, variants: Mapping[str, Variant]) -> pd.DataFrame:
    """Return a row a variant, with values, intervals and verdicts as text.

    Parameters
    ----------
    numbers : pandas.DataFrame
        Contract `VARIANT_NUMBERS`.
    variants : dict of Variant
        By name; other rows are references.
    """
    others = {
        "richness": "no images: masses from richness (Lin et al. 2022, Eq. 1)",
        "richness_fitted": "no images: the same with slope and zero point fitted to labels that train",
        "constant": "no images: the median of the labels that train",
    }
    names = [str(name) for name in numbers["variant"].unique()]
    what = {name: describe(variants[name]) if name in variants else others.get(name, "") for name in names}
    table = pd.DataFrame({"variant": names, "difference": [what[name] for name in names]})
    for _, part in numbers.groupby(["quantity", "reference"], sort=False):
        quantity, reference = (str(part[name].iloc[0]) for name in ("quantity", "reference"))
        column = f"{quantity} vs {reference}" if reference else f"{quantity}{_UNITS[quantity]}"
        cells = {row.variant: _cell(row) for row in part.itertuples()}
        table[column.replace("_", " ")] = [cells.get(name, "") for name in names]
    return table


def _cell(row: object) -> str:
    """Return a value with its interval, and a verdict before it."""
    value, low, high, verdict = (getattr(row, name) for name in ("value", "low", "high", "verdict"))
    sign = "+" if verdict else ""
    text = f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
    return f"{verdict}: {text}" if verdict else text


def choices_of_epochs(curves: Mapping[str, pd.DataFrame], told: Mapping[str, bool]) -> pd.DataFrame:
    """Return what the choice of the epoch gives, mean over folds, and what choosing on the test set would gain.

    Parameters
    ----------
    curves : dict of pandas.DataFrame
        Contract `LEARNING_CURVES` by name of the training; those whose test set was not watched are left out.
    told : dict of bool
        By the same names: whether scores are accuracies, or errors.

    Returns
    -------
    pandas.DataFrame
        Columns training, score, folds, choice, epoch, validation, test, gain: how much better the test score is than
        that of the epoch which the validation set chooses; a row a training and choice.
    """
    rows = []
    for name, table in curves.items():
        found = epoch_choices(table, "higher" if told[name] else "lower")
        means = found.groupby("choice", sort=False)[["epoch", "validation_score", "test_score"]].mean()
        for choice, row in means.iterrows():
            gain = row["test_score"] - means.loc["validation", "test_score"]
            about = ("accuracy", gain) if told[name] else ("mean absolute error [dex]", -gain)
            rows.append((name, about[0], found["fold"].nunique(), choice, *row, about[1]))
    columns = ["training", "score", "folds", "choice", "epoch", "validation", "test", "gain"]
    return pd.DataFrame(rows, columns=columns)
