"""CNN3D of Kodi Ramanah et al. (2021, section 3.3)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from clustermass.config.networks import CubeNetwork
from clustermass.networks.layers import Dense, Dropout, glorot
from clustermass.networks.pooled import WIDEST, pooled_convolution


class CubeConvolution(nn.Module):
    """Convolution of cubes, not padded.

    Parameters
    ----------
    channels, filters : int
        Channels of the input and the output.
    width : int
        Of the filters, along each axis.
    """

    def __init__(self, channels: int, filters: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(filters, channels, width, width, width))
        self.bias = nn.Parameter(torch.empty(filters))
        glorot(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, v - width + 1, x - width + 1, y - width + 1, filters) from (n, v, x, y, channels)."""
        # Channels stay last in memory, which is what fast kernels want: only the names of the axes are moved.
        image = x.permute(0, 4, 1, 2, 3)  # (n, channels, v, x, y)
        weight = self.weight.contiguous(memory_format=torch.channels_last_3d)
        return functional.conv3d(image, weight, self.bias).permute(0, 2, 3, 4, 1)


class CubePooling(nn.Module):
    """Largest value among 2 x 2 x 2 neighbours.

    Parameters
    ----------
    partial : bool
        Whether the last voxels of an odd length are pooled on their own (Keras' "same") rather than left out ("valid").
    """

    def __init__(self, partial: bool) -> None:
        super().__init__()
        self.partial = partial

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, v / 2, x / 2, y / 2, channels) from (n, v, x, y, channels)."""
        if x.is_cuda:
            return self.by_maxima(x)
        image = x.permute(0, 4, 1, 2, 3)  # (n, channels, v, x, y)
        return functional.max_pool3d(image, 2, ceil_mode=self.partial).permute(0, 2, 3, 4, 1)

    def by_maxima(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same by plain maxima: on a GPU torch adds up the gradients of its pooling in no fixed order."""
        odd = [length % 2 for length in x.shape[1:4]]
        if self.partial:
            v, across, up = odd
            x = functional.pad(x, (0, 0, 0, up, 0, across, 0, v), value=-torch.inf)
        else:
            v, across, up = (length - rest for length, rest in zip(x.shape[1:4], odd, strict=True))
            x = x[:, :v, :across, :up]
        halves = [size for length in x.shape[1:4] for size in (length // 2, 2)]
        return x.reshape(len(x), *halves, x.shape[4]).amax((2, 4, 6))


class CubeCNN(nn.Module):
    """Scaled log10 mass from the density of galaxies in velocity and both coordinates on the sky.

    Parameters
    ----------
    settings : CubeNetwork

    Notes
    -----
    Pooling comes before the ReLU, which gives the same values from an eighth of the work.

    *Source*: Kodi Ramanah et al. (2021), Fig. 3 and section 3.3, with kernels, pooling and dense layers as in the
    published code (123,189 weights at 50 voxels). The text has kernels 5, 5, 5 and pooling without padding
    (30,069 weights), and a ReLU on the output, which would stop learning wherever it is zero.
    """

    def __init__(self, settings: CubeNetwork) -> None:
        super().__init__()
        self.settings = settings
        self.convolutions = nn.Sequential()
        for (before, after), width in zip(pairwise((1, *settings.filters)), settings.widths, strict=True):
            self.convolutions.append(CubeConvolution(before, after, width))  # (n, v, x, y, 12)
            self.convolutions.append(CubePooling(settings.pool == "same")).append(nn.ReLU())  # (n, v / 2, ..., 12)
        self.convolutions.append(nn.Flatten())
        if settings.dropout:
            self.convolutions.append(Dropout(settings.dropout))
        widths = (settings.sides[-1] ** 3 * settings.filters[-1], *settings.dense)
        self.dense = nn.Sequential()  # (n, 128), (n, 64)
        for before, after in pairwise(widths):
            self.dense.append(Dense(before, after))
            if settings.activation == "relu":
                self.dense.append(nn.ReLU())
        self.output = Dense(widths[-1], 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return scaled log10 masses.

        Parameters
        ----------
        inputs : torch.Tensor
            (n, voxels, voxels, voxels) along v_los, x and y: densities that sum to one.

        Returns
        -------
        torch.Tensor
            (n,)

        Raises
        ------
        ValueError
            Inputs of another shape.
        """
        expected = (self.settings.voxels,) * 3
        if tuple(inputs.shape[1:]) != expected:
            raise ValueError(f"inputs: expected the shape (n, {', '.join(map(str, expected))}), got {inputs.shape}")
        x = inputs * self.settings.input_scale
        first = self.convolutions[0]
        assert isinstance(first, CubeConvolution)
        at_work = self.training or torch.is_inference_mode_enabled()  # else the layers may be watched one by one
        if at_work and not x.is_cuda and self.settings.widths[0] <= WIDEST:  # the same, faster
            x = pooled_convolution(x, first.weight, first.bias, self.settings.pool == "same")  # (n, v / 2, ..., 12)
            x = self.convolutions[3:](x)
        else:
            x = self.convolutions(x.unsqueeze(4))  # (n, features)
        result: torch.Tensor = self.output(self.dense(x)).squeeze(1)  # (n,)
        return result
