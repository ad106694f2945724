"""Observed masses beside those of their catalogues, as Fig. 10 of Kodi Ramanah et al. (2021) compares them."""

from __future__ import annotations

import pandas as pd

from clustermass.observed.abundance import contrast


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
