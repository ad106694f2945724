"""Masses from images: the Baseline and its variants, and transfer learning (Lin et al. 2022)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from clustermass.config.image_training import LinTraining, MassModel
from clustermass.config.training import Training
from clustermass.images.resize import Pixels
from clustermass.networks.weights import weights_note
from clustermass.training.trainer import Start, extractor_start
from clustermass.transfer.bands import extractor_of, with_channels
from clustermass.transfer.features import Floats32
from clustermass.transfer.regression import Regression, feature_regression, image_regression
from clustermass.transfer.sample import ImageSample


def baseline_regression(settings: LinTraining, sample: ImageSample, images: Pixels) -> Regression:
    """Return the regression of masses on images (n, 5, h, w) of a sample, all bands at once."""
    redshift = sample.redshift if settings.baseline.redshift else None
    return image_regression(settings.baseline, images, sample.log10_m500c, settings.views, redshift)


def transfer_regression(settings: LinTraining, sample: ImageSample, features: Floats32) -> Regression:
    """Return the regression of masses on stored features (n, views, 5, features) of a sample, and on redshifts."""
    return feature_regression(settings.regressor, features, sample.log10_m500c, sample.redshift)


def trainings(settings: LinTraining, device: str) -> tuple[Training, Training]:
    """Return how models are trained on weak and on strong labels, on a device."""
    own = {"device": device}
    return settings.weak.model_copy(update=own), settings.strong.model_copy(update=own)


def drawn_labels(sample: ImageSample, rng: np.random.Generator) -> ImageSample:
    """Return a sample whose strong labels are drawn from normal distributions as wide as their errors, where known."""
    width = np.where(sample.strong, np.nan_to_num(sample.log10_m500c_err), 0.0)
    return replace(sample, log10_m500c=rng.normal(sample.log10_m500c, width))


def baseline_start(settings: LinTraining, model: MassModel, folder: str | Path) -> Start | None:
    """Return the weights from which the convolutions of a baseline start.

    Parameters
    ----------
    settings : LinTraining
    model : MassModel
        Its `start` decides: new weights (None), those that the extractor of bands starts from, or those that band
        classification left. In the first convolution all five channels get the mean over the three, times 3/5, so that
        an image that is the same in all bands makes the same maps as it does in the extractor.
    folder : path
        Of the checkpoint of band classification; read only where it is asked for.

    Raises
    ------
    WeightsError, CheckpointError
        The weights cannot be had.
    """
    channels = settings.baseline.extractor.channels
    if model.start == "bands":
        return with_channels(extractor_of(folder, settings.bands.network), channels)
    known = extractor_start(settings.bands.network) if model.start == "extractor" else None
    return known and with_channels(known, channels)


def start_note(settings: LinTraining, model: MassModel) -> str:
    """Return what the weights are that a model's convolutions start from, to be written on every result."""
    if model.start == "random":
        return weights_note(settings.baseline.extractor)
    note = weights_note(settings.bands.network.extractor)
    return f"{note}, then trained to tell bands apart" if model.start == "bands" else note
