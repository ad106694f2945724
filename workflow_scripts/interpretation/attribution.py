"""What networks of bands and of masses look at on images of test clusters (rule interpretation_attribution)."""

import numpy as np
import torch

from clustermass import contracts, provenance, runtime
from clustermass.config.attribution import Attribution
from clustermass.config.image_networks import BandNetwork, RegressorNetwork
from clustermass.config.pictures import Pictures
from clustermass.frames.contracts import IMAGE_CLUSTERS, STARS
from clustermass.images.members import IMAGE_MEMBERS
from clustermass.images.store import Images
from clustermass.training.checkpoint import Identity, load_checkpoint, load_trained
from clustermass.training.device import prepared
from clustermass.training.folds import checkpoint_path
from clustermass.training.trainer import trained
from clustermass.transfer import attributions
from clustermass.transfer.sample import read_sample


def regressors(classifier, sample, chosen, device):
    """Return the regressor of masses of every cluster: of the fold in which it tests."""
    bands = {"features": classifier.extractor.features, "bands": 5}
    network = RegressorNetwork(**{**snakemake.params.regressor, **bands})
    folds = {}
    for fold in np.unique(sample.fold[chosen]):
        model = trained(network, load_checkpoint(checkpoint_path(snakemake.input.masses, fold), Identity(network)))
        folds[fold] = attributions.MassNetwork(model.network.to(device), model.scale)
    return [folds[fold] for fold in sample.fold[chosen]]


with runtime.logged(snakemake):
    params, paths, draw = snakemake.params, snakemake.input, runtime.job_generator(snakemake)
    settings, pictures = Attribution(**params.attribution), Pictures(**params.pictures)
    bands = BandNetwork(**params.bands)
    clusters = contracts.read_table(paths.clusters, IMAGE_CLUSTERS)
    labels = contracts.read_table(paths.labels, contracts.LABELS)
    images, splits = Images(paths.images), contracts.read_table(paths.splits, contracts.SPLITS)
    sample = read_sample(images, clusters, labels, splits)
    chosen = attributions.richest_tested(sample, settings.clusters)
    here = clusters.set_index("id", drop=False).loc[sample.clusters[chosen]]
    light = images.read(sample.rows[chosen])
    with prepared(params.device, 1) as device:
        seen = torch.from_numpy(light).to(device)
        classifier, start = (load_trained(folder, bands).network.to(device) for folder in (paths.bands, paths.start))
        found = attributions.band_maps(classifier, seen, settings.gradients)
        untrained = attributions.band_maps(start, seen, settings.gradients)
        networks = regressors(classifier, sample, chosen, device)
        masses = attributions.mass_maps(classifier.extractor, networks, seen, sample.redshift[chosen], settings)
    members = contracts.read_table(paths.members, IMAGE_MEMBERS)
    stars = {job: contracts.read_table(paths.stars[job], STARS) for job in set(here["job"])} if paths.stars else {}
    marked = attributions.mark_images(here, light, params.side_mpc, members, stars, found.probability, pictures)
    maps = {"gradients": found.maps, "activation": masses.maps, "gradients_start": untrained.maps}
    complete = {"gradients": found.complete, "gradients_start": untrained.complete}
    complete["activation"] = np.repeat(masses.complete[:, None], light.shape[1], axis=1)
    groups, radius = sample.group[chosen], settings.mark_radius
    table = attributions.attention(maps, complete, marked, groups, radius, params.bootstrap_draws, draw)
    richest = attributions.AttributionMaps.of(
        marked[0],
        gradients=found.maps[0],
        activation=masses.maps[0],
        prediction=float(masses.prediction[0]),
        completeness=found.error[0],
    )
    print(f"{len(chosen)} test clusters, {sample.strong[chosen].sum()} with strong labels; shown: {richest.cluster}")
    for name, good in complete.items():
        print(f"{name}: {good.mean():.1%} of maps complete within {settings.gradients.tolerance:.1%}")
    print(table.to_string())
    record = provenance.record(snakemake, without=("stars",))
    contracts.write_table(table, attributions.ATTENTION, snakemake.output.attention, {"provenance": record})
    attributions.save_maps(snakemake.output.maps, richest, {"provenance": record})
