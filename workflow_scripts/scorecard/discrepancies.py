"""Open choices of the papers, their options, and what each is worth (rule scorecard_discrepancies)."""

from clustermass import runtime, style
from clustermass.scorecard.card import read_texts
from clustermass.scorecard.choices import discrepancies, load_choices

with runtime.logged(snakemake):
    params = snakemake.params
    tables = {name: read_texts(path) for name, path in zip(params.names, snakemake.input.tables, strict=True)}
    made_on = style.stamp(snakemake.wildcards.source)
    table = discrepancies(load_choices(snakemake.input.choices), tables, params.defaults, params.settings, made_on)
    caption = (
        "Where the papers leave a choice open or differ from their authors' code: the option that takes it, its default"
        " and its value in this run, and what the choice is worth where a table of the workflow holds both sides: the"
        " other reading less the default's, or as `what` says; low and high: one standard deviation to both sides, of"
        " clusters alone: the chance of a training is not in them. Where both sides are of the same clusters and not"
        " compared in pairs, they are too wide."
    )
    outputs = {kind: snakemake.output[kind] for kind in ("csv", "md", "tex")}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
