"""Objects of a field: magnitudes, sizes and colours; stars by their size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import sep
from astropy.wcs import WCS

from clustermass.config.realism import Realism
from clustermass.frames.contracts import BANDS
from clustermass.realism.contracts import OBJECTS
from clustermass.realism.detection import Detection, Floats, Mask, Sky

ZERO_POINT = 22.5  # AB magnitude of a nanomaggy
_KRON_REACH = 6.0  # rms axes inside which Kron radii are measured: Bertin & Arnouts (1996)
_RIGHT_ANGLE = np.pi / 2 * (1 - 1e-6)
_THINNEST = 0.01


def magnitude(flux: Floats) -> Floats:
    """Return AB magnitudes of fluxes in nanomaggies; NaN where there is no light."""
    return np.where(flux > 0, ZERO_POINT - 2.5 * np.log10(np.where(flux > 0, flux, 1)), np.nan)


def pixel_arcsec(wcs: WCS) -> float:
    """Return the side of a pixel [arcsec]."""
    return 3600 * float(np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))))


def kron_photometry(found: Detection, settings: Realism) -> tuple[Floats, Floats]:
    """Return flux in the Kron aperture [nanomaggy] and half-light radius [pixel] of every object.

    Source: Kron (1980), in the form of Bertin & Arnouts (1996). Pixels of neighbours are left out of the flux.
    """
    o = found.objects
    minor = np.clip(o["b"], _THINNEST * o["a"], o["a"])  # rounding makes some ellipses impossible
    ellipses = (o["x"], o["y"], o["a"], minor, np.clip(o["theta"], -_RIGHT_ANGLE, _RIGHT_ANGLE))
    others = {"seg_id": np.arange(1, len(o) + 1, dtype=np.int32), "segmap": found.segments}
    radius, _ = sep.kron_radius(found.sky.image, *ellipses, _KRON_REACH, mask=found.sky.masked, **others)
    radius = np.clip(np.nan_to_num(radius), 0, _KRON_REACH)  # noise makes sums of light zero or negative
    radius = np.maximum(settings.kron_factor * radius, settings.smallest_kron)
    flux, _, _ = sep.sum_ellipse(found.sky.image, *ellipses, radius, mask=found.sky.masked, subpix=1, **others)
    half_light, _ = sep.flux_radius(
        found.sky.image, o["x"], o["y"], 6 * o["a"], 0.5, normflux=flux, mask=found.sky.masked
    )
    return flux, half_light


def point_source_radius(r: Floats, radius: Floats, clean: Mask, settings: Realism) -> float:
    """Return the half-light radius of point sources: the middle of the narrowest third of bright objects.

    Parameters
    ----------
    r : array, shape (objects,)
        Magnitudes; objects in settings.star_range count.
    radius : array, shape (objects,)
        Half-light radii, any unit.
    clean : bool array, shape (objects,)
        Whether an object is neither blended nor bright.

    Returns
    -------
    float
        NaN where there are fewer than four objects.
    """
    low, high = settings.star_range
    sizes = np.sort(radius[clean & (r > low) & (r < high)])
    third = len(sizes) // 3
    if len(sizes) < 4:
        return np.nan
    at = int((sizes[third:] - sizes[: len(sizes) - third]).argmin())
    return float(np.median(sizes[at : at + third + 1]))


def aperture_fluxes(sky: Sky, wcs: WCS, ra: Floats, dec: Floats, radius_arcsec: float) -> tuple[Floats, Floats]:
    """Return fluxes in round apertures at places of the sky, and their errors by noise of the sky [nanomaggy].

    Returns
    -------
    tuple of array, shape (objects,)
        NaN where the aperture reaches over the edge of the frame or over unusable pixels.
    """
    x, y = wcs.all_world2pix(ra, dec, 0)
    radius = radius_arcsec / pixel_arcsec(wcs)
    flux, error, flag = sep.sum_circle(sky.image, x, y, radius, err=sky.noise, mask=sky.masked)
    bad = (flag & (sep.APER_TRUNC | sep.APER_HASMASKED)) > 0
    return np.where(bad, np.nan, flux), np.where(bad, np.nan, error)


def measure_objects(
    found: Detection, skies: Mapping[str, Sky], places: Mapping[str, WCS], field: str, settings: Realism
) -> pd.DataFrame:
    """Return the objects of a field, detected in r, with colours of the other bands at the same places of the sky.

    Bands of a field are not registered to one another: everything goes through their coordinates.

    Parameters
    ----------
    found : Detection
        In r.
    skies : dict of Sky
        By band; bands that are not there have no fluxes.
    places : dict of astropy.wcs.WCS
        By band.
    field : str
        Name of the field.

    Returns
    -------
    pandas.DataFrame
        Contract `OBJECTS`.
    """
    wcs, objects = places["r"], found.objects
    flux, half_light = kron_photometry(found, settings)
    r = magnitude(flux)
    bright = (objects["peak"] > settings.bright_peak["r"]) | (r < settings.saturated_r)
    clean = (objects["flag"] & sep.OBJ_MERGED == 0) & ~bright
    limit = settings.star_size * point_source_radius(r, half_light, clean, settings)
    ra, dec = wcs.all_pix2world(objects["x"], objects["y"], 0)
    table = pd.DataFrame({"field": field, "ra": ra % 360, "dec": dec, "r": r})
    table["radius"] = half_light * pixel_arcsec(wcs)
    table["star"] = (half_light < limit) | bright
    table["bright"] = bright
    for band in BANDS:
        flux_error = np.full((2, len(table)), np.nan)
        if band in skies:
            flux_error[:] = aperture_fluxes(skies[band], places[band], ra, dec, settings.aperture_arcsec)
        table[f"flux_{band}"], table[f"error_{band}"] = flux_error
    return table[OBJECTS.names]


def colour(objects: pd.DataFrame, blue: str, red: str) -> tuple[Floats, Floats]:
    """Return a colour of objects and its 1 sigma error [mag], shape (objects,); NaN where a flux is not positive.

    Parameters
    ----------
    objects : pandas.DataFrame
        Contract `OBJECTS`.
    blue, red : str
        Bands.
    """
    fluxes = [objects[f"flux_{band}"].to_numpy(float) for band in (blue, red)]
    shares = [
        objects[f"error_{band}"].to_numpy(float) / np.where(flux > 0, flux, np.nan)
        for band, flux in zip((blue, red), fluxes, strict=True)
    ]
    return magnitude(fluxes[0]) - magnitude(fluxes[1]), 2.5 / np.log(10) * np.hypot(*shares)
