"""The trainer of all networks, and their predictions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from clustermass.config.base import Section
from clustermass.config.image_networks import ExtractorNetwork
from clustermass.config.training import Training
from clustermass.contracts import Column, Contract
from clustermass.networks import build
from clustermass.runtime import held_back
from clustermass.training.batches import Array, Batch, augmented, split
from clustermass.training.device import prepared
from clustermass.training.evaluation import Inputs, arrays_of, cast, loader, outputs_of, tested
from clustermass.training.labels import Floats, LabelScale, fit_scale
from clustermass.training.losses import Loss, fit_loss
from clustermass.training.optimiser import OPTIMISERS, Optimiser, constrained_weights, limit_norms

LEARNING_CURVES = Contract(
    "learning_curves",
    "losses of a network while it was trained: mean squared errors on the scale of its labels, or its own loss",
    (
        Column("fold", "int", "", "fold, from 0", 0),
        Column("epoch", "int", "", "passes over the training set", 1),
        Column("learning_rate", "float", "", "at the end of the epoch", 0),
        Column("train_loss", "float", "", "mean over the epoch's steps, with dropout"),
        Column("validation_loss", "float", "", "at the end of the epoch, without dropout", missing=True),
        Column("validation_score", "float", "", "share of right classes, or mean absolute error of labels [dex], on the"
               " validation set", 0, missing=True),
        Column("watched_score", "float", "", "the same on samples that decide nothing, as the test set", 0,
               missing=True),
        Column("label_unit", "float", "dex", "size of one step of the scaled labels", 0),
        Column("kept", "bool", "", "whether the network is that of this epoch"),
    ),
)  # fmt: skip
_CHECKED_BYTES = 2**24  # of inputs at a time


class TrainingError(RuntimeError):
    """A training failed; the message says which and why."""


@dataclass(frozen=True)
class Samples:
    """Clusters, or images of them, to train or to validate on.

    Attributes
    ----------
    inputs : array, tuple of array or callable
        (n, ...) float32, each that the network is called with, or a maker of batches of them.
    log10_mass : (n,) array
        Labels: log10 masses in any unit, or numbers of classes, which `labels: raw` leaves as they are.
    """

    inputs: Inputs
    log10_mass: Floats

    def __post_init__(self) -> None:
        if self.log10_mass.ndim != 1 or not len(self.log10_mass) or not np.isfinite(self.log10_mass).all():
            raise ValueError(f"labels: expected one finite log10 mass a sample, got {self.log10_mass!r:.100}")
        if not self.arrays and not callable(self.inputs):
            raise ValueError("inputs: expected at least one array, got none")
        for place, array in enumerate(self.arrays):
            name = "inputs" if len(self.arrays) == 1 else f"inputs {place + 1} of {len(self.arrays)}"
            if len(array) != len(self.log10_mass):
                raise ValueError(f"{name}: expected {len(self.log10_mass)}, one a label, got {len(array)}")
            if wrong := _not_finite(array):
                raise ValueError(f"{name}: expected finite values, got others in {wrong} of {len(array)} samples")

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Return the arrays of inputs, of which a maker of batches has none."""
        return () if callable(self.inputs) else arrays_of(self.inputs)


def _not_finite(array: Array) -> int:
    """Return how many samples have values that are not finite; some are looked at at a time: no copy of them all."""
    step = max(1, _CHECKED_BYTES // max(1, array[0].nbytes))
    parts = (array[start : start + step] for start in range(0, len(array), step))
    return sum(int((~np.isfinite(part).reshape(len(part), -1).all(1)).sum()) for part in parts)


@dataclass
class State:
    """A training between two epochs: all that it needs to go on.

    Attributes
    ----------
    tensors : dict of torch.Tensor
        On the CPU: 'network/...' weights, 'kept/...' those of the best epoch, where it is not the last, and what the
        optimiser remembers: 'adam/first' and 'adam/second', or 'sgd/velocity'.
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


@dataclass(frozen=True)
class Start:
    """Where a training starts from, other than random weights.

    Attributes
    ----------
    tensors : dict of torch.Tensor
        Weights by their names in the network; those that are not named stay random.
    scale : LabelScale, optional
        Scale of the labels on which they were trained; None: that of the new training set.
    """

    tensors: dict[str, torch.Tensor]
    scale: LabelScale | None = None


def start_of(model: Trained, prefix: str = "") -> Start:
    """Return a start from a trained network, or from those of its weights whose names begin with a prefix.

    The scale of the labels stays with a whole network only: a part, as an extractor, may go on to other labels.
    """
    tensors = {name: value for name, value in model.network.state_dict().items() if name.startswith(prefix)}
    if not tensors:
        raise ValueError(f"start: expected weights whose names begin with {prefix!r}, got none in the trained network")
    return Start(tensors, None if prefix else model.scale)


def extractor_start(network: Section) -> Start | None:
    """Return a start from the weights that the configuration of a network's extractor asks for.

    Parameters
    ----------
    network : Section
        Architecture.

    Returns
    -------
    Start or None
        None where there is no extractor, or where its weights are to be random.

    Raises
    ------
    WeightsError
        They cannot be had; see `networks.weights.initialise`.
    """
    settings = getattr(network, "extractor", None)
    if not isinstance(settings, ExtractorNetwork) or settings.weights == "random":
        return None
    from clustermass.networks.image import Extractor
    from clustermass.networks.weights import initialise

    with torch.random.fork_rng(devices=[]):
        backbone = initialise(Extractor(settings)).backbone
    return Start({f"extractor.backbone.{name}": value for name, value in backbone.state_dict().items()})


def train(
    network: Section,
    settings: Training,
    training: Samples,
    validation: Samples | None,
    seed: int,
    *,
    watched: Samples | None = None,
    start: Start | None = None,
    resume: State | None = None,
    after_epoch: Callable[[State], None] = lambda _state: None,
) -> State:
    """Train a network.

    Same seed, settings, samples, start and number of threads: same weights, bit by bit; also where the training was cut
    short and resumed.

    Parameters
    ----------
    network : Section
        Architecture; see `networks.build`. A network with a method `loss(outputs, labels)`, which returns a mean over
        samples, is trained on that instead of the mean squared error, unless the settings name a loss. Weights that
        require no gradient stay as they are.
    settings : Training
    training : Samples
    validation : Samples, optional
        Disjoint from the training set. It gives the second learning curve; it decides when to stop if
        `settings.patience` says so, by what `settings.chosen_by` says, and nothing else.
    seed : int
        Of the first weights, the order of samples, dropout and augmentation.
    watched : Samples, optional
        Disjoint from both. How well it is predicted stands in the learning curves, and decides nothing.
    start : Start, optional
        Weights to begin with instead of random ones, and the scale of labels that they know.
    resume : State, optional
        Where an earlier training of the same samples, settings and start stood.
    after_epoch : callable
        Called with the state after every epoch: to save it, to tell of progress. SIGTERM takes effect after it.

    Returns
    -------
    State
        After the last epoch.

    Raises
    ------
    ValueError
        Early stopping without a validation set, or by the errors of a network that gives no numbers; a start that is
        not of this network; nothing to train.
    TrainingError
        The loss is no longer finite.
    Stopped
        SIGTERM came during the last epoch.

    Notes
    -----
    *Source*: Ho et al. (2019), section 3.3; see `Training`.
    """
    if settings.patience and validation is None:
        raise ValueError("patience: expected a validation set, which early stopping reads, got none")
    if settings.patience and settings.chosen_by == "error" and settings.labels == "raw":
        raise ValueError("chosen_by: expected loss with labels: raw, as classes have no mean error, got error")
    if resume and _finished(resume, settings):
        return resume
    with prepared(settings.device, settings.threads) as device:
        torch.manual_seed(epoch_seed(seed, 0))
        module = build(network)
        if start:
            _begin(module, start)
        module.to(device)
        steps = len(split(torch.arange(len(training.log10_mass)), settings.batch)) * settings.epochs
        optimiser = OPTIMISERS[settings.optimiser](module, settings, steps)
        known = start and start.scale
        state = resume or State(scale=known or fit_scale(training.log10_mass, settings.labels))
        if resume:
            _restore(module, optimiser, settings, resume)
        batches = loader(training.inputs, device)
        labels = _labels(training, state, device)
        loss = _loss_of(module, settings, labels, state.scale)
        seen = [
            None if some is None else (loader(some.inputs, device), _labels(some, state, device))
            for some in (validation, watched)
        ]
        with held_back() as stop_if_asked:
            while not _finished(state, settings):
                epoch = len(state.curves) + 1
                torch.manual_seed(
                    epoch_seed(seed, epoch)
                )  # each epoch draws on its own, so that any of them can be resumed
                trained_to = _epoch(module, optimiser, settings, loss, batches, labels)
                found = [tested(module, settings, loss, state.scale, some) for some in seen]
                if not np.isfinite(trained_to):
                    raise TrainingError(f"training: the loss is {trained_to} in epoch {epoch}; lower the learning rate")
                _note(state, module, optimiser, settings, trained_to, *found)
                after_epoch(state)
                stop_if_asked()
    return state


def epoch_seed(seed: int, epoch: int) -> int:
    """Return torch's seed for an epoch, 0 being the time before the first."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _begin(module: nn.Module, start: Start) -> None:
    """Give a network the weights of a start; refuse those of another network."""
    own = module.state_dict()
    wrong = [f"{name} unknown" for name in start.tensors if name not in own]
    wrong += [
        f"{name} {tuple(value.shape)}, not {tuple(own[name].shape)}"
        for name, value in start.tensors.items()
        if name in own and value.shape != own[name].shape
    ]
    if wrong:
        raise ValueError(
            f"start: expected weights of {type(module).__name__}, got {len(wrong)} of {len(start.tensors)} tensors that"
            f" are not: {'; '.join(wrong[:3])}"
        )
    for name, value in start.tensors.items():
        own[name].copy_(value)  # where the network has them


def _labels(samples: Samples, state: State, device: torch.device) -> torch.Tensor:
    """Return scaled labels (n,) on the device."""
    return torch.from_numpy(state.scale.scale(samples.log10_mass).astype(np.float32)).to(device)


def _epoch(
    module: nn.Module,
    optimiser: Optimiser,
    settings: Training,
    loss: Loss,
    batches: Callable[[torch.Tensor], Batch],
    labels: torch.Tensor,
) -> float:
    """Train on all samples once, in random order; return the mean loss."""
    module.train()
    weights = constrained_weights(module) if settings.max_norm else []
    total = torch.zeros((), device=labels.device, dtype=torch.float64)
    order = torch.randperm(len(labels)).to(labels.device)
    for rows in split(order, settings.batch):
        inputs = augmented(batches(rows), settings)  # (batch, ...) each
        with cast(settings, labels.device):
            outputs = module(*inputs)  # (batch,)
        found = loss(outputs.float(), labels[rows])
        optimiser.minimise(found)
        if settings.max_norm:
            limit_norms(weights, settings.max_norm)
        total += found.detach() * len(rows)
    return float(total) / len(labels)


def _loss_of(module: nn.Module, settings: Training, labels: torch.Tensor, scale: LabelScale) -> Loss:
    """Return what is minimised: as the settings say, else as the network itself does, else the mean squared error."""
    if settings.loss is not None:
        return fit_loss(settings.loss, labels, scale.unit)
    own: Loss = getattr(module, "loss", nn.functional.mse_loss)
    return own


def _note(
    state: State,
    module: nn.Module,
    optimiser: Optimiser,
    settings: Training,
    loss: float,
    validation: tuple[float, float],
    watched: tuple[float, float],
) -> None:
    """Bring a state up to the end of an epoch."""
    losses = {"train_loss": loss, "validation_loss": validation[0]}
    scores = {"validation_score": validation[1], "watched_score": watched[1]}
    losses |= {name: value for name, value in scores.items() if np.isfinite(value)}
    row = {"epoch": len(state.curves) + 1, "learning_rate": optimiser.rate(), **losses, "label_unit": state.scale.unit}
    state.curves.append(row)
    state.step = optimiser.step
    weights = {name: _host(value) for name, value in module.state_dict().items()}
    kept = {name: value for name, value in state.tensors.items() if name.startswith("kept/")}
    newest = len(state.curves) - 1
    if not settings.patience or newest == 0 or _judged(row, settings) < _judged(state.curves[state.best], settings):
        state.best, kept = newest, {}
    elif state.best == newest - 1:  # the best weights are about to be lost
        kept = {f"kept/{name[8:]}": value for name, value in state.tensors.items() if name.startswith("network/")}
    state.tensors = {
        **{f"network/{name}": value for name, value in weights.items()},
        **kept,
        **{f"{settings.optimiser}/{name}": _host(value) for name, value in optimiser.moments.items()},
    }


def _judged(row: dict[str, float], settings: Training) -> float:
    """Return what the validation set says of an epoch: the lower, the better."""
    return row["validation_loss" if settings.chosen_by == "loss" else "validation_score"]


def _host(values: torch.Tensor) -> torch.Tensor:
    """Return a copy on the CPU."""
    return values.detach().to("cpu", copy=True).contiguous()


def _restore(module: nn.Module, optimiser: Optimiser, settings: Training, state: State) -> None:
    """Bring a network and its optimiser to a state."""
    module.load_state_dict(_part(state, "network/"))
    for name, value in optimiser.moments.items():
        value.copy_(state.tensors[f"{settings.optimiser}/{name}"])
    optimiser.step = state.step


def _part(state: State, prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in state.tensors.items() if name.startswith(prefix)}


def bare(state: State) -> State:
    """Return a finished training without what only going on would need: the weights that `trained` takes."""
    weights = _part(state, "kept/") or _part(state, "network/")
    return replace(state, tensors={f"network/{name}": value for name, value in weights.items()})


def _finished(state: State, settings: Training) -> bool:
    """Return whether nothing is left to be trained."""
    return len(state.curves) >= settings.epochs or _stopped(state, settings)


def _stopped(state: State, settings: Training) -> bool:
    """Return whether there has been no better epoch for so long that training stops."""
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
    curves = pd.DataFrame(state.curves, columns=LEARNING_CURVES.names)
    curves["fold"], curves["kept"] = fold, np.arange(len(curves)) == state.best
    curves = LEARNING_CURVES.validate(curves, "learning curves")
    return Trained(module.eval(), state.scale, curves)


def predict_log10_mass(model: Trained, inputs: Inputs, number: int, settings: Training) -> Floats:
    """Return log10 masses (n,) that a network predicts, without dropout.

    They are means over `settings.views` of the views that training may show.

    Parameters
    ----------
    model : Trained
    inputs : array, tuple of array or callable
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
        outputs = [part.cpu().numpy() for part in outputs_of(module, settings, loader(inputs, device), rows, views)]
    return np.concatenate(outputs)
