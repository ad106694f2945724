"""How long trainings on images take, from the configuration alone: fits, passes over images, hours.

The unit is an image of one band, 256 pixels along a side, that ResNet-18 trains on. Other networks and sizes count by
the multiplications and outputs of their layers, which a pass over shapes without numbers tells: for MobileNet and
ConvNeXt right within a factor of two. An image that is only looked at counts a third. Regressors of features count by
their weights, as a step's time goes into changing them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
import torch
from torch import nn

from clustermass.config.base import Section
from clustermass.config.crossmatch import Labels
from clustermass.config.frames import Images, ImageSample
from clustermass.config.image_networks import LIN_BANDS, LIN_MASS, BandNetwork, BaselineNetwork, RegressorNetwork
from clustermass.config.image_results import ImagePlan, Speed
from clustermass.config.image_training import BandTask, ImageTraining, LiangTraining, LinTraining, MassModel, Variant
from clustermass.config.natural import Natural
from clustermass.config.tiles import Tiles
from clustermass.contracts import Column, Contract
from clustermass.frames.contracts import BANDS
from clustermass.networks import build
from clustermass.networks.image import Extractor
from clustermass.transfer.bands import variant_network
from clustermass.transfer.shares import parts, share_training

PLAN = Contract(
    "image_plan",
    "trainings on images as configured, and how long they take",
    (
        Column("rule", "text", "", "rule that runs them"),
        Column("what", "text", "", "what is trained"),
        Column("jobs", "int", "", "jobs", 0),
        Column("fits", "int", "", "trainings", 0),
        Column("images", "float", "", "images that networks train on, one for every time that each is seen", 0),
        Column("clusters", "float", "", "clusters that regressors train on from stored features, likewise", 0),
        Column("core_hours", "float", "h", "hours of one core", 0),
        Column("gpu_hours", "float", "h", "hours of one GPU", 0),
    ),
)
_PIXELS = 256  # of the unit
_LOOK = 1 / 3  # what a pass without gradients costs, of one with them
_OUTPUT = 500  # multiplications in whose time a core writes, normalises and cuts off one output of a layer, measured
_NATURAL = {"cifar10": (10, 5000, 1000, 32), "cub200": (200, 30, 29, 64)}
"""Classes, images of a class that train and that test, side [px], of datasets by name or kind."""


@dataclass(frozen=True)
class Sizes:
    """How many clusters train, and how large their images are.

    Attributes
    ----------
    clusters, strong : int
        With images, and those of them with strong labels.
    pixels : int
        Along a side.
    folds : int
        Of the cross-validation, of which one tests and one validates.
    validation, test : float
        Shares of clusters that validate and test band classification.
    """

    clusters: int
    strong: int
    pixels: int
    folds: int
    validation: float
    test: float


@dataclass(frozen=True)
class Work:
    """Trainings of one kind.

    Attributes
    ----------
    rule, what : str
    jobs, fits : int
    images, clusters : float
        As in `PLAN`.
    image_units : float
        Images of 256 pixels that ResNet-18 would train on in the same time.
    cluster_units : float
        Clusters that the published regressor would train on in the same time.
    """

    rule: str
    what: str
    jobs: int
    fits: int
    images: float = 0.0
    clusters: float = 0.0
    image_units: float = 0.0
    cluster_units: float = 0.0


def sizes_of(sample: ImageSample, images: Images, labels: Labels, plan: ImagePlan) -> Sizes:
    """Return the sizes of a configuration; where all clusters have images, of those of the plan."""
    clusters = sample.clusters or plan.clusters
    strong = min(clusters, max(sample.strong, round(clusters * plan.strong / plan.clusters)))
    shares = labels.band_validation_fraction, labels.band_test_fraction
    return Sizes(clusters, strong, images.pixels, labels.folds, *shares)


def cluster_work(settings: ImageTraining, sizes: Sizes) -> list[Work]:
    """Return all trainings on images of clusters."""
    lin2022, liang2020 = settings.lin2022, settings.liang2020
    variants = {name: settings.variants[name] for name in settings.compared}
    works = [_bands(f"lin2022: {name}", lin2022.bands, v, lin2022.views, sizes) for name, v in variants.items()]
    works.append(_bands("liang2020: published", liang2020.bands, Variant(), 1, sizes))
    for name, model in lin2022.models.items():
        if model.weak:
            works.append(_masses("transfer_weak", name, model, 1, _weak(lin2022, sizes), lin2022, sizes))
        works.append(_masses("transfer_mass", name, model, sizes.folds, _strong(lin2022, sizes), lin2022, sizes))
    works += [_downstream(name, variant, settings, sizes) for name, variant in variants.items()]
    return works + [_richness(percent, liang2020, sizes) for percent in liang2020.percents]


def _bands(what: str, task: BandTask, variant: Variant, views: int, sizes: Sizes) -> Work:
    """Return the band classification of one variant, with features of all clusters."""
    images = len(BANDS) * sizes.clusters
    epochs = task.training.epochs if variant.trained else 0
    seen = images * (1 - sizes.validation - sizes.test) * epochs
    looked = images * ((sizes.validation + sizes.test) * (epochs + 1) + views)
    units = (seen + _LOOK * looked) * image_cost(variant_network(task.network, variant), sizes.pixels)
    return Work("transfer_bands", what, 1, int(variant.trained), seen, image_units=units)


def _masses(
    rule: str, name: str, model: MassModel, fits: int, clusters: float, settings: LinTraining, sizes: Sizes
) -> Work:
    """Return trainings of one model of masses that pass over so many clusters, in every trial."""
    seen, fits, jobs = settings.trials * clusters, settings.trials * fits, settings.trials
    if model.kind == "baseline":
        units = seen * (1 + _LOOK / (sizes.folds - 2)) * image_cost(settings.baseline, sizes.pixels)
        return Work(rule, name, jobs, fits, images=seen, image_units=units)
    units = seen * regressor_cost(settings.regressor, settings.bands.network)
    return Work(rule, name, jobs, fits, clusters=seen, cluster_units=units)


def _weak(settings: LinTraining, sizes: Sizes) -> float:
    """Return how many clusters a weak training passes over; one fold validates."""
    return (sizes.clusters - sizes.strong) * (1 - 1 / sizes.folds) * settings.weak.epochs


def _strong(settings: LinTraining, sizes: Sizes) -> float:
    """Return how many clusters the strong trainings of all folds pass over; a fold leaves out two parts."""
    return sizes.strong * (sizes.folds - 2) * settings.strong.epochs


def _downstream(name: str, variant: Variant, settings: ImageTraining, sizes: Sizes) -> Work:
    """Return trainings on mass and on richness from the features of one variant."""
    lin2022, liang2020 = settings.lin2022, settings.liang2020
    network = variant_network(lin2022.bands.network, variant)
    masses = _weak(lin2022, sizes) + _strong(lin2022, sizes)
    epochs = share_training(liang2020, 100, sizes.clusters, sizes.folds).epochs
    richness = sizes.clusters * (sizes.folds - 2) * epochs
    units = masses * regressor_cost(lin2022.regressor, network) + richness * regressor_cost(
        liang2020.regressor, network
    )
    fits = 1 + 2 * sizes.folds
    return Work("transfer_downstream", name, 1, fits, clusters=masses + richness, cluster_units=units)


def _richness(percent: float, liang2020: LiangTraining, sizes: Sizes) -> Work:
    """Return Base and Ours on one share of the training set."""
    jobs = 2 * parts(liang2020, percent, sizes.clusters, sizes.folds)
    fits = 2 * liang2020.folds * liang2020.trials
    epochs = share_training(liang2020, percent, sizes.clusters, sizes.folds).epochs
    each = sizes.clusters / sizes.folds
    clusters = fits * epochs * max(2.0, percent / 100 * each * (sizes.folds - 2))
    views = liang2020.training.views
    looked = fits * each * (epochs + 2 * views) if not liang2020.frozen else jobs * sizes.clusters * views
    images = 0.0 if liang2020.frozen else clusters * len(BANDS)
    units = (images + _LOOK * looked * len(BANDS)) * image_cost(liang2020.bands.network, sizes.pixels)
    regressor = clusters * regressor_cost(liang2020.regressor, liang2020.bands.network)
    return Work("transfer_richness", f"{percent:g} %, Base and Ours", jobs, fits, images, clusters, units, regressor)


def tile_work(settings: Tiles, plan: ImagePlan) -> list[Work]:
    """Return the trainings on tiles of frames; of so many fields and tiles as the plan says, where all are cut."""
    fields = settings.fields or plan.fields
    folds, images = min(settings.folds, fields), len(BANDS) * fields * plan.tiles
    works = []
    for name, variant in settings.variants.items():
        seen = images * (folds - 1) * settings.training.epochs
        network = variant_network(settings.network, variant)
        units = (seen + _LOOK * images) * image_cost(network, settings.pixels)
        works.append(Work("transfer_tiles", name, 1, folds, seen, image_units=units))
    return works


def natural_work(settings: Natural) -> list[Work]:
    """Return the trainings on natural images, of datasets whose size is known."""
    works = []
    for name, dataset in settings.datasets.items():
        known = _NATURAL.get(name) or _NATURAL.get(dataset.images.kind)
        if known is None:
            continue
        classes, training, test, side = known
        most = dataset.images.per_class or training
        trained = classes * min(most, training) * (1 - settings.validation)
        shares = 2 * settings.trials * sum(settings.percents) / 100
        seen = trained * (6 * settings.pretraining.epochs + shares * settings.training.epochs)
        finetuned = 2 * settings.trials * len(settings.percents)
        looked = classes * min(most, test) * (6 + finetuned)
        units = (seen + _LOOK * looked) * image_cost(settings.network, dataset.images.side or side)
        works.append(Work("transfer_natural", dataset.title, 1, 1 + finetuned, seen, image_units=units))
    return works


def estimate(works: Sequence[Work], cpu: Speed, cuda: Speed) -> pd.DataFrame:
    """Return what is trained and how long it takes, with a last row for all: contract `PLAN`."""
    rows = []
    for work in works:
        core, gpu = (
            (work.image_units / speed.images_per_second + work.cluster_units / speed.clusters_per_second) / 3600
            for speed in (cpu, cuda)
        )
        rows.append((work.rule, work.what, work.jobs, work.fits, work.images, work.clusters, core, gpu))
    table = pd.DataFrame(rows, columns=PLAN.names)
    table.loc[len(table)] = ["all", "everything", *table[PLAN.names[2:]].sum()]
    return PLAN.validate(table.astype({"jobs": int, "fits": int}), "plan")


def measured_speed(timings: Sequence[tuple[pd.DataFrame, Mapping[str, Any]]], device: str, otherwise: Speed) -> Speed:
    """Return how fast trainings were that are done: per core on the CPU.

    Parameters
    ----------
    timings : list of (pandas.DataFrame, dict)
        Contract `TIMING` of trainings on bands and on masses, each with the provenance in its metadata, which says of
        what network, size and device it is; others are left out.
    device : {'cpu', 'cuda'}
        Trainings on other devices are left out.
    otherwise : Speed
        Where there are none.
    """
    units, seconds = {"image": 0.0, "cluster": 0.0}, {"image": 0.0, "cluster": 0.0}
    for table, provenance in timings:
        settings = provenance["settings"]
        found = _unit_of(settings, provenance["wildcards"])
        if found is None or settings.get("device") != device:
            continue
        kind, cost = found
        done = table[table["step"] == "training"]
        units[kind] += cost * float(done["number"].sum())
        seconds[kind] += float((done["seconds"] * (done["threads"] if device == "cpu" else 1)).sum())
    rates = {kind: units[kind] / seconds[kind] for kind in units if seconds[kind] > 0}
    return Speed(
        images_per_second=rates.get("image", otherwise.images_per_second),
        clusters_per_second=rates.get("cluster", otherwise.clusters_per_second),
    )


def _unit_of(settings: Mapping[str, Any], wildcards: Mapping[str, Any]) -> tuple[str, float] | None:
    """Return the unit that trainings of a job count in, and how many of it one sample is."""
    if "bands" in settings and "variant" in settings:
        task, variant = BandTask(**settings["bands"]), Variant(**settings["variant"])
        pixels = Images(**settings["images"]).pixels
        return ("image", image_cost(variant_network(task.network, variant), pixels)) if variant.trained else None
    if "lin2022" in settings and "model" in wildcards:
        lin2022 = LinTraining(**settings["lin2022"])
        if lin2022.models[wildcards["model"]].kind == "transfer":
            return "cluster", regressor_cost(lin2022.regressor, lin2022.bands.network)
    return None


def image_cost(network: BandNetwork | BaselineNetwork, pixels: int) -> float:
    """Return how many images of 256 pixels ResNet-18 trains on while a network does on one of so many pixels."""
    return _operations(network, pixels) / _operations(LIN_BANDS, _PIXELS)


def regressor_cost(network: RegressorNetwork, extractor: BandNetwork) -> float:
    """Return how many clusters the published regressor trains on while one does, on features of an extractor."""
    with torch.device("meta"):
        features = Extractor(extractor.extractor).features
    own = RegressorNetwork(**{**network.model_dump(), "features": features})
    return _weights(own) / _weights(LIN_MASS)


def _weights(network: Section) -> int:
    """Return the number of a network's weights."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in build(network).parameters())


def _operations(network: BandNetwork | BaselineNetwork, pixels: int) -> float:
    """Return the multiplications of convolutions and linear layers in one pass over an image, and what outputs cost."""
    return _operations_of(type(network), network.model_dump_json(), pixels)


@cache
def _operations_of(kind: type[BandNetwork] | type[BaselineNetwork], settings: str, pixels: int) -> float:
    """Return the same of a network whose settings are written as JSON."""
    network, total = kind.model_validate_json(settings), 0.0

    def count(layer: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        inputs = layer.weight[0].numel() if isinstance(layer.weight, torch.Tensor) else 0
        total += output.numel() * (inputs + _OUTPUT)

    with torch.device("meta"), torch.no_grad():
        module = build(network).eval()
        for layer in module.modules():
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
                layer.register_forward_hook(count)
        images = torch.empty(1, network.extractor.channels, pixels, pixels)
        module(images, torch.empty(1)) if getattr(network, "redshift", False) else module(images)
    return total
