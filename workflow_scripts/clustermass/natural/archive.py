"""Members of tar archives, read one after the other; nothing is ever written to disk."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from lzma import LZMAError
from pathlib import Path

from clustermass.config.natural import NaturalData
from clustermass.natural.images import NaturalImageError


def check_md5(path: str | Path, expected: str) -> None:
    """Raise NaturalImageError if a file has another MD5 checksum than its publisher states."""
    with open(path, "rb") as stream:
        got = hashlib.file_digest(stream, "md5").hexdigest()
    if got != expected:
        raise NaturalImageError(f"{path}: expected MD5 checksum {expected}, got {got}: get the archive anew")


def members(
    path: str | Path, settings: NaturalData, wanted: Callable[[str], bool] = lambda _name: True
) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of the wanted files of an archive, of any compression that tarfile knows.

    Every member is checked, wanted or not, so that an archive that is safe here is safe to unpack too.

    Parameters
    ----------
    path : str or Path
    settings : NaturalData
        How large and how many members may be.
    wanted : callable
        Says of a name, such as 'train/cat/0001.jpg', whether it is read.

    Raises
    ------
    NaturalImageError
        A damaged archive, or something else; a member that is a link or a device, whose name leaves the folder, or
        that is too large; too many or too large members.
    """
    total = 0
    try:
        with tarfile.open(path, "r|*") as archive:
            for count, member in enumerate(archive, 1):
                total += member.size
                if count > settings.most_files or total > settings.largest_archive:
                    raise NaturalImageError(
                        f"{path}: expected at most {settings.most_files} members and {settings.largest_archive} bytes"
                    )
                name = _checked(path, member)
                if member.isfile() and wanted(name):
                    if member.size > settings.largest_file:
                        raise NaturalImageError(
                            f"{path}: {name}: expected at most {settings.largest_file} bytes, got {member.size}"
                        )
                    stream = archive.extractfile(member)
                    assert stream is not None  # a regular file
                    yield name, stream.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, LZMAError) as error:
        raise NaturalImageError(f"{path}: expected a whole tar archive: {error}") from error


def _checked(path: str | Path, member: tarfile.TarInfo) -> str:
    """Return the name of a member without a leading './'."""
    if not (member.isfile() or member.isdir()):
        raise NaturalImageError(f"{path}: {member.name}: expected files and folders, got a link or a device")
    if member.name.startswith("/") or "\\" in member.name or ".." in member.name.split("/"):
        raise NaturalImageError(f"{path}: {member.name}: expected a name inside of the archive")
    return member.name.removeprefix("./")
