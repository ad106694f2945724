"""Objects of the fields of clusters' images in g, r and i, and the area looked at (rule realism_catalogue)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.realism import Realism
from clustermass.frames.contracts import FIELD_KEY, FRAMES, NEEDED
from clustermass.frames.frame import read_frame
from clustermass.realism.contracts import COVERAGE, OBJECTS
from clustermass.realism.field import choose_fields, gather, measure_catalogue

with runtime.logged(snakemake):
    settings = Realism(**snakemake.params.realism)
    frames = contracts.read_table(snakemake.input.frames, FRAMES)
    needed = contracts.read_table(snakemake.input.needed, NEEDED)
    wanted = needed[needed["in_image"]][FIELD_KEY].drop_duplicates()
    fields = choose_fields(frames.merge(wanted, on=FIELD_KEY), "gri", None, None)
    objects, covered = [], []
    progress = runtime.Progress("field")
    for number, (name, rows) in enumerate(fields, 1):
        read = {row.band: read_frame(row.path) for row in rows.itertuples()}
        images = {band: (frame.image, frame.header) for band, frame in read.items()}
        found, area = measure_catalogue(images, name, settings)
        objects.append(found)
        covered.append(area)
        progress(number, len(fields))
    metadata = {"provenance": provenance.record(snakemake, without=("folder",))}
    contracts.write_table(gather(objects, OBJECTS), OBJECTS, snakemake.output.objects, metadata)
    contracts.write_table(gather(covered, COVERAGE), COVERAGE, snakemake.output.coverage, metadata)
