"""The trainer on images: several inputs, frozen parts, momentum, losses of the papers, starts from trained weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn
from torch.optim.sgd import sgd
from torchvision import models

from clustermass.config.image_networks import (
    AbsoluteScatterLoss,
    BandNetwork,
    ExtractorNetwork,
    ImageRegressorNetwork,
    RegressorNetwork,
    WeightedScatterLoss,
)
from clustermass.config.networks import PhaseSpaceNetwork
from clustermass.config.training import Training
from clustermass.networks import build
from clustermass.training import batches, folds, trainer
from clustermass.training.batches import Stored, augmented, split, views
from clustermass.training.checkpoint import CheckpointError, Identity, load_checkpoint, save_checkpoint
from clustermass.training.device import prepared
from clustermass.training.folds import Fold, _write_job, fingerprints, run_worker, subset, train_folds
from clustermass.training.labels import LabelScale
from clustermass.training.optimiser import SGD, constrained_weights
from clustermass.training.trainer import (
    Samples,
    Start,
    Trained,
    extractor_start,
    network_outputs,
    predict_log10_mass,
    start_of,
    train,
    trained,
)

HEAD = RegressorNetwork(features=8, filters=(1, 2, 4), hidden=(6,))
EXTRACTOR = ExtractorNetwork(backbone="squeezenet1_1", pointwise=8)
IMAGES = ImageRegressorNetwork(extractor=EXTRACTOR, regressor=HEAD)
QUICK = Training(epochs=2, batch=8, learning_rate=1e-2, decay=0.0, max_norm=None, labels="standardised")
MOMENTUM = QUICK.model_copy(update={"optimiser": "sgd", "momentum": 0.8})
STILL = MOMENTUM.model_copy(update={"epochs": 1, "learning_rate": 1e-30})
CPU = torch.device("cpu")


def features(number=40, seed=0, shape=(5, 8)):
    """Return features that say nothing and redshifts that are all that labels follow."""
    rng = np.random.default_rng(seed)
    redshift = rng.uniform(0.1, 0.6, number)
    return Samples((rng.random((number, *shape), np.float32), redshift.astype(np.float32)), 14 + 2 * redshift)


SAMPLES, PICTURES = features(), features(20, 1, (5, 32, 32))


@pytest.fixture(autouse=True)
def one_thread():
    with prepared("cpu", 1):
        yield


def network_of(state, prefix=""):
    return {name[8:]: t for name, t in state.tensors.items() if name.startswith(f"network/{prefix}")}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_momentum_against_torchs():
    torch.manual_seed(1)
    ours = build(PhaseSpaceNetwork(velocity_bins=16, filters=(6, 4), dense=(16, 8)))
    theirs = build(PhaseSpaceNetwork(velocity_bins=16, filters=(6, 4), dense=(16, 8)))
    theirs.load_state_dict(ours.state_dict())
    optimiser, weights = SGD(ours.eval(), MOMENTUM, 30), list(theirs.eval().parameters())
    velocities: list[torch.Tensor | None] = [None] * len(weights)
    plain = {"weight_decay": 0, "dampening": 0, "nesterov": False, "maximize": False, "foreach": False}
    for _ in range(30):
        x = torch.rand(7, 16)
        optimiser.minimise((ours(x) - 1).square().mean())
        gradients = list(torch.autograd.grad((theirs(x) - 1).square().mean(), weights))
        with torch.no_grad():  # torch.optim.SGD without its class, which imports torch's compiler: seconds
            sgd(weights, gradients, velocities, momentum=0.8, lr=1e-2, **plain)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
    assert optimiser.step == 30


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_frozen_extractor_does_not_move_while_the_head_learns(optimiser):
    settings = QUICK.model_copy(update={"optimiser": optimiser})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        before = build(IMAGES).state_dict()
    state = train(IMAGES, settings, PICTURES, PICTURES, 5, start=Start(before))
    after = network_of(state)
    extractor = {name for name in before if name.startswith("extractor.")}
    assert "extractor.pointwise.1.running_mean" in extractor
    assert all(torch.equal(after[name], before[name]) for name in extractor)
    for name in ("convolutions.1.running_mean", "hidden.0.weight", "output.weight", "output.bias"):
        assert not torch.equal(after[f"regressor.{name}"], before[f"regressor.{name}"])
    weights = sum(p.numel() for name, p in build(IMAGES).named_parameters() if name not in extractor)
    memories = {name for name in state.tensors if not name.startswith("network/")}
    assert memories == {"adam": {"adam/first", "adam/second"}, "sgd": {"sgd/velocity"}}[optimiser]
    assert all(len(state.tensors[name]) == weights for name in memories)


def test_frozen_weights_have_no_limit_and_are_not_all_there_is():
    head = nn.Module()
    head.body, head.output = nn.Linear(3, 3).requires_grad_(False), nn.Linear(3, 1)
    assert constrained_weights(head) == []
    with pytest.raises(ValueError, match="expected weights to train in Module, got none, or frozen ones"):
        SGD(head.requires_grad_(False), MOMENTUM, 1)


def test_a_network_learns_from_its_second_input_and_not_from_shuffled_labels():
    settings = QUICK.model_copy(update={"epochs": 12, "batch": 20, "learning_rate": 2e-2})
    training, test = features(200, 2), features(100, 3)
    model = trained(HEAD, train(HEAD, settings, training, None, 5))
    error = predict_log10_mass(model, test.inputs, 100, settings) - test.log10_mass
    assert np.std(error) < 0.6 * np.std(test.log10_mass)
    alone = predict_log10_mass(model, (test.inputs[0], test.inputs[1][::-1].copy()), 100, settings)
    assert np.std(alone - test.log10_mass) > np.std(test.log10_mass)
    shuffled = replace(training, log10_mass=np.random.default_rng(4).permutation(training.log10_mass))
    model = trained(HEAD, train(HEAD, settings, shuffled, None, 5))
    error = predict_log10_mass(model, test.inputs, 100, settings) - test.log10_mass
    assert np.std(error) > 0.95 * np.std(test.log10_mass)


class Linear(nn.Module):
    """One linear layer, with a loss of its own that the settings overrule."""

    def __init__(self, _settings):
        super().__init__()
        self.output = nn.Linear(3, 1)

    def forward(self, inputs):
        return self.output(inputs).squeeze(1)

    def loss(self, outputs, labels):
        return (outputs - labels).abs().mean()


def weighted(difference, inputs, counts, factor):
    """Return Lin et al. (2022, Eq. 3) and its gradient in the weights of a linear layer."""
    weights = len(difference) / len(set(counts)) / np.array(counts)
    spread = difference - difference.mean()
    gradient = (2 * weights * difference + factor * spread / spread.std()) @ inputs / len(inputs)
    return (weights * difference**2).mean() + factor * spread.std(), gradient


def absolute(difference, inputs, _counts, factor):
    """Return Liang et al. (2020, Eq. 1) and its gradient in the weights of a linear layer."""
    size = np.abs(difference)
    spread = (size - size.mean()) * np.sign(difference)
    gradient = (2 * difference + factor * spread / size.std()) @ inputs / len(inputs)
    return (difference**2).mean() + factor * size.std(), gradient


@pytest.mark.parametrize(
    ("settings", "expected"), [(WeightedScatterLoss(scatter=2), weighted), (AbsoluteScatterLoss(scatter=3), absolute)]
)
def test_a_first_step_down_the_losses_of_the_papers(monkeypatch, settings, expected):
    monkeypatch.setattr(trainer, "build", Linear)
    rng, log10_mass = np.random.default_rng(6), np.array([14.0, 14.1, 14.2, 14.8, 14.24])
    samples, counts = Samples(rng.random((5, 3), np.float32), log10_mass), [4, 4, 4, 1, 4]  # in ranges of 0.25 dex
    step = MOMENTUM.model_copy(update={"epochs": 1, "loss": settings})
    begun = Start({"output.weight": torch.tensor([[0.5, -1, 2]]), "output.bias": torch.tensor([0.3])})
    state = train(HEAD, step, samples, samples, 5, start=begun)
    unit = log10_mass.std()
    y, x = (log10_mass - log10_mass.mean()) / unit, np.column_stack([samples.inputs, np.ones(5)])
    w = np.array([0.5, -1, 2, 0.3])
    loss, gradient = expected(x @ w - y, x, counts, settings.scatter / unit)
    after = np.append(network_of(state)["output.weight"], network_of(state)["output.bias"])
    assert after == pytest.approx(w - 1e-2 * gradient, rel=1e-5)
    assert state.curves[0]["train_loss"] == pytest.approx(loss, rel=1e-5)
    validated = expected(x @ after - y, x, counts, settings.scatter / unit)[0]
    assert state.curves[0]["validation_loss"] == pytest.approx(validated, rel=1e-5)


def test_losses_are_chosen_by_their_kind(tmp_path):
    assert Training(loss={"kind": "absolute_scatter", "scatter": 2}).loss == AbsoluteScatterLoss(scatter=2)
    with pytest.raises(ValidationError, match=r"kind.*expected tags"):
        Training(loss={"kind": "scatter"})
    settings = MOMENTUM.model_copy(update={"loss": WeightedScatterLoss(), "epochs": 1})
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, train(HEAD, settings, SAMPLES, None, 5), Identity(HEAD, settings))
    assert load_checkpoint(path, Identity(HEAD, settings)).tensors.keys() >= {"sgd/velocity"}
    for other, message in (
        ({"loss": None}, "training.optimiser: expected adam, got sgd"),
        ({"loss": WeightedScatterLoss(scatter=9)}, r"training\.loss\.scatter: expected 9\.0, got 100\.0"),
    ):
        changed = settings.model_copy(update={"optimiser": "adam", **other})
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(path, Identity(HEAD, changed))


def test_a_start_gives_weights_and_scale():
    model = trained(HEAD, train(HEAD, MOMENTUM, SAMPLES, None, 5))
    other = features(30, 7)
    whole = train(HEAD, STILL, other, None, 6, start=start_of(model))
    assert whole.scale == model.scale
    for name, value in model.network.named_parameters():
        torch.testing.assert_close(network_of(whole)[name], value, rtol=0, atol=1e-25)
    part = train(HEAD, STILL, other, None, 6, start=start_of(model, "hidden."))
    random = train(HEAD, STILL, other, None, 6)
    assert part.scale == random.scale != model.scale
    for name, value in model.network.named_parameters():
        expected = value if name.startswith("hidden.") else network_of(random)[name]
        torch.testing.assert_close(network_of(part)[name], expected, rtol=0, atol=1e-25)
    kept = Start(start_of(model, "hidden.").tensors, LabelScale(14, 2))
    assert train(HEAD, STILL, other, None, 6, start=kept).scale == LabelScale(14, 2)


def test_a_start_of_another_network_is_refused():
    wrong = Start({"head.weight": torch.zeros(2), "output.bias": torch.zeros(3), "output.weight": torch.zeros(1, 6)})
    message = r"weights of FeatureRegressor, got 2 of 3 tensors that are not: head\.weight unknown; output\.bias \(3,\), not \(1,\)"
    with pytest.raises(ValueError, match=message):
        train(HEAD, STILL, SAMPLES, None, 5, start=wrong)
    model = trained(HEAD, train(HEAD, STILL, SAMPLES, None, 5))
    with pytest.raises(ValueError, match=r"names begin with 'extractor\.', got none"):
        start_of(model, "extractor.")
    fold = [Fold(0, np.arange(9), np.arange(0))]
    with pytest.raises(ValueError, match="one for each of 1 folds, got 2"):
        train_folds(HEAD, STILL, SAMPLES, fold, np.random.default_rng(1), 1, start=[None, None])


def test_extractors_start_from_the_weights_that_they_ask_for(tmp_path):
    file = tmp_path / "squeezenet.safetensors"
    with torch.random.fork_rng(devices=[]):
        state = models.squeezenet1_1(weights=None).state_dict()
    save_file(state, file)
    extractor = EXTRACTOR.model_copy(update={"weights": "file", "file": str(file)})
    asking, before = IMAGES.model_copy(update={"extractor": extractor}), torch.get_rng_state()
    start = extractor_start(asking)
    assert torch.equal(before, torch.get_rng_state())
    assert start.scale is None
    names = {
        name: name.replace("features.", "extractor.backbone.features.") for name in state if "classifier" not in name
    }
    assert start.tensors.keys() == set(names.values())  # the 1 x 1 convolution stays random
    assert start.tensors.keys() == extractor_start(BandNetwork(extractor=extractor)).tensors.keys()
    after = network_of(train(asking, STILL, PICTURES, None, 5, start=start))
    assert all(torch.equal(after[name], state[original]) for original, name in names.items())
    assert extractor_start(IMAGES) is None
    assert extractor_start(HEAD) is None


def test_a_training_killed_in_mid_epoch_ends_as_if_it_was_not(tmp_path, monkeypatch):
    fold, said, move, steps = [Fold(0, np.arange(16), np.arange(16, 20))], [], SGD._move, []

    def killing(self, rate, *vectors):
        steps.append(rate)
        if len(steps) == 4:  # in the second of three epochs, of two steps each
            raise KeyboardInterrupt
        move(self, rate, *vectors)

    settings = MOMENTUM.model_copy(update={"epochs": 3})
    begun = Start(build(IMAGES).state_dict())
    run = partial(train_folds, IMAGES, settings, PICTURES, fold, workers=1, start=begun, say=said.append)
    whole = run(rng=np.random.default_rng(7))[0]
    monkeypatch.setattr(SGD, "_move", killing)
    with pytest.raises(KeyboardInterrupt):
        run(rng=np.random.default_rng(7), folder=tmp_path / "models")
    monkeypatch.setattr(SGD, "_move", move)
    said.clear()
    resumed = run(rng=np.random.default_rng(7), folder=tmp_path / "models")[0]
    assert len(said) == 2
    assert same(resumed.network.state_dict(), whole.network.state_dict())
    assert resumed.curves.equals(whole.curves)


def test_a_training_from_another_start_begins_anew(tmp_path):
    marks, fold = [], [Fold(k, np.arange(30), np.arange(30, 40)) for k in range(2)]
    one = build(HEAD).state_dict()
    other = {**one, "output.bias": one["output.bias"] + 1}
    starts = [None, Start(one), Start(dict(reversed(one.items()))), Start(other), Start(one, LabelScale(14, 1))]
    marks = [fingerprints(SAMPLES, fold[:1], [start])[0] for start in starts]
    assert marks[1] == marks[2]
    assert len(set(marks)) == 4
    assert marks[0] == fingerprints(SAMPLES, fold)[0]
    said = []

    def killed(line):
        said.append(line)
        raise KeyboardInterrupt

    run = partial(train_folds, HEAD, MOMENTUM, SAMPLES, fold, workers=1, folder=tmp_path / "models")
    with pytest.raises(KeyboardInterrupt):
        run(rng=np.random.default_rng(7), start=[starts[1], None], say=killed)
    models_ = run(rng=np.random.default_rng(7), start=[starts[3], None], say=said.append)
    assert "fold 0 starts anew" in said[1]
    assert "samples: expected" in said[1]
    assert len(said) == 2 + 2 * MOMENTUM.epochs
    seeds = np.random.default_rng(7).integers(2**62, size=2)
    parts = [subset(SAMPLES, fold[0].training), subset(SAMPLES, fold[0].validation)]
    for model, seed, start in zip(models_, seeds, [starts[3], None], strict=True):
        alone = train(HEAD, MOMENTUM, *parts, int(seed), start=start)
        assert same(model.network.state_dict(), network_of(alone))


def test_a_last_batch_of_one_joins_the_one_before():
    sizes = {(33, 16): [16, 17], (34, 16): [16, 16, 2], (32, 16): [16, 16], (1, 16): [1], (3, 1): [1, 1, 1]}
    for (number, size), expected in sizes.items():
        parts = split(torch.arange(number), size)
        assert [len(part) for part in parts] == expected
        assert torch.equal(torch.cat(parts), torch.arange(number))
    state = train(HEAD, STILL, features(33), None, 5)  # its batch normalisation refuses a batch of one
    assert state.step == 4
    cosine = STILL.model_copy(update={"schedule": "cosine", "learning_rate": 1.0})
    assert train(HEAD, cosine, features(33), None, 5).curves[-1]["learning_rate"] == pytest.approx(0, abs=1e-12)


def test_only_images_are_turned():
    both = QUICK.model_copy(update={"velocity_flip": True, "sky_symmetries": True})
    images, redshift, vectors = torch.rand(50, 5, 4, 4), torch.rand(50), torch.rand(50, 5, 8)
    turned, alike = augmented((images, redshift), both)
    assert torch.equal(alike, redshift)
    assert not torch.equal(turned, images)
    torch.testing.assert_close(turned.sum((1, 2, 3)), images.sum((1, 2, 3)))
    assert len(list(views((images, redshift), both))) == 16
    before = torch.get_rng_state()
    assert augmented((vectors, redshift), both)[0] is vectors
    assert torch.equal(before, torch.get_rng_state())
    assert len(list(views((vectors, redshift), both))) == 1
    sky = QUICK.model_copy(update={"sky_symmetries": True})
    assert augmented((vectors,), sky)[0] is vectors
    assert not torch.equal(augmented((vectors,), both)[0], vectors)  # one input has velocities, whatever its shape


def test_large_inputs_are_left_where_they_are(tmp_path, monkeypatch):
    whole = subset(SAMPLES, np.array([5, 3]))
    assert isinstance(whole.inputs, tuple)
    for module in (batches, folds):
        monkeypatch.setattr(module, "LARGE", 1000)
    some = subset(SAMPLES, np.array([5, 3]))
    for one, other in zip(some.inputs(torch.tensor([1, 0])), whole.inputs, strict=True):
        assert torch.equal(one, torch.from_numpy(other[::-1].copy()))
    assert Stored((SAMPLES.inputs[0],), CPU)._tensors[0].data_ptr() == SAMPLES.inputs[0].ctypes.data
    np.save(tmp_path / "features.npy", SAMPLES.inputs[0])
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    wide = np.memmap(tmp_path / "wide", np.float32, "w+", shape=(41, 5, 8))
    wide[1:] = mapped
    changed = np.load(tmp_path / "features.npy", mmap_mode="c")
    changed[:] += 0
    new = []

    def here(job, aside, _say):  # what the processes do, in this one
        _write_job(job, aside)
        new.append(sorted(path.name for path in aside.iterdir() if path.name.startswith("inputs")))
        for number in range(job.workers):
            run_worker(str(aside), str(number))

    monkeypatch.setattr(folds, "_run_workers", here)
    pair = [Fold(k, np.arange(30), np.arange(30, 40)) for k in range(2)]
    run = partial(train_folds, HEAD, MOMENTUM, folds=pair, workers=2)
    found = []
    for array in (SAMPLES.inputs[0], mapped, wide[1:], changed):
        samples = Samples((array, SAMPLES.inputs[1]), SAMPLES.log10_mass)
        found += run(samples=samples, rng=np.random.default_rng(7))[:1]
    both = ["inputs_0", "inputs_1"]
    assert new == [both, both[1:], both, both]  # a whole file that is mapped is not written again
    assert all(same(model.network.state_dict(), found[0].network.state_dict()) for model in found)
    alone = train(HEAD, MOMENTUM, *(subset(SAMPLES, r) for r in (pair[0].training, pair[0].validation)), found_seed())
    assert same(found[0].network.state_dict(), network_of(alone))


def found_seed():
    return int(np.random.default_rng(7).integers(2**62, size=1)[0])


class Brightness(nn.Module):
    """Mean of images, and redshift."""

    def forward(self, images, redshift):
        return images.mean((1, 2, 3)) + redshift


def test_images_of_full_size_are_evaluated_a_few_at_a_time():
    asked = []

    def make(rows):
        asked.append(len(rows))
        return torch.ones(1, 5, 256, 256).expand(len(rows), -1, -1, -1), rows.float()

    model = Trained(Brightness(), LabelScale(0, 1), pd.DataFrame())
    assert network_outputs(model, make, 30, QUICK).tolist() == [1.0 + row for row in range(30)]
    assert max(asked) == 12  # 16 MiB; layers of ResNet-18 make 0.6 GB of them
    turned = QUICK.model_copy(update={"sky_symmetries": True, "views": 4})
    assert predict_log10_mass(model, make, 3, turned).tolist() == [1.0, 2.0, 3.0]


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="inputs 2 of 2: expected 2, one a label, got 3"):
        Samples((np.zeros((2, 4), np.float32), np.zeros(3, np.float32)), np.array([14.0, 15.0]))
    with pytest.raises(ValueError, match="inputs 2 of 2: expected finite values, got others in 1 of 2"):
        Samples((np.zeros((2, 4), np.float32), np.array([1, np.inf], np.float32)), np.array([14.0, 15.0]))
    with pytest.raises(ValueError, match="at least one array, got none"):
        Samples((), np.array([14.0]))


@pytest.mark.gpu
def test_images_train_on_a_gpu_as_on_the_cpu(monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")
    joint = IMAGES.model_copy(update={"frozen": False})
    update = {"loss": WeightedScatterLoss(scatter=1), "sky_symmetries": False, "epochs": 1, "learning_rate": 1e-3}
    on_cpu = MOMENTUM.model_copy(update=update)
    on_gpu = on_cpu.model_copy(update={"device": "cuda"})
    start = Start(build(joint).state_dict())
    one, other = (train(joint, on_gpu, PICTURES, PICTURES, 5, start=start) for _ in range(2))
    assert same(one.tensors, other.tensors)
    expected = train(joint, on_cpu, PICTURES, PICTURES, 5, start=start)
    for name, value in network_of(expected).items():
        torch.testing.assert_close(network_of(one)[name], value, rtol=1e-2, atol=1e-3)
    predicted = [predict_log10_mass(trained(joint, expected), PICTURES.inputs, 20, s) for s in (on_cpu, on_gpu)]
    assert predicted[1] == pytest.approx(predicted[0], abs=1e-3)
    monkeypatch.setattr(batches, "LARGE", 1000)  # read from the computer's memory a batch at a time
    assert same(train(joint, on_gpu, PICTURES, PICTURES, 5, start=start).tensors, one.tensors)


def test_what_is_watched_is_scored_and_decides_nothing():
    rows = np.arange(40)
    whole, some, rest = (subset(SAMPLES, part) for part in (rows[:24], rows[24:32], rows[32:]))
    plain, seen = (train(HEAD, QUICK, whole, some, 3, watched=watched) for watched in (None, rest))
    assert same(network_of(plain), network_of(seen))
    assert "watched_score" not in plain.curves[-1]
    model = trained(HEAD, seen)
    expected = np.abs(predict_log10_mass(model, rest.inputs, 8, QUICK) - rest.log10_mass).mean()
    assert model.curves["watched_score"].iloc[-1] == pytest.approx(expected, rel=1e-4)
    assert trained(HEAD, plain).curves["watched_score"].isna().all()
    with pytest.raises(ValueError, match=r"training and watched share 1 rows, e\.g\. 23"):
        Fold(0, rows[:24], rows[24:32], rows[23:24])
