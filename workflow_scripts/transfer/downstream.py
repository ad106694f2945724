"""Masses and richness from the features that one variant of band classification left (rule transfer_downstream)."""

from pathlib import Path

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.image_training import LiangTraining, LinTraining
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.images.store import Images
from clustermass.training.folds import unfinished_folder
from clustermass.training.trainer import start_of
from clustermass.transfer.contracts import MASS_PREDICTIONS, RICHNESS_PREDICTIONS
from clustermass.transfer.features import load_features
from clustermass.transfer.mass import trainings, transfer_regression
from clustermass.transfer.regression import predicted, train_splits
from clustermass.transfer.richness import feature_richness
from clustermass.transfer.sample import read_sample, richness_splits, strong_folds, weak_rows
from clustermass.transfer.shares import share_training


def train(name, regression, training, splits, fits, start=None):
    """Train on all splits; what is unfinished lies beside the outputs."""
    begun = unfinished_folder(Path(snakemake.output.mass).with_name(name))
    return train_splits(regression, training, splits, fits, snakemake.threads, start=start, unfinished=begun)


def predictions(contract, regression, training, splits, models, **also):
    """Return predictions of all splits, each by the network that did not see them."""
    pairs = zip(models, splits, strict=True)
    parts = [predicted(regression, *pair, training, sample, contract, trial=0, **also) for pair in pairs]
    return pd.concat(parts, ignore_index=True)


with runtime.logged(snakemake):
    lin2022, liang2020 = LinTraining(**snakemake.params.lin2022), LiangTraining(**snakemake.params.liang2020)
    tables = {"clusters": IMAGE_CLUSTERS, "labels": contracts.LABELS, "splits": contracts.SPLITS}
    read = (contracts.read_table(snakemake.input[name], contract) for name, contract in tables.items())
    features, folds = load_features(snakemake.input.features), snakemake.params.folds
    sample = read_sample(Images(snakemake.input.images), *read, usable=features.clusters)
    seen = features.of(sample.clusters)
    # The same for all variants, so that they differ in their features alone.
    fits = runtime.generator(snakemake.params.seed, runtime.rule_name(snakemake), {}).spawn(3)
    metadata = {"provenance": provenance.record(snakemake)}
    weak, strong = trainings(lin2022, device := snakemake.params.device)
    regression = transfer_regression(lin2022, sample, seen)
    (first,) = train("weak", regression, weak, [weak_rows(sample)], fits[0])
    splits = strong_folds(sample, folds)
    models = train("mass", regression, strong, splits, fits[1], start_of(first))
    masses = predictions(MASS_PREDICTIONS, regression, strong, splits, models)
    contracts.write_table(masses, MASS_PREDICTIONS, snakemake.output.mass, metadata)
    regression, splits = feature_richness(liang2020.regressor, sample, seen), richness_splits(sample, folds)
    training = share_training(liang2020, 100, len(sample), folds).model_copy(update={"device": device})
    models = train("richness", regression, training, splits, fits[2])
    richness = predictions(RICHNESS_PREDICTIONS, regression, training, splits, models, percent=100.0)
    contracts.write_table(richness, RICHNESS_PREDICTIONS, snakemake.output.richness, metadata)
    for name, table, label in (("mass", masses, "log10_m500c"), ("richness", richness, "log10_richness")):
        error = (table["log10_predicted"] - table[label]).abs().groupby(table["role"]).mean()
        print(f"{name}: mean absolute error [dex]: {error.round(3).to_dict()}")
