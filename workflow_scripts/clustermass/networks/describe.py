"""What a network consists of, read off the built network."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from torch import nn

from clustermass.contracts import Column, Contract

NETWORK_LAYERS = Contract(
    "network_layers",
    "layers of a network in the order in which signals pass them",
    (
        Column("layer", "text", "", "name in the network", unique=True),
        Column("kind", "text", "", "what the layer does"),
        Column("shape", "text", "", "shape of its output for one sample, e.g. '48 x 24'"),
        Column("weights", "text", "", "shape of its weights, outputs first; empty: none", missing=True),
        Column("parameters", "int", "", "number of its weights and biases", 0),
    ),
)


def describe_layers(module: nn.Module, input_shape: tuple[int, ...]) -> pd.DataFrame:
    """Return the layers of a network by passing one sample of zeros through it.

    Parameters
    ----------
    module : torch.nn.Module
        Its leaves are the layers; those that a pass does not use are left out, one used twice stands where it was
        used first.
    input_shape : tuple of int
        Shape of one sample, without the number of samples.

    Returns
    -------
    pandas.DataFrame
        Contract `NETWORK_LAYERS`.
    """
    rows: dict[str, dict[str, Any]] = {}

    def times(shape: torch.Size) -> str:
        return " x ".join(str(size) for size in shape)

    def note(name: str, layer: nn.Module, result: torch.Tensor) -> None:
        weight = getattr(layer, "weight", None)
        rows.setdefault(
            name,
            {
                "layer": name,
                "kind": type(layer).__name__,
                "shape": times(result.shape[1:]) or "1",
                "weights": "" if weight is None else times(weight.shape),
                "parameters": sum(p.numel() for p in layer.parameters()),
            },
        )

    leaves = [(name, layer) for name, layer in module.named_modules() if not any(layer.children())]
    hooks = [
        layer.register_forward_hook(lambda layer, _inputs, result, name=name: note(name, layer, result))
        for name, layer in leaves
        if not isinstance(layer, nn.Identity)
    ]
    parameter = next(module.parameters(), torch.zeros(()))
    was_training = module.training
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, *input_shape, device=parameter.device, dtype=parameter.dtype))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return NETWORK_LAYERS.validate(pd.DataFrame(list(rows.values()), columns=NETWORK_LAYERS.names), "layers")
