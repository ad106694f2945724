"""Configuration of the networks that read images, and of what they minimise."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Positive, Section

Count = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(ge=0)]


class ExtractorNetwork(Section):
    """Convolutional part of a torchvision classifier, which turns an image into one vector of features."""

    backbone: str = Field("resnet18", description="torchvision's name of the classifier (published: resnet18)")
    channels: Count = Field(
        3, description="channels of an image: 3 takes a band three times over; 5: all bands at once, as the baselines"
    )
    weights: Literal["imagenet", "file", "random"] = Field(
        "random",
        description="where training starts: torchvision's weights of ImageNet (Lin et al.), a file's, or random ones",
    )
    file: str | None = Field(
        None, description="state of torchvision's classifier, .pth or .safetensors, with weights: file"
    )
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="checksum that the file must have; null: any"
    )
    imagenet_scaling: bool = Field(
        False,
        description="whether images in [0, 1] are brought to the mean and deviation of ImageNet's; the papers say"
        " nothing of it",
    )
    pointwise: Count | None = Field(
        None,
        description="filters of a 1 x 1 convolution with batch normalisation and ReLU after the backbone; published:"
        " 512 (Liang et al.), null (Lin et al.)",
    )
    momentum: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="share of a batch in the running means of batch normalisation; null: torchvision's (resnet18:"
        " 0.1); more where a training has fewer than some hundred steps, whose evaluation would remember the start",
    )

    @model_validator(mode="after")
    def _weights_fit(self) -> ExtractorNetwork:
        if (self.weights == "file") != (self.file is not None):
            raise ValueError(
                f"file: expected a path with weights: file and only there, got {self.file} with {self.weights}"
            )
        if self.channels != 3 and (self.weights == "imagenet" or self.imagenet_scaling):
            raise ValueError(
                f"channels: ImageNet has 3, got {self.channels}; use weights: random, imagenet_scaling: false"
            )
        return self


class BandNetwork(Section):
    """An extractor and fully connected layers that tell classes apart: bands, orders of channels, natural images."""

    extractor: ExtractorNetwork = Field(ExtractorNetwork(), description="what turns an image into features")
    hidden: tuple[Count, ...] = Field(
        (1024, 768),
        description="widths of the hidden fully connected layers; Lin et al. have two and do not state them: with these"
        " or with 1024, 512 and the 1 x 1 convolution of Liang et al., extractor and head have 12,492,869 weights"
        " (published: 1.25e7)",
    )
    classes: Annotated[int, Field(ge=2)] = Field(
        5, description="classes: five bands, six orders of three channels, ..."
    )


class RegressorNetwork(Section):
    """Three convolutions over features and bands, and fully connected layers: Lin et al. (2022, Table 1)."""

    features: Count = Field(512, description="features of one band, as many as the extractor's")
    bands: Count = Field(5, description="bands of a cluster")
    filters: tuple[Count, Count, Count] = Field((1, 16, 64), description="filters of the convolutions")
    widths: tuple[Count, Count, Count] = Field((1, 3, 3), description="widths of their kernels, odd")
    pad_bands: bool = Field(
        False,
        description="whether bands are padded, so that five remain, as Table S2 of Liang et al. (2020) is printed",
    )
    redshift: bool = Field(
        True, description="whether redshift joins through a 1D convolution (Lin et al.; not Liang et al.)"
    )
    hidden: tuple[Count, ...] = Field((1024, 512), description="widths of the hidden fully connected layers")
    activation: Literal["linear", "relu"] = Field(
        "relu", description="of the hidden layers, which the papers leave open; linear makes one of all of them"
    )

    @property
    def left(self) -> tuple[int, int]:
        """Features and bands that the convolutions leave."""
        lost = sum(self.widths) - len(self.widths)
        return self.features - lost, self.bands - (0 if self.pad_bands else lost)

    @model_validator(mode="after")
    def _something_is_left(self) -> RegressorNetwork:
        if any(width % 2 == 0 for width in self.widths):
            raise ValueError(f"widths: expected odd widths, got {self.widths}")
        if min(self.left) < 1:
            raise ValueError(
                f"widths: {self.widths} leave nothing of {self.features} features x {self.bands} bands, got {self.left}"
            )
        return self


class ImageRegressorNetwork(Section):
    """An extractor that sees the bands one by one, and the regressor of their features."""

    extractor: ExtractorNetwork = Field(ExtractorNetwork(), description="what turns one band into features")
    regressor: RegressorNetwork = Field(RegressorNetwork(), description="what turns the features of all bands into one")
    frozen: bool = Field(
        True, description="whether the extractor stays as it is, so that its features can be stored; false: both learn"
    )


class BaselineNetwork(Section):
    """A classifier's convolutional part that sees all bands as channels, with one output: Lin et al. (2022, 4.2)."""

    extractor: ExtractorNetwork = Field(
        ExtractorNetwork(channels=5), description="what turns all bands into features; never from ImageNet"
    )
    hidden: tuple[Count, ...] = Field((), description="widths of hidden fully connected layers (ResNet-18: none)")
    redshift: bool = Field(False, description="whether redshift joins the features; the paper feeds images alone")


class WeightedScatterLoss(Section):
    """Weighted mean squared error and scatter: Lin et al. (2022, Eq. 3)."""

    kind: Literal["weighted_scatter"] = "weighted_scatter"
    range_dex: Positive = Field(
        0.25, description="width of the mass ranges in which clusters are counted [dex]; not published"
    )
    scatter: Factor = Field(100.0, description="factor of the standard deviation of the differences")


class AbsoluteScatterLoss(Section):
    """Mean squared error and scatter of absolute differences: Liang et al. (2020, Eq. 1)."""

    kind: Literal["absolute_scatter"] = "absolute_scatter"
    scatter: Factor = Field(1.0, description="factor alpha of the scatter; not published")


LIN_BANDS = BandNetwork()
"""Lin et al. (2022, section 3.1): global average pooling and three fully connected layers."""

LIANG_BANDS = BandNetwork(extractor=ExtractorNetwork(pointwise=512), hidden=(512,))
"""Liang et al. (2020, section 2.3): a 1 x 1 convolution, global average pooling and two fully connected layers."""

LIN_MASS = RegressorNetwork()
"""Lin et al. (2022, Table 1): 33,829,257 weights."""

LIANG_RICHNESS = RegressorNetwork(redshift=False)
"""Liang et al. (2020, Table S2) in the shapes of Lin et al.; `pad_bands=True` is as printed."""
