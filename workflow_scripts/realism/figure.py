"""The realism page: real and simulated fields, statistic by statistic (rule realism_figure)."""

import matplotlib.pyplot as plt

from clustermass import contracts, metrics, provenance, runtime, style
from clustermass.config.realism import Realism
from clustermass.realism import panels
from clustermass.realism.contracts import FIELD_STATISTICS, OBJECTS, RED_COUNTS, VERDICTS
from clustermass.realism.verdict import CORRELATION
from clustermass.validation.panels import leave_room

KINDS = ("real", "simulated")
BANDS = ("noise", "noise scatter", "noise correlation", "sky residual", "FWHM", "detections", "bright area")
MAGNITUDES = ("counts", "half-light radius", "star fraction")
LOGARITHMIC = ("noise", "detections", "counts")


def draw(cells, tables, settings):
    """Draw all panels, and return the colours drawn."""
    for axes, statistic in zip(cells, BANDS + MAGNITUDES, strict=False):
        panels.draw_bins(axes, tables["verdicts"], tables["statistics"], statistic)
        axes.set_xlabel("r" if statistic in MAGNITUDES else "")
        if statistic in LOGARITHMIC:
            axes.set_yscale("log")
    colours = [
        panels.draw_colours(axes, tables["objects"], stars, settings)
        for axes, stars in zip(cells[10:12], (False, True), strict=True)
    ]
    found = tables["verdicts"][tables["verdicts"]["statistic"] == CORRELATION].iloc[0]
    correlation = tuple(found[["simulated", "simulated_low", "simulated_high"]])
    panels.draw_richness(cells[12], tables["counts"], correlation, found["allowed_low"])
    panels.draw_sizes(cells[13], tables["objects"], settings)
    return colours


with runtime.logged(snakemake), style.paper_style():
    settings, files = Realism(**snakemake.params.realism), snakemake.input
    tables = {"verdicts": contracts.read_table(files.verdicts, VERDICTS)}
    tables["counts"] = contracts.read_table(files.counts, RED_COUNTS)
    tables["statistics"] = contracts.read_tables(KINDS, [files.real, files.simulated], FIELD_STATISTICS)
    tables["objects"] = contracts.read_tables(KINDS, [files.real_objects, files.simulated_objects], OBJECTS)
    figure, grid = plt.subplots(5, 3, figsize=(style.PAGE_INCH, 9.4), layout="constrained")
    leave_room(figure)
    cells = list(grid.ravel())
    colours = draw(cells, tables, settings)
    panels.draw_key(cells[14], {kind: table["field"].nunique() for kind, table in tables["statistics"].items()})
    parts = [table.assign(kind=kind) for kind, table in tables["statistics"].items()]
    numbers = [*parts, *(part.assign(kind="colours") for part in colours), tables["counts"].assign(kind="red sequence")]
    style.write_numbers(metrics.stack(numbers), snakemake.output.csv, "simulated")
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, "simulated", "Real and simulated frames", provenance.commit())
