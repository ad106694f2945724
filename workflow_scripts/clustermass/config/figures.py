"""Configuration of figures: choices of drawing that change no result."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clustermass.config.base import Positive, Section


class Figures(Section):
    """Choices of drawing."""

    lin2022_median_dz: Positive = Field(
        0.01, description="width of the redshift bins of running medians, Lin et al. Fig. 1"
    )
    lin2022_median_count: Annotated[int, Field(ge=1)] = Field(5, description="fewest clusters a median is drawn of")
    ho2019_example_log10_mass: float = Field(
        14.27, description="mass of the cluster that Ho et al. Fig. 1 shows, log10 M200c [Msun/h]"
    )
    ho2019_mass_bin_dex: Positive = Field(0.1, description="bins of mass, Ho et al. Fig. 2 [dex]")
    ho2019_kde_clusters: Annotated[int, Field(ge=1, le=8)] = Field(6, description="clusters of Ho et al. Fig. 3")
    ho2019_fold: Annotated[int, Field(ge=0)] = Field(0, description="fold of the learning curves, Ho et al. Fig. 5")
    kodiramanah2021_mass_bin_dex: Positive = Field(
        0.1, description="bins of mass, Kodi Ramanah et al. Figs. 1, 5 and 8 [dex]"
    )
    kodiramanah2021_fewest: Annotated[int, Field(ge=2)] = Field(
        10, description="bins of mass with fewer clusters are not drawn, Kodi Ramanah et al. Figs. 5 and 8"
    )
    kodiramanah2021_example_log10_mass: float = Field(
        14.5, description="mass of the cluster that Kodi Ramanah et al. Fig. 2 shows, log10 M200c [Msun/h]"
    )
    lin2022_mass_bin_dex: Positive = Field(0.25, description="bins of mass, Lin et al. Fig. 4 [dex]")
    lin2022_redshift_bin: Positive = Field(0.03, description="bins of redshift, Lin et al. Fig. 5")
    lin2022_fewest: Annotated[int, Field(ge=1)] = Field(
        5, description="clusters that a bin, Lin et al. Figs. 4 and 5, or a catalogue's density, Fig. 3, has at least"
    )
    lin2022_density_dex: Positive = Field(0.08, description="kernel width of densities, Lin et al. Figs. 3 and 6 [dex]")
