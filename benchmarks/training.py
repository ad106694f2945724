"""Training of CNN1D and CNN2D against Keras on TensorFlow: processor time of a step, on one core.

Usage: python benchmarks/training.py --peer KERAS_PYTHON [--steps 100] [--rounds 5]
       python benchmarks/training.py --folds 10 --samples 10000 [--epochs 20] [--workers 2]

KERAS_PYTHON is the Python of an environment with `pip install tensorflow`, which need not be that of this project. Both
train the same network on the same numbers of samples; they take turns, one process each, and the median of the rounds
is compared. The second form times whole cross-validations as the workflow runs them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

RADII = {"CNN1D": 1, "CNN2D": 48}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


def samples(number, radii):
    """Return inputs whose width in velocity follows the labels."""
    rng = np.random.default_rng(1)
    log10_mass = rng.uniform(13.5, 15.0, number)
    velocity, radius = np.linspace(-1, 1, 48), np.linspace(0, 1, radii)
    width = 0.2 * 10 ** ((log10_mass - 14) / 3)[:, None, None]
    density = np.exp(-0.5 * (velocity[:, None] / width) ** 2 - radius)
    density *= rng.lognormal(0, 0.3, density.shape)
    density /= density.sum((1, 2), keepdims=True)
    return (density if radii > 1 else density[:, :, 0]).astype(np.float32), log10_mass


def time_keras(radii, steps, rounds):
    """Yield milliseconds of processor time a step, round by round; runs in the peer's environment."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    layers, limit = keras.layers, {"kernel_constraint": keras.constraints.MaxNorm(3), "activation": "relu"}
    network = keras.Sequential(
        [
            keras.Input((48, radii)),
            layers.Conv1D(24, 5, padding="same", **limit),
            layers.Conv1D(10, 3, padding="same", **limit),
            layers.MaxPooling1D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, **limit),
            layers.Dense(64, **limit),
            layers.Dense(1),
        ]
    )
    rate = keras.optimizers.schedules.InverseTimeDecay(1e-3, 1, 1e-6)
    network.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
    inputs, log10_mass = samples(100 * steps, radii)
    inputs, labels = inputs.reshape(-1, 48, radii), ((log10_mass - 13.5) / 1.5).astype(np.float32)
    network.fit(inputs, labels, batch_size=100, epochs=1, verbose=0)
    for _ in range(rounds):
        start = time.process_time()
        network.fit(inputs, labels, batch_size=100, epochs=1, verbose=0)
        yield (time.process_time() - start) / steps * 1e3


def time_project(radii, steps, rounds, precision):
    """Yield milliseconds of processor time a step, round by round."""
    from clustermass.config.networks import PhaseSpaceNetwork
    from clustermass.config.training import Training
    from clustermass.training.trainer import Samples, train

    times = []
    settings = Training(epochs=rounds + 1, precision=precision)
    train(
        PhaseSpaceNetwork(radius_bins=radii),
        settings,
        Samples(*samples(100 * steps, radii)),
        None,
        1,
        after_epoch=lambda _: times.append(time.process_time()),
    )
    yield from np.diff(times) / steps * 1e3


def measured(python, who, radii, steps):
    """Return milliseconds a step, measured in a fresh process."""
    kept = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"} if who != "keras" else {}
    command = [python, __file__, "--run", who, str(radii), str(steps)]
    done = subprocess.run(
        command, env={**os.environ, **ONE_THREAD, **kept}, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def compare(peer, steps, rounds):
    """Print medians and ratios, the two tools taking turns."""
    for name, radii in RADII.items():
        times = {"keras": [], "float32": [], "bfloat16": []}
        for _ in range(rounds):
            for who, found in times.items():
                found.append(measured(peer if who == "keras" else sys.executable, who, radii, steps))
        for who, found in times.items():
            ratio = np.array(times["keras"]) / np.array(found)
            print(
                f"{name}, {who}: {np.median(found):.2f} ms a step of 100 samples (from {min(found):.2f} to "
                f"{max(found):.2f}); Keras' time over it: {np.median(ratio):.2f} "
                f"({ratio.min():.2f} to {ratio.max():.2f})",
                flush=True,
            )


def cross_validate(folds, number, epochs, workers):
    """Print seconds of a whole cross-validation of each network."""
    from clustermass.config.networks import PhaseSpaceNetwork
    from clustermass.config.training import Training
    from clustermass.training.folds import Fold, train_folds
    from clustermass.training.trainer import Samples

    rows = np.arange(number + number // 10)
    parts = [Fold(k, rows[:number], rows[number:]) for k in range(folds)]
    for name, radii in RADII.items():
        data, start, processors = Samples(*samples(len(rows), radii)), time.perf_counter(), os.times()
        models = train_folds(
            PhaseSpaceNetwork(radius_bins=radii),
            Training(epochs=epochs),
            data,
            parts,
            np.random.default_rng(1),
            workers,
            say=lambda _: None,
        )
        seconds, spent = time.perf_counter() - start, os.times()
        busy = spent.children_user + spent.children_system - processors.children_user - processors.children_system
        loss = np.median([model.curves["validation_loss"].iloc[-1] for model in models]) ** 0.5
        print(
            f"{name}: {folds} folds x {epochs} epochs x {number} samples by {workers} workers: {seconds:.0f} s "
            f"({busy:.0f} s of processors); error on the planted relation {loss:.3f} of the range of labels",
            flush=True,
        )


def main():
    """Print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="Python of an environment with tensorflow")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folds", type=int)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        who, radii, steps = options.run[0], int(options.run[1]), int(options.run[2])
        run = time_keras(radii, steps, 3) if who == "keras" else time_project(radii, steps, 3, who)
        print(json.dumps(float(np.median(list(run)))))
    if options.peer:
        compare(options.peer, options.steps, options.rounds)
    if options.folds:
        cross_validate(options.folds, options.samples, options.epochs, options.workers)


if __name__ == "__main__":
    main()
