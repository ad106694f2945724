"""The scale on which a network sees log10 masses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelScale:
    """Linear scale y of log10 masses: log10 M = zero + unit y.

    Attributes
    ----------
    zero : float
        log10 mass at y = 0, in the unit of the labels.
    unit : float
        Size of one step in y [dex].
    """

    zero: float
    unit: float

    def scale(self, log10_mass: Floats) -> Floats:
        """Return y of log10 masses."""
        return (log10_mass - self.zero) / self.unit

    def unscale(self, y: npt.NDArray[np.floating]) -> Floats:
        """Return log10 masses of y."""
        return self.zero + self.unit * y.astype(np.float64)


def fit_scale(log10_mass: Floats, kind: Literal["unit_interval", "standardised", "raw"]) -> LabelScale:
    """Return the scale that training labels define.

    Parameters
    ----------
    log10_mass : (n,) array
        Of the training set alone.
    kind : {'unit_interval', 'standardised', 'raw'}
        The lowest and highest mass at 0 and 1 (*Source*: Ho et al. 2019, Eq. 4); mean 0 and standard deviation 1; or
        log10 masses as they are.

    Raises
    ------
    ValueError
        All labels are the same, so that no scale is defined.
    """
    if kind == "raw":
        return LabelScale(0.0, 1.0)
    lowest, highest = float(log10_mass.min()), float(log10_mass.max())
    if not highest > lowest:
        raise ValueError(f"labels: expected masses that differ, got {lowest} for all {len(log10_mass)} samples")
    if kind == "unit_interval":
        return LabelScale(lowest, highest - lowest)
    return LabelScale(float(log10_mass.mean()), float(log10_mass.std()))
