"""The validation page: a whole small box measured, verdicts, panels, and what the universe costs."""

from __future__ import annotations

import dataclasses
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.config.validation import Validation
from clustermass.galaxies import background
from clustermass.galaxies.populate import populate
from clustermass.validation import panels
from clustermass.validation.measure import Box, measure
from clustermass.validation.modes import matter_modes, power_table
from clustermass.validation.performance import performance
from clustermass.validation.table import STATISTICS, rows
from clustermass.validation.verdict import CHECKS, Check, pool, printed, reason, summarise, verdict, verdicts

PLANCK, Z, SIDE = Cosmology(), 0.117, 150.0
OPTIONS = Galaxies(structure="analytic")
SETTINGS = Validation(mesh_per_side=32)


@cache
def small_box() -> Box:
    """Return a box of random particles with halos of Tinker et al. (2008) in random places, and their galaxies."""
    rng = np.random.default_rng(5)
    mass = np.sort(background.draw_halos(10**13.4, 1e16, SIDE**3, Z, PLANCK, rng))[::-1]
    n = len(mass)
    place = rng.uniform(0, SIDE, (n, 3))
    motion = rng.normal(0, 200, (n, 3))
    phase_space = {name: column for name, column in zip(("x", "y", "z"), place.T, strict=True)}
    phase_space |= {name: column for name, column in zip(("vx", "vy", "vz"), motion.T, strict=True)}
    radius = background.r200c(mass, Z, PLANCK)
    halos = pd.DataFrame({"halo": np.arange(n), "group": np.arange(n), **phase_space, "m200c": mass, "r200c": radius})
    halos["concentration"] = 5.0
    sigma = background.dispersion_evrard08(mass, Z, PLANCK)
    found = pd.DataFrame({"halo_id": np.arange(n), **phase_space, "m200c": mass, "sigma_v": sigma})
    found["particles_fof"] = np.maximum(mass / 1e11, 20).astype(int)
    galaxies, _ = populate(halos, PLANCK, Z, SIDE, OPTIONS, rng)
    positions = rng.uniform(0, SIDE, (4000, 3)).astype(np.float32)
    power = power_table(matter_modes(positions, SIDE, 0.3, 32), None, Z, PLANCK)
    return Box(SIDE, Z, 1e11, positions, power, found, halos, galaxies)


@cache
def statistics() -> pd.DataFrame:
    return measure(small_box(), PLANCK, OPTIONS, SETTINGS)


def test_everything_is_measured_on_a_box() -> None:
    table = statistics()
    assert set(table["statistic"]) == {check.statistic for check in CHECKS}
    assert set(zip(table["statistic"], table["sample"], strict=True)) >= {
        (check.statistic, check.sample) for check in CHECKS if check.sample not in ("realised", "friends of friends")
    }
    raw = table[(table["statistic"] == "mass function") & (table["sample"] == "raw")]
    assert np.all(np.abs(raw["value"] - raw["expected"]) < 4 * raw["error"])
    for statistic, sample in (
        ("occupation", "galaxies"),
        ("surface density", "satellites"),
        ("line-of-sight dispersion", "satellites"),
    ):
        mine = table[(table["statistic"] == statistic) & (table["sample"] == sample)]
        assert np.mean(((mine["value"] - mine["expected"]) / mine["error"]) ** 2) < 2.5
    speeds = table[table["statistic"] == "velocity dispersion"].set_index("sample")
    assert (speeds["value"] / speeds["expected"]).loc["matter, raw mass"].tolist() == pytest.approx(
        [1.0] * len(speeds.loc["matter, raw mass"])
    )
    assert (speeds["value"] / speeds["expected"]).loc["galaxies"].mean() == pytest.approx(1.06, abs=0.05)
    again = measure(small_box(), PLANCK, OPTIONS, SETTINGS, threads=2)
    pd.testing.assert_frame_equal(again, table)
    strange = dataclasses.replace(small_box(), found=small_box().found.iloc[1:])
    with pytest.raises(ValueError, match="got 0"):
        measure(strange, PLANCK, OPTIONS, SETTINGS)


def planted(value: float, error: float = 0.01, sample: str = "raw") -> pd.DataFrame:
    """Return a mass function that is off by a fraction in one bin, and right in the others."""
    edges = [13.5, 14.0, 14.8, 15.1]
    values = np.array([1.0, 1 + value, 1.9])  # the last bin is beyond the range
    return rows("mass function", sample, ("m", "n"), edges, np.array([13.7, 14.3, 14.9]), values, np.full(3, 50),
                error=np.full(3, error), expected=1.0)  # fmt: skip


@pytest.mark.parametrize(
    ("held_out", "others", "result", "word"),
    [
        (0.1, (0.1, 0.12), "met", ""),
        (-0.4, (-0.41, -0.39), "not met", "bias, not sample variance"),
        (-0.22, (-0.15, -0.35), "not met", "sample variance would do"),
        (0.6, (0.05, 0.0), "not met", "do not deviate alike"),
    ],
)
def test_verdicts_tell_bias_from_sample_variance(
    held_out: float, others: tuple[float, float], result: str, word: str
) -> None:
    error = 0.25 if word.startswith("do not") else 0.01
    tables = {"box1": planted(others[0], 0.01), "box2": planted(others[1], 0.01), "box3": planted(held_out, 0.01)}
    if word.startswith("do not"):  # three boxes alike but for one whose errors are small
        tables = {f"box{i}": planted(others[0], error) for i in range(1, 9)} | {"box9": planted(held_out, 0.01)}
    last = list(tables)[-1]
    row = panels.check_of(verdicts(tables, last, SETTINGS), "mass function", "raw")
    assert row["held_out"] == pytest.approx(held_out)
    assert row["noise"] == pytest.approx(0.01)
    mean = np.mean([others[0]] * 8) if len(tables) == 9 else np.mean(others)
    assert row["others"] == pytest.approx(mean)
    if len(tables) == 3:
        assert row["spread"] == pytest.approx(np.std([*others, held_out], ddof=1))
    assert row["verdict"] == result
    assert word in row["reason"]
    assert bool(row["reason"]) == (result != "met")


def test_what_cannot_be_said_is_not_said() -> None:
    tables = {"box1": planted(0.1), "box2": planted(0.0, sample="matched")}
    lines = verdicts(tables, "box2", SETTINGS)
    assert panels.check_of(lines, "mass function", "raw")["verdict"] == "not measured"
    assert "No bin" in panels.check_of(lines, "mass function", "raw")["reason"]
    assert panels.check_of(lines, "mass function", "matched")["verdict"] == "no tolerance set"
    assert np.isnan(panels.check_of(lines, "mass function", "matched")["others"])
    assert verdict(0.2, 0.2) == "met"
    assert verdict(-0.21, 0.2) == "not met"
    with pytest.raises(ValueError, match="box7"):
        verdicts(tables, "box7", SETTINGS)
    alone = verdicts({"box1": planted(-0.5)}, "box1", SETTINGS)
    assert "explains" in panels.check_of(alone, "mass function", "raw")["reason"]
    # means are weighted by their errors; without errors they are not
    few = pd.DataFrame({"deviation": [0.1, 0.4], "noise": [0.1, 0.2]})
    assert summarise(few, "mean") == pytest.approx((0.16, 0.0894), abs=1e-4)
    assert summarise(few.assign(noise=np.nan), "mean")[0] == pytest.approx(0.25)
    assert summarise(few, "largest") == (0.4, 0.2)
    check = Check("a", "b", "c", 0, 1, "mean", "predicted", "d", "power_tolerance", "too low", "too high")
    assert reason(check, 0.5, 0.01, 0.5, 0.01, 0.05).endswith("too high")
    assert reason(check, -0.5, 0.01, -0.5, 0.01, 0.05).endswith("too low")
    assert all(not check.tolerance or hasattr(SETTINGS, check.tolerance) for check in CHECKS)


def test_boxes_are_pooled_and_printed() -> None:
    pooled = pool({"box1": planted(0.1, 0.03), "box2": planted(0.3, 0.04)})
    middle = pooled[pooled["low"] == 14.0].iloc[0]
    assert (middle["value"], middle["boxes"], middle["count"]) == (pytest.approx(1.2), 2, 100)
    assert middle["error"] == pytest.approx(0.025)
    assert STATISTICS.validate(pooled.drop(columns="boxes"), "pooled")["group"].tolist() == [""] * 3
    shown = printed(verdicts({"box1": statistics(), "box2": statistics()}, "box2", SETTINGS), Z)
    assert len(shown) == len(CHECKS)
    assert set(shown["nature"]) == {"put in", "predicted"}
    row = shown[shown["quantity"] == "share of interlopers"].iloc[0]
    assert row["measure"] == "mean value"
    assert row["held-out box [%]"] == row["other boxes [%]"] > 0
    assert (
        shown[shown["quantity"].str.startswith("n(M), M200c before")]["range"].iloc[0] == "13.5 to 14.8 log10(Msun/h)"
    )


def test_panels_show_all_boxes_and_their_numbers() -> None:
    tables = {"box1": planted(0.1), "box2": planted(-0.3, 0.02)}
    figure, axes = plt.subplots(layout="constrained")
    panels.leave_room(figure)
    line = ("mass function", "raw", "")
    panels.draw_boxes(axes, tables, "box2", line, colour="b", marker="o", ratio=True, sign=-1, label="two")
    panels.draw_expected(axes, tables["box2"], line, color="r")
    panels.band(axes, 13.5, 14.8, 1.0, 0.2)
    lines = verdicts(tables, "box2", SETTINGS)
    panels.notes(axes, lines, [("mass function", "raw", "raw", "b")], "upper right")
    panels.title(axes, "a", "mass function", "predicted")
    drawn = [line.get_ydata() for line in axes.get_lines()]
    assert any(np.allclose(y, [-1, -1.1, -1.9]) for y in drawn)
    assert any(np.allclose(y, [-1, -0.7, -1.9]) for y in drawn)
    assert any(np.allclose(y, [1, 1, 1]) for y in drawn)
    assert axes.texts[0].get_text() == "raw: largest −30.0 % (tolerance 20 %): not met"
    figure.draw_without_rendering()
    plt.close(figure)
    row = panels.check_of(lines, "power", "linear")
    assert panels.describe(row, "P") == "P: not measured"
    shares = panels.check_of(verdicts({"a": statistics(), "b": statistics()}, "a", SETTINGS), "interlopers", "cylinder")
    assert panels.describe(shares).startswith("mean ")
    assert panels.describe(shares).endswith("% (boxes: ±0.0 %)")


def test_time_and_memory_of_rules() -> None:
    runs = pd.DataFrame({"s": [2.0, 4.0], "max_rss": [100.0, 300.0]})
    short = pd.DataFrame({"s": [0.1], "max_rss": ["-"]})
    table = performance({"universe_box: box1": runs, "universe_box: box2": runs * 2, "universe_small": short})
    assert table["rule"].tolist() == ["universe_box", "universe_small", "all rules"]
    first = table.iloc[0]
    assert first[["jobs", "mean job [s]", "longest job [s]", "all jobs [s]"]].tolist() == [2, 4.5, 6.0, 9.0]
    assert first["peak memory [MB]"] == 600
    assert np.isnan(table.iloc[1]["peak memory [MB]"])
    assert table.iloc[2]["all jobs [s]"] == 9.1
    with pytest.raises(ValueError, match="at least one"):
        performance({})
    with pytest.raises(ValueError, match="max_rss"):
        performance({"a": pd.DataFrame({"s": [1.0]})})
