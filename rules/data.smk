"""Stage data: cluster catalogues, real or simulated, in one contract."""


rule data_halos:
    """Simulated light cone: halos of the Tinker et al. (2008) mass function."""
    output:
        "results/simulated/data/halos.parquet",
    log:
        "logs/simulated/data/halos.log",
    benchmark:
        "logs/simulated/data/halos.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        lightcone=config["lightcone"],
        cosmology=config["cosmology"],
        seed=config["seed"],
        code=code_version("data/halos.py"),
    script:
        "../workflow_scripts/data/halos.py"


rule data_survey:
    """Simulated catalogue of one survey, in the real one's columns."""
    input:
        halos="results/simulated/data/halos.parquet",
    output:
        "results/simulated/data/surveys/{survey}.fits",
    log:
        "logs/simulated/data/surveys/{survey}.log",
    benchmark:
        "logs/simulated/data/surveys/{survey}.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        cosmology=config["cosmology"],
        published=published_cosmology,
        seed=config["seed"],
        code=code_version("data/survey.py"),
    script:
        "../workflow_scripts/data/survey.py"


rule data_catalogue_simulated:
    """Simulated catalogue in its contract; rows that cannot be used go to the rejected table."""
    input:
        simulated_catalogue,
    output:
        table="results/{source}/data/catalogues/{catalogue}.parquet",
        rejected="results/{source}/data/catalogues/{catalogue}_rejected.parquet",
    log:
        "logs/{source}/data/catalogues/{catalogue}.log",
    benchmark:
        "logs/{source}/data/catalogues/{catalogue}.benchmark.tsv"
    wildcard_constraints:
        source="simulated",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        stanza=stanza,
        cosmology=of_masses("cosmology"),
        masses=of_masses("masses"),
        code=code_version("data/catalogue.py"),
    script:
        "../workflow_scripts/data/catalogue.py"


use rule data_catalogue_simulated as data_catalogue_archival with:
    input:
        local_catalogue,
    wildcard_constraints:
        source="archival",
