"""Phase space of a sample of observed clusters (rule observed_phase_space)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.observed import Observed
from clustermass.observed.contracts import CENTRES, CLUSTERS_OBSERVED, MEMBERS_OBSERVED, REDSHIFTS
from clustermass.observed.footprint import measure_footprint
from clustermass.observed.sample import observe, why_empty

with runtime.logged(snakemake):
    settings, cosmology = Observed(**snakemake.params.observed), Cosmology(**snakemake.params.cosmology)
    sample = settings.samples[snakemake.wildcards.sample]
    galaxies = contracts.read_table(snakemake.input.redshifts, REDSHIFTS)
    centres = contracts.read_table(snakemake.input.centres, CENTRES)
    footprint = measure_footprint(
        galaxies["ra"].to_numpy(float), galaxies["dec"].to_numpy(float),
        snakemake.params.cell_deg, snakemake.params.closing_cells,
    )  # fmt: skip
    seen = observe(centres, galaxies, footprint, sample, settings, snakemake.params.trained_redshift, cosmology)
    print(f"{len(seen.clusters)} clusters, {len(seen.members)} galaxies in their windows, {seen.notes}")
    print(seen.rejected["reason"].value_counts().to_string())
    metadata = {"provenance": provenance.record(snakemake), "notes": seen.notes}
    metadata["reason"] = why_empty(seen, contracts.read_metadata(snakemake.input.redshifts))
    print(metadata["reason"])
    contracts.write_table(seen.clusters, CLUSTERS_OBSERVED, snakemake.output.clusters, metadata)
    contracts.write_table(seen.members, MEMBERS_OBSERVED, snakemake.output.members, metadata)
    contracts.write_table(seen.rejected, contracts.REJECTED, snakemake.output.rejected, metadata)
