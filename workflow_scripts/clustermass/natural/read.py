"""Readers of natural images: folders, archives, torchvision's CIFAR-10 and the published CUB-200-2011."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from clustermass.config.natural import NaturalData
from clustermass.natural.archive import check_md5, members
from clustermass.natural.images import SPLITS, NaturalImageError, NaturalImages, Pixels, collect, decode

Place = tuple[str, str, str]
"""Split, class and name of an image."""

CUB200_MD5 = "97eceeb196236b17998738112f37df78"
"""Checksum of CUB_200_2011.tgz as CaltechDATA publishes it (Wah et al. 2011): 11,788 images of 200 species."""
_CUB_ROOT = "CUB_200_2011"
_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_natural_images(settings: NaturalData) -> dict[str, NaturalImages]:
    """Return natural images of the splits 'train' and 'test'.

    Raises
    ------
    NaturalImageError
        They are not there, with how to get them; they are damaged, unsafe, of different sizes, or the splits have
        different classes.
    """
    readers: dict[str, Callable[[NaturalData], dict[str, NaturalImages]]] = {
        "folder": _read_folder,
        "archive": _read_archive,
        "cifar10": _read_cifar10,
        "cub200": _read_cub200,
    }
    return readers[settings.kind](settings)


def _read_folder(settings: NaturalData) -> dict[str, NaturalImages]:
    """Return the images of a folder."""
    root = Path(settings.path)
    if not root.is_dir():
        raise NaturalImageError(f"{root}: expected a folder train|test/<class>/*.jpg, there is none")
    places = _first((path.relative_to(root).as_posix() for path in root.glob("*/*/*") if path.is_file()), settings)

    def files() -> Iterator[tuple[str, bytes]]:
        for name in places:
            if (root / name).stat().st_size > settings.largest_file:
                raise NaturalImageError(f"{root / name}: expected at most {settings.largest_file} bytes")
            yield name, (root / name).read_bytes()

    return collect(_decoded(files(), places.__getitem__, settings))


def _read_archive(settings: NaturalData) -> dict[str, NaturalImages]:
    """Return the images of an archive; where not all are wanted it is gone through for their names before."""
    check_exists(settings.path, "a tar archive of train|test/<class>/*.jpg")
    if settings.md5:
        check_md5(settings.path, settings.md5)
    if settings.per_class is None:
        return collect(_decoded(members(settings.path, settings, _is_image), _place, settings))
    names: list[str] = []

    def note(name: str) -> bool:
        names.append(name)
        return False

    deque(members(settings.path, settings, note), maxlen=0)
    places = _first(names, settings)
    return collect(_decoded(members(settings.path, settings, places.__contains__), places.__getitem__, settings))


def _is_image(name: str) -> bool:
    """Return whether a name is train|test/<class>/<name> of an image; other files are not ours."""
    parts = name.split("/")
    return len(parts) == 3 and parts[0] in SPLITS and name.lower().endswith(_SUFFIXES)


def _place(name: str) -> Place:
    """Return split, class and name."""
    split, kind, short = name.split("/")
    return split, kind, short


def _first(names: Iterable[str], settings: NaturalData) -> dict[str, Place]:
    """Return the places of images among names, the first of every class and split where their number is limited."""
    return _limited({name: _place(name) for name in names if _is_image(name)}, settings)


def _limited(places: Mapping[str, Place], settings: NaturalData) -> dict[str, Place]:
    """Return the first places by name of every class and split."""
    groups = defaultdict(list)
    for name, (split, kind, _short) in sorted(places.items()):
        groups[split, kind].append(name)
    return {name: places[name] for names in groups.values() for name in names[: settings.per_class]}


def _decoded(
    files: Iterable[tuple[str, bytes]], place: Callable[[str], Place], settings: NaturalData
) -> Iterator[tuple[str, str, str, Pixels]]:
    """Yield places and pixels of files."""
    for name, data in files:
        yield *place(name), decode(data, f"{settings.path}: {name}", settings.side, settings.largest_image)


def _read_cub200(settings: NaturalData) -> dict[str, NaturalImages]:
    """Return the images of CUB-200-2011: its tables say which are for training and what they show."""
    check_exists(settings.path, "CUB_200_2011.tgz from data.caltech.edu/records/65de6-vp158")
    check_md5(settings.path, settings.md5 or CUB200_MD5)
    files = {"images": "name", "image_class_labels": "label", "train_test_split": "training", "classes": "species"}
    wanted = {f"{_CUB_ROOT}/{file}.txt": column for file, column in files.items()}
    tables: dict[str, pd.Series[str]] = {}
    for name, data in members(settings.path, settings, wanted.__contains__):
        tables[wanted[name]] = _cub_table(data, f"{settings.path}: {name}")
    absent = sorted(set(wanted.values()) - set(tables))
    if absent:
        raise NaturalImageError(f"{settings.path}: expected {', '.join(wanted)}, got no {', '.join(absent)}")
    of_image = pd.DataFrame({column: tables[column] for column in ("name", "label", "training")})
    species = of_image["label"].map(tables["species"])
    if of_image.isna().any(axis=None) or species.isna().any() or not of_image["training"].isin(["0", "1"]).all():
        raise NaturalImageError(f"{settings.path}: expected species and split of every image, some are missing")
    splits = of_image["training"].map({"1": "train", "0": "test"})
    places = {
        f"{_CUB_ROOT}/images/{name}": (split, kind, PurePosixPath(name).name)
        for name, split, kind in zip(of_image["name"], splits, species, strict=True)
    }
    chosen = _limited(places, settings)
    entries = list(_decoded(members(settings.path, settings, chosen.__contains__), chosen.__getitem__, settings))
    if len(entries) != len(chosen):
        raise NaturalImageError(f"{settings.path}: expected {len(chosen)} images, got {len(entries)}")
    return collect(entries)


def check_exists(path: str | Path, what: str) -> None:
    """Raise NaturalImageError if a file is not there, and say what has to be put there."""
    if not Path(path).is_file():
        raise NaturalImageError(f"{path}: expected {what}; there is no such file: put it there, or set its path")


def _cub_table(data: bytes, name: str) -> pd.Series[str]:
    """Return the second column of a table by its first."""
    rows = [line.split() for line in data.decode(errors="replace").splitlines()]
    table = {row[0]: row[1] for row in rows if len(row) == 2}
    if not rows or len(table) != len(rows):
        raise NaturalImageError(f"{name}: expected two columns, and every number once in the first")
    return pd.Series(table)


def _read_cifar10(settings: NaturalData) -> dict[str, NaturalImages]:
    """Return CIFAR-10 by torchvision, which checks its files against published checksums before it unpickles them."""
    from torchvision.datasets import CIFAR10  # takes a second to import

    result = {}
    for split in SPLITS:
        try:
            data = CIFAR10(settings.path, train=split == "train", download=settings.download)
        except (OSError, RuntimeError) as error:
            raise NaturalImageError(
                f"{settings.path}: CIFAR-10: {error}; set download: true, or put cifar-10-python.tar.gz of"
                " www.cs.toronto.edu/~kriz/cifar.html there, unpacked, or set kind: archive"
            ) from error
        order = sorted(data.classes)
        labels = np.array([order.index(data.classes[label]) for label in data.targets])
        images = data.data.transpose(0, 3, 1, 2)
        rows = np.concatenate([np.nonzero(labels == kind)[0][: settings.per_class] for kind in range(len(order))])
        result[split] = NaturalImages(np.ascontiguousarray(images[rows]), labels[rows], tuple(order))
    if settings.side not in (None, images.shape[-1]):
        raise NaturalImageError(f"side: expected {images.shape[-1]} or null for CIFAR-10, got {settings.side}")
    return result
