"""Tables of observed clusters on disk. Lengths are proper Mpc/h, masses M200c [Msun/h] unless a name says otherwise."""

from __future__ import annotations

from clustermass.contracts import Column, Contract

_RA = Column("ra", "float", "deg", "right ascension, ICRS", 0, 360)
_DEC = Column("dec", "float", "deg", "declination, ICRS", -90, 90)
_NAME = Column("name", "text", "", "name of the cluster", unique=True)

REDSHIFTS = Contract(
    "redshifts",
    "galaxies with a usable redshift",
    (
        Column("id", "text", "", "name of the galaxy in its survey", unique=True),
        _RA,
        _DEC,
        Column("redshift", "float", "", "heliocentric redshift", -0.1, 20),
        Column("redshift_err", "float", "", "1 sigma error of the redshift", 0, missing=True),
        Column("r", "float", "mag", "apparent magnitude in r", missing=True),
    ),
)
CENTRES = Contract(
    "centres",
    "centres of clusters, each once, whatever the number of catalogues that have it",
    (
        _NAME,
        _RA,
        _DEC,
        Column("redshift", "float", "", "redshift of the catalogue", 0, 20),
        Column(
            "catalogue", "text", "", "catalogue that the centre is from: finder, names, or one of the configuration"
        ),
        Column("id", "text", "", "name in that catalogue"),
    ),
)
REFERENCES = Contract(
    "references",
    "what catalogues say about the masses of the clusters, in one definition",
    (
        Column("name", "text", "", "cluster"),
        Column("catalogue", "text", "", "catalogue of the configuration"),
        Column("id", "text", "", "name in the catalogue"),
        Column("arcmin", "float", "arcmin", "separation from the centre", 0),
        Column("dz", "float", "", "redshift less that of the centre"),
        Column("reference", "text", "", "paper to cite", missing=True),
        Column("kind", "text", "", "measured: mass of the catalogue; richness: power law of its richness",
               choices=("measured", "richness")),
        Column("definition", "text", "", "of log10_mass"),
        Column("log10_mass", "float", "log10(Msun)", "log10 of the mass, in its definition, without h", 10, 17),
        Column("log10_m200c", "float", "log10(Msun/h)", "log10 of M200c", 10, 17),
        Column("err_low", "float", "dex", "lower 1 sigma error of either mass, with the scatter of its proxy if it is"
               " from one; the configured one if not stated, missing if zero mass is within the error", 0,
               missing=True),
        Column("err_high", "float", "dex", "upper 1 sigma error, of either mass; the same", 0, missing=True),
    ),
)  # fmt: skip
CLUSTERS_OBSERVED = Contract(
    "clusters_observed",
    "observed clusters with their windows in phase space; their galaxies stand in the order of the clusters",
    (
        _NAME,
        _RA,
        _DEC,
        Column("redshift", "float", "", "redshift that velocities refer to", 0, 20),
        Column("redshift_catalogue", "float", "", "redshift of the catalogue", 0, 20),
        Column("catalogue", "text", "", "catalogue that the centre is from"),
        Column("galaxies", "int", "", "galaxies in the window", 0),
        Column("scale", "float", "", "factor that networks see sizes multiplied by, E(z) / E(z0); 1: none",
               0.1, 10),
        Column("covered", "float", "", "share of the window that is inside the survey, on the sky and in redshift",
               0, 1),
        Column("inside", "bool", "", "whether the centre is inside the footprint"),
    ),
)  # fmt: skip
MEMBERS_OBSERVED = Contract(
    "members_observed",
    "galaxies in the windows of observed clusters: whoever is there, members or not",
    (
        Column("name", "text", "", "cluster"),
        Column("galaxy", "text", "", "id of the galaxy in its survey"),
        Column("x", "float", "Mpc/h", "eastwards from the centre, proper, not scaled"),
        Column("y", "float", "Mpc/h", "northwards from the centre, proper, not scaled"),
        Column("v_los", "float", "km/s", "velocity along the line of sight, c (z - z_c) / (1 + z_c)"),
    ),
)
MASSES_OBSERVED = Contract(
    "masses_observed",
    "masses of observed clusters: network with posterior, virial theorem, catalogue; what speaks against a row",
    (
        _NAME,
        _RA,
        _DEC,
        Column("redshift", "float", "", "redshift that velocities refer to", 0, 20),
        Column("galaxies", "int", "", "galaxies in the window", 0),
        *(Column(name, "float", "log10(Msun/h)", f"{meaning} of the network's posterior of log10 M200c", 5, 25,
                 missing=True)
          for name, meaning in (("log10_m200c", "median"), ("log10_map", "maximum"),
                                ("low68", "lower limit of 68 %"), ("high68", "upper limit of 68 %"),
                                ("low95", "lower limit of 95 %"), ("high95", "upper limit of 95 %"))),
        Column("members", "int", "", "members of the virial mass", 0),
        Column("sigma_v", "float", "km/s", "velocity dispersion of these members", 0, missing=True),
        Column("log10_virial", "float", "log10(Msun/h)", "log10 of M200c, virial theorem with surface term", 5, 25,
               missing=True),
        Column("virial_low", "float", "log10(Msun/h)", "its 16th percentile over bootstraps", 5, 25, missing=True),
        Column("virial_high", "float", "log10(Msun/h)", "its 84th percentile over bootstraps", 5, 25, missing=True),
        Column("catalogue", "text", "", "catalogue of the mass to compare with; virial: the virial mass", missing=True),
        Column("log10_reference", "float", "log10(Msun/h)", "log10 of M200c of that catalogue", 5, 25, missing=True),
        Column("reference_low", "float", "dex", "its lower 1 sigma error", 0, missing=True),
        Column("reference_high", "float", "dex", "its upper 1 sigma error", 0, missing=True),
        Column("domain", "float", "percent", "share of the mock's own clusters that lie nearer to the mock", 0, 100,
               missing=True),
        Column("few", "bool", "", "too few galaxies for a mass"),
        Column("uncovered", "bool", "", "the survey does not cover the window, on the sky or in redshift"),
        Column("extrapolated", "bool", "", "the mass is, or may be, outside the masses that calibrate the posterior"),
        Column("out_of_domain", "bool", "", "phase space is farther from the mock than nearly all of the mock's own"),
    ),
)  # fmt: skip
DOMAIN = Contract(
    "domain",
    "summaries of phase space of observed clusters, in the order of the clusters, and how far from the mock",
    (
        _NAME,
        Column("distance", "float", "", "distance to the mock, in its own standard deviations", 0, missing=True),
        Column("percentile", "float", "percent", "share of the mock's own clusters nearer to it", 0, 100, missing=True),
        Column("farthest", "text", "", "summary that differs most from the mock's", missing=True),
    ),
)
