"""Stage report: one page that reads as the papers' results side by side."""


report: "captions/workflow.rst"


include: "common_report.smk"


rule papers:
    """Every figure and table of every paper, and their numbers held against the published ones."""
    input:
        rules.universe.input,
        made_artefacts(config["source"]),
        rules.images.input if has_frames(config["source"]) else [],
        rules.realism.input if config["source"] == "simulated" else [],
        rules.scorecard.input,


rule report_page:
    """One page (HTML, self-contained) of all papers: published numbers beside regenerated ones, with provenance."""
    input:
        made=rules.papers.input,
        template=PAGE_TEMPLATE,
    output:
        report(
            "results/{source}/report/page.html",
            caption="captions/report_page.rst",
            category="All papers on one page",
            labels={"artefact": "page", "data": "{source}"},
        ),
    log:
        "logs/{source}/report/page.log",
    benchmark:
        "logs/{source}/report/page.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        artefacts=artefacts,
        config=config,
        code=code_version("report/page.py"),
    script:
        "../workflow_scripts/report/page.py"
