"""Verdicts on simulated fields, red-sequence counts, and the panels that show them."""

from __future__ import annotations

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from clustermass.config.realism import Realism, RedSequence, Target
from clustermass.frames.contracts import BANDS
from clustermass.realism import panels
from clustermass.realism.contracts import FIELD_STATISTICS, OBJECTS, RED_COUNTS, VERDICTS
from clustermass.realism.detection import MeasurementError
from clustermass.realism.red_sequence import (
    characteristic_magnitude,
    directions,
    fit_sequence,
    rank_correlation,
    red_sequence_counts,
    within,
)
from clustermass.realism.verdict import CORRELATION, allowed, compare, correlation_row, summarise, verdict

SETTINGS, RED = Realism(), RedSequence()
ARCSEC_PER_MPC = 300.0


def fields(noise: float = 1.0, half_light: float = 1.0, spread: float = 0.08, number: int = 5) -> pd.DataFrame:
    """Return fields that meet every target, noise and sizes multiplied."""
    rows = []
    for at in range(number):
        for statistic, target in SETTINGS.targets.items():
            for name, value in target.value.items():
                factor = {"noise": noise * (1 + spread * (at - 2) / 1.58), "half-light radius": half_light}
                value *= factor.get(statistic, 1.0)
                rows.append({"field": str(at), "statistic": statistic, "bin": name, "value": value, "count": 10 + at})
    return FIELD_STATISTICS.validate(pd.DataFrame(rows).assign(unit="x"), "fields")


def verdicts_of(table: pd.DataFrame, statistic: str) -> set[str]:
    return set(table.loc[table["statistic"] == statistic, "simulated_verdict"])


def test_fields_like_real_ones_are_inside() -> None:
    table = compare(fields(), fields(), SETTINGS)
    VERDICTS.validate(table, "verdicts")
    assert set(table["statistic"]) == set(SETTINGS.targets)
    assert set(table["simulated_verdict"]) == set(table["real_verdict"]) == {"inside"}
    assert set(table["simulated_fields"]) == {5}


@pytest.mark.parametrize(
    ("fault", "statistic"),
    [({"noise": 1.2}, "noise"), ({"half_light": 0.8}, "half-light radius"), ({"spread": 0.0}, "noise scatter")],
)
def test_planted_faults_are_outside(fault: dict[str, float], statistic: str) -> None:
    table = compare(fields(), fields(**fault), SETTINGS)
    assert "outside" in verdicts_of(table, statistic)
    assert verdicts_of(table, "FWHM") == {"inside"}
    assert set(table["real_verdict"]) == {"inside"}


def test_what_no_field_has_is_not_measured() -> None:
    table = compare(FIELD_STATISTICS.empty(), fields(number=2), SETTINGS)
    assert set(table["real_verdict"]) == {"not measured"}
    assert set(table["real_fields"]) == {0}
    assert verdicts_of(table, "noise scatter") == {"not measured"}  # two fields have no scatter


def test_objects_are_weighed_and_frames_are_not() -> None:
    rows = [("a", "star fraction", "15", 0.2, 30), ("b", "star fraction", "15", 0.6, 10), ("a", "FWHM", "r", 1.0, 3)]
    rows += [("b", "FWHM", "r", 1.2, 1), ("c", "FWHM", "r", 1.8, 50), ("c", "star fraction", "15", np.nan, 0)]
    table = pd.DataFrame(rows, columns=["field", "statistic", "bin", "value", "count"]).assign(unit="")
    found = summarise(table).set_index("statistic")
    assert found.loc["star fraction", "value"] == pytest.approx(0.3)
    assert found.loc["FWHM", ["value", "low", "high"]].tolist() == [1.2, 1.0, 1.8]
    assert found.loc["star fraction", "fields"] == 2


def test_ends_of_what_is_allowed() -> None:
    target = Target(
        unit="", value={"u": 1.0, "g": -2.0}, low={"u": 0.95}, high={"z": 3.0}, tolerance=0.1, relative=True
    )
    assert allowed(target, "u") == pytest.approx((0.95, 1.1))
    assert allowed(target, "g") == pytest.approx((-2.2, -1.8))
    assert allowed(target, "z") == pytest.approx((np.nan, 3.0), nan_ok=True)
    assert target.bins == ["u", "g", "z"]
    assert [verdict(value, np.nan, 3.0) for value in (-9.0, 3.1, np.nan)] == ["inside", "outside", "not measured"]


def test_bad_targets_are_refused() -> None:
    with pytest.raises(ValidationError, match="low of u: expected at most 1"):
        Target(unit="", low={"u": 2.0}, high={"u": 1.0})
    with pytest.raises(ValidationError, match="value: expected numbers"):
        Target(unit="", tolerance=0.1)
    with pytest.raises(ValidationError, match="stamp_pixels: expected an odd number"):
        Realism(stamp_pixels=30)
    with pytest.raises(ValidationError, match="magnitude_edges: expected rising"):
        Realism(magnitude_edges=[15, 15])
    with pytest.raises(ValidationError, match="bright_peak: expected bands"):
        Realism(bright_peak={"u": 1.0})


def sequence(redshift: np.ndarray) -> np.ndarray:
    """Return g - r and r - i of the planted red sequence."""
    return np.stack([0.6 + 3 * redshift, 0.3 + 0.5 * redshift], axis=-1)


@cache
def planted_clusters() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return objects, covered area and clusters: 30 clusters, six of them empty, and a field."""
    rng, number = np.random.default_rng(8), 30
    redshift, richness = rng.uniform(0.1, 0.4, number), np.exp(rng.uniform(np.log(20), np.log(120), number)).round()
    richness[-6:] = 0
    ra, dec = 10 + 0.8 * (np.arange(number) % 6), 0.8 * (np.arange(number) // 6) - 2
    clusters = pd.DataFrame({"id": [f"c{k}" for k in range(number)], "ra": ra, "dec": dec, "redshift": redshift})
    clusters = clusters.assign(richness=richness, log10_m500c=14.0, arcsec_per_mpc=ARCSEC_PER_MPC)
    owner = np.repeat(np.arange(number), richness.astype(int))
    reach = 0.8 * ARCSEC_PER_MPC / 3600 * np.sqrt(rng.uniform(0, 1, len(owner)))
    turn = rng.uniform(0, 2 * np.pi, len(owner))
    members = galaxies(
        rng, ra[owner] + reach * np.cos(turn) / np.cos(np.radians(dec[owner])), dec[owner] + reach * np.sin(turn),
        sequence(redshift[owner]) + rng.normal(0, 0.03, (len(owner), 2)),
        characteristic_magnitude(redshift[owner]) + rng.uniform(-1, 0.9, len(owner)),
    )  # fmt: skip
    many = 60_000
    others = galaxies(rng, rng.uniform(9.5, 14.5, many), rng.uniform(-2.5, 1.7, many),
                      rng.uniform([0.8, 0.3], [1.9, 0.55], (many, 2)), rng.uniform(17, 21, many))  # fmt: skip
    spots = np.stack(np.meshgrid(np.arange(9.5, 14.5, 0.02), np.arange(-2.5, 1.7, 0.02)), axis=-1).reshape(-1, 2) + 0.01
    area = (1.2 * np.cos(np.radians(spots[:, 1]))) * 1.2
    covered = pd.DataFrame({"field": "one", "ra": spots[:, 0], "dec": spots[:, 1], "arcmin2": area})
    return pd.concat([members, others], ignore_index=True), covered, clusters


def galaxies(
    rng: np.random.Generator, ra: np.ndarray, dec: np.ndarray, colours: np.ndarray, i: np.ndarray
) -> pd.DataFrame:
    """Return objects with given colours and i, noise of two hundredths included."""
    r = i + colours[:, 1]
    flux = {"g": r + colours[:, 0], "r": r, "i": i}
    table = pd.DataFrame({"field": "one", "ra": ra, "dec": dec, "r": r, "radius": 1.5, "star": False, "bright": False})
    for band in BANDS:
        light = 10 ** (0.4 * (22.5 - flux[band])) if band in flux else np.full(len(r), np.nan)
        table[f"error_{band}"] = 0.02 * light
        table[f"flux_{band}"] = light * (1 + 0.02 * rng.normal(size=len(r)))
    return table[OBJECTS.names]


def test_red_sequence_counts_carry_richness() -> None:
    objects, covered, clusters = planted_clusters()
    counts = RED_COUNTS.validate(red_sequence_counts(objects, covered, clusters, RED), "counts")
    np.testing.assert_allclose(counts[["g_r", "r_i"]], sequence(clusters["redshift"].to_numpy()), atol=0.05)
    np.testing.assert_allclose(counts["covered"], 1, atol=0.08)
    pull = (counts["count"] - 0.9 * counts["richness"]) / counts["error"]
    assert np.abs(pull).median() < 1.2
    assert counts["background"].mean() > 3
    rho, low, high = rank_correlation(
        counts["count"].to_numpy(), counts["richness"].to_numpy(), 200, np.random.default_rng(0)
    )
    assert 0.85 < low < rho < high < 1
    row = correlation_row((rho, low, high), len(counts), RED.least_correlation)
    assert VERDICTS.validate(row, "verdicts")["simulated_verdict"].tolist() == ["inside"]


def test_where_there_is_no_cluster_nothing_is_left() -> None:
    counts = red_sequence_counts(*planted_clusters(), RED)
    empty = counts[counts["richness"] == 0]
    assert len(empty) == 6
    assert empty["galaxies"].sum() > 12
    assert abs(empty["count"].sum()) < 2.5 * np.sqrt(empty["galaxies"].sum())


def test_overlaps_and_gaps_do_not_change_counts() -> None:
    objects, covered, clusters = planted_clusters()
    once = red_sequence_counts(objects, covered, clusters, RED)
    twice = red_sequence_counts(
        pd.concat([objects, objects]), pd.concat([covered, covered], ignore_index=True), clusters, RED
    )
    np.testing.assert_allclose(twice["count"], once["count"], rtol=1e-6, atol=0.5)
    np.testing.assert_allclose(twice["covered"], 2 * once["covered"])
    east = clusters["ra"].iloc[0]
    half = red_sequence_counts(objects[objects["ra"] > east], covered[covered["ra"] > east + 0.01], clusters, RED)
    assert np.isnan(half["count"].iloc[0])  # less than half is left
    assert half["count"].iloc[1:6].notna().all()


def test_the_sequence_is_fitted_through_what_does_not_belong() -> None:
    rng = np.random.default_rng(2)
    redshift = rng.uniform(0.1, 0.5, 900)
    value = np.where(rng.uniform(size=900) < 0.6, 0.7 + 2 * redshift + rng.normal(0, 0.05, 900), rng.uniform(0, 2, 900))
    fit = fit_sequence(redshift, value, np.full(900, 0.02), RED)
    grid = np.linspace(0.12, 0.48, 9)
    np.testing.assert_allclose(np.polyval(fit, grid), 0.7 + 2 * grid, atol=0.04)
    with pytest.raises(MeasurementError, match="expected at least 12 galaxies in cores of clusters, got 5"):
        fit_sequence(redshift[:5], value[:5], value[:5], RED)


def test_too_little_to_count_on() -> None:
    objects, covered, clusters = planted_clusters()
    with pytest.raises(MeasurementError, match="expected at least 5 clusters, got 2"):
        red_sequence_counts(objects, covered, clusters.iloc[:2], RED)
    with pytest.raises(MeasurementError, match=r"further than 1\.5 Mpc"):
        red_sequence_counts(objects, covered.iloc[:0], clusters, RED)
    with pytest.raises(MeasurementError, match="at least four clusters with counts, got 3"):
        rank_correlation(np.r_[1.0, 2, 3, np.nan], np.arange(4.0), 10, np.random.default_rng(0))
    assert [len(rows) for rows in within(objects.iloc[:0], clusters.iloc[:2], 1.0)] == [0, 0]


def test_places_near_clusters_across_ra_0() -> None:
    places = pd.DataFrame({"ra": [359.99, 0.01, 0.2], "dec": [89.0, 89.0, 89.0]})
    cluster = pd.DataFrame({"ra": [0.0], "dec": [89.0], "arcsec_per_mpc": [36.0]})
    assert within(places, cluster, 0.02)[0].tolist() == [0, 1]
    np.testing.assert_allclose(directions(np.array([90.0]), np.array([0.0])), [[0, 1, 0]], atol=1e-12)


def test_characteristic_magnitude_is_continuous_and_fades() -> None:
    redshift = np.array([0.1, 0.2, 0.35, 0.4999, 0.5001, 0.6])
    magnitude = characteristic_magnitude(redshift)
    assert (np.diff(magnitude) > 0).all()
    assert abs(magnitude[4] - magnitude[3]) < 0.03


def test_panels_show_what_they_are_given() -> None:
    objects, _, _ = planted_clusters()
    table = compare(fields(), fields(noise=1.2), SETTINGS)
    figure, cells = plt.subplots(1, 5)
    kinds = {"real": fields(), "simulated": fields(noise=1.2)}
    assert panels.draw_bins(cells[0], table, kinds, "noise") == list(BANDS)
    assert "of 5 inside" in cells[0].get_title(loc="right")
    assert not cells[0].get_title(loc="right").startswith("5")
    drawn = panels.draw_colours(cells[1], {"real": objects, "simulated": objects.iloc[:0]}, False, SETTINGS)
    assert set(drawn["data_of"]) == {"real"}
    counts = pd.DataFrame({"richness": [20.0, 50.0], "count": [15.0, 44.0], "error": [4.0, 7.0]})
    panels.draw_richness(cells[2], counts, (0.6, 0.5, 0.7), 0.7)
    assert any("0.60" in text.get_text() and "outside" in text.get_text() for text in cells[2].texts)
    panels.draw_sizes(cells[4], {"real": objects, "simulated": objects.iloc[:9]}, SETTINGS)
    assert [len(line.get_xdata()) for line in cells[4].lines] == [len(objects), 9]
    panels.draw_key(cells[3], {"real": 4, "simulated": 12})
    assert "real, 4 fields" in [text.get_text() for text in cells[3].get_legend().get_texts()]
    plt.close(figure)
    assert CORRELATION not in SETTINGS.targets
