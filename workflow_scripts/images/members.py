"""Collect the member galaxies of the clusters that have images (rule images_members)."""

from clustermass import contracts, provenance, runtime
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.images.members import IMAGE_MEMBERS, image_members
from clustermass.sources.tables import read_catalogue

with runtime.logged(snakemake):
    clusters, inputs = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS), snakemake.input
    known = hasattr(inputs, "members")
    tables = [read_catalogue(path) for path in (inputs.catalogue, inputs.members)] if known else []
    members = image_members(clusters, *tables) if known else IMAGE_MEMBERS.empty()
    print(f"{len(members)} members of {members['cluster'].nunique()} clusters" if known else "no file lists members")
    contracts.write_table(members, IMAGE_MEMBERS, snakemake.output[0], {"provenance": provenance.record(snakemake)})
