"""Make the simulated frames of one job's clusters, and say what stands on them (rule frames_simulated)."""

from pathlib import Path

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.population import Population
from clustermass.config.sky import Sky
from clustermass.frames.contracts import BANDS, FIELD_KEY, FIELDS, FRAMES, NEEDED, SKY_GALAXIES, SKY_STARS, STARS
from clustermass.frames.frame import FrameKey, frame_path, write_frame
from clustermass.frames.geometry import field_header
from clustermass.frames.plan import field_centres
from clustermass.population.sky import REACH_DEG, listed_stars, sky_sources
from clustermass.render.frame import render_field
from clustermass.sources.lightcone import CONE_GALAXIES, HALOS

with runtime.logged(snakemake):
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    sky, population, seed = Sky(**params.sky), Population(**params.population), params.seed
    needed = contracts.read_table(inputs.needed, NEEDED)
    needed = needed[(needed["job"] == int(snakemake.wildcards.job)) & needed["in_image"]]
    every = contracts.read_table(inputs.fields, FIELDS)
    fields = every.merge(needed[FIELD_KEY].drop_duplicates(), on=FIELD_KEY)
    sources = sky_sources(
        *field_centres(every, needed), REACH_DEG, contracts.read_table(inputs.galaxies, CONE_GALAXIES),
        contracts.read_table(inputs.halos, HALOS), tuple(params.redshift), population,
        Cosmology(**params.cosmology), seed,
    )  # fmt: skip
    print(f"{len(fields)} fields, {len(sources.galaxies)} galaxies, {len(sources.stars)} stars", flush=True)
    folder, rows, progress = Path(output.folder), [], runtime.Progress("field")
    folder.mkdir(parents=True)
    for number, field in enumerate(fields.itertuples(), 1):
        headers = {band: field_header(field.run, field.camcol, field.field, band) for band in BANDS}
        for band, made in render_field(sources.galaxies, sources.stars, headers, sky, seed).items():
            path = frame_path(folder, field.rerun, FrameKey(band, field.run, field.camcol, field.field))
            write_frame(path, made.image, headers[band], made.nmgy_per_count, made.sky_counts)
            rows.append([*(getattr(field, name) for name in FIELD_KEY), band, str(path), path.stat().st_size])
        progress(number, len(fields))
    frames = pd.DataFrame(rows, columns=FRAMES.names[:7]).assign(sha256="", status="ready", reason="")
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(frames.astype({"bytes": np.int64}), FRAMES, output.frames, metadata)
    contracts.write_table(listed_stars(sources.stars, population), STARS, output.stars, metadata)
    contracts.write_table(sources.galaxies, SKY_GALAXIES, output.galaxies_truth, metadata)
    contracts.write_table(sources.stars, SKY_STARS, output.stars_truth, metadata)
