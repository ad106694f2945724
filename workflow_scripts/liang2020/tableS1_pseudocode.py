"""Liang et al. (2020) Table S1: the step that trains richness, as it runs, from source (rule liang2020_tableS1)."""

import ast
import inspect
import textwrap

import pandas as pd

from clustermass import runtime, style
from clustermass.files import replacing
from clustermass.networks.heads import FeatureRegressor
from clustermass.networks.image import Extractor, ImageRegressor
from clustermass.training import losses, trainer

STEPS = (
    (
        "One pass over the clusters, a batch at a time: networks give outputs, these and the labels a loss, which is"
        " minimised. The paper shows this for one batch and leaves out the step of the optimiser.",
        trainer._epoch,
    ),
    (
        "For every cluster: features of its five bands go to the regression network. The pseudocode lists a band h in"
        " place of g.",
        ImageRegressor.forward,
    ),
    (
        "One band after the other passes the same extractor, and features are put side by side. Here all bands of a"
        " batch pass it at once.",
        Extractor.of_bands,
    ),
    ("The extractor, with pooling over the image at its end.", Extractor.forward),
    ("The regression network, which joins neighbouring bands.", FeatureRegressor.forward),
    ("The loss of all outputs and true richnesses (the paper's Eq. 1).", losses.absolute_scatter),
)
CAPTION = (
    "How richness is trained (Liang et al. 2020, Table S1): the steps of the paper's pseudocode in words, and the code"
    " that does them here, as it stands in the source, without its docstrings."
)


def source(function):
    """Return the source of a function without its docstring."""
    text = textwrap.dedent(inspect.getsource(function))
    lines, body = text.splitlines(), ast.parse(text).body[0].body
    if ast.get_docstring(ast.parse(text).body[0]) is not None:
        del lines[body[0].lineno - 1 : body[0].end_lineno]
    return "\n".join(lines)


def markdown(table):
    """Return the table as a page: words, then code."""
    parts = [f"{row.step}. {row.paper}\n\n   `{row.function}`\n\n{fenced(row.source)}" for row in table.itertuples()]
    return "\n\n".join([CAPTION, *parts]) + "\n"


def fenced(code):
    """Return code as a block of a list's item."""
    return textwrap.indent(f"```python\n{code}\n```", "   ")


def latex(table):
    """Return the table for LaTeX: words, then code as it is."""
    parts = [
        f"\\item {row.paper}\n\\begin{{verbatim}}\n# {row.function}\n{row.source}\n\\end{{verbatim}}"
        for row in table.itertuples()
    ]
    return "\n".join([f"% {CAPTION}", r"\begin{enumerate}", *parts, r"\end{enumerate}"]) + "\n"


with runtime.logged(snakemake):
    rows = [
        (step, words, f"{function.__module__}.{function.__qualname__}", source(function))
        for step, (words, function) in enumerate(STEPS, 1)
    ]
    table = pd.DataFrame(rows, columns=["step", "paper", "function", "source"])
    style.write_numbers(table, snakemake.output.csv, snakemake.wildcards.source)
    for kind, text in (("md", markdown(table)), ("tex", latex(table))):
        with replacing(snakemake.output[kind]) as aside:
            aside.write_text(text)
    print(markdown(table))
