"""Centres of clusters: several catalogues as one list, with all that they say about masses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology, PublishedCosmology
from clustermass.config.crossmatch import Labels
from clustermass.config.observed import NamedCluster, Observed
from clustermass.cosmology import flat, use_colossus
from clustermass.crossmatch import close_pairs
from clustermass.masses import m500c_richness
from clustermass.observed.contracts import CENTRES, REFERENCES
from clustermass.observed.footprint import Footprint
from clustermass.observed.phase_space import distance_exact

Floats = NDArray[np.float64]
_TYPICAL = 1e13, 10**15.5  # Msun: median M500c of any catalogue of groups or clusters


@dataclass(frozen=True)
class Entries:
    """One catalogue as a source of centres and masses.

    Attributes
    ----------
    frame : pandas.DataFrame
        Contract `LABEL_SOURCES`, or `CLUSTERS`: then masses are from richness; or id, ra, dec, redshift: no masses.
    cosmology : Cosmology or PublishedCosmology
        The one that its masses are in.
    reference : str
        Paper to cite.
    """

    frame: pd.DataFrame
    cosmology: Cosmology | PublishedCosmology
    reference: str = ""


def m200c_from_m500c(mass: Floats, redshift: Floats, own: Cosmology | PublishedCosmology, details: Cosmology) -> Floats:
    """Return M200c [Msun/h] of halos of given M500c [Msun].

    Parameters
    ----------
    mass, redshift : array, shape (n,)
    own : Cosmology or PublishedCosmology
        The one that the masses were published in: its h makes Msun/h of Msun.
    details : Cosmology
        Baryon density, sigma8 and ns, which the concentration needs.

    Notes
    -----
    NFW profiles of the concentration of Diemer & Joyce (2019), without scatter, by colossus; the inverse of
    `masses.to_m500c`.
    """
    from colossus.halo.mass_adv import changeMassDefinitionCModel

    h = own.H0 / 100
    use_colossus(details.model_copy(update={"H0": own.H0, "Om0": own.Om0}))
    converted = np.full(np.shape(mass), np.nan)
    good = np.isfinite(mass) & (np.asarray(mass) > 0) & np.isfinite(redshift)
    for row in np.flatnonzero(good):  # colossus takes many masses at one redshift, not many redshifts
        solved = changeMassDefinitionCModel(mass[row] * h, redshift[row], "500c", "200c", c_model="diemer19")
        converted[row] = np.asarray(solved[0]).item()
    return converted


def merge_centres(
    catalogues: Mapping[str, Entries], names: Mapping[str, NamedCluster], settings: Observed, cosmology: Cosmology
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one list of centres from several catalogues, and which entry of which catalogue belongs to which.

    An entry that is near enough, on the sky and in redshift, to a centre of an earlier catalogue, or to an earlier one
    of its own, makes no new centre. Ids decide ties, not the order of rows.

    Parameters
    ----------
    catalogues : mapping of Entries
        The most trusted first.
    names : mapping of NamedCluster
        The nearest centre within the limits bears the name; without one, the place given becomes a centre.
    settings : Observed
        Limits of the match.
    cosmology : Cosmology
        For the distance at which the limit in length is an angle.

    Returns
    -------
    centres : pandas.DataFrame
        Contract `CENTRES`.
    entries : pandas.DataFrame
        Columns name, catalogue, id, arcmin, dz: for every centre all entries that are it, at most one a catalogue.
    """
    centres = pd.DataFrame({name: pd.Series(dtype=object) for name in CENTRES.names})
    listed = pd.DataFrame(
        [{"id": key, "ra": one.ra, "dec": one.dec, "redshift": one.redshift} for key, one in names.items()],
        columns=["id", "ra", "dec", "redshift"],
    )
    found = []
    for catalogue, entries in [*catalogues.items(), ("names", Entries(listed, cosmology))]:
        own = entries.frame[["id", "ra", "dec", "redshift"]].sort_values("id", ignore_index=True)
        pairs = _near(centres, own, settings, cosmology)
        taken = pairs.sort_values(["arcmin", "first", "second"]).drop_duplicates("second").drop_duplicates("first")
        found.append(taken.assign(catalogue=catalogue, id=own["id"].to_numpy()[taken["second"]]))
        fresh = own.drop(index=list(pairs["second"].unique()))
        fresh = fresh.drop(index=_repeated(fresh, settings, cosmology))
        known = len(centres)
        parts = [part for part in (centres, fresh.assign(catalogue=catalogue, name=fresh["id"])) if len(part)]
        centres = pd.concat(parts, ignore_index=True)[CENTRES.names] if parts else centres
        columns = {"first": np.arange(known, len(centres)), "arcmin": 0.0, "dz": 0.0, "catalogue": catalogue}
        found.append(pd.DataFrame(columns | {"id": fresh["id"].to_numpy()}))
    matched = pd.concat([part for part in found if len(part)], ignore_index=True) if len(centres) else found[0]
    bearers = matched[matched["catalogue"] == "names"].set_index("first")["id"]
    repeated = centres["name"].duplicated(keep=False) | centres["name"].isin(bearers)
    unique = centres["catalogue"] + " " + centres["id"]
    centres["name"] = centres["name"].where(~repeated, unique)
    centres.loc[bearers.index, "name"] = bearers
    matched = matched[matched["catalogue"] != "names"]
    matched = matched.assign(name=centres["name"].to_numpy()[matched["first"].to_numpy(int)])
    numbers = {name: float for name in ("ra", "dec", "redshift")}
    return centres.astype(numbers), matched[["name", "catalogue", "id", "arcmin", "dz"]].reset_index(drop=True)


def _near(centres: pd.DataFrame, own: pd.DataFrame, settings: Observed, cosmology: Cosmology) -> pd.DataFrame:
    """Return all pairs of a centre (`first`) and an entry (`second`) that can be one cluster."""
    here, there = (
        (frame["ra"].to_numpy(float), frame["dec"].to_numpy(float), frame["redshift"].to_numpy(float))
        for frame in (centres, own)
    )
    pairs = close_pairs(here[0], here[1], there[0], there[1], settings.match_arcmin)
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    z = here[2][first]
    pairs["dz"] = there[2][second] - z
    length = distance_exact(z, flat(cosmology)) * np.radians(pairs["arcmin"].to_numpy() / 60)
    good = (np.abs(pairs["dz"]) <= settings.match_dz * (1 + z)) & (length <= settings.match_mpc_h)
    result: pd.DataFrame = pairs[good]
    return result


def _repeated(own: pd.DataFrame, settings: Observed, cosmology: Cosmology) -> pd.Index:
    """Return the index of entries that are the cluster of an earlier one of their own catalogue that stays."""
    pairs = _near(own, own, settings, cosmology)
    gone: set[int] = set()
    for first, second in sorted(zip(pairs["first"], pairs["second"], strict=True)):
        if first < second and first not in gone:
            gone.add(second)
    return own.index[sorted(gone)]


def reference_masses(
    entries: pd.DataFrame,
    catalogues: Mapping[str, Entries],
    labels: Labels,
    settings: Observed,
    details: Cosmology,
) -> pd.DataFrame:
    """Return what catalogues say about the masses of clusters, each converted to M200c: contract `REFERENCES`.

    Parameters
    ----------
    entries : pandas.DataFrame
        As `merge_centres` returns them.
    catalogues : mapping of Entries
    labels : Labels
        Power law of masses from richness.
    settings : Observed
        Error of masses that are published without, scatter of those from a proxy.
    details : Cosmology
        What conversions of definitions need beyond the catalogues' own cosmologies.

    Raises
    ------
    ValueError
        The masses of a catalogue are none of clusters: their unit was misread.
    """
    parts = [REFERENCES.empty()]
    for catalogue, some in entries.groupby("catalogue", sort=False):
        source = catalogues[str(catalogue)]
        if not {"m500c", "richness"} & set(source.frame):
            continue  # found here: no masses
        rows = source.frame.set_index("id").loc[some["id"]]
        redshift = rows["redshift"].to_numpy(float)
        measured = "m500c" in rows
        if measured:
            _check_unit(str(catalogue), source.frame["m500c"])
            mass = rows["m500c"].to_numpy(float)
            low, high = (rows[name].to_numpy(float) for name in ("m500c_err_low", "m500c_err_up"))
        else:
            law = labels.richness_log10_m0_msun, labels.richness_slope, labels.richness_lambda0
            mass = m500c_richness(rows["richness"].to_numpy(float), *law)
            relative = labels.richness_slope * (rows["richness_err"] / rows["richness"]).to_numpy(float)
            low, high = mass * relative, mass * relative
        with np.errstate(invalid="ignore", divide="ignore"):
            m200c = np.log10(m200c_from_m500c(mass, redshift, source.cosmology, details))
        columns: dict[str, Any] = {"reference": source.reference, "definition": "500c"}
        columns["kind"] = "measured" if measured else "richness"
        columns |= {"log10_mass": np.log10(mass), "log10_m200c": m200c}
        proxy = not measured or str(catalogue) in settings.proxy_catalogues
        err_low, err_high = _errors_dex(mass, low, high, 0.0 if proxy else settings.unstated_err_dex)
        scatter = settings.proxy_scatter_dex if proxy else 0.0
        columns |= {"err_low": np.hypot(err_low, scatter), "err_high": np.hypot(err_high, scatter)}
        parts.append(some.assign(**columns)[REFERENCES.names])
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def _check_unit(catalogue: str, m500c: pd.Series) -> None:
    """Raise ValueError if the median of a catalogue's masses [Msun] is not that of groups or clusters."""
    median = float(m500c.median())
    if not (np.isnan(median) or _TYPICAL[0] <= median <= _TYPICAL[1]):
        raise ValueError(
            f"catalogue {catalogue}: expected masses with a median of {_TYPICAL[0]:.0e} to {_TYPICAL[1]:.0e} Msun, got"
            f" {median:.2e}: catalogues.{catalogue}.layouts names another unit than that of the file"
        )


def _errors_dex(mass: Floats, low: Floats, high: Floats, unstated: float) -> tuple[Floats, Floats]:
    """Return lower and upper errors in dex of masses with errors in their own unit; shapes as `mass`.

    Where none is stated (NaN, or negative) it is `unstated`. A mass that is no more than its lower error has no errors
    in dex, NaN on either side: any smaller mass is within the error. Leaving out the lower one alone would drop
    comparisons with smaller masses only.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        err_low = np.where(low >= 0, np.log10(mass / (mass - low)), unstated)
        err_high = np.where(high >= 0, np.log10((mass + high) / mass), unstated)
    boundless = low >= mass
    return np.where(boundless, np.nan, err_low), np.where(boundless, np.nan, err_high)


def found_centres(found: pd.DataFrame, redshift: tuple[float, float], cosmology: Cosmology) -> Entries:
    """Return clusters that the finder found in a range of redshift as a catalogue; they have no masses.

    Parameters
    ----------
    found : pandas.DataFrame
        As `finder.find_clusters` returns it.
    """
    inside = found[found["redshift"].between(*redshift)].reset_index(drop=True)
    names = [f"F{number:05d}" for number in range(1, len(inside) + 1)]
    return Entries(inside.assign(id=pd.Series(names, dtype=object))[["id", "ra", "dec", "redshift"]], cosmology)


def in_range(centres: pd.DataFrame, footprint: Footprint, redshift: tuple[float, float]) -> pd.DataFrame:
    """Return the centres inside a footprint and in a range of redshift, widened for redshifts yet to be measured."""
    inside = footprint.contains(centres["ra"].to_numpy(float), centres["dec"].to_numpy(float))
    near = centres["redshift"].between(redshift[0] - 0.03, redshift[1] + 0.03)
    return centres[inside & near.to_numpy()]
