"""List the frames of local folders (rule frames_index)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.frames.contracts import FIELD_KEY, FIELDS, FRAMES
from clustermass.frames.index import index_folder

with runtime.logged(snakemake):
    found = [index_folder(folder) for folder in snakemake.params.folders]
    fields = pd.concat([FIELDS.empty(), *(fields for fields, _ in found)]).drop_duplicates(FIELD_KEY)
    frames = pd.concat([FRAMES.empty(), *(frames for _, frames in found)]).drop_duplicates([*FIELD_KEY, "band"])
    print(f"{len(frames)} frames of {len(fields)} fields in {len(found)} folders")
    for row in frames[frames["status"] != "ready"].itertuples():
        print(f"{row.path}: {row.reason}")
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(fields, FIELDS, snakemake.output.fields, metadata)
    contracts.write_table(frames, FRAMES, snakemake.output.frames, metadata)
