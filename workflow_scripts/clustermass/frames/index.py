"""Frames in local folders: which there are, which fields they show, and which cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from numpy.typing import NDArray

from clustermass.frames.contracts import FIELD_KEY, FIELDS, FRAMES
from clustermass.frames.frame import FrameError, frame_wcs, name_key, read_frame_header
from clustermass.frames.geometry import BAND_OFFSETS, COLUMNS, RERUN, ROWS
from clustermass.sky import unit_vectors

_ONE_POINTING_ARCSEC = 60.0  # bands of a field are some arcsec apart


def index_folder(folder: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the fields and the frames of a folder and all folders in it, by the headers of the frames.

    Files are found by their names, `frame-<band>-<run>-<camcol>-<field>.fits` or the same with `.bz2`. Of a frame that
    is there more than once the first in order of names counts that can be read. Files are not read to their end:
    what is damaged further on shows when the frame is read.

    Returns
    -------
    fields : DataFrame
        As `FIELDS`; corners are those of the r frame, or of the band nearest to it in place.
    frames : DataFrame
        As `FRAMES`: ready, or damaged and why. Checksums are left empty.

    Raises
    ------
    NotADirectoryError
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder of frames")
    paths = sorted(path for path in folder.rglob("frame-*.fits*") if path.is_file() and name_key(path))
    if not paths:
        return FIELDS.empty(), FRAMES.empty()
    entries = [_entry(path) for path in paths]
    frames = pd.DataFrame([row for row, _ in entries])
    frames["distance"] = [float(np.hypot(*BAND_OFFSETS[band])) for band in frames["band"]]
    frames = frames.sort_values("status", ascending=False, kind="stable").drop_duplicates([*FIELD_KEY, "band"])
    ready = frames[frames["status"] == "ready"].sort_values([*FIELD_KEY, "distance"]).drop_duplicates(FIELD_KEY)
    corners = np.array([entries[row][1] for row in ready.index], float).reshape(-1, 4, 2)
    frames = _refuse_strays(frames, [corners for _, corners in entries])
    return field_table(ready[FIELD_KEY], corners), frames.sort_values("path")[FRAMES.names].reset_index(drop=True)


def _refuse_strays(frames: pd.DataFrame, corners: list[NDArray[np.float64] | None]) -> pd.DataFrame:
    """Return frames, those damaged that point elsewhere than the frame of their field that is nearest to r in place."""
    frames = frames.sort_values(["status", "distance"], ascending=[False, True], kind="stable")
    for _, bands in frames[frames["status"] == "ready"].groupby(FIELD_KEY, sort=False):
        places = np.array([corners[row] for row in bands.index])
        away = np.linalg.norm(unit_vectors(*places[:, 0].T) - unit_vectors(*places[:1, 0].T), axis=1)
        for row, angle in zip(bands.index, np.degrees(away) * 3600, strict=True):
            if angle > _ONE_POINTING_ARCSEC:
                reason = (
                    f"{bands['path'][row]}: expected the place of {bands['path'].iloc[0]}, got {angle:.0f} arcsec away"
                )
                frames.loc[row, ["status", "reason"]] = "damaged", reason
    return frames


def field_table(keys: pd.DataFrame, corners: NDArray[np.float64]) -> pd.DataFrame:
    """Return fields as `FIELDS`, from run, rerun, camcol and field, and from corners [deg] of shape (n, 4, 2)."""
    places = {f"{name}_{k}": corners[:, k, axis] for axis, name in enumerate(("ra", "dec")) for k in range(4)}
    return keys.reset_index(drop=True).assign(**places)[FIELDS.names]


def _entry(path: Path) -> tuple[dict[str, Any], NDArray[np.float64] | None]:
    """Return the row of a file and the corners of its image."""
    key = name_key(path)
    assert key is not None
    row = {"run": key.run, "rerun": RERUN, "camcol": key.camcol, "field": key.field, "band": key.band}
    row |= {"path": str(path), "bytes": path.stat().st_size, "sha256": "", "status": "ready", "reason": ""}
    try:
        header, _, row["rerun"] = read_frame_header(path)
        return row, _corners(header)
    except (FrameError, OSError) as error:
        return row | {"status": "damaged", "reason": str(error)}, None


def _corners(header: fits.Header) -> NDArray[np.float64]:
    """Return right ascension and declination [deg] of the outer corners of a frame, shape (4, 2), in order around."""
    corners = np.array([[0, 0], [COLUMNS, 0], [COLUMNS, ROWS], [0, ROWS]]) - 0.5
    places = np.asarray(frame_wcs(header).all_pix2world(corners, 0))
    places[:, 0] %= 360
    return places
