"""Mock catalogues of clusters, contaminated and pure, from the boxes of one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clustermass.config.base import Cosmology
from clustermass.config.mock_observation import MockObservation
from clustermass.mock_observation import kernels, sampling
from clustermass.mock_observation.boxes import SnapshotBox, check_names, check_size, halo_table
from clustermass.mock_observation.contracts import CLUSTERS_MOCK, MEMBERS_MOCK, TRUTH_MOCK
from clustermass.mock_observation.ragged import Floats, Ints, offsets, velocity_dispersions
from clustermass.mock_observation.sightlines import Flow, farthest, hubble_flow, sight_lines

_LOS = ["los_x", "los_y", "los_z"]
_PUBLISHED_VOLUME = 1e9  # (Mpc/h)^3 in a (Gpc/h)^3


@dataclass(frozen=True, eq=False)
class MockCatalogue:
    """Mock clusters, their galaxies, and the truth about these: `CLUSTERS_MOCK`, `MEMBERS_MOCK`, `TRUTH_MOCK`."""

    clusters: pd.DataFrame
    members: pd.DataFrame
    truth: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Mock:
    """Both catalogues of one mock, whose clusters share ids and folds, and numbers worth writing down."""

    contaminated: MockCatalogue
    pure: MockCatalogue
    notes: dict[str, Any]


def mock_catalogues(
    boxes: Sequence[SnapshotBox],
    heldout: Sequence[str],
    redshift: float,
    cosmology: Cosmology,
    options: MockObservation,
    rng: np.random.Generator,
) -> Mock:
    """Return the contaminated and the pure mock catalogue of several boxes.

    Every candidate is seen along the three axes of its box. Where halos are too few for the flat mass function of
    the training set, along a Fibonacci lattice of further lines; where they are many, the training set is a random
    part. The three orthogonal views of clusters in the test range test: in their fold of the cross-validation, or,
    from a held-out box, in no fold.

    Parameters
    ----------
    boxes : sequence of SnapshotBox
        Prepared with the same options.
    heldout : sequence of str
        Names of boxes of which nothing trains.
    redshift : float
        Of the snapshot; cluster centres are there, the observer at 0.
    cosmology : Cosmology
        Of the simulation; of the parameters Om0 alone matters, as lengths are in Mpc/h.
    options : MockObservation
    rng : numpy.random.Generator
        One state, one result, whatever the number of threads.

    Returns
    -------
    Mock

    Raises
    ------
    ValueError
        Unknown or repeated names, no box left to train on, a box too small for the cylinder, members far from their
        halo, too few halos for the folds, or no cluster left to train or to test.

    Notes
    -----
    Source: Ho et al. (2019), sections 2.2-2.4 and Eqs. 15-22.
    """
    check_names(boxes, heldout)
    reach = farthest(options.velocity_cut_km_s, max(box.fastest for box in boxes), cosmology)
    for box in boxes:
        check_size(box, reach, options.aperture_mpc_h)
        if (widest := box.radii.max(initial=0)) > reach:
            raise ValueError(f"{box.name}: a galaxy is {widest:.1f} Mpc/h from its halo, expected at most {reach:.1f}")
    flow = hubble_flow(redshift, reach, cosmology)
    lines, priorities = rng.spawn(2)
    candidates, edges, counts = _candidates(boxes, heldout, options, lines)
    candidates["priority"] = priorities.random(len(candidates))
    found = _per_box(boxes, candidates, lambda box, part: _cut(box, part, flow, options)[0])
    true = _per_box(boxes, candidates, lambda box, part: box.true_richness[part["row"]])
    candidates["true_richness"] = true
    candidates["members_r200c"] = _per_box(boxes, candidates, lambda box, part: box.members_r200c[part["row"]])
    notes: dict[str, Any] = {"reach_mpc_h": reach, "candidates": len(candidates), "training_asked": int(counts.sum())}
    catalogues = {}
    for name, richness in (("contaminated", found), ("pure", true)):
        chosen = _select(name, candidates.assign(richness=richness), edges, counts, bool(heldout), options)
        catalogues[name] = _mock_catalogue(boxes, chosen, flow, options, pure=name == "pure")
        notes[name] = _notes(catalogues[name].clusters) | {
            "too_poor": int((richness < options.min_richness).sum()),
        }
    return Mock(catalogues["contaminated"], catalogues["pure"], notes)


def _candidates(
    boxes: Sequence[SnapshotBox], heldout: Sequence[str], options: MockObservation, rng: np.random.Generator
) -> tuple[pd.DataFrame, Floats, Ints]:
    """Return all projections that may be used, box after box, and the bins and counts of the training set.

    One row a projection: cluster, box, row (of the halo in its box), halo, group, log10_m200c, line (0 to 2: axes of
    the box), its direction, fold (-1: held out).
    """
    halos = pd.concat([halo_table(box) for box in boxes], ignore_index=True)
    training = ~halos["box"].isin(list(heldout)).to_numpy()
    masses = halos["log10_m200c"].to_numpy()
    volume = sum(box.side**3 for box in boxes if box.name not in heldout)
    if options.training_volume_gpc_h3 is not None:
        volume = options.training_volume_gpc_h3 * _PUBLISHED_VOLUME
    edges = sampling.flat_bins(masses[training], options)
    counts = sampling.flat_counts(edges, options.training_density * volume)
    number = np.where(sampling.in_test_range(masses, np.zeros(len(masses), np.int64), options), 3, 0)
    number[training] = sampling.sight_line_numbers(masses[training], edges, counts, options)
    fold = np.full(len(halos), -1)
    names = halos["group"].to_numpy(str)[training]
    fold[training] = sampling.assign_folds(names, masses[training], options.folds)
    rows = np.repeat(np.arange(len(halos)), number)
    candidates = halos.assign(fold=fold).iloc[rows].reset_index(drop=True)
    candidates["line"] = np.arange(len(rows)) - np.repeat(offsets(number)[:-1], number)
    candidates[_LOS] = np.concatenate([sight_lines(int(n), rng) for n in number[number > 0]] or [np.empty((0, 3))])
    candidates.insert(0, "cluster", np.arange(len(candidates)))
    return candidates, edges, counts


def _per_box(boxes: Sequence[SnapshotBox], candidates: pd.DataFrame, work: Any) -> Ints:
    """Return the results of a function of a box and its projections, in the order of the projections."""
    parts = [work(box, candidates[(candidates["box"] == box.name).to_numpy()]) for box in boxes]
    return np.concatenate(parts).astype(np.int64)


def _select(
    name: str,
    candidates: pd.DataFrame,
    edges: Floats,
    counts: Ints,
    expect_heldout: bool,
    options: MockObservation,
) -> pd.DataFrame:
    """Return the projections of one catalogue that train or test."""
    rich = candidates["richness"].to_numpy() >= options.min_richness
    heldout = candidates["fold"].to_numpy() < 0
    masses, priority = candidates["log10_m200c"].to_numpy(), candidates["priority"].to_numpy()
    tests = rich & sampling.in_test_range(masses, candidates["line"].to_numpy(), options)
    train = sampling.choose_training(masses, rich & ~heldout, priority, edges, counts)
    chosen = candidates.assign(train=train, test=tests & ~heldout, heldout=tests & heldout)
    for role in ("train", "test", *(["heldout"] if expect_heldout else [])):
        if not chosen[role].any():
            raise ValueError(
                f"{name} catalogue: no cluster is left of role {role}: {len(candidates)} projections, {rich.sum()} of"
                f" them with {options.min_richness} galaxies, heaviest halo 10^{masses.max(initial=0):.2f} Msun/h"
            )
    return chosen[chosen["train"] | chosen["test"] | chosen["heldout"]].reset_index(drop=True)


def _cut(
    box: SnapshotBox, part: pd.DataFrame, flow: Flow, options: MockObservation, room: Ints | None = None
) -> tuple[Ints, tuple[Floats, Floats, Floats, Ints]]:
    """Return the richness of projections in one box, and their galaxies where `room` says where each begins."""
    size = 0 if room is None else int(room[-1])
    first = np.zeros(len(part) + 1, np.int64) if room is None else room
    columns = (np.empty(size), np.empty(size), np.empty(size), np.empty(size, np.int64))
    row = part["row"].to_numpy()
    richness = kernels.cut_cylinders(
        box.grid.positions,
        box.grid.start,
        box.velocity,
        box.side,
        box.halos.position[row],
        box.halos.velocity[row],
        part[_LOS].to_numpy(float),
        options.aperture_mpc_h,
        float(np.arctanh(options.velocity_cut_km_s / kernels.SPEED_OF_LIGHT)),
        flow.table,
        flow.reach,
        first,
        *columns,
    )
    return richness, columns


def _project(box: SnapshotBox, part: pd.DataFrame, flow: Flow, room: Ints) -> tuple[Floats, Floats, Floats, Ints]:
    """Return the galaxies of the pure catalogue in one box."""
    size = int(room[-1])
    columns = (np.empty(size), np.empty(size), np.empty(size), np.empty(size, np.int64))
    row = part["row"].to_numpy()
    kernels.project_members(
        box.grid.positions,
        box.velocity,
        box.side,
        box.halos.position[row],
        box.halos.velocity[row],
        part[_LOS].to_numpy(float),
        flow.table,
        flow.reach,
        box.members,
        box.offsets,
        row,
        room,
        *columns,
    )
    return columns


def _mock_catalogue(
    boxes: Sequence[SnapshotBox], chosen: pd.DataFrame, flow: Flow, options: MockObservation, pure: bool
) -> MockCatalogue:
    """Return the tables of the projections of one catalogue."""
    members, truth = [], []
    for box in boxes:
        part = chosen[(chosen["box"] == box.name).to_numpy()]
        richness = part["richness"].to_numpy()
        room = offsets(richness)
        x, y, v, place = _project(box, part, flow, room) if pure else _cut(box, part, flow, options, room)[1]
        cluster = np.repeat(part["cluster"].to_numpy(), richness)
        own = np.repeat(part["row"].to_numpy(), richness)
        members.append(pd.DataFrame({"cluster": cluster, "x": x, "y": y, "r_proj": np.hypot(x, y), "v_los": v}))
        member = box.host[place] == own
        truth.append(pd.DataFrame({"cluster": cluster, "galaxy": box.galaxy[place], "member": member}))
    galaxies = pd.concat(members, ignore_index=True)
    start = offsets(chosen["richness"].to_numpy())
    clusters = chosen.assign(sigma_v=velocity_dispersions(galaxies["v_los"].to_numpy(), start))
    return MockCatalogue(
        CLUSTERS_MOCK.validate(clusters[CLUSTERS_MOCK.names], "mock clusters"),
        MEMBERS_MOCK.validate(galaxies, "galaxies of mock clusters"),
        TRUTH_MOCK.validate(pd.concat(truth, ignore_index=True), "truth of mock clusters"),
    )


def _notes(clusters: pd.DataFrame) -> dict[str, Any]:
    """Return how many projections and halos play each role, and sight-lines per halo of the training set."""
    notes: dict[str, Any] = {"projections": len(clusters)}
    for role in ("train", "test", "heldout"):
        part = clusters[clusters[role]]
        notes[role] = {"projections": len(part), "halos": len(part[["box", "halo"]].drop_duplicates())}
    lines = clusters[clusters["train"]].groupby(["box", "halo"]).size()
    return notes | {"training_lines_mean": float(lines.mean()), "training_lines_most": int(lines.max())}
