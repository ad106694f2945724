"""What telling bands of clusters rests on: a network and a forest on controls (rule transfer_controls)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.frames import Images
from clustermass.config.image_training import BandTask, Variant
from clustermass.config.tiles import Tiles
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.images.store import Images as Stored
from clustermass.training.checkpoint import load_trained
from clustermass.transfer.bands import band_images, probabilities, variant_network
from clustermass.transfer.contracts import BAND_PREDICTIONS
from clustermass.transfer.sample import band_rows, read_sample
from clustermass.transfer.scalars import (
    CONTROLS,
    control_row,
    forest_probabilities,
    predictions_table,
    reduced,
    shown,
)
from clustermass.transfer.tiles import tile_fields
from clustermass.transfer.variants import prepare

with runtime.logged(snakemake):
    settings, scaling = Tiles(**snakemake.params.tiles), Images(**snakemake.params.images)
    task, variant = BandTask(**snakemake.params.bands), Variant(**snakemake.params.variant)
    training = task.training.model_copy(update={"device": snakemake.params.device})
    changes, trees, chance = runtime.job_generator(snakemake).spawn(3)
    model = load_trained(snakemake.input.models, variant_network(task.network, variant))
    clusters = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS)
    labels = contracts.read_table(snakemake.input.labels, contracts.LABELS)
    splits = contracts.read_table(snakemake.input.splits, contracts.SPLITS)
    stored, blank = Stored(snakemake.input.images), Stored(snakemake.input.empty)
    sample = read_sample(stored, clusters, labels, splits)
    split = band_rows(sample)
    controls = []

    def images(file, rows, variant):
        """Return prepared images of some rows of a file."""
        low, high = (file.numbers(name)[rows] for name in ("low", "high"))
        return prepare(file.read(rows), low, high, variant, scaling, changes)

    def add(method, trained_on, control, variant, names, groups, found):
        """Add a control, and return its predictions."""
        role = "empty" if control == "empty" else "test"
        table = predictions_table(names, groups, role, found)
        about = {"method": method, "trained_on": trained_on, "control": control}
        about["meaning"] = shown(variant, clusters=role == "test")
        controls.append(control_row(table, about, chance, settings.draws))
        return table

    def network(shown_images):
        """Return what the trained network takes the bands of images to be."""
        return probabilities(model, band_images(shown_images), training)

    tested = (sample.clusters[split.test], sample.group[split.test])
    empty = (blank.clusters, tile_fields(blank.clusters))
    train, test = (images(stored, sample.rows[rows], variant) for rows in (split.training, split.test))
    nothing = images(blank, range(len(blank)), variant)
    add("network", "clusters", "clusters", variant, *tested, network(test))
    predictions = add("network", "clusters", "empty", variant, *empty, network(nothing))
    add("forest", "clusters", "clusters", variant, *tested, forest_probabilities(train, test, settings.forest, trees))
    add("forest", "clusters", "empty", variant, *empty, forest_probabilities(train, nothing, settings.forest, trees))
    for name, less in reduced(variant).items():
        train, test = (images(stored, sample.rows[rows], less) for rows in (split.training, split.test))
        add("network", "clusters", name, less, *tested, network(test))
        found = forest_probabilities(train, test, settings.forest, trees)
        add("forest", name, name, less, *tested, found)
    table = pd.concat(controls, ignore_index=True)
    print(table.drop(columns="meaning").round(3).to_string(index=False))
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(table, CONTROLS, snakemake.output.controls, metadata)
    contracts.write_table(predictions, BAND_PREDICTIONS, snakemake.output.empty, metadata)
