"""Stage phase_space: mock clusters in projected phase space, and who of them trains and tests."""


rule phase_space_ho2019:
    """Mock clusters of Ho et al. (2019), contaminated and pure: galaxies, truth, folds and the held-out box."""
    input:
        halos=tables_at("halos", Z_HO2019),
        galaxies=tables_at("galaxies", Z_HO2019),
    output:
        expand(
            "results/{{source}}/phase_space/ho2019/{catalogue}/{table}.parquet",
            catalogue=["contaminated", "pure"],
            table=["clusters", "members", "truth"],
        ),
    log:
        "logs/{source}/phase_space/ho2019.log",
    benchmark:
        "logs/{source}/phase_space/ho2019.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 2
    resources:
        mem_mb=5000,
        runtime=60,
    params:
        boxes=lambda wildcards: ho2019_boxes(wildcards.source),
        heldout=lambda wildcards: ho2019_boxes(wildcards.source)[1:][-1:],  # a single box serves its folds alone
        redshift=Z_HO2019,
        options=config["mock_observation"],
        cosmology=cosmology_at(Z_HO2019),
        seed=config["seed"],
        code=code_version("phase_space/ho2019.py"),
    script:
        "../workflow_scripts/phase_space/ho2019.py"


rule phase_space_survey:
    """Mock clusters of a flux-limited survey: galaxies, truth, heavier halos in the field, and who trains and judges."""
    input:
        halos=tables_at("halos", Z_SURVEY),
        galaxies=tables_at("galaxies", Z_SURVEY),
    output:
        clusters="results/{source}/phase_space/{mock}/clusters.parquet",
        members="results/{source}/phase_space/{mock}/members.parquet",
        truth="results/{source}/phase_space/{mock}/truth.parquet",
        interlopers="results/{source}/phase_space/{mock}/interlopers.parquet",
        domain="results/{source}/phase_space/{mock}/domain.parquet",
    log:
        "logs/{source}/phase_space/{mock}.log",
    benchmark:
        "logs/{source}/phase_space/{mock}.benchmark.tsv"
    wildcard_constraints:
        mock="|".join(config["survey_mocks"]),
    conda:
        "../envs/cpu.yaml"
    threads: 2
    resources:
        mem_mb=6000,
        runtime=60,
    params:
        boxes=lambda wildcards: boxes_at(wildcards.source, Z_SURVEY),
        heldout=lambda wildcards: boxes_at(wildcards.source, Z_SURVEY)[1:][-1:],  # a single box gives all sets
        redshift=Z_SURVEY,
        options=lambda wildcards: config["survey_mocks"][wildcards.mock],
        cosmology=cosmology_at(Z_SURVEY),
        seed=config["seed"],
        code=code_version("phase_space/survey.py"),
    script:
        "../workflow_scripts/phase_space/survey.py"
