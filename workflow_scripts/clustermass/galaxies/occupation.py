"""Published conditional functions: how many galaxies of which stellar mass and luminosity a halo of given mass has.

Both come from one body of data, the galaxy groups of SDSS DR4: the conditional stellar mass function (CSMF) of Yang, Mo
& van den Bosch (2009, ApJ 695, 900) and the conditional luminosity function (CLF) of Cacciato et al. (2009, MNRAS 394,
929). Here halo masses are those of the papers, in their cosmology (WMAP3); `clustermass.galaxies.connection`
translates. Logarithms are to base 10: stellar masses `logm` [h^-2 Msun], luminosities `logl` in the r band at z = 0.1
[h^-2 Lsun], halo masses `logh` [Msun/h]. Satellites of both are modified Schechter functions, x^(slope + 1) exp(-x^2).
"""

from __future__ import annotations

import numpy as np
from scipy.special import gamma, gammaincc, ndtr

from clustermass.config.base import Cosmology
from clustermass.galaxies.background import Floats

# The cosmology in which groups were given halo masses, by the rank of their stars: Yang et al. (2007, ApJ 671, 153).
WMAP3 = Cosmology(H0=73, Om0=0.238, Ob0=0.042, sigma8=0.75, ns=0.951)
GROUP_MASS_FUNCTION = "warren06"  # Warren et al. (2006), which the groups were ranked against
REFERENCE_REDSHIFT = 0.1  # of the SDSS groups
SUN_ABS_MAG = 4.76  # of the Sun in the r band at z = 0.1, AB: Blanton et al. (2003, ApJ 592, 819)

# Yang et al. (2009), median stellar mass of centrals, all galaxies: M0 (M/M1)^(alpha + beta) / (1 + M/M1)^beta.
CSMF_LOG_M0, CSMF_LOG_M1, CSMF_ALPHA, CSMF_BETA = 10.306, 11.040, 0.315, 4.543
CSMF_SATELLITE_CUT = -0.25  # log10 of the cut-off of satellites over the median central: Yang et al. (2009)
# Yang et al. (2009), table of the CSMF, all galaxies: log10 of the halo mass; satellites a dex at the cut-off; their
# slope; scatter of centrals [dex]. From a transcription of the table, checked by the functions that it integrates to.
CSMF_LOGH = np.array([12.16, 12.45, 12.75, 13.05, 13.35, 13.64, 13.94, 14.23, 14.58])
CSMF_PHI = np.array([0.31, 0.61, 1.10, 1.96, 3.61, 6.15, 9.72, 16.49, 24.91])
CSMF_SLOPE = np.array([-1.24, -1.19, -1.19, -1.15, -1.16, -1.22, -1.34, -1.40, -1.59])
CSMF_SCATTER = np.array([0.145, 0.140, 0.142, 0.168, 0.179, 0.180, 0.182, 0.164, 0.159])

# Cacciato et al. (2009), Table 3, WMAP3; satellites are counted per unit of the natural logarithm of luminosity.
CLF_LOG_L0, CLF_LOG_M1, CLF_GAMMA1, CLF_GAMMA2, CLF_SCATTER = 9.935, 11.07, 3.273, 0.255, 0.143
CLF_SATELLITE_CUT = float(np.log10(0.562))  # Eq. 38
CLF_A1, CLF_A2, CLF_LOG_M2 = 0.501, 2.106, 14.28
CLF_B0, CLF_B1, CLF_B2 = -0.766, 1.008, -0.094  # Eq. 36


def upper_gamma(a: Floats, x: Floats) -> Floats:
    """Return the upper incomplete gamma function for -1 < a < 0 (scipy has it for a > 0), by one recurrence."""
    return np.asarray((gammaincc(a + 1, x) * gamma(a + 1) - x**a * np.exp(-x)) / a)


def csmf_median(logh: Floats) -> Floats:
    """Return log10 of the median stellar mass of centrals (Yang et al. 2009)."""
    ratio = 10 ** (np.asarray(logh) - CSMF_LOG_M1)
    return np.asarray(CSMF_LOG_M0 + (CSMF_ALPHA + CSMF_BETA) * np.log10(ratio) - CSMF_BETA * np.log10(1 + ratio))


def csmf_scatter(logh: Floats) -> Floats:
    """Return the scatter of centrals' log10 stellar mass [dex], constant beyond the published halo masses."""
    return np.asarray(np.interp(logh, CSMF_LOGH, CSMF_SCATTER))


def _csmf_shape(logh: Floats) -> tuple[Floats, Floats, Floats]:
    """Return satellites per dex at the cut-off, the slope, and log10 of the cut-off."""
    # Outside the published range the slope is held and the numbers follow their mean trend, which keeps the number of
    # satellites above a stellar mass nearly proportional to the halo's mass.
    trend = np.log10(CSMF_PHI[-1] / CSMF_PHI[0]) / (CSMF_LOGH[-1] - CSMF_LOGH[0])
    outside = np.minimum(logh - CSMF_LOGH[0], 0) + np.maximum(logh - CSMF_LOGH[-1], 0)
    phi = 10 ** (np.interp(logh, CSMF_LOGH, np.log10(CSMF_PHI)) + trend * outside)
    return phi, np.interp(logh, CSMF_LOGH, CSMF_SLOPE), csmf_median(logh) + CSMF_SATELLITE_CUT


def csmf_satellites(logh: Floats, logm: Floats) -> Floats:
    """Return the mean number of satellites above a stellar mass; arguments broadcast."""
    phi, slope, cut = _csmf_shape(np.asarray(logh, float))
    return np.asarray(phi / np.log(10) / 2 * upper_gamma((slope + 1) / 2, 10 ** (2 * (logm - cut))))


def csmf_satellites_per_dex(logh: Floats, logm: Floats) -> Floats:
    """Return the mean number of satellites per dex of stellar mass; arguments broadcast."""
    phi, slope, cut = _csmf_shape(np.asarray(logh, float))
    x = 10 ** (logm - cut)
    return np.asarray(phi * x ** (slope + 1) * np.exp(-(x**2)))


def csmf_centrals(logh: Floats, logm: Floats) -> Floats:
    """Return the probability that a halo's central is above a stellar mass; arguments broadcast."""
    return np.asarray(ndtr((csmf_median(logh) - logm) / csmf_scatter(logh)))


def clf_median(logh: Floats) -> Floats:
    """Return log10 of the median luminosity of centrals (Cacciato et al. 2009)."""
    ratio = 10 ** (np.asarray(logh) - CLF_LOG_M1)
    return np.asarray(CLF_LOG_L0 + CLF_GAMMA1 * np.log10(ratio / (1 + ratio)) + CLF_GAMMA2 * np.log10(1 + ratio))


def clf_satellites(logh: Floats, logl: Floats) -> Floats:
    """Return the mean number of satellites above a luminosity; arguments broadcast."""
    logh = np.asarray(logh, float)
    slope = -2 + CLF_A1 * (1 - 2 / np.pi * np.arctan(CLF_A2 * (logh - CLF_LOG_M2)))
    phi = 10 ** (CLF_B0 + CLF_B1 * (logh - 12) + CLF_B2 * (logh - 12) ** 2)
    cut = clf_median(logh) + CLF_SATELLITE_CUT
    return np.asarray(phi / 2 * upper_gamma((slope + 1) / 2, 10 ** (2 * (logl - cut))))


def clf_centrals(logh: Floats, logl: Floats) -> Floats:
    """Return the probability that a halo's central is above a luminosity; arguments broadcast."""
    return np.asarray(ndtr((clf_median(logh) - logl) / CLF_SCATTER))
