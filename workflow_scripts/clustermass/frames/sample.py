"""Which clusters of the parent sample get images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.config.frames import ImageSample
from clustermass.cosmology import flat
from clustermass.frames.contracts import IMAGE_CLUSTERS


def draw_clusters(
    parents: pd.DataFrame, sample: ImageSample, jobs: int, pictures: int, cosmology: Cosmology, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the clusters that get images, dealt out to jobs: contract `IMAGE_CLUSTERS`.

    Clusters are drawn at random; where chance gives fewer strong labels than asked for, more of them take the places of
    weak ones. Jobs are patches of the sky, so that a frame that two clusters need is mostly read once.

    Parameters
    ----------
    parents : pandas.DataFrame
        The parent sample: id, group, ra, dec [deg], redshift, richness, and kind, strong or weak. Masses play no part,
        so that images are not made again where only masses change.
    sample : ImageSample
    jobs : int
    pictures : int
        Clusters whose mosaics are kept in full resolution: at equal steps along the order of richness, and
        among these every other one from the nearer and the farther half.
    cosmology : Cosmology
        Of the angle of a Mpc.
    rng : numpy.random.Generator
    """
    order = rng.permutation(len(parents))
    strong = (parents["kind"] == "strong").to_numpy()[order]
    number = len(order) if sample.clusters is None else min(sample.clusters, len(order))
    strong_number = max(int(strong[:number].sum()), min(sample.strong, int(strong.sum()), number))
    kept = np.concatenate([order[strong][:strong_number], order[~strong][: number - strong_number]])
    chosen = parents.iloc[kept[np.lexsort(_patches(parents.iloc[kept], jobs))]].reset_index(drop=True)
    distance = flat(cosmology).angular_diameter_distance(np.maximum(chosen["redshift"].to_numpy(float), 1e-4)).value
    table = chosen.assign(
        arcsec_per_mpc=np.degrees(1 / distance) * 3600,
        job=np.arange(len(chosen)) * jobs // max(len(chosen), 1),
        picture=False,
    )
    table.loc[_spread(table, pictures), "picture"] = True
    return table[IMAGE_CLUSTERS.names]


def with_masses(clusters: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return clusters with images and their labels' masses, log10_m500c [log10(Msun)].

    Parameters
    ----------
    clusters : pandas.DataFrame
        Contract `IMAGE_CLUSTERS`.
    labels : pandas.DataFrame
        Contract `clustermass.contracts.LABELS`.

    Raises
    ------
    ValueError
        A cluster has no label.
    """
    mass = clusters["id"].map(labels.set_index("cluster")["log10_m500c"])
    if mass.isna().any():
        raise ValueError(f"expected a label of every cluster, got none of {', '.join(clusters['id'][mass.isna()][:3])}")
    return clusters.assign(log10_m500c=mass)


def _patches(parents: pd.DataFrame, jobs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return keys to sort by, the first one last: rows of declination, in these right ascension."""
    rows = max(int(np.sqrt(jobs)), 1)
    rank = np.argsort(np.argsort(parents["dec"].to_numpy(), kind="stable"), kind="stable")
    return parents["dec"].to_numpy(), parents["ra"].to_numpy(), rank * rows // max(len(parents), 1)


def _spread(table: pd.DataFrame, number: int) -> np.ndarray:
    """Return rows spread over richness, near and far in turns."""
    by_richness, chosen = np.argsort(table["richness"].to_numpy(), kind="stable"), []
    for place, part in enumerate(np.array_split(by_richness, max(min(number, len(table)), 1))):
        far = np.argsort(table["redshift"].to_numpy()[part], kind="stable")
        chosen += list(part[far[(len(far) - 1) * (1 + 2 * (place % 2)) // 4 :][:1]])
    return np.array(chosen if number else [], int)
