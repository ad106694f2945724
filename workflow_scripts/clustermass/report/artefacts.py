"""Figures and tables of a run as a page shows them: pictures inside the page, tables as cells, files with checksums."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, StrictUndefined
from PIL import Image

from clustermass.files import sha256

WIDEST = 1300  # pixels of pictures inside the page
MOST_ROWS = 80  # of a table; the rest stands in its file
_PRINT_DPI, _SCREEN_DPI = 300, 145  # pixels per inch of pictures on disk and on a page
_CHECKSUM = 16  # digits that are shown


@dataclass(frozen=True)
class Cells:
    """A table as text.

    Attributes
    ----------
    columns : list of str
    rows : list of list of str
    left_out : int
        Rows of the file that are not shown.
    """

    columns: list[str]
    rows: list[list[str]]
    left_out: int


class Picture(NamedTuple):
    """A picture as data URL, and how wide it is shown [pixel]."""

    url: str
    width: int


@dataclass(frozen=True)
class Artefact:
    """A figure or table.

    Attributes
    ----------
    anchor, rule, title, category, label, data, caption : str
        `label` is its number in the paper; `title` the sentence that the rule says of itself.
    made : bool
        Whether its files are there.
    command : str
        What makes it again.
    paper, name : str
        As published numbers name it, e.g. 'lin2022', 'fig03'.
    pictures : list of Picture
    tables : list of Cells
    files, inputs : list of tuple
        Paths with the beginning of their SHA-256.
    """

    anchor: str
    rule: str
    title: str
    category: str
    label: str
    data: str
    caption: str
    made: bool
    command: str
    paper: str
    name: str
    pictures: list[Picture]
    tables: list[Cells]
    files: list[tuple[str, str]]
    inputs: list[tuple[str, str]]


def load_artefacts(manifest: Sequence[Mapping[str, Any]], source: str) -> list[Artefact]:
    """Return the artefacts of a run; several outputs of one rule that the report shows are one.

    Parameters
    ----------
    manifest : sequence of mapping
        An item an output: rule, title, category, labels, caption (a template of jinja), params, wildcards, outputs,
        inputs. Without outputs it was not made; so it is too where a file is missing.
    source : str
    """
    found: dict[tuple[str, str], Artefact] = {}
    for item in manifest:
        key = item["rule"], "-".join(str(value) for name, value in item["wildcards"].items() if name != "source")
        if key not in found:
            found[key] = _load(item, "-".join(part for part in (*key,) if part), source)
    return list(found.values())


def _load(item: Mapping[str, Any], anchor: str, source: str) -> Artefact:
    """Return one artefact."""
    outputs = [Path(path) for path in item["outputs"]]
    made = bool(outputs) and all(path.is_file() for path in outputs)
    paper, _, name = item["rule"].partition("_")
    ranked = sorted(outputs, key=lambda path: path.suffix not in (".pdf", ".png"))  # a figure rather than its numbers
    target = str(ranked[0]) if ranked else ""
    pictures = [inline_picture(path) for path in outputs if path.suffix == ".png"] if made else []
    shown = made and (not pictures or paper == "scorecard")  # else the picture shows the numbers
    tables = [] if not shown else [read_cells(path) for path in outputs if path.suffix == ".csv"]
    labels = {key: str(value).replace("{source}", source) for key, value in item["labels"].items()}
    return Artefact(
        anchor=anchor,
        rule=item["rule"],
        title=item["title"],
        category=item["category"],
        label=labels.get("artefact", name),
        data=labels.get("data", source),
        caption=render_caption(item) if made else "",
        made=made,
        command=f"snakemake --cores all --forcerun {item['rule']} -- {target}" if outputs else "",
        paper=paper,
        name=name,
        pictures=pictures,
        tables=tables,
        files=[(str(path), checksum(str(path))) for path in outputs] if made else [],
        inputs=[(path, checksum(path)) for path in item["inputs"]] if made else [],
    )


def render_caption(item: Mapping[str, Any]) -> str:
    """Return a caption with the settings that it speaks of, as `snakemake --report` fills it in.

    Raises
    ------
    jinja2.UndefinedError
        It speaks of a setting that is not there.
    """
    filled = Environment(undefined=StrictUndefined, autoescape=False)  # plain text: the page escapes it
    job = {"params": item["params"], "wildcards": item["wildcards"]}
    return " ".join(filled.from_string(item["caption"]).render(snakemake=job).split())


def inline_picture(path: str | Path) -> Picture:
    """Return a picture that stands in the page itself, with no more pixels than a page needs."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    width = round(picture.width * _SCREEN_DPI / _PRINT_DPI)
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if drawing := _is_drawing(picture):
        picture.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "JPEG", quality=88)
    kind = "png" if drawing else "jpeg"
    return Picture(f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode(), width)


def _is_drawing(picture: Image.Image) -> bool:
    """Return whether most of a picture is of few colours, as lines on paper are and images of the sky are not."""
    small = picture.resize((200, 200), Image.Resampling.NEAREST)
    counts = sorted((count for count, _ in small.getcolors(40_000) or []), reverse=True)
    return sum(counts[:32]) > 0.6 * 40_000


def read_cells(path: str | Path) -> Cells:
    """Return a table of numbers and texts (CSV) as it is shown."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    shown = frame.drop(columns="data", errors="ignore")
    rows = [[short(value) for value in row] for row in shown.head(MOST_ROWS).to_numpy().tolist()]
    return Cells([str(name).replace("_", " ") for name in shown], rows, max(len(shown) - MOST_ROWS, 0))


def short(text: str) -> str:
    """Return a number with four digits, other text as it is."""
    try:
        value = float(text)
    except ValueError:
        return text
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"


@cache
def checksum(path: str) -> str:
    """Return the beginning of a file's SHA-256; '' for folders and what is not there."""
    return sha256(path)[:_CHECKSUM] if Path(path).is_file() else ""
