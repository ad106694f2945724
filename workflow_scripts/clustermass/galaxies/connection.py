"""Stellar masses and r-band luminosities of the galaxies of a halo, drawn so that they belong together.

Stellar masses come from the CSMF of Yang et al. (2009), luminosities from the CLF of Cacciato et al. (2009): both
describe the same galaxies (SDSS DR4 groups; stellar masses of Bell et al. 2003), so they are joined by rank: within
halos of one mass, the number of galaxies above a luminosity equals the number above the stellar mass, once the latter
is blurred by `RANK_SCATTER`. Both published functions hold exactly; the mass-to-light ratio is a consequence.

Halo masses of both papers are ranks: groups were given masses by the abundance of halos in WMAP3. M200c [Msun/h] of
another cosmology is therefore translated by equal abundance at z = 0.1. What follows: the galaxies' luminosity and
stellar mass functions come out as observed in whichever cosmology, and hold no information on it. The connection is
taken not to evolve in M200c; luminosities may (`EVOLUTION_Q`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.cosmology import use_colossus
from clustermass.galaxies import occupation as published
from clustermass.galaxies.background import Bools, Floats, Ints, mass_function

# Scatter of stellar mass at fixed r-band luminosity [dex] = slope of log10 M/L in g - r times the spread of g - r of
# galaxies at M_r - 5 log10 h = -20. Slope: Bell et al. (2003, ApJS 149, 289), which the stellar masses of Yang et al.
# (2007, 2009) rest on.
BELL_COLOUR_SLOPE = 1.097
# g - r at z = 0.1 and M_r = -20: blue fraction, means and widths of the blue and the red sequence; Skibba & Sheth
# (2009, MNRAS 392, 1080), section 2.
BLUE_FRACTION, BLUE_MEAN, BLUE_WIDTH, RED_MEAN, RED_WIDTH = 0.46, 0.62, 0.12, 0.932, 0.07
RANK_SCATTER = BELL_COLOUR_SLOPE * float(
    np.sqrt(
        BLUE_FRACTION * BLUE_WIDTH**2
        + (1 - BLUE_FRACTION) * RED_WIDTH**2
        + BLUE_FRACTION * (1 - BLUE_FRACTION) * (RED_MEAN - BLUE_MEAN) ** 2
    )
)  # 0.20 dex
EVOLUTION_Q = 1.62  # mag brighter per unit of redshift, r band: Blanton et al. (2003, ApJ 592, 819)

_LOGH = np.arange(9.8, 16.2, 0.05)  # nodes of halo mass in tables
_LOGM = np.arange(5.5, 12.8, 0.01)  # nodes of stellar mass
_LOGY = np.arange(6.5, 12.8, 0.02)  # nodes of blurred stellar mass
_LOGL = np.arange(5.0, 12.8, 0.01)  # nodes of luminosity
_LOG_SHARE = np.linspace(-7, 0, 281)  # log10 of the share of satellites above a stellar mass
_MARGIN = 4 * RANK_SCATTER  # how far below the luminosity limit stellar masses are drawn, so that none is missed


@dataclass(frozen=True, eq=False)
class Connection:
    """Tables that galaxies are drawn from, made by `build_connection`.

    Attributes
    ----------
    log10_h : float
        log10 of H0 / (100 km/s/Mpc): stellar masses [Msun/h] are 10^-log10_h times those in h^-2 Msun.
    brightening : float
        Magnitudes that galaxies are brighter than at z = 0.1.
    log10_m200c, log10_group : array, shape (n,)
        M200c [Msun/h] and the halo mass of the published functions at the same abundance.
    min_logm, min_logl : float, float or None
        Thresholds on stellar mass [log10 h^-2 Msun] and luminosity [log10 h^-2 Lsun] at z = 0.1.
    floor : float
        log10 of the stellar mass down to which satellites are drawn before selection [h^-2 Msun].
    satellite_mass : array, shape (n_halo, n_share)
        log10 of the stellar mass that a share of the satellites above `floor` exceeds.
    satellite_light : array, shape (n_halo, n_mass)
        log10 of the luminosity at the rank of a blurred stellar mass.
    """

    log10_h: float
    brightening: float
    log10_m200c: Floats
    log10_group: Floats
    min_logm: float
    min_logl: float | None
    floor: float
    satellite_mass: Floats
    satellite_light: Floats


def build_connection(cosmology: Cosmology, redshift: float, options: Galaxies) -> Connection:
    """Return the tables for a cosmology, a redshift and thresholds."""
    log10_h = float(np.log10(cosmology.H0 / 100))
    brightening = EVOLUTION_Q * (redshift - published.REFERENCE_REDSHIFT) if options.luminosity_evolution else 0.0
    min_logm = options.min_log10_mstar + log10_h
    min_logl = None if options.max_abs_mag_r is None else float(_log_luminosity(options.max_abs_mag_r, brightening))
    light = _light_by_rank()
    floor = min_logm
    if min_logl is not None:
        at_limit = [np.interp(min_logl, row, _LOGY) for row in light[_LOGH >= 11]]
        floor = min(min_logm, float(np.min(at_limit)) - _MARGIN)
    log10_m200c, log10_group = _by_abundance(cosmology)
    tables = _mass_by_share(floor), light
    return Connection(log10_h, brightening, log10_m200c, log10_group, min_logm, min_logl, floor, *tables)


def mean_occupation(connection: Connection, m200c: Floats, log10_mstar: float) -> tuple[Floats, Floats]:
    """Return the mean numbers of centrals and satellites above a stellar mass.

    Parameters
    ----------
    m200c : array, shape (n,)
        [Msun/h]
    log10_mstar : float
        log10 of the stellar mass [Msun/h].

    Returns
    -------
    centrals, satellites : array, shape (n,)
    """
    logh, logm = group_mass(connection, m200c), np.asarray(log10_mstar + connection.log10_h)
    return published.csmf_centrals(logh, logm), published.csmf_satellites(logh, logm)


def mean_occupation_by_light(connection: Connection, m200c: Floats, abs_mag_r: float) -> tuple[Floats, Floats]:
    """Return the mean numbers of centrals and satellites brighter than M_r - 5 log10 h, as `mean_occupation`."""
    logh, logl = group_mass(connection, m200c), _log_luminosity(abs_mag_r, connection.brightening)
    return published.clf_centrals(logh, logl), published.clf_satellites(logh, logl)


def group_mass(connection: Connection, m200c: Floats) -> Floats:
    """Return log10 of the halo mass of the published functions [Msun/h] for M200c [Msun/h], shape (n,)."""
    return np.asarray(np.interp(np.log10(m200c), connection.log10_m200c, connection.log10_group))


def draw_centrals(connection: Connection, m200c: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return stellar mass and luminosity of the central galaxy of every halo, whether above the thresholds or not.

    Returns
    -------
    log10_mstar, abs_mag_r : array, shape (n,)
        log10 [Msun/h]; M_r - 5 log10 h [AB mag, r band at z = 0.1].
    """
    logh = group_mass(connection, m200c)
    mass_noise, rank_noise = rng.normal(size=(2, len(logh)))
    scatter = published.csmf_scatter(logh)
    rank = (scatter * mass_noise + RANK_SCATTER * rank_noise) / np.hypot(scatter, RANK_SCATTER)
    logl = published.clf_median(logh) + published.CLF_SCATTER * rank
    return _outward(connection, published.csmf_median(logh) + scatter * mass_noise, logl)


def draw_satellites(connection: Connection, m200c: Floats, rng: np.random.Generator) -> tuple[Ints, Floats, Floats]:
    """Return satellites above one of the thresholds; their numbers are Poisson.

    Returns
    -------
    host : array of int, shape (n_satellites,)
        Row of the halo in `m200c`, ascending.
    log10_mstar, abs_mag_r : array, shape (n_satellites,)
        As in `draw_centrals`.
    """
    logh = group_mass(connection, m200c)
    counts = rng.poisson(published.csmf_satellites(logh, np.asarray(connection.floor)))
    host = np.repeat(np.arange(len(logh)), counts)
    share = 1 - rng.uniform(size=len(host))  # in (0, 1]
    logm = bilinear(connection.satellite_mass, _place(logh[host], _LOGH), _place(np.log10(share), _LOG_SHARE))
    blurred = logm + rng.normal(0, RANK_SCATTER, len(host))
    logl = bilinear(connection.satellite_light, _place(logh[host], _LOGH), _place(blurred, _LOGY))
    log10_mstar, abs_mag_r = _outward(connection, logm, logl)
    kept = above_threshold(connection, log10_mstar, abs_mag_r)
    return host[kept], log10_mstar[kept], abs_mag_r[kept]


def above_threshold(connection: Connection, log10_mstar: Floats, abs_mag_r: Floats) -> Bools:
    """Return which galaxies are heavy enough, or bright enough where there is a limit on light; bool, shape (n,)."""
    kept = log10_mstar >= connection.min_logm - connection.log10_h
    if connection.min_logl is not None:
        kept = kept | (_log_luminosity(abs_mag_r, connection.brightening) >= connection.min_logl)
    return np.asarray(kept)


def bilinear(table: Floats, row: Floats, column: Floats) -> Floats:
    """Return values of a table between its nodes; places in units of nodes, held at the edges."""
    row = np.clip(row, 0, table.shape[0] - 1)
    column = np.clip(column, 0, table.shape[1] - 1)
    i = np.minimum(row.astype(np.int64), table.shape[0] - 2)
    j = np.minimum(column.astype(np.int64), table.shape[1] - 2)
    u, v = row - i, column - j
    lower = table[i, j] * (1 - v) + table[i, j + 1] * v
    return np.asarray(lower * (1 - u) + u * (table[i + 1, j] * (1 - v) + table[i + 1, j + 1] * v))


def _place(values: Floats, nodes: Floats) -> Floats:
    """Return where values lie on evenly spaced nodes, in units of nodes."""
    return np.asarray((values - nodes[0]) / (nodes[1] - nodes[0]))


def _log_luminosity(abs_mag_r: Floats | float, brightening: float) -> Floats:
    """Return log10 of the luminosity at z = 0.1 [h^-2 Lsun] of M_r - 5 log10 h at the snapshot's redshift."""
    return np.asarray((published.SUN_ABS_MAG - (np.asarray(abs_mag_r) + brightening)) / 2.5)


def _outward(connection: Connection, logm: Floats, logl: Floats) -> tuple[Floats, Floats]:
    """Return stellar masses [log10 Msun/h] and magnitudes at the snapshot's redshift."""
    return logm - connection.log10_h, published.SUN_ABS_MAG - 2.5 * logl - connection.brightening


def _mass_by_share(floor: float) -> Floats:
    """Return log10 of the stellar mass that a share of a halo's satellites above the floor exceeds."""
    table = np.empty((len(_LOGH), len(_LOG_SHARE)))
    nodes = np.append(floor, _LOGM[floor < _LOGM])
    for row, logh in enumerate(_LOGH):
        number = published.csmf_satellites(np.full(len(nodes), logh), nodes)
        # the smallest halos have no satellites above the floor: any table does, as none is drawn
        share = np.log10(np.maximum(number / max(number[0], 1e-200), 1e-30))
        table[row] = np.interp(-_LOG_SHARE[::-1], -share, nodes)[::-1]
    return table


def _light_by_rank() -> Floats:
    """Return log10 of the luminosity which as many satellites exceed as a blurred stellar mass; (n_halo, n_blurred)."""
    blur = ndtr((_LOGM[:, None] - _LOGY) / RANK_SCATTER) * (_LOGM[1] - _LOGM[0])
    table = np.empty((len(_LOGH), len(_LOGY)))
    for row, logh in enumerate(_LOGH):
        heavier = published.csmf_satellites_per_dex(np.full(len(_LOGM), logh), _LOGM) @ blur
        brighter = published.clf_satellites(np.full(len(_LOGL), logh), _LOGL)
        seen = brighter > 1e-25
        table[row] = np.interp(-np.log10(np.maximum(heavier, 1e-25)), -np.log10(brighter[seen]), _LOGL[seen])
    return table


def _by_abundance(cosmology: Cosmology) -> tuple[Floats, Floats]:
    """Return log10 of M200c and of the groups' halo mass in WMAP3 [Msun/h] at equal abundance, at z = 0.1."""
    from colossus.lss.mass_function import massFunction

    logh = np.arange(9.5, 16.3, 0.02)
    z = published.REFERENCE_REDSHIFT
    use_colossus(published.WMAP3)
    group = massFunction(10**logh, z, mdef="fof", model=published.GROUP_MASS_FUNCTION, q_out="dndlnM") * np.log(10)
    log_groups = np.log10(_above(group, logh))
    log_halos = np.log10(_above(mass_function(10**logh, z, cosmology), logh))
    return logh[:-1], np.interp(-log_halos, -log_groups, logh[:-1])


def _above(density: Floats, logh: Floats) -> Floats:
    """Return the number density above every node but the last [(Mpc/h)^-3], from dn / dlog10 M."""
    cells = (density[1:] + density[:-1]) / 2 * np.diff(logh)
    return np.asarray(np.cumsum(cells[::-1])[::-1])
