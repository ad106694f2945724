"""Mock clusters of a spectroscopic survey, in sets for training, validation, test and evaluation."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.survey_mock import SurveyMock
from clustermass.mock_observation.survey import prepare_survey_box, survey_mock
from clustermass.mock_observation.survey_contracts import INTERLOPERS, SURVEY_CLUSTERS, SURVEY_MEMBERS, SURVEY_TRUTH
from clustermass.observed.domain import DOMAIN_SUMMARIES, mock_summaries
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

with runtime.logged(snakemake):
    options, cosmology = SurveyMock(**snakemake.params.options), Cosmology(**snakemake.params.cosmology)
    boxes = []
    for name, halos, galaxies in zip(
        snakemake.params.boxes, snakemake.input.halos, snakemake.input.galaxies, strict=True
    ):
        side = contracts.read_metadata(halos)["box_mpc_h"]
        tables = contracts.read_table(halos, SNAPSHOT_HALOS), contracts.read_table(galaxies, SNAPSHOT_GALAXIES)
        boxes.append(prepare_survey_box(name, *tables, side, options))
        print(f"{name}: prepared")
    rng = runtime.job_generator(snakemake)
    mock = survey_mock(boxes, snakemake.params.heldout, snakemake.params.redshift, cosmology, options, rng)
    print(mock.notes)
    metadata = {"provenance": provenance.record(snakemake), "notes": mock.notes}
    contracts.write_table(mock.clusters, SURVEY_CLUSTERS, snakemake.output.clusters, metadata)
    contracts.write_table(mock.members, SURVEY_MEMBERS, snakemake.output.members, metadata)
    contracts.write_table(mock.truth, SURVEY_TRUTH, snakemake.output.truth, metadata)
    summaries = mock_summaries(mock.clusters, mock.members, options.counted_mpc_h)
    contracts.write_table(summaries, DOMAIN_SUMMARIES, snakemake.output.domain, metadata)
    contracts.write_table(mock.interlopers, INTERLOPERS, snakemake.output.interlopers, metadata)
