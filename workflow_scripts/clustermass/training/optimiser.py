"""Adam on one flat vector of all weights, and the limit on the norm of weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from clustermass.config.training import Training


class Adam:
    """Adam as Keras has it, with a learning rate that falls from step to step.

    The parameters of the module become views of one vector, so that a step is six operations however many layers there
    are: for small networks, most of the time of an optimiser is spent on calling it.

    Parameters
    ----------
    module : torch.nn.Module
        On its device; its parameters are float32.
    settings : Training
    steps : int
        Of the whole training: where a rate that falls as a cosine ends.

    Attributes
    ----------
    weights, first, second : torch.Tensor
        (parameters,) all weights, and their gradients' running mean and mean square.
    step : int
        Steps made.

    Notes
    -----
    *Source*: Kingma and Ba (2014), the formulation before their section 2.1, in which epsilon is added to the
    root of the uncorrected second moment; Keras and the papers' code follow it.
    """

    def __init__(self, module: nn.Module, settings: Training, steps: int) -> None:
        self._settings, self._steps = settings, steps
        self._parameters = list(module.parameters())
        self.weights = torch.cat([p.detach().reshape(-1) for p in self._parameters])
        views = torch.split(self.weights, [p.numel() for p in self._parameters])
        for parameter, view in zip(self._parameters, views, strict=True):
            parameter.data = view.view_as(parameter)
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.step = 0

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        s = self._settings
        rate = s.learning_rate / (1 + s.decay * self.step)
        return rate if s.schedule == "inverse" else rate * (1 + math.cos(math.pi * self.step / self._steps)) / 2

    def minimise(self, loss: torch.Tensor) -> None:
        """Change the weights by one step down the gradient of a loss."""
        s = self._settings
        gradients = torch.autograd.grad(loss, self._parameters)
        gradient = torch.cat([g.reshape(-1) for g in gradients])
        with torch.no_grad():
            rate = self.rate()
            self.step += 1
            rate *= math.sqrt(1 - s.second_moment**self.step) / (1 - s.first_moment**self.step)
            self.first.lerp_(gradient, 1 - s.first_moment)
            self.second.mul_(s.second_moment).addcmul_(gradient, gradient, value=1 - s.second_moment)
            self.weights.addcdiv_(self.first, self.second.sqrt().add_(s.epsilon), value=-rate)


def constrained_weights(module: nn.Module) -> list[nn.Parameter]:
    """Return the weights, not the biases, of all layers but the one called `output`, whose norm is limited.

    Raises
    ------
    ValueError
        The network has no layer of that name.
    """
    if not isinstance(getattr(module, "output", None), nn.Module):
        raise ValueError(f"max_norm: expected a layer called 'output' in {type(module).__name__}, which it leaves out")
    named = module.named_parameters()
    return [weight for name, weight in named if weight.dim() > 1 and not name.startswith("output.")]


def limit_norms(weights: list[nn.Parameter], largest: float) -> None:
    """Shrink, in place, the weights of each neuron or filter whose L2 norm is above a limit onto it.

    *Source*: Ho et al. (2019), section 3.2.2, the weights of all inputs of a given neuron. Keras' constraint at
    its default axis differs for convolutions: it takes the norm along the filter's width, for each channel on its own.
    """
    with torch.no_grad():
        for weight in weights:
            weight.renorm_(2, 0, largest)
