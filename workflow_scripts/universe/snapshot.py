"""Bring the snapshot of a real simulation into the contracts of the embedded ones (rule universe_snapshot)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.snapshot import Snapshot
from clustermass.contracts import REJECTED
from clustermass.sources.simulations import MOCK_CLUSTERS, MOCK_GALAXIES, read_snapshot
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

with runtime.logged(snakemake):
    stanza = Snapshot(**snakemake.params.stanza)
    published_mock = stanza.format == "kodi_ramanah_mock"
    of_halos = MOCK_CLUSTERS if published_mock else SNAPSHOT_HALOS
    of_galaxies = MOCK_GALAXIES if published_mock else SNAPSHOT_GALAXIES
    tables = read_snapshot(stanza, snakemake.params.folder)
    print(tables.notes)
    galaxies = of_galaxies.empty() if tables.galaxies is None else tables.galaxies
    metadata = {"provenance": provenance.record(snakemake), "notes": tables.notes}
    metadata |= {"box_mpc_h": stanza.box_mpc_h}
    contracts.write_table(tables.halos, of_halos, snakemake.output.halos, metadata)
    contracts.write_table(galaxies, of_galaxies, snakemake.output.galaxies, metadata)
    contracts.write_table(tables.rejected, REJECTED, snakemake.output.rejected, metadata)
