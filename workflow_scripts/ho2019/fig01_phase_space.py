"""Ho et al. (2019) Fig. 1: members and interlopers of one mock cluster in three views (rule ho2019_fig01)."""

import matplotlib.pyplot as plt
import numpy as np

from clustermass import comparison, contracts, provenance, runtime, style
from clustermass.config.figures import Figures
from clustermass.config.mock_observation import MockObservation
from clustermass.mock_observation.contracts import CLUSTERS_MOCK, MEMBERS_MOCK, TRUTH_MOCK

KINDS = {  # member: name, colour, marker
    True: ("true members", style.BLUE, "o"),
    False: ("interlopers", style.VERMILION, "^"),
}
SPEED = r"$v_\mathrm{los}$  [km s$^{-1}$]"
X, Y = (rf"${axis}_\mathrm{{proj}}$  [$h^{{-1}}$Mpc]" for axis in "xy")
CIRCLE = np.array([np.cos(np.linspace(0, 2 * np.pi, 201)), np.sin(np.linspace(0, 2 * np.pi, 201))])


def draw_cylinder(axes, galaxies, cylinder):
    """Draw the galaxies in the cylinder of the mock light cone; nothing is clipped, as the axes' frame is a square."""
    cut, ends = cylinder.velocity_cut_km_s, np.array([-1, 1])
    ring = cylinder.aperture_mpc_h * CIRCLE
    for end in (-1, 0, 1):
        look = {"color": style.GREY, "lw": 0.8, "ls": "-" if end else ":", "clip_on": False}
        axes.plot(np.full(ring.shape[1], end * cut), *ring, **look)
    for side in ring[:, : -1 : ring.shape[1] // 4].T:
        axes.plot(ends * cut, *np.tile(side[:, None], 2), color=style.GREY, lw=0.4, clip_on=False)
    for member, (_name, colour, marker) in KINDS.items():
        part = galaxies[galaxies["member"] == member]
        look = {"s": 11, "c": colour, "marker": marker, "lw": 0, "alpha": 0.8, "depthshade": False, "clip_on": False}
        axes.scatter(part["v_los"], part["x"], part["y"], **look)
    axes.set_box_aspect((3.4, 1, 1), zoom=1.62)
    axes.view_init(elev=20, azim=-68)
    axes.set_xlabel(SPEED, labelpad=9)
    axes.set_ylabel(X, labelpad=-1)
    axes.set_zlabel(Y, labelpad=-5)
    axes.set(xlim=(-cut, cut), xticks=np.arange(-2000, 2001, 1000), yticks=[-1, 0, 1], zticks=[-1, 0, 1])
    axes.minorticks_off()
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.fill = False
        axis.set_tick_params(pad=-1)
    axes.grid(False)


def draw(galaxies, log10_mass, cylinder):
    """Return the figure."""
    figure = plt.figure(figsize=(style.PAGE_INCH, 5.3))
    draw_cylinder(figure.add_axes([0.02, 0.51, 1.0, 0.5], projection="3d"), galaxies, cylinder)
    phase, sky = figure.add_axes([0.075, 0.08, 0.44, 0.34]), figure.add_axes([0.635, 0.08, 0.2538, 0.34])
    for member, (name, colour, marker) in KINDS.items():
        part = galaxies[galaxies["member"] == member]
        look = {"ls": "", "marker": marker, "ms": 3.2, "mew": 0, "color": colour, "alpha": 0.8}
        phase.plot(part["v_los"], part["r_proj"], label=f"{name} ({len(part)})", **look)
        sky.plot(part["x"], part["y"], **look)
    sky.plot(*(cylinder.aperture_mpc_h * CIRCLE), color=style.GREY, lw=0.7)
    reach = 1.06 * cylinder.aperture_mpc_h
    phase.set(xlabel=SPEED, ylabel=r"$R_\mathrm{proj}$  [$h^{-1}$Mpc]", ylim=(0, cylinder.aperture_mpc_h))
    phase.set(xlim=(-cylinder.velocity_cut_km_s, cylinder.velocity_cut_km_s), xticks=np.arange(-2000, 2001, 1000))
    sky.set(xlabel=X, ylabel=Y, xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    sky.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    mass = rf"$\log_{{10}}(M_{{200\mathrm{{c}}}}\ /\ h^{{-1}}\mathrm{{M}}_\odot) = {log10_mass:.2f}$"
    place = {"loc": "upper left", "bbox_to_anchor": (0.01, 0.99), "alignment": "left"}
    figure.legend(*phase.get_legend_handles_labels(), title=mass, title_fontsize=8, handletextpad=0.2, **place)
    return figure


with runtime.logged(snakemake), style.paper_style():
    choices = Figures(**snakemake.params.figures)
    clusters = comparison.headline_clusters(contracts.read_table(snakemake.input.clusters, CLUSTERS_MOCK))
    away = (clusters["log10_m200c"] - choices.ho2019_example_log10_mass).abs()
    cluster = clusters.loc[away.idxmin()]
    members = contracts.read_table(snakemake.input.members, MEMBERS_MOCK)
    members["member"] = contracts.read_table(snakemake.input.truth, TRUTH_MOCK)["member"]
    galaxies = members[members["cluster"] == cluster["cluster"]]
    figure = draw(galaxies, cluster["log10_m200c"], MockObservation(**snakemake.params.mock_observation))
    numbers = galaxies.assign(box=cluster["box"], halo=cluster["halo"], log10_m200c=cluster["log10_m200c"])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    style.save_figure(figure, outputs, snakemake.wildcards.source, "Ho et al. (2019) Fig. 1", provenance.commit())
