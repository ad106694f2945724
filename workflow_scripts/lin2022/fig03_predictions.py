"""Lin et al. (2022) Fig. 3: predicted masses against their labels by source catalogue (rule lin2022_fig03)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from clustermass import contracts, metrics, provenance, runtime, style
from clustermass.config.crossmatch import Labels
from clustermass.config.figures import Figures
from clustermass.masses import m500c_richness
from clustermass.transfer.comparison import enclosing_levels, joint_density, kernel_density, made_from, tested
from clustermass.transfer.contracts import MASS_PREDICTIONS

SHARES = (0.68, 0.95)  # of the clusters inside the contours
CELLS = 160
UNIT = r"\ /\ \mathrm{M}_\odot)$"


def masses_drawn(tests, beyond):
    """Return masses over all labels and predictions, and some more."""
    values = tests[["log10_m500c", "log10_m500c_richness", "log10_predicted"]].to_numpy()
    return np.linspace(values.min() - beyond, values.max() + beyond, CELLS)


def marginals(tests, titles, grid, choices):
    """Return densities of labels and predictions of each catalogue."""
    parts = []
    for name in titles:
        mine = tests[tests["catalogue"] == name]
        for quantity in ("log10_m500c", "log10_predicted"):
            if len(mine) >= choices.lin2022_fewest:
                density = kernel_density(mine[quantity].to_numpy(), grid, choices.lin2022_density_dex)
                parts.append(pd.DataFrame({"catalogue": name, "quantity": quantity, "mass": grid, "density": density}))
    return pd.concat(parts) if parts else pd.DataFrame(columns=["catalogue", "quantity", "mass", "density"])


def draw_joint(axes, tests, titles, grid, joint, at_cut, cut):
    """Draw contours of masses from richness below points of predicted masses."""
    levels = enclosing_levels(joint, SHARES)
    axes.contourf(grid, grid, joint, levels=[*levels, np.inf], colors=["#DDDDDD", "#BDBDBD"], zorder=0)
    axes.contour(grid, grid, joint, levels=levels, colors="0.45", linewidths=0.5, zorder=1)
    for place, name in enumerate(titles):
        mine = tests[tests["catalogue"] == name]
        look = {"color": style.CYCLE[place % len(style.CYCLE)], "marker": style.MARKERS[place % len(style.MARKERS)]}
        axes.plot(mine["log10_m500c"], mine["log10_predicted"], ls="", ms=3.2, mew=0, alpha=0.8, zorder=3, **look)
    axes.axline((grid[0], grid[0]), slope=1, color=style.BLACK, lw=0.8, zorder=2)
    if cut is not None:
        axes.axhline(at_cut, color=style.BLACK, ls="-.", lw=0.8, zorder=2)
        axes.annotate(rf"$\lambda = {cut:g}$", (0.985, at_cut), xycoords=("axes fraction", "data"), ha="right",
                      va="bottom", fontsize=7, xytext=(0, 1.5), textcoords="offset points")  # fmt: skip
    axes.set(xlabel=rf"label $\log_{{10}}\,(M_{{500\mathrm{{c}}}}{UNIT}", xlim=(grid[0], grid[-1]))
    axes.set(ylabel=rf"predicted $\log_{{10}}\,(M_{{500\mathrm{{c}}}}{UNIT}", ylim=(grid[0], grid[-1]))


def legend(axes, tests, titles):
    """Draw what points, areas and lines are."""
    handles = []
    for place, (name, title) in enumerate(titles.items()):
        look = {"color": style.CYCLE[place % len(style.CYCLE)], "marker": style.MARKERS[place % len(style.MARKERS)]}
        label = f"{title} ({(tests['catalogue'] == name).sum()})"
        handles.append(Line2D([], [], lw=1.0, ms=3.6, mew=0, label=label, **look))
    handles.append(Line2D([], [], color="#BDBDBD", lw=5, label="from richness,\n68 %, 95 % of clusters"))
    handles.append(Line2D([], [], color=style.BLACK, lw=0.8, label="equal"))
    axes.axis("off")
    axes.legend(handles=handles, loc="center", handlelength=1.3, labelspacing=0.35, fontsize=6.3)


def draw(tests, titles, grid, joint, densities, at_cut, cut, made):
    """Return the figure: masses, above the densities of labels, to the right those of predictions."""
    figure, grid_axes = plt.subplots(
        2, 2, figsize=(4.8, 4.8), layout="constrained", width_ratios=[3, 1.25], height_ratios=[1.25, 3],
        sharex="col", sharey="row",
    )  # fmt: skip
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.965), hspace=0.01, wspace=0.01)
    (above, corner), (axes, right) = grid_axes
    draw_joint(axes, tests, titles, grid, joint, at_cut, cut)
    for name, mine in densities.groupby("catalogue", sort=False):
        colour = style.CYCLE[list(titles).index(name) % len(style.CYCLE)]
        label, predicted = (mine[mine["quantity"] == q] for q in ("log10_m500c", "log10_predicted"))
        above.plot(label["mass"], label["density"], color=colour, lw=1.0)
        right.plot(predicted["density"], predicted["mass"], color=colour, lw=1.0)
    above.set(ylabel="density [dex$^{-1}$]", ylim=(0, None))
    right.set(xlabel="density [dex$^{-1}$]", xlim=(0, None))
    legend(corner, tests, titles)
    figure.text(0.01, 0.995, made, va="top", fontsize=6)
    return figure


with runtime.logged(snakemake), style.paper_style():
    params = snakemake.params
    settings, choices = Labels(**params.labels), Figures(**params.figures)
    tests = tested(contracts.read_joined(snakemake.input.predictions, MASS_PREDICTIONS))
    cut = params.richness_cut  # None where the parent sample is not cut in richness
    relation = (settings.richness_log10_m0_msun, settings.richness_slope, settings.richness_lambda0)
    at_cut = np.nan if cut is None else float(np.log10(m500c_richness(np.array(cut), *relation)))
    grid = masses_drawn(tests, 2 * choices.lin2022_density_dex)
    pair = (tests[name].to_numpy() for name in ("log10_m500c", "log10_m500c_richness"))
    joint = joint_density(*pair, grid, grid, choices.lin2022_density_dex)
    densities = marginals(tests, params.titles, grid, choices)
    cut_row = {"kind": "richness cut", "log10_predicted": at_cut}
    parts = [tests.assign(kind="cluster"), densities.assign(kind="density"), cut_row]
    style.write_numbers(metrics.stack(parts), snakemake.output.csv, snakemake.wildcards.source)
    made = made_from(len(tests), **params.made)
    figure = draw(tests, params.titles, grid, joint, densities, at_cut, cut, made)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Lin et al. (2022) Fig. 3", provenance.commit())
