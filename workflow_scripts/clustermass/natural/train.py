"""Channel-ordering pre-training and classification of natural images: Liang et al. (2020, section S1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from clustermass.config.image_networks import BandNetwork
from clustermass.config.natural import Natural
from clustermass.natural.images import Ints, NaturalImageError, NaturalImages, Pixels
from clustermass.natural.ordering import ORDERS, balanced_order, reorder
from clustermass.natural.scores import MODELS, NATURAL_CURVES
from clustermass.training.folds import Fold, train_folds, unfinished_folder
from clustermass.training.trainer import (
    Samples,
    Start,
    Trained,
    extractor_start,
    network_outputs,
    start_of,
)


@dataclass(frozen=True, eq=False)
class Shown:
    """Maker of batches: images in [0, 1] as they are, or each in all orders of its channels.

    Attributes
    ----------
    pixels : array of uint8, shape (n, 3, h, w)
    ordered : bool
        Sample i is image i, or image i // 6 in order i % 6.
    """

    pixels: Pixels
    ordered: bool = False

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return images (k, 3, h, w) of samples (k,)."""
        images = torch.from_numpy(self.pixels[(rows // len(ORDERS) if self.ordered else rows).cpu().numpy()])
        images = images.to(rows.device).float() / 255
        return reorder(images, rows % len(ORDERS)) if self.ordered else images


def of_percent(order: Ints, percent: float) -> Ints:
    """Return the beginning of an order of rows: that share of it, two rows at least."""
    return order[: max(2, round(len(order) * percent / 100))]


def in_all_orders(rows: Ints) -> Ints:
    """Return the samples of an ordered `Shown` that show images in all orders, shape (6 n,)."""
    return np.asarray((len(ORDERS) * rows[:, None] + np.arange(len(ORDERS))).ravel())


def train_natural(
    images: Mapping[str, NaturalImages],
    settings: Natural,
    rng: np.random.Generator,
    workers: int,
    *,
    folder: str | Path | None = None,
    say: Callable[[str], None] = print,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train Base and Ours on classes of natural images, at several shares of labels, in several trials.

    Ours starts from the extractor of a network that has learned to tell the order of channels, Base from the weights
    that the network's settings name. The rest is the same: architecture, subsets, settings of the training.

    Parameters
    ----------
    images : mapping
        'train' and 'test', of the same classes; nothing of the latter trains or chooses.
    settings : Natural
    rng : numpy Generator
    workers : int
        Processes on the CPU.
    folder : path, optional
        Where checkpoints stand, in folders 'ordering' and 'classes'; see `train_folds`.
    say : callable
        Takes a line of progress.

    Returns
    -------
    scores, curves : pandas.DataFrame
        Columns of `natural.scores.NATURAL_SCORES` without dataset, title and substitute; contract `NATURAL_CURVES`.

    Raises
    ------
    NaturalImageError
        Too few images, or none with colours.

    Notes
    -----
    *Source*: Liang et al. (2020), section S1. There orders are shuffled at random in training; here an epoch has all
    six of every image, so that all are as many. Images without colours have no order and train none.
    """
    train, test = images["train"], images["test"]
    order = balanced_order(train.labels, rng)  # its end validates
    kept = len(order) - round(settings.validation * len(order))
    if not 2 <= kept < len(order):
        raise NaturalImageError(f"images: expected some to train and some to validate, got {len(order)} in all")
    training, validation = order[:kept], order[kept:]
    trials = [training[balanced_order(train.labels[training], rng)] for _ in range(settings.trials)]
    first = extractor_start(settings.network)
    ordering = _pretrain(train, training, validation, settings, first, rng, folder, say)
    told = _order_accuracy(ordering, test, settings)
    fits = list(product(MODELS, settings.percents, range(settings.trials)))
    folds = [Fold(i, of_percent(trials[trial], percent), validation) for i, (_, percent, trial) in enumerate(fits)]
    starts = {"base": first, "ours": start_of(ordering, "extractor.")}
    models = train_folds(
        network_of(settings.network, len(train.classes)),
        settings.training,
        Samples(Shown(train.pixels), train.labels.astype(float)),
        folds,
        rng,
        workers,
        **_folders(folder, "classes"),
        start=[starts[name] for name, _, _ in fits],
        say=lambda line: say(f"classes: {line}"),
    )
    rows, curves = [], [_curves(ordering, "ordering", 100.0, 0)]
    for (name, percent, trial), fold, model in zip(fits, folds, models, strict=True):
        curves.append(_curves(model, name, percent, trial))
        row = {"classes": len(train.classes), "model": name, "percent": float(percent), "trial": trial}
        row |= {"training_images": len(fold.training), "test_images": len(test.labels)}
        row |= {"accuracy": _accuracy(model, test, settings)}
        rows.append(row | {"order_accuracy": told if name == "ours" else np.nan})
    return pd.DataFrame(rows), NATURAL_CURVES.validate(pd.concat(curves, ignore_index=True), "learning curves")


def network_of(network: BandNetwork, classes: int) -> BandNetwork:
    """Return the settings of a network with so many classes."""
    return network.model_copy(update={"classes": classes})


def _folders(folder: str | Path | None, name: str) -> dict[str, Any]:
    """Return where trainings of one kind stand in the end, and where before: beside the folder, not in it."""
    if folder is None:
        return {}
    return {"folder": Path(folder) / name, "unfinished": unfinished_folder(Path(folder).with_name(name))}


def _pretrain(
    train: NaturalImages,
    training: Ints,
    validation: Ints,
    settings: Natural,
    start: Start | None,
    rng: np.random.Generator,
    folder: str | Path | None,
    say: Callable[[str], None],
) -> Trained:
    """Return a network that has learned to tell orders of channels."""
    coloured = ~train.colourless
    parts = [in_all_orders(rows[coloured[rows]]) for rows in (training, validation)]
    if not len(parts[0]):
        raise NaturalImageError("images: expected some with colours, as others have no order of channels, got none")
    labels = np.tile(np.arange(len(ORDERS)), len(train.labels)).astype(float)
    samples = Samples(Shown(train.pixels, ordered=True), labels)
    (model,) = train_folds(
        network_of(settings.network, len(ORDERS)),
        settings.pretraining,
        samples,
        [Fold(0, *parts)],
        rng,
        1,
        **_folders(folder, "ordering"),
        start=start,
        say=lambda line: say(f"ordering: {line}"),
    )
    return model


def _order_accuracy(model: Trained, test: NaturalImages, settings: Natural) -> float:
    """Return the share of coloured test images, each in all six orders, whose order is told; NaN where none is."""
    pixels = test.pixels[~test.colourless]
    if not len(pixels):
        return np.nan
    number = len(ORDERS) * len(pixels)
    logits = network_outputs(model, Shown(pixels, ordered=True), number, settings.pretraining)
    return float(np.mean(logits.argmax(1) == np.arange(number) % len(ORDERS)))


def _accuracy(model: Trained, test: NaturalImages, settings: Natural) -> float:
    """Return the share of test images whose class is told."""
    logits = network_outputs(model, Shown(test.pixels), len(test.labels), settings.training)
    return float(np.mean(logits.argmax(1) == test.labels))


def _curves(model: Trained, name: str, percent: float, trial: int) -> pd.DataFrame:
    """Return the learning curves of a network."""
    curves = model.curves.assign(model=name, percent=float(percent), trial=trial)
    return curves[NATURAL_CURVES.names]
