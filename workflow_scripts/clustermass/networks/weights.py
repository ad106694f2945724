"""Weights from which extractors start: of ImageNet, of a file, or random."""

from __future__ import annotations

import pickle
import re
from pathlib import Path, PurePosixPath

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from clustermass.config.image_networks import ExtractorNetwork
from clustermass.files import sha256
from clustermass.networks.image import Extractor

Tensors = dict[str, torch.Tensor]


class WeightsError(ValueError):
    """Weights cannot be had, are damaged, or are of another architecture; the message says what to do."""


def initialise(extractor: Extractor) -> Extractor:
    """Give an extractor, in place, the weights that its configuration asks for; return it.

    The 1 x 1 convolution, which no classifier has, stays random.

    Raises
    ------
    WeightsError
        They cannot be had, the file is another one than expected, or they are of another architecture.
    """
    settings = extractor.settings
    if settings.weights != "random":
        path, checksum = _staged(settings)
        _check_checksum(path, checksum)
        extractor.backbone.load_state_dict(_fitting(_read(path), extractor, path))
    return extractor


def weights_note(settings: ExtractorNetwork) -> str:
    """Return what the weights are that an extractor starts from, to be written on every result.

    Raises
    ------
    WeightsError
        There is no such file.
    """
    if settings.weights == "random":
        return f"{settings.backbone} from random weights, not from ImageNet"
    if settings.weights == "imagenet":
        return f"{settings.backbone} from ImageNet ({PurePosixPath(_address(settings)).name})"
    path, _checksum = _staged(settings)
    return f"{settings.backbone} from the file {path.name} (sha256 {sha256(path)[:12]})"


def _address(settings: ExtractorNetwork) -> str:
    """Return where torchvision has its current weights from ImageNet."""
    from torchvision.models import get_model_weights

    return str(get_model_weights(settings.backbone).DEFAULT.url)


def _staged(settings: ExtractorNetwork) -> tuple[Path, str | None]:
    """Return the file of weights, downloaded where need be, and the beginning of the checksum that it must have."""
    if settings.file is not None:
        path = Path(settings.file)
        if not path.is_file():
            raise WeightsError(f"file: expected the weights of {settings.backbone}, got no file {path}")
        return path, settings.sha256
    address = _address(settings)
    path = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(address).name
    named = re.search(r"-([0-9a-f]{8,})\.", path.name)  # torchvision's names end in the checksum's first digits
    checksum = named[1] if named else None
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(address, str(path), checksum, progress=False)
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"weights: expected those of ImageNet for {settings.backbone}, got no download of {address}: {error}."
                f" Save it elsewhere as {path}, or name it by `weights: file` and `file`, or set `weights: random`"
            ) from None
    return path, checksum


def _check_checksum(path: Path, checksum: str | None) -> None:
    """Refuse a file with another checksum."""
    if checksum and not (found := sha256(path)).startswith(checksum):
        raise WeightsError(f"{path}: expected the SHA-256 checksum {checksum}, got {found}: damaged, or another file")


def _read(path: Path) -> Tensors:
    """Return the tensors of a file; nothing in it is executed."""
    try:
        found = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise WeightsError(f"{path}: expected a file of weights, .safetensors or .pth of tensors: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise WeightsError(f"{path}: expected tensors by name, the state of a classifier, got {type(found).__name__}")
    return found


def _fitting(found: Tensors, extractor: Extractor, path: Path) -> Tensors:
    """Return those tensors of a classifier's state that are the backbone's; refuse another architecture's."""
    expected = extractor.backbone.state_dict()
    parts = {name.split(".")[0] for name in expected}
    kept = {name: value for name, value in found.items() if name.split(".")[0] in parts}
    counters = {name: value for name, value in expected.items() if name.endswith("num_batches_tracked")}
    kept = counters | kept  # which old files lack
    wrong = [f"no {name}" for name in expected if name not in kept]
    wrong += [f"{name} unknown" for name in kept if name not in expected]
    wrong += [
        f"{name} {tuple(value.shape)}, not {tuple(expected[name].shape)}"
        for name, value in kept.items()
        if name in expected and value.shape != expected[name].shape
    ]
    wrong += [f"{name} not finite" for name, value in kept.items() if not value.isfinite().all()]
    if wrong:
        raise WeightsError(
            f"{path}: expected the weights of {extractor.settings.backbone}, got a file that differs in {len(wrong)}"
            f" tensors: {'; '.join(wrong[:3])}"
        )
    return kept
