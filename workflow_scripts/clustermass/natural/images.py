"""Natural images in memory, decoded from files whose contents are not trusted."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Pixels = NDArray[np.uint8]
Ints = NDArray[np.int64]
SPLITS = ("train", "test")
_FORMATS = ("JPEG", "PNG")


class NaturalImageError(ValueError):
    """Natural images that cannot be used; the message says which and why."""


@dataclass(frozen=True, eq=False)
class NaturalImages:
    """Images of one split.

    Attributes
    ----------
    pixels : array of uint8, shape (n, 3, side, side)
        Red, green, blue.
    labels : array of int, shape (n,)
        Numbers in `classes`.
    classes : tuple of str
        In order of their names; the same for all splits.
    """

    pixels: Pixels
    labels: Ints
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3]:
            raise NaturalImageError(
                f"images: expected uint8 (n, 3, side, side), got {self.pixels.dtype} of shape {shape}"
            )
        if self.labels.shape != shape[:1] or not len(self.labels):
            raise NaturalImageError(f"images: expected one class for each of {shape[0]}, got {self.labels.shape}")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise NaturalImageError(f"images: expected classes from 0 to {len(self.classes) - 1}, got others")

    @property
    def colourless(self) -> NDArray[np.bool_]:
        """Whether all channels of an image are the same, so that nothing tells their order: shape (n,)."""
        same = (self.pixels == self.pixels[:, :1]).all((1, 2, 3))
        return np.asarray(same)


def decode(data: bytes, name: str, side: int | None, largest: int) -> Pixels:
    """Return the pixels of a JPEG or PNG image: the central square, scaled.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        For messages.
    side : int, optional
        Of the result [pixels]; None: as it is.
    largest : int
        Pixels that an image may have; its header is asked before anything is decoded.

    Returns
    -------
    array of uint8, shape (3, side, side), or (3, h, w) with no side

    Raises
    ------
    NaturalImageError
        Not an image, a damaged one, one too large, or one in which all pixels are the same.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > largest:
                raise NaturalImageError(f"{name}: expected at most {largest} pixels, got {width} x {height}")
            if side is not None:
                image.draft("RGB", (2 * side, 2 * side))  # JPEG: decodes at a half, a quarter or an eighth where enough
            colour = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, NaturalImageError):
            raise
        raise NaturalImageError(f"{name}: expected a JPEG or PNG image: {error}") from error
    if side is not None:
        colour = ImageOps.fit(colour, (side, side), Image.Resampling.LANCZOS)
    pixels = np.asarray(colour).transpose(2, 0, 1)
    if (pixels == pixels[:, :1, :1]).all():
        raise NaturalImageError(f"{name}: expected an image, got one in which all pixels are the same")
    return pixels


def collect(entries: Iterable[tuple[str, str, str, Pixels]]) -> dict[str, NaturalImages]:
    """Return the images of every split.

    Parameters
    ----------
    entries : iterable of (split, class, name, pixels)
        In any order: that of classes and names is kept.

    Raises
    ------
    NaturalImageError
        A split without images, classes that the splits do not share, images of different sizes, a name twice.
    """
    found: dict[str, dict[tuple[str, str], Pixels]] = {split: {} for split in SPLITS}
    for split, kind, name, pixels in entries:
        if (kind, name) in found[split]:
            raise NaturalImageError(f"{split}/{kind}/{name}: expected once, got twice")
        found[split][kind, name] = pixels
    classes = {split: sorted({kind for kind, _name in images}) for split, images in found.items()}
    if not classes["train"] or classes["train"] != classes["test"]:
        raise NaturalImageError(
            f"images: expected the same classes in train and test, got {len(classes['train'])} and"
            f" {len(classes['test'])}: {sorted(set(classes['train']) ^ set(classes['test']))!r:.200}"
        )
    return {split: _stacked(images, classes["train"]) for split, images in found.items()}


def _stacked(images: Mapping[tuple[str, str], Pixels], classes: list[str]) -> NaturalImages:
    """Return images in order of class and name."""
    keys = sorted(images)
    shapes = {images[key].shape for key in keys}
    if len(shapes) > 1:
        raise NaturalImageError(f"images: expected one size, got {sorted(shapes)[:3]} and more; set side")
    number = {kind: label for label, kind in enumerate(classes)}
    labels = np.array([number[kind] for kind, _name in keys])
    return NaturalImages(np.stack([images[key] for key in keys]), labels, tuple(classes))
