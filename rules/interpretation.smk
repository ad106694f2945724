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
        gpu=gpu_of(config["training_cnn3d"]),
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


rule interpretation_attribution:
    """Integrated gradients and CAM+IG of clusters that were not trained on (Lin et al. 2022, section 5)."""
    input:
        **IMAGE_TABLES,
        images="results/{source}/images/lin2022_global.zarr.zip",
        members="results/{source}/images/members.parquet",
        stars=lambda wildcards: job_stars(wildcards.source),
        bands="results/{source}/transfer/bands/lin2022/published/models",
        start="results/{source}/transfer/bands/lin2022/start/models",
        masses=f"results/{{source}}/transfer/mass/{TABLE2_MODELS[-1]}/0/models",
    output:
        maps="results/{source}/interpretation/attribution.safetensors",
        attention="results/{source}/interpretation/attention.parquet",
    log:
        "logs/{source}/interpretation/attribution.log",
    benchmark:
        "logs/{source}/interpretation/attribution.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=4000,
        runtime=60,
    params:
        attribution=config["attribution"],
        pictures=config["pictures"],
        side_mpc=config["mosaics"]["cutouts"]["lin2022"]["side_mpc"],
        bands=IMAGES["lin2022"]["bands"]["network"],
        regressor=IMAGES["lin2022"]["regressor"],
        device=IMAGES["device"],
        bootstrap_draws=config["interpretation"]["bootstrap_draws"],
        seed=config["seed"],
        code=code_version("interpretation/attribution.py"),
    script:
        "../workflow_scripts/interpretation/attribution.py"


rule interpretation_occlusion:
    """Probability of the right band with a part of the image covered (Liang et al. 2020, section 3.4)."""
    input:
        **IMAGE_TABLES,
        images="results/{source}/images/liang2020_global.zarr.zip",
        members="results/{source}/images/members.parquet",
        stars=lambda wildcards: job_stars(wildcards.source),
        bands="results/{source}/transfer/bands/liang2020/published/models",
    output:
        maps=[
            "results/{source}/interpretation/occlusion_0.safetensors",
            "results/{source}/interpretation/occlusion_1.safetensors",
        ],
        attention="results/{source}/interpretation/occlusion.parquet",
    log:
        "logs/{source}/interpretation/occlusion.log",
    benchmark:
        "logs/{source}/interpretation/occlusion.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=4000,
        runtime=60,
    params:
        attribution=config["attribution"],
        pictures=config["pictures"],
        side_mpc=config["mosaics"]["cutouts"]["liang2020"]["side_mpc"],
        bands=IMAGES["liang2020"]["bands"]["network"],
        device=IMAGES["device"],
        bootstrap_draws=config["interpretation"]["bootstrap_draws"],
        seed=config["seed"],
        code=code_version("interpretation/occlusion.py"),
    script:
        "../workflow_scripts/interpretation/occlusion.py"


rule interpretation_image_uncertainty:
    """Posteriors of masses from images: coverage, calibration, and masses with their intervals."""
    input:
        posteriors=expand("results/{{source}}/posteriors/images/{model}/posteriors.parquet", model=TABLE2_MODELS[::-1]),
        calibration=expand(
            "results/{{source}}/posteriors/images/{model}/calibration.parquet", model=TABLE2_MODELS[::-1]
        ),
        coverage=expand("results/{{source}}/posteriors/images/{model}/coverage.parquet", model=TABLE2_MODELS[::-1]),
    output:
        csv="results/{source}/interpretation/image_uncertainty.csv",
        pdf=report(
            "figures/{source}/interpretation/image_uncertainty.pdf",
            caption="captions/interpretation_image_uncertainty.rst",
            category="Beyond the papers",
            labels={"artefact": "uncertainty of masses from images", "data": "{source}"},
        ),
        png="figures/{source}/interpretation/image_uncertainty.png",
    log:
        "logs/{source}/interpretation/image_uncertainty.log",
    benchmark:
        "logs/{source}/interpretation/image_uncertainty.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        models=TABLE2_MODELS[::-1],
        code=code_version("interpretation/image_uncertainty.py"),
    script:
        "../workflow_scripts/interpretation/image_uncertainty.py"


rule interpretation_image_variants:
    """What each variant of telling bands apart is worth for mass and richness."""
    input:
        bands=lambda wildcards: of_variants(wildcards, "bands/lin2022", "predictions"),
        mass=lambda wildcards: of_variants(wildcards, "downstream", "mass"),
        richness=lambda wildcards: of_variants(wildcards, "downstream", "richness"),
        real=lambda wildcards: real_tiles("predictions"),
    output:
        csv=report(
            "results/{source}/interpretation/image_variants.csv",
            caption="captions/interpretation_image_variants.rst",
            category="Beyond the papers",
            labels={"artefact": "variants of the pre-training", "data": "{source}"},
        ),
        md="results/{source}/interpretation/image_variants.md",
        tex="results/{source}/interpretation/image_variants.tex",
        numbers="results/{source}/interpretation/image_variants.parquet",
    log:
        "logs/{source}/interpretation/image_variants.log",
    benchmark:
        "logs/{source}/interpretation/image_variants.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        variants=lambda wildcards: {name: IMAGES["variants"][name] for name in compared_variants(wildcards.source)},
        real=REAL_VARIANTS,
        interpretation={"bootstrap_draws": config["interpretation"]["bootstrap_draws"]},
        seed=config["seed"],
        code=code_version("interpretation/image_variants.py"),
    script:
        "../workflow_scripts/interpretation/image_variants.py"


rule interpretation_image_controls:
    """What telling bands rests on, and what choosing the epoch on the test set would have given."""
    input:
        controls=lambda wildcards: band_controls(wildcards.source),
        curves=lambda wildcards: [path for _name, path, _told in watched_curves(wildcards.source)],
    output:
        controls_csv=report(
            "results/{source}/interpretation/image_controls.csv",
            caption="captions/interpretation_image_controls.rst",
            category="Beyond the papers",
            labels={"artefact": "controls of band classification", "data": "{source}"},
        ),
        controls_md="results/{source}/interpretation/image_controls.md",
        controls_tex="results/{source}/interpretation/image_controls.tex",
        epochs_csv="results/{source}/interpretation/image_epochs.csv",
        epochs_md="results/{source}/interpretation/image_epochs.md",
        epochs_tex="results/{source}/interpretation/image_epochs.tex",
    log:
        "logs/{source}/interpretation/image_controls.log",
    benchmark:
        "logs/{source}/interpretation/image_controls.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        trainings=lambda wildcards: [name for name, _path, _told in watched_curves(wildcards.source)],
        told=lambda wildcards: [told for _name, _path, told in watched_curves(wildcards.source)],
        code=code_version("interpretation/image_controls.py"),
    script:
        "../workflow_scripts/interpretation/image_controls.py"


rule interpretation_image_plan:
    """How long trainings on images take, before anything is made."""
    output:
        csv="results/{source}/interpretation/image_plan.csv",
        md="results/{source}/interpretation/image_plan.md",
        tex="results/{source}/interpretation/image_plan.tex",
    log:
        "logs/{source}/interpretation/image_plan.log",
    benchmark:
        "logs/{source}/interpretation/image_plan.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        plan=config["image_plan"],
        image_training=IMAGES,
        image_sample=config["image_sample"],
        images=config["images"],
        labels=config["labels"],
        tiles=config["tiles"],
        natural=config["natural"],
        code=code_version("interpretation/image_plan.py"),
    script:
        "../workflow_scripts/interpretation/image_plan.py"


rule image_plan:
    """How many hours of GPUs, or of cores, trainings on images take as configured."""
    input:
        expand("results/{source}/interpretation/image_plan.csv", source=config["source"]),
