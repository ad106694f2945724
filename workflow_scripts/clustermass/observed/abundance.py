"""The mass function of a sample of clusters, and how far two mass estimates are apart for their errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.cosmology import flat
from clustermass.galaxies.background import mass_function as mass_function_tinker08

Floats = NDArray[np.float64]


def comoving_volume(area_deg2: float, low: float, high: float, cosmology: Cosmology) -> float:
    """Return the comoving volume between two redshifts [(Mpc/h)^3] of a part of the sky [deg2].

    Raises
    ------
    ValueError
        The area is not a part of the sky, or the redshifts do not rise.
    """
    whole = 4 * np.pi * np.degrees(1) ** 2
    if not 0 < area_deg2 <= whole * 1.000001 or not 0 <= low < high:
        raise ValueError(
            f"expected an area up to {whole:.0f} deg2 and rising redshifts, got {area_deg2}, {low}, {high}"
        )
    universe = flat(cosmology)
    far, near = (universe.comoving_distance(z).value * universe.h for z in (high, low))
    return float(area_deg2 * np.radians(1) ** 2 * (far**3 - near**3) / 3)


def mass_function(
    log10_mass: Floats, volume: float, grid: Floats, factor: float = 1.0, weights: Floats | None = None
) -> pd.DataFrame:
    """Return dn / dlog10 M of a sample by a Gaussian kernel, with Poisson bands.

    Parameters
    ----------
    log10_mass : array, shape (n,)
        log10 of the masses [Msun/h].
    volume : float
        [comoving (Mpc/h)^3]; every cluster counts 1 / volume.
    grid : array, shape (m,)
        log10 masses to give it at.
    factor : float
        Bandwidth over Silverman's (1986, Eq. 3.31) rule, 0.9 min(sigma, IQR / 1.34) n^(-1/5).
    weights : array, shape (n,), optional
        Clusters that each stands for, over the completeness; None: one.

    Returns
    -------
    pandas.DataFrame
        Columns log10_mass, density, low, high [(Mpc/h)^-3 dex^-1]; metadata are in `attrs`: bandwidth [dex].

    Raises
    ------
    ValueError
        Fewer than two masses, or none that differ; a volume that is not positive.

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), appendix A, who state neither bandwidth nor how the band is made: here the
    variance of the sum of kernels over Poisson clusters, sum w^2 K^2 / V^2. The kernel widens what it smooths: a power
    law M^-s is raised by exp((s h ln 10)^2 / 2).
    """
    mass = np.asarray(log10_mass, float)
    if not volume > 0:
        raise ValueError(f"expected a positive volume, got {volume}")
    if len(mass) < 2 or not np.isfinite(mass).all() or np.ptp(mass) == 0:
        raise ValueError(f"a mass function needs two different masses at least, all finite, got {len(mass)}")
    w = np.ones(len(mass)) if weights is None else np.asarray(weights, float)
    spread = float(np.subtract(*np.quantile(mass, [0.75, 0.25]))) / 1.34
    deviation = float(mass.std(ddof=1))
    bandwidth = factor * 0.9 * (min(deviation, spread) if spread > 0 else deviation) * len(mass) ** -0.2
    kernel = np.exp(-(((grid[:, None] - mass) / bandwidth) ** 2) / 2) / (np.sqrt(2 * np.pi) * bandwidth)
    density = kernel @ w / volume
    error = np.sqrt(kernel**2 @ w**2) / volume
    found = pd.DataFrame({"log10_mass": grid, "density": density, "low": density - error, "high": density + error})
    found["low"] = found["low"].clip(lower=0.0)
    found.attrs["bandwidth"] = bandwidth
    return found


def theory_mass_function(grid: Floats, low: float, high: float, cosmology: Cosmology) -> Floats:
    """Return dn / dlog10 M200c of Tinker et al. (2008) in a shell of redshift [(Mpc/h)^-3 dex^-1], shape as `grid`.

    The mean over the comoving volume between two redshifts.
    """
    nodes = np.linspace(low, high, 7)
    universe = flat(cosmology)
    weight = universe.differential_comoving_volume(nodes).value
    values = np.array([mass_function_tinker08(10**grid, float(z), cosmology) for z in nodes])
    return np.asarray(np.trapezoid(values * weight[:, None], nodes, axis=0) / np.trapezoid(weight, nodes))


def contrast(log10_predicted: Floats, error: Floats, log10_reference: Floats, reference_error: Floats) -> Floats:
    """Return log10(M_pred / M_ref) over the combined error; NaN where any of it is missing; shape as the arguments.

    Parameters
    ----------
    log10_predicted, log10_reference : array, shape (n,)
    error, reference_error : array, shape (n,)
        1 sigma [dex].

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), section 5: sigma_com^2 = sigma_pred^2 + sigma_ref^2. Errors that both masses
    share (they may be from the same galaxies) are counted twice, so that the contrast comes out too narrow.
    """
    combined = np.hypot(error, reference_error)
    difference = np.asarray(log10_predicted) - np.asarray(log10_reference)
    return np.asarray(np.where(combined > 0, difference / np.where(combined > 0, combined, 1), np.nan))
