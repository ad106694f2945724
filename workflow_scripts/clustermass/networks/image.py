"""Networks that read images: extractor, band classifier, regressor and five-channel baseline."""

from __future__ import annotations

import copy
from collections import OrderedDict
from difflib import get_close_matches

import torch
from torch import nn

from clustermass.config.image_networks import BandNetwork, BaselineNetwork, ExtractorNetwork, ImageRegressorNetwork
from clustermass.networks.heads import FeatureRegressor, RedshiftConvolution, hidden_layers, join_redshift
from clustermass.training.losses import cross_entropy

_HEAD = ("avgpool", "classifier", "fc", "head", "heads")  # where the convolutional part of torchvision's models ends
_AUXILIARY = ("aux1", "aux2", "AuxLogits")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of its channels in [0, 1]
_PROBE = 224  # px: a size that all of torchvision's classifiers take


def backbone(name: str, channels: int = 3) -> nn.Sequential:
    """Return the layers of a torchvision classifier before its pooling, with random weights from torch's generator.

    Parameters
    ----------
    name : str
        As torchvision has it; the layers keep their names, so that its weights fit.
    channels : int
        Of the images; for other numbers than 3 the first convolution is a new one.

    Raises
    ------
    ValueError
        No such classifier, or one whose layers make no maps.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        close = ", ".join(get_close_matches(name, known, 3, 0)) or "resnet18"
        raise ValueError(f"backbone: expected a classifier of torchvision, e.g. {close}, got {name}")
    model = models.get_model(name, weights=None)
    children = list(model.named_children())
    end = next((i for i, (child, _layer) in enumerate(children) if child in _HEAD), 0)
    if not end or isinstance(model, models.VisionTransformer | models.MaxVit):
        raise ValueError(f"backbone: expected a classifier that makes maps and pools them, got {name}")
    layers = nn.Sequential(OrderedDict(part for part in children[:end] if part[0] not in _AUXILIARY))
    if isinstance(model, models.DenseNet):
        layers.append(nn.ReLU())  # which its forward applies without having a layer for it
    if channels != 3:
        _widen(layers, channels)
    return layers


def _widen(layers: nn.Sequential, channels: int) -> None:
    """Let the first convolution take another number of channels, with weights drawn as He et al. (2015) do."""
    first = next(layer for layer in layers.modules() if isinstance(layer, nn.Conv2d))
    first.in_channels = channels
    first.weight = nn.Parameter(torch.empty(first.out_channels, channels, *first.kernel_size))
    nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")


class GlobalAveragePooling(nn.Module):
    """Mean over an image; unlike torch's adaptive pooling it repeats its sums on a GPU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, channels) from (n, channels, h, w)."""
        return x.mean((2, 3))


class Extractor(nn.Module):
    """Features of an image: the convolutional part of a classifier, and global average pooling.

    Parameters
    ----------
    settings : ExtractorNetwork
        Weights are random; see `weights.initial_weights` for those it asks for.

    Attributes
    ----------
    features : int
        Length of an image's vector.

    Notes
    -----
    *Source*: Lin et al. (2022), section 3.1; Liang et al. (2020), section 2.3 (`pointwise`).
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, settings: ExtractorNetwork) -> None:
        super().__init__()
        self.settings, self.frozen = settings, False
        self.backbone = backbone(settings.backbone, settings.channels)
        self.features = self._width()
        self.pointwise = nn.Sequential()
        if settings.pointwise:
            self.pointwise.append(nn.Conv2d(self.features, settings.pointwise, 1))
            self.pointwise.append(nn.BatchNorm2d(settings.pointwise)).append(nn.ReLU())
            self.features = settings.pointwise
        self.pooling = GlobalAveragePooling()
        for layer in self.modules():
            if settings.momentum and isinstance(layer, nn.BatchNorm2d):
                layer.momentum = settings.momentum
        if settings.imagenet_scaling:
            for name, values in zip(("mean", "deviation"), _IMAGENET, strict=True):
                self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def _width(self) -> int:
        """Return the channels of the backbone's maps, by passing the shape of an image through it."""
        shapes = copy.deepcopy(self.backbone).to("meta").eval()
        with torch.no_grad():
            maps = shapes(torch.empty(1, self.settings.channels, _PROBE, _PROBE, device="meta"))
        return int(maps.shape[1])

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Return feature maps (n, features, h', w') of images as `forward` takes them."""
        channels = self.settings.channels
        if images.dim() != 4 or images.shape[1] not in ((1, 3) if channels == 3 else (channels,)):
            raise ValueError(f"images: expected the shape (n, {channels}, h, w), got {tuple(images.shape)}")
        x = images.expand(-1, channels, -1, -1).contiguous(memory_format=torch.channels_last)
        if self.settings.imagenet_scaling:
            x = (x - self.mean) / self.deviation
        result: torch.Tensor = self.pointwise(self.backbone(x))
        return result

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (n, features).

        Parameters
        ----------
        images : torch.Tensor
            (n, channels, h, w) in [0, 1]; one channel (n, 1, h, w) stands for three that are the same.

        Raises
        ------
        ValueError
            Images of another shape.
        """
        result: torch.Tensor = self.pooling(self.maps(images))
        return result

    def of_bands(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (n, bands, features) of images (n, bands, h, w), each band seen on its own."""
        n, bands, *size = images.shape
        result: torch.Tensor = self(images.reshape(n * bands, 1, *size))  # (n bands, features)
        return result.view(n, bands, self.features)

    def freeze(self) -> Extractor:
        """Let nothing change any more, also not the running means of batch normalisation in training; return self."""
        self.frozen = True
        return self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Extractor:
        """Switch between training and evaluation; a frozen extractor is only evaluated."""
        return super().train(mode and not self.frozen)


class BandClassifier(nn.Module):
    """Logits of an image's classes: its band, the order of its channels, or what it shows.

    Parameters
    ----------
    settings : BandNetwork

    Notes
    -----
    *Source*: Lin et al. (2022), section 3.1 (three fully connected layers, widths not stated); Liang et al. (2020),
    section 2.3 (two, 512 wide) and S1.1 (orders of channels).
    """

    def __init__(self, settings: BandNetwork) -> None:
        super().__init__()
        self.settings = settings
        self.extractor = Extractor(settings.extractor)
        widths = (self.extractor.features, *settings.hidden)
        self.hidden = hidden_layers(widths)
        self.output = nn.Linear(widths[-1], settings.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) of images (n, 3, h, w), or (n, 1, h, w) of one band each, in [0, 1]."""
        result: torch.Tensor = self.output(self.hidden(self.extractor(images)))
        return result

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of logits (n, classes) and numbers of classes (n,)."""
        return cross_entropy(outputs, labels)

    def score(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the share of samples whose logits (n, classes) are largest for the right class (n,)."""
        return (outputs.argmax(1) == labels.long()).double().mean()


class ImageRegressor(nn.Module):
    """Scaled log10 mass or richness from images of all bands: extractor and regressor in one.

    Parameters
    ----------
    settings : ImageRegressorNetwork

    Raises
    ------
    ValueError
        The regressor is made for another number of features.
    """

    def __init__(self, settings: ImageRegressorNetwork) -> None:
        super().__init__()
        self.settings = settings
        self.extractor = Extractor(settings.extractor)
        if self.extractor.features != settings.regressor.features:
            raise ValueError(
                f"regressor: features: expected {self.extractor.features}, those of the extractor"
                f" {settings.extractor.backbone}, got {settings.regressor.features}"
            )
        if settings.frozen:
            self.extractor.freeze()
        self.regressor = FeatureRegressor(settings.regressor)

    def forward(self, images: torch.Tensor, redshift: torch.Tensor | None = None) -> torch.Tensor:
        """Return scaled labels (n,) from images (n, bands, h, w) in [0, 1], ugriz, and redshifts (n,) if taken."""
        result: torch.Tensor = self.regressor(self.extractor.of_bands(images), redshift)
        return result


class Baseline(nn.Module):
    """Scaled log10 mass from the bands of a cluster as channels of one image.

    Parameters
    ----------
    settings : BaselineNetwork

    Notes
    -----
    *Source*: Lin et al. (2022), section 4.2: ResNet-18 on five channels, not from ImageNet, as its first layer differs.
    """

    def __init__(self, settings: BaselineNetwork) -> None:
        super().__init__()
        self.settings = settings
        self.extractor = Extractor(settings.extractor)
        self.redshift = RedshiftConvolution() if settings.redshift else None
        widths = (self.extractor.features + settings.redshift, *settings.hidden)
        self.hidden = hidden_layers(widths)
        self.output = nn.Linear(widths[-1], 1)

    def forward(self, images: torch.Tensor, redshift: torch.Tensor | None = None) -> torch.Tensor:
        """Return scaled labels (n,) from images (n, bands, h, w) in [0, 1], ugriz, and redshifts (n,) if taken."""
        x = join_redshift(self.redshift, self.extractor(images), redshift)  # (n, features)
        result: torch.Tensor = self.output(self.hidden(x)).squeeze(1)  # (n,)
        return result
