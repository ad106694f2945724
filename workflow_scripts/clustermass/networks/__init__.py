"""Networks that weigh clusters, built from their configuration."""

from __future__ import annotations

import types
from importlib.machinery import SourceFileLoader

from torch import nn

from clustermass.config.base import Section
from clustermass.config.flow import FlowNetwork
from clustermass.config.image_networks import BandNetwork, BaselineNetwork, ImageRegressorNetwork, RegressorNetwork
from clustermass.config.networks import CubeNetwork, OwnNetwork, PhaseSpaceNetwork
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
    ValueError
        The file of a network of one's own holds no such class.
    """
    if type(settings) not in _MODULES:
        known = ", ".join(section.__name__ for section in _MODULES)
        raise TypeError(f"network: expected one of {known}, got {type(settings).__name__}")
    own = getattr(settings, "own", None)
    return (_own_class(own) if own else _MODULES[type(settings)])(settings)


def _own_class(own: OwnNetwork) -> type[nn.Module]:
    """Return the class that a file of the user's defines."""
    module = types.ModuleType("own_network")
    SourceFileLoader("own_network", own.file).exec_module(module)
    found = getattr(module, own.name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"{own.file}: expected a class {own.name} of torch.nn.Module, got {found!r}")
    return found
