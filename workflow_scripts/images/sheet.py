"""Draw a contact sheet: clusters in gri by mass and redshift (rule images_sheet)."""

import matplotlib.pyplot as plt
import numpy as np

from clustermass import contracts, provenance, runtime, style
from clustermass.config.pictures import Pictures
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.frames.sample import with_masses
from clustermass.images import composites, pictures
from clustermass.images.store import Images

LEFT, TOP = 0.42, 0.5  # room for words [inch]


def draw(cells, masses, redshifts, images, side_mpc, settings):
    """Return the figure: a row a bin of mass, the heaviest on top, a column a bin of redshift."""
    rows, columns = len(masses) - 1, len(redshifts) - 1
    inch = (style.PAGE_INCH - LEFT) / columns
    width, height = style.PAGE_INCH, inch * rows + TOP
    figure = plt.figure(figsize=(width, height))
    words = {"ha": "center", "va": "center", "fontsize": 7}
    box = {"facecolor": "black", "alpha": 0.55, "linewidth": 0, "pad": 1}
    for cluster in cells.itertuples():
        corner = ((LEFT + cluster.column * inch) / width, cluster.row * inch / height)
        axes = figure.add_axes((*corner, 0.985 * inch / width, 0.985 * inch / height))
        rgb = composites.composite(pictures.printed(images[cluster.id], inch), settings)
        pictures.show(axes, rgb, side_mpc)
        text = f"{cluster.log10_m500c:.2f}, $z = {cluster.redshift:.2f}$"
        axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", color="white", fontsize=5.5, bbox=box)
    for row, column in set(np.ndindex(rows, columns)) - set(zip(cells["row"], cells["column"], strict=True)):
        place = ((LEFT + (column + 0.5) * inch) / width, (row + 0.5) * inch / height)
        figure.text(*place, "none", **words, color=style.GREY)
    for row in range(rows):
        text = f"{masses[row]:.2f} to {masses[row + 1]:.2f}"
        figure.text(0.72 * LEFT / width, (row + 0.5) * inch / height, text, rotation=90, **words)
    for column in range(columns):
        text = f"{redshifts[column]:.2f} to {redshifts[column + 1]:.2f}"
        figure.text((LEFT + (column + 0.5) * inch) / width, 1 - 0.82 * TOP / height, text, **words)
    mass = r"$\log_{10}(M_{500\mathrm{c}}\ /\ \mathrm{M}_\odot)$"
    figure.text(0.26 * LEFT / width, rows * inch / 2 / height, mass, rotation=90, **words)
    figure.text((LEFT + columns * inch / 2) / width, 1 - 0.45 * TOP / height, "redshift", **words)
    figure.text(LEFT / width, 1 - 0.45 * TOP / height, f"sides: {side_mpc:g} Mpc", va="center", fontsize=7)
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings = Pictures(**snakemake.params.pictures)
    labels = contracts.read_table(snakemake.input.labels, contracts.LABELS)
    clusters = with_masses(contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS), labels)
    files = [Images(path, settings.sheet_cutout) for path in snakemake.input.images]
    row_of = {name: (file, row) for file in files for row, name in enumerate(file.clusters)}
    kept = clusters[clusters["id"].isin(list(row_of))]
    cells, masses, redshifts = pictures.sheet_cells(kept, settings.sheet_rows, settings.sheet_columns)
    images = {name: row_of[name][0].read([row_of[name][1]])[0] for name in cells["id"]}
    figure = draw(cells, masses, redshifts, images, snakemake.params.side_mpc, settings)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Clusters by mass and redshift", provenance.commit())
