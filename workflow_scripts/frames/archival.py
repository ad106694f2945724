"""Get the frames of one job's clusters, from local folders or from the archive (rule frames_archival)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.catalogues import Archive
from clustermass.config.frames import Frames
from clustermass.frames.contracts import BANDS, FIELD_KEY, FRAMES, NEEDED
from clustermass.sources.sas import fetch_frames

with runtime.logged(snakemake):
    settings = Frames(**snakemake.config["frames"])  # only what changes the result is a parameter of the rule
    needed = contracts.read_table(snakemake.input.needed, NEEDED)
    needed = needed[(needed["job"] == int(snakemake.wildcards.job)) & needed["in_image"]]
    wanted = needed[FIELD_KEY].drop_duplicates().merge(pd.DataFrame({"band": list(BANDS)}), how="cross")
    local = contracts.read_table(snakemake.input.local, FRAMES)
    known = wanted.merge(local, on=[*FIELD_KEY, "band"], how="left")
    ready = known["status"] == "ready"
    here, elsewhere = known[ready], known[~ready]
    print(f"{len(wanted)} frames: {len(here)} in local folders")
    if settings.download:
        fetched = fetch_frames(elsewhere[[*FIELD_KEY, "band"]], settings, Archive(**snakemake.config["archive"]))
    else:
        reason = "in no local folder, and frames.download is off"
        fetched = elsewhere.fillna({"path": "", "bytes": 0, "sha256": "", "status": "absent", "reason": reason})
    frames = pd.concat([here, fetched])[FRAMES.names].astype({"bytes": int})
    print(frames["status"].value_counts().to_string())
    contracts.write_table(frames, FRAMES, snakemake.output.frames, {"provenance": provenance.record(snakemake)})
