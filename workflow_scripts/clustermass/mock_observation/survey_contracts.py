"""Tables of mock clusters of a survey, of their galaxies, the truth about these, and of heavier halos in the field."""

from __future__ import annotations

from clustermass.contracts import Column, Contract
from clustermass.mock_observation.survey_sets import SETS

_CLUSTER = Column("cluster", "int", "", "id of the mock cluster, one halo seen by one observer; one in all tables", 0)
_SKY = (
    Column("x", "float", "Mpc/h", "proper distance from the central galaxy on the sky", -100, 100),
    Column("y", "float", "Mpc/h", "proper distance from the central galaxy on the sky", -100, 100),
    Column("v_los", "float", "km/s", "line-of-sight velocity from that of the central galaxy, with the Hubble flow"),
)

SURVEY_CLUSTERS = Contract(
    "survey_clusters",
    "mock clusters of a flux-limited spectroscopic survey",
    (
        Column("cluster", "int", "", _CLUSTER.meaning, 0, unique=True),
        Column("box", "text", "", "simulation box"),
        Column("halo", "int", "", "id of the halo in its box", 0),
        Column("group", "text", "", "object that splits keep together: box, and the halo's group in it"),
        *(Column(f"los_{axis}", "float", "", "direction away from the observer, unit vector", -1, 1) for axis in "xyz"),
        Column("log10_m200c", "float", "log10(Msun/h)", "log10 of M200c of the halo", 9, 17),
        Column("set", "text", "", "set that it belongs to, with all others of its group", choices=SETS),
        Column("weight", "float", "", "1 over the number of views of its group; their sum counts groups", 0, 1),
        Column("distance", "float", "Mpc/h", "comoving distance of the observer", 0),
        Column("redshift", "float", "", "cosmological redshift at that distance", 0, 20),
        Column("completeness", "float", "", "share of the bright galaxies that have a redshift", 0, 1),
        Column("volume_limited", "bool", "", "whether the tables of galaxies end at brighter ones than the flux limit"),
        Column("galaxies", "int", "", "observed galaxies in the window that is stored", 1),
        Column("richness", "int", "", "observed galaxies in the window that richness is counted in", 1),
        Column("true_richness", "int", "", "true members among these", 0),
    ),
)
SURVEY_MEMBERS = Contract(
    "survey_members",
    "observed galaxies of mock clusters in projected phase space, in the order of the clusters; the central galaxy,"
    " where observed, is at the origin",
    (
        _CLUSTER,
        *_SKY,
        Column("core", "bool", "", "whether it is no farther from the centre than fibres must be from one another"),
        Column("collided", "bool", "", "whether it would lose its redshift to a neighbour, by collision of fibres"),
    ),
)
SURVEY_TRUTH = Contract(
    "survey_truth",
    "what the simulation knows about the galaxies of mock clusters, row by row as these",
    (
        _CLUSTER,
        Column("galaxy", "int", "", "id of the galaxy in its box", 0),
        Column("member", "bool", "", "whether it lives in the halo of the cluster"),
    ),
)
INTERLOPERS = Contract(
    "interlopers",
    "halos heavier than the cluster that are seen in its window: one row a halo and cluster",
    (
        _CLUSTER,
        Column("halo", "int", "", "id of the heavier halo in its box", 0),
        *_SKY,
        Column("log10_mass_ratio", "float", "", "log10 of its M200c over that of the cluster", 0),
        Column("distance", "float", "", "relative distance in phase space (Kodi Ramanah et al. 2021, Eq. 6)", 0),
    ),
)
