"""Tables that trainings on images leave."""

from __future__ import annotations

from clustermass.contracts import Column, Contract
from clustermass.frames.contracts import BANDS

_DEX = "log10(Msun)"
_TESTED = (
    Column("cluster", "text", "", "name of the cluster in the parent sample"),
    Column("group", "text", "", "object that splits keep together"),
    Column("role", "text", "", "validation: of the training; test: neither trained nor chosen on",
           choices=("validation", "test")),
    Column("fold", "int", "", "fold whose test set the training left out", 0),
    Column("trial", "int", "", "number of the training, which differs in its seed", 0),
    Column("training_clusters", "int", "", "labelled clusters that trained", 1),
)  # fmt: skip
BAND_PREDICTIONS = Contract(
    "band_predictions",
    "in which band networks take images to be that they were not trained on",
    (
        Column("image", "text", "", "cluster, or tile of a field"),
        Column("group", "text", "", "object that splits keep together: halo of the cluster, or field"),
        Column("role", "text", "", "validation: of the training; test: neither trained nor chosen on; empty: places"
               " without a cluster", choices=("validation", "test", "empty")),
        Column("band", "text", "", "band of the image", choices=tuple(BANDS)),
        *(Column(f"p_{band}", "float", "", f"probability of {band}", 0, 1) for band in BANDS),
    ),
)  # fmt: skip
MASS_PREDICTIONS = Contract(
    "image_mass_predictions",
    "masses from images of clusters with strong labels, by cross-validation",
    (
        *_TESTED,
        Column("catalogue", "text", "", "catalogue of the label"),
        Column("redshift", "float", "", "cluster redshift", 0, 20),
        Column("log10_m500c", "float", _DEX, "label: log10 of M500c from SZ or X-rays", 10, 17),
        Column("log10_m500c_err", "float", "dex", "its error, mean of both sides", 0, missing=True),
        Column("log10_m500c_richness", "float", _DEX, "the same from richness (Lin et al. 2022, Eq. 1)", 10, 17),
        Column("log10_predicted", "float", _DEX, "log10 of M500c from the images", 0, 30),
    ),
)
RICHNESS_PREDICTIONS = Contract(
    "image_richness_predictions",
    "richness from images of clusters, by cross-validation",
    (
        *_TESTED,
        Column("percent", "float", "%", "share of the training set that trained", 0, 100),
        Column("log10_richness", "float", "", "label: log10 of richness lambda", 0, 4),
        Column("log10_predicted", "float", "", "the same from the images", -10, 15),
    ),
)
SCORES = Contract(
    "image_scores",
    "how well models predict labels that they have not seen; intervals by a bootstrap of halos",
    (
        Column("model", "text", "", "model, or variant of the pre-training"),
        Column("target", "text", "", "what is predicted", choices=("mass", "richness")),
        Column("percent", "float", "%", "share of the training set that trained", 0, 100),
        Column("clusters", "int", "", "clusters that were tested", 1),
        Column("mae", "float", "dex", "mean absolute error, mean over trials", 0),
        Column("mae_low", "float", "dex", "16th percentile of it", 0),
        Column("mae_high", "float", "dex", "84th percentile of it", 0),
        Column("mae_std", "float", "dex", "standard deviation of it over folds; missing: one fold", 0, missing=True),
        Column("mae_best", "float", "dex", "of the best fold", 0),
        Column("trials_std", "float", "dex", "standard deviation of it over trials; missing: one trial", 0,
               missing=True),
        Column("sigma", "float", "dex", "standard deviation of the differences", 0),
        Column("sigma_low", "float", "dex", "16th percentile of it", 0),
        Column("sigma_high", "float", "dex", "84th percentile of it", 0),
        Column("bias", "float", "dex", "mean difference, predicted less label", -20, 20),
        Column("floor", "float", "dex", "least mean absolute error that the labels' own errors allow; missing: they"
               " have none", 0, missing=True),
    ),
)  # fmt: skip
