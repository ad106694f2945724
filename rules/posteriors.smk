"""Stage posteriors: densities of the mass given what an estimator says, and how far they can be trusted."""


rule posteriors_density:
    """Posteriors of the clusters of the held-out box, from pairs of summary and mass that the estimator has not seen."""
    input:
        predictions="results/{source}/training/{mock}/{model}/predictions.parquet",
        own=own_posteriors,
    output:
        posteriors="results/{source}/posteriors/{mock}/{model}/{density}/posteriors.parquet",
        fits="results/{source}/posteriors/{mock}/{model}/{density}/posteriors.fits",
        vot="results/{source}/posteriors/{mock}/{model}/{density}/posteriors.vot",
        joint="results/{source}/posteriors/{mock}/{model}/{density}/joint.safetensors",
        calibration="results/{source}/posteriors/{mock}/{model}/{density}/calibration.parquet",
    log:
        "logs/{source}/posteriors/{mock}/{model}/{density}.log",
    benchmark:
        "logs/{source}/posteriors/{mock}/{model}/{density}.benchmark.tsv"
    wildcard_constraints:
        density="kde|kde_covariance|npe|own",
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=gpu_of(config["posterior"]["flow_training"]),
        mem_mb=4000,
        runtime=30,
    params:
        posterior=config["posterior"],
        redshift=mock_redshift,
        cosmology=mock_cosmology,
        seed=config["seed"],
        code=code_version("posteriors/density.py"),
    script:
        "../workflow_scripts/posteriors/density.py"


rule posteriors_images:
    """Posteriors of masses from images, of an ensemble of networks, and their calibration."""
    input:
        predictions=lambda wildcards: [path.format(**wildcards) for path in masses_of(wildcards.model)],
    output:
        ensemble="results/{source}/posteriors/images/{model}/ensemble.parquet",
        posteriors="results/{source}/posteriors/images/{model}/posteriors.parquet",
        calibration="results/{source}/posteriors/images/{model}/calibration.parquet",
        coverage="results/{source}/posteriors/images/{model}/coverage.parquet",
    log:
        "logs/{source}/posteriors/images/{model}.log",
    benchmark:
        "logs/{source}/posteriors/images/{model}.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        posterior=config["image_posterior"],
        seed=config["seed"],
        code=code_version("posteriors/images.py"),
    script:
        "../workflow_scripts/posteriors/images.py"
