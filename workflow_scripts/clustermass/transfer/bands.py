"""Telling bands apart: what an extractor learns from images alone, before it is used on mass or richness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from clustermass.config.image_networks import BandNetwork
from clustermass.config.image_training import Variant
from clustermass.config.training import Training
from clustermass.estimators import Split
from clustermass.frames.contracts import BANDS
from clustermass.images.resize import Pixels
from clustermass.networks import build
from clustermass.training.checkpoint import Identity, load_trained, save_checkpoint
from clustermass.training.folds import Fold, checkpoint_path, train_folds
from clustermass.training.labels import LabelScale
from clustermass.training.trainer import (
    LEARNING_CURVES,
    Samples,
    Start,
    State,
    Trained,
    epoch_seed,
    extractor_start,
    network_outputs,
    start_of,
)
from clustermass.transfer.contracts import BAND_PREDICTIONS
from clustermass.transfer.features import part_rows
from clustermass.transfer.sample import ImageSample

Floats = NDArray[np.float64]


def variant_network(network: BandNetwork, variant: Variant) -> BandNetwork:
    """Return the network of a variant: with its backbone, if it names one."""
    backbone = variant.backbone or network.extractor.backbone
    return network.model_copy(update={"extractor": network.extractor.model_copy(update={"backbone": backbone})})


def band_images(images: Pixels) -> Pixels:
    """Return images (n, bands, h, w) as images of one band each, (n bands, 1, h, w), a cluster's together."""
    return images.reshape(-1, 1, *images.shape[2:])


def train_bands(
    images: Pixels,
    split: Split,
    network: BandNetwork,
    training: Training,
    rng: np.random.Generator,
    *,
    watch: bool = False,
    folder: str | Path | None = None,
    say: Callable[[str], None] = print,
) -> Trained:
    """Train a network to tell in which band an image was taken.

    All bands of a cluster are in the same part. The extractor starts from the weights that its configuration asks for.

    Parameters
    ----------
    images : array of float32, shape (n, 5, h, w)
        In [0, 1], ugriz.
    split : Split
        Clusters that train and validate, by their place in `images`.
    network : BandNetwork
    training : Training
    rng : numpy.random.Generator
    watch : bool
        Whether clusters that test are scored after every epoch, for the learning curves; it decides nothing.
    folder : path, optional
        Where the checkpoint goes; see `folds.train_folds`, which resumes it.
    say : callable
        Takes a line of progress after every epoch.

    Raises
    ------
    ValueError
        A cluster in two parts.
    WeightsError
        The weights of the start cannot be had.
    TrainingError
        The training failed.

    Notes
    -----
    *Source*: Lin et al. (2022), sections 3.1 and 3.2; Liang et al. (2020), sections 2.1 and 3.1. Which epoch is kept
    follows from the validation set (`training.patience`) or from nothing: the last one. The papers state the best
    accuracy on the test set over epochs.
    """
    bands = images.shape[1]
    samples = Samples(band_images(images), np.tile(np.arange(bands, dtype=np.float64), len(images)))
    seen = (split.training, split.validation, *([split.test] if watch else []))
    fold = Fold(0, *(part_rows(rows, bands) for rows in seen))
    numbers = training.model_copy(update={"labels": "raw"})
    start = extractor_start(network)
    return train_folds(network, numbers, samples, [fold], rng, 1, start=start, folder=folder, say=say)[0]


def untrained(
    network: BandNetwork, training: Training, rng: np.random.Generator, folder: str | Path | None = None
) -> Trained:
    """Return a network with the weights from which a training would start; its learning curves are empty.

    Parameters
    ----------
    network : BandNetwork
    training : Training
        That it did not have; written into the checkpoint.
    rng : numpy.random.Generator
        Draws the weights that are random.
    folder : path, optional
        Where the checkpoint goes.

    Raises
    ------
    WeightsError
        The weights of the start cannot be had.
    """
    seed, start, scale = int(rng.integers(2**62)), extractor_start(network), LabelScale(0.0, 1.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(epoch_seed(seed, 0))  # the weights from which `train` starts
        module = build(network)
    module.load_state_dict(module.state_dict() | (start.tensors if start else {}))
    if folder:
        tensors = {f"network/{name}": value.contiguous() for name, value in module.state_dict().items()}
        save_checkpoint(checkpoint_path(folder, 0), State(tensors, scale=scale), Identity(network, training, seed))
    return Trained(module.eval(), scale, LEARNING_CURVES.empty())


def probabilities(model: Trained, images: Pixels, training: Training) -> Floats:
    """Return the probability of every class.

    Parameters
    ----------
    model : Trained
        A network whose outputs are logits.
    images : array of float32, shape (n, 1 or 3, h, w)
    training : Training
        Device, threads and precision are used.

    Returns
    -------
    array, shape (n, classes)
    """
    logits = network_outputs(model, images, len(images), training).astype(np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def band_predictions(
    model: Trained, images: Pixels, sample: ImageSample, split: Split, training: Training
) -> pd.DataFrame:
    """Return in which band a network takes images to be that it was not trained on: contract `BAND_PREDICTIONS`.

    Parameters
    ----------
    model : Trained
    images : array of float32, shape (n, 5, h, w)
        Of the sample.
    sample : ImageSample
    split : Split
        Its clusters that validate and test are predicted.
    training : Training
        Device, threads and precision are used.
    """
    tables = []
    for role, rows in (("validation", split.validation), ("test", split.test)):
        found = probabilities(model, band_images(images[rows]), training)
        columns = {
            "image": np.repeat(sample.clusters[rows], len(BANDS)),
            "group": np.repeat(sample.group[rows], len(BANDS)),
            "role": role,
            "band": np.tile(list(BANDS), len(rows)),
        }
        tables.append(pd.DataFrame(columns | {f"p_{band}": found[:, place] for place, band in enumerate(BANDS)}))
    return BAND_PREDICTIONS.validate(pd.concat(tables, ignore_index=True), "band predictions")


def extractor_of(folder: str | Path, network: BandNetwork) -> Start:
    """Return a start from the extractor that band classification left: weights named 'extractor....'.

    Parameters
    ----------
    folder : path
        Of its checkpoint.
    network : BandNetwork
        What it must be of.

    Raises
    ------
    CheckpointError
        No checkpoint, a damaged one, or one of another network.
    """
    return start_of(load_trained(folder, network), "extractor.")


def with_channels(start: Start, channels: int = 5) -> Start:
    """Return a start whose first convolution takes another number of channels: each gets the mean of its weights.

    An image that is the same in all channels makes the same maps as before.

    Parameters
    ----------
    start : Start
        In the order of layers.
    channels : int

    Raises
    ------
    ValueError
        There is no convolution.
    """
    first = next((name for name, tensor in start.tensors.items() if tensor.dim() == 4), None)
    if first is None:
        raise ValueError(f"start: expected weights of a convolution, got none in {len(start.tensors)} tensors")
    weight = start.tensors[first]  # (filters, channels, height, width)
    mean = weight.mean(dim=1, keepdim=True) * (weight.shape[1] / channels)
    return Start({**start.tensors, first: mean.repeat(1, channels, 1, 1)}, start.scale)
