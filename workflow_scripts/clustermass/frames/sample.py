"""Which clusters of the parent sample get images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.config.frames import ImageSample
from clustermass.cosmology import flat
from clustermass.frames.contracts import IMAGE_CLUSTERS


def draw_clusters(
    labels: pd.DataFrame, sample: ImageSample, jobs: int, pictures: int, cosmology: Cosmology, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the clusters that get images, dealt out to jobs: contract `IMAGE_CLUSTERS`.

    Clusters are drawn at random; where chance gives fewer strong labels than asked for, more of them take the places of
    weak ones. Jobs are patches of the sky, so that a frame that two clusters need is mostly read once.

    Parameters
    ----------
    labels : pandas.DataFrame
        Contract `clustermass.contracts.LABELS`.
    sample : ImageSample
    jobs : int
    pictures : int
        Clusters whose mosaics are kept in full resolution: at equal steps along the order of mass, and among these
        every other one from the nearer and the farther half.
    cosmology : Cosmology
        Of the angle of a Mpc.
    rng : numpy.random.Generator
    """
    order = rng.permutation(len(labels))
    strong = (labels["label"] == "strong").to_numpy()[order]
    number = len(order) if sample.clusters is None else min(sample.clusters, len(order))
    strong_number = max(int(strong[:number].sum()), min(sample.strong, int(strong.sum()), number))
    kept = np.concatenate([order[strong][:strong_number], order[~strong][: number - strong_number]])
    chosen = labels.iloc[kept[np.lexsort(_patches(labels.iloc[kept], jobs))]].reset_index(drop=True)
    distance = flat(cosmology).angular_diameter_distance(np.maximum(chosen["redshift"].to_numpy(float), 1e-4)).value
    columns = {"id": "cluster", "kind": "label"}
    table = chosen.rename(columns={old: new for new, old in columns.items()}).assign(
        arcsec_per_mpc=np.degrees(1 / distance) * 3600,
        job=np.arange(len(chosen)) * jobs // max(len(chosen), 1),
        picture=False,
    )
    table.loc[_spread(table, pictures), "picture"] = True
    return table[IMAGE_CLUSTERS.names]


def _patches(labels: pd.DataFrame, jobs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return keys to sort by, the first one last: rows of declination, in these right ascension."""
    rows = max(int(np.sqrt(jobs)), 1)
    rank = np.argsort(np.argsort(labels["dec"].to_numpy(), kind="stable"), kind="stable")
    return labels["dec"].to_numpy(), labels["ra"].to_numpy(), rank * rows // max(len(labels), 1)


def _spread(table: pd.DataFrame, number: int) -> np.ndarray:
    """Return rows spread over masses, near and far in turns."""
    by_mass, chosen = np.argsort(table["log10_m500c"].to_numpy(), kind="stable"), []
    for place, part in enumerate(np.array_split(by_mass, max(min(number, len(table)), 1))):
        far = np.argsort(table["redshift"].to_numpy()[part], kind="stable")
        chosen += list(part[far[(len(far) - 1) * (1 + 2 * (place % 2)) // 4 :][:1]])
    return np.array(chosen if number else [], int)
