"""The prior that posteriors of mass stand on, and the change to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermass.config.base import Cosmology
from clustermass.config.posterior import Posterior
from clustermass.galaxies.background import mass_function
from clustermass.posterior.grid import Floats, Posteriors, density_at, normalised
from clustermass.posterior.joint import JointDensity, mass_density, smoothed_masses


@dataclass(frozen=True, eq=False)
class Prior:
    """Density of log10 M200c [Msun/h] before a cluster is looked at.

    Attributes
    ----------
    log10_mass : array, shape (g,)
        Evenly spaced grid, that of the posteriors.
    density : array, shape (g,)
        [1/dex]
    low, high : float
        Masses that it has support between; elsewhere nothing is known.
    """

    log10_mass: Floats
    density: Floats
    low: float
    high: float

    @property
    def supported(self) -> Floats:
        """The density where there is support, zero elsewhere, shape (g,)."""
        inside = (self.log10_mass >= self.low) & (self.log10_mass <= self.high)
        return np.where(inside, self.density, 0.0)


def calibration_prior(joint: JointDensity, log10_mass: Floats) -> Prior:
    """Return the mass distribution of the pairs, smoothed as the joint density is, between their extremes."""
    used = joint.pairs.log10_mass[joint.pairs.weight > 0]
    return Prior(log10_mass, mass_density(joint, log10_mass), float(used.min()), float(used.max()))


def training_prior(log10_mass: Floats, grid: Floats, settings: Posterior) -> Prior:
    """Return the mass distribution that a flow was trained on, which its posteriors stand on.

    Parameters
    ----------
    log10_mass : array, shape (n,)
        Labels of the training set, log10 M200c [Msun/h].
    grid : array, shape (g,)
        Of the posteriors.
    settings : Posterior
        Bandwidth and edge.
    """
    low, high = float(log10_mass.min()), float(log10_mass.max())
    width = settings.bandwidth * float(log10_mass.std(ddof=1))
    edge = low if settings.edge == "reflected" else None
    return Prior(grid, smoothed_masses(log10_mass, np.ones(len(log10_mass)), width, edge, grid), low, high)


def mass_function_prior(old: Prior, redshift: float, cosmology: Cosmology) -> Prior:
    """Return the mass function of Tinker et al. (2008) as a prior, where an older prior has support.

    Parameters
    ----------
    old : Prior
        Gives grid and support.
    redshift : float
    cosmology : Cosmology
    """
    density = mass_function(10**old.log10_mass, redshift, cosmology)
    new = Prior(old.log10_mass, density, old.low, old.high)
    volume = new.supported.sum() * float(old.log10_mass[1] - old.log10_mass[0])
    return Prior(old.log10_mass, density / volume, old.low, old.high)


def reweight(posteriors: Posteriors, old: Prior, new: Prior) -> Posteriors:
    """Return posteriors under another prior: p(M | d) new(M) / old(M), normalised.

    Parameters
    ----------
    posteriors : Posteriors
    old : Prior
        That they stand on.
    new : Prior

    Returns
    -------
    Posteriors
        Zero where the old prior has no support: what would be there cannot be told. No posterior (NaN) where more than
        half of the old one is there.

    Raises
    ------
    ValueError
        Priors on another grid, or a new one with support only where the old one has none.

    Notes
    -----
    A steep new prior, such as the mass function, makes low-mass posteriors lean on the lower end of the support.
    """
    for prior in (old, new):
        if not np.array_equal(prior.log10_mass, posteriors.log10_mass):
            raise ValueError("prior: expected the grid of the posteriors, got another")
    supported = old.supported > 0
    if not (new.supported[supported] > 0).any():
        raise ValueError(
            f"prior: expected support between {old.low:.2f} and {old.high:.2f}, where the posteriors' own prior has"
            f" it, got {new.low:.2f} to {new.high:.2f}"
        )
    ratio = np.divide(new.supported, old.density, out=np.zeros_like(old.density), where=supported)
    kept = normalised(posteriors.log10_mass, np.where(supported, posteriors.density, 0.0)).density
    lost = np.where(supported, posteriors.density, 0.0).sum(axis=1) * posteriors.step < 0.5
    changed = normalised(posteriors.log10_mass, kept * ratio).density
    return Posteriors(posteriors.log10_mass, np.where(lost[:, None], np.nan, changed))


def importance(log10_mass: Floats, old: Prior, new: Prior) -> Floats:
    """Return how much more often clusters of true masses (n,) occur under a new prior: weights for their calibration.

    Zero without support.
    """
    old_here, new_here = (
        density_at(Posteriors(prior.log10_mass, prior.density[None]), log10_mass[None])[0] for prior in (old, new)
    )
    low, high = max(old.low, new.low), min(old.high, new.high)
    inside = (log10_mass >= low) & (log10_mass <= high) & (old_here > 0)
    return np.asarray(np.divide(new_here, old_here, out=np.zeros(len(log10_mass)), where=inside))
