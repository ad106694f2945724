"""Matter and halos of one box against theory: n(M), P(k), bias, infall, velocity dispersions; rows of `STATISTICS`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from clustermass.config.base import Cosmology
from clustermass.cosmology import use_colossus
from clustermass.galaxies.background import Floats, Ints, dispersion_evrard08, halo_bias, mass_function
from clustermass.nbody.linear import growth, linear_power
from clustermass.validation.modes import Modes, point_modes, power_ratio, regression_bias
from clustermass.validation.table import bin_means, bin_of, rows
from clustermass.validation.theory import Own, infall_linear, nonlinear_power

MASS, DENSITY = "log10(Msun/h)", "(Mpc/h)^-3 dex^-1"
_XYZ, _VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]
_FINE = 20  # nodes a bin of mass that theory is integrated on


def bin_mean_density(edges: Floats | list[float], density: Floats) -> Floats:
    """Return means of a density per dex over bins, from its values at `fine_nodes`; shape (n,)."""
    return np.asarray(np.trapezoid(density.reshape(len(edges) - 1, _FINE), axis=1) / (_FINE - 1))


def fine_nodes(edges: Floats | list[float]) -> Floats:
    """Return nodes inside bins, each bin's one after another, shape (n * nodes,)."""
    return np.concatenate([np.linspace(low, high, _FINE) for low, high in pairwise(edges)])


def abundance(
    mass: Floats, box: float, edges: list[float], sample: str, density: Floats, *, fewest: int = 0
) -> pd.DataFrame:
    """Return dn / dlog10 M of halos in bins, beside theory.

    Parameters
    ----------
    mass : array, shape (n,)
        [Msun/h]; of all halos of the box.
    box : float
        Side [Mpc/h].
    edges : list of float
        log10 of mass.
    sample : str
    density : array
        Theory's dn / dlog10 M [(Mpc/h)^-3] at `fine_nodes` of the edges.

    Notes
    -----
    The error is Poisson's; clustering adds to it, as boxes of other seeds tell.
    """
    log_mass, bins = np.log10(mass), len(edges) - 1
    place = bin_of(log_mass, edges)
    count, mean, _ = bin_means(place, log_mass, bins)
    volume = box**3 * np.diff(edges)
    return rows(
        "mass function", sample, (MASS, DENSITY), edges, mean, count / volume, count,
        error=np.sqrt(count) / volume, expected=bin_mean_density(edges, density), fewest=fewest,
    )  # fmt: skip


def fof_mass_function(mass: Floats, redshift: float, cosmology: Cosmology) -> Floats:
    """Return dn / dlog10 M [(Mpc/h)^-3] of friends-of-friends masses, b = 0.2 (Warren et al. 2006, by colossus)."""
    from colossus.lss.mass_function import massFunction

    use_colossus(cosmology)
    return np.asarray(massFunction(mass, redshift, mdef="fof", model="warren06", q_out="dndlnM") * np.log(10))


def fof_mass(particles: Ints, particle_mass: float) -> Floats:
    """Return masses of friends-of-friends groups, shape (n,), in the unit of the particle's.

    Notes
    -----
    Source: Warren et al. (2006, ApJ 646, 881), Eq. 2: a group of N particles is too heavy by N^-0.6; their mass
    function is of masses so corrected.
    """
    return particle_mass * particles * (1 - np.asarray(particles, float) ** -0.6)


def mass_functions(
    found: pd.DataFrame,
    halos: pd.DataFrame,
    box: float,
    particle_mass: float,
    redshift: float,
    cosmology: Cosmology,
    edges: list[float],
    fewest: int = 0,
) -> pd.DataFrame:
    """Return n(M) of masses as found (M200c and friends of friends) and after matching.

    Parameters
    ----------
    found, halos : pandas.DataFrame
        Contracts `HALOS_SNAPSHOT` and `SNAPSHOT_HALOS`.
    particle_mass : float
        [Msun/h]
    """
    nodes = 10 ** fine_nodes(edges)
    tinker = mass_function(nodes, redshift, cosmology)
    warren = fof_mass_function(nodes, redshift, cosmology)
    linked = found["particles_fof"].to_numpy()  # 0: the group is counted with a larger halo
    groups = fof_mass(linked[linked > 0], particle_mass)
    parts = [
        abundance(found["m200c"].to_numpy(), box, edges, "raw", tinker, fewest=fewest),
        abundance(groups, box, edges, "friends of friends", warren, fewest=fewest),
        abundance(halos["m200c"].to_numpy(), box, edges, "matched", tinker, fewest=fewest),
    ]
    return pd.concat(parts, ignore_index=True)


def power_rows(power: pd.DataFrame, redshift: float, cosmology: Cosmology, edges: list[float]) -> pd.DataFrame:
    """Return P(k) over linear theory in bins of k: of the mean universe, and of the box's own initial modes.

    Parameters
    ----------
    power : pandas.DataFrame
        Contract `POWER`.
    edges : list of float
        Of k [h/Mpc].

    Notes
    -----
    Samples: 'linear', over the mean linear power, with the scatter sqrt(2 / modes) of Gaussian modes as its error;
    'realised', over the linear power of the same realisation, if known; 'halofit', the best of these again beside the
    non-linear power of Takahashi et al. (2012) over linear.
    """
    k, modes = power["k"].to_numpy(), power["modes"].to_numpy()
    place, bins = bin_of(k, edges), len(edges) - 1
    inside = place >= 0
    count = np.bincount(place[inside], modes[inside], minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(place[inside], (k * modes)[inside], minlength=bins) / count
    measured, linear = power["power"].to_numpy(), power["linear"].to_numpy()
    shells = {"linear": (linear, measured * np.sqrt(2 / modes))}
    if power["realised"].notna().all():
        shells["realised"] = power["realised"].to_numpy(), power["scatter"].to_numpy()
    parts, units = [], ("h/Mpc", "")
    for sample, (reference, scatter) in shells.items():
        ratio, error = power_ratio(measured, reference, modes, scatter, place, bins)
        parts.append(rows("power", sample, units, edges, mean, ratio, count, error=error, expected=1.0))
    grown = growth(1 / (1 + redshift), cosmology.Om0) ** 2
    rise = nonlinear_power(k, redshift, cosmology) / (grown * linear_power(k, cosmology))
    expected, _ = power_ratio(linear * rise, linear, modes, linear, place, bins)
    parts.append(rows("power", "halofit", units, edges, mean, ratio, count, error=error, expected=expected))
    return pd.concat(parts, ignore_index=True)


def mean_bias(mass: Floats, redshift: float, cosmology: Cosmology) -> float:
    """Return the mean bias of halos of M200c [Msun/h] (Tinker et al. 2010), from nodes, as colossus is slow."""
    nodes = np.linspace(np.log10(mass.min()) - 0.01, np.log10(mass.max()) + 0.01, 40)
    return float(np.mean(np.interp(np.log10(mass), nodes, halo_bias(10**nodes, redshift, cosmology))))


def bias_rows(
    halos: pd.DataFrame,
    sample: str,
    matter: Modes,
    redshift: float,
    cosmology: Cosmology,
    edges: list[float],
    k_max: float,
    fewest: int = 2,
) -> pd.DataFrame:
    """Return the bias of halos in bins of mass, from their long modes and those of matter.

    Parameters
    ----------
    halos : pandas.DataFrame
        Columns x, y, z [Mpc/h] and m200c [Msun/h].
    matter : Modes
    k_max : float
        Largest wave number used [h/Mpc].
    """
    matter, bins = matter.within(k_max), len(edges) - 1
    mass, positions = halos["m200c"].to_numpy(), halos[_XYZ].to_numpy()
    place = bin_of(np.log10(mass), edges)
    count, mean, _ = bin_means(place, np.log10(mass), bins)
    value, error, expected = np.full((3, bins), np.nan)
    for row in np.flatnonzero(count >= max(fewest, 2)):
        mine = place == row
        tracer = point_modes(positions[mine], matter.box, matter.number)
        value[row], error[row] = regression_bias(matter, tracer)
        expected[row] = mean_bias(mass[mine], redshift, cosmology)
    units = (MASS, "")
    return rows("bias", sample, units, edges, mean, value, count, error=error, expected=expected, fewest=fewest)


def pairwise_infall(
    positions: Floats, velocities: Floats, box: float, edges: list[float]
) -> tuple[Ints, Floats, Floats, Floats]:
    """Return the mean relative velocity of pairs along their separation, in bins of the separation.

    Parameters
    ----------
    positions, velocities : array, shape (n, 3)
        Comoving, in [0, box) [Mpc/h]; peculiar [km/s].
    edges : list of float
        Below half the box [Mpc/h].

    Returns
    -------
    count : array of int, shape (bins,)
        Pairs.
    separation : array, shape (bins,)
        Mean [Mpc/h].
    velocity, error : array, shape (bins,)
        [km/s], negative where they approach; error by the scatter between the box's eight octants.

    Raises
    ------
    ValueError
        Separations of half the box or more.
    """
    if edges[-1] >= box / 2:
        raise ValueError(f"separations: expected below half the box, {box / 2} Mpc/h, got {edges[-1]}")
    bins = len(edges) - 1
    pairs = cKDTree(positions, boxsize=np.full(3, box)).query_pairs(edges[-1], output_type="ndarray")
    one, two = pairs.T
    apart = positions[two] - positions[one]
    apart -= box * np.round(apart / box)
    distance = np.linalg.norm(apart, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = np.sum((velocities[two] - velocities[one]) * apart, axis=1) / distance
    place = np.where(distance > 0, bin_of(distance, edges), -1)
    count, separation, _ = bin_means(place, distance, bins)
    _, velocity, _ = bin_means(place, along, bins)
    octant = (positions[one] >= box / 2) @ np.array([4, 2, 1])
    _, parts, _ = bin_means(np.where(place >= 0, 8 * place + octant, -1), along, 8 * bins)
    return count, separation, velocity, parts.reshape(bins, 8).std(axis=1, ddof=1) / np.sqrt(8)


def own_modes(power: pd.DataFrame) -> Own | None:
    """Return k and the box's own linear power over the mean one, from the contract `POWER`; None where not known."""
    if not len(power) or power["realised"].isna().any():
        return None
    return power["k"].to_numpy(), (power["realised"] / power["linear"]).to_numpy(), float(power["k_low"].iloc[0])


def infall_rows(
    halos: pd.DataFrame,
    box: float,
    redshift: float,
    cosmology: Cosmology,
    edges: list[float],
    own: Own | None = None,
    fewest: int = 100,
) -> pd.DataFrame:
    """Return v12(r) of halos beside linear theory with their mean bias (Tinker et al. 2010).

    Parameters
    ----------
    halos : pandas.DataFrame
        Columns x, y, z [Mpc/h], vx, vy, vz [km/s] and m200c [Msun/h]; those that pairs are made of.
    edges : list of float
        Of the separation; bins beyond half the box are left out [Mpc/h].
    own : tuple, optional
        Of `own_modes`: theory is then that of the modes that this box has.
    """
    edges = [edge for edge in edges if edge < box / 2]
    mass = halos["m200c"].to_numpy()
    count, separation, velocity, error = pairwise_infall(
        halos[_XYZ].to_numpy(), halos[_VELOCITY].to_numpy(), box, edges
    )
    middle = np.where(np.isnan(separation), np.add(edges[:-1], edges[1:]) / 2, separation)
    expected = infall_linear(middle, mean_bias(mass, redshift, cosmology), redshift, cosmology, own)
    return rows(
        "infall", "halos", ("Mpc/h", "km/s"), edges, separation, velocity, count,
        error=error, expected=expected, fewest=fewest,
    )  # fmt: skip


def dispersion_rows(
    mass: Floats,
    sigma: Floats,
    sample: str,
    redshift: float,
    cosmology: Cosmology,
    edges: list[float],
    fewest: int = 2,
) -> pd.DataFrame:
    """Return medians of the velocity dispersions of halos in bins of mass, beside Evrard et al. (2008).

    Parameters
    ----------
    mass : array, shape (n,)
        M200c [Msun/h].
    sigma : array, shape (n,)
        Inside R200c, along one axis [km/s].

    Notes
    -----
    The dispersion is brought to the bin's mean mass by Evrard's own relation, halo by halo.
    """
    bins = len(edges) - 1
    place = bin_of(np.log10(mass), edges)
    count, mean, _ = bin_means(place, np.log10(mass), bins)
    ratio = sigma / dispersion_evrard08(mass, redshift, cosmology)
    median, error = np.full((2, bins), np.nan)
    for row in np.flatnonzero(count >= 2):
        mine = ratio[place == row]
        # the error of a median of normal numbers
        median[row], error[row] = np.median(mine), np.sqrt(np.pi / 2 / len(mine)) * mine.std(ddof=1)
    expected = dispersion_evrard08(10**mean, redshift, cosmology)
    return rows(
        "velocity dispersion", sample, (MASS, "km/s"), edges, mean, median * expected, count,
        error=error * expected, expected=expected, fewest=fewest,
    )  # fmt: skip
