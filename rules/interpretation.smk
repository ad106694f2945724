"""Stage interpretation: how good the estimators of cluster masses are, with intervals."""

ESTIMATORS = ["cnn1d", "cnn2d", "msigma_pure", "msigma_contaminated", "sdm1d", "sdm2d"]
FEW = ["cnn1d_small", "cnn2d_small"]  # trained on as few clusters as the SDM


rule interpretation_residuals:
    """Statistics of the residuals of all estimators, with intervals from a bootstrap over halos."""
    input:
        expand("results/{{source}}/training/ho2019/{model}/predictions.parquet", model=ESTIMATORS + FEW),
    output:
        "results/{source}/interpretation/ho2019/statistics.parquet",
    log:
        "logs/{source}/interpretation/ho2019/statistics.log",
    benchmark:
        "logs/{source}/interpretation/ho2019/statistics.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        models=ESTIMATORS + FEW,
        interpretation=config["interpretation"],
        seed=config["seed"],
        code=code_version("interpretation/residuals.py"),
    script:
        "../workflow_scripts/interpretation/residuals.py"


rule interpretation_abundance:
    """What residuals that are not lognormal do to a count of clusters, with intervals."""
    input:
        expand("results/{{source}}/training/ho2019/{model}/predictions.parquet", model=ESTIMATORS + FEW),
    output:
        "results/{source}/interpretation/ho2019/abundance.parquet",
    log:
        "logs/{source}/interpretation/ho2019/abundance.log",
    benchmark:
        "logs/{source}/interpretation/ho2019/abundance.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        models=ESTIMATORS + FEW,
        interpretation=config["interpretation"],
        seed=config["seed"],
        code=code_version("interpretation/abundance.py"),
    script:
        "../workflow_scripts/interpretation/abundance.py"


rule interpretation_wojtak:
    """Posteriors of how residuals of the CNNs depend on mass and richness (Wojtak et al. 2018), and their chains."""
    input:
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        predictions=expand("results/{{source}}/training/ho2019/{model}/predictions.parquet", model=ESTIMATORS[:2]),
    output:
        posteriors="results/{source}/interpretation/ho2019/wojtak.parquet",
        chains="results/{source}/interpretation/ho2019/chains.parquet",
    log:
        "logs/{source}/interpretation/ho2019/wojtak.log",
    benchmark:
        "logs/{source}/interpretation/ho2019/wojtak.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        models=ESTIMATORS[:2],
        interpretation=config["interpretation"],
        seed=config["seed"],
        code=code_version("interpretation/wojtak.py"),
    script:
        "../workflow_scripts/interpretation/wojtak.py"


rule interpretation_robustness:
    """How predictions of all estimators drift as galaxies are left out, with intervals."""
    input:
        predictions=expand("results/{{source}}/training/ho2019/{model}/predictions.parquet", model=ESTIMATORS),
        subsampled=expand("results/{{source}}/training/ho2019/{model}/subsampled.parquet", model=ESTIMATORS),
    output:
        measured="results/{source}/interpretation/ho2019/robustness.parquet",
        drifts="results/{source}/interpretation/ho2019/drifts.parquet",
    log:
        "logs/{source}/interpretation/ho2019/robustness.log",
    benchmark:
        "logs/{source}/interpretation/ho2019/robustness.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        models=ESTIMATORS,
        interpretation=config["interpretation"],
        seed=config["seed"],
        code=code_version("interpretation/robustness.py"),
    script:
        "../workflow_scripts/interpretation/robustness.py"


rule interpretation_information_gain:
    """Scatter that depends on richness and scatter that does not, of estimators on the mock of Ho et al."""
    input:
        **ho2019_trained("predictions", ["cnn1d", "cnn2d", "cnn3d", "flow"]),
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
    output:
        "results/{source}/interpretation/ho2019/information_gain.parquet",
    log:
        "logs/{source}/interpretation/ho2019/information_gain.log",
    benchmark:
        "logs/{source}/interpretation/ho2019/information_gain.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        models=["cnn1d", "cnn2d", "cnn3d", "flow"],
        interpretation=config["interpretation"],
        seed=config["seed"],
        code=code_version("interpretation/information_gain.py"),
    script:
        "../workflow_scripts/interpretation/information_gain.py"


rule interpretation_missing:
    """Masses that CNN3D gives the evaluation set without the galaxies that fibres miss."""
    input:
        clusters="results/{source}/phase_space/{mock}/clusters.parquet",
        members="results/{source}/phase_space/{mock}/members.parquet",
        models="results/{source}/training/{mock}/cnn3d/models",
    output:
        "results/{source}/interpretation/{mock}/missing.parquet",
    log:
        "logs/{source}/interpretation/{mock}/missing.log",
    benchmark:
        "logs/{source}/interpretation/{mock}/missing.benchmark.tsv"
    wildcard_constraints:
        mock="|".join(config["survey_mocks"]),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=int(config["training_cnn3d"]["device"] == "cuda"),
        mem_mb=6000,
        runtime=30,
    params:
        options=lambda wildcards: config["survey_mocks"][wildcards.mock],
        network=config["networks"]["cnn3d"],
        kde3d=config["kde3d"],
        training=config["training_cnn3d"],
        code=code_version("interpretation/missing.py"),
    script:
        "../workflow_scripts/interpretation/missing.py"


rule interpretation_checks:
    """What bandwidth, aperture, missing redshifts, the unknown redshift and a leak change in predicted masses."""
    input:
        variants=expand(
            "results/{{source}}/training/{{mock}}/cnn3d_{variant}/predictions.parquet",
            variant=config["checks"]["variants"],
        ),
        missing="results/{source}/interpretation/{mock}/missing.parquet",
        predictions="results/{source}/training/{mock}/cnn3d/predictions.parquet",
    output:
        "results/{source}/interpretation/{mock}/checks.parquet",
    log:
        "logs/{source}/interpretation/{mock}/checks.log",
    benchmark:
        "logs/{source}/interpretation/{mock}/checks.benchmark.tsv"
    wildcard_constraints:
        mock="|".join(config["survey_mocks"]),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        variants=list(config["checks"]["variants"]),
        options=lambda wildcards: config["survey_mocks"][wildcards.mock],
        interpretation=config["interpretation"],
        redshift=Z_SURVEY,
        cosmology=cosmology_at(Z_SURVEY),
        seed=config["seed"],
        code=code_version("interpretation/checks.py"),
    script:
        "../workflow_scripts/interpretation/checks.py"
