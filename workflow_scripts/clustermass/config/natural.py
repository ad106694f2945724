"""Configuration of natural images, on which Liang et al. (2020, section S1) try their pre-training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Fraction, Positive, Section
from clustermass.config.image_networks import BandNetwork, ExtractorNetwork
from clustermass.config.training import Training

Count = Annotated[int, Field(ge=1)]
Percent = Annotated[float, Field(gt=0, le=100)]


class NaturalData(Section):
    """Natural images of several classes, for training and for testing."""

    kind: Literal["folder", "archive", "cifar10", "cub200"] = Field(
        description="how they are stored: train|test/<class>/*.jpg in a folder; the same in a tar archive; CIFAR-10 as"
        " torchvision keeps it; CUB-200-2011 in its published archive"
    )
    path: str = Field(
        description="the folder, the archive, or torchvision's root folder; looked for in archive.folder, then here"
    )
    side: Count | None = Field(
        None,
        description="images are cut to squares and scaled to this side [pixels]; null: all are of one size already",
    )
    per_class: Count | None = Field(
        None, description="images of a class and split that are read, the first by name; null: all"
    )
    download: bool = Field(False, description="whether torchvision may download CIFAR-10 into `path`")
    md5: str | None = Field(
        None,
        pattern="^[0-9a-f]{32}$",
        description="checksum that an archive must have; null: any, but for cub200 that of the published archive",
    )
    largest_file: Count = Field(2**24, description="bytes of one image's file at most; larger ones are refused")
    largest_image: Count = Field(2**25, description="pixels of one image at most, as its header has them")
    largest_archive: Count = Field(2**32, description="bytes of an archive's contents at most")
    most_files: Count = Field(200_000, description="members of an archive at most")


class NaturalDataset(Section):
    """A dataset of natural images, and what is done where it is not at hand."""

    title: str = Field(description="how figures call it")
    images: NaturalData = Field(description="where it is, and what of it is read")
    wanted: str = Field(description="what to put at `images.path`, for a figure that cannot show it")
    substitute: bool = Field(
        False, description="whether rendered galaxies stand in for it where it is not at hand, and say so everywhere"
    )


class Substitute(Section):
    """Rendered galaxies and stars, as SDSS would see them in g, r and i, in place of natural images.

    Classes: galaxies with large bulges (early), discs seen from above and from the side (each near and far), stars.
    """

    per_class: Count = Field(60, description="images of a class and split; there are seven classes")
    side: Annotated[int, Field(ge=16, le=256)] = Field(32, description="side of an image [pixels of 0.396 arcsec]")
    r: tuple[float, float] = Field((15.5, 19.0), description="brightest and faintest sources, r [mag]")
    largest_arcsec: Positive = Field(
        4.0, description="largest half-light radius of galaxies [arcsec]: larger ones leave an image"
    )
    early: Fraction = Field(0.5, description="share of the bulge in the light from which on galaxies are early")
    disc: Fraction = Field(0.2, description="share of the bulge below which galaxies are discs")
    face_on: Fraction = Field(0.6, description="axis ratio from which on discs are seen from above")
    edge_on: Fraction = Field(0.35, description="axis ratio below which discs are seen from the side")
    far: Positive = Field(0.12, description="redshift from which on galaxies are far")
    offset: Annotated[float, Field(ge=0)] = Field(
        2.0, description="sources lie off the middle by up to this, along rows and columns [pixels]"
    )

    @model_validator(mode="after")
    def _classes_differ(self) -> Substitute:
        if not (self.disc <= self.early and self.edge_on <= self.face_on):
            raise ValueError(
                f"expected disc <= early and edge_on <= face_on, got {self.disc}, {self.early}, {self.edge_on},"
                f" {self.face_on}"
            )
        if not 5 <= self.r[0] < self.r[1] or not 18 <= self.r[1] <= 21:
            raise ValueError(f"r: expected a rising range from 5 to a faintest of 18 to 21, got {self.r}")
        return self


NATURAL_TRAINING = Training(
    epochs=5,
    batch=48,
    learning_rate=1e-3,
    decay=0.0,
    schedule="cosine",
    epsilon=1e-8,
    max_norm=None,
    labels="raw",
    precision="bfloat16",
)
"""Classification: the paper says nothing of how it was trained."""

CIFAR10 = NaturalDataset(
    title="CIFAR-10",
    images=NaturalData(kind="archive", path="natural_images/cifar10_jpg.tar.gz", per_class=40),
    wanted="a tar archive of train|test/<class>/*.jpg",
    substitute=True,
)
CUB200 = NaturalDataset(
    title="CUB-200-2011",
    images=NaturalData(kind="cub200", path="natural_images/CUB_200_2011.tgz", side=32, per_class=3),
    wanted="CUB_200_2011.tgz from data.caltech.edu/records/65de6-vp158",
)


class Natural(Section):
    """Channel-ordering pre-training on natural images (Liang et al. 2020, section S1)."""

    datasets: dict[Annotated[str, Field(pattern="^[a-z0-9_]+$")], NaturalDataset] = Field(
        {"cifar10": CIFAR10, "cub200": CUB200}, description="datasets by name: the panels of Fig. S3"
    )
    network: BandNetwork = Field(
        BandNetwork(extractor=ExtractorNetwork(momentum=0.3), hidden=()),
        description="the network, but for the number of its classes: ResNet-18 (published), one layer after it",
    )
    pretraining: Training = Field(
        NATURAL_TRAINING.model_copy(update={"epochs": 4, "batch": 64}),
        description="channel ordering; an epoch shows every image in all six orders",
    )
    training: Training = Field(NATURAL_TRAINING, description="classification, of Base and Ours alike")
    validation: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="share of the training images that do not train; learning curves are told by them"
    )
    percents: tuple[Percent, ...] = Field(
        (30, 60, 100), min_length=1, description="shares of the other training images whose classes are used [%]"
    )
    trials: Count = Field(2, description="trainings of every fit, which differ in seed and subset")
    substitute: Substitute = Field(Substitute(), description="where no natural images are at hand")

    @model_validator(mode="after")
    def _classes_are_numbers(self) -> Natural:
        for name in ("pretraining", "training"):
            training = getattr(self, name)
            if training.labels != "raw" or training.loss is not None:
                raise ValueError(
                    f"{name}: expected labels: raw and loss: null, as classes are numbers, got {training.labels} and"
                    f" {training.loss}"
                )
        return self
