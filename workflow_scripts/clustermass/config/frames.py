"""Configuration of images of clusters: which clusters have them, where frames are from, mosaics, network inputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Fraction, Positive, Section


class ImageSample(Section):
    """Clusters that have images."""

    clusters: Annotated[int, Field(ge=1)] | None = Field(
        300, description="clusters that get images, drawn at random from the parent sample; null: all"
    )
    strong: Annotated[int, Field(ge=0)] = Field(
        150, description="of them with a strong label at least: over-sampled where chance gives fewer, and said so"
    )

    min_latitude_deg: Annotated[float, Field(ge=0, lt=90)] = Field(
        30.0,
        description="simulated sky: distance from the plane of the Galaxy of clusters that have images [deg]; nearer to"
        " it SDSS hardly looks. Real clusters are taken wherever the parent sample has them",
    )
    members: dict[Literal["catalogue", "members"], str] = Field(
        {
            "catalogue": "catalogues/redmapper_dr8_public_v6.3_catalog.fits",
            "members": "catalogues/redmapper_dr8_public_v6.3_members.fits",
        },
        description="local files, in archive.folder, that list the parent sample's member galaxies, for marks on"
        " pictures: columns ID, NAME and ID, RA, DEC, P",
    )


class Frames(Section):
    """Frames of the survey that images are made of (Lin et al. 2022, section 2.1)."""

    search_mpc: Positive = Field(4.0, description="side of the square around a cluster whose frames are taken [Mpc]")
    folders: list[str] = Field(
        ["sdss_frames"],
        description="folders of frames to look for in archive.folder, then here; used before any download",
    )
    download: bool = Field(True, description="whether frames that no folder holds are asked for from the archive")
    server: str = Field("https://data.sdss.org/sas", description="science archive server of SDSS")
    release: Annotated[int, Field(ge=8, le=18)] = Field(12, description="data release")
    rerun: str = Field("301", description="rerun of the photometric pipeline")
    skyserver: str = Field("https://skyserver.sdss.org", description="server of the list of fields")
    connections: Annotated[int, Field(ge=1, le=16)] = Field(4, description="downloads side by side, in one job")
    jobs: Annotated[int, Field(ge=1)] = Field(
        12, description="jobs that clusters are dealt out to, for frames and mosaics"
    )


class Cutout(Section):
    """One kind of image that is cut from mosaics."""

    side_mpc: Positive = Field(2.0, description="side [Mpc]")
    pixels: Annotated[int, Field(ge=8, le=4096)] = Field(256, description="pixels along a side")


class Mosaics(Section):
    """Mosaics of clusters (Lin et al. 2022, section 2.1)."""

    engine: Literal["lanczos", "swarp", "reproject"] = Field(
        "lanczos",
        description="lanczos: Lanczos-3 and median of this project; swarp: the program SWarp; reproject: that package,"
        " for surveys whose frames are far from tangent planes",
    )
    pixel_arcsec: Positive = Field(0.396, description="pixels of mosaics [arcsec]")
    cutouts: dict[str, Cutout] = Field(
        {"lin2022": Cutout(side_mpc=2.0), "liang2020": Cutout(side_mpc=1.0)},
        min_length=1,
        description="images that are kept of each cluster, by name",
    )
    min_coverage: Fraction = Field(
        0.98,
        description="clusters of which a smaller share of the largest image is covered, in any band, are set aside",
    )
    pictures: Annotated[int, Field(ge=0)] = Field(
        12, description="clusters whose mosaics are kept in full resolution, over all masses and redshifts"
    )


class Images(Section):
    """Inputs of the image networks (Lin et al. 2022, section 2.2; Liang et al. 2020, section 3.1)."""

    pixels: Annotated[int, Field(ge=8, le=4096)] = Field(64, description="pixels along a side (published: 256)")
    offset: Positive = Field(
        2.5,
        description="constant that is added against negative pixels [nanomaggy/arcsec2] (Lin et al., section 2.2,"
        " without its value): several times the noise of z, the noisiest band, in images as published",
    )
    faintest: float = Field(
        -2.0,
        description="surface brightness below which images are clipped; 0 in global scaling [nanomaggy/arcsec2]",
    )
    brightest: Positive = Field(
        1000.0, description="global scaling: surface brightness that becomes 1 [nanomaggy/arcsec2]"
    )
    extinction: Literal["none", "sfd"] = Field(
        "none",
        description="correction for dust of the Milky Way. sfd: by the map of Schlegel et al. (1998) at each cluster,"
        " as recalibrated by Schlafly & Finkbeiner (2011)",
    )
    reddening: str | None = Field(
        None,
        description="sfd: table of reddening, CSV with columns ra, dec [deg], ebv; null: IRSA is asked, place by place",
    )

    @model_validator(mode="after")
    def _range(self) -> Images:
        if not -self.offset < self.faintest < self.brightest:
            raise ValueError(
                f"faintest: expected between -offset = {-self.offset:g} and brightest = {self.brightest:g},"
                f" got {self.faintest:g}"
            )
        return self
