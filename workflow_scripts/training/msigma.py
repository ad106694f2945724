"""The M-sigma relation, fitted in every fold and for the held-out box (rule training_msigma)."""

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.dynamics import Msigma
from clustermass.config.interpretation import Interpretation
from clustermass.estimators import Stopwatch, evenly, mock_galaxies, predictions, splits, subsampled
from clustermass.mock_observation.contracts import CLUSTERS_MOCK, MEMBERS_MOCK
from clustermass.mock_observation.ragged import velocity_dispersions
from clustermass.msigma import RELATIONS, expansion_factor, fit_relation, predict_mass
from clustermass.predictions import PREDICTIONS, SUBSAMPLED, TIMING

with runtime.logged(snakemake):
    settings, later = Msigma(**snakemake.params.msigma), Interpretation(**snakemake.params.interpretation)
    expansion = expansion_factor(settings, snakemake.params.redshift, Cosmology(**snakemake.params.cosmology))
    clusters = contracts.read_table(snakemake.input.clusters, CLUSTERS_MOCK)
    galaxies = mock_galaxies(clusters, contracts.read_table(snakemake.input.members, MEMBERS_MOCK))
    mass, watch = clusters["log10_m200c"].to_numpy(), Stopwatch()
    with watch("dispersions", len(clusters)):
        dispersion = velocity_dispersions(galaxies.v_los, galaxies.start)
    parts, relations = [], []
    for split in splits(clusters):
        seen = np.concatenate([split.training, split.validation])  # it has nothing to validate
        relation = fit_relation(mass[seen], dispersion[seen], expansion, settings)
        relations.append({"fold": split.fold, **vars(relation)})
        parts.append(predictions(clusters, split, predict_mass(relation, dispersion[split.test])))
    print(pd.DataFrame(relations).to_string())
    estimator = lambda some: predict_mass(relation, velocity_dispersions(some.v_los, some.start))  # noqa: E731
    chosen = evenly(mass, split.test, later.subsampled_clusters)
    thin = subsampled(
        estimator, galaxies.take(chosen), clusters["cluster"].to_numpy()[chosen], later.rates,
        later.draws_per_rate, 3,
        runtime.job_generator(snakemake),
    )  # fmt: skip
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(pd.concat(parts, ignore_index=True), PREDICTIONS, snakemake.output.predictions, metadata)
    contracts.write_table(pd.DataFrame(relations), RELATIONS, snakemake.output.fit, metadata)
    contracts.write_table(thin, SUBSAMPLED, snakemake.output.subsampled, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
