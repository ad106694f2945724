"""Cluster masses from what catalogues publish, and what another cosmology makes of them.

All masses are M500c [Msun], without h, unless a name says otherwise. E(z) = H(z)/H0, h70 = H0 / (70 km/s/Mpc).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.cosmology import use_colossus

if TYPE_CHECKING:
    from astropy.cosmology import FlatLambdaCDM

Floats = NDArray[np.float64]

ALPHA_SZ, BETA_SZ = 1.79, 0.66
SLOPE_ARNAUD10 = 1.64


def m500c_from_r500(radius_mpc: Floats, redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return the mass inside R500c: 500 critical densities times the volume.

    Parameters
    ----------
    radius_mpc : array, shape (n,)
        R500c [Mpc, proper].
    redshift : array, shape (n,)
    cosmology : FlatLambdaCDM
        The one that the radius was published in.

    Returns
    -------
    array, shape (n,)
        M500c [Msun].

    Notes
    -----
    Source: Lin et al. (2022), section 2.3 (XCS); the definition of R500c.
    """
    density = cosmology.critical_density(redshift).to_value(u.Msun / u.Mpc**3)
    return np.asarray(500 * density * 4 / 3 * np.pi * np.asarray(radius_mpc) ** 3)


def m500c_luminosity_mantz10(
    luminosity_1e44: Floats, redshift: Floats, cosmology: FlatLambdaCDM, norm: float, slope: float
) -> Floats:
    """Return the mass of a cluster of given soft X-ray luminosity, by Mantz et al. (2010b).

    log10(L500 / (E 1e44 erg/s)) = norm + slope * log10(E M500c / 1e15 Msun), solved for the mass.

    Parameters
    ----------
    luminosity_1e44 : array, shape (n,)
        Luminosity inside R500c, 0.1-2.4 keV, rest frame [1e44 h70^-2 erg/s].
    redshift : array, shape (n,)
    cosmology : FlatLambdaCDM
        The one that the luminosity was published in (E(z) is taken from it).
    norm, slope : float
        beta0 and beta1 of the relation.

    Returns
    -------
    array, shape (n,)
        M500c [h70^-1 Msun].

    Notes
    -----
    Source: Mantz et al. (2010, MNRAS 406, 1773), luminosity-mass relation. It was calibrated above 2.5e44 erg/s: for
    the groups of RASS-DR7 it is an extrapolation, as it is in Lin et al. (2022). The mean of L at fixed mass is
    inverted; no correction for scatter (Malmquist, Eddington) is made.
    """
    e = cosmology.efunc(redshift)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1e15 / e * 10 ** ((np.log10(luminosity_1e44 / e) - norm) / slope))


def m500c_richness(richness: Floats, log10_m0: float, slope: float, lambda0: float) -> Floats:
    """Return the mass of a cluster of given richness, by a power law.

    Parameters
    ----------
    richness : array, shape (n,)
        lambda.
    log10_m0 : float
        log10 of M500c [Msun] at `lambda0`.

    Returns
    -------
    array, shape (n,)
        M500c [Msun].

    Notes
    -----
    Source: Lin et al. (2022), Eq. 1, with the values of Jimeno et al. (2018): 14.434, 1.23, 60.
    """
    return np.asarray(10**log10_m0 * (np.asarray(richness) / lambda0) ** slope)


def to_m500c(mass: Floats, redshift: Floats, definition: str, cosmology: FlatLambdaCDM, details: Cosmology) -> Floats:
    """Return M500c [Msun] of halos whose mass is given in another definition.

    Parameters
    ----------
    mass : array, shape (n,)
        Mass in `definition` [Msun].
    definition : str
        '200c', '200m', 'vir', ... in colossus' notation.
    cosmology : FlatLambdaCDM
        The one that the mass was published in.
    details : Cosmology
        Baryon density, sigma8 and ns, which the concentration needs.

    Notes
    -----
    NFW profiles of the concentration of Diemer & Joyce (2019), without scatter, by colossus.
    """
    if definition == "500c":
        return np.asarray(mass, float)
    from colossus.halo.mass_adv import changeMassDefinitionCModel

    use_colossus(details.model_copy(update={"H0": float(cosmology.H0.value), "Om0": float(cosmology.Om0)}))
    converted = np.full(np.shape(mass), np.nan)
    good = np.isfinite(mass) & (np.asarray(mass) > 0) & np.isfinite(redshift) & (np.asarray(redshift) >= 0)
    for row in np.flatnonzero(good):  # colossus takes many masses at one redshift, not many redshifts
        solved = changeMassDefinitionCModel(
            mass[row] * cosmology.h, redshift[row], definition, "500c", c_model="diemer19", profile="nfw"
        )
        converted[row] = solved[0] / cosmology.h
    return converted


def rescale_sz(redshift: Floats, published: FlatLambdaCDM, target: FlatLambdaCDM) -> Floats:
    """Return the factor from one cosmology to another for masses from the Compton parameter Y500.

    E^-beta (D_A^2 Y500) = Y* h70^(alpha - 2) M^alpha at fixed angular Y500, so
    M ~ [E^-beta D_A^2 h70^(2 - alpha)]^(1/alpha), alpha = 1.79, beta = 0.66.

    Notes
    -----
    Source: Planck Collaboration XX (2014), Eq. 7, used for the masses of PSZ2 (Planck Collaboration XXVII 2016). Y500
    is held fixed; that its aperture follows the mass along the Y-theta degeneracy is neglected.
    """

    def shape(c: FlatLambdaCDM) -> Floats:
        distance = c.angular_diameter_distance(redshift).value
        power = c.efunc(redshift) ** -BETA_SZ * distance**2 * (c.h / 0.7) ** (2 - ALPHA_SZ)
        return np.asarray(power ** (1 / ALPHA_SZ))

    return np.asarray(shape(target) / shape(published))


def rescale_luminosity_arnaud10(redshift: Floats, published: FlatLambdaCDM, target: FlatLambdaCDM) -> Floats:
    """Return the factor from one cosmology to another for masses from L500 as in MCXC.

    E^(-7/3) L500 h70^2 ~ (M h70)^1.64 at fixed flux (L ~ D_L^2), so M ~ h70^-1 [E^(-7/3) (D_L h70)^2]^(1/1.64).

    Notes
    -----
    Source: Piffaretti et al. (2011), Eq. 2; Arnaud et al. (2010). The change of the aperture R500 is neglected.
    """

    def shape(c: FlatLambdaCDM) -> Floats:
        h70 = c.h / 0.7
        distance = c.luminosity_distance(redshift).value
        return np.asarray((c.efunc(redshift) ** (-7 / 3) * (distance * h70) ** 2) ** (1 / SLOPE_ARNAUD10) / h70)

    return np.asarray(shape(target) / shape(published))


def rescale_luminosity_mantz10(
    redshift: Floats, published: FlatLambdaCDM, target: FlatLambdaCDM, slope: float
) -> Floats:
    """Return the factor from one cosmology to another for masses from L500 by Mantz et al. (2010b).

    L500 h70^2 / E ~ (E M h70)^slope at fixed flux, so M ~ (E h70)^-1 [(D_L h70)^2 / E]^(1/slope).

    Notes
    -----
    Source: Mantz et al. (2010, MNRAS 406, 1773). The change of the aperture R500 is neglected.
    """

    def shape(c: FlatLambdaCDM) -> Floats:
        h70, e = c.h / 0.7, c.efunc(redshift)
        distance = c.luminosity_distance(redshift).value
        return np.asarray(((distance * h70) ** 2 / e) ** (1 / slope) / (e * h70))

    return np.asarray(shape(target) / shape(published))


def rescale_temperature(redshift: Floats, published: FlatLambdaCDM, target: FlatLambdaCDM) -> Floats:
    """Return the factor from one cosmology to another for masses from temperatures: M ~ (E h70)^-1.

    Notes
    -----
    Source: Arnaud, Pointecouteau & Pratt (2005): E(z) M500 = A5 (T / 5 keV)^1.71 with A5 in h70^-1 Msun; a temperature
    does not depend on the cosmology. R500 of XCS-DR1 follows from the temperature by the same paper.
    """
    return np.asarray(published.H(redshift).value / target.H(redshift).value)


def rescaling(
    observable: str, slope_mantz10: float
) -> tuple[Callable[[Floats, FlatLambdaCDM, FlatLambdaCDM], Floats], str]:
    """Return the rescaling function of an observable, and the sentence that says what it does.

    Raises
    ------
    KeyError
        For observables without a formula ('none').
    """

    def mantz10(redshift: Floats, published: FlatLambdaCDM, target: FlatLambdaCDM) -> Floats:
        return rescale_luminosity_mantz10(redshift, published, target, slope_mantz10)

    return {
        "sz": (rescale_sz, "Y500 at fixed angular size, Planck Collaboration XX (2014) Eq. 7"),
        "luminosity_arnaud10": (rescale_luminosity_arnaud10, "L500 at fixed flux, Piffaretti et al. (2011) Eq. 2"),
        "luminosity_mantz10": (mantz10, "L500 at fixed flux, Mantz et al. (2010b)"),
        "temperature": (rescale_temperature, "temperature, Arnaud et al. (2005)"),
    }[observable]
