"""The trainer: what it must keep on every step, what it must repeat, and what it must refuse."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pytest
import torch

from clustermass.config.networks import PhaseSpaceNetwork
from clustermass.config.training import Training
from clustermass.networks import build
from clustermass.training import evaluation, trainer
from clustermass.training.batches import flip_velocities, turn_skies, views
from clustermass.training.checkpoint import CheckpointError, Identity, load_checkpoint, save_checkpoint
from clustermass.training.device import prepared
from clustermass.training.folds import (
    Fold,
    Progress,
    _write_job,
    checkpoint_path,
    fingerprints,
    run_worker,
    subset,
    train_folds,
    unfinished_folder,
)
from clustermass.training.labels import LabelScale, fit_scale
from clustermass.training.optimiser import Adam, constrained_weights, limit_norms
from clustermass.training.trainer import (
    Samples,
    TrainingError,
    network_outputs,
    predict_log10_mass,
    train,
    trained,
)

SMALL = PhaseSpaceNetwork(velocity_bins=16, filters=(6, 4), dense=(16, 8), input_scale=16)
QUICK = Training(epochs=4, batch=32, learning_rate=5e-3)


def planted(number, seed=0, bins=16):
    """Return velocity distributions whose width follows the mass: sigma in bins = 1.5 x 10^((log10 M - 14) / 3)."""
    rng = np.random.default_rng(seed)
    log10_mass = rng.uniform(13.8, 15.0, number)
    sigma = 1.5 * 10 ** ((log10_mass - 14) / 3)
    at = np.arange(bins) - (bins - 1) / 2
    density = np.exp(-0.5 * (at / sigma[:, None]) ** 2) * rng.lognormal(0, 0.05, (number, bins))
    return Samples((density / density.sum(1, keepdims=True)).astype(np.float32), log10_mass)


TRAINING, VALIDATION, TEST = planted(600, 1), planted(150, 2), planted(300, 3)


def weights(state):
    return state.tensors["network/output.weight"].numpy(), state.tensors["adam/second"].numpy()


def same(one, other):
    return one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )


@pytest.fixture(scope="module")
def state():
    return train(SMALL, QUICK.model_copy(update={"epochs": 12}), TRAINING, VALIDATION, 5)


def test_a_planted_relation_is_learnt(state):
    model = trained(SMALL, state, fold=3)
    curves = model.curves
    assert list(curves["epoch"]) == list(range(1, 13))
    assert set(curves["fold"]) == {3}
    assert list(curves["kept"]) == [False] * 11 + [True]
    for loss in ("train_loss", "validation_loss"):
        assert curves[loss].iloc[-1] < 0.2 * curves[loss].iloc[0]
        assert (curves[loss].rolling(4).mean().diff().dropna() < 0.002).all()
    error = predict_log10_mass(model, TEST.inputs, 300, QUICK) - TEST.log10_mass
    assert np.std(error) < 0.12
    in_dex = np.mean((predict_log10_mass(model, VALIDATION.inputs, 150, QUICK) - VALIDATION.log10_mass) ** 2)
    assert curves["validation_loss"].iloc[-1] * curves["label_unit"].iloc[-1] ** 2 == pytest.approx(in_dex, rel=1e-4)


def test_permuted_labels_leave_no_signal():
    shuffled = Samples(TRAINING.inputs, np.random.default_rng(4).permutation(TRAINING.log10_mass))
    model = trained(SMALL, train(SMALL, QUICK, shuffled, None, 5))
    assert np.std(predict_log10_mass(model, TEST.inputs, 300, QUICK) - TEST.log10_mass) > 0.95 * np.std(TEST.log10_mass)
    assert model.curves["validation_loss"].isna().all()


def test_one_seed_is_one_result_and_the_callers_state_is_left_alone():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    one, other = (train(SMALL, QUICK, TRAINING, VALIDATION, 5) for _ in range(2))
    assert same(one, other)
    assert one.curves == other.curves
    assert not same(one, train(SMALL, QUICK, TRAINING, VALIDATION, 6))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_validation_set_decides_nothing_without_early_stopping():
    with_it, without = train(SMALL, QUICK, TRAINING, VALIDATION, 5), train(SMALL, QUICK, TRAINING, None, 5)
    assert same(with_it, without)


def test_norms_hold_after_every_step(monkeypatch):
    seen = []

    def checked(weights, largest):
        limit_norms(weights, largest)
        seen.append(max(float(w.detach().flatten(1).norm(dim=1).max()) for w in weights))

    monkeypatch.setattr(trainer, "limit_norms", checked)
    settings = QUICK.model_copy(update={"max_norm": 0.5, "epochs": 2})
    end = train(SMALL, settings, TRAINING, None, 5)
    assert len(seen) == 2 * 19  # 600 samples in batches of 32
    assert max(seen) <= 0.5 * (1 + 1e-6)
    assert min(seen) > 0.499  # the limit is felt
    model = trained(SMALL, end).network
    assert float(model.output.weight.detach().norm()) > 0.5  # not that of the output
    free = train(SMALL, settings.model_copy(update={"max_norm": None}), TRAINING, None, 5)
    assert not same(free, end)


def test_all_weights_but_those_of_the_output_are_limited():
    network = build(SMALL)
    assert [tuple(w.shape) for w in constrained_weights(network)] == [(6, 1, 5), (4, 6, 3), (16, 32), (8, 16)]
    with pytest.raises(ValueError, match="a layer called 'output'"):
        constrained_weights(torch.nn.Linear(2, 1))
    weight = torch.nn.Parameter(torch.tensor([[[3.0, 0], [0, 4]], [[1, 0], [0, 1]]]))
    limit_norms([weight], 3.0)
    expected = torch.tensor([[[1.8, 0], [0, 2.4]], [[1, 0], [0, 1]]])
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("block", [1, 2**18])
def test_adam_against_its_equations(monkeypatch, block):
    monkeypatch.setattr("clustermass.training.optimiser._BLOCK", block)
    settings = Training(learning_rate=0.1, decay=0.5, epsilon=1e-3)
    module = torch.nn.Linear(2, 1, bias=False)
    w = module.weight.detach().double().numpy()[0].copy()
    optimiser, m, v = Adam(module, settings, 5), np.zeros(2), np.zeros(2)
    for t in range(1, 6):
        x = np.array([1.0, 2 * t])
        optimiser.minimise((module(torch.tensor(x, dtype=torch.float32)) ** 2).sum())
        gradient = 2 * (w @ x) * x
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        rate = 0.1 / (1 + 0.5 * (t - 1)) * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w -= rate * m / (np.sqrt(v) + 1e-3)
    assert module.weight.detach().numpy()[0] == pytest.approx(w, rel=1e-4)
    assert optimiser.step == 5


def test_the_rate_falls_to_zero_as_a_half_cosine():
    settings = QUICK.model_copy(update={"schedule": "cosine", "decay": 0.01, "epochs": 3})
    curves = train(SMALL, settings, TRAINING, None, 5).curves
    steps = 19 * np.arange(1, 4)  # 600 samples in batches of 32
    expected = 5e-3 / (1 + 0.01 * steps) * [0.75, 0.25, 0]
    assert [row["learning_rate"] for row in curves] == pytest.approx(expected.tolist(), abs=1e-12)


def test_predictions_may_be_means_over_all_views():
    model = trained(SMALL, train(SMALL, QUICK.model_copy(update={"epochs": 1}), TRAINING, None, 5))
    averaged = QUICK.model_copy(update={"velocity_flip": True, "views": 2})
    there, back = (predict_log10_mass(model, x, 300, QUICK) for x in (TEST.inputs, TEST.inputs[:, ::-1].copy()))
    assert np.abs(there - back).max() > 1e-3
    assert predict_log10_mass(model, TEST.inputs, 300, averaged) == pytest.approx((there + back) / 2, abs=1e-6)
    cube = torch.arange(18.0).view(1, 2, 3, 3)
    seen = [view for (view,) in views((cube,), Training(velocity_flip=True, sky_symmetries=True))]
    assert torch.equal(seen[0], cube)
    assert len({tuple(view.flatten().tolist()) for view in seen}) == 16
    turns = [torch.rot90(cube, k, (2, 3)) for k in range(4)]
    assert all(torch.equal(seen[k].flip([1] * (k % 2)), turns[k]) for k in range(4))


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    settings, kept = QUICK.model_copy(update={"patience": 2, "velocity_flip": True}), []
    identity = Identity(SMALL, settings, 5)

    def keep(state):
        path = tmp_path / f"{len(state.curves)}.safetensors"
        save_checkpoint(path, state, identity)
        kept.append(path)

    whole = train(SMALL, settings, TRAINING, VALIDATION, 5, after_epoch=keep)
    for path in (kept[0], kept[1], kept[-1]):
        again = train(SMALL, settings, TRAINING, VALIDATION, 5, resume=load_checkpoint(path, identity))
        assert same(again, whole)
        assert again.curves == whole.curves
        assert (again.best, again.step, again.scale) == (whole.best, whole.step, whole.scale)


def test_early_stopping_keeps_the_epoch_of_lowest_validation_loss(monkeypatch):
    losses = iter([0.5, 0.3, 0.4, 0.35, 0.2])
    monkeypatch.setattr(trainer, "tested", lambda *args: (next(losses) if args[-1] else np.nan, np.nan))
    settings, states = QUICK.model_copy(update={"patience": 2, "epochs": 9}), []
    end = train(
        SMALL,
        settings,
        TRAINING,
        VALIDATION,
        5,
        after_epoch=lambda s: states.append(s.tensors["network/output.weight"]),
    )
    assert len(end.curves) == 4
    model = trained(SMALL, end)
    assert list(model.curves["kept"]) == [False, True, False, False]
    assert torch.equal(model.network.output.weight, states[1])
    with pytest.raises(ValueError, match="expected a validation set"):
        train(SMALL, settings, TRAINING, None, 5)
    by_errors = settings.model_copy(update={"chosen_by": "error", "labels": "raw"})
    with pytest.raises(ValueError, match="chosen_by: expected loss with labels: raw"):
        train(SMALL, by_errors, TRAINING, VALIDATION, 5)


def test_the_error_can_choose_the_epoch_in_place_of_the_loss(monkeypatch):
    found = iter(zip([0.5, 0.4, 0.3, 0.2, 0.1], [0.3, 0.1, 0.2, 0.15, 0.05], strict=True))
    monkeypatch.setattr(trainer, "tested", lambda *args: next(found) if args[-1] else (np.nan, np.nan))
    settings = QUICK.model_copy(update={"patience": 2, "epochs": 9, "chosen_by": "error"})
    model = trained(SMALL, train(SMALL, settings, TRAINING, VALIDATION, 5))
    assert list(model.curves["kept"]) == [False, True, False, False]


def test_checkpoints_of_something_else_are_refused(tmp_path, state):
    path, identity = tmp_path / "x.safetensors", Identity(SMALL, QUICK, 5, "abc")
    save_checkpoint(path, state, identity)
    assert same(load_checkpoint(path, Identity(SMALL)), state)  # to predict_log10_mass, the architecture is enough
    where_only = QUICK.model_copy(update={"threads": 2, "device": "cuda"})
    assert load_checkpoint(path, Identity(SMALL, where_only, 5, "abc")).curves == state.curves
    for other, message in (
        (Identity(SMALL.model_copy(update={"dense": (16, 9)})), r"network.dense: expected \[16, 9\], got \[16, 8\]"),
        (Identity(QUICK), "architecture: expected Training, got PhaseSpaceNetwork"),
        (Identity(SMALL, QUICK.model_copy(update={"batch": 9})), "training.batch: expected 9, got 32"),
        (Identity(SMALL, QUICK, 6), "seed: expected 6, got 5"),
        (Identity(SMALL, QUICK, 5, "abd"), "samples: expected abd, got abc"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(path, other)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"x\.safetensors: expected a checkpoint"):
        load_checkpoint(path, identity)


def test_folds_do_not_depend_on_workers_and_are_resumed(tmp_path):
    samples, numbers = planted(300, 6), np.arange(300)
    folds = [Fold(k, np.flatnonzero(numbers % 3 != k), np.flatnonzero(numbers % 3 == k)[:30]) for k in range(3)]
    settings, said = QUICK.model_copy(update={"epochs": 2}), []
    several = train_folds(
        SMALL, settings, samples, folds, np.random.default_rng(7), 2, folder=tmp_path, say=said.append
    )
    assert len(said) == 6
    assert all("s left" in line for line in said), said
    seeds = np.random.default_rng(7).integers(2**62, size=3)
    for fold, model in zip(folds, several, strict=True):
        alone = train(
            SMALL, settings, subset(samples, fold.training), subset(samples, fold.validation), int(seeds[fold.number])
        )
        expected = trained(SMALL, alone, fold.number)
        assert all(
            torch.equal(a, b) for a, b in zip(expected.network.parameters(), model.network.parameters(), strict=True)
        )
        assert expected.curves.equals(model.curves)
        assert checkpoint_path(tmp_path, fold.number).is_file()
    begun = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(CheckpointError, match=r"fold_00\.safetensors: .*samples: expected"):
        train_folds(SMALL, settings, planted(300, 8), folds[:1], np.random.default_rng(7), 1, folder=tmp_path)
    assert begun == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_a_training_that_was_killed_goes_on(tmp_path):
    samples, rows, folder, said = planted(60, 6), np.arange(60), tmp_path / "models", []
    folds = [Fold(k, rows[:40], rows[40:]) for k in range(2)]

    def killing(line):
        said.append(line)
        if len(said) == 6:  # in the second epoch of the second fold, which was just saved
            raise KeyboardInterrupt

    run = partial(train_folds, SMALL, QUICK, samples, folds, workers=1)
    with pytest.raises(KeyboardInterrupt):
        run(rng=np.random.default_rng(7), folder=folder, say=killing)
    assert not folder.exists()  # a workflow would remove it
    begun = unfinished_folder(folder)
    assert sorted(path.name for path in begun.iterdir()) == ["fold_00.safetensors", "fold_01.safetensors"]
    (begun / "fold_07.safetensors").write_text("of a training that is no longer wanted")
    resumed = run(rng=np.random.default_rng(7), folder=folder, say=said.append)
    assert len(said) == 8
    assert not begun.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["fold_00.safetensors", "fold_01.safetensors"]
    for one, other in zip(resumed, run(rng=np.random.default_rng(7), say=said.append), strict=True):
        assert one.curves.equals(other.curves)
        assert all(torch.equal(a, b) for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True))


def test_what_was_left_of_another_training_starts_anew(tmp_path):
    samples, fold, said = planted(60, 6), [Fold(0, np.arange(40), np.arange(40, 60))], []
    left = checkpoint_path(unfinished_folder(tmp_path / "models"), 0)
    left.parent.mkdir()
    left.write_text("no checkpoint")
    train_folds(SMALL, QUICK, samples, fold, np.random.default_rng(7), 1, folder=tmp_path / "models", say=said.append)
    assert said[0].startswith("fold 0 starts anew: ")
    assert "expected a checkpoint" in said[0]
    assert len(said) == 1 + QUICK.epochs


def test_what_makes_batches_is_part_of_a_trainings_identity():
    folds = [Fold(0, np.arange(2), np.arange(0))]
    marks = [fingerprints(Samples(Ones(size), np.array([14.0, 15.0])), folds) for size in (2, 2, 3)]
    assert marks[0] == marks[1] != marks[2]


class Ones:
    def __init__(self, size):
        self.size = size

    def __call__(self, rows):
        return torch.ones(len(rows), self.size)


def test_a_worker_takes_its_share_of_a_job_and_resumes_it(tmp_path, monkeypatch):
    samples, ran = planted(60, 6), []
    folds = [Fold(k, np.arange(40), np.arange(40, 60)[: 10 * k]) for k in range(2)]

    def here(job, aside, say):  # what the processes do, in this one
        ran.append(len(ran))
        _write_job(job, aside)
        for number in range(job.workers):
            run_worker(str(aside), str(number))

    monkeypatch.setattr("clustermass.training.folds._run_workers", here)
    run = partial(train_folds, SMALL, QUICK, samples, folds)
    one = run(np.random.default_rng(7), 1)
    two = run(np.random.default_rng(7), 5, folder=tmp_path)
    again = run(np.random.default_rng(7), 2, folder=tmp_path)
    for a, b, c in zip(one, two, again, strict=True):
        assert a.curves.equals(b.curves)
        assert b.curves.equals(c.curves)
    assert fingerprints(samples, folds)[0] != fingerprints(samples, folds)[1]
    with pytest.raises(CheckpointError, match="seed"):
        run(np.random.default_rng(8), 2, folder=tmp_path)
    assert len(ran) == 2  # one worker is this process


def test_a_worker_that_fails_says_why(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'MemoryError: too little' >&2; exit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    folds = [Fold(k, np.arange(40), np.arange(0)) for k in range(2)]
    with pytest.raises(TrainingError, match="a worker of 2 failed: MemoryError: too little"):
        train_folds(SMALL, QUICK, planted(60), folds, np.random.default_rng(7), 2)


def test_batches_may_be_made_on_the_fly():
    made = Samples(lambda rows: torch.from_numpy(TRAINING.inputs)[rows], TRAINING.log10_mass)
    assert same(train(SMALL, QUICK, made, None, 5), train(SMALL, QUICK, TRAINING, None, 5))
    some = subset(made, np.array([5, 3]))
    assert torch.equal(some.inputs(torch.tensor([1, 0])), torch.from_numpy(TRAINING.inputs[[3, 5]]))


def test_half_of_the_clusters_are_seen_from_behind():
    x = torch.arange(2000.0 * 6).view(2000, 3, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        y = flip_velocities(x)
    flipped = (y == x.flip(1)).all(2).all(1)
    assert ((y == x).all(2).all(1) ^ flipped).all()
    assert 900 < int(flipped.sum()) < 1100


def test_skies_are_turned_and_mirrored_as_often_each_way():
    x = torch.arange(4000.0 * 2 * 3 * 3).view(4000, 2, 3, 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        y = turn_skies(x)
    ways = [torch.rot90(z, k, (2, 3)) for z in (x, x.flip(2)) for k in range(4)]
    found = torch.stack([(y == way).flatten(1).all(1) for way in ways])
    assert (found.sum(0) == 1).all()
    assert found.sum(1).tolist() == pytest.approx([500] * 8, abs=80)
    with pytest.raises(ValueError, match=r"sky_symmetries: expected cubes \(velocity, side, side\), got \(3, 2\)"):
        turn_skies(torch.zeros(5, 3, 2))


class Dispersed(torch.nn.Module):
    """Mean and logarithmic width of a normal distribution of the label."""

    def __init__(self, _settings):
        super().__init__()
        self.output = torch.nn.Linear(16, 2)

    def forward(self, inputs):
        return self.output(inputs * 16)

    def loss(self, outputs, labels):
        mean, log_width = outputs.unbind(1)
        return (0.5 * ((labels - mean) / log_width.exp()) ** 2 + log_width).mean()


def test_a_network_may_bring_its_own_loss(monkeypatch):
    monkeypatch.setattr(trainer, "build", Dispersed)
    state = train(SMALL, QUICK.model_copy(update={"epochs": 20}), TRAINING, VALIDATION, 5)
    losses = [row["validation_loss"] for row in state.curves]
    assert losses[-1] < min(0, losses[0])  # a logarithm of a density may be negative
    model = trained(SMALL, state)
    outputs = network_outputs(model, VALIDATION.inputs, 150, QUICK)
    assert outputs.shape == (150, 2)
    pull = (state.scale.scale(VALIDATION.log10_mass) - outputs[:, 0]) / np.exp(outputs[:, 1])
    assert np.mean(0.5 * pull**2 + outputs[:, 1]) == pytest.approx(losses[-1], rel=1e-4)
    assert network_outputs(model, VALIDATION.inputs, 0, QUICK).shape == (0, 2)


def test_large_inputs_are_evaluated_a_few_at_a_time(monkeypatch):
    asked = []

    def inputs(rows):
        asked.append(len(rows))
        return torch.from_numpy(TEST.inputs)[rows]

    model = trained(SMALL, train(SMALL, QUICK, TRAINING, None, 5))
    whole = predict_log10_mass(model, TEST.inputs, 300, QUICK)
    monkeypatch.setattr(evaluation, "_EVALUATED_BYTES", 70 * 16 * 4)
    assert predict_log10_mass(model, inputs, 300, QUICK) == pytest.approx(whole, abs=1e-6)
    assert asked == [1, 70, 70, 70, 70, 20]


def test_label_scales():
    log10_mass = np.array([13.5, 14.0, 15.5])
    unit = fit_scale(log10_mass, "unit_interval")
    assert unit == LabelScale(13.5, 2.0)
    assert unit.scale(log10_mass) == pytest.approx([0, 0.25, 1])
    assert unit.unscale(unit.scale(log10_mass)) == pytest.approx(log10_mass)
    standard = fit_scale(log10_mass, "standardised").scale(log10_mass)
    assert (standard.mean(), standard.std()) == pytest.approx((0, 1))
    assert fit_scale(log10_mass, "raw").scale(log10_mass).tolist() == log10_mass.tolist()
    with pytest.raises(ValueError, match=r"masses that differ, got 14\.0 for all 3"):
        fit_scale(np.full(3, 14.0), "standardised")


def test_bfloat16_learns_as_float32_does(state):
    half = train(SMALL, QUICK.model_copy(update={"epochs": 12, "precision": "bfloat16"}), TRAINING, VALIDATION, 5)
    assert half.curves[-1]["validation_loss"] < 1.3 * state.curves[-1]["validation_loss"]


def test_bad_samples_are_refused():
    with pytest.raises(ValueError, match="expected one finite log10 mass"):
        Samples(np.zeros((2, 16), np.float32), np.array([14.0, np.nan]))
    with pytest.raises(ValueError, match="inputs: expected 2, one a label, got 3"):
        Samples(np.zeros((3, 16), np.float32), np.array([14.0, 15.0]))
    with pytest.raises(ValueError, match="others in 1 of 2 samples"):
        Samples(np.array([[np.nan], [1]], np.float32), np.array([14.0, 15.0]))
    with pytest.raises(ValueError, match=r"fold 2: training and validation share 1 rows, e\.g\. 4"):
        Fold(2, np.array([3, 4]), np.array([4, 5]))
    with pytest.raises(ValueError, match=r"its own number, got the numbers \[\]"):
        train_folds(SMALL, QUICK, TRAINING, [], np.random.default_rng(0), 1)


def test_a_diverging_training_says_so():
    with pytest.raises(TrainingError, match="the loss is nan in epoch"):
        train(SMALL, QUICK.model_copy(update={"learning_rate": 1e30, "max_norm": None}), TRAINING, None, 5)


def test_progress_counts_what_is_left(state):
    said = []
    progress = Progress(3, said.append)
    progress.skip(1)
    progress.tell("fold 1", state)
    progress.tell("fold 1", state)
    assert said[0].startswith("fold 1, epoch 12: loss 0.0")
    assert said[1].endswith("at most 0 s left")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said():
    with pytest.raises(RuntimeError, match="torch finds none; set device: cpu"), prepared("cuda", 1):
        pass


@pytest.mark.gpu
def test_gpu_repeats_itself_and_agrees_with_the_cpu(state):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")
    settings = QUICK.model_copy(update={"epochs": 12, "device": "cuda"})
    one, other = (train(SMALL, settings, TRAINING, VALIDATION, 5) for _ in range(2))
    assert same(one, other)
    assert one.curves[-1]["validation_loss"] < 1.5 * state.curves[-1]["validation_loss"]
    model = trained(SMALL, state)
    on_cpu, on_gpu = (predict_log10_mass(model, TEST.inputs, 300, s) for s in (QUICK, settings))
    assert on_gpu == pytest.approx(on_cpu, abs=1e-4)
