"""Frames of a simulated field: sources, atmosphere, detector, pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from clustermass.config.sky import Sky
from clustermass.frames.frame import frame_wcs
from clustermass.frames.geometry import COLUMNS, FRAME_LAG, ROWS
from clustermass.render.conditions import Conditions, frame_conditions
from clustermass.render.detector import (
    add_cosmic_rays,
    add_satellites,
    bad_columns,
    calibrate,
    frame_noise,
    read_out,
    residual_scale,
    sky_counts,
    smooth_field,
    spoil_columns,
)
from clustermass.render.galaxies import Galaxies, add_galaxies
from clustermass.render.profiles import pixel_shapes
from clustermass.render.stars import add_spikes, add_stars, saturate
from clustermass.runtime import generator
from clustermass.sky import unit_vectors

Floats = NDArray[np.floating]
Images = NDArray[np.float32]

_ZERO_POINT = 22.5  # magnitude of a nanomaggy
_REACH = 0.15  # deg, beyond the frame's corners, from which sources are drawn


@dataclass(frozen=True)
class Exposure:
    """A simulated frame, and what its file says of how it was made.

    Attributes
    ----------
    image : float32 array, shape (ny, nx)
        Light without the sky [nanomaggy].
    nmgy_per_count : float
        Calibration.
    sky_counts : float32 array, shape (191, 256)
        Sky that was taken away, at every eighth pixel [count].
    conditions : Conditions
    """

    image: Images
    nmgy_per_count: float
    sky_counts: Images
    conditions: Conditions


def render_field(
    galaxies: pd.DataFrame,
    stars: pd.DataFrame,
    headers: Mapping[str, fits.Header],
    sky: Sky,
    seed: int,
    shape: tuple[int, int] = (ROWS, COLUMNS),
) -> dict[str, Exposure]:
    """Make the frames of a field in several bands.

    Sources are where the header of each band puts them. Conditions and noise depend on seed, run, column of the
    camera, field and band alone: a frame is the same to the last bit whoever makes it, given the sources near it.

    Parameters
    ----------
    galaxies, stars : DataFrame
        `SKY_GALAXIES` and `SKY_STARS`; those far from the field are left out.
    headers : mapping of headers by band
        As of `clustermass.frames.geometry.field_header`.
    sky : Sky
    seed : int
    shape : tuple
        Rows and columns of frames.

    Returns
    -------
    dict of Exposure by band

    Raises
    ------
    ValueError
        Headers of different fields, or without RUN, CAMCOL, FRAME.
    """
    run, camcol, field = _field_of(headers)
    maps = [frame_wcs(header) for header in headers.values()]
    conditions = [frame_conditions(run, camcol, field, band, sky, seed) for band in headers]
    galaxies, stars = _near(galaxies, maps[0], shape), _near(stars, maps[0], shape)
    images = np.zeros((len(headers), *shape), np.float32)
    noise = np.array([condition.noise for condition in conditions])
    add_galaxies(images, _on_frames(galaxies, list(headers), maps), [c.psf for c in conditions], noise)
    x, y = _pixels(stars, maps)
    exposures = {}
    for k, (band, condition) in enumerate(zip(headers, conditions, strict=True)):
        light = np.asarray(10 ** (0.4 * (_ZERO_POINT - stars[band].to_numpy(float))))
        add_stars(images[k], x[k], y[k], (1 - sky.spike_share) * light, condition.psf, condition.noise)
        add_spikes(images[k], x[k], y[k], sky.spike_share * light, condition.spike_angle, condition.noise)
        key: dict[str, int | str] = {"run": run, "camcol": camcol, "field": field, "band": band}
        _expose(images[k], condition, key, (x[k], y[k], light), sky, seed)
        exposures[band] = Exposure(images[k], condition.nmgy_per_count, _sky_table(condition, shape), condition)
    return exposures


def _expose(
    image: Images,
    conditions: Conditions,
    key: dict[str, int | str],
    stars: tuple[Floats, Floats, Floats],
    sky: Sky,
    seed: int,
) -> None:
    """Do to the light of a frame what detector and pipeline do; `stars`: x, y and flux."""
    rng = generator(seed, "faults", key)
    run, camcol, field, band = int(key["run"]), int(key["camcol"]), int(key["field"]), str(key["band"])
    add_satellites(image, int(rng.poisson(sky.satellites)), conditions.noise, rng)
    normal = frame_noise(image.shape, run, camcol, field, band, seed)
    rest = sky.residual * smooth_field(image.shape, residual_scale(sky), rng)
    x, y, flux = stars
    peak = flux * conditions.psf.peak / conditions.nmgy_per_count
    ny, nx = image.shape
    full_well = getattr(sky.full_well, band)
    full = (peak > full_well / 2) & (x > 0) & (x < nx - 1) & (y > 0) & (y < ny - 1)
    read_out(image, conditions, normal, rest, sky.pixel_correlation)
    saturate(image, x[full], y[full], full_well, rng.random(full.sum()) < sky.mended_trails)
    add_cosmic_rays(image, int(rng.poisson(sky.cosmic_rays)), rng)
    calibrate(image, conditions)
    spoil_columns(image, bad_columns(nx, camcol, band, sky, seed), conditions.noise, rng)


def _sky_table(conditions: Conditions, shape: tuple[int, int]) -> Images:
    """Return the sky at every eighth pixel; like the survey's, the table has more rows than the frame needs."""
    rows, columns = np.arange(-(-shape[0] // 8) + 4), np.arange(-(-shape[1] // 8))
    y, x = (2 * (8 * k + 3.5) / (n - 1) - 1 for k, n in ((rows, shape[0]), (columns, shape[1])))
    return sky_counts(conditions, y, x)


def _field_of(headers: Mapping[str, fits.Header]) -> tuple[int, int, int]:
    """Return run, column of the camera and field, which all headers share."""
    found = set()
    for band, header in headers.items():
        missing = [word for word in ("RUN", "CAMCOL", "FRAME") if word not in header]
        if missing or band not in FRAME_LAG:
            raise ValueError(f"band {band}: expected a band of SDSS and RUN, CAMCOL, FRAME, got no {missing or band}")
        found.add((int(header["RUN"]), int(header["CAMCOL"]), int(header["FRAME"]) - FRAME_LAG[band]))
    if len(found) != 1:
        raise ValueError(f"expected headers of one field, got (run, camcol, field) {sorted(found)}")
    return found.pop()


def _near(sources: pd.DataFrame, wcs: WCS, shape: tuple[int, int]) -> pd.DataFrame:
    """Return the sources whose light might reach a field."""
    centre = wcs.all_pix2world([[(shape[1] - 1) / 2, (shape[0] - 1) / 2]], 0)[0]
    reach = np.radians(np.hypot(*shape) / 2 * np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix)))) + np.radians(_REACH)
    level = sources[np.abs(sources["dec"].to_numpy(float) - centre[1]) < np.degrees(reach)]  # leaves most out cheaply
    away = unit_vectors(level["ra"].to_numpy(float), level["dec"].to_numpy(float)) - unit_vectors(*centre[:, None])
    near: pd.DataFrame = level[np.linalg.norm(away, axis=1) < 2 * np.sin(reach / 2)]
    return near


def _pixels(sources: pd.DataFrame, maps: list[WCS]) -> tuple[Floats, Floats]:
    """Return where sources stand on the frames of a field, shapes (bands, n) [px]."""
    places = sources[["ra", "dec"]].to_numpy(float)
    found = np.stack([wcs.all_world2pix(places, 0) if len(places) else places for wcs in maps])
    return found[..., 0], found[..., 1]


def _on_frames(table: pd.DataFrame, bands: list[str], maps: list[WCS]) -> Galaxies:
    """Return galaxies as they are drawn; the shapes on the first band's pixels serve all."""
    x, y = _pixels(table, maps)
    to_sky = maps[0].pixel_scale_matrix
    columns = {name: table[name].to_numpy(float) for name in table.columns if name not in ("halo", "galaxy")}
    shapes = [
        pixel_shapes(columns[f"{part}_radius"], columns[f"{part}_axis_ratio"], columns["position_angle"], to_sky)
        for part in ("disc", "bulge")
    ]
    flux = np.stack([10 ** (0.4 * (_ZERO_POINT - columns[band])) for band in bands])
    return Galaxies(x, y, flux, columns["bulge_fraction"], *shapes)
