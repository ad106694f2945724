"""Noise, sky, seeing, counts, sizes and colours of some fields, and a picture (rule realism_measure)."""

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.realism import Realism
from clustermass.files import replacing
from clustermass.frames.contracts import BANDS, FRAMES
from clustermass.frames.frame import read_frame, read_frame_header
from clustermass.realism.contracts import FIELD_STATISTICS, OBJECTS
from clustermass.realism.field import choose_fields, gather, measure_field
from clustermass.realism.picture import field_picture
from clustermass.sky import galactic_latitude


def is_high(rows, settings):
    """Return whether a field is far enough from the plane of the Galaxy."""
    header, _, _ = read_frame_header(rows["path"].iloc[0])
    latitude = galactic_latitude(*(np.array([header[f"CRVAL{axis}"]]) for axis in (1, 2)))
    return abs(latitude[0]) >= settings.min_latitude_deg


with runtime.logged(snakemake):
    settings = Realism(**snakemake.params.realism)
    frames = pd.concat([contracts.read_table(path, FRAMES) for path in snakemake.input.frames], ignore_index=True)
    rng = runtime.job_generator(snakemake)
    fields = choose_fields(frames, BANDS, settings.fields, rng, lambda rows: is_high(rows, settings))
    statistics, objects, pictures = [], [], {}
    progress = runtime.Progress("field")
    for number, (name, rows) in enumerate(fields, 1):
        read = {row.band: read_frame(row.path) for row in rows.itertuples()}
        images = {band: (frame.image, frame.header) for band, frame in read.items()}
        measured = measure_field(images, name, settings)
        statistics.append(measured.statistics)
        objects.append(measured.objects)
        if not pictures:
            pictures[name] = field_picture(images, settings.picture_arcsec)
        progress(number, len(fields))
    metadata = {
        "provenance": provenance.record(snakemake, without=("folders",) if hasattr(snakemake.input, "folders") else ())
    }
    contracts.write_table(gather(statistics, FIELD_STATISTICS), FIELD_STATISTICS, snakemake.output.statistics, metadata)
    contracts.write_table(gather(objects, OBJECTS), OBJECTS, snakemake.output.objects, metadata)
    with replacing(snakemake.output.picture) as aside, open(aside, "wb") as stream:
        np.savez(stream, **pictures)
