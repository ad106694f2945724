"""Stage training: estimators of cluster masses, trained, and what they predict for clusters they have not seen."""


rule training_msigma:
    """M-sigma relation of the pure or the contaminated catalogue, in every fold and for the held-out box."""
    input:
        clusters="results/{source}/phase_space/ho2019/{catalogue}/clusters.parquet",
        members="results/{source}/phase_space/ho2019/{catalogue}/members.parquet",
    output:
        predictions="results/{source}/training/ho2019/msigma_{catalogue}/predictions.parquet",
        fit="results/{source}/training/ho2019/msigma_{catalogue}/fit.parquet",
        subsampled="results/{source}/training/ho2019/msigma_{catalogue}/subsampled.parquet",
        timing="results/{source}/training/ho2019/msigma_{catalogue}/timing.parquet",
    log:
        "logs/{source}/training/ho2019/msigma_{catalogue}.log",
    benchmark:
        "logs/{source}/training/ho2019/msigma_{catalogue}.benchmark.tsv"
    wildcard_constraints:
        catalogue="contaminated|pure",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        redshift=Z_HO2019,
        msigma=config["msigma"],
        interpretation=subsampling(),
        cosmology=cosmology_at(Z_HO2019),
        seed=config["seed"],
        code=code_version("training/msigma.py"),
    script:
        "../workflow_scripts/training/msigma.py"


rule training_sdm:
    """SDM1D or SDM2D: support distribution machine, trained on some of the clusters."""
    input:
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        members="results/{source}/phase_space/ho2019/contaminated/members.parquet",
    output:
        predictions="results/{source}/training/ho2019/{model}/predictions.parquet",
        subsampled="results/{source}/training/ho2019/{model}/subsampled.parquet",
        timing="results/{source}/training/ho2019/{model}/timing.parquet",
    log:
        "logs/{source}/training/ho2019/{model}.log",
    benchmark:
        "logs/{source}/training/ho2019/{model}.benchmark.tsv"
    wildcard_constraints:
        model="sdm1d|sdm2d",
    retries: 0
    conda:
        "../envs/cpu.yaml"
    threads: config["sdm"]["threads"]
    resources:
        mem_mb=4000,
        runtime=600,
    params:
        sdm=config["sdm"],
        interpretation=subsampling(),
        seed=config["seed"],
        code=code_version("training/sdm.py"),
    script:
        "../workflow_scripts/training/sdm.py"


rule training_cnn:
    """CNN1D or CNN2D: all folds and the split of the held-out box."""
    input:
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        members="results/{source}/phase_space/ho2019/contaminated/members.parquet",
    output:
        predictions="results/{source}/training/ho2019/{model}/predictions.parquet",
        curves="results/{source}/training/ho2019/{model}/curves.parquet",
        subsampled="results/{source}/training/ho2019/{model}/subsampled.parquet",
        timing="results/{source}/training/ho2019/{model}/timing.parquet",
        models=directory("results/{source}/training/ho2019/{model}/models"),
    log:
        "logs/{source}/training/ho2019/{model}.log",
    benchmark:
        "logs/{source}/training/ho2019/{model}.benchmark.tsv"
    wildcard_constraints:
        model="cnn1d|cnn2d",
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: min(8, config["mock_observation"]["folds"])  # more than a node has would wait for ever
    resources:
        gpu=gpu_of(config["training"]),
        mem_mb=6000,
        runtime=120,
    params:
        **PHASE_SPACE_TRAINING,
        network="{model}",
        few=None,
        code=code_version("training/cnn.py"),
    script:
        "../workflow_scripts/training/cnn.py"


rule training_cnn_few:
    """CNN1D or CNN2D trained on as few clusters as the SDM, for the held-out box."""
    input:
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        members="results/{source}/phase_space/ho2019/contaminated/members.parquet",
    output:
        predictions="results/{source}/training/ho2019/{model}_small/predictions.parquet",
    log:
        "logs/{source}/training/ho2019/{model}_small.log",
    benchmark:
        "logs/{source}/training/ho2019/{model}_small.benchmark.tsv"
    wildcard_constraints:
        model="cnn1d|cnn2d",
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=gpu_of(config["training"]),
        mem_mb=4000,
        runtime=60,
    params:
        **PHASE_SPACE_TRAINING,
        network="{model}",
        few=config["sdm"]["training_clusters"],
        code=code_version("training/cnn.py"),
    script:
        "../workflow_scripts/training/cnn.py"


rule training_cnn3d:
    """CNN3D on a mock: trained once, stopped on its validation set; or one of the trainings that `checks` varies."""
    input:
        clusters=mock_table("clusters"),
        members=mock_table("members"),
    output:
        predictions="results/{source}/training/{mock}/{model}/predictions.parquet",
        curves="results/{source}/training/{mock}/{model}/curves.parquet",
        timing="results/{source}/training/{mock}/{model}/timing.parquet",
        models=directory("results/{source}/training/{mock}/{model}/models"),
    log:
        "logs/{source}/training/{mock}/{model}.log",
    benchmark:
        "logs/{source}/training/{mock}/{model}.benchmark.tsv"
    wildcard_constraints:
        model="cnn3d|" + "|".join(f"cnn3d_{variant}" for variant in config["checks"]["variants"]),
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=gpu_of(config["training_cnn3d"]),
        mem_mb=8000,
        runtime=240,
    params:
        network=config["networks"]["cnn3d"],
        kde3d=config["kde3d"],
        training=config["training_cnn3d"],
        aperture_mpc_h=lambda wildcards: cube_aperture(wildcards.mock),
        variant=checked_variant,
        checks=checked_sizes,
        seed=config["seed"],
        code=code_version("training/cnn3d.py"),
    script:
        "../workflow_scripts/training/cnn3d.py"


rule training_flow:
    """Neural flow on compressed phase space, on the mock of Ho et al. (Kodi Ramanah et al. 2020b)."""
    input:
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        members="results/{source}/phase_space/ho2019/contaminated/members.parquet",
    output:
        predictions="results/{source}/training/ho2019/flow/predictions.parquet",
        posteriors="results/{source}/training/ho2019/flow/posteriors.safetensors",
        curves="results/{source}/training/ho2019/flow/curves.parquet",
        timing="results/{source}/training/ho2019/flow/timing.parquet",
        models=directory("results/{source}/training/ho2019/flow/models"),
    log:
        "logs/{source}/training/ho2019/flow.log",
    benchmark:
        "logs/{source}/training/ho2019/flow.benchmark.tsv"
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=gpu_of(config["neural_flow"]["training"]),
        mem_mb=5000,
        runtime=60,
    params:
        flow=config["neural_flow"],
        posterior=posterior_settings("bandwidth", "edge", "mass_margin_dex", "mass_step_dex"),
        kde=config["kde"],
        velocity_cut_km_s=config["mock_observation"]["velocity_cut_km_s"],
        aperture_mpc_h=config["mock_observation"]["aperture_mpc_h"],
        seed=config["seed"],
        code=code_version("training/flow.py"),
    script:
        "../workflow_scripts/training/flow.py"


rule training_end_to_end:
    """CNN3D with a flow in place of its output: a neural posterior, end to end."""
    input:
        clusters=mock_table("clusters"),
        members=mock_table("members"),
    output:
        predictions="results/{source}/training/{mock}/end_to_end/predictions.parquet",
        posteriors="results/{source}/training/{mock}/end_to_end/posteriors.safetensors",
        curves="results/{source}/training/{mock}/end_to_end/curves.parquet",
        timing="results/{source}/training/{mock}/end_to_end/timing.parquet",
        models=directory("results/{source}/training/{mock}/end_to_end/models"),
    log:
        "logs/{source}/training/{mock}/end_to_end.log",
    benchmark:
        "logs/{source}/training/{mock}/end_to_end.benchmark.tsv"
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=gpu_of(config["training_cnn3d"]),
        mem_mb=8000,
        runtime=240,
    params:
        network=config["networks"]["cnn3d"],
        posterior=posterior_settings("bandwidth", "edge", "mass_margin_dex", "mass_step_dex", "flow"),
        kde3d=config["kde3d"],
        training=config["training_cnn3d"],
        aperture_mpc_h=lambda wildcards: cube_aperture(wildcards.mock),
        seed=config["seed"],
        code=code_version("training/end_to_end.py"),
    script:
        "../workflow_scripts/training/end_to_end.py"


rule weights:
    """What `clustermass weigh` needs of trained estimators."""
    input:
        weights_of(simulation(config["source"])),


rule cards:
    """A model card beside the weights of every trained estimator of masses."""
    input:
        [f"results/{simulation(config['source'])}/training/{mock}/{model}/card.yaml" for mock, model in CARDS],
        [
            f"results/{config['source']}/transfer/mass/{model}/card.yaml"
            for model in trained_images(config["source"], TABLE2_MODELS)
        ],


rule training_card:
    """Model card of an estimator, with the posterior that it gives: data, prior, validity, calibration, provenance."""
    input:
        clusters=card_clusters,
        predictions="results/{source}/training/{mock}/{model}/predictions.parquet",
        trained=trained_files,
    output:
        yaml="results/{source}/training/{mock}/{model}/card.yaml",
        md="results/{source}/training/{mock}/{model}/card.md",
        posterior="results/{source}/training/{mock}/{model}/posterior.safetensors",
    log:
        "logs/{source}/training/{mock}/{model}_card.log",
    benchmark:
        "logs/{source}/training/{mock}/{model}_card.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        use=card_settings,
        posterior=config["posterior"],
        seed=config["seed"],
        code=code_version("training/card.py"),
    script:
        "../workflow_scripts/training/card.py"
