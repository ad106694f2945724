"""Integrated gradients: what every input contributes to the difference of an output from that of a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from clustermass.attribution.outputs import Network, chosen_outputs, evaluating
from clustermass.config.attribution import IntegratedGradients

Floats = NDArray[np.float64]
_NODES = 32  # of the rule on one piece of a path, at most: more take longer to find than they save


@dataclass(frozen=True, eq=False)
class Attributions:
    """What inputs contribute to outputs.

    Attributes
    ----------
    values : tensor, shape (n, ...)
        Integrated gradients, in the unit of the output.
    gradients : tensor, shape (n, ...)
        Mean gradients on the path: `values` over input less baseline.
    outputs, baseline_outputs : tensor of float64, shape (n,)
        Of the network at the inputs and at the baselines.
    steps : tensor of int, shape (n,)
        Gradients on the path that the result was made of.
    error : tensor of float64, shape (n,)
        |sum of values - (outputs - baseline outputs)| over |outputs - baseline outputs|.
    complete : tensor of bool, shape (n,)
        Whether the error is within the tolerance.
    """

    values: torch.Tensor
    gradients: torch.Tensor
    outputs: torch.Tensor
    baseline_outputs: torch.Tensor
    steps: torch.Tensor
    error: torch.Tensor
    complete: torch.Tensor


def integrated_gradients(
    network: Network,
    inputs: torch.Tensor,
    settings: IntegratedGradients,
    *,
    fixed: Sequence[torch.Tensor] = (),
    targets: torch.Tensor | None = None,
    baseline: torch.Tensor | float = 0.0,
) -> Attributions:
    """Return integrated gradients of a network, with twice the steps wherever they are not complete yet.

    Parameters
    ----------
    network : callable
        A module is evaluated without dropout and batch statistics; any other callable has to see to that itself, for
        samples must not depend on each other.
    inputs : tensor, shape (n, ...)
    settings : IntegratedGradients
    fixed : sequence of tensors, shape (n, ...)
        What the network is given besides, the same all along the path: redshifts.
    targets : tensor of int, shape (n,), optional
        Which output of each sample; None: the network has one.
    baseline : tensor or float
        Where paths begin; broadcast to the inputs. Zero is a black image.

    Returns
    -------
    Attributions
        On the device and of the type of the inputs. Where `complete` is false the last, finest result stands: an
        output that jumps on the path is never complete.

    Raises
    ------
    ValueError
        No inputs, inputs that are not finite floats, others of another length, outputs that do not fit.

    Notes
    -----
    *Source*: Lin et al. (2022), Eq. 6. The path is integrated by Gauss and Legendre's rule, exact for gradients that
    are polynomials on the path; those of ReLUs are constant in pieces, and the error falls as 1 / steps.
    """
    _check(inputs, fixed)
    start = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).expand_as(inputs)
    with evaluating(network), torch.enable_grad():
        outputs = _outputs(network, inputs, fixed, targets, settings.batch)
        starts = _outputs(network, start, fixed, targets, settings.batch)
        gradients = torch.zeros_like(inputs)
        used = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)
        error = torch.full_like(outputs, torch.inf)
        steps = settings.steps
        while steps <= settings.most_steps and bool((error > settings.tolerance).any()):
            for rows in torch.split(torch.nonzero(error > settings.tolerance)[:, 0], settings.batch):
                parts = [each[rows] for each in fixed]
                target = None if targets is None else targets[rows]
                mean = _mean_gradient(network, inputs[rows], start[rows], parts, target, steps, settings.batch)
                difference = outputs[rows] - starts[rows]
                total = (mean * (inputs[rows] - start[rows])).double().flatten(1).sum(1)
                error[rows] = (total - difference).abs() / difference.abs().clamp(min=settings.smallest)
                gradients[rows], used[rows] = mean, steps
            steps *= 2
    values = gradients * (inputs - start)
    return Attributions(values.detach(), gradients, outputs, starts, used, error, error <= settings.tolerance)


def _check(inputs: torch.Tensor, fixed: Sequence[torch.Tensor]) -> None:
    """Raise where inputs cannot be attributed to."""
    if not inputs.is_floating_point() or inputs.ndim < 2 or not len(inputs) or not bool(torch.isfinite(inputs).all()):
        raise ValueError(f"inputs: expected finite floats (n, ...), got {inputs.dtype} of shape {tuple(inputs.shape)}")
    if any(len(each) != len(inputs) for each in fixed):
        raise ValueError(f"fixed: expected {len(inputs)} values each, got {[len(each) for each in fixed]}")


def _outputs(
    network: Network, inputs: torch.Tensor, fixed: Sequence[torch.Tensor], targets: torch.Tensor | None, batch: int
) -> torch.Tensor:
    """Return chosen outputs in double, shape (n,)."""
    parts = []
    with torch.no_grad():
        for first in range(0, len(inputs), batch):
            some = slice(first, first + batch)
            target = None if targets is None else targets[some]
            parts.append(chosen_outputs(network, inputs[some], [each[some] for each in fixed], target))
    return torch.cat(parts).double()


def _rule(steps: int) -> tuple[Floats, Floats]:
    """Return places between 0 and 1 and their weights, (steps,): Gauss and Legendre's on equal pieces of the path."""
    pieces = next(count for count in range(-(-steps // _NODES), steps + 1) if steps % count == 0)
    nodes, weights = np.polynomial.legendre.leggauss(steps // pieces)
    starts = np.arange(pieces)[:, None]
    return ((starts + (nodes + 1) / 2) / pieces).ravel(), np.tile(weights / 2 / pieces, pieces)


def _mean_gradient(
    network: Network,
    inputs: torch.Tensor,
    start: torch.Tensor,
    fixed: Sequence[torch.Tensor],
    targets: torch.Tensor | None,
    steps: int,
    batch: int,
) -> torch.Tensor:
    """Return the gradient's mean over the straight paths from start to inputs, shape (n, ...)."""
    nodes, weights = _rule(steps)
    places, shares = torch.from_numpy(nodes).to(inputs), torch.from_numpy(weights).to(inputs.device)  # shares: float64
    total = torch.zeros(inputs.shape, dtype=torch.float64, device=inputs.device)
    each = max(batch // len(inputs), 1)
    for place, share in zip(torch.split(places, each), torch.split(shares, each), strict=True):
        ones = [1] * (inputs.ndim - 1)
        points = start + place.reshape(-1, 1, *ones) * (inputs - start)  # (k, n, ...)
        points = points.detach().flatten(0, 1).requires_grad_()  # (k n, ...)
        many = [torch.cat([part] * len(place)) for part in fixed]
        target = None if targets is None else targets.repeat(len(place))
        (slopes,) = torch.autograd.grad(chosen_outputs(network, points, many, target).sum(), points)
        total += torch.tensordot(share, slopes.double().reshape(-1, *inputs.shape), dims=1)
    return total.to(inputs.dtype)
