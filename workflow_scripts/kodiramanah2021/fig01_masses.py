"""Kodi Ramanah et al. (2021) Fig. 1: mass distribution of the sets of mock clusters (rule kodiramanah2021_fig01)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.figures import Figures
from clustermass.mock_observation.survey_contracts import SURVEY_CLUSTERS

LOOKS = {  # set: colour, line
    "train": (style.BLUE, "-"),
    "validation": (style.SKY, "-"),
    "test": (style.VERMILION, (0, (4, 2))),
    "evaluation": (style.GREEN, "-"),
}


def counts(clusters, width):
    """Return how many clusters, and how many halos, each set has in bins of mass."""
    bins = np.floor(clusters["log10_m200c"] / width + 1e-9).astype(int)
    every = np.arange(bins.min(), bins.max() + 1)
    halos = clusters.assign(bin=bins).drop_duplicates(["box", "halo"])
    tables = []
    for name in LOOKS:
        inside = clusters["set"] == name
        number = bins[inside].value_counts().reindex(every, fill_value=0)
        distinct = halos.loc[halos["set"] == name, "bin"].value_counts().reindex(every, fill_value=0)
        columns = {"low": every * width, "high": (every + 1) * width, "clusters": number, "halos": distinct}
        tables.append(pd.DataFrame({"set": name, **columns}))
    return pd.concat(tables, ignore_index=True)


def draw(table):
    """Return the figure: clusters as thick steps, distinct halos as thin ones."""
    figure, axes = plt.subplots(figsize=(style.COLUMN_INCH, 2.7), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.96))
    for name, (colour, line) in LOOKS.items():
        part = table[table["set"] == name]
        edges = [*part["low"], part["high"].iloc[-1]]
        label = f"{name}: {part['clusters'].sum():,} of {part['halos'].sum():,} halos"
        axes.stairs(part["clusters"], edges, color=colour, ls=line, lw=1.3, label=label)
        axes.stairs(part["halos"], edges, color=colour, ls=line, lw=0.5)
    axes.set(xlabel=r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$", ylabel="clusters in a bin")
    axes.set(yscale="log", ylim=(0.8, 80 * table["clusters"].max()), xlim=(table["low"].min(), table["high"].max()))
    axes.legend(loc="upper right", title="thick: clusters; thin: distinct halos", title_fontsize=7)
    return figure


with runtime.logged(snakemake), style.paper_style():
    choices = Figures(**snakemake.params.figures)
    clusters = contracts.read_table(snakemake.input.clusters, SURVEY_CLUSTERS)
    table = counts(clusters, choices.kodiramanah2021_mass_bin_dex)
    style.write_numbers(table, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 1"
    style.save_figure(draw(table), outputs, snakemake.wildcards.source, title, provenance.commit())
