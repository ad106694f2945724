"""Maps of what networks look at: closed forms, positions on images, planted contrasts, files."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from clustermass.config.attribution import Attribution, IntegratedGradients, Occlusion
from clustermass.config.pictures import Pictures
from clustermass.training.labels import LabelScale
from clustermass.transfer.attributions import (
    AttributionMaps,
    MapsError,
    MarkedImage,
    MassNetwork,
    OccludedImage,
    attention,
    band_maps,
    covered_maps,
    draw_tested,
    load_maps,
    mark_images,
    mass_maps,
    positions,
    richest_tested,
    save_maps,
)

SIDE = 16
RNG = np.random.default_rng(3)


class PlainClassifier(nn.Module):
    """Logits that are linear in the pixels of one band."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.linspace(-1, 1, 5 * SIDE * SIDE).sin().reshape(5, -1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, 5) of (n, 1, h, w)."""
        return images.flatten(1) @ self.weight.T


class PlainExtractor(nn.Module):
    """Two features: mean and twice the mean of squares of four by four pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(4)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, 2, h / 4, w / 4) of (n, 3, h, w)."""
        found: torch.Tensor = self.pool(images)[:, :2]
        return found * torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)


class PlainRegressor(nn.Module):
    """Three times the first feature of the second band, less the second of the fifth, plus redshift."""

    settings = SimpleNamespace(redshift=True)

    def forward(self, features: torch.Tensor, redshift: torch.Tensor) -> torch.Tensor:
        """Return (n,) of (n, 5, 2) and (n,)."""
        return 3 * features[:, 1, 0] - features[:, 4, 1] + redshift


def light(number: int = 3) -> torch.Tensor:
    return torch.from_numpy(RNG.random((number, 5, SIDE, SIDE)).astype(np.float32))


def marked(image: np.ndarray, members: np.ndarray | None = None, stars: np.ndarray | None = None) -> MarkedImage:
    none = np.empty((2, 0))
    (mx, my), (sx, sy) = (none if places is None else places.astype(float) for places in (members, stars))
    return MarkedImage("C", 0.2, 40.0, image, mx, my, sx, sy, np.full(5, 0.9))


def test_gradients_of_bands_are_those_of_the_right_logit() -> None:
    images, classifier = light(), PlainClassifier()
    found = band_maps(classifier, images, IntegratedGradients(steps=2))
    weight = classifier.weight.reshape(5, SIDE, SIDE)
    np.testing.assert_allclose(found.maps, (images * weight).numpy(), rtol=1e-5, atol=1e-7)
    logits = torch.einsum("nbhw,chw->nbc", images.double(), weight.double())
    expected = torch.softmax(logits, 2)[:, range(5), range(5)]
    np.testing.assert_allclose(found.probability, expected.numpy(), rtol=1e-4)
    assert found.complete.all()
    assert found.error.shape == (3, 5)
    assert found.error.max() < 1e-3


def test_masses_are_laid_out_on_the_light_they_are_made_of() -> None:
    images, redshift = light(2), np.array([0.1, 0.4])
    networks = [
        MassNetwork(PlainRegressor(), LabelScale(14.0, 0.5)),
        MassNetwork(PlainRegressor(), LabelScale(13.0, 2.0)),
    ]
    settings = Attribution(cam_weights="gradients")
    found = mass_maps(PlainExtractor(), networks, images, redshift, settings)
    means = images.double().mean((2, 3)).numpy()
    y = 3 * means[:, 1] - 2 * means[:, 4] + redshift
    np.testing.assert_allclose(found.prediction, [14 + 0.5 * y[0], 13 + 2 * y[1]], rtol=1e-6)
    assert found.complete.all()
    assert not found.maps[:, [0, 2, 3]].any()
    cells = images[:, :, :4, :4].mean((2, 3)).numpy()  # the first of 16 cells; its centre is at pixel 1.5
    np.testing.assert_allclose(found.maps[:, 1, 0, 0], np.array([0.5, 2.0]) * 3 * cells[:, 1] / 16, rtol=1e-5)
    np.testing.assert_allclose(found.maps[:, 4, 0, 0], np.array([0.5, 2.0]) * -2 * cells[:, 4] / 16, rtol=1e-5)


def test_covering_what_decides_makes_a_classifier_less_sure() -> None:
    class Same(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            """Return logits (n, 5): the third class, if pixel (5, 10) shines."""
            return torch.stack([images[:, 0, 5, 10] * (4.0 * (band == 2)) for band in range(5)], 1)

    images = torch.zeros(1, 5, SIDE, SIDE)
    images[..., 5, 10] = 1
    maps, whole = covered_maps(Same(), images, Occlusion(patch=3, stride=1))
    sure, unsure = np.exp(4) / (np.exp(4) + 4), 0.2
    np.testing.assert_allclose(whole[0], [1 / (np.exp(4) + 4)] * 2 + [sure] + [1 / (np.exp(4) + 4)] * 2, rtol=1e-5)
    expected = np.full((SIDE, SIDE), sure)
    expected[4:7, 9:12] = unsure
    np.testing.assert_allclose(maps[0, 2], expected, rtol=1e-5)


def test_objects_lie_where_images_have_them() -> None:
    arcsec, (ra, dec) = 160.0, (180.0, 30.0)
    step = arcsec / SIDE / 3600
    # two pixels west of the centre, one north; one far outside; one on the other side of the sky
    east = np.array([-2.0, 0.0, 400.0, 0.0])
    places = positions(
        ra + east * step / np.cos(np.radians(dec)) + np.array([0, 0, 0, 180.0]),
        np.array([dec + step, dec, dec, -dec]),
        (ra, dec),
        arcsec,
        SIDE,
    )
    middle = (SIDE - 1) / 2
    np.testing.assert_allclose(places, [[middle + 2, middle], [middle + 1, middle]], atol=1e-3)
    about = {"redshift": 0.2, "richness": 40.0, "arcsec_per_mpc": arcsec / 2, "ra": ra, "dec": dec}
    clusters = pd.DataFrame({"id": ["C", "E"], "job": [0, 1], **about})
    columns = {"cluster": ["C", "C", "D"], "probability": [0.9, 0.1, 0.9], "dec": [dec + step, dec, dec], "ra": ra}
    stars = {1: pd.DataFrame({"ra": ra, "dec": [dec - step, dec], "r": [12.0, 25.0]})}
    image = np.zeros((2, 5, SIDE, SIDE), np.float32)
    found, other = mark_images(clusters, image, 2.0, pd.DataFrame(columns), stars, np.ones((2, 5)), Pictures())
    assert (found.member_x.tolist(), found.member_y.tolist()) == (
        pytest.approx([middle], abs=1e-3),
        pytest.approx([middle + 1], abs=1e-3),
    )
    assert len(found.star_x) == len(found.star_y) == len(other.member_x) == 0
    assert (other.star_x.tolist(), other.star_y.tolist()) == (
        pytest.approx([middle], abs=1e-3),
        pytest.approx([middle - 1], abs=1e-3),
    )


def test_clusters_that_are_looked_at_are_those_that_nobody_trained_on() -> None:
    band, strong = np.array(["train", "test", "validation", "test"] * 10, object), np.arange(40) % 3 == 0
    sample: Any = SimpleNamespace(band=band, strong=strong, log10_richness=np.sin(np.arange(40)))
    every = draw_tested(sample, 99, np.random.default_rng(1))
    assert sorted(every) == list(range(1, 40, 2))
    assert not np.array_equal(every, np.sort(every))
    assert draw_tested(sample, 5, np.random.default_rng(1)).tolist() == every[:5].tolist()
    assert richest_tested(sample, 3).tolist() == sorted(range(3, 40, 6), key=lambda k: -np.sin(k))[:3]
    weak: Any = SimpleNamespace(band=band, strong=np.zeros(40, bool), log10_richness=sample.log10_richness)
    assert richest_tested(weak, 3).tolist() == sorted(range(1, 40, 2), key=lambda k: -np.sin(k))[:3]
    with pytest.raises(ValueError, match="test the band classification"):
        richest_tested(SimpleNamespace(band=band[:1]), 1)  # type: ignore[arg-type]


def planted(number: int, boost: float) -> tuple[np.ndarray, list[MarkedImage]]:
    """Return maps that are larger where members are, in the band g, and images that know nothing of them."""
    rng = np.random.default_rng(8)
    maps, images = rng.normal(0, 1, (number, 5, 32, 32)).astype(np.float32), []
    for k in range(number):
        places = rng.integers(2, 30, (2, 6))
        images.append(marked(rng.random((5, 32, 32), np.float32), places, None if k else rng.integers(2, 30, (2, 3))))
        maps[k, 1, places[1], places[0]] *= boost
    return maps, images


def test_planted_attention_is_found() -> None:
    maps, images = planted(12, 8.0)
    complete = {"gradients": np.arange(60).reshape(12, 5) % 4 > 0}
    groups = [f"halo {k}" for k in range(12)]
    args = images, groups, 0.5 / 32, 300, np.random.default_rng(1)
    table = attention({"gradients": -maps}, complete, *args).set_index(["map", "band", "marks"])
    found = table.loc[("gradients", "g", "members")]
    assert found["contrast"] > 4
    assert 1 < found["low"] < found["contrast"] < found["high"]
    assert found["clusters"] == 12
    assert found["complete"] == pytest.approx(complete["gradients"][:, 1].mean())
    assert found["everywhere"] == pytest.approx(np.abs(maps[:, 1]).mean(), rel=1e-5)
    for band in "urz":
        row = table.loc[("gradients", band, "members")]
        assert row["contrast"] == pytest.approx(1, abs=0.4)
    assert table.loc[("image", "g", "members"), "contrast"] == pytest.approx(1, abs=0.4)
    assert np.isnan(table.loc[("image", "g", "members"), "complete"])
    stars = table.loc[("gradients", "g", "stars")]  # of one cluster
    assert stars["clusters"] == 1
    one = attention({"gradients": maps[:1]}, {}, images[:1], groups[:1], *args[2:])
    assert one["low"].isna().all()


def test_maps_without_marks_or_without_anything_have_no_contrast() -> None:
    dark = [marked(np.zeros((5, SIDE, SIDE), np.float32), np.array([[3], [4]]))]
    maps = {"occlusion": np.zeros((1, 5, SIDE, SIDE), np.float32)}
    assert attention(maps, {}, dark, ["a"], 0.1, 10, np.random.default_rng(1)).empty
    bright = [marked(RNG.random((5, SIDE, SIDE), np.float32))]
    assert attention(maps, {}, bright, ["a"], 0.1, 10, np.random.default_rng(1)).empty


def test_maps_come_back_from_files(tmp_path: Path) -> None:
    image = RNG.random((5, SIDE, SIDE), np.float32)
    base = marked(image, np.array([[1, 2], [3, 4]]))
    more = {"prediction": 14.25, "completeness": np.full(5, 1e-3)}
    several = (
        AttributionMaps.of(base, gradients=image * 2, activation=image[::-1], **more),
        OccludedImage.of(base, occlusion=image / 2),
    )
    for maps in several:
        save_maps(tmp_path / "maps.safetensors", maps, {"provenance": {"rule": "planted"}})
        found = load_maps(tmp_path / "maps.safetensors")
        assert type(found) is type(maps)
        for field in fields(maps):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(maps, field.name))
    (tmp_path / "maps.safetensors").write_bytes(b"nothing")
    with pytest.raises(MapsError, match=r"maps\.safetensors: expected a file of maps"):
        load_maps(tmp_path / "maps.safetensors")
