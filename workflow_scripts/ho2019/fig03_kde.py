"""Ho et al. (2019) Fig. 3: kernel densities of six mock clusters, what the CNNs see (rule ho2019_fig03)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import comparison, contracts, kde, metrics, provenance, runtime, style
from clustermass.config.dynamics import Kde
from clustermass.config.figures import Figures
from clustermass.config.mock_observation import MockObservation
from clustermass.mock_observation.contracts import CLUSTERS_MOCK, MEMBERS_MOCK, TRUTH_MOCK
from clustermass.mock_observation.ragged import offsets


def draw(clusters, galaxies, planes, profiles, cylinder):
    """Return the figure: a column a cluster, its 2D density with galaxies above, its 1D density below."""
    number, cut, aperture = len(clusters), cylinder.velocity_cut_km_s, cylinder.aperture_mpc_h
    shape = {"figsize": (style.PAGE_INCH, 2.75), "height_ratios": [1.5, 1], "layout": "constrained"}
    figure, grid = plt.subplots(2, number, sharex=True, sharey="row", **shape)
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.94), w_pad=0.01, h_pad=0.02)
    points = kde.cell_centres(-cut, cut, profiles.shape[1])
    for place, row in enumerate(clusters.itertuples()):
        above, below = grid[:, place]
        image = above.imshow(planes[place].T, origin="lower", extent=(-cut, cut, 0, aperture), aspect="auto",
                             cmap="Greys", vmin=0)  # fmt: skip
        image.set_rasterized(True)
        mine = galaxies[galaxies["cluster"] == row.cluster]
        for member, colour, marker, name in (
            (True, style.BLUE, "o", "members"),
            (False, style.VERMILION, "^", "interlopers"),
        ):
            part = mine[mine["member"] == member]
            above.plot(part["v_los"], part["r_proj"], ls="", marker=marker, ms=2.2, mew=0.3, mec="white", color=colour,
                       label=name)  # fmt: skip
        above.set_title(f"{row.log10_m200c:.2f}", fontsize=8, pad=3)
        below.plot(points, profiles[place], color=style.BLACK, lw=1.0)
        below.fill_between(points, profiles[place], color="0.85", lw=0)
        below.set_xticks([-1500, 0, 1500], ["−1.5", "0", "1.5"])
    grid[0, 0].set(ylabel=r"$R_\mathrm{proj}$  [$h^{-1}$Mpc]")
    grid[1, 0].set(ylabel="1D density", xlim=(-cut, cut))
    grid[1, 0].set_ylim(bottom=0)
    figure.supxlabel(r"$v_\mathrm{los}$  [$10^3$ km s$^{-1}$]", fontsize=8)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper right", bbox_to_anchor=(0.85, 1.012), ncols=2, handletextpad=0.1, markerscale=1.6
    )
    figure.text(
        0.01,
        0.995,
        r"$\log_{10}\,(M_{200\mathrm{c}}\ /\ h^{-1}\mathrm{M}_\odot)$ above each column",
        va="top",
        fontsize=7,
    )
    return figure


def tabulate(clusters, galaxies, planes, profiles, cylinder):
    """Return everything that is drawn as one table."""
    cut, aperture = cylinder.velocity_cut_km_s, cylinder.aperture_mpc_h
    speed = [kde.cell_centres(-cut, cut, densities.shape[1]) for densities in (planes, profiles)]
    radius = kde.cell_centres(0, aperture, planes.shape[2])
    parts = [galaxies.assign(kind="galaxy")]
    for name, plane, profile in zip(clusters["cluster"], planes, profiles, strict=True):
        v, r = (axis.ravel() for axis in np.meshgrid(speed[0], radius, indexing="ij"))
        parts.append(pd.DataFrame({"cluster": name, "kind": "2D", "v_los": v, "r_proj": r, "density": plane.ravel()}))
        parts.append(pd.DataFrame({"cluster": name, "kind": "1D", "v_los": speed[1], "density": profile}))
    return metrics.stack(parts).merge(clusters[["cluster", "log10_m200c"]], on="cluster")


with runtime.logged(snakemake), style.paper_style():
    choices, cylinder = Figures(**snakemake.params.figures), MockObservation(**snakemake.params.mock_observation)
    settings = Kde(**snakemake.params.kde)
    clusters = comparison.headline_clusters(contracts.read_table(snakemake.input.clusters, CLUSTERS_MOCK))
    rng = runtime.job_generator(snakemake)
    clusters = clusters.iloc[
        comparison.one_per_bin(clusters["log10_m200c"].to_numpy(), choices.ho2019_kde_clusters, rng)
    ]
    members = contracts.read_table(snakemake.input.members, MEMBERS_MOCK)
    members["member"] = contracts.read_table(snakemake.input.truth, TRUTH_MOCK)["member"]
    galaxies = pd.concat([members[members["cluster"] == name] for name in clusters["cluster"]], ignore_index=True)
    start = offsets(clusters["richness"].to_numpy(np.int64))
    speed, radius = galaxies["v_los"].to_numpy(), galaxies["r_proj"].to_numpy()
    cut, aperture = cylinder.velocity_cut_km_s, cylinder.aperture_mpc_h
    profiles = kde.density_1d(speed, start, cut, settings)
    planes = kde.density_2d(speed, radius, start, cut, aperture, settings)  # (clusters, velocity, radius)
    numbers = tabulate(clusters, galaxies, planes, profiles, cylinder)
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    figure = draw(clusters, galaxies, planes, profiles, cylinder)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 3", provenance.commit())
