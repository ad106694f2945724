"""Distances and the expansion rate, in the flat LambdaCDM of the configuration."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clustermass.config.base import Cosmology, PublishedCosmology

if TYPE_CHECKING:
    from astropy.cosmology import FlatLambdaCDM


def flat(cosmology: Cosmology | PublishedCosmology) -> FlatLambdaCDM:
    """Return astropy's flat LambdaCDM, without radiation, for a section of the configuration."""
    from astropy.cosmology import FlatLambdaCDM  # over a second, which most jobs can do without

    return FlatLambdaCDM(H0=cosmology.H0, Om0=cosmology.Om0)


@lru_cache(maxsize=16)
def colossus(cosmology: Cosmology) -> Any:
    """Return colossus' flat LambdaCDM without radiation; it keeps its tables in memory, and no files on disk."""
    from colossus.cosmology.cosmology import Cosmology as Universe

    return Universe(name="clustermass", flat=True, relspecies=False, persistence="", **cosmology.model_dump())


def use_colossus(cosmology: Cosmology) -> None:
    """Make a cosmology colossus' current one, which most of its functions take theirs from."""
    from colossus.cosmology.cosmology import setCurrent

    setCurrent(colossus(cosmology))
