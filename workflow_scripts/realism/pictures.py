"""A real and a simulated field side by side in g, r and i, at one stretch (rule realism_pictures)."""

import matplotlib.pyplot as plt
import numpy as np

from clustermass import provenance, runtime, style
from clustermass.config.pictures import Pictures
from clustermass.config.realism import Realism
from clustermass.images.composites import composite
from clustermass.images.pictures import show

with runtime.logged(snakemake), style.paper_style():
    settings, look = Realism(**snakemake.params.realism), Pictures(**snakemake.params.pictures)
    figure, cells = plt.subplots(1, 2, figsize=(style.PAGE_INCH, 3.8), layout="constrained")
    for axes, kind in zip(cells, ("real", "simulated"), strict=True):
        with np.load(snakemake.input[kind]) as fields:
            images = dict(fields)
        for name, image in images.items():
            show(axes, composite(image, look), settings.picture_arcsec)
            axes.set_title(f"{kind}, field {name}", loc="left", fontsize=8, pad=3)
        if not images:
            axes.axis("off")
            axes.text(0.5, 0.5, f"no {kind} field", ha="center", transform=axes.transAxes)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, "simulated", "A real and a simulated field", provenance.commit())
