"""Where on an image the cells of a feature map lie, and maps of cells laid out on its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from clustermass.attribution.outputs import Network, evaluating, modules_of

_WINDOWED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True)
class CellGrid:
    """Centres of cells on an image, alike in both directions: cell i lies at pixel first + step i.

    Attributes
    ----------
    step : float
        Pixels between cells.
    first : float
        Centre of the first one; pixel 0 has its centre at 0.
    """

    step: float
    first: float


def trace_grid(extractor: Network, height: int, width: int, channels: int = 3) -> CellGrid:
    """Return where the cells of an extractor's maps look: the centres of their receptive fields.

    Padding shifts them: cells of a ResNet lie at pixels 0, 32, 64, ..., half a cell up and left of where they would
    lie if cells tiled the image.

    Parameters
    ----------
    extractor : torch.nn.Module, or a method of one
        Maps (n, channels, height, width) to (n, features, h', w') by convolutions and pools.
    height, width, channels : int
        Of one image.

    Raises
    ------
    ValueError
        Cells come from something else than convolutions and pools, or are not alike in both directions.

    Notes
    -----
    A window of k pixels behind a padding of p has its centre (k - 1) / 2 - p steps from its first pixel. Layers that
    leave the size alone are taken to be symmetric, and so are parallel branches to agree.
    """
    grids = {(height, width): CellGrid(1.0, 0.0)}

    def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...], result: torch.Tensor) -> None:
        before, after = _size(inputs[0]), _size(result)
        if before in grids and after not in grids and isinstance(layer, _WINDOWED):
            grids[after] = _through(layer, grids[before])

    parts = modules_of(extractor)
    parameter = next((value for part in parts for value in part.parameters()), torch.zeros(()))
    hooks = [part.register_forward_hook(note) for part in parts if isinstance(part, _WINDOWED)]
    try:
        with evaluating(extractor), torch.no_grad():
            image = torch.zeros(1, channels, height, width, device=parameter.device, dtype=parameter.dtype)
            size = _size(extractor(image))
    finally:
        for hook in hooks:
            hook.remove()
    if size not in grids:
        raise ValueError(f"extractor: expected maps made by convolutions and pools, got {size} cells of something else")
    return grids[size]


def _size(images: torch.Tensor) -> tuple[int, int]:
    """Return height and width."""
    return images.shape[-2], images.shape[-1]


def _through(layer: Any, grid: CellGrid) -> CellGrid:
    """Return the grid behind a layer."""
    pairs = [(v, v) if isinstance(v, int) else tuple(v) for v in (layer.kernel_size, layer.stride, layer.padding)]
    if any(one != other for one, other in pairs):
        raise ValueError(f"extractor: expected square windows, got {layer}")
    (kernel, _), (stride, _), (padding, _) = pairs
    dilation = getattr(layer, "dilation", 1)
    reach = (kernel - 1) * (dilation if isinstance(dilation, int) else dilation[0])
    return CellGrid(grid.step * stride, grid.first + grid.step * (reach / 2 - padding))


def deproject(cells: torch.Tensor, height: int, width: int, grid: CellGrid) -> torch.Tensor:
    """Return maps of cells as maps of pixels: linear between the centres of cells, constant outside of them.

    Parameters
    ----------
    cells : tensor, shape (..., h', w')
    height, width : int
        Of the image.
    grid : CellGrid

    Returns
    -------
    tensor, shape (..., height, width)
    """
    rows, columns = (
        _interpolation(pixels, count, grid).to(cells)
        for pixels, count in ((height, cells.shape[-2]), (width, cells.shape[-1]))
    )
    return rows @ cells @ columns.T


def _interpolation(pixels: int, count: int, grid: CellGrid) -> torch.Tensor:
    """Return the weights of cells at pixels, shape (pixels, count)."""
    places = ((torch.arange(pixels, dtype=torch.float64) - grid.first) / grid.step).clamp(0, count - 1)
    return (1 - (places[:, None] - torch.arange(count)).abs()).clamp(min=0)
