"""Kodi Ramanah et al. (2021), sections 2.2 and 2.3: checks beside the published (rule kodiramanah2021_checks)."""

import numpy as np

from clustermass import contracts, runtime, style
from clustermass.checks import CHECKS
from clustermass.published import published

PRINTED = {("without core", "change of mean"): "core", ("unknown_redshift", "half range"): "unknown_redshift"}

with runtime.logged(snakemake):
    table = contracts.read_table(snakemake.input.checks, CHECKS)
    words = snakemake.params.words
    keys = zip(table["check"], table["statistic"], strict=True)
    numbers = [published("kodiramanah2021", "checks", PRINTED.get(key, ""), snakemake.input.published) for key in keys]
    table.insert(1, "setting", [words.get(check, "") for check in table["check"]])
    table["published"] = [np.nan if number is None else number for number in numbers]
    caption = (
        "Checks of Kodi Ramanah et al. (2021), sections 2.2 and 2.3 [dex]: mean and standard deviation (sigma) of"
        " log10(predicted / true mass), and their changes from the reference on the same clusters; low and high: 16th"
        " and 84th percentile of a bootstrap over halos. Trainings with another bandwidth or aperture, or stopped on"
        " the test set (leak), and their reference, are of one reduced size; 'without' are predictions of the main"
        " network for clusters that lost galaxies: all within 55 arcsec of the centre (core, the published case), or"
        " those that fibre collisions cost (collided). Unknown redshift: what the threshold of M200c varies by."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
