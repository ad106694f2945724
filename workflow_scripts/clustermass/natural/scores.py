"""Scores of networks on natural images, and what channel ordering gains: Liang et al. (2020, section S1)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clustermass.contracts import Column, Contract

MODELS = ("base", "ours")
_OF_FIT = (
    Column("percent", "float", "%", "share of the training images whose classes are used", 0, 100),
    Column("trial", "int", "", "number of the training, which differs in seed and subset", 0),
)
DECISIVE = 1.96  # errors: 95 %
NATURAL_SCORES = Contract(
    "natural_scores",
    "how often classes of natural images are told that networks have not seen",
    (
        Column("dataset", "text", "", "name of the dataset"),
        Column("title", "text", "", "what the images are"),
        Column("substitute", "bool", "", "whether rendered galaxies stand in for the dataset: not comparable"),
        Column("classes", "int", "", "classes that are told apart", 2),
        Column("model", "text", "", "base: from random weights; ours: pre-trained on channel ordering", choices=MODELS),
        *_OF_FIT,
        Column("training_images", "int", "", "images that trained", 1),
        Column("test_images", "int", "", "images that were tested, none of which trained", 1),
        Column("accuracy", "float", "", "share of them whose class is told", 0, 1),
        Column("order_accuracy", "float", "", "share of them, in all six orders, whose order is told by the pre-trained"
               " network; missing: base", 0, 1, missing=True),
    ),
)  # fmt: skip
NATURAL_CURVES = Contract(
    "natural_curves",
    "losses of networks on natural images while they were trained: cross-entropies",
    (
        Column("model", "text", "", "ordering: the pre-training of ours", choices=("ordering", *MODELS)),
        *_OF_FIT,
        Column("epoch", "int", "", "passes over the training set", 1),
        Column("learning_rate", "float", "", "at the end of the epoch", 0),
        Column("train_loss", "float", "", "mean over the epoch's steps"),
        Column("validation_loss", "float", "", "at the end of the epoch", missing=True),
        Column("validation_score", "float", "", "share of right classes at the end of the epoch", 0, 1, missing=True),
        Column("kept", "bool", "", "whether the network is that of this epoch"),
    ),
)


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies over trials, and what pre-training gains.

    Parameters
    ----------
    scores : pandas.DataFrame
        Contract `NATURAL_SCORES`, of any number of datasets.

    Returns
    -------
    pandas.DataFrame
        A row for each dataset, model and percent, with columns trials, training_images, test_images, `accuracy` (mean),
        `accuracy_std` (standard deviation over trials; NaN: one trial), order_accuracy, `gain_points` and
        `gain_percent` (of the accuracy over Base's at the same percent, in points and relative), `gain_error` (of the
        points: trials and number of test images, as if these were others for Base and Ours), `verdict` (better, worse,
        or undecided where the gain is inside its error) and `matches_base` (whether the accuracy is that of Base at its
        highest percent at least). What compares with Base is missing for Base.
    """
    keys = ["dataset", "title", "substitute", "classes", "model", "percent"]
    table = scores.groupby(keys, sort=False, as_index=False).agg(
        trials=("trial", "size"),
        training_images=("training_images", "first"),
        test_images=("test_images", "first"),
        accuracy=("accuracy", "mean"),
        accuracy_std=("accuracy", "std"),
        order_accuracy=("order_accuracy", "mean"),
    )
    share = table["accuracy"]
    table["variance"] = (
        table["accuracy_std"].fillna(0) ** 2 / table["trials"] + share * (1 - share) / table["test_images"]
    )
    base = table[table["model"] == "base"]
    place = ["dataset", "percent"]
    beside = table[place].merge(base[[*place, "accuracy", "variance"]], on=place, how="left")
    ours = (table["model"] == "ours").to_numpy()
    points = 100 * (share - beside["accuracy"])
    table["gain_points"] = points.where(ours)
    table["gain_percent"] = (100 * (share / beside["accuracy"] - 1)).where(ours)
    table["gain_error"] = (100 * (table.pop("variance") + beside["variance"]) ** 0.5).where(ours)
    decided = points.abs() > DECISIVE * table["gain_error"]
    table["verdict"] = np.select([~ours, decided & (points > 0), decided], ["", "better", "worse"], "undecided")
    highest = base.sort_values("percent").groupby("dataset")["accuracy"].last()
    table["matches_base"] = share.ge(table["dataset"].map(highest).astype(float)).where(ours)
    return table
