"""Configuration of the networks' architectures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from clustermass.config.base import Positive, Section

Count = Annotated[int, Field(ge=1)]


class OwnNetwork(Section):
    """A network of one's own: a class of torch.nn.Module in a Python file."""

    file: str = Field(description="Python file, from the folder of the run")
    name: str = Field(description="class in it; called with the section of the network that it stands in for")
    checksum: str = Field("", description="of the file; filled in, so that an edit of it trains anew")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "file" not in given:
            return given
        path = Path(given["file"])
        if not path.is_file():
            raise ValueError(f"file: expected a Python file, got none at {path.absolute()}")
        return {**given, "checksum": hashlib.sha256(path.read_bytes()).hexdigest()[:16]}


OWN = "a class of your own in place of the paper's: same input, same output, shape (n,); null: the paper's"


class PhaseSpaceNetwork(Section):
    """CNN1D or CNN2D of Ho et al. (2019, Fig. 4): two convolutions along velocity, pooling, dropout, dense layers."""

    velocity_bins: Count = Field(48, description="points of the input along the line-of-sight velocity")
    radius_bins: Count = Field(1, description="points of the input along projected radius; 1: velocities only (CNN1D)")
    filters: tuple[Count, Count] = Field((24, 10), description="feature maps of the two convolutions")
    widths: tuple[Count, Count] = Field((5, 3), description="widths of their filters along velocity, odd, padded")
    pool: Count = Field(2, description="velocity points that max pooling joins")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.25, description="fraction dropped before the dense layers")
    dense: tuple[Count, ...] = Field((128, 64), description="widths of the hidden dense layers")
    output: Literal["linear", "relu"] = Field("linear", description="activation of the single output")
    input_scale: Positive = Field(
        1.0, description="factor on inputs, which sum to one; e.g. their number of points to bring the mean to one"
    )
    own: OwnNetwork | None = Field(None, description=OWN)

    @model_validator(mode="after")
    def _fits_together(self) -> PhaseSpaceNetwork:
        if any(width % 2 == 0 for width in self.widths):
            raise ValueError(f"widths: expected odd widths, so that padding keeps the length, got {self.widths}")
        if self.velocity_bins % self.pool:
            raise ValueError(f"pool: {self.velocity_bins} velocity bins are no multiple of {self.pool}")
        return self


class CubeNetwork(Section):
    """CNN3D of Kodi Ramanah et al. (2021, Fig. 3): three convolutions of a cube, each pooled, and dense layers."""

    voxels: Annotated[int, Field(ge=16)] = Field(32, description="voxels along each side of the cube (published: 50)")
    filters: tuple[Count, Count, Count] = Field((12, 8, 4), description="feature maps of the convolutions")
    widths: tuple[Count, Count, Count] = Field(
        (5, 3, 1),
        description="widths of their kernels, not padded; published code: 5, 3, 1; text: 5, 5, 5, with pool: valid",
    )
    pool: Literal["same", "valid"] = Field(
        "same",
        description="max pooling by two of an odd length; same keeps the last voxel, as the published code; valid"
        " leaves it out, as the text reads",
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="fraction dropped before the dense layers")
    dense: tuple[Count, ...] = Field((128, 64), description="widths of the hidden dense layers")
    activation: Literal["linear", "relu"] = Field(
        "relu", description="of the hidden dense layers; published: linear, which makes one of all dense layers"
    )
    input_scale: Positive = Field(1000.0, description="factor on inputs, which sum to one (published code: 1000)")
    own: OwnNetwork | None = Field(None, description=OWN)

    @property
    def sides(self) -> tuple[int, ...]:
        """Lengths of the cube's sides after each convolution with its pooling; 0 and less: nothing is left."""
        return self._sides(self.voxels)

    def _sides(self, voxels: int) -> tuple[int, ...]:
        found = []
        for width in self.widths:
            voxels = (voxels - width + 1 + (self.pool == "same")) // 2
            found.append(voxels)
        return tuple(found)

    @model_validator(mode="after")
    def _something_is_left(self) -> CubeNetwork:
        if min(self.sides) < 1:
            enough = next(voxels for voxels in range(self.voxels, 10000) if min(self._sides(voxels)) > 0)
            raise ValueError(
                f"voxels: {self.voxels} are too few: each convolution takes a width less one of the side, its pooling"
                f" half of the rest, and nothing is left; widths {self.widths} with pool: {self.pool} need {enough}"
            )
        return self


class Networks(Section):
    """Architectures by name."""

    cnn1d: PhaseSpaceNetwork = Field(PhaseSpaceNetwork(), description="CNN1D: velocities only")
    cnn2d: PhaseSpaceNetwork = Field(
        PhaseSpaceNetwork(radius_bins=48), description="CNN2D: velocities and projected radii"
    )
    cnn3d: CubeNetwork = Field(CubeNetwork(), description="CNN3D: velocities and both coordinates on the sky")
