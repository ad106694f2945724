"""Configuration of catalogues: what a stanza can say, and the stanzas of Lin et al. (2022)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Positive, PublishedCosmology, Section, Separation

ColumnText = Annotated[str, Field(pattern=r"^[^\[\]]*[^\[\]\s](\s*\[[^\[\]]*\])?$")]


class Layout(Section):
    """The columns of one published form of a catalogue: `NAME` or `NAME [unit]`, named as in the file."""

    id: ColumnText = Field(..., description="name of the cluster, unique in the catalogue")
    ra: ColumnText = Field(..., description="right ascension (ICRS or J2000); unit deg or hourangle")
    dec: ColumnText = Field(..., description="declination (ICRS or J2000); unit deg")
    ra_below_24: bool = Field(False, description="right ascensions below 24 are degrees, not hours: it was checked")
    spectroscopic_redshift: ColumnText | None = Field(None, description="used before any other redshift")
    redshift: ColumnText | None = Field(None, description="redshift of kind not stated; used before a photometric one")
    photometric_redshift: ColumnText | None = Field(None, description="used where no other redshift is valid")
    redshift_kind: ColumnText | None = Field(None, description="column that says of what kind `redshift` is")
    spectroscopic_flags: list[str] = Field([], description="values of redshift_kind that mean spectroscopic")
    photometric_flags: list[str] = Field([], description="values of redshift_kind that mean photometric")
    redshift_err: ColumnText | None = Field(None, description="1 sigma error of the photometric (or only) redshift")
    richness: ColumnText | None = Field(None, description="optical richness lambda")
    richness_err: ColumnText | None = Field(None, description="1 sigma error of the richness")
    mass: ColumnText | None = Field(None, description="mass, in the catalogue's mass_definition")
    radius: ColumnText | None = Field(None, description="R500c, where the mass follows from it")
    luminosity: ColumnText | None = Field(None, description="X-ray luminosity, where the mass follows from it")
    err_low: ColumnText | None = Field(None, description="lower 1 sigma error of mass, radius or luminosity")
    err_up: ColumnText | None = Field(None, description="upper 1 sigma error; equal to err_low where not given")
    group: ColumnText | None = Field(None, description="object that splits keep together (simulated: parent halo)")

    @model_validator(mode="after")
    def _has_redshift(self) -> Layout:
        if self.spectroscopic_redshift is None and self.redshift is None and self.photometric_redshift is None:
            raise ValueError("a layout needs spectroscopic_redshift, redshift or photometric_redshift")
        return self


class Cut(Section):
    """Keep rows whose value lies inside the limits; the others are recorded as not selected."""

    above: float | None = Field(None, description="keep values > this")
    below: float | None = Field(None, description="keep values < this")


Observable = Literal["none", "sz", "luminosity_arnaud10", "luminosity_mantz10", "temperature"]


Survey = Literal["redmapper", "planck", "mcxc", "xcs", "rass_dr7"]


class LuminosityMass(Section):
    """log10(L500/E/1e44 erg/s) = norm + slope * log10(E M500c/1e15 Msun), 0.1-2.4 keV (Mantz et al. 2010b)."""

    norm: float = Field(0.80, description="beta0; 0.82 goes with the slope 1.29 of their companion paper")
    slope: Annotated[float, Field(gt=0)] = Field(1.34, description="beta1")


class Catalogue(Section):
    """One catalogue: where it comes from, what its columns are called, how its masses were made."""

    title: str = Field(..., description="how figures and tables call it")
    kind: Literal["clusters", "labels"] = Field("labels", description="clusters: parent sample; labels: ICM masses")
    reference: str = Field("", description="paper to cite")
    files: list[str] = Field([], description="local files to look for, in this order, inside archive.folder")
    sha256: str | None = Field(None, description="checksum of the local file, or content_sha256 of a download")
    vizier: str | None = Field(
        None, description="VizieR table, asked where no local file exists, e.g. J/A+A/594/A27/psz2"
    )
    simulated: Survey | None = Field(None, description="simulated survey that stands in for it where source: simulated")
    mass_from: Literal["mass", "radius", "luminosity_mantz10"] = Field(
        "mass", description="column the mass follows from"
    )
    mass_definition: Annotated[str, Field(pattern=r"^(\d+[cm]|vir)$")] = Field(
        "500c", description="500c, 200c, 200m, vir ..."
    )
    cosmology: PublishedCosmology = Field(PublishedCosmology(), description="cosmology it was published in")
    observable: Observable = Field("none", description="what the mass was inferred from: decides the rescaling formula")
    separation: Separation | None = Field(
        None, description="reading of the 500 kpc for this catalogue; null: as crossmatch"
    )
    cuts: dict[str, Cut] = Field(
        {}, description="selections by column of the file or key of the layout: {SNR: {above: 1}}"
    )
    luminosity_mass: LuminosityMass = Field(LuminosityMass(), description="relation of mass_from: luminosity_mantz10")
    layouts: list[Layout] = Field(
        ..., min_length=1, description="forms it is published in; the first that fits is used"
    )

    @model_validator(mode="after")
    def _has_quantity(self) -> Catalogue:
        need = {"mass": "mass", "radius": "radius", "luminosity_mantz10": "luminosity"}[self.mass_from]
        need = "richness" if self.kind == "clusters" else need
        for number, layout in enumerate(self.layouts, 1):
            if getattr(layout, need) is None:
                raise ValueError(
                    f"layout {number} has no {need}, which kind: {self.kind}, mass_from: {self.mass_from} needs"
                )
        return self


class Archive(Section):
    """Where real catalogues come from."""

    folder: str | None = Field(
        None, description="folder of local copies, laid out as catalogues.*.files say; null: none"
    )
    cache: str = Field("archive_cache", description="folder where downloads are kept, with query and checksum")
    vizier_server: str = Field("vizier.cds.unistra.fr", description="VizieR mirror to ask")
    timeout_s: Positive = Field(120.0, description="patience with one answer [s]")
    attempts: Annotated[int, Field(ge=1, le=20)] = Field(4, description="tries of one download, with growing pauses")
    pause_s: Annotated[float, Field(ge=0)] = Field(
        2.0, description="pause before the second try [s]; doubles each time"
    )


_REDMAPPER = {
    "id": "NAME",
    "ra": "RA [deg]",
    "dec": "DEC [deg]",
    "spectroscopic_redshift": "Z_SPEC",
    "photometric_redshift": "Z_LAMBDA",
    "redshift_err": "Z_LAMBDA_ERR",
    "richness": "LAMBDA",
    "richness_err": "LAMBDA_ERR",
}
_VIZIER: dict[str, str] = {"ra": "_RAJ2000 [deg]", "dec": "_DEJ2000 [deg]"}  # decimal degrees, added by the query

CATALOGUES: dict[str, Catalogue] = {
    "redmapper": Catalogue(
        title="redMaPPer",
        simulated="redmapper",
        kind="clusters",
        reference="Rykoff et al. (2014), SDSS DR8",
        files=[
            "catalogues/redmapper_dr8_public_v6.3_catalog.fits.gz",
            "catalogues/redmapper_dr8_public_v5.10_catalog.fits.gz",
            "catalogues/redmapper_dr8_v5.10.csv.gz",
        ],
        vizier="J/ApJS/224/1/cat_dr8",
        cuts={"richness": Cut(above=20)},
        layouts=[
            Layout(**_REDMAPPER, group="GROUP"),  # simulated: several sightings of one object stay together
            Layout(**_REDMAPPER),
            Layout(
                id="Name",
                **_VIZIER,
                spectroscopic_redshift="zspec",
                photometric_redshift="zlambda",
                redshift_err="e_zlambda",
                richness="lambda",
                richness_err="e_lambda",
            ),
            Layout(id="name", ra="RA [deg]", dec="dec [deg]", photometric_redshift="redshift", richness="lambda"),
        ],
    ),
    "planck": Catalogue(
        title="Planck",
        simulated="planck",
        reference="Planck Collaboration XXVII (2016), PSZ2",
        files=["catalogues/HFI_PCCS_SZ-union_R2.08.fits"],
        vizier="J/A+A/594/A27/psz2",
        observable="sz",
        layouts=[
            Layout(
                id="NAME",
                ra="RA [deg]",
                dec="DEC [deg]",
                redshift="REDSHIFT",
                mass="MSZ [1e14 Msun]",
                err_low="MSZ_ERR_LOW [1e14 Msun]",
                err_up="MSZ_ERR_UP [1e14 Msun]",
            ),
            *(
                Layout(
                    id=name,
                    **_VIZIER,
                    redshift="z",
                    mass="MSZ [1e14 Msun]",
                    err_low="e_MSZ [1e14 Msun]",
                    err_up="E_MSZ [1e14 Msun]",
                )
                for name in ("Name", "PSZ2")
            ),
        ],
    ),
    "mcxc": Catalogue(
        title="MCXC",
        simulated="mcxc",
        reference="Piffaretti et al. (2011)",
        files=["catalogues/mcxc.fits"],
        vizier="J/A+A/534/A109/mcxc",
        observable="luminosity_arnaud10",
        layouts=[
            Layout(id="MCXC", ra="RAdeg [deg]", dec="DEdeg [deg]", redshift="z", mass="M500 [1e14 Msun]"),
            Layout(id="MCXC", **_VIZIER, redshift="z", mass="M500 [1e14 Msun]"),
        ],
    ),
    "xcs": Catalogue(
        title="XCS",
        simulated="xcs",
        reference="Mehrtens et al. (2012), XCS-DR1",
        files=["catalogues/xcs_dr1.fits"],
        vizier="J/MNRAS/423/1024",
        mass_from="radius",
        cosmology=PublishedCosmology(H0=70, Om0=0.27),
        observable="temperature",
        layouts=[
            Layout(
                id="XCS",
                **position,
                redshift="z",
                redshift_kind="f_z",
                spectroscopic_flags=["s"],
                photometric_flags=["p"],
                radius="R500 [Mpc]",
            )
            for position in ({"ra": "RAJ2000 [deg]", "dec": "DEJ2000 [deg]"}, _VIZIER)
        ],
    ),
    "rass_dr7": Catalogue(
        title="RASS-DR7",
        simulated="rass_dr7",
        reference="Wang et al. (2014)",
        files=["catalogues/rass_dr7.fits"],
        vizier="J/MNRAS/439/611/catalog",
        mass_from="luminosity_mantz10",
        cosmology=PublishedCosmology(H0=70, Om0=0.3),
        observable="luminosity_mantz10",
        cuts={"SNR": Cut(above=1)},
        layouts=[
            Layout(
                id="ID",
                **position,
                spectroscopic_redshift="z",
                luminosity="LX [1e44 erg / s]",
                err_low="e_LX [1e44 erg / s]",
            )
            for position in ({"ra": "RAJ2000 [deg]", "dec": "DEJ2000 [deg]"}, _VIZIER)
        ],
    ),
}
