"""What a network consists of, read off the built network."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from torch import nn

from clustermass.config.image_networks import RegressorNetwork
from clustermass.contracts import Column, Contract
from clustermass.networks.heads import FeatureRegressor

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
REGRESSOR_LAYERS = Contract(
    "regressor_layers",
    "layers of a regressor of features, in the order in which signals pass them, under the names of the papers' tables",
    (
        Column("layer", "text", "", "2D Conv 1, BN, ReLU, 1D Conv, FC 1, ..."),
        Column("kernel", "text", "", "width of its kernel, '3 x 3'; empty: none", missing=True),
        Column("output_size", "text", "", "of one cluster, channels first: '16 x 510 x 3'"),
        Column("weights", "int", "", "number of its weights and biases", 0),
    ),
)
_PAPERS_NAMES = {
    "Conv2d": "2D Conv",
    "Conv1d": "1D Conv",
    "BatchNorm1d": "BN",
    "BatchNorm2d": "BN",
    "ReLU": "ReLU",
    "Linear": "FC",
}


def describe_layers(module: nn.Module, *input_shapes: tuple[int, ...]) -> pd.DataFrame:
    """Return the layers of a network by passing one sample of zeros through it.

    Parameters
    ----------
    module : torch.nn.Module
        Its leaves are the layers; those that a pass does not use are left out, one used twice stands where it was
        used first.
    *input_shapes : tuple of int
        Shape of each input of one sample, without the number of samples.

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
            module.eval()(*(torch.zeros(1, *s, device=parameter.device, dtype=parameter.dtype) for s in input_shapes))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return NETWORK_LAYERS.validate(pd.DataFrame(list(rows.values()), columns=NETWORK_LAYERS.names), "layers")


def describe_regressor(settings: RegressorNetwork) -> pd.DataFrame:
    """Return the layers of a regressor as Table 1 of Lin et al. (2022) and Table S2 of Liang et al. (2020) list them.

    The tables leave out whether a ReLU follows FC 1 and FC 2; here it is listed where it is one.

    Returns
    -------
    pandas.DataFrame
        Contract `REGRESSOR_LAYERS`.
    """
    with torch.device("meta"):  # shapes alone: no memory for the weights
        module = FeatureRegressor(settings)
    inputs: list[tuple[int, ...]] = [(settings.bands, settings.features)]
    layers = describe_layers(module, *inputs, *([()] if settings.redshift else []))
    names = [_PAPERS_NAMES[kind] for kind in layers["kind"]]
    several = {name for name in ("2D Conv", "FC") if names.count(name) > 1}
    kernels = [getattr(module.get_submodule(layer), "kernel_size", ()) for layer in layers["layer"]]
    table = pd.DataFrame(
        {
            "layer": [f"{n} {names[: i + 1].count(n)}" if n in several else n for i, n in enumerate(names)],
            "kernel": [" x ".join(map(str, kernel)) for kernel in kernels],
            "output_size": layers["shape"],
            "weights": layers["parameters"],
        }
    )
    return REGRESSOR_LAYERS.validate(table, "regressor's layers")
