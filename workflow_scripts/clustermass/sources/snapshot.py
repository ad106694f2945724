"""Snapshots of simulations: halos and galaxies in one contract, whatever made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import pandas as pd

from clustermass.contracts import Column, Contract, read_table

_PHASE_SPACE = (
    Column("x", "float", "Mpc/h", "comoving position in the box", 0),
    Column("y", "float", "Mpc/h", "comoving position in the box", 0),
    Column("z", "float", "Mpc/h", "comoving position in the box", 0),
    Column("vx", "float", "km/s", "peculiar velocity", -1e4, 1e4),
    Column("vy", "float", "km/s", "peculiar velocity", -1e4, 1e4),
    Column("vz", "float", "km/s", "peculiar velocity", -1e4, 1e4),
)

SNAPSHOT_HALOS = Contract(
    "snapshot_halos",
    "host halos of one snapshot",
    (
        Column("halo", "int", "", "id in the snapshot", 0, unique=True),
        Column("group", "int", "", "object that splits keep together: the halo that it is in, or becomes, at last", 0),
        *_PHASE_SPACE,
        Column("m200c", "float", "Msun/h", "M200c", 1e9, 1e17),
        Column("r200c", "float", "Mpc/h", "R200c, comoving", 0),
        Column("concentration", "float", "", "R200c over the scale radius of an NFW profile", 1, 100, missing=True),
    ),
)
SNAPSHOT_GALAXIES = Contract(
    "snapshot_galaxies",
    "galaxies of one snapshot",
    (
        Column("galaxy", "int", "", "id in the snapshot", 0, unique=True),
        *_PHASE_SPACE,
        Column("halo", "int", "", "halo that it lives in; -1: a halo that is not in the table of halos", -1),
        Column("central", "bool", "", "whether it is the central galaxy of its halo"),
        Column("log10_mstar", "float", "log10(Msun/h)", "log10 of the stellar mass", 5, 14, missing=True),
        Column("abs_mag_r", "float", "mag", "M_r - 5 log10 h, AB, k-corrected to z = 0.1", -30, -5, missing=True),
        Column("m_acc", "float", "Msun/h", "mass of the subhalo at accretion", 0, missing=True),
    ),
)


def load_snapshots(
    paths: Sequence[str], boxes: Sequence[str], redshifts: Sequence[float], contract: Contract
) -> Callable[[str, float], pd.DataFrame]:
    """Return a function that reads the table of a box and a redshift.

    Parameters
    ----------
    paths : sequence of str
        One a box and redshift; all redshifts of the first box, then those of the next.
    contract : Contract
    """
    table_of = dict(zip(product(boxes, redshifts), paths, strict=True))
    return lambda box, redshift: read_table(table_of[box, redshift], contract)
