"""Configuration of observed clusters: redshift surveys, samples of centres, their phase space and virial masses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Fraction, Positive, PublishedCosmology, Section
from clustermass.config.catalogues import Catalogue, ColumnText, Layout

Count = Annotated[int, Field(ge=1)]
Degrees = Annotated[float, Field(gt=0, le=10)]


class SkyServer(Section):
    """Redshifts asked from the SQL server of SDSS, one tile of sky after the other."""

    release: Annotated[int, Field(ge=12)] = Field(16, description="data release (GalWCat19 was made from 13)")
    ra_deg: tuple[float, float] = Field((110.0, 265.0), description="range of right ascension [deg]")
    dec_deg: tuple[float, float] = Field((-4.0, 70.0), description="range of declination [deg]")
    redshift: tuple[float, float] = Field((0.0, 0.1), description="range of redshift")
    faintest_r: Annotated[float, Field(gt=10, lt=25)] = Field(
        17.77, description="limit in Petrosian r, corrected for dust [mag]: the main galaxy sample"
    )
    tile_deg: Degrees = Field(8.0, description="largest side of a tile [deg]")
    most_rows: Count = Field(400_000, description="rows of one answer from which on it counts as cut off")
    server: str = Field("https://skyserver.sdss.org", description="server to ask")

    @model_validator(mode="after")
    def _ranges_ascend(self) -> SkyServer:
        for name, (least, most) in (("ra_deg", (0, 360)), ("dec_deg", (-90, 90)), ("redshift", (-0.1, 20))):
            low, high = getattr(self, name)
            if not least <= low < high <= most:
                raise ValueError(f"{name}: expected a rising range inside {least} to {most}, got {low} to {high}")
        return self


class RedshiftSurvey(Section):
    """One table of redshifts: where it comes from, what its columns are called."""

    title: str = Field(..., description="how figures and tables call it")
    reference: str = Field("", description="paper to cite")
    files: list[str] = Field([], description="local files to look for, in this order, inside archive.folder")
    header: list[str] = Field(
        [], description="names of the columns of a table that white space separates and that has none; []: it has"
    )
    id: ColumnText | None = Field(None, description="name of the galaxy; null: its row in the file")
    ra: ColumnText = Field("ra [deg]", description="right ascension (ICRS or J2000); unit deg or hourangle")
    dec: ColumnText = Field("dec [deg]", description="declination (ICRS or J2000); unit deg")
    redshift: ColumnText = Field("redshift", description="heliocentric redshift")
    redshift_err: ColumnText | None = Field(None, description="1 sigma error of the redshift")
    r: ColumnText | None = Field(None, description="apparent magnitude in r [mag]")
    skyserver: SkyServer | None = Field(None, description="what to ask SDSS for where no local file exists")
    cell_deg: Degrees = Field(
        0.5, description="cells that the footprint is made of [deg]; about ten galaxies should fall into each"
    )
    closing_cells: Annotated[float, Field(ge=0, le=5)] = Field(
        1.5, description="empty cells are inside the footprint if it closes around them within so many cells"
    )


class NamedCluster(Section):
    """A cluster known by its name: its place only decides which centre of a catalogue bears the name."""

    ra: Annotated[float, Field(ge=0, lt=360)] = Field(..., description="right ascension, J2000 [deg]")
    dec: Annotated[float, Field(ge=-90, le=90)] = Field(..., description="declination, J2000 [deg]")
    redshift: Positive = Field(..., description="redshift")


class Sample(Section):
    """Observed clusters: centres, redshifts around them, and the mock whose networks weigh them."""

    source: Literal["simulated", "archival"] = Field("archival", description="data that it belongs to")
    redshifts: str = Field(..., description="survey of redshifts: a name in observed.surveys, or 'simulated'")
    centres: list[str] = Field(
        ..., min_length=1, description="catalogues of centres, the most trusted first; 'finder': found in the redshifts"
    )
    names: dict[str, NamedCluster] = Field({}, description="clusters with names of their own")
    comparison: Literal["catalogues", "virial"] = Field(
        "catalogues", description="mass to compare with: of the catalogues, the first that has one, or the virial mass"
    )
    mock: str = Field("kodiramanah2021", description="mock that the networks were trained on: a name in survey_mocks")
    aperture_mpc_h: Positive = Field(
        4.0, description="half-side of the window on the sky [Mpc/h, proper], that of the networks; after scaling"
    )
    velocity_cut_km_s: Annotated[float, Field(gt=0, lt=1e5)] = Field(
        2200.0, description="half-length of the window in line-of-sight velocity [km/s]"
    )
    redshift: tuple[Annotated[float, Field(ge=0)], Positive] = Field(
        (0.005, 0.085), description="range of redshifts of clusters"
    )
    recentre_redshift: bool = Field(
        False, description="whether the redshift is measured from the galaxies around the centre, not the catalogue's"
    )
    scaled: bool = Field(
        False,
        description="whether sizes are scaled to the training snapshot's redshift and masses back, as self-similarity"
        " has it",
    )
    min_covered: Fraction = Field(
        1.0, description="smallest share of the window inside the survey, on the sky and in redshift"
    )
    uncovered: Literal["reject", "flag"] = Field("reject", description="what happens to clusters with less")
    complete: bool = Field(
        True, description="whether it is all clusters of its volume above some mass: others have no mass function"
    )
    area_deg2: Positive | None = Field(
        None, description="area of the mass function [deg2]; null: where clusters could be, measured"
    )

    @model_validator(mode="after")
    def _range_ascends(self) -> Sample:
        if self.redshift[0] >= self.redshift[1]:
            raise ValueError(f"redshift: expected a rising range, got {self.redshift}")
        return self


class Finder(Section):
    """Cluster finder in a redshift survey: peaks of the density of galaxies, percolated."""

    radius_mpc_h: Positive = Field(0.75, description="radius of the kernel on the sky [Mpc/h, proper]")
    velocity_km_s: Positive = Field(1000.0, description="half-length of the kernel in line-of-sight velocity [km/s]")
    min_contrast: Positive = Field(
        4.0,
        description="fewest galaxies in the kernel beyond what the survey's mean density puts there, in its"
        " Poisson deviations",
    )
    min_galaxies: Annotated[int, Field(ge=4)] = Field(10, description="fewest galaxies in the kernel at a peak")
    exclusion_mpc_h: Positive = Field(1.5, description="peaks nearer to a higher one than this on the sky are its own")
    exclusion_km_s: Positive = Field(2000.0, description="... and than this in velocity [km/s]")


class Virial(Section):
    """Virial masses with the surface-pressure term, from members by a cut in projected phase space."""

    cut: Positive = Field(
        2.7, description="members are within so many line-of-sight dispersions at their radius (Mamon et al. 2010)"
    )
    window_km_s: Positive = Field(
        2200.0, description="half-length of the window in velocity in which interlopers are even, at first [km/s]"
    )
    tracer_concentration: Positive = Field(
        1.0, description="concentration of the galaxies over that of the matter (GalWCat19: one profile for both)"
    )
    min_members: Annotated[int, Field(ge=4)] = Field(8, description="fewest members of a mass")
    iterations: Annotated[int, Field(ge=3, le=200)] = Field(25, description="rounds of members and mass")
    bootstrap: Annotated[int, Field(ge=0, le=10_000)] = Field(200, description="draws of the galaxies for errors")


SURVEYS = {
    "hecs": RedshiftSurvey(
        title="HeCS",
        reference="Rines et al. (2013, 2016)",
        files=["spectroscopy/hecs_galaxies.txt"],
        header=["ra", "dec", "redshift"],
        cell_deg=0.15,
    ),
    "sdss": RedshiftSurvey(
        title="SDSS",
        reference="Strauss et al. (2002)",
        files=["spectroscopy/sdss_main.csv", "spectroscopy/sdss_main.fits"],
        id="id",
        redshift_err="redshift_err",
        r="r",
        skyserver=SkyServer(),
        cell_deg=0.75,
    ),
}  # fmt: skip
SAMPLES = {
    "hecs": Sample(
        redshifts="hecs",
        centres=["mcxc", "planck", "redmapper"],
        names={
            "Coma": NamedCluster(ra=194.953, dec=27.981, redshift=0.0231),
            "A1689": NamedCluster(ra=197.873, dec=-1.341, redshift=0.1832),
            "A2029": NamedCluster(ra=227.734, dec=5.745, redshift=0.0773),
            "A2261": NamedCluster(ra=260.613, dec=32.133, redshift=0.2240),
        },
        mock="hecs",
        aperture_mpc_h=1.6,
        redshift=(0.01, 0.35),
        recentre_redshift=True,
        scaled=True,
        min_covered=0.9,
        uncovered="flag",
        complete=False,
    ),
    "galwcat19": Sample(redshifts="sdss", centres=["galwcat19"], area_deg2=6670.0),
    "simulated": Sample(
        source="simulated",
        redshifts="simulated",
        centres=["finder"],
        comparison="virial",
        redshift=(0.06, 0.085),  # the light cone begins at 0.05: windows of 2200 km/s (0.008) need what is in front
    ),
}


class Observed(Section):
    """Observed clusters and what is measured of them (Kodi Ramanah et al. 2021, section 5 and appendix A)."""

    surveys: dict[str, RedshiftSurvey] = Field(SURVEYS, description="redshift surveys by name")
    samples: dict[str, Sample] = Field(SAMPLES, description="samples of clusters by name")
    min_velocity_km_s: Positive = Field(500.0, description="objects of smaller c z are stars or in the Local Group")
    duplicate_arcsec: Positive = Field(1.0, description="redshifts closer than this are of one galaxy [arcsec]")
    distance: Literal["q0", "cosmology"] = Field(
        "q0", description="sizes from angles: q0: second order in z by q0 (as published); cosmology: exact"
    )
    q0: float = Field(-0.55, description="deceleration parameter")
    min_galaxies: Annotated[int, Field(ge=4)] = Field(
        4, description="fewest galaxies in the window; with fewer there is no 3D covariance, and no mass"
    )
    match_arcmin: Positive = Field(10.0, description="entries of catalogues this close can be one cluster [arcmin]")
    match_mpc_h: Positive = Field(0.5, description="... and this close at its distance [Mpc/h, proper]")
    match_dz: Positive = Field(0.02, description="... and this close in redshift, over 1 + z; photometric ones are so")
    unstated_err_dex: Positive = Field(
        0.1, description="1 sigma error of masses that a catalogue gives without one [dex]"
    )
    proxy_scatter_dex: Annotated[float, Field(ge=0)] = Field(
        0.1,
        description="scatter of mass at given proxy [dex], in quadrature to the error of masses from richness or"
        " luminosity (Pratt et al. 2009: 38 percent in X-ray luminosity, slope 1.6; about the same in richness)",
    )
    proxy_catalogues: list[str] = Field(
        ["mcxc", "rass_dr7"],
        description="catalogues whose measured masses follow from luminosity; their errors are the proxy's alone",
    )
    neighbours: Count = Field(10, description="neighbour in the mock that the distance to it is measured to")
    domain_percentile: Annotated[float, Field(gt=50, lt=100)] = Field(
        99.0, description="clusters farther from the mock than so many of its own are out of domain [percent]"
    )
    kde_factor: Positive = Field(
        1.0, description="bandwidth of the mass function over Silverman's (1986) rule of thumb"
    )
    min_complete_log10_m200c: float = Field(
        14.0, description="smallest mass at which the sample is complete, log10 M200c [Msun/h] (appendix A)"
    )
    finder: Finder = Finder()
    virial: Virial = Virial()

    @model_validator(mode="after")
    def _surveys_exist(self) -> Observed:
        for name, sample in self.samples.items():
            known = [*self.surveys, "simulated"]
            if sample.redshifts not in known:
                raise ValueError(
                    f"samples.{name}.redshifts: expected one of {', '.join(known)}, got {sample.redshifts}"
                )
        return self


GALWCAT19 = Catalogue(
    title="GalWCat19",
    reference="Abdullah et al. (2020)",
    files=["catalogues/galwcat19.fits", "catalogues/galwcat19.csv"],
    vizier="J/ApJS/246/2",
    mass_definition="200c",
    cosmology=PublishedCosmology(H0=100, Om0=0.3),
    layouts=[
        Layout(id=name, **place, spectroscopic_redshift=z, mass="M200 [1e14 Msun]", err_low="e_M200 [1e14 Msun]")
        for name, z in (("GalWCl", "z"), ("ID", "z"), ("clsid", "zcls"), ("clsid", "z"))
        for place in (
            {"ra": "_RAJ2000 [deg]", "dec": "_DEJ2000 [deg]"},
            {"ra": "RAJ2000 [deg]", "dec": "DEJ2000 [deg]"},
        )
    ],
)
"""Masses in 1e14 Msun/h, hence H0 = 100. Names of columns are from memory, of the table as described by its paper."""
