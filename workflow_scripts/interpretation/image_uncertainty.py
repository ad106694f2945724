"""Posteriors of masses from images: coverage, calibration, limits (rule interpretation_image_uncertainty)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.transfer.comparison import look_of
from clustermass.transfer.ensemble import COVERAGE, IMAGE_CALIBRATION, IMAGE_POSTERIORS

LOOKS = {  # what posteriors are made of: label, colour, marker
    "ensemble": ("scatter of the networks", style.VERMILION, "s"),
    "residuals": ("Gaussian, residuals of other folds", style.GREEN, "^"),
    "density": ("joint density, other folds", style.BLUE, "o"),
}
TABLES = {"coverage": COVERAGE, "calibration": IMAGE_CALIBRATION, "posteriors": IMAGE_POSTERIORS}


def curve_of(calibration, method, statistic):
    """Return the calibration curve of all clusters."""
    named = (calibration["method"] == method) & (calibration["statistic"] == statistic)
    return calibration[named].sort_values("level")


def draw_curves(axes, calibration, statistic, difference):
    """Draw shares against levels, or what they differ by, with the noise of the last method."""
    for method in [name for name in LOOKS if (calibration["method"] == name).any()]:
        curve = curve_of(calibration, method, statistic)
        base = curve["expected"] if difference else 0.0
        label, colour, _ = LOOKS[method]
        axes.plot(curve["level"], curve["observed"] - base, color=colour, label=label)
    axes.fill_between(curve["level"], curve["band_low"] - base, curve["band_high"] - base, color="0.88", lw=0,
                      label="noise, 95 %", zorder=0)  # fmt: skip
    axes.plot([0, 1], [0, 0 if difference else 1], color=style.BLACK, lw=0.6, ls="--")
    axes.set(xlim=(0, 1))


def draw_masses(axes, posteriors):
    """Draw medians with 68 % limits of posteriors by the joint density against labels."""
    table = posteriors[posteriors["median"].notna()]
    x, y = table["log10_m500c"], table["median"]
    bars = np.array([y - table["low68"], table["high68"] - y])
    near = ~table["extrapolated"].to_numpy()
    for chosen, colour, words in ((near, style.BLUE, "68 %"), (~near, style.GREY, "68 %, on few pairs")):
        if chosen.any():
            axes.errorbar(x[chosen], y[chosen], bars[:, chosen], fmt="o", ms=2, lw=0.5, color=colour, label=words)
    ends = [min(x.min(), table["low68"].min()), max(x.max(), table["high68"].max())]
    axes.plot(ends, ends, color=style.BLACK, lw=0.6, ls="--")
    unit = r"$\log_{10}\,(M_{500\mathrm{c}}\ /\ \mathrm{M}_\odot)$"
    axes.set(xlabel=f"label {unit}", ylabel=f"posterior {unit}")


def draw_coverage(axes, coverage, titles):
    """Draw shares within limits with their intervals, a row a model and method; dotted: what is claimed."""
    place, ticks = 0.0, {}
    for model, rows in coverage.groupby("model", sort=False):
        methods = [name for name in LOOKS if (rows["method"] == name).any()]
        ticks[place - (len(methods) - 1) / 2] = titles[model]
        for method in methods:
            part, (_, colour, marker) = rows[rows["method"] == method].sort_values("volume"), LOOKS[method]
            bars = np.abs(part[["low", "high"]].to_numpy().T - part["observed"].to_numpy())
            for number, observed in enumerate(part["observed"]):  # 68 % above, filled; 95 % below, open
                look = {"fmt": marker, "ms": 3.5, "lw": 0.8, "color": colour, "mfc": "white" if number else colour}
                axes.errorbar(observed, place + 0.18 - 0.36 * number, xerr=bars[:, [number]], **look)
            place -= 1
        place -= 0.7
    for volume in coverage["volume"].unique():
        axes.axvline(volume, color=style.BLACK, lw=0.6, ls=":")
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="y", which="both", length=0)
    axes.set(xlabel="share of labels within 68 % (filled) and 95 % (open)", xlim=(0, 1.02))


def draw(tables, model, titles):
    """Return the figure."""
    figure, ((cover, pit), (masses, shares)) = plt.subplots(2, 2, figsize=(style.PAGE_INCH, 5.6), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.975))
    draw_curves(cover, tables["calibration"], "highest_density", difference=False)
    cover.set(xlabel="volume of the posterior", ylabel="share of labels inside", ylim=(0, 1))
    cover.legend(loc="upper left")
    draw_curves(pit, tables["calibration"], "pit", difference=True)
    pit.set(xlabel="level", ylabel="labels below the quantile, less the level (PIT)")
    draw_masses(masses, tables["posteriors"])
    masses.legend(loc="upper left")
    draw_coverage(shares, tables["coverage"], titles)
    about = tables["coverage"].query("model == @model").iloc[0]
    figure.text(
        0.01, 0.995, f"{titles[model]}: {about['clusters']} clusters, {about['halos']} halos", va="top", fontsize=6
    )
    return figure


with runtime.logged(snakemake), style.paper_style():
    models, drawn = snakemake.params.models, {}
    for name, contract in TABLES.items():
        read = contracts.read_tables(models, snakemake.input[name], contract)
        drawn[name] = pd.concat([table.assign(model=model) for model, table in read.items()], ignore_index=True)
    for name in ("calibration", "posteriors"):
        drawn[name] = drawn[name][drawn[name]["model"] == models[0]]
    drawn["calibration"] = drawn["calibration"].query("bins == 'all' and statistic in ('pit', 'highest_density')")
    drawn["posteriors"] = drawn["posteriors"].query("method == 'density'")
    numbers = pd.concat([table.assign(table=name) for name, table in drawn.items()], ignore_index=True)
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    figure = draw(drawn, models[0], {name: look_of(name).title for name in models})
    title = "Uncertainty of masses from images"
    style.save_figure(figure, outputs, snakemake.wildcards.source, title, provenance.commit())
