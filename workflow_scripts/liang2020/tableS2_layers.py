"""Liang et al. (2020) Table S2: layers of the richness branch beside the printed shapes (rule liang2020_tableS2)."""

import pandas as pd
import torch

from clustermass import runtime, style
from clustermass.config.image_networks import LIANG_RICHNESS, ExtractorNetwork, RegressorNetwork
from clustermass.networks.describe import describe_regressor
from clustermass.networks.image import Extractor
from clustermass.published import published

NAMES = {"2D Conv": "Conv", "BN": "BatchNorm", "FC": "FC", "ReLU": "ReLU"}


def paper_name(layer):
    """Return a layer's name in Table S2: Conv1, BatchNorm, ReLU, FC1."""
    kind, _, number = layer.rpartition(" ") if layer[-1].isdigit() else (layer, "", "")
    return NAMES[kind] + number


def paper_shape(size):
    """Return a shape as Table S2 has it, channels last: 510 x 5 x 16."""
    first, *rest = size.split(" x ")
    return " x ".join([*rest, first])


def layers(regressor, reading):
    """Return the layers of the branch: layer (its name), kernel, and in a column of the reading shape and weights."""
    table = describe_regressor(regressor)
    with torch.device("meta"):  # shapes alone: no memory for the weights
        extractor = Extractor(ExtractorNetwork(**snakemake.params.extractor))
    weights = sum(p.numel() for p in extractor.parameters())
    shared = ("Shared Feature Extractor", "", f"{extractor.features} x {regressor.bands} x 1", weights)
    rows = [shared]
    for row in table.itertuples():
        rows.append((paper_name(row.layer), row.kernel, paper_shape(row.output_size), row.weights))
    rows.append(("all", "", "", sum(row[3] for row in rows)))
    frame = pd.DataFrame(rows, columns=["layer", "kernel", f"shape, {reading}", f"weights, {reading}"])
    return frame.assign(place=frame.groupby("layer").cumcount())


def printed(name):
    """Return what Table S2 prints of a layer, or ''."""
    return published("liang2020", "tableS2", name.lower().replace(" ", "_"), snakemake.input.published) or ""


with runtime.logged(snakemake):
    trained = RegressorNetwork(**snakemake.params.regressor)
    padded = LIANG_RICHNESS.model_copy(update={"pad_bands": True})
    networks = {"as trained": trained, "shapes of Lin et al.": LIANG_RICHNESS, "as printed": padded}
    parts = [layers(network, reading) for reading, network in networks.items()]
    table = max(parts, key=len)[["layer", "place", "kernel"]]  # networks differ in how many layers they have
    for part in parts:
        table = table.merge(part.drop(columns="kernel"), on=["layer", "place"], how="left")
    table = table.drop(columns="place")
    table.insert(2, "published shape", [printed(name) for name in table["layer"]])
    table.insert(1, "published kernel", [printed(f"{name}_kernel") for name in table["layer"]])
    caption = (
        "Layers of the richness branch (Liang et al. 2020, Table S2), shapes channels last: as it is trained here; with"
        " the published widths in the shapes that Lin et al. (2022, Table 1) print for the same layers; and with bands"
        " padded so that five remain, as Table S2 is printed. ReLUs after FC1 and FC2 are in neither paper's table."
    )
    outputs = {"csv": snakemake.output.csv, "md": snakemake.output.md, "tex": snakemake.output.tex}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
    print(table.to_string())
