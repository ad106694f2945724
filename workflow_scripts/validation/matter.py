"""Matter and halos of the embedded universe against theory (rule validation_matter)."""

import matplotlib.pyplot as plt
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.validation import Validation
from clustermass.validation import panels
from clustermass.validation.table import STATISTICS
from clustermass.validation.verdict import verdicts

MASSES = {  # sample: label, colour, marker
    "raw": (r"$M_{200\mathrm{c}}$, raw", style.BLUE, "o"),
    "friends of friends": ("friends of friends", style.ORANGE, "s"),
    "matched": (r"$M_{200\mathrm{c}}$, matched (put in)", style.GREEN, "^"),
}
LOG_MASS = r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$"


def draw_mass_function(above, below, tables, held_out, checks, settings):
    """Draw n(M) and its ratio to theory."""
    for sample, (label, colour, marker) in MASSES.items():
        line = ("mass function", sample, "")
        panels.draw_boxes(above, tables, held_out, line, colour=colour, marker=marker, label=label)
        panels.draw_boxes(below, tables, held_out, line, colour=colour, marker=marker, ratio=True)
    panels.draw_expected(above, tables[held_out], ("mass function", "matched", ""), label="Tinker et al. (2008)")
    line = ("mass function", "friends of friends", "")
    panels.draw_expected(above, tables[held_out], line, label="Warren et al. (2006)", color=style.GREY, ls="--")
    above.set(yscale="log", ylabel=r"$\mathrm{d}n/\mathrm{d}\log_{10}M$  [$h^3\,\mathrm{Mpc}^{-3}$]")
    above.tick_params(labelbottom=False)
    above.set_ylim(top=5 * above.get_ylim()[1])  # room for the legend
    above.legend(loc="upper right", fontsize=6, handlelength=1.6)
    lines = [("mass function", sample, name, MASSES[sample][1]) for sample, name in
             (("raw", "raw"), ("friends of friends", "FoF"))]  # fmt: skip
    panels.notes(above, checks, lines)
    panels.band(below, 13.5, 14.8, 1.0, settings.mass_function_tolerance)
    below.axhline(1, color=style.BLACK, lw=0.8)
    below.set(ylim=(0, 1.9), ylabel="over theory", xlabel=LOG_MASS.replace(r"_{200\mathrm{c}}", ""))
    below.sharex(above)
    panels.title(above, "a", "mass function", "predicted")


def draw_power(axes, tables, held_out, checks, settings):
    """Draw P(k) over linear theory."""
    panels.draw_boxes(axes, tables, held_out, ("power", "linear", ""), colour=style.GREY, marker="s",
                      label="over the mean linear P(k)")  # fmt: skip
    panels.draw_boxes(axes, tables, held_out, ("power", "realised", ""), colour=style.BLUE, marker="o",
                      label="over the box's own linear P(k)")  # fmt: skip
    line = ("power", "halofit", "")
    panels.draw_expected(axes, tables[held_out], line, label="non-linear: Takahashi et al. (2012)", ls="--")
    panels.band(axes, 0, 0.15, 1.0, settings.power_tolerance)
    axes.axhline(1, color=style.BLACK, lw=0.8)
    shown = panels.select(tables[held_out], "power", "realised")
    axes.set(xlabel=r"$k$  [$h\,\mathrm{Mpc}^{-1}$]", ylabel=r"$P(k)\,/\,P_\mathrm{lin}(k)$", xlim=(0, 0.41))
    axes.set_ylim(0.45, max(1.75, 1.05 * shown["value"].max()) if len(shown) else None)
    axes.legend(loc="upper left", fontsize=6, handlelength=1.6)
    panels.notes(axes, checks, [
        ("power", "realised", "linear, k < 0.15", style.BLUE), ("power", "halofit", "non-linear, k < 0.15", style.BLUE),
    ])  # fmt: skip
    panels.title(axes, "b", "power spectrum", "predicted")


def draw_bias(axes, tables, held_out, checks, settings):
    """Draw the bias of halos."""
    rows = panels.draw_expected(axes, tables[held_out], ("bias", "matched", ""), label="Tinker et al. (2010)")
    low, high = (rows["expected"] * (1 + sign * settings.bias_tolerance) for sign in (-1, 1))
    axes.fill_between(rows["x"], low, high, color="0.9", lw=0, zorder=0)
    for sample in ("raw", "matched"):
        _, colour, marker = MASSES[sample]
        label = f"{sample} mass"
        panels.draw_boxes(axes, tables, held_out, ("bias", sample, ""), colour=colour, marker=marker, label=label)
    axes.set(xlabel=LOG_MASS, ylabel=rf"$b(M)$,  $k < {settings.bias_max_k:g}\ h\,\mathrm{{Mpc}}^{{-1}}$")
    axes.set_ylim(0.5 * rows["expected"].min(), None)
    axes.legend(loc="upper left", fontsize=6, handlelength=1.6)
    panels.notes(axes, checks, [("bias", sample, sample, MASSES[sample][1]) for sample in ("matched", "raw")],
                 "lower right")  # fmt: skip
    panels.title(axes, "c", "bias of halos", "predicted")


def draw_infall(axes, tables, held_out, checks, settings):
    """Draw the pairwise infall of halos."""
    line = ("infall", "halos", "")
    label = rf"halos above $10^{{{settings.min_halo_log10_mass:g}}}\,h^{{-1}}\mathrm{{M}}_\odot$"
    panels.draw_boxes(axes, tables, held_out, line, colour=style.BLUE, marker="o", sign=-1, label=label)
    panels.draw_expected(axes, tables[held_out], line, sign=-1, label="linear theory, the box's own modes")
    axes.axvspan(20, 50, color="0.95", lw=0, zorder=0)
    axes.set(xlabel=r"$r$  [$h^{-1}$Mpc]", ylabel=r"$-v_{12}(r)$  [km s$^{-1}$]", ylim=(0, None), xlim=(0, 51))
    axes.legend(loc="upper right", fontsize=6, handlelength=1.6)
    panels.notes(axes, checks, [("infall", "halos", "shaded", style.BLUE)])
    panels.title(axes, "d", "pairwise infall of halos", "predicted")


with runtime.logged(snakemake), style.paper_style():
    settings, held_out = Validation(**snakemake.params.validation), snakemake.params.boxes[-1]
    tables = contracts.read_tables(snakemake.params.boxes, snakemake.input.statistics, STATISTICS)
    checks = verdicts(tables, held_out, settings)
    figure = plt.figure(figsize=(style.PAGE_INCH, 5.9), layout="constrained")
    panels.leave_room(figure)
    grid = figure.add_gridspec(2, 2)
    inner = grid[0, 0].subgridspec(2, 1, height_ratios=(2.2, 1), hspace=0.05)
    draw_mass_function(*(figure.add_subplot(cell) for cell in inner), tables, held_out, checks, settings)
    draw_power(figure.add_subplot(grid[0, 1]), tables, held_out, checks, settings)
    draw_bias(figure.add_subplot(grid[1, 0]), tables, held_out, checks, settings)
    draw_infall(figure.add_subplot(grid[1, 1]), tables, held_out, checks, settings)
    drawn = ("mass function", "power", "bias", "infall")
    parts = [table[table["statistic"].isin(drawn)].assign(box=name) for name, table in tables.items()]
    style.write_numbers(pd.concat(parts, ignore_index=True), snakemake.output.csv, "simulated")
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, "simulated", "Embedded universe: matter and halos", provenance.commit())
