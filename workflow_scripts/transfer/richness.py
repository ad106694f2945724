"""Some of the fits of Base or Ours on one share of the training set, and what they predict (rule transfer_richness)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.image_training import LiangTraining
from clustermass.estimators import Stopwatch
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.images.store import Images
from clustermass.networks.weights import weights_note
from clustermass.predictions import TIMING
from clustermass.training.trainer import LEARNING_CURVES
from clustermass.transfer.contracts import RICHNESS_PREDICTIONS
from clustermass.transfer.regression import predicted, train_splits
from clustermass.transfer.richness import (
    fit_seeds,
    fit_split,
    fits_of_part,
    model_start,
    richness_regression,
)
from clustermass.transfer.sample import read_sample, richness_splits
from clustermass.transfer.shares import share_training

with runtime.logged(snakemake):
    settings, watch = LiangTraining(**snakemake.params.liang2020), Stopwatch()
    model, percent = snakemake.wildcards.model, float(snakemake.wildcards.percent)
    seed, folds, device = snakemake.params.seed, snakemake.params.folds, snakemake.params.device
    fits = fits_of_part(settings, int(snakemake.wildcards.part), snakemake.params.parts)
    tables = {"clusters": IMAGE_CLUSTERS, "labels": contracts.LABELS, "splits": contracts.SPLITS}
    images = Images(snakemake.input.images)
    read = (contracts.read_table(snakemake.input[name], contract) for name, contract in tables.items())
    sample = read_sample(images, *read)
    training = share_training(settings, percent, len(sample), folds).model_copy(update={"device": device})
    every = richness_splits(sample, folds, settings.folds)
    splits = [fit_split(every[fit.fold], fit, percent, seed) for fit in fits]
    start = model_start(settings, model, snakemake.input.bands)
    regression = richness_regression(settings, sample, images.read(sample.rows), start, seed, device)
    note = weights_note(settings.bands.network.extractor)
    note = f"{note}, then trained to tell bands apart" if model == "ours" else note
    print(f"{len(splits)} fits of {training.epochs} epochs on {len(splits[0].training)} clusters; {note}")
    workers = min(snakemake.threads, len(splits))
    with watch("training", sum(len(split.training) for split in splits) * training.epochs, workers):
        models = train_splits(
            regression, training, splits, fit_seeds(fits, seed), workers,
            start=None if settings.frozen else start, folder=snakemake.output.models,
        )  # fmt: skip
    with watch("evaluation", sum(len(split.validation) + len(split.test) for split in splits), training.threads):
        parts = [
            predicted(regression, *each, training, sample, RICHNESS_PREDICTIONS, trial=fit.trial, percent=percent)
            for fit, each in zip(fits, zip(models, splits, strict=True), strict=True)
        ]
    table = pd.concat(parts, ignore_index=True)
    error = (table["log10_predicted"] - table["log10_richness"]).abs()
    print(f"mean absolute error [dex]: {error.groupby(table['role']).mean().round(3).to_dict()}")
    metadata = {"provenance": provenance.record(snakemake), "weights": note}
    curves = pd.concat([each.curves for each in models], ignore_index=True)
    contracts.write_table(table, RICHNESS_PREDICTIONS, snakemake.output.predictions, metadata)
    contracts.write_table(curves, LEARNING_CURVES, snakemake.output.curves, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
