"""Cut squares as large as images of clusters from fields at random places (rule transfer_empty)."""

import numpy as np

from clustermass import contracts, provenance, runtime
from clustermass.config.frames import Images
from clustermass.config.tiles import Tiles
from clustermass.frames.contracts import BANDS, FRAMES, IMAGE_CLUSTERS
from clustermass.frames.frame import read_frame
from clustermass.frames.geometry import COLUMNS, ROWS
from clustermass.images.scaling import describe_scaling
from clustermass.images.store import write_images
from clustermass.realism.field import choose_fields
from clustermass.transfer.tiles import cut, random_squares, scaled_tiles


def tiles(fields, squares, scaling):
    """Yield the squares of all fields."""
    progress = runtime.Progress("field")
    for number, ((name, rows), some) in enumerate(zip(fields, squares, strict=True), 1):
        frames = {row.band: read_frame(row.path) for row in rows.itertuples()}
        yield from scaled_tiles(name, cut(frames, some, scaling.pixels), scaling)
        progress(number, len(fields))


with runtime.logged(snakemake):
    settings, scaling = Tiles(**snakemake.params.tiles), Images(**snakemake.params.images)
    rng = runtime.job_generator(snakemake)
    clusters = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS)
    frames = contracts.read_joined(snakemake.input.frames, FRAMES)
    fields = choose_fields(frames, BANDS, settings.fields, rng)
    sides = snakemake.params.side_mpc * clusters["arcsec_per_mpc"].to_numpy(float) / snakemake.params.pixel_arcsec
    squares = random_squares((ROWS, COLUMNS), sides, len(fields), settings.empty, rng)
    fit = sides <= ROWS
    print(f"images of {fit.mean():.0%} of clusters, from z = {clusters['redshift'][fit].min():.2f}, fit into a field")
    without = ("folders",) if hasattr(snakemake.input, "folders") else ()
    about = {"provenance": provenance.record(snakemake, without=without), **describe_scaling(scaling, "global")}
    shape = {"images": (scaling.pixels, scaling.pixels)}
    names = write_images(snakemake.output[0], shape, tiles(fields, squares, scaling), about)
    arcsec = snakemake.params.pixel_arcsec * np.median([square.side for some in squares for square in some])
    print(f"{len(names)} squares of {len(fields)} fields, median side {arcsec:.0f} arcsec")
