"""Files that are whole or absent: writing aside and renaming, and checksums."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes `path` when the block ends well, and vanishes when it fails.

    The temporary file lies in the folder of `path`, so that the final rename is atomic. It keeps the suffix, because
    some writers choose their format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        umask = os.umask(0)
        os.umask(umask)
        aside.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner may read
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Return the SHA-256 checksum of a file as hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
