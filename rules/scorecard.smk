"""Stage scorecard: published numbers beside regenerated ones, estimators beside each other, open choices."""


rule scorecard:
    """Published numbers beside regenerated ones, estimators beside each other, and what open choices are worth."""
    input:
        expand(
            "results/{source}/scorecard/{table}.{kind}",
            source=config["source"],
            table=["scorecard", "summary", "leaderboard", "discrepancies"],
            kind=["csv", "md", "tex"],
        ),
        expand("figures/{source}/scorecard/leaderboard.{kind}", source=config["source"], kind=["pdf", "png"]),


rule scorecard_card:
    """Every number that the papers print beside the regenerated one, with a verdict and its reason."""
    input:
        tables=made_tables(COMPARED.files),
        counterparts=COUNTERPARTS,
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/scorecard/scorecard.csv",
            caption="captions/scorecard.rst",
            **scorecard_shown("scorecard"),
        ),
        md="results/{source}/scorecard/scorecard.md",
        tex="results/{source}/scorecard/scorecard.tex",
        summary_csv=report(
            "results/{source}/scorecard/summary.csv",
            caption="captions/scorecard_summary.rst",
            **scorecard_shown("verdicts"),
        ),
        summary_md="results/{source}/scorecard/summary.md",
        summary_tex="results/{source}/scorecard/summary.tex",
    log:
        "logs/{source}/scorecard/scorecard.log",
    benchmark:
        "logs/{source}/scorecard/scorecard.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        names=made_names(COMPARED.files),
        settings=settings_at(config, COMPARED.settings),
        full_settings=settings_at(PAPER_SIZES, COMPARED.settings),
        published_data=published_data,
        scorecard=config["scorecard"],
        code=code_version("scorecard/card.py"),
    script:
        "../workflow_scripts/scorecard/card.py"


rule scorecard_leaderboard:
    """All mass estimators on the samples that they share: scatter, bias, outliers, calibration, cost."""
    input:
        leaderboard_files,
    output:
        csv=report(
            "results/{source}/scorecard/leaderboard.csv",
            caption="captions/scorecard_leaderboard.rst",
            **scorecard_shown("leaderboard"),
        ),
        md="results/{source}/scorecard/leaderboard.md",
        tex="results/{source}/scorecard/leaderboard.tex",
        pdf=report(
            "figures/{source}/scorecard/leaderboard.pdf",
            caption="captions/scorecard_leaderboard.rst",
            **scorecard_shown("leaderboard"),
        ),
        png="figures/{source}/scorecard/leaderboard.png",
    log:
        "logs/{source}/scorecard/leaderboard.log",
    benchmark:
        "logs/{source}/scorecard/leaderboard.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        entries=lambda wildcards: leaderboard_entries(wildcards.source),
        scorecard=config["scorecard"],
        interpretation={"bootstrap_draws": config["interpretation"]["bootstrap_draws"]},
        seed=config["seed"],
        code=code_version("scorecard/leaderboard.py"),
    script:
        "../workflow_scripts/scorecard/leaderboard.py"


rule scorecard_discrepancies:
    """Where papers leave a choice open or differ from their code: the option for it, and what it is worth."""
    input:
        tables=made_tables(CHOICE_TABLES),
        choices=CHOICES,
    output:
        csv=report(
            "results/{source}/scorecard/discrepancies.csv",
            caption="captions/scorecard_discrepancies.rst",
            **scorecard_shown("discrepancies"),
        ),
        md="results/{source}/scorecard/discrepancies.md",
        tex="results/{source}/scorecard/discrepancies.tex",
    log:
        "logs/{source}/scorecard/discrepancies.log",
    benchmark:
        "logs/{source}/scorecard/discrepancies.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        names=made_names(CHOICE_TABLES),
        settings=settings_at(config, OPTIONS),
        defaults=settings_at(load({}), OPTIONS),
        code=code_version("scorecard/discrepancies.py"),
    script:
        "../workflow_scripts/scorecard/discrepancies.py"
