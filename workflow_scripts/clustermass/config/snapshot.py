"""Configuration of a simulation's snapshot: what file it is read from, and in which cosmology it was run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Fraction, Positive, Section

SnapshotFormat = Literal["rockstar_csv", "universe_machine", "sag_csv", "kodi_ramanah_mock"]


class Snapshot(Section):
    """One snapshot of a simulation; the defaults are those of MDPL2 (Klypin et al. 2016) and of Ho et al. (2019)."""

    format: SnapshotFormat = Field(description="how the files are laid out")
    files: Annotated[list[str], Field(min_length=1)] = Field(
        description="pieces of the table of galaxies (rockstar_csv: of halos and subhalos)"
    )
    host_files: list[str] = Field(
        [], description="pieces of a Rockstar CSV with the hosts' M200c; kodi_ramanah_mock: the file of clusters"
    )
    box_mpc_h: Positive = Field(1000.0, description="side of the box [Mpc/h, comoving]")
    redshift: Annotated[float, Field(ge=0, le=20)] = Field(0.117, description="redshift of the snapshot")
    h: Annotated[float, Field(gt=0.2, lt=2)] = Field(0.6777, description="Hubble constant of the simulation / 100")
    Om0: Fraction = Field(0.307115, description="matter density of the simulation today, in critical densities")
    Ob0: Fraction = Field(0.048206, description="baryon density of the simulation today, in critical densities")
    sigma8: Positive = Field(0.8228, description="rms of density fluctuations in 8 Mpc/h spheres of the simulation")
    ns: Positive = Field(0.96, description="slope of the primordial power spectrum of the simulation")
    min_m200c_msun_h: Positive = Field(10**13.5, description="smallest host halo that is kept, M200c [Msun/h]")
    min_macc_msun_h: Annotated[float, Field(ge=0)] = Field(
        1e11, description="rockstar_csv: smallest galaxy that is kept, by its mass at accretion [Msun/h]; 0: all"
    )
    min_mstar_msun_h: Annotated[float, Field(ge=0)] = Field(
        0.0, description="universe_machine, sag_csv: smallest galaxy that is kept, by stellar mass [Msun/h]; 0: all"
    )
    centrals: bool = Field(
        False, description="rockstar_csv, universe_machine: hosts are galaxies too; Ho et al.'s code: subhalos only"
    )
    magnitudes_with_h: bool = Field(
        False, description="sag_csv: absolute magnitudes are M - 5 log10 h already; false: they are M"
    )

    @model_validator(mode="after")
    def _has_files(self) -> Snapshot:
        if self.format == "kodi_ramanah_mock" and (len(self.files), len(self.host_files)) != (1, 1):
            raise ValueError("kodi_ramanah_mock: expected one file of galaxies in files, one of clusters in host_files")
        if self.format == "rockstar_csv" and self.host_files:
            raise ValueError(f"host_files: not used by {self.format}")
        return self
