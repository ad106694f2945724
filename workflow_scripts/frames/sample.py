"""Choose the clusters that have images, and deal them out to jobs (rule frames_sample)."""

import numpy as np

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.frames import ImageSample
from clustermass.frames.contracts import FIELDS, IMAGE_CLUSTERS
from clustermass.frames.plan import touching
from clustermass.frames.sample import draw_clusters
from clustermass.sky import galactic_latitude

with runtime.logged(snakemake):
    rng = runtime.job_generator(snakemake)
    params, sample = snakemake.params, ImageSample(**snakemake.params.sample)
    parents = contracts.read_table(snakemake.input.clusters, contracts.CLUSTERS)
    matched = contracts.read_table(snakemake.input.matches, contracts.MATCHES)["cluster"]
    parents["kind"] = np.where(parents["id"].isin(matched), "strong", "weak")
    chosen = (params.jobs, params.pictures, Cosmology(**params.cosmology), rng)
    latitude = galactic_latitude(parents["ra"].to_numpy(float), parents["dec"].to_numpy(float))
    parents = parents[np.abs(latitude) >= params.min_latitude_deg]
    if snakemake.input.fields:  # nothing is downloaded
        fields = contracts.read_table(snakemake.input.fields, FIELDS)
        every = draw_clusters(parents, ImageSample(clusters=None, strong=0), *chosen)
        shown = touching(fields, every, params.side_mpc, params.side_mpc)["cluster"]
        print(f"{shown.nunique()} of {len(parents)} clusters lie on local frames, of {len(fields)} fields")
        parents = parents[parents["id"].isin(shown)]
    clusters = draw_clusters(parents, sample, *chosen)
    strong = int((clusters["kind"] == "strong").sum())
    print(f"{len(clusters)} of {len(parents)} clusters have images, {strong} of them with strong labels")
    share = float((parents["kind"] == "strong").mean()) if len(parents) else 0.0
    metadata = {"provenance": provenance.record(snakemake), "strong_share_of_parent_sample": share}
    contracts.write_table(clusters, IMAGE_CLUSTERS, snakemake.output[0], metadata)
