"""Kodi Ramanah et al. (2021) Fig. 5: predictions with posterior bands, residuals (rule kodiramanah2021_fig05)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.figures import Figures
from clustermass.metrics import stack
from clustermass.posterior.contracts import POSTERIOR_SUMMARIES
from clustermass.published import published
from clustermass.residuals import mean_bands

LIMITS = ("low95", "low68", "high68", "high95")
TRUE = r"$\log_{10}\,(M_\mathrm{true}\ /\ h^{-1}\mathrm{M}_\odot)$"


def posterior_bands(table, width, fewest):
    """Return the mean of posterior means and limits in bins of true mass."""
    bins = np.floor(table["log10_m200c"] / width + 1e-9).astype(int)
    grouped = table.groupby(bins.rename("bin"))
    frame = grouped[["mean", "map", *LIMITS]].mean().assign(count=grouped.size())
    frame = frame[frame["count"] >= fewest]
    return frame.reset_index().assign(log10_mass=lambda f: (f["bin"] + 0.5) * width).drop(columns="bin")


def draw(bands, moments, words):
    """Return the figure: masses above, residuals below."""
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(style.COLUMN_INCH, 4.6), sharex=True, layout="constrained", height_ratios=[1.6, 1]
    )
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.975))
    x = bands["log10_mass"]
    top.fill_between(x, bands["low95"], bands["high95"], color=style.BLUE, alpha=0.15, lw=0, label=r"2$\sigma$")
    top.fill_between(x, bands["low68"], bands["high68"], color=style.BLUE, alpha=0.3, lw=0, label=r"1$\sigma$")
    top.plot(x, bands["mean"], color=style.BLUE, label="mean of the posterior")
    top.plot(x, x, color=style.BLACK, lw=0.8, ls="--", label="equal")
    top.set(ylabel=r"$\log_{10}\,(M_\mathrm{pred}\ /\ h^{-1}\mathrm{M}_\odot)$")
    top.legend(loc="upper left")
    x = moments["log10_mass"]
    for times, alpha in ((2, 0.15), (1, 0.3)):
        edges = moments["mean"] - times * moments["sigma"], moments["mean"] + times * moments["sigma"]
        bottom.fill_between(x, *edges, color=style.BLUE, alpha=alpha, lw=0)
    bottom.plot(x, moments["mean"], color=style.BLUE)
    bottom.axhline(0, color=style.BLACK, lw=0.8, ls="--")
    bottom.text(0.97, 0.05, words, transform=bottom.transAxes, ha="right", va="bottom", fontsize=6.5)
    bottom.set(xlabel=TRUE, ylabel=r"$\epsilon = \log_{10}\,(M_\mathrm{true}/M_\mathrm{pred})$", ylim=(-0.8, 0.8))
    return figure


with runtime.logged(snakemake), style.paper_style():
    choices = Figures(**snakemake.params.figures)
    width, fewest = choices.kodiramanah2021_mass_bin_dex, choices.kodiramanah2021_fewest
    table = contracts.read_table(snakemake.input.posteriors, POSTERIOR_SUMMARIES)
    residual = (table["log10_m200c"] - table["log10_predicted"]).to_numpy()  # their sign: true over predicted
    bands = posterior_bands(table, width, fewest)
    moments = mean_bands(table["log10_m200c"].to_numpy(), residual, width, fewest)
    found = {"mean": residual.mean(), "sigma": residual.std()}
    printed = {name: published("kodiramanah2021", "fig05", name, snakemake.input.published) for name in found}
    words = "\n".join(
        rf"{sign} = {found[name]:.3f} dex (published {printed[name]:.2f})"
        for name, sign in (("mean", r"$\langle\epsilon\rangle$"), ("sigma", r"$\sigma_\epsilon$"))
    )
    overall = pd.DataFrame(
        {
            "kind": "all clusters",
            "statistic": ["mean true/predicted", "mean predicted/true", "sigma"],
            "value": [found["mean"], -found["mean"], found["sigma"]],
            "published": [printed["mean"], -printed["mean"], printed["sigma"]],
            "count": len(table),
        }
    )
    numbers = stack([bands.assign(kind="posterior"), moments.assign(kind="residual"), overall])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 5"
    style.save_figure(draw(bands, moments, words), outputs, snakemake.wildcards.source, title, provenance.commit())
