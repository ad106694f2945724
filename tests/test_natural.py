"""Natural images: made-up archives, unsafe ones among them, and the task of telling channels apart."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from clustermass.config.natural import NaturalData
from clustermass.natural.archive import check_md5, members
from clustermass.natural.images import NaturalImageError, NaturalImages, collect, decode
from clustermass.natural.ordering import ORDERS, balanced_order, reorder
from clustermass.natural.read import CUB200_MD5, read_natural_images


def picture(seed: int, width: int = 8, height: int = 8, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def pixels_of(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)


FILES = {
    f"{split}/{kind}/{i:04d}.png": picture(1000 * i + 10 * len(kind) + len(split))
    for split, count in (("train", 3), ("test", 2))
    for kind in ("cat", "aeroplane")
    for i in range(count)
}


def member(name: str, **changes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    return info


def write_tar(path: Path, files: dict[str, bytes], *extra: tarfile.TarInfo, mode: Any = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            archive.addfile(member(name, size=len(data)), io.BytesIO(data))
        for info in extra:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def settings(kind: Any, path: Path, **changes: Any) -> NaturalData:
    return NaturalData(kind=kind, path=str(path), **changes)


def test_folder_and_archive_give_the_same_images_in_order(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(data)
    (tmp_path / "images" / "train" / "cat" / "notes.txt").write_text("no image")
    shuffled = {f"./{name}": FILES[name] for name in sorted(FILES, key=lambda name: name[::-1])}
    results = [read_natural_images(settings("folder", tmp_path / "images"))]
    for mode in ("w:gz", "w", "w:xz"):
        path = write_tar(tmp_path / "images.tar", {"README.md": b"hello", **shuffled}, mode=mode)
        results.append(read_natural_images(settings("archive", path)))
    for result in results:
        assert result["train"].classes == result["test"].classes == ("aeroplane", "cat")
        assert result["train"].labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert result["test"].labels.tolist() == [0, 0, 1, 1]
        for split, images in result.items():
            names = sorted(name for name in FILES if name.startswith(split))
            assert np.array_equal(images.pixels, np.stack([pixels_of(FILES[name]) for name in names]))
    few = read_natural_images(settings("archive", tmp_path / "images.tar", per_class=1))
    assert np.array_equal(few["train"].pixels, results[0]["train"].pixels[[0, 3]])
    few = read_natural_images(settings("folder", tmp_path / "images", per_class=2))
    assert few["train"].labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("../outside.png"), "name inside of the archive"),
        (member("train/../../outside.png"), "name inside of the archive"),
        (member("/etc/outside.png"), "name inside of the archive"),
        (member("train\\..\\outside.png"), "name inside of the archive"),
        (member("train/cat/x.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link or a device"),
        (member("train/cat/x.png", type=tarfile.LNKTYPE, linkname="train/cat/0000.png"), "a link or a device"),
        (member("train/cat/x.png", type=tarfile.CHRTYPE), "a link or a device"),
        (member("train/cat/x.png", type=tarfile.FIFOTYPE), "a link or a device"),
        (member("train/cat/x.png", size=5000), "at most 4000 bytes, got 5000"),
        (member("padding", size=50_000), "at most 100 members and 40000 bytes"),
        (member("train/cat/0001.png"), "expected a JPEG or PNG"),
    ],
)
def test_unsafe_archives_are_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    path = write_tar(tmp_path / "images.tar.gz", FILES, info)
    limits = {"largest_file": 4000, "largest_archive": 40_000, "most_files": 100}
    with pytest.raises(NaturalImageError, match=message):
        read_natural_images(settings("archive", path, **limits))
    assert sorted(tmp_path.iterdir()) == [path]


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "images.tar.gz", FILES)
    whole = path.read_bytes()
    checksum = hashlib.md5(whole).hexdigest()
    assert len(read_natural_images(settings("archive", path, md5=checksum))["test"].labels) == 4
    assert dict(members(path, settings("archive", path))) == FILES
    for damaged in (whole[:-400], b"no archive", b""):
        path.write_bytes(damaged)
        with pytest.raises(NaturalImageError, match="expected a whole tar archive"):
            read_natural_images(settings("archive", path))
        with pytest.raises(NaturalImageError, match=f"expected MD5 checksum {checksum}"):
            read_natural_images(settings("archive", path, md5=checksum))
    path.unlink()
    with pytest.raises(NaturalImageError, match="there is no such file: put it there"):
        read_natural_images(settings("archive", path))
    with pytest.raises(NaturalImageError, match="there is none"):
        read_natural_images(settings("folder", tmp_path / "nothing"))
    write_tar(path, FILES | {"train/dog/0000.png": FILES["train/cat/0000.png"]})
    with pytest.raises(NaturalImageError, match=r"same classes in train and test, got 3 and 2: \['dog'\]"):
        read_natural_images(settings("archive", path))
    write_tar(path, {"train/cat/0000.png": picture(1)})
    with pytest.raises(NaturalImageError, match="got 1 and 0"):
        read_natural_images(settings("archive", path))
    write_tar(path, FILES, mode="w")
    with tarfile.open(path, "a") as archive:
        archive.addfile(member("train/cat/0000.png", size=len(picture(1))), io.BytesIO(picture(1)))
    with pytest.raises(NaturalImageError, match="expected once, got twice"):
        read_natural_images(settings("archive", path))


def test_images_are_cut_to_squares_and_scaled() -> None:
    ramp = np.broadcast_to(np.arange(160, dtype=np.uint8)[None, :, None], (80, 160, 3))
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(ramp)).save(stream, "PNG")
    pixels = decode(stream.getvalue(), "ramp", 20, 10**6)
    assert pixels.shape == (3, 20, 20)
    assert np.abs(pixels[0, 10] - (41.5 + 4 * np.arange(20))).max() <= 2  # the middle 80 columns, four to a pixel
    assert decode(picture(1, 12, 8), "whole", None, 10**6).shape == (3, 8, 12)
    large = decode(picture(1, 640, 480, "JPEG"), "photo", 32, 10**6)  # decoded at a quarter
    assert large.shape == (3, 32, 32)
    assert abs(int(large.mean()) - 127) < 5


def header_of_a_bomb() -> bytes:
    """Return a PNG whose header promises 60,000 x 60,000 pixels."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")]
    packed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def flat() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (3, 2, 1)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"text", "expected a JPEG or PNG"),
        (picture(1, kind="BMP"), "expected a JPEG or PNG"),
        (picture(1, 64, 64, "JPEG")[:2000], "expected a JPEG or PNG"),
        (picture(1, 200, 200), "at most 10000 pixels, got 200 x 200"),
        (header_of_a_bomb(), "(pixels|exceeds limit)"),
        (flat(), "all pixels are the same"),
    ],
)
@pytest.mark.parametrize("side", [None, 4])
def test_unreadable_and_empty_images_are_refused(data: bytes, message: str, side: int | None) -> None:
    with pytest.raises(NaturalImageError, match=f"broken.jpg: .*{message}"):
        decode(data, "broken.jpg", side, 10_000)


def test_sets_of_images_that_do_not_fit_are_refused() -> None:
    one, other = decode(picture(1), "a", None, 10**4), decode(picture(1, 9, 9), "b", None, 10**4)
    with pytest.raises(NaturalImageError, match="expected one size"):
        collect([("train", "cat", "a", one), ("train", "cat", "b", other), ("test", "cat", "a", one)])
    with pytest.raises(NaturalImageError, match="expected uint8"):
        NaturalImages(np.zeros((2, 3, 4, 4)), np.zeros(2, np.int64), ("cat",))  # type: ignore[arg-type]
    with pytest.raises(NaturalImageError, match="one class for each of 2"):
        NaturalImages(np.zeros((2, 3, 4, 4), np.uint8), np.zeros(3, np.int64), ("cat",))
    with pytest.raises(NaturalImageError, match="classes from 0 to 0"):
        NaturalImages(np.zeros((2, 3, 4, 4), np.uint8), np.array([0, 1]), ("cat",))
    grey = np.repeat(one[:1], 3, axis=0)
    images = NaturalImages(np.stack([one, grey]), np.array([0, 0]), ("cat",))
    assert images.colourless.tolist() == [False, True]


def cub_files() -> dict[str, bytes]:
    """Return files in the layout of CUB-200-2011."""
    names = [f"{kind}/{kind[4:]}_{i:04d}_{i}.jpg" for kind in ("001.Albatross", "002.Auklet") for i in range(4)]
    lines = {
        "images": [f"{i} {name}" for i, name in enumerate(names, 1)],
        "image_class_labels": [f"{i} {int(name[:3])}" for i, name in enumerate(names, 1)],
        "train_test_split": [f"{i} {int(i % 2 == 0)}" for i in range(1, 9)],
        "classes": ["1 001.Albatross", "2 002.Auklet"],
    }
    images = {f"CUB_200_2011/images/{name}": picture(i, 30 + i, 40, "JPEG") for i, name in enumerate(names)}
    tables = {f"CUB_200_2011/{name}.txt": ("\n".join(rows) + "\n").encode() for name, rows in lines.items()}
    return {"attributes.txt": b"1 has_bill_shape::curved\n", **images, **tables}


def test_cub200_is_read_from_its_published_layout(tmp_path: Path) -> None:
    files = cub_files()
    path = write_tar(tmp_path / "CUB_200_2011.tgz", files)

    def read(**changes: Any) -> dict[str, NaturalImages]:
        checksum = hashlib.md5(path.read_bytes()).hexdigest()
        return read_natural_images(settings("cub200", path, **{"side": 16, "md5": checksum, **changes}))

    found = read()
    assert found["train"].classes == ("001.Albatross", "002.Auklet")
    assert found["train"].labels.tolist() == found["test"].labels.tolist() == [0, 0, 1, 1]
    second = decode(files["CUB_200_2011/images/001.Albatross/Albatross_0001_1.jpg"], "", 16, 10**4)
    assert np.array_equal(found["train"].pixels[0], second)  # image 2 is for training
    assert read(per_class=1)["test"].labels.tolist() == [0, 1]
    with pytest.raises(NaturalImageError, match=f"expected MD5 checksum {CUB200_MD5}"):
        read(md5=None)
    broken: dict[str, tuple[str, bytes | None, str]] = {
        "no table": ("train_test_split.txt", None, "got no training"),
        "no split of an image": ("train_test_split.txt", b"1 0\n2 1\n", "some are missing"),
        "another split": ("train_test_split.txt", b"".join(b"%d 2\n" % i for i in range(1, 9)), "some are missing"),
        "no species": ("classes.txt", b"1 001.Albatross\n", "some are missing"),
        "no image": ("images/001.Albatross/Albatross_0001_1.jpg", None, "expected 8 images, got 7"),
        "a number twice": ("classes.txt", b"1 a\n1 b\n", "every number once in"),
        "an empty table": ("classes.txt", b"", "expected two columns"),
    }
    for name, data, message in broken.values():
        changed = {**files, f"CUB_200_2011/{name}": data}
        write_tar(path, {key: value for key, value in changed.items() if value is not None})
        with pytest.raises(NaturalImageError, match=message):
            read()
    path.unlink()
    with pytest.raises(NaturalImageError, match=r"expected CUB_200_2011.tgz from data.caltech.edu"):
        read_natural_images(settings("cub200", path))
    path.write_bytes(b"abc")
    check_md5(path, "900150983cd24fb0d6963f7d28e17f72")  # RFC 1321


def test_cifar10_comes_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["ship", "airplane", "cat"]  # not in order
    rng = np.random.default_rng(1)
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    stored = {
        "data_batch_1": {"data": rng.integers(0, 256, (6, 3072), dtype=np.uint8), "labels": [2, 0, 1, 2, 1, 0]},
        "test_batch": {"data": rng.integers(0, 256, (3, 3072), dtype=np.uint8), "labels": [0, 1, 2]},
        "batches.meta": {"label_names": names},
    }
    checksums = {}
    for name, content in stored.items():
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        checksums[name] = hashlib.md5(data).hexdigest()
    meta = {"filename": "batches.meta", "key": "label_names", "md5": checksums["batches.meta"]}
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", checksums["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", checksums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", meta)
    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "nowhere").as_uri())
    found = read_natural_images(settings("cifar10", tmp_path))
    assert found["train"].classes == ("airplane", "cat", "ship")
    assert found["train"].labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.array_equal(found["train"].pixels[0], stored["data_batch_1"]["data"][2].reshape(3, 32, 32))
    assert found["test"].labels.tolist() == [0, 1, 2]
    assert read_natural_images(settings("cifar10", tmp_path, per_class=1))["train"].labels.tolist() == [0, 1, 2]
    with pytest.raises(NaturalImageError, match="side: expected 32 or null"):
        read_natural_images(settings("cifar10", tmp_path, side=16))
    (folder / "test_batch").write_bytes(b"tampered")
    for download in (False, True):
        with pytest.raises(NaturalImageError, match=r"CIFAR-10: .*set download: true, or put"):
            read_natural_images(settings("cifar10", tmp_path, download=download))


def test_channels_are_reordered_as_the_order_says() -> None:
    images = torch.arange(3.0)[None, :, None, None].expand(6, 3, 2, 2)  # channel c has the value c
    mixed = reorder(images, torch.arange(6))
    assert [tuple(int(value) for value in image[:, 0, 0]) for image in mixed] == list(ORDERS)
    assert len(set(ORDERS)) == 6
    assert torch.equal(mixed[0], images[0])
    photos = torch.rand(4, 3, 5, 5)
    orders = torch.arange(len(ORDERS)).repeat(len(photos))
    every = reorder(photos.repeat_interleave(len(ORDERS), dim=0), orders)
    inverse = torch.tensor([ORDERS.index(tuple(int(c) for c in np.argsort(order))) for order in ORDERS])
    assert torch.equal(reorder(every, inverse[orders]), photos.repeat_interleave(6, 0))
    for wrong in (torch.arange(3), torch.full((4,), 6), torch.full((4,), -1)):
        with pytest.raises(ValueError, match="orders: expected 4 numbers from 0 to 5"):
            reorder(photos, wrong)
    with pytest.raises(ValueError, match="images: expected"):
        reorder(photos[:, :2], torch.zeros(4, dtype=torch.long))


def test_every_beginning_of_a_balanced_order_has_all_classes() -> None:
    labels = np.random.default_rng(3).permutation(np.repeat([0, 1, 2], [60, 30, 10]))
    order = balanced_order(labels, np.random.default_rng(4))
    assert sorted(order) == list(range(100))
    for count in (10, 20, 37, 80):
        got = np.bincount(labels[order[:count]], minlength=3)
        assert np.abs(got - count * np.array([0.6, 0.3, 0.1])).max() <= 1.5
    assert np.array_equal(order, balanced_order(labels, np.random.default_rng(4)))
    assert not np.array_equal(order, balanced_order(labels, np.random.default_rng(5)))


@pytest.mark.archival
def test_real_cifar10_in_jpeg(archive: Path) -> None:
    path = archive / "natural_images" / "cifar10_jpg.tar.gz"
    found = read_natural_images(settings("archive", path, per_class=20))
    assert len(found["train"].classes) == 10
    assert np.bincount(found["test"].labels).tolist() == [20] * 10
    assert found["train"].pixels.shape == (200, 3, 32, 32)
    sky = found["train"].pixels[found["train"].labels == found["train"].classes.index("airplane")]
    assert sky[:, 2].mean() > sky[:, 0].mean() + 5  # aeroplanes are seen against blue
