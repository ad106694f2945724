"""The scorecard, the leaderboard and the table of open choices, with faults planted in what they read."""

import copy
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from clustermass import style
from clustermass.config.model import load
from clustermass.config.scorecard import Scorecard
from clustermass.published import Number, every_number
from clustermass.scorecard.card import UNEXPLAINED, read_texts, scorecard, verdict_counts
from clustermass.scorecard.choices import Choice, discrepancies, load_choices
from clustermass.scorecard.counterparts import (
    Counterpart,
    Counterparts,
    find,
    load_counterparts,
    look_up,
    setting_of,
    settings_at,
)
from clustermass.scorecard.leaderboard import (
    COLUMNS,
    Entrant,
    coverage_error,
    image_residuals,
    leaderboard,
    mock_residuals,
)
from clustermass.scorecard.verdict import (
    DIFFERS,
    NOT_COMPARABLE,
    REPRODUCED,
    half_digit,
    judge,
    judge_exact,
    judge_text,
)

ROOT = Path(__file__).resolve().parents[1]
RULE = Scorecard()
ELSEWHERE = {"observation": False, "simulation": False, "none": True}
CONFIG = load(yaml.load((ROOT / "config.yaml").read_text(), yaml.CSafeLoader))
NUMBERS, PARTS, CHOICES = every_number(), load_counterparts(), load_choices()


def texts(**columns):
    """Return a table as files are read: all cells as text."""
    return pd.DataFrame(columns, dtype=object).astype(str)


TABLE = texts(
    model=["CNN1D", "CNN1D", "SDM1D"], statistic=["sigma", "median", "sigma"], value=["0.17", "0.01", ""],
    low=["0.16", "", ""], high=["0.18", "", ""], data=["simulated data"] * 3,
)  # fmt: skip


def card_of(parts, numbers, tables=None, settings=None, full=None, data=ELSEWHERE, sizes=None):
    """Return the scorecard of a few numbers, by key and value."""
    declared = Counterparts(sizes=sizes or {}, numbers=[Counterpart(**part) for part in parts])
    listed = [Number(*key.split(".", 2), value, str(value), "Table 9") for key, value in numbers.items()]
    card = scorecard(listed, declared, tables or {}, settings or {}, full or {}, RULE, data)
    return card.set_index("quantity")


def measured(**changes):
    """Return the counterpart of numbers 'p.t.<model>_<statistic>' in `TABLE`."""
    part = {"numbers": r"p\.t\.(?P<model>\w+)_(?P<statistic>\w+)", "file": "p/t.csv", "low": "low", "high": "high",
            "rows": {"model": "{model}", "statistic": "{statistic}"}, "data": "simulation"}  # fmt: skip
    return part | {"words": {"model": {"cnn1d": "CNN1D", "sdm1d": "SDM1D"}}} | changes


# --- published values and their counterparts


def test_lists_of_published_values_are_told_one_by_one():
    found = {number.key: number for number in NUMBERS}
    assert len(found) == len(NUMBERS) > 340
    assert [found[f"kodiramanah2021.kde.kappa_tested.{place}"].value for place in range(3)] == [0.15, 0.175, 0.2]
    assert found["ho2019.table2.cnn2d_sigma"].value == 0.132
    assert all(number.where for number in NUMBERS)


def test_every_published_number_has_one_counterpart_and_every_counterpart_a_number():
    used = [PARTS.numbers.index(PARTS.of(number)) for number in NUMBERS]  # raises where there is none, or several
    unused = [part.numbers for place, part in enumerate(PARTS.numbers) if place not in used]
    assert not unused
    assert {part.sizes for part in PARTS.numbers} - {""} == set(PARTS.sizes)


def test_counterparts_lead_to_files_that_rules_make_and_to_settings_that_exist():
    rules = "".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
    files = {*PARTS.files, *(choice.worth.file for choice in CHOICES if choice.worth)}
    assert not [file for file in files if f'"results/{{source}}/{file}"' not in rules]
    for number in NUMBERS:
        for path in PARTS.of(number).paths(number):
            setting_of(CONFIG, path)
    for group in PARTS.sizes.values():
        for size in group:
            if not size.setting.endswith("hidden.1"):  # smaller networks have one layer
                setting_of(CONFIG, size.setting)


def test_a_number_without_a_counterpart_or_with_two_is_refused():
    part = Counterpart(numbers=r"p\.t\.x")
    with pytest.raises(ValueError, match=r"one entry for p\.t\.y, got 0"):
        Counterparts(sizes={}, numbers=[part]).of(Number("p", "t", "y", 1, "1", ""))
    with pytest.raises(ValueError, match="got 2"):
        Counterparts(sizes={}, numbers=[part, part]).of(Number("p", "t", "x", 1, "1", ""))
    with pytest.raises(ValidationError, match="expected one of absent"):
        Counterpart(numbers="x", never="because")


def test_settings_are_found_by_their_paths():
    config = {"a": {"b": [1, {"c": None}]}, "d": 2}
    assert setting_of(config, "a.b.1.c") is None
    found = settings_at(config, ["a.b", "d", "no.such", "a.{name}"])
    assert found == {"a.b": [1, {"c": None}], "d": 2, "a": config["a"]}
    assert look_up(found, "a.b.0") == 1
    assert look_up({"a": config["a"]}, "a.b.1.c") is None
    for path in ("a.x", "a.b.9", "d.x", "e"):
        with pytest.raises(KeyError):
            look_up(found, path)


# --- the rule


@pytest.mark.parametrize(
    ("printed", "half"), [("0.174", 0.0005), ("0.300", 0.0005), ("1.6", 0.05), ("24", 0.5), ("-0.05", 0.005)]
)
def test_half_a_digit(printed, half):
    assert half_digit(printed) == pytest.approx(half)


def test_digits_are_those_of_the_paper():
    printed = {number.key: number.printed for number in every_number()}
    assert printed["ho2019.table2.msigma_contaminated_plus"] == "0.300"  # half a thousandth, not half a tenth
    assert printed["kodiramanah2021.kde.voxels.0"] == "50"


def test_verdict_follows_the_difference_and_the_uncertainty():
    near = judge(0.2, 0.21, 0.01, 0, 0, 0.2, RULE)
    assert (near.verdict, near.sigmas) == (REPRODUCED, pytest.approx(1))
    assert judge(0.2, 0.2199, 0.01, 0, 0, 0.2, RULE).verdict == REPRODUCED
    assert judge(0.2, 0.2201, 0.01, 0, 0, 0.2, RULE).verdict == DIFFERS
    assert judge(0.2, 0.1799, 0.01, 0, 0, 0.2, RULE).sigmas == pytest.approx(-2.01)
    assert [judge(0.2, value, 0, 0, 0, 0.2, RULE).verdict for value in (0.2, 0.21)] == [REPRODUCED, DIFFERS]
    wide = judge(0.2, 0.2, 0.05, 0, 0, 0.2, RULE)  # the same number, but it could be any
    assert (wide.verdict, wide.problem, wide.share) == (NOT_COMPARABLE, "unresolved", pytest.approx(0.25))
    assert judge(0.2, 0.5, 0.05, 0, 0, 0.2, RULE).verdict == DIFFERS  # far off, however uncertain
    assert judge(0.0, 0.01, 0.01, 0, 0, 0.1, RULE).verdict == REPRODUCED  # near zero: a scale of its own


def test_uncertainties_add_in_quadrature():
    found = judge(1.0, 1.0, 0.03, math.sqrt(3) * 0.04, 0.12, 1.0, RULE)
    assert found.uncertainty == pytest.approx(0.13)
    assert judge(1.0, 1.05, 0.0, 0.05, 0.0, 1.0, RULE).sigmas == pytest.approx(math.sqrt(3))  # hidden by the rounding
    for bad in ({"scale": 0}, {"error": -1}, {"error": math.nan}, {"published_error": math.inf}):
        with pytest.raises(ValueError, match="expected a positive scale"):
            judge(**{"published": 1, "regenerated": 1, "error": 0.1, "rounding": 0, "published_error": 0, "scale": 1,
                     "rule": RULE, **bad})  # fmt: skip


def test_numbers_without_uncertainty_are_equal_or_not():
    assert judge_exact(3.38e7, 33_829_257, 5e4).verdict == REPRODUCED
    assert judge_exact(3.38e7, 33_851_000, 5e4).verdict == DIFFERS
    assert judge_exact(1e-6, 1.0000000001e-6, 0).verdict == REPRODUCED
    assert judge_exact(10, 10.1, 0).verdict == DIFFERS
    assert judge_text("adam", "adam ").verdict == REPRODUCED
    assert judge_text("adam", "sgd").verdict == DIFFERS


# --- the card


def test_card_reads_the_declared_cell_and_says_why_it_differs():
    sizes = {"small": [{"setting": "n", "published": 100}, {"setting": "start", "published": "imagenet"}]}
    settings = {"n": 10, "start": "random"}
    part = measured(sizes="small")
    near = card_of([part], {"p.t.cnn1d_sigma": 0.174}, {"p/t.csv": TABLE}, settings, sizes=sizes).loc["cnn1d_sigma"]
    assert (near["regenerated"], near["verdict"], near["reason"]) == (0.17, REPRODUCED, "")
    assert near["uncertainty"] == pytest.approx(0.01, rel=1e-3)
    assert near["config_scale"] == "n 10 of 100; start random, published imagenet"
    assert (near["where"], near["data"], near["regenerated_from"]) == ("Table 9", "simulated data", "p/t.csv")
    far = card_of([part], {"p.t.cnn1d_sigma": 0.301}, {"p/t.csv": TABLE}, settings, sizes=sizes).loc["cnn1d_sigma"]
    assert (far["verdict"], far["difference_in_sigma"]) == (DIFFERS, pytest.approx(-13.1, rel=0.01))
    assert far["reason"] == (
        "another simulation than the published one; smaller: n 10 of 100; set otherwise: start random, published imagenet"
    )
    same = {**ELSEWHERE, "simulation": True}
    settings = {"n": None, "start": "imagenet"}  # null: all
    far = card_of([part], {"p.t.cnn1d_sigma": 0.301}, {"p/t.csv": TABLE}, settings, data=same, sizes=sizes).iloc[0]
    assert (far["config_scale"], far["reason"]) == ("as published", UNEXPLAINED)


def test_card_does_without_what_is_not_made():
    parts = [measured()]
    assert card_of(parts, {"p.t.cnn1d_sigma": 0.1}).iloc[0]["reason"] == "p/t.csv is not made from this source"
    found = card_of(
        parts, {"p.t.cnn9d_sigma": 0.1, "p.t.sdm1d_sigma": 0.1, "p.t.cnn1d_median": 0.1}, {"p/t.csv": TABLE}
    )
    assert (found["verdict"] == NOT_COMPARABLE).all()
    assert found["reason"].tolist() == [
        "p/t.csv has no row for it in this configuration",
        "p/t.csv leaves it empty in this configuration",
        "p/t.csv gives it no uncertainty",
    ]
    assert found.loc["cnn1d_median", "regenerated"] == 0.01  # told all the same


def test_numbers_of_another_kind_are_never_compared():
    numbers = {"p.t.cnn1d_sigma": 0.17}
    tables = {"p/t.csv": TABLE}
    never = card_of([measured(never="machine")], numbers, tables).iloc[0]
    assert (never["verdict"], never["reason"], never["regenerated"]) == (
        NOT_COMPARABLE,
        "a time of another machine",
        0.17,
    )
    real = measured(data="observation", own_data=True)
    assert card_of([real], numbers, tables).iloc[0]["verdict"] == NOT_COMPARABLE
    assert card_of([real], numbers, tables, data={**ELSEWHERE, "observation": True}).iloc[0]["verdict"] == REPRODUCED
    other = measured(unless={"data": "real data"})
    assert card_of([other], numbers, tables).iloc[0]["reason"].startswith("made on images that stand in")


def test_settings_are_compared_with_the_configuration():
    parts = [
        {"numbers": r"p\.s\.(?P<name>epochs|optimiser|patience)", "setting": "training.{name}"},
        {"numbers": r"p\.s\.h", "setting": "H0", "reading": "hundredth"},
        {"numbers": r"p\.s\.shares\.\d", "setting": "shares", "member": True},
        {"numbers": r"p\.s\.loss", "setting": "loss", "meaning": {"None": "mse"}},
        {"numbers": r"p\.s\.gone", "setting": "gone"},
    ]
    numbers = {"p.s.epochs": 100, "p.s.optimiser": "adam", "p.s.patience": 5, "p.s.h": 0.68, "p.s.shares.0": 10,
               "p.s.shares.1": 20, "p.s.loss": "mse", "p.s.gone": 1}  # fmt: skip
    settings = {"training": {"epochs": 12, "optimiser": "adam", "patience": None}, "H0": 67.74, "shares": [10, 50],
                "loss": None}  # fmt: skip
    found = card_of(parts, numbers, settings=settings, full={"training": {"epochs": 100}})
    expected = [DIFFERS, REPRODUCED, DIFFERS, REPRODUCED, REPRODUCED, NOT_COMPARABLE, REPRODUCED, NOT_COMPARABLE]
    assert found["verdict"].tolist() == expected
    assert found.loc["epochs", "reason"] == "training.epochs: configs/paper.yaml has the published one"
    assert found.loc["patience", ["regenerated", "reason"]].tolist() == ["off", "training.patience is an option"]
    assert found.loc["shares.1", "reason"] == "not among shares"
    assert found.loc["gone", "reason"] == "the configuration has no gone"
    assert (found["data"][found["verdict"] != NOT_COMPARABLE] == "configuration").all()


def test_errors_come_from_where_the_table_has_them():
    table = texts(a=["1.0"], b=["1.4"], plus=["0.3"], minus=["0.1"], n=["51"], trainings=["0.3"])
    number = Number("p", "t", "x", 1.0, "1.0", "")

    def error(**declared):
        part = Counterpart(numbers=r"p\.t\.x", file="f", value="a", **declared)
        return find(number, part, {"f": table}, {"labels.folds": 9}).error

    assert error() is None
    assert error(plus="plus", minus="minus") == pytest.approx(0.2)
    assert error(deviation_of="n") == pytest.approx(0.1)
    assert error(deviation_of="labels.folds") == pytest.approx(0.25)
    assert error(spread=["a", "b"]) == pytest.approx(0.4 / math.sqrt(2))
    assert error(deviation_of="n", trainings="trainings") == pytest.approx(math.sqrt(0.1))
    published = Counterpart(numbers=r"p\.t\.x", file="f", value="a", plus="plus", minus="minus",
                            published_errors=["e"], published_folds=4)  # fmt: skip
    errors = scorecard([number, Number("p", "t", "e", 0.6, "0.6", "")],
                       Counterparts(sizes={}, numbers=[published, Counterpart(numbers=r"p\.t\.e")]),
                       {"f": table}, {}, {}, RULE, ELSEWHERE)["uncertainty"]  # fmt: skip
    assert errors[0] == pytest.approx(math.sqrt(0.2**2 + 0.3**2 + 0.05**2 / 3))


def test_rows_of_their_own_hold_ends_of_intervals_and_sums_are_taken():
    table = texts(quantity=["x", "x low", "x high"], n=["3", "2", "6"])
    part = Counterpart(numbers=r".*", file="f", value="n", rows={"quantity": ["none", "x"]}, low="n", high="n",
                       low_rows={"quantity": "x low"}, high_rows={"quantity": "x high"})  # fmt: skip
    number = Number("p", "t", "x", 1.0, "1.0", "")
    found = find(number, part, {"f": table}, {})
    assert (found.value, found.error) == (3, 2)
    summed = Counterpart(numbers=r".*", file="f", value="n", take="sum", exact=True)
    assert find(number, summed, {"f": table}, {}).value == 11


def test_tables_of_another_shape_are_refused():
    number = Number("p", "t", "cnn1d_sigma", 1.0, "1.0", "")
    with pytest.raises(ValueError, match=r"p/t.csv: expected a column model, got a"):
        find(number, Counterpart(**measured()), {"p/t.csv": texts(a=["1"])}, {})
    with pytest.raises(ValueError, match="expected a column value"):
        find(number, Counterpart(**measured()), {"p/t.csv": TABLE.drop(columns="value")}, {})
    with pytest.raises(ValueError, match=r"one row for p\.t\.cnn1d_sigma, got 2"):
        find(number, Counterpart(**measured()), {"p/t.csv": pd.concat([TABLE, TABLE])}, {})


def test_card_without_any_table_has_a_row_for_every_number():
    settings = settings_at(CONFIG, PARTS.settings)
    full = settings_at(yaml.safe_load((ROOT / "configs/paper.yaml").read_text()), PARTS.settings)
    card = scorecard(NUMBERS, PARTS, {}, settings, full, RULE, ELSEWHERE)
    assert len(card) == len(NUMBERS)
    measured_here = card[card["data"] != "configuration"]
    assert (measured_here["verdict"] == NOT_COMPARABLE).all()
    assert (card["reason"] != "")[card["verdict"] != REPRODUCED].all()
    assert (card["reason"] == "")[card["verdict"] == REPRODUCED].all()
    counts = verdict_counts(card)
    assert counts["numbers"][counts["paper"] == "all"].sum() == len(card)
    assert counts.loc[counts["paper"] != "all", [REPRODUCED, DIFFERS, NOT_COMPARABLE]].to_numpy().sum() == len(card)


def test_papers_own_sizes_reproduce_the_settings_that_they_claim():
    """Where the reason says that configs/paper.yaml has the published setting, it has."""
    full = yaml.safe_load((ROOT / "configs/paper.yaml").read_text())
    small, settings = settings_at(full, PARTS.settings), settings_at(CONFIG, PARTS.settings)
    card = scorecard(NUMBERS, PARTS, {}, settings, small, RULE, ELSEWHERE)
    claimed = card[card["reason"].str.endswith("configs/paper.yaml has the published one")]
    assert {"images.pixels", "networks.cnn3d.voxels"} <= set(claimed["regenerated_from"])
    for row in claimed.itertuples():
        assert setting_of(full, row.regenerated_from) == yaml.safe_load(row.published)


def test_tables_are_read_as_text(tmp_path):
    frame = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", ""]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert read_texts(tmp_path / name).to_numpy().tolist() == [["1.5", "x"], ["", ""]]


def test_rows_that_say_what_they_were_made_on_keep_it(tmp_path):
    outputs = {kind: str(tmp_path / f"t.{kind}") for kind in ("csv", "md", "tex")}
    style.write_paper_table(pd.DataFrame({"a": [1], "data": ["configuration"]}), outputs, "simulated", "A table.")
    assert pd.read_csv(outputs["csv"])["data"].tolist() == ["configuration"]
    assert "Made on simulated data" in Path(outputs["md"]).read_text()


# --- open choices


def test_every_option_exists_and_takes_the_other_reading():
    for choice in (choice for choice in CHOICES if choice.option):
        value = yaml.safe_load(choice.set_to) if isinstance(choice.set_to, str) else choice.set_to
        value = "none" if choice.set_to == "none" else value
        changed = copy.deepcopy(CONFIG)
        *path, last = choice.option.split(".")
        setting_of(changed, choice.option)
        (setting_of(changed, ".".join(path)) if path else changed)[last] = value
        assert setting_of(load(changed), choice.option) == value, choice.option


def test_a_choice_is_worth_what_the_tables_differ_by():
    worth = {"file": "f", "rows": {"k": "other"}, "less": {"k": "own"}, "value": "v", "low": "low", "high": "high",
             "unit": "dex", "what": "scatter"}  # fmt: skip
    table = texts(
        k=["own", "other"], v=["0.10", "0.17"], low=["0.07", "0.13"], high=["0.13", "0.21"], data=["real data"] * 2
    )
    about = {"paper": "p", "point": "q", "text": "a", "other": "b"}
    measured_one = Choice(**about, option="x.y", set_to=2, worth=worth)
    unmeasured = Choice(**about, option="x.y", set_to=2)
    fixed = Choice(**about, without="leak")
    found = discrepancies([measured_one, unmeasured, fixed], {"f": table}, {"x.y": 1}, {"x": {"y": None}}, "mocks")
    first = found.iloc[0]
    assert (first["worth"], first["low"], first["high"]) == pytest.approx((0.07, 0.02, 0.12))
    assert first[["default", "this_run", "measured", "data"]].tolist() == ["1", "off", "f", "real data"]
    assert found["measured"].tolist()[1:] == ["not measured: set x.y: 2", "no option: it would let the test set leak"]
    assert np.isnan(found["worth"][1])
    wide = Choice(**about, option="x.y", set_to=2, worth=worth | {"ends_sigma": 2})
    plain = discrepancies([wide], {"f": table.drop(columns="data")}, {"x.y": 1}, {"x.y": 1}, "mocks").iloc[0]
    assert (plain["low"], plain["data"]) == (pytest.approx(0.045), "mocks")
    absent = discrepancies([measured_one], {}, {"x.y": 1}, {"x.y": 1}, "mocks").iloc[0]
    assert (absent["measured"], np.isnan(absent["worth"])) == ("not made: f", True)
    other = discrepancies([measured_one], {"f": table.iloc[:1]}, {"x.y": 1}, {"x.y": 1}, "mocks").iloc[0]
    assert other["measured"] == "not made: f, in this configuration"


def test_choices_that_lead_nowhere_are_refused():
    about = {"paper": "p", "point": "q", "text": "a", "other": "b"}
    with pytest.raises(ValueError, match=r"p, q: no option x\.z"):
        discrepancies([Choice(**about, option="x.z", set_to=1)], {}, {"x.y": 1}, {"x.y": 1}, "mocks")
    for wrong in ({}, {"option": "x", "without": "leak"}, {"without": "laziness"}, {"option": "x"}):
        with pytest.raises(ValidationError, match="p, q: expected"):
            Choice(**about, **wrong)
    worth = {"file": "f", "rows": {}, "value": "v", "unit": "", "what": ""}
    choice = Choice(**about, without="both", worth=worth)
    with pytest.raises(ValueError, match="f: expected one row"):
        discrepancies([choice], {"f": texts(v=["1", "2"])}, {}, {}, "")
    with pytest.raises(ValueError, match="f: expected a column v"):
        discrepancies([choice], {"f": texts(w=["1"])}, {}, {}, "")


# --- the leaderboard


def entrant(name, residual, clusters=None, **about):
    """Return an estimator with some residuals, two sight-lines a halo."""
    number = len(residual)
    frame = pd.DataFrame({"cluster": np.arange(number) if clusters is None else clusters, "residual": residual})
    frame["group"] = [f"h{place // 2}" for place in range(number)]
    times = about.pop("times", pd.DataFrame({"step": [], "seconds": [], "number": [], "threads": []}))
    return Entrant(about.pop("sample", "mock"), name, "redshifts", frame, np.asarray(about.pop("calibrating", [])),
                   about.pop("by_training", {}), times, **about)  # fmt: skip


def ranked(*entrants, outlier=0.5, draws=400):
    return leaderboard(entrants, outlier, draws, lambda: np.random.default_rng(1), 7)


def test_leaderboard_tells_bias_scatter_outliers_and_their_intervals():
    rng = np.random.default_rng(3)
    good, bad = rng.normal(0.05, 0.1, 4000), rng.normal(-0.1, 0.3, 4000)
    found = ranked(entrant("bad", bad), entrant("good", good)).set_index("estimator")
    assert list(ranked(entrant("a", good)).columns) == list(COLUMNS)
    assert found["rank"].tolist() == [1, 2]
    assert found.index.tolist() == ["good", "bad"]
    assert found.loc["good", "bias"] == pytest.approx(good.mean())
    assert found.loc["bad", "scatter"] == pytest.approx(bad.std())
    assert found.loc["bad", "outliers_percent"] == pytest.approx(100 * np.mean(np.abs(bad) > 0.5))
    half = (found["scatter_high"] - found["scatter_low"]) / 2
    assert half.to_numpy() == pytest.approx([0.1, 0.3] / np.sqrt(2 * 4000), rel=0.15)  # of a Gaussian
    half = (found["bias_high"] - found["bias_low"]) / 2
    assert half.to_numpy() == pytest.approx([0.1, 0.3] / np.sqrt(4000), rel=0.15)
    assert found["halos"].tolist() == [2000, 2000]


def test_sight_lines_of_one_halo_are_drawn_together():
    value = np.repeat(np.random.default_rng(4).normal(0, 0.1, 1000), 2)  # both sight-lines say the same
    found = ranked(entrant("a", value)).iloc[0]
    assert (found["bias_high"] - found["bias_low"]) / 2 == pytest.approx(0.1 / np.sqrt(1000), rel=0.15)


def test_estimators_are_held_against_each_other_on_the_clusters_that_they_share():
    one = entrant("one", np.array([9.0, 0.1, 0.2, 0.3]), clusters=[0, 1, 2, 3])
    two = entrant("two", np.array([0.1, 0.2, 0.3, 9.0]), clusters=[1, 2, 3, 4])
    found = ranked(one, two)
    assert found["clusters"].tolist() == [3, 3]
    assert found["bias"].to_numpy() == pytest.approx([0.2, 0.2])  # 9.0 is a cluster of one alone
    other = entrant("three", np.zeros(2) + 0.1, clusters=[8, 9])
    with pytest.raises(ValueError, match="mock: expected clusters that all estimators weighed"):
        ranked(one, other)
    apart = ranked(one, entrant("three", np.array([0.1, 0.3]), clusters=[8, 9], sample="other"))
    assert apart["sample"].tolist() == ["mock", "other"]
    assert apart["rank"].tolist() == [1, 1]


def test_a_leaderboard_of_nobody_is_empty():
    assert ranked().empty
    assert list(ranked().columns) == list(COLUMNS)


def test_calibration_error_is_the_distance_of_the_distributions():
    rng = np.random.default_rng(5)
    judged, calibrating = rng.normal(0.1, 0.2, 300), rng.normal(0, 0.1, 500)
    every = np.concatenate([judged, calibrating])
    brute = max(abs(np.mean(judged <= x) - np.mean(calibrating <= x)) for x in every)
    assert coverage_error(judged, calibrating) == pytest.approx(brute)
    assert np.isnan(coverage_error(judged, np.empty(0)))
    found = ranked(entrant("a", judged, calibrating=calibrating), entrant("b", judged, calibration=(0.03, 0.02)),
                   entrant("c", judged)).set_index("estimator")  # fmt: skip
    assert found.loc["a", "calibration_error"] == pytest.approx(brute)
    assert found.loc["b", ["calibration_error", "calibration_noise", "calibration_of"]].tolist() == [
        0.03,
        0.02,
        "posteriors",
    ]
    assert found.loc["c", "calibration_of"] == ""
    same = rng.normal(0, 0.1, 2000)
    fair = ranked(entrant("a", same, calibrating=rng.normal(0, 0.1, 3000))).iloc[0]
    assert fair["calibration_error"] < fair["calibration_noise"]


def test_times_and_trainings_are_told():
    times = pd.DataFrame({"step": ["training", "evaluation", "features"], "seconds": [30.0, 2.0, 1.0],
                          "number": [10, 1000, 500], "threads": [1, 1, 1]})  # fmt: skip
    values = {0: np.array([0.1, -0.1]), 1: np.array([0.3, -0.3])}
    timed = entrant("a", np.linspace(-1, 1, 8), times=times, by_training=values, inputs_a_cluster={"features": 5})
    found = ranked(timed).iloc[0]
    assert found["milliseconds_a_cluster"] == pytest.approx(2 + 10)
    assert found["training_seconds"] == 30
    assert (found["trainings"], found["scatter_of_trainings"]) == (2, pytest.approx(0.2 / math.sqrt(2)))
    assert found["seed"] == 7


def test_residuals_of_mocks_and_of_images_are_sorted_by_what_they_serve():
    rows = {"cluster": [1, 2, 3], "role": ["test", "test", "heldout"], "fold": [0, 1, -1], "group": ["a", "b", "c"],
            "log10_m200c": [14.0] * 3, "log10_predicted": [14.1, 14.2, 14.3]}  # fmt: skip
    judged, calibrating, folds = mock_residuals(pd.DataFrame(rows))
    assert judged["residual"].tolist() == pytest.approx([0.3])
    assert calibrating == pytest.approx([0.1, 0.2])
    assert sorted(folds) == [0, 1]
    judged, calibrating, _ = mock_residuals(pd.DataFrame(rows).iloc[:2])  # no box held out
    assert judged["cluster"].tolist() == [1, 2]
    assert len(calibrating) == 0
    images = {"cluster": ["x", "x", "y"], "group": ["a", "a", "b"], "role": ["test", "test", "validation"],
              "fold": [0, 0, 0], "trial": [0, 1, 0], "log10_m500c": [14.0] * 3, "log10_predicted": [14.1, 14.3, 14.4]}  # fmt: skip
    judged, calibrating, trainings = image_residuals(pd.DataFrame(images))
    assert judged["residual"].tolist() == pytest.approx([0.2])
    assert calibrating == pytest.approx([0.4])
    assert sorted(trainings) == [(0, 0), (0, 1)]
