"""Stage transfer: networks of images, trained to tell bands apart, then on masses and richness."""


rule transfer_bands:
    """Band classification on one kind of image, and the features that it leaves (Liang et al. 2020; Lin et al. 2022)."""
    input:
        **IMAGE_TABLES,
        images="results/{source}/images/{cutout}_global.zarr.zip",
        stars=variant_stars,
        weights=lambda wildcards: start_file(IMAGES[wildcards.cutout]["bands"]["network"]),
    output:
        predictions="results/{source}/transfer/bands/{cutout}/{variant}/predictions.parquet",
        curves="results/{source}/transfer/bands/{cutout}/{variant}/curves.parquet",
        timing="results/{source}/transfer/bands/{cutout}/{variant}/timing.parquet",
        features="results/{source}/transfer/bands/{cutout}/{variant}/features.safetensors",
        models=directory("results/{source}/transfer/bands/{cutout}/{variant}/models"),
    log:
        "logs/{source}/transfer/bands/{cutout}/{variant}.log",
    benchmark:
        "logs/{source}/transfer/bands/{cutout}/{variant}.benchmark.tsv"
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=image_memory(3000),
        runtime=720,
    params:
        bands=lambda wildcards: IMAGES[wildcards.cutout]["bands"],
        views=lambda wildcards: IMAGES[wildcards.cutout].get("views", 1),
        variant=lambda wildcards: IMAGES["variants"][wildcards.variant],
        masks=lambda wildcards: IMAGES["masks"] if variant_stars(wildcards) else None,
        side_mpc=lambda wildcards: config["mosaics"]["cutouts"][wildcards.cutout]["side_mpc"],
        images=config["images"],
        device=IMAGES["device"],
        seed=config["seed"],
        code=code_version("transfer/bands.py"),
    script:
        "../workflow_scripts/transfer/bands.py"


rule transfer_weak:
    """One model of masses, trained on weak labels (Lin et al. 2022, section 3.2)."""
    input:
        **IMAGE_TABLES,
        images="results/{source}/images/lin2022_global.zarr.zip",
        bands=band_weights,
        weights=start_file(IMAGES["lin2022"]["bands"]["network"]),
    output:
        curves="results/{source}/transfer/weak/{model}/{trial}/curves.parquet",
        timing="results/{source}/transfer/weak/{model}/{trial}/timing.parquet",
        models=directory("results/{source}/transfer/weak/{model}/{trial}/models"),
    log:
        "logs/{source}/transfer/weak/{model}/{trial}.log",
    benchmark:
        "logs/{source}/transfer/weak/{model}/{trial}.benchmark.tsv"
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=model_memory,
        runtime=240,
    params:
        lin2022=mass_settings,
        labels="weak",
        device=IMAGES["device"],
        seed=config["seed"],
        code=code_version("transfer/mass.py"),
    script:
        "../workflow_scripts/transfer/mass.py"


rule transfer_mass:
    """One model of masses, trained on strong labels in all folds (Lin et al. 2022, sections 3.2 and 4.2)."""
    input:
        **IMAGE_TABLES,
        images="results/{source}/images/lin2022_global.zarr.zip",
        bands=band_weights,
        weak=weak_weights,
        weights=start_file(IMAGES["lin2022"]["bands"]["network"]),
    output:
        predictions="results/{source}/transfer/mass/{model}/{trial}/predictions.parquet",
        curves="results/{source}/transfer/mass/{model}/{trial}/curves.parquet",
        timing="results/{source}/transfer/mass/{model}/{trial}/timing.parquet",
        models=directory("results/{source}/transfer/mass/{model}/{trial}/models"),
    log:
        "logs/{source}/transfer/mass/{model}/{trial}.log",
    benchmark:
        "logs/{source}/transfer/mass/{model}/{trial}.benchmark.tsv"
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=model_memory,
        runtime=480,
    params:
        lin2022=mass_settings,
        labels="strong",
        folds=config["labels"]["folds"],
        device=IMAGES["device"],
        seed=config["seed"],
        code=code_version("transfer/mass.py"),
    script:
        "../workflow_scripts/transfer/mass.py"


rule transfer_card:
    """Model card of a model of masses from images: data, validity, accuracy, calibration of its posterior, provenance."""
    input:
        ensemble="results/{source}/posteriors/images/{model}/ensemble.parquet",
        calibration="results/{source}/posteriors/images/{model}/calibration.parquet",
    output:
        yaml="results/{source}/transfer/mass/{model}/card.yaml",
        md="results/{source}/transfer/mass/{model}/card.md",
    log:
        "logs/{source}/transfer/mass/{model}_card.log",
    benchmark:
        "logs/{source}/transfer/mass/{model}_card.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        lin2022=mass_settings,
        posterior=config["image_posterior"],
        code=code_version("transfer/card.py"),
    script:
        "../workflow_scripts/transfer/card.py"


rule transfer_downstream:
    """Masses and richness from the features that one variant of band classification left."""
    input:
        **IMAGE_TABLES,
        images="results/{source}/images/lin2022_global.zarr.zip",
        features="results/{source}/transfer/bands/lin2022/{variant}/features.safetensors",
    output:
        mass="results/{source}/transfer/downstream/{variant}/mass.parquet",
        richness="results/{source}/transfer/downstream/{variant}/richness.parquet",
    log:
        "logs/{source}/transfer/downstream/{variant}.log",
    benchmark:
        "logs/{source}/transfer/downstream/{variant}.benchmark.tsv"
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=3000 + round(0.2 * max(0, CLUSTERS_WITH_IMAGES - 300)),
        runtime=240,
    params:
        lin2022={key: IMAGES["lin2022"][key] for key in ("regressor", "weak", "strong", "views")},
        liang2020={key: IMAGES["liang2020"][key] for key in ("regressor", "training", "min_steps")},
        folds=config["labels"]["folds"],
        device=IMAGES["device"],
        seed=config["seed"],
        code=code_version("transfer/downstream.py"),
    script:
        "../workflow_scripts/transfer/downstream.py"


rule transfer_richness:
    """Base or Ours, trained on richness on one share of the training set: a batch of folds and trials (Liang et al. 2020)."""
    input:
        **IMAGE_TABLES,
        images="results/{source}/images/liang2020_global.zarr.zip",
        bands=lambda wildcards: (
            "results/{source}/transfer/bands/liang2020/published/models" if wildcards.model == "ours" else []
        ),
    output:
        predictions="results/{source}/transfer/richness/{model}/{percent}/{part}/predictions.parquet",
        curves="results/{source}/transfer/richness/{model}/{percent}/{part}/curves.parquet",
        timing="results/{source}/transfer/richness/{model}/{percent}/{part}/timing.parquet",
        models=directory("results/{source}/transfer/richness/{model}/{percent}/{part}/models"),
    log:
        "logs/{source}/transfer/richness/{model}/{percent}/{part}.log",
    benchmark:
        "logs/{source}/transfer/richness/{model}/{percent}/{part}.benchmark.tsv"
    wildcard_constraints:
        model="base|ours",
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=image_memory(4000),
        runtime=round(20 * IMAGES["liang2020"]["job_minutes"]),
    params:
        liang2020=richness_settings(),
        parts=lambda wildcards: richness_parts(wildcards.percent),
        folds=config["labels"]["folds"],
        device=IMAGES["device"],
        seed=config["seed"],
        code=code_version("transfer/richness.py"),
    script:
        "../workflow_scripts/transfer/richness.py"


rule transfer_cut:
    """Tiles of frames of fields in five bands."""
    input:
        unpack(lambda wildcards: measured_frames(wildcards.source)),
    output:
        "results/{source}/transfer/tiles.zarr.zip",
    log:
        "logs/{source}/transfer/cut.log",
    benchmark:
        "logs/{source}/transfer/cut.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        tiles={key: config["tiles"][key] for key in ("pixels", "binning", "fields")},
        images=config["images"],
        seed=config["seed"],
        code=code_version("transfer/cut.py"),
    script:
        "../workflow_scripts/transfer/cut.py"


rule transfer_tiles:
    """Band classification on tiles of frames, split by field, and its controls."""
    input:
        "results/{source}/transfer/tiles.zarr.zip",
        weights=start_file(config["tiles"]["network"]),
    output:
        predictions="results/{source}/transfer/tiles/{variant}/predictions.parquet",
        controls="results/{source}/transfer/tiles/{variant}/controls.parquet",
        curves="results/{source}/transfer/tiles/{variant}/curves.parquet",
        timing="results/{source}/transfer/tiles/{variant}/timing.parquet",
        models=temp(directory("results/{source}/transfer/tiles/{variant}/models")),
    log:
        "logs/{source}/transfer/tiles/{variant}.log",
    benchmark:
        "logs/{source}/transfer/tiles/{variant}.benchmark.tsv"
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=4000,
        runtime=240,
    params:
        tiles=tile_settings,
        images=config["images"],
        device=IMAGES["device"],
        seed=config["seed"],
        code=code_version("transfer/tiles.py"),
    script:
        "../workflow_scripts/transfer/tiles.py"


rule transfer_empty:
    """Squares as large as images of clusters, at random places of the simulated sky."""
    input:
        **measured_frames("simulated"),
        clusters="results/simulated/frames/clusters.parquet",
    output:
        "results/simulated/transfer/empty.zarr.zip",
    log:
        "logs/simulated/transfer/empty.log",
    benchmark:
        "logs/simulated/transfer/empty.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        tiles={key: config["tiles"][key] for key in ("fields", "empty")},
        images=config["images"],
        side_mpc=config["mosaics"]["cutouts"]["lin2022"]["side_mpc"],
        pixel_arcsec=config["mosaics"]["pixel_arcsec"],
        seed=config["seed"],
        code=code_version("transfer/empty.py"),
    script:
        "../workflow_scripts/transfer/empty.py"


rule transfer_controls:
    """What telling bands of clusters rests on: empty places, shuffled pixels, equal noise, three numbers of an image."""
    input:
        clusters="results/simulated/frames/clusters.parquet",
        labels="results/simulated/crossmatch/labels.parquet",
        splits="results/simulated/crossmatch/splits.parquet",
        images="results/simulated/images/lin2022_global.zarr.zip",
        empty="results/simulated/transfer/empty.zarr.zip",
        models="results/simulated/transfer/bands/lin2022/published/models",
    output:
        controls="results/simulated/transfer/controls/controls.parquet",
        empty="results/simulated/transfer/controls/empty.parquet",
    log:
        "logs/simulated/transfer/controls.log",
    benchmark:
        "logs/simulated/transfer/controls.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=ON_GPU,
        mem_mb=image_memory(3000),
        runtime=120,
    params:
        bands=IMAGES["lin2022"]["bands"],
        variant=IMAGES["variants"]["published"],
        tiles={key: config["tiles"][key] for key in ("forest", "draws")},
        images=config["images"],
        device=IMAGES["device"],
        seed=config["seed"],
        code=code_version("transfer/controls.py"),
    script:
        "../workflow_scripts/transfer/controls.py"


rule transfer_natural:
    """Channel ordering, then classification, on natural images or what stands in for them (Liang et al. 2020, S1)."""
    input:
        unpack(natural_images),
        weights=start_file(config["natural"]["network"]),
    output:
        scores="results/{source}/transfer/natural/{dataset}/scores.parquet",
        curves="results/{source}/transfer/natural/{dataset}/curves.parquet",
        models=temp(directory("results/{source}/transfer/natural/{dataset}/models")),
    log:
        "logs/{source}/transfer/natural/{dataset}.log",
    benchmark:
        "logs/{source}/transfer/natural/{dataset}.benchmark.tsv"
    retries: 0
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=gpu_of(config["natural"]["pretraining"], config["natural"]["training"]),
        mem_mb=8000,
        runtime=600,
    params:
        natural=natural_settings,
        sky=config["sky"],
        pictures=config["pictures"],
        cosmology=config["cosmology"],
        seed=config["seed"],
        code=code_version("transfer/natural.py"),
    script:
        "../workflow_scripts/transfer/natural.py"


rule tiles:
    """Band classification on tiles of real frames, in every variant, where frames are at hand."""
    input:
        real_tiles("controls"),
