"""Base beside Ours by share of the labels: metrics by hand, planted gains, tables as the paper prints them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from clustermass.published import FILE, published
from clustermass.transfer.contracts import RICHNESS_PREDICTIONS
from clustermass.transfer.fractions import compare_fractions, constant_errors, paper_table
from clustermass.transfer.scores import compare, scores

DRAWS = 400


def nothing(_name: str) -> None:
    """Publish nothing."""


def predictions(
    errors: dict[float, np.ndarray], groups: int | None = None, labels: np.ndarray | None = None
) -> pd.DataFrame:
    """Return predictions that are wrong by errors (clusters, trials) at each share, and a validation that is far off."""
    tables = []
    for percent, error in errors.items():
        number, trials = error.shape
        label = np.linspace(1.3, 2.3, number) if labels is None else labels
        cluster, trial = (part.ravel() for part in np.meshgrid(np.arange(number), np.arange(trials), indexing="ij"))
        table = pd.DataFrame(
            {
                "cluster": [f"C{k:03d}" for k in cluster],
                "group": [f"halo {k % (groups or number)}" for k in cluster],
                "role": "test",
                "fold": cluster % 2,
                "trial": trial,
                "training_clusters": 2 + round(3 * percent),
                "percent": float(percent),
                "log10_richness": label[cluster],
                "log10_predicted": label[cluster] + error.ravel(),
            }
        )
        tables += [table, table.assign(role="validation", log10_predicted=9.0)]
    return RICHNESS_PREDICTIONS.validate(pd.concat(tables, ignore_index=True), "planted").sample(frac=1, random_state=3)


def planted(
    number: int = 60, trials: int = 3, levels: dict[float, float] | None = None, seed: int = 2
) -> dict[str, pd.DataFrame]:
    """Return Base with errors of 0.2 dex at every share, and Ours with those of Base times a level."""
    levels = levels or {10: 0.9, 50: 1.0, 100: 0.5}
    base = np.random.default_rng(seed).normal(0, 0.2, (number, trials))
    wrong = {percent: level * base for percent, level in levels.items()}
    return {"base": predictions(dict.fromkeys(levels, base)), "ours": predictions(wrong)}


def test_metrics_by_hand() -> None:
    base = np.array([[0.1, -0.3], [-0.1, 0.1], [0.4, 0.2]])
    ours = np.array([[0.1, 0.1], [0.1, 0.1], [-0.2, 0.1]])
    models = {"base": predictions({25: base}), "ours": predictions({25: ours})}
    found = compare_fractions(models, np.random.default_rng(1), DRAWS, nothing)
    table = found.fractions.set_index(["metric", "model"])
    assert table.loc[("mae", "base"), "value"] == pytest.approx(0.2)
    assert table.loc[("mae", "base"), "trials_std"] == pytest.approx(0.0)
    assert table.loc[("mae", "ours"), "value"] == pytest.approx((0.4 / 3 + 0.1) / 2)
    assert table.loc[("mae", "ours"), "trials_std"] == pytest.approx((0.4 / 3 - 0.1) / np.sqrt(2))
    assert table.loc[("sigma", "ours"), "value"] == pytest.approx(0.02**0.5 / 2)  # a shift is no scatter
    assert set(table["training_clusters"]) == {77.0}
    assert set(table["clusters"]) == {3}
    assert set(table["trials"]) == {2}
    ratio = found.ratios.set_index("metric")
    assert ratio.loc["mae", "ratio"] == pytest.approx((0.4 / 3 + 0.1) / 0.4)
    assert np.isnan(ratio.loc["sigma", "low"])  # a draw of one cluster alone has no scatter


def test_fractions_agree_with_the_scores_of_the_other_paper() -> None:
    models = planted(levels={10: 0.95, 100: 0.6})
    found = compare_fractions(models, np.random.default_rng(1), 4000, nothing)
    table = found.fractions.set_index(["metric", "model", "percent"])
    for percent in (10.0, 100.0):
        row = scores(models["ours"], "ours", "richness", percent, np.random.default_rng(5), 4000).iloc[0]
        for metric in ("mae", "sigma"):
            mine = table.loc[(metric, "ours", percent)]
            assert mine["value"] == pytest.approx(row[metric])
            assert (mine["low"], mine["high"]) == pytest.approx((row[f"{metric}_low"], row[f"{metric}_high"]), rel=0.02)
        assert table.loc[("mae", "ours", percent), "trials_std"] == pytest.approx(row["trials_std"])
        args = ("ours", "base"), "richness", (percent, percent), np.random.default_rng(5), 4000
        verdict = compare(models["ours"], models["base"], *args)["verdict"][0]
        assert found.ratios.query("metric == 'mae' and percent == @percent")["verdict"].item() == verdict


def test_planted_gains_are_found_and_what_is_equal_is_undecided() -> None:
    models = planted()
    ratios = compare_fractions(models, np.random.default_rng(1), DRAWS, nothing).ratios
    mae = ratios[ratios["metric"] == "mae"].set_index("percent")
    assert mae["ratio"].to_list() == pytest.approx([0.9, 1.0, 0.5])  # in every draw, as both draw the same halos
    assert mae["low"].to_list() == pytest.approx(mae["high"].to_list())
    assert mae["verdict"].to_list() == ["better", "undecided", "better"]
    other = np.random.default_rng(7).normal(0, 0.2, (60, 3))
    models["ours"] = predictions(dict.fromkeys((10, 50, 100), other))
    ratios = compare_fractions(models, np.random.default_rng(1), DRAWS, nothing).ratios
    assert set(ratios["verdict"]) == {"undecided"}
    assert (ratios["low"] < ratios["ratio"]).all()
    assert (ratios["ratio"] < ratios["high"]).all()
    models["base"], models["ours"] = planted()["ours"], planted()["base"]
    ratios = compare_fractions(models, np.random.default_rng(1), DRAWS, nothing).ratios
    assert ratios["verdict"].to_list() == ["worse", "undecided", "worse"] * 2


def test_clusters_of_one_halo_are_drawn_together() -> None:
    error = np.repeat(np.random.default_rng(4).normal(0, 0.2, (12, 1)), 8, axis=1).T.reshape(96, 1)
    width = {}
    for groups in (12, 96):
        models = {name: predictions({100: error}, groups) for name in ("base", "ours")}
        table = compare_fractions(models, np.random.default_rng(1), 2000, nothing).fractions
        width[groups] = (table["high"] - table["low"])[0]
    assert width[12] / width[96] == pytest.approx(np.sqrt(8), rel=0.1)


def test_gains_differ_from_trial_to_trial() -> None:
    base, ours = np.array([[0.2, -0.2], [-0.2, 0.2]]), np.array([[0.1, 0.16], [-0.1, -0.16]])
    models = {"base": predictions({100: base}), "ours": predictions({100: ours})}
    table = compare_fractions(models, np.random.default_rng(1), DRAWS, nothing).headlines.set_index("quantity")
    gain = table[table["metric"] == "mae"].loc["gain at 100 %"]
    assert gain["value"] == pytest.approx(35)
    assert gain["trials_std"] == pytest.approx(np.std([50, 20], ddof=1))


def test_headlines_by_hand() -> None:
    numbers = {"mae_gain_100": 11.84, "sigma_labels": 40.0}
    found = compare_fractions(
        planted(levels={10: 1.1, 50: 0.9, 100: 0.7}), np.random.default_rng(1), DRAWS, numbers.get
    )
    table = found.headlines.set_index(["metric", "quantity"])
    words = "labels with which Ours matches Base at 100 %"
    assert table.loc[("mae", "gain at 100 %"), "value"] == pytest.approx(30)
    assert table.loc[("mae", "gain at 100 %"), "published"] == 11.84
    assert table.loc[("sigma", "gain at 10 %"), "value"] == pytest.approx(-10)
    assert table.loc[("mae", "gain at 100 %"), "trials_std"] == pytest.approx(0, abs=1e-9)  # the same in all trials
    assert table.loc[("mae", words), ["value", "low", "high"]].to_list() == [50, 50, 50]
    assert table.loc[("sigma", words), "published"] == 40
    never = compare_fractions(planted(levels={10: 1.3, 100: 1.2}), np.random.default_rng(1), DRAWS, nothing).headlines
    assert np.isnan(never.loc[never["quantity"] == words, ["value", "low", "high"]].to_numpy()).all()
    label = np.array([1.0, 1.0, 1.5, 3.0])
    models = {name: predictions({100: np.full((4, 1), 0.1)}, labels=label) for name in ("base", "ours")}
    assert constant_errors(models["base"]).tolist() == pytest.approx([2.5 / 4, label.std()])  # median 1.25
    found = compare_fractions(models, np.random.default_rng(1), DRAWS, nothing)
    assert found.headlines.query("quantity == 'best constant'")["value"].to_list() == pytest.approx(
        [2.5 / 4, label.std()]
    )


def test_the_table_is_as_the_paper_prints_it() -> None:
    numbers = {"mae_base_1": 2.3923, "mae_ours_1": 0.4188, "mae_base_10": 0.2943}
    found = compare_fractions(planted(), np.random.default_rng(1), DRAWS, numbers.get)
    table = paper_table(found, numbers.get, (1, 10))
    assert list(table.columns) == ["metric", "model", "quantity", "1 %", "10 %", "50 %", "100 %"]
    rows = table.set_index(["metric", "model", "quantity"])
    assert rows.loc[("MAE", "Base", "published"), "1 %":"10 %"].to_list() == [2.3923, 0.2943]
    assert np.isnan(rows.loc[("MAE", "Base", "dex"), "1 %"])
    dex, log = (rows.loc[("MAE", "Ours", unit), "100 %"] for unit in ("dex", "natural log"))
    assert log == pytest.approx(dex * np.log(10), rel=1e-3)
    assert rows.loc[("MAE", "Ours / Base", "published"), "1 %"] == 0.17506
    assert rows.loc[("Sigma", "Ours / Base", "verdict"), "10 %":].to_list() == ["better", "undecided", "better"]
    assert rows.loc[("Sigma", "Ours", "dex, deviation over trials"), "100 %"] > 0
    assert rows.index.is_unique


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table[table["percent"] != 50], "same shares"),
        (lambda table: table[table["role"] == "validation"], "same shares"),
        (lambda table: pd.concat([table, table]), "got several"),
        (lambda table: table[table["cluster"] != "C003"], "same 60 clusters"),
        (lambda table: table.drop(table.query("cluster == 'C003' and trial == 1").index), "1 tests missing"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(change, message) -> None:
    models = planted()
    models["ours"] = change(models["ours"])
    with pytest.raises(ValueError, match=message):
        compare_fractions(models, np.random.default_rng(1), DRAWS, nothing)


def test_one_halo_has_no_interval() -> None:
    models = {name: predictions({100: np.full((4, 1), 0.1)}, groups=1) for name in ("base", "ours")}
    with pytest.raises(ValueError, match="two groups"):
        compare_fractions(models, np.random.default_rng(1), DRAWS, nothing)


def test_published_gains_follow_from_the_published_table() -> None:
    table = yaml.safe_load(FILE.read_text())["liang2020"]["table1"]  # once: it is long
    assert published("liang2020", "table1", "mae_base_1") == table["mae_base_1"]["value"]

    def number(name: str) -> Any:
        return table[name]["value"]

    percents = number("percents")
    error = {
        name: [number(f"{name}_{p:g}") for p in percents]
        for name in ("mae_base", "mae_ours", "sigma_base", "sigma_ours")
    }
    for metric, at_one in (("mae", 82.49), ("sigma", 61.17)):  # the text says 61.70 of the latter
        base, ours = error[f"{metric}_base"], error[f"{metric}_ours"]
        assert 100 * (1 - ours[-1] / base[-1]) == pytest.approx(number(f"{metric}_gain_100"), abs=0.01)
        assert 100 * (1 - ours[0] / base[0]) == pytest.approx(at_one, abs=0.01)
        enough = next(p for p, each in zip(percents, ours, strict=True) if each <= base[-1])
        assert enough == number(f"{metric}_labels")
