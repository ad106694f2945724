"""Stage universe: simulated boxes of dark matter with galaxies in them, or snapshots of real simulations."""


rule universe:
    """The universe: simulated boxes, galaxies, sky, catalogues and their validation; or real simulations' snapshots."""
    input:
        universe_products(),


rule universe_box:
    """One N-body box from 2LPT initial conditions: particles, halos, power spectrum of every snapshot."""
    output:
        **of_snapshots("found", "parquet"),
        **of_snapshots("particles", "safetensors"),
        **of_snapshots("power", "parquet"),
    log:
        "logs/simulated/universe/{box}.log",
    benchmark:
        "logs/simulated/universe/{box}.benchmark.tsv"
    cache: CACHED
    conda:
        "../envs/torch.yaml"
    threads: config["nbody"]["threads"]
    resources:
        mem_mb=box_memory(8000),
        gpu=gpu_of(config["nbody"]),
        runtime=60,
    params:
        nbody=config["nbody"],
        whole=DYNAMICS,
        cosmology=config["cosmology"],
        seed=config["seed"],
        job=of_job,
        code=code_version("universe/box.py"),
    script:
        "../workflow_scripts/universe/box.py"


rule universe_matching:
    """Factor that brings raw masses of halos to the mass function; fitted without the held-out box."""
    input:
        expand("results/simulated/universe/{box}/{{snapshot}}/found.parquet", box=BOXES[:-1]),
    output:
        "results/simulated/universe/matching_{snapshot}.parquet",
    log:
        "logs/simulated/universe/matching_{snapshot}.log",
    benchmark:
        "logs/simulated/universe/matching_{snapshot}.benchmark.tsv"
    cache: CACHED
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        mass_matching=config["universe"]["mass_matching"],
        nbody=config["nbody"],
        cosmology=config["cosmology"],
        job=of_job,
        code=code_version("universe/matching.py"),
    script:
        "../workflow_scripts/universe/matching.py"


rule universe_halos:
    """Resolved halos of a snapshot, with matched masses and concentrations."""
    input:
        found="results/simulated/universe/{box}/{snapshot}/found.parquet",
        matching="results/simulated/universe/matching_{snapshot}.parquet",
    output:
        "results/simulated/universe/{box}/{snapshot}/halos.parquet",
    log:
        "logs/simulated/universe/{box}/{snapshot}/halos.log",
    benchmark:
        "logs/simulated/universe/{box}/{snapshot}/halos.benchmark.tsv"
    cache: CACHED
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        smallest=smallest_halo(),
        box_mpc_h=config["nbody"]["box_mpc_h"],
        cosmology=config["cosmology"],
        seed=config["seed"],
        job=of_job,
        code=code_version("universe/halos.py"),
    script:
        "../workflow_scripts/universe/halos.py"


rule universe_galaxies:
    """Galaxies of a snapshot, with stellar masses and luminosities, in resolved and unresolved halos."""
    input:
        halos="results/simulated/universe/{box}/{snapshot}/halos.parquet",
        particles="results/simulated/universe/{box}/{snapshot}/particles.safetensors",
    output:
        "results/simulated/universe/{box}/{snapshot}/galaxies.parquet",
    log:
        "logs/simulated/universe/{box}/{snapshot}/galaxies.log",
    benchmark:
        "logs/simulated/universe/{box}/{snapshot}/galaxies.benchmark.tsv"
    cache: CACHED
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=box_memory(7000),
        runtime=30,
    params:
        galaxies=galaxy_options,
        smallest=smallest_halo(),
        cosmology=config["cosmology"],
        seed=config["seed"],
        job=of_job,
        code=code_version("universe/galaxies.py"),
    script:
        "../workflow_scripts/universe/galaxies.py"


rule universe_snapshot:
    """Snapshot of a real simulation, as `snapshots` in the configuration names it."""
    input:
        lambda wildcards: snapshot_files(wildcards.box),
    output:
        halos="results/archival/universe/{box}/{snapshot}/halos.parquet",
        galaxies="results/archival/universe/{box}/{snapshot}/galaxies.parquet",
        rejected="results/archival/universe/{box}/{snapshot}/rejected.parquet",
    log:
        "logs/archival/universe/{box}/{snapshot}.log",
    benchmark:
        "logs/archival/universe/{box}/{snapshot}.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        stanza=lambda wildcards: config["snapshots"][wildcards.box],
        folder=config["archive"]["folder"] or ".",
        code=code_version("universe/snapshot.py"),
    script:
        "../workflow_scripts/universe/snapshot.py"
