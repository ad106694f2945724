"""All mass estimators on the samples that they share (rule scorecard_leaderboard)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from clustermass import contracts, provenance, runtime, style
from clustermass.comparison import KODIRAMANAH2021_LOOKS, LOOKS
from clustermass.config.interpretation import Interpretation
from clustermass.config.scorecard import Scorecard
from clustermass.posterior.contracts import CALIBRATION
from clustermass.predictions import PREDICTIONS, TIMING
from clustermass.scorecard.leaderboard import (
    NEEDS,
    TITLES,
    Entrant,
    image_residuals,
    leaderboard,
    mock_residuals,
)
from clustermass.transfer.comparison import fitted_richness_masses, look_of, median_masses
from clustermass.transfer.contracts import MASS_PREDICTIONS
from clustermass.transfer.scores import richness_masses

REFERENCES = {"richness": richness_masses, "richness_fitted": fitted_richness_masses, "constant": median_masses}
BANDS = 5  # inputs of the step `features` that a cluster has


def times(entry):
    """Return what the steps of an estimator took."""
    tables = [contracts.read_table(path, TIMING) for path in entry["timing"]]
    for place, path in enumerate(entry["timing"]):
        if "/bands/" in path:  # there, evaluation is that of the classes
            tables[place] = tables[place][tables[place]["step"] != "evaluation"]
    return pd.concat(tables, ignore_index=True) if tables else TIMING.empty()


def mock_entrant(entry):
    """Return an estimator of dynamical masses."""
    found = mock_residuals(contracts.read_joined(entry["predictions"], PREDICTIONS))
    calibration = None
    for path in entry["calibration"]:
        table = contracts.read_table(path, CALIBRATION).query("statistic == 'pit' and bins == 'all'").iloc[0]
        calibration = (table["deviation"], table["band"])
    name = entry["name"]
    look = (LOOKS | KODIRAMANAH2021_LOOKS).get(name)
    title = TITLES.get(name) or (look.title if look else name)
    return Entrant(entry["sample"], title, NEEDS[name], *found, times(entry), calibration)


def image_entrants(entries):
    """Return models of masses from images, and what they stand beside."""
    made = []
    for entry in entries:
        predictions = contracts.read_joined(entry["predictions"], MASS_PREDICTIONS)
        found = image_residuals(predictions)
        title = look_of(entry["name"]).title
        made.append(Entrant(entry["sample"], title, entry["needs"], *found, times(entry), None, {"features": BANDS}))
        if entry is entries[0]:
            first = predictions
    for name, reference in REFERENCES.items() if entries else ():
        judged, calibrating, _ = image_residuals(reference(first))
        calibrating = calibrating[:0] if name == "richness" else calibrating  # not fitted: the same as those that judge
        title, sample = look_of(name).title, entries[0]["sample"]
        made.append(Entrant(sample, title, NEEDS[name], judged, calibrating, {}, TIMING.empty()))
    return made


def draw(table):
    """Return the figure: a row an estimator, panels for bias, scatter, outliers, calibration and cost."""
    place = np.arange(len(table))[::-1]
    figure, all_axes = plt.subplots(
        1, 5, figsize=(style.PAGE_INCH, 1.1 + 0.2 * max(len(table), 1)), sharey=True, layout="constrained"
    )
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.94))
    samples = list(dict.fromkeys(table["sample"]))
    colours = [style.CYCLE[samples.index(sample)] for sample in table["sample"]]
    panels = {"bias": "bias [dex]", "scatter": "scatter [dex]", "outliers": "outliers [%]"}
    for axes, (name, label) in zip(all_axes, panels.items(), strict=False):
        value = table["outliers_percent" if name == "outliers" else name]
        axes.hlines(place, table[f"{name}_low"], table[f"{name}_high"], colors=colours, lw=1.0)
        axes.scatter(value, place, c=colours, s=14, zorder=3)
        axes.set(xlabel=label)
    all_axes[0].axvline(0, color=style.GREY, lw=0.6, zorder=0)
    all_axes[3].scatter(table["calibration_error"], place, c=colours, s=14, zorder=3)
    all_axes[3].scatter(table["calibration_noise"], place, marker="|", color=style.GREY, s=40)
    all_axes[3].set(xlabel="calibration error\n(bar: noise, 95 %)", xlim=(0, None))
    all_axes[4].scatter(table["milliseconds_a_cluster"], place, c=colours, s=14, zorder=3)
    all_axes[4].set(
        xlabel="time of a\ncluster [ms]", xscale="log" if table["milliseconds_a_cluster"].notna().any() else "linear"
    )
    all_axes[0].set_yticks(place, table["estimator"])
    all_axes[1].set_xlim(left=0)
    for axes in all_axes:
        axes.tick_params(axis="y", which="minor", left=False, right=False)
        for last in np.flatnonzero(table["sample"].to_numpy()[1:] != table["sample"].to_numpy()[:-1]):
            axes.axhline(place[last] - 0.5, color=style.GREY, lw=0.5)
    handles = [Line2D([], [], ls="", marker="o", ms=4, color=style.CYCLE[n], label=s) for n, s in enumerate(samples)]
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=2, fontsize=6.5)
    return figure


with runtime.logged(snakemake), style.paper_style():
    params, source = snakemake.params, snakemake.wildcards.source
    entries = params.entries
    entrants = [mock_entrant(entry) for entry in entries if entry["kind"] == "mock"]
    entrants += image_entrants([entry for entry in entries if entry["kind"] == "images"])
    limit, draws = Scorecard(**params.scorecard).outlier_dex, Interpretation(**params.interpretation).bootstrap_draws
    table = leaderboard(entrants, limit, draws, lambda: np.random.default_rng(params.seed), params.seed)
    caption = (
        "Mass estimators on the clusters that all estimators of a sample weighed, by scatter: mean (bias) and standard"
        " deviation (scatter) of log10(predicted / true mass) [dex], masses that are off by more than"
        f" {limit:g} dex [percent]; low and high: 16th and 84th percentile of a bootstrap over halos. Calibration"
        " error: largest difference between the share of truths below a quantile and the quantile, of posteriors or"
        " of error bars made of an estimator's own residuals in cross-validation, beside what chance brings in 95"
        " percent. Scatter of trainings: how much the scatter differs between folds and trials. Time of a cluster: its"
        " inputs and the evaluation. Masses of mock clusters are M200c and known; those of images are M500c labels"
        " with errors of their own."
    )
    outputs = {kind: snakemake.output[kind] for kind in ("csv", "md", "tex")}
    style.write_paper_table(table, outputs, source, caption)
    outputs = {kind: snakemake.output[kind] for kind in ("pdf", "png")}
    style.save_figure(draw(table), outputs, source, "Leaderboard", provenance.commit())
    print(table.to_string())
