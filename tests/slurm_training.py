"""A training that does not end by itself: python slurm_training.py LOG OUTPUT."""

import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from test_training import QUICK, SMALL, planted  # noqa: E402

from clustermass import runtime  # noqa: E402
from clustermass.training.folds import Fold, train_folds  # noqa: E402

log, output = sys.argv[1:]
with runtime.logged(SimpleNamespace(log=[log], rule="training_cnn3d")):
    fold, settings = Fold(0, np.arange(60), np.arange(60, 80)), QUICK.model_copy(update={"epochs": 1_000_000})
    train_folds(SMALL, settings, planted(80, 6), [fold], np.random.default_rng(7), 1, folder="models")
Path(output).touch()
