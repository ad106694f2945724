"""Cut frames of fields into tiles of five bands (rule transfer_cut)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.frames import Images
from clustermass.config.tiles import Tiles
from clustermass.frames.contracts import BANDS, FRAMES
from clustermass.frames.frame import read_frame
from clustermass.images.scaling import describe_scaling
from clustermass.images.store import write_images
from clustermass.realism.field import choose_fields
from clustermass.transfer.tiles import cut, scaled_tiles, tile_squares


def tiles(fields, settings, scaling):
    """Yield the tiles of all fields."""
    progress = runtime.Progress("field")
    for number, (name, rows) in enumerate(fields, 1):
        frames = {row.band: read_frame(row.path) for row in rows.itertuples()}
        squares = tile_squares(frames["r"].image.shape, settings.pixels * settings.binning)
        yield from scaled_tiles(name, cut(frames, squares, settings.pixels), scaling)
        progress(number, len(fields))


with runtime.logged(snakemake):
    settings, scaling = Tiles(**snakemake.params.tiles), Images(**snakemake.params.images)
    frames = contracts.read_joined(snakemake.input.frames, FRAMES)
    fields = choose_fields(frames, BANDS, settings.fields, runtime.job_generator(snakemake))
    without = ("folders",) if hasattr(snakemake.input, "folders") else ()
    about = {"provenance": provenance.record(snakemake, without=without), **describe_scaling(scaling, "global")}
    shape = {"images": (settings.pixels, settings.pixels)}
    names = write_images(snakemake.output[0], shape, tiles(fields, settings, scaling), about)
    print(f"{len(names)} tiles of {len(fields)} fields in all bands")
