"""What changes of the input or of the training change in predicted masses (rule interpretation_checks)."""

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.checks import CHECKS, MISSING, REMOVALS, paired_changes, unknown_redshift
from clustermass.config.base import Cosmology
from clustermass.config.interpretation import Interpretation
from clustermass.config.survey_mock import SurveyMock
from clustermass.predictions import PREDICTIONS

SAMPLES = {"heldout": "evaluation", "test": "test"}


def changes(residuals, reference, group, sample):
    """Return the changes from a reference on one sample of clusters."""
    rng = runtime.job_generator(snakemake)
    return paired_changes(residuals, reference, group, settings.bootstrap_draws, rng).assign(sample=sample)


with runtime.logged(snakemake):
    settings, options = Interpretation(**snakemake.params.interpretation), SurveyMock(**snakemake.params.options)
    names = list(snakemake.params.variants)
    variants = contracts.read_tables(names, list(snakemake.input.variants), PREDICTIONS)
    parts = []
    for role, sample in SAMPLES.items():
        tables = {name: table[table["role"] == role].sort_values("cluster") for name, table in variants.items()}
        first = tables["reference"]
        residuals = {}
        for name, table in tables.items():
            if not np.array_equal(table["cluster"], first["cluster"]):
                raise ValueError(f"{name}: expected predictions of the clusters of the reference, got other clusters")
            residuals[name] = (table["log10_predicted"] - table["log10_m200c"]).to_numpy()
        parts.append(changes(residuals, "reference", first["group"].to_numpy(str), sample))
    missing = contracts.read_table(snakemake.input.missing, MISSING)
    full = contracts.read_table(snakemake.input.predictions, PREDICTIONS)
    full = full[full["role"] == "heldout"].set_index("cluster")
    wide = missing.pivot(index="cluster", columns="removal", values="log10_predicted").loc[full.index]
    residuals = {f"without {name}": (wide[name] - full["log10_m200c"]).to_numpy() for name in REMOVALS}
    parts.append(changes(residuals, "without none", full["group"].to_numpy(str), "evaluation"))
    cosmology, redshift = Cosmology(**snakemake.params.cosmology), snakemake.params.redshift
    middle = float(full["log10_m200c"].median())
    deviation, span = unknown_redshift(options.max_comoving_mpc_h, middle, redshift, cosmology)
    known = {"check": "unknown_redshift", "sample": "theory", "low": np.nan, "high": np.nan, "clusters": 0}
    rows = [
        {**known, "statistic": "sigma", "value": deviation},
        {**known, "statistic": "half range", "value": span / 2},
    ]
    table = pd.concat([*parts, pd.DataFrame(rows)], ignore_index=True)[CHECKS.names]
    print(table.to_string())
    contracts.write_table(table, CHECKS, snakemake.output[0], {"provenance": provenance.record(snakemake)})
