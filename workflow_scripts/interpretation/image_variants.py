"""What each variant of telling bands apart is worth for mass and richness (rule interpretation_image_variants)."""

from clustermass import contracts, provenance, runtime, style
from clustermass.config.image_training import Variant
from clustermass.config.interpretation import Interpretation
from clustermass.transfer.ablation import VARIANT_NUMBERS, variant_numbers, variant_table
from clustermass.transfer.contracts import BAND_PREDICTIONS, MASS_PREDICTIONS, RICHNESS_PREDICTIONS

CAPTION = (
    "Variants of the pre-training on bands: share of bands told right in unseen clusters (bands) and in tiles of unseen"
    " real fields (real bands, where they were trained); mean absolute error of log10 M500c and log10 richness that"
    " networks predict from the frozen features, by cross-validation; and these errors less those without pre-training"
    " (start) and with that of the papers (published). Intervals by a bootstrap of halos: 16th to 84th percentile, of"
    " differences 2.5th to 97.5th, and undecided where that holds zero; they do not hold the chance of one training."
)

SCALED_AS_PUBLISHED = "global"  # what trainings on tiles call the variant of the papers

with runtime.logged(snakemake):
    variants = {name: Variant(**stanza) for name, stanza in snakemake.params.variants.items()}
    read = contracts.read_tables
    real = ["published" if name == SCALED_AS_PUBLISHED else name for name in snakemake.params.real]
    found = variant_numbers(
        read(list(variants), snakemake.input.bands, BAND_PREDICTIONS),
        read(real, snakemake.input.real, BAND_PREDICTIONS),
        {
            "mass": read(list(variants), snakemake.input.mass, MASS_PREDICTIONS),
            "richness": read(list(variants), snakemake.input.richness, RICHNESS_PREDICTIONS),
        },
        lambda: runtime.job_generator(snakemake),
        Interpretation(**snakemake.params.interpretation).bootstrap_draws,
    )
    contracts.write_table(
        found, VARIANT_NUMBERS, snakemake.output.numbers, {"provenance": provenance.record(snakemake)}
    )
    table = variant_table(found, variants)
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, CAPTION)
    print(table.to_string())
