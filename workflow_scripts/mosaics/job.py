"""Make the mosaics of one job's clusters, and cut the images from them (rule mosaics_job)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.frames import Mosaics
from clustermass.frames.contracts import FRAMES, IMAGE_CLUSTERS, MOSAICS, NEEDED
from clustermass.frames.frame import read_frame
from clustermass.images.inputs import cutouts
from clustermass.images.store import ClusterImages, write_images
from clustermass.mosaic.clusters import mosaic_clusters


def images(clusters, mosaics, settings, bands):
    """Yield the images of clusters that are not set aside, and put the tables of all into `bands`."""
    progress = runtime.Progress("cluster")
    for number, (cluster, made) in enumerate(zip(clusters.itertuples(), mosaics, strict=True), 1):
        progress(number, len(clusters))
        bands.append(made.bands)
        if made.images.size:
            cut = cutouts(made.images, settings.pixel_arcsec, cluster.arcsec_per_mpc, settings.cutouts)
            yield ClusterImages(cluster.id, cut, picture=made.images if cluster.picture else None)


with runtime.logged(snakemake):
    settings, job = Mosaics(**snakemake.params.mosaics), int(snakemake.wildcards.job)
    clusters = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS)
    needed = contracts.read_table(snakemake.input.needed, NEEDED)
    frames = contracts.read_table(snakemake.input.frames, FRAMES)
    clusters, bands = clusters[clusters["job"] == job], [MOSAICS.empty()]
    mosaics = mosaic_clusters(clusters, needed[needed["job"] == job], frames, read_frame, settings)
    about = {"provenance": provenance.record(snakemake, without=("folder",)), "unit": "nanomaggy/arcsec2"}
    about["pixel_arcsec"] = settings.pixel_arcsec
    shapes = {name: (cutout.pixels, cutout.pixels) for name, cutout in settings.cutouts.items()}
    made = write_images(snakemake.output.images, shapes, images(clusters, mosaics, settings, bands), about)
    print(f"images of {len(made)} of {len(clusters)} clusters")
    contracts.write_table(pd.concat(bands), MOSAICS, snakemake.output.table, about)
