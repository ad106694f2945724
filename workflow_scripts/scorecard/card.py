"""Every published number beside the regenerated one, with a verdict and its reason (rule scorecard_card)."""

from clustermass import runtime, style
from clustermass.config.scorecard import Scorecard
from clustermass.published import every_number
from clustermass.scorecard.card import read_texts, scorecard, verdict_counts
from clustermass.scorecard.counterparts import load_counterparts

with runtime.logged(snakemake):
    params, source = snakemake.params, snakemake.wildcards.source
    rule = Scorecard(**params.scorecard)
    tables = {name: read_texts(path) for name, path in zip(params.names, snakemake.input.tables, strict=True)}
    card = scorecard(
        every_number(snakemake.input.published), load_counterparts(snakemake.input.counterparts), tables,
        params.settings, params.full_settings, rule, params.published_data,
    )  # fmt: skip
    caption = (
        "Every number that the four papers print beside the regenerated one. Reproduced: within"
        f" {rule.max_sigma:g} uncertainties, these being at most {100 * rule.max_uncertainty:g} percent of the number's"
        " scale; settings, sizes and words: equal, to the digits printed. The uncertainty joins that of the clusters"
        " (bootstrap over halos, posterior), of other clusters and trainings where a table has them (uncertainty_holds"
        " says so; else the chance of a training is not in it), the published one and rounding. Differences are"
        " regenerated less published. Reasons of numbers that differ say what is known to differ in data and size, not"
        " which of it is the cause."
    )
    outputs = {kind: snakemake.output[kind] for kind in ("csv", "md", "tex")}
    style.write_paper_table(card, outputs, source, caption)
    counts = verdict_counts(card)
    caption = (
        "How many published numbers are reproduced: measurements, which have an uncertainty; sizes, as"
        " counts, layers and shapes, which have none; settings of the configuration."
    )
    outputs = {kind: snakemake.output[f"summary_{kind}"] for kind in ("csv", "md", "tex")}
    style.write_paper_table(counts, outputs, source, caption)
    print(counts.to_string(index=False))
