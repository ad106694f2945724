"""Lin et al. (2022) Fig. 7: five bands of a cluster, integrated gradients and CAM+IG (rule lin2022_fig07)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, LinearSegmentedColormap, Normalize

from clustermass import metrics, provenance, runtime, style
from clustermass.frames.contracts import BANDS
from clustermass.images.pictures import CROSS, grey_levels
from clustermass.transfer.attributions import load_maps
from clustermass.transfer.comparison import begun_from

NOISES = 2.0  # of a pixel, at which grey turns from linear to logarithmic
STRETCH = 99.5  # percentile of a map at which its colours end
INCH, LEFT, BELOW, ABOVE, GAP = 1.24, 0.22, 0.06, 0.24, 0.03  # panels and margins
RIGHT = 0.62  # for colour bars
ROWS = ("image", "integrated gradients", "CAM+IG")
COLOURS = LinearSegmentedColormap.from_list("signed", [style.BLUE, style.SKY, "white", "#F3C65A", style.ORANGE])


def levels(maps):
    """Return where colours end: of images and gradients in each band on its own, of CAM+IG, one output's, in all."""
    grey, rows = grey_levels(maps.image, NOISES), []
    together = np.percentile(np.abs(maps.activation), STRETCH) or 1.0  # a map of nothing
    for place in range(len(BANDS)):
        most = np.percentile(np.abs(maps.gradients[place]), STRETCH) or 1.0
        known = {"probability": maps.probability[place], "completeness": maps.completeness[place]}
        sums = {"gradients_sum": maps.gradients[place].sum(), "activation_sum": maps.activation[place].sum()}
        rows.append({"gradients_limit": most, "activation_limit": together, **sums, **known})
    return pd.concat([grey, pd.DataFrame(rows)], axis=1).assign(kind="band")


def place_panels(figure, width, height):
    """Return the axes of three rows of five panels, and those of two colour bars."""
    step = INCH + GAP
    panels = [
        [
            figure.add_axes(
                ((LEFT + column * step) / width, (BELOW + (2 - row) * step) / height, INCH / width, INCH / height)
            )
            for column in range(len(BANDS))
        ]
        for row in range(3)
    ]
    edge = (LEFT + len(BANDS) * step + 0.04) / width
    bars = [
        figure.add_axes((edge, (BELOW + row * step + 0.06) / height, 0.08 / width, (INCH - 0.12) / height))
        for row in (1, 0)
    ]
    return panels, bars


def draw_marks(axes, maps, strong):
    """Mark members with open circles and stars with open crosses."""
    axes.plot(maps.star_x, maps.star_y, ls="", marker=CROSS, ms=5, mfc="none", mec=style.GREEN, mew=1.3 * strong)
    axes.plot(maps.member_x, maps.member_y, ls="", marker="o", ms=4.5, mfc="none", mec=style.VERMILION, mew=strong)


def draw(maps, numbers, begun):
    """Return the figure."""
    width, height = LEFT + 5 * (INCH + GAP) + RIGHT, BELOW + 3 * (INCH + GAP) + ABOVE
    figure = plt.figure(figsize=(width, height))
    panels, bars = place_panels(figure, width, height)
    for place, level in enumerate(numbers.to_dict("records")):
        above, middle, below = (row[place] for row in panels)
        light = maps.image[place] - level["black"]  # asinh turns logarithmic about zero, where the sky is not
        norm = AsinhNorm(level["linear"], vmin=0, vmax=level["white"] - level["black"])
        grey = {"cmap": "gray", "norm": norm, "origin": "lower"}
        above.imshow(light, **grey)
        scaled = np.clip(maps.gradients[place] / level["gradients_limit"], -1, 1)
        middle.imshow(scaled, cmap=COLOURS, vmin=-1, vmax=1, origin="lower")
        below.imshow(light, **grey)
        scaled = np.clip(maps.activation[place] / level["activation_limit"], -1, 1)
        below.imshow(COLOURS((1 + scaled) / 2), alpha=0.8 * np.abs(scaled), origin="lower")
        words = {"ha": "right", "va": "bottom", "fontsize": 8, "style": "italic", "color": "white"}
        for axes in (above, middle, below):
            draw_marks(axes, maps, 0.7 if axes is above else 0.4)
            words["color"] = "black" if axes is middle else "white"
            axes.text(0.96, 0.03, level["band"], transform=axes.transAxes, **words)
            axes.set(
                xticks=[], yticks=[], xlim=(-0.5, maps.image.shape[2] - 0.5), ylim=(-0.5, maps.image.shape[1] - 0.5)
            )
        sure = {"fc": "white", "lw": 0, "alpha": 0.8, "pad": 0.8}
        middle.text(0.03, 0.03, f"$p$ = {level['probability']:.2f}", transform=middle.transAxes, fontsize=6, bbox=sure)
    for row, name in zip(panels, ROWS, strict=True):
        row[0].set_ylabel(name, labelpad=3, fontsize=7)
    for axes, of in zip(bars, ("each band's largest", "the largest"), strict=True):
        bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), COLOURS), cax=axes, ticks=[-1, 0, 1])
        bar.set_label(f"share of {of}", fontsize=6, labelpad=3)
        bar.ax.minorticks_off()
    known = rf"{maps.cluster}, $z = {maps.redshift:.2f}$, $\lambda = {maps.richness:.0f}$,"
    mass = rf"predicted $\log_{{10}}\,(M_{{500\mathrm{{c}}}}\,/\,\mathrm{{M}}_\odot) = {maps.prediction:.2f}$"
    figure.text(0.01, 0.988, f"{known} {mass}; {begun}", va="top", fontsize=6.5)
    return figure


with runtime.logged(snakemake), style.paper_style():
    maps = load_maps(snakemake.input.maps)
    numbers = levels(maps)
    marks = [
        pd.DataFrame({"kind": kind, "x": getattr(maps, f"{kind}_x"), "y": getattr(maps, f"{kind}_y")})
        for kind in ("member", "star")
    ]
    about = {"cluster": maps.cluster, "redshift": maps.redshift, "log10_predicted": maps.prediction}
    style.write_numbers(
        metrics.stack([numbers, *marks]).assign(**about), snakemake.output.csv, snakemake.wildcards.source
    )
    figure = draw(maps, numbers, begun_from(snakemake.params.weights))
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Lin et al. (2022) Fig. 7", provenance.commit())
