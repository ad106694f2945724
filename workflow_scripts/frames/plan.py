"""Find the fields that clusters need, and say what all of it costs (rule frames_plan)."""

from clustermass import contracts, provenance, runtime
from clustermass.files import replacing
from clustermass.frames.contracts import FIELDS, IMAGE_CLUSTERS, NEEDED
from clustermass.frames.plan import estimate, touching

with runtime.logged(snakemake):
    clusters = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS)
    fields = contracts.read_table(snakemake.input.fields, FIELDS)
    needed = touching(fields, clusters, snakemake.params.search_mpc, snakemake.params.side_mpc)
    plan = estimate(needed, clusters)
    runtime.announce(f"Frames and mosaics of {len(clusters)} clusters:\n{plan.to_string(index=False)}")
    contracts.write_table(needed, NEEDED, snakemake.output.needed, {"provenance": provenance.record(snakemake)})
    with replacing(snakemake.output.plan) as aside:
        plan.to_csv(aside, index=False)
