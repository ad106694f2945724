"""Class activation maps of a regressor that sees pooled features of an extractor, laid out on the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from clustermass.attribution.gradients import Attributions, integrated_gradients
from clustermass.attribution.grid import CellGrid, deproject, trace_grid
from clustermass.attribution.outputs import Network, evaluating
from clustermass.config import attribution as config


@dataclass(frozen=True, eq=False)
class ActivationMaps:
    """What of the images a regressor's output rests on.

    Attributes
    ----------
    maps : tensor, shape (n, bands, h, w)
        On the pixels of the images.
    cells : tensor, shape (n, bands, h', w')
        On the cells of the extractor's maps.
    features : Attributions
        Of the pooled features (n, bands, channels).
    """

    maps: torch.Tensor
    cells: torch.Tensor
    features: Attributions


def class_activation(maps: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return M(x, y) = sum_k w_k f_k(x, y).

    Parameters
    ----------
    maps : tensor, shape (..., channels, h, w)
        Features f_k.
    weights : tensor, shape (..., channels)

    Returns
    -------
    tensor, shape (..., h, w)

    Notes
    -----
    *Source*: Zhou et al. (2016), Eq. 1; Lin et al. (2022), Eq. 7.
    """
    return torch.einsum("...k,...khw->...hw", weights, maps)


def activation_maps(
    extractor: Network,
    regressor: Network,
    images: torch.Tensor,
    settings: config.Attribution,
    *,
    fixed: Sequence[torch.Tensor] = (),
    grid: CellGrid | None = None,
) -> ActivationMaps:
    """Return CAM+IG maps: integrated gradients of pooled features as weights of the features' maps, band by band.

    Parameters
    ----------
    extractor : callable
        Maps one band as three channels, (m, 3, h, w), to features (m, channels, h', w'): `Extractor.maps`.
    regressor : callable
        Maps features averaged over cells, (n, bands, channels), and `fixed`, to one number a sample.
    images : tensor, shape (n, bands, h, w)
    settings : Attribution
        `cam_weights`: with 'attributions' a cell's own light counts twice, in the weight and in the feature, and maps
        sum to nothing in particular; with 'gradients' the cells of all bands sum to the regressor's output less that
        for features of zero, within the tolerance of the integrated gradients.
    fixed : sequence of tensors, shape (n, ...)
        What the regressor is given besides: redshifts.
    grid : CellGrid, optional
        Where the extractor's cells lie on the images; None: as `trace_grid` finds, which needs a module.

    Raises
    ------
    ValueError
        Images of another shape; what `integrated_gradients` and `trace_grid` refuse.

    Notes
    -----
    *Source*: Lin et al. (2022), section 5.2. How maps are laid out on images is not said there; here cells lie at the
    centres of their receptive fields, with linear interpolation between them.
    """
    if images.ndim != 4:
        raise ValueError(f"images: expected (n, bands, h, w), got shape {tuple(images.shape)}")
    (size, bands, height, width), batch = images.shape, settings.gradients.batch
    single = images.flatten(0, 1).unsqueeze(1)  # (n bands, 1, h, w)
    with evaluating(extractor), torch.no_grad():
        features = torch.cat([extractor(part.expand(-1, 3, -1, -1)) for part in torch.split(single, batch)])
    features = features.reshape(size, bands, *features.shape[1:])  # (n, bands, channels, h', w')
    found = integrated_gradients(regressor, features.mean((-2, -1)), settings.gradients, fixed=fixed)
    count = features.shape[-2] * features.shape[-1]
    weights = found.values if settings.cam_weights == "attributions" else found.gradients / count
    cells = class_activation(features, weights)
    maps = deproject(cells, height, width, grid or trace_grid(extractor, height, width))
    return ActivationMaps(maps, cells, found)
