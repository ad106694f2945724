"""What networks of images look at: maps of test clusters with member galaxies and stars marked, and their contrasts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from clustermass.attribution.cam import activation_maps
from clustermass.attribution.gradients import integrated_gradients
from clustermass.attribution.grid import deproject
from clustermass.attribution.marks import mark_contrast
from clustermass.attribution.occlusion import occlusion_maps
from clustermass.config.attribution import Attribution, IntegratedGradients, Occlusion
from clustermass.config.pictures import Pictures
from clustermass.contracts import Column, Contract
from clustermass.files import replacing
from clustermass.frames.contracts import BANDS
from clustermass.images.composites import offsets
from clustermass.images.resize import Pixels
from clustermass.mosaic.grid import Grid
from clustermass.networks.heads import FeatureRegressor
from clustermass.networks.image import BandClassifier, Extractor
from clustermass.residuals import INTERVAL
from clustermass.training.labels import LabelScale
from clustermass.transfer.sample import ImageSample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_KEY = "clustermass"

ATTENTION = Contract(
    "attention",
    "whether maps of what networks look at are larger where objects are; means over clusters of absolute values, in"
    " units of the mean of each map",
    (
        Column("map", "text", "", "image: its light, above its median; gradients: integrated ones of the right band;"
               " activation: CAM+IG of the mass; occlusion: change of the right band's probability; _start: without"
               " training"),
        Column("band", "text", "", "band of the image", choices=tuple(BANDS)),
        Column("marks", "text", "", "what is marked", choices=("members", "stars")),
        Column("on", "float", "", "on marks", 0),
        Column("mirrored", "float", "", "on marks that were turned and mirrored about the cluster", 0),
        Column("contrast", "float", "", "on over mirrored: 1 where maps do not know of the objects", 0),
        Column("low", "float", "", "16th percentile of it, bootstrap of halos; missing: one halo", 0, missing=True),
        Column("high", "float", "", "84th percentile of it; missing: one halo", 0, missing=True),
        Column("everywhere", "float", "", "mean of the maps [unit of what they are of]", 0),
        Column("clusters", "int", "", "clusters with such marks", 1),
        Column("complete", "float", "", "share of maps whose sum is the output's difference, within the tolerance;"
               " missing: maps that have no such sum", 0, 1, missing=True),
    ),
)  # fmt: skip


class MapsError(ValueError):
    """A file of maps is damaged; the message names it."""


@dataclass(frozen=True, eq=False)
class MarkedImage:
    """The image of one cluster as networks see it, with what is known to be on it.

    Attributes
    ----------
    cluster : str
    redshift, richness : float
    image : array of float32, shape (5, h, w)
        In [0, 1], ugriz; its first row is the southern one, its first column the eastern one.
    member_x, member_y, star_x, star_y : array, shape (k,)
        Columns and rows of member galaxies and of stars [pixels], 0 at the centre of the first.
    probability : array, shape (5,)
        That the band classifier gives the right band.
    """

    cluster: str
    redshift: float
    richness: float
    image: Pixels
    member_x: Floats
    member_y: Floats
    star_x: Floats
    star_y: Floats
    probability: Floats

    @classmethod
    def of(cls, image: MarkedImage, **maps: Any) -> Self:
        """Return an image with its maps."""
        return cls(**{field.name: getattr(image, field.name) for field in fields(MarkedImage)}, **maps)


@dataclass(frozen=True, eq=False)
class AttributionMaps(MarkedImage):
    """Maps of what the outputs of trained networks are made of.

    Attributes
    ----------
    gradients : array of float32, shape (5, h, w)
        Integrated gradients of the right band's logit.
    activation : array of float32, shape (5, h, w)
        CAM+IG of the mass [dex].
    prediction : float
        log10 of M500c [Msun].
    completeness : array, shape (5,)
        Share by which the sum of `gradients` misses the difference of the logit from that of a black image.
    """

    gradients: Pixels
    activation: Pixels
    prediction: float
    completeness: Floats


@dataclass(frozen=True, eq=False)
class OccludedImage(MarkedImage):
    """Occlusion maps of one cluster.

    Attributes
    ----------
    occlusion : array of float32, shape (5, h, w)
        Probability of the right band with a patch about the pixel covered, linear between the places of patches.
    """

    occlusion: Pixels


_KINDS = {kind.__name__: kind for kind in (MarkedImage, AttributionMaps, OccludedImage)}


class MassNetwork(NamedTuple):
    """A trained regressor of features and redshift, and the scale of its outputs."""

    module: FeatureRegressor
    scale: LabelScale


class BandMaps(NamedTuple):
    """Integrated gradients of the right band's logit.

    Attributes
    ----------
    maps : array of float32, shape (n, 5, h, w)
    probability : array, shape (n, 5)
    error : array, shape (n, 5)
        See `Attributions`.
    complete : array of bool, shape (n, 5)
    """

    maps: Pixels
    probability: Floats
    error: Floats
    complete: NDArray[np.bool_]


class MassMaps(NamedTuple):
    """CAM+IG of masses.

    Attributes
    ----------
    maps : array of float32, shape (n, 5, h, w)
        [dex]
    prediction : array, shape (n,)
        log10 of M500c [Msun].
    complete : array of bool, shape (n,)
        Of the integrated gradients of features.
    """

    maps: Pixels
    prediction: Floats
    complete: NDArray[np.bool_]


def draw_tested(sample: ImageSample, number: int, rng: np.random.Generator) -> Ints:
    """Return places in a sample of at most so many clusters that test the band classification, drawn at random.

    Raises
    ------
    ValueError
        There is none.
    """
    return rng.permutation(_tested(sample))[:number]


def richest_tested(sample: ImageSample, number: int) -> Ints:
    """Return places in a sample of the richest clusters that test both the band classification and, in a fold, masses.

    Parameters
    ----------
    number : int
        At most. Where no cluster with a strong label tests the band classification, others are taken.

    Raises
    ------
    ValueError
        There is none.
    """
    tested = _tested(sample)
    wanted = tested[sample.strong[tested]] if sample.strong[tested].any() else tested
    return wanted[np.argsort(-sample.log10_richness[wanted], kind="stable")][:number]


def _tested(sample: ImageSample) -> Ints:
    """Return places of the clusters that test the band classification."""
    tested = np.flatnonzero(sample.band == "test")
    if not len(tested):
        raise ValueError("maps: expected clusters that test the band classification, got none")
    return tested


def positions(ra: Floats, dec: Floats, centre: tuple[float, float], side_arcsec: float, pixels: int) -> Floats:
    """Return columns and rows of objects on the image of a cluster, those outside left out: shape (2, k).

    Parameters
    ----------
    ra, dec : array, shape (n,)
        ICRS [deg].
    centre : pair of float
        Right ascension and declination of the cluster [deg].
    side_arcsec : float
        Of the image, which is square [arcsec].
    pixels : int
        Along a side.
    """
    step = side_arcsec / pixels
    east, north = offsets(ra, dec, Grid(*centre, step, pixels, pixels))
    inside = np.isfinite(east)
    middle = (pixels - 1) / 2
    return np.stack([middle - east[inside] / step, middle + north[inside] / step])


def mark_images(
    clusters: pd.DataFrame,
    images: Pixels,
    side_mpc: float,
    members: pd.DataFrame,
    stars: Mapping[int, pd.DataFrame],
    probability: Floats,
    settings: Pictures,
) -> list[MarkedImage]:
    """Return images with the objects that are on them.

    Parameters
    ----------
    clusters : pandas.DataFrame
        Contract `IMAGE_CLUSTERS`, one of each image.
    images : array of float32, shape (n, 5, h, w)
    side_mpc : float
        Of the images [Mpc].
    members : pandas.DataFrame
        Contract `IMAGE_MEMBERS`.
    stars : mapping of int to pandas.DataFrame
        Contract `STARS`, by the job of the clusters; no stars are known of other jobs.
    probability : array, shape (n, 5)
        See `MarkedImage`.
    settings : Pictures
        Least probability of members and faintest star.
    """
    known = members[members["probability"] >= settings.min_probability]
    bright = {job: table[table["r"] <= settings.faintest_star] for job, table in stars.items()}
    none, found = members.iloc[:0], []
    for cluster, image, sure in zip(clusters.to_dict("records"), images, probability, strict=True):
        place = ((cluster["ra"], cluster["dec"]), side_mpc * cluster["arcsec_per_mpc"], image.shape[-1])
        tables = known[known["cluster"] == cluster["id"]], bright.get(cluster["job"], none)
        (member_x, member_y), (star_x, star_y) = (
            positions(table["ra"].to_numpy(float), table["dec"].to_numpy(float), *place) for table in tables
        )
        about = cluster["id"], float(cluster["redshift"]), float(cluster["richness"])
        found.append(MarkedImage(*about, image, member_x, member_y, star_x, star_y, sure))
    return found


def band_maps(classifier: BandClassifier, images: torch.Tensor, settings: IntegratedGradients) -> BandMaps:
    """Return what of images makes a classifier see the right band.

    Parameters
    ----------
    classifier : BandClassifier
        Of one band at a time.
    images : tensor, shape (n, 5, h, w)
    settings : IntegratedGradients

    Notes
    -----
    *Source*: Lin et al. (2022), section 5.2; of the logit, for a probability near one has no gradient left.
    """
    size, bands, *shape = images.shape
    single, targets = images.reshape(-1, 1, *shape), _right(images)
    found = integrated_gradients(classifier, single, settings, targets=targets)
    return BandMaps(
        found.values.reshape(images.shape).cpu().numpy(),
        _probability(classifier, single, targets, settings.batch).reshape(size, bands),
        found.error.reshape(size, bands).cpu().numpy(),
        found.complete.reshape(size, bands).cpu().numpy(),
    )


def mass_maps(
    extractor: Extractor,
    regressors: Sequence[MassNetwork],
    images: torch.Tensor,
    redshift: Floats,
    settings: Attribution,
) -> MassMaps:
    """Return what of images masses are made of.

    Parameters
    ----------
    extractor : Extractor
    regressors : sequence of MassNetwork
        One a cluster: of the fold in which it tests.
    images : tensor, shape (n, 5, h, w)
    redshift : array, shape (n,)
    settings : Attribution

    Notes
    -----
    *Source*: Lin et al. (2022), section 5.2.
    """
    maps, predictions, complete = [], [], []
    for image, z, (module, scale) in zip(images, redshift, regressors, strict=True):
        fixed = [torch.tensor([z]).to(images)] if module.settings.redshift else []
        found = activation_maps(extractor.maps, module, image[None], settings, fixed=fixed)
        maps.append(scale.unit * found.maps[0].cpu().numpy())
        predictions.append(scale.unscale(found.features.outputs.cpu().numpy())[0])
        complete.append(bool(found.features.complete[0]))
    return MassMaps(np.stack(maps).astype(np.float32), np.array(predictions), np.array(complete))


def covered_maps(classifier: BandClassifier, images: torch.Tensor, settings: Occlusion) -> tuple[Pixels, Floats]:
    """Return how probable a classifier takes the right band to be with parts of images covered, and with none.

    Parameters
    ----------
    classifier : BandClassifier
    images : tensor, shape (n, 5, h, w)
    settings : Occlusion

    Returns
    -------
    array of float32, shape (n, 5, h, w), and array, shape (n, 5)

    Notes
    -----
    *Source*: Liang et al. (2020), section 3.4.
    """
    size, bands, height, width = images.shape
    found = occlusion_maps(classifier, images.reshape(-1, 1, height, width), settings, targets=_right(images))
    maps = deproject(found.maps, height, width, found.grid).reshape(images.shape)
    return maps.cpu().numpy(), found.whole.double().reshape(size, bands).cpu().numpy()


def _right(images: torch.Tensor) -> torch.Tensor:
    """Return the right classes of images (n, bands, h, w) taken one by one: shape (n bands,)."""
    return torch.arange(images.shape[1], device=images.device).repeat(len(images))


def _probability(classifier: BandClassifier, images: torch.Tensor, targets: torch.Tensor, batch: int) -> Floats:
    """Return the probability of classes (k,) of images (k, 1, h, w)."""
    with torch.no_grad():
        logits = torch.cat([classifier.eval()(part) for part in torch.split(images, batch)]).double()
    found: Floats = torch.softmax(logits, 1).gather(1, targets[:, None])[:, 0].cpu().numpy()
    return found


def attention(
    maps: Mapping[str, Pixels],
    complete: Mapping[str, NDArray[np.bool_]],
    images: Sequence[MarkedImage],
    group: Sequence[str],
    radius: float,
    draws: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return whether maps are larger on member galaxies and on stars than elsewhere as far from the centre.

    Gradients times an input are large where the input is: how far the images themselves stand out, and maps of networks
    that were not trained, are what other maps have to be compared with.

    Parameters
    ----------
    maps : mapping of str to array, shape (n, 5, h, w)
        Absolute values count; those of the images less their medians are added as 'image'.
    complete : mapping of str to array of bool, shape (n, 5)
        Which maps sum to what they should, for those that have a sum.
    images : sequence of MarkedImage
        Of the n clusters.
    group : sequence of str
        Their groups, which the bootstrap draws together.
    radius : float
        Of a mark, in sides of the image.
    draws : int
        Of the bootstrap.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Contract `ATTENTION`; map, band and kind of mark that no cluster has are left out.
    """
    _, code = np.unique(np.asarray(group, str), return_inverse=True)
    groups = int(code.max()) + 1
    times = rng.multinomial(groups, np.full(groups, 1 / groups), size=draws)[:, code]  # (draws, n)
    light = np.stack([image.image for image in images])
    shown = {"image": light - np.median(light, axis=(2, 3), keepdims=True), **maps}
    rows = []
    for name, values in shown.items():
        for place, band in enumerate(BANDS):
            for marks in ("members", "stars"):
                means = np.array(
                    [_contrast(v[place], image, marks, radius) for v, image in zip(values, images, strict=True)]
                )  # (n, 3)
                known = np.isfinite(means).all(axis=1)
                if known.any():
                    sums = complete[name][known, place].mean() if name in complete else np.nan
                    row = {"map": name, "band": band, "marks": marks, "clusters": int(known.sum()), "complete": sums}
                    rows.append(row | _summary(means[known], times[:, known], groups))
    table = pd.DataFrame(rows) if rows else ATTENTION.empty()
    return ATTENTION.validate(table[ATTENTION.names], "attention")


def _contrast(values: Pixels, image: MarkedImage, marks: str, radius: float) -> tuple[float, float, float]:
    """Return means of absolute values on marks, in mirrored places, both over that everywhere, and this; or NaN."""
    kind = marks.removesuffix("s")
    x, y = (torch.from_numpy(np.asarray(getattr(image, f"{kind}_{axis}"))) for axis in "xy")
    if not len(x):
        return np.nan, np.nan, np.nan
    found = mark_contrast(torch.from_numpy(np.abs(values)), x, y, radius * values.shape[-1])
    scale = found.everywhere or np.nan  # a map of nothing has no contrast
    return found.on_marks / scale, found.mirrored / scale, scale


def _summary(means: Floats, times: Ints, groups: int) -> dict[str, float]:
    """Return the means over clusters (n, 3), and the contrast's interval by draws (draws, n)."""
    on, mirrored, everywhere = means.mean(axis=0)
    drawn = np.einsum("dn,nk->kd", times.astype(float), means[:, :2])
    drawn = drawn[:, drawn[1] > 0]  # a draw may hold none of these clusters
    low, high = np.percentile(drawn[0] / drawn[1], INTERVAL) if groups > 1 else (np.nan, np.nan)
    contrast = on / mirrored
    return {"on": on, "mirrored": mirrored, "contrast": contrast, "low": low, "high": high, "everywhere": everywhere}


def save_maps(path: str | Path, maps: MarkedImage, about: Mapping[str, Any]) -> None:
    """Write the maps of one cluster, whole or not at all.

    Parameters
    ----------
    about : mapping
        What `json.dumps` can write: provenance.
    """
    values = {field.name: getattr(maps, field.name) for field in fields(maps)}
    tensors = {name: np.ascontiguousarray(value) for name, value in values.items() if isinstance(value, np.ndarray)}
    words = {name: value for name, value in values.items() if name not in tensors}
    header = json.dumps({**about, "kind": type(maps).__name__, "values": words}, sort_keys=True)
    with replacing(path) as aside:
        save_file(tensors, aside, metadata={_KEY: header})


def load_maps(path: str | Path) -> Any:
    """Read the maps of one cluster: `AttributionMaps` or `OccludedImage`, as they were written.

    Raises
    ------
    MapsError
        No such file, or a damaged one.
    """
    try:
        with safe_open(path, "np") as file:
            about = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        return _KINDS[about["kind"]](**about["values"], **tensors)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise MapsError(f"{path}: expected a file of maps of one cluster: {error!r}") from None
