"""Lin et al. (2022): figures and tables."""


rule lin2022:
    """Every figure and table of Lin et al. (2022)."""
    input:
        expand(
            "figures/{source}/lin2022/{figure}.{kind}",
            source=config["source"],
            figure=[
                "fig01",
                "fig02",
                *trained_images(config["source"], ["fig03", "fig04", "fig05", "fig06", "fig07"]),
            ],
            kind=["pdf", "png"],
        ),
        expand(
            "results/{source}/lin2022/{table}.{kind}",
            source=config["source"],
            table=["counts", "table1", *trained_images(config["source"], ["table2"])],
            kind=["csv", "md", "tex"],
        ),
        expand(
            "figures/{source}/interpretation/image_uncertainty.{kind}",
            source=config["source"],
            kind=trained_images(config["source"], ["pdf", "png"]),
        ),
        expand(
            "results/{source}/interpretation/{name}.csv",
            source=config["source"],
            name=trained_images(
                config["source"], ["image_uncertainty", "image_variants", "image_controls", "image_epochs"]
            ),
        ),


rule lin2022_fig01:
    """Lin et al. (2022) Fig. 1: mass against redshift by source catalogue."""
    input:
        labels="results/{source}/crossmatch/labels.parquet",
    output:
        csv="results/{source}/lin2022/fig01.csv",
        pdf=report(
            "figures/{source}/lin2022/fig01.pdf",
            caption="captions/lin2022_fig01.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Fig. 1", "data": "{source}"},
        ),
        png="figures/{source}/lin2022/fig01.png",
    log:
        "logs/{source}/lin2022/fig01.log",
    benchmark:
        "logs/{source}/lin2022/fig01.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        titles={name: config["catalogues"][name]["title"] for name in LABEL_CATALOGUES},
        labels=config["labels"],
        richness_cut=config["catalogues"][PARENT]["cuts"].get("richness", {}).get("above"),
        figures=figure_choices("lin2022"),
        code=code_version("lin2022/fig01_mass_redshift.py"),
    script:
        "../workflow_scripts/lin2022/fig01_mass_redshift.py"


rule lin2022_counts:
    """Lin et al. (2022) section 2.3: rows, matches and labels, beside the published ones."""
    input:
        catalogues=expand("results/{{source}}/data/catalogues/{name}.parquet", name=[PARENT, *LABEL_CATALOGUES]),
        labels="results/{source}/crossmatch/labels.parquet",
        matches=expand("results/{{source}}/crossmatch/matches_{reading}.parquet", reading=["configured", *READINGS]),
        chance="results/{source}/crossmatch/chance.csv",
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/lin2022/counts.csv",
            caption="captions/lin2022_counts.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "counts", "data": "{source}"},
        ),
        md="results/{source}/lin2022/counts.md",
        tex="results/{source}/lin2022/counts.tex",
    log:
        "logs/{source}/lin2022/counts.log",
    benchmark:
        "logs/{source}/lin2022/counts.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        parent=PARENT,
        catalogues=[PARENT, *LABEL_CATALOGUES],
        titles={name: config["catalogues"][name]["title"] for name in [PARENT, *LABEL_CATALOGUES]},
        readings=["configured", *READINGS],
        code=code_version("lin2022/counts.py"),
    script:
        "../workflow_scripts/lin2022/counts.py"


rule lin2022_fig02:
    """Lin et al. (2022) Fig. 2: extractor, band head and regressor, drawn from the networks that are trained."""
    output:
        csv="results/{source}/lin2022/fig02.csv",
        pdf=report(
            "figures/{source}/lin2022/fig02.pdf",
            caption="captions/lin2022_fig02.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Fig. 2", "data": "{source}"},
        ),
        png="figures/{source}/lin2022/fig02.png",
    log:
        "logs/{source}/lin2022/fig02.log",
    benchmark:
        "logs/{source}/lin2022/fig02.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        bands=IMAGES["lin2022"]["bands"]["network"],
        regressor=IMAGES["lin2022"]["regressor"],
        pixels=config["images"]["pixels"],
        code=code_version("lin2022/fig02_architecture.py"),
    script:
        "../workflow_scripts/lin2022/fig02_architecture.py"


rule lin2022_table1:
    """Lin et al. (2022) Table 1: layers of the regressor, beside the published shapes."""
    input:
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/lin2022/table1.csv",
            caption="captions/lin2022_table1.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Table 1", "data": "{source}"},
        ),
        md="results/{source}/lin2022/table1.md",
        tex="results/{source}/lin2022/table1.tex",
    log:
        "logs/{source}/lin2022/table1.log",
    benchmark:
        "logs/{source}/lin2022/table1.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        bands=IMAGES["lin2022"]["bands"]["network"],
        regressor=IMAGES["lin2022"]["regressor"],
        code=code_version("lin2022/table1_layers.py"),
    script:
        "../workflow_scripts/lin2022/table1_layers.py"


rule lin2022_fig03:
    """Lin et al. (2022) Fig. 3: predicted masses against their labels, by source catalogue."""
    input:
        predictions=masses_of(TABLE2_MODELS[-1]),
    output:
        csv="results/{source}/lin2022/fig03.csv",
        pdf=report(
            "figures/{source}/lin2022/fig03.pdf",
            caption="captions/lin2022_fig03.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Fig. 3", "data": "{source}"},
        ),
        png="figures/{source}/lin2022/fig03.png",
    log:
        "logs/{source}/lin2022/fig03.log",
    benchmark:
        "logs/{source}/lin2022/fig03.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        made=MADE_FROM,
        model=TABLE2_MODELS[-1],
        titles={name: config["catalogues"][name]["title"] for name in LABEL_CATALOGUES},
        labels=config["labels"],
        richness_cut=config["catalogues"][PARENT]["cuts"].get("richness", {}).get("above"),
        figures=figure_choices("lin2022"),
        code=code_version("lin2022/fig03_predictions.py"),
    script:
        "../workflow_scripts/lin2022/fig03_predictions.py"


rule lin2022_fig04:
    """Lin et al. (2022) Fig. 4: absolute errors and residuals against mass, beside masses from richness."""
    input:
        predictions=masses_of(TABLE2_MODELS[-1]),
    output:
        csv="results/{source}/lin2022/fig04.csv",
        pdf=report(
            "figures/{source}/lin2022/fig04.pdf",
            caption="captions/lin2022_fig04.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Fig. 4", "data": "{source}"},
        ),
        png="figures/{source}/lin2022/fig04.png",
    log:
        "logs/{source}/lin2022/fig04.log",
    benchmark:
        "logs/{source}/lin2022/fig04.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        made=MADE_FROM,
        model=TABLE2_MODELS[-1],
        figures=figure_choices("lin2022"),
        code=code_version("lin2022/fig04_mass.py"),
    script:
        "../workflow_scripts/lin2022/fig04_mass.py"


rule lin2022_fig05:
    """Lin et al. (2022) Fig. 5: absolute errors and residuals against redshift, beside masses from richness."""
    input:
        predictions=masses_of(TABLE2_MODELS[-1]),
    output:
        csv="results/{source}/lin2022/fig05.csv",
        pdf=report(
            "figures/{source}/lin2022/fig05.pdf",
            caption="captions/lin2022_fig05.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Fig. 5", "data": "{source}"},
        ),
        png="figures/{source}/lin2022/fig05.png",
    log:
        "logs/{source}/lin2022/fig05.log",
    benchmark:
        "logs/{source}/lin2022/fig05.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        made=MADE_FROM,
        model=TABLE2_MODELS[-1],
        figures=figure_choices("lin2022"),
        code=code_version("lin2022/fig05_redshift.py"),
    script:
        "../workflow_scripts/lin2022/fig05_redshift.py"


rule lin2022_table2:
    """Lin et al. (2022) Table 2: errors of models of masses, and which of two is better."""
    input:
        **{model: masses_of(model) for model in IMAGES["lin2022"]["models"]},
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/lin2022/table2.csv",
            caption="captions/lin2022_table2.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Table 2", "data": "{source}"},
        ),
        md="results/{source}/lin2022/table2.md",
        tex="results/{source}/lin2022/table2.tex",
    log:
        "logs/{source}/lin2022/table2.log",
    benchmark:
        "logs/{source}/lin2022/table2.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        made=MADE_FROM,
        models=list(IMAGES["lin2022"]["models"]),
        interpretation={"bootstrap_draws": config["interpretation"]["bootstrap_draws"]},
        seed=config["seed"],
        code=code_version("lin2022/table2_models.py"),
    script:
        "../workflow_scripts/lin2022/table2_models.py"


rule lin2022_fig06:
    """Lin et al. (2022) Fig. 6: distributions of masses that three models predict, and of their labels."""
    input:
        **{model: masses_of(model) for model in TABLE2_MODELS},
        published=PUBLISHED,
    output:
        csv="results/{source}/lin2022/fig06.csv",
        pdf=report(
            "figures/{source}/lin2022/fig06.pdf",
            caption="captions/lin2022_fig06.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Fig. 6", "data": "{source}"},
        ),
        png="figures/{source}/lin2022/fig06.png",
    log:
        "logs/{source}/lin2022/fig06.log",
    benchmark:
        "logs/{source}/lin2022/fig06.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        made=MADE_FROM,
        models=TABLE2_MODELS,
        figures=figure_choices("lin2022"),
        interpretation={"bootstrap_draws": config["interpretation"]["bootstrap_draws"]},
        seed=config["seed"],
        code=code_version("lin2022/fig06_distributions.py"),
    script:
        "../workflow_scripts/lin2022/fig06_distributions.py"


rule lin2022_fig07:
    """Lin et al. (2022) Fig. 7: five bands of a cluster, integrated gradients and CAM+IG."""
    input:
        maps="results/{source}/interpretation/attribution.safetensors",
    output:
        csv="results/{source}/lin2022/fig07.csv",
        pdf=report(
            "figures/{source}/lin2022/fig07.pdf",
            caption="captions/lin2022_fig07.rst",
            category="Lin et al. (2022)",
            labels={"artefact": "Fig. 7", "data": "{source}"},
        ),
        png="figures/{source}/lin2022/fig07.png",
    log:
        "logs/{source}/lin2022/fig07.log",
    benchmark:
        "logs/{source}/lin2022/fig07.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        weights=MADE_FROM["weights"],
        code=code_version("lin2022/fig07_attribution.py"),
    script:
        "../workflow_scripts/lin2022/fig07_attribution.py"
