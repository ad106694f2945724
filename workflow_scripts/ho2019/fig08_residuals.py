"""Ho et al. (2019) Fig. 8: residuals against true mass and their densities, six estimators (rule ho2019_fig08)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, metrics, msigma, provenance, runtime, style
from clustermass.comparison import CNNS, GROUPS, LOOKS, draw_bands, headline_residuals
from clustermass.config.dynamics import Msigma
from clustermass.config.interpretation import Interpretation
from clustermass.predictions import PREDICTIONS, ROLES, headline_role
from clustermass.residuals import INTERVAL, residual_density

REACH = 0.85  # of the residuals that are drawn [dex]


def draw_density(axes, density, look, **more):
    """Draw a density along the vertical axis."""
    axes.plot(density["density"], density["residual"], color=look.colour, ls=look.line, **more)


def draw_faint(left, right, bands, density, look):
    """Draw thin lines of an estimator that has its own row."""
    for column in ("p16", "median", "p84"):
        label = look.label if column == "median" else None
        left.plot(bands["log10_mass"], bands[column], color=look.colour, lw=1.0 if label else 0.6, label=label)
    draw_density(right, density, look, lw=0.6)


def draw(bands, densities, spans, role):
    """Return the figure: a row a group of estimators, CNN2D as thin lines beside others."""
    rows = {"CNN": CNNS, **GROUPS}
    figure, grid = plt.subplots(len(rows), 2, figsize=(style.PAGE_INCH, 6.2), sharey=True, sharex="col",
                                layout="constrained", width_ratios=[2.4, 1])  # fmt: skip
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.975))
    for (left, right), members in zip(grid, rows.values(), strict=True):
        for model in members:
            look = LOOKS[model]
            draw_bands(left, bands[model], look.colour, look.label, look.line, wide=False)
            draw_density(right, densities[model], look, lw=1.2)
            right.axhspan(*spans[model], color=look.colour, alpha=0.15, lw=0)
        if members != CNNS:
            draw_faint(left, right, bands["cnn2d"], densities["cnn2d"], LOOKS["cnn2d"])
        for axes in (left, right):
            axes.axhline(0, color=style.BLACK, lw=0.6)
        left.legend(loc="lower right", ncols=3)
        left.set(ylabel=r"$\epsilon$  [dex]", ylim=(-REACH, REACH))
    grid[0, 0].set_title(f"median and 16–84 %, {ROLES[role]}", loc="left", fontsize=7, pad=3)
    grid[-1, 0].set(xlabel=r"$\log_{10}\,(M_\mathrm{true}\ /\ h^{-1}\mathrm{M}_\odot)$")
    grid[-1, 1].set(xlabel="probability density  [dex$^{-1}$]", xlim=(0, None))
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings, choices = Msigma(**snakemake.params.msigma), Interpretation(**snakemake.params.interpretation)
    tables = contracts.read_tables(list(LOOKS), [snakemake.input[model] for model in LOOKS], PREDICTIONS)
    bands, densities, spans, parts = {}, {}, {}, []
    for model, table in tables.items():
        found = headline_residuals(table)
        residual = found["residual"].to_numpy()
        bands[model] = msigma.mass_bands(found["log10_m200c"].to_numpy(), residual, settings)
        densities[model] = residual_density(residual, choices.density_bin_dex)
        spans[model] = np.percentile(residual, INTERVAL).tolist()
        marginal = pd.DataFrame({"kind": ["all masses"], "p16": spans[model][:1], "p84": spans[model][1:]})
        kinds = (bands[model].assign(kind="band"), densities[model].assign(kind="density"), marginal)
        parts += [kind.assign(model=model, role=headline_role(table)) for kind in kinds]
    style.write_numbers(metrics.stack(parts), snakemake.output.csv, snakemake.wildcards.source)
    figure = draw(bands, densities, spans, headline_role(tables["cnn1d"]))
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 8", provenance.commit())
