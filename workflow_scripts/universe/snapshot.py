"""Bring the snapshot of a real simulation into the contracts of the embedded ones (rule universe_snapshot)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.snapshot import Snapshot
from clustermass.contracts import REJECTED
from clustermass.sources.simulations import read_snapshot
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

with runtime.logged(snakemake):
    tables = read_snapshot(Snapshot(**snakemake.params.stanza), snakemake.params.folder)
    print(tables.notes)
    galaxies = SNAPSHOT_GALAXIES.empty() if tables.galaxies is None else tables.galaxies
    metadata = {"provenance": provenance.record(snakemake), "notes": tables.notes}
    metadata |= {"box_mpc_h": snakemake.params.stanza["box_mpc_h"]}
    contracts.write_table(tables.halos, SNAPSHOT_HALOS, snakemake.output.halos, metadata)
    contracts.write_table(galaxies, SNAPSHOT_GALAXIES, snakemake.output.galaxies, metadata)
    contracts.write_table(tables.rejected, REJECTED, snakemake.output.rejected, metadata)
