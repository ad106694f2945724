"""Statistics of one field: noise, sky, seeing, detections, counts, sizes, stars and colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pandas as pd
import sep
from astropy.io import fits
from astropy.wcs import WCS

from clustermass.config.realism import Realism
from clustermass.contracts import Contract
from clustermass.frames.contracts import BANDS, FIELD_KEY
from clustermass.frames.frame import frame_wcs
from clustermass.realism.contracts import FIELD_STATISTICS
from clustermass.realism.detection import (
    Detection,
    Floats,
    Image,
    MeasurementError,
    Sky,
    find_objects,
    measure_noise,
    take_sky,
)
from clustermass.realism.objects import colour, measure_objects, pixel_arcsec
from clustermass.realism.red_sequence import coverage
from clustermass.realism.seeing import measure_seeing

COLOURS = {"g-r": ("g", "r"), "r-i": ("r", "i")}
QUANTILES = {"": 50, ", 16 %": 16, ", 84 %": 84}


@dataclass(frozen=True)
class FieldMeasurement:
    """What was measured on one field: contracts `FIELD_STATISTICS` and `OBJECTS`."""

    statistics: pd.DataFrame
    objects: pd.DataFrame


def measure_field(frames: Mapping[str, tuple[Image, fits.Header]], field: str, settings: Realism) -> FieldMeasurement:
    """Measure the frames of one field.

    Parameters
    ----------
    frames : dict
        By band: image [nanomaggy], shape (ny, nx), and header with its coordinates. r is needed; other bands may be
        absent.
    field : str
        Name of the field.

    Raises
    ------
    MeasurementError
        No r band, or a frame that cannot be measured: the message names field and band.
    FrameError
        No WCS, or one that cannot be inverted.
    """
    places, skies = _prepare(frames, field, settings)
    found = {band: find_objects(sky, settings) for band, sky in skies.items()}
    objects = measure_objects(found["r"], skies, places, field, settings)
    scale = pixel_arcsec(places["r"])
    arcmin2 = skies["r"].usable * (scale / 60) ** 2
    rows = [row for band in found for row in _band_rows(band, found[band], places[band], objects, settings)]
    rows += _offset_rows(places, skies["r"].image.shape)
    rows += _magnitude_rows(objects, arcmin2, settings) + _colour_rows(objects, settings)
    statistics = pd.DataFrame(rows).assign(field=field)
    return FieldMeasurement(statistics[FIELD_STATISTICS.names], objects)


def measure_catalogue(
    frames: Mapping[str, tuple[Image, fits.Header]], field: str, settings: Realism
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return objects of a field, detected in r, and the area that was looked at: contracts `OBJECTS` and `COVERAGE`.

    Parameters
    ----------
    frames, field
        As `measure_field`; other bands than those given have no fluxes.

    Raises
    ------
    MeasurementError, FrameError
        As `measure_field`.
    """
    places, skies = _prepare(frames, field, settings)
    objects = measure_objects(find_objects(skies["r"], settings), skies, places, field, settings)
    return objects, coverage(places["r"], skies["r"].masked, field)


def _prepare(
    frames: Mapping[str, tuple[Image, fits.Header]], field: str, settings: Realism
) -> tuple[dict[str, WCS], dict[str, Sky]]:
    """Return WCS and sky of every band, in the order of bands."""
    if "r" not in frames or not set(frames) <= set(BANDS):
        raise MeasurementError(f"field {field}: expected bands of {BANDS} with r, got {', '.join(frames) or 'none'}")
    places, skies = {}, {}
    for band in (b for b in BANDS if b in frames):
        places[band] = frame_wcs(frames[band][1], f"field {field}, band {band}")
        try:
            skies[band] = take_sky(frames[band][0], settings)
        except MeasurementError as error:
            raise MeasurementError(f"field {field}, band {band}: {error}") from None
    return places, skies


def _row(statistic: str, bin_name: str, value: float, unit: str, count: int) -> dict[str, Any]:
    return {"statistic": statistic, "bin": bin_name, "value": float(value), "unit": unit, "count": int(count)}


def _band_rows(band: str, found: Detection, wcs: WCS, objects: pd.DataFrame, settings: Realism) -> list[dict[str, Any]]:
    """Return noise, sky, detections, bright area and seeing of one band."""
    scale, peaks = pixel_arcsec(wcs), found.objects["peak"]
    usable, noise = found.sky.usable, measure_noise(found, settings)
    arcmin2 = usable * (scale / 60) ** 2
    bright = found.objects["npix"][peaks > settings.bright_peak[band]].sum()
    x, y = _seeing_stars(found, wcs, objects, settings, settings.bright_peak[band])
    fwhm, beta, stars = measure_seeing(found.sky.image, x, y, settings.stamp_pixels, settings.most_stars)
    return [
        _row("noise", band, noise.noise, "nanomaggy", usable),
        _row("noise correlation", band, noise.correlation, "", usable),
        _row("sky residual", band, noise.residual, "noise of a pixel", usable),
        _row("detections", band, len(peaks) / arcmin2, "1/arcmin2", len(peaks)),
        _row("bright area", band, 100 * bright / usable, "% of the frame", usable),
        _row("FWHM", band, fwhm * scale, "arcsec", stars),
        _row("Moffat beta", band, beta, "", stars),
    ]


def _seeing_stars(
    found: Detection, wcs: WCS, objects: pd.DataFrame, settings: Realism, peak: float
) -> tuple[Floats, Floats]:
    """Return places [pixel] of stars of one band, brightest first: unblended there, and not near saturation."""
    low, high = settings.star_range
    stars = objects[objects["star"] & objects["r"].between(low, high)]
    x, y = wcs.all_world2pix(stars["ra"].to_numpy(), stars["dec"].to_numpy(), 0)
    here = found.objects
    good = (here["flag"] & sep.OBJ_MERGED == 0) & (here["peak"] < peak) & (here["peak"] > 20 * found.sky.noise)
    if not len(x) or not good.any():
        return np.empty(0), np.empty(0)
    here = here[good]
    distance = np.hypot(here["x"][:, None] - x, here["y"][:, None] - y).min(axis=1)
    here = here[distance < 2.0]
    order = np.argsort(-here["peak"], kind="stable")
    return here["x"][order], here["y"][order]


def _offset_rows(places: Mapping[str, WCS], shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return where the middle of the r frame stands in each band, less where it stands in r [pixel]."""
    middle = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    place = places["r"].all_pix2world(*middle, 0)
    rows = []
    for band in places:
        offset = np.subtract(places[band].all_world2pix(*place, 0), middle)
        rows += [_row(f"offset {axis}", band, offset[at], "pixel", 1) for at, axis in enumerate("xy")]
    return rows


def _magnitude_rows(objects: pd.DataFrame, arcmin2: float, settings: Realism) -> list[dict[str, Any]]:
    """Return counts, sizes of galaxies and share of stars in bins of r."""
    rows, edges = [], settings.magnitude_edges
    for low, high in pairwise(edges):
        name, inside = f"{low:g}", objects[objects["r"].between(low, high, inclusive="left")]
        galaxies = inside[~inside["star"]]
        rows.append(_row("counts", name, len(inside) / arcmin2 / (high - low), "1/arcmin2/mag", len(inside)))
        rows.append(_row("half-light radius", name, galaxies["radius"].median(), "arcsec", len(galaxies)))
        if high <= settings.star_fraction_faintest:
            rows.append(_row("star fraction", name, inside["star"].mean(), "", len(inside)))
    return rows


def _colour_rows(objects: pd.DataFrame, settings: Realism) -> list[dict[str, Any]]:
    """Return quantiles of colours of galaxies and stars."""
    rows = []
    for name, bands in COLOURS.items():
        value, kept = usable_colour(objects, *bands, settings)
        for kind, mine in (("galaxies", ~objects["star"]), ("stars", objects["star"])):
            chosen = value[kept & mine.to_numpy(bool)]
            for words, share in QUANTILES.items():
                number = np.percentile(chosen, share) if len(chosen) else np.nan
                rows.append(_row(f"colour of {kind}{words}", name, number, "mag", len(chosen)))
    return rows


def choose_fields(
    frames: pd.DataFrame,
    bands: str,
    number: int | None,
    rng: np.random.Generator | None,
    accept: Callable[[pd.DataFrame], bool] = lambda rows: True,
) -> list[tuple[str, pd.DataFrame]]:
    """Return names of fields that are ready in some bands, drawn at random, and the rows of these frames.

    Parameters
    ----------
    frames : pandas.DataFrame
        Contract `FRAMES`; rows may stand more than once.
    bands : str
        Bands that are needed.
    number : int or None
        Fields to draw; None, or more than there are: all.
    rng : numpy.random.Generator or None
        None: fields are asked in order, which makes no difference where all are taken.
    accept : callable
        Whether a field, given its rows, may be taken; asked until there are enough.
    """
    ready = frames[(frames["status"] == "ready") & frames["band"].isin(list(bands))]
    ready = ready.drop_duplicates([*FIELD_KEY, "band"])
    names = [f"{row.run:06d}-{row.camcol}-{row.field:04d}" for row in ready.itertuples()]  # as in names of files
    groups = [
        (str(name), rows) for name, rows in ready.groupby(np.array(names, dtype=object)) if len(rows) == len(bands)
    ]
    order = np.arange(len(groups)) if rng is None else rng.permutation(len(groups))
    drawn = (int(at) for at in order if accept(groups[at][1]))
    return [groups[at] for at in sorted(islice(drawn, number))]


def gather(parts: list[pd.DataFrame], contract: Contract) -> pd.DataFrame:
    """Return tables of one contract below each other."""
    return pd.concat(parts, ignore_index=True) if parts else contract.empty()


def usable_colour(
    objects: pd.DataFrame, blue: str, red: str, settings: Realism
) -> tuple[Floats, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return a colour of objects [mag], and which of them to use: bright, not saturated, of little noise."""
    value, error = colour(objects, blue, red)
    kept = objects["r"].between(*settings.colour_range).to_numpy() & ~objects["bright"].to_numpy(bool)
    return value, kept & np.isfinite(value) & (error < settings.colour_noise)
