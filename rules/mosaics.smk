"""Stage mosaics: frames of every cluster brought to one grid, and images cut from them."""


rule mosaics_job:
    """Mosaics of the clusters of one job in five bands, cut to the sizes of the networks (Lin et al. 2022, 2.1)."""
    input:
        clusters="results/{source}/frames/clusters.parquet",
        needed="results/{source}/frames/needed.parquet",
        frames="results/{source}/frames/{job}/frames.parquet",
        folder=lambda wildcards: frame_files(wildcards.source),
    output:
        images="results/{source}/mosaics/{job}.zarr.zip",
        table="results/{source}/mosaics/{job}.parquet",
    log:
        "logs/{source}/mosaics/{job}.log",
    benchmark:
        "logs/{source}/mosaics/{job}.benchmark.tsv"
    cache: CACHED
    priority: 10  # frames are large: those of a job go before others are made
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        mosaics=config["mosaics"],
        job=of_job,
        code=code_version("mosaics/job.py"),
    script:
        "../workflow_scripts/mosaics/job.py"


rule mosaics_table:
    """Coverage, depth and noise of all mosaics, and clusters that are set aside with the reason."""
    input:
        mosaic_jobs("parquet"),
    output:
        "results/{source}/mosaics/mosaics.parquet",
    log:
        "logs/{source}/mosaics/table.log",
    benchmark:
        "logs/{source}/mosaics/table.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        code=code_version("mosaics/table.py"),
    script:
        "../workflow_scripts/mosaics/table.py"
