"""Galaxies of the embedded universe against theory and observation (rule validation_galaxies)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.validation import Validation
from clustermass.validation import panels
from clustermass.validation.table import STATISTICS
from clustermass.validation.theory import occupation_power_law
from clustermass.validation.verdict import verdicts

LOG_MASS = r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$"
SPEEDS = {  # sample: name, colour, marker
    "matter, raw mass": ("matter, raw mass", style.BLUE, "o"),
    "matter, matched mass": ("matter, matched mass", style.GREEN, "^"),
    "galaxies": ("galaxies", style.VERMILION, "D"),
}


def draw_dispersion(axes, tables, held_out, checks):
    """Draw sigma(M) over Evrard et al. (2008)."""
    for sample, (name, colour, marker) in SPEEDS.items():
        line, check = ("velocity dispersion", sample, ""), panels.check_of(checks, "velocity dispersion", sample)
        label = panels.describe(check, name)
        panels.draw_boxes(axes, tables, held_out, line, colour=colour, marker=marker, label=label, ratio=True)
    axes.axhline(1, color=style.BLACK, lw=0.8)
    axes.set(xlabel=LOG_MASS, ylabel=r"$\sigma_v$ over Evrard et al. (2008)", ylim=(0.4, 1.6))
    axes.legend(loc="upper left", fontsize=6, handlelength=1.4)
    panels.title(axes, "a", "velocity dispersion", "predicted; galaxies put in")


def draw_occupation(axes, tables, held_out, checks):
    """Draw N(M)."""
    line = ("occupation", "galaxies", "")
    rows = panels.draw_expected(axes, tables[held_out], line, label="put in: Yang et al. (2009)")
    panels.draw_boxes(axes, tables, held_out, line, colour=style.BLUE, marker="o")
    axes.plot(rows["x"], occupation_power_law(10 ** rows["x"]), color=style.GREY, ls=":",
              label=r"$(M\,/\,10^{12.5})^{0.95}$")  # fmt: skip
    axes.set(yscale="log", xlabel=LOG_MASS, ylabel=r"$N(>10^{9.5}\,h^{-1}\mathrm{M}_\odot)$ in a halo")
    axes.legend(loc="upper left", fontsize=6, handlelength=1.6)
    panels.notes(axes, checks, [("occupation", "galaxies", "13.5–14.8", style.BLUE)], "lower right")
    panels.title(axes, "b", "number of galaxies", "put in")


def draw_profile(axes, tables, held_out, checks, statistic):
    """Draw a profile of satellites in bins of mass."""
    groups = [group for group in tables[held_out]["group"].unique() if group]
    for group, colour, marker in zip(groups, style.CYCLE, style.MARKERS, strict=False):
        line = (statistic, "satellites", group)
        panels.draw_boxes(axes, tables, held_out, line, colour=colour, marker=marker, label=group.replace("-", "–"))
        panels.draw_expected(axes, tables[held_out], line, color=colour)
    axes.set(xscale="log", xlabel=r"$R\,/\,R_{200\mathrm{c}}$")
    axes.axvspan(0.1, 1.0, color="0.95", lw=0, zorder=0)
    axes.set_xticks([0.1, 0.3, 1.0], ["0.1", "0.3", "1"])


def draw_profiles(density, speed, tables, held_out, checks):
    """Draw surface densities and dispersions along the line of sight."""
    for axes, statistic in ((density, "surface density"), (speed, "line-of-sight dispersion")):
        draw_profile(axes, tables, held_out, checks, statistic)
        panels.notes(axes, checks, [(statistic, "satellites", "shaded", style.BLACK)])
    density.set(yscale="log", ylabel=r"$\Sigma(R)$  [$R_{200\mathrm{c}}^{-2}$]")
    density.legend(loc="upper right", fontsize=6, title=LOG_MASS, title_fontsize=6, handlelength=1.2)
    panels.title(density, "c", "projected density of satellites, NFW (lines)", "put in")
    speed.set(ylabel=r"$\sigma_\mathrm{los}(R)\,/\,V_{200\mathrm{c}}$")
    panels.title(speed, "d", "their dispersion, Jeans (lines)", "put in")


def draw_function(axes, tables, held_out, checks, statistic, expected, shown):
    """Draw the number of galaxies by luminosity or stellar mass."""
    line = (statistic, "galaxies", "")
    panels.draw_expected(axes, tables[held_out], line, label=expected)
    panels.draw_boxes(axes, tables, held_out, line, colour=style.BLUE, marker="o")
    axes.set_yscale("log")
    axes.legend(loc="upper right", fontsize=6, handlelength=1.6)
    panels.notes(axes, checks, [(statistic, "galaxies", shown, style.BLUE)])


def draw_interlopers(axes, tables, held_out, checks, settings):
    """Draw the share of interlopers."""
    panels.draw_boxes(axes, tables, held_out, ("interlopers", "cylinder", ""), colour=style.BLUE, marker="o",
                      label="in the cylinder")  # fmt: skip
    rows = panels.select(tables[held_out], "interlopers", "uniform")
    axes.plot(rows["x"], rows["value"], color=style.GREY, ls="--", label="if interlopers were not clustered")
    axes.set(xlabel=LOG_MASS, ylabel="share of interlopers", ylim=(0, 1))
    axes.legend(loc="upper right", fontsize=6, handlelength=1.6)
    panels.notes(axes, checks, [("interlopers", "cylinder", "13.9–14.5", style.BLUE)])
    size = rf"{settings.aperture_mpc_h:g} $h^{{-1}}$Mpc, ±{settings.velocity_cut_km_s:g} km s$^{{-1}}$"
    panels.title(axes, "g", f"interlopers, {size}", "predicted")


def draw_key(axes, held_out, boxes):
    """Say what markers and lines are."""
    axes.axis("off")
    axes.errorbar(
        [], [], [], ls="", marker="o", ms=3.2, color="0.2", label=f"{held_out}, held out: nothing chosen on it"
    )
    if len(boxes) > 1:
        axes.plot([], [], lw=0.7, color="0.2", alpha=0.5, label=", ".join(box for box in boxes if box != held_out))
    axes.plot([], [], color=style.BLACK, lw=1.0, label="theory or observation, as named")
    axes.legend(loc="upper left", fontsize=7)
    text = (
        "Put in: follows from published relations\nthat galaxies were made with.\n"
        "Predicted: follows from gravity.\n\n"
        "Errors: within one box (Poisson, or scatter between halos);\nthin lines show what the phases change.\n"
        "Numbers: box held out; in brackets the tolerance,\nor the scatter between boxes."
    )
    axes.text(0.03, 0.6, text, va="top", fontsize=7, transform=axes.transAxes)


with runtime.logged(snakemake), style.paper_style():
    settings, held_out = Validation(**snakemake.params.validation), snakemake.params.boxes[-1]
    tables = contracts.read_tables(snakemake.params.boxes, snakemake.input.statistics, STATISTICS)
    checks = verdicts(tables, held_out, settings)
    figure, grid = plt.subplots(4, 2, figsize=(style.PAGE_INCH, 9.2), layout="constrained")
    panels.leave_room(figure)
    cells = list(np.ravel(grid))
    draw_dispersion(cells[0], tables, held_out, checks)
    draw_occupation(cells[1], tables, held_out, checks)
    draw_profiles(cells[2], cells[3], tables, held_out, checks)
    draw_function(cells[4], tables, held_out, checks, "luminosity function", "Blanton et al. (2003)", "−22 to −18")
    cells[4].invert_xaxis()
    cells[4].set(xlabel=r"$^{0.1}M_r - 5\log_{10}h$", ylabel=r"$\Phi$  [$h^3\,\mathrm{Mpc}^{-3}\,\mathrm{mag}^{-1}$]")
    panels.title(cells[4], "e", "luminosity function", "put in, through the CLF")
    draw_function(cells[5], tables, held_out, checks, "stellar mass function", "Baldry et al. (2012)", "9.5–11")
    mass = r"$\log_{10}\,(M_\star\ /\ h^{-1}\mathrm{M}_\odot)$"
    cells[5].set(xlabel=mass, ylabel=r"$\Phi$  [$h^3\,\mathrm{Mpc}^{-3}\,\mathrm{dex}^{-1}$]")
    panels.title(cells[5], "f", "stellar mass function", "put in, through the CSMF")
    draw_interlopers(cells[6], tables, held_out, checks, settings)
    draw_key(cells[7], held_out, snakemake.params.boxes)
    left = ("mass function", "power", "bias", "infall")
    parts = [table[~table["statistic"].isin(left)].assign(box=name) for name, table in tables.items()]
    style.write_numbers(pd.concat(parts, ignore_index=True), snakemake.output.csv, "simulated")
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, "simulated", "Embedded universe: galaxies", provenance.commit())
