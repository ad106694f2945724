"""Kodi Ramanah et al. (2021) Fig. 9: scatter and richness, four estimators (rule kodiramanah2021_fig09)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime, style
from clustermass.comparison import KODIRAMANAH2021_LOOKS as LOOKS
from clustermass.information_gain import dispersion_scatter, poisson_scatter
from clustermass.interpretation import MEASURED
from clustermass.predictions import ROLES, headline_role
from clustermass.published import published

TERMS = ("sigma_0", "sigma_n")
LEVELS = (  # scatter at 100 members, what it is of
    (dispersion_scatter(), "velocity dispersion"),
    (poisson_scatter(), "richness"),
)


def draw(values, printed, role):
    """Return the figure: sigma_0 to the right, sigma_N upwards, with intervals."""
    figure, axes = plt.subplots(figsize=(style.COLUMN_INCH, 3.3), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.96))
    for marker, (model, look) in zip(style.MARKERS, LOOKS.items(), strict=False):
        x, y = (values.loc[model, term] for term in TERMS)
        ends = [[[p["value"] - p["low"]], [p["high"] - p["value"]]] for p in (x, y)]
        errors = np.clip(ends, 0, None)  # draws need not reach a term that vanishes
        axes.errorbar(x["value"], y["value"], xerr=errors[0], yerr=errors[1], marker=marker, color=look.colour, ms=5,
                      ls="", capsize=2, lw=0.8, label=look.label)  # fmt: skip
    axes.plot(*(printed[term] for term in TERMS), marker="o", mfc="none", ls="", color=style.VERMILION,
              label=r"CNN$_\mathrm{3D}$, published")  # fmt: skip
    for level, name in LEVELS:
        axes.axhline(level, color="0.4", lw=0.8, ls=":")
        axes.text(
            0.98, level + 0.001, name, transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=6.5
        )
    axes.set(xlabel=r"independent of richness, $\sigma_0$  [dex]", xlim=(0, None), ylim=(0, None))
    axes.set_ylim(top=1.08 * max(axes.get_ylim()[1], *(level for level, _ in LEVELS)))  # room for the names
    axes.set(ylabel=r"dependent on richness, $\sigma_N$  [dex]")
    figure.legend(loc="outside lower center", ncols=3, title=ROLES[role], title_fontsize=7)
    return figure


with runtime.logged(snakemake), style.paper_style():
    gain = contracts.read_table(snakemake.input.gain, MEASURED)
    role = headline_role(gain)
    mine = gain[(gain["role"] == role) & gain["statistic"].isin(TERMS)]
    values = pd.Series(mine.to_dict("records"), index=pd.MultiIndex.from_frame(mine[["model", "statistic"]]))
    printed = {
        term: published("kodiramanah2021", "fig09", f"cnn3d_{term}", snakemake.input.published) for term in TERMS
    }
    levels = pd.DataFrame(
        {"model": [name for _, name in LEVELS], "statistic": "sigma_n", "value": [v for v, _ in LEVELS]}
    )
    style.write_numbers(pd.concat([gain, levels]), snakemake.output.csv, snakemake.wildcards.source)
    outputs = {"pdf": snakemake.output.pdf, "png": snakemake.output.png}
    title = "Kodi Ramanah et al. (2021) Fig. 9"
    style.save_figure(draw(values, printed, role), outputs, snakemake.wildcards.source, title, provenance.commit())
