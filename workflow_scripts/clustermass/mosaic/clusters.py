"""Mosaics of many clusters: every frame is read once, and kept as long as a cluster still needs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from clustermass.config.frames import Mosaics
from clustermass.frames.contracts import BANDS, FIELD_KEY
from clustermass.frames.frame import Frame, FrameError
from clustermass.mosaic.coadd import coadd
from clustermass.mosaic.errors import MosaicError
from clustermass.mosaic.grid import Grid, square_grid

Images = NDArray[np.float32]
MAX_POINTING_ARCSEC = 60.0  # bands of one field of SDSS are a few arcsec apart; more than this is another place, ours


class ClusterMosaic(NamedTuple):
    """Mosaics of one cluster.

    Attributes
    ----------
    cluster : str
    grid : Grid
    images : array of float32, shape (5, ny, nx)
        Surface brightness in ugriz [nanomaggy/arcsec2], NaN where no frame is; empty where the cluster is set aside.
    bands : pandas.DataFrame
        Contract `MOSAICS`.
    """

    cluster: str
    grid: Grid
    images: Images
    bands: pd.DataFrame


def mosaic_clusters(
    clusters: pd.DataFrame, needed: pd.DataFrame, frames: pd.DataFrame, read: Callable[[str], Frame], settings: Mosaics
) -> Iterator[ClusterMosaic]:
    """Yield the mosaics of clusters, one by one; frames that do not touch the image are not read.

    Parameters
    ----------
    clusters, needed, frames : pandas.DataFrame
        Contracts `IMAGE_CLUSTERS`, `NEEDED` and `FRAMES`, of one job.
    read : callable
        Returns the frame of a path, or raises `FrameError`; called once a path.
    settings : Mosaics

    Notes
    -----
    Source: Lin et al. (2022), section 2.1. The mosaic covers the largest cutout only: what lies outside is cut off.
    """
    touching = needed[needed["in_image"]].merge(frames, on=FIELD_KEY, how="inner")
    store = _Store(touching, read)
    by_cluster = {str(name): part for name, part in touching.groupby("cluster", sort=False)}
    side = max(cutout.side_mpc for cutout in settings.cutouts.values())
    places = clusters[["ra", "dec", "arcsec_per_mpc"]].to_numpy(float)
    for name, (ra, dec, scale) in zip(clusters["id"], places, strict=True):
        grid = square_grid(ra, dec, side * scale, settings.pixel_arcsec)
        yield _mosaic(name, grid, by_cluster.get(name, touching.iloc[:0]), store, settings)


@dataclass
class _Store:
    """Frames in memory, how often each is still needed, and what was wrong with those that could not be read."""

    touching: pd.DataFrame
    read: Callable[[str], Frame]

    def __post_init__(self) -> None:
        self.left = Counter(self.touching["path"])
        self.held: dict[str, Frame] = {}
        self.faults: dict[str, str] = {}

    def take(self, path: str) -> Frame | None:
        """Return a frame, or None where it cannot be read; it is forgotten after the last one who needs it."""
        if path not in self.held and path not in self.faults:
            try:
                self.held[path] = self.read(path)
            except (FrameError, OSError) as error:
                self.faults[path] = str(error)
        self.left[path] -= 1
        return self.held.get(path) if self.left[path] else self.held.pop(path, None)


def _mosaic(cluster: str, grid: Grid, touching: pd.DataFrame, store: _Store, settings: Mosaics) -> ClusterMosaic:
    """Return the mosaics of one cluster, or why it is set aside."""
    missing: Any = touching[touching["status"] != "ready"]
    faults = [f"{_name(row)}: {row.reason or row.status}" for row in missing.itertuples()]
    ready = touching[touching["status"] == "ready"]
    taken = {str(band): [store.take(path) for path in part["path"]] for band, part in ready.groupby("band", sort=False)}
    faults += [store.faults[path] for path in ready["path"].astype(str) if path in store.faults]
    whole = {band: [frame for frame in part if frame is not None] for band, part in taken.items()}
    faults += _apart(whole)
    images, rows = np.full((len(BANDS), grid.ny, grid.nx), np.nan, np.float32), []
    for place, band in enumerate(BANDS):
        parts, depth = whole.get(band, []), np.zeros((grid.ny, grid.nx), np.int16)
        if parts:
            try:
                made = coadd([f.image for f in parts], [f.wcs for f in parts], grid, settings.engine)
            except MosaicError as error:
                faults.append(f"band {band}: {error}")
            else:
                images[place], depth = made.image / np.float32(grid.pixel_arcsec**2), made.depth
        rows.append({"cluster": cluster, "band": band, "frames": len(parts), **_quality(images[place], depth)})
    bands = pd.DataFrame(rows).assign(reason="")
    if (bands["coverage"] < settings.min_coverage).any():
        worst = int(bands["coverage"].to_numpy().argmin())
        got = bands["coverage"].iloc[worst]
        story = [f"coverage in band {BANDS[worst]}: expected {settings.min_coverage:g}, got {got:.3f}"]
        bands["reason"] = "; ".join(story + faults[:3])
        images = images[:, :0, :0]
    elif faults:
        print(f"{cluster}: made without {len(faults)} frames, the first: {faults[0]}")
    return ClusterMosaic(cluster, grid, images, bands)


def _apart(frames: dict[str, list[Frame]]) -> list[str]:
    """Take frames out that lie elsewhere than the other bands of their field, and return what was wrong."""
    centres: dict[tuple[Any, ...], dict[str, tuple[float, float]]] = {}
    for band, part in frames.items():
        for frame in part:
            ra, dec = frame.wcs.all_pix2world((frame.image.shape[1] - 1) / 2, (frame.image.shape[0] - 1) / 2, 0)
            centres.setdefault((frame.run, frame.camcol, frame.field), {})[band] = (float(ra), float(dec))
    faults = []
    for field, places in centres.items():
        sky = SkyCoord(*np.array(list(places.values())).T, unit="deg")
        for number, band in enumerate(places):
            off = float(np.median(sky[number].separation(sky).arcsec))
            if off > MAX_POINTING_ARCSEC:
                frames[band] = [f for f in frames[band] if (f.run, f.camcol, f.field) != field]
                faults.append(
                    f"frame {band} of run {field[0]}, camcol {field[1]}, field {field[2]}: expected the pointing of the"
                    f" other bands within {MAX_POINTING_ARCSEC:g} arcsec, got {off:.0f} arcsec away"
                )
    return faults


def _quality(image: Images, depth: NDArray[np.int16]) -> dict[str, float]:
    """Return coverage, mean depth and noise of one mosaic."""
    values = image[np.isfinite(image)]
    if not len(values):
        return {"coverage": 0.0, "depth": np.nan, "noise": np.nan}
    some = values[::7]  # enough of them for a median
    noise = 1.4826 * float(np.median(np.abs(some - np.median(some))))
    return {"coverage": len(values) / image.size, "depth": float(depth[depth > 0].mean()), "noise": noise}


def _name(row: Any) -> str:
    return f"frame {row.band} of run {row.run}, camcol {row.camcol}, field {row.field}"
