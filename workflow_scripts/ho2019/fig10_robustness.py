"""Ho et al. (2019) Fig. 10: how predictions drift as galaxies are left out, six estimators (rule ho2019_fig10)."""

import matplotlib.pyplot as plt

from clustermass import contracts, provenance, runtime, style
from clustermass.comparison import CNNS, GROUPS, LOOKS
from clustermass.config.interpretation import Interpretation
from clustermass.interpretation import DRIFTS

READING = "mass"  # what is averaged over draws; the CSV has both


def draw(drifts, settings):
    """Return the figure: the CNNs with M-sigma on the left, with SDM on the right."""
    figure, row = plt.subplots(1, 2, figsize=(style.PAGE_INCH, 3.1), sharex=True, sharey=True, layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.955))
    for axes, members in zip(row, GROUPS.values(), strict=True):
        axes.axvspan(settings.cumulative_low, settings.cumulative_high, color="0.93", lw=0, zorder=0)
        axes.axhline(0, color=style.BLACK, lw=0.6)
        for model in (*members, *CNNS):
            look, part = LOOKS[model], drifts[drifts["model"] == model]
            axes.fill_between(part["rate"], part["p16"], part["p84"], color=look.colour, alpha=0.17, lw=0)
            for edge in ("p16", "p84"):
                axes.plot(part["rate"], part[edge], color=look.colour, ls=look.line, lw=0.5)
            axes.plot(part["rate"], part["median"], color=look.colour, ls=look.line, label=look.label)
        axes.legend(loc="lower right", ncols=2)
        axes.set(xlabel="sampling rate $r$", xlim=(0, 1))
    reach = 1.1 * drifts[["p16", "p84"]].abs().max(axis=None)
    centre = (settings.cumulative_low + settings.cumulative_high) / 2
    row[0].annotate("Table 4", (centre, 0.97), xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=7)
    row[0].set(ylabel=r"$\epsilon^{(r)}$  [dex]", ylim=(-reach, reach))
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings = Interpretation(**snakemake.params.interpretation)
    drifts = contracts.read_table(snakemake.input.drifts, DRIFTS)
    figure = draw(drifts[drifts["reading"] == READING], settings)
    style.write_numbers(drifts, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 10", provenance.commit())
