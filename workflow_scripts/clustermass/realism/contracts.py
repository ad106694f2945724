"""Tables of what is measured on frames."""

from __future__ import annotations

from clustermass.contracts import Column, Contract
from clustermass.frames.contracts import BANDS

_FIELD = Column("field", "text", "", "field: run, column of the camera, field")
FIELD_STATISTICS = Contract(
    "field_statistics",
    "statistics of fields, each measured on the frames of one field alone",
    (
        _FIELD,
        Column("statistic", "text", "", "what is measured"),
        Column("bin", "text", "", "band, bin of r magnitude by its lower edge, or colour"),
        Column("value", "float", "", "what was measured, in unit", missing=True),
        Column("unit", "text", "", "unit of value", missing=True),
        Column("count", "int", "", "pixels or objects that it was measured on", 0),
    ),
)
OBJECTS = Contract(
    "objects",
    "objects detected in the r band of fields",
    (
        _FIELD,
        Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination, ICRS", -90, 90),
        Column("r", "float", "mag", "r, Kron aperture, AB; missing: no light", missing=True),
        Column("radius", "float", "arcsec", "half-light radius in r, seeing included", missing=True),
        Column("star", "bool", "", "whether it is no larger than a star, or saturated"),
        Column("bright", "bool", "", "whether it is so bright that detectors saturate"),
        *(
            Column(f"flux_{band}", "float", "nanomaggy", f"flux in the aperture for colours, {band}", missing=True)
            for band in BANDS
        ),
        *(
            Column(
                f"error_{band}", "float", "nanomaggy", f"its 1 sigma error by noise of the sky, {band}", 0, missing=True
            )
            for band in BANDS
        ),
    ),
)
COVERAGE = Contract(
    "coverage",
    "points spread evenly over the usable pixels of fields: each stands for an area, however often fields overlap",
    (
        _FIELD,
        Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination, ICRS", -90, 90),
        Column("arcmin2", "float", "arcmin2", "area that the point stands for", 0),
    ),
)
RED_COUNTS = Contract(
    "red_counts",
    "richness of clusters, measured on the red-sequence galaxies of their frames",
    (
        Column("cluster", "text", "", "id in the parent sample", unique=True),
        Column("redshift", "float", "", "cluster redshift", 0, 20),
        Column("richness", "float", "", "richness of the parent sample, never from pixels", 0),
        Column("log10_m500c", "float", "log10(Msun)", "label: log10 M500c"),
        Column("covered", "float", "", "area of frames inside a radius, overlaps twice, in that of the circle", 0),
        Column("g_r", "float", "mag", "g - r of the red sequence at the redshift, by the other folds"),
        Column("r_i", "float", "mag", "r - i of the same"),
        Column("galaxies", "int", "", "galaxies looked at, overlaps of frames twice", 0),
        Column("count", "float", "", "richness measured on the frames; missing: not covered", 0, missing=True),
        Column("error", "float", "", "its 1 sigma error by chance of the number of members", 0, missing=True),
    ),
)
VERDICTS = Contract(
    "realism_verdicts",
    "simulated fields against real ones and targets",
    (
        Column("statistic", "text", "", "what is measured"),
        Column("bin", "text", "", "band, bin of r magnitude by its lower edge, or colour"),
        Column("unit", "text", "", "unit of all numbers", missing=True),
        *(
            Column(f"{kind}{part}", "float", "", f"{words} of {kind} fields", missing=True)
            for kind in ("real", "simulated")
            for part, words in (("", "median, or mean over objects,"), ("_low", "lowest"), ("_high", "highest"))
        ),
        Column("real_fields", "int", "", "real fields that were measured", 0),
        Column("simulated_fields", "int", "", "simulated fields that were measured", 0),
        Column("target", "float", "", "median of nine real SDSS fields", missing=True),
        Column("allowed_low", "float", "", "lower end of the tolerance", missing=True),
        Column("allowed_high", "float", "", "upper end of the tolerance", missing=True),
        *(
            Column(
                f"{kind}_verdict",
                "text",
                "",
                f"whether {kind} fields are inside the tolerance",
                choices=("inside", "outside", "not measured"),
            )
            for kind in ("real", "simulated")
        ),
    ),
)
