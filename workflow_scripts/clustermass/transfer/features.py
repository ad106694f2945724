"""Features of images: vectors that an extractor makes of every band, stored once for all that learns from them."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from clustermass.config.training import Training
from clustermass.files import replacing
from clustermass.images.resize import Pixels
from clustermass.networks.image import Extractor
from clustermass.training.batches import views
from clustermass.training.device import prepared

Floats32 = NDArray[np.float32]
_KEY = "clustermass"
_BYTES = 2**23  # of images that pass through an extractor at once, at most


class FeaturesError(ValueError):
    """A file of features is damaged or lacks clusters; the message names file, expected and got."""


class Features(NamedTuple):
    """Features of clusters.

    Attributes
    ----------
    clusters : list of str
        Their names.
    values : array of float32, shape (n, views, 5, features)
        ugriz; the first view is the image as it is, others are turned or mirrored.
    """

    clusters: list[str]
    values: Floats32

    def of(self, clusters: Sequence[str]) -> Floats32:
        """Return features (k, views, 5, features) of some clusters, in their order.

        Raises
        ------
        FeaturesError
            A cluster has none.
        """
        place = {name: row for row, name in enumerate(self.clusters)}
        absent = [name for name in clusters if name not in place]
        if absent:
            raise FeaturesError(f"features: expected those of cluster {absent[0]}, got none of {len(absent)} clusters")
        return self.values[[place[name] for name in clusters]]


def extract(extractor: Extractor, images: Pixels, number: int, settings: Training) -> Floats32:
    """Return features of images as they are, and turned or mirrored.

    Parameters
    ----------
    extractor : Extractor
        As it is in evaluation; it stays unchanged.
    images : array of float32, shape (n, 5, h, w)
        In [0, 1], ugriz.
    number : int
        Symmetries of the square in which they are seen, at most eight: first none, then those that differ most.
    settings : Training
        Device, threads and precision are used.

    Returns
    -------
    array of float32, shape (n, number, 5, features)
    """
    turned = settings.model_copy(update={"sky_symmetries": True, "velocity_flip": False})
    size = max(1, _BYTES // max(1, images[:1].nbytes))
    parts = [np.empty((0, number, images.shape[1], extractor.features), np.float32)]
    with prepared(settings.device, settings.threads) as device, torch.inference_mode():
        module = copy.deepcopy(extractor).to(device).eval()
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            for begin in range(0, len(images), size):
                some = torch.from_numpy(images[begin : begin + size]).to(device)
                seen = [module.of_bands(view).float() for (view,) in islice(views((some,), turned), number)]
                parts.append(torch.stack(seen, 1).cpu().numpy())
    return np.concatenate(parts)


def save_features(path: str | Path, features: Features, about: dict[str, Any]) -> None:
    """Write features, whole or not at all.

    Parameters
    ----------
    about : dict
        What `json.dumps` can write: provenance, and the weights that the extractor started from.
    """
    header = json.dumps({**about, "clusters": list(features.clusters)}, sort_keys=True)
    with replacing(path) as aside:
        save_file({"features": np.ascontiguousarray(features.values)}, aside, metadata={_KEY: header})


def load_features(path: str | Path) -> Features:
    """Read features.

    Raises
    ------
    FeaturesError
        No such file or a damaged one, a cluster twice, features that are not finite.
    """
    try:
        with safe_open(path, "np") as file:
            names: list[str] = json.loads((file.metadata() or {})[_KEY])["clusters"]
            values: Floats32 = file.get_tensor("features")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FeaturesError(f"{path}: expected a file of features of clusters: {error!r}") from None
    if values.ndim != 4 or values.dtype != np.float32 or len(values) != len(names) or len(set(names)) < len(names):
        raise FeaturesError(
            f"{path}: expected float32 of shape (n, views, bands, features) for {len(names)} clusters, each once,"
            f" got {values.dtype} of shape {values.shape} for {len(set(names))} names"
        )
    damaged = ~np.isfinite(values).all(axis=(1, 2, 3))
    if damaged.any():
        raise FeaturesError(f"{path}: expected finite features, got others of cluster {names[int(damaged.argmax())]}")
    return Features(names, values)


def part_rows(rows: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Return the rows (n parts,) of all parts of clusters (n,), be they bands or views: those of one stand together."""
    return (np.asarray(rows, np.int64)[:, None] * parts + np.arange(parts)).ravel()
