"""Member galaxies of the clusters that have images, as the parent sample lists them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.table import Table

from clustermass.contracts import Column, Contract

IMAGE_MEMBERS = Contract(
    "image_members",
    "galaxies that the parent sample lists as members of clusters that have images",
    (
        Column("cluster", "text", "", "name of the cluster"),
        Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination, ICRS", -90, 90),
        Column("probability", "float", "", "of being a member", 0, 1),
    ),
)


def image_members(clusters: pd.DataFrame, catalogue: Table, members: Table) -> pd.DataFrame:
    """Return the members of clusters that have images: contract `IMAGE_MEMBERS`.

    Parameters
    ----------
    clusters : pandas.DataFrame
        Contract `IMAGE_CLUSTERS`.
    catalogue : astropy.table.Table
        redMaPPer's clusters, or what simulates them: columns ID and NAME.
    members : astropy.table.Table
        redMaPPer's members, or what simulates them: columns ID (of the cluster), RA, DEC [deg] and P.
    """
    wanted = set(clusters["id"])
    names = (str(name).strip() for name in np.asarray(catalogue["NAME"]).astype(str))
    numbers = np.asarray(catalogue["ID"]).astype(np.int64).tolist()
    name_of = {number: name for number, name in zip(numbers, names, strict=True) if name in wanted}
    ids = np.asarray(members["ID"]).astype(np.int64)
    listed = np.isin(ids, list(name_of))
    columns = {"ra": "RA", "dec": "DEC", "probability": "P"}
    numbers_of = {new: np.asarray(members[old], np.float64)[listed] for new, old in columns.items()}
    return pd.DataFrame(
        {"cluster": pd.Series([name_of[each] for each in ids[listed].tolist()], dtype=object), **numbers_of}
    )
