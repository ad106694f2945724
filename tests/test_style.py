"""What figures and tables say of themselves, and that they are whole or absent."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from clustermass import style


def figure():
    made, axes = plt.subplots(figsize=(2, 2))
    axes.plot([0, 1], [0, 1])
    return made


@pytest.mark.parametrize(("source", "words"), [("simulated", "simulated data"), ("archival", "real data")])
def test_figures_carry_their_origin(tmp_path, source, words):
    outputs = {"pdf": str(tmp_path / "f.pdf"), "png": str(tmp_path / "f.png")}
    with style.paper_style():
        style.save_figure(figure(), outputs, source, "A Fig. 1", "abc123")
    for path in outputs.values():
        content = Path(path).read_bytes()
        assert words.encode() in content
        assert b"abc123" in content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.pdf", "f.png"]
    assert style.stamp(source) == words


def test_only_simulated_figures_are_stamped_in_the_picture(tmp_path):
    texts = {}
    for source in ("simulated", "archival"):
        made = figure()
        style.save_figure(made, {"pdf": str(tmp_path / "a.pdf"), "png": str(tmp_path / "a.png")}, source, "t", "c")
        texts[source] = [text.get_text() for text in made.texts]
    assert texts == {"simulated": ["simulated data"], "archival": []}


TRAINED = "real data; network trained on simulated data"


def test_a_network_trained_on_other_data_is_said_wherever_origins_are(tmp_path):
    made, outputs = figure(), {kind: str(tmp_path / f"a.{kind}") for kind in ("pdf", "png", "csv", "md", "tex")}
    style.save_figure(made, outputs, "archival", "t", "c", trained_on="simulated")
    assert [text.get_text() for text in made.texts] == [TRAINED]
    assert all(TRAINED.encode() in Path(outputs[kind]).read_bytes() for kind in ("pdf", "png"))
    style.write_paper_table(pd.DataFrame({"x": [1]}), outputs, "archival", "Masses.", trained_on="simulated")
    assert pd.read_csv(outputs["csv"])["data"].tolist() == [TRAINED]
    assert all(f"Made on {TRAINED}." in Path(outputs[kind]).read_text() for kind in ("md", "tex"))


@pytest.mark.parametrize("source", ["simulated", "archival"])
def test_a_network_trained_on_the_same_data_needs_no_word(source):
    assert style.stamp(source, source) == style.stamp(source, None) == style.stamp(source)


def test_pdf_is_the_same_twice(tmp_path):
    contents = []
    for name in "ab":
        outputs = {"pdf": str(tmp_path / f"{name}.pdf"), "png": str(tmp_path / f"{name}.png")}
        with style.paper_style():
            style.save_figure(figure(), outputs, "archival", "t", "c")
        contents.append([Path(path).read_bytes() for path in outputs.values()])
    assert contents[0] == contents[1]


def test_style_leaves_matplotlib_as_it_was():
    before = mpl.rcParams.copy()
    with style.paper_style():
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert mpl.rcParams == before


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_the_first_colours_differ_in_lightness_or_are_told_apart_by_markers():
    assert len(set(style.CYCLE)) == len(style.CYCLE) == len(set(style.MARKERS)) == len(style.MARKERS)
    assert abs(luminance(style.CYCLE[0]) - luminance(style.CYCLE[1])) > 0.05


def test_tables_come_in_three_forms_with_the_same_numbers(tmp_path):
    frame = pd.DataFrame({"name": ["a_b", "50 % | c"], "value": [1234.5678, np.nan], "count": [3.0, 4.0]})
    outputs = {kind: str(tmp_path / f"t.{kind}") for kind in ("csv", "md", "tex")}
    style.write_paper_table(frame, outputs, "simulated", "Some numbers.")
    csv = pd.read_csv(outputs["csv"])
    assert csv["data"].tolist() == ["simulated data"] * 2
    assert csv["value"].tolist()[0] == pytest.approx(1234.57)
    assert np.isnan(csv["value"].tolist()[1])
    markdown = Path(outputs["md"]).read_text()
    assert markdown.startswith("Some numbers. Made on simulated data.")
    assert "| 50 % \\| c |  | 4 |" in markdown
    tex = Path(outputs["tex"]).read_text()
    assert r"a\_b & 1235 & 3 \\" in tex
    assert r"50 \% | c &  & 4 \\" in tex
    assert "Made on simulated data." in tex


def test_numbers_of_figures_say_their_origin(tmp_path):
    style.write_numbers(pd.DataFrame({"x": [0.1]}), tmp_path / "n.csv", "archival")
    assert (tmp_path / "n.csv").read_text() == "x,data\n0.1,real data\n"
