"""CNN3D with a flow in place of its output, trained end to end on a mock catalogue (rule training_end_to_end)."""

from pathlib import Path

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.dynamics import Kde3d
from clustermass.config.flow import FlowNetwork
from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.cubes import cube_inputs, mock_of
from clustermass.estimators import Stopwatch, predictions
from clustermass.posterior.grid import Posteriors
from clustermass.posterior.joint import grid_between
from clustermass.posterior.neural import flow_masses
from clustermass.posterior.prior import training_prior
from clustermass.posterior.store import save_posteriors
from clustermass.predictions import PREDICTIONS, TIMING
from clustermass.training.folds import Fold, train_folds
from clustermass.training.trainer import LEARNING_CURVES, Samples

with runtime.logged(snakemake):
    mock, watch = mock_of(snakemake.wildcards.mock), Stopwatch()
    posterior, training = Posterior(**snakemake.params.posterior), Training(**snakemake.params.training)
    kde = Kde3d(**snakemake.params.kde3d)
    network = posterior.flow.model_copy(update={"encoder": FlowNetwork(encoder=snakemake.params.network).encoder})
    clusters = contracts.read_table(snakemake.input.clusters, mock.clusters)
    made, mass = mock.splits(clusters), clusters["log10_m200c"].to_numpy()
    rows = made[0].training
    members = contracts.read_table(snakemake.input.members, mock.members)
    cubes = mock.cubes(clusters, members, snakemake.params.aperture_mpc_h, network.encoder.voxels, kde)
    fold, folder = Fold(0, rows, made[0].validation), Path(snakemake.output.models)
    about = cube_inputs(snakemake.params.aperture_mpc_h, kde)
    with watch("training", len(rows) * training.epochs, training.threads):
        fits = runtime.job_generator(snakemake)
        (model,) = train_folds(network, training, Samples(cubes, mass), [fold], fits, 1, folder=folder, inputs=about)
    grid, tables, densities = grid_between(mass[rows].min(), mass[rows].max(), posterior), [], []
    with watch("evaluation", sum(len(split.test) for split in made), training.threads):
        for split in made:
            inputs = lambda rows, test=split.test: cubes(rows.new_tensor(test)[rows])  # noqa: E731
            found, mean = flow_masses(model, inputs, len(split.test), training, grid)
            tables.append(predictions(clusters, split, mean))
            densities.append(found.density)
            residual = tables[-1]["log10_predicted"] - tables[-1]["log10_m200c"]
            print(f"{tables[-1]['role'][0]}: scatter {np.std(residual):.3f} dex, mean {np.mean(residual):+.3f}")
    metadata, table = {"provenance": provenance.record(snakemake)}, pd.concat(tables, ignore_index=True)
    own = Posteriors(grid, np.concatenate(densities))
    prior = training_prior(mass[rows], grid, posterior)
    save_posteriors(snakemake.output.posteriors, own, table["cluster"].to_numpy(), prior, metadata)
    contracts.write_table(table, PREDICTIONS, snakemake.output.predictions, metadata)
    contracts.write_table(model.curves, LEARNING_CURVES, snakemake.output.curves, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
