"""Ho et al. (2019): figures and tables."""

HO2019_FIGURES = [f"fig{number:02d}" for number in range(1, 11)]
HO2019_TABLES = ["table1", "table2", "abundance", "table3", "table4", "timing"]


rule ho2019:
    """Every figure and table of Ho et al. (2019)."""
    input:
        expand(
            "figures/{source}/ho2019/{figure}.{kind}",
            source=config["source"],
            figure=HO2019_FIGURES,
            kind=["pdf", "png"],
        ),
        expand(
            "results/{source}/ho2019/{table}.{kind}",
            source=config["source"],
            table=HO2019_TABLES,
            kind=["csv", "md", "tex"],
        ),


rule ho2019_fig01:
    """Ho et al. (2019) Fig. 1: members and interlopers of a mock cluster, in the light cone, in phase space, on the sky."""
    input:
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        members="results/{source}/phase_space/ho2019/contaminated/members.parquet",
        truth="results/{source}/phase_space/ho2019/contaminated/truth.parquet",
    output:
        csv="results/{source}/ho2019/fig01.csv",
        pdf=report("figures/{source}/ho2019/fig01.pdf", caption="captions/ho2019_fig01.rst", **ho2019_shown("Fig. 1")),
        png="figures/{source}/ho2019/fig01.png",
    log:
        "logs/{source}/ho2019/fig01.log",
    benchmark:
        "logs/{source}/ho2019/fig01.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        runtime=5,
    params:
        figures=figure_choices("ho2019"),
        mock_observation=config["mock_observation"],
        code=code_version("ho2019/fig01_phase_space.py"),
    script:
        "../workflow_scripts/ho2019/fig01_phase_space.py"


rule ho2019_fig02:
    """Ho et al. (2019) Fig. 2: mass functions of the training and test samples, beside theory."""
    input:
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        halos=tables_at("halos", Z_HO2019),
    output:
        csv="results/{source}/ho2019/fig02.csv",
        pdf=report("figures/{source}/ho2019/fig02.pdf", caption="captions/ho2019_fig02.rst", **ho2019_shown("Fig. 2")),
        png="figures/{source}/ho2019/fig02.png",
    log:
        "logs/{source}/ho2019/fig02.log",
    benchmark:
        "logs/{source}/ho2019/fig02.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        figures=figure_choices("ho2019"),
        mock_observation=config["mock_observation"],
        cosmology=cosmology_at(Z_HO2019),
        boxes=lambda wildcards: ho2019_boxes(wildcards.source),
        redshift=Z_HO2019,
        mass_matching=lambda wildcards: mass_matching(wildcards.source),
        code=code_version("ho2019/fig02_mass_function.py"),
    script:
        "../workflow_scripts/ho2019/fig02_mass_function.py"


rule ho2019_fig03:
    """Ho et al. (2019) Fig. 3: kernel densities of six mock clusters, in velocity and in phase space."""
    input:
        clusters="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        members="results/{source}/phase_space/ho2019/contaminated/members.parquet",
        truth="results/{source}/phase_space/ho2019/contaminated/truth.parquet",
    output:
        csv="results/{source}/ho2019/fig03.csv",
        pdf=report("figures/{source}/ho2019/fig03.pdf", caption="captions/ho2019_fig03.rst", **ho2019_shown("Fig. 3")),
        png="figures/{source}/ho2019/fig03.png",
    log:
        "logs/{source}/ho2019/fig03.log",
    benchmark:
        "logs/{source}/ho2019/fig03.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: config["kde"]["threads"]
    resources:
        mem_mb=2500,
        runtime=5,
    params:
        figures=figure_choices("ho2019"),
        mock_observation=config["mock_observation"],
        kde=config["kde"],
        seed=config["seed"],
        code=code_version("ho2019/fig03_kde.py"),
    script:
        "../workflow_scripts/ho2019/fig03_kde.py"


rule ho2019_fig04:
    """Ho et al. (2019) Fig. 4: layers of CNN1D and CNN2D."""
    output:
        csv="results/{source}/ho2019/fig04.csv",
        pdf=report("figures/{source}/ho2019/fig04.pdf", caption="captions/ho2019_fig04.rst", **ho2019_shown("Fig. 4")),
        png="figures/{source}/ho2019/fig04.png",
    log:
        "logs/{source}/ho2019/fig04.log",
    benchmark:
        "logs/{source}/ho2019/fig04.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        runtime=5,
    params:
        networks=config["networks"],
        code=code_version("ho2019/fig04_architectures.py"),
    script:
        "../workflow_scripts/ho2019/fig04_architectures.py"


rule ho2019_fig05:
    """Ho et al. (2019) Fig. 5: training and validation losses of CNN1D and CNN2D."""
    input:
        **ho2019_trained("curves", ["cnn1d", "cnn2d"]),
    output:
        csv="results/{source}/ho2019/fig05.csv",
        pdf=report("figures/{source}/ho2019/fig05.pdf", caption="captions/ho2019_fig05.rst", **ho2019_shown("Fig. 5")),
        png="figures/{source}/ho2019/fig05.png",
    log:
        "logs/{source}/ho2019/fig05.log",
    benchmark:
        "logs/{source}/ho2019/fig05.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2500,
        runtime=5,
    params:
        figures=figure_choices("ho2019"),
        code=code_version("ho2019/fig05_learning_curves.py"),
    script:
        "../workflow_scripts/ho2019/fig05_learning_curves.py"


rule ho2019_fig06:
    """Ho et al. (2019) Fig. 6: velocity dispersion against mass, pure and contaminated, with the fitted relations."""
    input:
        clusters_pure="results/{source}/phase_space/ho2019/pure/clusters.parquet",
        clusters_contaminated="results/{source}/phase_space/ho2019/contaminated/clusters.parquet",
        fit_pure="results/{source}/training/ho2019/msigma_pure/fit.parquet",
        fit_contaminated="results/{source}/training/ho2019/msigma_contaminated/fit.parquet",
        published=PUBLISHED,
    output:
        csv="results/{source}/ho2019/fig06.csv",
        pdf=report("figures/{source}/ho2019/fig06.pdf", caption="captions/ho2019_fig06.rst", **ho2019_shown("Fig. 6")),
        png="figures/{source}/ho2019/fig06.png",
    log:
        "logs/{source}/ho2019/fig06.log",
    benchmark:
        "logs/{source}/ho2019/fig06.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        msigma=config["msigma"],
        code=code_version("ho2019/fig06_msigma.py"),
    script:
        "../workflow_scripts/ho2019/fig06_msigma.py"


rule ho2019_fig07:
    """Ho et al. (2019) Fig. 7: predicted against true mass, and residuals, of CNN1D and CNN2D."""
    input:
        **ho2019_trained("predictions", ["cnn1d", "cnn2d"]),
        published=PUBLISHED,
    output:
        csv="results/{source}/ho2019/fig07.csv",
        pdf=report("figures/{source}/ho2019/fig07.pdf", caption="captions/ho2019_fig07.rst", **ho2019_shown("Fig. 7")),
        png="figures/{source}/ho2019/fig07.png",
    log:
        "logs/{source}/ho2019/fig07.log",
    benchmark:
        "logs/{source}/ho2019/fig07.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        msigma=config["msigma"],
        code=code_version("ho2019/fig07_predictions.py"),
    script:
        "../workflow_scripts/ho2019/fig07_predictions.py"


rule ho2019_fig08:
    """Ho et al. (2019) Fig. 8: residuals against true mass, and their densities, of six estimators."""
    input:
        **ho2019_trained("predictions", ESTIMATORS),
    output:
        csv="results/{source}/ho2019/fig08.csv",
        pdf=report("figures/{source}/ho2019/fig08.pdf", caption="captions/ho2019_fig08.rst", **ho2019_shown("Fig. 8")),
        png="figures/{source}/ho2019/fig08.png",
    log:
        "logs/{source}/ho2019/fig08.log",
    benchmark:
        "logs/{source}/ho2019/fig08.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        msigma=config["msigma"],
        interpretation=config["interpretation"],
        code=code_version("ho2019/fig08_residuals.py"),
    script:
        "../workflow_scripts/ho2019/fig08_residuals.py"


rule ho2019_fig09:
    """Ho et al. (2019) Fig. 9: densities of normalised residuals of six estimators, beside a Gaussian."""
    input:
        **ho2019_trained("predictions", ESTIMATORS),
        published=PUBLISHED,
    output:
        csv="results/{source}/ho2019/fig09.csv",
        pdf=report("figures/{source}/ho2019/fig09.pdf", caption="captions/ho2019_fig09.rst", **ho2019_shown("Fig. 9")),
        png="figures/{source}/ho2019/fig09.png",
    log:
        "logs/{source}/ho2019/fig09.log",
    benchmark:
        "logs/{source}/ho2019/fig09.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        interpretation=config["interpretation"],
        code=code_version("ho2019/fig09_normalised.py"),
    script:
        "../workflow_scripts/ho2019/fig09_normalised.py"


rule ho2019_fig10:
    """Ho et al. (2019) Fig. 10: subsampled mass deviation against sampling rate, six estimators."""
    input:
        drifts="results/{source}/interpretation/ho2019/drifts.parquet",
    output:
        csv="results/{source}/ho2019/fig10.csv",
        pdf=report("figures/{source}/ho2019/fig10.pdf", caption="captions/ho2019_fig10.rst", **ho2019_shown("Fig. 10")),
        png="figures/{source}/ho2019/fig10.png",
    log:
        "logs/{source}/ho2019/fig10.log",
    benchmark:
        "logs/{source}/ho2019/fig10.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        interpretation=config["interpretation"],
        code=code_version("ho2019/fig10_robustness.py"),
    script:
        "../workflow_scripts/ho2019/fig10_robustness.py"


rule ho2019_table1:
    """Ho et al. (2019) Table 1: parameters of both M-sigma relations, beside the published."""
    input:
        pure="results/{source}/training/ho2019/msigma_pure/fit.parquet",
        contaminated="results/{source}/training/ho2019/msigma_contaminated/fit.parquet",
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/ho2019/table1.csv", caption="captions/ho2019_table1.rst", **ho2019_shown("Table 1")
        ),
        md="results/{source}/ho2019/table1.md",
        tex="results/{source}/ho2019/table1.tex",
    log:
        "logs/{source}/ho2019/table1.log",
    benchmark:
        "logs/{source}/ho2019/table1.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        code=code_version("ho2019/table1_msigma.py"),
    script:
        "../workflow_scripts/ho2019/table1_msigma.py"


rule ho2019_table2:
    """Ho et al. (2019) Table 2: statistics of the residuals of six estimators, beside the published."""
    input:
        statistics="results/{source}/interpretation/ho2019/statistics.parquet",
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/ho2019/table2.csv", caption="captions/ho2019_table2.rst", **ho2019_shown("Table 2")
        ),
        md="results/{source}/ho2019/table2.md",
        tex="results/{source}/ho2019/table2.tex",
    log:
        "logs/{source}/ho2019/table2.log",
    benchmark:
        "logs/{source}/ho2019/table2.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        code=code_version("ho2019/table2_residuals.py"),
    script:
        "../workflow_scripts/ho2019/table2_residuals.py"


rule ho2019_abundance:
    """Ho et al. (2019), systematics of a cluster count (section 5.2, Eq. 10), beside the published."""
    input:
        abundance="results/{source}/interpretation/ho2019/abundance.parquet",
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/ho2019/abundance.csv",
            caption="captions/ho2019_abundance.rst",
            **ho2019_shown("abundance"),
        ),
        md="results/{source}/ho2019/abundance.md",
        tex="results/{source}/ho2019/abundance.tex",
    log:
        "logs/{source}/ho2019/abundance.log",
    benchmark:
        "logs/{source}/ho2019/abundance.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        code=code_version("ho2019/abundance.py"),
    script:
        "../workflow_scripts/ho2019/abundance.py"


rule ho2019_table3:
    """Ho et al. (2019) Table 3: dependence of residuals on mass and richness, beside the published."""
    input:
        posteriors="results/{source}/interpretation/ho2019/wojtak.parquet",
        chains="results/{source}/interpretation/ho2019/chains.parquet",
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/ho2019/table3.csv", caption="captions/ho2019_table3.rst", **ho2019_shown("Table 3")
        ),
        md="results/{source}/ho2019/table3.md",
        tex="results/{source}/ho2019/table3.tex",
    log:
        "logs/{source}/ho2019/table3.log",
    benchmark:
        "logs/{source}/ho2019/table3.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        code=code_version("ho2019/table3_mass_richness.py"),
    script:
        "../workflow_scripts/ho2019/table3_mass_richness.py"


rule ho2019_table4:
    """Ho et al. (2019) Table 4: statistics of the subsampled mass deviation, beside the published."""
    input:
        robustness="results/{source}/interpretation/ho2019/robustness.parquet",
        published=PUBLISHED,
    output:
        csv=report(
            "results/{source}/ho2019/table4.csv", caption="captions/ho2019_table4.rst", **ho2019_shown("Table 4")
        ),
        md="results/{source}/ho2019/table4.md",
        tex="results/{source}/ho2019/table4.tex",
    log:
        "logs/{source}/ho2019/table4.log",
    benchmark:
        "logs/{source}/ho2019/table4.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        code=code_version("ho2019/table4_robustness.py"),
    script:
        "../workflow_scripts/ho2019/table4_robustness.py"


rule ho2019_timing:
    """Ho et al. (2019), times of training and evaluation (section 5.5), beside the published."""
    input:
        **ho2019_trained("timing", ESTIMATORS),
        published=PUBLISHED,
    output:
        csv=report("results/{source}/ho2019/timing.csv", caption="captions/ho2019_timing.rst", **ho2019_shown("times")),
        md="results/{source}/ho2019/timing.md",
        tex="results/{source}/ho2019/timing.tex",
    log:
        "logs/{source}/ho2019/timing.log",
    benchmark:
        "logs/{source}/ho2019/timing.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        sdm=config["sdm"],
        code=code_version("ho2019/timing.py"),
    script:
        "../workflow_scripts/ho2019/timing.py"
