"""Draw colour composites of a few clusters, with member galaxies, stars and scales marked (rule images_pictures)."""

import matplotlib.pyplot as plt
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.pictures import Pictures
from clustermass.frames.contracts import IMAGE_CLUSTERS, STARS
from clustermass.frames.sample import with_masses
from clustermass.images import composites, pictures
from clustermass.images.members import IMAGE_MEMBERS
from clustermass.images.store import Images
from clustermass.mosaic.grid import Grid


def draw(chosen, mosaics, members, stars, settings):
    """Return the figure: pictures of clusters two by two, the heaviest first."""
    columns = 1 if len(chosen) == 1 else 2
    rows = max(-(-len(chosen) // columns), 1)
    inches = style.PAGE_INCH / columns
    size = (style.PAGE_INCH, (inches + 0.14) * rows + 0.2)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.01, hspace=0, wspace=0, rect=(0, 0, 1, 1 - 0.2 / size[1]))
    for place, cluster in zip(axes.flat, chosen.itertuples(), strict=False):
        image = mosaics[cluster.id].picture(cluster.id)
        pixel = mosaics[cluster.id].about["pixel_arcsec"]
        grid = Grid(cluster.ra, cluster.dec, pixel, image.shape[2], image.shape[1])
        rgb = composites.composite(pictures.printed(image, inches), settings)
        pictures.show(place, rgb, grid.nx * pixel)
        near = members[(members["cluster"] == cluster.id) & (members["probability"] >= settings.min_probability)]
        bright = stars[stars["r"] <= settings.faintest_star]
        marks = [composites.offsets(t["ra"].to_numpy(), t["dec"].to_numpy(), grid) for t in (near, bright)]
        pictures.mark(place, *marks)
        pictures.draw_scales(place, cluster.arcsec_per_mpc)
        place.set_title(cluster.id, loc="left", fontsize=7, pad=2.5)
        mass = rf"$\log_{{10}}(M_{{500\mathrm{{c}}}}/\mathrm{{M}}_\odot) = {cluster.log10_m500c:.2f}$"
        words = f"{mass}, $z = {cluster.redshift:.2f}$, $\\lambda = {cluster.richness:.0f}$"
        place.set_title(words, loc="right", fontsize=6.5, pad=2.5)
    for place in axes.flat[len(chosen) :]:
        place.set_visible(False)
    star = {
        "marker": pictures.CROSS,
        "ms": 8,
        "mec": style.ORANGE,
        "label": rf"stars of $r < {settings.faintest_star:g}$",
    }
    member = {"marker": "o", "mfc": "none", "mec": style.SKY, "label": "member galaxies"}
    handles = [plt.Line2D([], [], ls="", **look) for look, table in ((member, members), (star, stars)) if len(table)]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.1)
    return figure


with runtime.logged(snakemake), style.paper_style():
    settings = Pictures(**snakemake.params.pictures)
    labels = contracts.read_table(snakemake.input.labels, contracts.LABELS)
    clusters = with_masses(contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS), labels)
    files = [Images(path, settings.sheet_cutout) for path in snakemake.input.images]
    mosaics = {cluster: file for file in files for cluster in file.shown}
    tables = [contracts.read_table(path, STARS) for path in snakemake.input.stars]
    stars = pd.concat([STARS.empty(), *(table for table in tables if len(table))])
    members = [contracts.read_table(path, IMAGE_MEMBERS) for path in snakemake.input.members]
    members = pd.concat([IMAGE_MEMBERS.empty(), *members])
    chosen = pictures.spread_clusters(clusters[clusters["id"].isin(list(mosaics))], settings.clusters)
    figure = draw(chosen, mosaics, members, stars, settings)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Clusters in gri", provenance.commit())
