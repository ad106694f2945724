"""Posteriors and what makes them, on disk: safetensors files with what they are of in their header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from clustermass.config.posterior import Posterior
from clustermass.files import replacing
from clustermass.posterior.grid import Floats, Posteriors
from clustermass.posterior.joint import JointDensity, Pairs, Slices, fit_joint, kernel_weights
from clustermass.posterior.neural import NeuralDensity, neural_density
from clustermass.posterior.prior import Prior, reweight
from clustermass.training.labels import LabelScale
from clustermass.training.trainer import State

_KEY = "clustermass"


class StoreError(ValueError):
    """A file holds no such posteriors; the message says what it holds."""


@dataclass(frozen=True, eq=False)
class Inference:
    """All that turns summaries of new clusters into posteriors.

    Attributes
    ----------
    density : JointDensity or NeuralDensity
    prior : Prior
        Of the calibration, on the grid of the posteriors.
    target : Prior
        That posteriors are given under; the same unless the configuration asks for another.
    settings : Posterior
    """

    density: JointDensity | NeuralDensity
    prior: Prior
    target: Prior
    settings: Posterior

    @property
    def joint(self) -> JointDensity:
        """Kernel density of the pairs."""
        return self.density.joint if isinstance(self.density, NeuralDensity) else self.density

    def posteriors(self, summary: Floats) -> Slices:
        """Return posteriors at summaries (m,) under the target prior."""
        return self.under_target(self.density.slices(summary, self.prior.log10_mass))

    def under_target(self, slices: Slices) -> Slices:
        """Return posteriors that stand on the calibration's prior under the target; those that are lost are flagged."""
        if self.target is self.prior:
            return slices
        changed = reweight(slices.posteriors, self.prior, self.target)
        lost = ~np.isfinite(changed.density[:, 0])
        return slices._replace(posteriors=changed, extrapolated=slices.extrapolated | lost)

    def on_grid(self, summary: Floats) -> Floats:
        """Return the joint density (m, g) at summaries and the grid's masses, under the calibration's prior.

        [1/dex per unit of the summary]; *Source*: Kodi Ramanah et al. (2021), Fig. 4.
        """
        marginal = kernel_weights(self.joint, summary)[1]
        conditional = self.density.slices(summary, self.prior.log10_mass).posteriors.density
        return np.nan_to_num(conditional) * marginal[:, None]


def save_inference(path: str | Path, inference: Inference, summary: Floats, metadata: Mapping[str, Any]) -> None:
    """Write pairs, prior, flow and the joint density on a grid.

    Tensors are pairs/summary, pairs/log10_mass, pairs/weight, pairs/group, covariance, grid/summary, grid/log10_mass,
    grid/joint (summary, mass), prior/density, target/density, and flow/...

    Parameters
    ----------
    path : path
    inference : Inference
    summary : array, shape (m,)
        Summaries that the joint density is stored at.
    metadata : dict
        Anything that JSON holds.
    """
    joint, prior = inference.joint, inference.prior
    tensors: dict[str, Any] = {f"pairs/{name}": value for name, value in vars(joint.pairs).items()}
    tensors |= {"covariance": joint.covariance, "grid/summary": summary, "grid/log10_mass": prior.log10_mass}
    tensors |= {"grid/joint": inference.on_grid(summary).astype(np.float32)}
    tensors |= {"prior/density": prior.density, "target/density": inference.target.density}
    header: dict[str, Any] = {"settings": inference.settings.model_dump(mode="json"), "metadata": dict(metadata)}
    header["support"] = {name: [one.low, one.high] for name, one in (("prior", prior), ("target", inference.target))}
    header["same_prior"] = inference.target is prior
    if isinstance(inference.density, NeuralDensity):
        flow, scale = inference.density.flow, inference.density.scale
        tensors |= {f"flow/{name}": value.numpy() for name, value in flow.network.state_dict().items()}
        header["flow"] = {"labels": asdict(flow.scale), "summary": asdict(scale)}
    _save(path, tensors, header)


def load_inference(path: str | Path) -> Inference:
    """Read what makes posteriors of new clusters.

    Raises
    ------
    StoreError
    """
    tensors, header = _load(path, "grid/joint")
    settings = Posterior(**header["settings"])
    pairs = Pairs(*(tensors[f"pairs/{name}"] for name in ("summary", "log10_mass", "weight", "group")))
    joint = fit_joint(pairs, settings)
    density: JointDensity | NeuralDensity = joint
    if "flow" in header:
        weights = {name[5:]: torch.from_numpy(value) for name, value in tensors.items() if name.startswith("flow/")}
        state = State({f"network/{name}": value for name, value in weights.items()})
        state.scale, state.curves = LabelScale(**header["flow"]["labels"]), [_NO_CURVE]
        density = neural_density(joint, state, LabelScale(**header["flow"]["summary"]), settings)
    grid = tensors["grid/log10_mass"]
    prior, target = (Prior(grid, tensors[f"{n}/density"], *header["support"][n]) for n in ("prior", "target"))
    return Inference(density, prior, prior if header["same_prior"] else target, settings)


_NO_CURVE = {"epoch": 1, "learning_rate": 0.0, "train_loss": 0.0, "validation_loss": np.nan, "label_unit": 1.0}


def save_posteriors(
    path: str | Path, posteriors: Posteriors, cluster: np.ndarray[Any, Any], prior: Prior, metadata: Mapping[str, Any]
) -> None:
    """Write posteriors of clusters and the prior that they stand on.

    Tensors are log10_mass (g,), density (n, g) in float32, cluster (n,), prior/density (g,).
    """
    tensors = {"log10_mass": posteriors.log10_mass, "density": posteriors.density.astype(np.float32)}
    tensors |= {"cluster": cluster.astype(np.int64), "prior/density": prior.density}
    _save(path, tensors, {"metadata": dict(metadata), "support": [prior.low, prior.high]})


def load_posteriors(path: str | Path) -> tuple[Posteriors, np.ndarray[Any, Any], Prior]:
    """Read posteriors, the clusters that they are of, and their prior.

    Raises
    ------
    StoreError
    """
    tensors, header = _load(path, "density")
    grid = tensors["log10_mass"]
    prior = Prior(grid, tensors["prior/density"], *header["support"])
    return Posteriors(grid, tensors["density"].astype(np.float64)), tensors["cluster"], prior


def _save(path: str | Path, tensors: dict[str, Any], header: dict[str, Any]) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as aside:
        whole = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        save_file(whole, aside, metadata={_KEY: json.dumps(header, sort_keys=True)})


def _load(path: str | Path, expected: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return tensors and header of a file that holds a certain tensor."""
    try:
        with safe_open(path, "numpy") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, ValueError) as error:
        raise StoreError(f"{path}: expected a file of posteriors: {error}") from None
    if not header or expected not in tensors:
        raise StoreError(f"{path}: expected a tensor '{expected}' and a header, got {', '.join(sorted(tensors))}")
    return tensors, header
