"""Subsampled mass deviations: planted drifts, both means, missing predictions, the percentages that the paper prints."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clustermass.config.interpretation import Interpretation
from clustermass.predictions import PREDICTIONS, SUBSAMPLED
from clustermass.residuals import with_intervals
from clustermass.robustness import (
    cumulative_deviation,
    deviation_bands,
    percent_of_full,
    subsampled_deviations,
)

SETTINGS = Interpretation(bootstrap_draws=100)
RATES = [0.2, 0.6, 0.7, 0.8, 1.0]


def cumulative(deviations: pd.DataFrame) -> pd.DataFrame:
    return with_intervals(*cumulative_deviation(deviations, SETTINGS, np.random.default_rng(1)))


def full_predictions(clusters: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    mass = rng.uniform(14, 15, clusters)
    columns = {"cluster": np.arange(clusters) + 10, "role": "heldout", "fold": -1, "log10_m200c": mass}
    groups = [f"box/{halo}" for halo in np.arange(clusters) // 3]
    frame = pd.DataFrame({**columns, "group": groups, "log10_predicted": mass + rng.normal(0, 0.1, clusters)})
    return PREDICTIONS.validate(frame, "planted")


def subsampled_predictions(full: pd.DataFrame, drift: float, scatter: float, draws: int = 10) -> pd.DataFrame:
    """Return predictions that fall by `drift` (1 - r), in random order; nothing is predicted of cluster 10 at 0.2."""
    rng = np.random.default_rng(2)
    grid = pd.MultiIndex.from_product([full["cluster"], RATES, range(draws)], names=["cluster", "rate", "draw"])
    frame = grid.to_frame(index=False)
    lost = 1 - frame["rate"]
    predicted = frame["cluster"].map(full.set_index("cluster")["log10_predicted"]) - drift * lost
    frame["log10_predicted"] = predicted + scatter * lost * rng.normal(size=len(frame))
    frame.loc[(frame["cluster"] == 10) & (frame["rate"] == 0.2), "log10_predicted"] = np.nan
    frame["galaxies"] = (50 * frame["rate"]).round().astype(int)
    return SUBSAMPLED.validate(frame.sample(frac=1, random_state=3), "planted")


def test_planted_drift_is_found() -> None:
    full = full_predictions(30)
    found = subsampled_deviations(subsampled_predictions(full, 0.3, 0.0), full)
    assert list(found) == ["cluster", "group", "rate", "deviation", "draws"]
    assert len(found) == 30 * len(RATES)
    silent = found["deviation"].isna()
    assert found.loc[silent, ["cluster", "rate", "draws"]].to_numpy().tolist() == [[10, 0.2, 0]]
    known = found[~silent]
    assert known["deviation"].to_numpy() == pytest.approx(-0.3 * (1 - known["rate"].to_numpy()), abs=1e-12)
    assert (known["draws"] == 10).all()
    assert found["group"].tolist() == [f"box/{(cluster - 10) // 3}" for cluster in found["cluster"]]
    bands = deviation_bands(found)
    assert bands["rate"].tolist() == RATES
    assert bands["count"].tolist() == [29, 30, 30, 30, 30]
    assert bands["missing"].tolist() == [1, 0, 0, 0, 0]
    assert bands["median"].tolist() == pytest.approx([-0.24, -0.12, -0.09, -0.06, 0])


def test_means_of_masses_and_of_logarithms() -> None:
    full = full_predictions(1)
    frame = pd.DataFrame({"cluster": 10, "rate": 0.5, "draw": [0, 1, 2], "galaxies": 9})
    frame["log10_predicted"] = full["log10_predicted"][0] + np.array([0.0, np.log10(4), np.nan])
    by_mean = {mean: subsampled_deviations(frame, full, mean).loc[0] for mean in ("mass", "logarithm")}  # type: ignore[arg-type]
    # factors 1 and 4: mean 2.5, geometric mean 2
    assert by_mean["mass"]["deviation"] == pytest.approx(np.log10(2.5))
    assert by_mean["logarithm"]["deviation"] == pytest.approx(np.log10(2))
    assert by_mean["mass"]["draws"] == 2


def test_bands_and_cumulative_statistics_of_a_known_distribution() -> None:
    clusters = np.arange(303)
    ladder = (clusters % 101 - 50) / 1000  # of each rate: percentiles -0.034, 0, 0.034
    near = np.nextafter([0.6, 0.8], [0.0, 1.0])  # rates that rounding put just outside
    frames = [
        pd.DataFrame({"cluster": clusters, "group": clusters, "rate": rate, "deviation": ladder * scale, "draws": 10})
        for rate, scale in ((0.5, 10.0), (near[0], 1.0), (0.7, 1.0), (near[1], 1.0), (0.9, 10.0))
    ]
    deviations = pd.concat(frames)
    bands = deviation_bands(deviations)
    assert bands[["p16", "median", "p84"]].to_numpy() == pytest.approx(
        np.outer([10, 1, 1, 1, 10], [-0.034, 0, 0.034]), abs=1e-12
    )
    table = cumulative(deviations).set_index("statistic")
    assert table.loc[["median", "plus", "minus", "width"], "value"].tolist() == pytest.approx([0, 0.034, 0.034, 0.068])
    assert table.loc[["low_percent", "high_percent"], "value"].tolist() == pytest.approx([92.470, 108.143], abs=1e-3)
    linear = ["low_percent_linear", "high_percent_linear"]
    assert table.loc[linear, "value"].tolist() == pytest.approx([96.6, 103.4])
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    assert table.loc["width", ["low", "high"]].astype(float).between(0.05, 0.09).all()
    missing = deviations[:1].assign(cluster=-1, rate=0.7, deviation=np.nan)
    again = cumulative(pd.concat([deviations, missing]))
    assert again.equals(table.reset_index())
    edges = deviations[deviations["rate"] != 0.7]
    assert cumulative(edges)["value"].tolist() == table["value"].tolist()
    # three rates of a cluster move together: tripling the rows of each narrows nothing
    one_rate = deviations[deviations["rate"] == 0.7]
    alone = cumulative(one_rate).set_index("statistic")
    interval = [float(t.loc["median", "high"] - t.loc["median", "low"]) for t in (alone, table)]
    assert interval[0] == pytest.approx(interval[1], abs=1e-12)


# Ho et al. (2019), Table 4: median, plus, minus [dex]; section 5.4: the range in percent of the full prediction
@pytest.mark.parametrize(
    ("median", "plus", "minus", "printed", "decimal"),
    [(-0.049, 0.069, 0.100, (85, 102), (71, 105)), (-0.026, 0.053, 0.073, (90, 103), (80, 106))],
)
def test_printed_percentages_are_those_of_the_linear_reading(
    median: float, plus: float, minus: float, printed: tuple[int, int], decimal: tuple[int, int]
) -> None:
    found = percent_of_full(pd.DataFrame({"median": [median], "plus": [plus], "minus": [minus]})).loc[0].round()
    assert (found["low_percent_linear"], found["high_percent_linear"]) == printed
    assert (found["low_percent"], found["high_percent"]) == decimal


def test_bad_input_is_refused() -> None:
    full = full_predictions(6)
    frame = subsampled_predictions(full, 0.1, 0.1, 2)
    with pytest.raises(ValueError, match=r"none for \[15\]"):
        subsampled_deviations(frame, full[:5])
    with pytest.raises(ValueError, match=r"several for clusters \[10\]"):
        subsampled_deviations(frame, pd.concat([full, full[:1]]))
    with pytest.raises(ValueError, match="expected every draw once, got row 60 again"):
        subsampled_deviations(pd.concat([frame, frame[:1]]), full)
    low = subsampled_deviations(frame[frame["rate"] < 0.5], full)
    with pytest.raises(ValueError, match="residuals: expected at least one"):
        cumulative(low)
