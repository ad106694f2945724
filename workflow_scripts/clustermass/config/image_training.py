"""Configuration of trainings on images of clusters: bands, then mass or richness."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Section
from clustermass.config.image_networks import (
    LIANG_BANDS,
    LIANG_RICHNESS,
    LIN_BANDS,
    AbsoluteScatterLoss,
    BandNetwork,
    BaselineNetwork,
    RegressorNetwork,
    WeightedScatterLoss,
)
from clustermass.config.training import Training

Count = Annotated[int, Field(ge=1)]
Percent = Annotated[float, Field(gt=0, le=100)]


BAND_TRAINING = Training(
    epochs=15,
    batch=64,
    learning_rate=1e-3,
    decay=0.0,
    schedule="cosine",
    epsilon=1e-8,
    max_norm=None,
    labels="raw",
    sky_symmetries=True,
    precision="bfloat16",
)
"""Telling bands apart: what validation sets justify with a thousand images; published: 100 epochs at 1e-4.

With 12 epochs, some 200 steps, .70 of the bands of the validation set were right, with 15 .85.
"""

MASS_TRAINING = BAND_TRAINING.model_copy(
    update={
        "batch": 32,
        "labels": "standardised",
        "loss": WeightedScatterLoss(),
        "patience": 15,
        "chosen_by": "error",
    }
)
"""Masses from features: Lin et al. (2022, Eq. 3).

All epochs are made and the best on the validation set counts: with some hundred labels its error is lowest after five
of fifteen, .1 dex below that of the last. The loss, in which single clusters weigh much, is no guide on fifteen
clusters: the epochs that it takes have validation errors as large as the last.
"""

RICHNESS_TRAINING = BAND_TRAINING.model_copy(
    update={"epochs": 8, "batch": 16, "labels": "standardised", "loss": AbsoluteScatterLoss(), "patience": 5}
)
"""Richness from images: Liang et al. (2020, Eq. 1)."""


class Variant(Section):
    """What is done to images before a network learns to tell their bands apart; see `transfer.variants`."""

    scaling: Literal["global", "per_cluster", "per_image"] = Field(
        "global",
        description="range of surface brightness that becomes 0 to 1: the same for all images, that of all bands of a"
        " cluster, which keeps its colours, or that of each image",
    )
    noise: Literal["as_observed", "matched"] = Field(
        "as_observed", description="matched: noise is added until all bands have that of the noisiest"
    )
    stars: Literal["as_observed", "masked"] = Field(
        "as_observed", description="masked: bright stars of the catalogue are replaced by sky"
    )
    pixels: Literal["as_observed", "shuffled"] = Field(
        "as_observed", description="shuffled: pixels change places at random, which leaves the histogram alone"
    )
    trained: bool = Field(True, description="whether the extractor learns bands; false: it stays as it starts")
    backbone: str | None = Field(None, description="torchvision's name of another classifier; null: the network's own")


class Masks(Section):
    """Masks of bright stars."""

    faintest: float = Field(17.0, description="stars up to this r are masked [mag]")
    radius_arcsec: Annotated[float, Field(gt=0)] = Field(4.0, description="radius of the mask at `faintest` [arcsec]")
    per_mag: Annotated[float, Field(ge=0)] = Field(
        0.16, description="the radius grows by a factor of ten to this for every magnitude that a star is brighter"
    )


class BandTask(Section):
    """Band classification."""

    network: BandNetwork = Field(LIN_BANDS, description="extractor and band head")
    training: Training = Field(BAND_TRAINING, description="how they are trained")


class MassModel(Section):
    """A model of masses from images."""

    kind: Literal["baseline", "transfer"] = Field(
        description="baseline: five channels, from pixels; transfer: features of a frozen extractor, band by band"
    )
    weak: bool = Field(True, description="whether weak labels train first (semi-supervised)")
    start: Literal["random", "extractor", "bands"] = Field(
        "random",
        description="weights that convolutions have at first: new ones, those that the extractor starts from, or those"
        " that band classification left; first layers of five channels get the mean of three",
    )

    @model_validator(mode="after")
    def _transfer_starts_somewhere(self) -> MassModel:
        if self.kind == "transfer" and self.start == "random":
            raise ValueError(
                "start: expected extractor or bands with kind: transfer, whose features are stored, got random"
            )
        return self


MASS_MODELS = {
    "baseline": MassModel(kind="baseline", weak=False),
    "baseline_ss": MassModel(kind="baseline"),
    "ss_trans": MassModel(kind="transfer", start="bands"),
    "baseline_ss_bands": MassModel(kind="baseline", start="bands"),
    "ss_start": MassModel(kind="transfer", start="extractor"),
    "trans": MassModel(kind="transfer", weak=False, start="bands"),
}
"""The three of Lin et al. (2022, Table 2), and those that tell what their parts are worth."""


class LinTraining(Section):
    """Masses from images (Lin et al. 2022)."""

    bands: BandTask = BandTask()
    views: Annotated[int, Field(ge=1, le=8)] = Field(
        4, description="symmetries of the square in which features of every image are stored, to augment training"
    )
    regressor: RegressorNetwork = Field(
        RegressorNetwork(hidden=(128, 64)),
        description="what turns features and redshift into a mass; published: hidden layers of 1024 and 512",
    )
    baseline: BaselineNetwork = Field(BaselineNetwork(), description="the Baseline, which sees five channels")
    weak: Training = Field(MASS_TRAINING, description="training on weak labels, of all models")
    strong: Training = Field(MASS_TRAINING, description="training on strong labels, of all models")
    models: dict[str, MassModel] = Field(MASS_MODELS, description="models by name; the first three are Table 2's")
    trials: Count = Field(1, description="trainings of every model, which differ in their seed: deep ensembles")
    label_errors: Literal["left_out", "drawn"] = Field(
        "left_out",
        description="drawn: every training sees strong labels drawn anew from their errors, which so become a part of"
        " the scatter of an ensemble; clusters are tested on the labels as they are",
    )


class LiangTraining(Section):
    """Richness from images (Liang et al. 2020)."""

    bands: BandTask = BandTask(network=LIANG_BANDS)
    regressor: RegressorNetwork = Field(
        LIANG_RICHNESS.model_copy(update={"hidden": (128, 64)}),
        description="what turns features into richness; published: hidden layers of 1024 and 512",
    )
    frozen: bool = Field(False, description="whether the extractor stays as it is; false: both learn")
    training: Training = Field(RICHNESS_TRAINING, description="how Base and Ours are trained on richness")
    min_steps: Annotated[int, Field(ge=0)] = Field(
        60,
        description="steps that a training makes at least: on few clusters it passes over them more often than"
        " `training.epochs`; 0: never",
    )
    percents: tuple[Percent, ...] = Field((10, 50, 100), description="shares of the training set that train [%]")
    folds: Count = Field(1, description="folds that are trained, of those of `labels.folds` (published: all ten)")
    trials: Count = Field(2, description="trainings of every fit, which differ in their seed and subset")
    job_minutes: Annotated[float, Field(gt=0)] = Field(20.0, description="fits are batched into jobs of about so long")
    clusters_per_second: Annotated[float, Field(gt=0)] = Field(
        25.0, description="clusters that a job trains on in a second: for these batches, and to estimate time"
    )


VARIANTS = {
    "published": Variant(),
    "start": Variant(trained=False),
    "per_image": Variant(scaling="per_image"),
    "per_cluster": Variant(scaling="per_cluster"),
    "noise_matched": Variant(noise="matched"),
    "masked": Variant(stars="masked"),
    "shuffled": Variant(pixels="shuffled"),
    "mobilenet": Variant(backbone="mobilenet_v3_small"),
    "convnext": Variant(backbone="convnext_tiny"),
}
"""What is done, or left out, to find what makes features of bands astronomical."""


class ImageTraining(Section):
    """Networks of images: how they are trained."""

    device: Literal["cpu", "cuda"] = Field("cpu", description="where they are trained")
    archival: bool = Field(
        False,
        description="whether the targets lin2022 and liang2020 train on images of real clusters too: their frames come"
        " from folders or are downloaded, thousands of them",
    )
    lin2022: LinTraining = LinTraining()
    liang2020: LiangTraining = LiangTraining()
    variants: dict[str, Variant] = Field(VARIANTS, description="what is done to images before bands are told apart")
    compared: tuple[str, ...] = Field(
        ("published", "start", "per_image", "per_cluster", "noise_matched", "masked"),
        description="variants that are trained and compared by what follows",
    )
    masks: Masks = Masks()

    @model_validator(mode="after")
    def _names(self) -> ImageTraining:
        for expected in ("published", "start"):
            if expected not in self.compared:
                raise ValueError(f"compared: expected '{expected}' among them, got {', '.join(self.compared)}")
        if unknown := [name for name in self.compared if name not in self.variants]:
            raise ValueError(f"compared: expected some of {', '.join(self.variants)}, got {unknown[0]}")
        return self
