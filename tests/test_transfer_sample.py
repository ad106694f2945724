"""Who trains, validates and tests on images: against tables written by hand, with planted leaks and faults."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clustermass.contracts import LABELS, SPLITS
from clustermass.estimators import Split
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.images.resize import Pixels
from clustermass.images.store import ClusterImages, Images, write_images
from clustermass.transfer import sample as module
from clustermass.transfer.sample import (
    ImageSample,
    SampleError,
    band_rows,
    check_leaks,
    image_faults,
    read_sample,
    richness_splits,
    strong_folds,
    subset,
    weak_rows,
)

N, FOLDS = 60, 5
NAMES = [f"c{k:02}" for k in range(N)]
Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def pixels(number: int) -> Pixels:
    return np.random.default_rng(0).uniform(0, 1, (number, 5, 4, 4)).astype(np.float32)


def tables() -> Tables:
    """Clusters c00 to c59; 2k and 2k + 1 share halo k; the first 40 are strong but c01, which is weak in halo 0."""
    k = np.arange(N)
    halo = k // 2
    place = {"ra": k * 1.0, "dec": k / 2, "redshift": 0.1 + k / 200}
    strong = (k < 40) & (k != 1)
    clusters = pd.DataFrame({"id": NAMES, "group": [f"h{h}" for h in halo], **place, "richness": 20.0 + k})
    clusters = clusters.assign(kind=np.where(strong, "strong", "weak"), arcsec_per_mpc=300.0, job=0, picture=False)
    labels = pd.DataFrame({"cluster": NAMES, "group": clusters["group"], **place, "redshift_kind": "unstated"})
    labels = labels.assign(
        richness=20.0 + k,
        label=clusters["kind"],
        catalogue=np.where(strong, "xcs", "redmapper"),
        log10_m500c=14 + k / 100,
        log10_m500c_err_low=np.where(strong & (k != 3), 0.1, np.nan),
        log10_m500c_err_up=np.where(strong & (k != 2), 0.3, np.nan),
        log10_m500c_richness=14.1 + k / 100,
    )
    band = np.array(["train", "train", "train", "validation", "test"])[halo % 5]
    splits = labels[["cluster", "group", "label"]].assign(fold=halo % FOLDS, band=band)
    return (
        IMAGE_CLUSTERS.validate(clusters, "clusters"),
        LABELS.validate(labels, "labels"),
        SPLITS.validate(splits, "splits"),
    )


def stored(folder: Path, names: list[str], values: Pixels | None = None) -> Images:
    values = pixels(len(names)) if values is None else values
    rows = (ClusterImages(name, {"images": image}) for name, image in zip(names, values, strict=True))
    write_images(folder / "images.zarr.zip", {"images": (4, 4)}, rows, {})
    return Images(folder / "images.zarr.zip")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return stored(tmp_path_factory.mktemp("images"), NAMES)


@pytest.fixture(scope="module")
def sample(images: Images) -> ImageSample:
    return read_sample(images, *tables())


def parts(split: Split) -> list[set[int]]:
    return [set(rows.tolist()) for rows in (split.training, split.validation, split.test)]


def edited(table: pd.DataFrame, cluster: str, **values: object) -> pd.DataFrame:
    table = table.copy()
    key = "id" if "id" in table else "cluster"
    table.loc[table[key] == cluster, list(values)] = list(values.values())
    return table


# ------------------------------------------------------------------------------------------------------------- reading
def test_sample_holds_what_tables_say(sample: ImageSample) -> None:
    k = np.arange(N)
    assert len(sample) == N
    assert sample.clusters.tolist() == NAMES
    np.testing.assert_array_equal(sample.rows, k)
    np.testing.assert_allclose(sample.redshift, 0.1 + k / 200)
    np.testing.assert_allclose(10**sample.log10_richness, 20 + k)
    np.testing.assert_allclose(sample.log10_m500c_richness - sample.log10_m500c, 0.1)
    np.testing.assert_array_equal(sample.strong, (k < 40) & (k != 1))
    assert set(sample.catalogue[sample.strong]) == {"xcs"}
    # the mean of both sides; the other where one is missing; none of weak labels
    np.testing.assert_allclose(sample.log10_m500c_err[:5], [0.2, np.nan, 0.1, 0.3, 0.2])
    assert np.isnan(sample.log10_m500c_err[40:]).all()
    assert sample.group[7] == "h3"
    assert sample.band[7] == "validation"
    assert sample.fold[7] == 3
    assert sample.without_image == ()
    assert sample.unusable == ()


def test_order_is_that_of_the_file_whatever_that_of_the_tables(tmp_path: Path) -> None:
    order = np.random.default_rng(3).permutation(N)[:50]  # ten without an image
    some = stored(tmp_path, [NAMES[k] for k in order])
    shuffled = [table.sample(frac=1, random_state=seed) for seed, table in enumerate(tables())]
    found = read_sample(some, *shuffled)
    assert found.clusters.tolist() == [NAMES[k] for k in order]
    np.testing.assert_array_equal(found.rows, np.arange(50))
    np.testing.assert_allclose(found.log10_m500c, 14 + order / 100)
    np.testing.assert_array_equal(found.fold, order // 2 % FOLDS)
    assert set(found.without_image) == set(NAMES) - set(found.clusters)
    assert list(found.without_image) == sorted(found.without_image)


def test_unusable_images_are_left_out_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = pixels(N)
    values[3, 1] = 0.5  # g of one value
    values[10, 4, 2, 2] = np.nan
    values[10, 4, 0, 0] = np.inf
    values[59] = 0
    values[20, 0] = 0.25
    values[20, 0, 3, 3] = 0.26  # not constant, barely
    monkeypatch.setattr(module, "_CHUNK_BYTES", 7 * 4 * 5 * 16)  # seven images at a time
    some = stored(tmp_path, NAMES, values)
    found = read_sample(some, *tables())
    reasons = {
        "c03": "band g: all pixels are 0.5",
        "c10": "band z: 2 pixels are not finite",
        "c59": "band u: all pixels are 0",
    }
    assert dict(found.unusable) == reasons
    assert len(found) == N - 3
    np.testing.assert_array_equal(found.rows, np.delete(np.arange(N), [3, 10, 59]))
    np.testing.assert_array_equal(some.read(found.rows), np.delete(values, [3, 10, 59], axis=0))
    assert [name for name, fault in zip(NAMES, image_faults(values), strict=True) if fault] == list(reasons)
    at_once = read_sample(some, *tables(), pixels=values)
    assert at_once.unusable == found.unusable
    assert at_once.clusters.tolist() == found.clusters.tolist()


def test_images_are_read_in_parts_or_not_at_all(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    read = Images.read
    monkeypatch.setattr(Images, "read", lambda self, rows: sizes.append(len(rows)) or read(self, rows))
    monkeypatch.setattr(module, "_CHUNK_BYTES", 7 * 4 * 5 * 16)
    read_sample(images, *tables())
    assert sizes == [7] * 8 + [4]
    read_sample(images, *tables(), pixels=pixels(N))
    found = read_sample(images, *tables(), usable=NAMES[5:])
    assert len(sizes) == 9
    assert found.clusters.tolist() == NAMES[5:]
    assert found.rows[0] == 5
    assert found.unusable[0] == ("c00", "found unusable before")


def test_sizes_of_the_papers_fit_into_memory() -> None:
    assert module._CHUNK_BYTES <= 2**28
    assert module._CHUNK_BYTES >= 5 * 4 * 256 * 256


@pytest.mark.parametrize("place", range(3))
def test_an_image_that_a_table_does_not_know_is_an_error(images: Images, place: int) -> None:
    found = list(tables())
    found[place] = found[place].iloc[2:]
    what = ("clusters", "labels", "splits")[place]
    with pytest.raises(SampleError, match=rf"images\.zarr\.zip: image of cluster c00.*table of {what}, got 2 of 60"):
        read_sample(images, *found)


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (1, lambda t: pd.concat([t, t.iloc[[4]]]), "labels: expected every cluster once, got c04 twice"),
        (2, lambda t: pd.concat([t, t.iloc[[4]]]), "splits: expected every cluster once, got c04 twice"),
        (2, lambda t: edited(t, "c07", group="h30"), "cluster c07: expected the same group.*got h3 and h30"),
        (2, lambda t: edited(t, "c07", label="weak"), "cluster c07: expected the same label.*got strong and weak"),
        (1, lambda t: edited(t, "c07", richness=0.0), "cluster c07: expected a richness above 0"),
    ],
)
def test_tables_that_do_not_go_together(images: Images, place: int, change: object, message: str) -> None:
    found = list(tables())
    found[place] = change(found[place])  # type: ignore[operator]
    with pytest.raises(SampleError, match=message):
        read_sample(images, *found)


def test_pixels_that_do_not_go_with_the_file(images: Images) -> None:
    with pytest.raises(SampleError, match="expected pixels of 60 images, got those of 59"):
        read_sample(images, *tables(), pixels=pixels(59))
    with pytest.raises(SampleError, match="expected usable images, got 60 unusable ones"):
        read_sample(images, *tables(), pixels=np.zeros((N, 5, 4, 4), np.float32))
    with pytest.raises(SampleError, match="expected images of all usable clusters, got none of c99"):
        read_sample(images, *tables(), usable=["c00", "c99"])


# -------------------------------------------------------------------------------------------------------------- splits
def test_strong_folds(sample: ImageSample) -> None:
    splits = strong_folds(sample, FOLDS)
    strong = set(np.flatnonzero(sample.strong).tolist())
    halo = np.arange(N) // 2
    assert [split.fold for split in splits] == [split.number for split in splits] == list(range(FOLDS))
    for fold, split in enumerate(splits):
        training, validation, test = parts(split)
        assert training | validation | test == strong
        assert test == {k for k in strong if halo[k] % FOLDS == fold}
        assert validation == {k for k in strong if halo[k] % FOLDS == (fold + 1) % FOLDS}
        assert not {sample.group[k] for k in training | validation} & {sample.group[k] for k in test}
        assert not {sample.group[k] for k in training} & {sample.group[k] for k in validation}
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == sorted(strong)  # each tests once


def test_richness_splits(sample: ImageSample) -> None:
    splits = richness_splits(sample, FOLDS)
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(N))
    for split in splits:
        assert set.union(*parts(split)) == set(range(N))
        assert len(split.training) == 36
        assert len(split.validation) == len(split.test) == 12
    assert [parts(split) for split in richness_splits(sample, FOLDS, first=2)] == [parts(s) for s in splits[:2]]


def test_weak_labels_leave_halos_of_strong_ones_out(sample: ImageSample) -> None:
    split = weak_rows(sample)
    training, validation, test = parts(split)
    assert training | validation == set(range(40, N))  # without c01, of halo 0 as the strong c00 is
    assert validation == {k for k in range(40, N) if k // 2 % FOLDS == 0}
    assert not test
    strong = set(sample.group[sample.strong])
    assert not strong & set(sample.group[split.training])
    assert not strong & set(sample.group[split.validation])


def test_the_first_fold_that_has_weak_labels_validates(images: Images) -> None:
    clusters, labels, splits = tables()
    splits["fold"] = splits["fold"] + 2  # none in 0 and 1
    validation = parts(weak_rows(read_sample(images, clusters, labels, splits)))[1]
    assert validation == {k for k in range(40, N) if k // 2 % FOLDS == 0}


def test_band_rows(sample: ImageSample) -> None:
    part = [("train", "train", "train", "validation", "test")[k // 2 % 5] for k in range(N)]
    expected = [{k for k in range(N) if part[k] == name} for name in ("train", "validation", "test")]
    assert parts(band_rows(sample)) == expected


# ---------------------------------------------------------------------------------------------------------------- leaks
def test_a_halo_in_two_folds_is_caught(images: Images) -> None:
    clusters, labels, splits = tables()
    leaky = read_sample(images, clusters, labels, edited(splits, "c04", fold=0))  # c05 stays in fold 2
    message = "strong labels, fold 0 of 5: expected group h2 in one part, got cluster c0[45] in .* and cluster c0[45]"
    with pytest.raises(SampleError, match=message):
        strong_folds(leaky, FOLDS)
    with pytest.raises(SampleError, match="richness, fold 0 of 5: expected group h2 in one part"):
        richness_splits(leaky, FOLDS)
    # c01 is weak: only richness sees it beside c00
    leaky = read_sample(images, clusters, labels, edited(splits, "c01", fold=3), usable=NAMES)
    strong_folds(leaky, FOLDS)
    with pytest.raises(SampleError, match="richness, fold 0 of 5: expected group h0 in one part"):
        richness_splits(leaky, FOLDS)
    leaky = read_sample(images, clusters, labels, edited(splits, "c40", fold=1), usable=NAMES)
    with pytest.raises(SampleError, match="weak labels: expected group h20 in one part"):
        weak_rows(leaky)


@pytest.mark.parametrize(("cluster", "band"), [("c00", "test"), ("c00", "validation"), ("c07", "test")])
def test_a_halo_in_two_parts_of_the_bands_is_caught(images: Images, cluster: str, band: str) -> None:
    clusters, labels, splits = tables()
    leaky = read_sample(images, clusters, labels, edited(splits, cluster, band=band), usable=NAMES)
    with pytest.raises(SampleError, match=r"band classification: expected group .* in one part"):
        band_rows(leaky)


def test_every_shuffle_of_folds_is_caught(images: Images) -> None:
    clusters, labels, splits = tables()
    rng = np.random.default_rng(1)
    for _ in range(5):  # dealt by cluster, as if halos did not matter
        leaky = read_sample(images, clusters, labels, splits.assign(fold=rng.permutation(splits["fold"])), usable=NAMES)
        with pytest.raises(SampleError, match="in one part"):
            strong_folds(leaky, FOLDS)
        with pytest.raises(SampleError, match="in one part"):
            richness_splits(leaky, FOLDS)


def test_one_cluster_in_two_parts_is_caught(sample: ImageSample) -> None:
    check_leaks({"train": np.array([0, 1]), "test": np.array([2, 3])}, sample, "by hand")
    with pytest.raises(
        SampleError, match=re.escape("by hand: expected group h1 in one part, got cluster c02 in train")
    ):
        check_leaks({"train": np.array([0, 2]), "test": np.array([2])}, sample, "by hand")


# ------------------------------------------------------------------------------------------------------------ bad input
def few(images: Images, keep: list[int]) -> ImageSample:
    return read_sample(images, *tables(), usable=[NAMES[k] for k in keep])


def test_too_few_clusters(images: Images) -> None:
    with pytest.raises(SampleError, match=r"at least 5, one a fold, got 4: raise image_sample\.strong or lower labels"):
        strong_folds(few(images, [0, 2, 4, 6, 41]), FOLDS)
    message = r"strong labels, fold 3 of 5: expected a cluster that validates, got 10 for train, 0 for .*labels\.folds"
    with pytest.raises(SampleError, match=message):
        strong_folds(few(images, [k for k in range(15) if k // 2 % FOLDS != 4]), FOLDS)
    gap = few(images, [0, 2, 6, 8])  # nobody in fold 2
    assert len(richness_splits(gap, FOLDS, first=1)) == 1
    with pytest.raises(
        SampleError, match=r"richness, fold 1 of 5: expected a cluster that validates.*image_sample\.cl"
    ):
        richness_splits(gap, FOLDS)
    with pytest.raises(SampleError, match=r"weak labels: expected a cluster that trains, got 0 for train, 0 for valid"):
        weak_rows(few(images, list(range(40))))
    with pytest.raises(SampleError, match=r"weak labels: expected a cluster that trains, got 0 for train, 1 for valid"):
        weak_rows(few(images, [0, 50]))
    with pytest.raises(SampleError, match=r"band classification: expected a cluster that tests.*band_test_fraction"):
        band_rows(few(images, [0, 6]))


def test_other_folds_than_in_the_table(sample: ImageSample) -> None:
    with pytest.raises(SampleError, match="strong labels: expected folds from 0 to 3, got 4 in the splits"):
        strong_folds(sample, 4)
    with pytest.raises(SampleError, match="fold 4 of 6: expected a cluster that validates"):  # fold 5 has nobody
        richness_splits(sample, 6)


# -------------------------------------------------------------------------------------------------------------- subsets
def test_subsets_are_nested_and_the_same_for_one_seed() -> None:
    rows = np.random.default_rng(0).permutation(1000)[:500]
    percents = (0.01, 1, 5, 10, 25, 50, 99, 100)
    chosen = [subset(rows, percent, np.random.default_rng(7)) for percent in percents]
    assert [len(one) for one in chosen] == [2, 5, 25, 50, 125, 250, 495, 500]
    for smaller, larger in pairwise(chosen):
        assert set(smaller.tolist()) <= set(larger.tolist())
    for one in chosen:
        assert (np.diff(one) > 0).all()
    np.testing.assert_array_equal(chosen[-1], np.sort(rows))
    np.testing.assert_array_equal(subset(rows, 10, np.random.default_rng(7)), chosen[3])
    assert set(subset(rows, 10, np.random.default_rng(8)).tolist()) != set(chosen[3].tolist())


def test_subsets_favour_nobody() -> None:
    rng = np.random.default_rng(0)
    times = np.bincount(np.concatenate([subset(np.arange(20), 25, rng) for _ in range(2000)]), minlength=20)
    assert times.sum() == 10_000
    assert ((times - 500) ** 2 / 500).sum() < 43.8  # chi2 of 19 degrees of freedom, one in a thousand


@pytest.mark.parametrize(("number", "percent"), [(1, 100.0), (0, 50.0), (10, 0.0), (10, 101.0), (10, float("nan"))])
def test_subsets_that_cannot_be(number: int, percent: float) -> None:
    with pytest.raises(SampleError, match="expected two rows or more and 0 < percent <= 100"):
        subset(np.arange(number), percent, np.random.default_rng(0))
