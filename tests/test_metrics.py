"""Running medians and the count table, against hand-made examples."""

import numpy as np
import pandas as pd

from clustermass import metrics
from clustermass.published import published


def test_running_median_of_a_hand_made_sample():
    frame = pd.DataFrame(
        {
            "z": [0.101, 0.109, 0.105, 0.11, 0.119, 0.25, 0.102],
            "m": [14.0, 15.0, 14.2, 13.0, 14.0, 12.0, 99.0],
            "who": ["b"] * 6 + ["a"],
        }
    )
    found = metrics.running_median(frame, "z", "m", "who", 0.01, 2)
    assert found["who"].tolist() == ["b", "b"]  # 'a' and the bin at 0.25 have one member only
    assert found["bin"].tolist() == [10, 11]
    np.testing.assert_allclose(found["z"], [0.105, 0.115])
    np.testing.assert_allclose(found["m"], [14.2, 13.5])
    assert found["count"].tolist() == [3, 2]


def test_running_median_keeps_the_order_of_groups_and_edges_belong_above():
    frame = pd.DataFrame({"z": [0.03, 0.02, 0.03], "m": [1.0, 2.0, 3.0], "who": ["z", "z", "a"]})
    found = metrics.running_median(frame, "z", "m", "who", 0.01, 1)
    assert list(zip(found["who"], found["bin"], strict=True)) == [("z", 2), ("z", 3), ("a", 3)]


def test_stack_puts_tables_and_single_rows_below_each_other():
    found = metrics.stack([pd.DataFrame({"a": [1.0]}), {"b": 2.0}])
    assert found["a"].tolist()[0] == 1
    assert found["b"].tolist()[1] == 2
    assert found.shape == (2, 2)


def test_count_table_counts_and_leaves_unknowns_missing():
    metadata = {
        "p": {"available": True, "rows": {"read": 5, "with_redshift": 5, "used": 4}},
        "x": {"available": True, "rows": {"read": 3, "with_redshift": 2, "used": 2}},
        "y": {"available": False, "reason": "no file"},
    }
    titles = {"p": "Parent", "x": "X", "y": "Y"}
    matches = {
        "configured": pd.DataFrame({"catalogue": ["x"]}),
        "none": pd.DataFrame({"catalogue": ["x", "x"]}),
    }
    chance = pd.DataFrame({"configured": {"x": 0.5, "y": 0.0}, "none": {"x": 1.0, "y": 0.0}})
    table = metrics.count_table(metadata, titles, "p", 4, matches, chance, {"x": 2, "strong": 2, "x_rows": 3}.get)
    rows = table.set_index(["catalogue", "quantity"])
    assert list(table) == ["catalogue", "quantity", "published", "regenerated", "chance", "none", "note"]
    assert rows.loc[("X", "rows read"), ["published", "regenerated"]].tolist() == [3, 3]
    assert rows.loc[("X", "rows with redshift"), "regenerated"] == 2
    assert rows.loc[("X", "matched"), ["published", "regenerated", "chance", "none"]].tolist() == [2, 1, 0.5, 2]
    assert "none 1.0" in rows.loc[("X", "matched"), "note"]
    assert np.isnan(rows.loc[("Y", "rows read"), "regenerated"])
    assert rows.loc[("Y", "rows read"), "note"] == "left out: no file"
    assert np.isnan(rows.loc[("Y", "matched"), "none"])
    assert rows.loc[("all", "strong labels"), ["published", "regenerated", "none"]].tolist() == [2, 1, 2]
    assert rows.loc[("all", "weak labels"), ["regenerated", "none"]].tolist() == [3, 2]


def test_published_numbers_are_those_of_the_paper_or_none(tmp_path):
    assert published("lin2022", "counts", "planck") == 340
    strong = sum(published("lin2022", "counts", name) for name in ("planck", "mcxc", "xcs", "rass_dr7"))
    assert strong == published("lin2022", "counts", "strong") == 1515
    assert published("lin2022", "counts", "act") is None
