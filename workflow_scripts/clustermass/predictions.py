"""What every estimator of cluster masses leaves: predictions, predictions from fewer galaxies, and its time."""

from __future__ import annotations

import pandas as pd

from clustermass.contracts import Column, Contract

PREDICTIONS = Contract(
    "predictions",
    "masses that one estimator gives clusters which it was not trained on",
    (
        Column("cluster", "int", "", "cluster of the mock catalogue", 0),
        Column("role", "text", "", "test: of a fold that trained on the others; heldout: in the box held out",
               choices=("test", "heldout")),
        Column("fold", "int", "", "fold whose training left the cluster out; -1: none but the box held out", -1),
        Column("group", "text", "", "object that splits keep together"),
        Column("log10_m200c", "float", "log10(Msun/h)", "log10 of the true M200c", 10, 17),
        Column("log10_predicted", "float", "log10(Msun/h)", "log10 of the predicted M200c", 5, 25),
    ),
)  # fmt: skip
SUBSAMPLED = Contract(
    "subsampled",
    "masses that one estimator gives clusters of the held-out box of which a share of the galaxies was drawn",
    (
        Column("cluster", "int", "", "cluster of the mock catalogue", 0),
        Column("rate", "float", "", "share of the galaxies that was kept", 0, 1),
        Column("draw", "int", "", "number of the draw, from 0", 0),
        Column("galaxies", "int", "", "galaxies that were kept", 0),
        Column("log10_predicted", "float", "log10(Msun/h)", "log10 of the predicted M200c; missing: too few galaxies",
               5, 25, missing=True),
    ),
)  # fmt: skip
TIMING = Contract(
    "timing",
    "seconds that the steps of one estimator took, on the machine that ran it",
    (
        Column("step", "text", "", "what was done"),
        Column("seconds", "float", "s", "wall-clock time of all", 0),
        Column("number", "int", "", "inputs that it was done for", 1),
        Column("threads", "int", "", "threads or processes at work", 1),
    ),
)
ROLES = {"heldout": "held-out box", "test": "cross-validation"}
"""What predictions are of, by role; the first that there is makes the headline."""


def headline_role(predictions: pd.DataFrame) -> str:
    """Return the role that headlines come from: the held-out box, or cross-validation where no box is held out.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Contract `PREDICTIONS`.
    """
    return next((role for role in ROLES if (predictions["role"] == role).any()), "test")
