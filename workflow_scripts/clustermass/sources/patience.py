"""Patience with archives: what can go wrong with an answer, and when to ask again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

import requests

from clustermass.config.catalogues import Archive

Sleep = Callable[[float], None]
Answer = TypeVar("Answer")

_LATER = {408, 429}  # time-out and too many requests: like 5xx, a server that may answer later
_LONGEST_WAIT_S = 600.0  # whatever the server asks for


class ArchiveUnavailable(RuntimeError):
    """Nobody answered usefully, after all attempts: no network, no server, time-out, or the server's own trouble."""

    wait_s = 0.0
    """How long the server asks us to wait [s]."""


class ArchiveAnswerError(ValueError):
    """An answer came, and it is not the one that was asked for, whole."""


def check_status(response: requests.Response, expected: str) -> None:
    """Raise unless the status of an answer is good (200, or 206 for a part).

    Raises
    ------
    ArchiveUnavailable
        Asking later may help.
    ArchiveAnswerError
        It will not.
    """
    status = response.status_code
    if status in (200, 206):
        return
    message = f"expected {expected}, got HTTP {status} {response.reason}"
    if status < 500 and status not in _LATER:
        raise ArchiveAnswerError(message)
    error = ArchiveUnavailable(message)
    wait = response.headers.get("Retry-After", "")
    error.wait_s = min(float(wait), _LONGEST_WAIT_S) if wait.isdecimal() else 0.0
    raise error


def brief(error: Exception) -> str:
    """Return kind and message of an error of requests, without the address, which may hold a whole query."""
    return f"{type(error).__name__}: {re.sub(r' with url: [^ ]*', '', str(error))}"


def insist(
    ask: Callable[[], Answer],
    archive: Archive,
    name: str,
    *,
    again: tuple[type[Exception], ...] = (ArchiveUnavailable,),
    sleep: Sleep = time.sleep,
) -> Answer:
    """Return a good answer, asking again with growing pauses while the server may be able to give one later.

    Parameters
    ----------
    ask : callable
        Asks once; returns the answer or raises.
    archive : Archive
        Attempts and first pause.
    name : str
        Who is asked, for the log.
    again : tuple of exceptions
        After which it is worth asking again; all others are raised at once.

    Raises
    ------
    Exception
        The last of `again`, with the number of attempts.
    """
    for attempt in range(1, archive.attempts + 1):
        try:
            return ask()
        except again as error:
            if attempt == archive.attempts:
                raise type(error)(f"{error} (attempt {attempt} of {attempt})") from error
            pause = max(archive.pause_s * 2 ** (attempt - 1), getattr(error, "wait_s", 0.0))
            print(f"{name}: {error}; attempt {attempt + 1} of {archive.attempts} in {pause:g} s", flush=True)
            sleep(pause)
    raise AssertionError("archive.attempts is at least 1")
