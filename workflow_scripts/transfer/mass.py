"""Train a model of masses on weak labels, or on strong ones in all folds (rules transfer_weak and transfer_mass)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.image_training import LinTraining
from clustermass.estimators import Stopwatch
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.images.store import Images
from clustermass.predictions import TIMING
from clustermass.training.checkpoint import load_trained
from clustermass.training.trainer import LEARNING_CURVES, start_of
from clustermass.transfer.contracts import MASS_PREDICTIONS
from clustermass.transfer.features import load_features
from clustermass.transfer.mass import (
    baseline_regression,
    baseline_start,
    drawn_labels,
    start_note,
    trainings,
    transfer_regression,
)
from clustermass.transfer.regression import predicted, train_splits
from clustermass.transfer.sample import read_sample, strong_folds, weak_rows

with runtime.logged(snakemake):
    settings, watch = LinTraining(**snakemake.params.lin2022), Stopwatch()
    model, trial = settings.models[snakemake.wildcards.model], int(snakemake.wildcards.trial)
    weak, strong = trainings(settings, snakemake.params.device)
    tables = {"clusters": IMAGE_CLUSTERS, "labels": contracts.LABELS, "splits": contracts.SPLITS}
    read = (contracts.read_table(snakemake.input[name], contract) for name, contract in tables.items())
    images = Images(snakemake.input.images)
    # random numbers are the same for all models
    rng = runtime.generator(snakemake.params.seed, runtime.rule_name(snakemake), {"trial": trial})
    features = None if model.kind == "baseline" else load_features(snakemake.input.bands)
    sample = read_sample(images, *read, usable=None if features is None else features.clusters)
    seen = drawn_labels(sample, rng.spawn(1)[0]) if settings.label_errors == "drawn" else sample
    if features is None:
        regression = baseline_regression(settings, seen, images.read(sample.rows))
        start = baseline_start(settings, model, snakemake.input.bands)
    else:
        regression, start = transfer_regression(settings, seen, features.of(sample.clusters)), None
    if snakemake.params.labels == "weak":
        splits, training = [weak_rows(sample)], weak
    else:
        splits, training = strong_folds(sample, snakemake.params.folds), strong
        if model.weak:
            start = start_of(load_trained(snakemake.input.weak, regression.network))
    workers, metadata = min(snakemake.threads, len(splits)), {"provenance": provenance.record(snakemake)}
    metadata["weights"] = start_note(settings, model)
    print(f"{len(splits[0].training)} clusters train and {len(splits[0].validation)} validate; {metadata['weights']}")
    with watch("training", sum(len(split.training) for split in splits) * training.epochs, workers):
        folder = snakemake.output.models
        models = train_splits(regression, training, splits, rng, workers, start=start, watch=True, folder=folder)
    if snakemake.params.labels == "strong":
        with watch("evaluation", sum(len(split.validation) + len(split.test) for split in splits), training.threads):
            parts = [
                predicted(regression, each, split, training, sample, MASS_PREDICTIONS, trial=trial)
                for each, split in zip(models, splits, strict=True)
            ]
        table = pd.concat(parts, ignore_index=True)
        contracts.write_table(table, MASS_PREDICTIONS, snakemake.output.predictions, metadata)
        error = (table["log10_predicted"] - table["log10_m500c"]).abs()
        print(f"mean absolute error [dex]: {error.groupby(table['role']).mean().round(3).to_dict()}")
    curves = pd.concat([each.curves for each in models], ignore_index=True)
    contracts.write_table(curves, LEARNING_CURVES, snakemake.output.curves, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
