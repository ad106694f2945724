"""CNN1D and CNN2D of Ho et al. (2019, section 3.2)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from clustermass.config.networks import PhaseSpaceNetwork
from clustermass.networks.layers import Dense, Dropout, VelocityConvolution, VelocityPooling


class PhaseSpaceCNN(nn.Module):
    """Scaled log10 mass from the density of galaxies in velocity, or in velocity and projected radius.

    Parameters
    ----------
    settings : PhaseSpaceNetwork
        One radius bin gives CNN1D, more give CNN2D, whose first filters span all radii.

    Notes
    -----
    Pooling comes before the second ReLU, which gives the same values from half of the work.

    *Source*: Ho et al. (2019), Fig. 4 and section 3.2.2. What the text leaves open: the widths of the dense layers (128
    and 64), and the output, which is linear here, as a ReLU on it would stop learning wherever it is zero.
    """

    def __init__(self, settings: PhaseSpaceNetwork) -> None:
        super().__init__()
        self.settings = settings
        first, second = settings.filters
        self.convolutions = nn.Sequential(
            VelocityConvolution(settings.radius_bins, first, settings.widths[0]),  # (n, velocity, 24)
            nn.ReLU(),
            VelocityConvolution(first, second, settings.widths[1]),  # (n, velocity, 10)
            VelocityPooling(settings.pool),  # (n, velocity / 2, 10)
            nn.ReLU(),
            Dropout(settings.dropout),
            nn.Flatten(),  # (n, 240)
        )
        widths = (settings.velocity_bins // settings.pool * second, *settings.dense)
        self.dense = nn.Sequential()  # (n, 128), (n, 64)
        for before, after in pairwise(widths):
            self.dense.append(Dense(before, after)).append(nn.ReLU())
        self.output = Dense(widths[-1], 1)
        self.activation = nn.ReLU() if settings.output == "relu" else nn.Identity()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return scaled log10 masses.

        Parameters
        ----------
        inputs : torch.Tensor
            (n, velocity), or (n, velocity, radius) for more than one radius bin: densities that sum to one.

        Returns
        -------
        torch.Tensor
            (n,)

        Raises
        ------
        ValueError
            Inputs of another shape.
        """
        bins = (self.settings.velocity_bins, self.settings.radius_bins)
        expected = bins if bins[1] > 1 else bins[:1]
        if tuple(inputs.shape[1:]) != expected:
            raise ValueError(f"inputs: expected the shape (n, {', '.join(map(str, expected))}), got {inputs.shape}")
        x = inputs.reshape(len(inputs), *bins)  # (n, velocity, radius)
        if self.settings.input_scale != 1:
            x = x * self.settings.input_scale
        x = self.output(self.dense(self.convolutions(x)))  # (n, 1)
        result: torch.Tensor = self.activation(x).squeeze(1)  # (n,)
        return result
