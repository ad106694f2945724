"""All folds of a cross-validation in one job, side by side."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from clustermass.config.base import Section
from clustermass.config.training import Training
from clustermass.training.checkpoint import CheckpointError, Identity, load_checkpoint, save_checkpoint
from clustermass.training.trainer import BatchMaker, Samples, State, Trained, TrainingError, train, trained

Rows = npt.NDArray[np.int64]
_KEPT_MEMORY = "4000000000"
"""Bytes that glibc keeps for the next step rather than handing back and faulting in again: 1.1 to 2 x in time."""


@dataclass(frozen=True)
class Fold:
    """One training of a cross-validation.

    Attributes
    ----------
    number : int
        Names its checkpoint and stands in its learning curves.
    training, validation : (k,) array
        Rows of the samples; no row stands in both. An empty validation set is none.
    """

    number: int
    training: Rows
    validation: Rows

    def __post_init__(self) -> None:
        shared = np.intersect1d(self.training, self.validation)
        if len(shared):
            raise ValueError(f"fold {self.number}: training and validation share {len(shared)} rows, e.g. {shared[0]}")


@dataclass(frozen=True)
class _Job:
    """What the workers share; arrays of inputs lie in a file of their own, which they map."""

    network: Section
    settings: Training
    samples: Samples | None
    log10_mass: npt.NDArray[np.float64]
    folds: list[Fold]
    identities: list[Identity]
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
    folder: str | Path | None = None,
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
        Processes on the CPU, each of `settings.threads` threads.
    folder : path, optional
        Where `fold_00.safetensors` and so on stand in the end; trainings that stand there already are resumed. After
        every epoch they are written to a folder beside it (see `unfinished_folder`), which is removed in the end: a
        workflow removes the outputs of a job that was killed, but not that folder, so that the job resumes its
        trainings. What lies there of another training is started anew. Without a folder nothing is left behind.
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
        No folds, or two of the same number.
    CheckpointError
        The folder holds a finished checkpoint of another training.
    TrainingError
        A worker failed; the message ends with what it said.
    """
    numbers = [fold.number for fold in folds]
    if not folds or len(set(numbers)) < len(numbers):
        raise ValueError(f"folds: expected at least one, each with its own number, got the numbers {numbers}")
    seeds = [int(seed) for seed in rng.integers(2**62, size=len(folds))]
    marks = fingerprints(samples, folds)
    identities = [Identity(network, settings, seed, mark, inputs) for seed, mark in zip(seeds, marks, strict=True)]
    with TemporaryDirectory(prefix="clustermass-") as aside:
        unfinished = unfinished_folder(folder) if folder else Path(aside)
        unfinished.mkdir(parents=True, exist_ok=True)
        job = _Job(
            network,
            settings,
            samples,
            samples.log10_mass,
            list(folds),
            identities,
            min(workers, len(folds)),
            unfinished,
            Path(folder) if folder else None,
        )
        _forget_others(job, say)
        if settings.device == "cuda":
            _train_share(replace(job, workers=1), 0, say)
        else:
            _run_workers(job, Path(aside), say)
        states = [job.found(place) for place in range(len(folds))]
        if folder:
            _finish(job, Path(folder))
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
    """Move finished trainings to where they belong, and remove what else lies aside."""
    folder.mkdir(parents=True, exist_ok=True)
    for fold in job.folds:
        path = checkpoint_path(job.unfinished, fold.number)
        if path.exists():
            path.replace(checkpoint_path(folder, fold.number))
    shutil.rmtree(job.unfinished)


def _run_workers(job: _Job, aside: Path, say: Callable[[str], None]) -> None:
    """Train in fresh processes, which import nothing of the calling script, and pass on what they say."""
    assert job.samples is not None
    if not callable(job.samples.inputs):
        np.save(aside / "inputs.npy", job.samples.inputs)
        job = replace(job, samples=None)
    (aside / "job").write_bytes(pickle.dumps(job))
    command = f"import sys; from {run_worker.__module__} import {run_worker.__name__} as run; run(*sys.argv[1:])"
    library = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([library, os.environ.get("PYTHONPATH", "")]).strip(os.pathsep),
        "OMP_NUM_THREADS": str(job.settings.threads),
        "MALLOC_TRIM_THRESHOLD_": _KEPT_MEMORY,
        "MALLOC_MMAP_THRESHOLD_": _KEPT_MEMORY,
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


def run_worker(aside: str, number: str) -> None:
    """Train one worker's share of the folds of a job; what a fresh process calls.

    Parameters
    ----------
    aside : str
        Folder of the job.
    number : str
        Of the worker, from 0.
    """
    job = pickle.loads((Path(aside) / "job").read_bytes())
    if job.samples is None:
        job = replace(job, samples=Samples(np.load(Path(aside) / "inputs.npy", mmap_mode="r"), job.log10_mass))
    _train_share(job, int(number), lambda line: print(f"{line}\n", end="", flush=True))


def _train_share(job: _Job, worker: int, say: Callable[[str], None]) -> None:
    """Train every fold whose turn it is for one of the workers, each to its checkpoint."""
    assert job.samples is not None
    mine = range(worker, len(job.folds), job.workers)
    progress = Progress(len(mine) * job.settings.epochs, say)
    for place in mine:
        fold = job.folds[place]
        training = subset(job.samples, fold.training)
        validation = subset(job.samples, fold.validation) if len(fold.validation) else None
        identity = job.identities[place]
        path = checkpoint_path(job.unfinished, fold.number)
        resume = job.found(place)
        progress.skip(len(resume.curves) if resume else 0)

        def keep(state: State, path: Path = path, identity: Identity = identity, number: int = fold.number) -> None:
            save_checkpoint(path, state, identity)
            progress.tell(f"fold {number}", state)

        seed = identity.seed
        assert seed is not None
        train(job.network, job.settings, training, validation, seed, resume=resume, after_epoch=keep)


def fingerprints(samples: Samples, folds: Sequence[Fold]) -> list[str]:
    """Return a checksum for each fold: of the labels, of the inputs or what makes them, and of the fold's rows.

    A training is resumed only where it finds these again.
    """
    common = hashlib.sha256(np.ascontiguousarray(samples.log10_mass).data)
    if callable(samples.inputs):
        common.update(pickle.dumps(samples.inputs))
    else:
        common.update(str(samples.inputs.shape).encode())
        common.update(np.ascontiguousarray(samples.inputs).data)
    marks = []
    for fold in folds:
        mark = common.copy()
        for rows in (fold.training, fold.validation):
            mark.update(f"{len(rows)} ".encode())
            mark.update(np.ascontiguousarray(rows, np.int64).data)
        marks.append(mark.hexdigest())
    return marks


def subset(samples: Samples, rows: Rows) -> Samples:
    """Return some of the samples: a copy of inputs that are an array, a new numbering for a maker of batches."""
    inputs = samples.inputs
    return Samples(_Renumbered(inputs, rows) if callable(inputs) else inputs[rows], samples.log10_mass[rows])


class _Renumbered:
    """Maker of batches for some of the samples."""

    def __init__(self, make: BatchMaker, rows: Rows) -> None:
        self._make, self._rows = make, torch.from_numpy(np.asarray(rows, np.int64))

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        self._rows = self._rows.to(rows.device)
        return self._make(self._rows[rows])


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
