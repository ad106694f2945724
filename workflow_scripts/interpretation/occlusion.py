"""How sure a network is of the band when parts of test images are covered (rule interpretation_occlusion)."""

import numpy as np
import torch

from clustermass import contracts, provenance, runtime
from clustermass.config.attribution import Attribution
from clustermass.config.image_networks import BandNetwork
from clustermass.config.pictures import Pictures
from clustermass.frames.contracts import IMAGE_CLUSTERS, STARS
from clustermass.images.members import IMAGE_MEMBERS
from clustermass.images.store import Images
from clustermass.training.checkpoint import load_trained
from clustermass.training.device import prepared
from clustermass.transfer import attributions
from clustermass.transfer.sample import read_sample

with runtime.logged(snakemake):
    params, paths, draw = snakemake.params, snakemake.input, runtime.job_generator(snakemake)
    settings, pictures = Attribution(**params.attribution), Pictures(**params.pictures)
    clusters = contracts.read_table(paths.clusters, IMAGE_CLUSTERS)
    labels = contracts.read_table(paths.labels, contracts.LABELS)
    images, splits = Images(paths.images), contracts.read_table(paths.splits, contracts.SPLITS)
    sample = read_sample(images, clusters, labels, splits)
    chosen = attributions.draw_tested(sample, settings.occlusion.clusters, draw)
    here = clusters.set_index("id", drop=False).loc[sample.clusters[chosen]]
    light, maps, whole = images.read(sample.rows[chosen]), [], []
    progress = runtime.Progress("clusters")
    with prepared(params.device, 1) as device:
        classifier = load_trained(paths.bands, BandNetwork(**params.bands)).network.to(device)
        for done, image in enumerate(light, 1):
            found = attributions.covered_maps(classifier, torch.from_numpy(image[None]).to(device), settings.occlusion)
            maps.append(found[0][0])
            whole.append(found[1][0])
            progress(done, len(light))
    members = contracts.read_table(paths.members, IMAGE_MEMBERS)
    stars = {job: contracts.read_table(paths.stars[job], STARS) for job in set(here["job"])} if paths.stars else {}
    marked = attributions.mark_images(here, light, params.side_mpc, members, stars, np.array(whole), pictures)
    changes = {"occlusion": [covered - p[:, None, None] for covered, p in zip(maps, whole, strict=True)]}
    groups, radius = sample.group[chosen], settings.mark_radius
    table = attributions.attention(changes, {}, marked, groups, radius, params.bootstrap_draws, draw)
    print(table.to_string())
    record = provenance.record(snakemake, without=("stars",))
    contracts.write_table(table, attributions.ATTENTION, snakemake.output.attention, {"provenance": record})
    for path, image, covered in zip(snakemake.output.maps, marked, maps, strict=False):
        result = attributions.OccludedImage.of(image, occlusion=covered)
        attributions.save_maps(path, result, {"provenance": record})
