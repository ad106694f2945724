"""Images before a network learns to tell their bands apart: other scalings, masks, equal noise, shuffled pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.config.frames import Images
from clustermass.config.image_training import Masks, Variant
from clustermass.images.resize import Pixels
from clustermass.images.scaling import scale, unscale
from clustermass.sky import unit_vectors

Floats = NDArray[np.float64]
Masked = NDArray[np.bool_]
_TO_SIGMA = 1.4826  # from the median deviation of normal noise
_MATCHES = 6  # steps to the noise aimed at; each leaves a fifth of the difference or less
_ABOVE = 1.5  # noise aimed at, in noises of the noisiest band
_AS_OBSERVED = Variant()


def prepare(
    images: Pixels,
    low: Floats,
    high: Floats,
    variant: Variant,
    settings: Images,
    rng: np.random.Generator,
    masks: Masked | None = None,
) -> Pixels:
    """Return images as a variant of the band classification sees them.

    In this order: stars masked, noise matched, scaled, pixels shuffled. Images that are to stay as they are come back
    as they are. Every cluster draws from a generator of its own, spawned in turn: files can be prepared piece by piece,
    in pieces of any size, by one generator after the other.

    Parameters
    ----------
    images : array of float32, shape (n, 5, h, w)
        Scaled images.
    low, high : array, shape (n, 5)
        log10 of surface brightness + offset [nanomaggy/arcsec2] that 0 and 1 stand for: numbers of the file of images.
    variant : Variant
        Its trained and backbone play no part here.
    settings : Images
        Of the scaling: offset, faintest, brightest. What global scaling clipped before stays clipped.
    rng : numpy.random.Generator
    masks : array of bool, shape (n, h, w), optional
        True where a bright star is, see `star_masks`; needed where stars are masked.

    Returns
    -------
    array of float32, shape (n, 5, h, w), between 0 and 1

    Raises
    ------
    ValueError
        Images, low and high, or masks of other shapes; stars to be masked without masks.

    Notes
    -----
    Scaling. global: one range for all. per_cluster: all bands of a cluster from their faintest to their brightest
    pixel, which keeps colours and takes brightness away. per_image: every band by itself, which takes both away.

    Noise matched: see `match_noise`.
    """
    _check(images, low, high, masks, variant)
    generators = rng.spawn(len(images))
    if variant.model_copy(update={"trained": True, "backbone": None}) == _AS_OBSERVED:
        return images
    prepared = np.empty_like(images)
    for row, generator in enumerate(generators):
        bands = unscale(images[row], low[row], high[row], settings.offset)
        if variant.stars == "masked" and masks is not None:
            bands = fill_masked(bands, masks[row], generator)
        if variant.noise == "matched":
            bands = match_noise(bands, generator)
        prepared[row] = _scaled(bands, settings, variant)
        if variant.pixels == "shuffled":
            prepared[row] = shuffle_pixels(prepared[row], generator)
    return prepared


def _check(images: Pixels, low: Floats, high: Floats, masks: Masked | None, variant: Variant) -> None:
    """Raise where arrays do not go together."""
    if images.ndim != 4 or images.dtype != np.float32:
        raise ValueError(f"images: expected float32 of shape (n, bands, h, w), got {images.dtype} of {images.shape}")
    if np.shape(low) != images.shape[:2] or np.shape(high) != images.shape[:2]:
        raise ValueError(f"low, high: expected shape {images.shape[:2]}, got {np.shape(low)} and {np.shape(high)}")
    if variant.stars == "masked":
        expected = (len(images), *images.shape[2:])
        if masks is None or masks.shape != expected:
            raise ValueError(f"masks: expected shape {expected}, got {'none' if masks is None else masks.shape}")


def _scaled(bands: Pixels, settings: Images, variant: Variant) -> Pixels:
    """Return surface brightness (5, h, w) between 0 and 1."""
    if variant.scaling == "per_cluster":
        together = bands.reshape(1, -1, bands.shape[-1])  # one image of all bands has one range
        return scale(together, settings, "per_image").images.reshape(bands.shape)
    return scale(bands, settings, variant.scaling).images


def sky_noise(images: Pixels) -> tuple[Floats, Floats]:
    """Return the level and the noise of the sky of images: the median, and 1.4826 times the median deviation from it.

    Parameters
    ----------
    images : array, shape (..., h, w)

    Returns
    -------
    array, shape (...), and array, shape (...), in the unit of the images
    """
    pixels = images.reshape(*images.shape[:-2], -1).astype(np.float64)
    level = np.median(pixels, axis=-1)
    return level, _TO_SIGMA * np.median(np.abs(pixels - level[..., None]), axis=-1)


def fill_masked(bands: Pixels, mask: Masked, rng: np.random.Generator) -> Pixels:
    """Return images whose masked pixels are sky: the level and the noise of the band's other pixels.

    Parameters
    ----------
    bands : array of float32, shape (5, h, w)
        Surface brightness.
    mask : array of bool, shape (h, w)
        One that leaves no pixel is ignored.
    rng : numpy.random.Generator
    """
    if mask.all():
        return bands
    level, noise = sky_noise(bands[:, None, ~mask])
    drawn = rng.normal(size=(len(bands), int(mask.sum())))
    filled = bands.copy()
    filled[:, mask] = (level[:, None] + noise[:, None] * drawn).astype(np.float32)
    return filled


def match_noise(bands: Pixels, rng: np.random.Generator) -> Pixels:
    """Return the bands of one cluster with one level of the sky, 0, and one noise, 1.5 times that of the noisiest band.

    The noise is that of pixels as they are, whatever makes it: detector, sky, and sources too faint to stand out. White
    normal noise is added to each band, as much as brings its median deviation to that aimed at, the noisiest band
    included: otherwise the shape of its own noise would tell it (a random forest on noise, median and minimum of images
    of simulated clusters finds .29 of bands then, .21 so, chance being .20). Bands differ by their sources alone: by
    fluxes, colours and shapes, as far as they stand out. Different clusters keep different noise, so that none depends
    on others of the sample.

    Parameters
    ----------
    bands : array of float32, shape (5, h, w)
        Surface brightness.
    rng : numpy.random.Generator

    Notes
    -----
    What may still tell bands apart without any source: tails of noise that is not normal and reaches far, and
    correlations between pixels. Both are small where pixels of frames were averaged.
    """
    level, noise = sky_noise(bands)
    matched, aim = bands, _ABOVE * noise.max()
    white = rng.normal(size=bands.shape).astype(np.float32)
    variance = aim**2 - noise**2  # that of sums of normal noise; sources make it another one
    for _ in range(_MATCHES):
        matched = bands + np.sqrt(variance).astype(np.float32)[:, None, None] * white
        level, reached = sky_noise(matched)
        variance = np.maximum(variance + aim**2 - reached**2, 0)
    return matched - level.astype(np.float32)[:, None, None]


def shuffle_pixels(bands: Pixels, rng: np.random.Generator) -> Pixels:
    """Return images (k, h, w) whose pixels have changed places at random, in another way in every image."""
    flat = bands.reshape(len(bands), -1)
    return np.asarray(rng.permuted(flat, axis=1)).reshape(bands.shape)


def star_masks(clusters: pd.DataFrame, stars: pd.DataFrame, side_mpc: float, pixels: int, settings: Masks) -> Masked:
    """Return where bright stars are on images of clusters.

    Parameters
    ----------
    clusters : pandas.DataFrame
        Columns ra, dec [deg] and arcsec_per_mpc, in the order of images: contract `IMAGE_CLUSTERS`.
    stars : pandas.DataFrame
        Contract `STARS`.
    side_mpc : float
        Side of the images, north up and east to the left, on the plane that touches the sky at the cluster [Mpc].
    pixels : int
        Pixels along it.
    settings : Masks

    Returns
    -------
    array of bool, shape (n, pixels, pixels)
        True for all pixels that a disc around a star touches; its radius grows with the star's brightness.
    """
    bright = stars[stars["r"] <= settings.faintest]
    radius = settings.radius_arcsec * 10 ** (settings.per_mag * (settings.faintest - bright["r"].to_numpy(float)))
    places = unit_vectors(bright["ra"].to_numpy(float), bright["dec"].to_numpy(float))
    masks = np.zeros((len(clusters), pixels, pixels), bool)
    if not len(bright):
        return masks
    tree, halves = cKDTree(places), side_mpc * clusters["arcsec_per_mpc"].to_numpy(float) / 2
    ra, dec = clusters["ra"].to_numpy(float), clusters["dec"].to_numpy(float)
    for mask, half, a, d, centre in zip(masks, halves, ra, dec, unit_vectors(ra, dec), strict=True):
        near = tree.query_ball_point(centre, np.radians((2 * half + radius.max()) / 3600))
        east, north = _tangent(places[near], a, d)
        columns, rows = half - east, north + half  # from the outer corner of the first pixel [arcsec]
        for x, y, r in np.stack([columns, rows, radius[near]], axis=1) * pixels / (2 * half):
            _cover(mask, x, y, r)
    return masks


def _tangent(places: Floats, ra: float, dec: float) -> tuple[Floats, Floats]:
    """Return where near directions (k, 3) are on the plane that touches the sky at (ra, dec): east, north [arcsec]."""
    a, d = np.radians(ra), np.radians(dec)
    centre = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    to_east = np.array([-np.sin(a), np.cos(a), 0])
    to_north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    arcsec = np.degrees(1 / (places @ centre)) * 3600
    return places @ to_east * arcsec, places @ to_north * arcsec


def _cover(mask: Masked, x: float, y: float, radius: float) -> None:
    """Mask all pixels that a disc touches; lengths in pixels from the outer corner of the first."""
    ny, nx = mask.shape
    rows = np.arange(max(int(y - radius), 0), min(int(y + radius) + 1, ny))
    columns = np.arange(max(int(x - radius), 0), min(int(x + radius) + 1, nx))
    down = y - np.clip(y, rows, rows + 1)  # to the nearest point of each pixel
    across = x - np.clip(x, columns, columns + 1)
    mask[np.ix_(rows, columns)] |= down[:, None] ** 2 + across**2 < radius**2
