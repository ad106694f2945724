"""Model card of networks that weigh clusters by their images, beside their weights (rule transfer_card)."""

from clustermass import contracts, provenance, runtime
from clustermass.card import image_card, posterior_section, write_card
from clustermass.config.image_results import ImagePosterior
from clustermass.transfer.ensemble import ENSEMBLE, IMAGE_CALIBRATION

with runtime.logged(snakemake):
    source, model = (snakemake.wildcards[key] for key in ("source", "model"))
    clusters = contracts.read_table(snakemake.input.ensemble, ENSEMBLE)
    calibration = contracts.read_table(snakemake.input.calibration, IMAGE_CALIBRATION)
    about = ImagePosterior(**snakemake.params.posterior).of_pairs(len(clusters)).model_dump(mode="json")
    judged = calibration[calibration["method"] == "density"]
    section = posterior_section(about, clusters["log10_m500c"], judged, "log10_m500c")
    records = {"commit": provenance.commit(), "card": provenance.record(snakemake)}
    card = image_card(source, model, clusters, section, snakemake.params.lin2022, records)
    write_card(card, snakemake.output.yaml, snakemake.output.md)
    print(f"{model}: {card['accuracy']}")
