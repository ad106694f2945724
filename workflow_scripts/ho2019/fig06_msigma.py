"""Ho et al. (2019) Fig. 6: velocity dispersion against mass in both catalogues, and the fits (rule ho2019_fig06)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MultipleLocator, NullFormatter

from clustermass import contracts, metrics, msigma, provenance, runtime, style
from clustermass.comparison import LOOKS, draw_bands, headline_relation
from clustermass.config.dynamics import Msigma
from clustermass.mock_observation.contracts import CLUSTERS_MOCK
from clustermass.published import published

CATALOGUES = ["pure", "contaminated"]


def draw(bands, lines, relations, settings, number):
    """Return the figure: a panel a catalogue."""
    figure, row = plt.subplots(1, 2, figsize=(style.PAGE_INCH, 3.0), sharex=True, sharey=True, layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.96))
    for axes, letter, catalogue in zip(row, "ab", CATALOGUES, strict=True):
        colour, relation = LOOKS[f"msigma_{catalogue}"].colour, relations[catalogue]
        draw_bands(axes, bands[catalogue], colour, "median, 16–84, 3–97 %")
        line, scatter = lines[lines["catalogue"] == catalogue], number(f"{catalogue}_scatter")
        for fitted, style_ in ((True, "-"), (False, "--")):
            part = line[line["fitted"] == fitted]
            label = f"regression ± {relation.scatter:.3f} dex (published {scatter:g})" if fitted else "extrapolated"
            axes.plot(part["log10_m200c"], part["sigma_v"], color=style.BLACK, lw=1.1, ls=style_, label=label)
            for sign in (-1, 1):
                edge = part["sigma_v"] * 10 ** (sign * relation.scatter)
                axes.plot(part["log10_m200c"], edge, color=style.BLACK, lw=0.6, ls=style_)
        axes.axvline(settings.min_log10_mass, color=style.BLACK, ls=":", lw=0.9)
        sigma15, alpha = (number(f"{catalogue}_{name}") for name in ("sigma15", "alpha"))
        numbers = [rf"$\sigma_{{v,15}} = {relation.sigma15:.0f}$ km s$^{{-1}}$ (published {sigma15:g})"]
        numbers.append(rf"$\alpha = {relation.alpha:.3f}$ (published {alpha:g})")
        box = {"fc": "white", "ec": "none", "pad": 1}
        axes.text(0.97, 0.04, "\n".join(numbers), ha="right", transform=axes.transAxes, fontsize=7, bbox=box)
        axes.set_title(f"({letter}) {catalogue}", loc="left", fontsize=8, pad=3)
        axes.set(xlabel=r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$", yscale="log")
        axes.legend(loc="upper left", frameon=True, facecolor="white", edgecolor="none", framealpha=1)
    row[0].set(ylabel=r"$\sigma_v$  [km s$^{-1}$]")
    row[0].set_yticks([100, 200, 500, 1000, 2000], ["100", "200", "500", "1000", "2000"])
    row[0].yaxis.set_minor_formatter(NullFormatter())
    row[0].xaxis.set_major_locator(MultipleLocator(0.5))
    low = min(part["p3"].min() for part in bands.values())
    row[0].set_ylim(0.8 * low, 2600)
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings = Msigma(**snakemake.params.msigma)
    bands, relations, lines = {}, {}, []
    for catalogue in CATALOGUES:
        clusters = contracts.read_table(snakemake.input[f"clusters_{catalogue}"], CLUSTERS_MOCK)
        clusters = clusters[clusters["train"]]  # what the regression sees, and the masses below its cut
        mass = clusters["log10_m200c"].to_numpy()
        bands[catalogue] = msigma.mass_bands(mass, clusters["sigma_v"].to_numpy(), settings)
        fits = contracts.read_table(snakemake.input[f"fit_{catalogue}"], msigma.RELATIONS)
        relations[catalogue] = headline_relation(fits)
        below = np.linspace(mass.min(), settings.min_log10_mass, 20)
        above = np.linspace(settings.min_log10_mass, mass.max(), 20)
        for fitted, grid in ((False, below), (True, above)):
            sigma = msigma.relation_dispersion(relations[catalogue], grid)
            lines.append(
                pd.DataFrame({"catalogue": catalogue, "log10_m200c": grid, "sigma_v": sigma, "fitted": fitted})
            )
    lines = pd.concat(lines, ignore_index=True)

    def number(name):
        """Return a published number."""
        return published("ho2019", "table1", name, snakemake.input.published)

    parts = [table.assign(catalogue=name, kind="band") for name, table in bands.items()]
    style.write_numbers(
        metrics.stack([*parts, lines.assign(kind="regression")]), snakemake.output.csv, snakemake.wildcards.source
    )
    figure = draw(bands, lines, relations, settings, number)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 6", provenance.commit())
