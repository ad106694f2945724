"""Richness measured on frames: planted clusters come back, the red sequence is found, and nothing is left elsewhere."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest

from clustermass.config.realism import RedSequence
from clustermass.frames.contracts import BANDS
from clustermass.realism.contracts import OBJECTS, RED_COUNTS, VERDICTS
from clustermass.realism.detection import MeasurementError
from clustermass.realism.red_sequence import (
    characteristic_magnitude,
    fit_sequence,
    rank_correlation,
    red_sequence_counts,
    within,
)
from clustermass.realism.verdict import correlation_row

RED = RedSequence()
ARCSEC_PER_MPC, H = 300.0, 0.7
EMPTY, MEMBERS = 6, slice(None, -6)  # clusters without galaxies, and the others


def sequence(redshift: np.ndarray) -> np.ndarray:
    """Return g - r and r - i of the planted red sequence."""
    return np.stack([0.65 + 2.5 * redshift, 0.3 + 0.6 * redshift], axis=-1)


@cache
def planted_clusters() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return objects, covered area and clusters: 30 clusters of a projected NFW-like profile, six empty, and a field."""
    rng, number = np.random.default_rng(8), 30
    redshift, richness = rng.uniform(0.1, 0.35, number), np.exp(rng.uniform(np.log(20), np.log(120), number)).round()
    richness[-EMPTY:] = 0
    ra, dec = 10 + 0.8 * (np.arange(number) % 6), 0.8 * (np.arange(number) // 6) - 2
    clusters = pd.DataFrame({"id": [f"c{k}" for k in range(number)], "ra": ra, "dec": dec, "redshift": redshift})
    clusters = clusters.assign(richness=richness, log10_m500c=14.0, arcsec_per_mpc=ARCSEC_PER_MPC)
    owner = np.repeat(np.arange(number), richness.astype(int))
    edge = (richness[owner] / 100) ** 0.2 / H
    mpc = edge * rng.uniform(0, 1, len(owner)) ** 1.3
    turn, degree = rng.uniform(0, 2 * np.pi, len(owner)), ARCSEC_PER_MPC / 3600
    members = galaxies(
        rng,
        ra[owner] + degree * mpc * np.cos(turn) / np.cos(np.radians(dec[owner])),
        dec[owner] + degree * mpc * np.sin(turn),
        sequence(redshift[owner]) + rng.normal(0, 0.04, (len(owner), 2)),
        characteristic_magnitude(redshift[owner]) + rng.uniform(-1, 1.7, len(owner)),
    )
    many = 30_000
    others = galaxies(
        rng,
        rng.uniform(9.5, 14.5, many),
        rng.uniform(-2.5, 1.7, many),
        rng.uniform([0.4, 0.1], [1.9, 0.7], (many, 2)),
        17 + 4 * np.sqrt(rng.uniform(0, 1, many)),
    )
    spots = (
        np.stack(np.meshgrid(np.arange(9.5, 14.5, 0.025), np.arange(-2.5, 1.7, 0.025)), axis=-1).reshape(-1, 2) + 0.0125
    )
    area = 1.5**2 * np.cos(np.radians(spots[:, 1]))
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


@cache
def planted_counts() -> pd.DataFrame:
    return RED_COUNTS.validate(red_sequence_counts(*planted_clusters(), H, RED), "counts")


def test_planted_richness_comes_back() -> None:
    counts = planted_counts()
    truth = sequence(counts["redshift"].to_numpy())
    np.testing.assert_allclose(counts[["g_r", "r_i"]].to_numpy()[MEMBERS], truth[MEMBERS], atol=0.08)
    np.testing.assert_allclose(counts["covered"], 1, atol=0.08)
    part = counts[MEMBERS]
    assert (part["count"] / part["richness"]).median() == pytest.approx(1, abs=0.15)
    assert np.abs((part["count"] - part["richness"]) / part["error"]).median() < 1.5
    rho, low, high = rank_correlation(
        part["count"].to_numpy(), part["richness"].to_numpy(), 200, np.random.default_rng(0)
    )
    assert 0.9 < low < rho < high < 1
    row = correlation_row((rho, low, high), len(part), RED.least_correlation)
    assert VERDICTS.validate(row, "verdicts")["simulated_verdict"].tolist() == ["inside"]


def test_where_there_is_no_cluster_nothing_is_left() -> None:
    empty = planted_counts()[-EMPTY:]
    assert empty["galaxies"].sum() > 100
    assert (empty["count"] < 8).all()


def test_shuffled_richness_is_not_told() -> None:
    part = planted_counts()[MEMBERS]
    shuffled = part["count"].sample(frac=1, random_state=1).to_numpy()
    rho, _, _ = rank_correlation(shuffled, part["richness"].to_numpy(), 50, np.random.default_rng(1))
    assert abs(rho) < 0.5


def test_overlaps_and_gaps_do_not_change_richness() -> None:
    objects, covered, clusters = planted_clusters()
    once = planted_counts()
    twice = red_sequence_counts(
        pd.concat([objects, objects], ignore_index=True), pd.concat([covered, covered], ignore_index=True),
        clusters, H, RED,
    )  # fmt: skip
    np.testing.assert_allclose(twice["count"], once["count"], rtol=1e-3)
    np.testing.assert_allclose(twice["covered"], 2 * once["covered"])
    east = clusters["ra"].iloc[0] + 0.04
    half = red_sequence_counts(objects[objects["ra"] > east], covered[covered["ra"] > east], clusters, H, RED)
    assert np.isnan(half["count"].iloc[0])  # less than half is left
    assert half["count"].iloc[1:6].notna().all()


def test_faint_stars_count_as_galaxies_and_bright_ones_do_not() -> None:
    objects, covered, clusters = planted_clusters()
    bright = (objects["r"] < RED.star_cut_r) & (np.arange(len(objects)) % 2 == 0)
    hidden = red_sequence_counts(objects.assign(star=bright), covered, clusters, H, RED)
    assert (hidden["count"] / planted_counts()["count"])[MEMBERS].median() < 0.8
    same = red_sequence_counts(objects.assign(star=objects["r"] > RED.star_cut_r), covered, clusters, H, RED)
    np.testing.assert_allclose(same["count"], planted_counts()["count"])


def test_the_sequence_is_the_best_of_all() -> None:
    rng = np.random.default_rng(2)
    redshift, knots, grid = rng.uniform(0.1, 0.4, 12), np.array([0.1, 0.25, 0.4]), 0.5 + 0.1 * np.arange(9)
    cores = [(0.6 + z + rng.normal(0, 0.1, 4), np.ones(4)) for z in redshift]
    field = [(rng.uniform(0.4, 1.4, 50), np.ones(50)) for _ in redshift]
    found = fit_sequence(redshift, cores, field, np.full(12, 0.02), knots, grid)

    def height(line: np.ndarray) -> float:
        # what stands out along a line, by numbers smoothed as the function smooths them: planted as single galaxies
        from clustermass.realism.red_sequence import _excess

        total = 0.0
        for z, core, other in zip(redshift, cores, field, strict=True):
            total += np.interp(np.interp(z, knots, line), grid, _excess(core, grid) - 0.02 * _excess(other, grid))
        return total

    lines = [grid[list(steps)] for steps in combinations_with_replacement(range(9), 3)]
    assert height(found) == pytest.approx(max(map(height, lines)))
    with pytest.raises(MeasurementError, match="expected at least 9 galaxies in cores of clusters, got 8"):
        fit_sequence(redshift[:2], cores[:2], field[:2], np.full(2, 0.02), knots, grid)


def test_too_little_to_count_on() -> None:
    objects, covered, clusters = planted_clusters()
    with pytest.raises(MeasurementError, match="expected at least 5 clusters, got 2"):
        red_sequence_counts(objects, covered, clusters.iloc[:2], H, RED)
    with pytest.raises(MeasurementError, match=r"further than 1\.7 Mpc"):
        red_sequence_counts(objects, covered.iloc[:0], clusters, H, RED)
    with pytest.raises(MeasurementError, match="at least four clusters with counts, got 3"):
        rank_correlation(np.r_[1.0, 2, 3, np.nan], np.arange(4.0), 10, np.random.default_rng(0))
    assert [len(rows) for rows in within(objects.iloc[:0], clusters.iloc[:2], 1.0)] == [0, 0]


def test_places_near_clusters_across_ra_0() -> None:
    places = pd.DataFrame({"ra": [359.99, 0.01, 0.2], "dec": [89.0, 89.0, 89.0]})
    cluster = pd.DataFrame({"ra": [0.0], "dec": [89.0], "arcsec_per_mpc": [36.0]})
    assert within(places, cluster, 0.02)[0].tolist() == [0, 1]


def test_characteristic_magnitude_fades() -> None:
    redshift = np.array([0.1, 0.2, 0.35, 0.5])
    assert (np.diff(characteristic_magnitude(redshift)) > 0.7).all()
    assert characteristic_magnitude(np.array(0.1)) == pytest.approx(16.27, abs=0.01)
