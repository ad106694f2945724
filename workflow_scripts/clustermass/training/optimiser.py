"""Adam and gradient descent with momentum on one flat vector of all weights, and the limit on the norm of weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import nn

from clustermass.config.training import Training

_BLOCK = 2**18  # weights at a time: 5 MB with gradient and moments


class Optimiser(ABC):
    """Steps down a gradient, with a learning rate that falls from step to step.

    The parameters of the module become views of one vector, so that a step is six operations however many layers there
    are: for small networks, most of the time of an optimiser is spent on calling it. On a CPU a large network is taken
    block by block: for it, most of the time is spent on fetching moments and weights, which then happens once a step.
    Parameters that require no gradient are left alone.

    Parameters
    ----------
    module : torch.nn.Module
        On its device; its parameters are float32.
    settings : Training
    steps : int
        Of the whole training: where a rate that falls as a cosine ends.

    Attributes
    ----------
    weights : torch.Tensor
        (parameters,) all weights that are trained.
    moments : dict of torch.Tensor
        What is remembered of earlier gradients, by name: (parameters,) each.
    step : int
        Steps made.

    Raises
    ------
    ValueError
        All weights are frozen.
    """

    _remembers: ClassVar[tuple[str, ...]]

    def __init__(self, module: nn.Module, settings: Training, steps: int) -> None:
        self._settings, self._steps = settings, steps
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        if not self._parameters:
            raise ValueError(f"network: expected weights to train in {type(module).__name__}, got none, or frozen ones")
        self.weights = torch.cat([p.detach().reshape(-1) for p in self._parameters])
        views = torch.split(self.weights, [p.numel() for p in self._parameters])
        for parameter, view in zip(self._parameters, views, strict=True):
            parameter.data = view.view_as(parameter)
        self.moments = {name: torch.zeros_like(self.weights) for name in self._remembers}
        self._gradient = torch.empty_like(self.weights)
        self.step = 0

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        s = self._settings
        rate = s.learning_rate / (1 + s.decay * self.step)
        return rate if s.schedule == "inverse" else rate * (1 + math.cos(math.pi * self.step / self._steps)) / 2

    def minimise(self, loss: torch.Tensor) -> None:
        """Change the weights by one step down the gradient of a loss."""
        gradients = torch.autograd.grad(loss, self._parameters)
        torch.cat([g.reshape(-1) for g in gradients], out=self._gradient)
        block = len(self.weights) if self.weights.is_cuda else _BLOCK
        vectors = (self.weights, self._gradient, *(self.moments[name] for name in self._remembers))
        with torch.no_grad():
            rate = self.rate()
            self.step += 1
            for parts in zip(*(torch.split(vector, block) for vector in vectors), strict=True):
                self._move(rate, *parts)

    @abstractmethod
    def _move(self, rate: float, weights: torch.Tensor, gradient: torch.Tensor, *moments: torch.Tensor) -> None:
        """Change weights (n,) and moments (n,) each, in the order of their names, in place, by a gradient (n,)."""


class Adam(Optimiser):
    """Adam as Keras has it; it remembers the running mean of gradients and of their squares, 'first' and 'second'.

    Notes
    -----
    *Source*: Kingma and Ba (2014), the formulation before their section 2.1, in which epsilon is added to the
    root of the uncorrected second moment; Keras and the papers' code follow it.
    """

    _remembers = ("first", "second")

    def _move(self, rate: float, weights: torch.Tensor, gradient: torch.Tensor, *moments: torch.Tensor) -> None:
        s, (first, second) = self._settings, moments
        rate *= math.sqrt(1 - s.second_moment**self.step) / (1 - s.first_moment**self.step)
        first.lerp_(gradient, 1 - s.first_moment)
        second.mul_(s.second_moment).addcmul_(gradient, gradient, value=1 - s.second_moment)
        weights.addcdiv_(first, second.sqrt().add_(s.epsilon), value=-rate)


class SGD(Optimiser):
    """Gradient descent with momentum as torch has it; it remembers the 'velocity', v = momentum v + gradient."""

    _remembers = ("velocity",)

    def _move(self, rate: float, weights: torch.Tensor, gradient: torch.Tensor, *moments: torch.Tensor) -> None:
        (velocity,) = moments
        velocity.mul_(self._settings.momentum).add_(gradient)
        weights.add_(velocity, alpha=-rate)


OPTIMISERS: dict[str, type[Optimiser]] = {"adam": Adam, "sgd": SGD}


def constrained_weights(module: nn.Module) -> list[nn.Parameter]:
    """Return the weights, not the biases, of all layers but the one called `output`, whose norm is limited.

    Frozen ones are left out.

    Raises
    ------
    ValueError
        The network has no layer of that name.
    """
    if not isinstance(getattr(module, "output", None), nn.Module):
        raise ValueError(f"max_norm: expected a layer called 'output' in {type(module).__name__}, which it leaves out")
    named = module.named_parameters()
    return [w for name, w in named if w.requires_grad and w.dim() > 1 and not name.startswith("output.")]


def limit_norms(weights: list[nn.Parameter], largest: float) -> None:
    """Shrink, in place, the weights of each neuron or filter whose L2 norm is above a limit onto it.

    *Source*: Ho et al. (2019), section 3.2.2, the weights of all inputs of a given neuron. Keras' constraint at
    its default axis differs for convolutions: it takes the norm along the filter's width, for each channel on its own.
    """
    with torch.no_grad():
        for weight in weights:
            weight.renorm_(2, 0, largest)
