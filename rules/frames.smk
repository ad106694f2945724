"""Stage frames: which clusters have images, which fields of the survey they need, and the frames themselves."""


rule frames_index:
    """Frames in local folders: the fields they show, and those that cannot be read."""
    output:
        fields="results/archival/frames/local_fields.parquet",
        frames="results/archival/frames/local_frames.parquet",
    log:
        "logs/archival/frames/index.log",
    benchmark:
        "logs/archival/frames/index.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        folders=frame_folders(),
        listing=frame_listing(),
        code=code_version("frames/index.py"),
    script:
        "../workflow_scripts/frames/index.py"


rule frames_sample:
    """Clusters that have images, dealt out to jobs; where nothing is downloaded, those that local frames show."""
    input:
        clusters=f"results/{{source}}/data/catalogues/{PARENT}.parquet",
        matches="results/{source}/crossmatch/matches_configured.parquet",
        fields=lambda wildcards: local_fields(wildcards.source),
    output:
        "results/{source}/frames/clusters.parquet",
    log:
        "logs/{source}/frames/sample.log",
    benchmark:
        "logs/{source}/frames/sample.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        sample={key: value for key, value in config["image_sample"].items() if key in ("clusters", "strong")},
        min_latitude_deg=lambda wildcards: (
            config["image_sample"]["min_latitude_deg"] if wildcards.source == "simulated" else 0
        ),
        jobs=config["frames"]["jobs"],
        pictures=config["mosaics"]["pictures"],
        side_mpc=IMAGE_MPC,
        cosmology=config["cosmology"],
        seed=config["seed"],
        job=of_job,
        code=code_version("frames/sample.py"),
    script:
        "../workflow_scripts/frames/sample.py"


rule frames_fields_simulated:
    """Fields of the simulated survey near the clusters that have images."""
    input:
        clusters="results/simulated/frames/clusters.parquet",
    output:
        "results/simulated/frames/fields.parquet",
    log:
        "logs/simulated/frames/fields.log",
    benchmark:
        "logs/simulated/frames/fields.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        search_mpc=config["frames"]["search_mpc"],
        lightcone=config["lightcone"],
        code=code_version("frames/fields_simulated.py"),
    script:
        "../workflow_scripts/frames/fields_simulated.py"


rule frames_fields_archival:
    """Fields of SDSS near the clusters that have images: local ones, and those that the archive lists."""
    input:
        clusters="results/archival/frames/clusters.parquet",
        local="results/archival/frames/local_fields.parquet",
    output:
        "results/archival/frames/fields.parquet",
    log:
        "logs/archival/frames/fields.log",
    benchmark:
        "logs/archival/frames/fields.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        frames={key: config["frames"][key] for key in ("download", "skyserver", "release", "rerun", "search_mpc")},
        code=code_version("frames/fields_archival.py"),
    script:
        "../workflow_scripts/frames/fields_archival.py"


rule frames_plan:
    """Fields that every cluster needs, and what all of it costs: frames, bytes, processor hours."""
    input:
        clusters="results/{source}/frames/clusters.parquet",
        fields="results/{source}/frames/fields.parquet",
    output:
        needed="results/{source}/frames/needed.parquet",
        plan="results/{source}/frames/plan.csv",
    log:
        "logs/{source}/frames/plan.log",
    benchmark:
        "logs/{source}/frames/plan.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        search_mpc=config["frames"]["search_mpc"],
        side_mpc=IMAGE_MPC,
        job=of_job,
        code=code_version("frames/plan.py"),
    script:
        "../workflow_scripts/frames/plan.py"


rule frames_blanks:
    """Fields of the simulated survey at random places, clusters or not, as one more job."""
    output:
        fields="results/simulated/frames/blank_fields.parquet",
        needed="results/simulated/frames/blank_needed.parquet",
    log:
        "logs/simulated/frames/blanks.log",
    benchmark:
        "logs/simulated/frames/blanks.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        number=config["realism"]["fields"],
        min_latitude_deg=config["realism"]["min_latitude_deg"],
        lightcone=config["lightcone"],
        job=BLANK_JOB,
        seed=config["seed"],
        code=code_version("frames/blanks.py"),
    script:
        "../workflow_scripts/frames/blanks.py"


rule frames_galaxies:
    """Galaxies of the light cone near the fields that each job draws: the truth."""
    input:
        needed="results/simulated/frames/needed.parquet",
        fields="results/simulated/frames/fields.parquet",
        halos="results/simulated/data/halos.parquet",
        tiles="results/simulated/data/tiles.parquet",
        snapshot_halos=cone_tables("halos"),
        snapshot_galaxies=cone_tables("galaxies"),
    output:
        expand("results/simulated/frames/{job}/galaxies.parquet", job=range(BLANK_JOB)),
    log:
        "logs/simulated/frames/galaxies.log",
    benchmark:
        "logs/simulated/frames/galaxies.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=5000 + round(2.4 * max(0, CLUSTERS_WITH_IMAGES - 300)),  # galaxies near all fields
        runtime=20 + round(0.006 * CLUSTERS_WITH_IMAGES),
    params:
        **CONE,
        population=config["population"],
        jobs=list(range(BLANK_JOB)),
        seed=config["seed"],
        code=code_version("frames/galaxies.py"),
    script:
        "../workflow_scripts/frames/galaxies.py"


use rule frames_galaxies as frames_blank_galaxies with:
    input:
        needed="results/simulated/frames/blank_needed.parquet",
        fields="results/simulated/frames/blank_fields.parquet",
        halos="results/simulated/data/halos.parquet",
        tiles="results/simulated/data/tiles.parquet",
        snapshot_halos=cone_tables("halos"),
        snapshot_galaxies=cone_tables("galaxies"),
    output:
        f"results/simulated/frames/{BLANK_JOB}/galaxies.parquet",
    log:
        "logs/simulated/frames/blank_galaxies.log",
    benchmark:
        "logs/simulated/frames/blank_galaxies.benchmark.tsv"
    resources:
        mem_mb=5000,
        runtime=20,
    params:
        **CONE,
        population=config["population"],
        jobs=[BLANK_JOB],
        seed=config["seed"],
        code=code_version("frames/galaxies.py"),


rule frames_simulated:
    """Simulated frames that the clusters of one job need, in the layout of the archive, and what stands on them."""
    input:
        needed=lambda wildcards: f"results/simulated/frames/{of_blanks(wildcards)}needed.parquet",
        fields=lambda wildcards: f"results/simulated/frames/{of_blanks(wildcards)}fields.parquet",
        galaxies="results/simulated/frames/{job}/galaxies.parquet",
        halos="results/simulated/data/halos.parquet",
    output:
        frames="results/simulated/frames/{job}/frames.parquet",
        stars="results/simulated/frames/{job}/stars.parquet",
        galaxies_truth="results/simulated/frames/{job}/galaxies_truth.parquet",
        stars_truth="results/simulated/frames/{job}/stars_truth.parquet",
        folder=temp(directory("results/simulated/frames/{job}/files")),
    log:
        "logs/simulated/frames/{job}.log",
    benchmark:
        "logs/simulated/frames/{job}.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        sky=config["sky"],
        population=config["population"],
        redshift=config["lightcone"]["redshift"],
        cosmology=config["cosmology"],
        seed=config["seed"],
        job=of_job,
        code=code_version("frames/simulated.py"),
    script:
        "../workflow_scripts/frames/simulated.py"


rule frames_archival:
    """Frames that the clusters of one job need, from local folders or from the archive, checked."""
    input:
        needed="results/archival/frames/needed.parquet",
        local="results/archival/frames/local_frames.parquet",
    output:
        frames="results/archival/frames/{job}/frames.parquet",
    log:
        "logs/archival/frames/{job}.log",
    benchmark:
        "logs/archival/frames/{job}.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=1440,
        archives=1,
    params:
        frames={key: config["frames"][key] for key in ("download", "server", "release")},
        job=of_job,
        code=code_version("frames/archival.py"),
    script:
        "../workflow_scripts/frames/archival.py"
