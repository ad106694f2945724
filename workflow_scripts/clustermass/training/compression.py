"""Densities compressed to a few numbers: principal components of their square roots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from clustermass.files import replacing

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of square roots of densities over v_los and R_proj.

    The noise of a square root depends less on the density than that of the density; sums of squared differences are
    Hellinger distances.

    Attributes
    ----------
    mean : array, shape (pixels,)
    axes : array, shape (pixels, k)
        Each over its standard deviation, so that components have unit variance.
    low, high : array, shape (k,)
        Least and greatest component of the training set; others are cut there.
    explained : float
        Share of the variance in these components.
    """

    mean: Floats
    axes: Floats
    low: Floats
    high: Floats
    explained: float

    def compress(self, densities: Float32s) -> Float32s:
        """Return components (n, k) of densities (n, velocity, radius)."""
        return np.clip(self.project(densities), self.low, self.high).astype(np.float32)

    def project(self, densities: Float32s) -> Floats:
        """Return components that are not cut, (n, k)."""
        return np.asarray((_roots(densities) - self.mean) @ self.axes)


def _roots(densities: Float32s) -> Floats:
    return np.sqrt(densities.reshape(len(densities), -1)).astype(np.float64)


def fit_components(densities: Float32s, number: int) -> Components:
    """Return the principal components of a training set.

    Parameters
    ----------
    densities : array, shape (n, velocity, radius)
        Not negative. Clusters seen from behind count too, their velocities reversed.
    number : int
        Of components.

    Raises
    ------
    ValueError
        More components than the densities differ in.
    """
    roots = np.concatenate([_roots(densities), _roots(densities[:, ::-1])])
    centre = roots.mean(axis=0)
    roots -= centre
    variance, axes = np.linalg.eigh(roots.T @ roots / len(roots))  # ascending
    rank = int(np.sum(variance > 1e-10 * variance[-1]))
    if number > min(rank, len(variance)):
        raise ValueError(f"components: expected at most {rank}, which these densities differ in, got {number}")
    largest = slice(-1, -number - 1, -1)
    axes = axes[:, largest] / np.sqrt(variance[largest])
    axes = axes * np.where(
        np.abs(axes).max(axis=0) == axes.max(axis=0), 1.0, -1.0
    )  # a sign that does not depend on LAPACK
    seen = roots @ axes
    explained = float(variance[largest].sum() / variance.sum())
    return Components(centre, axes, seen.min(axis=0), seen.max(axis=0), explained)


def save_components(path: str | Path, components: Components) -> None:
    """Write components."""
    arrays = {name: np.ascontiguousarray(value) for name, value in vars(components).items()}
    with replacing(path) as aside:
        save_file(arrays, aside)


def load_components(path: str | Path) -> Components:
    """Read components."""
    arrays = load_file(path)
    explained = arrays.pop("explained").item()
    return Components(**arrays, explained=explained)
