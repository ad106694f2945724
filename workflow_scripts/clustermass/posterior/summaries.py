"""What posteriors say, one row a cluster."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from clustermass.posterior.contracts import POSTERIOR_SUMMARIES
from clustermass.posterior.grid import (
    SIGMAS,
    Floats,
    Posteriors,
    highest_density_level,
    limits,
    maximum,
    mean,
    quantiles,
    volume_below,
)
from clustermass.posterior.joint import Slices


def summarise(posteriors: Posteriors, kind: Literal["equal_tailed", "shortest"]) -> pd.DataFrame:
    """Return maximum, mean, median and limits of posteriors: columns map to high95 of `POSTERIOR_SUMMARIES`."""
    columns = {"map": maximum(posteriors), "mean": mean(posteriors)}
    columns["median"] = quantiles(posteriors, np.array([0.5]))[:, 0]
    for name, volume in SIGMAS.items():
        columns[f"low{name}"], columns[f"high{name}"] = limits(posteriors, volume, kind).T
    return pd.DataFrame(columns)


def standing(posteriors: Posteriors, log10_mass: Floats) -> pd.DataFrame:
    """Return where true masses (n,) stand in their posteriors: columns pit and hpd_level."""
    here = log10_mass[:, None]
    pit, level = volume_below(posteriors, here), highest_density_level(posteriors, here)
    return pd.DataFrame({"pit": pit[:, 0], "hpd_level": level[:, 0]})


def unsupported(posteriors: Posteriors) -> Slices:
    """Return posteriors that rest on no pairs, such as those of a flow on a network's inputs, as slices.

    Those that are missing count as extrapolated.
    """
    nothing = np.full(len(posteriors.density), np.nan)
    return Slices(posteriors, nothing, nothing, ~np.isfinite(posteriors.density[:, 0]))


def summary_table(predictions: pd.DataFrame, slices: Slices, kind: Literal["equal_tailed", "shortest"]) -> pd.DataFrame:
    """Return the posteriors of predicted clusters: contract `POSTERIOR_SUMMARIES`.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `PREDICTIONS`, n rows.
    slices : Slices
        Posteriors of the same clusters.
    kind : {'equal_tailed', 'shortest'}
        Of the limits.
    """
    known = predictions[["cluster", "group", "log10_m200c", "log10_predicted"]].reset_index(drop=True)
    truth = predictions["log10_m200c"].to_numpy(np.float64)
    behind = pd.DataFrame(slices._asdict() | {"posteriors": 0}).drop(columns="posteriors")
    parts = [known, summarise(slices.posteriors, kind), standing(slices.posteriors, truth), behind]
    return POSTERIOR_SUMMARIES.validate(pd.concat(parts, axis=1)[POSTERIOR_SUMMARIES.names], "posteriors")
