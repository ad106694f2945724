"""Kodi Ramanah et al. (2021) Fig. A1: mass function of observed clusters (rule kodiramanah2021_figA1)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.base import Cosmology
from clustermass.config.observed import Observed
from clustermass.metrics import stack
from clustermass.observed.abundance import comoving_volume, mass_function, theory_mass_function
from clustermass.observed.comparison import reference_name
from clustermass.observed.contracts import MASSES_OBSERVED

GRID = np.arange(13.4, 15.41, 0.02)
FEWEST = 20  # masses of a mass function
COLOURS = {"log10_m200c": style.BLUE, "log10_reference": style.VERMILION}
FLAGS = ["few", "uncovered", "extrapolated", "out_of_domain"]


def smoothed(log10_mass, volume, settings):
    """Return a mass function with the bandwidth of the complete masses: those piled up below would make it narrow."""
    complete = log10_mass[log10_mass >= settings.min_complete_log10_m200c]
    factor = settings.kde_factor
    if len(complete) >= FEWEST:
        widths = [mass_function(some, volume, GRID).attrs["bandwidth"] for some in (complete, log10_mass)]
        factor *= widths[0] / widths[1]
    found = mass_function(log10_mass, volume, GRID, factor)
    return found.assign(bandwidth_dex=found.attrs["bandwidth"])


def measure(table, about, settings, cosmology):
    """Return the mass functions of each mass on its own clusters, flagged ones among them, and theory, in one volume.

    None where there are too few CNN3D masses, or no area.
    """
    area, (low, high) = about["notes"]["area_deg2"], about["redshift"]
    if table["log10_m200c"].notna().sum() < FEWEST or not area > 0:
        return None
    volume, flagged = comoving_volume(area, low, high, cosmology), table[FLAGS].any(axis=1)
    names = {"log10_m200c": "CNN3D", "log10_reference": reference_name(table["catalogue"])}
    parts = []
    for column, name in names.items():
        known = table[column].notna()
        if known.sum() >= FEWEST:
            found = smoothed(table.loc[known, column].to_numpy(float), volume, settings)
            about_it = {"kind": name, "mass": column, "clusters": known.sum(), "flagged": (known & flagged).sum()}
            parts.append(found.assign(**about_it))
    theory = pd.DataFrame({"log10_mass": GRID, "density": theory_mass_function(GRID, low, high, cosmology)})
    frame = stack([*parts, theory.assign(kind="theory")])
    return frame.assign(area_deg2=area, volume_mpc_h3=volume, low_z=low, high_z=high)


def draw_sample(axes, frame, title, complete):
    """Draw the mass functions of one sample."""
    for column, part in frame.groupby("mass", sort=False):
        first = part.iloc[0]
        words = f"{first['kind']}: {first['clusters']:,.0f} ({first['flagged']:,.0f} flagged)"
        axes.fill_between(part["log10_mass"], part["low"], part["high"], color=COLOURS[column], alpha=0.2, lw=0)
        axes.plot(part["log10_mass"], part["density"], color=COLOURS[column], label=words)
    theory = frame[frame["kind"] == "theory"]
    axes.plot(theory["log10_mass"], theory["density"], color=style.BLACK, lw=0.9, ls="--", label="Tinker et al. (2008)")
    axes.axvspan(GRID[0], complete, color="0.9", lw=0, zorder=0, label="incomplete")
    first = frame.iloc[0]
    axes.set_title(f"{title}: {first['area_deg2']:,.0f} deg²", loc="left", fontsize=7, pad=3)
    axes.set(yscale="log", ylim=(1e-8, 3e-4), xlim=(GRID[0], GRID[-1]))
    axes.set(xlabel=r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.17), alignment="left")


def draw(frames, complete):
    """Return the figure: a panel a sample."""
    number = max(len(frames), 1)
    figure, row = plt.subplots(
        1, number, figsize=(style.COLUMN_INCH * min(number, 2), 3.5), sharey=True, squeeze=False, layout="constrained"
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
    trained_on, source = snakemake.params.trained_on, snakemake.wildcards.source
    numbers = stack([{"kind": "samples", "clusters": len(frames)}, *frames.values()])
    style.write_numbers(numbers, snakemake.output.csv, source, trained_on)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. A1"
    figure = draw(frames, settings.min_complete_log10_m200c)
    style.save_figure(figure, outputs, source, title, provenance.commit(), trained_on)
