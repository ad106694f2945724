"""Configuration of the galaxies in a simulation's halos: thresholds and options, no parameters of physics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustermass.config.base import Section


class Galaxies(Section):
    """Galaxies in a simulation's halos; kept where heavy enough in stars or bright enough."""

    min_log10_mstar: Annotated[float, Field(ge=8.8, le=12)] = Field(
        9.5, description="smallest stellar mass, log10 [Msun/h] (Ho et al. 2019, section 2.1)"
    )
    max_abs_mag_r: Annotated[float, Field(ge=-23, le=-16)] | None = Field(
        -18.0,
        description="faintest M_r - 5 log10 h that is kept whatever the stellar mass (-18: r = 17.77 at z = 0.05);"
        " null: stellar mass alone decides",
    )
    min_halo_mass: Annotated[float, Field(ge=1e10, le=1e13)] = Field(
        1e11, description="smallest halo that has galaxies, M200c [Msun/h]; galaxies of M_r > -18 need less than 1e11"
    )
    structure: Literal["analytic", "particles"] = Field(
        "particles",
        description="analytic: spherical NFW and Jeans equation; particles: satellites on particles of the simulation",
    )
    remap_radii: bool = Field(
        True, description="particles: move radii inside R200c, by rank, to the NFW profile of the halo's concentration"
    )
    rescale_velocities: bool = Field(
        True, description="particles: bring the stacked dispersion inside R200c to the Jeans solution"
    )
    anisotropy: Literal["mamon_lokas", "isotropic"] = Field(
        "mamon_lokas", description="velocity anisotropy: Mamon & Lokas (2005), or none"
    )
    central_velocity_offset: bool = Field(
        True, description="whether centrals move in their halos, as found by Guo et al. (2015)"
    )
    satellite_velocity_bias: Literal["none", "guo2015"] = Field(
        "none", description="velocities of satellites over those of matter: 1, or 0.86 (Guo et al. 2015, luminous ones)"
    )
    luminosity_evolution: bool = Field(
        True, description="whether galaxies are brighter at higher redshift, by Q of Blanton et al. (2003)"
    )
