"""Kodi Ramanah et al. (2021) Fig. 4: joint density of the summary and mass (rule kodiramanah2021_fig04)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm

from clustermass import provenance, runtime, style
from clustermass.metrics import stack
from clustermass.posterior.store import load_inference

SHARES = (0.95, 0.68)  # of the volume inside the contours
CELLS = 160


def levels(density):
    """Return densities above which the shares of the volume are."""
    ranked = np.sort(density.ravel())[::-1]
    volume = np.cumsum(ranked) / ranked.sum()
    return [ranked[np.searchsorted(volume, share)] for share in SHARES]


def draw(summary, mass, density, pairs):
    """Return the figure."""
    figure, axes = plt.subplots(figsize=(style.COLUMN_INCH, 3.0), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.96))
    shown = axes.pcolormesh(summary, mass, density.T, cmap="Blues", norm=LogNorm(density.max() / 300, density.max()),
                            rasterized=True)  # fmt: skip
    axes.contour(summary, mass, density.T, levels=levels(density), colors=style.BLACK, linewidths=(0.6, 1.0))
    axes.plot([], [], color=style.BLACK, lw=0.8, label="68 %, 95 % of volume")
    ends = [summary[0], summary[-1]]
    axes.plot(ends, ends, color=style.VERMILION, lw=0.8, ls="--", label="equal")
    figure.colorbar(shown, label=r"$\mathcal{P}(\tilde d, M)$  [dex$^{-2}$]", pad=0.01)
    axes.set(xlabel=r"summary $\tilde d$: $\log_{10}\,(M_\mathrm{pred}\ /\ h^{-1}\mathrm{M}_\odot)$")
    axes.set(ylabel=r"$\log_{10}\,(M_\mathrm{true}\ /\ h^{-1}\mathrm{M}_\odot)$")
    axes.set(xlim=(summary[0], summary[-1]), ylim=(mass[0], mass[-1]))
    axes.legend(loc="upper left", title=f"{pairs:,} clusters", title_fontsize=7, alignment="left", handlelength=1.4)
    return figure


with runtime.logged(snakemake), style.paper_style():
    inference = load_inference(snakemake.input.joint)
    pairs = inference.joint.pairs
    reach = 2 * float(np.sqrt(inference.joint.covariance[1, 1]))
    summary = np.linspace(pairs.summary.min(), pairs.summary.max(), CELLS)
    mass = np.linspace(pairs.log10_mass.min() - reach, pairs.log10_mass.max() + reach, CELLS)
    grid = inference.prior.log10_mass
    on_grid = inference.on_grid(summary)
    density = np.array([np.interp(mass, grid, row, left=0, right=0) for row in on_grid])
    columns = {"summary": np.repeat(summary, CELLS), "log10_m200c": np.tile(mass, CELLS), "density": density.ravel()}
    points = pd.DataFrame({"kind": "pair", "summary": pairs.summary, "log10_m200c": pairs.log10_mass})
    numbers = stack([pd.DataFrame({"kind": "joint density", **columns}), points])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    figure = draw(summary, mass, density, len(points))
    title = "Kodi Ramanah et al. (2021) Fig. 4"
    style.save_figure(figure, outputs, snakemake.wildcards.source, title, provenance.commit())
