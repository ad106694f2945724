"""Lin et al. (2022): figures and tables."""


rule lin2022:
    """Every figure and table of Lin et al. (2022)."""
    input:
        expand("figures/{source}/lin2022/fig01.{kind}", source=config["source"], kind=["pdf", "png"]),
        expand("results/{source}/lin2022/counts.{kind}", source=config["source"], kind=["csv", "md", "tex"]),


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
        published="workflow_scripts/clustermass/published.yaml",
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
