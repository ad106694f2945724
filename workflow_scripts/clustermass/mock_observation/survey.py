"""Mock clusters of a flux-limited spectroscopic survey, as Kodi Ramanah et al. (2021), section 2.2, make them.

Every cluster has an observer of its own, uniform in a ball. Distances decide what is bright enough, angles between
fibres and the cluster's redshift; sizes, velocities and luminosities are those of the snapshot, whatever the distance.
Positions on the sky are proper: comoving ones of the snapshot over 1 + its redshift.

Choices that the paper leaves open: a galaxy's own distance, not the cluster's, decides its apparent magnitude; the
central galaxy is one of the galaxies, observed if it is bright enough and not missed, and the origin in any case; lines
of sight are told apart as axes, as a cluster seen from behind is the same one mirrored. Not put in: galaxies fainter
than the snapshots', evolution between the snapshot and the observer's distance, errors of redshifts and magnitudes,
perspective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from clustermass.config.base import Cosmology
from clustermass.config.mock_observation import MockObservation
from clustermass.config.survey_mock import SurveyMock
from clustermass.mock_observation import kernels, sampling
from clustermass.mock_observation.boxes import SnapshotBox, check_names, check_size, halo_table, prepare_box
from clustermass.mock_observation.interlopers import heavier_halos, phase_space_distance
from clustermass.mock_observation.ragged import Floats, Ints, offsets
from clustermass.mock_observation.sightlines import Flow, farthest, hubble_flow, separated_lines
from clustermass.mock_observation.survey_contracts import INTERLOPERS, SURVEY_CLUSTERS, SURVEY_MEMBERS, SURVEY_TRUTH
from clustermass.mock_observation.survey_sets import EVALUATION, SETS, check_sets, deal_groups, flat_views, set_sizes
from clustermass.sources.lightcone import magnitude_offset
from clustermass.sources.lightcone_geometry import comoving_distance
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES
from clustermass.sources.spectroscopy import decollide

_LOS = ["los_x", "los_y", "los_z"]
_STEP = 0.1  # Mpc/h between the nodes of tables over comoving distance
_REDSHIFTS = np.linspace(0, 10, 10001)  # of the spline that inverts the distance


@dataclass(frozen=True, eq=False)
class SurveyBox:
    """A box of a snapshot whose galaxies have luminosities and whose halos have central galaxies.

    Attributes
    ----------
    snapshot : SnapshotBox
        With centrals among its galaxies, no fainter than the snapshots' tables are complete to.
    magnitude : array, shape (galaxies,)
        M_r - 5 log10 h, in cell order.
    centre, speed : array, shape (halos, 3)
        Of the central galaxy [Mpc/h, comoving], [km/s]; of the halo where it has none.
    centred : array of bool, shape (halos,)
        Whether the halo has a central galaxy.
    """

    snapshot: SnapshotBox
    magnitude: Floats
    centre: Floats
    speed: Floats
    centred: NDArray[np.bool_]

    @property
    def fastest(self) -> float:
        """Largest speed of a galaxy and of a halo's centre, added [km/s]."""
        return sum(float(np.linalg.norm(velocity, axis=1).max()) for velocity in (self.snapshot.velocity, self.speed))


@dataclass(frozen=True, eq=False)
class SurveyCatalogue:
    """Mock clusters of a survey: `SURVEY_CLUSTERS`, `SURVEY_MEMBERS`, `SURVEY_TRUTH`, `INTERLOPERS`, and notes."""

    clusters: pd.DataFrame
    members: pd.DataFrame
    truth: pd.DataFrame
    interlopers: pd.DataFrame
    notes: dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Survey:
    """What all observers have in common.

    `stretch`: comoving over proper lengths; `redshift`, `faintest`: redshift and faintest M_r - 5 log10 h of the flux
    limit at multiples of `_STEP` of comoving distance.
    """

    options: SurveyMock
    stretch: float
    flow: Flow
    redshift: Floats
    faintest: Floats


def prepare_survey_box(
    name: str, halos: pd.DataFrame, galaxies: pd.DataFrame, side: float, options: SurveyMock
) -> SurveyBox:
    """Return a box with the galaxies that are bright enough and the cluster candidates.

    Parameters
    ----------
    name : str
        Name of the box; ids are unique within it.
    halos, galaxies : pandas.DataFrame
        Contracts `SNAPSHOT_HALOS`, `SNAPSHOT_GALAXIES`.
    side : float
        Side of the periodic box [Mpc/h, comoving].
    options : SurveyMock

    Raises
    ------
    ContractError
        A table breaks its contract.
    ValueError
        Galaxies without magnitude; positions outside the box; several central galaxies in one halo; galaxies of unknown
        halos; no candidate with a central galaxy.
    """
    galaxies = SNAPSHOT_GALAXIES.validate(galaxies, f"galaxies of {name}")
    missing = int(galaxies["abs_mag_r"].isna().sum())
    if missing:
        raise ValueError(
            f"{name}: column abs_mag_r: expected a magnitude of every galaxy, got none for {missing} of {len(galaxies)}"
        )
    bright = galaxies[galaxies["abs_mag_r"] <= options.faintest_abs_mag_r]
    low = options.min_log10_m200c
    every = MockObservation(
        min_log10_m200c=low, test_min_log10_m200c=low, test_max_log10_m200c=17, min_log10_mstar=None, centrals=True
    )
    box = prepare_box(name, halos, bright, side, every, options.aperture_mpc_h)
    central = bright["central"].to_numpy(bool)[box.grid.order] & (box.host >= 0)
    number = np.bincount(box.host[central], minlength=len(box.halos.halo))
    if number.max() > 1:
        halo = box.halos.halo[np.argmax(number)]
        raise ValueError(f"{name}: halo {halo}: expected one central galaxy, got {number.max()}")
    if not number.any():
        raise ValueError(f"{name}: none of {len(number)} halos of 10^{low:g} Msun/h and more has a central galaxy")
    centre, speed = box.halos.position.copy(), box.halos.velocity.copy()
    centre[box.host[central]], speed[box.host[central]] = box.grid.positions[central], box.velocity[central]
    magnitude = bright["abs_mag_r"].to_numpy(float)[box.grid.order]
    return SurveyBox(box, magnitude, centre, speed, number == 1)


def survey_mock(
    boxes: Sequence[SurveyBox],
    heldout: Sequence[str],
    redshift: float,
    cosmology: Cosmology,
    options: SurveyMock,
    rng: np.random.Generator,
) -> SurveyCatalogue:
    """Return mock clusters of a survey in sets that share no group of halos and are nearly flat in log mass.

    Where halos are many a set is a random part of them, where they are few they are seen along more and more lines,
    far from one another, up to as many as allowed. Sets of one size per dex cover the same range of masses.

    Parameters
    ----------
    boxes : sequence of SurveyBox
        Prepared with the same options.
    heldout : sequence of str
        Names of boxes that give the evaluation set, and nothing else; none: all sets come from all boxes.
    redshift : float
        Of the snapshot.
    cosmology : Cosmology
        Of the simulation.
    options : SurveyMock
    rng : numpy.random.Generator
        One state, one result, whatever the number of threads.

    Raises
    ------
    ValueError
        Unknown or repeated names, a box too small for the window, too few halos, or a set without clusters.

    Notes
    -----
    Source: Kodi Ramanah et al. (2021), section 2.2, and Eq. 6 for the heavier halos.
    """
    check_names([box.snapshot for box in boxes], heldout)
    survey = _survey(boxes, redshift, cosmology, options)
    view_rng, fibre_rng = rng.spawn(2)
    halos, counts = _candidates(boxes, heldout, options)
    views = _choose_views(boxes, halos, counts, survey, view_rng)
    if empty := [name for name in SETS if not (views["set"] == name).any()]:
        raise ValueError(
            f"no cluster is left for {', '.join(empty)}: {len(halos)} halos, of which {len(views)} views have"
            f" {options.min_galaxies} galaxies within {options.counted_mpc_h:g} Mpc/h"
        )
    members, truth = _members(boxes, views, survey)
    clusters = _with_counts(views, members, truth, options)
    check_sets(clusters, heldout)
    members = _with_fibres(members, clusters, options, fibre_rng)
    interlopers = _interlopers(boxes, views, survey, redshift, cosmology)
    return SurveyCatalogue(
        SURVEY_CLUSTERS.validate(clusters[SURVEY_CLUSTERS.names], "mock clusters of a survey"),
        SURVEY_MEMBERS.validate(members, "galaxies of mock clusters of a survey"),
        SURVEY_TRUTH.validate(truth, "truth of mock clusters of a survey"),
        INTERLOPERS.validate(interlopers, "heavier halos near mock clusters of a survey"),
        _notes(boxes, halos, clusters, survey),
    )


def _survey(boxes: Sequence[SurveyBox], redshift: float, cosmology: Cosmology, options: SurveyMock) -> _Survey:
    """Return what all observers have in common; refuse boxes that are too small for the window."""
    stretch = 1 + redshift
    reach = farthest(options.velocity_cut_km_s, max(box.fastest for box in boxes), cosmology)
    radius = np.sqrt(2) * options.aperture_mpc_h * stretch
    for box in boxes:
        check_size(box.snapshot, reach, radius)
    nodes = np.arange(0, options.max_comoving_mpc_h + reach + radius + 2 * _STEP, _STEP)
    seen = CubicSpline(comoving_distance(_REDSHIFTS, cosmology), _REDSHIFTS)(nodes)
    faintest = options.faintest_r - magnitude_offset(seen, cosmology)
    return _Survey(options, stretch, hubble_flow(redshift, reach, cosmology), seen, faintest)


def _candidates(boxes: Sequence[SurveyBox], heldout: Sequence[str], options: SurveyMock) -> tuple[pd.DataFrame, Ints]:
    """Return the halos that may be seen, and how many views are wanted of each kind.

    One row a halo: box, row (in its box), halo, group, log10_m200c, set, kind: number of its set and mass bin.
    """
    halos = pd.concat([halo_table(box.snapshot)[box.centred] for box in boxes], ignore_index=True)
    masses, sizes = halos["log10_m200c"].to_numpy(), set_sizes(options)
    inside = ~halos["box"].isin(list(heldout)).to_numpy()
    dealt = {name: size for name, size in sizes.items() if not (heldout and name == EVALUATION)}
    halos["set"] = EVALUATION
    halos.loc[inside, "set"] = deal_groups(halos["group"].to_numpy(str)[inside], masses[inside], dealt)
    edges = sampling.flat_bins(masses[inside], options)
    bins, counts = sampling.bin_of(masses, edges), []
    for name, size in sizes.items():
        number = np.bincount(bins[(halos["set"] == name).to_numpy()], minlength=len(edges) - 1)
        counts.append(flat_views(edges, number, options.max_sight_lines, size))
    halos["kind"] = halos["set"].map(SETS.index).to_numpy() * (len(edges) - 1) + bins
    return halos, np.concatenate(counts)


def _choose_views(
    boxes: Sequence[SurveyBox], halos: pd.DataFrame, counts: Ints, survey: _Survey, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the views of clusters, in the order of the boxes and their halos.

    Round by round, kinds that lack views get a new line to some of their halos, those with the fewest lines first; as
    many as it takes to fill them if as large a share of the views is rich enough as before.
    """
    options, kind = survey.options, halos["kind"].to_numpy()
    lines, turn = separated_lines(options.max_sight_lines), Rotation.random(len(halos), random_state=rng)
    used, missing = np.zeros(len(halos), np.int64), counts.copy()
    tried, good, chosen = np.zeros(len(counts)), np.zeros(len(counts)), []
    while True:
        priority = used + rng.random(len(halos))
        wanted = np.ceil(missing * (tried + 1) / (good + 1)).astype(np.int64)
        rows = np.flatnonzero(sampling.take_first(kind, used < options.max_sight_lines, priority, wanted))
        if not len(rows):
            break
        views = halos.iloc[rows].assign(line=used[rows], **_draw_observers(len(rows), options, rng))
        views[_LOS] = turn[rows].apply(lines[used[rows]])
        rich = _richness(boxes, views, survey) >= options.min_galaxies
        used[rows] += 1
        tried += np.bincount(kind[rows], minlength=len(counts))
        good += np.bincount(kind[rows][rich], minlength=len(counts))
        kept = sampling.take_first(kind[rows], rich, priority[rows], missing)
        missing -= np.bincount(kind[rows][kept], minlength=len(counts))
        chosen.append(views[kept])
    views = pd.concat(chosen).sort_index(kind="stable").reset_index(drop=True)
    group = views.groupby("group")["group"].transform("size").to_numpy()
    views.insert(0, "cluster", np.arange(len(views)))
    distance = views["distance"].to_numpy()
    nodes = np.arange(len(survey.redshift)) * _STEP
    return views.assign(
        weight=1 / group,
        redshift=np.interp(distance, nodes, survey.redshift),
        volume_limited=np.interp(distance, nodes, survey.faintest) > options.faintest_abs_mag_r,
    )


def _draw_observers(n: int, options: SurveyMock, rng: np.random.Generator) -> dict[str, Any]:
    """Return distance, completeness, and a key for which galaxies are missed, of n observers uniform in the ball."""
    near, far = options.min_comoving_mpc_h**3, options.max_comoving_mpc_h**3
    return {
        "distance": np.cbrt(near + (far - near) * rng.random(n)),
        "completeness": rng.uniform(*options.completeness, n),
        "key": rng.integers(2**64, size=n, dtype=np.uint64),
    }


def _richness(boxes: Sequence[SurveyBox], views: pd.DataFrame, survey: _Survey) -> Ints:
    """Return the number of observed galaxies of views in the window that richness is counted in."""
    richness = np.zeros(len(views), np.int64)
    for box in boxes:
        mine = (views["box"] == box.snapshot.name).to_numpy()
        richness[mine], _ = _cut(box, views[mine], survey, survey.options.counted_mpc_h * survey.stretch)
    return richness


def _cut(
    box: SurveyBox, views: pd.DataFrame, survey: _Survey, half: float, room: Ints | None = None
) -> tuple[Ints, tuple[Floats, Floats, Floats, Ints]]:
    """Return how many galaxies views in one box have, and these where `room` says where each view's begin.

    `half` and the positions are comoving [Mpc/h]; galaxies are places in cell order.
    """
    size = 0 if room is None else int(room[-1])
    columns = (np.empty(size), np.empty(size), np.empty(size), np.empty(size, np.int64))
    row, snapshot = views["row"].to_numpy(), box.snapshot
    number = kernels.cut_windows(
        snapshot.grid.positions,
        snapshot.grid.start,
        snapshot.velocity,
        box.magnitude,
        snapshot.side,
        box.centre[row],
        box.speed[row],
        views[_LOS].to_numpy(float),
        views["distance"].to_numpy(float),
        views["completeness"].to_numpy(float),
        views["key"].to_numpy(np.uint64),
        half,
        float(np.arctanh(survey.options.velocity_cut_km_s / kernels.SPEED_OF_LIGHT)),
        survey.flow.table,
        survey.flow.reach,
        survey.faintest,
        _STEP,
        np.zeros(len(views) + 1, np.int64) if room is None else room,
        *columns,
    )
    return number, columns


def _members(boxes: Sequence[SurveyBox], views: pd.DataFrame, survey: _Survey) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the observed galaxies of all views and the truth about them."""
    members, truth = [], []
    half = survey.options.aperture_mpc_h * survey.stretch
    for box in boxes:
        part = views[(views["box"] == box.snapshot.name).to_numpy()]
        number, _ = _cut(box, part, survey, half)
        _, (x, y, v, place) = _cut(box, part, survey, half, offsets(number))
        cluster, own = (np.repeat(part[name].to_numpy(), number) for name in ("cluster", "row"))
        columns = {"cluster": cluster, "x": x / survey.stretch, "y": y / survey.stretch, "v_los": v}
        members.append(pd.DataFrame(columns))
        member = box.snapshot.host[place] == own
        truth.append(pd.DataFrame({"cluster": cluster, "galaxy": box.snapshot.galaxy[place], "member": member}))
    return pd.concat(members, ignore_index=True), pd.concat(truth, ignore_index=True)


def _with_counts(views: pd.DataFrame, members: pd.DataFrame, truth: pd.DataFrame, options: SurveyMock) -> pd.DataFrame:
    """Return views with the numbers of their galaxies."""
    cluster, n = members["cluster"].to_numpy(), len(views)
    counted = np.maximum(np.abs(members["x"].to_numpy()), np.abs(members["y"].to_numpy())) <= options.counted_mpc_h
    return views.assign(
        galaxies=np.bincount(cluster, minlength=n),
        richness=np.bincount(cluster[counted], minlength=n),
        true_richness=np.bincount(cluster[counted & truth["member"].to_numpy()], minlength=n),
    )


def _with_fibres(
    members: pd.DataFrame, clusters: pd.DataFrame, options: SurveyMock, rng: np.random.Generator
) -> pd.DataFrame:
    """Return galaxies with columns core and collided; every cluster is a field of its own, flat."""
    separation = np.radians(options.fibre_separation_arcsec / 3600)
    cluster = members["cluster"].to_numpy()
    diameter_distance = (clusters["distance"] / (1 + clusters["redshift"])).to_numpy()[cluster]
    x, y = (members[name].to_numpy() / diameter_distance for name in "xy")
    fibre = decollide(np.column_stack([x, y, cluster]), separation, 0.0, rng)  # fields are 1 rad apart in z
    return members.assign(core=np.hypot(x, y) <= separation, collided=~fibre)


def _interlopers(
    boxes: Sequence[SurveyBox], views: pd.DataFrame, survey: _Survey, redshift: float, cosmology: Cosmology
) -> pd.DataFrame:
    """Return the heavier halos near all views, `INTERLOPERS`."""
    options, parts = survey.options, []
    radius = options.counted_mpc_h * survey.stretch
    for box in boxes:
        part = views[(views["box"] == box.snapshot.name).to_numpy()]
        row, masses = part["row"].to_numpy(), box.snapshot.halos.log10_m200c
        halos = box.centre, box.speed, masses, box.snapshot.side
        found = heavier_halos(*halos, row, part[_LOS].to_numpy(float), radius, options.velocity_cut_km_s, survey.flow)
        view, other = found["view"].to_numpy(), found["row"].to_numpy()
        x, y, v = (found[name].to_numpy() for name in ("x", "y", "v_los"))
        x, y = x / survey.stretch, y / survey.stretch
        mass, heavier = masses[row[view]], masses[other]
        columns = {"cluster": part["cluster"].to_numpy()[view], "halo": box.snapshot.halos.halo[other]}
        columns |= {"x": x, "y": y, "v_los": v, "log10_mass_ratio": heavier - mass}
        columns |= {"distance": phase_space_distance(x, y, v, 10**mass, 10**heavier, redshift, cosmology)}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _notes(boxes: Sequence[SurveyBox], halos: pd.DataFrame, clusters: pd.DataFrame, survey: _Survey) -> dict[str, Any]:
    """Return clusters, groups and lines of each set, and the share that is volume-limited."""
    notes: dict[str, Any] = {
        "reach_mpc_h": survey.flow.reach,
        "halos": len(halos),
        "halos_without_central": sum(int((~box.centred).sum()) for box in boxes),
        "volume_limited": float(clusters["volume_limited"].mean()),
    }
    for name in SETS:
        part = clusters[clusters["set"] == name]
        lines = part.groupby("group").size()
        notes[name] = {"clusters": len(part), "groups": len(lines), "lines_most": int(lines.max())}
        notes[name] |= {"richness_median": float(part["richness"].median())}
    return notes
