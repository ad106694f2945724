"""Configuration of pictures of clusters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clustermass.config.base import Fraction, Positive, Section

Count = Annotated[int, Field(ge=1, le=12)]


class Pictures(Section):
    """Colour composites (Lupton et al. 2004) of mosaics, and what is marked on them."""

    stretch: Positive = Field(
        1.2, description="surface brightness at which the scale turns from linear to logarithmic [nanomaggy/arcsec2]"
    )
    softening: Positive = Field(8.0, description="Q of Lupton et al. (2004): how far the logarithmic part reaches")
    black: float = Field(-0.05, description="surface brightness that is black [nanomaggy/arcsec2]")
    weights: tuple[Positive, Positive, Positive] = Field(
        (1.0, 1.4, 2.2), description="factors of i, r and g before they become red, green and blue"
    )
    clusters: Count = Field(4, description="clusters that are shown large, of those with mosaics in full resolution")
    sheet_rows: Count = Field(5, description="rows of the contact sheet: bins of mass with equal numbers of clusters")
    sheet_columns: Count = Field(6, description="columns of the contact sheet: bins of redshift with equal numbers")
    sheet_cutout: str = Field("lin2022", description="cutout that the contact sheet shows")
    min_probability: Fraction = Field(0.5, description="members of at least this probability are marked")
    faintest_star: float = Field(17.5, description="stars up to this r are marked [mag]")
    liang2020_richness: Positive = Field(
        60.0, description="Liang et al. Fig. S1 shows the cluster with the richness nearest to this"
    )
    liang2020_noises: Positive = Field(
        10.0,
        description="Liang et al. Fig. S1: brightness at which grey turns logarithmic, in pixel noises of the band",
    )
