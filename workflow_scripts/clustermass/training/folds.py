"""All folds of a cross-validation in one job, side by side."""

from __future__ import annotations

import hashlib
import mmap
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from clustermass.config.base import Section
from clustermass.config.training import Training
from clustermass.files import replacing
from clustermass.provenance import code_version
from clustermass.runtime import Stopped, at_end
from clustermass.training.batches import LARGE, Array, Renumbered, Stored
from clustermass.training.checkpoint import CheckpointError, Identity, load_checkpoint, save_checkpoint
from clustermass.training.device import keep_freed_memory
from clustermass.training.trainer import Samples, Start, State, Trained, TrainingError, bare, train, trained

Rows = npt.NDArray[np.int64]
_LARGE_STATE = 2**23  # bytes


@dataclass(frozen=True)
class Fold:
    """One training of a cross-validation.

    Attributes
    ----------
    number : int
        Names its checkpoint and stands in its learning curves.
    training, validation : (k,) array
        Rows of the samples; no row stands in both. An empty validation set is none.
    watched : (k,) array, optional
        Rows, of neither, on which the network is scored after every epoch, which decides nothing.
    """

    number: int
    training: Rows
    validation: Rows
    watched: Rows | None = None

    def __post_init__(self) -> None:
        parts = {"training": self.training, "validation": self.validation, "watched": self.watched}
        given = [(name, rows) for name, rows in parts.items() if rows is not None]
        for (name, rows), (other, others) in combinations(given, 2):
            if len(shared := np.intersect1d(rows, others)):
                raise ValueError(f"fold {self.number}: {name} and {other} share {len(shared)} rows, e.g. {shared[0]}")


@dataclass(frozen=True)
class _Mapped:
    """An array in a file."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def array(self) -> Array:
        """Return it; what is read of it comes from the file."""
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)


@dataclass(frozen=True)
class _Job:
    """What the workers share; arrays of inputs lie in files, which they map."""

    network: Section
    settings: Training
    samples: Samples | None
    inputs: tuple[_Mapped, ...]
    log10_mass: npt.NDArray[np.float64]
    folds: list[Fold]
    identities: list[Identity]
    starts: list[Start | None]
    workers: int
    unfinished: Path
    folder: Path | None

    def found(self, place: int) -> State | None:
        """Return how far the training of a fold came before; its unfinished checkpoint is the newer one."""
        for folder in (self.unfinished, self.folder):
            path = folder and checkpoint_path(folder, self.folds[place].number)
            if path and path.exists():
                return load_checkpoint(path, self.identities[place])
        return None


def unfinished_folder(folder: str | Path) -> Path:
    """Return where the checkpoints of trainings lie that are to stand in a folder once they are all finished."""
    return Path(folder).with_name(f"{Path(folder).name}.unfinished")


def checkpoint_path(folder: str | Path, fold: int) -> Path:
    """Return where the checkpoint of a fold lies."""
    return Path(folder) / f"fold_{fold:02d}.safetensors"


def train_folds(
    network: Section,
    settings: Training,
    samples: Samples,
    folds: Sequence[Fold],
    rng: np.random.Generator,
    workers: int,
    *,
    start: Start | Sequence[Start | None] | None = None,
    folder: str | Path | None = None,
    unfinished: str | Path | None = None,
    inputs: dict[str, Any] | None = None,
    say: Callable[[str], None] = print,
) -> list[Trained]:
    """Train a network on every fold; the results do not depend on the number of workers.

    Parameters
    ----------
    network : Section
        Architecture.
    settings : Training
        On a GPU folds are trained one after the other, in this process.
    samples : Samples
        Of all folds. A maker of batches must be picklable to be trained on CPUs.
    folds : sequence of Fold
    rng : numpy.random.Generator
        Gives each fold its seed.
    workers : int
        Processes on the CPU, each of `settings.threads` threads; 1: this process.
    start : Start or sequence of Start, optional
        Weights to begin with, for all folds or one for each; see `trainer.train`.
    folder : path, optional
        Where `fold_00.safetensors` and so on stand in the end; trainings that stand there already are resumed.
    unfinished : path, optional
        Where they are written after every epoch; by default a folder beside the other (see `unfinished_folder`). It
        must not lie in an output: a workflow removes the outputs of a job that was killed, but not this folder, so that
        the job resumes its trainings. It is removed when the job ends well (`runtime.at_end`). What lies there of
        another training, or of other code, is started anew. Without both folders nothing is left behind.
    inputs : dict, optional
        What made the inputs, written into the checkpoints; see `Identity`.
    say : callable
        Takes a line of progress after every epoch.

    Returns
    -------
    list of Trained
        In the order of the folds.

    Raises
    ------
    ValueError
        No folds, or two of the same number; starts of another number.
    CheckpointError
        The folder holds a finished checkpoint of another training.
    TrainingError
        A worker failed; the message ends with what it said.
    """
    numbers = [fold.number for fold in folds]
    if not folds or len(set(numbers)) < len(numbers):
        raise ValueError(f"folds: expected at least one, each with its own number, got the numbers {numbers}")
    starts = list(start) if isinstance(start, Sequence) else [start] * len(folds)
    if len(starts) != len(folds):
        raise ValueError(f"start: expected one, or one for each of {len(folds)} folds, got {len(starts)}")
    seeds = [int(seed) for seed in rng.integers(2**62, size=len(folds))]
    marks, code = fingerprints(samples, folds, starts), _code_of(samples)
    identities = [
        Identity(network, settings, seed, mark, inputs, code) for seed, mark in zip(seeds, marks, strict=True)
    ]
    with TemporaryDirectory(prefix="clustermass-") as aside:
        begun = Path(unfinished or (unfinished_folder(folder) if folder else aside))
        begun.mkdir(parents=True, exist_ok=True)
        job = _Job(
            network,
            settings,
            samples,
            (),
            samples.log10_mass,
            list(folds),
            identities,
            starts,
            min(workers, len(folds)),
            begun,
            Path(folder) if folder else None,
        )
        _forget_others(job, say)
        if settings.device == "cuda" or job.workers == 1:
            _train_share(replace(job, workers=1), 0, say)
        else:
            _run_workers(job, Path(aside), say)
        states = [job.found(place) for place in range(len(folds))]
        if folder:
            _finish(job, Path(folder))
        at_end(partial(shutil.rmtree, begun, ignore_errors=True))
    return [trained(network, state, number) for state, number in zip(states, numbers, strict=True) if state]


def _forget_others(job: _Job, say: Callable[[str], None]) -> None:
    """Remove unfinished checkpoints of other trainings; refuse finished ones."""
    for place, (fold, identity) in enumerate(zip(job.folds, job.identities, strict=True)):
        path = checkpoint_path(job.unfinished, fold.number)
        if path.exists():
            try:
                load_checkpoint(path, identity)
            except CheckpointError as error:
                say(f"fold {fold.number} starts anew: {error}")
                path.unlink()
        job.found(place)  # refused here rather than in a worker


def _finish(job: _Job, folder: Path) -> None:
    """Put finished trainings where they belong, too: the job may still be killed, and its outputs removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for fold in job.folds:
        path = checkpoint_path(job.unfinished, fold.number)
        if path.exists():
            with replacing(checkpoint_path(folder, fold.number)) as aside:
                aside.unlink()
                try:
                    os.link(path, aside)
                except OSError:  # a file system without links
                    shutil.copyfile(path, aside)


def _code_of(samples: Samples) -> str:
    """Return a hash of the code that trains, and of that which makes inputs."""
    maker = sys.modules.get(type(samples.inputs).__module__)
    files = [sys.modules[train.__module__].__file__, maker and callable(samples.inputs) and maker.__file__]
    return "-".join(code_version(file) for file in files if file)


def _run_workers(job: _Job, aside: Path, say: Callable[[str], None]) -> None:
    """Train in fresh processes, which import nothing of the calling script, and pass on what they say."""
    _write_job(job, aside)
    command = f"import sys; from {run_worker.__module__} import {run_worker.__name__} as run; run(*sys.argv[1:])"
    library = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([library, os.environ.get("PYTHONPATH", "")]).strip(os.pathsep),
        "OMP_NUM_THREADS": str(job.settings.threads),
    }
    receiver, sender = os.pipe()  # one for all: lines are shorter than what a pipe passes in one piece
    processes = []
    try:
        for number in range(job.workers):
            with open(aside / f"errors_{number}", "w") as errors:
                arguments = [sys.executable, "-c", command, str(aside), str(number)]
                processes.append(subprocess.Popen(arguments, stdout=sender, stderr=errors, env=environment))
        os.close(sender)
        with open(receiver) as lines:
            for line in lines:
                say(line.rstrip("\n"))
        failed = [number for number, process in enumerate(processes) if process.wait()]
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    if failed:
        said = (aside / f"errors_{failed[0]}").read_text().strip().splitlines()
        reason = said[-1] if said else f"exit status {processes[failed[0]].returncode}"
        raise TrainingError(f"a worker of {job.workers} failed: {reason}")


def _write_job(job: _Job, aside: Path) -> None:
    """Write what workers need into a folder; arrays to files of their own."""
    if job.samples and job.samples.arrays:
        mapped = [_put_aside(array, aside / f"inputs_{place}") for place, array in enumerate(job.samples.arrays)]
        job = replace(job, samples=None, inputs=tuple(mapped))
    (aside / "job").write_bytes(pickle.dumps(job))


def _put_aside(array: Array, path: Path) -> _Mapped:
    """Return where an array lies: in the file that it is mapped from, or else in a new one."""
    if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):  # not a part of what is mapped
        as_written = array.mode != "c" and array.flags.c_contiguous
        if array.filename and as_written:
            return _Mapped(Path(array.filename), array.offset, array.dtype, array.shape)
    array.tofile(path)
    return _Mapped(path, 0, array.dtype, array.shape)


def run_worker(aside: str, number: str) -> None:
    """Train one worker's share of the folds of a job; what a fresh process calls.

    Parameters
    ----------
    aside : str
        Folder of the job.
    number : str
        Of the worker, from 0.
    """
    job: _Job = pickle.loads((Path(aside) / "job").read_bytes())
    if job.samples is None:
        arrays = tuple(mapped.array() for mapped in job.inputs)
        job = replace(job, samples=Samples(arrays, job.log10_mass))
    _train_share(job, int(number), lambda line: print(f"{line}\n", end="", flush=True))


def _train_share(job: _Job, worker: int, say: Callable[[str], None]) -> None:
    """Train every fold whose turn it is for one of the workers, each to its checkpoint."""
    assert job.samples is not None
    keep_freed_memory()
    mine = range(worker, len(job.folds), job.workers)
    progress = Progress(len(mine) * job.settings.epochs, say)
    for place in mine:
        fold = job.folds[place]
        training = subset(job.samples, fold.training)
        validation = subset(job.samples, fold.validation) if len(fold.validation) else None
        watched = None if fold.watched is None else subset(job.samples, fold.watched)
        identity = job.identities[place]
        path = checkpoint_path(job.unfinished, fold.number)
        resume = job.found(place)
        progress.skip(len(resume.curves) if resume else 0)

        save = _Saver(path, identity)

        def keep(state: State, save: _Saver = save, number: int = fold.number) -> None:
            save(state)
            progress.tell(f"fold {number}", state)

        seed = identity.seed
        assert seed is not None
        try:
            last = train(
                job.network, job.settings, training, validation, seed,
                watched=watched, start=job.starts[place], resume=resume, after_epoch=keep,
            )  # fmt: skip
        except Stopped:
            save.rest()
            raise
        save_checkpoint(path, bare(last), identity)


class _Saver:
    """Writes checkpoints of a training: large ones only as often as this takes at most a tenth of the time."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self._path, self._identity, self._next = path, identity, 0.0
        self._waiting: State | None = None

    def rest(self) -> None:
        """Write the last epoch if it was not."""
        if self._waiting:
            save_checkpoint(self._path, self._waiting, self._identity)

    def __call__(self, state: State) -> None:
        begin, self._waiting = time.monotonic(), state
        if begin >= self._next:
            save_checkpoint(self._path, state, self._identity)
            self._waiting = None
            end = time.monotonic()
            large = sum(tensor.nbytes for tensor in state.tensors.values()) > _LARGE_STATE
            self._next = end + 10 * (end - begin) * large


def fingerprints(samples: Samples, folds: Sequence[Fold], starts: Sequence[Start | None] = ()) -> list[str]:
    """Return a checksum for each fold: of labels, inputs or what makes them, the fold's rows, and where it starts from.

    A training is resumed only where it finds these again. Without starts, all are random.
    """
    common = hashlib.sha256(np.ascontiguousarray(samples.log10_mass).data)
    if callable(samples.inputs):
        common.update(pickle.dumps(samples.inputs))
    for array in samples.arrays:
        common.update(str(array.shape).encode())
        common.update(np.ascontiguousarray(array).data)
    marks = []
    for fold, start in zip(folds, starts or [None] * len(folds), strict=True):
        mark = common.copy()
        for rows in (fold.training, fold.validation, *([] if fold.watched is None else [fold.watched])):
            mark.update(f"{len(rows)} ".encode())
            mark.update(np.ascontiguousarray(rows, np.int64).data)
        if start:
            mark.update(_fingerprint(start))
        marks.append(mark.hexdigest())
    return marks


def _fingerprint(start: Start) -> bytes:
    """Return a checksum of a start's weights and scale."""
    mark = hashlib.sha256(repr(start.scale).encode())
    for name, tensor in sorted(start.tensors.items()):
        values = tensor.detach().cpu().numpy()
        mark.update(f"{name} {values.dtype} {values.shape} ".encode())
        mark.update(np.ascontiguousarray(values).data)
    return mark.digest()


def subset(samples: Samples, rows: Rows) -> Samples:
    """Return some of the samples: a copy of inputs that are arrays; a new numbering of large ones or of a maker."""
    inputs, log10_mass = samples.inputs, samples.log10_mass[rows]
    if callable(inputs):
        return Samples(Renumbered(inputs, rows), log10_mass)
    if any(array.nbytes > LARGE for array in samples.arrays):
        return Samples(Renumbered(Stored(samples.arrays, torch.device("cpu")), rows), log10_mass)
    some = tuple(array[rows] for array in samples.arrays)
    return Samples(some if isinstance(inputs, tuple) else some[0], log10_mass)


class Progress:
    """Lines that say how far a training is and how long it will take.

    Parameters
    ----------
    epochs : int
        To do in all.
    say : callable
        Takes a line.
    """

    def __init__(self, epochs: int, say: Callable[[str], None]) -> None:
        self._epochs, self._say, self._done, self._start = epochs, say, 0, time.monotonic()

    def skip(self, epochs: int) -> None:
        """Leave out epochs that were made before."""
        self._epochs -= epochs

    def tell(self, what: str, state: State) -> None:
        """Say what the last epoch brought."""
        self._done += 1
        left = (time.monotonic() - self._start) / self._done * (self._epochs - self._done)
        last = state.curves[-1]
        losses = f"loss {last['train_loss']:.5f}, validation {last['validation_loss']:.5f}"
        self._say(f"{what}, epoch {last['epoch']}: {losses}; at most {left:.0f} s left")
