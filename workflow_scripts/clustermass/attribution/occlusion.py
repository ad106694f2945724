"""Occlusion maps: how sure a classifier is of the right class when a part of the image is covered."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clustermass.attribution.grid import CellGrid
from clustermass.attribution.outputs import Network, chosen_outputs, evaluating
from clustermass.config import attribution as config


@dataclass(frozen=True, eq=False)
class OcclusionMaps:
    """Probabilities of the right class, or outputs of a network that has one, with parts of the images covered.

    Attributes
    ----------
    maps : tensor, shape (n, h', w')
        By the place of the patch.
    whole : tensor, shape (n,)
        With nothing covered.
    grid : CellGrid
        Where on the images the centres of the patches lie.
    """

    maps: torch.Tensor
    whole: torch.Tensor
    grid: CellGrid


def occlusion_maps(
    network: Network, images: torch.Tensor, settings: config.Occlusion, *, targets: torch.Tensor | None = None
) -> OcclusionMaps:
    """Return what a network makes of images with a square patch at one place after the other.

    Parameters
    ----------
    network : callable
        Maps images (k, channels, h, w) to logits (k, classes), or to one output; see `integrated_gradients`.
    images : tensor, shape (n, channels, h, w)
    settings : Occlusion
        Patches at the edge are cut off there, so that every pixel can be the centre of one.
    targets : tensor of int, shape (n,), optional
        Right classes; None: the network has one output, which is returned as it is.

    Raises
    ------
    ValueError
        Images of another shape, a patch that covers all of an image, outputs that do not fit.

    Notes
    -----
    *Source*: Liang et al. (2020), section 3.4 and Figure 2.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"images: expected floats (n, channels, h, w), got {images.dtype}, {tuple(images.shape)}")
    height, width = images.shape[-2:]
    if settings.patch > min(height, width):
        raise ValueError(f"patch: expected one that fits images of {height} x {width}, got {settings.patch}")
    first = (settings.stride - 1) // 2
    rows, columns = (torch.arange(first, size, settings.stride, device=images.device) for size in (height, width))
    centres = torch.cartesian_prod(rows, columns)  # (places, 2)
    with evaluating(network), torch.no_grad():
        maps = [
            torch.cat(
                [
                    _certainty(network, _covered(image, places, settings), None if targets is None else targets[i])
                    for places in torch.split(centres, settings.batch)
                ]
            ).reshape(len(rows), len(columns))
            for i, image in enumerate(images)
        ]
        whole = [
            _certainty(network, image[None], None if targets is None else targets[i]) for i, image in enumerate(images)
        ]
    return OcclusionMaps(torch.stack(maps), torch.cat(whole), CellGrid(settings.stride, first))


def _covered(image: torch.Tensor, centres: torch.Tensor, settings: config.Occlusion) -> torch.Tensor:
    """Return an image with patches at centres (k, 2): shape (k, channels, h, w)."""
    row, column = (
        (torch.arange(size, device=image.device) - centres[:, axis, None]).abs() <= settings.patch // 2  # (k, size)
        for axis, size in enumerate(image.shape[-2:])
    )
    inside = (row[:, :, None] & column[:, None, :])[:, None]  # (k, 1, h, w)
    fill = image.flatten(1).quantile(0.5, dim=1) if settings.fill == "sky" else image.new_zeros(len(image))
    return torch.where(inside, fill[:, None, None], image)


def _certainty(network: Network, images: torch.Tensor, target: torch.Tensor | None) -> torch.Tensor:
    """Return the probability of one class, or the only output, for images (k, channels, h, w): shape (k,)."""
    if target is None:
        return chosen_outputs(network, images, (), None)
    same = target.expand(len(images))
    return chosen_outputs(lambda x: torch.log_softmax(network(x), 1), images, (), same).exp()
