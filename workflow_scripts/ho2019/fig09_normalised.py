"""Ho et al. (2019) Fig. 9: densities of normalised residuals beside a Gaussian (rule ho2019_fig09)."""

import matplotlib.pyplot as plt
import numpy as np

from clustermass import contracts, metrics, provenance, runtime, style
from clustermass.comparison import CNNS, GROUPS, LOOKS, headline_residuals
from clustermass.config.interpretation import Interpretation
from clustermass.predictions import PREDICTIONS, ROLES, headline_role
from clustermass.published import published
from clustermass.residuals import edgeworth, normalised_density, statistics

REACH = 4.0  # of the residuals that are drawn [standard deviations]


def draw(densities, scatter, role, number):
    """Return the figure: the CNNs with M-sigma above, with SDM below."""
    figure, rows = plt.subplots(2, 1, figsize=(style.COLUMN_INCH, 5.0), sharex=True, sharey=True, layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.97))
    x = np.linspace(-REACH, REACH, 200)
    for axes, members in zip(rows, GROUPS.values(), strict=True):
        axes.plot(x, edgeworth(x, 0, 0), color=style.GREY, lw=3, alpha=0.5, label="Gaussian")
        for model in (*CNNS, *members):
            look, table = LOOKS[model], densities[model]
            label = f"{look.label}  {scatter[model]:.3f} ({number(model):g})"
            axes.plot(table["residual"], table["density"], color=look.colour, ls=look.line, lw=1.1, label=label)
        axes.legend(loc="upper left", handlelength=2.2, title=r"$\sigma_\epsilon$ in dex (published)", title_fontsize=7,
                    alignment="left", labelspacing=0.3)  # fmt: skip
        axes.set(ylabel="probability density", ylim=(0, 0.78))
    rows[0].set_title(ROLES[role], loc="left", fontsize=7, pad=3)
    rows[1].set(xlabel=r"$(\epsilon - \langle\epsilon\rangle)\,/\,\sigma_\epsilon$", xlim=(-REACH, REACH))
    return figure


with runtime.logged(snakemake), style.paper_style():
    choices = Interpretation(**snakemake.params.interpretation)
    tables = contracts.read_tables(list(LOOKS), [snakemake.input[model] for model in LOOKS], PREDICTIONS)
    residuals = {model: headline_residuals(table)["residual"].to_numpy() for model, table in tables.items()}
    densities = {model: normalised_density(values, choices.density_bin_sigma) for model, values in residuals.items()}
    scatter = {model: statistics(values)["sigma"] for model, values in residuals.items()}
    role = headline_role(tables["cnn1d"])

    def number(model):
        """Return the published scatter of a model."""
        return published("ho2019", "table2", f"{model}_sigma", snakemake.input.published)

    parts = [table.assign(model=model, sigma_dex=scatter[model], role=role) for model, table in densities.items()]
    style.write_numbers(metrics.stack(parts), snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    figure = draw(densities, scatter, role, number)
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 9", provenance.commit())
