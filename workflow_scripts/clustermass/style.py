"""How figures and tables look, what they say of themselves, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from cycler import cycler
from matplotlib.figure import Figure

from clustermass.files import replacing

COLUMN_INCH, PAGE_INCH = 3.4, 7.1  # widths of one and of two columns of MNRAS and ApJ

# Okabe & Ito (2008): distinguishable for all common kinds of colour vision.
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, BLACK, GREY = "#0072B2", "#D55E00", "#CC79A7", "#000000", "#9A9A9A"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_RC: dict[Any, Any] = {
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "mathtext.fontset": "dejavusans",
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "legend.frameon": False,
    "axes.prop_cycle": cycler(color=CYCLE),
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw in the style of the project inside this block, and leave matplotlib as it was."""
    with mpl.rc_context(_RC):
        yield


def stamp(source: str, trained_on: str | None = None) -> str:
    """Return what every picture and table says of its data, and of those that its network was trained on if others.

    Parameters
    ----------
    source : {'simulated', 'archival'}
    trained_on : {'simulated', 'archival'}, optional
        Source of the simulation that network, prior and posterior are from; None: there is none.
    """
    words = "simulated data" if source == "simulated" else "real data"
    return words if trained_on in (None, source) else f"{words}; network trained on {stamp(trained_on)}"


def save_figure(
    figure: Figure, outputs: dict[str, str], source: str, title: str, commit: str, trained_on: str | None = None
) -> None:
    """Write a figure as PDF and PNG, with its origin in the files' metadata and, if anything is simulated, on it.

    Parameters
    ----------
    outputs : dict
        Paths under 'pdf' and 'png'.
    source : {'simulated', 'archival'}
    title : str
        Paper and figure.
    commit : str
        Version of the workflow.
    trained_on : str, optional
        As `stamp`.
    """
    words = stamp(source, trained_on)
    if "simulated" in (source, trained_on):
        figure.text(0.995, 0.995, words, ha="right", va="top", fontsize=6, color=VERMILION)
    about = {"Title": title, "Creator": f"clustermass {commit}"}
    with replacing(outputs["pdf"]) as aside:
        figure.savefig(aside, metadata={**about, "Subject": words, "CreationDate": None})
    with replacing(outputs["png"]) as aside:
        figure.savefig(aside, metadata={**about, "Description": words, "Software": None})


def write_numbers(frame: pd.DataFrame, path: str | Path, source: str, trained_on: str | None = None) -> None:
    """Write the numbers that a figure draws as CSV; the column `data` says what they were made on, as `stamp`.

    A frame that says so row by row, in a column of that name, keeps it.
    """
    told = frame if "data" in frame else frame.assign(data=stamp(source, trained_on))
    with replacing(path) as aside:
        told.to_csv(aside, index=False, float_format="%.6g")


def write_paper_table(
    frame: pd.DataFrame, outputs: dict[str, str], source: str, caption: str, trained_on: str | None = None
) -> None:
    """Write a table of a paper as CSV, Markdown and LaTeX.

    Parameters
    ----------
    frame : pandas.DataFrame
        Numbers as numbers; missing ones NaN.
    outputs : dict
        Paths under 'csv', 'md' and 'tex'.
    caption : str
        One sentence; what the data are is added.
    trained_on : str, optional
        As `stamp`.
    """
    write_numbers(frame, outputs["csv"], source, trained_on)
    shown = frame.map(_cell)
    caption = f"{caption} Made on {stamp(source, trained_on)}."
    with replacing(outputs["md"]) as aside:
        aside.write_text(f"{caption}\n\n{_markdown(shown)}\n")
    with replacing(outputs["tex"]) as aside:
        columns = [_latex_escape(str(name).replace("_", " ")) for name in shown]
        text = shown.map(_latex_escape).set_axis(columns, axis=1).to_latex(index=False, caption=_latex_escape(caption))
        aside.write_text(text)


def _cell(value: Any) -> str:
    """Return how a table shows one value."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    if float(value).is_integer():
        return f"{int(value)}"
    return f"{value:.4g}"


def _markdown(shown: pd.DataFrame) -> str:
    rows = [list(map(str, shown.columns)), ["---"] * shown.shape[1], *shown.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _latex_escape(text: str) -> str:
    for sign, safe in (
        ("\\", r"\textbackslash "),
        ("&", r"\&"),
        ("%", r"\%"),
        ("_", r"\_"),
        ("#", r"\#"),
        ("$", r"\$"),
        ("^", r"\^{}"),
    ):
        text = text.replace(sign, safe)
    return text.replace("<", r"$<$").replace(">", r"$>$")
