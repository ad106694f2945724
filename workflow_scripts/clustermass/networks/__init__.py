"""Networks that weigh clusters, built from their configuration."""

from __future__ import annotations

from torch import nn

from clustermass.config.base import Section
from clustermass.config.flow import FlowNetwork
from clustermass.config.image_networks import BandNetwork, BaselineNetwork, ImageRegressorNetwork, RegressorNetwork
from clustermass.config.networks import CubeNetwork, PhaseSpaceNetwork
from clustermass.networks.cube import CubeCNN
from clustermass.networks.flow import ConditionalFlow
from clustermass.networks.heads import FeatureRegressor
from clustermass.networks.image import BandClassifier, Baseline, ImageRegressor
from clustermass.networks.phase_space import PhaseSpaceCNN

_MODULES: dict[type[Section], type[nn.Module]] = {
    PhaseSpaceNetwork: PhaseSpaceCNN,
    CubeNetwork: CubeCNN,
    FlowNetwork: ConditionalFlow,
    BandNetwork: BandClassifier,
    RegressorNetwork: FeatureRegressor,
    ImageRegressorNetwork: ImageRegressor,
    BaselineNetwork: Baseline,
}


def build(settings: Section) -> nn.Module:
    """Return an untrained network; its weights come from torch's generator.

    Raises
    ------
    TypeError
        The section describes no network.
    """
    if type(settings) not in _MODULES:
        known = ", ".join(section.__name__ for section in _MODULES)
        raise TypeError(f"network: expected one of {known}, got {type(settings).__name__}")
    return _MODULES[type(settings)](settings)
