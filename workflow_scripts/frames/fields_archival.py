"""List the fields of SDSS near clusters, local ones and those of the archive (rule frames_fields_archival)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.catalogues import Archive
from clustermass.config.frames import Frames
from clustermass.frames.contracts import FIELD_KEY, FIELDS, IMAGE_CLUSTERS
from clustermass.sources.patience import ArchiveUnavailable
from clustermass.sources.sas_fields import fetch_fields

with runtime.logged(snakemake):
    settings = Frames(**snakemake.config["frames"])  # only what changes the result is a parameter of the rule
    clusters = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS)
    local = contracts.read_table(snakemake.input.local, FIELDS)
    fields, metadata = local, {"provenance": provenance.record(snakemake)}
    if settings.download and len(clusters):
        try:
            listed = fetch_fields(clusters, settings, Archive(**snakemake.config["archive"]))
            fields = pd.concat([local, listed]).drop_duplicates(FIELD_KEY)
        except ArchiveUnavailable as error:
            metadata["archive"] = str(error)
            print(f"{error}\nOnly fields of local frames are known.")
    print(f"{len(fields)} fields, {len(local)} of them with local frames")
    contracts.write_table(fields, FIELDS, snakemake.output[0], metadata)
