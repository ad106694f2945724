"""Under which conditions a frame was taken: seeing, brightness of the sky, calibration of the detector.

Everything is a function of the run and the place along it, so that neighbouring fields of a run, columns of the camera
and bands of a field resemble each other as they do in a survey, whichever of them are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clustermass.config.sky import Sky
from clustermass.frames.contracts import BANDS
from clustermass.frames.geometry import PIXEL_ARCSEC
from clustermass.render.psf import Psf
from clustermass.runtime import generator

# Electrons a count and variance of dark current and read-out [count^2] by column of the camera: data model of SDSS'
# frames (page `frame`, section on noise), the values of later runs where there are two.
GAIN = {
    "u": (1.62, 1.825, 1.59, 1.60, 1.47, 2.17),
    "g": (3.32, 3.855, 3.845, 3.995, 4.05, 4.035),
    "r": (4.71, 4.60, 4.72, 4.76, 4.725, 4.895),
    "i": (5.165, 6.565, 4.86, 4.885, 4.64, 4.76),
    "z": (4.745, 5.155, 4.885, 4.775, 3.48, 4.69),
}
DARK_VARIANCE = {
    "u": (9.61, 12.6025, 8.7025, 12.6025, 9.3025, 7.0225),
    "g": (15.6025, 1.44, 1.3225, 1.96, 1.1025, 1.8225),
    "r": (1.8225, 1.00, 1.3225, 1.3225, 0.81, 0.9025),
    "i": (7.84, 6.25, 4.6225, 7.5625, 7.84, 5.0625),
    "z": (0.81, 1.0, 1.0, 12.6025, 2.1025, 1.21),
}
_PIXEL_AREA = PIXEL_ARCSEC**2  # arcsec2


@dataclass(frozen=True)
class Conditions:
    """Conditions of one frame.

    Attributes
    ----------
    psf : Psf
    sky_counts : float
        Mean of the sky [count].
    sky_slope : tuple of three floats
        Change of the sky from the frame's middle to its last column and its last row, and its curvature along
        columns [count].
    nmgy_per_count : float
        Calibration.
    gain : float
        [electron/count]
    dark_variance : float
        [count^2]
    spike_angle : float
        Of diffraction spikes with rows [deg].
    """

    psf: Psf
    sky_counts: float
    sky_slope: tuple[float, float, float]
    nmgy_per_count: float
    gain: float
    dark_variance: float
    spike_angle: float

    @property
    def noise(self) -> float:
        """Noise of a pixel that sees the mean sky [nanomaggy]."""
        return float(self.nmgy_per_count * np.sqrt(self.sky_counts / self.gain + self.dark_variance))


def smooth_noise(seed: int, name: str, wildcards: dict[str, Any], place: float) -> float:
    """Return a smooth random function of mean 0 and variance 1, which forgets itself over a unit of `place`.

    A cubic B-spline with independent normal coefficients, the same whoever asks where.
    """
    knot, t = int(np.floor(place)), place % 1
    weights = np.array([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3])
    knots = [generator(seed, name, {**wildcards, "knot": knot + k}).normal() for k in range(-1, 3)]
    return float(weights @ knots / np.linalg.norm(weights))


def frame_conditions(run: int, camcol: int, field: int, band: str, sky: Sky, seed: int) -> Conditions:
    """Return the conditions of a frame.

    Seeing has a part that belongs to the run, one that drifts along it, and one of the detector; the sky drifts with
    the run, for all bands together and for each by itself.

    Raises
    ------
    ValueError
        No band or column of the camera.
    """
    if band not in BANDS or len(band) != 1 or not 1 <= camcol <= 6:
        raise ValueError(f"expected a band of {BANDS} and a column of 1 to 6, got {band!r} and {camcol}")
    place = field / sky.drift_fields
    whole, detector = {"run": run}, {"run": run, "camcol": camcol, "band": band}
    seeing = sky.seeing_run * generator(seed, "seeing of a run", whole).normal()
    seeing += sky.seeing_drift * smooth_noise(seed, "seeing", whole, place)
    seeing += sky.seeing_detector * smooth_noise(seed, "seeing of a detector", detector, place / 4)
    shear = [sky.ellipticity * smooth_noise(seed, f"shear {k}", detector, place) for k in (1, 2)]
    bright = sky.brightness_common * smooth_noise(seed, "sky", whole, place / 4)
    bright += sky.brightness_band * smooth_noise(seed, "sky of a band", {"run": run, "band": band}, place / 4)
    chip = generator(seed, "detector", {"camcol": camcol, "band": band})
    calibration = getattr(sky.counts, band) * np.exp(sky.counts_detector * chip.normal())
    counts = getattr(sky.brightness, band) * np.exp(bright) * _PIXEL_AREA / calibration
    slope = generator(seed, "slope of the sky", {**detector, "field": field}).normal(size=3)
    x, y, bend = slope * sky.slope * counts
    psf = Psf(
        fwhm=getattr(sky.seeing, band) * np.exp(seeing) / PIXEL_ARCSEC,
        slope=sky.core_slope,
        shear=(shear[0], shear[1]),
        wing_share=getattr(sky.wing_share, band),
        wing_radius=sky.wing_arcsec / PIXEL_ARCSEC,
    )
    return Conditions(
        psf=psf,
        sky_counts=float(counts),
        sky_slope=(float(x), float(y), float(bend)),
        nmgy_per_count=float(calibration),
        gain=GAIN[band][camcol - 1],
        dark_variance=DARK_VARIANCE[band][camcol - 1],
        spike_angle=float(generator(seed, "spikes", whole).uniform(0, 90)),
    )
