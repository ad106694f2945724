"""CNN1D or CNN2D in every fold and for the held-out box (rules training_cnn and training_cnn_few)."""

from pathlib import Path

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.dynamics import Kde
from clustermass.config.interpretation import Interpretation
from clustermass.config.networks import Networks
from clustermass.config.training import Training
from clustermass.estimators import Stopwatch, evenly, mock_galaxies, predictions, splits, spread_training, subsampled
from clustermass.kde import density_1d, density_2d
from clustermass.mock_observation.contracts import CLUSTERS_MOCK, MEMBERS_MOCK
from clustermass.predictions import PREDICTIONS, SUBSAMPLED, TIMING
from clustermass.training.folds import Fold, train_folds, unfinished_folder
from clustermass.training.trainer import LEARNING_CURVES, Samples, predict_log10_mass


def densities(some):
    """Return the densities of clusters' galaxies, as the network takes them."""
    if network.radius_bins == 1:
        return density_1d(some.v_los, some.start, cut, kde)
    return density_2d(some.v_los, some.r_proj, some.start, cut, aperture, kde)


with runtime.logged(snakemake):
    kde, training = Kde(**snakemake.params.kde), Training(**snakemake.params.training)
    later, network = Interpretation(**snakemake.params.interpretation), Networks(**snakemake.params.networks)
    network = getattr(network, snakemake.params.network)
    cut, aperture, watch = snakemake.params.velocity_cut_km_s, snakemake.params.aperture_mpc_h, Stopwatch()
    clusters = contracts.read_table(snakemake.input.clusters, CLUSTERS_MOCK)
    galaxies = mock_galaxies(clusters, contracts.read_table(snakemake.input.members, MEMBERS_MOCK))
    mass, fits, draws = clusters["log10_m200c"].to_numpy(), *runtime.job_generator(snakemake).spawn(2)
    with watch("kernel densities", len(clusters), kde.threads):
        inputs = densities(galaxies)
    made = splits(clusters)
    rows = [split.training for split in made]
    if snakemake.params.few is not None:  # only the split of the held-out box, trained on few clusters
        seed = runtime.generator(snakemake.params.seed, "training_few", {})
        made, rows = made[-1:], [spread_training(made[-1].training, snakemake.params.few, seed)]
    folds = [Fold(split.number, part, split.validation) for split, part in zip(made, rows, strict=True)]
    workers = min(snakemake.threads, len(folds))
    folder = snakemake.output.models if snakemake.params.few is None else None
    begun = unfinished_folder(Path(snakemake.output.predictions).with_name("models"))
    with watch("training", sum(map(len, rows)) * training.epochs, workers):
        models = train_folds(
            network, training, Samples(inputs, mass), folds, fits, workers, folder=folder, unfinished=begun
        )
    with watch("evaluation", sum(len(split.test) for split in made), training.threads):
        parts = [
            predictions(clusters, split, predict_log10_mass(model, inputs[split.test], len(split.test), training))
            for split, model in zip(made, models, strict=True)
        ]
    residual = parts[-1]["log10_predicted"] - parts[-1]["log10_m200c"]
    print(f"held-out box: scatter {np.std(residual):.3f} dex, median {np.median(residual):+.3f}")
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(pd.concat(parts, ignore_index=True), PREDICTIONS, snakemake.output.predictions, metadata)
    if snakemake.params.few is None:
        chosen = evenly(mass, made[-1].test, later.subsampled_clusters)
        estimator = lambda some: predict_log10_mass(models[-1], densities(some), len(some.start) - 1, training)  # noqa: E731
        thin = subsampled(
            estimator, galaxies.take(chosen), clusters["cluster"].to_numpy()[chosen], later.rates,
            later.draws_per_rate, 1, draws,
        )  # fmt: skip
        curves = pd.concat([model.curves for model in models], ignore_index=True)
        contracts.write_table(thin, SUBSAMPLED, snakemake.output.subsampled, metadata)
        contracts.write_table(curves, LEARNING_CURVES, snakemake.output.curves, metadata)
        contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
