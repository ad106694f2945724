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
