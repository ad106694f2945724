"""Which fields clusters need, and what it takes to turn them into mosaics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.frames.contracts import BANDS, FIELD_KEY, NEEDED
from clustermass.frames.geometry import BAND_MARGIN_ARCSEC
from clustermass.sky import mean_position, unit_vectors

Floats = NDArray[np.float64]

_WIDEST_DEG = 20.0


def touching(fields: pd.DataFrame, clusters: pd.DataFrame, search_mpc: float, image_mpc: float) -> pd.DataFrame:
    """Return which fields touch the squares around clusters.

    Squares lie in the tangent plane at the cluster, north up. Borders of frames in a tangent plane are great circles,
    which any other tangent plane shows as straight lines: that a field touches a square is a question of two
    convex polygons, answered exactly by the separating lines. As other bands of a field are displaced against r,
    by up to 11 px in real frames, squares are larger by one and a half times that.

    Parameters
    ----------
    fields : DataFrame
        As `FIELDS`.
    clusters : DataFrame
        As `IMAGE_CLUSTERS`; used are id, ra, dec, arcsec_per_mpc and job.
    search_mpc, image_mpc : float
        Sides of the square searched and of the largest image [Mpc].

    Returns
    -------
    DataFrame
        As `NEEDED`, in order of clusters and fields.

    Raises
    ------
    ValueError
        A square that is no part of the sky to be imaged: wider than 40 deg.
    """
    largest = max(search_mpc, image_mpc)
    half = np.radians((largest * clusters["arcsec_per_mpc"].to_numpy() / 2 + BAND_MARGIN_ARCSEC) / 3600)
    if len(half) and not half.max() < np.radians(_WIDEST_DEG):
        worst = clusters.iloc[int(np.argmax(half))]
        raise ValueError(
            f"cluster {worst['id']}: expected a square narrower than {2 * _WIDEST_DEG:g} deg, got {largest:g} Mpc at"
            f" {worst['arcsec_per_mpc']:g} arcsec/Mpc"
        )
    if not len(fields) or not len(clusters):
        return NEEDED.empty()
    ra, dec = (fields[[f"{name}_{k}" for k in range(4)]].to_numpy() for name in ("ra", "dec"))
    corners = unit_vectors(ra.ravel(), dec.ravel()).reshape(-1, 4, 3)
    centre = clusters[["ra", "dec"]].to_numpy()
    cluster, field = _pairs(corners, unit_vectors(centre[:, 0], centre[:, 1]), np.arctan(np.sqrt(2) * half))
    x, y = _project(corners[field], centre[cluster])
    touch = _touch(x, y, half[cluster])
    cluster, field, x, y = cluster[touch], field[touch], x[touch], y[touch]
    scale = clusters["arcsec_per_mpc"].to_numpy()[cluster]
    inside = _touch(x, y, np.radians((image_mpc * scale / 2 + BAND_MARGIN_ARCSEC) / 3600))
    needed = fields[FIELD_KEY].iloc[field].reset_index(drop=True)
    needed["cluster"] = clusters["id"].to_numpy()[cluster]
    needed["job"] = clusters["job"].to_numpy()[cluster]
    needed["in_image"] = inside
    return needed[NEEDED.names]


def field_centres(fields: pd.DataFrame, needed: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return right ascension and declination [deg] of the middles of fields that touch images, each once.

    Parameters
    ----------
    fields, needed : DataFrame
        As `FIELDS` and `NEEDED`.
    """
    used = fields.merge(needed.loc[needed["in_image"], FIELD_KEY].drop_duplicates(), on=FIELD_KEY)
    return mean_position(*(used[[f"{axis}_{k}" for k in range(4)]].to_numpy(float) for axis in ("ra", "dec")))


def _pairs(corners: Floats, centres: Floats, reach: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return clusters and fields that may touch, by circles around both, in order.

    Parameters
    ----------
    corners : array, shape (n, 4, 3)
    centres : array, shape (m, 3)
    reach : array, shape (m,)
        Radius around a cluster [rad].
    """
    middle = corners.mean(axis=1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    size = 2 * np.arcsin(np.linalg.norm(corners - middle[:, None], axis=2).max() / 2)
    chord = 2 * np.sin(np.minimum(reach + size, np.pi) / 2) * (1 + 1e-9)
    near = cKDTree(middle).query_ball_point(centres, chord, return_sorted=True)
    counts = np.fromiter(map(len, near), np.int64, len(near))
    return np.repeat(np.arange(len(near)), counts), np.concatenate(near).astype(np.int64)


def _project(corners: Floats, centre: Floats) -> tuple[Floats, Floats]:
    """Return corners in the tangent planes at centres, east and north [rad]: shapes (n, 4)."""
    a, d = np.radians(centre[:, 0]), np.radians(centre[:, 1])
    zero = np.zeros_like(a)
    axes = np.stack(
        [
            np.stack([-np.sin(a), np.cos(a), zero], axis=1),
            np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=1),
            unit_vectors(centre[:, 0], centre[:, 1]),
        ],
        axis=2,
    )
    plane = corners @ axes
    return plane[..., 0] / plane[..., 2], plane[..., 1] / plane[..., 2]


def _touch(x: Floats, y: Floats, half: Floats) -> NDArray[np.bool_]:
    """Return which convex quadrilaterals touch squares around the origin: no line along a side of either parts them.

    Parameters
    ----------
    x, y : array, shape (n, 4)
        Corners in order around.
    half : array, shape (n,)
        Half the side of the squares.
    """
    touch = (x.min(1) <= half) & (x.max(1) >= -half) & (y.min(1) <= half) & (y.max(1) >= -half)
    for k in range(4):
        normal = y[:, k] - y[:, (k + 1) % 4], x[:, (k + 1) % 4] - x[:, k]
        along = normal[0][:, None] * x + normal[1][:, None] * y
        reach = half * (np.abs(normal[0]) + np.abs(normal[1]))
        touch &= (along.min(1) <= reach) & (along.max(1) >= -reach)
    return np.asarray(touch)


@dataclass(frozen=True)
class Costs:
    """What frames and mosaics cost: times of one x86-64 core, of 300 simulated clusters and of four real fields.

    Attributes
    ----------
    archive_bytes, plain_bytes : float
        A frame as the archive keeps it, and uncompressed.
    decode_s : float
        Reading a compressed frame [s].
    render_s : float
        Making a simulated frame [s], its share of the field's five.
    resample_s : float
        Resampling the part of a frame that a mosaic needs, and its share of the median [s].
    """

    archive_bytes: float = 3.3e6
    plain_bytes: float = 12.6e6
    decode_s: float = 0.3
    render_s: float = 0.07
    resample_s: float = 0.02


def estimate(needed: pd.DataFrame, clusters: pd.DataFrame, costs: Costs | None = None) -> pd.DataFrame:
    """Return what it takes to make mosaics of all clusters, of frames that touch the largest image.

    Parameters
    ----------
    needed : DataFrame
        As `NEEDED`. A frame that several jobs need is fetched once; it is read, or made, in each.
    clusters : DataFrame
        As `IMAGE_CLUSTERS`; used are id and job.
    costs : Costs, optional

    Returns
    -------
    DataFrame
        Columns what, value, unit. Fetching and reading concern frames of the archive, making and files simulated ones.
    """
    costs = costs or Costs()
    bands = len(BANDS)
    used = needed[needed["in_image"]]
    fields = len(used[FIELD_KEY].drop_duplicates())
    by_job = used[["job", *FIELD_KEY]].drop_duplicates()["job"].value_counts()
    read, fullest = bands * int(by_job.sum()), bands * int(by_job.max()) if len(by_job) else 0
    resampled = bands * len(used) * costs.resample_s
    rows = [
        ("clusters", len(clusters), ""),
        ("clusters without a field", int((~clusters["id"].isin(used["cluster"])).sum()), ""),
        ("fields that touch the square searched", len(needed[FIELD_KEY].drop_duplicates()), ""),
        ("fields that touch images", fields, ""),
        ("frames of them", bands * fields, ""),
        ("frames read or made in all jobs", read, ""),
        ("frames read or made in the fullest job", fullest, ""),
        ("archive: all frames", bands * fields * costs.archive_bytes / 1e9, "GB"),
        ("archive: reading and mosaics", (read * costs.decode_s + resampled) / 3600, "CPU h"),
        ("simulated: files of the fullest job", fullest * costs.plain_bytes / 1e9, "GB"),
        ("simulated: making and mosaics", (read * costs.render_s + resampled) / 3600, "CPU h"),
    ]
    return pd.DataFrame([(what, float(value), unit) for what, value, unit in rows], columns=["what", "value", "unit"])
