"""The mass of one cluster by every estimator that its galaxies allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustermass.contracts import Column, Contract
from clustermass.cosmology import flat
from clustermass.mock_observation.ragged import velocity_dispersions
from clustermass.msigma import predict_mass
from clustermass.observed.domain import SUMMARIES, summarise
from clustermass.observed.inference import judge
from clustermass.observed.masses import POSTERIOR
from clustermass.observed.phase_space import (
    cut_windows,
    measured_redshift,
    offset_position,
    relative_velocity,
    self_similar_scale,
    sky_offsets,
)
from clustermass.observed.sample import lengths_per_angle
from clustermass.observed.virial import weigh as weigh_virial
from clustermass.posterior.grid import Posteriors
from clustermass.posterior.joint import Slices
from clustermass.posterior.store import Inference
from clustermass.sources.lightcone_geometry import SPEED_OF_LIGHT
from clustermass.weigh.members import Galaxies
from clustermass.weigh.trained import Estimators

Floats = NDArray[np.float64]
Place = tuple[float, float]

_SEARCH, _KERNEL = 4000.0, 1000.0  # km/s: where a cluster's redshift is looked for, as for samples of clusters
_SHRINKING, _SMALLEST, _FEWEST = 0.9, 0.25, 8  # of circles about the centre: factor, Mpc/h, galaxies
_MASS = Column("log10_m200c", "float", "log10(Msun/h)", "log10 of M200c", 5, 25, missing=True)

WEIGHED = Contract(
    "weighed",
    "masses of one cluster, one row an estimator, and what speaks against each",
    (
        Column("estimator", "text", "", "cnn3d, msigma, virial", unique=True),
        Column("log10_m200c", "float", "log10(Msun/h)", "median of the posterior, or virial mass", 5, 25, missing=True),
        Column("log10_map", "float", "log10(Msun/h)", "maximum of the posterior", 5, 25, missing=True),
        *(Column(name, "float", "log10(Msun/h)", f"{side} limit of {level} %", 5, 25, missing=True)
          for name, side, level in (("low68", "lower", 68), ("high68", "upper", 68), ("low95", "lower", 95),
                                    ("high95", "upper", 95))),
        Column("m200c_msun", "float", "Msun", "10^log10_m200c over h, without h in the unit", 0, missing=True),
        Column("galaxies", "int", "", "galaxies in its window", 0),
        Column("aperture_mpc_h", "float", "Mpc/h", "half-side of its window on the sky, or its radius; proper", 0,
               missing=True),
        Column("domain", "float", "percent", "share of the mock's own clusters that lie nearer to the mock", 0, 100,
               missing=True),
        Column("few", "bool", "", "too few galaxies for a mass"),
        Column("uncovered", "bool", "", "no galaxies in the outer quarter of the window, or places unknown"),
        Column("extrapolated", "bool", "", "the mass is, or may be, outside the masses that calibrate the posterior"),
        Column("out_of_domain", "bool", "", "phase space is farther from the mock than nearly all of the mock's own"),
        Column("remark", "text", "", "what the flags rest on, in words", missing=True),
    ),
)  # fmt: skip
DENSITIES = Contract(
    "densities",
    "posterior densities of the mass of one cluster, estimator by estimator on a grid",
    (
        Column("estimator", "text", "", "cnn3d or msigma"),
        _MASS,
        Column("density", "float", "1 / dex", "posterior density of log10 M200c", 0),
    ),
)


@dataclass(frozen=True)
class Weighed:
    """A cluster, weighed.

    Attributes
    ----------
    masses, densities : pandas.DataFrame
        Contracts `WEIGHED` and `DENSITIES`.
    redshift : float
    centre : tuple of float, optional
        Right ascension and declination [deg]; None where places are unknown.
    x, y, v_los : array, shape (n,)
        Galaxies in the network's window in velocity: from the centre [Mpc/h, proper], NaN where places are unknown,
        and from the cluster [km/s].
    half_side : float
        Of the network's window [Mpc/h, proper].
    """

    masses: pd.DataFrame
    densities: pd.DataFrame
    redshift: float
    centre: Place | None
    x: Floats
    y: Floats
    v_los: Floats
    half_side: float


def weigh_cluster(
    galaxies: Galaxies,
    redshift: float | None,
    centre: Place | None,
    estimators: Estimators,
    rng: np.random.Generator,
) -> Weighed:
    """Return the mass of a cluster by network, velocity dispersion and virial theorem.

    Parameters
    ----------
    galaxies : Galaxies
        Around one cluster, members or all that is there: the estimators know interlopers.
    redshift : float, optional
        Of the cluster; None: measured from the galaxies.
    centre : tuple of float, optional
        Right ascension and declination [deg]; None: found in the galaxies by shrinking circles.
    estimators : Estimators
    rng : numpy.random.Generator
        Draws bootstraps of the virial mass.

    Raises
    ------
    ValueError
        The galaxies are not around that redshift or centre, or the cluster is too near.
    """
    table, cut = galaxies.table, estimators.sample.velocity_cut_km_s
    z = _redshift(table["redshift"].to_numpy(float)) if redshift is None else redshift
    if not z > 0:
        raise ValueError(f"expected a positive redshift of the cluster, got {z:g}")
    velocity = relative_velocity(table["redshift"].to_numpy(float), z)
    inside = np.abs(velocity) <= cut
    if not inside.any():
        nearest = float(table["redshift"].iloc[int(np.argmin(np.abs(velocity)))])
        raise ValueError(
            f"expected galaxies within {cut:g} km/s of the cluster at redshift {z:g}, the nearest has {nearest:g}"
        )
    table = table[inside].reset_index(drop=True)
    ra, dec, redshifts = (table[name].to_numpy(float) for name in ("ra", "dec", "redshift"))
    proper = float(lengths_per_angle(np.array([z]), estimators.observed, estimators.cosmology)[0][0])
    if galaxies.placed:
        place = centre or find_centre(ra, dec, estimators.sample.aperture_mpc_h / proper, _SMALLEST / proper)
        x, y = (proper * offset for offset in sky_offsets(ra, dec, *place))
    else:
        place, x, y = None, *np.full((2, len(ra)), np.nan)
    scale = _scale(estimators, estimators.network_card, z) if estimators.sample.scaled else 1.0
    half = estimators.sample.aperture_mpc_h / scale
    rows: list[dict[str, object]] = []
    densities: list[pd.DataFrame] = []
    if place is not None:
        seen = cut_windows((ra, dec, redshifts), (*np.atleast_1d(*place), np.array([z])), np.array([proper]),
                           np.array([half]), cut)  # fmt: skip
        if not len(seen.x):
            raise ValueError(
                f"expected galaxies within {half:.2f} Mpc/h ({np.degrees(half / proper):.2f} deg) of the centre"
                f" {place[0]:.4f}, {place[1]:.4f}, got none"
            )
        rows.append(_network(seen.x, seen.y, seen.v_los, z, scale, estimators, densities))
    rows.append(_dispersion(np.hypot(x, y), relative_velocity(redshifts, z), z, estimators, densities))
    if place is not None:
        rows.append(_virial(seen.x, seen.y, seen.v_los, z, half, estimators, rng))
    columns = {column.name: float for column in WEIGHED.columns if column.kind == "float"}
    masses = pd.DataFrame(rows).reindex(columns=WEIGHED.names).astype(columns)
    masses["m200c_msun"] = 10 ** masses["log10_m200c"] / (estimators.cosmology.H0 / 100)
    joined = pd.concat(densities, ignore_index=True)[DENSITIES.names] if densities else DENSITIES.empty()
    return Weighed(
        WEIGHED.validate(masses, "masses"), DENSITIES.validate(joined, "densities"), z, place, x, y,
        relative_velocity(redshifts, z), half,
    )  # fmt: skip


def find_centre(ra: Floats, dec: Floats, reach: float, smallest: float) -> Place:
    """Return the centre of galaxies by shrinking circles [deg].

    From all galaxies, the mean place of those within a circle about the last mean, of which each is 0.9 of the last,
    until it is small or holds few.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        [deg]
    reach, smallest : float
        Radius of the first and of the last circle [rad].

    Notes
    -----
    Source: the shrinking spheres of Power et al. (2003, MNRAS 338, 14), section 2.5, on the sky.
    """
    a, d = np.radians(ra), np.radians(dec)
    vector = np.array([(np.cos(d) * np.cos(a)).mean(), (np.cos(d) * np.sin(a)).mean(), np.sin(d).mean()])
    place = (
        float(np.degrees(np.arctan2(vector[1], vector[0])) % 360),
        float(np.degrees(np.arctan2(vector[2], np.hypot(vector[0], vector[1])))),
    )
    radius = reach
    while radius > smallest:
        x, y = sky_offsets(ra, dec, *place)
        near = np.hypot(x, y) <= radius
        if near.sum() < _FEWEST:
            break
        moved = offset_position(place[0], place[1], np.array([x[near].mean()]), np.array([y[near].mean()]))
        place = float(moved[0][0]), float(moved[1][0])
        radius *= _SHRINKING
    return place


def _redshift(redshifts: Floats) -> float:
    """Return the redshift of a cluster whose galaxies are known: where they are densest."""
    ascending = np.sort(redshifts)
    half = _KERNEL / SPEED_OF_LIGHT * (1 + ascending)
    near = np.searchsorted(ascending, ascending + half, "right") - np.searchsorted(ascending, ascending - half, "left")
    densest = float(np.median(ascending[near == near.max()]))
    found = measured_redshift(redshifts, densest, _SEARCH, _KERNEL)
    return found if np.isfinite(found) else densest


def _scale(estimators: Estimators, card: dict[str, float], redshift: float) -> float:
    """Return E(z) / E(z0) to the redshift that an estimator was trained at."""
    trained_at = float(card["settings"]["redshift"])  # type: ignore[index]
    return float(self_similar_scale(np.array([redshift]), trained_at, flat(estimators.cosmology))[0])


def _judged(
    slices: Slices, inference: Inference, shift: float, name: str, densities: list[pd.DataFrame]
) -> dict[str, float]:
    """Return columns of the one posterior, moved in log10 mass, and append its density."""
    found, beyond = judge(slices, inference.joint.pairs.log10_mass, inference.settings)
    posteriors: Posteriors = slices.posteriors
    if np.isfinite(posteriors.density).all():
        grid = pd.DataFrame({"log10_m200c": posteriors.log10_mass + shift, "density": posteriors.density[0]})
        held = np.flatnonzero(grid["density"] > 1e-6 * grid["density"].max())
        densities.append(grid.iloc[held[0] : held[-1] + 1].assign(estimator=name))
    unknown = bool(beyond[0]) or bool(found["log10_m200c"].isna()[0])
    return {column: float(found[column].iloc[0]) + shift for column in POSTERIOR} | {"extrapolated": unknown}


def _network(
    x: Floats,
    y: Floats,
    v_los: Floats,
    redshift: float,
    scale: float,
    estimators: Estimators,
    densities: list[pd.DataFrame],
) -> dict[str, object]:
    """Return the row of CNN3D."""
    aperture, observed = estimators.sample.aperture_mpc_h, estimators.observed
    start = np.array([0, len(x)])
    row: dict[str, object] = {"estimator": "cnn3d", "galaxies": len(x), "aperture_mpc_h": aperture / scale}
    row |= {"few": len(x) < observed.min_galaxies, "uncovered": True, "extrapolated": False, "out_of_domain": False}
    if row["few"]:
        return row | {"remark": f"a mass needs {observed.min_galaxies} galaxies"}
    seen = x * scale, y * scale, v_los, start
    slices = estimators.network.slices(*seen)
    row |= _judged(slices, estimators.network.inference, -np.log10(scale), "cnn3d", densities)
    summaries = summarise(np.array([redshift]), *seen, aperture)
    percentile = float(estimators.domain.percentile(summaries)[0])
    edge = float(summaries[0, list(SUMMARIES).index("edge")])
    row |= {"domain": percentile, "uncovered": edge == 0, "out_of_domain": percentile > observed.domain_percentile}
    remarks = []
    if edge == 0:
        reach = float(np.maximum(np.abs(x), np.abs(y)).max())
        remarks.append(f"galaxies reach {reach:.2f} of {aperture / scale:.2f} Mpc/h")
    if row["out_of_domain"]:
        remarks.append(f"unlike the mock above all in: {SUMMARIES[estimators.domain.farthest(summaries)[0]]}")
    return row | {"remark": "; ".join(remarks)}


def _dispersion(
    radius: Floats, v_los: Floats, redshift: float, estimators: Estimators, densities: list[pd.DataFrame]
) -> dict[str, object]:
    """Return the row of M-sigma; radii [Mpc/h, proper] are NaN where places are unknown."""
    settings = estimators.relation_card["settings"]
    scale = _scale(estimators, estimators.relation_card, redshift)
    reach = float(settings["aperture_mpc_h"]) / (1 + float(settings["redshift"])) / scale  # stated comoving
    known = np.isfinite(radius).all()
    inside = (np.abs(v_los) <= float(settings["velocity_cut_km_s"])) & (radius <= reach if known else True)
    number = int(inside.sum())
    row: dict[str, object] = {"estimator": "msigma", "galaxies": number, "aperture_mpc_h": reach if known else np.nan}
    few = number < estimators.observed.min_galaxies
    row |= {"few": few, "uncovered": not known, "extrapolated": False, "out_of_domain": False, "remark": ""}
    if few:
        return row | {"remark": f"a mass needs {estimators.observed.min_galaxies} galaxies"}
    sigma = velocity_dispersions(v_los[inside], np.array([0, number]))
    if not sigma[0] > 0:
        return row | {"few": True, "remark": "all velocities are the same"}
    slices = estimators.relation_inference.posteriors(predict_mass(estimators.relation, sigma))
    row |= _judged(slices, estimators.relation_inference, -np.log10(scale), "msigma", densities)
    spans = estimators.relation_card["validity"]["ranges"]
    outside = [name for name, value in (("richness", number), ("sigma_v", float(sigma[0])))
               if name in spans and not spans[name][0] <= value <= spans[name][1]]  # fmt: skip
    remarks = [f"dispersion {sigma[0]:.0f} km/s"] + ([] if known else ["aperture unknown"])
    remarks += [f"unlike the mock in: {', '.join(outside)}"] if outside else []
    return row | {"out_of_domain": bool(outside), "remark": "; ".join(remarks)}


def _virial(
    x: Floats, y: Floats, v_los: Floats, redshift: float, half: float, estimators: Estimators, rng: np.random.Generator
) -> dict[str, object]:
    """Return the row of the virial mass, with limits from bootstraps."""
    reach = min(half, float(np.hypot(x, y).max()))
    found = weigh_virial(x, y, v_los, redshift, reach, estimators.observed.virial, estimators.cosmology, rng)
    members = int(found.member.sum())
    row: dict[str, object] = {"estimator": "virial", "galaxies": members, "aperture_mpc_h": reach}
    row |= {"log10_m200c": found.log10_m200c, "low68": found.low, "high68": found.high}
    row |= {
        "few": not np.isfinite(found.log10_m200c),
        "uncovered": False,
        "extrapolated": False,
        "out_of_domain": False,
    }
    words = f"dispersion {found.sigma_v:.0f} km/s; limits by bootstraps" if members else "no members found"
    return row | {"remark": words}
