"""Plan of trainings on images: counts by hand, costs that scale as they must, speeds of trainings that are done."""

from __future__ import annotations

import pandas as pd
import pytest

from clustermass.config.crossmatch import Labels
from clustermass.config.frames import Images, ImageSample
from clustermass.config.image_networks import (
    LIN_BANDS,
    LIN_MASS,
    BandNetwork,
    BaselineNetwork,
    ExtractorNetwork,
    RegressorNetwork,
)
from clustermass.config.image_results import ImagePlan, Speed
from clustermass.config.image_training import ImageTraining, LiangTraining, LinTraining, Variant
from clustermass.config.natural import Natural
from clustermass.config.tiles import Tiles
from clustermass.transfer.plan import (
    PLAN,
    Sizes,
    Work,
    cluster_work,
    estimate,
    image_cost,
    measured_speed,
    natural_work,
    regressor_cost,
    sizes_of,
    tile_work,
)

SIZES = Sizes(clusters=200, strong=100, pixels=256, folds=10, validation=0.1, test=0.2)
SETTINGS = ImageTraining(
    compared=("published", "start"),
    lin2022=LinTraining(trials=3),
    liang2020=LiangTraining(percents=(50, 100), folds=10, trials=4, min_steps=0),
)
SLOW, FAST = (
    Speed(images_per_second=10, clusters_per_second=100),
    Speed(images_per_second=1000, clusters_per_second=1e4),
)


@pytest.fixture(scope="module")
def works():
    return {(work.rule, work.what): work for work in cluster_work(SETTINGS, SIZES)}


def test_unit_is_an_image_of_256_pixels_by_resnet18():
    assert image_cost(LIN_BANDS, 256) == 1
    assert image_cost(LIN_BANDS, 64) == pytest.approx(1 / 16, rel=0.01)  # its head sees no pixels
    assert image_cost(BaselineNetwork(redshift=True), 256) == pytest.approx(1, abs=0.1)  # five channels, one layer
    small = image_cost(BandNetwork(extractor=ExtractorNetwork(backbone="mobilenet_v3_small")), 64) / image_cost(
        LIN_BANDS, 64
    )
    assert 0.15 < small < 0.6


def test_cost_counts_every_multiplication():
    plain = BandNetwork(hidden=(7,), classes=2)  # layers of ResNet-18 have 1,814,073,344 at 224 px, its last 512,000
    more = BandNetwork(hidden=(1007,), classes=2)
    whole = 1_814_073_344 - 512_000 + 512 * 7 + 7 * 2
    outputs = 500 * 2_484_000  # of its convolutions at 224 px, to a thousand: He et al. (2016), Table 1
    extra = 1000 * (512 + 2) + 500 * 1000
    found = image_cost(more, 224) / image_cost(plain, 224) - 1
    assert found == pytest.approx(extra / (whole + outputs), rel=0.01)


def test_regressors_count_by_their_weights():
    assert regressor_cost(LIN_MASS, LIN_BANDS) == 1
    narrow = regressor_cost(RegressorNetwork(hidden=(128, 64)), LIN_BANDS)
    assert narrow == pytest.approx(4_179_721 / 33_829_257)


def test_bands_pass_over_the_training_set_in_every_epoch(works):
    work = works[("transfer_bands", "lin2022: published")]
    epochs = SETTINGS.lin2022.bands.training.epochs
    assert work.images == pytest.approx(5 * 140 * epochs)
    looked = 5 * (60 * (epochs + 1) + 200 * 4)
    assert work.image_units == pytest.approx(work.images + looked / 3)
    idle = works[("transfer_bands", "lin2022: start")]
    assert (idle.fits, idle.images) == (0, 0)
    assert idle.image_units == pytest.approx(5 * (60 + 800) / 3)


def test_masses_train_on_weak_labels_once_and_on_strong_ones_in_every_fold(works):
    strong, weak = SETTINGS.lin2022.strong.epochs * 100 * 8, SETTINGS.lin2022.weak.epochs * 100 * 0.9
    baseline = works[("transfer_mass", "baseline")]
    assert (baseline.jobs, baseline.fits, baseline.images) == (3, 30, 3 * strong)
    trans = works[("transfer_mass", "ss_trans")]
    assert (trans.jobs, trans.fits, trans.images) == (3, 30, 0)
    assert trans.clusters == pytest.approx(3 * strong)
    first = works[("transfer_weak", "ss_trans")]
    assert (first.jobs, first.fits) == (3, 3)
    assert first.clusters == pytest.approx(3 * weak)
    assert ("transfer_weak", "trans") not in works
    assert trans.cluster_units < 0.2 * trans.clusters
    assert works[("transfer_downstream", "start")].fits == 21


def test_richness_has_base_and_ours_in_every_fold_and_trial(works):
    half, whole = (works[("transfer_richness", f"{percent} %, Base and Ours")] for percent in (50, 100))
    assert half.fits == whole.fits == 2 * 10 * 4
    assert whole.images == pytest.approx(5 * 160 * SETTINGS.liang2020.training.epochs * 80)
    assert half.images == whole.images / 2
    frozen = SETTINGS.model_copy(update={"liang2020": SETTINGS.liang2020.model_copy(update={"frozen": True})})
    work = next(work for work in cluster_work(frozen, SIZES) if work.rule == "transfer_richness")
    assert work.images == 0
    assert work.clusters == half.clusters
    assert work.image_units < half.image_units / 20


def test_sizes_follow_the_configuration_or_the_plan():
    plan = ImagePlan(clusters=1000, strong=60)
    drawn = sizes_of(ImageSample(clusters=300, strong=150), Images(pixels=64), Labels(), plan)
    assert (drawn.clusters, drawn.strong, drawn.pixels) == (300, 150, 64)
    assert sizes_of(ImageSample(clusters=None, strong=0), Images(), Labels(), plan).strong == 60
    assert sizes_of(ImageSample(clusters=500, strong=0), Images(), Labels(), plan).strong == 30


def test_tiles_and_natural_images():
    plan = ImagePlan(fields=6, tiles=10)
    (first, *_rest) = tile_work(Tiles(fields=None, folds=3), plan)
    assert first.fits == 3
    assert first.images == 5 * 60 * 2 * Tiles().training.epochs
    works = natural_work(Natural())
    assert [work.what for work in works] == ["CIFAR-10", "CUB-200-2011"]
    natural = Natural()
    trained = 10 * natural.datasets["cifar10"].images.per_class * (1 - natural.validation)
    shares = sum(natural.percents) / 100
    expected = trained * (6 * natural.pretraining.epochs + 2 * natural.trials * shares * natural.training.epochs)
    assert works[0].images == pytest.approx(expected)
    other = natural.model_copy(update={"datasets": {"cats": natural.datasets["cifar10"]}})
    assert natural_work(other) == []


def test_estimate_adds_up():
    works = [Work("a", "x", 2, 3, 40.0, 50.0, 36_000.0, 0.0), Work("b", "y", 1, 1, 0.0, 10.0, 0.0, 720_000.0)]
    table = estimate(works, SLOW, FAST)
    assert list(table) == PLAN.names
    assert table["core_hours"].tolist() == pytest.approx([1, 2, 3])
    assert table["gpu_hours"].tolist() == pytest.approx([0.01, 0.02, 0.03])
    assert table.iloc[-1][["rule", "jobs", "fits", "images", "clusters"]].tolist() == ["all", 3, 4, 40, 60]


def timing(seconds, number, threads=1):
    row = {"step": "training", "seconds": seconds, "number": number, "threads": threads}
    return pd.DataFrame([row, {**row, "step": "evaluation", "seconds": 99.0}])


def test_speeds_are_those_of_trainings_that_are_done():
    settings = {
        "device": "cpu",
        "images": Images(pixels=256).model_dump(),
        "bands": SETTINGS.lin2022.bands.model_dump(),
    }
    bands = {"settings": settings | {"variant": Variant().model_dump()}, "wildcards": {}}
    own = SETTINGS.lin2022.model_dump()
    models = {name: own["models"][name] for name in ("ss_trans", "baseline")}
    lin2022 = {"device": "cpu", "lin2022": {**own, "models": models}}
    mass = {"settings": lin2022, "wildcards": {"model": "ss_trans"}}
    baseline = {"settings": lin2022, "wildcards": {"model": "baseline"}}
    done = [
        (timing(100.0, 800), bands),
        (timing(100.0, 400, 2), bands),
        (timing(5.0, 1000), mass),
        (timing(1.0, 1), baseline),
    ]
    found = measured_speed(done, "cpu", SLOW)
    assert found.images_per_second == pytest.approx(1200 / 300)
    assert found.clusters_per_second == pytest.approx(200 * 4_179_721 / 33_829_257)
    assert measured_speed(done, "cuda", FAST) == FAST
    idle = {"settings": settings | {"variant": Variant(trained=False).model_dump()}, "wildcards": {}}
    other = {"settings": {"seed": 1}, "wildcards": {"model": "cnn1d"}}
    assert measured_speed([(timing(1.0, 1), idle), (timing(1.0, 1), other)], "cpu", SLOW) == SLOW
