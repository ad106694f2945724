"""The trainer of all networks, and their predictions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from clustermass.config.base import Section
from clustermass.config.training import Training
from clustermass.contracts import Column, Contract
from clustermass.networks import build
from clustermass.training.device import prepared
from clustermass.training.labels import Floats, LabelScale, fit_scale
from clustermass.training.optimiser import Adam, constrained_weights, limit_norms

BatchMaker = Callable[[torch.Tensor], torch.Tensor]
Inputs = npt.NDArray[np.float32] | BatchMaker
"""Inputs (n, ...) of all samples, or what makes those of some samples, given their (k,) numbers on the device."""

LEARNING_CURVES = Contract(
    "learning_curves",
    "losses of a network while it was trained: mean squared errors on the scale of its labels, or its own loss",
    (
        Column("fold", "int", "", "fold, from 0", 0),
        Column("epoch", "int", "", "passes over the training set", 1),
        Column("learning_rate", "float", "", "at the end of the epoch", 0),
        Column("train_loss", "float", "", "mean over the epoch's steps, with dropout"),
        Column("validation_loss", "float", "", "at the end of the epoch, without dropout", missing=True),
        Column("label_unit", "float", "dex", "size of one step of the scaled labels", 0),
        Column("kept", "bool", "", "whether the network is that of this epoch"),
    ),
)
_EVALUATED = 1000  # samples at a time where no gradient is needed, at most
_TURNS_FIRST = (0, 6, 3, 5, 4, 1, 7, 2)  # symmetries of the square: the quarter turns, then the mirrors
_EVALUATED_BYTES = 2**25  # of their inputs, at most; what layers make of cubes is ten times as large


class TrainingError(RuntimeError):
    """A training failed; the message says which and why."""


@dataclass(frozen=True)
class Samples:
    """Clusters to train or to validate on.

    Attributes
    ----------
    inputs : array or callable
        (n, ...) float32, or a maker of batches.
    log10_mass : (n,) array
        Labels, in any unit of mass.
    """

    inputs: Inputs
    log10_mass: Floats

    def __post_init__(self) -> None:
        if self.log10_mass.ndim != 1 or not len(self.log10_mass) or not np.isfinite(self.log10_mass).all():
            raise ValueError(f"labels: expected one finite log10 mass a sample, got {self.log10_mass!r:.100}")
        if not callable(self.inputs):
            if len(self.inputs) != len(self.log10_mass):
                raise ValueError(f"inputs: expected {len(self.log10_mass)}, one a label, got {len(self.inputs)}")
            wrong = sum(not np.isfinite(one).all() for one in self.inputs)  # one at a time: no copy of them all
            if wrong:
                raise ValueError(f"inputs: expected finite values, got others in {wrong} of {len(self.inputs)} samples")


@dataclass
class State:
    """A training between two epochs: all that it needs to go on.

    Attributes
    ----------
    tensors : dict of torch.Tensor
        On the CPU: 'network/...' weights, 'kept/...' those of the best epoch, where it is not the last,
        'adam/first' and 'adam/second'.
    step : int
        Steps of the optimiser made.
    scale : LabelScale
    curves : list of dict
        Rows of `LEARNING_CURVES`, without fold and kept.
    best : int
        Row of the lowest validation loss.
    """

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    step: int = 0
    scale: LabelScale = LabelScale(0.0, 1.0)  # noqa: RUF009 - frozen
    curves: list[dict[str, float]] = field(default_factory=list)
    best: int = 0


@dataclass(frozen=True)
class Trained:
    """A trained network on the CPU, the scale of its labels, and its learning curves (contract `LEARNING_CURVES`)."""

    network: nn.Module
    scale: LabelScale
    curves: pd.DataFrame


def train(
    network: Section,
    settings: Training,
    training: Samples,
    validation: Samples | None,
    seed: int,
    *,
    resume: State | None = None,
    after_epoch: Callable[[State], None] = lambda _state: None,
) -> State:
    """Train a network.

    Same seed, settings, samples and number of threads: same weights, bit by bit; also where the training was cut
    short and resumed.

    Parameters
    ----------
    network : Section
        Architecture; see `networks.build`. A network with a method `loss(outputs, labels)`, which returns a mean over
        samples, is trained on that instead of the mean squared error.
    settings : Training
    training : Samples
    validation : Samples, optional
        Disjoint from the training set. It gives the second learning curve; it decides when to stop if
        `settings.patience` says so, and nothing else.
    seed : int
        Of the first weights, the order of samples, dropout and augmentation.
    resume : State, optional
        Where an earlier training of the same samples and settings stood.
    after_epoch : callable
        Called with the state after every epoch: to save it, to tell of progress.

    Returns
    -------
    State
        After the last epoch.

    Raises
    ------
    ValueError
        Early stopping without a validation set.
    TrainingError
        The loss is no longer finite.

    Notes
    -----
    *Source*: Ho et al. (2019), section 3.3; see `Training`.
    """
    if settings.patience and validation is None:
        raise ValueError("patience: expected a validation set, which early stopping reads, got none")
    with prepared(settings.device, settings.threads) as device:
        torch.manual_seed(_seed(seed, 0))
        module = build(network).to(device)
        optimiser = Adam(module, settings, -(-len(training.log10_mass) // settings.batch) * settings.epochs)
        state = resume or State(scale=fit_scale(training.log10_mass, settings.labels))
        if resume:
            _restore(module, optimiser, resume)
        batches = _loader(training.inputs, device)
        seen = None if validation is None else (_loader(validation.inputs, device), _labels(validation, state, device))
        labels = _labels(training, state, device)
        for epoch in range(len(state.curves) + 1, settings.epochs + 1):
            if _stopped(state, settings):
                break
            torch.manual_seed(_seed(seed, epoch))  # each epoch draws on its own, so that any of them can be resumed
            loss = _epoch(module, optimiser, settings, batches, labels)
            validated = np.nan if seen is None else _loss(module, settings, *seen)
            if not np.isfinite(loss):
                raise TrainingError(f"training: the loss is {loss} in epoch {epoch}; lower the learning rate")
            _note(state, module, optimiser, settings, loss, validated)
            after_epoch(state)
    return state


def _seed(seed: int, epoch: int) -> int:
    """Return torch's seed for an epoch, 0 being the time before the first."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _labels(samples: Samples, state: State, device: torch.device) -> torch.Tensor:
    """Return scaled labels (n,) on the device."""
    return torch.from_numpy(state.scale.scale(samples.log10_mass).astype(np.float32)).to(device)


def _loader(inputs: Inputs, device: torch.device) -> BatchMaker:
    """Return what gives inputs on the device by their numbers."""
    if callable(inputs):
        return inputs
    stored = torch.from_numpy(np.require(inputs, np.float32, ["C", "W"])).to(device)
    return lambda rows: stored.index_select(0, rows)


def _cast(settings: Training, device: torch.device) -> torch.autocast:
    """Return the context in which the network is evaluated."""
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16")


def _epoch(module: nn.Module, optimiser: Adam, settings: Training, batches: BatchMaker, labels: torch.Tensor) -> float:
    """Train on all samples once, in random order; return the mean loss."""
    module.train()
    weights = constrained_weights(module) if settings.max_norm else []
    total = torch.zeros((), device=labels.device, dtype=torch.float64)
    order = torch.randperm(len(labels)).to(labels.device)
    for rows in torch.split(order, settings.batch):
        inputs = batches(rows)  # (batch, ...)
        if settings.velocity_flip:
            inputs = flip_velocities(inputs)
        if settings.sky_symmetries:
            inputs = turn_skies(inputs)
        with _cast(settings, labels.device):
            outputs = module(inputs)  # (batch,)
        loss = _loss_of(module, outputs.float(), labels[rows])
        optimiser.minimise(loss)
        if settings.max_norm:
            limit_norms(weights, settings.max_norm)
        total += loss.detach() * len(rows)
    return float(total) / len(labels)


def flip_velocities(inputs: torch.Tensor) -> torch.Tensor:
    """Return inputs (n, velocity, ...) of which half, at random, have their velocities reversed.

    A cluster seen from the other side is as likely, so that its mass does not depend on the sign of velocities.
    """
    flipped = torch.rand(len(inputs), device=inputs.device) < 0.5
    return torch.where(flipped.view(-1, *[1] * (inputs.dim() - 1)), inputs.flip(1), inputs)


def turn_skies(inputs: torch.Tensor) -> torch.Tensor:
    """Return inputs (n, velocity, x, y), each turned by quarters and mirrored on the sky at random.

    All eight symmetries of the square are as likely, as no direction on the sky tells of mass.

    Raises
    ------
    ValueError
        Inputs that are no cubes with a square sky.
    """
    drawn = torch.randint(8, (len(inputs),), device=inputs.device)
    turned = torch.empty_like(inputs)
    for symmetry in range(8):  # some at a time: each sample is moved once
        rows = (drawn == symmetry).nonzero()[:, 0]
        turned[rows] = _turned(inputs[rows], symmetry)
    return turned


def _turned(inputs: torch.Tensor, symmetry: int) -> torch.Tensor:
    """Return cubes (n, velocity, x, y) under one of the eight symmetries of the square."""
    if inputs.dim() != 4 or inputs.shape[2] != inputs.shape[3]:
        raise ValueError(f"sky_symmetries: expected cubes (velocity, side, side), got {tuple(inputs.shape[1:])}")
    mirrored = inputs.flip([axis for axis in (2, 3) if symmetry & axis - 1])
    return mirrored.transpose(2, 3).contiguous() if symmetry & 4 else mirrored


def views(inputs: torch.Tensor, settings: Training) -> Iterator[torch.Tensor]:
    """Yield inputs in every way that training may show them; first as they are, then those that differ most."""
    skies = _TURNS_FIRST if settings.sky_symmetries else (0,)
    signs = (False, True) if settings.velocity_flip else (False,)
    for later in range(len(signs)):
        for place, symmetry in enumerate(skies):
            turned = _turned(inputs, symmetry) if symmetry else inputs
            yield turned.flip(1) if signs[(place + later) % len(signs)] else turned


def _outputs(
    module: nn.Module, settings: Training, batches: BatchMaker, rows: torch.Tensor, number: int = 1
) -> Iterator[torch.Tensor]:
    """Yield outputs without dropout for some rows at a time, means over a number of views."""
    module.eval()
    size = batches(rows[:1])[0].nbytes if len(rows) else 1
    with torch.inference_mode():
        for some in torch.split(rows, max(1, min(_EVALUATED, _EVALUATED_BYTES // size))):
            inputs = batches(some)
            with _cast(settings, rows.device):
                outputs = [module(view).float() for view in islice(views(inputs, settings), number)]
            yield torch.stack(outputs).mean(0) if len(outputs) > 1 else outputs[0]


def _loss(module: nn.Module, settings: Training, batches: BatchMaker, labels: torch.Tensor) -> float:
    """Return the loss of all samples."""
    outputs = torch.cat(list(_outputs(module, settings, batches, torch.arange(len(labels), device=labels.device))))
    if hasattr(module, "loss"):
        with torch.inference_mode():
            return float(_loss_of(module, outputs, labels))
    return float(_loss_of(module, outputs.double(), labels.double()))


def _loss_of(module: nn.Module, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return what the network itself minimises, if it has a method `loss`, else the mean squared error."""
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = getattr(module, "loss", nn.functional.mse_loss)
    return loss(outputs, labels)


def _note(state: State, module: nn.Module, optimiser: Adam, settings: Training, loss: float, validated: float) -> None:
    """Bring a state up to the end of an epoch."""
    losses = {"train_loss": loss, "validation_loss": validated}
    row = {"epoch": len(state.curves) + 1, "learning_rate": optimiser.rate(), **losses, "label_unit": state.scale.unit}
    state.curves.append(row)
    state.step = optimiser.step
    weights = {name: _host(value) for name, value in module.state_dict().items()}
    kept = {name: value for name, value in state.tensors.items() if name.startswith("kept/")}
    newest = len(state.curves) - 1
    if not settings.patience or newest == 0 or validated < state.curves[state.best]["validation_loss"]:
        state.best, kept = newest, {}
    elif state.best == newest - 1:  # the best weights are about to be lost
        kept = {f"kept/{name[8:]}": value for name, value in state.tensors.items() if name.startswith("network/")}
    state.tensors = {
        **{f"network/{name}": value for name, value in weights.items()},
        **kept,
        "adam/first": _host(optimiser.first),
        "adam/second": _host(optimiser.second),
    }


def _host(values: torch.Tensor) -> torch.Tensor:
    """Return a copy on the CPU."""
    return values.detach().to("cpu", copy=True).contiguous()


def _restore(module: nn.Module, optimiser: Adam, state: State) -> None:
    """Bring a network and its optimiser to a state."""
    module.load_state_dict(_part(state, "network/"))
    optimiser.first.copy_(state.tensors["adam/first"])
    optimiser.second.copy_(state.tensors["adam/second"])
    optimiser.step = state.step


def _part(state: State, prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in state.tensors.items() if name.startswith(prefix)}


def _stopped(state: State, settings: Training) -> bool:
    """Return whether the validation loss has not fallen for so long that training stops."""
    return settings.patience is not None and len(state.curves) - 1 - state.best >= settings.patience


def trained(network: Section, state: State, fold: int = 0) -> Trained:
    """Return the network of a state: of the best epoch with early stopping, else of the last.

    Parameters
    ----------
    network : Section
        Architecture.
    state : State
    fold : int
        Written into the learning curves.
    """
    with torch.random.fork_rng(devices=[]):
        module = build(network)
    module.load_state_dict(_part(state, "kept/") or _part(state, "network/"))
    curves = pd.DataFrame(state.curves)
    curves["fold"], curves["kept"] = fold, np.arange(len(curves)) == state.best
    curves = LEARNING_CURVES.validate(curves, "learning curves")
    return Trained(module.eval(), state.scale, curves)


def predict_log10_mass(model: Trained, inputs: Inputs, number: int, settings: Training) -> Floats:
    """Return log10 masses (n,) that a network predicts, without dropout.

    They are means over `settings.views` of the views that training may show.

    Parameters
    ----------
    model : Trained
    inputs : array or callable
        As in training.
    number : int
        Samples, n.
    settings : Training
        Device, threads, precision, symmetries and views are used.
    """
    return model.scale.unscale(_evaluated(model, inputs, number, settings, settings.views))


def network_outputs(model: Trained, inputs: Inputs, number: int, settings: Training) -> npt.NDArray[np.float32]:
    """Return what a network gives (n, ...), without dropout, on the scale of its labels where it predicts these.

    Parameters
    ----------
    model, inputs, number, settings
        As in `predict_log10_mass`.
    """
    return _evaluated(model, inputs, number, settings, 1)


def _evaluated(model: Trained, inputs: Inputs, number: int, settings: Training, views: int) -> npt.NDArray[np.float32]:
    """Return outputs (n, ...) of all inputs."""
    with prepared(settings.device, settings.threads) as device:
        module = copy.deepcopy(model.network).to(device)
        rows = torch.arange(number, device=device)
        outputs = [part.cpu().numpy() for part in _outputs(module, settings, _loader(inputs, device), rows, views)]
    return np.concatenate(outputs)
