"""Train a network to tell bands apart, or leave it as it starts; store all features (rule transfer_bands)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.frames import Images
from clustermass.config.image_training import BandTask, Masks, Variant
from clustermass.estimators import Stopwatch
from clustermass.frames.contracts import IMAGE_CLUSTERS, STARS
from clustermass.images.store import Images as Stored
from clustermass.networks.weights import weights_note
from clustermass.predictions import TIMING
from clustermass.training.trainer import LEARNING_CURVES
from clustermass.transfer.bands import band_predictions, train_bands, untrained, variant_network
from clustermass.transfer.contracts import BAND_PREDICTIONS
from clustermass.transfer.features import Features, extract, save_features
from clustermass.transfer.sample import band_rows, read_sample
from clustermass.transfer.variants import prepare, star_masks

with runtime.logged(snakemake):
    task, variant = BandTask(**snakemake.params.bands), Variant(**snakemake.params.variant)
    scaling, watch = Images(**snakemake.params.images), Stopwatch()
    network = variant_network(task.network, variant)
    training = task.training.model_copy(update={"device": snakemake.params.device})
    # The same for all variants, so that they differ in nothing else.
    rng = runtime.generator(snakemake.params.seed, runtime.rule_name(snakemake), {"cutout": snakemake.wildcards.cutout})
    changes, fits = rng.spawn(2)
    clusters = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS)
    labels = contracts.read_table(snakemake.input.labels, contracts.LABELS)
    splits = contracts.read_table(snakemake.input.splits, contracts.SPLITS)
    stored = Stored(snakemake.input.images)
    sample = read_sample(stored, clusters, labels, splits)
    split, masks = band_rows(sample), None
    print(f"{len(sample.without_image)} clusters have no image: {', '.join(sample.without_image[:5])}")
    print(f"{len(sample.unusable)} images cannot be used: {'; '.join(map(str, sample.unusable[:5]))}")
    if variant.stars == "masked":
        here = clusters.set_index("id").loc[sample.clusters].reset_index()
        stars = contracts.read_joined(snakemake.input.stars, STARS)
        masks = star_masks(here, stars, snakemake.params.side_mpc, stored.shape[-1], Masks(**snakemake.params.masks))
        print(f"bright stars on {masks.any(axis=(1, 2)).sum()} of {len(masks)} images, {masks.mean():.2%} of pixels")
    low, high = (stored.numbers(name)[sample.rows] for name in ("low", "high"))
    with watch("preparation", len(sample)):
        images = prepare(stored.read(sample.rows), low, high, variant, scaling, changes, masks)
    note = weights_note(network.extractor)
    print(f"{len(split.training)} clusters train, {len(split.validation)} validate, {len(split.test)} test; {note}")
    with watch("training", 5 * len(split.training) * (training.epochs if variant.trained else 1), training.threads):
        if variant.trained:
            model = train_bands(images, split, network, training, fits, watch=True, folder=snakemake.output.models)
        else:
            model = untrained(network, training, fits, snakemake.output.models)
    with watch("evaluation", 5 * (len(split.validation) + len(split.test)), training.threads):
        table = band_predictions(model, images, sample, split, training)
    with watch("features", 5 * len(sample) * snakemake.params.views, training.threads):
        features = extract(model.network.extractor, images, snakemake.params.views, training)
    right = table[[f"p_{band}" for band in "ugriz"]].to_numpy().argmax(axis=1) == table["band"].map("ugriz".index)
    print(
        "accuracy: " + ", ".join(f"{share:.3f} ({role})" for role, share in right.groupby(table["role"]).mean().items())
    )
    metadata = {"provenance": provenance.record(snakemake), "weights": note}
    contracts.write_table(table, BAND_PREDICTIONS, snakemake.output.predictions, metadata)
    contracts.write_table(model.curves, LEARNING_CURVES, snakemake.output.curves, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
    save_features(snakemake.output.features, Features(list(sample.clusters), features), metadata)
