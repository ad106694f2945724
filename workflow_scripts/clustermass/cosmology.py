"""Distances and the expansion rate, in the flat LambdaCDM of the configuration."""

from __future__ import annotations

from astropy.cosmology import FlatLambdaCDM

from clustermass.config.base import Cosmology, PublishedCosmology


def flat(cosmology: Cosmology | PublishedCosmology) -> FlatLambdaCDM:
    """Return astropy's flat LambdaCDM, without radiation, for a section of the configuration."""
    return FlatLambdaCDM(H0=cosmology.H0, Om0=cosmology.Om0)
