"""Configuration of the estimators of dynamical masses: kernel densities, support distribution machines, M-sigma."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clustermass.config.base import Positive, Section

Choices = Annotated[list[Positive], Field(min_length=1)]
Shares = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
Threads = Annotated[int, Field(ge=1)]


class Kde(Section):
    """Densities of a cluster's galaxies over v_los, and over v_los and R_proj: the input of CNN1D and CNN2D."""

    bandwidth_factor: Positive = Field(0.25, description="bandwidth over the galaxies' standard deviation")
    velocity_points: Annotated[int, Field(ge=2, le=1024)] = Field(
        48, description="points over v_los: centres of equal cells from one end of the cylinder to the other"
    )
    radius_points: Annotated[int, Field(ge=2, le=1024)] = Field(
        48, description="points over R_proj: centres of equal cells from the axis of the cylinder to its aperture"
    )
    kernel: Literal["product", "covariance"] = Field(
        "product",
        description="of the 2D density; product: a bandwidth for each axis (Ho et al. 2019, Eq. 2);"
        " covariance: one that follows the galaxies' covariance, as scipy's gaussian_kde",
    )
    threads: Threads = Field(2, description="threads; results do not depend on them")


class Kde3d(Section):
    """Density of a cluster's galaxies over v_los and both coordinates on the sky: the input of CNN3D."""

    bandwidth: Positive = Field(0.175, description="bandwidth scaling, kappa (Kodi Ramanah et al. 2021, section 2.3)")
    bandwidth_reading: Literal["deviation", "covariance"] = Field(
        "deviation",
        description="deviation: h = 0.175 sigma, H = 0.175^2 Sigma, as scipy's factor and the published code;"
        " covariance: H = 0.175 Sigma, as the text reads",
    )
    velocity_cut_km_s: Annotated[float, Field(gt=0, lt=1e5)] = Field(
        2200.0, description="half-length of the window in line-of-sight velocity [km/s]"
    )
    threads: Threads = Field(1, description="threads of one batch on the CPU; results do not depend on them")


class Sdm(Section):
    """Support distribution machines: regression on divergences between clusters (Sutherland et al. 2012)."""

    training_clusters: Annotated[int, Field(ge=6)] = Field(
        2000, description="clusters to learn from, at most; memory and time grow with their square and cube"
    )
    neighbours: Annotated[int, Field(ge=1, le=32)] = Field(
        3, description="k of the k-th nearest neighbour that estimates the divergence"
    )
    absolute_velocity: bool = Field(
        True, description="whether the feature is |v_los| (the authors' code) or v_los (as the text reads)"
    )
    folds: Annotated[int, Field(ge=2, le=20)] = Field(
        3, description="folds of the search for C and sigma, inside the training clusters, grouped by halo"
    )
    sigma: Choices = Field(
        [0.25, 0.5, 1.0, 2.0, 4.0],
        description="widths of the Gaussian kernel to try, in medians of the training clusters' divergences",
    )
    c: Choices = Field(
        [2.0**-8, 2.0**-6, 2.0**-4, 2.0**-2, 1.0, 4.0],
        description="weights C of the loss to try; divergences are noisy, large ones overfit them and take long",
    )
    nu: Shares = Field([0.5], description="bounds nu on the share of support vectors to try (nu-SVR, no epsilon)")
    cross_validation: bool = Field(
        False, description="whether machines are trained in every fold too, not for the held-out box alone; takes hours"
    )
    subsampled_draws: Annotated[int, Field(ge=1)] = Field(
        2, description="draws for every rate of subsampling, at most; divergences take long"
    )
    threads: Threads = Field(2, description="threads; results do not depend on them")


class Msigma(Section):
    """Power law between mass and velocity dispersion (Ho et al. 2019, Eqs. 5-7)."""

    min_log10_mass: Annotated[float, Field(ge=13, le=15.5)] = Field(
        14.5, description="smallest mass that the regression sees, log10 M200c [Msun/h]"
    )
    expansion: Literal["efunc", "hubble", "none"] = Field(
        "efunc",
        description="what multiplies masses in Msun/h: H(z)/H0 (h(z) M with masses in Msun), H(z)/(100 km/s/Mpc)"
        " (h(z) M taken literally), or nothing; only sigma_v15 depends on it",
    )
    bin_width: Positive = Field(0.1, description="bins of the bands over log10 mass [dex]")
    fewest: Annotated[int, Field(ge=1)] = Field(10, description="bins with fewer clusters give no band")
