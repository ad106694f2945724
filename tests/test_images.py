"""Network inputs: sizes, scaling, extinction, and the file that keeps images."""

from __future__ import annotations

import multiprocessing
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from torch.utils.data import DataLoader

from clustermass.config.frames import Cutout
from clustermass.config.frames import Images as ImageSettings
from clustermass.frames.contracts import BANDS
from clustermass.images.extinction import COEFFICIENTS, nearest_reddening, transparency
from clustermass.images.inputs import cutouts, network_inputs
from clustermass.images.resize import resize
from clustermass.images.scaling import SCALINGS, describe_scaling, scale, unscale
from clustermass.images.store import ClusterImages, ImageError, Images, write_images

SETTINGS = ImageSettings(pixels=8, offset=4.0, faintest=-3.0, brightest=1002.0)


def noise(shape, seed=1):
    """Return surface brightness of a noisy sky."""
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


# sizes


def test_whole_factors_are_plain_means():
    images = noise((2, 3, 12, 12))
    np.testing.assert_allclose(resize(images, 4), images.reshape(2, 3, 4, 3, 4, 3).mean((3, 5)), rtol=0, atol=1e-6)


def test_the_same_size_changes_nothing():
    images = noise((5, 9, 9))
    np.testing.assert_array_equal(resize(images, 9), images)


@pytest.mark.parametrize(("pixels", "side"), [(7, 13.0), (7, 9.4), (5, 12.99), (20, 6.5)])
def test_flux_is_that_of_the_square(pixels, side):
    """Against areas of overlap that are summed in full."""
    image = noise((13, 13))
    got = resize(image, pixels, side)
    edges = 6.5 - side / 2 + np.arange(pixels + 1) * side / pixels
    low, high = np.maximum(edges[:-1, None], np.arange(13)), np.minimum(edges[1:, None], np.arange(13) + 1)
    overlap = np.clip(high - low, 0, None)
    np.testing.assert_allclose(got, overlap @ image @ overlap.T * (pixels / side) ** 2, rtol=0, atol=2e-6)
    inside = overlap.sum(axis=0)
    assert got.sum(dtype=float) * (side / pixels) ** 2 == pytest.approx(inside @ image @ inside, abs=1e-4)


def test_uncovered_pixels_do_not_spread():
    image = np.full((8, 8), 3.0, np.float32)
    image[:, :3] = np.nan
    got = resize(image, 4)
    np.testing.assert_array_equal(got[:, 1:], 3.0)
    assert np.isnan(got[:, 0]).all()


def test_squares_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"inside 8 x 8 pixels, got one of 8.5"):
        resize(noise((8, 8)), 4, 8.5)
    with pytest.raises(ValueError, match="expected square images, got 8 x 9"):
        resize(noise((8, 9)), 4)


def test_cutouts_are_about_the_centre_of_the_mosaic():
    mosaic = np.zeros((5, 101, 101), np.float32)
    mosaic[:, 50, 50] = 4.0
    mosaic[:, 0, 0] = 100.0
    kinds = {"wide": Cutout(side_mpc=2.0, pixels=25), "near": Cutout(side_mpc=1.0, pixels=25)}
    got = cutouts(mosaic, 0.5, 25.0, kinds)  # 2 Mpc are 100 pixels
    assert got["wide"].shape == (5, 25, 25)
    for name, pixel in (("wide", 4.0), ("near", 2.0)):
        assert got[name][2, 12, 12] == pytest.approx(4.0 / pixel**2)
        assert got[name][2].sum() * pixel**2 == pytest.approx(4.0 + (name == "wide") * 25.0)  # a quarter of the corner


# scaling


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_can_be_undone_where_nothing_was_clipped(scaling):
    images = noise((4, 5, 8, 8)) * np.array([0.1, 1, 1, 2, 3], np.float32)[:, None, None]
    images[0, 0, 0, :4] = [-5.0, 2000.0, np.nan, 900.0]
    scaled = scale(images, SETTINGS, scaling)
    back = unscale(scaled.images, scaled.low, scaled.high, SETTINGS.offset)
    assert scaled.images.dtype == back.dtype == np.float32
    assert 0 <= scaled.images.min() <= scaled.images.max() <= 1
    whole = np.isfinite(images) & (images >= SETTINGS.faintest)
    whole &= (images <= SETTINGS.brightest) | (scaling == "per_image")
    np.testing.assert_allclose(back[whole], images[whole], rtol=3e-6, atol=6e-6)
    np.testing.assert_allclose(scaled.clipped, (~whole).mean((-2, -1)), atol=1e-12)
    assert back[0, 0, 0, 0] == pytest.approx(SETTINGS.faintest, abs=1e-5)
    assert back[0, 0, 0, 2] == pytest.approx(0, abs=1e-5), "what was not observed is at the level of the sky"


def test_global_scaling_is_the_formula_and_keeps_brightness():
    images = np.array([[[-3.0, 0.0], [10.0, 1000.0]]], np.float32)
    got = scale(images, SETTINGS, "global").images
    np.testing.assert_allclose(got[0].ravel(), np.log10([1, 4, 14, 1004]) / np.log10(1006), atol=1e-6)
    assert scale(images / 10, SETTINGS, "global").images.max() < 0.7
    alone = scale(images / 10, SETTINGS, "per_image").images
    assert (alone.min(), alone.max()) == (0, 1), "each image fills the range, whatever its brightness"


def test_an_image_of_one_level_is_not_divided_by_zero():
    scaled = scale(np.full((1, 4, 4), 0.25, np.float32), SETTINGS, "per_image")
    np.testing.assert_array_equal(scaled.images, 0)
    np.testing.assert_allclose(unscale(scaled.images, scaled.low, scaled.high, SETTINGS.offset), 0.25, atol=1e-6)


# extinction


def test_dust_dims_blue_light_more():
    got = transparency(np.array([0.0, 0.1, 1.0]))
    np.testing.assert_array_equal(got[0], 1)
    np.testing.assert_allclose(-2.5 * np.log10(got[2]), [COEFFICIENTS[band] for band in BANDS])
    assert (np.diff(got[1]) > 0).all()
    assert -2.5 * np.log10(got[2, 1] / got[2, 2]) == pytest.approx(1.018), "E(g-r) over E(B-V)"


def test_reddening_is_that_of_the_nearest_place():
    table = pd.DataFrame({"ra": [359.99, 10.0], "dec": [0.0, 80.0], "ebv": [0.1, 0.2]})
    got = nearest_reddening(np.array([0.01, 10.3, 10.0]), np.array([0.0, 80.0, 70.0]), table, 5.0)
    np.testing.assert_array_equal(got, [0.1, 0.2, np.nan])
    assert np.isnan(nearest_reddening(np.array([1.0]), np.array([1.0]), table.iloc[:0], 5.0)).all()


# files


def make(number=3, size=16, shown=("C1",)):
    """Yield images of clusters."""
    for k in range(number):
        pictures = noise((5, 12, 11), k) if f"C{k}" in shown else None
        images = {"lin2022": noise((5, size, size), 10 + k), "liang2020": noise((5, 4, 4), 20 + k)}
        yield ClusterImages(f"C{k}", images, {"coverage": np.full(5, k / 10)}, pictures)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "images.zarr.zip"
    write_images(file, {"lin2022": (16, 16), "liang2020": (4, 4)}, make(), {"unit": "nanomaggy/arcsec2"})
    return file


def test_images_come_back_as_they_were(path):
    expected = list(make())
    images = Images(path, "lin2022")
    assert (len(images), images.clusters, images.shape) == (3, ["C0", "C1", "C2"], (3, 5, 16, 16))
    assert images.about["unit"] == "nanomaggy/arcsec2"
    got = images.read(images.rows(["C2", "C0"]))
    assert got.dtype == np.float32
    for row, k in enumerate((2, 0)):
        np.testing.assert_array_equal(got[row], expected[k].images["lin2022"])
    np.testing.assert_array_equal(Images(path, "liang2020").read([1])[0], expected[1].images["liang2020"])
    np.testing.assert_array_equal(images.numbers("coverage")[:, 3], [0, 0.1, 0.2])
    np.testing.assert_array_equal(images.picture("C1"), expected[1].picture)
    assert images.read([]).shape == (0, 5, 16, 16)


def test_three_channels_are_one_band(path):
    images = Images(path, "lin2022")
    got = images.read_band([2, 1], "r")
    assert got.shape == (2, 3, 16, 16)
    for channel in range(3):
        np.testing.assert_array_equal(got[:, channel], images.read([2, 1])[:, 2])
    with pytest.raises(ImageError, match="a band of u, g, r, i, z, got 'y'"):
        images.read_band([0], "y")


def test_the_same_images_are_the_same_bytes(path, tmp_path):
    again = tmp_path / "again.zip"
    write_images(again, {"lin2022": (16, 16), "liang2020": (4, 4)}, make(), {"unit": "nanomaggy/arcsec2"})
    assert again.read_bytes() == path.read_bytes()


def test_other_programs_read_the_file(path):
    group = zarr.open_group(zarr.storage.ZipStore(path, mode="r"), mode="r")
    assert group["lin2022"].chunks == (1, 5, 16, 16), "a chunk is a cluster"
    np.testing.assert_array_equal(group["lin2022"][:], Images(path, "lin2022").read([0, 1, 2]))


def _sum(images: Images, row: int, results: multiprocessing.Queue) -> None:
    results.put((row, float(images.read([row] * 200).sum(dtype=float))))


def test_processes_read_side_by_side(path):
    """A handle shared by forked processes would read at each other's place."""
    context = multiprocessing.get_context("fork")
    images = Images(path, "lin2022")
    expected = images.read([0, 1, 2]).sum((1, 2, 3), dtype=float)
    results = context.Queue()
    workers = [context.Process(target=_sum, args=(images, row, results)) for row in range(3)]
    for worker in workers:
        worker.start()
    got = dict(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert got == {row: pytest.approx(200 * expected[row]) for row in got}


class OneByOne:
    """A data set as torch's loaders want it."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.images.read_band([row], "g")[0]


def test_data_loaders_read_the_file(path):
    images = Images(path, "lin2022")
    batches = list(DataLoader(OneByOne(images), batch_size=2, num_workers=1))
    np.testing.assert_array_equal(np.concatenate(batches), images.read_band([0, 1, 2], "g"))


def test_a_reader_can_be_sent_to_another_process(path):
    images = Images(path, "lin2022")
    images.read([0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(images)).read([1]), images.read([1]))


def test_a_job_may_have_no_clusters(tmp_path):
    write_images(tmp_path / "none.zip", {"lin2022": (8, 8)}, [], {})
    images = Images(tmp_path / "none.zip")
    assert images.shape == (0, 5, 8, 8)
    with pytest.raises(ImageError, match="expected images of cluster C1, got none"):
        images.rows(["C1"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": {"lin2022": noise((5, 8, 7))}}, r"expected images .*\(5, 8, 8\).* got .*\(5, 8, 7\)"),
        ({"images": {"other": noise((5, 8, 8))}}, "got {'other'"),
        ({"images": {"lin2022": np.zeros((5, 8, 8))}}, "expected images of float32"),
        ({"picture": noise((4, 8, 8))}, "a picture in ugriz"),
        ({"cluster": "A"}, "cluster A: expected once"),
        ({"numbers": {"depth": [1.0]}}, "expected numbers {} as before"),
    ],
)
def test_images_that_do_not_fit_leave_no_file(tmp_path, change, message):
    first = ClusterImages("A", {"lin2022": noise((5, 8, 8))})
    second = first._replace(**({"cluster": "B"} | change))
    with pytest.raises(ImageError, match=message):
        write_images(tmp_path / "bad.zip", {"lin2022": (8, 8)}, [first, second], {})
    assert not list(tmp_path.iterdir())


def test_a_failure_while_images_are_made_leaves_the_old_file(path):
    before = path.read_bytes()

    def breaks():
        yield from make(2)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_images(path, {"lin2022": (16, 16), "liang2020": (4, 4)}, breaks(), {})
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def rewrite(path, keep=lambda name: True, change=lambda name, data: data):
    """Write a zip file again, without some members or with others."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if keep(name)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, change(name, data))


def test_faulty_files_are_named(path, tmp_path):
    whole = path.read_bytes()
    with pytest.raises(ImageError, match=r"images.zarr.zip: expected array 'x', the file has lin2022, liang2020"):
        Images(path, "x")
    with pytest.raises(ImageError, match="expected the name of one of its arrays lin2022, liang2020"):
        Images(path)
    images = Images(path, "lin2022")
    with pytest.raises(ImageError, match="expected images of cluster Z9, Z8, got none"):
        images.rows(["C1", "Z9", "Z8"])
    with pytest.raises(ImageError, match="expected rows from 0 to 2, got -1 to 1"):
        images.read([1, -1])
    with pytest.raises(ImageError, match="expected a picture of cluster C0"):
        images.picture("C0")
    with pytest.raises(ImageError, match="expected numbers 'depth', got none"):
        images.numbers("depth")
    with pytest.raises(ImageError, match=r"none.zip: expected a whole Zarr file"):
        Images(tmp_path / "none.zip")
    path.write_bytes(whole[:-100])
    with pytest.raises(ImageError, match=r"images.zarr.zip: expected a whole Zarr file"):
        Images(path, "lin2022")
    path.write_bytes(b"no zip at all")
    with pytest.raises(ImageError, match="expected a whole Zarr file"):
        Images(path, "lin2022")


def test_missing_and_damaged_clusters_are_noticed(path):
    whole = path.read_bytes()
    place = whole.index(b"lin2022/c/1/0/0/0") + 500
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    images = Images(path, "lin2022")
    images.read([0])
    with pytest.raises(ImageError, match="Bad CRC-32"):
        images.read([1])
    path.write_bytes(whole)
    rewrite(path, keep=lambda name: not name.startswith("lin2022/c/1/"))
    with pytest.raises(ImageError, match="array 'lin2022': 1 of 3 clusters are missing"):
        Images(path, "lin2022")
    path.write_bytes(whole)
    rewrite(path, change=lambda name, data: data.replace(b"cluster_images", b"cubes"))
    with pytest.raises(ImageError, match="expected contract 'cluster_images', got 'cubes'"):
        Images(path, "lin2022")
    path.write_bytes(whole)
    rewrite(path, change=lambda name, data: data.replace(b'"float32"', b'"int32"'))
    with pytest.raises(ImageError, match=r"images.zarr.zip"):
        Images(path, "lin2022")


@pytest.mark.parametrize("scaling", SCALINGS)
def test_inputs_of_networks_lead_back_to_the_mosaics(path, tmp_path, scaling):
    mosaics = Images(path, "lin2022")
    settings = ImageSettings(pixels=8)
    dust = {name: np.linspace(0.5, 0.9, 5) for name in mosaics.clusters}
    file = tmp_path / "inputs.zip"
    write_images(
        file,
        {"images": (8, 8)},
        network_inputs([mosaics], settings, scaling, dust),
        describe_scaling(settings, scaling),
    )
    got = Images(file)
    assert (got.clusters, got.shape, got.about["scaling"]) == (mosaics.clusters, (3, 5, 8, 8), scaling)
    back = unscale(got.read([0, 1, 2]), got.numbers("low"), got.numbers("high"), got.about["offset"])
    means = mosaics.read([0, 1, 2]).reshape(3, 5, 8, 2, 8, 2).mean((3, 5))
    np.testing.assert_allclose(back, means / np.linspace(0.5, 0.9, 5)[:, None, None], rtol=3e-6, atol=6e-6)
    assert not got.numbers("clipped").any()
    with pytest.raises(ImageError, match="the reddening of cluster C0"):
        list(network_inputs([mosaics], settings, scaling, {}))
