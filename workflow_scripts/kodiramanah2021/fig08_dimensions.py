"""Kodi Ramanah et al. (2021) Fig. 8: residuals of three CNNs on one mock (rule kodiramanah2021_fig08)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.comparison import KODIRAMANAH2021_LOOKS as LOOKS
from clustermass.config.figures import Figures
from clustermass.predictions import PREDICTIONS, ROLES, headline_role
from clustermass.residuals import mean_bands

MODELS = ("cnn1d", "cnn2d", "cnn3d")


def draw(bands, spread, role):
    """Return the figure: a panel a network."""
    figure, row = plt.subplots(1, 3, figsize=(style.PAGE_INCH, 2.6), sharex=True, sharey=True, layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.96))
    for axes, model in zip(row, MODELS, strict=True):
        part, look = bands[model], LOOKS[model]
        for times, alpha in ((2, 0.15), (1, 0.3)):
            edges = part["mean"] - times * part["sigma"], part["mean"] + times * part["sigma"]
            axes.fill_between(
                part["log10_mass"], *edges, color=look.colour, alpha=alpha, lw=0, label=rf"{times}$\sigma$"
            )
        axes.plot(part["log10_mass"], part["mean"], color=look.colour, label="mean")
        axes.axhline(0, color=style.BLACK, lw=0.6, ls="--")
        axes.set_title(rf"{look.label}: $\sigma_\epsilon$ = {spread[model]:.3f} dex", loc="left", fontsize=8, pad=3)
        axes.set(xlabel=r"$\log_{10}\,(M_\mathrm{true}\ /\ h^{-1}\mathrm{M}_\odot)$")
    row[0].set(ylabel=r"$\epsilon = \log_{10}\,(M_\mathrm{true}/M_\mathrm{pred})$", ylim=(-0.75, 0.75))
    row[0].legend(loc="lower left", ncols=3)
    row[-1].text(0.97, 0.97, ROLES[role], transform=row[-1].transAxes, ha="right", va="top", fontsize=7)
    return figure


with runtime.logged(snakemake), style.paper_style():
    choices = Figures(**snakemake.params.figures)
    tables = contracts.read_tables(list(MODELS), [snakemake.input[model] for model in MODELS], PREDICTIONS)
    bands, spread, role = {}, {}, headline_role(tables["cnn3d"])
    for model, table in tables.items():
        mine = table[table["role"] == role]
        residual = (mine["log10_m200c"] - mine["log10_predicted"]).to_numpy()  # their sign
        mass = mine["log10_m200c"].to_numpy()
        bands[model] = mean_bands(mass, residual, choices.kodiramanah2021_mass_bin_dex, choices.kodiramanah2021_fewest)
        spread[model] = float(np.std(residual))
    numbers = pd.concat([bands[model].assign(model=model, role=role, sigma_all=spread[model]) for model in MODELS])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 8"
    style.save_figure(draw(bands, spread, role), outputs, snakemake.wildcards.source, title, provenance.commit())
