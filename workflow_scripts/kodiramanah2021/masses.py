"""Kodi Ramanah et al. (2021), section 5: masses of observed clusters (rule kodiramanah2021_masses)."""

import pandas as pd

from clustermass import contracts, runtime, style
from clustermass.observed.comparison import compared
from clustermass.observed.contracts import MASSES_OBSERVED

FLAGS = {"few": "few galaxies", "uncovered": "footprint", "extrapolated": "extrapolated", "out_of_domain": "domain"}

with runtime.logged(snakemake):
    parts = []
    for name, path in zip(snakemake.params.samples, snakemake.input.masses, strict=True):
        table, reason = contracts.read_table(path, MASSES_OBSERVED), contracts.read_metadata(path).get("reason", "")
        print(f"{name}: {len(table)} clusters {reason}")
        table["contrast"] = table["name"].map(compared(table).set_index("name")["contrast"])
        flags = [", ".join(words for flag, words in FLAGS.items() if row[flag]) for row in table.to_dict("records")]
        plus, minus = table["high68"] - table["log10_m200c"], table["log10_m200c"] - table["low68"]
        shown = table.drop(columns=list(FLAGS)).assign(sample=name, plus=plus, minus=minus, flags=flags)
        left = [{"sample": name, "name": "left out", "flags": reason}] if reason else []
        parts += [shown, pd.DataFrame(left)]
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    first = ["sample", "name", "redshift", "galaxies", "log10_m200c", "plus", "minus", "catalogue", "log10_reference",
             "contrast", "log10_virial", "sigma_v", "domain", "flags"]  # fmt: skip
    table = table.reindex(columns=[*first, *(name for name in table if name not in first)])
    table["flags"] = table["flags"].fillna("").astype(str)
    caption = (
        "Masses of observed clusters by CNN3D (Kodi Ramanah et al. 2021, section 5), log10 of M200c in Msun/h: median"
        " of the posterior with the distances to the limits of 68 percent; beside it log10_reference, the mass of the"
        " catalogue named (virial: the virial mass, from the same galaxies), and the virial mass, both converted to"
        " M200c; contrast: difference over the combined error; domain: share of the mock's own clusters that lie nearer"
        " to the mock [percent]; flags: what speaks against a row."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption, snakemake.params.trained_on)
