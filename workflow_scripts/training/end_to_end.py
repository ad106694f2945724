"""CNN3D with a flow in place of its output, trained end to end on a mock catalogue (rule training_end_to_end)."""

from pathlib import Path

from clustermass import contracts, provenance, runtime
from clustermass.config.dynamics import Kde3d
from clustermass.config.flow import FlowNetwork
from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.cubes import cube_inputs, mock_of
from clustermass.estimators import Stopwatch
from clustermass.posterior.inference import predict_posteriors
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
    made = mock.splits(clusters)
    rows = made[0].training
    members = contracts.read_table(snakemake.input.members, mock.members)
    cubes = mock.cubes(clusters, members, snakemake.params.aperture_mpc_h, network.encoder.voxels, kde)
    samples = Samples(cubes, clusters["log10_m200c"].to_numpy())
    fold, folder = Fold(0, rows, made[0].validation), Path(snakemake.output.models)
    about = cube_inputs(snakemake.params.aperture_mpc_h, kde)
    with watch("training", len(rows) * training.epochs, training.threads):
        fits = runtime.job_generator(snakemake)
        (model,) = train_folds(network, training, samples, [fold], fits, 1, folder=folder, inputs=about)
    with watch("evaluation", sum(len(split.test) for split in made), training.threads):
        table, own, prior = predict_posteriors(model, samples, clusters, made, training, posterior)
    residual = table["log10_predicted"] - table["log10_m200c"]
    print(residual.groupby(table["role"]).agg(["mean", "std"]).round(3))
    metadata = {"provenance": provenance.record(snakemake)}
    save_posteriors(snakemake.output.posteriors, own, table["cluster"].to_numpy(), prior, metadata)
    contracts.write_table(table, PREDICTIONS, snakemake.output.predictions, metadata)
    contracts.write_table(model.curves, LEARNING_CURVES, snakemake.output.curves, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
