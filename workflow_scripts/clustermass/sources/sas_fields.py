"""Fields of SDSS near clusters, from the SQL server of SDSS."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from clustermass.config.catalogues import Archive
from clustermass.config.frames import Frames
from clustermass.frames.contracts import FIELD_KEY, FIELDS
from clustermass.frames.geometry import COLUMNS, PIXEL_ARCSEC, ROWS, sky_position
from clustermass.frames.index import field_table
from clustermass.sources.patience import ArchiveAnswerError, Sleep
from clustermass.sources.skyserver import Tile, sky_tiles
from clustermass.sources.sql import SqlServer, fetch_answers

_COLUMNS = (*FIELD_KEY, "a", "b", "c", "d", "e", "f", "node", "incl")
_TILE_DEG = 10.0
_MOST_ROWS = 400_000
_REACH_DEG = 0.15  # from the centre of a field to its corners
_ADVICE = "Frames in a local folder (frames.folders) need no download"


def field_query(tile: Tile, settings: Frames) -> str:
    """Return the SQL that asks for the fields with their centre in one tile, with their astrometry in r.

    Table Frame holds every field once for every scale of its pictures; zoom 0 is the scale of the frames.
    """
    left, right, low, high = tile
    up_to = "<=" if high >= 90 else "<"
    return (
        f"SELECT {', '.join(_COLUMNS)} FROM Frame WHERE zoom = 0 AND rerun = {int(settings.rerun)} "
        f"AND ra >= {left:.6f} AND ra < {right:.6f} AND dec >= {low:.6f} AND dec {up_to} {high:.6f}"
    )


def fetch_fields(
    clusters: pd.DataFrame, settings: Frames, archive: Archive, *, sleep: Sleep = time.sleep
) -> pd.DataFrame:
    """Return the fields of SDSS near clusters, from the cache or from the server.

    The sky is asked for in tiles of about 100 square degrees, those that the squares searched around clusters reach
    into; tiles are the same for all samples, so that a later sample finds answers in the cache.

    Parameters
    ----------
    clusters : DataFrame
        As `IMAGE_CLUSTERS`; used are ra, dec and arcsec_per_mpc.
    settings : Frames
        Server, release, rerun, and side of the square searched.
    archive : Archive

    Returns
    -------
    DataFrame
        As `FIELDS`.

    Raises
    ------
    ArchiveUnavailable
        After all attempts.
    ArchiveAnswerError
        An answer came that is not the table asked for, or is no list of fields of SDSS.
    """
    ra, dec, scale = (clusters[name].to_numpy(float) for name in ("ra", "dec", "arcsec_per_mpc"))
    reach = settings.search_mpc * scale / 3600 / np.sqrt(2) + _REACH_DEG
    queries = [field_query(tile, settings) for tile in near_tiles(ra, dec, reach)]
    server = SqlServer(
        settings.skyserver, settings.release, _COLUMNS, _MOST_ROWS, "that many fields do not exist", _ADVICE
    )
    answers, _ = fetch_answers(queries, server, archive, sleep=sleep)
    full = [_fields(answer, settings) for answer in answers if len(answer)]
    fields = pd.concat(full or [FIELDS.empty()], ignore_index=True)
    return fields.drop_duplicates(FIELD_KEY).reset_index(drop=True)


def near_tiles(ra: NDArray[np.float64], dec: NDArray[np.float64], reach_deg: ArrayLike) -> list[Tile]:
    """Return the tiles of the sky that circles of some radii [deg] around positions [deg] reach into."""
    reach = np.broadcast_to(np.asarray(reach_deg, float), ra.shape)
    highest = np.radians(np.minimum(np.abs(dec), 90))
    spread = np.sin(np.radians(np.minimum(reach, 90))) / np.maximum(np.cos(highest), 1e-12)
    pole = (np.abs(dec) + reach >= 90) | (spread >= 1)
    width = np.where(pole, 360.0, np.degrees(np.arcsin(np.minimum(spread, 1))))
    near = []
    for tile in sky_tiles((0.0, 360.0), (-90.0, 90.0), _TILE_DEG):
        left, right, low, high = tile
        beside = np.abs((ra - (left + right) / 2 + 180) % 360 - 180) - (right - left) / 2
        if np.any((beside <= width) & (dec + reach >= low) & (dec - reach <= high)):
            near.append(tile)
    return near


def _fields(answer: Table, settings: Frames) -> pd.DataFrame:
    """Return fields with the corners that their astrometry gives.

    mu = a + b row + c column and nu = d + e row + f column [deg] in great-circle coordinates; rows and columns count
    from the outer corner of the first pixel.

    Raises
    ------
    ArchiveAnswerError
        The pixels of a field are not those of SDSS' frames.
    """
    values = {name: np.asarray(answer[name], float)[:, None] for name in _COLUMNS if name not in FIELD_KEY}
    nu = np.radians(values["d"])
    sizes = np.hypot(values["b"] * np.cos(nu), values["e"]), np.hypot(values["c"] * np.cos(nu), values["f"])
    wrong = np.any([~(np.abs(size * 3600 / PIXEL_ARCSEC - 1) < 0.02) for size in sizes], axis=0)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ArchiveAnswerError(
            f"SkyServer DR{settings.release} at {settings.skyserver}: expected fields with pixels of {PIXEL_ARCSEC}"
            f" arcsec, got {', '.join(f'{3600 * size[first, 0]:.4g}' for size in sizes)} arcsec along rows and columns"
        )
    row, column = np.array([0, 0, ROWS, ROWS]), np.array([0, COLUMNS, COLUMNS, 0])
    mu = values["a"] + values["b"] * row + values["c"] * column
    off = values["d"] + values["e"] * row + values["f"] * column
    ra, dec = sky_position(mu, off, values["incl"], values["node"])
    keys = pd.DataFrame({name: np.asarray(answer[name], np.int64) for name in FIELD_KEY})
    keys["rerun"] = [str(number) for number in keys["rerun"]]
    return field_table(keys, np.stack([ra, dec], axis=2))
