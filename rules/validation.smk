"""Stage validation: the embedded universe held against theory and observation, each figure with its number."""


rule validation:
    """The validation page of the embedded universe: figures, verdicts, time and memory."""
    input:
        expand(
            "figures/simulated/validation/{snapshot}/{figure}.{kind}",
            snapshot=[f"z{redshift:g}" for redshift in DYNAMICS],
            figure=["matter", "galaxies"],
            kind=["pdf", "png"],
        ),
        expand(
            "results/simulated/validation/{table}.{kind}",
            table=["summary", "performance"],
            kind=["csv", "md", "tex"],
        ),


rule validation_measure:
    """Statistics of one box at one redshift: matter, halos, galaxies."""
    input:
        particles="results/simulated/universe/{box}/{snapshot}/particles.safetensors",
        power="results/simulated/universe/{box}/{snapshot}/power.parquet",
        found="results/simulated/universe/{box}/{snapshot}/found.parquet",
        halos="results/simulated/universe/{box}/{snapshot}/halos.parquet",
        galaxies="results/simulated/universe/{box}/{snapshot}/galaxies.parquet",
    output:
        "results/simulated/validation/{snapshot}/{box}.parquet",
    log:
        "logs/simulated/validation/{snapshot}/{box}.log",
    benchmark:
        "logs/simulated/validation/{snapshot}/{box}.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        cosmology=config["cosmology"],
        nbody=config["nbody"],
        galaxies=config["galaxies"],
        validation=config["validation"],
        code=code_version("validation/measure.py"),
    script:
        "../workflow_scripts/validation/measure.py"


rule validation_matter:
    """Embedded universe: mass function, power spectrum, bias and infall of halos, against theory."""
    input:
        statistics=expand("results/simulated/validation/{{snapshot}}/{box}.parquet", box=BOXES),
    output:
        csv="results/simulated/validation/{snapshot}/matter.csv",
        pdf=report(
            "figures/simulated/validation/{snapshot}/matter.pdf",
            caption="captions/validation_matter.rst",
            category="Embedded universe",
            labels={"artefact": "matter and halos", "data": "simulated, {snapshot}"},
        ),
        png="figures/simulated/validation/{snapshot}/matter.png",
    log:
        "logs/simulated/validation/{snapshot}/matter.log",
    benchmark:
        "logs/simulated/validation/{snapshot}/matter.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        boxes=BOXES,
        validation=config["validation"],
        code=code_version("validation/matter.py"),
    script:
        "../workflow_scripts/validation/matter.py"


rule validation_galaxies:
    """Embedded universe: speeds, numbers, profiles and functions of galaxies, and interlopers."""
    input:
        statistics=expand("results/simulated/validation/{{snapshot}}/{box}.parquet", box=BOXES),
    output:
        csv="results/simulated/validation/{snapshot}/galaxies.csv",
        pdf=report(
            "figures/simulated/validation/{snapshot}/galaxies.pdf",
            caption="captions/validation_galaxies.rst",
            category="Embedded universe",
            labels={"artefact": "galaxies", "data": "simulated, {snapshot}"},
        ),
        png="figures/simulated/validation/{snapshot}/galaxies.png",
    log:
        "logs/simulated/validation/{snapshot}/galaxies.log",
    benchmark:
        "logs/simulated/validation/{snapshot}/galaxies.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        boxes=BOXES,
        validation=config["validation"],
        code=code_version("validation/galaxies.py"),
    script:
        "../workflow_scripts/validation/galaxies.py"


rule validation_summary:
    """Embedded universe: every check with its number, tolerance, verdict, and the reason where it is not met."""
    input:
        statistics=expand("results/simulated/validation/z{redshift:g}/{box}.parquet", redshift=DYNAMICS, box=BOXES),
    output:
        csv=report(
            "results/simulated/validation/summary.csv",
            caption="captions/validation_summary.rst",
            category="Embedded universe",
            labels={"artefact": "verdicts", "data": "simulated"},
        ),
        md="results/simulated/validation/summary.md",
        tex="results/simulated/validation/summary.tex",
    log:
        "logs/simulated/validation/summary.log",
    benchmark:
        "logs/simulated/validation/summary.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        boxes=BOXES,
        redshifts=DYNAMICS,
        smallest=config["universe"]["min_particles"],
        validation=config["validation"],
        code=code_version("validation/summary.py"),
    script:
        "../workflow_scripts/validation/summary.py"


rule validation_performance:
    """Embedded universe: wall-clock time and peak memory of its rules."""
    input:
        expand("results/simulated/validation/z{redshift:g}/{box}.parquet", redshift=DYNAMICS, box=BOXES),
    output:
        csv=report(
            "results/simulated/validation/performance.csv",
            caption="captions/validation_performance.rst",
            category="Embedded universe",
            labels={"artefact": "time and memory", "data": "simulated"},
        ),
        md="results/simulated/validation/performance.md",
        tex="results/simulated/validation/performance.tex",
    log:
        "logs/simulated/validation/performance.log",
    benchmark:
        "logs/simulated/validation/performance.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        benchmarks=universe_benchmarks(),
        code=code_version("validation/performance.py"),
    script:
        "../workflow_scripts/validation/performance.py"
