"""Find the file of a catalogue: simulated, local, or downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustermass.config.catalogues import Archive, Catalogue
from clustermass.files import sha256
from clustermass.sources import vizier
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable
from clustermass.sources.tables import CatalogueError, EmptyCatalogueError


class UnusableAnswerError(ValueError):
    """An archive answered with something else than the catalogue."""


def cannot_be_had(stanza: Catalogue, inputs: list[str], source: str) -> tuple[type[Exception], ...]:
    """Return the errors after which a catalogue is left out, with the reason, instead of stopping the run.

    The parent sample is never left out, and a local file that is wrong is for its owner to mend. What an archive
    sends in place of a label catalogue, or a simulated survey that saw nothing, must not stop the rest.
    """
    if stanza.kind == "clusters":
        return ()
    if source == "simulated":
        return (ArchiveUnavailable, EmptyCatalogueError)
    return () if inputs else (ArchiveUnavailable, UnusableAnswerError, CatalogueError)


def locate(stanza: Catalogue, inputs: list[str], archive: Archive, source: str) -> tuple[Path, dict[str, Any]]:
    """Return the path of a catalogue and where it came from.

    Parameters
    ----------
    stanza : Catalogue
    inputs : list of str
        The file that the workflow already has: a local or a simulated one; empty where there is none.
    archive : Archive
    source : {'simulated', 'archival'}

    Returns
    -------
    path : Path
    origin : dict
        File and checksum, and for a download its query and date.

    Raises
    ------
    ArchiveUnavailable
        There is no such file and VizieR cannot be had, or is not asked.
    CatalogueError
        The checksum is not the configured one.
    """
    if inputs:
        path = Path(inputs[0])
        found = sha256(path)
        if stanza.sha256 and source == "archival" and found != stanza.sha256.lower():
            raise CatalogueError(f"{path}: expected the SHA-256 checksum {stanza.sha256}, got {found}")
        return path, {"file": path.name, "sha256": found}
    if source == "simulated":
        raise ArchiveUnavailable(f"no simulated survey stands in for {stanza.title} (catalogues.*.simulated)")
    looked = f"none of {', '.join(stanza.files) or 'no names'} in {archive.folder or 'archive.folder'} or here"
    if stanza.vizier is None:
        raise ArchiveUnavailable(f"no local file ({looked}) and no VizieR table is configured")
    try:
        path = vizier.fetch(stanza.vizier, archive, stanza.sha256)
    except ArchiveUnavailable as error:
        print(f"no local file: {looked}\n{error}")
        raise ArchiveUnavailable(
            f"no local file ({looked}) and {archive.vizier_server} did not give {stanza.vizier}"
        ) from error
    except vizier.ChecksumError:
        raise  # whoever configures a checksum wants to know
    except ArchiveAnswerError as error:
        raise UnusableAnswerError(str(error)) from error
    return path, vizier.sources_note(path)
