"""Support distribution machines, trained on some clusters and tested on the held-out box (rule training_sdm)."""

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.dynamics import Sdm
from clustermass.config.interpretation import Interpretation
from clustermass.estimators import Stopwatch, evenly, mock_galaxies, predictions, splits, spread_training, subsampled
from clustermass.mock_observation.contracts import CLUSTERS_MOCK, MEMBERS_MOCK
from clustermass.predictions import PREDICTIONS, SUBSAMPLED, TIMING
from clustermass.sdm import cluster_features, divergence_matrix, divergences, fit, fit_scaler, predict


def features(some):
    """Return the features of galaxies, not yet standardised."""
    return cluster_features(some.v_los, some.r_proj if snakemake.wildcards.model == "sdm2d" else None, settings)


def trained(split, rng):
    """Return an estimator trained on a random part of a split's training clusters."""
    rows = spread_training(split.training, settings.training_clusters, few())
    known = galaxies.take(rows)
    scale = fit_scaler(features(known))
    seen = scale(features(known))
    with watch("divergences of training clusters", len(rows) ** 2, threads):
        matrix = divergence_matrix(seen, known.start, settings.neighbours, threads)
    with watch("training", len(rows), threads):
        machine = fit(matrix, mass[rows], group[rows], settings, rng)
    print(f"split {split.number}: sigma {machine.sigma:.3g}, C {machine.c:.3g}; left-out rms [dex]\n{machine.search}")

    def estimate(some):
        sets = scale(features(some)), some.start, seen, known.start
        there = divergences(*sets, settings.neighbours, threads)
        back = divergences(*sets[2:], *sets[:2], settings.neighbours, threads)
        return predict(machine, there, back)

    return estimate


def few():
    """Return the generator of the clusters that few-cluster estimators train on: the same for all of them."""
    return runtime.generator(snakemake.params.seed, "training_few", {})


with runtime.logged(snakemake):
    settings, later = Sdm(**snakemake.params.sdm), Interpretation(**snakemake.params.interpretation)
    threads, watch = settings.threads, Stopwatch()
    clusters = contracts.read_table(snakemake.input.clusters, CLUSTERS_MOCK)
    galaxies = mock_galaxies(clusters, contracts.read_table(snakemake.input.members, MEMBERS_MOCK))
    mass, group = clusters["log10_m200c"].to_numpy(), clusters["group"].to_numpy()
    fits, draws = runtime.job_generator(snakemake).spawn(2)
    made = splits(clusters) if settings.cross_validation else splits(clusters)[-1:]
    progress, parts = runtime.Progress("split"), []
    for done, split in enumerate(made, 1):
        estimator = trained(split, fits)
        with watch("evaluation", len(split.test), threads):
            parts.append(predictions(clusters, split, estimator(galaxies.take(split.test))))
        progress(done, len(made))
    chosen = evenly(mass, split.test, later.subsampled_clusters)
    thin = subsampled(
        estimator, galaxies.take(chosen), clusters["cluster"].to_numpy()[chosen], later.rates,
        min(later.draws_per_rate, settings.subsampled_draws), settings.neighbours + 1, draws,
    )  # fmt: skip
    residual = parts[-1]["log10_predicted"] - parts[-1]["log10_m200c"]
    print(f"held-out box: scatter {np.std(residual):.3f} dex")
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(pd.concat(parts, ignore_index=True), PREDICTIONS, snakemake.output.predictions, metadata)
    contracts.write_table(thin, SUBSAMPLED, snakemake.output.subsampled, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
