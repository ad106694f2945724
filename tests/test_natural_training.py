"""Channel ordering and classification of natural images, and the rendered galaxies that stand in for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from clustermass import contracts
from clustermass.config.base import Cosmology
from clustermass.config.image_networks import BandNetwork, ExtractorNetwork
from clustermass.config.natural import Natural, Substitute
from clustermass.config.pictures import Pictures
from clustermass.config.sky import Sky
from clustermass.natural import substitute, train
from clustermass.natural.images import NaturalImageError, NaturalImages
from clustermass.natural.ordering import ORDERS, reorder
from clustermass.natural.scores import NATURAL_SCORES, summarise
from clustermass.networks import build
from clustermass.training.labels import LabelScale
from clustermass.training.trainer import LEARNING_CURVES, Trained

SIDE = 16


def settings(**changes: Any) -> Natural:
    """Return settings of a small network."""
    network = BandNetwork(extractor=ExtractorNetwork(backbone="shufflenet_v2_x0_5", momentum=0.3), hidden=())
    shared = {"learning_rate": 0.005, "precision": "float32"}
    fast = {
        "training": Natural().training.model_copy(update={"epochs": 10, "batch": 20, **shared}),
        "pretraining": Natural().pretraining.model_copy(update={"epochs": 3, "batch": 16, **shared}),
    }
    given = {"network": network, **fast}
    return Natural(**(given | {"percents": (50, 100), "trials": 2, "validation": 0.2} | changes))


def images(count: int, seed: int, levels: tuple[int, int, int] = (200, 120, 40)) -> NaturalImages:
    """Return noise about a brightness of each channel, with stripes or without: two classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    stripes = 80 * (np.indices((SIDE, SIDE))[1] // 2 % 2) - 40
    pixels = np.array(levels)[:, None, None] + rng.integers(-30, 30, (count, 3, SIDE, SIDE))
    pixels += labels[:, None, None, None] * stripes
    return NaturalImages(np.clip(pixels, 0, 255).astype(np.uint8), labels, ("plain", "striped"))


# Batches and subsets


def test_images_are_shown_as_they_are_or_in_all_orders() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 4, 4), dtype=np.uint8)
    rows = torch.tensor([2, 0])
    assert torch.equal(train.Shown(pixels)(rows), torch.from_numpy(pixels[[2, 0]]).float() / 255)
    orders = torch.arange(len(ORDERS)).repeat(len(pixels))
    expected = reorder((torch.from_numpy(pixels).float() / 255).repeat_interleave(len(ORDERS), dim=0), orders)
    shown = train.Shown(pixels, ordered=True)
    assert torch.equal(shown(torch.arange(18)), expected)
    assert torch.equal(shown(torch.tensor([7])), expected[[7]])
    assert train.in_all_orders(np.array([2, 0])).tolist() == [*range(12, 18), *range(6)]


def test_subsets_are_nested_and_never_of_one() -> None:
    order = np.random.default_rng(0).permutation(50)
    assert train.of_percent(order, 100).tolist() == order.tolist()
    assert train.of_percent(order, 30).tolist() == order[:15].tolist()
    assert train.of_percent(order, 1).tolist() == order[:2].tolist()


# Who is trained on what


class Brightest(nn.Module):
    """Stands for a trained network: tells the order of channels 200, 120, 40, and half of the classes, exactly."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes, self.extractor = classes, nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.classes == len(ORDERS):
            ranks = x.mean((2, 3)).argsort(1, descending=True).argsort(1)  # the channel of the image at each place
            found = (ranks[:, None] == torch.tensor(ORDERS)).all(2).float().argmax(1)
        else:
            found = torch.zeros(len(x), dtype=torch.long)
        return nn.functional.one_hot(found, self.classes).float()


@dataclass
class Recorder:
    """Stands for `train_folds` and remembers what it was called with."""

    calls: list[dict[str, Any]]

    def __call__(
        self, network: Any, training: Any, samples: Any, folds: Any, rng: Any, workers: int, **more: Any
    ) -> Any:
        self.calls.append({"network": network, "samples": samples, "folds": folds, **more})
        curves = pd.DataFrame({c.name: [True if c.kind == "bool" else 1] for c in LEARNING_CURVES.columns})
        curves = curves.astype({c.name: float for c in LEARNING_CURVES.columns if c.kind == "float"})
        return [Trained(Brightest(network.classes), LabelScale(0, 1), curves) for _ in folds]


def test_models_differ_in_their_start_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, known, unseen = Recorder([]), images(40, 1), images(10, 2)
    known.pixels[7] = known.pixels[7, :1]  # no colour, no order
    monkeypatch.setattr(train, "train_folds", recorder)
    split = {"train": known, "test": unseen}
    scores, _ = train.train_natural(split, settings(), np.random.default_rng(3), 1, folder="made")
    ordering, classes = recorder.calls
    assert (ordering["network"].classes, classes["network"].classes) == (6, 2)
    assert ordering["network"].extractor == classes["network"].extractor
    (fold,) = ordering["folds"]
    assert sorted(np.bincount(np.concatenate([fold.training, fold.validation]) // 6, minlength=40)) == [0] + 39 * [6]
    assert not np.isin(7, fold.training // 6)
    assert not np.intersect1d(fold.training // 6, fold.validation // 6).size
    assert ordering["samples"].log10_mass[fold.training].tolist() == (fold.training % 6).tolist()
    assert ordering["start"] is None
    base, ours = classes["folds"][:4], classes["folds"][4:]
    for one, other in zip(base, ours, strict=True):  # percents x trials
        assert one.training.tolist() == other.training.tolist()
        assert one.validation.tolist() == other.validation.tolist()
    assert [len(fold.training) for fold in base] == [16, 16, 32, 32]
    assert base[0].training.tolist() == base[2].training[:16].tolist()
    assert sorted(base[0].training) != sorted(base[1].training)
    assert [known.labels[fold.training].sum() for fold in base] == [8, 8, 16, 16]
    assert set(base[0].validation) == set(fold.validation // 6) | ({7} & set(base[0].validation))
    assert classes["start"][:4] == [None] * 4
    assert {tuple(start.tensors) for start in classes["start"][4:]} == {("extractor.weight", "extractor.bias")}
    assert (str(ordering["folder"]), str(classes["folder"])) == ("made/ordering", "made/classes")
    begun = [str(call["unfinished"]) for call in (ordering, classes)]
    assert begun == ["ordering.unfinished", "classes.unfinished"]  # not in the output, which goes when a job is killed
    train.train_natural(split, settings(), np.random.default_rng(3), 1)
    for one, other in zip([fold, *base], [*recorder.calls[2]["folds"], *recorder.calls[3]["folds"]], strict=False):
        assert one.training.tolist() == other.training.tolist()  # same seed, same subsets
    assert scores["accuracy"].tolist() == 8 * [0.5]
    assert scores["order_accuracy"].fillna(-1).tolist() == 4 * [-1] + 4 * [1.0]
    assert scores["model"].tolist() == 4 * ["base"] + 4 * ["ours"]
    assert set(scores["test_images"]) == {10}


def test_orders_and_classes_that_can_be_told_are_told() -> None:
    split = {"train": images(50, 1), "test": images(20, 2)}
    one = settings(trials=1, percents=(100,))
    scores, curves = train.train_natural(split, one, np.random.default_rng(5), 1, say=lambda _line: None)
    told = scores.set_index("model")
    assert told.loc["ours", "order_accuracy"] > 0.6  # chance: 1/6
    assert told.loc["ours", "accuracy"] > 0.7  # chance: 1/2
    about = {"dataset": "halves", "title": "Halves", "substitute": False}
    NATURAL_SCORES.validate(scores.assign(**about), "scores")
    assert curves.groupby("model").size().to_dict() == {"ordering": 3, "base": 10, "ours": 10}


def test_orders_that_nothing_tells_are_not_told() -> None:
    """A leak of the order into the images, or of the test into training, would show here."""
    grey = (120, 120, 120)
    split = {"train": images(12, 1, grey), "test": images(30, 2, grey)}
    few = settings(trials=1, percents=(5,), pretraining=Natural().pretraining.model_copy(update={"epochs": 1}))
    scores, _ = train.train_natural(split, few, np.random.default_rng(5), 1, say=lambda _line: None)
    assert scores["order_accuracy"].max() == pytest.approx(1 / 6, abs=0.09)


def test_images_that_cannot_train_are_refused() -> None:
    grey = images(20, 1)
    grey.pixels[:] = grey.pixels[:, :1]
    with pytest.raises(NaturalImageError, match="some with colours"):
        train.train_natural({"train": grey, "test": grey}, settings(), np.random.default_rng(0), 1)
    few = images(2, 1)
    with pytest.raises(NaturalImageError, match="some to train and some to validate, got 2"):
        train.train_natural({"train": few, "test": few}, settings(), np.random.default_rng(0), 1)


def test_settings_are_checked() -> None:
    assert build(train.network_of(Natural().network, 10)).output.out_features == 10
    for name in ("training", "pretraining"):
        with pytest.raises(ValidationError, match=f"{name}: expected labels: raw"):
            settings(**{name: Natural().training.model_copy(update={"labels": "standardised"})})
    with pytest.raises(ValidationError, match="disc <= early"):
        Substitute(disc=0.6)
    with pytest.raises(ValidationError, match="rising range"):
        Substitute(r=(19, 18.5))
    with pytest.raises(ValidationError, match="pattern"):
        settings(datasets={"CIFAR 10": Natural().datasets["cifar10"]})


# Scores


def test_gains_are_those_of_a_calculation_by_hand() -> None:
    accuracy = {
        ("base", 50): (0.4, 0.5),
        ("base", 100): (0.5, 0.54),
        ("ours", 50): (0.6, 0.6),
        ("ours", 100): (0.5, 0.52),
    }
    about = {"dataset": "d", "title": "D", "substitute": True, "classes": 4, "test_images": 400}
    rows = [
        {**about, "model": model, "percent": float(percent), "trial": trial, "training_images": 8 * percent,
         "accuracy": value, "order_accuracy": np.nan if model == "base" else 0.9}
        for (model, percent), values in accuracy.items()
        for trial, value in enumerate(values)
    ]  # fmt: skip
    scores = NATURAL_SCORES.validate(pd.DataFrame(rows)[NATURAL_SCORES.names], "scores")
    table = summarise(scores).set_index(["model", "percent"])
    assert table["accuracy"].tolist() == pytest.approx([0.45, 0.52, 0.6, 0.51])
    assert table["accuracy_std"].tolist() == pytest.approx([0.1 / 2**0.5, 0.04 / 2**0.5, 0, 0.02 / 2**0.5])
    half = table.loc["ours", 50]
    assert (half["gain_points"], half["gain_percent"]) == pytest.approx((15, 100 / 3))
    error = 100 * (0.1**2 / 4 + 0.45 * 0.55 / 400 + 0.6 * 0.4 / 400) ** 0.5
    assert half["gain_error"] == pytest.approx(error)
    assert table["verdict"].tolist() == ["", "", "better", "undecided"]
    assert table["matches_base"].loc["ours"].tolist() == [True, False]
    assert table["gain_points"].loc["base"].isna().all()
    single = summarise(scores[scores["trial"] == 0]).set_index(["model", "percent"])
    assert single["accuracy_std"].isna().all()
    assert single.loc[("ours", 50), "gain_error"] == pytest.approx(100 * (2 * 0.4 * 0.6 / 400) ** 0.5)
    assert len(summarise(NATURAL_SCORES.empty())) == 0


# Rendered galaxies


def test_classes_of_galaxies_are_what_galaxies_are() -> None:
    rows = {
        "bulge_fraction": [0.6, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 0.6, 0.1],
        "disc_axis_ratio": [0.2, 0.9, 0.3, 0.2, 0.7, 0.6, 0.5, 0.9, 0.5, 0.9],
        "redshift": [0.2, 0.1, 0.2, 0.1, 0.12, 0.1, 0.1, 0.1, 0.1, 0.1],
        "bulge_radius": [1, 1, 9, 1, 1, 1, 1, 1, 5, 1],
        "disc_radius": [9, 1, 1, 1, 1, 1, 1, 1, 1, 5],
    }
    found = substitute.kinds(pd.DataFrame(rows), Substitute())
    expected = ["early far", "early near", "edge-on disc far", "edge-on disc near", "face-on disc far",
                "face-on disc near", "", "", "", ""]  # fmt: skip
    assert found.tolist() == expected
    assert {*expected, "star"} == {*substitute.CLASSES, ""}


@pytest.fixture(scope="module")
def galaxies() -> dict[str, NaturalImages]:
    return substitute.galaxy_images(Substitute(per_class=10), Sky(), Cosmology(), Pictures(), 7)


def moments(pixels: np.ndarray) -> tuple[float, float]:
    """Return size [px] and axis ratio of the light in the middle of an image."""
    light = pixels.astype(float).sum(0)[4:-4, 4:-4]
    light = np.maximum(light - np.quantile(light, 0.6), 0)
    y, x = np.indices(light.shape) - light.shape[0] / 2
    x, y = x - np.average(x, weights=light), y - np.average(y, weights=light)
    values = np.linalg.eigvalsh(np.cov(np.stack([x.ravel(), y.ravel()]), aweights=light.ravel()))
    return float(values[1] ** 0.5), float((values[0] / values[1]) ** 0.5)


def test_substitute_shows_its_classes(galaxies: dict[str, NaturalImages]) -> None:
    for part in galaxies.values():
        assert part.pixels.shape == (70, 3, 32, 32)
        assert np.bincount(part.labels).tolist() == 7 * [10]
    both = {name: np.concatenate([p.pixels[p.labels == k] for p in galaxies.values()]) for k, name in
            enumerate(substitute.CLASSES)}  # fmt: skip
    size, ratio = ({name: np.median([moments(one)[i] for one in part]) for name, part in both.items()} for i in (0, 1))
    middle = slice(12, 20)
    red = {n: np.median(np.log(p[:, 0, middle, middle].mean((1, 2)) / p[:, 2, middle, middle].mean((1, 2))))
           for n, p in both.items()}  # fmt: skip
    for distance in ("near", "far"):
        assert ratio[f"edge-on disc {distance}"] < ratio[f"face-on disc {distance}"] - 0.15
        assert red[f"early {distance}"] > red[f"face-on disc {distance}"]
        assert size["star"] < size[f"face-on disc {distance}"]
    assert red["early far"] > red["early near"]
    everything = np.concatenate([part.pixels.reshape(len(part.pixels), -1) for part in galaxies.values()])
    assert len(np.unique(everything, axis=0)) == len(everything)


def test_substitute_is_the_same_for_a_seed_and_ends_where_the_sky_does(
    galaxies: dict[str, NaturalImages], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(substitute, "_ROWS", 1)
    monkeypatch.setattr(substitute, "_COLUMNS", 1)
    again = substitute.galaxy_images(Substitute(per_class=10), Sky(), Cosmology(), Pictures(), 7)
    assert all(np.array_equal(again[split].pixels, galaxies[split].pixels) for split in galaxies)
    with pytest.raises(NaturalImageError, match=r"expected 1000 sources of each class, got .'early far'"):
        substitute.draw_sources(Substitute(per_class=500), Cosmology(), 7, np.random.default_rng(0))


def test_scores_can_be_written(tmp_path: Any) -> None:
    path = tmp_path / "scores.parquet"
    contracts.write_table(NATURAL_SCORES.empty(), NATURAL_SCORES, path, {})
    assert contracts.read_table(path, NATURAL_SCORES).empty
