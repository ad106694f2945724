"""Kodi Ramanah et al. (2021) Fig. 2: galaxies of one mock cluster and their 3D density (rule kodiramanah2021_fig02)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.config.dynamics import Kde3d
from clustermass.config.figures import Figures
from clustermass.config.networks import CubeNetwork
from clustermass.kde import cell_centres
from clustermass.kde3d import density_3d
from clustermass.mock_observation.survey_contracts import SURVEY_CLUSTERS, SURVEY_MEMBERS, SURVEY_TRUTH

KINDS = {True: ("true members", style.BLUE, "o"), False: ("interlopers", style.VERMILION, "^")}
SHOWN = 0.02  # voxels with at least this share of the peak are drawn
AXES = (r"$x_\mathrm{proj}$  [$h^{-1}$Mpc]", r"$y_\mathrm{proj}$  [$h^{-1}$Mpc]", r"$v_\mathrm{los}$  [km s$^{-1}$]")


def frame(axes, reach, cut):
    """Label the axes of a view of phase space."""
    axes.set_xlabel(AXES[0], labelpad=-2)
    axes.set_ylabel(AXES[1], labelpad=-2)
    axes.set_zlabel(AXES[2], labelpad=1)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-cut, cut), zticks=np.arange(-2000, 2001, 1000))
    half = reach / 2
    axes.set(xticks=[-reach, -half, 0, half, reach], yticks=[-reach, -half, 0, half, reach])
    axes.minorticks_off()
    axes.patch.set_visible(False)
    axes.view_init(elev=18, azim=-58)
    axes.set_box_aspect((1, 1, 0.9), zoom=0.97)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.fill = False
        axis.set_tick_params(pad=-1)
    axes.grid(False)


def draw(galaxies, cube, centres, log10_mass, reach, cut):
    """Return the figure: galaxies on the left, their density on the right."""
    figure = plt.figure(figsize=(style.PAGE_INCH, 3.2))
    left, right = (figure.add_axes([0.005 + 0.45 * k, 0.02, 0.44, 0.93], projection="3d") for k in (0, 1))
    for member, (name, colour, marker) in KINDS.items():
        part = galaxies[galaxies["member"] == member]
        look = {"s": 10, "c": colour, "marker": marker, "lw": 0, "alpha": 0.8, "depthshade": False}
        left.scatter(part["x"], part["y"], part["v_los"], label=f"{name} ({len(part)})", **look)
    share = cube / cube.max()
    v, x, y = np.nonzero(share > SHOWN)
    level = np.log10(share[v, x, y])
    order = np.argsort(level)  # the densest on top
    seen = right.scatter(
        centres[1][x][order], centres[1][y][order], centres[0][v][order], c=level[order], cmap="viridis", s=9, lw=0,
        alpha=0.25, depthshade=False, rasterized=True, vmin=np.log10(SHOWN), vmax=0,
    )  # fmt: skip
    for axes in (left, right):
        frame(axes, reach, cut)
    bar = figure.colorbar(seen, ax=right, cax=figure.add_axes([0.94, 0.2, 0.011, 0.55]))
    bar.solids.set_alpha(1)
    bar.ax.set_title("density / peak,\n" r"$\log_{10}$", fontsize=6, pad=5)
    mass = rf"$\log_{{10}}(M_{{200\mathrm{{c}}}}\ /\ h^{{-1}}\mathrm{{M}}_\odot) = {log10_mass:.2f}$"
    left.legend(loc="upper left", title=mass, title_fontsize=8, handletextpad=0.2, bbox_to_anchor=(0, 1.03))
    return figure


def voxels(cube, centres):
    """Return the density as a table: a row a voxel that is drawn."""
    v, x, y = np.nonzero(cube > SHOWN * cube.max())
    columns = {"kind": "density", "x": centres[1][x], "y": centres[1][y], "v_los": centres[0][v]}
    return pd.DataFrame({**columns, "density": cube[v, x, y]})


with runtime.logged(snakemake), style.paper_style():
    choices, kde = Figures(**snakemake.params.figures), Kde3d(**snakemake.params.kde3d)
    aperture, cut = snakemake.params.aperture_mpc_h, kde.velocity_cut_km_s
    number = CubeNetwork(**snakemake.params.network).voxels
    clusters = contracts.read_table(snakemake.input.clusters, SURVEY_CLUSTERS)
    judged = clusters[clusters["set"] == "evaluation"]
    cluster = judged.loc[(judged["log10_m200c"] - choices.kodiramanah2021_example_log10_mass).abs().idxmin()]
    members = contracts.read_table(snakemake.input.members, SURVEY_MEMBERS)
    members["member"] = contracts.read_table(snakemake.input.truth, SURVEY_TRUTH)["member"]
    galaxies = members[members["cluster"] == cluster["cluster"]]
    inside = (galaxies[["x", "y"]].abs().max(axis=1) <= aperture) & (galaxies["v_los"].abs() <= cut)
    galaxies = galaxies[inside]
    v, x, y = (galaxies[name].to_numpy(float) for name in ("v_los", "x", "y"))
    cube = density_3d(v, x, y, np.array([0, len(v)]), aperture, cut, number, kde)[0]
    centres = [cell_centres(-reach, reach, number) for reach in (cut, aperture)]
    figure = draw(galaxies, cube, centres, cluster["log10_m200c"], aperture, cut)
    about = {"box": cluster["box"], "halo": cluster["halo"], "log10_m200c": cluster["log10_m200c"]}
    numbers = pd.concat([galaxies.assign(kind="galaxy", **about), voxels(cube, centres)])
    style.write_numbers(numbers, snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 2"
    style.save_figure(figure, outputs, snakemake.wildcards.source, title, provenance.commit())
