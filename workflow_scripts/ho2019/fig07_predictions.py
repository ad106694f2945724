"""Ho et al. (2019) Fig. 7: predicted against true mass, and residuals, of CNN1D and CNN2D (rule ho2019_fig07)."""

import matplotlib.pyplot as plt
import numpy as np

from clustermass import contracts, metrics, msigma, provenance, runtime, style
from clustermass.comparison import CNNS, LOOKS, draw_bands, headline_residuals
from clustermass.config.dynamics import Msigma
from clustermass.predictions import PREDICTIONS, ROLES, headline_role
from clustermass.published import published

MASS = r"\log_{10}\,(M_\mathrm{%s}\ /\ h^{-1}\mathrm{M}_\odot)"


def draw(bands, scatter, counts, role, number):
    """Return the figure: a column a network, residuals below."""
    figure, grid = plt.subplots(2, 2, figsize=(style.PAGE_INCH, 4.6), sharex=True, sharey="row", layout="constrained",
                                height_ratios=[2, 1])  # fmt: skip
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.97))
    for place, model in enumerate(CNNS):
        above, below = grid[:, place]
        both, look = bands[model], LOOKS[model]
        draw_bands(above, both["predicted"], look.colour)
        draw_bands(below, both["residual"], look.colour)
        ends = np.array([both["predicted"]["log10_mass"].min() - 0.05, both["predicted"]["log10_mass"].max() + 0.05])
        above.plot(ends, ends, color=style.BLACK, lw=0.8, ls="--")
        below.axhline(0, color=style.BLACK, lw=0.8, ls="--")
        above.set_title(f"({'ab'[place]}) {look.label}", loc="left", fontsize=8, pad=3)
        text = (
            f"{counts[model]} mock clusters, {ROLES[role]}\n"
            + rf"$\sigma_\epsilon = {scatter[model]:.3f}$ dex (published {number(model):g})"
        )
        above.text(0.04, 0.95, text, va="top", transform=above.transAxes, fontsize=7)
        below.set(xlabel=f"${MASS % 'true'}$")
    above.text(0.96, 0.05, "line: median; bands: 16–84 %, 3–97 %", ha="right", transform=above.transAxes, fontsize=7)
    grid[0, 0].set(ylabel=f"${MASS % 'pred'}$")
    grid[1, 0].set(ylabel=r"$\epsilon$  [dex]", ylim=(-0.65, 0.65))
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings = Msigma(**snakemake.params.msigma)
    tables = contracts.read_tables(list(CNNS), [snakemake.input[model] for model in CNNS], PREDICTIONS)
    role = headline_role(tables[CNNS[0]])
    bands, scatter, counts = {}, {}, {}
    for model, table in tables.items():
        found = headline_residuals(table)
        mass, residual = found["log10_m200c"].to_numpy(), found["residual"].to_numpy()
        values = {"predicted": mass + residual, "residual": residual}
        bands[model] = {name: msigma.mass_bands(mass, column, settings) for name, column in values.items()}
        scatter[model], counts[model] = residual.std(), len(residual)

    def number(model):
        """Return the published scatter of a model."""
        return published("ho2019", "table2", f"{model}_sigma", snakemake.input.published)

    parts = [
        table.assign(model=model, quantity=name, role=role)
        for model, both in bands.items()
        for name, table in both.items()
    ]
    style.write_numbers(metrics.stack(parts), snakemake.output.csv, snakemake.wildcards.source)
    figure = draw(bands, scatter, counts, role, number)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 7", provenance.commit())
