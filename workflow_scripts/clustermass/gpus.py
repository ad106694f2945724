"""GPUs of one machine, shared out among jobs so that no two have the same one."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
_LIST = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
_PAUSE = 1.0  # between two looks for a free GPU [s]


class GpuError(RuntimeError):
    """A job asks for more GPUs than there are."""


def visible_gpus() -> list[str]:
    """Return the GPUs that may be used: those that CUDA_VISIBLE_DEVICES names, else all of the machine by their UUIDs.

    Not by their numbers, which CUDA and the driver count in different orders.
    """
    if VARIABLE in os.environ:
        return [name.strip() for name in os.environ[VARIABLE].split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(_LIST, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.split()


@contextmanager
def taken_gpus(number: int, folder: Path | None = None) -> Iterator[list[str]]:
    """Take GPUs that no other job has, as soon as there are enough, for as long as the block lasts.

    CUDA is shown these and no others. A job that Slurm gave no more than it asks for is left with these, and where
    there is no GPU nothing is taken: whoever needs one says so.

    Parameters
    ----------
    number : int
        How many.
    folder : Path, optional
        Where jobs note what they have; by default one of this user, on this machine.

    Yields
    ------
    list of str
        As CUDA_VISIBLE_DEVICES names them.

    Raises
    ------
    GpuError
        There are some, but not so many.

    Notes
    -----
    A GPU is taken by a lock on a file, which the system gives back however a job ends.
    """
    gpus = visible_gpus() if number else []
    if not gpus or ("SLURM_JOB_ID" in os.environ and len(gpus) <= number):
        yield []
        return
    if number > len(gpus):
        raise GpuError(f"gpu: expected at most {len(gpus)}, as there are, got a job that asks for {number}")
    folder = folder or Path(tempfile.gettempdir()) / f"clustermass-gpus-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get(VARIABLE)
    with ExitStack() as locks:
        taken = _locked(gpus, number, folder, locks)
        if not taken:
            print(f"waiting for {number} of {len(gpus)} GPUs")
        while not taken:
            time.sleep(_PAUSE)
            taken = _locked(gpus, number, folder, locks)
        print(f"GPU: {', '.join(taken)}")
        os.environ[VARIABLE] = ",".join(taken)
        try:
            yield taken
        finally:
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before


def _locked(gpus: Sequence[str], number: int, folder: Path, locks: ExitStack) -> list[str]:
    """Lock that number of free GPUs and return them, or none: a job never waits while it holds some."""
    found: list[str] = []
    with ExitStack() as held:
        for gpu in gpus:
            file = held.enter_context(open(folder / gpu.replace("/", "_"), "w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            found.append(gpu)
            if len(found) == number:
                locks.push(held.pop_all())
                return found
    return []
