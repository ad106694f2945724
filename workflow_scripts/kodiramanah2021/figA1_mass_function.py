"""Kodi Ramanah et al. (2021) Fig. A1: mass function of observed clusters (rule kodiramanah2021_figA1)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.base import Cosmology
from clustermass.config.observed import Observed
from clustermass.metrics import stack
from clustermass.observed.abundance import comoving_volume, mass_function, theory_mass_function
from clustermass.observed.contracts import MASSES_OBSERVED

GRID = np.arange(13.4, 15.41, 0.02)
FEWEST = 20  # clusters of a mass function
MASSES = {"log10_m200c": ("CNN3D", style.BLUE), "log10_reference": ("catalogue", style.VERMILION)}


def measure(table, about, settings, cosmology):
    """Return the mass functions of the clusters that have both masses, and theory, over one volume."""
    both = table[table["log10_m200c"].notna() & table["log10_reference"].notna()]
    area, (low, high) = about["notes"]["area_deg2"], about["redshift"]
    if len(both) < FEWEST or not area > 0:
        return None
    volume = comoving_volume(area, low, high, cosmology)
    parts = [
        mass_function(both[column].to_numpy(float), volume, GRID, settings.kde_factor).assign(kind=words)
        for column, (words, _colour) in MASSES.items()
    ]
    theory = pd.DataFrame({"log10_mass": GRID, "density": theory_mass_function(GRID, low, high, cosmology)})
    frame = stack([*parts, theory.assign(kind="theory")])
    return frame.assign(area_deg2=area, volume_mpc_h3=volume, clusters=len(both), low_z=low, high_z=high)


def draw_sample(axes, frame, title, complete):
    """Draw the mass functions of one sample."""
    for words, colour in MASSES.values():
        part = frame[frame["kind"] == words]
        axes.fill_between(part["log10_mass"], part["low"], part["high"], color=colour, alpha=0.2, lw=0)
        axes.plot(part["log10_mass"], part["density"], color=colour, label=words)
    theory = frame[frame["kind"] == "theory"]
    axes.plot(theory["log10_mass"], theory["density"], color=style.BLACK, lw=0.9, ls="--", label="Tinker et al. (2008)")
    axes.axvspan(GRID[0], complete, color="0.9", lw=0, zorder=0, label="incomplete")
    first = frame.iloc[0]
    words = f"{title}: {first['clusters']:.0f} clusters, {first['area_deg2']:.0f} deg²"
    axes.set_title(words, loc="left", fontsize=7, pad=3)
    axes.set(yscale="log", ylim=(1e-8, 3e-4), xlim=(GRID[0], GRID[-1]))
    axes.set(xlabel=r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$")
    axes.legend(loc="lower left")


def draw(frames, complete):
    """Return the figure: a panel a sample."""
    number = max(len(frames), 1)
    figure, row = plt.subplots(
        1, number, figsize=(style.COLUMN_INCH * min(number, 2), 2.9), sharey=True, squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.96))
    for axes, (name, frame) in zip(row[0], frames.items(), strict=False):
        draw_sample(axes, frame, name, complete)
    row[0, 0].set(ylabel=r"$\mathrm{d}n/\mathrm{d}\log_{10}M$  [$h^3\,\mathrm{Mpc}^{-3}\,\mathrm{dex}^{-1}$]")
    if not frames:
        row[0, 0].text(0.5, 0.5, "no sample with enough clusters", ha="center", transform=row[0, 0].transAxes)
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings, cosmology = Observed(**snakemake.params.observed), Cosmology(**snakemake.params.cosmology)
    frames = {}
    for name, path in zip(snakemake.params.samples, snakemake.input.masses, strict=True):
        table, about = contracts.read_table(path, MASSES_OBSERVED), contracts.read_metadata(path)
        frame = measure(table, about, settings, cosmology)
        print(f"{name}: {len(table)} clusters{'' if frame is not None else ', no mass function'}")
        if frame is not None:
            frames[name] = frame.assign(sample=name)
    style.write_numbers(stack([{"kind": "samples", "clusters": len(frames)}, *frames.values()]), snakemake.output.csv,
                        snakemake.wildcards.source)  # fmt: skip
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. A1"
    figure = draw(frames, settings.min_complete_log10_m200c)
    style.save_figure(figure, outputs, snakemake.wildcards.source, title, provenance.commit())
