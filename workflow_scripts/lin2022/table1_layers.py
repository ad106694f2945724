"""Lin et al. (2022) Table 1: layers of the regressor, kernels, output sizes, weights (rule lin2022_table1)."""

import pandas as pd
import torch

from clustermass import runtime, style
from clustermass.config.image_networks import LIN_BANDS, LIN_MASS, BandNetwork, RegressorNetwork
from clustermass.frames.contracts import BANDS
from clustermass.networks import build
from clustermass.networks.describe import describe_regressor
from clustermass.published import published
from clustermass.transfer.comparison import layers_beside

TOTALS = {"regressor": "all layers of the regressor", "extractor": "extractor with band head"}


def built(network):
    """Return a network without memory for its weights."""
    with torch.device("meta"):
        return build(network)


def count(network):
    """Return the number of weights of a network."""
    return sum(weights.numel() for weights in built(network).parameters())


def total(name, trained, shapes):
    """Return the row of a whole network: its weights, those of the published shapes, and what the paper prints."""
    printed = published("lin2022", "table1", f"{name}_weights", snakemake.input.published)
    row = {"layer": TOTALS[name], "weights": count(trained), "published_weights": count(shapes)}
    return {**row, "printed_weights": printed}


with runtime.logged(snakemake):
    bands = BandNetwork(**snakemake.params.bands)
    features = {"features": built(bands).extractor.features, "bands": len(BANDS)}
    regressor = RegressorNetwork(**{**snakemake.params.regressor, **features})
    layers = layers_beside(describe_regressor(regressor), describe_regressor(LIN_MASS))
    rows = [total("regressor", regressor, LIN_MASS), total("extractor", bands, LIN_BANDS)]
    table = pd.concat([layers, pd.DataFrame(rows)], ignore_index=True)
    words = ["kernel", "output_size", "published_kernel", "published_output_size"]
    caption = (
        "Layers of the regressor that is trained (Lin et al. 2022, Table 1), beside those of the published shapes,"
        " built and counted here; weights include biases and those of normalisation; printed: the totals that the"
        " paper states. Widths of the band head are not stated there; those of the published shapes are 1024 and 768."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table.fillna({name: "" for name in words}), outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
