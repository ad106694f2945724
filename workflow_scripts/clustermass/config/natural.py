"""Configuration of natural images, on which Liang et al. (2020, section S1) try their pre-training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustermass.config.base import Section

Count = Annotated[int, Field(ge=1)]


class NaturalData(Section):
    """Natural images of several classes, for training and for testing."""

    kind: Literal["folder", "archive", "cifar10", "cub200"] = Field(
        description="how they are stored: train|test/<class>/*.jpg in a folder; the same in a tar archive; CIFAR-10 as"
        " torchvision keeps it; CUB-200-2011 in its published archive"
    )
    path: str = Field(description="the folder, the archive, or torchvision's root folder")
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
