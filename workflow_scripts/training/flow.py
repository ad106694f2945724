"""Neural flow on compressed phase space, after Kodi Ramanah et al. (2020b), trained once (rule training_flow)."""

from pathlib import Path

import numpy as np

from clustermass import contracts, provenance, runtime
from clustermass.config.dynamics import Kde
from clustermass.config.flow import NeuralFlow
from clustermass.config.posterior import Posterior
from clustermass.cubes import HO2019
from clustermass.estimators import Stopwatch, mock_galaxies
from clustermass.kde import density_2d
from clustermass.posterior.inference import predict_posteriors
from clustermass.posterior.store import save_posteriors
from clustermass.predictions import PREDICTIONS, TIMING
from clustermass.training.compression import fit_components, save_components
from clustermass.training.folds import Fold, train_folds
from clustermass.training.trainer import LEARNING_CURVES, Samples

with runtime.logged(snakemake):
    settings, kde, watch = NeuralFlow(**snakemake.params.flow), Kde(**snakemake.params.kde), Stopwatch()
    posterior = Posterior(**snakemake.params.posterior)
    clusters = contracts.read_table(snakemake.input.clusters, HO2019.clusters)
    galaxies = mock_galaxies(clusters, contracts.read_table(snakemake.input.members, HO2019.members))
    made, mass = HO2019.splits(clusters), clusters["log10_m200c"].to_numpy()
    training, validation = made[0].training, made[0].validation
    with watch("kernel densities", len(clusters), kde.threads):
        seen = snakemake.params.velocity_cut_km_s, snakemake.params.aperture_mpc_h
        images = density_2d(galaxies.v_los, galaxies.r_proj, galaxies.start, *seen, kde)
    with watch("training", 2 * len(training) * settings.training.epochs, settings.training.threads):
        components = fit_components(images[training], settings.components)
        behind = components.compress(images[training][:, ::-1])  # as seen from behind: twice as many to train on
        inputs = np.concatenate([components.compress(images), behind])
        rows = np.concatenate([training, len(mass) + np.arange(len(training))])
        samples = Samples(inputs, np.concatenate([mass, mass[training]]))
        fold, folder = Fold(0, rows, validation), Path(snakemake.output.models)
        (model,) = train_folds(
            settings.network, settings.training, samples, [fold], runtime.job_generator(snakemake), 1, folder=folder
        )
    save_components(folder / "components.safetensors", components)
    print(f"{settings.components} components hold {components.explained:.1%} of the variance of square roots")
    with watch("evaluation", sum(len(split.test) for split in made), settings.training.threads):
        table, own, prior = predict_posteriors(model, samples, clusters, made, settings.training, posterior)
    residual = table["log10_predicted"] - table["log10_m200c"]
    print(residual.groupby(table["role"]).agg(["mean", "std"]).round(3))
    metadata = {"provenance": provenance.record(snakemake)}
    save_posteriors(snakemake.output.posteriors, own, table["cluster"].to_numpy(), prior, metadata)
    contracts.write_table(table, PREDICTIONS, snakemake.output.predictions, metadata)
    contracts.write_table(model.curves, LEARNING_CURVES, snakemake.output.curves, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
