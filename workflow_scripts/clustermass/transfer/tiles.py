"""Band classification on tiles of frames: cut, split by field, trained, tested on fields that were left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from clustermass.config.frames import Images
from clustermass.config.image_networks import BandNetwork
from clustermass.config.tiles import Forest
from clustermass.config.training import Training
from clustermass.frames.contracts import BANDS
from clustermass.frames.frame import Frame
from clustermass.images.resize import Pixels, resize
from clustermass.images.scaling import scale
from clustermass.images.store import ClusterImages
from clustermass.realism.objects import pixel_arcsec
from clustermass.training.folds import Fold, train_folds
from clustermass.training.trainer import Samples, Trained, extractor_start
from clustermass.transfer.bands import band_images, probabilities
from clustermass.transfer.features import part_rows
from clustermass.transfer.scalars import forest_probabilities, predictions_table

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]


class Square(NamedTuple):
    """A square of a frame: its first column and row, and its side, whole or not [pixels]."""

    column: int
    row: int
    side: float


def tile_squares(shape: tuple[int, int], side: float) -> list[Square]:
    """Return all squares of a side [pixels] that fit into an image beside each other, about its middle.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    side : float

    Raises
    ------
    ValueError
        None fits.
    """
    rows, columns = (int(length // side) for length in shape)
    if not rows * columns:
        raise ValueError(f"tiles: expected a side of at most {min(shape)} pixels, got {side:g}")
    down, left = ((length - number * side) / 2 for length, number in zip(shape, (rows, columns), strict=True))
    return [Square(int(left + i * side), int(down + j * side), side) for j in range(rows) for i in range(columns)]


def random_squares(
    shape: tuple[int, int], sides: Floats, fields: int, number: int, rng: np.random.Generator
) -> list[list[Square]]:
    """Return squares at random places of fields, in random order of their fields; they may overlap.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the fields.
    sides : array, shape (n,)
        Sides to draw from [pixels]; those that do not fit are left out.
    fields : int
        Number of fields.
    number : int
        Squares in all; fields get equal numbers, up to one.
    rng : numpy.random.Generator

    Returns
    -------
    list of list of Square
        Of every field.

    Raises
    ------
    ValueError
        No side fits.
    """
    fitting = sides[sides <= min(shape)]
    if not len(fitting):
        raise ValueError(f"squares: expected a side of at most {min(shape)} pixels, got {np.min(sides):g} at least")
    squares: list[list[Square]] = [[] for _ in range(fields)]
    for place in range(number):
        side = float(rng.choice(fitting))
        row, column = (int(rng.integers(int(length - np.ceil(side)) + 1)) for length in shape)
        squares[place % fields].append(Square(column, row, side))
    return squares


def cut(frames: Mapping[str, Frame], squares: Sequence[Square], pixels: int) -> Pixels:
    """Return squares of a field in five bands.

    The bands of a field are some pixels apart on the sky: squares have the same pixels of each frame, not the same
    place, which tells a network that sees one band at a time nothing.

    Parameters
    ----------
    frames : mapping of str to Frame
        Those of one field, by band.
    squares : sequence of Square, length k
    pixels : int
        Pixels along a side of the result; each is the mean over its area.

    Returns
    -------
    array of float32, shape (k, 5, pixels, pixels)
        Surface brightness [nanomaggy/arcsec2].

    Raises
    ------
    ValueError
        A band is missing.
    """
    absent = [band for band in BANDS if band not in frames]
    if absent:
        raise ValueError(f"field: expected frames in {', '.join(BANDS)}, got none in {', '.join(absent)}")
    result = np.empty((len(squares), len(BANDS), pixels, pixels), np.float32)
    for place, band in enumerate(BANDS):
        area = pixel_arcsec(frames[band].wcs) ** 2
        for tile, square in zip(result, squares, strict=True):
            whole = int(np.ceil(square.side))
            part = frames[band].image[square.row : square.row + whole, square.column : square.column + whole]
            tile[place] = resize(part, pixels, min(square.side, *map(float, part.shape))) / area
    return result


def scaled_tiles(field: str, tiles: Pixels, settings: Images) -> Iterator[ClusterImages]:
    """Yield tiles of one field in global scaling, as files of images keep them.

    Parameters
    ----------
    field : str
        Name of the field; tiles are named after it and numbered: see `tile_fields`.
    tiles : array of float32, shape (k, 5, h, w)
        Surface brightness [nanomaggy/arcsec2].
    settings : Images
    """
    for number, tile in enumerate(tiles):
        scaled = scale(tile, settings, "global")
        numbers = {"low": scaled.low, "high": scaled.high, "clipped": scaled.clipped}
        yield ClusterImages(f"{field}/{number:04d}", {"images": scaled.images}, numbers)


def tile_fields(names: ArrayLike) -> Texts:
    """Return the fields (n,) of tiles by their names (n,)."""
    return np.array([str(name).rsplit("/", 1)[0] for name in np.asarray(names)], dtype=np.str_)


def field_folds(fields: Texts, folds: int, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Return which tiles test in each fold: those of whole fields, and each field once.

    Parameters
    ----------
    fields : array of str, shape (n,)
        Field of every tile.
    folds : int
        Parts that the fields are dealt out to at random; with fewer fields, one a field.
    rng : numpy.random.Generator

    Returns
    -------
    list of array of bool, shape (n,)

    Raises
    ------
    ValueError
        Fewer than two fields.
    """
    names = np.unique(fields)
    if len(names) < 2:
        raise ValueError(f"tiles: expected two fields in five bands at least, got {len(names)}")
    parts = np.array_split(rng.permutation(names), min(folds, len(names)))
    return [np.isin(fields, part) for part in parts]


def train_tiles(
    tiles: Pixels,
    tested: Sequence[NDArray[np.bool_]],
    network: BandNetwork,
    training: Training,
    rng: np.random.Generator,
    workers: int,
    *,
    folder: str | Path | None = None,
    say: Callable[[str], None] = print,
) -> list[Trained]:
    """Train a network to tell bands, once for every part of the fields that is left out.

    Parameters
    ----------
    tiles : array of float32, shape (n, 5, h, w)
        In [0, 1], ugriz.
    tested : list of array of bool, shape (n,)
        Tiles that are left out: see `field_folds`. Learning curves show how well they are told after every epoch;
        nothing depends on it.
    network : BandNetwork
    training : Training
    rng : numpy.random.Generator
    workers : int
        Trainings side by side.
    folder, say : optional
        As in `folds.train_folds`.

    Returns
    -------
    list of Trained
        After the last epoch.
    """
    bands = tiles.shape[1]
    samples = Samples(band_images(tiles), np.tile(np.arange(bands, dtype=np.float64), len(tiles)))
    none = np.empty(0, np.int64)
    folds = [
        Fold(k, part_rows(np.flatnonzero(~out), bands), none, part_rows(np.flatnonzero(out), bands))
        for k, out in enumerate(tested)
    ]
    start = extractor_start(network)
    return train_folds(network, training, samples, folds, rng, workers, start=start, folder=folder, say=say)


def tile_predictions(
    models: Sequence[Trained], tiles: Pixels, names: Texts, tested: Sequence[NDArray[np.bool_]], training: Training
) -> pd.DataFrame:
    """Return in which band each network takes the tiles to be that it did not learn from: `BAND_PREDICTIONS`.

    Parameters
    ----------
    models : list of Trained
        One a fold.
    tiles : array of float32, shape (n, 5, h, w)
    names : array of str, shape (n,)
    tested : list of array of bool, shape (n,)
        As in `train_tiles`.
    training : Training
        Device, threads and precision are used.
    """
    found = [probabilities(model, band_images(tiles[out]), training) for model, out in zip(models, tested, strict=True)]
    return _of_folds(found, names, tested)


def forest_predictions(
    tiles: Pixels, names: Texts, tested: Sequence[NDArray[np.bool_]], settings: Forest, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the same by a random forest on three scalars, which learns from the same tiles as the networks.

    Parameters
    ----------
    tiles, names, tested
        As in `tile_predictions`.
    settings : Forest
    rng : numpy.random.Generator
    """
    return _of_folds([forest_probabilities(tiles[~out], tiles[out], settings, rng) for out in tested], names, tested)


def _of_folds(found: Sequence[Floats], names: Texts, tested: Sequence[NDArray[np.bool_]]) -> pd.DataFrame:
    """Return the probabilities of all folds as one table."""
    parts = [
        predictions_table(names[out], tile_fields(names[out]), "test", each)
        for each, out in zip(found, tested, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
