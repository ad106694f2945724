"""Ho et al. (2019) Fig. 2: mass functions of the training and test samples beside theory (rule ho2019_fig02)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MultipleLocator

from clustermass import comparison, contracts, metrics, provenance, runtime, style
from clustermass.config.base import Cosmology
from clustermass.config.figures import Figures
from clustermass.config.mock_observation import MockObservation
from clustermass.galaxies.background import mass_function
from clustermass.mock_observation.contracts import CLUSTERS_MOCK

VIEWS = 3  # orthogonal sight-lines of the test sample
LOOKS = {  # sample: colour, line
    "training": (style.VERMILION, "-"),
    "test, cross-validation": (style.BLUE, "-"),
    "test, held-out box": (style.SKY, "--"),
}


def samples(clusters, sides, options, width):
    """Return the mass function of each sample, per volume that it was taken from, with its error."""
    volume = pd.Series(sides) ** 3
    held_out = volume.index.isin(clusters.loc[clusters["heldout"], "box"])
    inside = volume[~held_out].sum()
    flat = 1e9 * options.training_volume_gpc_h3 if options.training_volume_gpc_h3 else inside
    parts = dict(zip(LOOKS, (("train", flat), ("test", inside), ("heldout", volume[held_out].sum())), strict=True))
    found = []
    for name, (column, size) in parts.items():
        mine = clusters.loc[clusters[column], "log10_m200c"].to_numpy()
        if len(mine):
            histogram = comparison.mass_histogram(mine, size, width)
            # views of one halo are one draw
            error = np.sqrt((VIEWS if column != "train" else 1) * histogram["count"]) / (size * width)
            found.append(histogram.assign(sample=name, error=error))
    return pd.concat(found, ignore_index=True)


def draw(found, theory, options, put_in):
    """Return the figure."""
    figure, axes = plt.subplots(figsize=(style.COLUMN_INCH, 3.1), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.95))
    for name, (colour, line) in LOOKS.items():
        part = found[found["sample"] == name]
        if len(part):
            edges = np.append(part["low"], part["high"].iloc[-1])
            given = name == "training" and options.training_volume_gpc_h3
            label = f"{name}, per {options.training_volume_gpc_h3:g} (Gpc/$h$)$^3$" if given else name
            axes.stairs(part["density"], edges, baseline=None, color=colour, ls=line, lw=1.2, label=label)
            if name != "training":
                centre = (part["low"] + part["high"]) / 2
                axes.errorbar(centre, part["density"], part["error"], ls="", color=colour, lw=0.7)
    for factor, line in ((1, ":"), (VIEWS, "-")):
        label = "Tinker et al. (2008)" if factor == 1 else f"{factor} × the same"
        axes.plot(theory["log10_m200c"], factor * theory["density"], color=style.BLACK, lw=0.9, ls=line, label=label)
    axes.set(yscale="log", xlim=(options.min_log10_m200c - 0.1, 15.3), ylim=(2e-8, 2e-2))
    axes.set(xlabel=r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$")
    axes.set(ylabel=r"$dn\,/\,d\log_{10}M$  [$h^3\,\mathrm{Mpc}^{-3}\,\mathrm{dex}^{-1}$]")
    axes.xaxis.set_major_locator(MultipleLocator(0.5))
    axes.legend(loc="upper right", handlelength=1.8)
    if put_in:
        axes.set_title("mass function put in", loc="left", fontsize=7, style="italic", color=style.VERMILION, pad=3)
    return figure


with runtime.logged(snakemake), style.paper_style():
    options, choices = MockObservation(**snakemake.params.mock_observation), Figures(**snakemake.params.figures)
    sides = [contracts.read_metadata(path)["box_mpc_h"] for path in snakemake.input.halos]
    sides = dict(zip(snakemake.params.boxes, sides, strict=True))
    clusters = contracts.read_table(snakemake.input.clusters, CLUSTERS_MOCK)
    found = samples(clusters, sides, options, choices.ho2019_mass_bin_dex)
    grid = np.linspace(options.min_log10_m200c, 15.3, 91)
    density = mass_function(10**grid, snakemake.params.redshift, Cosmology(**snakemake.params.cosmology))
    theory = pd.DataFrame({"sample": "theory", "log10_m200c": grid, "density": density})
    style.write_numbers(metrics.stack([found, theory]), snakemake.output.csv, snakemake.wildcards.source)
    figure = draw(found, theory, options, snakemake.params.mass_matching != "none")
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 2", provenance.commit())
