"""Reddening by dust of the Milky Way: from a table of one's own, or asked of IRSA place by place, and kept."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import requests
from astropy import units
from astropy.coordinates import SkyCoord
from astroquery.ipac.irsa.irsa_dust import IrsaDustClass

from clustermass.config.catalogues import Archive
from clustermass.contracts import ContractError
from clustermass.files import replacing
from clustermass.images.extinction import REDDENING, Floats, nearest_reddening
from clustermass.sources.patience import ArchiveAnswerError, ArchiveUnavailable, Sleep, check_status, insist

RESOLUTION_ARCMIN = 6.1  # full width at half maximum of the maps of Schlegel et al. (1998): no nearer place is needed
SERVER = "https://irsa.ipac.caltech.edu/cgi-bin/DUST/nph-dust"
_ADVICE = "A table of one's own (columns ra, dec [deg] and ebv [mag]) needs no download"


class _Dust(IrsaDustClass):  # type: ignore[misc]  # astroquery has no types
    """astroquery's service, which keeps no answer and looks at the status of each."""

    def _request(self, *args: Any, **options: Any) -> requests.Response:
        response: requests.Response = super()._request(*args, **(options | {"cache": False}))
        check_status(response, "reddening")
        return response


def read_reddening(path: str | Path) -> pd.DataFrame:
    """Read a table of reddening, CSV with columns ra, dec [deg] and ebv [mag]: contract `REDDENING`.

    Raises
    ------
    ContractError
        No such table.
    """
    try:
        table = pd.read_csv(path, comment="#")
        numbers = table[[name for name in REDDENING.names if name in table]].astype(float)
    except (OSError, ValueError) as error:
        raise ContractError(f"{path}: expected CSV with columns {', '.join(REDDENING.names)}: {error}") from error
    return REDDENING.validate(numbers, path)


def fetch_reddening(
    ra: Floats,
    dec: Floats,
    table: pd.DataFrame | None,
    archive: Archive,
    *,
    server: str = SERVER,
    sleep: Sleep = time.sleep,
) -> tuple[Floats, dict[str, Any]]:
    """Return E(B-V) at some places: from a table where it has one near enough, else from IRSA.

    Every answer of IRSA is kept, so that a run that was interrupted goes on where it stopped; there is a pause between
    questions, as it answers one place at a time.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        ICRS [deg].
    table : pandas.DataFrame, optional
        Contract `REDDENING`; used within the resolution of the maps.
    archive : Archive
        Folder of the cache, patience, attempts and pauses.

    Returns
    -------
    ebv : array, shape (n,)
        E(B-V) on the scale of Schlegel et al. (1998), of the pixel at each place [mag].
    note : dict
        How many are from the table, from IRSA, and when they were asked for.

    Raises
    ------
    ArchiveUnavailable
        After all attempts of a place.
    ArchiveAnswerError
        An answer came that is not the reddening asked for.
    """
    ebv = np.full(len(ra), np.nan) if table is None else nearest_reddening(ra, dec, table, RESOLUTION_ARCMIN)
    missing = np.flatnonzero(~np.isfinite(ebv))
    dates = []
    for number, row in enumerate(missing, 1):
        place = (round(float(ra[row]), 5), round(float(dec[row]), 5))
        path = Path(archive.cache) / "irsa_dust" / f"{place[0]:.5f}{place[1]:+.5f}.json"
        kept = _kept(path, place)
        if kept is None:
            if number % 50 == 1:
                print(f"IRSA: place {number} of {len(missing)}", flush=True)
            kept = _keep(path, place, server, archive, sleep)
            sleep(archive.pause_s)
        ebv[row] = kept["ebv"]
        dates.append(kept["retrieved"])
    note = {
        "table": len(ebv) - len(missing),
        "irsa": len(missing),
        "retrieved": sorted(dates)[:: max(len(dates) - 1, 1)],
    }
    return ebv, note


def _kept(path: Path, place: tuple[float, float]) -> dict[str, Any] | None:
    """Return the note of a place if the cache has it whole."""
    try:
        note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return note if (note["ra"], note["dec"]) == place and np.isfinite(float(note["ebv"])) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, place: tuple[float, float], server: str, archive: Archive, sleep: Sleep) -> dict[str, Any]:
    """Ask for one place until it is answered, and keep the answer."""
    try:
        ebv = insist(lambda: _ask(place, server, archive.timeout_s), archive, "IRSA", sleep=sleep)
    except (ArchiveUnavailable, ArchiveAnswerError) as error:
        where = f"reddening at {place[0]:g}, {place[1]:+g} deg from {server}"
        raise type(error)(f"{where}: {error}. {_ADVICE}.") from error
    note = {"ra": place[0], "dec": place[1], "ebv": ebv, "scale": "Schlegel et al. (1998)", "server": server}
    note |= {"retrieved": datetime.now(UTC).isoformat(timespec="seconds"), "astroquery": metadata.version("astroquery")}
    with replacing(path) as aside:
        aside.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    return note


def _ask(place: tuple[float, float], server: str, timeout_s: float) -> float:
    """Return E(B-V) of one answer that is the one to this question."""
    where = SkyCoord(*place, unit="deg")
    try:
        answer = _Dust().get_query_table(where, radius=2 * units.deg, timeout=timeout_s, url=server)[0]
        answered = SkyCoord(answer["RA"], answer["Dec"], unit="deg")
        ebv = float(answer["ext SFD ref"])
    except (ArchiveUnavailable, ArchiveAnswerError):
        raise
    except ElementTree.ParseError as error:
        raise ArchiveUnavailable(f"expected a whole answer in XML, got another: {error}") from error
    except requests.exceptions.RequestException as error:
        kind = type(error).__name__
        raise ArchiveUnavailable(f"expected an answer within {timeout_s:g} s, got {kind}: {error}") from error
    except Exception as error:  # astroquery raises bare exceptions on errors that the service reports
        raise ArchiveAnswerError(f"expected reddening, got an answer without it: {error}") from error
    if not 0 <= ebv < np.inf or answered.separation(where).arcmin > 1:
        raise ArchiveAnswerError(f"expected reddening at {place}, got {ebv:g} at {answered.to_string()}")
    return ebv
