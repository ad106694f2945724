"""Kodi Ramanah et al. (2021) Fig. 10: observed masses against catalogues' (rule kodiramanah2021_fig10)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from scipy.stats import norm

from clustermass import contracts, provenance, runtime, style
from clustermass.config.interpretation import Interpretation
from clustermass.metrics import stack
from clustermass.observed.comparison import compared, contrast_moments, reference_name
from clustermass.observed.contracts import MASSES_OBSERVED
from clustermass.residuals import residual_density

BIN = 0.4  # of the contrast
SHOWN = (1, 99)  # percentiles of the mass to compare with that the frame holds
MARGIN = 0.15  # of the frame about masses [dex]
MANY = 200  # clusters: beyond, markers are small and errors faint
DEFINITION = r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$"
SETS = {"unflagged": "-", "all": ":"}  # clusters, line


def looks(number):
    """Return how so many clusters are drawn."""
    return {"ms": 1.5, "elinewidth": 0.2} if number > MANY else {"ms": 2.8, "elinewidth": 0.4}


def draw_masses(axes, tables, words):
    """Draw both masses of every cluster; flagged ones below, open and paler."""
    for sound in (False, True):
        for (name, table), colour, marker in zip(tables.items(), style.CYCLE, style.MARKERS, strict=False):
            part = table[table["sound"] == sound]
            errors = [part["log10_m200c"] - part["low68"], part["high68"] - part["log10_m200c"]]
            alpha = 0.9 if sound else 0.4
            face = to_rgba(colour, alpha) if sound else "none"
            if len(part):
                colours = {"mec": to_rgba(colour, alpha), "mfc": face, "ecolor": to_rgba(colour, alpha / 3)}
                axes.errorbar(
                    part["log10_reference"], part["log10_m200c"], yerr=np.clip(errors, 0, None), ls="", marker=marker,
                    mew=0.5, zorder=3 + sound, label=f"{name}: {len(part):,} {'unflagged' if sound else 'flagged'}",
                    **colours, **looks(len(table)),
                )  # fmt: skip
    masses = pd.concat(tables)
    x, y = masses["log10_reference"], masses["log10_m200c"]
    low, high = np.percentile(x, SHOWN) + np.array([-MARGIN, MARGIN])
    beyond = int(((x < low) | (x > high)).sum())
    axes.plot([low, high], [low, high], color=style.BLACK, lw=0.8, ls="--", zorder=5, label="equal")
    axes.set(xlabel=f"{words} mass: {DEFINITION}", ylabel=f"CNN3D: {DEFINITION}")
    axes.set(xlim=(low, high), ylim=(y.min() - MARGIN, y.max() + 2 * MARGIN))
    title = f"{beyond} beyond the frame" if beyond else None
    axes.legend(loc="upper left", handletextpad=0.2, title=title, title_fontsize=6.5, alignment="left")


def with_error(row):
    """Return a value with half of its interval, for a legend."""
    return f"{row['value']:.2f} ± {(row['high'] - row['low']) / 2:.2f}".replace("-", "−")


def draw_contrast(axes, densities, numbers, words):
    """Draw the densities of the contrast beside the standard normal one."""
    for place, (name, of_sample) in enumerate(densities.items()):
        for (part, density), line in zip(of_sample.items(), (SETS[part] for part in of_sample), strict=True):
            found = numbers[(numbers["sample"] == name) & (numbers["clusters_of"] == part)].set_index("statistic")
            label = (
                rf"{name}, {found['clusters'].iloc[0]:,} {part}: $\mu$ = {with_error(found.loc['mean'])},"
                rf" $\sigma$ = {with_error(found.loc['sigma'])}"
            )
            edges = [*(density["residual"] - BIN / 2), density["residual"].iloc[-1] + BIN / 2]
            axes.stairs(density["density"], edges, color=style.CYCLE[place], lw=1.1, ls=line, label=label)
    x = np.linspace(-5, 5, 200)
    axes.plot(x, norm.pdf(x), color=style.BLACK, lw=0.8, ls="--", label="standard normal")
    axes.set(
        xlabel=rf"$\log_{{10}}(M_\mathrm{{CNN3D}}/M_\mathrm{{{words.replace(' ', '~')}}})\ /\ \sigma_\mathrm{{com}}$"
    )
    axes.set(ylabel="density", xlim=(-5, 5), ylim=(0, None))
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", fontsize=6.5)


def draw(tables, densities, numbers, words):
    """Return the figure."""
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(style.COLUMN_INCH, 5.6), layout="constrained", height_ratios=[1.5, 1]
    )
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.98))
    if not tables:
        top.text(0.5, 0.5, "no cluster has both masses", ha="center", transform=top.transAxes)
        bottom.axis("off")
        return figure
    draw_masses(top, tables, words)
    draw_contrast(bottom, densities, numbers, words)
    return figure


with runtime.logged(snakemake), style.paper_style():
    names = list(snakemake.params.samples)
    tables = contracts.read_tables(names, list(snakemake.input.masses), MASSES_OBSERVED)
    tables = {name: compared(table) for name, table in tables.items()}
    tables = {name: table for name, table in tables.items() if len(table)}
    print({name: len(table) for name, table in tables.items()})
    draws, rng = Interpretation(**snakemake.params.interpretation).bootstrap_draws, runtime.job_generator(snakemake)
    moments = {name: contrast_moments(table, draws, rng) for name, table in tables.items()}
    numbers = stack([{"kind": "samples", "clusters": len(tables)},
                     *(found.assign(sample=name, kind="contrast") for name, found in moments.items())])  # fmt: skip
    print(numbers.to_string())
    densities = {}
    for name, table in tables.items():
        chosen = {"unflagged": table[table["sound"]], "all": table}
        densities[name] = {part: residual_density(chosen[part]["contrast"].dropna().to_numpy(), BIN)
                           for part in SETS if (moments[name]["clusters_of"] == part).any()}  # fmt: skip
    parts = [table.assign(sample=name, kind="cluster") for name, table in tables.items()]
    parts += [
        density.assign(sample=name, clusters_of=part, kind="density of the contrast")
        for name, of_sample in densities.items()
        for part, density in of_sample.items()
    ]
    trained_on, source = snakemake.params.trained_on, snakemake.wildcards.source
    style.write_numbers(stack([*parts, numbers]), snakemake.output.csv, source, trained_on)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 10"
    words = reference_name(pd.concat(tables)["catalogue"]) if tables else ""
    figure = draw(tables, densities, numbers, words)
    style.save_figure(figure, outputs, source, title, provenance.commit(), trained_on)
