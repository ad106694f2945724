"""Lin et al. (2022) Fig. 6: masses that three models predict, and their labels (rule lin2022_fig06)."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, metrics, provenance, runtime, style
from clustermass.config.figures import Figures
from clustermass.published import published
from clustermass.residuals import bootstrap, statistics, with_intervals
from clustermass.transfer.comparison import kernel_density, look_of, made_from, tested
from clustermass.transfer.contracts import MASS_PREDICTIONS

BEYOND = 1.0  # how far the axis goes beyond the labels [dex]
CELLS = 400


def label_of(name, row):
    """Return what the figure says of a distribution."""
    words = f"{look_of(name).label if name != 'label' else 'labels'}, median {row['median']:.2f}"
    return words if row["outside"] == 0 else f"{words} ({100 * row['outside']:.0f} % off the axis)"


def draw(densities, about, made):
    """Return the figure."""
    figure, axes = plt.subplots(figsize=(style.COLUMN_INCH + 0.6, 3.1), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.93))
    for row in about.to_dict("records"):
        mine, look = densities[densities["model"] == row["model"]], look_of(row["model"])
        line = {"color": style.BLACK} if row["model"] == "label" else {"color": look.colour, "ls": look.line}
        axes.plot(mine["log10_m500c"], mine["density"], label=label_of(row["model"], row), **line)
    axes.set(xlabel=r"$\log_{10}\,(M_{500\mathrm{c}}\ /\ \mathrm{M}_\odot)$", ylabel="density [dex$^{-1}$]")
    top = axes.get_ylim()[1]
    axes.set(xlim=(densities["log10_m500c"].min(), densities["log10_m500c"].max()), ylim=(0, 1.45 * top))
    axes.legend(loc="upper left")
    figure.text(0.01, 0.995, fill(made, 68), va="top", fontsize=6)  # beside the stamp of simulated data
    return figure


with runtime.logged(snakemake), style.paper_style():
    params, choices = snakemake.params, Figures(**snakemake.params.figures)
    tables = {name: tested(contracts.read_joined(snakemake.input[name], MASS_PREDICTIONS)) for name in params.models}
    labels = tables[params.models[0]]["log10_m500c"].to_numpy()
    masses = {name: table["log10_predicted"].to_numpy() for name, table in tables.items()} | {"label": labels}
    halos = {name: table["group"] for name, table in tables.items()} | {"label": tables[params.models[0]]["group"]}
    grid = np.linspace(labels.min() - BEYOND, labels.max() + BEYOND, CELLS)
    densities, about = [], []
    for name, values in masses.items():
        density = kernel_density(values, grid, choices.lin2022_density_dex)
        densities.append(pd.DataFrame({"kind": "density", "model": name, "log10_m500c": grid, "density": density}))
        outside = np.mean((values < grid[0]) | (values > grid[-1]))
        printed = published("lin2022", "fig06", f"{name}_median", snakemake.input.published)
        number = params.interpretation["bootstrap_draws"]
        draws = bootstrap(values, halos[name], number, runtime.job_generator(snakemake))
        median = with_intervals(statistics(values)[["median"]], draws).iloc[0].to_dict()
        row = {"model": name, "median": median["value"], "low": median["low"], "high": median["high"]}
        about.append({**row, "published_median": printed, "outside": outside, "clusters": len(values)})
    densities, about = pd.concat(densities), pd.DataFrame(about)
    numbers = metrics.stack([densities, about.assign(kind="distribution")])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    figure = draw(densities, about, made_from(len(labels), **params.made))
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Lin et al. (2022) Fig. 6", provenance.commit())
