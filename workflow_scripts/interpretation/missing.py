"""Masses of the evaluation set without galaxies that fibres miss (rule interpretation_missing)."""

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.checks import MISSING, REMOVALS
from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import CubeNetwork
from clustermass.config.survey_mock import SurveyMock
from clustermass.config.training import Training
from clustermass.cubes import cube_inputs
from clustermass.kde3d import Cubes
from clustermass.mock_observation.ragged import offsets
from clustermass.mock_observation.survey_contracts import SURVEY_CLUSTERS, SURVEY_MEMBERS
from clustermass.training.checkpoint import load_trained
from clustermass.training.trainer import predict_log10_mass

with runtime.logged(snakemake):
    kde, training = Kde3d(**snakemake.params.kde3d), Training(**snakemake.params.training)
    network, options = CubeNetwork(**snakemake.params.network), SurveyMock(**snakemake.params.options)
    aperture, fewest = options.counted_mpc_h, options.min_galaxies
    model = load_trained(snakemake.input.models, network, cube_inputs(aperture, kde))
    clusters = contracts.read_table(snakemake.input.clusters, SURVEY_CLUSTERS)
    judged = clusters.loc[clusters["set"] == "evaluation", "cluster"].to_numpy()
    members = contracts.read_table(snakemake.input.members, SURVEY_MEMBERS)
    near = members[["x", "y"]].abs().max(axis=1) <= aperture
    members = members[near & members["cluster"].isin(judged)]
    parts = []
    for removal in REMOVALS:
        kept = members if removal == "none" else members[~members[removal]]
        number = kept["cluster"].value_counts().reindex(judged, fill_value=0).to_numpy(np.int64)
        enough = judged[number >= fewest]
        kept = kept[kept["cluster"].isin(enough)]
        start = offsets(number[number >= fewest])
        galaxies = (kept[name].to_numpy(float) for name in ("v_los", "x", "y"))
        cubes = Cubes(*galaxies, start, aperture, kde.velocity_cut_km_s, network.voxels, kde)
        predicted = pd.Series(predict_log10_mass(model, cubes, len(enough), training), index=enough)
        columns = {"removal": removal, "galaxies": number, "log10_predicted": predicted.reindex(judged).to_numpy()}
        parts.append(pd.DataFrame({"cluster": judged, **columns}))
        print(f"{removal}: {number.mean():.1f} galaxies a cluster, {len(judged) - len(enough)} with too few")
    table = pd.concat(parts, ignore_index=True)
    contracts.write_table(table, MISSING, snakemake.output[0], {"provenance": provenance.record(snakemake)})
