"""Train networks to tell bands of tiles apart, each tested on fields that it has not seen (rule transfer_tiles)."""

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.frames import Images
from clustermass.config.tiles import Tiles
from clustermass.estimators import Stopwatch
from clustermass.images.store import Images as Stored
from clustermass.networks.weights import weights_note
from clustermass.predictions import TIMING
from clustermass.training.trainer import LEARNING_CURVES
from clustermass.transfer.contracts import BAND_PREDICTIONS
from clustermass.transfer.scalars import CONTROLS, control_row, reduced, shown
from clustermass.transfer.tiles import field_folds, forest_predictions, tile_fields, tile_predictions, train_tiles
from clustermass.transfer.variants import prepare

with runtime.logged(snakemake):
    settings, scaling, watch = Tiles(**snakemake.params.tiles), Images(**snakemake.params.images), Stopwatch()
    variant, draws = settings.variants[snakemake.wildcards.variant], settings.draws
    tiles_of = f"{snakemake.wildcards.source} tiles"
    about = {"trained_on": f"{tiles_of}, {snakemake.wildcards.variant}"}
    training = settings.training.model_copy(update={"device": snakemake.params.device})
    # The same for all variants, so that they differ in nothing else.
    rng = runtime.generator(snakemake.params.seed, runtime.rule_name(snakemake), {"source": snakemake.wildcards.source})
    parts, changes, fits, trees, *chances = rng.spawn(8)
    stored = Stored(snakemake.input[0])
    names, every = np.array(stored.clusters), np.arange(len(stored))
    low, high = stored.numbers("low"), stored.numbers("high")
    tested = field_folds(tile_fields(names), settings.folds, parts)
    with watch("preparation", len(names)):
        tiles = prepare(stored.read(every), low, high, variant, scaling, changes)
    steps = 5 * sum(int((~out).sum()) for out in tested) * training.epochs
    with watch("training", steps, training.threads):
        models = train_tiles(
            tiles, tested, settings.network, training, fits, snakemake.threads, folder=snakemake.output.models
        )
    with watch("evaluation", 5 * len(names), training.threads):
        predictions = tile_predictions(models, tiles, names, tested, training)
    forest = forest_predictions(tiles, names, tested, settings.forest, trees)
    seen = {**about, "control": about["trained_on"], "meaning": shown(variant, clusters=False)}
    controls = [
        control_row(predictions, {"method": "network", **seen}, chances[0], draws),
        control_row(forest, {"method": "forest", **seen}, chances[1], draws),
    ]
    for (control, less), chance in zip(reduced(variant).items(), chances[2:], strict=False):
        seen = {**about, "control": f"{tiles_of}, {control}", "meaning": shown(less, clusters=False)}
        other = prepare(stored.read(every), low, high, less, scaling, chance)
        table = tile_predictions(models, other, names, tested, training)
        controls.append(control_row(table, {"method": "network", **seen}, chance, draws))
    table = pd.concat(controls, ignore_index=True)
    print(table.drop(columns="meaning").round(3).to_string(index=False))
    metadata = {"provenance": provenance.record(snakemake), "weights": weights_note(settings.network.extractor)}
    contracts.write_table(predictions, BAND_PREDICTIONS, snakemake.output.predictions, metadata)
    curves = pd.concat([model.curves for model in models], ignore_index=True)
    contracts.write_table(curves, LEARNING_CURVES, snakemake.output.curves, metadata)
    contracts.write_table(table, CONTROLS, snakemake.output.controls, metadata)
    contracts.write_table(watch.table(), TIMING, snakemake.output.timing, metadata)
