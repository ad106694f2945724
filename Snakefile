"""Masses of galaxy clusters by machine learning: every figure and table of four papers, from data to page.

`snakemake --cores all` makes all; `snakemake --cores all lin2022` one paper; `snakemake --list` names every rule.
"""


include: "rules/start.smk"
include: "rules/common.smk"
include: "rules/validation.smk"
include: "rules/universe.smk"
include: "rules/data.smk"
include: "rules/phase_space.smk"
include: "rules/training.smk"
include: "rules/posteriors.smk"
include: "rules/interpretation.smk"
include: "rules/observed.smk"
include: "rules/crossmatch.smk"
include: "rules/frames.smk"
include: "rules/mosaics.smk"
include: "rules/images.smk"
include: "rules/realism.smk"
include: "rules/transfer.smk"
include: "rules/plan.smk"
include: "rules/paper_ho2019.smk"
include: "rules/paper_kodiramanah2021.smk"
include: "rules/paper_lin2022.smk"
include: "rules/paper_liang2020.smk"
include: "rules/scorecard.smk"
include: "rules/report.smk"


rule all:
    """Make every figure and table, hold their numbers against the published ones, and show all on one page."""
    default_target: True
    input:
        rules.papers.input,
        expand(rules.report_page.output, source=config["source"]),
        rules.cards.input if simulation(config["source"]) == config["source"] else [],


include: "rules/cache.smk"


onstart:
    from clustermass.timeleft import follow

    follow(workflow, config)


onsuccess:
    print(summary(config["source"]))
