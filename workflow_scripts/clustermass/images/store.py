"""Images of clusters on disk: Zarr 3 in one zip file, a chunk a cluster, whole or not at all (docs/decisions/)."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore, ZipStore

from clustermass.files import replacing
from clustermass.frames.contracts import BANDS
from clustermass.images.resize import Pixels

CONTRACT = "cluster_images"
_DATE = (1980, 1, 1, 0, 0, 0)  # of members of the zip file: the same images give the same bytes
_Buffers = dict[str, Any]


class ImageError(ValueError):
    """A file of images, or images for one, are not as they should be; the message says what was expected."""


class ClusterImages(NamedTuple):
    """Images of one cluster for `write_images`.

    Attributes
    ----------
    cluster : str
        Its name.
    images : mapping of str to array of float32, shape (5, h, w)
        Images in ugriz by the name of their array.
    numbers : mapping of str to array-like of float
        What else is kept of every cluster, by name: the same names and shapes for all.
    picture : array of float32, shape (5, ny, nx), optional
        Image of any size.
    """

    cluster: str
    images: Mapping[str, Pixels]
    numbers: Mapping[str, ArrayLike] = {}
    picture: Pixels | None = None


def write_images(
    path: str | Path, shapes: Mapping[str, tuple[int, int]], clusters: Iterable[ClusterImages], about: Mapping[str, Any]
) -> list[str]:
    """Write images of clusters one by one, and return the names of the clusters.

    The file has an array of float32 of shape (n, 5, h, w) for every name in `shapes`, one of float64 in the group
    `numbers` for each number, those of any size in the group `pictures`, and attributes. Every Zarr library that knows
    version 3 and blosc reads it. Memory holds one cluster.

    Parameters
    ----------
    shapes : mapping of str to (int, int)
        Height and width of the images of each array.
    clusters : iterable of ClusterImages
        In the order of rows; may be a generator, and may have none.
    about : mapping
        What `json.dumps` can write: provenance, unit, how a scaling is undone.

    Raises
    ------
    ImageError
        Images of another shape or type, a name twice, other numbers than before. Then there is no file.
    """
    names: dict[str, None] = {}
    numbers: dict[str, list[NDArray[np.float64]]] = {}
    pictures: list[str] = []
    buffers: _Buffers = {}
    with replacing(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        root = zarr.create_group(MemoryStore(buffers))
        arrays = {name: _create(root, name, (0, len(BANDS), *shape)) for name, shape in shapes.items()}
        shown = root.create_group("pictures")
        for cluster in clusters:
            _check(cluster, shapes, names, numbers)
            for name, array in arrays.items():
                array.resize((len(names) + 1, *array.shape[1:]))
                array[len(names)] = cluster.images[name]
            if cluster.picture is not None:
                _create(shown, str(len(pictures)), (1, *cluster.picture.shape))[0] = cluster.picture
                pictures.append(cluster.cluster)
            for name, values in cluster.numbers.items():
                numbers.setdefault(name, []).append(np.asarray(values, np.float64))
            names[cluster.cluster] = None
            _move(buffers, archive)
        kept = root.create_group("numbers")
        for name, rows in numbers.items():
            kept.create_array(name, data=np.array(rows), compressors=None)
        root.attrs.update(
            {
                **about,
                "contract": CONTRACT,
                "bands": BANDS,
                "clusters": list(names),
                "arrays": list(shapes),
                "shown": pictures,
            }
        )
        _move(buffers, archive, all_of_them=True)
    return list(names)


def _create(group: zarr.Group, name: str, shape: tuple[int, ...]) -> zarr.Array:
    """Return a new array of float32, a chunk a row; bits are shuffled, as noise leaves only the first ones in order."""
    return group.create_array(
        name,
        shape=shape,
        chunks=(1, *shape[1:]),
        dtype="float32",
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=4),
        fill_value=np.nan,
        config={"write_empty_chunks": True},  # a chunk that is not there is a fault
    )


def _check(
    cluster: ClusterImages,
    shapes: Mapping[str, tuple[int, int]],
    names: Mapping[str, None],
    numbers: Mapping[str, list[NDArray[np.float64]]],
) -> None:
    """Raise where the images of a cluster do not go with those before."""
    if cluster.cluster in names:
        raise ImageError(f"cluster {cluster.cluster}: expected once, got twice")
    expected = {name: (len(BANDS), *shape) for name, shape in shapes.items()}
    got = {name: tuple(image.shape) for name, image in cluster.images.items()}
    if got != expected:
        raise ImageError(f"cluster {cluster.cluster}: expected images {expected}, got {got}")
    picture = cluster.picture
    if picture is not None and (picture.ndim != 3 or picture.shape[0] != len(BANDS)):
        raise ImageError(f"cluster {cluster.cluster}: expected a picture in {BANDS}, got shape {picture.shape}")
    if any(each.dtype != np.float32 for each in [*cluster.images.values(), *([] if picture is None else [picture])]):
        raise ImageError(f"cluster {cluster.cluster}: expected images of float32")
    before = {name: rows[0].shape for name, rows in numbers.items()}
    now = {name: np.shape(values) for name, values in cluster.numbers.items()}
    if names and now != before:
        raise ImageError(f"cluster {cluster.cluster}: expected numbers {before} as before, got {now}")


def _move(buffers: _Buffers, archive: zipfile.ZipFile, all_of_them: bool = False) -> None:
    """Move what Zarr wrote to memory into the zip file; what describes arrays stays, as it changes to the end."""
    for key in sorted(buffers):
        if all_of_them or not key.endswith("zarr.json"):
            archive.writestr(zipfile.ZipInfo(key, _DATE), buffers.pop(key).to_bytes())


class Images:
    """Images of clusters in a file that `write_images` made, read when they are asked for.

    The file is opened again in every process that the object is sent to or that is forked off, so that workers of data
    loaders can share it.

    Attributes
    ----------
    path : pathlib.Path
    array : str
        The array that is read.
    about : dict
        Attributes of the file.
    clusters : list of str
        Names in the order of rows.
    shape : tuple of int
        (n, 5, h, w).
    """

    def __init__(self, path: str | Path, array: str | None = None) -> None:
        """Open a file.

        Parameters
        ----------
        array : str, optional
            Which of its arrays; None: the only one.

        Raises
        ------
        ImageError
            No file, not a whole one, not one of images, no such array, clusters missing.
        """
        self.path = Path(path)
        self._opened: tuple[int, zarr.Group] | None = None
        with self._explained():
            attributes = json.loads(json.dumps(self._root().attrs.asdict()))
        if attributes.get("contract") != CONTRACT:
            raise ImageError(f"{path}: expected contract '{CONTRACT}', got {attributes.get('contract')!r}")
        self.clusters: list[str] = attributes.pop("clusters")
        self.shown: list[str] = attributes.pop("shown")
        self.about: dict[str, Any] = attributes
        names = attributes["arrays"]
        if array is None and len(names) != 1:
            raise ImageError(f"{path}: expected the name of one of its arrays {', '.join(names)}, got none")
        if array is not None and array not in names:
            raise ImageError(f"{path}: expected array '{array}', the file has {', '.join(names)}")
        self.array: str = names[0] if array is None else array
        self._row = {name: row for row, name in enumerate(self.clusters)}
        with self._explained():
            self.shape = self._check()

    def _check(self) -> tuple[int, ...]:
        stored = self._stored(self.array)
        expected = (len(self.clusters), len(BANDS))
        if stored.ndim != 4 or stored.shape[:2] != expected or stored.dtype != np.float32:
            raise ImageError(
                f"{self.path}: array '{self.array}': expected {expected[0]} clusters in {expected[1]} bands of float32,"
                f" got {stored.dtype} of shape {stored.shape}"
            )
        with zipfile.ZipFile(self.path) as archive:
            missing = len(self) - sum(name.startswith(f"{self.array}/c/") for name in archive.namelist())
        if missing:
            raise ImageError(
                f"{self.path}: array '{self.array}': {missing} of {len(self.clusters)} clusters are missing"
            )
        return tuple(stored.shape)

    def __len__(self) -> int:
        return len(self.clusters)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def rows(self, clusters: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of clusters.

        Raises
        ------
        ImageError
            The file does not have one of them.
        """
        absent = [name for name in clusters if name not in self._row]
        if absent:
            more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
            raise ImageError(f"{self.path}: expected images of cluster {', '.join(absent[:3])}{more}, got none")
        return np.array([self._row[name] for name in clusters], np.int64)

    def read(self, rows: ArrayLike) -> Pixels:
        """Return images of some rows.

        Parameters
        ----------
        rows : array-like of int, shape (n,)

        Returns
        -------
        array of float32, shape (n, 5, h, w)

        Raises
        ------
        ImageError
            A row that is not there; damaged images.
        """
        wanted = np.asarray(rows, np.int64).reshape(-1)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise ImageError(
                f"{self.path}: expected rows from 0 to {len(self) - 1}, got {wanted.min()} to {wanted.max()}"
            )
        result = np.empty((len(wanted), *self.shape[1:]), np.float32)
        with self._explained():
            stored = self._stored(self.array)
            for place, row in enumerate(wanted):
                result[place] = stored[int(row)]
        return result

    def read_band(self, rows: ArrayLike, band: str) -> Pixels:
        """Return three identical channels of one band, as networks made for colours expect: shape (n, 3, h, w)."""
        if band not in tuple(BANDS):
            raise ImageError(f"expected a band of {', '.join(BANDS)}, got {band!r}")
        place = BANDS.index(band)
        return np.repeat(self.read(rows)[:, place : place + 1], 3, axis=1)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return what is kept of every cluster under this name: shape (n, ...)."""
        with self._explained():
            if f"numbers/{name}" not in self._root():
                raise ImageError(f"{self.path}: expected numbers '{name}', got none")
            return np.asarray(self._stored(f"numbers/{name}")[:], np.float64)

    def picture(self, cluster: str) -> Pixels:
        """Return the image of its own size that is kept of a cluster: shape (5, ny, nx)."""
        if cluster not in self.shown:
            raise ImageError(f"{self.path}: expected a picture of cluster {cluster}, got none")
        with self._explained():
            return np.asarray(self._stored(f"pictures/{self.shown.index(cluster)}")[0], np.float32)

    def _stored(self, name: str) -> zarr.Array:
        found = self._root()[name]
        if not isinstance(found, zarr.Array):
            raise ImageError(f"{self.path}: expected an array '{name}', got a group")
        return found

    def _root(self) -> zarr.Group:
        """Return the open file; a forked process opens its own, or two would move each other's place in it."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), zarr.open_group(ZipStore(self.path, mode="r"), mode="r", zarr_format=3))
        return self._opened[1]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of every fault in reading which file has it."""
        try:
            yield
        except ImageError:
            raise
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise ImageError(f"{self.path}: expected a whole Zarr file of images of clusters: {error!r}") from error
