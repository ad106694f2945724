"""Kodi Ramanah et al. (2021) Fig. 6: calibration of the posteriors (rule kodiramanah2021_fig06)."""

import matplotlib.pyplot as plt
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.posterior import Posterior
from clustermass.posterior.contracts import CALIBRATION

LOOKS = {  # what made the posteriors: label, colour, line
    "kde": (r"kernel density, $h = 0.20\,\sigma$", style.BLUE, "-"),
    "kde_covariance": (r"kernel density, $H = 0.20\,\Sigma$", style.VERMILION, "--"),
    "npe": ("neural, of the summary", style.GREEN, "-."),
    "end_to_end": ("neural, end to end", style.PURPLE, ":"),
}
MASSES = (style.SKY, style.ORANGE, style.BLACK)
TARP = ("TARP, $h = 0.20\\,\\sigma$", style.SKY, (0, (1, 0.6)))


def part(table, statistic, bins="all", number=0):
    """Return one curve."""
    mine = (table["statistic"] == statistic) & (table["bins"] == bins) & (table["bin"] == number)
    return table[mine].sort_values("level")


def draw_curve(axes, curve, label, colour, line="-"):
    """Draw how much the observed share differs from the expected one, and say how much at most."""
    words = f"{label}: {curve['deviation'].iloc[0]:.3f}"
    axes.plot(curve["level"], curve["observed"] - curve["expected"], color=colour, ls=line, label=words)


def edges_of(curve):
    """Return within which differences noise stays in 95 of 100 cases."""
    return curve["band_low"] - curve["expected"], curve["band_high"] - curve["expected"]


def draw_mass_bin(axes, curve, colour, fewest):
    """Draw one bin of mass with the edges of its noise; few halos: the Kolmogorov-Smirnov band is said instead."""
    first = curve.iloc[0]
    noise = f"KS {first['band_ks']:.3f}" if first["halos"] < fewest else f"noise {first['band']:.3f}"
    words = f"{first['low']:.2f}–{first['high']:.2f}: {first['deviation']:.3f} ({noise}, {first['halos']:,} halos)"
    axes.plot(curve["level"], curve["observed"] - curve["expected"], color=colour, label=words)
    for edge in edges_of(curve):
        axes.plot(curve["level"], edge, color=colour, lw=0.6, ls=":")


def draw(tables, fewest):
    """Return the figure."""
    figure, ((quantiles, methods), (masses, ranks)) = plt.subplots(
        2, 2, figsize=(style.PAGE_INCH, 5.2), layout="constrained"
    )
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.98))
    main = part(tables["kde"], "highest_density")
    quantiles.fill_between(main["level"], main["band_low"], main["band_high"], color="0.85", lw=0, label="noise, 95 %")
    quantiles.plot(main["level"], main["observed"], color=style.BLUE, label=LOOKS["kde"][0])
    quantiles.plot([0, 1], [0, 1], color=style.BLACK, lw=0.8, ls="--", label="ideal")
    quantiles.set(xlabel="volume of the posterior", ylabel="share of clusters with the truth inside", aspect="equal")
    quantiles.set(xlim=(0, 1), ylim=(0, 1))
    quantiles.legend(loc="upper left")
    quantiles.text(
        0.97, 0.03, f"{main['clusters'].iloc[0]:,} clusters\n{main['halos'].iloc[0]:,} halos", ha="right", va="bottom",
        transform=quantiles.transAxes, fontsize=7,
    )  # fmt: skip
    curve = part(tables["kde"], "pit")
    methods.fill_between(curve["level"], *edges_of(curve), color="0.9", lw=0, label="noise of the first, 95 %")
    for name, table in tables.items():
        draw_curve(methods, part(table, "pit"), *LOOKS[name])
    draw_curve(methods, part(tables["kde"], "tarp"), *TARP)
    methods.set_title("truth below the quantile (PIT); TARP", loc="left", fontsize=7, pad=3)
    bins = tables["kde"][(tables["kde"]["bins"] == "predicted") & (tables["kde"]["statistic"] == "pit")]
    for number, colour in zip(sorted(bins["bin"].unique()), MASSES, strict=False):
        curve = part(tables["kde"], "pit", "predicted", number)
        draw_mass_bin(masses, curve, colour, fewest)
    masses.set_title("PIT in bins of posterior mean mass; dotted: noise, 95 %", loc="left", fontsize=7, pad=3)
    for axes in (methods, masses):
        axes.axhline(0, color=style.BLACK, lw=0.6)
        axes.set(xlabel="level", ylabel="observed less expected share", xlim=(0, 1), ylim=(-0.11, 0.15))
        axes.legend(loc="upper left", title="largest deviation", title_fontsize=7, alignment="left", labelspacing=0.25)
    histogram = part(tables["kde"], "rank")
    width = 1 / len(histogram)
    ranks.fill_between(histogram["level"], histogram["band_low"] / width, histogram["band_high"] / width, color="0.85",
                       lw=0, step="mid", label="noise, 95 %")  # fmt: skip
    ranks.step(histogram["level"], histogram["observed"] / width, where="mid", color=style.BLUE, label=LOOKS["kde"][0])
    ranks.axhline(1, color=style.BLACK, lw=0.6, ls="--")
    ranks.set(xlabel="rank of the truth among draws / draws", ylabel="density", xlim=(0, 1), ylim=(0, 2))
    ranks.set_title("simulation-based calibration", loc="left", fontsize=7, pad=3)
    ranks.legend(loc="upper left")
    return figure


with runtime.logged(snakemake), style.paper_style():
    fewest = Posterior(**snakemake.params.posterior).fewest_in_bin
    paths = [snakemake.input[name] for name in LOOKS]
    tables = contracts.read_tables(list(LOOKS), paths, CALIBRATION)
    numbers = pd.concat([table.assign(posterior=name) for name, table in tables.items()])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 6"
    style.save_figure(draw(tables, fewest), outputs, snakemake.wildcards.source, title, provenance.commit())
