"""Liang et al. (2020): figures and tables."""


rule liang2020:
    """Every figure and table of Liang et al. (2020)."""
    input:
        expand("figures/{source}/liang2020/figS1.{kind}", source=config["source"], kind=["pdf", "png"]),


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
