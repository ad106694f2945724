"""Stage crossmatch: which cluster has which mass (Lin et al. 2022, section 2.3)."""


rule crossmatch_match:
    """Pairs of clusters and label sources, under one reading of the 500 kpc or as configured."""
    input:
        clusters=f"results/{{source}}/data/catalogues/{PARENT}.parquet",
        catalogues=expand("results/{{source}}/data/catalogues/{name}.parquet", name=LABEL_CATALOGUES),
    output:
        "results/{source}/crossmatch/matches_{reading}.parquet",
    log:
        "logs/{source}/crossmatch/matches_{reading}.log",
    benchmark:
        "logs/{source}/crossmatch/matches_{reading}.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        limits=limits(),
        priority=LABEL_CATALOGUES,
        readings=lambda wildcards: readings(wildcards.reading),
        cosmology=config["cosmology"],
        job=of_job,
        code=code_version("crossmatch/match.py"),
    script:
        "../workflow_scripts/crossmatch/match.py"


rule crossmatch_chance:
    """Matches that chance alone would give, for each reading of the 500 kpc and as configured."""
    input:
        clusters=f"results/{{source}}/data/catalogues/{PARENT}.parquet",
        catalogues=expand("results/{{source}}/data/catalogues/{name}.parquet", name=LABEL_CATALOGUES),
    output:
        "results/{source}/crossmatch/chance.csv",
    log:
        "logs/{source}/crossmatch/chance.log",
    benchmark:
        "logs/{source}/crossmatch/chance.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        limits=limits(),
        shifts=config["crossmatch"]["chance_shifts"],
        priority=LABEL_CATALOGUES,
        readings={name: readings(name) for name in ["configured", *READINGS]},
        cosmology=config["cosmology"],
        code=code_version("crossmatch/chance.py"),
    script:
        "../workflow_scripts/crossmatch/chance.py"


rule crossmatch_labels:
    """Strong and weak labels of all clusters, and the splits of training, validation and test."""
    input:
        clusters=f"results/{{source}}/data/catalogues/{PARENT}.parquet",
        catalogues=expand("results/{{source}}/data/catalogues/{name}.parquet", name=LABEL_CATALOGUES),
        matches="results/{source}/crossmatch/matches_configured.parquet",
    output:
        labels="results/{source}/crossmatch/labels.parquet",
        splits="results/{source}/crossmatch/splits.parquet",
    log:
        "logs/{source}/crossmatch/labels.log",
    benchmark:
        "logs/{source}/crossmatch/labels.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        parent=PARENT,
        priority=LABEL_CATALOGUES,
        labels=config["labels"],
        seed=config["seed"],
        code=code_version("crossmatch/labels.py"),
    script:
        "../workflow_scripts/crossmatch/labels.py"
