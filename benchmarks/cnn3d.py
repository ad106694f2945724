"""Training of CNN3D against Keras on TensorFlow: processor time of a step on one core, and what cubes cost.

Usage: python benchmarks/cnn3d.py --peer KERAS_PYTHON [--steps 4] [--rounds 3]
       python benchmarks/cnn3d.py --sizes 24 32 50 [--device cuda]

KERAS_PYTHON is the Python of an environment with `pip install tensorflow`, which need not be that of this project. Both
train the published network at 50 voxels on the same numbers of cubes; they take turns, one process each, and the
median of the rounds is compared. The second form trains on cubes made on the fly, as the workflow does.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

BATCH = 100
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


def cubes(number, voxels):
    """Return cubes whose width in velocity follows the labels."""
    rng = np.random.default_rng(1)
    log10_mass = rng.uniform(13.5, 15.0, number)
    at = np.linspace(-1, 1, voxels, dtype=np.float32)
    width = 0.2 * 10 ** ((log10_mass - 14) / 3)
    velocity = np.exp(-0.5 * (at / width[:, None]) ** 2)
    density = np.einsum("nv,x,y->nvxy", velocity, np.exp(-2 * at**2), np.exp(-2 * at**2)).astype(np.float32)
    density *= rng.random((voxels,) * 3, np.float32)
    return density / density.sum((1, 2, 3), keepdims=True), log10_mass


def time_keras(steps, rounds):
    """Yield milliseconds of processor time a sample, round by round; runs in the peer's environment."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    layers = keras.layers
    network = keras.Sequential([keras.Input((50, 50, 50, 1))])
    for filters, width in ((12, 5), (8, 3), (4, 1)):
        network.add(layers.Conv3D(filters, width, activation="relu"))
        network.add(layers.MaxPooling3D(2, padding="same"))
    network.add(layers.Flatten())
    for width in (128, 64, 1):
        network.add(layers.Dense(width))
    network.compile(optimizer=keras.optimizers.Adam(1e-4), loss="mse")
    inputs, log10_mass = cubes(BATCH * steps, 50)
    inputs, labels = 1000 * inputs[..., None], (log10_mass - 14.25).astype(np.float32)
    network.fit(inputs, labels, batch_size=BATCH, epochs=1, verbose=0)
    for _ in range(rounds):
        start = time.process_time()
        network.fit(inputs, labels, batch_size=BATCH, epochs=1, verbose=0)
        yield (time.process_time() - start) / len(labels) * 1e3


def time_project(steps, rounds, precision):
    """Yield milliseconds of processor time a sample, round by round, without augmentation, as the peer."""
    from clustermass.config.networks import CubeNetwork
    from clustermass.config.training import Training
    from clustermass.training.trainer import Samples, train

    times = []
    train(
        CubeNetwork(voxels=50),
        Training(epochs=rounds + 1, batch=BATCH, learning_rate=1e-4, max_norm=None, precision=precision),
        Samples(*cubes(BATCH * steps, 50)),
        None,
        1,
        after_epoch=lambda _: times.append(time.process_time()),
    )
    yield from np.diff(times) / (BATCH * steps) * 1e3


def measured(python, who, steps):
    """Return milliseconds a sample and the peak of memory [GB], measured in a fresh process."""
    kept = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"} if who != "keras" else {}
    done = subprocess.run(
        [python, __file__, "--run", who, str(steps)],
        env={**os.environ, **ONE_THREAD, **kept},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return json.loads(done.stdout.splitlines()[-1])


def compare(peer, steps, rounds):
    """Print medians and ratios, the two tools taking turns."""
    found = {"keras": [], "float32": [], "bfloat16": []}
    for _ in range(rounds):
        for who, times in found.items():
            times.append(measured(peer if who == "keras" else sys.executable, who, steps))
    keras = np.array(found["keras"])[:, 0]
    for who, times in found.items():
        spent, memory = np.array(times).T
        ratio = keras / spent
        print(
            f"50 voxels, {who}: {np.median(spent):.2f} ms a sample ({spent.min():.2f} to {spent.max():.2f}), peak of"
            f" memory {memory.max():.1f} GB; Keras' time over it: {np.median(ratio):.2f} ({ratio.min():.2f} to"
            f" {ratio.max():.2f})",
            flush=True,
        )


def time_on_the_fly(voxels, device, steps, galaxies=283):
    """Print milliseconds a sample of a training with cubes made on the fly, as in the workflow, and of these alone."""
    import torch

    from clustermass.config.dynamics import Kde3d
    from clustermass.config.networks import CubeNetwork
    from clustermass.config.training import CNN3D_TRAINING
    from clustermass.kde3d import Cubes
    from clustermass.training.trainer import Samples, train

    rng, number, times = np.random.default_rng(1), CNN3D_TRAINING.batch * steps, []
    start = np.arange(number + 1) * galaxies
    x, y = rng.normal(0, 1.5, (2, start[-1])).clip(-4, 4)
    make = Cubes(rng.normal(0, 700, start[-1]).clip(-2200, 2200), x, y, start, 4.0, 2200.0, voxels, Kde3d())
    clock = time.process_time if device == "cpu" else time.perf_counter
    rows = torch.randperm(number).to(device).split(CNN3D_TRAINING.batch)
    make(rows[0])  # compiled
    begin = clock()
    for some in rows:
        made = make(some)
    made.sum().item()  # a GPU is waited for
    density = (clock() - begin) / number * 1e3
    train(
        CubeNetwork(voxels=voxels),
        CNN3D_TRAINING.model_copy(update={"epochs": 4, "patience": None, "device": device}),
        Samples(make, rng.uniform(13.5, 15.0, number)),
        None,
        1,
        after_epoch=lambda _: times.append(clock()),
    )
    whole = np.median(np.diff(times)) / number * 1e3
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated() / 1e9
    print(
        f"{voxels} voxels, {galaxies} galaxies, {CNN3D_TRAINING.precision}, {device}: {whole:.2f} ms a sample, of which"
        f" {density:.2f} ms are its density ({density / whole:.0%}); peak of memory {memory:.1f} GB; 15,500 x 50:"
        f" {whole * 15.5 * 50:.0f} s",
        flush=True,
    )


def main():
    """Print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="Python of an environment with tensorflow")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="voxels of cubes made on the fly")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        who, steps = options.run[0], int(options.run[1])
        spent = np.median(list(time_keras(steps, 3) if who == "keras" else time_project(steps, 3, who)))
        print(json.dumps([float(spent), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))
    if options.peer:
        compare(options.peer, options.steps, options.rounds)
    for voxels in options.sizes:  # fresh processes: peaks of memory are theirs
        command = [sys.executable, __file__, "--device", options.device, "--size", str(voxels)]
        kept = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
        subprocess.run(command, env={**os.environ, **ONE_THREAD, **kept}, check=True)
    if options.size:
        time_on_the_fly(options.size, options.device, 2 * options.steps)


if __name__ == "__main__":
    main()
