"""Scatter with and without richness of several estimators on one mock (rule interpretation_information_gain)."""

from functools import reduce

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.interpretation import Interpretation
from clustermass.information_gain import bootstrap_scatter, fit_scatter, scatter_by_richness
from clustermass.interpretation import MEASURED, samples
from clustermass.mock_observation.contracts import CLUSTERS_MOCK
from clustermass.predictions import PREDICTIONS
from clustermass.residuals import with_intervals


def common(tables):
    """Return the predictions of the clusters that every estimator has in the same role: comparisons are of the same."""
    keys = [pd.MultiIndex.from_frame(table[["role", "cluster"]]) for table in tables.values()]
    shared = reduce(pd.MultiIndex.intersection, keys)
    return {name: table[key.isin(shared)] for (name, table), key in zip(tables.items(), keys, strict=True)}


with runtime.logged(snakemake):
    settings = Interpretation(**snakemake.params.interpretation)
    members = contracts.read_table(snakemake.input.clusters, CLUSTERS_MOCK).set_index("cluster")["members_r200c"]
    models = snakemake.params.models
    tables = common(contracts.read_tables(models, [snakemake.input[model] for model in models], PREDICTIONS))
    parts = []
    for model, role, table in samples(tables):
        number = table["cluster"].map(members).to_numpy()
        known = table[number >= 1]
        columns = known["log10_m200c"].to_numpy(), known["log10_predicted"].to_numpy(), number[number >= 1]
        fit = fit_scatter(*columns)
        rng = runtime.job_generator(snakemake)  # the same halos for every model
        draws = bootstrap_scatter(*columns, known["group"], settings.richness_bins, settings.bootstrap_draws, rng)
        found = pd.Series({name: getattr(fit, name) for name in ("sigma_n", "sigma_0", "slope", "intercept")})
        bins = scatter_by_richness(*columns, fit, settings.richness_bins)
        found["precision"] = 100 * (bins["ratio"] - 1).abs().max()
        print(f"{model}, {role}: {found.to_dict()}\n{bins.to_string()}")
        about = {"model": model, "role": role, "reading": "", "clusters": len(known)}
        parts.append(with_intervals(found, draws).assign(**about))
    table = pd.concat(parts, ignore_index=True)[MEASURED.names]
    contracts.write_table(table, MEASURED, snakemake.output[0], {"provenance": provenance.record(snakemake)})
