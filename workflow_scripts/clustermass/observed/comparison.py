"""Observed masses beside those of their catalogues, as Fig. 10 of Kodi Ramanah et al. (2021) compares them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clustermass.checks import paired_changes
from clustermass.observed.abundance import contrast

VIRIAL = "virial"


def reference_name(catalogue: pd.Series) -> str:
    """Return what masses are compared with: 'virial', which is from the same galaxies, 'catalogue', or both.

    Parameters
    ----------
    catalogue : pandas.Series
        That of `MASSES_OBSERVED`; missing ones do not count.
    """
    virial = catalogue[catalogue.fillna("") != ""] == VIRIAL
    names = {"catalogue": (~virial).any() or not len(virial), "virial": virial.any()}
    return " or ".join(name for name, there in names.items() if there)


def compared(masses: pd.DataFrame) -> pd.DataFrame:
    """Return the clusters that have both masses, with errors, contrast, and whether anything speaks against them.

    Parameters
    ----------
    masses : pandas.DataFrame
        Contract `MASSES_OBSERVED`.

    Returns
    -------
    pandas.DataFrame
        Its columns, and error, reference_error [dex]: those on the side of the other mass; contrast; sound: not
        flagged.

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), section 5. Errors may be asymmetrical: the side towards the other mass counts.
    """
    frame = masses[masses["log10_m200c"].notna() & masses["log10_reference"].notna()].reset_index(drop=True)
    above = frame["log10_m200c"] > frame["log10_reference"]
    lower, upper = frame["log10_m200c"] - frame["low68"], frame["high68"] - frame["log10_m200c"]
    frame["error"] = lower.where(above, upper).clip(lower=0)
    frame["reference_error"] = frame["reference_high"].where(above, frame["reference_low"])
    columns = [frame[name].to_numpy(float) for name in ("log10_m200c", "error", "log10_reference", "reference_error")]
    frame["contrast"] = contrast(*columns)
    frame["sound"] = ~frame[["few", "uncovered", "extrapolated", "out_of_domain"]].any(axis=1)
    return frame


def contrast_moments(frame: pd.DataFrame, draws: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return mean and standard deviation of the contrast, of all clusters and of those that nothing speaks against.

    Parameters
    ----------
    frame : pandas.DataFrame
        As `compared` returns it.
    draws : int
        Bootstrap draws of clusters.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Columns clusters_of (all, unflagged), statistic (mean, sigma), value, low, high (16th and 84th percentile of the
        bootstrap), clusters; only of those with two contrasts or more.
    """
    known = frame[frame["contrast"].notna()]
    parts = []
    for name, part in {"unflagged": known[known["sound"]], "all": known}.items():
        if len(part) > 1:
            alone = {name: part["contrast"].to_numpy(float)}
            parts.append(paired_changes(alone, name, part["name"].to_numpy(str), draws, rng))
    columns = ["clusters_of", "statistic", "value", "low", "high", "clusters"]
    return (
        pd.concat(parts).rename(columns={"check": "clusters_of"})[columns] if parts else pd.DataFrame(columns=columns)
    )
