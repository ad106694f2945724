"""Tables of posteriors and of their calibration."""

from __future__ import annotations

from clustermass.contracts import Column, Contract

_DEX = "log10(Msun/h)"
POSTERIOR_SUMMARIES = Contract(
    "posterior_summaries",
    "what posteriors of log10 M200c say of clusters that neither trained nor calibrated; missing: no posterior",
    (
        Column("cluster", "int", "", "cluster of the mock catalogue", 0, unique=True),
        Column("group", "text", "", "object that splits keep together"),
        Column("log10_m200c", "float", _DEX, "log10 of the true M200c", 10, 17),
        Column("log10_predicted", "float", _DEX, "what the estimator says, which the posterior is given", 5, 25),
        Column("map", "float", _DEX, "mass of greatest density (maximum a posteriori)", 5, 25, missing=True),
        Column("mean", "float", _DEX, "mean", 5, 25, missing=True),
        Column("median", "float", _DEX, "median", 5, 25, missing=True),
        Column("low68", "float", _DEX, "lower limit of 68.3 %", 5, 25, missing=True),
        Column("high68", "float", _DEX, "upper limit of 68.3 %", 5, 25, missing=True),
        Column("low95", "float", _DEX, "lower limit of 95.4 %", 5, 25, missing=True),
        Column("high95", "float", _DEX, "upper limit of 95.4 %", 5, 25, missing=True),
        Column("pit", "float", "", "volume of the posterior below the true mass", 0, 1, missing=True),
        Column("hpd_level", "float", "", "volume that is denser than at the true mass", 0, 1, missing=True),
        Column("pairs_effective", "float", "", "independent pairs that it rests on, in effect; missing: not by pairs",
               0, missing=True),
        Column("distance", "float", "", "of the nearest pair [kernel widths]; missing: not by pairs", 0, missing=True),
        Column("extrapolated", "bool", "", "whether it rests on too few pairs, or none, or leaves the grid"),
    ),
)  # fmt: skip
STATISTICS = ("pit", "highest_density", "tarp", "rank")
CALIBRATION = Contract(
    "calibration",
    "how often the truth is where posteriors say it is: curves, with what sums each up in all of its rows",
    (
        Column("statistic", "text", "", "pit: below the truth; highest_density: denser than at the truth; tarp: nearer"
               " to a random mass than the truth (Lemos et al. 2023); rank: of the truth among draws (Talts et al."
               " 2018)", choices=STATISTICS),
        Column("bins", "text", "", "what clusters are selected by: all, their mean posterior mass, their true mass",
               choices=("all", "predicted", "truth")),
        Column("bin", "int", "", "bin of equal count, from 0", 0),
        Column("low", "float", _DEX, "lowest mass in the bin", 5, 25),
        Column("high", "float", _DEX, "highest mass in the bin", 5, 25),
        Column("level", "float", "", "volume of posteriors; of ranks: centre of the bin of ranks", 0, 1),
        Column("observed", "float", "", "share of clusters whose truth is within; of ranks: in the bin", 0, 1),
        Column("expected", "float", "", "the same if posteriors are right: level, or one over the number of bins of"
               " ranks; follows from the posteriors where clusters are selected by true mass", 0, 1),
        Column("band_low", "float", "", "lower end of what is within the noise, 95 %, about the expected", -1, 1),
        Column("band_high", "float", "", "upper end of it", 0, 2),
        Column("deviation", "float", "", "largest difference of observed and expected on the curve", 0, 1),
        Column("from_diagonal", "float", "", "largest difference of observed and level on the curve", 0, 1),
        Column("band", "float", "", "largest difference that noise brings in 95 %, by a bootstrap of halos", 0),
        Column("band_ks", "float", "", "the same by Kolmogorov and Smirnov of as many independent clusters", 0),
        Column("clusters", "int", "", "clusters", 1),
        Column("halos", "int", "", "halos that they are of", 1),
        Column("independent", "float", "", "independent clusters if lines of sight to one halo say the same", 0),
    ),
)  # fmt: skip
