"""Rendered galaxies and stars in classes, in place of natural images: no comparison with those.

Galaxies and stars are those of the simulated sky in a magnitude-limited survey (`clustermass.population`), one at a
time, as SDSS would see them in g, r and i under changing conditions (`clustermass.render`); colour composites are those
of the pictures of clusters. Their classes are what they are, not what they look like.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.natural import Substitute
from clustermass.config.pictures import Pictures
from clustermass.config.population import Population
from clustermass.config.sky import Sky
from clustermass.frames.contracts import BANDS
from clustermass.frames.geometry import PIXEL_ARCSEC
from clustermass.images.composites import composite
from clustermass.natural.images import SPLITS, NaturalImageError, NaturalImages, Pixels
from clustermass.population.sky import sky_sources
from clustermass.render.conditions import frame_conditions
from clustermass.render.detector import calibrate, read_out
from clustermass.render.galaxies import Galaxies, add_galaxies
from clustermass.render.normal import fill_normal
from clustermass.render.profiles import pixel_shapes
from clustermass.render.stars import add_stars
from clustermass.sources.lightcone import CONE_GALAXIES, HALOS

TITLE = "substitute: rendered galaxies"
CLASSES = ("early far", "early near", "edge-on disc far", "edge-on disc near", "face-on disc far", "face-on disc near",
           "star")  # fmt: skip
"""In order of their names, as `NaturalImages` has them."""
_SEEN = "gri"
_RADIUS, _STEP = 1.5, 4.0  # deg: radius of the patches of sky that are searched, and their distance
_LOWEST, _ROWS, _COLUMNS = -30.0, 16, 90  # declination of the first row of patches [deg], rows, patches in a row
_GRID = 8  # sources along a side of a frame, which share its conditions
_ROOM = 4  # sides of an image from source to source, so that the light of one does not reach another's image
_RUN = 1  # of all frames; fields are counted


def galaxy_images(
    settings: Substitute, sky: Sky, cosmology: Cosmology, pictures: Pictures, seed: int
) -> dict[str, NaturalImages]:
    """Return images of the splits 'train' and 'test': the same number of sources of each class, no source twice.

    Parameters
    ----------
    settings : Substitute
    sky : Sky
        Seeing, noise and calibration.
    cosmology : Cosmology
    pictures : Pictures
        Scale of the colour composites.
    seed : int

    Raises
    ------
    NaturalImageError
        The sky has too few sources of a class.
    """
    rng = np.random.default_rng(seed)
    sources = draw_sources(settings, cosmology, seed, rng)
    frames = np.array_split(np.arange(len(sources)), -(-len(sources) // _GRID**2))
    parts = [
        _frame_images(sources.iloc[rows], number, settings, sky, pictures, seed, rng)
        for number, rows in enumerate(frames)
    ]
    pixels, split = np.concatenate(parts), sources["split"].to_numpy()
    labels = sources["kind"].map(CLASSES.index).to_numpy(np.int64)
    return {name: NaturalImages(pixels[split == name], labels[split == name], CLASSES) for name in SPLITS}


def draw_sources(settings: Substitute, cosmology: Cosmology, seed: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return sources in random order: columns of `SKY_GALAXIES` (stars lack most), `kind` and `split`.

    Patches of the sky are searched until there are enough of each class.

    Raises
    ------
    NaturalImageError
        There are too few of a class on the whole sky.
    """
    wanted = len(SPLITS) * settings.per_class
    options = Population(faintest_r=settings.r[1], stars_r=settings.r)
    found = pd.DataFrame({"kind": pd.Series(dtype=str)})
    for patch in range(_ROWS * _COLUMNS):
        ra, dec = _STEP * (patch % _COLUMNS), _LOWEST + _STEP * (patch // _COLUMNS)
        places = np.array([ra]), np.array([dec])
        seen = sky_sources(*places, _RADIUS, CONE_GALAXIES.empty(), HALOS.empty(), (0.0, 0.0), options, cosmology, seed)
        table = pd.concat([seen.galaxies.assign(kind=kinds(seen.galaxies, settings)), seen.stars.assign(kind="star")])
        table = table[(table["kind"] != "") & (table["r"] > settings.r[0])]
        found = pd.concat([found, table]).drop_duplicates(["ra", "dec"])  # patches are made of cells, which may touch
        found = found[found.groupby("kind").cumcount() < wanted]
        if len(found) == wanted * len(CLASSES):
            break
    else:
        numbers = found["kind"].value_counts().reindex(CLASSES, fill_value=0).to_dict()
        raise NaturalImageError(f"substitute: expected {wanted} sources of each class, got {numbers}")
    found = found.sample(frac=1, random_state=rng, ignore_index=True)
    return found.assign(split=np.where(found.groupby("kind").cumcount() < settings.per_class, *SPLITS))


def kinds(galaxies: pd.DataFrame, settings: Substitute) -> NDArray[np.str_]:
    """Return the classes of galaxies (`SKY_GALAXIES`), shape (n,): one of `CLASSES`, or '' for those in none."""
    bulge, ratio, z = (galaxies[name].to_numpy(float) for name in ("bulge_fraction", "disc_axis_ratio", "redshift"))
    early, disc = bulge >= settings.early, bulge < settings.disc
    radius = np.where(early, galaxies["bulge_radius"].to_numpy(float), galaxies["disc_radius"].to_numpy(float))
    shape = np.select(
        [early, disc & (ratio >= settings.face_on), disc & (ratio < settings.edge_on)],
        ["early", "face-on disc", "edge-on disc"],
        "",
    )
    named = np.char.add(shape, np.where(z >= settings.far, " far", " near"))
    return np.where((shape == "") | (radius > settings.largest_arcsec), "", named)


def _frame_images(
    sources: pd.DataFrame,
    number: int,
    settings: Substitute,
    sky: Sky,
    pictures: Pictures,
    seed: int,
    rng: np.random.Generator,
) -> Pixels:
    """Return images (n, 3, side, side) of sources that are seen on one frame, each by itself."""
    side, room = settings.side, _ROOM * settings.side
    row, column = np.divmod(np.arange(len(sources)), _GRID)
    middle = room * np.stack([column, row]) + room // 2  # x, y
    place = middle - 0.5 + rng.uniform(-settings.offset, settings.offset, middle.shape)
    light = _light(sources, place, number, sky, seed, rng)
    colours = composite(light / np.float32(PIXEL_ARCSEC**2), pictures)
    low = middle - side // 2
    cuts = [colours[y : y + side, x : x + side] for x, y in low.T]
    return np.ascontiguousarray(np.stack(cuts).transpose(0, 3, 1, 2))


def _light(
    sources: pd.DataFrame, place: NDArray[np.float64], number: int, sky: Sky, seed: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a frame in ugriz [nanomaggy], of which u and z are empty, with sources at places (2, n) [px]."""
    conditions = [frame_conditions(_RUN, 1 + number % 6, number // 6, band, sky, seed) for band in _SEEN]
    noise = np.array([condition.noise for condition in conditions])
    count = int(place.max()) + _ROOM * 8
    images = np.zeros((len(_SEEN), count, count), np.float32)
    star = (sources["kind"] == "star").to_numpy()
    flux = 10 ** (0.4 * (22.5 - sources[list(_SEEN)].to_numpy(float).T))
    add_galaxies(images, _drawn(sources[~star], place[:, ~star], flux[:, ~star]), [c.psf for c in conditions], noise)
    x, y = place[:, star]
    for image, of_band, condition in zip(images, flux, conditions, strict=True):
        add_stars(image, x, y, of_band[star], condition.psf, condition.noise)
        normal = np.empty_like(image)
        fill_normal(normal, rng)
        read_out(image, condition, normal, np.zeros_like(image), sky.pixel_correlation)
        calibrate(image, condition)
    frame = np.zeros((len(BANDS), count, count), np.float32)
    frame[[BANDS.index(band) for band in _SEEN]] = images
    return frame


def _drawn(table: pd.DataFrame, place: NDArray[np.float64], flux: NDArray[np.float64]) -> Galaxies:
    """Return galaxies as they are drawn, at places (2, n) [px] that all bands share; flux (bands, n) [nanomaggy]."""
    to_sky = np.diag([-PIXEL_ARCSEC, PIXEL_ARCSEC]) / 3600
    columns = {name: table[name].to_numpy(float) for name in table.columns if name not in ("kind", "split", "halo")}
    shapes = [
        pixel_shapes(columns[f"{part}_radius"], columns[f"{part}_axis_ratio"], columns["position_angle"], to_sky)
        for part in ("disc", "bulge")
    ]
    x, y = (np.tile(axis, (len(flux), 1)) for axis in place)
    return Galaxies(x, y, flux, columns["bulge_fraction"], *shapes)
