"""Tables of mock clusters, of their galaxies, and of the truth about these."""

from __future__ import annotations

from clustermass.contracts import Column, Contract

_CLUSTER = Column("cluster", "int", "", "id of the mock cluster, one halo seen along one line; one in all tables", 0)

CLUSTERS_MOCK = Contract(
    "clusters_mock",
    "mock clusters: projections of halos; one may train in some folds and test in another",
    (
        Column("cluster", "int", "", _CLUSTER.meaning, 0, unique=True),
        Column("box", "text", "", "simulation box"),
        Column("halo", "int", "", "id of the halo in its box", 0),
        Column("group", "text", "", "object that splits keep together: box, and the halo's group in it"),
        *(Column(f"los_{axis}", "float", "", "direction away from the observer, unit vector", -1, 1) for axis in "xyz"),
        Column("log10_m200c", "float", "log10(Msun/h)", "log10 of M200c of the halo", 9, 17),
        Column("richness", "int", "", "galaxies of this catalogue", 2),
        Column("true_richness", "int", "", "true members of the halo, inside the cylinder or not", 0),
        Column("members_r200c", "int", "", "true members within R200c of the halo's centre, in three dimensions", 0),
        Column("sigma_v", "float", "km/s", "standard deviation (n - 1) of the line-of-sight velocities", 0, 1e5),
        Column("train", "bool", "", "whether it is in the training set, of folds other than its own"),
        Column("test", "bool", "", "whether it tests in its own fold"),
        Column("heldout", "bool", "", "whether it tests from a box that is held out of all folds"),
        Column("fold", "int", "", "fold in which it tests and does not train; -1: held out", -1),
    ),
)
MEMBERS_MOCK = Contract(
    "members_mock",
    "galaxies of mock clusters in projected phase space, in the order of the clusters",
    (
        _CLUSTER,
        Column("x", "float", "Mpc/h", "comoving distance from the centre on the sky", -100, 100),
        Column("y", "float", "Mpc/h", "comoving distance from the centre on the sky", -100, 100),
        Column("r_proj", "float", "Mpc/h", "projected comoving distance from the centre", 0, 150),
        Column("v_los", "float", "km/s", "line-of-sight velocity from that of the cluster, with the Hubble flow"),
    ),
)
TRUTH_MOCK = Contract(
    "truth_mock",
    "what the simulation knows about the galaxies of mock clusters, row by row as these",
    (
        _CLUSTER,
        Column("galaxy", "int", "", "id of the galaxy in its box", 0),
        Column("member", "bool", "", "whether it is a true member of the cluster"),
    ),
)
