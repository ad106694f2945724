"""Configuration of the particle-mesh simulation that the embedded universe stands on."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Cosmology, Positive, Section
from clustermass.constants import CRITICAL_DENSITY


class Sharpening(Section):
    """Particles of a snapshot, moved once towards the matter around them; see `clustermass.nbody.sharpen`.

    Calibrated by benchmarks/sharpening.py for 14 steps, a mesh of twice the particles and 1.56 Mpc/h between them: the
    amplitude on the matter power of HMcode-2020, the other two also on a finer run; not on the mass function.
    """

    amplitude: Positive = Field(0.56, description="alpha at z = 0: displacement over that of the source's potential")
    growth: float = Field(-0.23, description="power of the scale factor that alpha goes with")
    high_pass: Annotated[float, Field(ge=0)] = Field(3.4, description="k_l times the mean spacing of particles")
    density_power: Positive = Field(0.4, description="gamma: power of the density that makes the source")


class Nbody(Section):
    """One periodic box of particles, moved by FastPM (Feng et al. 2016) from 2LPT initial conditions."""

    box_mpc_h: Positive = Field(500.0, description="side of the periodic box [Mpc/h, comoving]")
    particles_per_side: Annotated[int, Field(ge=4, le=1024)] = Field(320, description="cube root of the particles")
    mesh_factor: Annotated[int, Field(ge=1, le=4)] = Field(2, description="mesh cells per particle, along a side")
    steps: Annotated[int, Field(ge=1)] = Field(14, description="time steps, even in scale factor between snapshots")
    start_scale_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="scale factor of the 2LPT initial conditions"
    )
    redshifts: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] = Field(
        [0.45, 0.25, 0.117, 0.05], description="redshifts of the snapshots, descending"
    )
    sharpening: Sharpening | None = Field(
        Sharpening(), description="sharpening of the halos in snapshots; null: none, positions as the mesh moved them"
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="where the particles live: numba or torch")
    threads: Annotated[int, Field(ge=1)] = Field(2, description="threads on the CPU; results do not depend on them")

    @property
    def mesh_per_side(self) -> int:
        """Mesh cells along a side."""
        return self.mesh_factor * self.particles_per_side

    def particle_mass(self, cosmology: Cosmology) -> float:
        """Return the mass of a particle [Msun/h]."""
        return cosmology.Om0 * CRITICAL_DENSITY * self.box_mpc_h**3 / self.particles_per_side**3

    @model_validator(mode="after")
    def _fits_together(self) -> Nbody:
        if any(late >= early for early, late in pairwise(self.redshifts)):
            raise ValueError(f"redshifts: expected descending values, got {self.redshifts}")
        if 1 / (1 + self.redshifts[0]) <= self.start_scale_factor:
            raise ValueError(
                f"redshifts: {self.redshifts[0]} is not after the start at scale factor {self.start_scale_factor}"
            )
        if self.steps < len(self.redshifts):
            raise ValueError(f"steps: {self.steps} are fewer than the {len(self.redshifts)} snapshots")
        if self.mesh_per_side % 2:
            raise ValueError(f"mesh_factor: expected an even mesh, got {self.mesh_per_side} cells a side")
        return self
