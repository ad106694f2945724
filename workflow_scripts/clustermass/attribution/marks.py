"""Whether a map is brighter where objects are: on galaxies that are members, on stars."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class MarkContrast:
    """Means of a map.

    Attributes
    ----------
    on_marks : float
        Within the radius of a mark.
    mirrored : float
        Within the radius of marks in the seven other positions that turning and mirroring the square gives: as far
        from the centre and from each other, so that a map that is only brighter towards the centre is no brighter on
        its marks.
    everywhere : float
        Over the whole map.
    """

    on_marks: float
    mirrored: float
    everywhere: float


def near_marks(x: torch.Tensor, y: torch.Tensor, radius: float, side: int) -> torch.Tensor:
    """Return which pixels of a square image are within a radius of a mark.

    Parameters
    ----------
    x, y : tensor, shape (k,)
        Columns and rows of marks [pixels], 0 at the centre of the first.
    radius : float
        [pixels]
    side : int
        Of the image [pixels].

    Returns
    -------
    tensor of bool, shape (side, side)
    """
    pixels = torch.arange(side, dtype=torch.float64)
    rows, columns = (pixels - y.double()[:, None]) ** 2, (pixels - x.double()[:, None]) ** 2  # (k, side)
    return (rows[:, :, None] + columns[:, None, :] <= radius**2).any(0)


def mark_contrast(image: torch.Tensor, x: torch.Tensor, y: torch.Tensor, radius: float) -> MarkContrast:
    """Return the mean of a square map (side, side) on marks, and on the same marks turned and mirrored.

    Pixels on marks are left out of the turned ones. See `near_marks` and `MarkContrast`; means of no pixels are NaN.
    """
    side = image.shape[-1]
    if image.shape != (side, side):
        raise ValueError(f"map: expected a square one, got shape {tuple(image.shape)}")
    image, on = image.double().cpu(), near_marks(x.cpu(), y.cpu(), radius, side)
    turned = [torch.rot90(on, turns) for turns in range(4)]
    others = [*turned[1:], *(mask.T for mask in turned)]
    counts = torch.stack(others).sum(0) * ~on  # a pixel counts once for each position it is marked in
    mirrored = float((image * counts).sum() / counts.sum())
    return MarkContrast(float(image[on].mean()), mirrored, float(image.mean()))
