"""Configuration of the realism page: how frames are measured, and what simulated ones are held against."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from clustermass.config.base import Fraction, Positive, Section

BANDS = "ugriz"


class Target(Section):
    """What one statistic of simulated frames should be, by band, bin of r magnitude, or colour."""

    unit: str = Field(description="unit of all numbers")
    value: dict[str, float] = Field({}, description="median of real fields")
    low: dict[str, float] = Field({}, description="lowest of real fields, or lowest allowed")
    high: dict[str, float] = Field({}, description="highest of real fields, or highest allowed")
    tolerance: Positive | None = Field(None, description="largest deviation from value; null: only low and high count")
    relative: bool = Field(False, description="whether the tolerance is a share of value")

    @model_validator(mode="after")
    def _ordered(self) -> Target:
        for bin_name in self.low.keys() & self.high.keys():
            if self.low[bin_name] > self.high[bin_name]:
                raise ValueError(f"low of {bin_name}: expected at most {self.high[bin_name]}, got {self.low[bin_name]}")
        if self.tolerance is not None and not self.value:
            raise ValueError("value: expected numbers where there is a tolerance, got none")
        return self

    @property
    def bins(self) -> list[str]:
        """Bins that something is expected in, in order."""
        return list(dict.fromkeys([*self.value, *self.low, *self.high]))


def _bands(*numbers: float) -> dict[str, float]:
    return dict(zip(BANDS, numbers, strict=True))


def _magnitudes(*numbers: float) -> dict[str, float]:
    return {str(15 + at): number for at, number in enumerate(numbers)}


def _targets() -> dict[str, Target]:
    """Return the targets: nine real SDSS fields, median and range."""
    return {
        "noise": Target(
            unit="nanomaggy",
            value=_bands(0.0441, 0.0165, 0.0280, 0.0434, 0.177),
            low=_bands(0.038, 0.0146, 0.023, 0.036, 0.157),
            high=_bands(0.052, 0.0227, 0.030, 0.051, 0.195),
            tolerance=0.10,
            relative=True,
        ),
        "noise scatter": Target(
            unit="share of the noise", low=dict.fromkeys(BANDS, 0.03), high=dict.fromkeys(BANDS, 0.17)
        ),
        "noise correlation": Target(
            unit="",
            value=_bands(0.020, 0.026, 0.022, 0.020, 0.015),
            low=dict.fromkeys(BANDS, 0.01),
            high=dict.fromkeys(BANDS, 0.04),
        ),
        "sky residual": Target(
            unit="noise of a pixel",
            value=_bands(0.11, 0.15, 0.15, 0.15, 0.10),
            low=_bands(0.02, 0.07, 0.09, 0.07, 0.03),  # ranges of four of the nine fields
            high=_bands(0.15, 0.15, 0.17, 0.21, 0.13),
        ),
        "FWHM": Target(
            unit="arcsec",
            value=_bands(1.39, 1.28, 1.25, 1.17, 1.11),
            low=_bands(0.98, 0.90, 0.85, 0.79, 0.91),
            high=_bands(1.65, 1.67, 1.46, 1.50, 1.31),
            tolerance=0.15,
        ),
        "detections": Target(
            unit="1/arcmin2",
            value=_bands(0.69, 3.6, 4.1, 4.1, 2.1),
            low=_bands(0.35, 2.0, 3.1, 3.3, 1.6),
            high=_bands(1.97, 7.3, 8.2, 8.9, 6.5),
        ),
        "bright area": Target(
            unit="% of the frame",
            value=_bands(0.0, 0.17, 0.06, 0.06, 0.03),
            low=dict.fromkeys(BANDS, 0.0),
            high=_bands(0.05, 0.31, 0.44, 0.07, 0.08),  # of four of the nine fields
        ),
        "counts": Target(
            unit="1/arcmin2/mag",
            value=_magnitudes(0.05, 0.07, 0.10, 0.20, 0.38, 0.89, 1.35, 0.61),
            tolerance=0.25,
            relative=True,
        ),
        "half-light radius": Target(
            unit="arcsec",
            value=_magnitudes(3.72, 3.23, 2.35, 1.75, 1.50, 1.22, 1.03, 0.85),
            tolerance=0.15,
            relative=True,
        ),
        "star fraction": Target(
            unit="", value=_magnitudes(0.87, 0.88, 0.82, 0.64, 0.47, 0.32), tolerance=0.15, relative=False
        ),
        "colour of galaxies": Target(unit="mag", value={"g-r": 1.07, "r-i": 0.45}, tolerance=0.1),
        "colour of stars": Target(unit="mag", value={"g-r": 0.89, "r-i": 0.35}, tolerance=0.1),
        "colour of galaxies, 16 %": Target(unit="mag", value={"g-r": 0.61, "r-i": 0.28}, tolerance=0.15),
        "colour of galaxies, 84 %": Target(unit="mag", value={"g-r": 1.48, "r-i": 0.62}, tolerance=0.15),
        "colour of stars, 16 %": Target(unit="mag", value={"g-r": 0.43, "r-i": 0.18}, tolerance=0.15),
        "colour of stars, 84 %": Target(unit="mag", value={"g-r": 1.42, "r-i": 0.89}, tolerance=0.3),
    }


class RedSequence(Section):
    """How the richness of clusters is measured on frames (Rykoff et al. 2012)."""

    reach_mpc: Positive = Field(1.7, description="galaxies this near to a cluster are looked at [Mpc, proper]")
    radius_mpc: Positive = Field(1.1, description="circle that must be covered by frames [Mpc]")
    core_mpc: Positive = Field(0.6, description="radius that the colour of the red sequence is measured in [Mpc]")
    core_l_star: Positive = Field(0.3, description="faintest galaxies that it is measured on, in L*")
    background_mpc: Positive = Field(
        1.7, description="the background is what lies further than this from every cluster of the sample [Mpc]"
    )
    brightest_r: float = Field(14.0, description="objects that are brighter in r do not count [mag]")
    star_cut_r: float = Field(
        20.0,
        description="to here stars are left out by their size; fainter, sizes do not tell them from galaxies [mag]",
    )
    intrinsic_scatter: Positive = Field(
        0.05, description="scatter of the red sequence in a colour [mag] (Rykoff et al. 2014, section 5; recalled)"
    )
    knots: Annotated[int, Field(ge=2, le=20)] = Field(
        5, description="redshifts between which the colours of the red sequence are linear"
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        5, description="folds of clusters: the colours that count a cluster's galaxies come from the other folds"
    )
    bootstraps: Annotated[int, Field(ge=10)] = Field(1000, description="resamplings of clusters for the interval")
    least_correlation: Fraction = Field(
        0.7,
        description="least rank correlation with the catalogue's richness, measured among all true galaxies",
    )


class Realism(Section):
    """Real against simulated frames. Targets: nine real SDSS fields, measured in this way."""

    min_latitude_deg: Annotated[float, Field(ge=0, lt=90)] = Field(
        40.0,
        description="fields nearer to the plane of the Galaxy are not measured [deg]: stars are as many as at the high"
        " latitudes of the real fields only there",
    )
    jobs: Annotated[int, Field(ge=1)] = Field(
        3, description="jobs of frames, of frames.jobs, whose clusters' red sequences are counted"
    )
    fields: Annotated[int, Field(ge=1)] = Field(12, description="simulated fields that are measured, at random places")
    picture_arcsec: Positive = Field(360.0, description="side of the pictures of fields [arcsec]")
    detection_sigma: Positive = Field(1.5, description="threshold of detection [noise of a pixel]")
    detection_pixels: Annotated[int, Field(ge=1)] = Field(5, description="fewest pixels above the threshold")
    mesh_pixels: Annotated[int, Field(ge=8)] = Field(64, description="side of the cells of the background [pixel]")
    mask_growth: Annotated[int, Field(ge=0)] = Field(
        4, description="pixels that masks of objects grow by before noise is measured"
    )
    aperture_arcsec: Positive = Field(2.0, description="radius of apertures for colours [arcsec]")
    kron_factor: Positive = Field(2.5, description="Kron apertures, in Kron radii (Kron 1980; Bertin & Arnouts 1996)")
    smallest_kron: Positive = Field(3.5, description="smallest Kron aperture, in the object's rms axes")
    magnitude_edges: Annotated[list[float], Field(min_length=2)] = Field(
        [15, 16, 17, 18, 19, 20, 21, 22, 23], description="bins of r, Kron [mag]; named by their lower edge"
    )
    star_fraction_faintest: float = Field(21.0, description="stars are not told from galaxies past this r [mag]")
    star_size: Positive = Field(
        1.2, description="objects with a smaller half-light radius are stars, in that of point sources of the field"
    )
    star_range: tuple[float, float] = Field((15.0, 18.5), description="r of stars that measure the seeing [mag]")
    most_stars: Annotated[int, Field(ge=1)] = Field(25, description="most stars that the seeing is measured on")
    stamp_pixels: Annotated[int, Field(ge=7)] = Field(31, description="side of the stamp of such a star [pixel], odd")
    colour_range: tuple[float, float] = Field((15.0, 20.0), description="r of objects whose colours are compared [mag]")
    colour_noise: Positive = Field(0.2, description="largest 1 sigma error of a colour that is used [mag]")
    bright_peak: dict[str, float] = Field(
        _bands(250.0, 90.0, 122.0, 160.0, 870.0),
        description="peak of objects that count as bright [nanomaggy]: about 25,000 counts, near saturation",
    )
    saturated_r: float = Field(
        15.0, description="objects brighter than this in r are taken for saturated stars, whose size says nothing [mag]"
    )
    red_sequence: RedSequence = Field(RedSequence(), description="red-sequence counts against richness")
    targets: dict[str, Target] = Field(
        _targets(), description="what simulated frames are held against: measured on nine real SDSS fields"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Realism:
        if any(low >= high for low, high in pairwise(self.magnitude_edges)):
            raise ValueError(f"magnitude_edges: expected rising edges, got {self.magnitude_edges}")
        for name in ("star_range", "colour_range"):
            low, high = getattr(self, name)
            if low >= high:
                raise ValueError(f"{name}: expected low below high, got {low:g}, {high:g}")
        if self.stamp_pixels % 2 == 0:
            raise ValueError(f"stamp_pixels: expected an odd number, got {self.stamp_pixels}")
        if set(self.bright_peak) != set(BANDS):
            raise ValueError(f"bright_peak: expected bands {', '.join(BANDS)}, got {', '.join(self.bright_peak)}")
        return self
