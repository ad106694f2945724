"""Stars of the Milky Way by cell: two exponential discs and a flattened halo, colours along the stellar locus.

Put in: shape of the Galaxy and photometric parallax as measured by SDSS, the luminosity function of the Sun's
neighbourhood, the stellar locus. Numbers of stars by magnitude and colour follow. Left out: giants (few stars fainter
than r = 14 at high latitude), white dwarfs, quasars, streams, dust.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from astropy import units as u
from astropy.coordinates import SkyCoord

from clustermass.config.population import Population
from clustermass.frames.contracts import BANDS
from clustermass.galaxies.background import Floats, Ints
from clustermass.population.cells import CELL_STERADIAN, centres, places
from clustermass.runtime import generator

# Juric et al. (2008, ApJ 673, 864), abstract: heights and lengths of discs [pc], share of the thick disc at the Sun,
# slope and axis ratio of the halo; the place of the Sun [pc].
THIN, THICK, THICK_SHARE = (300.0, 2600.0), (900.0, 3600.0), 0.12
HALO_SLOPE, HALO_RATIO = 2.8, 0.64
# Of all stars at the Sun: Bahcall (1986, ARA&A 24, 577), from memory. The 0.5 % of Juric et al. are of the bluest stars
# only, where stars of the halo pile up at their turn-off; given to all colours it doubles the counts beyond r = 18.
HALO_SHARE = 1 / 500
SUN_RADIUS, SUN_HEIGHT = 8000.0, 25.0
PARALLAX = (3.2, 13.30, -11.50, 5.40, -0.70)  # M_r by powers of r - i: their Eq. 1, from memory
# Stars by mass near the Sun, log10 of the number a pc^3 and dex by powers of log10 of the mass [Msun], 0.1 to 1.6:
# Gould et al. (1995, arXiv:astro-ph/9505087), abstract. Pairs that are not resolved count as one star, as here.
MASS_FUNCTION = (-1.35, -1.34, -1.85)
# log10 of the mass by powers of M_V, up to some M_V: Henry & McCarthy (1993, AJ 106, 773), from memory; they join.
MASS_BY_LIGHT = (
    (10.25, (0.4365, -0.09711, 0.002456)),
    (12.89, (1.4217, -0.1681)),
    (20.15, (1.3785, -0.2326, 0.005239)),
)
OLD_TURN_OFF = 4.0  # M_V of the brightest stars of the thick disc and the halo, ours: no giants
YOUNG = (
    2.3,
    90.0,
    5.1,
)  # M_V of stars 90 pc high, and from which on height is that of old stars: Bahcall & Soneira 1980
# Covey et al. (2007, AJ 134, 2398), Table 3: g - i, u - g, g - r, r - i, i - z.
LOCUS = np.array(
    [
        (0.10, 1.05, 0.09, 0.02, -0.03),
        (0.20, 1.06, 0.18, 0.03, -0.02),
        (0.30, 1.07, 0.24, 0.06, 0.00),
        (0.40, 1.07, 0.30, 0.10, 0.01),
        (0.50, 1.14, 0.37, 0.13, 0.03),
        (0.60, 1.25, 0.44, 0.16, 0.04),
        (0.70, 1.40, 0.51, 0.19, 0.06),
        (0.80, 1.56, 0.58, 0.21, 0.08),
        (1.00, 1.90, 0.73, 0.27, 0.12),
        (1.20, 2.17, 0.87, 0.32, 0.16),
        (1.40, 2.38, 1.02, 0.38, 0.20),
        (1.60, 2.53, 1.15, 0.45, 0.24),
        (1.80, 2.61, 1.26, 0.54, 0.29),
        (2.00, 2.61, 1.35, 0.65, 0.35),
        (2.20, 2.61, 1.41, 0.79, 0.43),
        (2.40, 2.59, 1.41, 0.98, 0.52),
        (2.60, 2.58, 1.41, 1.18, 0.62),
        (2.80, 2.62, 1.43, 1.36, 0.72),
        (3.00, 2.61, 1.47, 1.52, 0.81),
        (3.20, 2.64, 1.52, 1.68, 0.90),
        (3.40, 2.50, 1.56, 1.83, 0.99),
        (3.60, 2.47, 1.59, 2.01, 1.08),
    ]
)
LOCUS_WIDTH = (0.11, 0.03, 0.03, 0.04)  # spread of u - g, g - r, r - i, i - z about it: the same table

_STEP = 0.25  # mag: bins of absolute and apparent magnitude
_ABSOLUTE = np.arange(2.5, 16.51, _STEP)  # M_r: edges of bins
_DRAWN = 5 + 4  # random numbers a star: bin, two magnitudes, place (2), colours (4)


def draw_stars(cells: Ints, options: Population, seed: int) -> pd.DataFrame:
    """Return stars of cells: contract `SKY_STARS`, cell by cell.

    Parameters
    ----------
    cells : array of int, shape (n,)
        Cells of `clustermass.population.cells`; what a cell has depends on nothing but itself and the seed.
    """
    edges = np.arange(options.stars_r[0], options.stars_r[1] + _STEP / 2, _STEP)
    longitude, latitude = _galactic(cells, options.min_latitude_deg)
    drawn, bins = [np.empty((0, _DRAWN))], [np.empty(0, np.int64)]
    for cell, lon, lat in zip(cells, longitude, latitude, strict=True):
        share = np.cumsum(star_density(lon, lat, edges).ravel())
        rng = generator(seed, "stars", {"cell": int(cell)})
        drawn.append(rng.random((rng.poisson(share[-1] * CELL_STERADIAN), _DRAWN)))
        bins.append(np.searchsorted(share / share[-1], drawn[-1][:, 0], side="right"))
    chance = np.concatenate(drawn)
    i, j = np.divmod(np.concatenate(bins), len(edges) - 1)
    absolute, r = _ABSOLUTE[i] + _STEP * chance[:, 1], edges[j] + _STEP * chance[:, 2]
    ra, dec = places(np.repeat(cells, [len(part) for part in drawn[1:]]), chance[:, 3:5])
    values = star_magnitudes(r, absolute, chance[:, 5:])
    return pd.DataFrame({"ra": ra, "dec": dec, **dict(zip(BANDS, values.T, strict=True))})


def star_density(longitude: float, latitude: float, r: Floats) -> Floats:
    """Return numbers of stars a steradian in bins of absolute magnitude M_r and r.

    Parameters
    ----------
    longitude, latitude : float
        Galactic [deg].
    r : array, shape (n + 1,)
        Edges of bins of apparent magnitude.

    Returns
    -------
    array, shape (n_absolute, n)
    """
    absolute, middle = (_ABSOLUTE[1:] + _ABSOLUTE[:-1]) / 2, (r[1:] + r[:-1]) / 2
    distance = 10 ** ((middle - absolute[:, None] + 5) / 5)  # pc
    planar = distance * np.cos(np.radians(latitude))
    radius = np.sqrt(SUN_RADIUS**2 + planar**2 - 2 * SUN_RADIUS * planar * np.cos(np.radians(longitude)))
    height = distance * np.sin(np.radians(latitude)) + SUN_HEIGHT
    visual, number = _neighbourhood()
    low, thin, high = YOUNG
    scale = np.clip(thin + (visual - low) / (high - low) * (THIN[0] - thin), thin, THIN[0])[:, None]
    density = _disc(radius, height, scale, THIN[1])
    old = np.sqrt(radius**2 + (height / HALO_RATIO) ** 2) / SUN_RADIUS
    older = THICK_SHARE * _disc(radius, height, THICK[0], THICK[1]) + HALO_SHARE * old**-HALO_SLOPE
    density = density + np.where(visual[:, None] > OLD_TURN_OFF, older, 0)
    per_distance = distance**3 * np.log(10) / 5 * np.diff(r)  # distance^2 times its change over a bin of r
    return np.asarray(number[:, None] / (1 + THICK_SHARE + HALO_SHARE) * density * per_distance)


def star_magnitudes(r: Floats, absolute: Floats, chance: Floats) -> Floats:
    """Return ugriz of stars on the stellar locus, shape (n, 5).

    Parameters
    ----------
    r, absolute : array, shape (n,)
        Apparent and absolute magnitude in r.
    chance : array, shape (n, 4)
        Uniform random numbers: places across the locus, in its colours.
    """
    from scipy.special import ndtri

    u_g, g_r, r_i, i_z = (
        np.interp(absolute, absolute_magnitude(LOCUS[:, 3]), LOCUS[:, k]) + width * ndtri(chance[:, k - 1])
        for k, width in enumerate(LOCUS_WIDTH, 1)
    )
    return np.stack([r + g_r + u_g, r + g_r, r, r - r_i, r - r_i - i_z], axis=1)


def absolute_magnitude(r_i: Floats) -> Floats:
    """Return M_r of stars on the main sequence by r - i, shape as `r_i`."""
    return _polynomial(r_i, PARALLAX)


def _disc(radius: Floats, height: Floats, scale_height: Floats | float, scale_length: float) -> Floats:
    """Return the density of an exponential disc, 1 at the Sun."""
    above = (np.abs(height) - SUN_HEIGHT) / scale_height
    return np.asarray(np.exp(-above - (radius - SUN_RADIUS) / scale_length))


@cache
def _neighbourhood() -> tuple[Floats, Floats]:
    """Return M_V of bins of M_r, and the stars in each [pc^-3]."""
    g_r = np.interp(_ABSOLUTE, absolute_magnitude(LOCUS[:, 3]), LOCUS[:, 2])
    visual = _ABSOLUTE + 0.41 * g_r - 0.01  # V = g - 0.59 (g - r) - 0.01: Jester et al. (2005, AJ 130, 873)
    pieces = np.searchsorted([limit for limit, _ in MASS_BY_LIGHT], visual)
    mass = np.array([_polynomial(v, MASS_BY_LIGHT[piece][1]) for v, piece in zip(visual, pieces, strict=True)])
    number = 10 ** _polynomial((mass[1:] + mass[:-1]) / 2, MASS_FUNCTION) * -np.diff(mass)
    return (visual[1:] + visual[:-1]) / 2, number


def _polynomial(x: Floats, coefficients: tuple[float, ...]) -> Floats:
    return np.asarray(np.polynomial.polynomial.polyval(x, coefficients))


def _galactic(cells: Ints, min_latitude_deg: float) -> tuple[Floats, Floats]:
    """Return Galactic longitude and latitude of cells [deg], latitudes no lower than the smallest one."""
    place = SkyCoord(*centres(cells), unit=u.deg).galactic
    latitude = np.asarray(place.b.deg)
    return np.asarray(place.l.deg), np.where(latitude < 0, -1.0, 1.0) * np.maximum(np.abs(latitude), min_latitude_deg)
