"""What networks give without dropout and gradients, and how good it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import nn

from clustermass.config.training import Training
from clustermass.training.batches import Array, Batch, BatchMaker, Stored, views
from clustermass.training.labels import LabelScale
from clustermass.training.losses import Loss

Inputs = Array | tuple[Array, ...] | BatchMaker
"""Inputs (n, ...) of all samples, one array for each that the network is called with, or a maker of batches."""

_EVALUATED = 1000  # samples at a time where no gradient is needed, at most
_EVALUATED_BYTES = 2**24  # of their inputs, at most; what layers make of images is forty times as large


def arrays_of(inputs: Array | tuple[Array, ...]) -> tuple[Array, ...]:
    """Return one or several arrays as several."""
    return inputs if isinstance(inputs, tuple) else (inputs,)


def loader(inputs: Inputs, device: torch.device) -> Callable[[torch.Tensor], Batch]:
    """Return what gives inputs on the device by their numbers."""
    make: BatchMaker = inputs if callable(inputs) else Stored(arrays_of(inputs), device)

    def several(rows: torch.Tensor) -> Batch:
        made = make(rows)
        return made if isinstance(made, tuple) else (made,)

    return several


def cast(settings: Training, device: torch.device) -> torch.autocast:
    """Return the context in which the network is evaluated."""
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16")


def outputs_of(
    module: nn.Module,
    settings: Training,
    batches: Callable[[torch.Tensor], Batch],
    rows: torch.Tensor,
    number: int = 1,
) -> Iterator[torch.Tensor]:
    """Yield outputs without dropout for some rows at a time, means over a number of views."""
    module.eval()
    size = sum(inputs[0].nbytes for inputs in batches(rows[:1])) if len(rows) else 1
    with torch.inference_mode():
        for some in torch.split(rows, max(1, min(_EVALUATED, _EVALUATED_BYTES // size))):
            inputs = batches(some)
            with cast(settings, rows.device):
                outputs = [module(*view).float() for view in islice(views(inputs, settings), number)]
            yield torch.stack(outputs).mean(0) if len(outputs) > 1 else outputs[0]


def tested(
    module: nn.Module,
    settings: Training,
    loss: Loss,
    scale: LabelScale,
    samples: tuple[Callable[[torch.Tensor], Batch], torch.Tensor] | None,
) -> tuple[float, float]:
    """Return loss and score (see `LEARNING_CURVES`) of samples, NaN of none."""
    if samples is None:
        return np.nan, np.nan
    batches, labels = samples
    outputs = torch.cat(list(outputs_of(module, settings, batches, torch.arange(len(labels), device=labels.device))))
    with torch.inference_mode():
        score: Loss | None = getattr(module, "score", None)
        if outputs.dim() == 1:
            found = float((outputs.double() - labels).abs().mean()) * scale.unit
        else:
            found = float(score(outputs, labels)) if score else np.nan
        if settings.loss is None and hasattr(module, "loss"):
            return float(loss(outputs, labels)), found
        return float(loss(outputs.double(), labels.double())), found
