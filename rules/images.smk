"""Stage images: inputs of the image networks, and pictures of clusters."""


rule images:
    """Inputs of the image networks in every cut and scaling, their sky, and pictures of clusters."""
    input:
        expand(
            "results/{source}/images/{cutout}_{scaling}.zarr.zip",
            source=config["source"],
            cutout=config["mosaics"]["cutouts"],
            scaling=["global", "per_image"],
        ),
        expand("results/{source}/mosaics/mosaics.parquet", source=config["source"]),
        expand("figures/{source}/images/{name}.pdf", source=config["source"], name=["pictures", "sheet"]),


rule images_inputs:
    """Inputs of the networks from one kind of cutout, scaled to 0 to 1 (Lin et al. 2022, 2.2; Liang et al. 2020, 3.1)."""
    input:
        images=mosaic_jobs("zarr.zip"),
        reddening=lambda wildcards: reddening_table(wildcards.source),
    output:
        "results/{source}/images/{cutout}_{scaling}.zarr.zip",
    log:
        "logs/{source}/images/{cutout}_{scaling}.log",
    benchmark:
        "logs/{source}/images/{cutout}_{scaling}.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60 + round(0.15e-6 * CLUSTERS_WITH_IMAGES * config["images"]["pixels"] ** 2),
    params:
        images=config["images"],
        code=code_version("images/inputs.py"),
    script:
        "../workflow_scripts/images/inputs.py"


rule images_reddening:
    """Reddening by dust of the Milky Way towards the clusters that have images."""
    input:
        clusters="results/{source}/frames/clusters.parquet",
        table=config["images"]["reddening"] or [],
    output:
        "results/{source}/images/reddening.parquet",
    log:
        "logs/{source}/images/reddening.log",
    benchmark:
        "logs/{source}/images/reddening.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=1440,
    params:
        code=code_version("images/reddening.py"),
    script:
        "../workflow_scripts/images/reddening.py"


rule images_members:
    """Member galaxies of the clusters that have images, as the parent sample lists them."""
    input:
        unpack(lambda wildcards: member_files(wildcards.source)),
        clusters="results/{source}/frames/clusters.parquet",
    output:
        "results/{source}/images/members.parquet",
    log:
        "logs/{source}/images/members.log",
    benchmark:
        "logs/{source}/images/members.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        code=code_version("images/members.py"),
    script:
        "../workflow_scripts/images/members.py"


rule images_pictures:
    """Clusters in gri with member galaxies and stars marked."""
    input:
        clusters="results/{source}/frames/clusters.parquet",
        images=mosaic_jobs("zarr.zip"),
        stars=lambda wildcards: job_stars(wildcards.source),
        members=["results/{source}/images/members.parquet"],
        labels="results/{source}/crossmatch/labels.parquet",
    output:
        pdf=report(
            "figures/{source}/images/pictures.pdf",
            caption="captions/images_pictures.rst",
            category="Images of clusters",
            labels={"artefact": "pictures", "data": "{source}"},
        ),
        png="figures/{source}/images/pictures.png",
    log:
        "logs/{source}/images/pictures.log",
    benchmark:
        "logs/{source}/images/pictures.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        pictures=config["pictures"],
        code=code_version("images/pictures.py"),
    script:
        "../workflow_scripts/images/pictures.py"


rule images_sheet:
    """Contact sheet: clusters in gri by mass and redshift."""
    input:
        clusters="results/{source}/frames/clusters.parquet",
        images=mosaic_jobs("zarr.zip"),
        labels="results/{source}/crossmatch/labels.parquet",
    output:
        pdf=report(
            "figures/{source}/images/sheet.pdf",
            caption="captions/images_sheet.rst",
            category="Images of clusters",
            labels={"artefact": "contact sheet", "data": "{source}"},
        ),
        png="figures/{source}/images/sheet.png",
    log:
        "logs/{source}/images/sheet.log",
    benchmark:
        "logs/{source}/images/sheet.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        pictures=config["pictures"],
        side_mpc=config["mosaics"]["cutouts"][config["pictures"]["sheet_cutout"]]["side_mpc"],
        code=code_version("images/sheet.py"),
    script:
        "../workflow_scripts/images/sheet.py"
