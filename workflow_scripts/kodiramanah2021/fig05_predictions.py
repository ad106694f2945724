"""Kodi Ramanah et al. (2021) Fig. 5: predictions with posterior bands, residuals (rule kodiramanah2021_fig05)."""

import matplotlib.pyplot as plt
import numpy as np

from clustermass import contracts, provenance, runtime, style
from clustermass.checks import paired_changes
from clustermass.config.figures import Figures
from clustermass.config.interpretation import Interpretation
from clustermass.metrics import stack
from clustermass.posterior.contracts import POSTERIOR_SUMMARIES
from clustermass.published import published
from clustermass.residuals import mean_bands

SIGNS = {"mean": r"\langle\epsilon\rangle", "sigma": r"\sigma_\epsilon"}
LIMITS = ("low95", "low68", "high68", "high95")
TRUE = r"$\log_{10}\,(M_\mathrm{true}\ /\ h^{-1}\mathrm{M}_\odot)$"


def posterior_bands(table, width, fewest):
    """Return the mean of posterior means and limits in bins of true mass."""
    bins = np.floor(table["log10_m200c"] / width + 1e-9).astype(int)
    grouped = table.groupby(bins.rename("bin"))
    frame = grouped[["mean", "map", *LIMITS]].mean().assign(count=grouped.size())
    frame = frame[frame["count"] >= fewest]
    return frame.reset_index().assign(log10_mass=lambda f: (f["bin"] + 0.5) * width).drop(columns="bin")


def described(row):
    """Return what the figure says of a statistic: value, interval, published value."""
    plus, minus = row["high"] - row["value"], row["value"] - row["low"]
    found = rf"{SIGNS[row['statistic']]} = {row['value']:.4f}^{{+{plus:.4f}}}_{{-{minus:.4f}}}"
    return rf"${found}$ dex (published {row['published']:.2f})"


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
    draws = Interpretation(**snakemake.params.interpretation).bootstrap_draws
    groups, rng = table["group"].to_numpy(str), runtime.job_generator(snakemake)
    overall = paired_changes({"log10(true / predicted)": residual}, "log10(true / predicted)", groups, draws, rng)
    printed = {name: published("kodiramanah2021", "fig05", name, snakemake.input.published) for name in SIGNS}
    overall = overall.rename(columns={"check": "quantity"})
    overall["published"] = overall["statistic"].map(printed)
    words = "\n".join(described(row) for row in overall.to_dict("records"))
    overall = overall.assign(kind="all clusters", halos=len(np.unique(groups)))
    numbers = stack([bands.assign(kind="posterior"), moments.assign(kind="residual"), overall])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 5"
    style.save_figure(draw(bands, moments, words), outputs, snakemake.wildcards.source, title, provenance.commit())
