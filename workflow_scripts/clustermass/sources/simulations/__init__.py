"""Read snapshots as their archives publish them, in the contracts of `clustermass.sources.snapshot`.

A box of MDPL2 has 1e8 rows. Files are read in chunks (CSV: blocks of a stream; arrays: slices of a memory map), only in
the columns that are used, and the cuts of the configuration are applied to every chunk by itself. Memory: some tens of
chunks (below 1 GB), the rows that pass the cuts, and 16 bytes for every subhalo of the file (its id and its host:
chains of subhalos are climbed through rows that are cut). Every row is kept, rejected (recorded) or cut (counted).

Sources of columns and units: cosmosim.org, documentation, tables "Rockstar" and "SAG" (Msun/h, comoving Mpc/h, Rs in
kpc/h, km/s); UniverseMachine's loader.py and its C reader (halo masses Msun/h, stellar masses Msun, flag 16: ignore);
make_mocks.py of Ho et al. (2019); gen_KDE_mock.py and gen_contamination.py of Kodi Ramanah et al. (2021).
"""

from clustermass.sources.simulations.files import CHUNK_ROWS
from clustermass.sources.simulations.formats import (
    read_rockstar_csv,
    read_sag_csv,
    read_snapshot,
    read_universe_machine,
)
from clustermass.sources.simulations.mock import MOCK_CLUSTERS, MOCK_GALAXIES, read_kodi_ramanah_mock
from clustermass.sources.simulations.sieve import SnapshotTables

__all__ = [
    "CHUNK_ROWS",
    "MOCK_CLUSTERS",
    "MOCK_GALAXIES",
    "SnapshotTables",
    "read_kodi_ramanah_mock",
    "read_rockstar_csv",
    "read_sag_csv",
    "read_snapshot",
    "read_universe_machine",
]
