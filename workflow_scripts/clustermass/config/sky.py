"""Configuration of the simulated frames' light path: seeing, sky, detectors and their faults.

The numbers were measured on corrected frames of SDSS: seeing, noise and its correlation are medians over nine fields in
five bands; profiles of stars, spikes, full wells and faults are from four of these fields.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clustermass.config.base import Fraction, Positive, Section

Scatter = Annotated[float, Field(ge=0, lt=1)]


class FiveBands(Section):
    """One positive number for each band."""

    u: Positive
    g: Positive
    r: Positive
    i: Positive
    z: Positive


class Sky(Section):
    """Simulated frames as the atmosphere, the telescope and the detectors make them."""

    seeing: FiveBands = Field(
        FiveBands(u=1.39, g=1.28, r=1.25, i=1.17, z=1.11),
        description="median full width at half maximum of stars [arcsec]",
    )
    seeing_run: Scatter = Field(0.16, description="scatter of the seeing between runs, all bands alike [ln]")
    seeing_drift: Scatter = Field(0.07, description="scatter of the seeing within a run, all bands alike [ln]")
    seeing_detector: Scatter = Field(0.05, description="scatter of the seeing between detectors of a run [ln]")
    drift_fields: Positive = Field(12.0, description="fields of a run over which seeing and sky change")
    ellipticity: Scatter = Field(0.03, description="rms of each component of the stars' shear")
    core_slope: Annotated[float, Field(gt=1.5, lt=10)] = Field(3.55, description="beta of the Moffat core of stars")
    wing_share: FiveBands = Field(
        FiveBands(u=0.14, g=0.13, r=0.18, i=0.24, z=0.28),
        description="share of a star's light in its wings, which fall as radius^-3; i and z: light scattered in the"
        " detectors too",
    )
    wing_arcsec: Positive = Field(1.1, description="radius at which wings begin to fall [arcsec]")
    spike_share: Fraction = Field(0.016, description="share of a star's light in its four diffraction spikes")
    brightness: FiveBands = Field(
        FiveBands(u=1.15, g=1.70, r=4.10, i=7.0, z=22.0),
        description="median brightness of the night sky [nanomaggy/arcsec2]",
    )
    brightness_common: Scatter = Field(0.16, description="scatter of the sky between fields, all bands alike [ln]")
    brightness_band: Scatter = Field(0.09, description="scatter of the sky in each band by itself [ln]")
    slope: Scatter = Field(0.001, description="scatter of the change of the sky across a frame, over the sky")
    counts: FiveBands = Field(
        FiveBands(u=0.0100, g=0.0036, r=0.0050, i=0.0065, z=0.0357),
        description="median calibration [nanomaggy/count]",
    )
    counts_detector: Scatter = Field(0.07, description="scatter of the calibration between detectors [ln]")
    full_well: FiveBands = Field(
        FiveBands(u=45_000, g=50_000, r=46_000, i=33_000, z=40_000),
        description="counts at which a pixel is full: the highest that frames show",
    )
    mended_trails: Fraction = Field(
        0.93, description="share of bleed trails that the pipeline interpolates over; cores of saturated stars always"
    )
    residual: Scatter = Field(0.09, description="rms of what sky subtraction leaves, over the pixel noise")
    residual_arcsec: Positive = Field(60.0, description="scale over which that changes [arcsec]")
    pixel_correlation: Scatter = Field(0.013, description="correlation of the noise of neighbours in a row")
    cosmic_rays: Annotated[float, Field(ge=0)] = Field(
        0.7, description="mean number of hits of cosmic rays in a frame that the pipeline has left"
    )
    bad_columns: Annotated[float, Field(ge=0)] = Field(
        0.1, description="mean number of columns of a detector that show after the pipeline's correction"
    )
    satellites: Annotated[float, Field(ge=0)] = Field(
        0.01, description="mean number of trails of satellites in a frame (assumed: none in 22 real frames)"
    )
