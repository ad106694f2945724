"""Lin et al. (2022) Fig. 5: absolute errors and residuals against redshift, beside richness (rule lin2022_fig05)."""

import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.figures import Figures
from clustermass.transfer.comparison import binned_errors, draw_in_bins, made_from, median_masses, tested
from clustermass.transfer.contracts import MASS_PREDICTIONS
from clustermass.transfer.scores import richness_masses

with runtime.logged(snakemake), style.paper_style():
    params, choices = snakemake.params, Figures(**snakemake.params.figures)
    table = contracts.read_joined(snakemake.input.predictions, MASS_PREDICTIONS)
    models = {params.model: table, "richness": richness_masses(table), "constant": median_masses(table)}
    width = choices.lin2022_redshift_bin
    limits = ("redshift", width, choices.lin2022_fewest)
    bins = {name: binned_errors(tested(each), *limits) for name, each in models.items()}
    numbers = pd.concat([each.assign(model=name) for name, each in bins.items()])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    made = made_from(len(tested(table)), **params.made)
    figure = draw_in_bins(bins, width / 8, made, "redshift")
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Lin et al. (2022) Fig. 5", provenance.commit())
