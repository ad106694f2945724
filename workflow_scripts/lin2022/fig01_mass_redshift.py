"""Lin et al. (2022) Fig. 1: mass against redshift by source catalogue, weak labels in grey (rule lin2022_fig01)."""

import matplotlib.pyplot as plt
import numpy as np

from clustermass import contracts, metrics, provenance, runtime, style
from clustermass.config.crossmatch import Labels
from clustermass.config.figures import Figures
from clustermass.masses import m500c_richness


def draw(labels, medians, titles, mass_at_cut, cut):
    """Return the figure: points, running medians, richness cut."""
    figure, axes = plt.subplots(figsize=(style.PAGE_INCH, 3.8), layout="constrained")
    weak = labels[labels["label"] == "weak"]
    axes.plot(
        weak["redshift"], weak["log10_m500c"], ".", ms=1, color=style.GREY, alpha=0.35, rasterized=True,
        label=f"weak labels ({len(weak)})", zorder=1,
    )  # fmt: skip
    for place, (name, title) in enumerate(titles.items()):
        part = labels[(labels["label"] == "strong") & (labels["catalogue"] == name)]
        if len(part):
            look = {"color": style.CYCLE[place % len(style.CYCLE)], "marker": style.MARKERS[place % len(style.MARKERS)]}
            axes.plot(part["redshift"], part["log10_m500c"], ls="", ms=2.6, mew=0, alpha=0.7, zorder=2 - place / 99,
                      label=f"{title} ({len(part)})", **look)  # fmt: skip
    for name, part in medians.groupby("catalogue", sort=False):
        place = list(titles).index(name) if name in titles else None
        colour = "0.25" if place is None else style.CYCLE[place % len(style.CYCLE)]
        line = part.set_index("bin").reindex(range(part["bin"].min(), part["bin"].max() + 1))  # gaps stay gaps
        axes.plot(line["redshift"], line["log10_m500c"], color="white", lw=2.8, zorder=3)
        axes.plot(line["redshift"], line["log10_m500c"], color=colour, lw=1.3, zorder=4)
    if cut is not None:
        axes.axhline(mass_at_cut, color="k", ls="--", lw=0.9, zorder=5)
        label = rf"$\lambda = {cut:g}$"
        axes.annotate(label, (1.0, mass_at_cut), xycoords=("axes fraction", "data"), va="center", fontsize=7,
                      xytext=(4, 0), textcoords="offset points")  # fmt: skip
    axes.plot([], [], color="0.25", label="running medians")
    axes.set(xlabel="redshift", ylabel=r"$\log_{10}\,(M_{500\mathrm{c}}\ /\ \mathrm{M}_\odot)$")
    axes.margins(x=0.06)
    legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2.2, handletextpad=0.4)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings, choices = Labels(**snakemake.params.labels), Figures(**snakemake.params.figures)
    table = contracts.read_table(snakemake.input.labels, contracts.LABELS)
    cut = snakemake.params.richness_cut  # None where the parent sample is not cut in richness
    relation = (settings.richness_log10_m0_msun, settings.richness_slope, settings.richness_lambda0)
    at_cut = np.nan if cut is None else float(np.log10(m500c_richness(np.array(cut), *relation)))
    running = metrics.running_median(
        table, "redshift", "log10_m500c", "catalogue", choices.lin2022_median_dz, choices.lin2022_median_count
    )
    points = table[["catalogue", "label", "redshift", "log10_m500c"]].assign(kind="cluster")
    numbers = [points, running.assign(kind="median"), {"kind": "richness cut", "log10_m500c": at_cut}]
    style.write_numbers(metrics.stack(numbers), snakemake.output.csv, snakemake.wildcards.source)
    figure = draw(table, running, snakemake.params.titles, at_cut, cut)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Lin et al. (2022) Fig. 1", provenance.commit())
