"""Masses of galaxy clusters by machine learning: every figure and table of four papers, from data to page.

`snakemake --cores all` makes all; `snakemake --cores all lin2022` one paper; `snakemake --list` names every rule.
"""

import sys
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

HERE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))  # also where another Snakefile imports this one
sys.path.insert(0, f"{HERE}/workflow_scripts")  # reaches the scripts of all rules too

from clustermass.config.model import DEFAULT_FILE, ConfigError, load

settings = load_configfile(DEFAULT_FILE)
update_config(settings, config)  # what the command line says, or a workflow that imports this one
try:
    config = load(settings)
except ConfigError as error:
    raise WorkflowError(str(error)) from None


include: "rules/common.smk"
include: "rules/validation.smk"
include: "rules/universe.smk"
include: "rules/data.smk"
include: "rules/phase_space.smk"
include: "rules/training.smk"
include: "rules/posteriors.smk"
include: "rules/interpretation.smk"
include: "rules/observed.smk"
include: "rules/crossmatch.smk"
include: "rules/frames.smk"
include: "rules/mosaics.smk"
include: "rules/images.smk"
include: "rules/realism.smk"
include: "rules/transfer.smk"
include: "rules/paper_ho2019.smk"
include: "rules/paper_kodiramanah2021.smk"
include: "rules/paper_lin2022.smk"
include: "rules/paper_liang2020.smk"


rule all:
    """Make every figure and table of every paper."""
    default_target: True
    input:
        rules.universe.input,
        rules.ho2019.input if ho2019_boxes(config["source"]) else [],
        rules.kodiramanah2021.input if has_redshifts(config["source"]) else [],
        rules.lin2022.input,
        rules.images.input if has_frames(config["source"]) else [],
        rules.realism.input if config["source"] == "simulated" else [],
        rules.liang2020.input if has_frames(config["source"]) else [],


onsuccess:
    print(summary(config["source"]))
