"""Liang et al. (2020) Fig. S1: one cluster in five bands (rule liang2020_figS1)."""

import matplotlib.pyplot as plt
from matplotlib.colors import AsinhNorm

from clustermass import contracts, provenance, runtime, style
from clustermass.config.pictures import Pictures
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.frames.sample import with_masses
from clustermass.images import pictures
from clustermass.images.store import Images


def draw(cluster, numbers, image, side_mpc):
    """Return the figure: a panel a band, each with its own scale, as the bands differ in noise and depth."""
    width, height, inch, below, gap = style.PAGE_INCH, 2.2, 1.39, 0.47, 0.03
    figure = plt.figure(figsize=(width, height))
    for place, (band, pixels) in enumerate(zip(numbers.itertuples(), image, strict=True)):
        left = (place * (inch + gap) + gap / 2) / width
        axes = figure.add_axes((left, below / height, inch / width, inch / height))
        norm = AsinhNorm(band.linear, vmin=band.black, vmax=band.white)
        shown = pictures.show(axes, pixels, side_mpc, cmap="gray", norm=norm)
        axes.set_title(f"${band.band}$", pad=3)
        thin = figure.add_axes(
            (left + 0.04 * inch / width, (below - 0.07) / height, 0.92 * inch / width, 0.05 / height)
        )
        ticks = [0, float(f"{0.85 * band.white:.1g}")]
        bar = figure.colorbar(shown, cax=thin, orientation="horizontal")
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks], minor=False)
        bar.minorticks_off()
    unit = r"surface brightness [nanomaggy arcsec$^{-2}$]"
    figure.text(0.5, 0.02, unit, ha="center", va="bottom", fontsize=7)
    words = rf"{cluster['id']}, $z = {cluster['redshift']:.2f}$, $\lambda = {cluster['richness']:.0f}$"
    figure.text(gap / 2 / width, 0.985, f"{words}, sides of {side_mpc:g} Mpc", va="top", fontsize=7)
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings = Pictures(**snakemake.params.pictures)
    labels = contracts.read_table(snakemake.input.labels, contracts.LABELS)
    clusters = with_masses(contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS), labels)
    files = [Images(path, snakemake.params.cutout) for path in snakemake.input.images]
    file_of = {name: file for file in files for name in file.clusters}
    cluster = pictures.nearest_richness(clusters[clusters["id"].isin(list(file_of))], settings.liang2020_richness)
    file = file_of[cluster["id"]]
    image = file.read(file.rows([cluster["id"]]))[0]
    numbers = pictures.grey_levels(image, settings.liang2020_noises)
    about = {name: cluster[name] for name in ("id", "ra", "dec", "redshift", "richness", "log10_m500c")}
    style.write_numbers(numbers.assign(**about), snakemake.output.csv, snakemake.wildcards.source)
    figure = draw(cluster, numbers, image, snakemake.params.side_mpc)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Liang et al. (2020) Fig. S1", provenance.commit())
