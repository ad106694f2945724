"""Kodi Ramanah et al. (2021) Fig. 10: observed masses against catalogues' (rule kodiramanah2021_fig10)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm

from clustermass import contracts, provenance, runtime, style
from clustermass.metrics import stack
from clustermass.observed.comparison import compared
from clustermass.observed.contracts import MASSES_OBSERVED
from clustermass.residuals import residual_density

BIN = 0.4  # of the contrast


def draw_masses(axes, tables):
    """Draw both masses of every cluster; flagged ones open."""
    for (name, table), colour, marker in zip(tables.items(), style.CYCLE, style.MARKERS, strict=False):
        for sound, part in table.groupby("sound"):
            errors = [part["log10_m200c"] - part["low68"], part["high68"] - part["log10_m200c"]]
            face = colour if sound else "none"
            axes.errorbar(
                part["log10_reference"], part["log10_m200c"], yerr=np.clip(errors, 0, None), ls="", marker=marker,
                ms=2.5, mew=0.6, mec=colour, mfc=face, ecolor=colour, elinewidth=0.25, alpha=0.75,
                label=f"{name} ({len(part)}{'' if sound else ', flagged'})",
            )  # fmt: skip
    both = pd.concat(tables)[["log10_reference", "log10_m200c"]].to_numpy()
    ends = [np.floor(both.min() * 5) / 5, np.ceil(both.max() * 5) / 5]
    axes.plot(ends, ends, color=style.BLACK, lw=0.8, ls="--", zorder=5)
    axes.set(xlabel=r"catalogue: $\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$", xlim=ends, ylim=ends)
    axes.set(ylabel=r"CNN3D: $\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$")
    axes.legend(loc="upper left", handletextpad=0.2)


def draw_contrast(axes, densities, numbers):
    """Draw the densities of the contrast beside the standard normal one."""
    for (name, density), colour in zip(densities.items(), style.CYCLE, strict=False):
        found = numbers[numbers["sample"] == name].iloc[0]
        label = rf"{name}: $\mu$ = {found['mean']:.2f}, $\sigma$ = {found['sigma']:.2f}"
        axes.stairs(density["density"], [*(density["residual"] - BIN / 2), density["residual"].iloc[-1] + BIN / 2],
                    color=colour, lw=1.2, label=label)  # fmt: skip
    x = np.linspace(-5, 5, 200)
    axes.plot(x, norm.pdf(x), color=style.BLACK, lw=0.8, ls="--", label="standard normal")
    axes.set(xlabel=r"$\log_{10}(M_\mathrm{CNN3D}/M_\mathrm{catalogue})\ /\ \sigma_\mathrm{com}$", ylabel="density")
    axes.set(xlim=(-5, 5), ylim=(0, 0.85))
    axes.legend(loc="upper left")


def draw(tables, densities, numbers):
    """Return the figure."""
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(style.COLUMN_INCH, 5.4), layout="constrained", height_ratios=[1.5, 1]
    )
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.98))
    if not tables:
        top.text(0.5, 0.5, "no cluster has both masses", ha="center", transform=top.transAxes)
        bottom.axis("off")
        return figure
    draw_masses(top, tables)
    draw_contrast(bottom, densities, numbers)
    return figure


with runtime.logged(snakemake), style.paper_style():
    names = list(snakemake.params.samples)
    tables = contracts.read_tables(names, list(snakemake.input.masses), MASSES_OBSERVED)
    tables = {name: compared(table) for name, table in tables.items()}
    tables = {name: table for name, table in tables.items() if len(table)}
    print({name: len(table) for name, table in tables.items()})
    densities, rows = {}, []
    for name, table in tables.items():
        usable = table["contrast"].notna() & table["sound"]
        chosen = table.loc[usable, "contrast"].to_numpy()
        if len(chosen) > 1:
            densities[name] = residual_density(chosen, BIN)
            rows.append({"sample": name, "mean": chosen.mean(), "sigma": chosen.std(), "clusters": len(chosen)})
    numbers = pd.DataFrame(rows, columns=["sample", "mean", "sigma", "clusters"])
    print(numbers.to_string())
    parts = [table.assign(sample=name, kind="cluster") for name, table in tables.items()]
    parts += [density.assign(sample=name, kind="density of the contrast") for name, density in densities.items()]
    csv = stack([*parts, numbers.assign(kind="contrast")])
    style.write_numbers(csv, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 10"
    figure = draw(tables, densities, numbers)
    style.save_figure(figure, outputs, snakemake.wildcards.source, title, provenance.commit())
