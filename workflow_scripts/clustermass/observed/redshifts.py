"""Which rows of a redshift survey can be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.config.observed import Observed
from clustermass.contracts import REJECTED
from clustermass.observed.contracts import REDSHIFTS
from clustermass.sky import unit_vectors
from clustermass.sources.lightcone_geometry import SPEED_OF_LIGHT

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def usable_redshifts(galaxies: pd.DataFrame, settings: Observed) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the galaxies whose redshift can be used, and the others with the reason.

    Parameters
    ----------
    galaxies : pandas.DataFrame
        Columns of `REDSHIFTS`, in the order of their file; any may be missing.
    settings : Observed
        Limits of velocities and of separations.

    Returns
    -------
    usable : pandas.DataFrame
        Contract `REDSHIFTS`.
    rejected : pandas.DataFrame
        Contract `REJECTED`; every row of `galaxies` stands in one of the two.
    """
    redshift = galaxies["redshift"].to_numpy(float)
    reasons = pd.DataFrame({"column": "", "reason": ""}, index=range(len(galaxies)))

    def reject(rows: Bools, column: str, reason: str) -> None:
        fresh = rows & (reasons["reason"] == "").to_numpy()
        reasons.loc[fresh, ["column", "reason"]] = [column, reason]

    for name, low, high in (("ra", 0, 360), ("dec", -90, 90)):
        values = galaxies[name].to_numpy(float)
        reject(~((values >= low) & (values <= high)), name, f"no position: expected {low} to {high} deg")
    reject(~np.isfinite(redshift), "redshift", "no redshift")
    star = SPEED_OF_LIGHT * redshift < settings.min_velocity_km_s
    reject(star, "redshift", f"a star or a neighbour: expected c z of at least {settings.min_velocity_km_s:g} km/s")
    reject(redshift > 20, "redshift", "no redshift: expected at most 20")
    reject((galaxies["id"].isna() | (galaxies["id"] == "")).to_numpy(bool), "id", "no id")
    left = np.flatnonzero((reasons["reason"] == "").to_numpy())
    error = galaxies["redshift_err"].to_numpy(float)[left]
    repeated = np.zeros(len(galaxies), bool)
    repeated[left[_repeated(galaxies.iloc[left], error, settings.duplicate_arcsec)]] = True
    limit = f"{settings.duplicate_arcsec:g} arcsec"
    reject(repeated, "ra", f"a second redshift within {limit}, or of the same id: that of the smaller error stays")
    bad = (reasons["reason"] != "").to_numpy()
    rows = np.flatnonzero(bad)
    held = [str(galaxies[column].iloc[row]) for row, column in zip(rows, reasons["column"][bad], strict=True)]
    names = galaxies["id"].fillna("").astype(str)[bad].to_numpy()
    columns = {"row": rows + 1, "id": names, "column": reasons["column"][bad], "value": held}
    rejected = pd.DataFrame(columns | {"reason": reasons["reason"][bad]})[REJECTED.names].reset_index(drop=True)
    kept = galaxies.loc[~bad, REDSHIFTS.names].reset_index(drop=True)
    kept["redshift_err"] = kept["redshift_err"].where(kept["redshift_err"] >= 0)
    return kept, rejected


def _repeated(galaxies: pd.DataFrame, error: NDArray[np.float64], arcsec: float) -> Ints:
    """Return the rows that are nearer than a limit to a better one that stays, or of its id."""
    place = unit_vectors(galaxies["ra"].to_numpy(float), galaxies["dec"].to_numpy(float))
    chord = 2 * np.sin(np.radians(arcsec / 3600) / 2)
    pairs = cKDTree(place).query_pairs(chord, output_type="ndarray") if len(place) else np.empty((0, 2), int)
    rank = np.empty(len(place), np.int64)
    rank[np.lexsort((np.arange(len(place)), np.where(np.isnan(error), np.inf, error)))] = np.arange(len(place))
    order = np.argsort(rank)
    gone = np.zeros(len(place), bool)
    gone[order] = galaxies["id"].iloc[order].duplicated().to_numpy()
    better, worse = np.where((rank[pairs[:, 0]] < rank[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1]).T
    for place_in_order in np.argsort(rank[better], kind="stable"):  # the best first: what has gone removes nobody
        if not gone[better[place_in_order]]:
            gone[worse[place_in_order]] = True
    return np.flatnonzero(gone)
