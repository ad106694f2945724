"""What weighing a cluster leaves: a table, its posteriors for other programs, a plot, a few lines of text."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clustermass.exchange import write_exchange
from clustermass.files import replacing
from clustermass.style import CYCLE, GREY, PAGE_INCH, VERMILION, paper_style
from clustermass.weigh.cluster import DENSITIES, Weighed

TITLES = {"cnn3d": "CNN3D", "msigma": "M-sigma", "virial": "virial"}
FLAGS = {
    "few": "too few galaxies",
    "uncovered": "window not covered",
    "extrapolated": "extrapolated",
    "out_of_domain": "unlike the mock",
}


def describe(found: Weighed, hubble: float, source: str, redshift_given: bool, centre_given: bool) -> list[str]:
    """Return lines on what was weighed, in which units, and what speaks against each mass.

    Parameters
    ----------
    found : Weighed
    hubble : float
        h: H0 over 100 km/s/Mpc.
    source : str
        Data that the estimators were trained on.
    redshift_given, centre_given : bool
        Whether the user said where the cluster is.
    """
    lines = [
        f"Cluster at redshift {found.redshift:.5f} ({'given' if redshift_given else 'measured from the galaxies'})"
    ]
    if found.centre is not None:
        how = "given" if centre_given else "found in the galaxies"
        lines[0] += f", centre {found.centre[0]:.4f} {found.centre[1]:+.4f} deg ({how})"
    lines += [f"log10 M200c in Msun/h, h = {hubble:g}; limits of 68 %; in brackets M200c in 1e14 Msun, without h", ""]
    for row in found.masses.to_dict("records"):
        mass = "no mass"
        if np.isfinite(row["log10_m200c"]):
            mass = f"{row['log10_m200c']:.2f}"
            if np.isfinite(row["low68"]):
                mass += f"  {row['low68']:.2f} to {row['high68']:.2f}"
            mass += f"  ({row['m200c_msun'] / 1e14:.2f})"
        aperture = f" within {row['aperture_mpc_h']:.2f} Mpc/h" if np.isfinite(row["aperture_mpc_h"]) else ""
        flags = [words for flag, words in FLAGS.items() if row[flag]]
        told = f"  ! {', '.join(flags)}" if flags else ""
        remark = f"  [{row['remark']}]" if row["remark"] else ""
        lines.append(f"  {TITLES[row['estimator']]:8} {mass:32} {row['galaxies']} galaxies{aperture}{told}{remark}")
    lines += ["", f"Trained on {source} data; model cards stand beside the weights (training/*/*/card.md)."]
    return lines


def write_products(found: Weighed, prefix: str | Path, title: str, notes: list[str], source: str) -> list[Path]:
    """Write all products and return their paths: masses as CSV, posteriors as FITS and VOTable, a plot as PNG and PDF.

    Parameters
    ----------
    found : Weighed
    prefix : path
        What names of files begin with.
    title : str
        Over the plot.
    notes : list of str
        As `describe` returns them.
    source : str
        Data that the estimators were trained on.
    """
    prefix = Path(prefix)
    paths = {kind: prefix.with_name(f"{prefix.name}.{kind}") for kind in ("csv", "fits", "vot", "png", "pdf")}
    with replacing(paths["csv"]) as aside:
        found.masses.to_csv(aside, index=False, float_format="%.6g")
    said = [line.strip() for line in notes if line.strip()]
    write_exchange(found.densities, DENSITIES, {"fits": paths["fits"], "vot": paths["vot"]}, said)
    figure = draw(found, title, source)
    for kind in ("png", "pdf"):
        with replacing(paths[kind]) as aside:
            figure.savefig(aside)
    plt.close(figure)
    return list(paths.values())


def draw(found: Weighed, title: str, source: str) -> Figure:
    """Return a figure of the posteriors beside the galaxies in phase space."""
    with paper_style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_INCH, 2.9), layout="constrained")
        _draw_masses(left, found)
        _draw_galaxies(right, found)
        figure.suptitle(title, fontsize=9)
        words = f"estimators trained on {source} data"
        figure.text(0.995, 0.995, words, ha="right", va="top", fontsize=6, color=VERMILION)
    return figure


def _draw_masses(axes: Axes, found: Weighed) -> None:
    """Draw posterior densities, and the virial mass with its bootstraps below them."""
    top = float(found.densities["density"].max()) if len(found.densities) else 1.0
    for number, row in enumerate(found.masses.to_dict("records")):
        if not np.isfinite(row["log10_m200c"]):
            continue
        flagged = any(row[flag] for flag in FLAGS)
        label = TITLES[row["estimator"]] + (" (flagged)" if flagged else "")
        own = found.densities[found.densities["estimator"] == row["estimator"]]
        if len(own):
            axes.plot(own["log10_m200c"], own["density"], label=label, color=CYCLE[number], ls="--" if flagged else "-")
        else:
            sides = np.nan_to_num([[row["log10_m200c"] - row["low68"]], [row["high68"] - row["log10_m200c"]]]).clip(0)
            axes.errorbar(row["log10_m200c"], 0.08 * top, xerr=sides, fmt="o", ms=4, label=label, color=CYCLE[number])
    axes.set(
        xlabel=r"$\log_{10}\,M_{200\mathrm{c}}\;[h^{-1}\,M_\odot]$", ylabel="posterior density [1/dex]", ylim=(0, None)
    )
    axes.legend()


def _draw_galaxies(axes: Axes, found: Weighed) -> None:
    """Draw galaxies in projected phase space, or their velocities where places are unknown."""
    if found.centre is None:
        axes.hist(found.v_los, bins=30, color=GREY)
        axes.set(xlabel="line-of-sight velocity [km/s]", ylabel="galaxies")
        return
    radius = np.hypot(found.x, found.y)
    axes.plot(radius, found.v_los, ".", ms=2, color=GREY)
    axes.axvline(found.half_side, color=CYCLE[0], ls=":", lw=0.8, label="half-side of the window of CNN3D")
    axes.set(xlabel=r"projected radius [$h^{-1}$ Mpc, proper]", ylabel="line-of-sight velocity [km/s]",
             xlim=(0, min(float(radius.max()), 1.5 * found.half_side) * 1.02))  # fmt: skip
    axes.legend(loc="lower right")
