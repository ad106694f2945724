"""Kodi Ramanah et al. (2021): figures and tables."""

KODIRAMANAH2021_FIGURES = [f"fig{number:02d}" for number in range(1, 10)]
KODIRAMANAH2021_OBSERVED = ["fig10", "figA1"]


rule kodiramanah2021:
    """Every figure and table of Kodi Ramanah et al. (2021)."""
    input:
        expand(
            "figures/{source}/kodiramanah2021/{figure}.{kind}",
            source=config["source"],
            figure=[*on_simulations(config["source"], KODIRAMANAH2021_FIGURES), *KODIRAMANAH2021_OBSERVED],
            kind=["pdf", "png"],
        ),
        expand(
            "results/{source}/kodiramanah2021/{table}.{kind}",
            source=config["source"],
            table=[*on_simulations(config["source"], ["checks"]), "masses"],
            kind=["csv", "md", "tex"],
        ),


rule kodiramanah2021_fig01:
    """Kodi Ramanah et al. (2021) Fig. 1: mass distribution of the training, validation, test and evaluation sets."""
    input:
        clusters="results/{source}/phase_space/kodiramanah2021/clusters.parquet",
    output:
        csv="results/{source}/kodiramanah2021/fig01.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig01.pdf",
            caption="captions/kodiramanah2021_fig01.rst",
            **kodiramanah2021_shown("Fig. 1"),
        ),
        png="figures/{source}/kodiramanah2021/fig01.png",
    log:
        "logs/{source}/kodiramanah2021/fig01.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig01.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        figures=figure_choices("kodiramanah2021"),
        code=code_version("kodiramanah2021/fig01_masses.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig01_masses.py"


rule kodiramanah2021_fig02:
    """Kodi Ramanah et al. (2021) Fig. 2: galaxies of one mock cluster in three dimensions and their kernel density."""
    input:
        clusters="results/{source}/phase_space/kodiramanah2021/clusters.parquet",
        members="results/{source}/phase_space/kodiramanah2021/members.parquet",
        truth="results/{source}/phase_space/kodiramanah2021/truth.parquet",
    output:
        csv="results/{source}/kodiramanah2021/fig02.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig02.pdf",
            caption="captions/kodiramanah2021_fig02.rst",
            **kodiramanah2021_shown("Fig. 2"),
        ),
        png="figures/{source}/kodiramanah2021/fig02.png",
    log:
        "logs/{source}/kodiramanah2021/fig02.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig02.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=5,
    params:
        figures=figure_choices("kodiramanah2021"),
        aperture_mpc_h=cube_aperture("kodiramanah2021"),
        kde3d=config["kde3d"],
        network=config["networks"]["cnn3d"],
        code=code_version("kodiramanah2021/fig02_cube.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig02_cube.py"


rule kodiramanah2021_fig03:
    """Kodi Ramanah et al. (2021) Fig. 3: layers of CNN3D."""
    output:
        csv="results/{source}/kodiramanah2021/fig03.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig03.pdf",
            caption="captions/kodiramanah2021_fig03.rst",
            **kodiramanah2021_shown("Fig. 3"),
        ),
        png="figures/{source}/kodiramanah2021/fig03.png",
    log:
        "logs/{source}/kodiramanah2021/fig03.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig03.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=5,
    params:
        network=config["networks"]["cnn3d"],
        code=code_version("kodiramanah2021/fig03_architecture.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig03_architecture.py"


rule kodiramanah2021_fig04:
    """Kodi Ramanah et al. (2021) Fig. 4: joint density of the summary that the network gives and the true mass."""
    input:
        joint="results/{source}/posteriors/kodiramanah2021/cnn3d/kde/joint.safetensors",
    output:
        csv="results/{source}/kodiramanah2021/fig04.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig04.pdf",
            caption="captions/kodiramanah2021_fig04.rst",
            **kodiramanah2021_shown("Fig. 4"),
        ),
        png="figures/{source}/kodiramanah2021/fig04.png",
    log:
        "logs/{source}/kodiramanah2021/fig04.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig04.benchmark.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        code=code_version("kodiramanah2021/fig04_joint.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig04_joint.py"


rule kodiramanah2021_fig05:
    """Kodi Ramanah et al. (2021) Fig. 5: predicted against true mass with posterior bands, and residuals."""
    input:
        posteriors="results/{source}/posteriors/kodiramanah2021/cnn3d/kde/posteriors.parquet",
        published=PUBLISHED,
    output:
        csv="results/{source}/kodiramanah2021/fig05.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig05.pdf",
            caption="captions/kodiramanah2021_fig05.rst",
            **kodiramanah2021_shown("Fig. 5"),
        ),
        png="figures/{source}/kodiramanah2021/fig05.png",
    log:
        "logs/{source}/kodiramanah2021/fig05.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig05.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        figures=figure_choices("kodiramanah2021"),
        interpretation={"bootstrap_draws": config["interpretation"]["bootstrap_draws"]},
        seed=config["seed"],
        code=code_version("kodiramanah2021/fig05_predictions.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig05_predictions.py"


rule kodiramanah2021_fig06:
    """Kodi Ramanah et al. (2021) Fig. 6: calibration of the posteriors."""
    input:
        kde="results/{source}/posteriors/kodiramanah2021/cnn3d/kde/calibration.parquet",
        kde_covariance="results/{source}/posteriors/kodiramanah2021/cnn3d/kde_covariance/calibration.parquet",
        npe="results/{source}/posteriors/kodiramanah2021/cnn3d/npe/calibration.parquet",
        end_to_end="results/{source}/posteriors/kodiramanah2021/end_to_end/own/calibration.parquet",
    output:
        csv="results/{source}/kodiramanah2021/fig06.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig06.pdf",
            caption="captions/kodiramanah2021_fig06.rst",
            **kodiramanah2021_shown("Fig. 6"),
        ),
        png="figures/{source}/kodiramanah2021/fig06.png",
    log:
        "logs/{source}/kodiramanah2021/fig06.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig06.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        posterior=posterior_settings("fewest_in_bin"),
        code=code_version("kodiramanah2021/fig06_calibration.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig06_calibration.py"


rule kodiramanah2021_fig07:
    """Kodi Ramanah et al. (2021) Fig. 7: predictions by the relative mass of interlopers and their distance in phase space."""
    input:
        posteriors="results/{source}/posteriors/kodiramanah2021/cnn3d/kde/posteriors.parquet",
        interlopers="results/{source}/phase_space/kodiramanah2021/interlopers.parquet",
    output:
        csv="results/{source}/kodiramanah2021/fig07.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig07.pdf",
            caption="captions/kodiramanah2021_fig07.rst",
            **kodiramanah2021_shown("Fig. 7"),
        ),
        png="figures/{source}/kodiramanah2021/fig07.png",
    log:
        "logs/{source}/kodiramanah2021/fig07.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig07.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        figures=figure_choices("kodiramanah2021"),
        code=code_version("kodiramanah2021/fig07_interlopers.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig07_interlopers.py"


rule kodiramanah2021_fig08:
    """Kodi Ramanah et al. (2021) Fig. 8: residuals of CNN1D, CNN2D and CNN3D on the mock of Ho et al."""
    input:
        cnn1d="results/{source}/training/ho2019/cnn1d/predictions.parquet",
        cnn2d="results/{source}/training/ho2019/cnn2d/predictions.parquet",
        cnn3d="results/{source}/training/ho2019/cnn3d/predictions.parquet",
    output:
        csv="results/{source}/kodiramanah2021/fig08.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig08.pdf",
            caption="captions/kodiramanah2021_fig08.rst",
            **kodiramanah2021_shown("Fig. 8"),
        ),
        png="figures/{source}/kodiramanah2021/fig08.png",
    log:
        "logs/{source}/kodiramanah2021/fig08.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig08.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        figures=figure_choices("kodiramanah2021"),
        interpretation={"bootstrap_draws": config["interpretation"]["bootstrap_draws"]},
        seed=config["seed"],
        code=code_version("kodiramanah2021/fig08_dimensions.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig08_dimensions.py"


rule kodiramanah2021_fig09:
    """Kodi Ramanah et al. (2021) Fig. 9: scatter that depends on richness and scatter that does not, of four estimators."""
    input:
        gain="results/{source}/interpretation/ho2019/information_gain.parquet",
        published=PUBLISHED,
    output:
        csv="results/{source}/kodiramanah2021/fig09.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig09.pdf",
            caption="captions/kodiramanah2021_fig09.rst",
            **kodiramanah2021_shown("Fig. 9"),
        ),
        png="figures/{source}/kodiramanah2021/fig09.png",
    log:
        "logs/{source}/kodiramanah2021/fig09.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig09.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        code=code_version("kodiramanah2021/fig09_information_gain.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig09_information_gain.py"


rule kodiramanah2021_fig10:
    """Kodi Ramanah et al. (2021) Fig. 10: masses of observed clusters against those of their catalogue."""
    input:
        masses=observed_masses,
    output:
        csv="results/{source}/kodiramanah2021/fig10.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/fig10.pdf",
            caption="captions/kodiramanah2021_fig10.rst",
            **kodiramanah2021_shown("Fig. 10"),
        ),
        png="figures/{source}/kodiramanah2021/fig10.png",
    log:
        "logs/{source}/kodiramanah2021/fig10.log",
    benchmark:
        "logs/{source}/kodiramanah2021/fig10.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        samples=lambda wildcards: observed_samples(wildcards.source),
        trained_on=lambda wildcards: simulation(wildcards.source),
        interpretation={"bootstrap_draws": config["interpretation"]["bootstrap_draws"]},
        seed=config["seed"],
        code=code_version("kodiramanah2021/fig10_contrast.py"),
    script:
        "../workflow_scripts/kodiramanah2021/fig10_contrast.py"


rule kodiramanah2021_figA1:
    """Kodi Ramanah et al. (2021) Fig. A1: mass function of observed clusters."""
    input:
        masses=observed_masses,
    output:
        csv="results/{source}/kodiramanah2021/figA1.csv",
        pdf=report(
            "figures/{source}/kodiramanah2021/figA1.pdf",
            caption="captions/kodiramanah2021_figA1.rst",
            **kodiramanah2021_shown("Fig. A1"),
        ),
        png="figures/{source}/kodiramanah2021/figA1.png",
    log:
        "logs/{source}/kodiramanah2021/figA1.log",
    benchmark:
        "logs/{source}/kodiramanah2021/figA1.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        samples=lambda wildcards: observed_samples(wildcards.source),
        trained_on=lambda wildcards: simulation(wildcards.source),
        cosmology=config["cosmology"],
        observed=config["observed"],
        code=code_version("kodiramanah2021/figA1_mass_function.py"),
    script:
        "../workflow_scripts/kodiramanah2021/figA1_mass_function.py"


rule kodiramanah2021_checks:
    """Kodi Ramanah et al. (2021) checks: bandwidth, aperture, missing redshifts, unknown redshift and the leak, as sections 2.2 and 2.3 ask."""
    input:
        checks="results/{source}/interpretation/kodiramanah2021/checks.parquet",
        published=PUBLISHED,
    output:
        csv="results/{source}/kodiramanah2021/checks.csv",
        md=report(
            "results/{source}/kodiramanah2021/checks.md",
            caption="captions/kodiramanah2021_checks.rst",
            **kodiramanah2021_shown("checks"),
        ),
        tex="results/{source}/kodiramanah2021/checks.tex",
    log:
        "logs/{source}/kodiramanah2021/checks.log",
    benchmark:
        "logs/{source}/kodiramanah2021/checks.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        words=variant_words(),
        code=code_version("kodiramanah2021/checks.py"),
    script:
        "../workflow_scripts/kodiramanah2021/checks.py"


rule kodiramanah2021_masses:
    """Kodi Ramanah et al. (2021) masses: masses with posteriors of observed clusters, beside those of catalogues."""
    input:
        masses=observed_masses,
    output:
        csv="results/{source}/kodiramanah2021/masses.csv",
        md=report(
            "results/{source}/kodiramanah2021/masses.md",
            caption="captions/kodiramanah2021_masses.rst",
            **kodiramanah2021_shown("masses"),
        ),
        tex="results/{source}/kodiramanah2021/masses.tex",
    log:
        "logs/{source}/kodiramanah2021/masses.log",
    benchmark:
        "logs/{source}/kodiramanah2021/masses.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        samples=lambda wildcards: observed_samples(wildcards.source),
        trained_on=lambda wildcards: simulation(wildcards.source),
        code=code_version("kodiramanah2021/masses.py"),
    script:
        "../workflow_scripts/kodiramanah2021/masses.py"
