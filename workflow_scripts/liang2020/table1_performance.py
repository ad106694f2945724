"""Liang et al. (2020) Table 1: errors of Base and Ours by share of the training data (rule liang2020_table1)."""

from clustermass import contracts, runtime, style
from clustermass.config.image_networks import ExtractorNetwork
from clustermass.networks.weights import weights_note
from clustermass.published import published
from clustermass.transfer.contracts import RICHNESS_PREDICTIONS
from clustermass.transfer.fractions import MODELS, compare_fractions, paper_table


def number(quantity):
    """Return a published number."""
    return published("liang2020", "table1", quantity, snakemake.input.published)


with runtime.logged(snakemake):
    predictions = {model: contracts.read_joined(snakemake.input[model], RICHNESS_PREDICTIONS) for model in MODELS}
    rng = runtime.generator(snakemake.params.seed, "liang2020_fractions", {})  # as in Fig. S2
    found = compare_fractions(predictions, rng, snakemake.params.draws, number)
    table = paper_table(found, number, number("percents"))
    first = found.fractions.iloc[0]
    about = (
        f" {first['clusters']} tested clusters, means over {first['trials']} trials;"
        f" {weights_note(ExtractorNetwork(**snakemake.params.extractor))}."
    )
    source = snakemake.wildcards.source
    caption = (
        "Richness from images: mean absolute error (MAE) and scatter (Sigma: standard deviation of the differences) of"
        " Base and Ours by share of the training data (Liang et al. 2020, Table 1). The unit of the published errors is"
        " not stated: compare ratios. Low and high: 16th to 84th percentile of a bootstrap of halos; a verdict on Ours"
        " needs the 2.5th to 97.5th percentile on one side of 1; draws hold the chance of the clusters, not that of a"
        f" training. Shares are of the clusters that neither test nor validate.{about}"
    )
    outputs = {kind: snakemake.output[kind] for kind in ("csv", "md", "tex")}
    style.write_paper_table(table, outputs, source, caption)
    caption = (
        "What pre-training on bands gains (Liang et al. 2020, section 3.3): how much smaller errors of Ours are,"
        " and with which share of the labels Ours is as good as Base with all of them (empty: with none). Best"
        f" constant: the median of the tested labels.{about}"
    )
    outputs = {kind: snakemake.output[f"headlines_{kind}"] for kind in ("csv", "md", "tex")}
    style.write_paper_table(found.headlines, outputs, source, caption)
    print(table.to_string(), found.headlines.to_string(), sep="\n")
