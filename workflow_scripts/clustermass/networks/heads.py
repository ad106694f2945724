"""Fully connected layers over features: regressors of mass or richness, and the layers they share."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from clustermass.config.image_networks import RegressorNetwork


def hidden_layers(widths: tuple[int, ...], activation: str = "relu") -> nn.Sequential:
    """Return fully connected layers between widths, the first being that of the input, each with its activation."""
    layers = nn.Sequential()
    for before, after in pairwise(widths):
        layers.append(nn.Linear(before, after))
        if activation == "relu":
            layers.append(nn.ReLU())
    return layers


class RedshiftConvolution(nn.Module):
    """Redshift as one trainable feature: a 1D convolution of one point, batch normalisation and ReLU.

    *Source*: Lin et al. (2022), Table 1 and section 3.2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 1, 1)
        self.normalisation = nn.BatchNorm1d(1)
        self.activation = nn.ReLU()

    def forward(self, redshift: torch.Tensor) -> torch.Tensor:
        """Return (n, 1) from redshifts (n,)."""
        x = self.convolution(redshift.view(-1, 1, 1))  # (n, 1, 1)
        result: torch.Tensor = self.activation(self.normalisation(x)).flatten(1)  # (n, 1)
        return result


def join_redshift(layer: RedshiftConvolution | None, x: torch.Tensor, redshift: torch.Tensor | None) -> torch.Tensor:
    """Return features (n, k), with redshift (n,) as one more where there is a layer for it.

    Raises
    ------
    ValueError
        Redshifts are missing, are not one a sample, or are given to a network that takes none.
    """
    got = "none" if redshift is None else f"the shape {tuple(redshift.shape)}"
    if layer is None:
        if redshift is not None:
            raise ValueError(f"redshift: this network takes none, got {got}; see `redshift` of its configuration")
        return x
    if redshift is None or redshift.shape != (len(x),):
        raise ValueError(f"redshift: expected the shape ({len(x)},), one a cluster, got {got}")
    return torch.cat([x, layer(redshift)], dim=1)  # (n, k + 1)


class FeatureRegressor(nn.Module):
    """Scaled log10 mass or richness from the features of all bands of a cluster.

    Features and bands are an image of one channel, whose convolutions join neighbouring bands.

    Parameters
    ----------
    settings : RegressorNetwork

    Notes
    -----
    In training, batch normalisation of the redshift needs at least two clusters in a batch.

    *Source*: Lin et al. (2022), Table 1; Liang et al. (2020), Table S2, has no redshift and, as printed, bands that
    stay five although kernels are three wide. Whether the hidden layers have an activation is stated in neither.
    """

    def __init__(self, settings: RegressorNetwork) -> None:
        super().__init__()
        self.settings = settings
        self.convolutions = nn.Sequential()
        for (before, after), width in zip(pairwise((1, *settings.filters)), settings.widths, strict=True):
            padding = (0, width // 2 if settings.pad_bands else 0)
            self.convolutions.append(nn.Conv2d(before, after, width, padding=padding))  # (n, 64, 508, 1)
            self.convolutions.append(nn.BatchNorm2d(after)).append(nn.ReLU())
        self.redshift = RedshiftConvolution() if settings.redshift else None
        features, bands = settings.left
        widths = (settings.filters[-1] * features * bands + settings.redshift, *settings.hidden)
        self.hidden = hidden_layers(widths, settings.activation)  # (n, 1024), (n, 512)
        self.output = nn.Linear(widths[-1], 1)

    def forward(self, features: torch.Tensor, redshift: torch.Tensor | None = None) -> torch.Tensor:
        """Return scaled labels.

        Parameters
        ----------
        features : torch.Tensor
            (n, bands, features), ugriz.
        redshift : torch.Tensor, optional
            (n,) of the clusters, where the network takes it.

        Returns
        -------
        torch.Tensor
            (n,)

        Raises
        ------
        ValueError
            Features of another shape; redshifts that are missing or not wanted.
        """
        expected = (self.settings.bands, self.settings.features)
        if tuple(features.shape[1:]) != expected:
            raise ValueError(f"features: expected the shape (n, {expected[0]}, {expected[1]}), got {features.shape}")
        x = self.convolutions(features.transpose(1, 2).unsqueeze(1)).flatten(1)  # (n, 1, 512, 5) to (n, 32512)
        result: torch.Tensor = self.output(self.hidden(join_redshift(self.redshift, x, redshift))).squeeze(1)  # (n,)
        return result
