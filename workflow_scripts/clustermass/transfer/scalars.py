"""Controls of band classification: what a forest tells by three numbers, and networks by images that show less."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]

from clustermass.config.image_training import Variant
from clustermass.config.tiles import Forest
from clustermass.contracts import Column, Contract
from clustermass.frames.contracts import BANDS
from clustermass.images.resize import Pixels
from clustermass.transfer.contracts import BAND_PREDICTIONS
from clustermass.transfer.scores import accuracy, confusion
from clustermass.transfer.variants import sky_noise

Floats = NDArray[np.float64]

CONTROLS = Contract(
    "band_controls",
    "how often bands of unseen images are told, and what that rests on; intervals by a bootstrap of groups",
    (
        Column("method", "text", "", "network, or a random forest on noise, median and minimum of an image",
               choices=("network", "forest")),
        Column("trained_on", "text", "", "images that it learned from"),
        Column("control", "text", "", "images that it was shown"),
        Column("images", "int", "", "images in five bands", 1),
        Column("accuracy", "float", "", "share of bands told right", 0, 1),
        Column("low", "float", "", "16th percentile of it", 0, 1),
        Column("high", "float", "", "84th percentile of it", 0, 1),
        *(Column(f"recall_{band}", "float", "", f"share of images in {band} told right", 0, 1) for band in BANDS),
        Column("meaning", "text", "", "what these images still show"),
    ),
)  # fmt: skip

_SCALED = {"global": "brightness", "per_cluster": "colours", "per_image": "relative brightness"}


def shown(variant: Variant, clusters: bool = True) -> str:
    """Return in words what images show after a variant: what bands may be told by.

    Parameters
    ----------
    variant : Variant
    clusters : bool
        Whether there are clusters on them.
    """
    parts = [_SCALED[variant.scaling]]
    parts += ["shapes"] * (variant.pixels == "as_observed")
    parts += ["noise and level of the sky"] * (variant.noise == "as_observed")
    parts += ["bright stars"] * (variant.stars == "as_observed")
    parts += ["clusters"] * clusters
    return ", ".join(parts)


def reduced(variant: Variant) -> dict[str, Variant]:
    """Return variants that show less than one does, by name: no differences in noise, no shapes."""
    less = {
        "noise_matched": variant.model_copy(update={"noise": "matched"}),
        "shuffled": variant.model_copy(update={"pixels": "shuffled"}),
    }
    return {name: other for name, other in less.items() if other != variant}


def scalars(images: Pixels) -> Floats:
    """Return noise, median and minimum of images.

    Parameters
    ----------
    images : array of float32, shape (..., h, w)

    Returns
    -------
    array, shape (..., 3)
        1.4826 times the median deviation from the median, the median, the minimum; in the unit of the images.
    """
    if images.ndim > 3:  # one cluster at a time: medians copy what they are of
        return np.stack([scalars(each) for each in images]) if len(images) else np.empty((*images.shape[:-2], 3))
    level, noise = sky_noise(images)
    return np.stack([noise, level, images.min(axis=(-2, -1))], axis=-1)


def forest_probabilities(training: Pixels, tests: Pixels, settings: Forest, rng: np.random.Generator) -> Floats:
    """Return the probability of every band by a random forest on three scalars of an image.

    Parameters
    ----------
    training, tests : array of float32, shape (n, 5, h, w)
        Images in ugriz.
    settings : Forest
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (5 n, 5)
        Of every test image in every band, those of a cluster together.

    Raises
    ------
    ValueError
        Nothing to learn from.
    """
    if not len(training):
        raise ValueError("forest: expected images to learn from, got none")
    forest = RandomForestClassifier(
        settings.trees, min_samples_leaf=settings.leaf, random_state=int(rng.integers(2**31))
    )
    forest.fit(scalars(training).reshape(-1, 3), np.tile(np.arange(len(BANDS)), len(training)))
    if not len(tests):
        return np.empty((0, len(BANDS)))
    return np.asarray(forest.predict_proba(scalars(tests).reshape(-1, 3)), np.float64)


def predictions_table(names: ArrayLike, groups: ArrayLike, role: str, probabilities: Floats) -> pd.DataFrame:
    """Return probabilities as contract `BAND_PREDICTIONS`.

    Parameters
    ----------
    names, groups : array-like of str, shape (n,)
        Of the images.
    role : str
    probabilities : array, shape (5 n, 5)
        Of images in ugriz, those of a cluster together.
    """
    bands = len(BANDS)
    columns = {"image": np.repeat(names, bands), "group": np.repeat(groups, bands), "role": role}
    table = pd.DataFrame(columns | {"band": np.tile(list(BANDS), len(np.asarray(names)))})
    return BAND_PREDICTIONS.validate(
        table.assign(**{f"p_{band}": probabilities[:, place] for place, band in enumerate(BANDS)}), f"bands of {role}"
    )


def control_row(
    predictions: pd.DataFrame,
    names: Mapping[str, str],
    rng: np.random.Generator,
    draws: int,
) -> pd.DataFrame:
    """Return how well bands of some images were told: contract `CONTROLS`, one row.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `BAND_PREDICTIONS`, all of one role.
    names : mapping of str to str
        Columns method, trained_on, control and meaning.
    rng : numpy.random.Generator
    draws : int
        Of the bootstrap.

    Raises
    ------
    ValueError
        Several roles, or what `scores.accuracy` refuses.
    """
    roles = predictions["role"].unique()
    if len(roles) != 1:
        raise ValueError(f"control: expected images of one role, got {', '.join(roles) or 'none'}")
    scored = accuracy(predictions, names["control"], rng, draws, roles[0])
    counts = confusion(predictions, roles[0]).to_numpy(float)
    recall = dict(zip((f"recall_{band}" for band in BANDS), counts.diagonal() / counts.sum(axis=1), strict=True))
    return CONTROLS.validate(scored.assign(**names, **recall)[CONTROLS.names], f"control {names['control']}")
