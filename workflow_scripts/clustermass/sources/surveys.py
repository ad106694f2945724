"""Five surveys of the simulated sky, each in the columns of the real catalogue.

Every survey takes halos of the light cone, the cosmology they live in and a generator, and returns an astropy table
with names, units and sentinels of the first layout of its stanza in ``config/catalogues.py``, a few more columns of the
real file, HALO, the parent halo, and GROUP, its parent object, which the light cone may show more than once. redMaPPer
takes the clusters that `clustermass.sources.richness` found among the galaxies instead. Luminosities, masses and radii
are published in the cosmology of the real catalogue: what the sky fixes (fluxes, angular Y500, temperatures) is equal.

Masses calibrated on X-ray hydrostatic masses (Planck, MCXC, XCS) are (1-b) M500c; those of Mantz et al. (2010b) are
M500c. No survey has spurious detections or a mask; only redMaPPer blends what stands in line. Numbers marked "ours" are
round choices, without a paper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.catalogues import LuminosityMass
from clustermass.cosmology import flat
from clustermass.masses import ALPHA_SZ, BETA_SZ, SLOPE_ARNAUD10
from clustermass.sources.richness_kernels import RADIUS, RADIUS_SLOPE

Floats = NDArray[np.float64]
Generator = np.random.Generator

# All surveys
HYDROSTATIC = 0.8  # 1-b: hydrostatic over true mass; Planck Collaboration XX (2014), baseline
REDSHIFT_ERR = 0.001  # of a spectroscopic cluster redshift: 300 km/s, ours
DUPLICATED = 1 / 2000  # share of rows that stand twice, ours

# redMaPPer
MIN_RICHNESS = 20.0  # lambda / S; Rykoff et al. (2014, ApJ 785, 104)
REDMAPPER_REDSHIFT = (0.08, 0.55)  # Rykoff et al. (2014), range of z_lambda
SPECTROSCOPIC = 0.62  # share with Z_SPEC in the public file, about; unverified
MISCENTRED = 0.25  # share; Zhang et al. (2019, MNRAS 487, 2578), abstract
MISCENTRED_TAU = 0.17  # Gamma distribution x / tau^2 exp(-x / tau), x = r / R_lambda; Zhang et al. (2019), recalled
CENTRED_SCALE = 0.015  # exponential distribution of x for the others; Zhang et al. (2019), recalled

# Planck: Planck Collaboration XX (2014), Eq. 7 and 9; XXIV (2016), noise of MMF3 and selection; XXVII (2016), PSZ2
Y_NORM, M_SZ_PIVOT = 10**-0.19 * 1e-4, 6e14  # D_A^2 Y500 [Mpc^2] at (1-b) M500c [Msun]
SCATTER_Y = 0.075  # dex
THETA_NORM, M_THETA_PIVOT = 6.997, 3e14  # theta500 [arcmin] at (1-b) M500c [Msun], D_A = 500 Mpc
NOISE_THETA, NOISE_Y = (0.94, 5.1), (1.2e-4, 2.05e-4)  # arcmin, sigma(Y500) [arcmin^2]: typical of MMF3's patches
NOISE_SLOPE = 0.8  # of sigma(Y500) with theta500 above the last node
NOISE_SCATTER = 0.3  # of ln sigma(Y500) from patch to patch, about
MIN_SNR = 4.5
POS_ERR, POS_ERR_SCATTER = 2.4, 0.3  # radius of 95 % [arcmin]: median, about; scatter of ln, ours
RADIUS_95 = 2.448  # in sigma of one axis, for a Rayleigh distribution: sqrt(-2 ln 0.05)
PSZ2_REDSHIFTS = 1094 / 1653  # share with a redshift

# MCXC: Piffaretti et al. (2011), Eq. 2; Pratt et al. (2009, A&A 498, 361), scatter; Boehringer et al. (2004), REFLEX
LX_NORM, M_LX_PIVOT, SCATTER_LX = 10**0.274, 3e14, 0.38  # 1e44 erg/s at (1-b) M500c [Msun]; sigma of ln L
MIN_FLUX = 3e-12  # erg/s/cm2, 0.1-2.4 keV
FLUX_ERR = 0.1  # relative, ours
MCXC_CENTRE = 0.5  # scatter of one axis [arcmin]: ROSAT centroids, ours

# XCS-DR1: Lloyd-Davies et al. (2011, MNRAS 418, 14) and Mehrtens et al. (2012, MNRAS 423, 1024), abstracts;
# Arnaud, Pointecouteau & Pratt (2005, A&A 441, 893), all temperatures
XCS_SKY = 410 / 41253  # share of the sky in XMM-Newton pointings
XCS_COUNTS, XCS_CONFIRMED = 300, 503 / 993  # counts that a temperature takes; clusters over candidates that have them
XMM_EXPOSURE, XMM_EXPOSURE_SCATTER = 15e3, 0.6  # s, median of a log-normal distribution; scatter of ln, ours
XMM_FLUX_PER_RATE = 2.4e-12  # erg/s/cm2 (0.1-2.4 keV) at 1 count/s (0.5-2 keV), ours
XCS_WITH_REDSHIFT, XCS_SPECTROSCOPIC, XCS_WITH_TEMPERATURE = 463 / 503, 261 / 463, 401 / 463  # the last of those with z
M_T_NORM, M_T_SLOPE = 3.84e14, 1.71  # E(z) (1-b) M500c [Msun] at 5 keV
R_T_NORM, R_T_SLOPE = 1.104, 0.57  # E(z) R500c [Mpc] at 5 keV
SCATTER_T, TEMPERATURE_ERR = 0.09, 0.15  # sigma of ln T at fixed mass; relative error, about
XCS_PHOTOZ_ERR, XCS_CENTRE = 0.02, 0.1  # of photometric redshifts; of one axis [arcmin], ours

# RASS-DR7: Wang et al. (2014, MNRAS 439, 611); Mantz et al. (2010b, MNRAS 406, 1773)
RASS_MAX_REDSHIFT = 0.2  # groups of SDSS DR7
SCATTER_MANTZ10 = 0.18  # dex
RASS_EXPOSURE, RASS_BACKGROUND = 400.0, 3e-4  # s; counts/s/arcmin^2, 0.5-2 keV; both about
RASS_FLUX_PER_RATE = 2e-11  # erg/s/cm2 (0.1-2.4 keV) at 1 count/s (0.5-2 keV), about
RASS_CENTRE = 0.5  # of one axis [arcmin], ours


def redmapper(clusters: pd.DataFrame, cosmology: Cosmology, published: FlatLambdaCDM, rng: Generator) -> Table:
    """Return the simulated redMaPPer SDSS DR8 catalogue: clusters of lambda / S(z) > 20.

    Parameters
    ----------
    clusters : pandas.DataFrame
        Contract `clustermass.sources.richness.RICHNESS`: richness and photometric redshift as measured.

    Notes
    -----
    Source: Rykoff et al. (2014, 2016), selection; miscentring of Zhang et al. (2019), which moves the published centre
    after the measurement, so that it does not lower the richness. Put in here: miscentring and the share of
    spectroscopic redshifts, those of central galaxies, at random. ID is the number of the cluster.
    """
    z_lambda, low, high = clusters["z_lambda"].to_numpy(), *REDMAPPER_REDSHIFT
    rich = clusters["richness"].to_numpy() > MIN_RICHNESS * clusters["scale"].to_numpy()
    clusters = clusters[rich & (z_lambda > low) & (z_lambda < high)]
    n, z, richness = len(clusters), clusters["redshift"].to_numpy(), clusters["richness"].to_numpy()
    z_lambda = clusters["z_lambda"].to_numpy()
    well = rng.exponential(CENTRED_SCALE, n)
    offset = np.where(rng.uniform(size=n) < MISCENTRED, rng.gamma(2, MISCENTRED_TAU, n), well)
    radius = RADIUS * (richness / 100) ** RADIUS_SLOPE / (cosmology.H0 / 100)  # R_lambda, proper Mpc
    ra, dec = _moved(clusters, offset * radius * _arcmin_per_mpc(z_lambda, flat(cosmology)), rng)
    z_spec = np.where(rng.uniform(size=n) < SPECTROSCOPIC, z + rng.normal(0, REDSHIFT_ERR, n), -1)
    columns = {
        "ID": cluster_numbers(clusters["cluster"]),
        "NAME": sexagesimal_names("RMJ", ra, dec),
        "RA": ra,
        "DEC": dec,
        "Z_LAMBDA": z_lambda,
        "Z_LAMBDA_ERR": clusters["z_lambda_err"].to_numpy(),
        "LAMBDA": richness,
        "LAMBDA_ERR": clusters["richness_err"].to_numpy(),
        "S": clusters["scale"].to_numpy(),
        "Z_SPEC": z_spec,
    }
    return _catalogue(columns, {"RA": "deg", "DEC": "deg"}, clusters, rng)


def redmapper_members(catalogue: Table, members: pd.DataFrame) -> Table:
    """Return the members of a catalogue's clusters, in columns of redMaPPer's file of members.

    ID is that of the cluster, P the probability of membership, R the distance from where richness was measured [proper
    Mpc/h], ZRED the red-sequence redshift; MAG_R and G_R (in the rest frame) have no errors.

    Parameters
    ----------
    catalogue : astropy.table.Table
        Made by `redmapper`.
    members : pandas.DataFrame
        Contract `clustermass.sources.richness.MEMBERS`.
    """
    ids = cluster_numbers(members["cluster"])
    listed = np.isin(ids, np.asarray(catalogue["ID"]))
    names = {"RA": "ra", "DEC": "dec", "R": "distance", "P": "probability", "ZRED": "z_red", "MAG_R": "r", "G_R": "g_r"}
    columns = {name: members[column].to_numpy()[listed] for name, column in {**names, "GALAXY": "galaxy"}.items()}
    units = {"RA": "deg", "DEC": "deg", "MAG_R": "mag", "G_R": "mag"}
    return Table({"ID": ids[listed], **columns}, units=units)


def cluster_numbers(names: pd.Series) -> NDArray[np.int64]:
    """Return the numbers in names of clusters, 'C0000012': 12."""
    return np.array([int(name[1:]) for name in names], dtype=np.int64)


def planck(halos: pd.DataFrame, cosmology: Cosmology, published: FlatLambdaCDM, rng: Generator) -> Table:
    """Return the simulated PSZ2 catalogue: clusters of SNR > 4.5.

    MSZ follows from the noisy Y500 without correction for noise or scatter, without the factor 1-b and in the published
    cosmology. A third has no redshift (-1) and no mass (0), at random; in the real catalogue those are the faint ones.
    The errors of MSZ are those of the measurement only, as in the real catalogue.

    Notes
    -----
    Source: Planck Collaboration XX (2014), XXIV and XXVII (2016). Y500 is measured at the true theta500, where the real
    analysis breaks the Y-theta degeneracy by the same relation.
    """
    hydrostatic, z, truth = HYDROSTATIC * halos["m500c"].to_numpy(), halos["redshift"].to_numpy(), flat(cosmology)
    true_y = y500_planck13(hydrostatic, z, truth) * 10 ** (SCATTER_Y * rng.standard_normal(len(z)))
    noise = y500_noise(theta500(hydrostatic, z, truth)) * np.exp(NOISE_SCATTER * rng.standard_normal(len(z)))
    measured = true_y + noise * rng.standard_normal(len(z))
    seen = measured > MIN_SNR * noise
    halos, z, measured, snr = halos[seen], z[seen], measured[seen], measured[seen] / noise[seen]
    n = len(halos)
    z = np.where(rng.uniform(size=n) < PSZ2_REDSHIFTS, z + rng.normal(0, REDSHIFT_ERR, n), -1)
    mass = np.zeros(n)
    mass[z > 0] = msz_planck13(measured[z > 0], z[z > 0], published) / 1e14
    pos_err = POS_ERR * np.exp(POS_ERR_SCATTER * rng.standard_normal(n))
    ra, dec = _moved(halos, pos_err / RADIUS_95 * rng.rayleigh(size=n), rng)
    galactic = SkyCoord(ra, dec, unit="deg").galactic
    columns = {
        "INDEX": np.arange(1, n + 1),
        "NAME": [_psz2_name(lon, lat) for lon, lat in zip(galactic.l.deg, galactic.b.deg, strict=True)],
        "GLON": galactic.l.deg,
        "GLAT": galactic.b.deg,
        "RA": ra,
        "DEC": dec,
        "POS_ERR": pos_err,
        "SNR": snr,
        "REDSHIFT": z,
        "MSZ": mass,
        "MSZ_ERR_UP": mass * ((1 + 1 / snr) ** (1 / ALPHA_SZ) - 1),
        "MSZ_ERR_LOW": mass * (1 - (1 - 1 / snr) ** (1 / ALPHA_SZ)),
    }
    units = dict.fromkeys(("GLON", "GLAT", "RA", "DEC"), "deg") | {"POS_ERR": "arcmin"}
    units |= dict.fromkeys(("MSZ", "MSZ_ERR_UP", "MSZ_ERR_LOW"), "1e14 Msun")
    return _catalogue(columns, units, halos, rng)


def y500_planck13(hydrostatic_mass: Floats, redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return the mean Compton parameter Y500 [arcmin^2] of clusters of (1-b) M500c [Msun].

    E^-0.66 D_A^2 Y500 = 10^-0.19 1e-4 Mpc^2 h70^(alpha - 2) [(1-b) M500c / 6e14 Msun]^alpha, alpha = 1.79.

    Notes
    -----
    Source: Planck Collaboration XX (2014), Eq. 7.
    """
    h70 = cosmology.h / 0.7
    power = h70 ** (ALPHA_SZ - 2) * (hydrostatic_mass / M_SZ_PIVOT) ** ALPHA_SZ * cosmology.efunc(redshift) ** BETA_SZ
    return np.asarray(Y_NORM * power * _arcmin_per_mpc(redshift, cosmology) ** 2)


def msz_planck13(y500: Floats, redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return the mass [Msun] whose mean Y500 [arcmin^2] is given: `y500_planck13` solved for (1-b) M500c."""
    pivot = y500_planck13(np.full(np.shape(redshift), M_SZ_PIVOT), redshift, cosmology)
    return np.asarray(M_SZ_PIVOT * (y500 / pivot) ** (1 / ALPHA_SZ))


def theta500(hydrostatic_mass: Floats, redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return the angle [arcmin] of R500c of clusters of (1-b) M500c [Msun].

    Notes
    -----
    Source: Planck Collaboration XX (2014), Eq. 9.
    """
    distance = cosmology.angular_diameter_distance(redshift).value / 500
    size = (hydrostatic_mass / M_THETA_PIVOT) ** (1 / 3) * cosmology.efunc(redshift) ** (-2 / 3) / distance
    return np.asarray(THETA_NORM * (cosmology.h / 0.7) ** (-2 / 3) * size)


def y500_noise(theta_arcmin: Floats) -> Floats:
    """Return the typical noise sigma(Y500) [arcmin^2] of Planck's matched filter at theta500 [arcmin].

    Notes
    -----
    Source: Planck Collaboration XXIV (2016), noise of MMF3; read from the table of its likelihood at two sizes, a power
    law between and above them.
    """
    log_theta, nodes, noise = np.log(theta_arcmin), np.log(NOISE_THETA), np.log(NOISE_Y)
    wide = np.maximum(log_theta - nodes[-1], 0)
    return np.asarray(np.exp(np.interp(log_theta, nodes, noise) + NOISE_SLOPE * wide))


def mcxc(halos: pd.DataFrame, cosmology: Cosmology, published: FlatLambdaCDM, rng: Generator) -> Table:
    """Return the simulated MCXC: clusters above 3e-12 erg/s/cm2 in 0.1-2.4 keV, as in NORAS and REFLEX.

    The fainter serendipitous surveys that MCXC contains too are left out. The mass inverts the mean relation at the
    noisy luminosity, without correction for Malmquist bias, as published. Neglected: the K-correction, and the flux
    outside R500c.

    Notes
    -----
    Source: Piffaretti et al. (2011), Eq. 2; scatter of Pratt et al. (2009). Masses of the relation are taken to be
    (1-b) M500c.
    """
    measured = _flux(halos, cosmology, rng) * (1 + FLUX_ERR * rng.standard_normal(len(halos)))
    seen = measured > MIN_FLUX
    halos, measured = halos[seen], measured[seen]
    n = len(halos)
    z = halos["redshift"].to_numpy() + rng.normal(0, REDSHIFT_ERR, n)
    luminosity = measured * _flux_to_luminosity(z, published)
    mass = M_LX_PIVOT * (luminosity / luminosity_arnaud10(np.full(n, M_LX_PIVOT), z, published)) ** (1 / SLOPE_ARNAUD10)
    ra, dec = _moved(halos, MCXC_CENTRE * rng.rayleigh(size=n), rng)
    columns = {
        "MCXC": sexagesimal_names("J", ra, dec, seconds=False),
        "OName": sexagesimal_names("RXC J", ra, dec, seconds=False),
        "RAdeg": ra,
        "DEdeg": dec,
        "z": z,
        "L500": luminosity,
        "M500": mass / 1e14,
        "R500": _r500c(mass, z, published),
    }
    units = {"RAdeg": "deg", "DEdeg": "deg", "L500": "1e37 W", "M500": "1e14 Msun", "R500": "Mpc"}
    return _catalogue(columns, units, halos, rng)


def luminosity_arnaud10(hydrostatic_mass: Floats, redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return the mean luminosity inside R500c [1e44 erg/s], 0.1-2.4 keV, of clusters of (1-b) M500c [Msun].

    E^(-7/3) L500 = 10^0.274 1e44 erg/s h70^-2 [(1-b) M500c h70 / 3e14 Msun]^1.64.

    Notes
    -----
    Source: Piffaretti et al. (2011), Eq. 2; Arnaud et al. (2010); REXCESS of Pratt et al. (2009), not corrected for
    Malmquist bias.
    """
    h70 = cosmology.h / 0.7
    power = (hydrostatic_mass * h70 / M_LX_PIVOT) ** SLOPE_ARNAUD10 * cosmology.efunc(redshift) ** (7 / 3)
    return np.asarray(LX_NORM * power / h70**2)


def xcs(halos: pd.DataFrame, cosmology: Cosmology, published: FlatLambdaCDM, rng: Generator) -> Table:
    """Return the simulated XCS-DR1: clusters by chance in XMM-Newton pointings, with R500 from their temperature.

    One halo in a hundred lies in a pointing, whatever its place: without clustering this is what random pointings make.
    Those of more than 300 counts are candidates; half of them were confirmed. Redshifts (some photometric) and R500 are
    blank for some, as in the real catalogue.

    Notes
    -----
    Source: Lloyd-Davies et al. (2011), Mehrtens et al. (2012); Arnaud et al. (2005), whose masses are taken to be
    (1-b) M500c. Luminosity as in `mcxc`, its scatter independent of that of the temperature.
    """
    halos = halos[rng.uniform(size=len(halos)) < XCS_SKY * XCS_CONFIRMED]
    exposure = XMM_EXPOSURE * np.exp(XMM_EXPOSURE_SCATTER * rng.standard_normal(len(halos)))
    halos = halos[rng.poisson(_flux(halos, cosmology, rng) / XMM_FLUX_PER_RATE * exposure) > XCS_COUNTS]
    n, z = len(halos), halos["redshift"].to_numpy()
    truth = flat(cosmology)
    reduced = truth.efunc(z) * truth.h / 0.7 * HYDROSTATIC * halos["m500c"].to_numpy() / M_T_NORM
    scatter = np.hypot(SCATTER_T, TEMPERATURE_ERR) * rng.standard_normal(n)
    temperature = 5 * reduced ** (1 / M_T_SLOPE) * np.exp(scatter)
    spectroscopic = rng.uniform(size=n) < XCS_SPECTROSCOPIC
    z = np.maximum(z + np.where(spectroscopic, REDSHIFT_ERR, XCS_PHOTOZ_ERR) * rng.standard_normal(n), 0.01)
    radius = R_T_NORM / (published.h / 0.7) / published.efunc(z) * (temperature / 5) ** R_T_SLOPE
    no_z = rng.uniform(size=n) > XCS_WITH_REDSHIFT
    no_t = no_z | (rng.uniform(size=n) > XCS_WITH_TEMPERATURE)
    ra, dec = _moved(halos, XCS_CENTRE * rng.rayleigh(size=n), rng)
    columns = {
        "XCS": sexagesimal_names("XMMXCS J", ra, dec),
        "RAJ2000": ra,
        "DEJ2000": dec,
        "z": MaskedColumn(z, mask=no_z),
        "f_z": MaskedColumn(np.where(spectroscopic, "s", "p"), mask=no_z),
        "TX": MaskedColumn(temperature, mask=no_t),
        "R500": MaskedColumn(radius, mask=no_t),
    }
    return _catalogue(columns, {"RAJ2000": "deg", "DEJ2000": "deg", "TX": "keV", "R500": "Mpc"}, halos, rng)


def rass_dr7(halos: pd.DataFrame, cosmology: Cosmology, published: FlatLambdaCDM, rng: Generator) -> Table:
    """Return the simulated RASS-DR7: X-ray luminosities of all optically selected groups at z < 0.2.

    Counts inside R500c are Poisson, of group and background; the mean background is subtracted. SNR is the net count
    over its error, often below 1, and LX is negative where the net count is. The optical selection is complete.
    Neglected: the point-spread function, point sources, variation of exposure and absorption, the K-correction.

    Notes
    -----
    Source: Wang et al. (2014), Mantz et al. (2010b) with the defaults of `LuminosityMass`; M500c without hydrostatic
    bias.
    """
    halos = halos[halos["redshift"] < RASS_MAX_REDSHIFT]
    n, z, mass = len(halos), halos["redshift"].to_numpy(), halos["m500c"].to_numpy()
    truth = flat(cosmology)
    luminosity = luminosity_mantz10(mass, z, truth) * 10 ** (SCATTER_MANTZ10 * rng.standard_normal(n))
    mean = luminosity / _flux_to_luminosity(z, truth) / RASS_FLUX_PER_RATE * RASS_EXPOSURE
    angle = _r500c(mass, z, truth) * _arcmin_per_mpc(z, truth)
    background = RASS_BACKGROUND * RASS_EXPOSURE * np.pi * angle**2
    counts = rng.poisson(mean + background)
    error = np.sqrt(np.maximum(counts, 1))
    z = z + rng.normal(0, REDSHIFT_ERR, n)
    per_count = RASS_FLUX_PER_RATE / RASS_EXPOSURE * _flux_to_luminosity(z, published)
    ra, dec = _moved(halos, RASS_CENTRE * rng.rayleigh(size=n), rng)
    columns = {
        "ID": np.arange(1, n + 1),
        "RAJ2000": ra,
        "DEJ2000": dec,
        "z": z,
        "SNR": (counts - background) / error,
        "LX": (counts - background) * per_count,
        "e_LX": error * per_count,
    }
    units = {"RAJ2000": "deg", "DEJ2000": "deg", "LX": "1e44 erg / s", "e_LX": "1e44 erg / s"}
    return _catalogue(columns, units, halos, rng)


def luminosity_mantz10(mass: Floats, redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return the luminosity inside R500c [1e44 erg/s], 0.1-2.4 keV, of clusters of M500c [Msun], without scatter.

    Inverse of `clustermass.masses.m500c_luminosity_mantz10`, with h70 written out.

    Notes
    -----
    Source: Mantz et al. (2010b), luminosity-mass relation; coefficients of `LuminosityMass`.
    """
    relation, h70, e = LuminosityMass(), cosmology.h / 0.7, cosmology.efunc(redshift)
    return np.asarray(e * 10**relation.norm * (e * h70 * mass / 1e15) ** relation.slope / h70**2)


SURVEYS: dict[str, Callable[[pd.DataFrame, Cosmology, FlatLambdaCDM, Generator], Table]] = {
    "redmapper": redmapper,
    "planck": planck,
    "mcxc": mcxc,
    "xcs": xcs,
    "rass_dr7": rass_dr7,
}
"""Survey of every catalogue of the default configuration."""


def sexagesimal_names(prefix: str, ra: Floats, dec: Floats, *, seconds: bool = True) -> list[str]:
    """Return names by position [deg], cut (not rounded): 'hhmmss.s+ddmmss.s' or, without seconds, 'hhmm.m+ddmm'."""
    sign = np.where(dec < 0, "-", "+")
    if seconds:
        tenths = np.divmod(np.floor(ra * 2400).astype(int), 600), np.divmod(np.floor(abs(dec) * 36000).astype(int), 600)
        texts = [[f"{m // 60:02d}{m % 60:02d}{s / 10:04.1f}" for m, s in zip(*part, strict=True)] for part in tenths]
    else:
        hours, arcmin = np.divmod(np.floor(ra * 40).astype(int), 600), np.floor(abs(dec) * 60).astype(int)
        texts = [[f"{h:02d}{m / 10:04.1f}" for h, m in zip(*hours, strict=True)]]
        texts.append([f"{m // 60:02d}{m % 60:02d}" for m in arcmin])
    return [f"{prefix}{a}{s}{d}" for a, s, d in zip(texts[0], sign, texts[1], strict=True)]


def _psz2_name(longitude: float, latitude: float) -> str:
    lon, lat = np.floor(longitude * 100) / 100, np.floor(abs(latitude) * 100) / 100
    return f"PSZ2 G{lon:06.2f}{'-' if latitude < 0 else '+'}{lat:05.2f}"


def _flux(halos: pd.DataFrame, cosmology: Cosmology, rng: Generator) -> Floats:
    """Return fluxes [erg/s/cm2], 0.1-2.4 keV, of halos by `luminosity_arnaud10` at (1-b) M500c, with its scatter."""
    z, truth = halos["redshift"].to_numpy(), flat(cosmology)
    luminosity = luminosity_arnaud10(HYDROSTATIC * halos["m500c"].to_numpy(), z, truth)
    return np.asarray(luminosity * np.exp(SCATTER_LX * rng.standard_normal(len(z))) / _flux_to_luminosity(z, truth))


def _flux_to_luminosity(redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return 4 pi D_L^2 [1e44 cm2], without K-correction."""
    return np.asarray(4 * np.pi * cosmology.luminosity_distance(redshift).to_value(u.cm) ** 2 / 1e44)


def _arcmin_per_mpc(redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return the angle [arcmin] of one proper Mpc."""
    return np.asarray(np.degrees(1 / cosmology.angular_diameter_distance(redshift).value) * 60)


def _r500c(mass: Floats, redshift: Floats, cosmology: FlatLambdaCDM) -> Floats:
    """Return R500c [proper Mpc] of M500c [Msun]."""
    density = cosmology.critical_density(redshift).to_value(u.Msun / u.Mpc**3)
    return np.asarray((3 * mass / (4 * np.pi * 500 * density)) ** (1 / 3))


def _moved(halos: pd.DataFrame, offset_arcmin: Floats, rng: Generator) -> tuple[Floats, Floats]:
    """Return positions [deg] at given distances from the halos, in random directions."""
    centres = SkyCoord(halos["ra"].to_numpy(), halos["dec"].to_numpy(), unit="deg")
    moved = centres.directional_offset_by(rng.uniform(0, 360, len(halos)) * u.deg, offset_arcmin * u.arcmin)
    return np.asarray(moved.ra.deg), np.asarray(moved.dec.deg)


def _catalogue(columns: dict[str, Any], units: dict[str, str], halos: pd.DataFrame, rng: Generator) -> Table:
    """Return a table with units, parent halos and objects, and a few rows that stand twice, one after the other."""
    texts = {name: np.asarray(values, dtype=str) for name, values in columns.items() if isinstance(values, list)}
    table = Table({**columns, **texts, "HALO": halos["id"].to_numpy(dtype=str)})
    table["GROUP"] = halos["group"].to_numpy(dtype=str)
    for name, unit in units.items():
        table[name].unit = unit
    n = len(table)
    twice = rng.choice(n, size=max(round(n * DUPLICATED), 1) if n > 100 else 0, replace=False)
    return table[np.sort(np.concatenate([np.arange(n), twice]))]
