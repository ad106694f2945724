"""Stage realism: real and simulated frames, measured in the same way."""


rule realism:
    """The realism page: statistics of simulated frames against real ones, and both side by side."""
    input:
        "figures/simulated/realism/realism.pdf",
        "figures/simulated/realism/fields.pdf",
        "results/simulated/realism/realism.csv",
        "results/simulated/realism/verdicts.csv",


rule realism_measure:
    """Noise, sky, seeing, counts, sizes and colours of some fields, and a picture of one."""
    input:
        unpack(lambda wildcards: measured_frames(wildcards.source)),
    output:
        statistics="results/{source}/realism/statistics.parquet",
        objects="results/{source}/realism/objects.parquet",
        picture="results/{source}/realism/picture.npz",
    log:
        "logs/{source}/realism/measure.log",
    benchmark:
        "logs/{source}/realism/measure.benchmark.tsv"
    priority: 10  # frames are large
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        realism=realism_settings("red_sequence"),
        seed=config["seed"],
        code=code_version("realism/measure.py"),
    script:
        "../workflow_scripts/realism/measure.py"


rule realism_catalogue:
    """Objects of the fields of clusters' images in g, r and i, and the area looked at."""
    input:
        frames="results/simulated/frames/{job}/frames.parquet",
        needed="results/simulated/frames/needed.parquet",
        folder=frame_files("simulated"),
    output:
        objects="results/simulated/realism/{job}/objects.parquet",
        coverage="results/simulated/realism/{job}/coverage.parquet",
    log:
        "logs/simulated/realism/{job}.log",
    benchmark:
        "logs/simulated/realism/{job}.benchmark.tsv"
    priority: 10  # frames are large
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        realism=realism_settings("red_sequence", "fields", "min_latitude_deg", "picture_arcsec"),
        code=code_version("realism/catalogue.py"),
    script:
        "../workflow_scripts/realism/catalogue.py"


rule realism_counts:
    """Red-sequence galaxies of simulated clusters, counted in their frames."""
    input:
        clusters="results/simulated/frames/clusters.parquet",
        objects=expand("results/simulated/realism/{job}/objects.parquet", job=REALISM_JOBS),
        coverage=expand("results/simulated/realism/{job}/coverage.parquet", job=REALISM_JOBS),
        labels="results/simulated/crossmatch/labels.parquet",
    output:
        "results/simulated/realism/counts.parquet",
    log:
        "logs/simulated/realism/counts.log",
    benchmark:
        "logs/simulated/realism/counts.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        realism=realism_settings("fields", "min_latitude_deg", "picture_arcsec"),
        cosmology=config["cosmology"],
        jobs=list(REALISM_JOBS),
        code=code_version("realism/counts.py"),
    script:
        "../workflow_scripts/realism/counts.py"


rule realism_table:
    """Simulated against real frames: numbers, tolerances, verdicts."""
    input:
        real="results/archival/realism/statistics.parquet",
        simulated="results/simulated/realism/statistics.parquet",
        counts="results/simulated/realism/counts.parquet",
    output:
        verdicts="results/simulated/realism/verdicts.parquet",
        csv=report(
            "results/simulated/realism/verdicts.csv",
            caption="captions/realism_verdicts.rst",
            category="Embedded universe",
            labels={"artefact": "frames: verdicts", "data": "simulated"},
        ),
        md="results/simulated/realism/verdicts.md",
        tex="results/simulated/realism/verdicts.tex",
    log:
        "logs/simulated/realism/table.log",
    benchmark:
        "logs/simulated/realism/table.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        realism=config["realism"],
        seed=config["seed"],
        code=code_version("realism/table.py"),
    script:
        "../workflow_scripts/realism/table.py"


rule realism_figure:
    """Real and simulated frames, statistic by statistic."""
    input:
        verdicts="results/simulated/realism/verdicts.parquet",
        counts="results/simulated/realism/counts.parquet",
        real="results/archival/realism/statistics.parquet",
        simulated="results/simulated/realism/statistics.parquet",
        real_objects="results/archival/realism/objects.parquet",
        simulated_objects="results/simulated/realism/objects.parquet",
    output:
        csv="results/simulated/realism/realism.csv",
        pdf=report(
            "figures/simulated/realism/realism.pdf",
            caption="captions/realism.rst",
            category="Embedded universe",
            labels={"artefact": "frames", "data": "simulated"},
        ),
        png="figures/simulated/realism/realism.png",
    log:
        "logs/simulated/realism/figure.log",
    benchmark:
        "logs/simulated/realism/figure.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        realism=config["realism"],
        code=code_version("realism/figure.py"),
    script:
        "../workflow_scripts/realism/figure.py"


rule realism_pictures:
    """A real and a simulated field side by side."""
    input:
        real="results/archival/realism/picture.npz",
        simulated="results/simulated/realism/picture.npz",
    output:
        pdf=report(
            "figures/simulated/realism/fields.pdf",
            caption="captions/realism_fields.rst",
            category="Embedded universe",
            labels={"artefact": "frames: pictures", "data": "simulated"},
        ),
        png="figures/simulated/realism/fields.png",
    log:
        "logs/simulated/realism/pictures.log",
    benchmark:
        "logs/simulated/realism/pictures.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        realism=config["realism"],
        pictures=config["pictures"],
        code=code_version("realism/pictures.py"),
    script:
        "../workflow_scripts/realism/pictures.py"
