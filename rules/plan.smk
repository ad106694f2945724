"""Stage plan: what a whole run takes, before anything is made."""


rule plan_dag:
    """What the whole run takes by rule: jobs, hours of cores and GPUs, bytes."""
    input:
        costs=local(relpath(HERE / "workflow_scripts/clustermass/costs.csv")),
        trainings="results/{source}/interpretation/image_plan.csv",
    output:
        csv="results/{source}/plan/dag.csv",
        md="results/{source}/plan/dag.md",
        tex="results/{source}/plan/dag.tex",
    log:
        "logs/{source}/plan/dag.log",
    benchmark:
        "logs/{source}/plan/dag.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=config,
        python=sys.executable,  # which runs Snakemake: environments of rules do not hold it
        snakefile=str(HERE / "Snakefile"),
        code=code_version("plan/dag.py"),
    script:
        "../workflow_scripts/plan/dag.py"


rule plan:
    """How many jobs, hours of cores and GPUs, and bytes the whole run takes as configured."""
    input:
        expand("results/{source}/plan/dag.csv", source=config["source"]),
