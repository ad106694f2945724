"""Stage observed: clusters of redshift surveys, real or simulated, and their masses."""


rule observed_redshifts:
    """Redshifts around a sample of clusters: usable ones, and those set aside with the reason."""
    input:
        redshift_file,
    output:
        table="results/{source}/observed/{sample}/redshifts.parquet",
        rejected="results/{source}/observed/{sample}/redshifts_rejected.parquet",
    log:
        "logs/{source}/observed/{sample}/redshifts.log",
    benchmark:
        "logs/{source}/observed/{sample}/redshifts.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        observed=observed_settings,
        survey=redshift_survey,
        code=code_version("observed/redshifts.py"),
    script:
        "../workflow_scripts/observed/redshifts.py"


rule observed_centres:
    """Centres of a sample, from catalogues or found in the redshifts, and what catalogues say about their masses."""
    input:
        redshifts="results/{source}/observed/{sample}/redshifts.parquet",
        catalogues=lambda wildcards: expand(
            "results/{source}/data/catalogues/{catalogue}.parquet",
            source=wildcards.source,
            catalogue=centre_catalogues(wildcards),
        ),
    output:
        centres="results/{source}/observed/{sample}/centres.parquet",
        references="results/{source}/observed/{sample}/references.parquet",
    log:
        "logs/{source}/observed/{sample}/centres.log",
    benchmark:
        "logs/{source}/observed/{sample}/centres.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        observed=observed_settings,
        cosmology=config["cosmology"],
        labels=lambda wildcards: config["labels"] if centre_catalogues(wildcards) else {},
        cell_deg=footprint_cells("cell_deg"),
        closing_cells=footprint_cells("closing_cells"),
        kinds=of_centres("kind", "labels"),
        published=of_centres("cosmology"),
        references=of_centres("reference", ""),
        rescaled=lambda wildcards: bool(centre_catalogues(wildcards)) and config["masses"] == "rescaled",
        code=code_version("observed/centres.py"),
    script:
        "../workflow_scripts/observed/centres.py"


rule observed_phase_space:
    """Galaxies of a sample's clusters in projected phase space, and clusters that cannot be used with the reason."""
    input:
        redshifts="results/{source}/observed/{sample}/redshifts.parquet",
        centres="results/{source}/observed/{sample}/centres.parquet",
    output:
        clusters="results/{source}/observed/{sample}/clusters.parquet",
        members="results/{source}/observed/{sample}/members.parquet",
        rejected="results/{source}/observed/{sample}/rejected.parquet",
    log:
        "logs/{source}/observed/{sample}/phase_space.log",
    benchmark:
        "logs/{source}/observed/{sample}/phase_space.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        observed=observed_settings,
        cosmology=config["cosmology"],
        cell_deg=footprint_cells("cell_deg"),
        closing_cells=footprint_cells("closing_cells"),
        trained_redshift=Z_SURVEY,
        code=code_version("observed/phase_space.py"),
    script:
        "../workflow_scripts/observed/phase_space.py"


rule observed_masses:
    """Masses of a sample: CNN3D with posteriors, virial theorem, catalogues, and what speaks against each."""
    input:
        clusters="results/{source}/observed/{sample}/clusters.parquet",
        members="results/{source}/observed/{sample}/members.parquet",
        references="results/{source}/observed/{sample}/references.parquet",
        models=trained_on("results/{simulation}/training/{mock}/cnn3d/models"),
        inference=trained_on("results/{simulation}/posteriors/{mock}/cnn3d/kde/joint.safetensors"),
        mock_clusters=trained_on("results/{simulation}/phase_space/{mock}/clusters.parquet"),
        mock_members=trained_on("results/{simulation}/phase_space/{mock}/members.parquet"),
    output:
        masses="results/{source}/observed/{sample}/masses.parquet",
        domain="results/{source}/observed/{sample}/domain.parquet",
    log:
        "logs/{source}/observed/{sample}/masses.log",
    benchmark:
        "logs/{source}/observed/{sample}/masses.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=gpu_of(config["training_cnn3d"]),
        mem_mb=5000,
        runtime=30,
    params:
        observed=observed_settings,
        cosmology=config["cosmology"],
        networks={"cnn3d": config["networks"]["cnn3d"]},
        kde3d=config["kde3d"],
        training=config["training_cnn3d"],
        posterior=posterior_settings("limits"),
        seed=config["seed"],
        code=code_version("observed/masses.py"),
    script:
        "../workflow_scripts/observed/masses.py"
