"""Tables of clusters that have images, of fields, and of frames."""

from __future__ import annotations

from clustermass.contracts import Column, Contract

BANDS = "ugriz"

_FIELD = (
    Column("run", "int", "", "imaging run", 0),
    Column("rerun", "text", "", "rerun of the photometric pipeline"),
    Column("camcol", "int", "", "column of the camera", 1, 6),
    Column("field", "int", "", "field of the run", 0),
)
FIELD_KEY = [column.name for column in _FIELD]
IMAGE_CLUSTERS = Contract(
    "image_clusters",
    "clusters that have images, in the order of jobs",
    (
        Column("id", "text", "", "name in the parent sample", unique=True),
        Column("group", "text", "", "object that splits keep together"),
        Column("ra", "float", "deg", "right ascension of the centre, ICRS", 0, 360),
        Column("dec", "float", "deg", "declination of the centre, ICRS", -90, 90),
        Column("redshift", "float", "", "cluster redshift", 0, 20),
        Column("richness", "float", "", "richness lambda", 0),
        Column("kind", "text", "", "strong: ICM mass; weak: richness mass", choices=("strong", "weak")),
        Column("arcsec_per_mpc", "float", "arcsec/Mpc", "angle of a proper Mpc at the redshift", 0),
        Column("job", "int", "", "job that makes its mosaics", 0),
        Column("picture", "bool", "", "whether its mosaics are kept in full resolution"),
    ),
)
FIELDS = Contract(
    "fields",
    "fields of the survey, by their four corners in the r band, in order around",
    (
        *_FIELD,
        *(Column(f"ra_{k}", "float", "deg", f"right ascension of corner {k}, ICRS", 0, 360) for k in range(4)),
        *(Column(f"dec_{k}", "float", "deg", f"declination of corner {k}, ICRS", -90, 90) for k in range(4)),
    ),
)
NEEDED = Contract(
    "needed_fields",
    "fields that touch the square around a cluster",
    (
        Column("cluster", "text", "", "name of the cluster"),
        *_FIELD,
        Column("job", "int", "", "job that makes the mosaics of the cluster", 0),
        Column("in_image", "bool", "", "whether the field touches the largest image, not only the square searched"),
    ),
)
FRAMES = Contract(
    "frames",
    "frames that clusters need: one field in one band each, and whether they can be read",
    (
        *_FIELD,
        Column("band", "text", "", "photometric band", choices=tuple(BANDS)),
        Column("path", "text", "", "file; empty: none", missing=True),
        Column("bytes", "int", "byte", "size of the file", 0),
        Column("sha256", "text", "", "checksum of the file; empty: none, or made here", missing=True),
        Column(
            "status",
            "text",
            "",
            "ready; absent: the archive has none; unreachable: nobody answered; damaged: what came is not the frame",
            choices=("ready", "absent", "unreachable", "damaged"),
        ),
        Column("reason", "text", "", "why it is not ready", missing=True),
    ),
)
_PLACE = (
    Column("ra", "float", "deg", "right ascension, ICRS", 0, 360),
    Column("dec", "float", "deg", "declination, ICRS", -90, 90),
)
_MAGNITUDES = tuple(Column(band, "float", "mag", f"{band}, AB, as seen without dust and noise") for band in BANDS)
STARS = Contract(
    "stars",
    "stars as a survey lists them, for masks and pictures",
    (*_PLACE, Column("r", "float", "mag", "r, AB")),
)
SKY_STARS = Contract("sky_stars", "stars of the simulated sky: the truth", (*_PLACE, *_MAGNITUDES))
SKY_GALAXIES = Contract(
    "sky_galaxies",
    "galaxies of the simulated sky as they are drawn: the truth. Each is an exponential disc and a de Vaucouleurs bulge"
    " with one centre, position angle and colour",
    (
        Column(
            "galaxy", "int", "", "number of the galaxy, as in the table of members; -1: too faint for the light cone"
        ),
        Column("halo", "text", "", "halo of the light cone; empty: none in its table", missing=True),
        *_PLACE,
        Column("redshift", "float", "", "observed redshift", -0.1, 20),
        *_MAGNITUDES,
        Column("bulge_fraction", "float", "", "share of the bulge in the light, in all bands", 0, 1),
        Column("disc_radius", "float", "arcsec", "half-light radius of the disc, along the major axis", 0),
        Column("disc_axis_ratio", "float", "", "minor over major axis of the disc", 0.05, 1),
        Column("bulge_radius", "float", "arcsec", "half-light radius of the bulge, along the major axis", 0),
        Column("bulge_axis_ratio", "float", "", "minor over major axis of the bulge", 0.05, 1),
        Column("position_angle", "float", "deg", "of the major axis, from north to east", 0, 180),
    ),
)
MOSAICS = Contract(
    "mosaics",
    "mosaics of clusters, one of every band, on the square of the largest cutout",
    (
        Column("cluster", "text", "", "name of the cluster"),
        Column("band", "text", "", "photometric band", choices=tuple(BANDS)),
        Column("frames", "int", "", "frames that it was made of", 0),
        Column("coverage", "float", "", "share of its pixels that a frame covers", 0, 1),
        Column("depth", "float", "", "mean number of frames on covered pixels", 0, missing=True),
        Column(
            "noise", "float", "nanomaggy/arcsec2", "pixel noise: 1.4826 times the median deviation", 0, missing=True
        ),
        Column("reason", "text", "", "why the cluster is set aside; empty: it is used", missing=True),
    ),
)
