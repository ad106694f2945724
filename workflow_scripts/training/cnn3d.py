"""CNN3D, trained once on a mock catalogue, and what it predicts for its tests (rule training_cnn3d).

With a variant of `checks`, it is trained on a smaller sample of smaller cubes, from the same first weights.
"""

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.checks import Checks, Variant
from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import CubeNetwork
from clustermass.config.training import Training
from clustermass.cubes import cube_inputs, mock_of
from clustermass.estimators import Stopwatch, predictions, spread_training
from clustermass.predictions import PREDICTIONS, TIMING
from clustermass.training.folds import Fold, subset, train_folds
from clustermass.training.trainer import LEARNING_CURVES, Samples, predict_log10_mass

with runtime.logged(snakemake):
    mock, watch = mock_of(snakemake.wildcards.mock), Stopwatch()
    network, kde = CubeNetwork(**snakemake.params.network), Kde3d(**snakemake.params.kde3d)
    training, aperture = Training(**snakemake.params.training), snakemake.params.aperture_mpc_h
    fits, stop_on = runtime.job_generator(snakemake), "validation"
    clusters = contracts.read_table(snakemake.input.clusters, mock.clusters)
    made = mock.splits(clusters)
    rows = made[0].training
    if snakemake.params.variant is not None:
        checks, variant = Checks(**snakemake.params.checks), Variant(**snakemake.params.variant)
        fits, some = runtime.generator(snakemake.params.seed, "training_cnn3d_variants", {}).spawn(2)
        network = CubeNetwork(**{**snakemake.params.network, "voxels": checks.voxels})
        steps = {"epochs": checks.epochs, "schedule": "inverse", "patience": checks.patience}
        training = training.model_copy(update=steps)
        rows = spread_training(rows, checks.training_clusters, some)
        aperture, stop_on = variant.aperture_mpc_h or aperture, variant.stop_on
        kde = kde.model_copy(update={"bandwidth": variant.bandwidth or kde.bandwidth})
    members = contracts.read_table(snakemake.input.members, mock.members)
    cubes = mock.cubes(clusters, members, aperture, network.voxels, kde)
    samples = Samples(cubes, clusters["log10_m200c"].to_numpy())
    stopping = made[0].validation
    if stop_on == "test":  # as many as validation has, so that only the leak differs
        stopping = spread_training(made[0].test, len(stopping), some)
    fold, about = Fold(0, rows, stopping), cube_inputs(aperture, kde)
    with watch("training", len(rows) * training.epochs, training.threads):
        folder = snakemake.output.get("models")
        (model,) = train_folds(network, training, samples, [fold], fits, 1, folder=folder, inputs=about)
    with watch("evaluation", sum(len(split.test) for split in made), training.threads):
        tables = []
        for split in made:
            inputs = subset(samples, split.test).inputs
            predicted = predict_log10_mass(model, inputs, len(split.test), training)
            tables.append(predictions(clusters, split, predicted))
    for split, table in zip(made, tables, strict=True):
        residual = table["log10_predicted"] - table["log10_m200c"]
        where = "held-out box" if split.fold < 0 else "clusters that calibrate"
        print(f"{where}: scatter {np.std(residual):.3f} dex, mean {np.mean(residual):+.3f}")
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(pd.concat(tables, ignore_index=True), PREDICTIONS, snakemake.output.predictions, metadata)
    contracts.write_table(model.curves, LEARNING_CURVES, snakemake.output.curves, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
