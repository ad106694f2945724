"""Masses and richness from the features that one variant of band classification left (rule transfer_downstream)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.image_training import LiangTraining, LinTraining
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.images.store import Images
from clustermass.training.trainer import start_of
from clustermass.transfer.contracts import MASS_PREDICTIONS, RICHNESS_PREDICTIONS
from clustermass.transfer.features import load_features
from clustermass.transfer.mass import trainings, transfer_regression
from clustermass.transfer.regression import predicted, train_splits
from clustermass.transfer.richness import feature_richness
from clustermass.transfer.sample import read_sample, richness_splits, strong_folds, weak_rows
from clustermass.transfer.shares import share_training


def predictions(contract, regression, training, splits, fits, start, **also):
    """Return predictions of all splits, each by the network that did not see them."""
    models = train_splits(regression, training, splits, fits, snakemake.threads, start=start)
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
    (first,) = train_splits(regression, weak, [weak_rows(sample)], fits[0], 1)
    splits = strong_folds(sample, folds)
    masses = predictions(MASS_PREDICTIONS, regression, strong, splits, fits[1], start_of(first))
    contracts.write_table(masses, MASS_PREDICTIONS, snakemake.output.mass, metadata)
    regression, splits = feature_richness(liang2020.regressor, sample, seen), richness_splits(sample, folds)
    training = share_training(liang2020, 100, len(sample), folds).model_copy(update={"device": device})
    richness = predictions(RICHNESS_PREDICTIONS, regression, training, splits, fits[2], None, percent=100.0)
    contracts.write_table(richness, RICHNESS_PREDICTIONS, snakemake.output.richness, metadata)
    for name, table, label in (("mass", masses, "log10_m500c"), ("richness", richness, "log10_richness")):
        error = (table["log10_predicted"] - table[label]).abs().groupby(table["role"]).mean()
        print(f"{name}: mean absolute error [dex]: {error.round(3).to_dict()}")
