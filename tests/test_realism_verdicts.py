"""Verdicts on simulated fields, red-sequence counts, and the panels that show them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from clustermass.config.realism import Realism, Target
from clustermass.frames.contracts import BANDS
from clustermass.realism import panels
from clustermass.realism.contracts import FIELD_STATISTICS, OBJECTS, VERDICTS
from clustermass.realism.verdict import CORRELATION, allowed, compare, summarise, verdict

SETTINGS = Realism()


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


def some_objects() -> pd.DataFrame:
    """Return galaxies and a star of usual colours."""
    columns = {"field": "one", "ra": 1.0, "dec": 2.0, "r": np.linspace(16, 19, 12), "radius": 1.5}
    table = pd.DataFrame(columns | {"star": np.arange(12) == 0, "bright": False})
    for at, band in enumerate(BANDS):
        table[f"flux_{band}"], table[f"error_{band}"] = 10.0 + 5 * at, 0.1
    return table[OBJECTS.names]


def test_panels_show_what_they_are_given() -> None:
    objects = some_objects()
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
