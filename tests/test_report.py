"""The page of all results: what stands on it, that nothing is fetched, how a browser shows it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from clustermass.contracts import REJECTED, write_table
from clustermass.files import sha256
from clustermass.report.artefacts import (
    MOST_ROWS,
    WIDEST,
    inline_picture,
    load_artefacts,
    read_cells,
    render_caption,
    short,
)
from clustermass.report.page import changed, natures, outside_inputs, read_scores, render_page, sections

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "workflow_scripts/clustermass/report/page.html"
SHELLS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
NASTY = "<script>alert('x')</script> & more"


def item(rule: str, category: str, outputs: list[str], **other: Any) -> dict[str, Any]:
    """Return an artefact as a rule tells of it."""
    caption = "Shown on {{ snakemake.wildcards.source }} data\nwith {{ snakemake.params.pixels }} pixels."
    told = {"rule": rule, "category": category, "outputs": outputs, "inputs": [], "title": f"Title of {rule}."}
    told |= {"caption": caption, "params": {"pixels": 64}, "wildcards": {"source": "simulated"}}
    return told | {"labels": {"artefact": rule.split("_")[1], "data": "{source}"}} | other


@pytest.fixture
def manifest(tmp_path: Path) -> list[dict[str, Any]]:
    """Two papers: a figure, a table, a figure of two snapshots, one that was not made and one whose file is gone."""
    figure = Figure(figsize=(7.1, 3))
    figure.subplots().plot([0, 1], [0, 1])
    for name in ("fig01.png", "z1.png", "z2.png"):
        figure.savefig(tmp_path / name, dpi=300)
    (tmp_path / "fig01.pdf").write_bytes(b"%PDF")
    pd.DataFrame({"model": [NASTY], "mean_error": [0.123456], "data": "simulated data"}).to_csv(
        tmp_path / "table1.csv", index=False
    )
    made = {name: str(tmp_path / name) for name in ("fig01.png", "fig01.pdf", "table1.csv", "z1.png", "z2.png")}
    lost = str(tmp_path / "lost.png")
    snapshots = [{"source": "simulated", "snapshot": name} for name in ("z1", "z2")]
    return [
        item("lin2022_fig01", "Lin et al. (2022)", [made["fig01.pdf"], made["fig01.png"]], inputs=[made["table1.csv"]]),
        item("lin2022_fig01", "Lin et al. (2022)", [made["fig01.pdf"], made["fig01.png"]]),  # a second output of it
        item("ho2019_table1", "Ho et al. (2019)", [made["table1.csv"]]),
        *(
            item("validation_matter", "Embedded universe", [made[f"{w['snapshot']}.png"]], wildcards=w)
            for w in snapshots
        ),
        item("lin2022_fig02", "Lin et al. (2022)", []),
        item("lin2022_fig03", "Lin et al. (2022)", [lost]),
    ]


@pytest.fixture
def scores(tmp_path: Path) -> pd.DataFrame:
    rows = [
        ("lin2022", "fig01", "mean", "measurement", "dex", "0.1", "0.12345678", "0.01", "2.345678", "differs", NASTY),
        ("lin2022", "section4", "sigma", "measurement", "dex", "0.2", "", "", "", "differs", "other data"),
        ("ho2019", "table1", "alpha", "size", "", "0.345", "0.344", "0.002", "-0.5", "reproduced", ""),
    ]
    columns = ["paper", "artefact", "quantity", "kind", "unit", "published", "regenerated", "uncertainty",
               "difference_in_sigma", "verdict", "reason"]  # fmt: skip
    path = tmp_path / "scorecard.csv"
    pd.DataFrame(rows, columns=columns).assign(data="simulated data", config_scale="").to_csv(path, index=False)
    return read_scores(path)


ABOUT = {
    "source": "simulated", "stamp": "simulated data", "commit": "abc+", "seed": 7, "changed": {"nbody": {"steps": 5}},
    "software": {"numpy": "2.0"}, "inputs": {"hecs.txt": "f" * 64},
}  # fmt: skip


def render(manifest: list[dict[str, Any]], scores: pd.DataFrame) -> str:
    return render_page(TEMPLATE.read_text(), load_artefacts(manifest, "simulated"), scores, {}, ABOUT)


class Read(HTMLParser):
    """Collects the attributes of elements, and checks that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_fetches_nothing(manifest: list[dict[str, Any]], scores: pd.DataFrame) -> None:
    page = render(manifest, scores)
    read = Read()
    read.feed(page)
    assert read.open == []
    identities = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(identities) == len(set(identities))
    for tag, attributes in read.elements:
        assert tag not in ("script", "link", "iframe", "object")
        assert not (attributes.get("src") or "data:").startswith(("http", "//", "file"))
        target = attributes.get("href") or "#summary"
        assert target.startswith("#")
        assert target[1:] in identities
    assert not re.search(r"url\(|@import", page)


def test_every_artefact_stands_on_the_page_made_or_not(manifest: list[dict[str, Any]], scores: pd.DataFrame) -> None:
    page = render(manifest, scores)
    for anchor in ("lin2022_fig01", "ho2019_table1", "validation_matter-z1", "validation_matter-z2"):
        assert f'<article id="{anchor}">' in page
    for anchor in ("lin2022_fig02", "lin2022_fig03"):
        assert f'<article id="{anchor}" class="absent">' in page
    assert "2 not<" in page
    assert page.count("<img ") == 3
    assert "Shown on simulated data with 64 pixels." in page
    assert "snakemake --cores all --forcerun lin2022_fig01 --" in page
    assert page.index('id="ho2019"') < page.index('id="lin2022"') < page.index('id="embedded-universe"')
    assert sha256(manifest[0]["inputs"][0])[:16] in page


def test_numbers_stand_beside_the_published_ones(manifest: list[dict[str, Any]], scores: pd.DataFrame) -> None:
    page = render(manifest, scores)
    figure = page[page.index('id="lin2022_fig01"') : page.index('id="lin2022_fig02"')]
    assert "0.1235 ± 0.01" in figure
    assert 'class="verdict differs"' in figure
    assert "2.346" in figure
    assert "Other numbers of this paper" in page  # of a section that is no artefact
    assert "2 published numbers that this run does not reproduce" in page
    own = {section.anchor: section.verdicts for section in sections(load_artefacts(manifest, "simulated"), scores)}
    assert own["lin2022"] == {"measurement": {"reproduced": 0, "differs": 2, "not comparable": 0}}
    assert own["ho2019"] == {"size": {"reproduced": 1, "differs": 0, "not comparable": 0}}
    unscored = render(manifest, read_scores(None))
    assert 'id="unscored"' in unscored
    assert 'id="verdicts"' not in unscored


def test_texts_are_escaped(manifest: list[dict[str, Any]], scores: pd.DataFrame) -> None:
    page = render(manifest, scores)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 3  # a cell, a reason, and that reason among the discrepancies


def test_provenance_says_what_to_run_with(manifest: list[dict[str, Any]], scores: pd.DataFrame) -> None:
    page = render(manifest, scores)
    end = page[page.index('id="provenance"') :]
    for words in ("abc+", "nbody:\n  steps: 5", "numpy 2.0", "hecs.txt", "--configfile"):
        assert words in end
    assert changed({"a": 1, "b": {"c": 2, "d": 3}, "e": {}}, {"a": 1, "b": {"c": 2, "d": 4}, "e": {}}) == {
        "b": {"d": 3}
    }


def test_caption_of_an_unknown_setting_is_refused() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_caption(item("lin2022_fig01", "Lin", [], params={}))


def test_data_from_outside_are_found_behind_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = REJECTED.empty()
    first, second, third = "results/a.parquet", "results/b.parquet", "results/c.parquet"
    write_table(table, REJECTED, first, {"provenance": {"inputs": {"/somewhere/hecs.txt": "1" * 64}}})
    asked = {"origin": {"url": "vizier J/x", "sha256": "2" * 64}, "provenance": {"inputs": {}}}
    write_table(table, REJECTED, second, asked)
    own = {first: "x", second: "y", "workflow_scripts/clustermass/published.yaml": "z"}
    write_table(table, REJECTED, third, {"provenance": {"inputs": own}})
    assert outside_inputs([third, "results/none.parquet"]) == {"hecs.txt": "1" * 64, "vizier J/x": "2" * 64}


def test_pictures_lose_pixels_but_not_their_kind(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (400, 3000, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "sky.png")
    Image.fromarray(np.full((400, 1020, 3), 255, np.uint8)).save(tmp_path / "lines.png")
    sky, lines = (inline_picture(tmp_path / f"{name}.png") for name in ("sky", "lines"))
    assert sky.url.startswith("data:image/jpeg;base64,")
    assert lines.url.startswith("data:image/png;base64,")
    assert lines.width == 493  # 3.4 inch
    import base64

    shown = Image.open(io.BytesIO(base64.b64decode(sky.url.partition(",")[2])))
    assert shown.width == WIDEST


def test_tables_are_shortened_and_checks_sorted_by_nature(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    natures_of = ["put in", "predicted"] * 50
    pd.DataFrame({"quantity": range(100), "nature": natures_of, "data": "simulated data"}).to_csv(path, index=False)
    cells = read_cells(path)
    assert cells.columns == ["quantity", "nature"]
    assert (len(cells.rows), cells.left_out) == (MOST_ROWS, 100 - MOST_ROWS)
    kinds = natures(path)
    assert list(kinds) == ["put in", "predicted"]
    assert kinds["put in"].rows[:2] == [["0"], ["2"]]
    assert natures(None) == {}
    assert [short(text) for text in ("0.123456", "33800000.0", "abc", "-1e-7", "")] == [
        "0.1235",
        "33800000",
        "abc",
        "-1e-07",
        "",
    ]


def test_a_browser_shows_the_page(manifest: list[dict[str, Any]], scores: pd.DataFrame, tmp_path: Path) -> None:
    shell = next((found for name in SHELLS if (found := shutil.which(name))), None)
    if shell is None:
        pytest.skip("no headless browser is installed (Debian: chromium-headless-shell)")
    page, shot = tmp_path / "page.html", tmp_path / "shot.png"
    page.write_text(render(manifest, scores))
    base = [shell, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1300,1800"]
    base += [f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run([*base, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True, timeout=60)
    seen = np.asarray(Image.open(shot).convert("L"), float)
    assert seen.shape == (1800, 1300)
    left, right = seen[:, :240], seen[:, 260:]
    assert (left < 200).mean() > 0.002  # the contents stand beside
    assert (right < 200).mean() > 0.01  # the page
    dom = subprocess.run([*base, "--dump-dom", page.as_uri()], check=True, capture_output=True, text=True, timeout=60)
    assert "0.1235 ± 0.01" in dom.stdout
    assert dom.stdout.count("<article") == 7
