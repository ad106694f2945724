"""Halos too small for the simulation, placed on its field particles so that they cluster as halos of their mass do.

Numbers are Poisson, by the mass function of Tinker et al. (2008). A particle with local matter overdensity delta is
drawn with weight (1 + delta)^gamma. gamma is solved for each mass from the definition of linear bias by the
cross-correlation with matter: the mean overdensity, smoothed on large scales, at halos is b(M) times that at all
particles, with b of Tinker et al. (2010). That makes up for what field particles lack, as those in resolved halos are
taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from clustermass.config.base import Cosmology
from clustermass.galaxies.background import Floats, Ints, halo_bias

Reals = NDArray[np.floating[Any]]

_DENSITY_BINS = 512  # of field particles, equal in number
_BIAS_BIN = 0.1  # dex of halo mass that share one gamma
_GAMMA = 12.0  # largest size of gamma


@dataclass(frozen=True, eq=False)
class Field:
    """Particles outside resolved halos, and what places unresolved halos on them.

    Attributes
    ----------
    position : array, shape (n, 3)
        [comoving Mpc/h]
    velocity : array, shape (n, 3)
        Peculiar velocity [km/s].
    overdensity : array, shape (n,)
        Local matter overdensity at the particle, of all particles, smoothed by some megaparsecs (5-10): weights.
    large_scale : array, shape (n,)
        The same, smoothed to where bias is linear (a Gaussian of 20-30 Mpc/h: on small scales matter clusters inside
        resolved halos, where no unresolved halo may be): what the weights are solved for.
    matter_mean : float
        Mean of `large_scale` at all particles, those of resolved halos among them.
    max_halo_mass : float
        Smallest M200c that the simulation resolves [Msun/h]: halos below it are placed here.
    """

    position: Reals
    velocity: Reals
    overdensity: Reals
    large_scale: Reals
    matter_mean: float
    max_halo_mass: float

    def __post_init__(self) -> None:
        n = len(self.overdensity)
        if self.position.shape != (n, 3) or self.velocity.shape != (n, 3):
            raise ValueError(f"expected ({n}, 3) arrays, got {self.position.shape} and {self.velocity.shape}")
        if len(self.large_scale) != n:
            raise ValueError(f"expected {n} large-scale overdensities, got {len(self.large_scale)}")
        if n and not np.min(self.overdensity) > -1:
            raise ValueError("overdensities at particles must be above -1")
        if not self.matter_mean > 0:
            raise ValueError(f"the mean overdensity at matter must be positive, got {self.matter_mean}")


def place_halos(
    m200c: Floats, redshift: float, field: Field, cosmology: Cosmology, rng: np.random.Generator
) -> tuple[Ints, dict[str, list[float]]]:
    """Return a field particle for every unresolved halo; none twice while they last where they are wanted.

    Parameters
    ----------
    m200c : array, shape (n,)
        [Msun/h]

    Returns
    -------
    particle : array of int, shape (n,)
        Row in `field`.
    applied : dict of list
        log10_m200c, bias, gamma: what was put in, by bin of mass.

    Raises
    ------
    ValueError
        Field without particles, or a bias that no weighting of these particles reaches.
    """
    if not len(m200c):
        return np.empty(0, np.int64), {"log10_m200c": [], "bias": [], "gamma": []}
    if not len(field.overdensity):
        raise ValueError("the field has no particles to place unresolved halos on")
    groups = _density_groups(field.overdensity, rng)
    mean, large = (
        np.array([values[group].mean() for group in groups]) for values in (field.overdensity, field.large_scale)
    )
    mass_bin = np.floor(np.log10(m200c) / _BIAS_BIN).astype(np.int64)
    bins = np.unique(mass_bin)
    middles = (bins + 0.5) * _BIAS_BIN
    biases = halo_bias(np.power(10, middles), redshift, cosmology)
    sizes = np.array([len(group) for group in groups])
    density_bin, gammas = np.empty(len(m200c), np.int64), []
    for value, bias in zip(bins, biases, strict=True):
        gamma = solve_gamma(mean, large, sizes, float(bias) * field.matter_mean)
        weight = sizes * (1 + mean) ** gamma
        rows = np.flatnonzero(mass_bin == value)
        cumulative = np.cumsum(weight) / weight.sum()
        density_bin[rows] = np.minimum(np.searchsorted(cumulative, rng.random(len(rows)), "right"), len(sizes) - 1)
        gammas.append(gamma)
    particle = np.empty(len(m200c), np.int64)
    order = np.argsort(density_bin, kind="stable")
    wanted = np.searchsorted(density_bin[order], np.arange(len(groups) + 1))
    for number, group in enumerate(groups):
        rows = order[wanted[number] : wanted[number + 1]]
        particle[rows] = np.resize(group, len(rows))
    return particle, {"log10_m200c": middles.tolist(), "bias": biases.tolist(), "gamma": gammas}


def solve_gamma(overdensity: Floats, large_scale: Floats, number: Floats | Ints, target: float) -> float:
    """Return gamma for which the mean of `large_scale`, weighted by number (1 + overdensity)^gamma, is the target.

    Parameters
    ----------
    overdensity, large_scale, number : array, shape (n,)
        Of groups of particles.
    target : float
        Bias times the mean overdensity at matter.

    Raises
    ------
    ValueError
        No gamma of moderate size does.
    """

    def excess(gamma: float) -> float:
        weight = number * np.exp(gamma * np.log1p(overdensity))
        return float(np.sum(weight * large_scale) / np.sum(weight)) - target

    if not excess(-_GAMMA) < 0 < excess(_GAMMA):
        low, high = (round(excess(sign * _GAMMA) + target, 4) for sign in (-1, 1))
        raise ValueError(
            f"no weighting gives halos a mean overdensity of {target:.4f}: field particles allow {low} to {high}"
        )
    return float(brentq(excess, -_GAMMA, _GAMMA, xtol=1e-6))


def _density_groups(overdensity: Reals, rng: np.random.Generator) -> list[Ints]:
    """Return the particles of bins of overdensity, each in random order."""
    shuffled = rng.permutation(len(overdensity))
    order = shuffled[np.argsort(overdensity[shuffled], kind="stable")]
    return [rng.permutation(part) for part in np.array_split(order, min(_DENSITY_BINS, len(order)))]
