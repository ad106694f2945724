"""One number a sample from any network, computed as the network is used, not as it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

Network = Callable[..., torch.Tensor]
"""Maps inputs (n, ...), and whatever else of shape (n, ...), to outputs (n,), (n, 1) or (n, classes)."""


def modules_of(network: Network) -> list[nn.Module]:
    """Return all parts of a module, or of the module that a method belongs to; none of any other callable."""
    owner = getattr(network, "__self__", network)
    return list(owner.modules()) if isinstance(owner, nn.Module) else []


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
    """Turn off dropout and batch statistics in `modules_of` a network; afterwards every part is as before."""
    parts = modules_of(network)
    before = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, training in zip(parts, before, strict=True):
            part.training = training


def chosen_outputs(
    network: Network, inputs: torch.Tensor, fixed: Sequence[torch.Tensor], targets: torch.Tensor | None
) -> torch.Tensor:
    """Return one output of the network for every sample.

    Parameters
    ----------
    network : callable
    inputs : tensor, shape (n, ...)
    fixed : sequence of tensors, shape (n, ...)
        What the network is given besides.
    targets : tensor of int, shape (n,), optional
        Which of several outputs, for every sample; None: the network has one.

    Returns
    -------
    tensor, shape (n,)

    Raises
    ------
    ValueError
        Outputs of another shape or not finite; a target that is not there.
    """
    outputs = network(inputs, *fixed)
    size = len(inputs)
    if targets is None:
        if outputs.shape not in ((size,), (size, 1)):
            raise ValueError(
                f"outputs: expected one for each of {size} samples, got {tuple(outputs.shape)}; set targets"
            )
        chosen = outputs.reshape(size)
    else:
        if outputs.ndim != 2 or len(outputs) != size:
            raise ValueError(f"outputs: expected ({size}, classes) where targets are set, got {tuple(outputs.shape)}")
        if len(targets) != size or not bool(((targets >= 0) & (targets < outputs.shape[1])).all()):
            raise ValueError(
                f"targets: expected {size} numbers from 0 to {outputs.shape[1] - 1}, got {targets.tolist()!r:.100}"
            )
        chosen = outputs.gather(1, targets[:, None])[:, 0]
    if not bool(torch.isfinite(chosen).all()):
        raise ValueError("outputs: expected finite values of the network, got others")
    return chosen
