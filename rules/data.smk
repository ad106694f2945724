"""Stage data: cluster catalogues, real or simulated, in one contract."""


rule data_halos:
    """Simulated light cone: halos of all boxes' snapshots in random tiles, with parent objects."""
    input:
        cone_tables("halos"),
    output:
        halos="results/simulated/data/halos.parquet",
        tiles="results/simulated/data/tiles.parquet",
    log:
        "logs/simulated/data/halos.log",
    benchmark:
        "logs/simulated/data/halos.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        **CONE,
        seed=config["seed"],
        code=code_version("data/halos.py"),
    script:
        "../workflow_scripts/data/halos.py"


rule data_richness:
    """Clusters of the light cone: richness, redshift and members, by a red-sequence cluster finder."""
    input:
        halos="results/simulated/data/halos.parquet",
        tiles="results/simulated/data/tiles.parquet",
        snapshot_halos=cone_tables("halos"),
        snapshot_galaxies=cone_tables("galaxies"),
    output:
        clusters="results/simulated/data/richness.parquet",
        members="results/simulated/data/members.parquet",
    log:
        "logs/simulated/data/richness.log",
    benchmark:
        "logs/simulated/data/richness.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 2
    resources:
        mem_mb=7000,
        runtime=30,
    params:
        **CONE,
        seed=config["seed"],
        code=code_version("data/richness.py"),
    script:
        "../workflow_scripts/data/richness.py"


rule data_spectroscopy:
    """Spectroscopic survey of the light cone's galaxies, flux-limited, with fibre collisions as configured."""
    input:
        halos="results/simulated/data/halos.parquet",
        tiles="results/simulated/data/tiles.parquet",
        clusters="results/simulated/data/richness.parquet",
        snapshot_halos=cone_tables("halos"),
        snapshot_galaxies=cone_tables("galaxies"),
    output:
        table="results/simulated/data/spectroscopy.parquet",
        truth="results/simulated/data/spectroscopy_truth.parquet",
    log:
        "logs/simulated/data/spectroscopy.log",
    benchmark:
        "logs/simulated/data/spectroscopy.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=5000,
        runtime=20,
    params:
        **CONE,
        spectroscopy=config["spectroscopy"],
        seed=config["seed"],
        code=code_version("data/spectroscopy.py"),
    script:
        "../workflow_scripts/data/spectroscopy.py"


rule data_survey:
    """Simulated catalogue of one survey, in the real one's columns."""
    input:
        lambda wildcards: f"results/simulated/data/{'richness' if wildcards.survey == 'redmapper' else 'halos'}.parquet",
    output:
        "results/simulated/data/surveys/{survey}.fits",
    log:
        "logs/simulated/data/surveys/{survey}.log",
    benchmark:
        "logs/simulated/data/surveys/{survey}.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        cosmology=config["cosmology"],
        published=published_cosmology,
        seed=config["seed"],
        job=of_job,
        code=code_version("data/survey.py"),
    script:
        "../workflow_scripts/data/survey.py"


rule data_catalogue_simulated:
    """Simulated catalogue in its contract; rows that cannot be used go to the rejected table."""
    input:
        simulated_catalogue,
    output:
        table="results/{source}/data/catalogues/{catalogue}.parquet",
        rejected="results/{source}/data/catalogues/{catalogue}_rejected.parquet",
    log:
        "logs/{source}/data/catalogues/{catalogue}.log",
    benchmark:
        "logs/{source}/data/catalogues/{catalogue}.benchmark.tsv"
    wildcard_constraints:
        source="simulated",
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        stanza=stanza,
        cosmology=of_masses("cosmology"),
        masses=of_masses("masses"),
        job=of_job,
        code=code_version("data/catalogue.py"),
    script:
        "../workflow_scripts/data/catalogue.py"


use rule data_catalogue_simulated as data_catalogue_archival with:
    input:
        local_catalogue,
    wildcard_constraints:
        source="archival",


rule data_members:
    """Member galaxies of the simulated redMaPPer catalogue, in columns of the real one's."""
    input:
        catalogue="results/simulated/data/surveys/redmapper.fits",
        members="results/simulated/data/members.parquet",
    output:
        "results/simulated/data/redmapper_members.fits",
    log:
        "logs/simulated/data/members.log",
    benchmark:
        "logs/simulated/data/members.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        code=code_version("data/members.py"),
    script:
        "../workflow_scripts/data/members.py"
