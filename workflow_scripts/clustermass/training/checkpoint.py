"""Trainings on disk: one safetensors file each, with what made it in its header."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from clustermass.config.base import Section
from clustermass.config.training import Training
from clustermass.files import replacing
from clustermass.training.labels import LabelScale
from clustermass.training.trainer import State, Trained, trained

_KEY = "clustermass"
_NOT_IN_WEIGHTS = {"device", "threads", "views"}


class CheckpointError(ValueError):
    """A checkpoint is damaged, or of another network, configuration or training; the message says what differs."""


@dataclass(frozen=True)
class Identity:
    """What a training is of.

    Attributes
    ----------
    network : Section
        Architecture.
    settings : Training, optional
        None, when reading: any.
    seed : int, optional
        None, when reading: any.
    samples : str, optional
        Checksum of the samples, see `folds.fingerprints`. None, when reading: any.
    inputs : dict, optional
        What made the inputs, as JSON holds it: window and kernels. None, when reading: any.
    code : str, optional
        Hash of the code that trains. None, when reading: any.
    """

    network: Section
    settings: Training | None = None
    seed: int | None = None
    samples: str | None = None
    inputs: dict[str, Any] | None = None
    code: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the known parts as JSON holds them; where the training ran is left out."""
        parts: dict[str, Any] = {
            "architecture": type(self.network).__name__,
            "network": self.network.model_dump(mode="json"),
            "training": self.settings and self.settings.model_dump(mode="json", exclude=_NOT_IN_WEIGHTS),
            "seed": self.seed,
            "samples": self.samples,
            "inputs": self.inputs,
            "code": self.code,
        }
        return {name: part for name, part in parts.items() if part is not None}


def save_checkpoint(path: str | Path, state: State, identity: Identity) -> None:
    """Write a checkpoint, whole or not at all."""
    progress = {"step": state.step, "scale": asdict(state.scale), "curves": state.curves, "best": state.best}
    header = json.dumps({"identity": identity.plain(), "progress": progress}, sort_keys=True)
    with replacing(path) as aside:
        save_file(state.tensors, aside, metadata={_KEY: header})


def load_checkpoint(path: str | Path, identity: Identity) -> State:
    """Read a checkpoint of the expected training.

    Raises
    ------
    CheckpointError
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: expected a checkpoint of a training: {error}") from None
    if not about:
        raise CheckpointError(f"{path}: expected a checkpoint of a training, got a file of tensors without its header")
    differences = _differences(identity.plain(), about["identity"])
    if differences:
        raise CheckpointError(f"{path}: this checkpoint is of another training: {'; '.join(differences)}")
    progress = about["progress"]
    return State(tensors, progress["step"], LabelScale(**progress["scale"]), progress["curves"], progress["best"])


def load_trained(folder: str | Path, network: Section, inputs: dict[str, Any] | None = None) -> Trained:
    """Read the network that one training left in a folder; of several folds the last.

    Raises
    ------
    CheckpointError
        The folder holds none, or one of another network or of inputs that were made in another way.
    """
    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{folder}: expected a checkpoint of a training, got a folder without any")
    return trained(network, load_checkpoint(files[-1], Identity(network, inputs=inputs)))


def _differences(expected: dict[str, Any], found: dict[str, Any], prefix: str = "") -> list[str]:
    """Return what differs, one phrase a setting; what is not expected may be anything."""
    result = []
    for name, value in expected.items():
        other = found.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            result += _differences(value, other, f"{prefix}{name}.")
        elif value != other:
            result.append(f"{prefix}{name}: expected {value}, got {other}")
    return result
