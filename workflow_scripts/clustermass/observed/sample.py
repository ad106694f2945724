"""From centres and redshifts to clusters with their windows in phase space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.observed import Observed, Sample
from clustermass.contracts import REJECTED
from clustermass.cosmology import flat
from clustermass.observed.contracts import CLUSTERS_OBSERVED, MEMBERS_OBSERVED
from clustermass.observed.footprint import Footprint, usable_area, window_covered
from clustermass.observed.phase_space import (
    Windows,
    cut_windows,
    distance_exact,
    distance_q0,
    measured_redshift,
    relative_velocity,
    self_similar_scale,
)

Floats = NDArray[np.float64]
_SEARCH = 4000.0  # km/s about the catalogue's redshift: photometric ones are off by 0.01
_KERNEL = 1000.0  # km/s
_NEAR = 1.0  # Mpc/h: radius whose galaxies measure a cluster's redshift


@dataclass(frozen=True)
class Observation:
    """A sample as it was observed.

    Attributes
    ----------
    clusters, members, rejected : pandas.DataFrame
        Contracts `CLUSTERS_OBSERVED`, `MEMBERS_OBSERVED`, `REJECTED`: every centre is in the first or the last.
    notes : dict
        Area, difference of distances, counts.
    """

    clusters: pd.DataFrame
    members: pd.DataFrame
    rejected: pd.DataFrame
    notes: dict[str, float]


def observe(
    centres: pd.DataFrame,
    galaxies: pd.DataFrame,
    footprint: Footprint,
    sample: Sample,
    settings: Observed,
    trained_redshift: float,
    cosmology: Cosmology,
) -> Observation:
    """Return the clusters of a sample with the galaxies in their windows, and the centres that cannot be used.

    Parameters
    ----------
    centres : pandas.DataFrame
        Contract `CENTRES`.
    galaxies : pandas.DataFrame
        Contract `REDSHIFTS`: windows must be inside the range of their redshifts, as inside the footprint.
    footprint : Footprint
        Of the survey of redshifts.
    sample, settings
        Windows, and how angles become lengths.
    trained_redshift : float
        Of the snapshot that the sample's networks were trained on.
    cosmology : Cosmology
    """
    survey = _arrays(galaxies)
    inside = footprint.contains(*_arrays(centres)[:2])
    reasons = _Reasons(centres)
    reasons.add(~inside, "ra", "the centre is outside the footprint of the survey")
    low, high = sample.redshift
    redshift = centres["redshift"].to_numpy(float, copy=True)
    outside = f"redshift outside {low:g} to {high:g}"
    reasons.add(~((redshift >= low) & (redshift <= high)), "redshift", outside)
    left = reasons.left
    if sample.recentre_redshift and len(left):
        redshift[left] = _redshifts(survey, centres.iloc[left], settings, cosmology)
        reasons.add(
            ~np.isfinite(redshift), "redshift", f"fewer than four galaxies within {_NEAR:g} Mpc/h to measure it"
        )
        reasons.add(~((redshift >= low) & (redshift <= high)), "redshift", f"measured {outside}")
        left = reasons.left
    kept = centres.iloc[left].reset_index(drop=True)
    z = redshift[left]
    scale = self_similar_scale(z, trained_redshift, flat(cosmology)) if sample.scaled else np.ones(len(z))
    proper, other = lengths_per_angle(z, settings, cosmology)
    half = sample.aperture_mpc_h / scale
    places = _arrays(kept)[:2]
    sky, at_centre = window_covered(footprint, *places, half / proper)
    covered = sky * _depth_covered(survey[2], z, sample.velocity_cut_km_s)
    windows = cut_windows(survey, (*places, z), proper, half, sample.velocity_cut_km_s)
    clusters = kept[["name", "ra", "dec", "catalogue"]].assign(
        redshift=z, redshift_catalogue=kept["redshift"], galaxies=np.diff(windows.start), scale=scale, covered=covered,
        inside=at_centre,
    )[CLUSTERS_OBSERVED.names]  # fmt: skip
    if sample.uncovered == "reject":
        for share, column, whole in ((sky, "dec", "footprint"), (covered, "redshift", "range of redshift")):
            lost = np.isin(np.arange(len(centres)), left[share < sample.min_covered])
            reasons.add(lost, column, f"less than {sample.min_covered:g} of the window is inside the survey's {whole}")
        stays = covered >= sample.min_covered
    else:
        stays = np.ones(len(left), bool)
    members = _members(clusters, galaxies, windows)[np.repeat(stays, np.diff(windows.start))]
    notes = {"footprint_deg2": footprint.area_deg2, "area_deg2": _area(footprint, sample, settings, cosmology)}
    notes |= {
        "largest_distance_difference": float(np.abs(proper / other - 1).max(initial=0.0)),
        "centres": float(len(centres)),
    }
    return Observation(clusters[stays].reset_index(drop=True), members.reset_index(drop=True), reasons.table(), notes)


def why_empty(observation: Observation, about_redshifts: Mapping[str, Any]) -> str:
    """Return why a sample has no clusters, '' if it has: its redshifts could not be had, or what its centres lack.

    `about_redshifts` is the metadata of their table.
    """
    if len(observation.clusters):
        return ""
    if not about_redshifts.get("available", True):
        return f"no redshifts: {about_redshifts['reason']}"
    counts = observation.rejected["reason"].value_counts()
    return f"no cluster can be used: {'; '.join(f'{n} x {r}' for r, n in counts.items()) or 'no centres'}"


def read_windows(clusters: pd.DataFrame, members: pd.DataFrame) -> Windows:
    """Return the windows of tables `CLUSTERS_OBSERVED` and `MEMBERS_OBSERVED`; `galaxy` counts their rows.

    Raises
    ------
    ValueError
        Members that do not follow the clusters.
    """
    counts = clusters["galaxies"].to_numpy(np.int64)
    if not np.array_equal(np.repeat(clusters["name"].to_numpy(), counts), members["name"].to_numpy()):
        raise ValueError(f"members: expected {counts.sum()} galaxies in the order of the clusters, got others")
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    x, y, v_los = (members[name].to_numpy(float) for name in ("x", "y", "v_los"))
    return Windows(start, np.arange(len(members)), x, y, v_los)


class _Reasons:
    """Why centres cannot be used: the first reason of each stays."""

    def __init__(self, centres: pd.DataFrame) -> None:
        self.centres = centres
        self.why: dict[int, tuple[str, str]] = {}

    def add(self, rows: NDArray[np.bool_], column: str, reason: str) -> None:
        """Set centres aside."""
        for row in np.flatnonzero(rows):
            self.why.setdefault(int(row), (column, reason))

    @property
    def left(self) -> NDArray[np.int64]:
        """Rows that have not been set aside."""
        return np.setdiff1d(np.arange(len(self.centres)), list(self.why))

    def table(self) -> pd.DataFrame:
        """Return contract `REJECTED`."""
        rows = [
            (row + 1, str(self.centres["name"].iloc[row]), column, str(self.centres[column].iloc[row]), reason)
            for row, (column, reason) in sorted(self.why.items())
        ]
        return pd.DataFrame(rows, columns=REJECTED.names).astype({"row": "int64"})


def _arrays(frame: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Return right ascension, declination [deg] and redshift of a table."""
    ra, dec, redshift = (frame[name].to_numpy(float, copy=True) for name in ("ra", "dec", "redshift"))
    return ra, dec, redshift


def lengths_per_angle(redshift: Floats, settings: Observed, cosmology: Cosmology) -> tuple[Floats, Floats]:
    """Return Mpc/h per radian as configured, and the other way; shapes as `redshift`."""
    ways = distance_q0(redshift, settings.q0), distance_exact(redshift, flat(cosmology))
    return ways if settings.distance == "q0" else ways[::-1]


def _depth_covered(survey: Floats, redshift: Floats, cut: float) -> Floats:
    """Return the share of windows in velocity, -cut to cut [km/s], between the least and the greatest redshift."""
    if not len(survey):
        return np.zeros(len(redshift))
    front, back = (np.clip(relative_velocity(end, redshift), -cut, cut) for end in (survey.min(), survey.max()))
    return np.asarray((back - front) / (2 * cut))


def _redshifts(
    survey: tuple[Floats, Floats, Floats], centres: pd.DataFrame, settings: Observed, cosmology: Cosmology
) -> Floats:
    """Return redshifts of clusters, from the galaxies around their centres; NaN where these are too few."""
    ra, dec, redshift = _arrays(centres)
    proper, _ = lengths_per_angle(redshift, settings, cosmology)
    windows = cut_windows(survey, (ra, dec, redshift), proper, np.full(len(ra), _NEAR), _SEARCH)
    found = np.empty(len(ra))
    for row, (first, last) in enumerate(zip(windows.start[:-1], windows.start[1:], strict=True)):
        near = np.hypot(windows.x[first:last], windows.y[first:last]) <= _NEAR
        found[row] = measured_redshift(survey[2][windows.galaxy[first:last][near]], redshift[row], _SEARCH, _KERNEL)
    return found


def _members(clusters: pd.DataFrame, galaxies: pd.DataFrame, windows: Windows) -> pd.DataFrame:
    """Return the galaxies of windows: contract `MEMBERS_OBSERVED`."""
    columns = {
        "name": np.repeat(clusters["name"].to_numpy(), np.diff(windows.start)),
        "galaxy": galaxies["id"].to_numpy()[windows.galaxy],
        "x": windows.x,
        "y": windows.y,
        "v_los": windows.v_los,
    }
    return pd.DataFrame(columns)[MEMBERS_OBSERVED.names]


def _area(footprint: Footprint, sample: Sample, settings: Observed, cosmology: Cosmology) -> float:
    """Return the area in which clusters of a sample could be, the mean over its volume [deg2]; 0: not complete."""
    if not sample.complete:
        return 0.0
    if sample.area_deg2 is not None:
        return sample.area_deg2
    low, high = sample.redshift
    nodes = np.linspace(low, high, 7)[1:]  # at the lower end windows may be wider than the survey
    half = sample.aperture_mpc_h / lengths_per_angle(nodes, settings, cosmology)[0]
    least = sample.min_covered if sample.uncovered == "reject" else 0.0
    if not len(footprint.occupied):
        return 0.0
    if least == 0:
        return footprint.area_deg2
    areas = [usable_area(footprint, float(one), least) for one in half]
    return float(np.average(areas, weights=nodes**2))
