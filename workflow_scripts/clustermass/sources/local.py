"""Local copies of catalogues; light, because the Snakefile asks it before anything runs."""

from __future__ import annotations

from pathlib import Path

from clustermass.config.catalogues import Archive, Catalogue


def local_file(stanza: Catalogue, archive: Archive) -> Path | None:
    """Return the first of a catalogue's files that exists in the archive's folder (or here, where none is set)."""
    folder = Path(archive.folder or ".").expanduser()
    return next((folder / name for name in stanza.files if (folder / name).is_file()), None)
