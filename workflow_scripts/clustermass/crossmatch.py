"""Cross-matching of clusters with label catalogues, and the labels that follow (Lin et al. 2022, section 2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clustermass.config.base import Separation
from clustermass.config.crossmatch import Crossmatch, Labels
from clustermass.masses import m500c_richness
from clustermass.sky import unit_vectors

if TYPE_CHECKING:
    from astropy.cosmology import FlatLambdaCDM

Floats = NDArray[np.float64]


def close_pairs(ra1: Floats, dec1: Floats, ra2: Floats, dec2: Floats, arcmin: float) -> pd.DataFrame:
    """Return all pairs on the sky that are closer than a limit.

    A k-d tree over unit vectors finds them in O((n + m) log n) plus the number of pairs, at the poles as elsewhere.

    Parameters
    ----------
    ra1, dec1 : array, shape (n,)
        First set [deg].
    ra2, dec2 : array, shape (m,)
        Second set [deg].
    arcmin : float
        Largest separation, inclusive [arcmin].

    Returns
    -------
    pandas.DataFrame
        Columns `first` and `second` (rows in the sets) and `arcmin`, ordered by `second`, then `first`.
    """
    chord = 2 * np.sin(np.radians(arcmin / 60) / 2)
    found = []
    if len(ra1) and len(ra2):
        # The larger set makes the tree; a part of the smaller one at a time bounds the memory for the pairs.
        swap = len(ra1) < len(ra2)
        large, small = (unit_vectors(ra2, dec2), unit_vectors(ra1, dec1))
        if not swap:
            large, small = small, large
        tree = cKDTree(large)
        for begin in range(0, len(small), 100_000):
            part = cKDTree(small[begin : begin + 100_000])
            pairs = part.sparse_distance_matrix(tree, chord * (1 + 1e-9), output_type="ndarray")
            rows, columns = pairs["i"] + begin, pairs["j"]
            found.append((rows, columns, pairs["v"]) if swap else (columns, rows, pairs["v"]))
    first, second, distance = (np.concatenate(parts) for parts in zip(*found, strict=True)) if found else ([], [], [])
    pairs_frame = pd.DataFrame(
        {
            "first": np.asarray(first, dtype=np.int64),
            "second": np.asarray(second, dtype=np.int64),
            "arcmin": np.degrees(2 * np.arcsin(np.asarray(distance, dtype=float) / 2)) * 60,
        }
    )
    pairs_frame = pairs_frame[pairs_frame["arcmin"] <= arcmin]
    return pairs_frame.sort_values(["second", "first"], ignore_index=True)


def separations(arcmin: Floats, redshift: Floats, other: Floats, cosmology: FlatLambdaCDM) -> dict[str, Floats]:
    """Return the physical separation of pairs in every reading of the paper's 500 kpc.

    Parameters
    ----------
    arcmin : array, shape (n,)
        Angular separations [arcmin].
    redshift, other : array, shape (n,)
        Redshift of the cluster and of the label source.
    cosmology : FlatLambdaCDM

    Returns
    -------
    dict of array, shape (n,)
        [kpc]: projected_proper, projected_comoving (both at the cluster's redshift), three_dimensional (proper, with
        the distance between the redshifts as depth), none (zero).
    """
    distances, place = np.unique(np.concatenate([redshift, other]), return_inverse=True)
    comoving = 1e3 * cosmology.comoving_distance(distances).value[place] if len(distances) else np.zeros(0)  # kpc
    near, far = comoving[: len(redshift)], comoving[len(redshift) :]
    transverse = near * np.radians(np.asarray(arcmin) / 60)
    return {
        "projected_proper": transverse / (1 + redshift),
        "projected_comoving": transverse,
        "three_dimensional": np.hypot(transverse, far - near) / (1 + redshift),
        "none": np.zeros(len(redshift)),
    }


def candidate_pairs(
    clusters: pd.DataFrame, sources: pd.DataFrame, limits: Crossmatch, separation: Separation, cosmology: FlatLambdaCDM
) -> pd.DataFrame:
    """Return all pairs of a cluster and a label source within the limits in angle, redshift and distance.

    Parameters
    ----------
    clusters, sources : pandas.DataFrame
        Contracts `CLUSTERS` and `LABEL_SOURCES`.
    separation : str
        Reading of the largest physical separation.

    Returns
    -------
    pandas.DataFrame
        Columns `first` (row of the cluster), `second` (row of the source), arcmin, kpc (projected proper), dz, nearest.
    """
    here, there = ((frame["ra"].to_numpy(float), frame["dec"].to_numpy(float)) for frame in (clusters, sources))
    pairs = close_pairs(*here, *there, limits.max_arcmin)
    z1 = clusters["redshift"].to_numpy(float)[pairs["first"]]
    z2 = sources["redshift"].to_numpy(float)[pairs["second"]]
    pairs["dz"] = z2 - z1
    inside = np.abs(z2 - z1) < limits.max_dz
    pairs = pairs[inside]
    kpc = separations(pairs["arcmin"].to_numpy(), z1[inside], z2[inside], cosmology)
    pairs["kpc"] = kpc["projected_proper"]
    pairs = pairs[kpc[separation] < limits.max_kpc]
    pairs["nearest"] = pairs["kpc"] == pairs.groupby("second")["kpc"].transform("min")
    result: pd.DataFrame = pairs.reset_index(drop=True)
    return result


def greedy(kpc: Floats, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pairs a greedy matching takes: the closest first, each member of either set once.

    Ties are broken by the order of the clusters, then of the sources.

    Parameters
    ----------
    kpc : array, shape (n,)
        Separation of each pair.
    first, second : array, shape (n,)
        Rows of the two sets.

    Returns
    -------
    array of bool, shape (n,)
    """
    taken = np.zeros(len(kpc), dtype=bool)
    used_first: set[int] = set()
    used_second: set[int] = set()
    for pair in np.lexsort((second, first, kpc)):
        one, two = int(first[pair]), int(second[pair])
        if one not in used_first and two not in used_second:
            taken[pair] = True
            used_first.add(one)
            used_second.add(two)
    return taken


def match(
    clusters: pd.DataFrame,
    catalogues: dict[str, pd.DataFrame],
    limits: Crossmatch,
    readings: dict[str, Separation],
    cosmology: FlatLambdaCDM,
) -> pd.DataFrame:
    """Match clusters with label catalogues in the order of their priority.

    Parameters
    ----------
    clusters : pandas.DataFrame
        Contract `CLUSTERS`.
    catalogues : dict of pandas.DataFrame
        Contract `LABEL_SOURCES`, the most trusted catalogue first.
    readings : dict of str
        Reading of the 500 kpc for each catalogue.

    Returns
    -------
    pandas.DataFrame
        Contract `MATCHES`.

    Notes
    -----
    Source: Lin et al. (2022), section 2.3. A cluster that a catalogue has matched is not offered to those after it.
    Ids decide ties, so that the order of rows in a file does not matter.
    """
    clusters = clusters.sort_values("id", ignore_index=True)
    free = np.ones(len(clusters), dtype=bool)
    parts = []
    for name, sources in catalogues.items():
        sources = sources.sort_values("id", ignore_index=True)
        pairs = candidate_pairs(clusters, sources, limits, readings[name], cosmology)
        pairs = pairs[free[pairs["first"]]]
        pairs = pairs[greedy(pairs["kpc"].to_numpy(), pairs["first"].to_numpy(), pairs["second"].to_numpy())]
        free[pairs["first"]] = False
        parts.append(
            pd.DataFrame(
                {
                    "cluster": clusters["id"].to_numpy()[pairs["first"]],
                    "catalogue": np.full(len(pairs), name, dtype=object),
                    "source": sources["id"].to_numpy()[pairs["second"]],
                    **{column: pairs[column].to_numpy() for column in ("arcmin", "kpc", "dz", "nearest")},
                }
            ).sort_values("cluster")
        )
    return pd.concat(parts, ignore_index=True)


def chance_matches(
    clusters: pd.DataFrame,
    catalogues: dict[str, pd.DataFrame],
    limits: Crossmatch,
    readings: dict[str, Separation],
    cosmology: FlatLambdaCDM,
) -> dict[str, float]:
    """Return how many matches of each catalogue chance alone would give.

    The sources are shifted in right ascension by one degree more than the widest match, again and again, which keeps
    their redshifts and declinations and destroys the true pairs (not within 8 degrees of a pole). Sources shifted off
    a bounded footprint find nobody there, so the number is a little low.

    Returns
    -------
    dict of float
        Mean number of matches over `limits.chance_shifts` shifts, by catalogue.
    """
    counts = dict.fromkeys(catalogues, 0)
    for turn in range(1, limits.chance_shifts + 1):
        step = turn * (1 + limits.max_arcmin / 60)
        shifted = {name: part.assign(ra=(part["ra"] + step) % 360) for name, part in catalogues.items()}
        found = match(clusters, shifted, limits, readings, cosmology)["catalogue"].value_counts()
        counts = {name: counts[name] + int(found.get(name, 0)) for name in counts}
    return {name: count / max(limits.chance_shifts, 1) for name, count in counts.items()}


def label(
    clusters: pd.DataFrame, catalogues: dict[str, pd.DataFrame], matches: pd.DataFrame, parent: str, settings: Labels
) -> pd.DataFrame:
    """Give every cluster one mass: of its match where it has one, else from its richness.

    Parameters
    ----------
    clusters : pandas.DataFrame
        Contract `CLUSTERS`.
    catalogues : dict of pandas.DataFrame
        Contract `LABEL_SOURCES`.
    matches : pandas.DataFrame
        Contract `MATCHES`.
    parent : str
        Name of the parent sample.

    Returns
    -------
    pandas.DataFrame
        Contract `LABELS`; log10 of M500c [Msun].

    Notes
    -----
    Source: Lin et al. (2022), section 2.3 and Eq. 1: centre, redshift and richness are those of the parent sample.
    """
    richness = clusters["richness"].to_numpy(float)
    weak = np.log10(
        m500c_richness(richness, settings.richness_log10_m0_msun, settings.richness_slope, settings.richness_lambda0)
    )
    frame = clusters.drop(columns=["redshift_err", "richness_err"]).rename(columns={"id": "cluster"})
    frame = frame.merge(matches[["cluster", "catalogue", "source"]], on="cluster", how="left", validate="one_to_one")
    sources = pd.concat([part.assign(catalogue=name) for name, part in catalogues.items()], ignore_index=True)
    sources = sources.rename(columns={"id": "source"}).drop(columns=["ra", "dec", "redshift", "redshift_kind"])
    frame = frame.merge(sources, on=["catalogue", "source"], how="left", validate="many_to_one")
    strong = frame["m500c"].notna().to_numpy()
    mass, low, up = (frame[c].to_numpy(float) for c in ("m500c", "m500c_err_low", "m500c_err_up"))
    with np.errstate(invalid="ignore", divide="ignore"):
        err_low, err_up = np.log10(mass / (mass - low)), np.log10((mass + up) / mass)
        strong_mass = np.log10(mass)
    frame["label"] = np.where(strong, "strong", "weak")
    frame["catalogue"] = np.where(strong, frame["catalogue"], parent)
    frame["log10_m500c"] = np.where(strong, strong_mass, weak)
    frame["log10_m500c_err_low"] = np.where(low < mass, err_low, np.nan)  # an error as large as the mass has no log
    frame["log10_m500c_err_up"] = np.where(np.isfinite(up), err_up, np.nan)
    frame["log10_m500c_richness"] = weak
    return frame.drop(columns=["source", "m500c", "m500c_err_low", "m500c_err_up"])


def split(labels: pd.DataFrame, settings: Labels, rng: np.random.Generator) -> pd.DataFrame:
    """Deal the clusters out to folds and to the parts of the band classification, whole groups at a time.

    Parameters
    ----------
    labels : pandas.DataFrame
        Contract `LABELS`.

    Returns
    -------
    pandas.DataFrame
        Contract `SPLITS`. Strong and weak labels are dealt to the folds each on their own, so that every fold has its
        share of both; a group with members of both kinds follows its strong ones.
    """
    frame = labels[["cluster", "group", "label"]].copy()
    strong_groups = set(frame.loc[frame["label"] == "strong", "group"])
    fold: dict[str, int] = {}
    band: dict[str, str] = {}
    for strong in (True, False):
        groups = np.array(sorted(g for g in set(frame["group"]) if (g in strong_groups) == strong), dtype=object)
        places = rng.permutation(len(groups))
        fold.update({groups[g]: int(i % settings.folds) for i, g in enumerate(places)})
        tests = round(settings.band_test_fraction * len(groups))
        validates = round(settings.band_validation_fraction * len(groups))
        parts = np.repeat(["test", "validation", "train"], [tests, validates, len(groups) - tests - validates])
        band.update(zip(groups, rng.permutation(parts).tolist(), strict=True))
    frame["fold"] = frame["group"].map(fold).astype("int64")
    frame["band"] = frame["group"].map(band).astype(str)
    return frame


def part_in_fold(test_fold: NDArray[np.int64], fold: int, folds: int) -> NDArray[np.str_]:
    """Return the part that clusters play in one fold: 'test', 'validation' (the next fold's test) or 'train'.

    Parameters
    ----------
    test_fold : array of int, shape (n,)
        Column `fold` of the contract `SPLITS`.
    fold, folds : int
        The fold asked for, from 0, and their number.
    """
    part = np.full(len(test_fold), "train", dtype="U10")
    part[test_fold == (fold + 1) % folds] = "validation"
    part[test_fold == fold] = "test"
    return part
