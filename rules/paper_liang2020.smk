"""Liang et al. (2020): figures and tables."""


rule liang2020:
    """Every figure and table of Liang et al. (2020)."""
    input:
        expand(
            "figures/{source}/liang2020/{figure}.{kind}",
            source=config["source"],
            figure=["fig01", "figS1", "figS3", *trained_images(config["source"], ["fig02", "figS2"])],
            kind=["pdf", "png"],
        ),
        expand(
            "results/{source}/liang2020/{table}.{kind}",
            source=config["source"],
            table=["tableS1", "tableS2", *trained_images(config["source"], ["table1", "table1_headlines"])],
            kind=["csv", "md", "tex"],
        ),


rule liang2020_figS1:
    """Liang et al. (2020) Fig. S1: one cluster in five bands."""
    input:
        clusters="results/{source}/frames/clusters.parquet",
        images=mosaic_jobs("zarr.zip"),
        labels="results/{source}/crossmatch/labels.parquet",
    output:
        csv="results/{source}/liang2020/figS1.csv",
        pdf=report(
            "figures/{source}/liang2020/figS1.pdf",
            caption="captions/liang2020_figS1.rst",
            category="Liang et al. (2020)",
            labels={"artefact": "Fig. S1", "data": "{source}"},
        ),
        png="figures/{source}/liang2020/figS1.png",
    log:
        "logs/{source}/liang2020/figS1.log",
    benchmark:
        "logs/{source}/liang2020/figS1.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pictures=config["pictures"],
        cutout="liang2020",
        side_mpc=config["mosaics"]["cutouts"]["liang2020"]["side_mpc"],
        code=code_version("liang2020/figS1_bands.py"),
    script:
        "../workflow_scripts/liang2020/figS1_bands.py"


rule liang2020_fig01:
    """Liang et al. (2020) Fig. 1: both branches, drawn from the networks that are trained."""
    output:
        csv="results/{source}/liang2020/fig01.csv",
        pdf=report(
            "figures/{source}/liang2020/fig01.pdf",
            caption="captions/liang2020_fig01.rst",
            category="Liang et al. (2020)",
            labels={"artefact": "Fig. 1", "data": "{source}"},
        ),
        png="figures/{source}/liang2020/fig01.png",
    log:
        "logs/{source}/liang2020/fig01.log",
    benchmark:
        "logs/{source}/liang2020/fig01.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        bands=IMAGES["liang2020"]["bands"]["network"],
        regressor=IMAGES["liang2020"]["regressor"],
        pixels=config["images"]["pixels"],
        code=code_version("liang2020/fig01_architecture.py"),
    script:
        "../workflow_scripts/liang2020/fig01_architecture.py"


rule liang2020_table1:
    """Liang et al. (2020) Table 1: errors of Base and Ours by share of the training set."""
    input:
        base=richness_tables("base"),
        ours=richness_tables("ours"),
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/liang2020/table1.csv",
            caption="captions/liang2020_table1.rst",
            category="Liang et al. (2020)",
            labels={"artefact": "Table 1", "data": "{source}"},
        ),
        md="results/{source}/liang2020/table1.md",
        tex="results/{source}/liang2020/table1.tex",
        headlines_csv="results/{source}/liang2020/table1_headlines.csv",
        headlines_md="results/{source}/liang2020/table1_headlines.md",
        headlines_tex="results/{source}/liang2020/table1_headlines.tex",
    log:
        "logs/{source}/liang2020/table1.log",
    benchmark:
        "logs/{source}/liang2020/table1.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        draws=config["interpretation"]["bootstrap_draws"],
        extractor=IMAGES["liang2020"]["bands"]["network"]["extractor"],
        seed=config["seed"],
        code=code_version("liang2020/table1_performance.py"),
    script:
        "../workflow_scripts/liang2020/table1_performance.py"


rule liang2020_fig02:
    """Liang et al. (2020) Fig. 2: occlusion maps of two clusters, with member galaxies and stars."""
    input:
        maps=[
            "results/{source}/interpretation/occlusion_0.safetensors",
            "results/{source}/interpretation/occlusion_1.safetensors",
        ],
        attention="results/{source}/interpretation/occlusion.parquet",
    output:
        csv="results/{source}/liang2020/fig02.csv",
        pdf=report(
            "figures/{source}/liang2020/fig02.pdf",
            caption="captions/liang2020_fig02.rst",
            category="Liang et al. (2020)",
            labels={"artefact": "Fig. 2", "data": "{source}"},
        ),
        png="figures/{source}/liang2020/fig02.png",
    log:
        "logs/{source}/liang2020/fig02.log",
    benchmark:
        "logs/{source}/liang2020/fig02.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        occlusion=config["attribution"]["occlusion"],
        side_mpc=config["mosaics"]["cutouts"]["liang2020"]["side_mpc"],
        weights=IMAGES["liang2020"]["bands"]["network"]["extractor"]["weights"],
        code=code_version("liang2020/fig02_occlusion.py"),
    script:
        "../workflow_scripts/liang2020/fig02_occlusion.py"


rule liang2020_tableS1:
    """Liang et al. (2020) Table S1: the training step of richness, from its source."""
    output:
        csv=report(
            "results/{source}/liang2020/tableS1.csv",
            caption="captions/liang2020_tableS1.rst",
            category="Liang et al. (2020)",
            labels={"artefact": "Table S1", "data": "{source}"},
        ),
        md="results/{source}/liang2020/tableS1.md",
        tex="results/{source}/liang2020/tableS1.tex",
    log:
        "logs/{source}/liang2020/tableS1.log",
    benchmark:
        "logs/{source}/liang2020/tableS1.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        code=code_version("liang2020/tableS1_pseudocode.py"),
    script:
        "../workflow_scripts/liang2020/tableS1_pseudocode.py"


rule liang2020_tableS2:
    """Liang et al. (2020) Table S2: layers of the richness branch, beside the published shapes."""
    input:
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/liang2020/tableS2.csv",
            caption="captions/liang2020_tableS2.rst",
            category="Liang et al. (2020)",
            labels={"artefact": "Table S2", "data": "{source}"},
        ),
        md="results/{source}/liang2020/tableS2.md",
        tex="results/{source}/liang2020/tableS2.tex",
    log:
        "logs/{source}/liang2020/tableS2.log",
    benchmark:
        "logs/{source}/liang2020/tableS2.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        extractor=IMAGES["liang2020"]["bands"]["network"]["extractor"],
        regressor=IMAGES["liang2020"]["regressor"],
        code=code_version("liang2020/tableS2_layers.py"),
    script:
        "../workflow_scripts/liang2020/tableS2_layers.py"


rule liang2020_figS2:
    """Liang et al. (2020) Fig. S2: errors of Base and Ours against the share of the training set."""
    input:
        base=richness_tables("base"),
        ours=richness_tables("ours"),
        published=PUBLISHED,
    output:
        csv="results/{source}/liang2020/figS2.csv",
        pdf=report(
            "figures/{source}/liang2020/figS2.pdf",
            caption="captions/liang2020_figS2.rst",
            category="Liang et al. (2020)",
            labels={"artefact": "Fig. S2", "data": "{source}"},
        ),
        png="figures/{source}/liang2020/figS2.png",
    log:
        "logs/{source}/liang2020/figS2.log",
    benchmark:
        "logs/{source}/liang2020/figS2.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        draws=config["interpretation"]["bootstrap_draws"],
        seed=config["seed"],
        weights=IMAGES["liang2020"]["bands"]["network"]["extractor"]["weights"],
        code=code_version("liang2020/figS2_curves.py"),
    script:
        "../workflow_scripts/liang2020/figS2_curves.py"


rule liang2020_figS3:
    """Liang et al. (2020) Fig. S3: channel ordering as pre-training on natural images."""
    input:
        scores=expand("results/{{source}}/transfer/natural/{dataset}/scores.parquet", dataset=natural_datasets()),
        published=PUBLISHED,
    output:
        csv="results/{source}/liang2020/figS3.csv",
        pdf=report(
            "figures/{source}/liang2020/figS3.pdf",
            caption="captions/liang2020_figS3.rst",
            category="Liang et al. (2020)",
            labels={"artefact": "Fig. S3", "data": "{source}"},
        ),
        png="figures/{source}/liang2020/figS3.png",
    log:
        "logs/{source}/liang2020/figS3.log",
    benchmark:
        "logs/{source}/liang2020/figS3.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        titles={name: each["title"] for name, each in config["natural"]["datasets"].items()},
        missing={
            name: f"{each['wanted']} at {each['images']['path']}, in archive.folder or here"
            for name, each in config["natural"]["datasets"].items()
            if name not in natural_datasets()
        },
        code=code_version("liang2020/figS3_natural.py"),
    script:
        "../workflow_scripts/liang2020/figS3_natural.py"
