"""Checks of Kodi Ramanah et al. (2021): planted shifts are found, and the threshold of M200c follows colossus."""

import numpy as np
import pytest
from colossus.halo import concentration, mass_defs

from clustermass.checks import CHECKS, paired_changes, unknown_redshift
from clustermass.config.base import Cosmology
from clustermass.cosmology import flat, use_colossus


def planted(n=400, seed=1):
    rng = np.random.default_rng(seed)
    group = np.repeat([f"box1-{k}" for k in range(n // 2)], 2)
    reference = 0.05 + 0.15 * rng.standard_normal(n)
    return group, {"reference": reference, "shifted": reference - 0.017, "wider": 2 * reference}


def changes(table, check, statistic):
    return table[(table["check"] == check) & (table["statistic"] == statistic)].iloc[0]


def test_planted_changes_are_found_exactly():
    group, residuals = planted()
    table = paired_changes(residuals, "reference", group, 200, np.random.default_rng(2))
    shift = changes(table, "shifted", "change of mean")
    assert shift["value"] == pytest.approx(-0.017)
    assert shift["low"] == pytest.approx(-0.017)  # the same change for every cluster has no error
    assert changes(table, "wider", "change of sigma")["value"] == pytest.approx(residuals["reference"].std())
    assert changes(table, "reference", "mean")["value"] == pytest.approx(residuals["reference"].mean())
    CHECKS.validate(table.assign(sample="evaluation")[CHECKS.names], "checks")


def test_halos_are_drawn_whole():
    """Two views of a halo that agree count once: the error is that of half as many clusters."""
    rng = np.random.default_rng(3)
    values = np.repeat(0.1 * rng.standard_normal(500), 2)
    for group, clusters in ((np.repeat(np.arange(500), 2).astype(str), 500), (np.arange(1000).astype(str), 1000)):
        table = paired_changes({"reference": values}, "reference", group, 2000, np.random.default_rng(4))
        mean = changes(table, "reference", "mean")
        assert (mean["high"] - mean["low"]) / 2 == pytest.approx(values.std() / np.sqrt(clusters), rel=0.08)


def test_clusters_without_a_prediction_are_left_out_on_both_sides():
    group, residuals = planted()
    part = residuals["reference"] + np.where(np.arange(len(group)) < 100, np.nan, 0.01)
    table = paired_changes({**residuals, "part": part}, "reference", group, 50, np.random.default_rng(5))
    change = changes(table, "part", "change of mean")
    assert change["clusters"] == len(group) - 100
    assert change["value"] == pytest.approx(0.01)


def test_wrong_input_is_named():
    group, residuals = planted()
    with pytest.raises(ValueError, match="reference: expected one of"):
        paired_changes(residuals, "base", group, 10, np.random.default_rng(6))
    with pytest.raises(ValueError, match="short: expected 400 residuals"):
        paired_changes({**residuals, "short": np.zeros(3)}, "reference", group, 10, np.random.default_rng(6))


def test_threshold_of_the_mass_follows_colossus():
    cosmology, mass, z = Cosmology(), 10**14.3, 0.05
    deviation, span = unknown_redshift(250.0, 14.3, z, cosmology)
    use_colossus(cosmology)
    c = concentration.concentration(mass, "200c", z, model="diemer19")
    universe = flat(cosmology)
    densities = [200 * (universe.efunc(end) / universe.efunc(z)) ** 2 for end in (0.0, 0.0848)]
    ends = [mass_defs.changeMassDefinition(mass, c, z, "200c", f"{density:.0f}c")[0] for density in densities]
    assert span == pytest.approx(np.log10(ends[0] / ends[1]), rel=0.1)  # definitions of colossus are whole numbers
    assert 0.1 * span < deviation < 0.5 * span
    assert unknown_redshift(1.0, 14.3, 0.0, cosmology)[1] < 1e-4
