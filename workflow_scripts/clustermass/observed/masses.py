"""Masses of observed clusters, side by side: the network's with its posterior, the virial, the catalogue's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.observed import Observed, Sample
from clustermass.observed.contracts import DOMAIN, MASSES_OBSERVED
from clustermass.observed.domain import Domain, summarise
from clustermass.observed.phase_space import Windows
from clustermass.observed.virial import weigh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

POSTERIOR = ["log10_m200c", "log10_map", "low68", "high68", "low95", "high95"]
"""Columns of `MASSES_OBSERVED` that a posterior gives.

The mass is the median: limits of 68 % always hold it, as they would any point with less than 68 % on either side; the
maximum (`log10_map`) lies outside of limits with equal tails where a posterior is steep.
"""
Inference = Callable[[Floats, Floats, Floats, Ints], tuple[pd.DataFrame, Bools]]
"""Takes x, y [Mpc/h], v_los [km/s] and start of clusters; returns columns `POSTERIOR` and which are extrapolated."""


def network_masses(windows: Windows, scale: Floats, fewest: int, infer: Inference) -> tuple[pd.DataFrame, Bools]:
    """Return masses by a network, scaled back from the redshift that it was trained at.

    Parameters
    ----------
    windows : Windows
        Galaxies around the clusters.
    scale : array, shape (clusters,)
        What sizes are multiplied by before, and masses divided by after; see `phase_space.self_similar_scale`.
    fewest : int
        Clusters with fewer galaxies get no mass.
    infer : callable
        The network with its posterior, at the redshift that it was trained at.

    Returns
    -------
    posterior : pandas.DataFrame
        Columns `POSTERIOR`, log10 of M200c [Msun/h]; NaN where there are too few galaxies.
    extrapolated : array of bool
        Also where there is no posterior although there are galaxies enough.
    """
    counts = np.diff(windows.start)
    enough = counts >= fewest
    factor = np.repeat(scale, counts)
    kept = np.repeat(enough, counts)
    start = np.concatenate([[0], np.cumsum(counts[enough])]).astype(np.int64)
    frame = pd.DataFrame(np.nan, index=range(len(counts)), columns=POSTERIOR)
    extrapolated = np.zeros(len(counts), bool)
    if enough.any():
        seen = (windows.x * factor)[kept], (windows.y * factor)[kept], windows.v_los[kept]
        posterior, beyond = infer(*seen, start)
        frame.loc[enough, POSTERIOR] = posterior[POSTERIOR].to_numpy(float) - np.log10(scale[enough])[:, None]
        extrapolated[enough] = beyond | posterior["log10_m200c"].isna().to_numpy()
    return frame, extrapolated


def virial_masses(
    windows: Windows,
    redshift: Floats,
    aperture: Floats,
    settings: Observed,
    cosmology: Cosmology,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return virial masses of clusters with their errors: columns members to virial_high of `MASSES_OBSERVED`.

    Parameters
    ----------
    windows : Windows
    redshift, aperture : array, shape (clusters,)
        Of the clusters, and the largest radius their galaxies are known to [Mpc/h, proper].
    rng : numpy.random.Generator
        Each cluster draws from its own, so that one more changes no other.
    """
    rows = []
    for place, draws in enumerate(rng.spawn(len(redshift))):
        part = slice(windows.start[place], windows.start[place + 1])
        galaxies = windows.x[part], windows.y[part], windows.v_los[part]
        found = weigh(*galaxies, float(redshift[place]), float(aperture[place]), settings.virial, cosmology, draws)
        rows.append((int(found.member.sum()), found.sigma_v, found.log10_m200c, found.low, found.high))
    columns = ["members", "sigma_v", "log10_virial", "virial_low", "virial_high"]
    return pd.DataFrame(rows, columns=columns).astype({"members": "int64"})


def domain_table(clusters: pd.DataFrame, windows: Windows, aperture: float, domain: Domain) -> pd.DataFrame:
    """Return how far clusters (contract `CLUSTERS_OBSERVED`) are from the mock: contract `DOMAIN`.

    Parameters
    ----------
    aperture : float
        Half-side of the networks' window, in which the domain was built too [Mpc/h].
    """
    redshift, scale = clusters["redshift"].to_numpy(float), clusters["scale"].to_numpy(float)
    factor = np.repeat(scale, np.diff(windows.start))
    found = summarise(redshift, windows.x * factor, windows.y * factor, windows.v_los, windows.start, aperture)
    columns = {"distance": domain.distance(found), "percentile": domain.percentile(found)}
    return pd.DataFrame({"name": clusters["name"].to_numpy()} | columns).assign(farthest=domain.farthest(found))[
        DOMAIN.names
    ]


def masses_table(
    clusters: pd.DataFrame,
    posterior: pd.DataFrame,
    extrapolated: Bools,
    virial: pd.DataFrame,
    references: pd.DataFrame,
    domain: pd.DataFrame,
    sample: Sample,
    settings: Observed,
) -> pd.DataFrame:
    """Return all masses of observed clusters and what speaks against them: contract `MASSES_OBSERVED`.

    The mass to compare with is the first measured one in the order of `sample.centres`, else the first from richness;
    or the virial mass, as the sample says.

    Parameters
    ----------
    clusters : pandas.DataFrame
        Contract `CLUSTERS_OBSERVED`; the other tables but `references` are in its order.
    posterior, extrapolated
        As `network_masses` returns them.
    virial : pandas.DataFrame
        As `virial_masses`.
    references : pandas.DataFrame
        Contract `REFERENCES`.
    domain : pandas.DataFrame
        Contract `DOMAIN`.
    sample : Sample
    settings : Observed
    """
    frame = pd.concat(
        [clusters[["name", "ra", "dec", "redshift", "galaxies"]].reset_index(drop=True), posterior, virial], axis=1
    )
    if sample.comparison == "virial":
        frame["catalogue"] = np.where(frame["log10_virial"].notna(), "virial", "")
        frame["log10_reference"] = frame["log10_virial"]
        frame["reference_low"] = (frame["log10_virial"] - frame["virial_low"]).clip(lower=0)
        frame["reference_high"] = (frame["virial_high"] - frame["log10_virial"]).clip(lower=0)
    else:
        rank = {name: place for place, name in enumerate(sample.centres)}
        order = references.assign(rank=references["catalogue"].map(rank), weak=references["kind"] == "richness")
        best = order.sort_values(["weak", "rank"], kind="stable").drop_duplicates("name").set_index("name")
        for column, own in (
            ("catalogue", "catalogue"),
            ("log10_reference", "log10_m200c"),
            ("reference_low", "err_low"),
            ("reference_high", "err_high"),
        ):
            frame[column] = frame["name"].map(best[own])
        frame["catalogue"] = frame["catalogue"].astype(object).where(frame["catalogue"].notna(), "")
    frame["domain"] = domain["percentile"].to_numpy(float)
    frame["few"] = frame["galaxies"] < settings.min_galaxies
    frame["uncovered"] = (clusters["covered"] < sample.min_covered).to_numpy() | ~clusters["inside"].to_numpy(bool)
    frame["extrapolated"] = extrapolated
    frame["out_of_domain"] = frame["domain"] > settings.domain_percentile
    numbers = {column.name: float for column in MASSES_OBSERVED.columns if column.kind == "float"}
    return frame.astype(numbers)[MASSES_OBSERVED.names]
