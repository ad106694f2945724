"""Every check of the embedded universe with its number, tolerance and verdict (rule validation_summary)."""

import pandas as pd

from clustermass import contracts, runtime, style
from clustermass.config.validation import Validation
from clustermass.validation.table import STATISTICS
from clustermass.validation.verdict import printed, verdicts

with runtime.logged(snakemake):
    settings, boxes = Validation(**snakemake.params.validation), snakemake.params.boxes
    parts = []
    for place, redshift in enumerate(snakemake.params.redshifts):
        paths = snakemake.input.statistics[place * len(boxes) : (place + 1) * len(boxes)]
        tables = contracts.read_tables(boxes, paths, STATISTICS)
        parts.append(printed(verdicts(tables, boxes[-1], settings), redshift))
    table = pd.concat(parts, ignore_index=True)
    caption = (
        f"The embedded universe against theory and observation. Headline: {boxes[-1]}, on which nothing was chosen;"
        f" beside it the mean of {len(boxes) - 1} other boxes and the standard deviation between all. Put in: follows"
        " from published relations that masses and galaxies were made with; predicted: follows from gravity."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    caption += (
        " What particles of this mass cannot carry is placed from cited relations: halos below"
        f" {snakemake.params.smallest} particles (numbers of Tinker et al. 2008, on field particles, by the bias of"
        " Tinker et al. 2010), concentrations (Diemer & Joyce 2019, scatter of 0.16 dex), radii of galaxies inside"
        " R200c (NFW) and the level of their dispersions (Jeans equation, anisotropy of Mamon & Lokas 2005)."
    )
    style.write_paper_table(table, outputs, "simulated", caption)
    print(table.to_string())
