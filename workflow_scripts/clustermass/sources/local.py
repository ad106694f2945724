"""Local copies of catalogues; light, because the Snakefile asks it before anything runs."""

from __future__ import annotations

from pathlib import Path

from clustermass.config.catalogues import Archive, Catalogue


def local_file(stanza: Catalogue, archive: Archive) -> Path | None:
    """Return the first of a catalogue's files that exists in the archive's folder, else in the working directory."""
    folders = [Path(archive.folder).expanduser()] if archive.folder else []
    places = (folder / name for folder in [*folders, Path()] for name in stanza.files)
    return next((place for place in places if place.is_file()), None)
