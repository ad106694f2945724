"""What detectors make of light: shot and read-out noise in whole counts, remains of the sky, faults.

A frame of SDSS holds whole counts, times a calibration, less a smooth sky (data model of SDSS' frames). Rows that two
neighbouring fields of a run share are the same rows of the detector, and so have the same noise here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustermass.config.sky import Sky
from clustermass.frames.geometry import PIXEL_ARCSEC
from clustermass.render.compiled import compiled
from clustermass.render.conditions import Conditions
from clustermass.render.normal import fill_normal
from clustermass.runtime import generator

Array = NDArray[Any]
Floats = NDArray[np.floating]
Frame = NDArray[np.float32]

OVERLAP = 128  # rows that a field shares with the next
_HIT_LENGTH = 4.0  # px, mean length of the track of a cosmic ray
_HIT_COUNTS = 250.0  # counts, mean of a pixel of such a track
_TRAIL_WIDTH = 2.0  # px, standard deviation across the trail of a satellite
_COLUMN_OFFSET = 0.3  # of the pixel noise, rms, by which bad columns are off


def frame_noise(shape: tuple[int, int], run: int, camcol: int, field: int, band: str, seed: int) -> Frame:
    """Return normal numbers of mean 0 and variance 1 for a frame's pixels, shape `shape`.

    The last `OVERLAP` rows are the first ones of the next field.
    """
    ny, nx = shape
    own = max(ny - OVERLAP, 0)
    values = np.empty((ny, nx), np.float32)
    for number, rows in ((field, values[:own]), (field + 1, values[own:])):
        key = {"run": run, "camcol": camcol, "field": number, "band": band}
        fill_normal(rows, generator(seed, "frame", key))
    return values


def smooth_field(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Frame:
    """Return a smooth random field of mean 0 and variance 1 (of the ensemble), which changes over `scale` pixels.

    Products of cubic B-splines with independent normal coefficients.
    """
    rows, columns = (_spline_weights(size, scale) for size in shape)
    return np.asarray(rows @ rng.normal(size=(rows.shape[1], columns.shape[1])).astype(np.float32) @ columns.T)


def _spline_weights(size: int, scale: float) -> Frame:
    """Return weights of knots `scale` pixels apart at every pixel, with unit sum of squares, shape (size, knots)."""
    place = np.arange(size) / scale
    knot = np.floor(place).astype(int)
    t = place - knot
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((size, knot[-1] + 4))
    for k, part in enumerate(parts):
        weights[np.arange(size), knot + k] = part
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), dtype=np.float32)


def sky_counts(conditions: Conditions, y: Floats, x: Floats) -> Frame:
    """Return the sky that is taken away from a frame, shape (len(y), len(x)) [count].

    Parameters
    ----------
    y, x : arrays
        Places along and across the frame, from -1 at its first to 1 at its last pixel.
    """
    across, along, bend = conditions.sky_slope
    return np.asarray(
        conditions.sky_counts + (along * y + bend * y**2)[:, None] + (across * x)[None, :], dtype=np.float32
    )


@compiled
def _read_out(
    image: Array,
    normal: Array,
    rest: Array,
    along: Array,
    across: Array,
    calibration: float,
    gain: float,
    dark: float,
    coupling: float,
) -> None:
    """Replace the light of an image by whole counts with noise."""
    ny, nx = image.shape
    inverse, one = np.float32(1 / calibration), np.float32(1)
    per_count, floor, share = np.float32(1 / gain), np.float32(dark), np.float32(coupling)
    norm = np.float32(1 / np.sqrt(1 + coupling * coupling))
    for j in range(ny):
        for i in range(nx):
            neighbour = normal[j, i - 1] if i > 0 else normal[j, i]
            draw = (normal[j, i] + share * neighbour) * norm
            level = image[j, i] * inverse + (along[j] + across[i])
            spread = np.sqrt(max(level, one) * per_count + floor)
            image[j, i] = np.rint(level + spread * (draw + rest[j, i]))


def read_out(image: Frame, conditions: Conditions, normal: Frame, rest: Frame, coupling: float) -> None:
    """Turn light into whole counts, sky included, with shot and read-out noise.

    Parameters
    ----------
    image : float32 array, shape (ny, nx)
        Light without the sky [nanomaggy]; replaced by counts.
    normal : float32 array, shape (ny, nx)
        Of variance 1 (`frame_noise`).
    rest : float32 array, shape (ny, nx)
        What sky subtraction leaves, over the noise.
    coupling : float
        Correlation of neighbours in a row.
    """
    ny, nx = image.shape
    y, x = np.linspace(-1, 1, ny), np.linspace(-1, 1, nx)
    along = sky_counts(conditions, y, np.zeros(1))[:, 0]
    across = (conditions.sky_slope[0] * x).astype(np.float32)
    _read_out(
        image,
        normal,
        rest,
        along,
        across,
        conditions.nmgy_per_count,
        conditions.gain,
        conditions.dark_variance,
        coupling,
    )


@compiled
def _calibrate(counts: Array, along: Array, across: Array, calibration: float) -> None:
    """Take the sky away and multiply."""
    single = np.float32(calibration)
    for j in range(counts.shape[0]):
        for i in range(counts.shape[1]):
            counts[j, i] = (counts[j, i] - (along[j] + across[i])) * single


def calibrate(counts: Frame, conditions: Conditions) -> None:
    """Turn counts [count], sky included, into light without it [nanomaggy], in place, shape (ny, nx)."""
    ny, nx = counts.shape
    along = sky_counts(conditions, np.linspace(-1, 1, ny), np.zeros(1))[:, 0]
    across = (conditions.sky_slope[0] * np.linspace(-1, 1, nx)).astype(np.float32)
    _calibrate(counts, along, across, conditions.nmgy_per_count)


def add_satellites(image: Frame, number: int, noise: float, rng: np.random.Generator) -> None:
    """Add straight trails of satellites right across an image [nanomaggy], 2 to 50 times the noise, in place."""
    ny, nx = image.shape
    for _ in range(number):
        x, y, angle = rng.uniform(0, nx), rng.uniform(0, ny), rng.uniform(0, np.pi)
        height = noise * 2 * 25 ** rng.uniform()
        for first in range(0, ny, 64):  # pieces: no grid of the whole frame
            rows = np.arange(first, min(first + 64, ny))[:, None]
            away = (np.arange(nx)[None, :] - x) * np.sin(angle) - (rows - y) * np.cos(angle)
            image[rows[0, 0] : rows[-1, 0] + 1] += (height * np.exp(-0.5 * (away / _TRAIL_WIDTH) ** 2)).astype(
                np.float32
            )


def add_cosmic_rays(counts: Frame, number: int, rng: np.random.Generator) -> None:
    """Add sharp straight tracks of cosmic rays to counts, in place, shape (ny, nx)."""
    ny, nx = counts.shape
    for _ in range(number):
        x, y, angle = rng.uniform(0, nx), rng.uniform(0, ny), rng.uniform(0, np.pi)
        steps = np.arange(0, 1 + rng.exponential(_HIT_LENGTH), 0.5)
        i, j = np.rint(x + steps * np.cos(angle)).astype(int), np.rint(y + steps * np.sin(angle)).astype(int)
        places = np.unique(np.stack([j, i])[:, (i >= 0) & (i < nx) & (j >= 0) & (j < ny)], axis=1)
        counts[places[0], places[1]] += np.rint(rng.exponential(_HIT_COUNTS, places.shape[1])).astype(np.float32)


def spoil_columns(image: Frame, columns: NDArray[np.intp], noise: float, rng: np.random.Generator) -> None:
    """Leave traces of bad columns [nanomaggy], in place, shape (ny, nx): off by some noise, from some row on."""
    ny, nx = image.shape
    for column in columns[columns < nx]:
        first = int(ny * max(rng.uniform(-1, 1), 0))  # half of them are whole
        image[first:, column] += np.float32(noise * _COLUMN_OFFSET * rng.normal())


def bad_columns(columns: int, camcol: int, band: str, sky: Sky, seed: int) -> NDArray[np.intp]:
    """Return the columns of a detector that are bad, the same in all runs, shape (n,)."""
    chip = generator(seed, "bad columns", {"camcol": camcol, "band": band})
    return chip.integers(0, columns, chip.poisson(sky.bad_columns))


def residual_scale(sky: Sky) -> float:
    """Return the distance of knots [px] of what sky subtraction leaves."""
    return sky.residual_arcsec / PIXEL_ARCSEC
