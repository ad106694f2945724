"""Clusters that have images and labels, and who of them trains, validates and tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.crossmatch import part_in_fold
from clustermass.estimators import Split
from clustermass.frames.contracts import BANDS
from clustermass.images.resize import Pixels
from clustermass.images.store import Images

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = NDArray[np.object_]

_PARTS = {"train": "trains", "validation": "validates", "test": "tests"}
_CHUNK_BYTES = 2**26  # of images that are in memory at once to be checked, at most


class SampleError(ValueError):
    """Images, labels and splits do not go together; the message names what, expected and got."""


class Unusable(NamedTuple):
    """A cluster whose image says nothing, and why."""

    cluster: str
    reason: str


@dataclass(frozen=True, eq=False)
class ImageSample:
    """Clusters with a usable image and a label, in the order of the file of images: arrays of shape (n,).

    Splits number clusters by their place in these arrays; `rows` leads from there to the file.

    Attributes
    ----------
    clusters : array of str
        Names in the parent sample.
    rows : array of int
        Their rows in the file of images.
    group : array of str
        Object that splits keep together: the parent halo of simulated clusters.
    redshift : array
    log10_richness : array
        log10 of richness lambda.
    strong : array of bool
        Whether the mass is from the intracluster medium; otherwise it is from richness.
    catalogue : array of str
        That of the label.
    log10_m500c : array
        Label: log10 of M500c [Msun].
    log10_m500c_err : array
        Its error, mean of both sides [dex]; NaN: none is known.
    log10_m500c_richness : array
        log10 of M500c [Msun] from richness, of every cluster (Lin et al. 2022, Eq. 1).
    fold : array of int
        Fold in which the cluster tests.
    band : array of str
        Part in the band classification: train, validation or test.
    without_image : tuple of str
        Clusters that were meant to have an image; those who made images recorded why they have none.
    unusable : tuple of Unusable
        Clusters left out here.
    """

    clusters: Texts
    rows: Ints
    group: Texts
    redshift: Floats
    log10_richness: Floats
    strong: NDArray[np.bool_]
    catalogue: Texts
    log10_m500c: Floats
    log10_m500c_err: Floats
    log10_m500c_richness: Floats
    fold: Ints
    band: Texts
    without_image: tuple[str, ...] = ()
    unusable: tuple[Unusable, ...] = ()

    def __len__(self) -> int:
        return len(self.clusters)


def read_sample(
    images: Images,
    clusters: pd.DataFrame,
    labels: pd.DataFrame,
    splits: pd.DataFrame,
    pixels: Pixels | None = None,
    usable: Collection[str] | None = None,
) -> ImageSample:
    """Return the clusters of a file of images with their labels and splits.

    Parameters
    ----------
    images : Images
        Scaled images, (n, 5, h, w).
    clusters : pandas.DataFrame
        Contract `IMAGE_CLUSTERS`: those that were meant to have images.
    labels, splits : pandas.DataFrame
        Contracts `LABELS` and `SPLITS`; their order does not matter.
    pixels : array of float32, shape (n, 5, h, w), optional
        All images of the file where they are in memory already; None: they are read, some at a time.
    usable : collection of str, optional
        Clusters whose images were found usable before, as files of features name them: nothing is read then.

    Returns
    -------
    ImageSample

    Raises
    ------
    SampleError
        An image of a cluster that is not in all three tables; a cluster twice in one; labels and splits that differ in
        group or kind of label; a richness of zero; no usable image.
    ImageError
        Damaged images.
    """
    rows = _joined(images, clusters, labels, splits)
    faults = _faults(images, pixels) if usable is None else _left_out(images, set(usable))
    good = np.array([not fault for fault in faults], bool)
    if not good.any():
        raise SampleError(f"{images.path}: expected usable images, got {len(good)} unusable ones, first: {faults[:1]}")
    names, kept = np.array(images.clusters, object), rows[good]
    low, up = (kept[f"log10_m500c_err_{side}"].to_numpy(float) for side in ("low", "up"))
    return ImageSample(
        clusters=names[good],
        rows=np.flatnonzero(good),
        group=kept["group"].to_numpy(object),
        redshift=kept["redshift"].to_numpy(float),
        log10_richness=np.log10(kept["richness"].to_numpy(float)),
        strong=(kept["label"] == "strong").to_numpy(bool),
        catalogue=kept["catalogue"].to_numpy(object),
        log10_m500c=kept["log10_m500c"].to_numpy(float),
        log10_m500c_err=np.where(np.isnan(low), up, np.where(np.isnan(up), low, (low + up) / 2)),
        log10_m500c_richness=kept["log10_m500c_richness"].to_numpy(float),
        fold=kept["fold"].to_numpy(np.int64),
        band=kept["band"].to_numpy(object),
        without_image=tuple(sorted(set(clusters["id"]) - set(images.clusters))),
        unusable=tuple(Unusable(name, fault) for name, fault in zip(names, faults, strict=True) if fault),
    )


def image_faults(pixels: Pixels) -> list[str]:
    """Return why images cannot be used; '' for those that can.

    Parameters
    ----------
    pixels : array of float32, shape (n, 5, h, w)

    Returns
    -------
    list of str
        Of the first band at fault: pixels that are not finite, or all the same.
    """
    low, high = pixels.min(axis=(2, 3)), pixels.max(axis=(2, 3))  # (n, 5); NaN where one pixel is
    finite = np.isfinite(low) & np.isfinite(high)
    faults = [""] * len(pixels)
    for image in np.flatnonzero((~finite | (low == high)).any(axis=1)):
        band = int(np.argmax(~finite[image] | (low[image] == high[image])))
        wrong = int((~np.isfinite(pixels[image, band])).sum())
        all_same = f"all pixels are {low[image, band]:g}"
        faults[image] = f"band {BANDS[band]}: {f'{wrong} pixels are not finite' if wrong else all_same}"
    return faults


def strong_folds(sample: ImageSample, folds: int) -> list[Split]:
    """Return the folds of the cross-validation on strong labels: 8 of 10 train, one validates, one tests.

    Parameters
    ----------
    folds : int
        Their number, as in `labels.folds`.

    Raises
    ------
    SampleError
        Fewer strong labels than folds, a part without clusters, a group in two parts.

    Notes
    -----
    Source: Lin et al. (2022), section 3.3; here clusters of one halo keep together.
    """
    strong = np.flatnonzero(sample.strong)
    if len(strong) < folds:
        raise SampleError(
            f"strong labels: expected at least {folds}, one a fold, got {len(strong)}: raise image_sample.strong or"
            " lower labels.folds"
        )
    return _folds(sample, strong, folds, folds, "strong labels", "raise image_sample.strong or lower labels.folds")


def richness_splits(sample: ImageSample, folds: int, first: int | None = None) -> list[Split]:
    """Return the folds of the cross-validation on richness, which all clusters have.

    Parameters
    ----------
    folds : int
        Their number, as in `labels.folds`.
    first : int, optional
        Only this many of them, the first ones; None: all.

    Raises
    ------
    SampleError
        As `strong_folds`.

    Notes
    -----
    Source: Liang et al. (2020), section 3.1; their validation sets, if any, are not stated.
    """
    number = folds if first is None else first
    todo = "raise image_sample.clusters or lower labels.folds"
    return _folds(sample, np.arange(len(sample)), folds, number, "richness", todo)


def weak_rows(sample: ImageSample) -> Split:
    """Return who trains and who validates on weak labels; nobody tests.

    Weak clusters in whose halo a strong cluster is are left out: they would tell of those that test. The first fold
    that has any validates.

    Raises
    ------
    SampleError
        A part without clusters, a group in two parts.
    """
    alone = ~sample.strong & ~np.isin(sample.group, sample.group[sample.strong])
    part = np.full(len(sample), "", dtype="U10")
    if alone.any():
        part[alone] = np.where(sample.fold[alone] == sample.fold[alone].min(), "validation", "train")
    todo = "raise image_sample.clusters above image_sample.strong"
    return _split(sample, part, 0, "weak labels", todo, ("train", "validation"))


def band_rows(sample: ImageSample) -> Split:
    """Return who trains, validates and tests in the band classification, all bands of a cluster together.

    Raises
    ------
    SampleError
        A part without clusters, a group in two parts.

    Notes
    -----
    Source: Liang et al. (2020), section 3.1; Lin et al. (2022), section 3.1: 80 % train; here part of them validates.
    """
    todo = "raise image_sample.clusters, labels.band_validation_fraction or labels.band_test_fraction"
    return _split(sample, sample.band.astype("U10"), 0, "band classification", todo)


def subset(rows: Ints, percent: float, rng: np.random.Generator) -> Ints:
    """Return a random share of the rows, ascending: the beginning of one permutation, at least two.

    Generators of the same seed give the same subset, and smaller ones inside larger ones: models that are compared
    train on the same clusters.

    Parameters
    ----------
    rows : array of int, shape (n,)
    percent : float
        Share [%].
    rng : numpy.random.Generator

    Raises
    ------
    SampleError
        Fewer than two rows, or a share outside (0, 100].
    """
    if len(rows) < 2 or not 0 < percent <= 100:
        raise SampleError(f"subset: expected two rows or more and 0 < percent <= 100, got {len(rows)} and {percent}")
    return np.sort(rng.permutation(rows)[: max(2, round(percent / 100 * len(rows)))])


def check_leaks(parts: Mapping[str, Ints], sample: ImageSample, what: str) -> None:
    """Raise where a group stands in two parts of a split.

    Parameters
    ----------
    parts : mapping of str to array of int
        Clusters of every part, by their place in the sample.
    what : str
        What is split, for the message.

    Raises
    ------
    SampleError
    """
    seen: dict[str, tuple[str, str]] = {}
    for name, places in parts.items():
        for place in places:
            group, cluster = sample.group[place], sample.clusters[place]
            other, before = seen.setdefault(group, (name, cluster))
            if other != name:
                raise SampleError(
                    f"{what}: expected group {group} in one part, got cluster {before} in {other} and cluster {cluster}"
                    f" in {name}: the table of splits is damaged"
                )


def _folds(sample: ImageSample, rows: Ints, folds: int, number: int, what: str, todo: str) -> list[Split]:
    if not 0 <= sample.fold[rows].min() <= sample.fold[rows].max() < folds:
        raise SampleError(f"{what}: expected folds from 0 to {folds - 1}, got {sample.fold[rows].max()} in the splits")
    splits = []
    for fold in range(number):
        part = np.full(len(sample), "", dtype="U10")
        part[rows] = part_in_fold(sample.fold[rows], fold, folds)
        splits.append(_split(sample, part, fold, f"{what}, fold {fold} of {folds}", todo))
    return splits


def _split(
    sample: ImageSample,
    part: NDArray[np.str_],
    fold: int,
    what: str,
    todo: str,
    needed: tuple[str, ...] = tuple(_PARTS),
) -> Split:
    """Return the places of the clusters of every part; those of none are ''."""
    parts = {name: np.flatnonzero(part == name) for name in _PARTS}
    for name in needed:
        if not len(parts[name]):
            got = ", ".join(f"{len(parts[each])} for {each}" for each in needed)
            raise SampleError(f"{what}: expected a cluster that {_PARTS[name]}, got {got}: {todo}")
    check_leaks(parts, sample, what)
    return Split(fold, fold, parts["train"], parts["validation"], parts["test"])


def _faults(images: Images, pixels: Pixels | None) -> list[str]:
    chunks = _chunks(images) if pixels is None else iter([pixels])
    faults = [fault for chunk in chunks for fault in image_faults(chunk)]
    if len(faults) != len(images):
        raise SampleError(f"{images.path}: expected pixels of {len(images)} images, got those of {len(faults)}")
    return faults


def _left_out(images: Images, usable: set[str]) -> list[str]:
    strange = sorted(usable - set(images.clusters))
    if strange:
        raise SampleError(f"{images.path}: expected images of all usable clusters, got none of {strange[0]}")
    return ["" if name in usable else "found unusable before" for name in images.clusters]


def _chunks(images: Images) -> Iterator[Pixels]:
    size = max(1, _CHUNK_BYTES // (4 * int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), size):
        yield images.read(np.arange(start, min(start + size, len(images))))


def _joined(images: Images, clusters: pd.DataFrame, labels: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Return labels and splits of all images, in the order of the file."""
    tables = {
        "clusters": clusters.set_index("id"),
        "labels": labels.set_index("cluster"),
        "splits": splits.set_index("cluster"),
    }
    for what, table in tables.items():
        twice = table.index[table.index.duplicated()]
        absent = [name for name in images.clusters if name not in table.index]
        if len(twice):
            raise SampleError(f"{what}: expected every cluster once, got {twice[0]} twice")
        if absent:
            raise SampleError(
                f"{images.path}: image of cluster {absent[0]}: expected it in the table of {what}, got {len(absent)}"
                f" of {len(images)} images without"
            )
    label, split = (tables[what].loc[images.clusters] for what in ("labels", "splits"))
    for column in ("group", "label"):
        one, other = label[column].to_numpy(object), split[column].to_numpy(object)
        for row in np.flatnonzero(one != other):
            raise SampleError(
                f"cluster {images.clusters[row]}: expected the same {column} in labels and splits,"
                f" got {one[row]} and {other[row]}"
            )
    for row in np.flatnonzero(~(label["richness"].to_numpy(float) > 0)):
        raise SampleError(f"cluster {images.clusters[row]}: expected a richness above 0, got none")
    return label.join(split[["fold", "band"]])
