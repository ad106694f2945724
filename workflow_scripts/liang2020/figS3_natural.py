"""Liang et al. (2020) Fig. S3: classes of natural images with and without channel ordering (rule liang2020_figS3)."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from clustermass import contracts, provenance, runtime, style
from clustermass.natural.scores import NATURAL_SCORES, summarise
from clustermass.published import published

LOOKS = {"base": ("Base", style.VERMILION, "s", "--"), "ours": ("Ours", style.BLUE, "o", "-")}


def draw_dataset(axes, table):
    """Draw accuracies of Base and Ours against the share of labels."""
    for model, (name, colour, marker, line) in LOOKS.items():
        part = table[table["model"] == model].sort_values("percent")
        shift = 0.5 if model == "ours" else -0.5  # % of labels, so that error bars stand side by side
        errors = 100 * part["accuracy_std"].to_numpy(float)
        axes.errorbar(part["percent"] + shift, 100 * part["accuracy"], errors, color=colour, ls=line,
                      marker=marker, ms=3.5, capsize=2, label=name)  # fmt: skip
    axes.set(xlabel="labelled training images [%]", xlim=(0, 105))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.margins(y=0.15)
    axes.legend(loc="upper left")
    best = table[table["model"] == "ours"].sort_values("percent").iloc[-1]
    words = [f"{best['percent']:g} %: {best['gain_points']:+.1f} ± {best['gain_error']:.1f} points, {best['verdict']}"]
    words += [f"order of channels told: {best['order_accuracy']:.2f} (chance 1/6)"]
    if best["substitute"]:
        words += [f"not comparable with the published {best['published_title']}"]
    elif best["published_gain_percent"] > 0:
        words += [f"{best['gain_percent']:+.1f} % of Base (published {best['published_gain_percent']:+.2f} %, of what"]
        words[-1] += " is not stated)"
    axes.text(0.97, 0.04, "\n".join(words), transform=axes.transAxes, ha="right", va="bottom", fontsize=6)


with runtime.logged(snakemake), style.paper_style():
    titles, missing = snakemake.params.titles, snakemake.params.missing
    tables = [contracts.read_table(path, NATURAL_SCORES) for path in snakemake.input.scores]
    table = summarise(pd.concat(tables or [NATURAL_SCORES.empty()], ignore_index=True))
    weights = [contracts.read_metadata(path)["weights"] for path in snakemake.input.scores]
    start = dict(zip([part["dataset"].iloc[0] for part in tables], weights, strict=True))
    table["base_starts_from"] = table["dataset"].map(start)
    for quantity in ("gain_percent", "same_percent"):
        numbers = {
            n: published("liang2020", "natural_images", f"{n}_{quantity}", snakemake.input.published) for n in titles
        }
        table[f"published_{quantity}"] = (
            table["dataset"].map(numbers).astype(float).mask(table["substitute"].astype(bool))
        )
    table["published_title"] = table["dataset"].map(titles)
    table["comparable"] = ~table["substitute"].astype(bool)
    figure, all_axes = plt.subplots(
        1, len(titles), figsize=(style.PAGE_INCH, 2.9), squeeze=False, sharey=False, layout="constrained"
    )
    for axes, (name, title) in zip(all_axes[0], titles.items(), strict=True):
        part = table[table["dataset"] == name]
        axes.set_title(part["title"].iloc[0] if len(part) else title, fontsize=8,
                       color=style.VERMILION if part["substitute"].any() else "k")  # fmt: skip
        if len(part):
            draw_dataset(axes, part)
        else:
            axes.set(xticks=[], yticks=[])
            words = "\n".join(textwrap.wrap(f"no {title} at hand: put {missing[name]}", 40))
            axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=style.VERMILION)
    all_axes[0, 0].set_ylabel("accuracy on unseen images [%]")
    source = "simulated" if table["substitute"].any() else "archival"  # of the images, not of the clusters
    style.write_numbers(table, snakemake.output.csv, source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, source, "Liang et al. (2020) Fig. S3", provenance.commit())
    print(table.to_string())
