"""Kodi Ramanah et al. (2021) Fig. 7: predictions by the heaviest interloping cluster (rule kodiramanah2021_fig07)."""

import matplotlib.pyplot as plt
import numpy as np

from clustermass import contracts, provenance, runtime, style
from clustermass.mock_observation.survey_contracts import INTERLOPERS
from clustermass.posterior.contracts import POSTERIOR_SUMMARIES
from clustermass.residuals import statistics

SIZES = (3.0, 45.0)  # of markers [points^2]
NEAREST = 0.5  # distances below this are drawn as large


def with_interlopers(table, interlopers):
    """Return predictions with ratio and distance of the heaviest interloping cluster, NaN where there is none."""
    heaviest = interlopers.sort_values("log10_mass_ratio").drop_duplicates("cluster", keep="last")
    kept = heaviest[["cluster", "log10_mass_ratio", "distance"]].rename(columns={"distance": "phase_space_distance"})
    return table.merge(kept, on="cluster", how="left")


def draw(table):
    """Return the figure."""
    figure, axes = plt.subplots(figsize=(style.COLUMN_INCH, 3.2), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.96))
    alone = table["log10_mass_ratio"].isna()
    axes.plot(table["log10_m200c"][alone], table["log10_predicted"][alone], ".", ms=1.4, color="0.65", zorder=1,
              label=f"no heavier cluster ({alone.sum():,})", rasterized=True)  # fmt: skip
    part = table[~alone].sort_values("phase_space_distance", ascending=False)
    size = SIZES[0] + (SIZES[1] - SIZES[0]) * NEAREST / np.maximum(part["phase_space_distance"], NEAREST)
    seen = axes.scatter(part["log10_m200c"], part["log10_predicted"], s=size, c=10 ** part["log10_mass_ratio"], lw=0.2,
                        ec="0.2", cmap="plasma_r", norm="log", alpha=0.85, zorder=2, rasterized=True)  # fmt: skip
    axes.scatter([], [], s=15, c="0.5", ec="0.2", lw=0.2, label=f"heavier cluster inside ({len(part):,})")
    ends = [table["log10_m200c"].min(), table["log10_m200c"].max()]
    axes.plot(ends, ends, color=style.BLACK, lw=0.8, ls="--", zorder=3)
    bar = figure.colorbar(seen, pad=0.01)
    bar.set_label("mass of the interloping cluster / own mass")
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.ax.yaxis.set_minor_formatter("{x:g}")
    bar.ax.tick_params(which="minor", labelsize=6)
    axes.set(xlabel=r"$\log_{10}\,(M_\mathrm{true}\ /\ h^{-1}\mathrm{M}_\odot)$")
    axes.set(ylabel=r"$\log_{10}\,(M_\mathrm{pred}\ /\ h^{-1}\mathrm{M}_\odot)$")
    words = {"title": "size: 1 / distance in phase space", "title_fontsize": 7}
    axes.legend(loc="lower right", handletextpad=0.3, markerscale=1.5, **words)
    return figure


with runtime.logged(snakemake), style.paper_style():
    table = contracts.read_table(snakemake.input.posteriors, POSTERIOR_SUMMARIES)
    table = with_interlopers(table, contracts.read_table(snakemake.input.interlopers, INTERLOPERS))
    residual = table["log10_predicted"] - table["log10_m200c"]
    near = table["phase_space_distance"] < 2
    for words, chosen in (("none", table["log10_mass_ratio"].isna()), ("one nearer than 2", near)):
        if chosen.any():
            found = statistics(residual[chosen].to_numpy())
            print(
                f"heavier cluster: {words}: {chosen.sum()}, median {found['median']:+.3f}, sigma {found['sigma']:.3f}"
            )
    style.write_numbers(table, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 7"
    style.save_figure(draw(table), outputs, snakemake.wildcards.source, title, provenance.commit())
