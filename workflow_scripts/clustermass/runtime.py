"""What every script of a rule needs while it runs: its log and its random numbers."""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from clustermass.gpus import taken_gpus


def announce(text: str) -> None:
    """Print to the log of a rule, and on the terminal too: what a user should see before a long run goes on."""
    print(text, flush=True)
    if sys.stdout is not sys.__stdout__:
        print(text, file=sys.__stderr__, flush=True)


_AT_END: list[list[Callable[[], object]]] = []  # of the rule that runs, if one does


class Progress:
    """Prints how far a long piece of work is and how long it will take still; called with the parts done and all."""

    def __init__(self, what: str) -> None:
        self.what, self.start = what, time.monotonic()

    def __call__(self, done: int, all_parts: int) -> None:
        """Say that so many of all parts are done."""
        spent = time.monotonic() - self.start
        left = f", about {spent / done * (all_parts - done):.0f} s left" if done else ""
        print(f"{self.what}: {done} of {all_parts} after {spent:.0f} s{left}")


class Stopped(BaseException):
    """SIGTERM came: a batch system's warning before a time limit, or a cancellation."""


def _stop(*_signal: object) -> None:
    """Stop what runs."""
    raise Stopped("stopped by SIGTERM, as comes before a time limit or with a cancellation")


@contextmanager
def _handling(handler: Callable[..., None]) -> Iterator[None]:
    """Handle SIGTERM within the block; in threads, to which signals do not come, as before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Hold SIGTERM back until work is in a state to be taken up again.

    Yields
    ------
    callable
        To be called in such states: raises `Stopped` if SIGTERM has come. The end of the block is such a state too.
    """
    came: list[object] = []

    def check() -> None:
        if came:
            came.clear()
            _stop()

    with _handling(lambda *_signal: came.append(None)):
        yield check
    check()


@contextmanager
def logged(snakemake: Any) -> Iterator[None]:
    """Send what a rule's script prints, and the traceback if it fails or is stopped, to the rule's log.

    A failure is said on the terminal too, without the traceback: what was wrong and where the whole story stands. A job
    that asks for GPUs (its resource `gpu`) gets some that no other job on this machine has.
    """
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stdout, sys.stderr
    with open(log, "w", buffering=1) as stream, _actions_at_end() as actions:
        sys.stdout = sys.stderr = stream
        try:
            with _handling(_stop), taken_gpus(_gpus_of(snakemake)):
                yield
            for action in actions:
                action()
        except (Exception, Stopped) as error:
            traceback.print_exc()
            print(f"\n{snakemake.rule}: {error}\nThe log tells more: {log}\n", file=terminal[1], flush=True)
            sys.stdout, sys.stderr = terminal
            raise SystemExit(1) from None
        finally:
            sys.stdout, sys.stderr = terminal


def at_end(action: Callable[[], object]) -> None:
    """Do something when the rule's script has ended well, and not if it fails; at once where no rule runs."""
    if _AT_END:
        _AT_END[-1].append(action)
    else:
        action()


@contextmanager
def _actions_at_end() -> Iterator[list[Callable[[], object]]]:
    """Collect what `at_end` is told within the block."""
    _AT_END.append([])
    try:
        yield _AT_END[-1]
    finally:
        _AT_END.pop()


def _gpus_of(snakemake: Any) -> int:
    """Return how many GPUs a job asks for."""
    return int(getattr(snakemake, "resources", {}).get("gpu", 0))


def generator(seed: int, rule: str, wildcards: Mapping[str, Any]) -> np.random.Generator:
    """Return a random generator that belongs to one job: to the seed, the rule and its wildcards."""
    words = "|".join([str(seed), rule, *(f"{key}={wildcards[key]}" for key in sorted(wildcards))])
    digest = hashlib.sha256(words.encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def rule_name(snakemake: Any) -> str:
    """Return the name of a job's rule, without what a workflow that imports this one puts before it.

    Rules of a stage begin with the stage's name, which is that of the script's folder.
    """
    name = str(snakemake.rule)
    return name[name.rindex(f"{Path(snakemake.scriptdir).name}_") :]


def job_generator(snakemake: Any) -> np.random.Generator:
    """Return the random generator of a rule's job; its seed is the rule's parameter `seed`."""
    return generator(snakemake.params.seed, rule_name(snakemake), dict(snakemake.wildcards.items()))
