"""M-sigma: planted relations are recovered, inversion is exact, bands are percentiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from clustermass.config.base import Cosmology
from clustermass.config.dynamics import Msigma
from clustermass.msigma import (
    expansion_factor,
    fit_relation,
    mass_bands,
    predict_mass,
    relation_dispersion,
)

Floats = NDArray[np.float64]
SETTINGS = Msigma()
MDPL2 = Cosmology(H0=67.8, Om0=0.307, Ob0=0.048, sigma8=0.8228, ns=0.96)


def planted(
    n: int, scatter: float, expansion: float = 1.0, sigma15: float = 1078, alpha: float = 0.345
) -> tuple[Floats, Floats]:
    """Return masses and velocity dispersions of a relation; below 10^14.5 the dispersions are those of interlopers."""
    rng = np.random.default_rng(5)
    log10_mass = rng.uniform(13.5, 15.2, n)
    log10_dispersion = np.log10(sigma15) + alpha * (log10_mass + np.log10(expansion) - 15)
    log10_dispersion += scatter * rng.normal(size=n)
    return log10_mass, np.where(log10_mass < 14.5, 900.0, 10**log10_dispersion)


@pytest.mark.parametrize("expansion", [1.0, 1.059, 0.718])
def test_planted_relation_is_recovered(expansion: float) -> None:
    log10_mass, dispersion = planted(40_000, 0.056, expansion)
    relation = fit_relation(log10_mass, dispersion, expansion, SETTINGS)
    n = int((log10_mass >= 14.5).sum())
    assert relation.clusters == n
    # errors of least squares: scatter / sqrt(n) in the level, over the spread of masses, 0.2 dex, in the slope
    assert relation.alpha == pytest.approx(0.345, abs=4 * 0.056 / 0.2 / np.sqrt(n))
    assert np.log10(relation.sigma15) == pytest.approx(np.log10(1078), abs=4 * 0.056 / np.sqrt(n))
    assert relation.scatter == pytest.approx(0.056, rel=4 / np.sqrt(2 * n))


def test_without_scatter_the_relation_and_its_inversion_are_exact() -> None:
    log10_mass, dispersion = planted(50, 0.0, 1.059)
    relation = fit_relation(log10_mass, dispersion, 1.059, SETTINGS)
    assert (relation.sigma15, relation.alpha) == pytest.approx((1078, 0.345), rel=1e-9)
    assert relation.scatter == pytest.approx(0, abs=1e-12)
    assert predict_mass(relation, relation_dispersion(relation, log10_mass)) == pytest.approx(log10_mass)
    # by hand: 1078 km/s at 1.059 M = 10^15, and (800 / 1078)^(1 / 0.345) of that: log10 -0.37543
    found = predict_mass(relation, np.array([1078.0, 800.0]))
    assert found == pytest.approx(15 - np.log10(1.059) + np.array([0, -0.37543]), abs=2e-5)


def test_masses_do_not_depend_on_the_expansion() -> None:
    log10_mass, dispersion = planted(300, 0.05)
    one, two = (fit_relation(log10_mass, dispersion, e, SETTINGS) for e in (1.0, 1.3))
    assert predict_mass(one, dispersion) == pytest.approx(predict_mass(two, dispersion), abs=1e-10)
    assert one.sigma15 / two.sigma15 == pytest.approx(1.3**one.alpha)


def test_expansion_is_read_in_three_ways() -> None:
    # E^2 = 0.307 * 1.117^3 + 0.693 = 1.12085
    factors = {
        reading: expansion_factor(Msigma(expansion=reading), 0.117, MDPL2)  # type: ignore[arg-type]
        for reading in ("efunc", "hubble", "none")
    }
    assert factors == pytest.approx({"efunc": 1.05870, "hubble": 0.678 * 1.05870, "none": 1.0}, rel=1e-4)


def test_bands_are_percentiles_of_bins() -> None:
    log10_mass = np.repeat([14.3, 14.35, 14.45, 14.52], [50, 51, 101, 9])
    values = np.concatenate([np.arange(101.0), 10 * np.arange(101.0), np.arange(9.0)])
    bands = mass_bands(log10_mass, values, SETTINGS)
    assert bands["log10_mass"].tolist() == pytest.approx([14.35, 14.45])  # the last bin has fewer than ten
    assert bands["count"].tolist() == [101, 101]
    levels = bands[["p3", "p16", "median", "p84", "p97"]].to_numpy()
    assert levels == pytest.approx(np.array([[3, 16, 50, 84, 97], [30, 160, 500, 840, 970]]))
    assert mass_bands(log10_mass[:0], values[:0], SETTINGS).columns.tolist() == bands.columns.tolist()


def test_bad_input_is_refused() -> None:
    log10_mass, dispersion = planted(100, 0.05)
    for value in (0.0, -1.0, np.nan, np.inf):
        broken = dispersion.copy()
        broken[np.argmax(log10_mass)] = value
        with pytest.raises(ValueError, match="velocity dispersion: expected positive"):
            fit_relation(log10_mass, broken, 1.0, SETTINGS)
        with pytest.raises(ValueError, match=f"got {value} in row {np.argmax(log10_mass)}"):
            predict_mass(fit_relation(log10_mass, dispersion, 1.0, SETTINGS), broken)
    broken = np.where(log10_mass < 14.5, np.nan, dispersion)  # clusters that are not fitted may have none
    assert fit_relation(log10_mass, broken, 1.0, SETTINGS) == fit_relation(log10_mass, dispersion, 1.0, SETTINGS)
    for few in (log10_mass - 2, np.full(100, 14.8)):
        with pytest.raises(ValueError, match="at least 3 clusters of different mass above"):
            fit_relation(few, dispersion, 1.0, SETTINGS)
    wrong: list[dict[str, Any]] = [{"expansion": "h"}, {"bin_width": 0.0}, {"min_log10_mass": 3e14}]
    for settings in wrong:
        with pytest.raises(ValidationError, match=next(iter(settings))):
            Msigma(**settings)
