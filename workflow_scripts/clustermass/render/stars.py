"""Stars on frames: light of cores and wings, diffraction spikes, and what detectors make of too much of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustermass.render.compiled import compiled
from clustermass.render.psf import TABLE_RADIUS, TABLE_STEPS, Psf, radial_table

Array = NDArray[Any]
Floats = NDArray[np.floating]
Frame = NDArray[np.float32]

_SPIKE_WIDTH = 1.2  # px, standard deviation across a spike
_SPIKE_START = 12.0  # px, scale along a spike
_SPOILT = 2  # px on either side of full ones that the pipeline does not trust
_SMALLEST = 8.0  # px, to which the faintest stars are drawn


def star_reach(flux: Floats, psf: Psf, noise: float, tolerance: float) -> Floats:
    """Return the radii [px] at which the wings of stars fall to a share `tolerance` of the pixel noise, as `flux`."""
    wing = flux / noise * psf.wing_share * psf.wing_radius / (2 * np.pi * tolerance)
    core = (psf.slope - 1) / np.pi * psf.core_radius ** (2 * psf.slope - 2) * flux / noise / tolerance
    return np.asarray(np.maximum(np.maximum(np.cbrt(wing), core ** (0.5 / psf.slope)), _SMALLEST))


@compiled
def _add_stars(
    image: Array,
    x: Array,
    y: Array,
    flux: Array,
    reach: Array,
    table: Array,
    unstretch: Array,
    core: Array,
    wing: Array,
) -> None:
    """Add stars; core, wing: norm and squared scale of either part, and the slope of the core."""
    ny, nx = image.shape
    steps, last = np.float32(TABLE_STEPS), table.size - 2
    xx, xy, yy = unstretch[0, 0], unstretch[0, 1], unstretch[1, 1]
    for n in range(x.size):
        first, end = max(0, int(np.ceil(x[n] - reach[n]))), min(nx, int(np.floor(x[n] + reach[n])) + 1)
        far = 1.7 * reach[n] + 2 > TABLE_RADIUS  # corners of the box, sheared
        f = np.float32(flux[n])
        for j in range(max(0, int(np.ceil(y[n] - reach[n]))), min(ny, int(np.floor(y[n] + reach[n])) + 1)):
            dy = np.float32(j - y[n])
            offset = np.float32(first - x[n])
            if far:
                for i in range(first, end):
                    dx = offset + np.float32(i - first)
                    u, v = xx * dx + xy * dy, xy * dx + yy * dy
                    r2 = u * u + v * v
                    place = steps * np.sqrt(r2)
                    if place < last:
                        entry = np.int32(place)
                        part = place - np.float32(entry)
                        image[j, i] += f * (table[entry] + part * (table[entry + 1] - table[entry]))
                    else:
                        q = np.float32(1) / (np.float32(1) + r2 * wing[1])
                        inner = core[0] * (np.float32(1) + r2 * core[1]) ** core[2]
                        image[j, i] += f * (wing[0] * q * np.sqrt(q) + inner)
            else:
                for i in range(first, end):
                    dx = offset + np.float32(i - first)
                    u, v = xx * dx + xy * dy, xy * dx + yy * dy
                    place = steps * np.sqrt(u * u + v * v)
                    entry = np.int32(place)
                    part = place - np.float32(entry)
                    image[j, i] += f * (table[entry] + part * (table[entry + 1] - table[entry]))


@compiled
def _add_spikes(image: Array, x: Array, y: Array, flux: Array, reach: Array, cosine: float, sine: float) -> None:
    """Add crosses of spikes: Gaussian across, falling from the centre as (radius^2 + start^2)^-1 along each arm."""
    ny, nx = image.shape
    norm = 1 / (np.sqrt(2 * np.pi) * _SPIKE_WIDTH) * _SPIKE_START / (2 * np.pi)
    for n in range(x.size):
        for j in range(max(0, int(y[n] - reach[n])), min(ny, int(y[n] + reach[n]) + 1)):
            for i in range(max(0, int(x[n] - reach[n])), min(nx, int(x[n] + reach[n]) + 1)):
                u = cosine * (i - x[n]) + sine * (j - y[n])
                v = cosine * (j - y[n]) - sine * (i - x[n])
                for along, across in ((u, v), (v, u)):
                    if abs(across) < 4 * _SPIKE_WIDTH and abs(along) < reach[n]:
                        height = np.exp(-0.5 * (across / _SPIKE_WIDTH) ** 2) / (along * along + _SPIKE_START**2)
                        image[j, i] += flux[n] * norm * height


def add_stars(
    image: Frame, x: Floats, y: Floats, flux: Floats, psf: Psf, noise: float, tolerance: float = 0.02
) -> None:
    """Add stars to an image in which light is linear.

    Parameters
    ----------
    image : float32 array, shape (ny, nx)
        [nanomaggy]; changed in place.
    x, y : arrays, shape (n,)
        Centres; the first pixel's centre is at 0 [px].
    flux : array, shape (n,)
        Of core and wings, out to where these end in the noise, and beyond [nanomaggy].
    noise : float
        Of a pixel [nanomaggy].
    tolerance : float
        Share of the noise at which wings may end.
    """
    reach = star_reach(flux, psf, noise, tolerance)
    ny, nx = image.shape
    near = (x > -reach) & (x < nx + reach) & (y > -reach) & (y < ny + reach)
    core, wing = psf.core_radius, psf.wing_radius
    inner = ((1 - psf.wing_share) * (psf.slope - 1) / (np.pi * core**2), core**-2, -psf.slope)
    outer = (psf.wing_share * 0.5 / (np.pi * wing**2), wing**-2)
    _add_stars(
        image,
        x[near],
        y[near],
        flux[near],
        reach[near],
        radial_table(psf),
        np.linalg.inv(psf.stretch).astype(np.float32),
        np.array(inner, dtype=np.float32),
        np.array(outer, dtype=np.float32),
    )


def add_spikes(image: Frame, x: Floats, y: Floats, flux: Floats, angle: float, noise: float) -> None:
    """Add the four diffraction spikes of stars.

    Parameters
    ----------
    image : float32 array, shape (ny, nx)
        [nanomaggy]; changed in place.
    x, y, flux : arrays, shape (n,)
        Centres [px] and light in the spikes [nanomaggy]; faint ones are left out.
    angle : float
        Of one spike with rows [deg].
    noise : float
        Of a pixel [nanomaggy].
    """
    height = flux * _SPIKE_START / (2 * np.pi * np.sqrt(2 * np.pi) * _SPIKE_WIDTH)
    reach = np.sqrt(np.maximum(height / (0.15 * noise) - _SPIKE_START**2, 0))
    seen = reach > _SPIKE_START
    turn = np.radians(angle)
    _add_spikes(image, x[seen], y[seen], flux[seen], reach[seen], np.cos(turn), np.sin(turn))


@compiled
def _bleed(counts: Array, full: float, low: int, high: int, left: int, right: int, marked: Array) -> None:
    """Move what pixels cannot hold up and down their columns; marks: 1 core and what is next to it, 2 trail."""
    ny = counts.shape[0]
    for i in range(left, right):
        j = low
        while j < high:
            if counts[j, i] <= full:
                j += 1
                continue
            start, excess = j, 0.0
            while j < ny and counts[j, i] > full:
                excess += counts[j, i] - full
                counts[j, i] = full
                marked[j, i] = 1
                j += 1
            for step in (-1, 1):
                left_over, k = excess / 2, start - 1 if step < 0 else j
                while left_over > 0 and 0 <= k < ny:
                    taken = min(left_over, max(full - counts[k, i], 0.0))
                    left_over -= taken
                    counts[k, i] += taken
                    if left_over > 0 and taken > 0:
                        counts[k, i] = full
                        marked[k, i] = 2
                    k += step
            for k in range(max(0, start - _SPOILT), min(ny, j + _SPOILT)):
                marked[k, i] = 1
            while j < ny and marked[j, i] > 0:
                j += 1


@compiled
def _mend(counts: Array, left: int, right: int, low: int, high: int, trails: bool, marked: Array) -> None:
    """Interpolate along rows over marked pixels and their neighbours; without `trails`, over cores alone."""
    nx = counts.shape[1]
    for j in range(low, high):
        i = left
        while i < right:
            if not (marked[j, i] == 1 or (trails and marked[j, i] == 2)):
                i += 1
                continue
            end = i
            while end < nx and marked[j, end] > 0:
                end += 1
            before, after = i - 1 - _SPOILT, end + _SPOILT
            one = counts[j, before] if before >= 0 else counts[j, min(after, nx - 1)]
            two = counts[j, after] if after < nx else one
            for k in range(max(before + 1, 0), min(after, nx)):
                part = (k - before) / (after - before)
                counts[j, k] = one + part * (two - one)
            i = after


def saturate(counts: Frame, x: Floats, y: Floats, full_well: float, mended_trails: NDArray[np.bool_]) -> None:
    """Let full pixels bleed along their columns, and mend them along rows as the survey's pipeline does.

    The charge that a pixel cannot hold fills the pixels above and below it. The pipeline interpolates between the
    nearest unspoilt pixels of a row over the cores of stars, and mostly over trails.

    Parameters
    ----------
    counts : float32 array, shape (ny, nx)
        Sky included; changed in place.
    x, y : arrays, shape (n,)
        Stars that may be saturated, and lie on the image [px].
    full_well : float
        Counts at which a pixel is full.
    mended_trails : array of bool, shape (n,)
        Whether the trail of a star is mended, too.
    """
    ny, nx = counts.shape
    marked = np.zeros((ny, nx), np.uint8)
    for column, row, trails in zip(np.rint(x).astype(int), np.rint(y).astype(int), mended_trails, strict=True):
        reach = 1
        low, high, left, right = row, row + 1, column, column + 1
        while True:  # the box of full pixels around the star
            box = (max(row - reach, 0), min(row + reach + 1, ny), max(column - reach, 0), min(column + reach + 1, nx))
            low, high, left, right = box
            edge = counts[low:high, left:right] > full_well
            edge[1:-1, 1:-1] = False
            if not edge.any() or reach > max(ny, nx):
                break
            reach += 4
        if not (counts[low:high, left:right] > full_well).any():
            continue
        _bleed(counts, full_well, low, high, left, right, marked)
        rows = np.flatnonzero(marked[:, left:right].any(axis=1))
        _mend(counts, left, right, rows[0], rows[-1] + 1, bool(trails), marked)
