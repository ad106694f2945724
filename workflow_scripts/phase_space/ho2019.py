"""Mock clusters of Ho et al. (2019), contaminated and pure, with folds and the box held out."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.mock_observation import MockObservation
from clustermass.mock_observation.boxes import prepare_box
from clustermass.mock_observation.catalogues import mock_catalogues
from clustermass.mock_observation.contracts import CLUSTERS_MOCK, MEMBERS_MOCK, TRUTH_MOCK
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

with runtime.logged(snakemake):
    options, cosmology = MockObservation(**snakemake.params.options), Cosmology(**snakemake.params.cosmology)
    boxes = []
    for name, halos, galaxies in zip(
        snakemake.params.boxes, snakemake.input.halos, snakemake.input.galaxies, strict=True
    ):
        side = contracts.read_metadata(halos)["box_mpc_h"]
        tables = contracts.read_table(halos, SNAPSHOT_HALOS), contracts.read_table(galaxies, SNAPSHOT_GALAXIES)
        boxes.append(prepare_box(name, *tables, side, options))
        print(f"{name}: prepared")
    rng = runtime.job_generator(snakemake)
    mock = mock_catalogues(boxes, snakemake.params.heldout, snakemake.params.redshift, cosmology, options, rng)
    print(mock.notes)
    metadata = {"provenance": provenance.record(snakemake), "notes": mock.notes}
    for kind, catalogue in (("contaminated", mock.contaminated), ("pure", mock.pure)):
        outputs = [path for path in snakemake.output if f"/{kind}/" in path]
        tables = (catalogue.clusters, CLUSTERS_MOCK), (catalogue.members, MEMBERS_MOCK), (catalogue.truth, TRUTH_MOCK)
        for path, (table, contract) in zip(outputs, tables, strict=True):
            contracts.write_table(table, contract, path, metadata)
