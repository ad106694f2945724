"""Liang et al. (2020) Fig. 2: two occlusion maps with members and stars beside the images (rule liang2020_fig02)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.attribution import Occlusion
from clustermass.frames.contracts import BANDS
from clustermass.images.pictures import show
from clustermass.transfer.attributions import ATTENTION, load_maps
from clustermass.transfer.comparison import begun_from

MEMBERS = {"marker": "o", "ms": 2.2, "mfc": style.SKY, "mec": "black", "mew": 0.3}
STARS = {"marker": "o", "ms": 6, "mfc": "none", "mec": style.VERMILION, "mew": 0.9}
WIDTH, HEIGHT, INCH, GAP, LOW = style.PAGE_INCH, 2.8, 1.74, 0.03, 0.74


def pixels(maps, band):
    """Return the numbers of both panels of a cluster, a row a pixel."""
    row, column = np.indices(maps.image.shape[1:]).reshape(2, -1)
    about = {"cluster": maps.cluster, "band": BANDS[band], "column": column, "row": row}
    values = {"image": maps.image[band].ravel(), "probability_covered": maps.occlusion[band].ravel()}
    return pd.DataFrame({**about, **values, "probability": maps.probability[band]})


def panel(figure, place, values, maps, **look):
    """Draw one square with members and stars; return its axes and image."""
    left = place * (INCH + GAP) + GAP / 2 + (place > 1) * GAP
    axes = figure.add_axes((left / WIDTH, LOW / HEIGHT, INCH / WIDTH, INCH / HEIGHT))
    side = values.shape[-1]
    shown = show(axes, values, side, **look)
    centre = (side - 1) / 2
    for x, y, marker in ((maps.member_x, maps.member_y, MEMBERS), (maps.star_x, maps.star_y, STARS)):
        axes.plot(centre - x, y - centre, ls="", **marker)  # the axis points east, columns west
    return axes, shown


def words_of(attention, band):
    """Return in words how much more the probability changes on objects than around them."""
    rows = attention.query("map == 'occlusion' and band == @band")
    parts = [
        f"{row.marks} {row.contrast:.2f}" + (f" ({row.low:.2f} to {row.high:.2f})" if row.low == row.low else "")
        for row in rows.itertuples()
    ]
    number = f"{rows['clusters'].max()} test clusters" if len(rows) else "no test cluster with marks"
    return f"change of probability on objects over that in mirrored places, {number}: {', '.join(parts)}"


def draw(found, attention, settings, side_mpc, begun):
    """Return the figure: image and occlusion map of one cluster, then of another."""
    figure, band = plt.figure(figsize=(WIDTH, HEIGHT)), BANDS.index(settings.band)
    for place, maps in enumerate(found):
        image, covered = maps.image[band], maps.occlusion[band]
        grey = {"cmap": "gray", "vmin": np.quantile(image, 0.05), "vmax": np.quantile(image, 0.995)}
        axes, _ = panel(figure, 2 * place, image, maps, **grey)
        text = f"{maps.cluster}\n$z = {maps.redshift:.2f}$, $\\lambda = {maps.richness:.0f}$"
        axes.set_title(text, loc="left", fontsize=6.5, pad=2.5)
        axes, shown = panel(figure, 2 * place + 1, covered, maps, cmap="viridis")
        axes.set_title(f"$P({settings.band})$, nothing covered: {maps.probability[band]:.3f}", loc="left", fontsize=6.5)
        box = axes.get_position()
        thin = figure.add_axes((box.x0 + 0.04 * box.width, box.y0 - 0.09 / HEIGHT, 0.92 * box.width, 0.05 / HEIGHT))
        bar = figure.colorbar(shown, cax=thin, orientation="horizontal")
        bar.ax.locator_params(nbins=4)
        bar.ax.tick_params(labelsize=6)
        bar.minorticks_off()
    handles = [plt.Line2D([], [], ls="", label=name, **look) for name, look in (("members", MEMBERS), ("stars", STARS))]
    figure.legend(handles=handles, loc="center left", bbox_to_anchor=(0, 0.3 / HEIGHT), ncols=2, fontsize=6.5,
                  handletextpad=0.2, columnspacing=1, borderaxespad=0.1)  # fmt: skip
    side = found[0].image.shape[-1]
    words = f"band {settings.band}, {side_mpc:g} Mpc in {side} pixels; patches of {settings.patch} pixels; {begun}"
    figure.text(0.995, 0.3 / HEIGHT, words, ha="right", va="center", fontsize=6.5)
    figure.text(0.995, 0.1 / HEIGHT, words_of(attention, settings.band), ha="right", va="center", fontsize=6.5)
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings = Occlusion(**snakemake.params.occlusion)
    attention = contracts.read_table(snakemake.input.attention, ATTENTION)
    found = [load_maps(path) for path in snakemake.input.maps]
    numbers = pd.concat([*(pixels(maps, BANDS.index(settings.band)) for maps in found), attention])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    begun = begun_from(snakemake.params.weights)
    figure = draw(found, attention, settings, snakemake.params.side_mpc, begun)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Liang et al. (2020) Fig. 2", provenance.commit())
