"""Batches of inputs: read from arrays, and turned, mirrored and flipped as training may show them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from clustermass.config.training import Training

Array = npt.NDArray[np.float32]
Batch = tuple[torch.Tensor, ...]
"""What a network is called with: inputs (k, ...) of some samples."""
BatchMaker = Callable[[torch.Tensor], torch.Tensor | Batch]
"""What makes inputs of some samples, given their (k,) numbers on the device."""

LARGE = 2**30
"""Bytes above which an array stays where it is, perhaps in a mapped file, and is read a batch at a time."""
_TURNS_FIRST = (0, 6, 3, 5, 4, 1, 7, 2)  # symmetries of the square: the quarter turns, then the mirrors


class Stored:
    """Maker of batches from arrays.

    Parameters
    ----------
    arrays : tuple of array
        (n, ...) each; those of float32 are not copied.
    device : torch.device
        Where all but `LARGE` ones are moved.
    """

    def __init__(self, arrays: tuple[Array, ...], device: torch.device) -> None:
        self._tensors = [_moved(_as_tensor(array), device) for array in arrays]

    def __call__(self, rows: torch.Tensor) -> Batch:
        """Return the inputs (k, ...) of samples (k,), where their numbers are."""
        return tuple(t.index_select(0, rows.to(t.device)).to(rows.device) for t in self._tensors)


def _as_tensor(array: Array) -> torch.Tensor:
    """Return a tensor in the memory of an array."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nor is it written to
        return torch.from_numpy(np.require(array, np.float32, "C"))


def _moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor on a device, unless it is large."""
    return tensor if tensor.nbytes > LARGE else tensor.to(device)


class Renumbered:
    """Maker of batches for some of the samples.

    Parameters
    ----------
    make : callable
        Maker for all of them.
    rows : (k,) array
        Their numbers.
    """

    def __init__(self, make: BatchMaker, rows: npt.NDArray[np.int64]) -> None:
        self._make, self._rows = make, torch.from_numpy(np.asarray(rows, np.int64))

    def __call__(self, rows: torch.Tensor) -> torch.Tensor | Batch:
        """Return the inputs of samples by their new numbers."""
        self._rows = self._rows.to(rows.device)
        return self._make(self._rows[rows])


def split(order: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Return the rows (k,) of each step; a last one of a single row joins the one before.

    Batch normalisation of vectors has no deviation to divide by where there is one of them.
    """
    parts = list(torch.split(order, size))
    if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def augmented(inputs: Batch, settings: Training) -> Batch:
    """Return inputs as training shows them: the first ones flipped, turned and mirrored at random."""
    first, *others = inputs
    if settings.velocity_flip and _has_velocities(inputs):
        first = flip_velocities(first)
    if settings.sky_symmetries and _has_sky(inputs):
        first = turn_skies(first)
    return first, *others


def _has_sky(inputs: Batch) -> bool:
    """Return whether the first inputs are cubes or images; their stored features have no sky to turn."""
    return inputs[0].dim() == 4


def _has_velocities(inputs: Batch) -> bool:
    """Return whether the first inputs may be reversed; several are cubes, or features and redshifts."""
    return len(inputs) == 1 or _has_sky(inputs)


def flip_velocities(inputs: torch.Tensor) -> torch.Tensor:
    """Return inputs (n, velocity, ...) of which half, at random, have their velocities reversed.

    A cluster seen from the other side is as likely, so that its mass does not depend on the sign of velocities.
    """
    flipped = torch.rand(len(inputs), device=inputs.device) < 0.5
    return torch.where(flipped.view(-1, *[1] * (inputs.dim() - 1)), inputs.flip(1), inputs)


def turn_skies(inputs: torch.Tensor) -> torch.Tensor:
    """Return inputs (n, velocity or band, x, y), each turned by quarters and mirrored on the sky at random.

    All eight symmetries of the square are as likely, as no direction on the sky tells of mass.

    Raises
    ------
    ValueError
        Inputs that are neither cubes nor images with a square sky.
    """
    drawn = torch.randint(8, (len(inputs),), device=inputs.device)
    turned = torch.empty_like(inputs)
    for symmetry in range(8):  # some at a time: each sample is moved once
        rows = (drawn == symmetry).nonzero()[:, 0]
        turned[rows] = _turned(inputs[rows], symmetry)
    return turned


def _turned(inputs: torch.Tensor, symmetry: int) -> torch.Tensor:
    """Return cubes (n, velocity, x, y) under one of the eight symmetries of the square."""
    if inputs.dim() != 4 or inputs.shape[2] != inputs.shape[3]:
        raise ValueError(f"sky_symmetries: expected cubes (velocity, side, side), got {tuple(inputs.shape[1:])}")
    mirrored = inputs.flip([axis for axis in (2, 3) if symmetry & axis - 1])
    return mirrored.transpose(2, 3).contiguous() if symmetry & 4 else mirrored


def views(inputs: Batch, settings: Training) -> Iterator[Batch]:
    """Yield inputs in every way that training may show them; first as they are, then those that differ most."""
    first, *others = inputs
    skies = _TURNS_FIRST if settings.sky_symmetries and _has_sky(inputs) else (0,)
    signs = (False, True) if settings.velocity_flip and _has_velocities(inputs) else (False,)
    for later in range(len(signs)):
        for place, symmetry in enumerate(skies):
            turned = _turned(first, symmetry) if symmetry else first
            yield turned.flip(1) if signs[(place + later) % len(signs)] else turned, *others
