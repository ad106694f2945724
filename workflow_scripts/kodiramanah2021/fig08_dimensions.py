"""Kodi Ramanah et al. (2021) Fig. 8: residuals of three CNNs on one mock (rule kodiramanah2021_fig08)."""

import matplotlib.pyplot as plt

from clustermass import contracts, provenance, runtime, style
from clustermass.checks import paired_changes
from clustermass.comparison import KODIRAMANAH2021_LOOKS as LOOKS
from clustermass.config.figures import Figures
from clustermass.config.interpretation import Interpretation
from clustermass.metrics import stack
from clustermass.predictions import PREDICTIONS, ROLES, headline_role
from clustermass.residuals import mean_bands

MODELS = ("cnn1d", "cnn2d", "cnn3d")
REFERENCE = "cnn3d"  # what the others are compared with, on the same clusters


def common(tables, role):
    """Return mass, group and residuals (their sign) of the clusters that every network has in one role."""
    mine = {name: table[table["role"] == role].set_index("cluster") for name, table in tables.items()}
    residuals = {name: table["log10_m200c"] - table["log10_predicted"] for name, table in mine.items()}
    return mine[REFERENCE][["group", "log10_m200c"]].assign(**residuals).dropna()  # aligned by cluster


def interval(row, form):
    """Return a statistic with the distances to the ends of its interval, for a figure."""
    plus, minus = row["high"] - row["value"], row["value"] - row["low"]
    return rf"{row['value']:{form}}^{{+{plus:.4f}}}_{{-{minus:.4f}}}"


def say(axes, measured, model):
    """Write scatter above a panel, and how it differs from that of the reference below its edge."""
    sigma = interval(measured.loc[(model, "sigma")], ".4f")
    axes.set_title(rf"{LOOKS[model].label}: $\sigma_\epsilon = {sigma}$ dex", loc="left", fontsize=8, pad=5)
    if model != REFERENCE:
        change = interval(measured.loc[(model, "change of sigma")], "+.4f")
        words = rf"$\sigma_\epsilon$ less that of {LOOKS[REFERENCE].label}: ${change}$"
        axes.text(0.95, 0.96, words, transform=axes.transAxes, ha="right", va="top", fontsize=7)


def draw(bands, measured, words):
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
        say(axes, measured, model)
        axes.set(xlabel=r"$\log_{10}\,(M_\mathrm{true}\ /\ h^{-1}\mathrm{M}_\odot)$")
    row[0].set(ylabel=r"$\epsilon = \log_{10}\,(M_\mathrm{true}/M_\mathrm{pred})$", ylim=(-0.75, 0.75))
    row[0].legend(loc="lower left", ncols=3)
    row[-1].text(0.97, 0.96, words, transform=row[-1].transAxes, ha="right", va="top", fontsize=7)
    return figure


with runtime.logged(snakemake), style.paper_style():
    choices = Figures(**snakemake.params.figures)
    tables = contracts.read_tables(list(MODELS), [snakemake.input[model] for model in MODELS], PREDICTIONS)
    role = headline_role(tables[REFERENCE])
    table = common(tables, role)
    draws = Interpretation(**snakemake.params.interpretation).bootstrap_draws
    residuals, groups = {model: table[model].to_numpy() for model in MODELS}, table["group"].to_numpy(str)
    measured = paired_changes(residuals, REFERENCE, groups, draws, runtime.job_generator(snakemake))
    measured = measured.rename(columns={"check": "model"}).assign(role=role, halos=table["group"].nunique())
    print(measured.to_string())
    mass, width = table["log10_m200c"].to_numpy(), choices.kodiramanah2021_mass_bin_dex
    bands = {model: mean_bands(mass, residuals[model], width, choices.kodiramanah2021_fewest) for model in MODELS}
    parts = [bands[model].assign(kind="bin of mass", model=model, role=role) for model in MODELS]
    numbers = stack([*parts, measured.assign(kind="all clusters")])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 8"
    words = f"{ROLES[role]}\n{len(table):,} clusters"
    figure = draw(bands, measured.set_index(["model", "statistic"]), words)
    style.save_figure(figure, outputs, snakemake.wildcards.source, title, provenance.commit())
