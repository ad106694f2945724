"""Magnitudes of galaxies in ugriz from redshift, one r-band magnitude and one colour: spectra by kcorrect's templates.

One family of spectra serves all galaxies: the mean spectrum of SDSS galaxies of each rest-frame colour. Put in: the
shares of kcorrect's five templates in that mean, fitted to real galaxies (`SHARES`). A red sequence that is tight in
one colour is tight in all; what galaxies of one colour differ in is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from clustermass.frames.contracts import BANDS
from clustermass.galaxies.background import Bools, Floats
from clustermass.galaxies.colours import red_sequence
from clustermass.galaxies.occupation import REFERENCE_REDSHIFT

COLOUR_STEP, COLOURS = 0.1, np.arange(0.2, 1.11, 0.1)  # g - r, bands shifted to z = 0.1
# Shares of kcorrect's templates (default, v4; Blanton & Roweis 2007, AJ 133, 734) in the light in r, shifted to z =
# 0.1, at each of these colours: fits by kcorrect 5.1 to the ugriz of the SDSS galaxies at 0.02 < z < 0.3 that come with
# that package (data/test/gst_tests_small.fits), averaged by linear regression on the colour.
SHARES = np.array(
    [
        (0.093, 0.191, 0.453, 0.000, 0.263),
        (0.128, 0.178, 0.490, 0.097, 0.107),
        (0.117, 0.048, 0.460, 0.074, 0.301),
        (0.114, 0.033, 0.417, 0.222, 0.214),
        (0.138, 0.028, 0.359, 0.342, 0.133),
        (0.157, 0.014, 0.297, 0.442, 0.090),
        (0.176, 0.006, 0.243, 0.538, 0.037),
        (0.134, 0.001, 0.136, 0.722, 0.007),
        (0.135, 0.000, 0.013, 0.851, 0.001),
        (0.458, 0.001, 0.035, 0.497, 0.009),
    ]
)
# Galaxies of one luminosity (less its evolution) get bluer with redshift [mag of g - r per unit of redshift]. Blue
# ones: by the difference of the evolutions in g, 2.04, and r, 1.62, of Blanton et al. (2003, ApJ 592, 819; g recalled);
# red ones: as old stars that only age (Bruzual & Charlot 2003, formed at z = 3, from memory). Held beyond z = 0.5.
RED_BLUEING, BLUE_BLUEING, BLUEING_MAX_REDSHIFT = 0.2, 0.42, 0.5
# Spread of the colours of red galaxies over that of `clustermass.galaxies.colours`, which errors of SDSS magnitudes
# are part of: 0.035 mag for luminous ones (Cool et al. 2006, AJ 131, 736, from memory) over 0.05 at M_r = -22.
INTRINSIC_SPREAD = 0.7
MAX_REDSHIFT, _STEP = 2.0, 0.005


@dataclass(frozen=True, eq=False)
class Spectra:
    """Tables over redshift, nodes every `step` from 0, and over `COLOURS`; made by `build_spectra`.

    Attributes
    ----------
    step : float
    k_r : array, shape (n_z, n_colours)
        K-correction from the r band at z = 0.1 to the observed one [mag].
    colours : array, shape (n_z, n_colours, 5)
        Observed u - r, g - r, 0, i - r, z - r, AB [mag].
    """

    step: float
    k_r: Floats
    colours: Floats


@cache
def build_spectra() -> Spectra:
    """Return the tables, from kcorrect's templates and the response of the SDSS camera."""
    redshift = np.arange(0, MAX_REDSHIFT + _STEP / 2, _STEP)
    light = template_light(redshift)
    reference = template_light(np.array([REFERENCE_REDSHIFT]))[0, BANDS.index("r")]
    mixed = light @ (SHARES / reference).T  # (n_z, bands, colours), 1 in r at z = 0.1
    magnitude = -2.5 * np.log10(np.swapaxes(mixed, 1, 2))
    r = magnitude[..., BANDS.index("r")]
    return Spectra(_STEP, r - 2.5 * np.log10(1 + REFERENCE_REDSHIFT), magnitude - r[..., None])


def template_light(redshift: Floats) -> Floats:
    """Return what the SDSS bands see of kcorrect's templates, moved in redshift but not in distance.

    Parameters
    ----------
    redshift : array, shape (n,)

    Returns
    -------
    array, shape (n, 5, 5)
        AB maggies in ugriz of each template.

    Notes
    -----
    Source: Blanton & Roweis (2007); templates and responses are files of the package kcorrect.
    """
    import kcorrect.response  # slow: brings matplotlib
    import kcorrect.template

    template = kcorrect.template.Template(filename=f"{kcorrect.KCORRECT_DIR}/data/templates/kcorrect-default-v4.fits")
    wave, flux = np.asarray(template.restframe_wave, float), np.asarray(template.restframe_flux, float)
    responses = kcorrect.response.ResponseDict()
    result = np.empty((len(redshift), len(BANDS), len(flux)))
    for number, band in enumerate(BANDS):
        responses.load_response(f"sdss_{band}0")
        response = responses[f"sdss_{band}0"]
        at = np.arange(response.wave[0], response.wave[-1], 2.0)  # Angstrom
        weight = at * np.interp(at, response.wave, response.response)
        flat_in_frequency = 0.10885 / at**2  # erg/s/cm2/A of AB = 0: 3631 Jy times c
        weight /= np.sum(weight * flat_in_frequency)
        for row, z in enumerate(redshift):
            seen = at / (1 + z)
            result[row, number] = [np.sum(weight * np.interp(seen, wave, one)) / (1 + z) for one in flux]
    return result


def spectrum_colour(abs_mag_r: Floats, red: Bools, g_r: Floats, redshift: Floats) -> Floats:
    """Return the rest-frame colour g - r of galaxies' spectra, without photometric errors and with its evolution.

    Parameters
    ----------
    abs_mag_r : array, shape (n,)
        M_r - 5 log10 h that the galaxies have at z = 0.1.
    red : array of bool, shape (n,)
    g_r : array, shape (n,)
        Colours by `clustermass.galaxies.colours.assign_colours`.
    redshift : array, shape (n,)
    """
    mean, _ = red_sequence(abs_mag_r)
    intrinsic = np.where(red, mean + INTRINSIC_SPREAD * (g_r - mean), g_r)
    later = np.minimum(redshift, BLUEING_MAX_REDSHIFT) - REFERENCE_REDSHIFT
    return np.asarray(intrinsic - np.where(red, RED_BLUEING, BLUE_BLUEING) * later)


def k_correction_by_colour(spectra: Spectra, redshift: Floats, colour: Floats) -> Floats:
    """Return K-corrections to the r band at z = 0.1 [mag], shape (n,); colours as by `spectrum_colour`."""
    return np.asarray(_bilinear(spectra, spectra.k_r, redshift, colour))


def magnitudes(spectra: Spectra, r: Floats, redshift: Floats, colour: Floats) -> Floats:
    """Return ugriz [AB mag] of galaxies, shape (n, 5); r [mag] and colours, as by `spectrum_colour`, of shape (n,)."""
    return np.asarray(r[:, None] + _bilinear(spectra, spectra.colours, redshift, colour))


def _bilinear(spectra: Spectra, table: Floats, redshift: Floats, colour: Floats) -> Floats:
    """Return values of a table; what lies outside is held at its edge."""
    x = np.clip(redshift / spectra.step, 0, len(table) - 1.001)
    y = np.clip((colour - COLOURS[0]) / COLOUR_STEP, 0, len(COLOURS) - 1.001)
    i, j = x.astype(int), y.astype(int)
    shape = (-1, *[1] * (table.ndim - 2))
    u, v = (x - i).reshape(shape), (y - j).reshape(shape)
    low = table[i, j] * (1 - v) + table[i, j + 1] * v
    return np.asarray(low * (1 - u) + (table[i + 1, j] * (1 - v) + table[i + 1, j + 1] * v) * u)
