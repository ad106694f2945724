"""Whether posteriors are right: how often the truth is where they say it is.

Each statistic below is uniform between 0 and 1 for posteriors that are right, over clusters drawn from their prior, and
over those selected by anything that posteriors know of, such as their mean mass. Clusters selected by their true mass
are another matter: of those with low masses, right posteriors say too much. What is expected there follows from the
posteriors: the distribution of the statistic for masses that are drawn from them and fall in the bin.

Clusters count one each, also where several are lines of sight to one halo: counting halos instead would change the
mass distribution, the prior that posteriors stand on. What such lines have in common is in the bands: these come from a
bootstrap of whole halos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kstwo

from clustermass.config.posterior import Posterior
from clustermass.posterior.contracts import CALIBRATION
from clustermass.posterior.grid import Floats, Posteriors, highest_density_level, mean, quantiles, volume_below

Statistic = Callable[[Floats], Floats]
"""Takes masses (n, k) of n clusters, returns values between 0 and 1 of the same shape."""

_CONFIDENCE = 0.95
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class Bin:
    """Clusters that are looked at together.

    Attributes
    ----------
    bins : str
        all, predicted, truth: what they are selected by.
    number : int
    low, high : float
        Masses that they are between.
    """

    bins: str
    number: int
    low: float
    high: float

    def holds(self, log10_mass: Floats) -> NDArray[np.bool_]:
        """Return whether masses are in the bin."""
        return np.asarray((log10_mass >= self.low) & (log10_mass <= self.high))


def calibrate(
    posteriors: Posteriors,
    log10_mass: Floats,
    group: ArrayLike,
    settings: Posterior,
    rng: np.random.Generator,
    weight: Floats | None = None,
) -> pd.DataFrame:
    """Return the calibration of posteriors, of all clusters and in bins of mass: contract `CALIBRATION`.

    Parameters
    ----------
    posteriors : Posteriors
        Of n clusters; those without a posterior are left out.
    log10_mass : array, shape (n,)
        True log10 M200c [Msun/h].
    group : array, shape (n,)
        Halo of each cluster.
    settings : Posterior
    rng : numpy.random.Generator
        Draws reference masses, ranks and bootstrap samples.
    weight : array, shape (n,), optional
        How much each cluster counts, where posteriors stand on another prior than these clusters: `prior.importance`.

    Raises
    ------
    ValueError
        No posteriors.

    Notes
    -----
    pit: the paper's quantile-quantile curve as published (Kodi Ramanah et al. 2021, Fig. 6; their code);
    highest_density: the reading "a posterior containing x% of the probability volume should contain the ground truth
    x% of the time"; tarp: Lemos et al. (2023), with reference masses drawn uniformly over the grid where the truth
    lies, exact in one dimension; rank: Talts et al. (2018).
    """
    known = np.isfinite(posteriors.density[:, 0])
    weight = np.ones(len(known)) if weight is None else weight
    known &= weight > 0
    if not known.any():
        raise ValueError(f"calibration: expected posteriors of clusters that count, got none of {len(known)}")
    posteriors = Posteriors(posteriors.log10_mass, posteriors.density[known])
    log10_mass, weight = log10_mass[known], weight[known]
    halo = np.unique(np.asarray(group)[known], return_inverse=True)[1]
    predicted = mean(posteriors)
    reference = rng.uniform(log10_mass.min(), log10_mass.max(), len(log10_mass))
    number = len(log10_mass)
    strata = (np.arange(number) * _GOLDEN % 1)[:, None] + np.arange(settings.calibration_draws)
    drawn = quantiles(posteriors, strata / settings.calibration_draws)  # (n, draws)
    bins = list(_bins(predicted, log10_mass, settings.calibration_bins))
    rows = []
    for name, statistic in _statistics(posteriors, reference, settings, rng):
        values, simulated = statistic(log10_mass[:, None])[:, 0], statistic(drawn)
        for one in bins:
            chosen = np.flatnonzero(one.holds(predicted if one.bins == "predicted" else log10_mass))
            if not len(chosen):  # fewer clusters than bins
                continue
            expected = None
            if one.bins == "truth":
                inside = one.holds(drawn) * weight[:, None]
                expected = simulated.ravel(), inside.ravel()
            sample = _Sample(values[chosen], weight[chosen], halo[chosen])
            curve = _ranks if name == "rank" else _curve
            rows.append(curve(sample, expected, settings, rng).assign(statistic=name, **vars(one)))
    table = pd.concat(rows, ignore_index=True).rename(columns={"number": "bin"})
    return CALIBRATION.validate(table[CALIBRATION.names], "calibration")


def _bins(predicted: Floats, truth: Floats, number: int) -> Iterator[Bin]:
    """Yield all clusters as one bin, then bins of equal count in predicted and in true mass."""
    yield Bin("all", 0, float(truth.min()), float(truth.max()))
    for name, values in (("predicted", predicted), ("truth", truth)):
        edges = np.quantile(values, np.linspace(0, 1, number + 1))
        below = np.nextafter(edges, -np.inf)  # no cluster in two bins
        for k in range(number):
            yield Bin(name, k, float(edges[k]), float(below[k + 1] if k + 1 < number else edges[k + 1]))


def _statistics(
    posteriors: Posteriors, reference: Floats, settings: Posterior, rng: np.random.Generator
) -> Iterator[tuple[str, Statistic]]:
    """Yield the statistics by name."""
    yield "pit", lambda mass: volume_below(posteriors, mass)
    yield "highest_density", lambda mass: highest_density_level(posteriors, mass)
    yield "tarp", lambda mass: nearer_volume(posteriors, mass, reference)
    yield "rank", lambda mass: rank_among(volume_below(posteriors, mass), settings.rank_draws, rng)


def nearer_volume(posteriors: Posteriors, log10_mass: Floats, reference: Floats) -> Floats:
    """Return the volume of posteriors that is nearer to reference masses (n,) than masses (n, k) are; shape (n, k).

    *Source*: Lemos et al. (2023), section 3: tests of accuracy with random points (TARP), without draws.
    """
    distance = np.abs(log10_mass - reference[:, None])
    above = volume_below(posteriors, reference[:, None] + distance)
    return np.asarray(above - volume_below(posteriors, reference[:, None] - distance))


def rank_among(pit: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Return the rank of masses among independent draws from posteriors, as a place between 0 and 1.

    Parameters
    ----------
    pit : array
        Volume of the posterior below each mass: so likely is each draw to be lower.
    draws : int
        From each posterior: ranks are 0 to `draws`, places (rank + 1/2) / (draws + 1).
    rng : numpy.random.Generator
    """
    return np.asarray((rng.binomial(draws, pit) + 0.5) / (draws + 1))


@dataclass(frozen=True, eq=False)
class _Sample:
    """Values of a statistic, how much each counts, and the halo each belongs to; shapes (n,)."""

    values: Floats
    weight: Floats
    halo: NDArray[np.int64]

    def shares(self, edges: Floats) -> Floats:
        """Return which values are at most each edge, times their weight, summed over each halo: (halos, edges)."""
        place = np.unique(self.halo, return_inverse=True)[1]
        inside = (self.values[:, None] <= edges) * self.weight[:, None]
        return np.stack([np.bincount(place, column) for column in inside.T], axis=1)

    def independent(self) -> float:
        """Return the number of independent values if those of one halo are all the same (Kish 1965)."""
        total = np.bincount(self.halo, self.weight)
        return float(total.sum() ** 2 / (total**2).sum())


def _bootstrap(shares: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Return curves (draws, edges) of samples of whole halos; the last column of shares (halos, edges) is the whole."""
    halos = len(shares)
    drawn = rng.integers(halos, size=(draws, halos)) + halos * np.arange(draws)[:, None]
    times = np.bincount(drawn.ravel(), minlength=draws * halos).reshape(draws, halos)
    curves = times.astype(np.float64) @ shares
    return np.asarray(curves / np.maximum(curves[:, -1:], np.finfo(float).tiny))


def _weighted_shares(values: Floats, weight: Floats, edges: Floats) -> Floats:
    """Return the weighted share of values that is at most each edge."""
    order = np.argsort(values, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weight[order])])
    shares: Floats = below[np.searchsorted(values[order], edges, side="right")] / max(below[-1], np.finfo(float).tiny)
    return shares


def _curve(
    sample: _Sample, expected: tuple[Floats, Floats] | None, settings: Posterior, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the shares of values below levels, beside what is expected and how far noise goes."""
    levels = np.arange(1, settings.calibration_levels + 1) / (settings.calibration_levels + 1)
    shares = sample.shares(np.append(levels, 1.0))
    observed = np.minimum(shares[:, :-1].sum(axis=0) / shares[:, -1].sum(), 1.0)  # weights round
    wanted = levels if expected is None else _weighted_shares(*expected, levels)
    away = np.abs(_bootstrap(shares, settings.bootstrap, rng)[:, :-1] - observed).max(axis=1)
    band = float(np.quantile(away, _CONFIDENCE))
    columns = {"level": levels, "observed": observed, "expected": wanted}
    return _summed_up(columns, wanted - band, wanted + band, band, sample)


def _ranks(
    sample: _Sample, expected: tuple[Floats, Floats] | None, settings: Posterior, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the shares of ranks in bins of ranks; the band of each bin is for itself, that of all for cumulated."""
    edges = np.arange(1, settings.rank_bins + 1) / settings.rank_bins
    shares = sample.shares(edges)
    steps = [0.0, *(shares.sum(axis=0) / shares[:, -1].sum())]
    observed = np.clip(np.diff(steps), 0, 1)  # weights round
    cumulated = edges if expected is None else _weighted_shares(*expected, edges)
    wanted = np.clip(np.diff(cumulated, prepend=0.0), 0, 1)
    curves = _bootstrap(shares, settings.bootstrap, rng)
    spread = np.quantile(np.abs(np.diff(curves, prepend=0.0, axis=1) - observed), _CONFIDENCE, axis=0)
    band = float(np.quantile(np.abs(curves - steps[1:]).max(axis=1), _CONFIDENCE))
    columns = {"level": edges - 0.5 / settings.rank_bins, "observed": observed, "expected": wanted}
    table = _summed_up(columns, wanted - spread, wanted + spread, band, sample)
    table["deviation"] = np.abs(np.array(steps[1:]) - cumulated).max()
    table["from_diagonal"] = np.abs(np.array(steps[1:]) - edges).max()
    return table


def _summed_up(columns: dict[str, Floats], low: Floats, high: Floats, band: float, sample: _Sample) -> pd.DataFrame:
    """Return a curve with the numbers that sum it up."""
    independent = sample.independent()
    return pd.DataFrame(columns).assign(
        band_low=low,
        band_high=high,
        deviation=np.abs(columns["observed"] - columns["expected"]).max(),
        from_diagonal=np.abs(columns["observed"] - columns["level"]).max(),
        band=band,
        band_ks=float(kstwo.ppf(_CONFIDENCE, max(round(independent), 1))),
        clusters=len(sample.values),
        halos=len(np.unique(sample.halo)),
        independent=independent,
    )
